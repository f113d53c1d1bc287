//===- DenseDecoder.cpp - pre-norm decoders with a gated FFN ----*- C++ -*-===//
#include "compiler/import/DenseDecoder.h"

#include "codegen/KernelSpec.h"
#include "compiler/import/NeutralKeys.h"
#include "compiler/import/RopeScaling.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "formats/support/NumberText.h"

#include "mlir/IR/Builders.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace air::ir;

namespace air::compiler {
namespace {

// ---- metadata ---------------------------------------------------------------

struct DecoderShape {
  uint64_t layers = 0;
  uint64_t width = 0;
  uint64_t ffnWidth = 0;
  uint64_t heads = 0;
  uint64_t kvHeads = 0;
  uint64_t headDim = 0;
  uint64_t context = 0;
  uint64_t ropeDim = 0;
  double ropeBase = 10000.0;
  RopeScaling scaling;
  float epsilon = 0.0F;
};

/// Refuses sliding-window attention, unless the window is at least as long as
/// the context and therefore has no effect.
Status refuseWindow(SourceReader &reader, uint64_t context) {
  AIR_ASSIGN_OR_RETURN(auto window,
                       reader.optionalCount("attention.sliding_window"));
  if (window.value_or(0) > 0 && *window < context) {
    return unsupportedError(
        "key '" + reader.fullKey("attention.sliding_window") + "' is " +
        std::to_string(*window) + ", but the model's context has " +
        countOf(context, "token") +
        "; attention with a window shorter than the context is not "
        "supported");
  }
  return Status::ok();
}

/// Some keys are supported only with the value that follows from other keys.
/// Refuses any other value except 0, which means that the key is unset.
Status refuseOtherValues(SourceReader &reader, const DecoderShape &shape) {
  AIR_ASSIGN_OR_RETURN(auto width,
                       reader.optionalCount("embedding_length_out"));
  if (width.value_or(0) != 0 && *width != shape.width) {
    return unsupportedError(
        "key '" + reader.fullKey("embedding_length_out") + "' is " +
        std::to_string(*width) + ", but the embeddings have " +
        countOf(shape.width, "element") + "; the two must be equal");
  }
  AIR_ASSIGN_OR_RETURN(auto scale, reader.optionalNumber("attention.scale"));
  const double usual = 1.0 / std::sqrt(static_cast<double>(shape.headDim));
  // The tolerance allows for a scale that the file stores as float32.
  if (scale.value_or(0) != 0 && !(std::abs(*scale / usual - 1) < 1e-6)) {
    return unsupportedError("key '" + reader.fullKey("attention.scale") +
                            "' is " + numberText(*scale) + "; for heads of " +
                            countOf(shape.headDim, "element") +
                            ", it must be " + numberText(usual) +
                            " (1 / sqrt(" + std::to_string(shape.headDim) +
                            "))");
  }
  return Status::ok();
}

/// Checks that the heads are within the limits of the attention kernels.
Status checkHeads(SourceReader &reader, const DecoderShape &shape) {
  if (shape.headDim > codegen::kMaxHeadElements) {
    return unsupportedError(
        "attention heads have " + countOf(shape.headDim, "element") +
        " (key '" + reader.fullKey("attention.key_length") +
        "', or the width divided by the number of heads); at most " +
        std::to_string(codegen::kMaxHeadElements) + " are supported");
  }
  const uint64_t group = shape.heads / shape.kvHeads;
  if (group > codegen::kMaxHeadsPerKvHead) {
    return unsupportedError(
        std::to_string(group) + " query heads share each key/value head ('" +
        reader.fullKey("attention.head_count") + "' is " +
        std::to_string(shape.heads) + ", '" +
        reader.fullKey("attention.head_count_kv") + "' is " +
        std::to_string(shape.kvHeads) + "); at most " +
        std::to_string(codegen::kMaxHeadsPerKvHead) + " are supported");
  }
  return Status::ok();
}

Status readRope(SourceReader &reader, DecoderShape &shape) {
  AIR_ASSIGN_OR_RETURN(auto dim, reader.optionalCount("rope.dimension_count"));
  shape.ropeDim = dim.value_or(shape.headDim);
  if (!dim && shape.headDim % 2 != 0) {
    return corruptError(
        "attention heads have " + countOf(shape.headDim, "element") +
        ", an odd number, so rope cannot rotate all of them in pairs; "
        "key '" +
        reader.fullKey("rope.dimension_count") +
        "', the number of elements to rotate, is missing");
  }
  if (shape.ropeDim == 0 || shape.ropeDim % 2 != 0 ||
      shape.ropeDim > shape.headDim) {
    return corruptError(
        "key '" + reader.fullKey("rope.dimension_count") + "' is " +
        std::to_string(shape.ropeDim) + "; it must be even and at most " +
        std::to_string(shape.headDim) + ", the number of elements of a head");
  }
  AIR_ASSIGN_OR_RETURN(auto base, reader.optionalNumber("rope.freq_base"));
  shape.ropeBase = base.value_or(shape.ropeBase);
  if (!std::isfinite(shape.ropeBase) || shape.ropeBase <= 0) {
    return corruptError("key '" + reader.fullKey("rope.freq_base") + "' is " +
                        numberText(shape.ropeBase) +
                        "; it must be finite and positive");
  }

  AIR_ASSIGN_OR_RETURN(shape.scaling, readRopeScaling(reader, shape.context));
  return Status::ok();
}

Result<DecoderShape> readShape(SourceReader &reader) {
  DecoderShape shape;
  AIR_ASSIGN_OR_RETURN(shape.layers, reader.count("block_count"));
  AIR_ASSIGN_OR_RETURN(shape.width, reader.count("embedding_length"));
  AIR_ASSIGN_OR_RETURN(shape.context, reader.count("context_length"));
  reader.setLayers(shape.layers);
  AIR_RETURN_IF_ERROR(readNeutralKeys(reader));
  AIR_RETURN_IF_ERROR(refuseWindow(reader, shape.context));
  AIR_ASSIGN_OR_RETURN(shape.ffnWidth, reader.count("feed_forward_length"));
  AIR_ASSIGN_OR_RETURN(shape.heads, reader.count("attention.head_count"));
  AIR_ASSIGN_OR_RETURN(auto kvHeads,
                       reader.optionalCount("attention.head_count_kv"));
  shape.kvHeads = kvHeads.value_or(shape.heads);
  if (shape.kvHeads == 0 || shape.heads % shape.kvHeads != 0) {
    return corruptError("key '" + reader.fullKey("attention.head_count_kv") +
                        "' is " + std::to_string(shape.kvHeads) +
                        ", which does not divide " +
                        std::to_string(shape.heads) + ", the number of heads");
  }
  AIR_ASSIGN_OR_RETURN(auto keyLength,
                       reader.optionalCount("attention.key_length"));
  if (!keyLength && shape.width % shape.heads != 0) {
    return corruptError("key '" + reader.fullKey("embedding_length") + "' is " +
                        std::to_string(shape.width) +
                        ", which is not a multiple of " +
                        std::to_string(shape.heads) + ", the number of heads");
  }
  shape.headDim = keyLength.value_or(shape.width / shape.heads);
  AIR_ASSIGN_OR_RETURN(auto valueLength,
                       reader.optionalCount("attention.value_length"));
  if (valueLength.value_or(shape.headDim) != shape.headDim) {
    return unsupportedError(
        "attention heads with keys of " + countOf(shape.headDim, "element") +
        " and values of " + std::to_string(*valueLength) +
        " elements are not supported; keys and values must have the same "
        "number of elements");
  }
  if (shape.headDim == 0) {
    return corruptError("key '" + reader.fullKey("attention.key_length") +
                        "' is 0; it must be 1 or more");
  }
  // The product is at most kMaxCount, and kvHeads is at most heads. Code that
  // computes (heads + 2 * kvHeads) * headDim therefore cannot overflow.
  if (std::optional<uint64_t> row = checkedMul(shape.heads, shape.headDim);
      !row || *row > kMaxCount) {
    return corruptError(countOf(shape.heads, "attention head") + " of " +
                        std::to_string(shape.headDim) +
                        " elements are too large; all heads together may have "
                        "at most " +
                        std::to_string(kMaxCount) + " elements");
  }
  AIR_ASSIGN_OR_RETURN(double epsilon,
                       reader.number("attention.layer_norm_rms_epsilon"));
  if (!(epsilon >= 0 && epsilon <= std::numeric_limits<float>::max())) {
    return corruptError(
        "key '" + reader.fullKey("attention.layer_norm_rms_epsilon") + "' is " +
        numberText(epsilon) + "; it must be finite and not negative");
  }
  shape.epsilon = static_cast<float>(epsilon);
  AIR_RETURN_IF_ERROR(checkHeads(reader, shape));
  AIR_RETURN_IF_ERROR(refuseOtherValues(reader, shape));
  AIR_RETURN_IF_ERROR(readRope(reader, shape));
  return shape;
}

/// Checks that the embedding table, which has `rows` rows, agrees with the
/// tokenizer and the metadata on the number of tokens.
Status checkVocabulary(SourceReader &reader, uint64_t rows) {
  const auto &metadata = reader.model().metadata;
  auto tokens = metadata.find("tokenizer.ggml.tokens");
  const auto *list =
      tokens == metadata.end()
          ? nullptr
          : std::get_if<std::vector<std::string>>(&tokens->second);
  if (list && list->size() != rows) {
    return corruptError("tensor 'token_embd.weight' has " +
                        countOf(rows, "row") + ", but the tokenizer has " +
                        countOf(list->size(), "token"));
  }
  AIR_ASSIGN_OR_RETURN(auto size, reader.optionalCount("vocab_size"));
  if (!size || *size == rows) {
    return Status::ok();
  }
  std::string difference =
      "tensor 'token_embd.weight' has " + countOf(rows, "row") + ", but key '" +
      reader.fullKey("vocab_size") + "' is " + std::to_string(*size);
  if (!list) {
    return corruptError(std::move(difference));
  }
  reader.note(difference + "; the key is ignored, because the tokenizer has as "
                           "many tokens as the tensor has rows");
  return Status::ok();
}

// ---- graph ------------------------------------------------------------------

class DecoderBuilder {
public:
  DecoderBuilder(const DenseDecoderTraits &decoderTraits,
                 const DecoderShape &decoderShape, SourceReader &sourceReader,
                 ModuleOp module)
      : traits(decoderTraits), shape(decoderShape), reader(sourceReader),
        builder(OpBuilder::atBlockEnd(module.getBody())), loc(module.getLoc()) {
  }

  Status build() {
    AIR_ASSIGN_OR_RETURN(
        const SourceTensor *table,
        reader.matrixOfColumns("token_embd.weight", shape.width));
    vocabulary = extentsOf(*table, 2)[0];
    AIR_RETURN_IF_ERROR(checkVocabulary(reader, vocabulary));
    AIR_ASSIGN_OR_RETURN(rope, readRopeAttr());

    auto model = llm::ModelOp::create(builder, loc, "model", hyperparameters());
    Block &block = model.getBody().emplaceBlock();
    Value ids = block.addArgument(llm::tokenIdsType(builder.getContext()), loc);
    builder.setInsertionPointToStart(&block);
    residual = llm::EmbedOp::create(builder, loc, rowsOf(shape.width), ids,
                                    attr(table, 2), builder.getF32FloatAttr(1));
    for (uint64_t layer = 0; layer < shape.layers; ++layer) {
      std::string prefix = "blk." + std::to_string(layer) + ".";
      loc =
          NameLoc::get(builder.getStringAttr("layer." + std::to_string(layer)));
      AIR_RETURN_IF_ERROR(buildAttention(layer, prefix));
      AIR_RETURN_IF_ERROR(buildFfn(prefix));
    }
    loc = NameLoc::get(builder.getStringAttr("head"));
    AIR_RETURN_IF_ERROR(buildHead(table));
    if (inputScales != 0) {
      reader.note(std::to_string(inputScales) +
                  (inputScales == 1 ? " tensor '*.input_scale' is"
                                    : " tensors '*.input_scale' are") +
                  " ignored: input scales are for 4-bit activations, which no "
                  "kernel uses");
    }
    return Status::ok();
  }

private:
  RankedTensorType rowsOf(uint64_t columns) {
    return llm::activationType(builder.getContext(),
                               static_cast<int64_t>(columns));
  }

  /// Returns the attribute for `tensor`, or null if `tensor` is null. `rank` is
  /// 2 for a matrix and 1 for a vector.
  llm::WeightAttr attr(const SourceTensor *tensor, size_t rank,
                       StringRef scale = "") {
    if (!tensor) {
      return {};
    }
    std::span<const uint64_t> extents = extentsOf(*tensor, rank);
    return llm::WeightAttr::get(
        builder.getContext(), tensor->name, tensor->dtype,
        SmallVector<int64_t>(extents.begin(), extents.end()), scale);
  }

  /// Returns the name of the one-element tensor that multiplies the matrix
  /// `name` (given without ".weight"), or "" if there is none. NVFP4 models
  /// have such tensors because the range of NVFP4's block scales is small.
  Result<std::string> scaleOf(const std::string &name) {
    AIR_ASSIGN_OR_RETURN(const SourceTensor *scale,
                         reader.optionalTensor(name + ".scale", {1}));
    AIR_ASSIGN_OR_RETURN(const SourceTensor *inputScale,
                         reader.optionalTensor(name + ".input_scale", {1}));
    if (inputScale) {
      ++inputScales;
    }
    return scale ? scale->name : std::string();
  }

  FloatAttr epsilon() { return builder.getF32FloatAttr(shape.epsilon); }

  Result<llm::WeightAttr> vector(const std::string &name, uint64_t elements,
                                 Presence presence = Presence::Always) {
    if (presence == Presence::Never) {
      return llm::WeightAttr();
    }
    AIR_ASSIGN_OR_RETURN(const SourceTensor *tensor,
                         presence == Presence::Always
                             ? reader.tensor(name, {elements})
                             : reader.optionalTensor(name, {elements}));
    return attr(tensor, 1);
  }

  llm::YarnAttr yarnAttr() {
    const RopeScaling &scaling = shape.scaling;
    using llvm::APFloat;
    return scaling.isYarn ? llm::YarnAttr::get(
                                builder.getContext(), APFloat(scaling.factor),
                                APFloat(scaling.originalContext),
                                APFloat(scaling.betaFast),
                                APFloat(scaling.betaSlow), APFloat(scaling.mix))
                          : llm::YarnAttr();
  }

  Result<llm::RopeAttr> readRopeAttr() {
    AIR_ASSIGN_OR_RETURN(
        llm::WeightAttr factors,
        vector("rope_freqs.weight", shape.ropeDim / 2, traits.ropeFactors));
    return llm::RopeAttr::get(
        builder.getContext(), traits.rope, static_cast<int64_t>(shape.ropeDim),
        llvm::APFloat(shape.ropeBase),
        llvm::APFloat(shape.scaling.linearFactor), factors,
        llvm::APFloat(shape.scaling.magnitude), yarnAttr());
  }

  llm::HyperparametersAttr hyperparameters() {
    uint64_t parameters = 0;
    for (const auto &[name, tensor] : reader.model().tensors) {
      uint64_t elements = 1;
      for (uint64_t extent : tensor.shape) {
        elements *= extent; // no overflow: GgufParser has checked the size
      }
      parameters += elements;
    }
    auto number = [](uint64_t value) { return static_cast<int64_t>(value); };
    return llm::HyperparametersAttr::get(
        builder.getContext(),
        reader.model().getString("general.name").value_or(""),
        reader.architectureName(), number(vocabulary), number(shape.width),
        number(shape.layers), number(shape.heads), number(shape.kvHeads),
        number(shape.headDim), number(shape.ffnWidth), number(shape.context),
        number(parameters));
  }

  Result<Value> norm(Value x, const std::string &name) {
    AIR_ASSIGN_OR_RETURN(llm::WeightAttr weight, vector(name, shape.width));
    return Value(llm::RmsNormOp::create(builder, loc, x.getType(), x, weight,
                                        epsilon()));
  }

  /// Multiplies x by the matrix `name` (given without ".weight") and adds the
  /// bias, if there is one.
  Result<Value> linear(Value x, const std::string &name, uint64_t outputs,
                       uint64_t inputs, Presence bias) {
    AIR_ASSIGN_OR_RETURN(const SourceTensor *weight,
                         reader.tensor(name + ".weight", {outputs, inputs}));
    AIR_ASSIGN_OR_RETURN(std::string scale, scaleOf(name));
    AIR_ASSIGN_OR_RETURN(llm::WeightAttr biasAttr,
                         vector(name + ".bias", outputs, bias));
    return Value(llm::LinearOp::create(builder, loc, rowsOf(outputs), x,
                                       attr(weight, 2, scale), biasAttr));
  }

  /// Applies QK-norm (if the family has it) and RoPE to x, which is q or k.
  Result<Value> turned(Value x, const std::string &normName) {
    if (traits.qkNorm) {
      AIR_ASSIGN_OR_RETURN(llm::WeightAttr weight,
                           vector(normName, shape.headDim));
      x = llm::HeadNormOp::create(builder, loc, x.getType(), x, weight,
                                  epsilon());
    }
    return Value(llm::RopeOp::create(builder, loc, x.getType(), x, rope,
                                     static_cast<int64_t>(shape.headDim)));
  }

  Status buildAttention(uint64_t layer, const std::string &prefix) {
    uint64_t qRow = shape.heads * shape.headDim;
    uint64_t kvRow = shape.kvHeads * shape.headDim;
    AIR_ASSIGN_OR_RETURN(Value n, norm(residual, prefix + "attn_norm.weight"));
    AIR_ASSIGN_OR_RETURN(Value q, linear(n, prefix + "attn_q", qRow,
                                         shape.width, traits.qkvBias));
    AIR_ASSIGN_OR_RETURN(Value k, linear(n, prefix + "attn_k", kvRow,
                                         shape.width, traits.qkvBias));
    AIR_ASSIGN_OR_RETURN(Value v, linear(n, prefix + "attn_v", kvRow,
                                         shape.width, traits.qkvBias));
    AIR_ASSIGN_OR_RETURN(q, turned(q, prefix + "attn_q_norm.weight"));
    AIR_ASSIGN_OR_RETURN(k, turned(k, prefix + "attn_k_norm.weight"));
    // The scale is computed in double precision and rounded once to float32.
    double scale = 1.0 / std::sqrt(static_cast<double>(shape.headDim));
    Value heads = llm::AttentionOp::create(
        builder, loc, rowsOf(qRow), q, k, v,
        builder.getI64IntegerAttr(static_cast<int64_t>(layer)),
        builder.getI64IntegerAttr(static_cast<int64_t>(shape.heads)),
        builder.getI64IntegerAttr(static_cast<int64_t>(shape.kvHeads)),
        builder.getI64IntegerAttr(static_cast<int64_t>(shape.headDim)),
        builder.getF32FloatAttr(static_cast<float>(scale)));
    AIR_ASSIGN_OR_RETURN(Value projected,
                         linear(heads, prefix + "attn_output", shape.width,
                                qRow, traits.outputBias));
    residual = llm::AddOp::create(builder, loc, residual.getType(), residual,
                                  projected);
    return Status::ok();
  }

  Status buildFfn(const std::string &prefix) {
    AIR_ASSIGN_OR_RETURN(Value n, norm(residual, prefix + "ffn_norm.weight"));
    AIR_ASSIGN_OR_RETURN(Value gate,
                         linear(n, prefix + "ffn_gate", shape.ffnWidth,
                                shape.width, traits.ffnBias));
    AIR_ASSIGN_OR_RETURN(Value up, linear(n, prefix + "ffn_up", shape.ffnWidth,
                                          shape.width, traits.ffnBias));
    Value silu = llm::SiluOp::create(builder, loc, gate.getType(), gate);
    Value gated = llm::MulOp::create(builder, loc, up.getType(), silu, up);
    AIR_ASSIGN_OR_RETURN(Value down,
                         linear(gated, prefix + "ffn_down", shape.width,
                                shape.ffnWidth, traits.ffnBias));
    residual =
        llm::AddOp::create(builder, loc, residual.getType(), residual, down);
    return Status::ok();
  }

  Status buildHead(const SourceTensor *table) {
    Value x =
        llm::OutputsOp::create(builder, loc, residual.getType(), residual);
    AIR_ASSIGN_OR_RETURN(x, norm(x, "output_norm.weight"));
    AIR_ASSIGN_OR_RETURN(
        const SourceTensor *output,
        reader.optionalTensor("output.weight", {vocabulary, shape.width}));
    // If the output head uses the embedding table as its matrix, a scale of the
    // table is left unread, so finish() refuses the model: the scale would have
    // to apply to the embeddings, too.
    AIR_ASSIGN_OR_RETURN(std::string scale,
                         output ? scaleOf("output") : std::string());
    AIR_ASSIGN_OR_RETURN(llm::WeightAttr bias,
                         vector("output.bias", vocabulary, traits.headBias));
    Value logits =
        llm::LinearOp::create(builder, loc, rowsOf(vocabulary), x,
                              attr(output ? output : table, 2, scale), bias);
    llm::ReturnOp::create(builder, loc, logits);
    return Status::ok();
  }

  const DenseDecoderTraits &traits;
  const DecoderShape &shape;
  SourceReader &reader;
  OpBuilder builder;
  Location loc;
  uint64_t vocabulary = 0;
  uint64_t inputScales = 0;
  llm::RopeAttr rope;
  Value residual;
};

} // namespace

Status buildDenseDecoder(const DenseDecoderTraits &traits, SourceReader &reader,
                         ModuleOp module) {
  AIR_ASSIGN_OR_RETURN(DecoderShape shape, readShape(reader));
  return DecoderBuilder(traits, shape, reader, module).build();
}

} // namespace air::compiler
