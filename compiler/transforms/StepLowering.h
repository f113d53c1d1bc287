//===- StepLowering.h - fused steps -> dispatches ---------------*- C++ -*-===//
//
// The part of select-kernels that is common to all M classes: it decides the
// layout of every matrix, creates the plan.tensor and plan.buffer ops that the
// kernels bind, and lists each step's dispatches. These lists are made once,
// and then emitted once for each program. A dispatch that not every program
// needs states which programs it belongs to.
//
// Activations: a matmul uses the activation format that is fastest for its M
// class within the requested precision. Its input is packed before the matmul,
// once for each step and format.
//
// Matrices: q, k and v are concatenated when their dtypes are equal and either
// all or none have a bias. gate and up are computed by one kernel when their
// dtypes are equal. A table from which rows are only gathered keeps the
// source's layout if a kernel can read it. A table that is also multiplied
// (tied embeddings) is stored once when both kernels can read one layout.
//
// Errors: An Unsupported error names the step and the computation for which
// there is no kernel.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_STEPLOWERING_H
#define AIRPACK_COMPILER_TRANSFORMS_STEPLOWERING_H

#include "compiler/transforms/LoweringContext.h"

#include "llvm/ADT/StringSet.h"

namespace air::compiler {

constexpr unsigned bitOf(codegen::MClass mClass) {
  return 1U << static_cast<unsigned>(mClass);
}
inline constexpr unsigned kAllMClasses = 7;

struct LoweredDispatch {
  codegen::KernelSpec spec; ///< spec of the kernel for MClass::One
  mlir::SmallVector<mlir::Attribute> bindings;
  bool overlap = false; ///< the next dispatch need not wait for this one
  /// The M classes whose programs contain the dispatch, as a bit set (see
  /// bitOf).
  unsigned mClasses = kAllMClasses;
};

struct LoweredStep {
  ir::plan::StepKind kind;
  int64_t layer = -1;
  std::string name;
  std::vector<LoweredDispatch> dispatches;
};

class StepLowering : LoweringContext {
public:
  /// New ops are inserted before `graph`, in the module that contains it.
  StepLowering(ir::plan::GraphOp graph, ir::plan::KvOp kv,
               const MachineProfile &target, codegen::Precision precision,
               GraphPart part = {});

  Result<std::vector<LoweredStep>> run();

  /// The buffer of a value that a step of this lowering has computed and that
  /// the rest of the graph uses. run() must have succeeded.
  std::string bufferFor(mlir::Value value) const {
    return bufferOf.lookup(value);
  }

private:
  struct Matrix {
    mlir::Attribute binding;
    Layout layout = Layout::Rows;
  };
  struct Rope {
    ir::plan::RopeAttr attr;
    std::string angles; ///< name of the buffer that holds the RoPE angles
  };

  Status lower(mlir::Operation *op);
  Status lowerEmbed(ir::plan::EmbedOp op);
  Status lowerAttnIn(ir::plan::AttnInOp op);
  Status lowerAttn(ir::plan::AttnOp op);
  Status lowerProjectAdd(mlir::Value x, mlir::Value residual,
                         mlir::Value result, ir::plan::WeightAttr weight,
                         ir::plan::WeightAttr bias);
  Status lowerFfnIn(ir::plan::FfnInOp op);
  Status lowerHead(ir::plan::HeadOp op);
  Status lowerNorm(ir::plan::NormOp op);
  Status lowerMatMul(ir::plan::MatMulOp op);
  Status lowerPositions();

  // The functions below create tensors and choose their layouts.
  Result<Layout> firstLayout(codegen::KernelSpec spec,
                             llvm::ArrayRef<Layout> candidates) const;
  Result<Matrix> matrixFor(const codegen::KernelSpec &spec,
                           llvm::ArrayRef<ir::plan::WeightAttr> sources);
  Matrix addMatrix(llvm::ArrayRef<ir::plan::WeightAttr> sources, Layout layout);

  // The functions below add dispatches to the current step.
  void add(const codegen::KernelSpec &spec,
           llvm::ArrayRef<mlir::Attribute> operands, bool overlap = false,
           unsigned mClasses = kAllMClasses);
  /// Adds a dispatch of MatMul or GluMatMul for each activation format that an
  /// M class uses. If the format is a packed one, and the current step has not
  /// packed `x` into this format yet, a dispatch that does so precedes the
  /// matmul. The first binding of the matmul is `x` or its packed form, and
  /// `others` are the bindings that follow.
  void addMatMulDispatches(codegen::KernelSpec spec, llvm::StringRef x,
                           llvm::ArrayRef<mlir::Attribute> others,
                           bool overlap);
  /// Returns the buffer that holds x in the activation format of `spec`, and
  /// adds the dispatch that packs x if the current step has none yet.
  std::string packed(llvm::StringRef x, const codegen::KernelSpec &spec,
                     unsigned mClasses);
  void addNorm(llvm::StringRef x, ir::plan::WeightAttr weight, float epsilon,
               llvm::StringRef y, codegen::RowsFrom rows);
  Status addMatMul(llvm::StringRef x,
                   llvm::ArrayRef<ir::plan::WeightAttr> weights,
                   llvm::ArrayRef<ir::plan::WeightAttr> biases,
                   llvm::StringRef y, codegen::KernelSpec shape, bool overlap);

  codegen::Precision precision;
  std::vector<Rope> ropes;
  llvm::StringSet<> multiplied; ///< weights of matmul and head steps
  llvm::StringMap<Layout> sharedLayout;
  struct Packed {
    std::string buffer;
    size_t dispatch = 0; ///< index of the packing dispatch in the step
  };
  /// The packed activations of the current step. A key is the name of the
  /// unpacked buffer and that of the activation format, separated by a dot.
  llvm::StringMap<Packed> packedOf;
  std::vector<LoweredStep> steps;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_STEPLOWERING_H
