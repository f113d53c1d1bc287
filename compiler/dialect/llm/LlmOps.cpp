//===- LlmOps.cpp - verifiers of the llm dialect ----------------*- C++ -*-===//
#include "compiler/dialect/llm/LlmDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace air::ir::llm;

#define GET_OP_CLASSES
#include "compiler/dialect/llm/LlmOps.cpp.inc"

// ---- checks that the llm and plan dialects share ----------------------------

LogicalResult air::ir::llm::checkVector(Operation *op, StringRef role,
                                        WeightAttr weight, int64_t elements) {
  if (!weight.isVector()) {
    return op->emitOpError()
           << role << " '" << weight.getName() << "' is a matrix of "
           << weight.getRows() << "x" << weight.getColumns()
           << ", but a vector of " << elements << " is needed";
  }
  if (weight.getColumns() != elements) {
    return op->emitOpError() << role << " '" << weight.getName() << "' has "
                             << weight.getColumns() << " elements, but "
                             << elements << " are needed";
  }
  return success();
}

LogicalResult air::ir::llm::checkMatrix(Operation *op, StringRef role,
                                        WeightAttr weight, int64_t rows,
                                        int64_t columns) {
  if (!weight.isMatrix()) {
    return op->emitOpError()
           << role << " '" << weight.getName() << "' is a vector of "
           << weight.getColumns() << ", but a matrix of " << rows << "x"
           << columns << " is needed";
  }
  if (weight.getRows() != rows || weight.getColumns() != columns) {
    return op->emitOpError()
           << role << " '" << weight.getName() << "' is " << weight.getRows()
           << "x" << weight.getColumns() << " (outputs x inputs), but " << rows
           << "x" << columns << " is needed";
  }
  return success();
}

LogicalResult air::ir::llm::checkHeads(Operation *op, int64_t heads,
                                       int64_t kvHeads, int64_t headDim) {
  if (heads <= 0 || kvHeads <= 0 || headDim <= 0) {
    return op->emitOpError()
           << "heads is " << heads << ", kv_heads is " << kvHeads
           << " and head_dim is " << headDim << "; all must be positive";
  }
  if (heads % kvHeads != 0) {
    return op->emitOpError()
           << heads << " heads cannot share " << kvHeads
           << " kv_heads; the number of heads must be a multiple of "
              "kv_heads";
  }
  // q, k and v of one token have (heads + 2 * kv_heads) * head_dim elements
  // together. kv_heads is at most heads, so 3 * heads * head_dim is an upper
  // bound.
  if (heads > kMaxRowElements / 3 / headDim) {
    return op->emitOpError()
           << heads << " heads of " << headDim
           << " elements can make a row of q, k and v wider than the limit of "
           << kMaxRowElements << " elements";
  }
  return success();
}

LogicalResult air::ir::llm::checkRope(Operation *op, RopeAttr rope,
                                      int64_t headDim) {
  if (rope.getDim() > headDim) {
    return op->emitOpError()
           << "rope rotates " << rope.getDim()
           << " elements of a head, but a head has " << headDim;
  }
  return success();
}

static LogicalResult checkColumns(Operation *op, StringRef role, Value value,
                                  int64_t columns) {
  if (columnsOf(value) != columns) {
    return op->emitOpError() << role << " has " << columnsOf(value)
                             << " columns, but " << columns << " are needed";
  }
  return success();
}

static LogicalResult checkEpsilon(Operation *op, const APFloat &epsilon) {
  if (!epsilon.isFinite() || epsilon.isNegative()) {
    return op->emitOpError() << "epsilon is " << epsilon.convertToDouble()
                             << "; it must be finite and not negative";
  }
  return success();
}

// ---- ops --------------------------------------------------------------------

LogicalResult ModelOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.getNumArguments() != 1 ||
      !isTokenIds(block.getArgument(0).getType())) {
    return emitOpError(
        "must take exactly one argument, the token ids of type tensor<?xi32>");
  }
  auto ret = dyn_cast<ReturnOp>(block.getTerminator());
  if (!ret) {
    return emitOpError("must end in llm.return");
  }
  int64_t vocabulary = getHyperparameters().getVocabulary();
  if (columnsOf(ret.getLogits()) != vocabulary) {
    return emitOpError() << "returns rows of " << columnsOf(ret.getLogits())
                         << " logits, but the vocabulary has " << vocabulary
                         << " tokens";
  }
  llvm::SmallDenseMap<int64_t, AttentionOp> seen;
  for (AttentionOp attention : block.getOps<AttentionOp>()) {
    int64_t layer = static_cast<int64_t>(attention.getLayer());
    if (layer < 0 || layer >= getHyperparameters().getLayers()) {
      return attention.emitOpError()
             << "is in layer " << layer << ", but the model has "
             << getHyperparameters().getLayers() << " layers";
    }
    auto [it, isNew] = seen.try_emplace(layer, attention);
    if (!isNew) {
      return attention.emitOpError()
                 .append("appends K and V to layer ", layer,
                         " for the second time")
                 .attachNote(it->second.getLoc())
             << "the first append is here";
    }
  }
  return success();
}

LogicalResult EmbedOp::verify() {
  WeightAttr table = getTable();
  if (!table.isMatrix()) {
    return emitOpError() << "table '" << table.getName() << "' is a vector of "
                         << table.getColumns()
                         << " elements; it must be a matrix of tokens x width";
  }
  if (!table.getScale().empty()) {
    return emitOpError() << "table '" << table.getName()
                         << "' has a scale; only the weight of llm.linear may "
                            "have one";
  }
  return checkColumns(*this, "result", getResult(), table.getColumns());
}

LogicalResult RmsNormOp::verify() {
  if (failed(checkVector(*this, "weight", getWeight(), columnsOf(getX())))) {
    return failure();
  }
  return checkEpsilon(*this, getEpsilon());
}

LogicalResult LinearOp::verify() {
  int64_t rows = columnsOf(getResult());
  if (failed(
          checkMatrix(*this, "weight", getWeight(), rows, columnsOf(getX())))) {
    return failure();
  }
  return getBias() ? checkVector(*this, "bias", *getBias(), rows) : success();
}

LogicalResult HeadNormOp::verify() {
  WeightAttr weight = getWeight();
  if (!weight.isVector()) {
    return emitOpError() << "weight '" << weight.getName()
                         << "' is a matrix of " << weight.getRows() << "x"
                         << weight.getColumns()
                         << "; it must be a vector with one element for each "
                            "element of a head";
  }
  if (columnsOf(getX()) % weight.getColumns() != 0) {
    return emitOpError() << "x has " << columnsOf(getX())
                         << " columns, which is not a multiple of "
                         << weight.getColumns()
                         << ", the number of elements of weight '"
                         << weight.getName() << "'";
  }
  return checkEpsilon(*this, getEpsilon());
}

LogicalResult RopeOp::verify() {
  int64_t headDim = static_cast<int64_t>(getHeadDim());
  if (headDim <= 0 || columnsOf(getX()) % headDim != 0) {
    return emitOpError() << "x has " << columnsOf(getX())
                         << " columns, which is not a multiple of head_dim "
                         << headDim;
  }
  return checkRope(*this, getRope(), headDim);
}

LogicalResult AttentionOp::verify() {
  int64_t heads = static_cast<int64_t>(getHeads());
  int64_t kvHeads = static_cast<int64_t>(getKvHeads());
  int64_t headDim = static_cast<int64_t>(getHeadDim());
  if (failed(checkHeads(*this, heads, kvHeads, headDim)) ||
      failed(checkColumns(*this, "q", getQ(), heads * headDim)) ||
      failed(checkColumns(*this, "k", getK(), kvHeads * headDim)) ||
      failed(checkColumns(*this, "v", getV(), kvHeads * headDim)) ||
      failed(checkColumns(*this, "result", getResult(), heads * headDim))) {
    return failure();
  }
  if (static_cast<int64_t>(getLayer()) < 0) {
    return emitOpError() << "layer is " << static_cast<int64_t>(getLayer())
                         << "; it must be 0 or more";
  }
  return success();
}
