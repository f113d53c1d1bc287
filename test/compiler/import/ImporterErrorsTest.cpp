//===- ImporterErrorsTest.cpp - models that are refused ---------*- C++ -*-===//
#include "TinySource.h"
#include "compiler/import/Importer.h"

#include <gmock/gmock.h>

#include <functional>

using namespace air;
using namespace air::test;

namespace {

struct Case {
  const char *name;
  const char *architecture;
  std::function<void(ModelSource &)> change;
  ErrorCode code;
  const char *message; // the beginning of the expected message
};

void PrintTo(const Case &test, std::ostream *stream) { *stream << test.name; }

auto set(const std::string &key, MetadataValue value) {
  return [=](ModelSource &source) { source.metadata[key] = value; };
}
auto drop(const std::string &key) {
  return [=](ModelSource &source) {
    source.metadata.erase(key);
    source.tensors.erase(key);
  };
}
auto tensor(const std::string &name, std::vector<uint64_t> shape,
            DType dtype = DType::F32) {
  return [=](ModelSource &source) { addTensor(source, name, shape, dtype); };
}

constexpr ErrorCode kCorrupt = ErrorCode::Corrupt;
constexpr ErrorCode kUnsupported = ErrorCode::Unsupported;

const Case kCases[] = {
    {"Architecture", "gemma3", [](ModelSource &) {}, kUnsupported,
     "architecture 'gemma3' is not supported; supported architectures: llama, "
     "qwen2, qwen3"},
    {"NoArchitecture", "llama", drop("general.architecture"), kCorrupt,
     "key 'general.architecture' is missing; supported architectures: llama, "
     "qwen2, qwen3"},
    {"Adapter", "llama", set("general.type", std::string("adapter")),
     kUnsupported,
     "key 'general.type' is 'adapter'; only 'model' is supported"},
    {"MissingKey", "llama", drop("llama.block_count"), kCorrupt,
     "key 'llama.block_count' is missing"},
    {"ZeroKey", "llama", set("llama.block_count", uint64_t{0}), kCorrupt,
     "key 'llama.block_count' is 0; it must be 1 or more"},
    {"HugeKey", "llama", set("llama.embedding_length", uint64_t{1} << 40),
     kCorrupt,
     "key 'llama.embedding_length' is 1099511627776; it must be at most "
     "2147483647"},
    {"NegativeKey", "llama", set("llama.context_length", int64_t{-1}), kCorrupt,
     "key 'llama.context_length' is negative or not a whole number"},
    {"TextForNumber", "llama",
     set("llama.attention.layer_norm_rms_epsilon", std::string("small")),
     kCorrupt, "key 'llama.attention.layer_norm_rms_epsilon' is not a number"},
    {"NoEpsilon", "llama", drop("llama.attention.layer_norm_rms_epsilon"),
     kCorrupt, "key 'llama.attention.layer_norm_rms_epsilon' is missing"},
    {"NotANumberEpsilon", "llama",
     set("llama.attention.layer_norm_rms_epsilon", std::nan("")), kCorrupt,
     "key 'llama.attention.layer_norm_rms_epsilon' is nan; it must be finite "
     "and not negative"},
    {"HugeEpsilon", "llama",
     set("llama.attention.layer_norm_rms_epsilon", 1.0e39), kCorrupt,
     "key 'llama.attention.layer_norm_rms_epsilon' is "
     "1e+39; it must be finite and "
     "not negative"},
    {"UnevenLayers", "llama",
     set("llama.feed_forward_length", std::vector<uint64_t>{12, 16}),
     kUnsupported,
     "key 'llama.feed_forward_length' has different values for different "
     "layers; only the same "
     "value for all layers is supported"},
    {"NegativeLayers", "llama",
     set("llama.feed_forward_length", std::vector<int64_t>{-12, -12}), kCorrupt,
     "key 'llama.feed_forward_length' is negative or not a whole number"},
    {"NoLayers", "llama",
     set("llama.feed_forward_length", std::vector<uint64_t>{}), kCorrupt,
     "key 'llama.feed_forward_length' is an empty list; it must be a number, "
     "or a list with a number for each layer"},
    {"KvHeads", "llama", set("llama.attention.head_count_kv", uint64_t{3}),
     kCorrupt,
     "key 'llama.attention.head_count_kv' is 3, which does not divide 2, "
     "the number of heads"},
    {"WidthOfHeads", "llama", set("llama.attention.head_count", uint64_t{3}),
     kCorrupt,
     "key 'llama.embedding_length' is 8, which is not a multiple of 3, "
     "the number of heads"},
    {"ValueLength", "llama", set("llama.attention.value_length", uint64_t{8}),
     kUnsupported,
     "attention heads with keys of 4 elements and values of 8 elements are not "
     "supported; keys and values must have the same number of elements"},
    {"HugeHeads", "llama",
     [](ModelSource &source) {
       source.metadata["llama.attention.head_count"] = uint64_t{1} << 30;
       source.metadata["llama.attention.key_length"] = uint64_t{1} << 30;
     },
     kCorrupt,
     "1073741824 attention heads of 1073741824 elements are too large; all "
     "heads together may "
     "have at most 2147483647 elements"},
    {"OddRope", "llama", set("llama.rope.dimension_count", uint64_t{3}),
     kCorrupt,
     "key 'llama.rope.dimension_count' is 3; it must be even and at most 4, "
     "the number of elements of a head"},
    {"OddHeads", "llama",
     [](ModelSource &source) {
       source.metadata["llama.attention.key_length"] = uint64_t{5};
       source.metadata["llama.attention.value_length"] = uint64_t{5};
     },
     kCorrupt,
     "attention heads have 5 elements, an odd number, so rope cannot rotate "
     "all of them in pairs; key 'llama.rope.dimension_count', the number of "
     "elements to rotate, is missing"},
    {"WideRope", "llama", set("llama.rope.dimension_count", uint64_t{6}),
     kCorrupt,
     "key 'llama.rope.dimension_count' is 6; it must be even and at most 4, "
     "the number of elements of a head"},
    {"RopeBase", "llama", set("llama.rope.freq_base", -1.0), kCorrupt,
     "key 'llama.rope.freq_base' is -1; it must be finite and positive"},
    {"LongRope", "qwen2",
     set("qwen2.rope.scaling.type", std::string("longrope")), kUnsupported,
     "rope scaling 'longrope' ('qwen2.rope.scaling.type') is not supported; "
     "supported: none, linear, yarn"},
    {"RopeAttentionFactor", "llama",
     set("llama.rope.scaling.attn_factor", -2.0), kCorrupt,
     "rope scaling 'linear' multiplies cosines and sines by -2; the "
     "factor must be finite and positive; check key "
     "'llama.rope.scaling.attn_factor'"},
    {"YarnAttentionFactor", "llama",
     [](ModelSource &source) {
       source.metadata["llama.rope.scaling.type"] = std::string("yarn");
       source.metadata["llama.rope.scaling.yarn_attn_factor"] = -2.0;
     },
     kCorrupt,
     "rope scaling 'yarn' multiplies cosines and sines by -2; the factor must "
     "be finite and positive; check the keys 'llama.rope.scaling.factor', "
     "'llama.rope.scaling.yarn_attn_factor', "
     "'llama.rope.scaling.yarn_log_multiplier' and "
     "'llama.rope.scaling.attn_factor'"},
    {"RopeScalingFactor", "llama", set("llama.rope.scaling.factor", -4.0),
     kCorrupt,
     "key 'llama.rope.scaling.factor' is -4; it must be finite and "
     "positive"},
    {"RopeOldScalingFactor", "llama", set("llama.rope.scale_linear", -4.0),
     kCorrupt,
     "key 'llama.rope.scale_linear' is -4; it must be finite and "
     "positive"},
    {"YarnFactorWithoutYarn", "llama",
     set("llama.rope.scaling.yarn_attn_factor", 1.5), kUnsupported,
     "key 'llama.rope.scaling.yarn_attn_factor' is 1.5, but the rope scaling "
     "is 'linear'; this value is supported only with 'yarn'"},
    {"YarnMixWithoutYarn", "llama",
     set("llama.rope.scaling.yarn_ext_factor", 1.0), kUnsupported,
     "key 'llama.rope.scaling.yarn_ext_factor' is 1, but the rope scaling "
     "is 'linear'; this value is supported only with 'yarn'"},
    {"YarnBetas", "llama",
     [](ModelSource &source) {
       source.metadata["llama.rope.scaling.type"] = std::string("yarn");
       source.metadata["llama.rope.scaling.yarn_beta_slow"] = 33.0;
     },
     kCorrupt,
     "key 'llama.rope.scaling.yarn_beta_slow' is 33; it must be at most "
     "rope.scaling.yarn_beta_fast, which is 32"},
    {"YarnBetaFast", "llama",
     [](ModelSource &source) {
       source.metadata["llama.rope.scaling.type"] = std::string("yarn");
       source.metadata["llama.rope.scaling.yarn_beta_fast"] = 0.0;
     },
     kCorrupt,
     "key 'llama.rope.scaling.yarn_beta_fast' is 0; it must be finite "
     "and positive"},
    {"LongHeads", "llama",
     [](ModelSource &source) {
       source.metadata["llama.attention.key_length"] = uint64_t{1025};
       source.metadata["llama.attention.value_length"] = uint64_t{1025};
     },
     kUnsupported,
     "attention heads have 1025 elements (key 'llama.attention.key_length', or "
     "the width divided by the number of heads); at most 1024 are supported"},
    {"ManyHeads", "llama",
     [](ModelSource &source) {
       source.metadata["llama.attention.head_count"] = uint64_t{257};
       source.metadata["llama.attention.key_length"] = uint64_t{4};
     },
     kUnsupported,
     "257 query heads share each key/value head ('llama.attention.head_count' "
     "is "
     "257, 'llama.attention.head_count_kv' is 1); at most 256 are supported"},
    {"AttentionScale", "llama", set("llama.attention.scale", 0.25),
     kUnsupported,
     "key 'llama.attention.scale' is 0.25; for heads of 4 elements, it must be "
     "0.5 (1 / sqrt(4))"},
    {"OutputWidth", "llama", set("llama.embedding_length_out", uint64_t{4}),
     kUnsupported,
     "key 'llama.embedding_length_out' is 4, but the embeddings have 8 "
     "elements; the two must be equal"},
    {"Experts", "llama", set("llama.expert_count", uint64_t{8}), kUnsupported,
     "key 'llama.expert_count' is 8, so the model has a mixture of experts; "
     "only "
     "the value 0 is supported"},
    {"NextTokens", "qwen3", set("qwen3.nextn_predict_layers", uint64_t{1}),
     kUnsupported,
     "key 'qwen3.nextn_predict_layers' is 1, so the model has layers that "
     "predict "
     "the tokens after the next one; only the value 0 is supported"},
    {"ScaledLogits", "llama", set("llama.logit_scale", 0.5), kUnsupported,
     "key 'llama.logit_scale' is 0.5, so the model has scaled logits; only the "
     "values 0 and 1 are supported"},
    {"TextForNeutral", "llama", set("llama.logit_scale", std::string("no")),
     kCorrupt, "key 'llama.logit_scale' is not a number"},
    {"Window", "llama", set("llama.attention.sliding_window", uint64_t{32}),
     kUnsupported,
     "key "
     "'llama.attention.sliding_window' is 32, but the model's context has 64 "
     "tokens; "
     "attention with a window shorter than the context is not supported"},
    {"NotCausal", "llama", set("llama.attention.causal", false), kUnsupported,
     "key 'llama.attention.causal' is 0, so the model has attention that is "
     "not "
     "causal; only the value 1 is supported"},
    {"ParallelResidual", "llama", set("llama.use_parallel_residual", true),
     kUnsupported,
     "key 'llama.use_parallel_residual' is 1, so the model has parallel "
     "residuals; "
     "only the value 0 is supported"},
    {"Pooling", "llama", set("llama.pooling_type", uint64_t{1}), kUnsupported,
     "key 'llama.pooling_type' is 1, so the model has pooled "
     "outputs; only the value 0 is supported"},
    {"UnknownKey", "llama", set("llama.logit_skale", 0.5), kUnsupported,
     "key 'llama.logit_skale' is not understood and may change what the model "
     "computes; supported keys, each after the prefix 'llama.': "
     "attention.head_count, "},
    {"MissingTensor", "llama", drop("blk.0.ffn_up.weight"), kCorrupt,
     "tensor 'blk.0.ffn_up.weight' is missing; architecture 'llama' needs it"},
    {"MissingLayer", "llama", set("llama.block_count", uint64_t{2}), kCorrupt,
     "tensor 'blk.1.attn_norm.weight' is missing; architecture 'llama' needs "
     "it"},
    {"MissingEmbedding", "llama", drop("token_embd.weight"), kCorrupt,
     "tensor 'token_embd.weight' is missing; architecture 'llama' needs it"},
    {"MissingBias", "qwen2", drop("blk.0.attn_k.bias"), kCorrupt,
     "tensor 'blk.0.attn_k.bias' is missing; architecture 'qwen2' needs it"},
    {"MissingHeadNorm", "qwen3", drop("blk.0.attn_k_norm.weight"), kCorrupt,
     "tensor 'blk.0.attn_k_norm.weight' is missing; architecture 'qwen3' needs "
     "it"},
    {"ShapeOfMatrix", "llama", tensor("blk.0.ffn_down.weight", {12, 8}),
     kCorrupt,
     "the shape of tensor 'blk.0.ffn_down.weight' is 12x8, but the metadata "
     "requires 8x12"},
    {"ShapeOfVector", "llama", tensor("output_norm.weight", {9}), kCorrupt,
     "the shape of tensor 'output_norm.weight' is 9, but the metadata requires "
     "8"},
    {"RankOfVector", "llama", tensor("output_norm.weight", {8, 1}), kCorrupt,
     "the shape of tensor 'output_norm.weight' is 8x1, but the metadata "
     "requires 8"},
    {"ShapeOfEmbedding", "llama", tensor("token_embd.weight", {16, 9}),
     kCorrupt,
     "the shape of tensor 'token_embd.weight' is 16x9, but the metadata "
     "requires rows of 8 elements"},
    {"ShapeOfOutput", "llama", tensor("output.weight", {17, 8}), kCorrupt,
     "the shape of tensor 'output.weight' is 17x8, but the metadata requires "
     "16x8"},
    {"ShapeOfRopeFactors", "llama", tensor("rope_freqs.weight", {4}), kCorrupt,
     "the shape of tensor 'rope_freqs.weight' is 4, but the metadata requires "
     "2"},
    {"VocabularySize", "llama", set("llama.vocab_size", uint64_t{17}), kCorrupt,
     "tensor 'token_embd.weight' has 16 rows, but key 'llama.vocab_size' is "
     "17"},
    {"TokenizerSize", "llama",
     set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"}), kCorrupt,
     "tensor 'token_embd.weight' has 16 rows, but the tokenizer has 2 tokens"},
    {"NoWeightFormat", "llama", tensor("output_norm.weight", {8}, DType::I32),
     kUnsupported,
     "tensor 'output_norm.weight' has type I32, which is not supported for "
     "weights; "
     "convert the model again with another type, for example F16"},
    {"NoWholeBlocks", "llama",
     tensor("blk.0.attn_q.weight", {8, 8}, DType::Q8_0), kCorrupt,
     "tensor 'blk.0.attn_q.weight': "},
    {"ExtraTensor", "llama", tensor("blk.0.attn_sinks.weight", {2}),
     kUnsupported,
     "tensor 'blk.0.attn_sinks.weight' is not used in architecture 'llama'; "
     "supported tensors: blk.N.attn_k.bias, blk.N.attn_k.input_scale, "},
    {"ScalesOfMatrix", "llama", tensor("blk.0.ffn_up.scale", {12}), kCorrupt,
     "the shape of tensor 'blk.0.ffn_up.scale' is 12, but the metadata "
     "requires 1"},
    {"ScaleOfEmbedding", "llama", tensor("token_embd.scale", {1}), kUnsupported,
     "tensor 'token_embd.scale' is not used in architecture 'llama'"},
    {"ScaleOfTiedHead", "llama",
     [](ModelSource &source) {
       source.tensors.erase("output.weight");
       addTensor(source, "output.scale", {1});
     },
     kUnsupported, "tensor 'output.scale' is not used in architecture 'llama'"},
    {"ExtraLayer", "llama", tensor("blk.1.attn_norm.weight", {8}), kCorrupt,
     "tensor 'blk.1.attn_norm.weight' belongs to layer 1, but key "
     "'llama.block_count' is 1: the file has more layers than its metadata "
     "states"},
    {"ExtraLayerOfManyDigits", "llama",
     tensor("blk.0099999999999999999999999.attn_norm.weight", {8}), kCorrupt,
     "tensor 'blk.0099999999999999999999999.attn_norm.weight' belongs to layer "
     "99999999999999999999999, but key 'llama.block_count' is 1"},
    {"OtherNameOfALayer", "llama", tensor("blk.00.attn_norm.weight", {8}),
     kUnsupported, "tensor 'blk.00.attn_norm.weight' is not used"},
    {"BiasOfQwen3", "qwen3", tensor("blk.0.attn_q.bias", {8}), kUnsupported,
     "tensor 'blk.0.attn_q.bias' is not used in architecture 'qwen3'"},
    {"RopeFactorsOfQwen2", "qwen2", tensor("rope_freqs.weight", {2}),
     kUnsupported,
     "tensor 'rope_freqs.weight' is not used in architecture 'qwen2'"},
};

class ImporterRefuses : public ::testing::TestWithParam<Case> {};

TEST_P(ImporterRefuses, WithOneClearLine) {
  ModelSource source = tinySource(GetParam().architecture);
  GetParam().change(source);
  mlir::MLIRContext context;
  auto module = compiler::importModel(context, source);
  ASSERT_FALSE(module);
  EXPECT_EQ(module.status().code(), GetParam().code);
  EXPECT_THAT(module.status().message(),
              ::testing::StartsWith(GetParam().message));
  EXPECT_THAT(module.status().message(),
              ::testing::Not(::testing::HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(Cases, ImporterRefuses, ::testing::ValuesIn(kCases),
                         [](const auto &test) { return test.param.name; });

} // namespace
