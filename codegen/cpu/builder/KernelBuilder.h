//===- KernelBuilder.h - writes one CPU kernel as MLIR ----------*- C++ -*-===//
//
// A kernel is one function of type AirKernelFn (formats/abi/KernelAbi.h). It
// consists of scf loops, arith and vector ops on builtin scalars and vectors,
// and loads and stores through !llvm.ptr. This class holds the insertion point
// and offers the operations that kernels need.
//
// Rules for kernels
//
//   - Addresses and counts are i64. Token counts are loaded from the batch.
//   - Arithmetic works on scalars and on vectors of any length. All operands of
//     an operation have the same type, apart from the condition of select().
//     LLVM splits vectors that are longer than the target's vector registers.
//   - Kernels must not need libc or libm symbols, so they cannot use LLVM's
//     sin, exp and fmod. Use exp() of this class, or write a polynomial.
//   - Only fma() fuses a multiplication and an addition. The results of a
//     compiled kernel are thus the same on all machines that can run it.
//   - Every load and store states its alignment in bytes, which must hold.
//     Bindings and scratch are aligned to 64 bytes, but rows inside them only
//     to the size of an element.
//   - Bindings and batch fields are available anywhere in the function. Each is
//     loaded once, on entry.
//
// Ownership: the module owns the IR; the builder only points into it.
// Thread-safety: one thread per MLIRContext.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_BUILDER_KERNELBUILDER_H
#define AIRPACK_CODEGEN_CPU_BUILDER_KERNELBUILDER_H

#include "codegen/cpu/CpuTarget.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include <map>
#include <string>
#include <utility>

namespace air::codegen {

class KernelBuilder {
public:
  using Value = mlir::Value;
  using Values = llvm::SmallVector<mlir::Value>;
  using Type = mlir::Type;

  /// Creates function `name` in `module`. All other calls insert into its body.
  KernelBuilder(mlir::ModuleOp module, const std::string &name,
                const IsaTraits &isa);
  /// Ends the function. This must be the last call on the object.
  void finish();

  const IsaTraits &isa() const { return traits; }
  mlir::OpBuilder &ops() { return builder; }
  mlir::Location loc() const { return location; }

  // ---- types ----------------------------------------------------------------

  Type i1() { return builder.getI1Type(); }
  Type i8() { return builder.getI8Type(); }
  Type i16() { return builder.getI16Type(); }
  Type i32() { return builder.getI32Type(); }
  Type i64() { return builder.getI64Type(); }
  Type f16() { return builder.getF16Type(); }
  Type bf16() { return builder.getBF16Type(); }
  Type f32() { return builder.getF32Type(); }
  Type f64() { return builder.getF64Type(); }
  Type ptr();
  mlir::VectorType vec(Type element, int64_t lanes);
  /// Returns `type` with `element` as its element type. If `type` is a scalar,
  /// the result is `element`.
  static Type withElement(Type type, Type element);

  // ---- constants ------------------------------------------------------------

  Value i64(int64_t value);
  Value i32(int32_t value);
  Value f32(float value);
  Value f64(double value);
  /// The constant `value`. If `type` is a vector type, every lane has this
  /// value.
  Value constant(Type type, int64_t value);
  Value constant(Type type, double value);
  Value zero(Type type);
  /// A vector constant, given lane by lane.
  Value constants(llvm::ArrayRef<float> values);
  Value constants(llvm::ArrayRef<int32_t> values);
  Value constants(llvm::ArrayRef<int8_t> values);

  // ---- arguments of the kernel (formats/abi/KernelAbi.h) --------------------

  Value tileBegin() { return function.getArgument(1); }
  Value tileEnd() { return function.getArgument(2); }
  Value scratch() { return function.getArgument(3); }
  /// The address that the binding with this index points at.
  Value binding(unsigned index);
  Value tokens();          ///< AirBatch.tokens, zero-extended to i64
  Value outputs();         ///< AirBatch.outputs, zero-extended to i64
  Value tokenIds();        ///< AirBatch.token_ids, a pointer to i32
  Value positions();       ///< AirBatch.positions, a pointer to u32
  Value sequences();       ///< AirBatch.sequences, a pointer to u32
  Value outputRows();      ///< AirBatch.output_rows, a pointer to u32
  Value ropePositions();   ///< AirBatch.rope_positions, a pointer to u32
  Value sequenceLengths(); ///< AirBatch.sequence_lengths, a pointer to u32
  /// AirBatch.block_tables[group]: blockTable() returns `pages`, a pointer to
  /// u32, and blockTableStride() returns `stride`, the number of entries per
  /// row, as an i64.
  Value blockTable(uint32_t group);
  Value blockTableStride(uint32_t group);

  // ---- control flow ---------------------------------------------------------

  /// Emits the loop `for (i = lower; i < upper; i += step) body(i)`. All values
  /// are i64, and step > 0.
  void loop(Value lower, Value upper, Value step,
            llvm::function_ref<void(Value)> body);
  /// Emits a loop with loop-carried values. `body` takes and returns values
  /// that match `initial` in number and types. The result is the values of the
  /// last iteration, or `initial` if there are no iterations.
  Values loop(Value lower, Value upper, Value step,
              llvm::ArrayRef<Value> initial,
              llvm::function_ref<Values(Value, mlir::ValueRange)> body);
  /// Emits a loop that runs body(tile) for every tile from tileBegin() up to,
  /// but not including, tileEnd().
  void tileLoop(llvm::function_ref<void(Value)> body);
  void ifThen(Value condition, llvm::function_ref<void()> body);
  void ifThenElse(Value condition, llvm::function_ref<void()> then,
                  llvm::function_ref<void()> otherwise);
  /// Emits both branches, which must return values of the same types. The
  /// result is the values of the branch that is taken.
  Values ifElse(Value condition, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

  // ---- memory ---------------------------------------------------------------

  /// base + bytes.
  Value offset(Value base, Value bytes);
  Value offset(Value base, int64_t bytes);
  /// base + index * elementBytes.
  Value element(Value base, Value index, int64_t elementBytes);
  Value load(Type type, Value pointer, unsigned alignment);
  /// Like load(), but LLVM neither reorders nor removes nor repeats the loads
  /// that this function emits. A vector that is longer than a register of the
  /// target is loaded in ascending order.
  Value loadInOrder(Type type, Value pointer, unsigned alignment);
  void store(Value value, Value pointer, unsigned alignment);
  /// Loads a 32-bit unsigned integer, zero-extended to i64.
  Value loadU32(Value pointer);
  /// Loads one float and broadcasts it to `lanes` lanes.
  Value loadSplat(Value pointer, int64_t lanes);
  /// Loads lane i from the address base + scale * index[i], which may be
  /// unaligned. `index` is a vector of non-negative i32, scale * index[i] is
  /// below 2^31, and `element` has 32 or 64 bits.
  Value gather(Type element, Value base, Value index, int64_t scale);
  /// Prefetches the 64-byte line at `pointer`, which may be any address, into
  /// the cache level that `hint` names. For the hint None, no instruction is
  /// emitted.
  void prefetch(Value pointer, StreamHint hint = StreamHint::T0);
  /// Returns the address of a read-only table with these bytes, which becomes
  /// part of the object file. All kernels that pass the same `name` use one
  /// table, so they must pass equal bytes.
  Value table(const std::string &name, llvm::ArrayRef<uint8_t> bytes,
              unsigned alignment = 64);

  // ---- arithmetic on integers or floats, as the operands' type says ---------

  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);          ///< floats, or unsigned integers
  Value rem(Value a, Value b);          ///< unsigned integers
  Value fma(Value a, Value b, Value c); ///< a * b + c, rounded once
  /// min() and max() take floats or unsigned integers. If either operand is
  /// NaN, the result is `b`.
  Value min(Value a, Value b);
  Value max(Value a, Value b);
  Value negate(Value a);
  Value sqrt(Value a);
  Value andBits(Value a, Value b);
  Value andBits(Value a, int64_t mask);
  Value orBits(Value a, Value b);
  Value xorBits(Value a, Value b);
  Value shiftLeft(Value a, int64_t bits);
  Value shiftRight(Value a, int64_t bits); ///< shifts in zeros
  Value shiftRight(Value a, Value bits);   ///< shifts in zeros
  Value shiftRightSigned(Value a, int64_t bits);
  Value shiftLeft(Value a, Value bits);

  Value equal(Value a, Value b);     ///< integers
  Value notEqual(Value a, Value b);  ///< integers
  Value less(Value a, Value b);      ///< floats, or unsigned integers
  Value lessEqual(Value a, Value b); ///< floats, or unsigned integers
  Value select(Value condition, Value a, Value b);

  // ---- conversions, lane by lane --------------------------------------------

  Value zeroExtend(Value a, Type element); ///< to a wider integer
  Value signExtend(Value a, Type element);
  Value truncate(Value a, Type element);      ///< to a narrower integer
  Value signedToFloat(Value a, Type element); ///< i32 or i64 to f32 or f64
  /// Rounds toward zero; the value must fit.
  Value floatToSigned(Value a, Type element);
  Value floatExtend(Value a, Type element);   ///< f16 -> f32, f32 -> f64
  Value floatTruncate(Value a, Type element); ///< rounds to nearest even
  Value bitcast(Value a, Type element);       ///< to lanes of equal width
  /// The bits of `vector`, as lanes of another width.
  Value recast(Value vector, Type element);

  // ---- vectors --------------------------------------------------------------

  Value splat(Value scalar, int64_t lanes);
  Value extract(Value vector, int64_t lane);
  Value insert(Value scalar, Value vector, int64_t lane);
  /// The sum of the lanes, added in a fixed tree order.
  Value sumLanes(Value vector);
  Value maxLanes(Value vector);
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask);
  /// Concatenates `parts`. All parts have the same type, and their number is a
  /// power of two.
  Value join(Values parts);

  // ---- functions ------------------------------------------------------------

  /// e^x in f32 with an error of at most 2 ulp. Results range from 0 to
  /// infinity, and NaN stays NaN.
  Value exp(Value x);
  /// x / (1 + e^-x).
  Value silu(Value x);
  /// Calls the LLVM intrinsic `name`, which isa() must allow.
  Value intrinsic(Type result, llvm::StringRef name,
                  llvm::ArrayRef<Value> args);
  /// Calls an LLVM intrinsic that has no result.
  void intrinsic(llvm::StringRef name, llvm::ArrayRef<Value> args);

private:
  Value entryLoad(Value record, int64_t at, Type type);
  Value foldLanes(Value vector,
                  llvm::function_ref<Value(Value, Value)> combine);
  static bool isFloat(Value a);

  mlir::ModuleOp module;
  mlir::OpBuilder builder;
  mlir::Location location;
  IsaTraits traits;
  mlir::func::FuncOp function;
  Value batch;
  Value bindings;
  /// The op after which the next load of a binding or a batch field is
  /// inserted.
  mlir::Operation *entryEnd = nullptr;
  std::map<std::pair<const void *, int64_t>, Value> entryLoads;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_BUILDER_KERNELBUILDER_H
