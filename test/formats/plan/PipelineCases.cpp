//===- PipelineCases.cpp - plans that break rules of pipelines ------------===//
#include "PlanCases.h"

#include "formats/plan/PlanConvert.h"

namespace air::test {

void addPipeline(P &p) {
  TokenizerData data{.kind = TokenizerKind::WordLevel};
  data.rules.isSet = true;
  data.rules.pipeline = {.isSet = true,
                         .steps = {{.kind = TextStepKind::Replace,
                                    .pattern = "a+",
                                    .content = "b"},
                                   {.kind = TextStepKind::Split,
                                    .behavior = SplitBehavior::Isolated,
                                    .pattern = "c"}},
                         .normalizerSteps = 1,
                         .rendering = TokenRendering::Words};
  const std::unique_ptr<plan::TokenizerT> made = toPlan(data);
  p.tokenizer->kind = plan::TokenizerKind::WordLevel;
  p.tokenizer->scores.clear();
  p.tokenizer->rules = std::move(made->rules);
  p.tokenizer->splitters = std::move(made->splitters);
}

namespace {

plan::TextStepT &stepOf(P &p, size_t index) {
  return *p.tokenizer->rules->pipeline->steps[index];
}

/// Adds `count` steps to the pre-tokenizer of a pipeline.
void addSteps(P &p, size_t count, plan::TextStepKind kind) {
  for (size_t i = 0; i < count; ++i) {
    auto step = std::make_unique<plan::TextStepT>();
    step->kind = kind;
    p.tokenizer->rules->pipeline->steps.push_back(std::move(step));
  }
}

/// Sets a charsmap whose trie has one unit. Its only replacement has
/// `replacement` bytes.
void setCharsmap(P &p, size_t replacement) {
  p.tokenizer->charsmap = {4, 0, 0, 0, 0, 0, 0, 0};
  p.tokenizer->charsmap.resize(8 + replacement, 'x');
  p.tokenizer->charsmap.push_back(0);
}

} // namespace

std::vector<Case> pipelineCases() {
  const std::pair<const char *, Change> damages[] = {
      {"plan.tokenizer.pipeline",
       in([](P &p) { p.tokenizer->rules->pipeline.reset(); })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { p.tokenizer->kind = plan::TokenizerKind::Rwkv; })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { p.tokenizer->rules->form = plan::NormalForm::C; })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { p.tokenizer->rules->pipeline->normalizer_steps = 3; })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { p.tokenizer->rules->pipeline->normalizer_steps = 0; })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { p.tokenizer->rules->pipeline->normalizer_steps = 2; })},
      {"plan.tokenizer.pipeline", in([](P &p) { stepOf(p, 1).flags = 2; })},
      {"plan.tokenizer.pipeline", in([](P &p) { stepOf(p, 1).number = 1; })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { stepOf(p, 1).content = {'d'}; })},
      {"plan.tokenizer.pipeline", in([](P &p) {
         stepOf(p, 0).behavior = plan::SplitBehavior::Contiguous;
       })},
      {"plan.enum", in([](P &p) {
         stepOf(p, 1).kind = static_cast<plan::TextStepKind>(15);
       })},
      {"plan.enum", in([](P &p) {
         stepOf(p, 1).behavior = static_cast<plan::SplitBehavior>(5);
       })},
      {"plan.enum", in([](P &p) {
         p.tokenizer->rules->pipeline->rendering =
             static_cast<plan::TokenRendering>(5);
       })},
      {"plan.tokenizer.pipeline", in([](P &p) {
         p.tokenizer->rules->pipeline->rendering = plan::TokenRendering::Marked;
       })},
      {"plan.tokenizer.pipeline", in([](P &p) {
         p.tokenizer->rules->pipeline->rendering =
             plan::TokenRendering::Suffixed;
       })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { addSteps(p, 63, plan::TextStepKind::Scripts); })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { addSteps(p, 16, plan::TextStepKind::SpellBytes); })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { stepOf(p, 0).content.assign(65536, 'x'); })},
      {"plan.tokenizer.pipeline",
       in([](P &p) { stepOf(p, 0).content = {0xff}; })},
      {"plan.tokenizer.pipeline", in([](P &p) {
         stepOf(p, 0).flags = step_flags::kLiteral;
         stepOf(p, 0).pattern.clear();
         p.tokenizer->splitters.pop_back();
       })},
      {"plan.tokenizer.pipeline", in([](P &p) {
         addSteps(p, 1, plan::TextStepKind::MarkSpaces);
         stepOf(p, 2).content = {'_', '_'};
       })},
      {"plan.tokenizer.pipeline", in([](P &p) {
         setCharsmap(p, 1);
         stepOf(p, 0).kind = plan::TextStepKind::Charsmap;
         stepOf(p, 0).content.clear();
         stepOf(p, 0).pattern.clear();
         addSteps(p, 1, plan::TextStepKind::Charsmap);
         p.tokenizer->rules->pipeline->steps[1].swap(
             p.tokenizer->rules->pipeline->steps[2]);
         p.tokenizer->rules->pipeline->normalizer_steps = 2;
         p.tokenizer->splitters.pop_back();
       })},
      {"plan.tokenizer.pipeline", in([](P &p) {
         setCharsmap(p, 65537);
         stepOf(p, 0).kind = plan::TextStepKind::Charsmap;
         stepOf(p, 0).content.clear();
         stepOf(p, 0).pattern.clear();
         p.tokenizer->splitters.pop_back();
       })},
      {"plan.tokenizer.splitters",
       in([](P &p) { p.tokenizer->splitters.pop_back(); })},
      {"plan.tokenizer.matching", in([](P &p) {
         // Only a user-defined token may have the match flag 32, and these
         // tokens are normal ones (type 1).
         p.tokenizer->types.assign(8, 1);
         p.tokenizer->matching.assign(8, 32);
       })},
      {"plan.tokenizer.ids", in([](P &p) {
         // No tokens may follow BOS if BOS is not added to texts.
         p.tokenizer->bos = 1;
         p.tokenizer->add_bos = false;
         p.tokenizer->after_bos = {1};
       })},
      {"plan.tokenizer.ids", in([](P &p) {
         p.tokenizer->eos = 1;
         p.tokenizer->add_eos = true;
         p.tokenizer->before_eos = {8};
       })},
  };
  std::vector<Case> cases;
  for (const auto &[rule, damage] : damages) {
    cases.push_back({rule, [damage](SmallPlan &small) {
                       in(addPipeline)(small);
                       damage(small);
                     }});
  }
  return cases;
}

} // namespace air::test
