//===- LlmOpFolders.cpp - folds and canonical forms -------------*- C++ -*-===//
#include "compiler/dialect/llm/LlmDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace air::ir::llm;

// Multiplying x by 1 does not change any bit of it, so a scale op whose factor
// is 1 folds to x.
OpFoldResult ScaleOp::fold(FoldAdaptor) {
  return getFactor().isExactlyValue(1.0) ? OpFoldResult(getX())
                                         : OpFoldResult();
}

namespace {

/// Merges a scale op into the embed op that produces its operand, because the
/// embed kernel multiplies by a scale in any case.
struct ScaleIntoEmbed : OpRewritePattern<ScaleOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ScaleOp op,
                                PatternRewriter &rewriter) const override {
    auto embed = op.getX().getDefiningOp<EmbedOp>();
    // An embed op that already has a scale is left alone: merging two scales
    // into one would change the rounding.
    if (!embed || !embed->hasOneUse() ||
        !embed.getScale().isExactlyValue(1.0)) {
      return failure();
    }
    rewriter.replaceOpWithNewOp<EmbedOp>(op, op.getType(), embed.getIds(),
                                         embed.getTable(), op.getFactor());
    return success();
  }
};

/// Rewrites outputs(f(x)) to f(outputs(x)) for an op f that works row by row on
/// one operand and whose result has no other use, so that f computes only the
/// requested rows.
struct OutputsBeforeRowOp : OpRewritePattern<OutputsOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(OutputsOp op,
                                PatternRewriter &rewriter) const override {
    Operation *row = op.getX().getDefiningOp();
    if (!row || !row->hasOneUse() ||
        !isa<RmsNormOp, LinearOp, HeadNormOp, SiluOp, ScaleOp>(row)) {
      return failure();
    }
    rewriter.setInsertionPoint(op);
    Value x = row->getOperand(0);
    IRMapping mapping;
    mapping.map(
        x,
        OutputsOp::create(rewriter, op.getLoc(), x.getType(), x).getResult());
    rewriter.replaceOp(op, rewriter.clone(*row, mapping)->getResults());
    return success();
  }
};

} // namespace

void ScaleOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                          MLIRContext *context) {
  patterns.add<ScaleIntoEmbed>(context);
}

void OutputsOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *context) {
  patterns.add<OutputsBeforeRowOp>(context);
}
