//===- VerifySteps.cpp - the invariants of a plan.graph ---------*- C++ -*-===//
#include "compiler/transforms/Passes.h"

using namespace mlir;
using namespace air::ir;

namespace air::compiler {
#define GEN_PASS_DEF_VERIFYSTEPS
#include "compiler/transforms/Passes.h.inc"

namespace {

class GraphVerifier {
public:
  GraphVerifier(llm::HyperparametersAttr modelHyperparameters,
                plan::GraphOp planGraph)
      : hyperparameters(modelHyperparameters), graph(planGraph) {}

  LogicalResult verify() {
    for (Operation &op : graph.getBody().front()) {
      auto step = dyn_cast<plan::StepOpInterface>(op);
      if (!step && !isa<plan::ReturnOp>(op)) {
        return op.emitOpError("is not a step");
      }
      if (failed(step ? verifyStep(step)
                      : verifyReturn(cast<plan::ReturnOp>(op)))) {
        return failure();
      }
    }
    // For a model without any attention, which is valid, nextLayer is still 0.
    if ((nextLayer != 0 && nextLayer != hyperparameters.getLayers()) ||
        pending) {
      return graph.emitOpError()
             << "has attention in " << nextLayer
             << " layers, but the model has " << hyperparameters.getLayers();
    }
    return success();
  }

private:
  LogicalResult verifyStep(plan::StepOpInterface step) {
    if (failed(verifyOverwritten(step)) || failed(verifyRows(step))) {
      return failure();
    }
    if (int64_t layer = step.getStepLayer();
        layer >= hyperparameters.getLayers()) {
      return step->emitOpError()
             << "is in layer " << layer << ", but the model has "
             << hyperparameters.getLayers() << " layers";
    }
    if (auto embed = dyn_cast<plan::EmbedOp>(step.getOperation())) {
      return verifyVocabulary(embed, embed.getTable().getRows());
    }
    if (auto attnIn = dyn_cast<plan::AttnInOp>(step.getOperation())) {
      return verifyAttnIn(attnIn);
    }
    if (auto attn = dyn_cast<plan::AttnOp>(step.getOperation())) {
      return verifyAttn(attn);
    }
    return success();
  }

  /// Checks that nothing reads a value after an in-place step has overwritten
  /// it.
  LogicalResult verifyOverwritten(plan::StepOpInterface step) {
    Value overwritten = step.getOverwritten();
    if (!overwritten) {
      return success();
    }
    for (OpOperand &use : overwritten.getUses()) {
      bool isOther = use.getOwner() != step.getOperation() &&
                     !use.getOwner()->isBeforeInBlock(step);
      bool isTwice = use.getOwner() == step.getOperation() &&
                     llvm::count(step->getOperands(), overwritten) > 1;
      if (isOther || isTwice) {
        InFlightDiagnostic diag = use.getOwner()->emitOpError(
            "reads a value that a step has overwritten");
        diag.attachNote(step->getLoc())
            << step.getStepName() << " overwrote the value here";
        return diag;
      }
    }
    return success();
  }

  /// Most values have one row per token. The results of `norm` steps with
  /// `select`, of `head` steps, and of `matmul` steps whose `rows` is Outputs
  /// have rows only for the requested outputs. Checks that `matmul` steps whose
  /// `rows` is Outputs read only values of this second kind, and that all other
  /// steps read only values with one row per token. No step can thus select
  /// rows of a value whose rows have already been selected.
  LogicalResult verifyRows(plan::StepOpInterface step) {
    auto matmul = dyn_cast<plan::MatMulOp>(step.getOperation());
    bool wantsOutputs = matmul && matmul.getRows() == plan::RowsFrom::Outputs;
    for (Value operand : step->getOperands()) {
      bool areOutputs = onOutputs.contains(operand);
      if (areOutputs != wantsOutputs) {
        return step->emitOpError()
               << "works on the rows of "
               << (wantsOutputs ? "the requested outputs" : "all tokens")
               << ", but its operand has the rows of "
               << (areOutputs ? "the requested outputs" : "all tokens");
      }
    }
    auto norm = dyn_cast<plan::NormOp>(step.getOperation());
    if (wantsOutputs || (norm && norm.getSelect()) ||
        isa<plan::HeadOp>(step.getOperation())) {
      onOutputs.insert(step->getResult(0));
    }
    return success();
  }

  LogicalResult verifyAttnIn(plan::AttnInOp op) {
    auto layer = static_cast<int64_t>(op.getLayer());
    if (pending || layer != nextLayer) {
      return op.emitOpError()
             << "is in layer " << layer << ", but "
             << (pending ? "the attn of layer " : "the attn_in of layer ")
             << nextLayer << " must come first";
    }
    if (static_cast<int64_t>(op.getCache()) != nextCache) {
      return op.emitOpError() << "writes cache " << op.getCache()
                              << ", but caches are numbered in the order of "
                                 "the steps that write "
                                 "them, so it must write cache "
                              << nextCache;
    }
    if (static_cast<int64_t>(op.getKvHeads()) != hyperparameters.getKvHeads() ||
        static_cast<int64_t>(op.getHeadDim()) != hyperparameters.getHeadDim()) {
      return op.emitOpError()
             << "has " << op.getKvHeads() << " kv_heads of " << op.getHeadDim()
             << " elements, but the model's KV cache has "
             << hyperparameters.getKvHeads() << " kv_heads of "
             << hyperparameters.getHeadDim() << " elements";
    }
    pending = op;
    return success();
  }

  LogicalResult verifyAttn(plan::AttnOp op) {
    if (!pending || op.getQkv() != pending.getResult() ||
        op.getLayer() != pending.getLayer()) {
      return op.emitOpError() << "must directly follow the attn_in of layer "
                              << op.getLayer() << " and read its result";
    }
    if (op.getCache() != pending.getCache()) {
      return op.emitOpError()
             << "reads cache " << op.getCache()
             << ", but its attn_in writes cache " << pending.getCache();
    }
    if (op.getHeads() != pending.getHeads() ||
        op.getKvHeads() != pending.getKvHeads() ||
        op.getHeadDim() != pending.getHeadDim()) {
      return op.emitOpError()
             << "has " << op.getHeads() << " heads and " << op.getKvHeads()
             << " kv_heads of " << op.getHeadDim()
             << " elements, but its attn_in has " << pending.getHeads()
             << " heads and " << pending.getKvHeads() << " kv_heads of "
             << pending.getHeadDim() << " elements";
    }
    pending = {};
    ++nextLayer;
    ++nextCache;
    return success();
  }

  LogicalResult verifyReturn(plan::ReturnOp op) {
    if (!onOutputs.contains(op.getLogits())) {
      return op.emitOpError("returns the rows of all tokens; it must return "
                            "only the rows of the requested outputs");
    }
    return verifyVocabulary(op, llm::columnsOf(op.getLogits()));
  }

  LogicalResult verifyVocabulary(Operation *op, int64_t size) {
    if (size != hyperparameters.getVocabulary()) {
      return op->emitOpError() << "is for a vocabulary of " << size
                               << " tokens, but the model's vocabulary has "
                               << hyperparameters.getVocabulary();
    }
    return success();
  }

  llm::HyperparametersAttr hyperparameters;
  plan::GraphOp graph;
  int64_t nextLayer = 0;
  int64_t nextCache = 0;
  // The last attn_in if its attn has not been found yet, otherwise null.
  plan::AttnInOp pending;
  llvm::SmallPtrSet<Value, 4> onOutputs;
};

struct VerifyStepsPass : impl::VerifyStepsBase<VerifyStepsPass> {
  void runOnOperation() override {
    SmallVector<plan::ModelOp> models(getOperation().getOps<plan::ModelOp>());
    SmallVector<plan::GraphOp> graphs(getOperation().getOps<plan::GraphOp>());
    if (models.size() != 1 || graphs.size() != 1) {
      getOperation().emitOpError()
          << "has " << models.size() << " plan.model and " << graphs.size()
          << " plan.graph; it must have exactly one of each";
      return signalPassFailure();
    }
    if (failed(GraphVerifier(models[0].getHyperparameters(), graphs[0])
                   .verify())) {
      signalPassFailure();
    }
    markAllAnalysesPreserved();
  }
};

} // namespace
} // namespace air::compiler
