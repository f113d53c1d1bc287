//===- StepLowering.h - fused steps -> dispatches ---------------*- C++ -*-===//
//
// What select-kernels does to a plan.graph, apart from M classes: decides the
// layout of every matrix, makes the plan.tensor and plan.buffer ops that the
// kernels bind, and lists each step's dispatches. The list is made once and
// then written out once a program; a dispatch that depends on the M class by
// more than its kernel's says which programs it belongs to.
//
// Activations: a product takes them in the form that is fastest for its M class
// within the precision asked for; what it reads is packed before it, once a
// step and form.
//
// Buffers: layers use the same ones in turn. A buffer is free again after the
// last step that uses the value in it, and the next value of its name and shape
// takes it; only values that are alive together need buffers of their own.
//
// Matrices: q, k and v are joined to one when their dtypes are equal (and all
// or none have a bias); gate and up go through one kernel when theirs are. A
// table that is gathered from only is stored as the source has it; one that is
// also multiplied with (tied embeddings) is shared when both kernels read one
// layout.
//
// Errors: Unsupported names the step and what no kernel does.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_STEPLOWERING_H
#define AIRPACK_COMPILER_TRANSFORMS_STEPLOWERING_H

#include "codegen/KernelSpec.h"
#include "compiler/dialect/plan/PlanDialect.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace air::compiler {

constexpr unsigned bitOf(codegen::MClass mClass) {
  return 1U << static_cast<unsigned>(mClass);
}
inline constexpr unsigned kAllMClasses = 7;

struct LoweredDispatch {
  codegen::KernelSpec spec; ///< of MClass::One
  mlir::SmallVector<mlir::Attribute> bindings;
  bool overlap = false; ///< the next dispatch need not wait for this one
  unsigned mClasses = kAllMClasses; ///< of whose programs it is part: bits
};

struct LoweredStep {
  ir::plan::StepKind kind;
  int64_t layer = -1;
  std::string name;
  std::vector<LoweredDispatch> dispatches;
};

class StepLowering {
public:
  /// New ops go before `graph` in its module.
  StepLowering(ir::plan::GraphOp graph, ir::plan::KvOp kv,
               const MachineProfile &target, codegen::Precision precision);

  Result<std::vector<LoweredStep>> run();

private:
  struct Matrix {
    mlir::Attribute binding;
    Layout layout = Layout::Rows;
  };
  struct Rope {
    ir::plan::RopeAttr attr;
    std::string angles; ///< buffer
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

  // Buffers.
  /// A free buffer of that name and shape, or a new one.
  std::string takeBuffer(const std::string &name, uint64_t rowElements,
                         ir::plan::RowsFrom rows, bool isOutput = false);
  /// One that is free again after the step at hand.
  std::string stepBuffer(const std::string &name, uint64_t rowElements,
                         ir::plan::RowsFrom rows);
  /// One that holds `result` until its last use.
  std::string resultBuffer(mlir::Value result, const std::string &name,
                           ir::plan::RowsFrom rows);
  /// After a step: frees what nobody uses any more.
  void freeBuffers(mlir::Operation *op);
  // What a kernel is given: a buffer or a tensor by name, or a layer's KV. How
  // it is accessed stands in codegen/KernelBindings.h.
  mlir::Attribute symbol(llvm::StringRef name) const;
  mlir::Attribute kvOf(int64_t layer) const;

  // Tensors.
  Result<Layout> firstLayout(codegen::KernelSpec spec,
                             llvm::ArrayRef<Layout> candidates) const;
  Result<Matrix> matrixFor(const codegen::KernelSpec &spec,
                           llvm::ArrayRef<ir::plan::WeightAttr> sources);
  Matrix addMatrix(llvm::ArrayRef<ir::plan::WeightAttr> sources, Layout layout);
  mlir::Attribute vectorFor(llvm::ArrayRef<ir::plan::WeightAttr> sources);
  /// A matrix has a scale (WeightAttr).
  static bool isScaled(llvm::ArrayRef<ir::plan::WeightAttr> matrices);
  /// The vector of their scales, one a row.
  mlir::Attribute rowScalesOf(llvm::ArrayRef<ir::plan::WeightAttr> matrices);
  std::string addTensor(ir::plan::Recipe recipe,
                        llvm::ArrayRef<ir::plan::WeightAttr> sources,
                        ir::plan::RopeAttr rope, DType dtype, Layout layout,
                        uint64_t rows, uint64_t columns);

  // Dispatches of the step at hand.
  void add(const codegen::KernelSpec &spec,
           llvm::ArrayRef<mlir::Attribute> operands, bool overlap = false,
           unsigned mClasses = kAllMClasses);
  /// A MatMul or GluMatMul with its activations: `x` is its first binding,
  /// `others` follow.
  void addProduct(codegen::KernelSpec spec, llvm::StringRef x,
                  llvm::ArrayRef<mlir::Attribute> others, bool overlap);
  /// The buffer that has x in the form of `spec`'s activations.
  std::string packed(llvm::StringRef x, const codegen::KernelSpec &spec,
                     unsigned mClasses);
  void addNorm(llvm::StringRef x, ir::plan::WeightAttr weight, float epsilon,
               llvm::StringRef y, codegen::RowsFrom rows);
  Status addMatMul(llvm::StringRef x,
                   llvm::ArrayRef<ir::plan::WeightAttr> weights,
                   llvm::ArrayRef<ir::plan::WeightAttr> biases,
                   llvm::StringRef y, codegen::KernelSpec shape, bool overlap);

  ir::plan::GraphOp graph;
  ir::plan::KvOp kv;
  const MachineProfile &target;
  codegen::Precision precision;
  mlir::OpBuilder builder;
  mlir::SymbolTable symbols;
  mlir::MLIRContext *context;

  mlir::Value logits;
  llvm::DenseMap<mlir::Value, std::string> bufferOf;
  llvm::StringMap<uint64_t> usesToCome; ///< of the values in a buffer
  std::vector<std::string> ofStep;      ///< buffers of the step at hand
  llvm::StringMap<std::string> poolOf;  ///< a buffer's name and shape
  llvm::StringMap<std::vector<std::string>> freeOf; ///< by name and shape
  std::vector<Rope> ropes;
  llvm::StringMap<std::string> tensorByKey;
  llvm::StringSet<> multiplied; ///< weights that a MatMul alone reads
  llvm::StringMap<Layout> sharedLayout;
  struct Packed {
    std::string buffer;
    size_t dispatch = 0; ///< of the step: the one that packs
  };
  llvm::StringMap<Packed> packedOf; ///< of the step at hand, by buffer's name
  std::vector<LoweredStep> steps;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_STEPLOWERING_H
