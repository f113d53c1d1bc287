//===- PlanStepOps.cpp - verifiers of fused steps ---------------*- C++ -*-===//
#include "compiler/dialect/plan/PlanDialect.h"

using namespace mlir;
using namespace air::ir::plan;
using air::ir::llm::checkHeads;
using air::ir::llm::checkMatrix;
using air::ir::llm::checkRope;
using air::ir::llm::checkVector;
using air::ir::llm::columnsOf;

static LogicalResult checkBias(Operation *op, StringRef role,
                               std::optional<WeightAttr> bias, int64_t rows) {
  return bias ? checkVector(op, role, *bias, rows) : success();
}

/// Checks a norm. The norm and its epsilon must be present together: the
/// assembly format ensures that, but builders do not.
static LogicalResult checkNorm(Operation *op, StringRef role,
                               std::optional<WeightAttr> weight,
                               std::optional<llvm::APFloat> epsilon,
                               int64_t columns) {
  if (weight.has_value() != epsilon.has_value()) {
    return op->emitOpError()
           << role << " and its epsilon must be given together or not at all";
  }
  if (!weight) {
    return success();
  }
  if (!epsilon->isFinite() || epsilon->isNegative()) {
    return op->emitOpError() << "epsilon is " << epsilon->convertToDouble()
                             << "; it must be finite and not negative";
  }
  return checkVector(op, role, *weight, columns);
}

LogicalResult GraphOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.getNumArguments() != 1 ||
      !llm::isTokenIds(block.getArgument(0).getType())) {
    return emitOpError(
        "must take exactly one argument, the token ids of type tensor<?xi32>");
  }
  if (!isa<ReturnOp>(block.getTerminator())) {
    return emitOpError("must end in plan.return");
  }
  return success();
}

LogicalResult EmbedOp::verify() {
  if (!getTable().getScale().empty()) {
    return emitOpError() << "table '" << getTable().getName()
                         << "' has a scale; only the weight of a matmul may "
                            "have one";
  }
  return checkMatrix(*this, "table", getTable(), getTable().getRows(),
                     columnsOf(getResult()));
}

LogicalResult AttnInOp::verify() {
  int64_t heads = static_cast<int64_t>(getHeads());
  int64_t kvHeads = static_cast<int64_t>(getKvHeads());
  int64_t headDim = static_cast<int64_t>(getHeadDim());
  int64_t width = columnsOf(getX());
  if (failed(checkHeads(*this, heads, kvHeads, headDim)) ||
      failed(checkNorm(*this, "norm", getNorm(), getEpsilon(), width)) ||
      failed(checkMatrix(*this, "q", getQ(), heads * headDim, width)) ||
      failed(checkMatrix(*this, "k", getK(), kvHeads * headDim, width)) ||
      failed(checkMatrix(*this, "v", getV(), kvHeads * headDim, width)) ||
      failed(checkBias(*this, "bias of q", getQBias(), heads * headDim)) ||
      failed(checkBias(*this, "bias of k", getKBias(), kvHeads * headDim)) ||
      failed(checkBias(*this, "bias of v", getVBias(), kvHeads * headDim))) {
    return failure();
  }
  if (getQNorm().has_value() != getKNorm().has_value()) {
    return emitOpError(
        "q_norm and k_norm must be given together or not at all");
  }
  if (failed(checkNorm(*this, "q_norm", getQNorm(), getQkEpsilon(), headDim)) ||
      failed(checkNorm(*this, "k_norm", getKNorm(), getQkEpsilon(), headDim))) {
    return failure();
  }
  if (getRope() && failed(checkRope(*this, *getRope(), headDim))) {
    return failure();
  }
  int64_t row = (heads + 2 * kvHeads) * headDim;
  if (columnsOf(getResult()) != row) {
    return emitOpError() << "result has " << columnsOf(getResult())
                         << " columns, but q, k and v together have " << row;
  }
  return success();
}

LogicalResult AttnOp::verify() {
  int64_t heads = static_cast<int64_t>(getHeads());
  int64_t kvHeads = static_cast<int64_t>(getKvHeads());
  int64_t headDim = static_cast<int64_t>(getHeadDim());
  if (failed(checkHeads(*this, heads, kvHeads, headDim))) {
    return failure();
  }
  int64_t row = (heads + 2 * kvHeads) * headDim;
  if (columnsOf(getQkv()) != row) {
    return emitOpError() << "qkv has " << columnsOf(getQkv())
                         << " columns, but q, k and v together have " << row;
  }
  if (columnsOf(getResult()) != heads * headDim) {
    return emitOpError() << "result has " << columnsOf(getResult())
                         << " columns, but all heads together have "
                         << heads * headDim << " elements";
  }
  return success();
}

template <typename OpTy> static LogicalResult verifyProjection(OpTy op) {
  int64_t rows = columnsOf(op.getResult());
  if (failed(checkMatrix(op, "weight", op.getWeight(), rows,
                         columnsOf(op.getX())))) {
    return failure();
  }
  return checkBias(op, "bias", op.getBias(), rows);
}

LogicalResult AttnOutOp::verify() { return verifyProjection(*this); }
LogicalResult FfnOutOp::verify() { return verifyProjection(*this); }

LogicalResult FfnInOp::verify() {
  int64_t width = columnsOf(getX());
  int64_t rows = columnsOf(getResult());
  if (failed(checkNorm(*this, "norm", getNorm(), getEpsilon(), width)) ||
      failed(checkMatrix(*this, "gate", getGate(), rows, width))) {
    return failure();
  }
  return checkMatrix(*this, "up", getUp(), rows, width);
}

LogicalResult HeadOp::verify() {
  if (failed(checkNorm(*this, "norm", getNorm(), getEpsilon(),
                       columnsOf(getX())))) {
    return failure();
  }
  return verifyProjection(*this);
}

LogicalResult NormOp::verify() {
  return checkNorm(*this, "weight", getWeight(), getEpsilon(),
                   columnsOf(getX()));
}

LogicalResult MatMulOp::verify() { return verifyProjection(*this); }

static LogicalResult checkLayer(Operation *op, int64_t layer) {
  return layer >= -1 ? success()
                     : op->emitOpError() << "layer is " << layer
                                         << "; it must be 0 or more, or -1 for "
                                            "a step outside the layers";
}

LogicalResult AddOp::verify() { return checkLayer(*this, getStepLayer()); }
LogicalResult GluOp::verify() { return checkLayer(*this, getStepLayer()); }
