//===- KernelBuilder.h - writes one CPU kernel as MLIR ----------*- C++ -*-===//
//
// A kernel is one function of type AirKernelFn (formats/abi/KernelAbi.h) made
// of scf loops, arith and vector ops on builtin scalars and vectors, and loads
// and stores through !llvm.ptr. This class is a thin hand for writing such a
// function: it holds the insertion point and names the operations that kernels
// need.
//
// Rules for kernels
//   - Addresses and counts are i64; token counts are loaded from the batch.
//   - Every operation works on scalars and on vectors of any length alike; LLVM
//     splits a vector that is longer than the machine's. Operands of one
//     operation have one type.
//   - Nothing may need a libc or libm symbol (no sin, exp, fmod of LLVM):
//     use exp() here, or write a polynomial.
//   - Only fma() fuses a multiply and an add: results are the same on every
//     machine that has the same vector shape.
//   - Alignment is said at each access, in bytes, and must be true: bindings
//     and scratch are aligned to 64; a row inside them only to its element.
//   - Bindings and batch fields may be asked for anywhere: they are loaded
//     once, on entry.
//
// Ownership: the module owns what is built; the builder is a cursor in it.
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

  /// Starts function `name` in `module`; code goes to its body.
  KernelBuilder(mlir::ModuleOp module, const std::string &name,
                const IsaTraits &isa);
  /// Ends the function; the last call on this object.
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
  /// `type` with its element (or itself when scalar) replaced.
  static Type withElement(Type type, Type element);

  // ---- constants ------------------------------------------------------------

  Value i64(int64_t value);
  Value i32(int32_t value);
  Value f32(float value);
  Value f64(double value);
  /// A constant of a scalar type, or the same in every lane of a vector type.
  Value constant(Type type, int64_t value);
  Value constant(Type type, double value);
  Value zero(Type type);
  /// vec(f32, values.size()) of another element, lane by lane.
  Value constants(llvm::ArrayRef<float> values);
  Value constants(llvm::ArrayRef<int32_t> values);
  Value constants(llvm::ArrayRef<int8_t> values);

  // ---- the call (formats/abi/KernelAbi.h) -----------------------------------

  Value tileBegin() { return function.getArgument(1); }
  Value tileEnd() { return function.getArgument(2); }
  Value scratch() { return function.getArgument(3); }
  /// Address in bindings[index].
  Value binding(unsigned index);
  Value tokens();           ///< AirBatch.tokens as i64
  Value outputs();          ///< AirBatch.outputs as i64
  Value tokenIds();         ///< pointers, as in AirBatch
  Value positions();        ///< u32
  Value sequences();        ///< u32
  Value outputRows();       ///< u32
  Value blockTables();      ///< u32
  Value blockTableStride(); ///< i64, in entries

  // ---- control flow ---------------------------------------------------------

  /// for (i = lower; i < upper; i += step) body(i); all i64, step > 0.
  void loop(Value lower, Value upper, Value step,
            llvm::function_ref<void(Value)> body);
  /// The same with values carried from one turn to the next: `body` gets and
  /// returns as many values, of the same types, as `initial`; the result is the
  /// last ones (`initial` when there is no turn).
  Values loop(Value lower, Value upper, Value step,
              llvm::ArrayRef<Value> initial,
              llvm::function_ref<Values(Value, mlir::ValueRange)> body);
  /// body(tile) for every tile of this call.
  void tileLoop(llvm::function_ref<void(Value)> body);
  void ifThen(Value condition, llvm::function_ref<void()> body);
  void ifThenElse(Value condition, llvm::function_ref<void()> then,
                  llvm::function_ref<void()> otherwise);
  /// Both branches return values of equal types.
  Values ifElse(Value condition, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

  // ---- memory ---------------------------------------------------------------

  /// base + bytes.
  Value offset(Value base, Value bytes);
  Value offset(Value base, int64_t bytes);
  /// base + index * elementBytes.
  Value element(Value base, Value index, int64_t elementBytes);
  Value load(Type type, Value pointer, unsigned alignment);
  void store(Value value, Value pointer, unsigned alignment);
  /// Loads one 32-bit unsigned integer and widens it to i64.
  Value loadU32(Value pointer);
  /// One float, in every lane of vec(f32, lanes).
  Value loadSplat(Value pointer, int64_t lanes);
  /// lane i = *(element *)(base + scale * index[i]), unaligned; `index` is a
  /// vector of non-negative i32; `element` has 32 or 64 bits.
  Value gather(Type element, Value base, Value index, int64_t scale);
  /// Once: the first, and past the others when it is done with.
  enum class Cache : uint8_t { First, Second, Once };
  /// Asks for the 64-byte line at `pointer`, which may lie anywhere.
  void prefetch(Value pointer, Cache into = Cache::First);
  /// Address of a read-only table in the object; `name` is shared by kernels,
  /// so equal names must mean equal bytes.
  Value table(const std::string &name, llvm::ArrayRef<uint8_t> bytes,
              unsigned alignment = 64);

  // ---- arithmetic: integer or float by the operands' type -------------------

  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);          ///< floats; integers as unsigned
  Value rem(Value a, Value b);          ///< unsigned integers
  Value fma(Value a, Value b, Value c); ///< a * b + c, one rounding
  Value min(Value a, Value b);          ///< floats (not NaN); unsigned integers
  Value max(Value a, Value b);
  Value negate(Value a);
  Value sqrt(Value a);
  Value andBits(Value a, Value b);
  Value andBits(Value a, int64_t mask);
  Value orBits(Value a, Value b);
  Value xorBits(Value a, Value b);
  Value shiftLeft(Value a, int64_t bits);
  Value shiftRight(Value a, int64_t bits); ///< logical
  Value shiftRight(Value a, Value bits);   ///< logical
  Value shiftRightSigned(Value a, int64_t bits);
  Value shiftLeft(Value a, Value bits);

  Value equal(Value a, Value b);     ///< integers
  Value notEqual(Value a, Value b);  ///< integers
  Value less(Value a, Value b);      ///< floats; integers as unsigned
  Value lessEqual(Value a, Value b); ///< floats; integers as unsigned
  Value select(Value condition, Value a, Value b);

  // ---- conversions, lane by lane --------------------------------------------

  Value zeroExtend(Value a, Type element); ///< to a wider integer
  Value signExtend(Value a, Type element);
  Value truncate(Value a, Type element);      ///< to a narrower integer
  Value signedToFloat(Value a, Type element); ///< i32, i64 -> f32, f64
  Value floatToSigned(Value a, Type element); ///< toward zero; must fit
  Value floatExtend(Value a, Type element);   ///< f16 -> f32, f32 -> f64
  Value floatTruncate(Value a, Type element); ///< round to nearest even
  Value bitcast(Value a, Type element);       ///< lanes of equal width
  /// The same bits as lanes of another width.
  Value recast(Value vector, Type element);

  // ---- vectors --------------------------------------------------------------

  Value splat(Value scalar, int64_t lanes);
  Value extract(Value vector, int64_t lane);
  Value insert(Value scalar, Value vector, int64_t lane);
  /// Sum of the lanes, in a fixed tree order.
  Value sumLanes(Value vector);
  Value maxLanes(Value vector);
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask);

  // ---- functions ------------------------------------------------------------

  /// e^x in f32, at most 2 ulp off, from 0 to infinity; NaN stays NaN.
  Value exp(Value x);
  /// x / (1 + e^-x).
  Value silu(Value x);
  /// An LLVM intrinsic by name, allowed by isa().
  Value intrinsic(Type result, llvm::StringRef name,
                  llvm::ArrayRef<Value> args);
  /// One without a result.
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
  mlir::Operation *entryEnd = nullptr; ///< last load of a call's field
  std::map<std::pair<const void *, int64_t>, Value> entryLoads;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_BUILDER_KERNELBUILDER_H
