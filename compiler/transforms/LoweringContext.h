//===- LoweringContext.h - what all lowerings of steps share ----*- C++ -*-===//
//
// Creates the plan.buffer and plan.tensor ops that the kernels of a CPU or of a
// GPU bind.
//
// Layers share buffers. A lowering requests a buffer by a name, such as "x",
// and a shape. The buffer becomes free after the last step that uses its value,
// and is then returned for the next request with the same name and shape. Only
// values whose lifetimes overlap need separate buffers. All buffers that a
// LoweringContext creates are on the device of its KV cache.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_LOWERINGCONTEXT_H
#define AIRPACK_COMPILER_TRANSFORMS_LOWERINGCONTEXT_H

#include "codegen/KernelSpec.h"
#include "compiler/dialect/plan/PlanDialect.h"

#include "llvm/ADT/StringMap.h"

namespace air::compiler {

/// A range of the ops of a graph that one lowering handles: those from `begin`
/// on, before `end`. If `begin` is null, the range begins with the first op of
/// the graph; if `end` is null, the range ends with the last op.
struct GraphPart {
  mlir::Operation *begin = nullptr;
  mlir::Operation *end = nullptr;
};

class LoweringContext {
protected:
  /// New ops are inserted before `graph`, in the module that contains it.
  LoweringContext(ir::plan::GraphOp graph, ir::plan::KvOp kv,
                  const MachineProfile &target, GraphPart part);

  /// The steps that this lowering handles, in order.
  std::vector<mlir::Operation *> partOps();

  static uint64_t columnsOf(mlir::Value activation);
  static std::string nameOf(DType dtype);

  /// Fails with Unsupported if the number of KV heads, or the number of
  /// elements of a head, differs from that of the KV cache, or if q and k have
  /// no rotary positions.
  Status checkCache(ir::plan::AttnInOp op);

  // The functions below manage buffers.

  /// Returns the symbol of a free buffer that was created for the same name,
  /// shape and `mostRows` (see stepBuffer). If there is none, or if `isOutput`
  /// is set, creates a buffer, whose symbol is `name`, followed by a number if
  /// that symbol is already taken.
  std::string takeBuffer(const std::string &name, uint64_t rowElements,
                         ir::plan::RowsFrom rows, bool isOutput = false,
                         uint64_t mostRows = 0);
  /// Returns a buffer that becomes free after the current step. If `mostRows`
  /// is not 0, only programs with at most that many tokens may bind it.
  std::string stepBuffer(const std::string &name, uint64_t rowElements,
                         ir::plan::RowsFrom rows, uint64_t mostRows = 0);
  /// Returns a buffer that holds `result` until its last use.
  std::string resultBuffer(mlir::Value result, const std::string &name,
                           ir::plan::RowsFrom rows);
  /// Returns a buffer for a value that another lowering computes. The buffer
  /// becomes free after the value's last use in this part of the graph.
  std::string takenBuffer(mlir::Value value, const std::string &name);
  /// Frees the buffers whose values have no use after the step `op`.
  void freeBuffers(mlir::Operation *op);
  // The two functions below return an operand of a kernel. `symbol` returns a
  // buffer or a tensor by name, and `kvOf` returns a cache by its index.
  // codegen/KernelBindings.h defines how the kernel accesses each operand.
  mlir::Attribute symbol(llvm::StringRef name) const;
  mlir::Attribute kvOf(int64_t cache) const;

  // The functions below create tensors.
  std::string addFrequencies(ir::plan::RopeAttr rope);
  mlir::Attribute vectorFor(llvm::ArrayRef<ir::plan::WeightAttr> sources);
  /// Returns whether any of the matrices has a scale (see WeightAttr).
  static bool isScaled(llvm::ArrayRef<ir::plan::WeightAttr> matrices);
  /// Returns a tensor that repeats the scale of each matrix once per row of the
  /// matrix.
  mlir::Attribute rowScalesOf(llvm::ArrayRef<ir::plan::WeightAttr> matrices);
  std::string addTensor(ir::plan::Recipe recipe,
                        llvm::ArrayRef<ir::plan::WeightAttr> sources,
                        ir::plan::RopeAttr rope, DType dtype, Layout layout,
                        uint64_t rows, uint64_t columns);

  ir::plan::GraphOp graph;
  GraphPart part;
  ir::plan::KvOp kv;
  const MachineProfile &target;
  uint64_t device = 0; ///< the device that holds the buffers
  mlir::OpBuilder builder;
  mlir::SymbolTable symbols;
  mlir::MLIRContext *context;
  mlir::Value logits;
  llvm::DenseMap<mlir::Value, std::string> bufferOf;

private:
  llvm::StringMap<uint64_t> usesToCome; ///< remaining uses of a buffer's value
  std::vector<std::string> ofStep;      ///< buffers for the current step only
  /// Maps the symbol of a buffer to its pool. All buffers that takeBuffer() has
  /// created for the same name, shape and `mostRows` are in one pool.
  llvm::StringMap<std::string> poolOf;
  /// Maps a pool to its free buffers.
  llvm::StringMap<std::vector<std::string>> freeOf;
  llvm::StringMap<std::string> tensorByKey;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_LOWERINGCONTEXT_H
