//===- DenseDecoder.cpp - pre-norm decoders with a gated FFN ----*- C++ -*-===//
#include "compiler/import/DenseDecoder.h"

#include "formats/support/CheckedMath.h"

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
  double ropeLinearFactor = 1.0;
  float epsilon = 0.0F;
};

/// Keys that must have the value which means "not there".
Status refuseOtherKinds(SourceReader &reader, uint64_t context) {
  AIR_ASSIGN_OR_RETURN(auto experts, reader.optionalCount("expert_count"));
  if (experts.value_or(0) > 0) {
    return unsupportedError(
        "mixture of experts ('" + reader.fullKey("expert_count") + "' is " +
        std::to_string(*experts) + ") is not supported; dense models are");
  }
  reader.ignore("expert_used_count"); // without experts it says nothing
  AIR_ASSIGN_OR_RETURN(auto window,
                       reader.optionalCount("attention.sliding_window"));
  if (window.value_or(0) > 0 && *window < context) {
    return unsupportedError("sliding-window attention ('" +
                            reader.fullKey("attention.sliding_window") +
                            "' is " + std::to_string(*window) +
                            ", the context " + std::to_string(context) +
                            ") is not supported; full attention is");
  }
  AIR_ASSIGN_OR_RETURN(auto causal, reader.optionalFlag("attention.causal"));
  if (!causal.value_or(true)) {
    return unsupportedError("attention that is not causal ('" +
                            reader.fullKey("attention.causal") +
                            "') is not supported; decoders are");
  }
  AIR_ASSIGN_OR_RETURN(auto parallel,
                       reader.optionalFlag("use_parallel_residual"));
  if (parallel.value_or(false)) {
    return unsupportedError("parallel residuals ('" +
                            reader.fullKey("use_parallel_residual") +
                            "') are not supported; sequential ones are");
  }
  AIR_ASSIGN_OR_RETURN(auto pooling, reader.optionalCount("pooling_type"));
  if (pooling.value_or(0) != 0) {
    return unsupportedError(
        "models that pool ('" + reader.fullKey("pooling_type") + "' is " +
        std::to_string(*pooling) + ") are not supported; text generators are");
  }
  // Tells how the converter's input was laid out, not what is computed.
  reader.ignore("tensor_data_layout");
  return Status::ok();
}

Status readRope(SourceReader &reader, DecoderShape &shape) {
  AIR_ASSIGN_OR_RETURN(auto dim, reader.optionalCount("rope.dimension_count"));
  shape.ropeDim = dim.value_or(shape.headDim);
  if (shape.ropeDim == 0 || shape.ropeDim % 2 != 0 ||
      shape.ropeDim > shape.headDim) {
    return corruptError("key '" + reader.fullKey("rope.dimension_count") +
                        "' is " + std::to_string(shape.ropeDim) +
                        ", must be even and at most the head's " +
                        std::to_string(shape.headDim));
  }
  AIR_ASSIGN_OR_RETURN(auto base, reader.optionalNumber("rope.freq_base"));
  shape.ropeBase = base.value_or(shape.ropeBase);
  if (!std::isfinite(shape.ropeBase) || shape.ropeBase <= 0) {
    return corruptError("key '" + reader.fullKey("rope.freq_base") + "' is " +
                        std::to_string(shape.ropeBase) +
                        ", must be finite and positive");
  }

  AIR_ASSIGN_OR_RETURN(auto type, reader.optionalText("rope.scaling.type"));
  if (type && *type != "none" && *type != "linear") {
    return unsupportedError("rope scaling '" + *type + "' ('" +
                            reader.fullKey("rope.scaling.type") +
                            "') is not supported; supported: none, linear");
  }
  // The second name is of files from before the first one existed.
  AIR_ASSIGN_OR_RETURN(auto factor,
                       reader.optionalNumber("rope.scaling.factor"));
  AIR_ASSIGN_OR_RETURN(auto oldFactor,
                       reader.optionalNumber("rope.scale_linear"));
  double value = factor ? *factor : oldFactor.value_or(1.0);
  if (!std::isfinite(value) || value < 0) {
    return corruptError("key '" + reader.fullKey("rope.scaling.factor") +
                        "' is " + std::to_string(value) +
                        ", must be finite and positive");
  }
  // 0 means that there is no scaling.
  shape.ropeLinearFactor =
      value == 0 || type.value_or("linear") == "none" ? 1.0 : value;
  AIR_ASSIGN_OR_RETURN(auto attnFactor,
                       reader.optionalNumber("rope.scaling.attn_factor"));
  if (attnFactor.value_or(1.0) != 1.0) {
    return unsupportedError("an attention factor of rope ('" +
                            reader.fullKey("rope.scaling.attn_factor") +
                            "' is " + std::to_string(*attnFactor) +
                            ") is not supported; 1 is");
  }
  // What scaling was made from; the factor says what is computed.
  reader.ignore("rope.scaling.original_context_length");
  reader.ignore("rope.scaling.finetuned");
  return Status::ok();
}

Result<DecoderShape> readShape(SourceReader &reader) {
  DecoderShape shape;
  AIR_ASSIGN_OR_RETURN(shape.layers, reader.count("block_count"));
  AIR_ASSIGN_OR_RETURN(shape.width, reader.count("embedding_length"));
  AIR_ASSIGN_OR_RETURN(shape.context, reader.count("context_length"));
  AIR_RETURN_IF_ERROR(refuseOtherKinds(reader, shape.context));
  AIR_ASSIGN_OR_RETURN(shape.ffnWidth, reader.count("feed_forward_length"));
  AIR_ASSIGN_OR_RETURN(shape.heads, reader.count("attention.head_count"));
  AIR_ASSIGN_OR_RETURN(auto kvHeads,
                       reader.optionalCount("attention.head_count_kv"));
  shape.kvHeads = kvHeads.value_or(shape.heads);
  if (shape.kvHeads == 0 || shape.heads % shape.kvHeads != 0) {
    return corruptError("key '" + reader.fullKey("attention.head_count_kv") +
                        "' is " + std::to_string(shape.kvHeads) +
                        ", no divisor of the " + std::to_string(shape.heads) +
                        " heads");
  }
  AIR_ASSIGN_OR_RETURN(auto keyLength,
                       reader.optionalCount("attention.key_length"));
  if (!keyLength && shape.width % shape.heads != 0) {
    return corruptError("key '" + reader.fullKey("embedding_length") + "' is " +
                        std::to_string(shape.width) + ", no multiple of the " +
                        std::to_string(shape.heads) + " heads");
  }
  shape.headDim = keyLength.value_or(shape.width / shape.heads);
  AIR_ASSIGN_OR_RETURN(auto valueLength,
                       reader.optionalCount("attention.value_length"));
  if (valueLength.value_or(shape.headDim) != shape.headDim) {
    return unsupportedError("heads with keys of " +
                            std::to_string(shape.headDim) + " and values of " +
                            std::to_string(*valueLength) +
                            " elements are not supported; equal ones are");
  }
  if (shape.headDim == 0) {
    return corruptError("key '" + reader.fullKey("attention.key_length") +
                        "' is 0, must be 1 or more");
  }
  // Below, (heads + 2 * kvHeads) * headDim must fit.
  if (std::optional<uint64_t> row = checkedMul(shape.heads, shape.headDim);
      !row || *row > kMaxCount) {
    return corruptError(std::to_string(shape.heads) + " heads of " +
                        std::to_string(shape.headDim) +
                        " elements are more than " + std::to_string(kMaxCount));
  }
  AIR_ASSIGN_OR_RETURN(double epsilon,
                       reader.number("attention.layer_norm_rms_epsilon"));
  if (!(epsilon >= 0 && epsilon <= std::numeric_limits<float>::max())) {
    return corruptError(
        "key '" + reader.fullKey("attention.layer_norm_rms_epsilon") + "' is " +
        std::to_string(epsilon) + ", must be finite and not negative");
  }
  shape.epsilon = static_cast<float>(epsilon);
  AIR_RETURN_IF_ERROR(readRope(reader, shape));
  return shape;
}

/// The embedding's rows, against what the tokenizer and the metadata say.
Status checkVocabulary(SourceReader &reader, uint64_t rows) {
  const auto &metadata = reader.model().metadata;
  auto tokens = metadata.find("tokenizer.ggml.tokens");
  const auto *list =
      tokens == metadata.end()
          ? nullptr
          : std::get_if<std::vector<std::string>>(&tokens->second);
  if (list && list->size() != rows) {
    return corruptError("tensor 'token_embd.weight' has " +
                        std::to_string(rows) + " rows, the tokenizer " +
                        std::to_string(list->size()) + " tokens");
  }
  AIR_ASSIGN_OR_RETURN(auto size, reader.optionalCount("vocab_size"));
  if (!size || *size == rows) {
    return Status::ok();
  }
  std::string difference = "tensor 'token_embd.weight' has " +
                           std::to_string(rows) + " rows, key '" +
                           reader.fullKey("vocab_size") + "' is " +
                           std::to_string(*size);
  if (!list) {
    return corruptError(std::move(difference));
  }
  reader.note(difference + "; the key is ignored, since the tokenizer has as "
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
    AIR_RETURN_IF_ERROR(checkVocabulary(reader, table->shape[0]));
    vocabulary = table->shape[0];
    AIR_ASSIGN_OR_RETURN(rope, readRopeAttr());

    auto model = llm::ModelOp::create(builder, loc, "model", facts());
    Block &block = model.getBody().emplaceBlock();
    Value ids = block.addArgument(llm::tokenIdsType(builder.getContext()), loc);
    builder.setInsertionPointToStart(&block);
    residual = llm::EmbedOp::create(builder, loc, rowsOf(shape.width), ids,
                                    attr(table), builder.getF32FloatAttr(1));
    for (uint64_t layer = 0; layer < shape.layers; ++layer) {
      std::string prefix = "blk." + std::to_string(layer) + ".";
      loc =
          NameLoc::get(builder.getStringAttr("layer." + std::to_string(layer)));
      AIR_RETURN_IF_ERROR(buildAttention(layer, prefix));
      AIR_RETURN_IF_ERROR(buildFfn(prefix));
    }
    loc = NameLoc::get(builder.getStringAttr("head"));
    return buildHead(table);
  }

private:
  RankedTensorType rowsOf(uint64_t columns) {
    return llm::activationType(builder.getContext(),
                               static_cast<int64_t>(columns));
  }

  llm::WeightAttr attr(const SourceTensor *tensor) {
    if (!tensor) {
      return {};
    }
    SmallVector<int64_t> extents(tensor->shape.begin(), tensor->shape.end());
    return llm::WeightAttr::get(builder.getContext(), tensor->name,
                                tensor->dtype, extents);
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
    return attr(tensor);
  }

  Result<llm::RopeAttr> readRopeAttr() {
    AIR_ASSIGN_OR_RETURN(
        llm::WeightAttr factors,
        vector("rope_freqs.weight", shape.ropeDim / 2, traits.ropeFactors));
    return llm::RopeAttr::get(builder.getContext(), traits.rope,
                              static_cast<int64_t>(shape.ropeDim),
                              llvm::APFloat(shape.ropeBase),
                              llvm::APFloat(shape.ropeLinearFactor), factors);
  }

  llm::FactsAttr facts() {
    uint64_t parameters = 0;
    for (const auto &[name, tensor] : reader.model().tensors) {
      uint64_t elements = 1;
      for (uint64_t extent : tensor.shape) {
        elements *= extent; // bounded by the file's size
      }
      parameters += elements;
    }
    auto number = [](uint64_t value) { return static_cast<int64_t>(value); };
    return llm::FactsAttr::get(
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

  /// `name` without ".weight".
  Result<Value> linear(Value x, const std::string &name, uint64_t outputs,
                       uint64_t inputs, Presence bias) {
    AIR_ASSIGN_OR_RETURN(const SourceTensor *weight,
                         reader.tensor(name + ".weight", {outputs, inputs}));
    AIR_ASSIGN_OR_RETURN(llm::WeightAttr biasAttr,
                         vector(name + ".bias", outputs, bias));
    return Value(llm::LinearOp::create(builder, loc, rowsOf(outputs), x,
                                       attr(weight), biasAttr));
  }

  /// QK-norm and rope of q or k.
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
    // As a float32, from a square root in double precision.
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
    AIR_ASSIGN_OR_RETURN(llm::WeightAttr bias,
                         vector("output.bias", vocabulary, traits.headBias));
    Value logits = llm::LinearOp::create(builder, loc, rowsOf(vocabulary), x,
                                         attr(output ? output : table), bias);
    llm::ReturnOp::create(builder, loc, logits);
    return Status::ok();
  }

  const DenseDecoderTraits &traits;
  const DecoderShape &shape;
  SourceReader &reader;
  OpBuilder builder;
  Location loc;
  uint64_t vocabulary = 0;
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
