//===- FuseSteps.cpp - llm.model -> plan.graph ------------------*- C++ -*-===//
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/Passes.h"

#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;
using namespace air::ir;

namespace air::compiler {
#define GEN_PASS_DEF_FUSESTEPS
#include "compiler/transforms/Passes.h.inc"

namespace {

// ---- predicates for patterns ------------------------------------------------

/// Returns the index of the cache that an attention op reads. The caches have
/// the same order as the attention ops.
int64_t cacheOf(llm::AttentionOp op) {
  int64_t cache = 0;
  for (Operation *before = op->getPrevNode(); before;
       before = before->getPrevNode()) {
    cache += isa<plan::AttnOp, llm::AttentionOp>(before) ? 1 : 0;
  }
  return cache;
}

/// Returns the layer of an op that does not state its layer: the layer of the
/// last attention op before it, or -1 if there is none.
int64_t layerAt(Operation *op) {
  for (Operation *before = op; before; before = before->getPrevNode()) {
    if (auto attention = dyn_cast<llm::AttentionOp>(before)) {
      return static_cast<int64_t>(attention.getLayer());
    }
    if (auto attention = dyn_cast<plan::AttnOp>(before)) {
      return static_cast<int64_t>(attention.getLayer());
    }
  }
  return -1;
}

/// True when nothing reads `value` after `op`, so that `op` may overwrite it.
bool isLastUse(Value value, Operation *op) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    return user == op || user->isBeforeInBlock(op);
  });
}

/// True when the value has rows only for the tokens whose outputs are
/// requested, and not for every token.
bool isOnOutputs(Value value) {
  // Goes from each op to the op that produces its first operand. In a deep
  // model this chain may be so long that recursion would overflow the stack.
  while (Operation *op = value.getDefiningOp()) {
    if (isa<llm::OutputsOp, plan::HeadOp>(op)) {
      return true;
    }
    if (auto matmul = dyn_cast<plan::MatMulOp>(op)) {
      return matmul.getRows() == plan::RowsFrom::Outputs;
    }
    if (auto norm = dyn_cast<plan::NormOp>(op)) {
      if (norm.getSelect()) {
        return true;
      }
    } else if (!isa<llm::LlmDialect>(op->getDialect()) ||
               isa<llm::AttentionOp, llm::EmbedOp>(op)) {
      return false;
    }
    value = op->getOperand(0);
  }
  return false;
}

/// If an op of type OpTy produces `value`, and `value` has a single use,
/// returns this op; otherwise returns null.
template <typename OpTy> OpTy onlyUseOf(Value value) {
  auto op = value.getDefiningOp<OpTy>();
  return op && value.hasOneUse() ? op : OpTy();
}

/// The input of projections: x and the norm applied to it. The norm is included
/// only if no other op uses its result.
struct NormedInput {
  Value x;
  llm::WeightAttr norm; // null if no norm is applied to x
  FloatAttr epsilon;
};

NormedInput normedInput(Value value, unsigned uses) {
  auto norm = value.getDefiningOp<llm::RmsNormOp>();
  auto users =
      static_cast<unsigned>(std::distance(value.use_begin(), value.use_end()));
  if (!norm || users != uses) {
    return {value, {}, {}};
  }
  return {norm.getX(), norm.getWeight(), norm.getEpsilonAttr()};
}

// ---- fused steps ------------------------------------------------------------

struct ToEmbed : OpRewritePattern<llm::EmbedOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::EmbedOp op,
                                PatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<plan::EmbedOp>(
        op, op.getType(), op.getIds(), op.getTableAttr(), op.getScaleAttr());
    return success();
  }
};

/// One of the projections q, k and v: a linear op, then QK-norm and RoPE if
/// present.
struct Projection {
  llm::LinearOp linear;
  llm::HeadNormOp norm;
  llm::RopeOp rope;
};

Projection projectionOf(Value value) {
  Projection projection;
  if ((projection.rope = onlyUseOf<llm::RopeOp>(value))) {
    value = projection.rope.getX();
  }
  if ((projection.norm = onlyUseOf<llm::HeadNormOp>(value))) {
    value = projection.norm.getX();
  }
  projection.linear = onlyUseOf<llm::LinearOp>(value);
  return projection;
}

/// Rewrites attention, and the linear ops, QK-norm and RoPE that compute q, k
/// and v from one input, as an `attn_in` and an `attn` step.
struct ToAttention : OpRewritePattern<llm::AttentionOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::AttentionOp op,
                                PatternRewriter &rewriter) const override {
    Projection q = projectionOf(op.getQ());
    Projection k = projectionOf(op.getK());
    Projection v = projectionOf(op.getV());
    if (!q.linear || !k.linear || !v.linear) {
      return rewriter.notifyMatchFailure(
          op, "q, k and v must each be the result of an llm.linear that "
              "nothing else uses");
    }
    if (q.linear.getX() != k.linear.getX() ||
        q.linear.getX() != v.linear.getX()) {
      return rewriter.notifyMatchFailure(op,
                                         "q, k and v must have the same input");
    }
    if (v.norm || v.rope) {
      return rewriter.notifyMatchFailure(op,
                                         "v must have neither a norm nor rope");
    }
    if (failed(sameHeads(op, q, k))) {
      return rewriter.notifyMatchFailure(
          op, "q and k must not differ in their norms or rope");
    }

    NormedInput input = normedInput(q.linear.getX(), 3);
    int64_t row = static_cast<int64_t>((op.getHeads() + 2 * op.getKvHeads()) *
                                       op.getHeadDim());
    IntegerAttr cache = rewriter.getI64IntegerAttr(cacheOf(op));
    auto attnIn = plan::AttnInOp::create(
        rewriter, op.getLoc(), llm::activationType(getContext(), row), input.x,
        op.getLayerAttr(), cache, op.getHeadsAttr(), op.getKvHeadsAttr(),
        op.getHeadDimAttr(), input.norm, input.epsilon,
        q.linear.getWeightAttr(), q.linear.getBiasAttr(),
        k.linear.getWeightAttr(), k.linear.getBiasAttr(),
        v.linear.getWeightAttr(), v.linear.getBiasAttr(),
        q.norm ? q.norm.getWeightAttr() : llm::WeightAttr(),
        k.norm ? k.norm.getWeightAttr() : llm::WeightAttr(),
        q.norm ? q.norm.getEpsilonAttr() : FloatAttr(),
        q.rope ? q.rope.getRopeAttr() : llm::RopeAttr());
    rewriter.replaceOpWithNewOp<plan::AttnOp>(
        op, op.getType(), attnIn, op.getLayerAttr(), cache, op.getHeadsAttr(),
        op.getKvHeadsAttr(), op.getHeadDimAttr(), op.getScaleAttr());
    return success();
  }

private:
  static LogicalResult sameHeads(llm::AttentionOp op, Projection q,
                                 Projection k) {
    auto headDim = static_cast<int64_t>(op.getHeadDim());
    if (static_cast<bool>(q.norm) != static_cast<bool>(k.norm) ||
        static_cast<bool>(q.rope) != static_cast<bool>(k.rope)) {
      return failure();
    }
    if (q.norm && (q.norm.getWeight().getColumns() != headDim ||
                   k.norm.getWeight().getColumns() != headDim ||
                   q.norm.getEpsilonAttr() != k.norm.getEpsilonAttr())) {
      return failure();
    }
    if (q.rope && (q.rope.getRope() != k.rope.getRope() ||
                   q.rope.getHeadDim() != op.getHeadDim() ||
                   k.rope.getHeadDim() != op.getHeadDim())) {
      return failure();
    }
    return success();
  }
};

/// Rewrites silu(linear(n)) * linear(n) as an `ffn_in` step.
struct ToFfnIn : OpRewritePattern<llm::MulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::MulOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [gateSide, upSide] : {std::pair(op.getLhs(), op.getRhs()),
                                    std::pair(op.getRhs(), op.getLhs())}) {
      auto silu = onlyUseOf<llm::SiluOp>(gateSide);
      auto up = onlyUseOf<llm::LinearOp>(upSide);
      auto gate = silu ? onlyUseOf<llm::LinearOp>(silu.getX()) : nullptr;
      // The fused kernels do not support a bias.
      if (!gate || !up || gate.getX() != up.getX() || gate.getBias() ||
          up.getBias() || isOnOutputs(gate.getX())) {
        continue;
      }
      NormedInput input = normedInput(gate.getX(), 2);
      rewriter.replaceOpWithNewOp<plan::FfnInOp>(
          op, op.getType(), input.x,
          rewriter.getI64IntegerAttr(std::max<int64_t>(layerAt(op), 0)),
          input.norm, input.epsilon, gate.getWeightAttr(), up.getWeightAttr());
      return success();
    }
    return failure();
  }
};

/// Rewrites residual + linear(x) as an `attn_out` step if x comes from
/// attention, or as an `ffn_out` step if x comes from the gated product of the
/// FFN.
struct ToProjectAdd : OpRewritePattern<llm::AddOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::AddOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [projected, residual] : {std::pair(op.getRhs(), op.getLhs()),
                                       std::pair(op.getLhs(), op.getRhs())}) {
      auto linear = onlyUseOf<llm::LinearOp>(projected);
      if (!linear || projected == residual || !isLastUse(residual, op) ||
          isOnOutputs(residual)) {
        continue;
      }
      Operation *from = linear.getX().getDefiningOp();
      IntegerAttr layer =
          rewriter.getI64IntegerAttr(std::max<int64_t>(layerAt(op), 0));
      if (isa_and_nonnull<plan::AttnOp, llm::AttentionOp>(from)) {
        replace<plan::AttnOutOp>(op, linear, residual, layer, rewriter);
        return success();
      }
      if (isa_and_nonnull<plan::FfnInOp, llm::MulOp>(from)) {
        replace<plan::FfnOutOp>(op, linear, residual, layer, rewriter);
        return success();
      }
    }
    return failure();
  }

private:
  template <typename OpTy>
  static void replace(llm::AddOp op, llm::LinearOp linear, Value residual,
                      IntegerAttr layer, PatternRewriter &rewriter) {
    rewriter.replaceOpWithNewOp<OpTy>(op, op.getType(), linear.getX(), residual,
                                      layer, linear.getWeightAttr(),
                                      linear.getBiasAttr());
  }
};

/// Rewrites linear(norm(outputs(x))), if it computes the logits, as a `head`
/// step.
struct ToHead : OpRewritePattern<llm::LinearOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::LinearOp op,
                                PatternRewriter &rewriter) const override {
    auto norm = onlyUseOf<llm::RmsNormOp>(op.getX());
    auto outputs = norm ? onlyUseOf<llm::OutputsOp>(norm.getX()) : nullptr;
    bool isLogits = op->hasOneUse() && isa<llm::ReturnOp>(*op->user_begin());
    if (!outputs || !isLogits) {
      return failure();
    }
    rewriter.replaceOpWithNewOp<plan::HeadOp>(
        op, op.getType(), outputs.getX(), norm.getWeightAttr(),
        norm.getEpsilonAttr(), op.getWeightAttr(), op.getBiasAttr());
    return success();
  }
};

// ---- plain steps ------------------------------------------------------------

struct ToNorm : OpRewritePattern<llm::RmsNormOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::RmsNormOp op,
                                PatternRewriter &rewriter) const override {
    auto outputs = onlyUseOf<llm::OutputsOp>(op.getX());
    if (!outputs && isOnOutputs(op.getX())) {
      return rewriter.notifyMatchFailure(
          op,
          "the rows of the requested outputs have already been selected; they "
          "must be selected only once");
    }
    auto norm = plan::NormOp::create(
        rewriter, op.getLoc(), op.getType(),
        outputs ? outputs.getX() : op.getX(), op.getWeight(), op.getEpsilon(),
        static_cast<bool>(outputs), outputs ? -1 : layerAt(op));
    rewriter.replaceOp(op, norm);
    return success();
  }
};

struct ToMatMul : OpRewritePattern<llm::LinearOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::LinearOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getX().getDefiningOp<llm::OutputsOp>()) {
      return rewriter.notifyMatchFailure(
          op,
          "its input comes from llm.outputs, which only llm.rms_norm may use");
    }
    bool onOutputs = isOnOutputs(op.getX());
    auto rows = plan::RowsFromAttr::get(getContext(),
                                        onOutputs ? plan::RowsFrom::Outputs
                                                  : plan::RowsFrom::Tokens);
    rewriter.replaceOpWithNewOp<plan::MatMulOp>(
        op, op.getType(), op.getX(), op.getWeightAttr(), op.getBiasAttr(), rows,
        rewriter.getI64IntegerAttr(onOutputs ? -1 : layerAt(op)));
    return success();
  }
};

struct ToAdd : OpRewritePattern<llm::AddOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::AddOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [x, residual] : {std::pair(op.getRhs(), op.getLhs()),
                               std::pair(op.getLhs(), op.getRhs())}) {
      if (x == residual || !isLastUse(residual, op) || isOnOutputs(x)) {
        continue;
      }
      rewriter.replaceOpWithNewOp<plan::AddOp>(
          op, op.getType(), x, residual,
          rewriter.getI64IntegerAttr(layerAt(op)));
      return success();
    }
    return failure();
  }
};

struct ToGlu : OpRewritePattern<llm::MulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(llm::MulOp op,
                                PatternRewriter &rewriter) const override {
    for (auto [gateSide, up] : {std::pair(op.getLhs(), op.getRhs()),
                                std::pair(op.getRhs(), op.getLhs())}) {
      auto silu = onlyUseOf<llm::SiluOp>(gateSide);
      if (!silu || isOnOutputs(up)) {
        continue;
      }
      rewriter.replaceOpWithNewOp<plan::GluOp>(
          op, op.getType(), silu.getX(), up,
          rewriter.getI64IntegerAttr(layerAt(op)));
      return success();
    }
    return failure();
  }
};

// ---- the pass ---------------------------------------------------------------

LogicalResult applyOnce(llm::ModelOp model, RewritePatternSet patterns) {
  GreedyRewriteConfig config;
  config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled);
  return applyPatternsGreedily(model.getBody(), std::move(patterns), config);
}

/// Reports the first op of the model that no pattern has turned into a step.
LogicalResult checkNothingLeft(llm::ModelOp model) {
  for (Operation &op : model.getBody().front()) {
    if (isa<llm::LlmDialect>(op.getDialect()) && !isa<llm::ReturnOp>(op)) {
      return failWith(
          &op, unsupportedError(
                   "no step can compute '" + op.getName().getStringRef().str() +
                   "' at this place; the steps are embed, attn_in, attn, "
                   "attn_out, ffn_in, ffn_out, head, norm, matmul, add, glu"));
    }
  }
  return success();
}

void toGraph(llm::ModelOp model) {
  OpBuilder builder(model);
  plan::ModelOp::create(builder, model.getLoc(), model.getHyperparameters());
  auto graph =
      plan::GraphOp::create(builder, model.getLoc(), model.getSymName());
  graph.getBody().takeBody(model.getBody());
  auto ret = cast<llm::ReturnOp>(graph.getBody().front().getTerminator());
  builder.setInsertionPoint(ret);
  plan::ReturnOp::create(builder, ret.getLoc(), ret.getLogits());
  ret.erase();
  model.erase();
}

struct FuseStepsPass : impl::FuseStepsBase<FuseStepsPass> {
  void runOnOperation() override {
    SmallVector<llm::ModelOp> models(getOperation().getOps<llm::ModelOp>());
    if (models.size() > 1) {
      models[1].emitOpError(
          "is the second model of the module, but a plan has one model");
      return signalPassFailure();
    }
    for (llm::ModelOp model : models) {
      RewritePatternSet fused(&getContext());
      fused.add<ToEmbed, ToAttention, ToFfnIn, ToProjectAdd, ToHead>(
          &getContext());
      RewritePatternSet plain(&getContext());
      plain.add<ToNorm, ToMatMul, ToAdd, ToGlu>(&getContext());
      if (failed(applyOnce(model, std::move(fused))) ||
          failed(applyOnce(model, std::move(plain))) ||
          failed(checkNothingLeft(model))) {
        return signalPassFailure();
      }
      toGraph(model);
    }
  }
};

} // namespace
} // namespace air::compiler
