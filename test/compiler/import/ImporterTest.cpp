//===- ImporterTest.cpp - graphs of the supported families ------*- C++ -*-===//
#include "compiler/import/Importer.h"
#include "TinySource.h"
#include "compiler/import/NeutralKeys.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/Passes.h"
#include "formats/gguf/GgufReader.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <fstream>
#include <gmock/gmock.h>
#include <sstream>

using namespace air;
using namespace air::test;
using ::testing::HasSubstr;
using ::testing::Not;

namespace {

std::string importText(const ModelSource &source) {
  mlir::MLIRContext context;
  auto module = compiler::importModel(context, source);
  if (!module) {
    return "error: " + module.status().message();
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  (*module)->print(stream);
  return text;
}

TEST(Importer, VocabularySizeThatOnlyTheKeyDisputesIsANote) {
  ModelSource source = tinySource("llama");
  source.metadata["tokenizer.ggml.tokens"] = std::vector<std::string>(16, "x");
  source.metadata["llama.vocab_size"] = uint64_t{15};
  mlir::MLIRContext context;
  std::vector<std::string> notes;
  auto module = compiler::importModel(context, source, &notes);
  ASSERT_TRUE(module) << module.status().message();
  EXPECT_THAT(notes,
              ::testing::ElementsAre(
                  "tensor 'token_embd.weight' has 16 rows, but key "
                  "'llama.vocab_size' is 15; the key is ignored, because "
                  "the tokenizer has as many tokens as the tensor has "
                  "rows"));
}

TEST(Importer, LlamaIsThisGraph) {
  // By default, RoPE rotates all elements of a head, with a base of 10000.
  // Heads have 4 elements, so the attention scale is 1 / sqrt(4).
  EXPECT_EQ(importText(tinySource("llama")), R"(module {
  llm.model @model <name = "test", architecture = "llama", vocabulary = 16, width = 8, layers = 1, heads = 2, kv_heads = 1, head_dim = 4, ffn_width = 12, trained_context = 64, parameters = 760> {
  ^bb0(%arg0: tensor<?xi32>):
    %0 = llm.embed %arg0 <"token_embd.weight", F32, 16x8> : tensor<?x8xf32>
    %1 = llm.rms_norm %0 <"blk.0.attn_norm.weight", F32, 8> epsilon 5.000000e-01 : tensor<?x8xf32>
    %2 = llm.linear %1 <"blk.0.attn_q.weight", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
    %3 = llm.linear %1 <"blk.0.attn_k.weight", F32, 4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
    %4 = llm.linear %1 <"blk.0.attn_v.weight", F32, 4x8> : tensor<?x8xf32> -> tensor<?x4xf32>
    %5 = llm.rope %2 <norm, dim = 4, base = 1.000000e+04> head_dim 4 : tensor<?x8xf32>
    %6 = llm.rope %3 <norm, dim = 4, base = 1.000000e+04> head_dim 4 : tensor<?x4xf32>
    %7 = llm.attention %5, %6, %4 layer 0 heads 2 kv_heads 1 head_dim 4 scale 5.000000e-01 : tensor<?x8xf32>, tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x8xf32>
    %8 = llm.linear %7 <"blk.0.attn_output.weight", F32, 8x8> : tensor<?x8xf32> -> tensor<?x8xf32>
    %9 = llm.add %0, %8 : tensor<?x8xf32>
    %10 = llm.rms_norm %9 <"blk.0.ffn_norm.weight", F32, 8> epsilon 5.000000e-01 : tensor<?x8xf32>
    %11 = llm.linear %10 <"blk.0.ffn_gate.weight", F32, 12x8> : tensor<?x8xf32> -> tensor<?x12xf32>
    %12 = llm.linear %10 <"blk.0.ffn_up.weight", F32, 12x8> : tensor<?x8xf32> -> tensor<?x12xf32>
    %13 = llm.silu %11 : tensor<?x12xf32>
    %14 = llm.mul %13, %12 : tensor<?x12xf32>
    %15 = llm.linear %14 <"blk.0.ffn_down.weight", F32, 8x12> : tensor<?x12xf32> -> tensor<?x8xf32>
    %16 = llm.add %9, %15 : tensor<?x8xf32>
    %17 = llm.outputs %16 : tensor<?x8xf32>
    %18 = llm.rms_norm %17 <"output_norm.weight", F32, 8> epsilon 5.000000e-01 : tensor<?x8xf32>
    %19 = llm.linear %18 <"output.weight", F32, 16x8> : tensor<?x8xf32> -> tensor<?x16xf32>
    llm.return %19 : tensor<?x16xf32>
  }
}
)");
}

TEST(Importer, WithoutOutputWeightTheEmbeddingIsTheHead) {
  ModelSource source = tinySource("llama");
  source.tensors.erase("output.weight");
  EXPECT_THAT(importText(source),
              HasSubstr("llm.linear %18 <\"token_embd.weight\", F32, 16x8>"));
}

TEST(Importer, Llama3BringsRopeFactors) {
  ModelSource source = tinySource("llama");
  addTensor(source, "rope_freqs.weight", {2});
  source.metadata["llama.rope.freq_base"] = 500000.0;
  EXPECT_THAT(importText(source),
              HasSubstr("<norm, dim = 4, base = 5.000000e+05, factors = "
                        "<\"rope_freqs.weight\", F32, 2>>"));
}

TEST(Importer, MistralsHeadsNeedNotAddUpToTheWidth) {
  // 2 heads of 6 elements make 12 columns, while the model's width is 8. RoPE
  // rotates the first 4 of the 6 elements of a head.
  ModelSource source = tinySource("llama");
  source.metadata["llama.attention.key_length"] = uint64_t{6};
  source.metadata["llama.attention.value_length"] = uint64_t{6};
  source.metadata["llama.rope.dimension_count"] = uint64_t{4};
  addTensor(source, "blk.0.attn_q.weight", {12, 8});
  addTensor(source, "blk.0.attn_k.weight", {6, 8});
  addTensor(source, "blk.0.attn_v.weight", {6, 8});
  addTensor(source, "blk.0.attn_output.weight", {8, 12});
  std::string text = importText(source);
  EXPECT_THAT(text, HasSubstr("<norm, dim = 4, base = 1.000000e+04> head_dim 6 "
                              ": tensor<?x12xf32>"));
  EXPECT_THAT(text, HasSubstr("heads 2 kv_heads 1 head_dim 6 "
                              "scale 0.408248305")); // 1 / sqrt(6) in float32
  EXPECT_THAT(text, HasSubstr("<\"blk.0.attn_output.weight\", F32, 8x12> : "
                              "tensor<?x12xf32> -> tensor<?x8xf32>"));
}

TEST(Importer, LlamaMayHaveBiases) {
  ModelSource source = tinySource("llama");
  addTensor(source, "blk.0.attn_q.bias", {8});
  addTensor(source, "blk.0.attn_output.bias", {8});
  addTensor(source, "blk.0.ffn_up.bias", {12});
  std::string text = importText(source);
  EXPECT_THAT(text, HasSubstr("8x8> bias <\"blk.0.attn_q.bias\", F32, 8>"));
  EXPECT_THAT(text,
              HasSubstr("8x8> bias <\"blk.0.attn_output.bias\", F32, 8>"));
  EXPECT_THAT(text, HasSubstr("12x8> bias <\"blk.0.ffn_up.bias\", F32, 12>"));
}

TEST(Importer, Qwen2HasBiasesAndTurnsHalves) {
  std::string text = importText(tinySource("qwen2"));
  EXPECT_THAT(text, HasSubstr("bias <\"blk.0.attn_q.bias\", F32, 8>"));
  EXPECT_THAT(text, HasSubstr("bias <\"blk.0.attn_k.bias\", F32, 4>"));
  EXPECT_THAT(text, HasSubstr("bias <\"blk.0.attn_v.bias\", F32, 4>"));
  EXPECT_THAT(text, HasSubstr("llm.rope %2 <neox, "));
}

TEST(Importer, Qwen3NormsHeadsBeforeRope) {
  std::string text = importText(tinySource("qwen3"));
  EXPECT_THAT(text, HasSubstr("%5 = llm.head_norm %2 "
                              "<\"blk.0.attn_q_norm.weight\", F32, 4>"));
  EXPECT_THAT(text, HasSubstr("%6 = llm.rope %5 <neox, "));
  EXPECT_THAT(text, HasSubstr("%7 = llm.head_norm %3 "
                              "<\"blk.0.attn_k_norm.weight\", F32, 4>"));
  EXPECT_THAT(text, HasSubstr("%8 = llm.rope %7 <neox, "));
}

TEST(Importer, LinearRopeScalingIsCarried) {
  ModelSource source = tinySource("llama");
  source.metadata["llama.rope.scaling.type"] = std::string("linear");
  source.metadata["llama.rope.scaling.factor"] = 4.0;
  EXPECT_THAT(importText(source), HasSubstr("linear_factor = 4.000000e+00"));
  // With the scaling type "none", positions are not scaled, whatever the factor
  // is. With a factor of 0, they are not scaled either.
  source.metadata["llama.rope.scaling.type"] = std::string("none");
  EXPECT_THAT(importText(source), Not(HasSubstr("linear_factor")));
  source.metadata["llama.rope.scaling.type"] = std::string("linear");
  source.metadata["llama.rope.scaling.factor"] = 0.0;
  EXPECT_THAT(importText(source), Not(HasSubstr("linear_factor")));
}

ir::llm::RopeAttr ropeOf(mlir::MLIRContext &context,
                         const ModelSource &source) {
  auto module = compiler::importModel(context, source);
  EXPECT_TRUE(module) << module.status().message();
  ir::llm::RopeAttr rope;
  if (module) {
    (*module)->walk([&](ir::llm::RopeOp op) { rope = op.getRope(); });
  }
  return rope;
}

// Compares YaRN's magnitudes with the attention factors of Hugging Face
// transformers (test/Inputs/rope/make_frequencies.py). The source has the
// metadata keys that a converter writes for these factors.
TEST(Importer, YarnHasTheMagnitudeOfTransformers) {
  std::ifstream file(AIR_TEST_INPUTS "/rope/frequencies.txt");
  std::string line;
  int cases = 0;
  while (std::getline(file, line)) {
    std::istringstream numbers(line);
    std::string kind;
    uint64_t dim = 0;
    uint64_t original = 0;
    double base = 0, factor = 0, fast = 0, slow = 0, attention = 0, all = 0,
           magnitude = 0;
    numbers >> kind >> dim >> base >> factor >> original >> fast >> slow >>
        attention >> all >> magnitude;
    ASSERT_TRUE(numbers) << line;
    ModelSource source = tinySource("llama");
    auto set = [&](const std::string &key, MetadataValue value) {
      source.metadata["llama.rope.scaling." + key] = std::move(value);
    };
    set("type", kind);
    set("factor", factor);
    set("original_context_length", original);
    set("yarn_beta_fast", fast);
    set("yarn_beta_slow", slow);
    if (attention != 0) {
      set("yarn_attn_factor", attention);
    }
    if (all != 0) {
      set("yarn_log_multiplier", all);
    }
    mlir::MLIRContext context;
    ir::llm::RopeAttr rope = ropeOf(context, source);
    EXPECT_NEAR(rope.getMagnitude().convertToDouble(), magnitude, 1e-12)
        << line;
    EXPECT_EQ(static_cast<bool>(rope.getYarn()), kind == "yarn");
    if (kind == "yarn") {
      EXPECT_EQ(rope.getYarn().getFactor().convertToDouble(), factor);
      EXPECT_EQ(rope.getYarn().getOriginalContext().convertToDouble(),
                double(original));
      EXPECT_EQ(rope.getYarn().getBetaFast().convertToDouble(), fast);
      EXPECT_EQ(rope.getYarn().getBetaSlow().convertToDouble(), slow);
      // llama.cpp's attn_factor multiplies YaRN's magnitude, whichever other
      // keys determine the magnitude.
      set("attn_factor", 0.5);
      EXPECT_NEAR(ropeOf(context, source).getMagnitude().convertToDouble(),
                  magnitude / 2, 1e-12);
    }
    ++cases;
  }
  EXPECT_EQ(cases, 9);
}

TEST(Importer, YarnDefaults) {
  ModelSource source = tinySource("llama");
  source.metadata["llama.rope.scaling.type"] = std::string("yarn");
  source.metadata["llama.rope.scaling.factor"] = 4.0;
  mlir::MLIRContext context;
  ir::llm::RopeAttr rope = ropeOf(context, source);
  // By default, YaRN's original context is the model's context of 64 tokens.
  // YaRN's magnitude for the factor 4 is 1 + 0.1 ln 4.
  EXPECT_THAT(importText(source),
              HasSubstr("magnitude = 1.1386294361119891, yarn = <factor = "
                        "4.000000e+00, original_context = 6.400000e+01, "
                        "beta_fast = 3.200000e+01, beta_slow = 1.000000e+00>"));
  // With a yarn_ext_factor of 0, no pair keeps its frequency, and the magnitude
  // stays 1.
  source.metadata["llama.rope.scaling.yarn_ext_factor"] = 0.0;
  rope = ropeOf(context, source);
  EXPECT_EQ(rope.getYarn().getMix().convertToDouble(), 0);
  EXPECT_EQ(rope.getMagnitude().convertToDouble(), 1);
}

/// Returns two values for a key with the rule `neutral` (NeutralKeys.h). The
/// importer accepts the first value. It refuses the second one, unless the rule
/// is Neutral::Anything.
std::pair<double, double> valuesOf(compiler::Neutral neutral) {
  switch (neutral) {
  case compiler::Neutral::One:
    return {1, 0};
  case compiler::Neutral::ZeroOrOne:
    return {1, 0.5};
  case compiler::Neutral::Zero:
  case compiler::Neutral::Anything:
    break;
  }
  return {0, 2};
}

TEST(Importer, NeutralKeysSayNothingAndOtherValuesAreRefused) {
  const std::string plain = importText(tinySource("llama"));
  for (const compiler::NeutralKey &key : compiler::neutralKeys()) {
    const std::string name = "llama." + std::string(key.key);
    auto [neutral, other] = valuesOf(key.neutral);
    ModelSource source = tinySource("llama");
    // The neutral value is accepted in every numeric type, as a boolean, and as
    // a list whose elements are all neutral.
    for (const MetadataValue &value :
         {MetadataValue(neutral), MetadataValue(static_cast<uint64_t>(neutral)),
          MetadataValue(static_cast<int64_t>(neutral)),
          MetadataValue(neutral != 0),
          MetadataValue(std::vector<double>{neutral, neutral})}) {
      source.metadata[name] = value;
      EXPECT_EQ(importText(source), plain) << name;
    }
    source.metadata[name] = other;
    if (key.neutral == compiler::Neutral::Anything) {
      EXPECT_EQ(importText(source), plain) << name;
    } else {
      EXPECT_THAT(importText(source),
                  ::testing::StartsWith("error: key '" + name + "' is "));
    }
  }
}

// Published files contain keys of features that the model does not have. The
// test lists such keys itself and does not use the importer's table of them.
TEST(Importer, KeysOfMathematicsThatIsNotThere) {
  const std::string plain = importText(tinySource("qwen3"));
  ModelSource source = tinySource("qwen3");
  for (const char *key :
       {"nextn_predict_layers", "expert_count", "attention.sliding_window",
        "leading_dense_block_count", "attn_logit_softcapping",
        "final_logit_softcapping", "attention.max_alibi_bias",
        "attention.clamp_kqv", "rope.scaling.factor", "rope.scale_linear",
        "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_log_multiplier",
        "rope.scaling.yarn_attn_factor", "embedding_length_out",
        "attention.scale", "pooling_type"}) {
    source.metadata[std::string("qwen3.") + key] = 0.0;
  }
  for (const char *key : {"attention.sliding_window", "embedding_length_out"}) {
    source.metadata[std::string("qwen3.") + key] = uint64_t{0};
  }
  source.metadata["qwen3.rope.scaling.attn_factor"] = 1.0;
  source.metadata["qwen3.attention.causal"] = true;
  source.metadata["qwen3.rope.scaling.type"] = std::string("none");
  EXPECT_EQ(importText(source), plain);
  // A key is accepted if its value is the one that would apply without the key:
  // 0.5 is the default attention scale for heads of 4 elements, and 8 is the
  // width of the model.
  source.metadata["qwen3.attention.scale"] = 0.5;
  source.metadata["qwen3.embedding_length_out"] = uint64_t{8};
  EXPECT_EQ(importText(source), plain);
}

TEST(Importer, ExtentsOfOneAtTheEndSayNothing) {
  const std::string plain = importText(tinySource("llama"));
  ModelSource source = tinySource("llama");
  // The outermost dimension comes first: a GGUF shape of [8, 1] is {1, 8} here.
  addTensor(source, "output_norm.weight", {1, 8});
  addTensor(source, "blk.0.attn_norm.weight", {1, 1, 1, 8});
  addTensor(source, "blk.0.ffn_up.weight", {1, 1, 12, 8});
  addTensor(source, "token_embd.weight", {1, 16, 8});
  EXPECT_EQ(importText(source), plain);
}

TEST(Importer, AScaleBesideAMatrixMultipliesIt) {
  ModelSource source = tinySource("llama");
  addTensor(source, "blk.0.ffn_up.scale", {1});
  addTensor(source, "blk.0.attn_q.scale", {1, 1});
  addTensor(source, "blk.0.ffn_up.input_scale", {1});
  addTensor(source, "blk.0.ffn_down.input_scale", {1});
  mlir::MLIRContext context;
  std::vector<std::string> notes;
  auto module = compiler::importModel(context, source, &notes);
  ASSERT_TRUE(module) << module.status().message();
  std::string text = importText(source);
  EXPECT_THAT(text, HasSubstr("<\"blk.0.ffn_up.weight\", F32, 12x8, scale "
                              "\"blk.0.ffn_up.scale\">"));
  EXPECT_THAT(text, HasSubstr("<\"blk.0.attn_q.weight\", F32, 8x8, scale "
                              "\"blk.0.attn_q.scale\">"));
  EXPECT_THAT(text, HasSubstr("<\"blk.0.ffn_down.weight\", F32, 8x12>"));
  EXPECT_THAT(notes,
              ::testing::ElementsAre("2 tensors '*.input_scale' are ignored: "
                                     "input scales are for 4-bit "
                                     "activations, which no kernel uses"));
}

TEST(FuseSteps, WhatNoStepDoesIsUnsupported) {
  mlir::MLIRContext context;
  context.loadDialect<ir::llm::LlmDialect, ir::plan::PlanDialect>();
  auto module = compiler::importModel(context, tinySource("llama"));
  ASSERT_TRUE(module) << module.status().message();
  // A scale before a norm cannot be fused, because no step multiplies the input
  // of a norm by a number.
  (*module)->walk([&](ir::llm::RmsNormOp op) {
    mlir::OpBuilder builder(op);
    auto scaled =
        ir::llm::ScaleOp::create(builder, op.getLoc(), op.getX().getType(),
                                 op.getX(), builder.getF32FloatAttr(2));
    op.getXMutable().assign(scaled);
  });
  mlir::ScopedDiagnosticHandler handler(
      &context, [](mlir::Diagnostic &) { return mlir::success(); });
  mlir::PassManager passes(&context);
  passes.addPass(compiler::createFuseSteps());
  EXPECT_TRUE(mlir::failed(passes.run(**module)));
  EXPECT_EQ(compiler::failureCode(**module), ErrorCode::Unsupported);
}

TEST(Importer, ListsOfEqualValuesAreOneValue) {
  ModelSource source = tinySource("llama");
  source.metadata["llama.attention.head_count_kv"] =
      std::vector<uint64_t>{1, 1, 1};
  EXPECT_THAT(importText(source), HasSubstr("kv_heads = 1"));
}

TEST(Importer, AWindowAsWideAsTheContextIsNone) {
  ModelSource source = tinySource("llama");
  source.metadata["llama.attention.sliding_window"] = uint64_t{64};
  EXPECT_THAT(importText(source), HasSubstr("llm.attention"));
}

// Published files of Llama 2 to 3.2, Mistral, CodeLlama, Qwen2.5 and Qwen3 have
// the keys below in addition to the keys of tinySource(). llama.cpp's old and
// new converters, its quantiser and its imatrix tool have written them.
TEST(Importer, KeysOfPublishedFilesAreUnderstood) {
  for (const std::string architecture : {"llama", "qwen2", "qwen3"}) {
    ModelSource source = tinySource(architecture);
    auto set = [&](const std::string &key, MetadataValue value) {
      source.metadata[key] = std::move(value);
    };
    set("general.type", std::string("model"));
    set("general.finetune", std::string("Instruct"));
    set("general.quantized_by", std::string("somebody"));
    set("general.base_model.count", uint64_t{1});
    set("general.languages", std::vector<std::string>{"en", "de"});
    set("general.file_type", uint64_t{15});
    set("general.quantization_version", uint64_t{2});
    set("general.alignment", uint64_t{32});
    set("general.sampling.temp", 0.6);
    set("quantize.imatrix.file", std::string("imatrix.dat"));
    set("quantize.imatrix.entries_count", int64_t{224});
    set("split.count", uint64_t{0});
    set("tokenizer.ggml.pre", std::string("llama-bpe"));
    set("tokenizer.chat_template", std::string("{{ bos_token }}"));
    set(architecture + ".vocab_size", uint64_t{16});
    set(architecture + ".rope.dimension_count", uint64_t{4});
    set(architecture + ".rope.freq_base", 500000.0);
    set(architecture + ".rope.scaling.type", std::string("none"));
    set(architecture + ".rope.scaling.original_context_length", uint64_t{8192});
    set(architecture + ".rope.scaling.finetuned", false);
    set(architecture + ".rope.scale_linear", 1.0);
    set(architecture + ".attention.key_length", uint64_t{4});
    set(architecture + ".attention.value_length", uint64_t{4});
    set(architecture + ".attention.causal", true);
    set(architecture + ".expert_count", uint64_t{0});
    set(architecture + ".expert_used_count", uint64_t{0});
    set(architecture + ".tensor_data_layout",
        std::string("Meta AI original pth"));
    std::string text = importText(source);
    EXPECT_THAT(text, Not(HasSubstr("error: "))) << text;
    EXPECT_THAT(text, HasSubstr("base = 5.000000e+05"));
  }
}

TEST(Importer, SupportedArchitecturesAreSorted) {
  EXPECT_EQ(compiler::supportedArchitectures(),
            (std::vector<std::string>{"llama", "qwen2", "qwen3"}));
}

// Each file is imported and fused. The result must consist of one step before
// the layers, five steps per layer, and one step after the layers. No other op
// may remain.
class ImportedFile : public ::testing::TestWithParam<const char *> {};

TEST_P(ImportedFile, FusesCompletely) {
  auto source = readGguf(std::string(AIR_TEST_INPUTS "/models/tiny/") +
                         GetParam() + ".gguf");
  ASSERT_TRUE(source) << source.status().message();
  mlir::MLIRContext context;
  context.loadDialect<ir::plan::PlanDialect>();
  auto module = compiler::importModel(context, *source);
  ASSERT_TRUE(module) << module.status().message();

  mlir::PassManager passes(&context);
  passes.addPass(mlir::createCanonicalizerPass());
  passes.addPass(compiler::createFuseSteps());
  passes.addPass(compiler::createVerifySteps());
  ASSERT_TRUE(mlir::succeeded(passes.run(**module)));

  using ir::plan::StepKind;
  std::vector<StepKind> kinds;
  (*module)->walk([&](ir::plan::StepOpInterface step) {
    kinds.push_back(step.getStepKind());
  });
  std::vector<StepKind> expected = {StepKind::Embed};
  for (int layer = 0; layer < 2; ++layer) {
    expected.insert(expected.end(),
                    {StepKind::AttnIn, StepKind::Attn, StepKind::AttnOut,
                     StepKind::FfnIn, StepKind::FfnOut});
  }
  expected.push_back(StepKind::Head);
  EXPECT_EQ(kinds, expected);
}

INSTANTIATE_TEST_SUITE_P(Tiny, ImportedFile,
                         ::testing::Values("llama2", "llama3", "mistral",
                                           "qwen2", "qwen3"),
                         [](const auto &test) { return test.param; });

} // namespace
