//===- PlanVerifierTest.cpp - plans that break one rule each --------------===//
#include "FatCases.h"
#include "PlanCases.h"

#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/CheckedMath.h"

#include <cmath>
#include <ctime>
#include <fstream>
#include <gmock/gmock.h>
#include <set>

using namespace air;
using namespace air::test;
using ::testing::StartsWith;

namespace {

Status verdict(const SmallPlan &small) {
  const std::vector<uint8_t> metadata = metadataOf(small.plan);
  AIR_RETURN_IF_ERROR(verifyStructure(metadata));
  return verifyPlan(*plan::GetPlan(metadata.data()), small.fileBytes,
                    kPlanPageBytes);
}

/// Gives a segment a codec, and one chunk that is stored uncompressed.
void codeSegment(P &p, size_t index) {
  plan::SegmentT &segment = *p.segments[index];
  const uint64_t pages = ceilDiv(segment.raw_bytes, kPlanPageBytes);
  segment.codec = plan::Codec::Planes;
  segment.stored_bytes = pages * kPlanPageBytes;
  segment.chunk_ends = {static_cast<uint32_t>(pages)};
}

/// Gives the plan a BPE vocabulary with two compiled regular expressions.
void setSplitters(P &p) {
  TokenizerData data{.kind = TokenizerKind::Bpe};
  data.rules = {.isSet = true, .expressions = {"a|b", "c+"}};
  const std::unique_ptr<plan::TokenizerT> made = toPlan(data);
  p.tokenizer->kind = plan::TokenizerKind::Bpe;
  p.tokenizer->rules = std::move(made->rules);
  p.tokenizer->splitters = std::move(made->splitters);
}

/// Adds the memory for decoding weights to the budget of every placement.
void addStaging(P &p, uint64_t bytes) {
  for (const auto &placement : p.placements) {
    auto item = std::make_unique<plan::BudgetItemT>();
    item->name = "staging";
    item->tier = plan::Tier::Ram;
    item->bytes = bytes;
    placement->items.push_back(std::move(item));
    placement->budgets[0]->bytes += bytes;
  }
}

void addRules(P &p) {
  p.tokenizer->kind = plan::TokenizerKind::Bpe;
  p.tokenizer->rules = std::make_unique<plan::TextRulesT>();
  p.tokenizer->rules->expressions = std::make_unique<plan::StringListT>();
  p.tokenizer->rules->expressions->bytes = {'a', 'b'};
  p.tokenizer->rules->expressions->ends = {2};
}

std::vector<Case> factCases() {
  return {
      {"plan.present", in([](P &p) { p.model.reset(); })},
      {"plan.present", in([](P &p) { p.tokenizer.reset(); })},
      {"plan.present", in([](P &p) { p.machine.reset(); })},
      {"plan.present", in([](P &p) { p.segments.clear(); })},
      {"plan.present", in([](P &p) { p.tensors.clear(); })},
      {"plan.present", in([](P &p) { p.executables.clear(); })},
      {"plan.present", in([](P &p) { p.buffers.clear(); })},
      {"plan.present", in([](P &p) { p.programs.clear(); })},
      {"plan.present", in([](P &p) { p.reads.clear(); })},
      {"plan.present", in([](P &p) { p.placements.clear(); })},
      {"plan.present", in([](P &p) { p.codegen_fingerprint.clear(); })},
      {"plan.enum", in([](P &p) {
         p.tokenizer->kind = static_cast<plan::TokenizerKind>(7);
       })},
      {"plan.enum", in([](P &p) {
         p.segments[0]->kind = static_cast<plan::SegmentKind>(9);
       })},
      {"plan.enum",
       in([](P &p) { p.segments[0]->codec = static_cast<plan::Codec>(3); })},
      {"plan.enum",
       in([](P &p) { p.decisions[0]->by = static_cast<plan::DecidedBy>(4); })},
      {"plan.enum", in([](P &p) {
         // No kind of step has the value 7, although some have larger values.
         p.programs[0]->steps[0]->kind = static_cast<plan::StepKind>(7);
       })},
      {"plan.enum", in([](P &p) {
         p.programs[0]->steps[0]->kind = static_cast<plan::StepKind>(33);
       })},
      {"plan.enum", in([](P &p) {
         bindingOf(p, 0, 0, 0).kind = static_cast<plan::BindingKind>(4);
       })},
      {"plan.enum", in([](P &p) {
         dispatchOf(p, 0, 0).grid->rows_from = static_cast<plan::RowsFrom>(2);
       })},
      {"plan.enum", in([](P &p) {
         p.placements[1]->items[0]->tier = static_cast<plan::Tier>(7);
       })},
      {"plan.enum", in([](P &p) {
         p.placements.pop_back();
         p.placements[0]->budgets[0]->tier = static_cast<plan::Tier>(3);
       })},
      {"plan.model.sizes", in([](P &p) { p.model->architecture.clear(); })},
      {"plan.model.sizes", in([](P &p) { p.model->width = 0; })},
      {"plan.model.sizes", in([](P &p) { p.model->ffn_width = 0; })},
      {"plan.model.sizes",
       in([](P &p) { p.model->vocabulary = uint64_t{1} << 31; })},
      {"plan.model.heads", in([](P &p) { p.model->kv_heads = 3; })},
      {"plan.tokenizer.kind",
       in([](P &p) { p.tokenizer->kind = plan::TokenizerKind::None; })},
      {"plan.tokenizer.kind", in([](P &p) { p.tokenizer->tokens.reset(); })},
      {"plan.tokenizer.strings",
       in([](P &p) { p.tokenizer->tokens->ends[2] = 1; })},
      {"plan.tokenizer.strings",
       in([](P &p) { p.tokenizer->tokens->bytes.push_back('x'); })},
      {"plan.tokenizer.strings",
       in([](P &p) { p.tokenizer->merges->bytes.pop_back(); })},
      {"plan.tokenizer.strings",
       in([](P &p) { p.tokenizer->template_names->ends[0] = 99; })},
      {"plan.tokenizer.strings",
       in([](P &p) { p.tokenizer->templates->bytes.push_back('x'); })},
      {"plan.tokenizer.templates",
       in([](P &p) { p.tokenizer->templates.reset(); })},
      {"plan.tokenizer.templates",
       in([](P &p) { p.tokenizer->template_names.reset(); })},
      {"plan.tokenizer.templates",
       in([](P &p) { p.tokenizer->template_names->ends[0] = 0; })},
      {"plan.tokenizer.templates",
       in([](P &p) { p.tokenizer->template_names->bytes[0] = '\n'; })},
      {"plan.tokenizer.templates",
       in([](P &p) { p.tokenizer->template_names->bytes[0] = 'z'; })},
      {"plan.tokenizer.programs",
       in([](P &p) { p.tokenizer->programs.pop_back(); })},
      {"plan.tokenizer.programs",
       in([](P &p) { p.tokenizer->programs[0]->words[0] = 2; })},
      {"plan.tokenizer.programs",
       in([](P &p) { p.tokenizer->programs[2]->words.push_back(0); })},
      {"plan.tokenizer.programs",
       in([](P &p) { p.tokenizer->programs[2]->texts.reset(); })},
      {"plan.tokenizer.programs",
       in([](P &p) { p.tokenizer->programs[2]->texts->bytes[0] = 0xff; })},
      {"plan.tokenizer.programs",
       in([](P &p) { p.tokenizer->programs[1]->words.resize(1U << 18); })},
      {"plan.tokenizer.programs", in([](P &p) {
         p.tokenizer->programs[1]->texts->bytes.resize(1U << 24);
         p.tokenizer->programs[1]->texts->ends = {1U << 24};
       })},
      {"plan.tokenizer.strings",
       in([](P &p) { p.tokenizer->programs[2]->texts->ends[0] = 99; })},
      {"plan.tokenizer.splitters", in([](P &p) {
         p.tokenizer->splitters.push_back(
             std::make_unique<plan::RegexProgramT>());
       })},
      {"plan.tokenizer.splitters", in([](P &p) {
         setSplitters(p);
         p.tokenizer->splitters.pop_back();
       })},
      {"plan.tokenizer.splitters", in([](P &p) {
         setSplitters(p);
         p.tokenizer->splitters[1]->words.resize((1U << 20) - 1);
       })},
      {"plan.tokenizer.splitters", in([](P &p) {
         setSplitters(p);
         p.tokenizer->splitters[1]->words.pop_back();
       })},
      {"plan.tokenizer.vocabulary", in([](P &p) { p.model->vocabulary = 7; })},
      {"plan.tokenizer.types", in([](P &p) { p.tokenizer->types.pop_back(); })},
      {"plan.tokenizer.types", in([](P &p) { p.tokenizer->types[3] = 7; })},
      {"plan.tokenizer.scores", in([](P &p) { p.tokenizer->scores.clear(); })},
      {"plan.tokenizer.scores", in([](P &p) {
         p.tokenizer->kind = plan::TokenizerKind::Bpe;
         p.tokenizer->scores.pop_back();
       })},
      {"plan.tokenizer.scores", in([](P &p) { p.tokenizer->scores[3] = NAN; })},
      {"plan.tokenizer.scores", in([](P &p) {
         p.tokenizer->kind = plan::TokenizerKind::Unigram;
         p.tokenizer->scores.clear();
       })},
      {"plan.tokenizer.charsmap",
       in([](P &p) { p.tokenizer->charsmap = {4, 0, 0, 0}; })},
      {"plan.tokenizer.rules", in([](P &p) {
         p.tokenizer->rules = std::make_unique<plan::TextRulesT>();
       })},
      {"plan.enum", in([](P &p) {
         addRules(p);
         p.tokenizer->rules->form = static_cast<plan::NormalForm>(5);
       })},
      {"plan.enum", in([](P &p) {
         addRules(p);
         p.tokenizer->rules->spelling = static_cast<plan::TokenSpelling>(4);
       })},
      {"plan.enum", in([](P &p) {
         addRules(p);
         p.tokenizer->rules->prefix = static_cast<plan::SpacePrefix>(5);
       })},
      {"plan.tokenizer.strings", in([](P &p) {
         addRules(p);
         p.tokenizer->rules->expressions->ends = {3};
       })},
      {"plan.tokenizer.matching",
       in([](P &p) { p.tokenizer->matching = {0}; })},
      {"plan.tokenizer.matching", in([](P &p) {
         // The unknown token may have the flag 16 (match_flags::kFused) only in
         // a vocabulary of kind Bpe.
         p.tokenizer->unknown = 5;
         p.tokenizer->matching = {15, 15, 15, 15, 15, 16, 15, 15};
       })},
      {"plan.tokenizer.lowercase",
       in([](P &p) { p.tokenizer->lowercase = true; })},
      {"plan.tokenizer.lowercase",
       in([](P &p) { p.tokenizer->strip_accents = true; })},
      {"plan.tokenizer.ids", in([](P &p) { p.tokenizer->bos = 8; })},
      {"plan.tokenizer.ids", in([](P &p) { p.tokenizer->end_of_turn = -2; })},
      {"plan.tokenizer.ids",
       in([](P &p) { p.tokenizer->end_of_generation[1] = 8; })},
      {"plan.tokenizer.ids",
       in([](P &p) { p.tokenizer->end_of_generation[0] = -1; })},
      {"plan.tokenizer.ids",
       in([](P &p) { p.tokenizer->end_of_generation[1] = 2; })},
      {"plan.sampling", in([](P &p) { p.sampling->temperature = -0.5F; })},
      {"plan.sampling", in([](P &p) { p.sampling->temperature = NAN; })},
      {"plan.sampling", in([](P &p) { p.sampling->top_p = 1.5F; })},
      {"plan.sampling", in([](P &p) { p.sampling->min_p = -1.0F; })},
      {"plan.sampling", in([](P &p) { p.sampling->repeat_penalty = 0.0F; })},
      {"plan.sampling", in([](P &p) { p.sampling->repeat_last_n = -2; })},
      {"plan.sampling",
       in([](P &p) { p.sampling->repeat_last_n = (1 << 24) + 1; })},
      {"plan.sampling", in([](P &p) { p.sampling->xtc_probability = 1.5F; })},
      {"plan.sampling", in([](P &p) { p.sampling->xtc_threshold = -0.5F; })},
      {"plan.sampling", in([](P &p) { p.sampling->mirostat = 3; })},
      {"plan.sampling", in([](P &p) { p.sampling->mirostat = -1; })},
      {"plan.sampling", in([](P &p) { p.sampling->mirostat_tau = -1.0F; })},
      {"plan.sampling", in([](P &p) { p.sampling->mirostat_eta = NAN; })},
      {"plan.sampling", in([](P &p) { p.sampling->typical_p = -0.5F; })},
      {"plan.sampling", in([](P &p) { p.sampling->typical_p = 1.5F; })},
      {"plan.sampling", in([](P &p) {
         p.sampling->samplers[1] = static_cast<plan::SamplerKind>(10);
       })},
      {"plan.machine.name", in([](P &p) { p.machine->name.clear(); })},
      {"plan.machine.arch", in([](P &p) { p.machine->arch = "z80"; })},
      {"plan.machine.cores", in([](P &p) { p.machine->cores = 0; })},
      {"plan.machine.features",
       in([](P &p) { p.machine->features = {"fma", "avx2"}; })},
      {"plan.machine.features",
       in([](P &p) { p.machine->features = {"avx2", "avx2"}; })},
      {"plan.decision",
       in([](P &p) { std::swap(p.decisions[0], p.decisions[1]); })},
      {"plan.decision",
       in([](P &p) { p.decisions[1]->name = p.decisions[0]->name; })},
      {"plan.decision", in([](P &p) { p.decisions[0]->name.clear(); })},
      {"plan.decision",
       in([](P &p) { p.decisions[0]->value.assign(1025, 'v'); })},
      {"plan.machine.features",
       in([](P &p) { p.machine->features = {"", "avx2"}; })},
      {"plan.machine.features", in([](P &p) {
         for (int i = 1000; i < 1257; ++i) {
           p.machine->features.push_back("x" + std::to_string(i));
         }
         p.machine->features.erase(p.machine->features.begin(),
                                   p.machine->features.begin() + 2);
       })},
      {"plan.machine.streams",
       in([](P &p) { p.machine->cpu->streams[0]->distance_bytes = 64; })},
      {"plan.machine.streams",
       in([](P &p) { p.machine->cpu->streams[1]->distance_bytes = 0; })},
      {"plan.machine.streams", in([](P &p) {
         p.machine->cpu->streams[1]->distance_bytes = (1 << 20) + 1;
       })},
      {"plan.machine.streams", in([](P &p) {
         p.machine->cpu->streams[1]->hint = static_cast<plan::StreamHint>(6);
       })},
      {"plan.machine.streams", in([](P &p) {
         p.machine->cpu->streams[1]->loads = static_cast<plan::StreamLoads>(3);
       })},
      {"plan.machine.streams", in([](P &p) {
         std::swap(p.machine->cpu->streams[0], p.machine->cpu->streams[1]);
       })},
      {"plan.machine.streams", in([](P &p) {
         *p.machine->cpu->streams[1] = *p.machine->cpu->streams[0];
       })},
      {"plan.machine.streams", in([](P &p) {
         for (uint32_t i = 0; i < 255; ++i) {
           const plan::StreamRateT &last = *p.machine->cpu->streams.back();
           p.machine->cpu->streams.push_back(
               std::make_unique<plan::StreamRateT>(last));
           ++p.machine->cpu->streams.back()->distance_bytes;
         }
       })},
      {"plan.source", in([](P &p) { p.sources[0]->digest.pop_back(); })},
      {"plan.source", in([](P &p) { p.sources[0]->header_bytes = 4243; })},
  };
}

std::vector<Case> segmentCases() {
  return {
      {"plan.segment.name", in([](P &p) { p.segments[1]->name = "layer.0"; })},
      {"plan.segment.name", in([](P &p) { p.segments[1]->name.clear(); })},
      {"plan.segment.name",
       in([](P &p) { p.segments[1]->name.assign(1025, 'n'); })},
      {"plan.segment.name", in([](P &p) { p.segments[1]->name = "a\nb"; })},
      {"plan.segment.digest",
       in([](P &p) { p.segments[1]->digests.pop_back(); })},
      {"plan.segment.digest", in([](P &p) { p.segments[1]->digests.clear(); })},
      {"plan.segment.digest",
       in([](P &p) { p.segments[1]->digests.resize(32); })},
      {"plan.segment.chunk", in([](P &p) { p.segments[1]->digest_chunk = 0; })},
      {"plan.segment.chunk",
       in([](P &p) { p.segments[1]->digest_chunk += 1; })},
      {"plan.segment.chunk", in([](P &p) {
         p.segments[1]->digest_chunk = (uint64_t{1} << 30) + kPlanPageBytes;
       })},
      {"plan.segment.bytes", in([](P &p) { p.segments[1]->raw_bytes -= 1; })},
      {"plan.segment.bytes", in([](P &p) {
         p.segments[1]->raw_bytes = p.segments[1]->stored_bytes = 0;
       })},
      {"plan.weightless", in([](P &p) { p.weightless = true; })},
      {"plan.weightless", in([](P &p) { p.segments[1]->stored_bytes = 0; })},
      {"plan.weightless", in([](P &p) {
         p.weightless = true;
         for (size_t i : {0, 3}) {
           p.segments[i]->stored_bytes = 0;
           p.segments[i]->digests.clear();
         }
       })},
      {"plan.weightless",
       [](SmallPlan &small) {
         makeWeightless(small);
         // A weightless plan must still contain its kernels.
         small.plan.segments[2]->stored_bytes = 0;
       }},
      {"plan.segment.bytes",
       [](SmallPlan &small) {
         makeWeightless(small);
         small.plan.segments[1]->raw_bytes = 0;
       }},
      {"plan.segment.alignment", in([](P &p) { p.segments[1]->offset += 64; })},
      {"plan.segment.inside", in([](P &p) {
         p.segments[3]->stored_bytes = p.segments[3]->raw_bytes =
             UINT64_MAX - 100;
       })},
      {"plan.segment.inside", in([](P &p) {
         p.segments[3]->stored_bytes = p.segments[3]->raw_bytes =
             kPlanPageBytes + 1;
       })},
      {"plan.segment.inside",
       in([](P &p) { p.segments[1]->offset = uint64_t{1} << 40; })},
      {"plan.segment.contiguous",
       in([](P &p) { p.segments[1]->offset += kPlanPageBytes; })},
      {"plan.segment.contiguous",
       in([](P &p) { p.segments[1]->offset -= kPlanPageBytes; })},
      {"plan.segment.contiguous",
       in([](P &p) { p.segments[0]->offset = kPlanPageBytes; })},
      {"plan.segment.order",
       in([](P &p) { p.segments[1]->kind = plan::SegmentKind::Table; })},
      {"plan.segment.end",
       [](SmallPlan &small) { small.fileBytes += kPlanPageBytes; }},
      {"plan.segment.end", [](SmallPlan &small) { small.fileBytes += 1; }},
      {"plan.segment.chunk_ends",
       in([](P &p) { p.segments[1]->codec = plan::Codec::Zstd; })},
      {"plan.segment.chunk_ends",
       in([](P &p) { p.segments[1]->chunk_ends = {1}; })},
      {"plan.segment.chunk_ends", in([](P &p) {
         codeSegment(p, 1);
         p.segments[1]->chunk_ends = {0};
       })},
      {"plan.segment.chunk_ends", in([](P &p) {
         codeSegment(p, 1);
         ++p.segments[1]->chunk_ends[0];
       })},
      {"plan.segment.chunk_ends", in([](P &p) {
         codeSegment(p, 1);
         p.segments[1]->stored_bytes -= 1;
       })},
      {"plan.segment.codec", in([](P &p) { codeSegment(p, 2); })},
      {"plan.segment.codec", in([](P &p) {
         // Step 0 gathers rows from the segment of the output head.
         codeSegment(p, 1);
         for (const auto &program : p.programs) {
           for (const auto &binding :
                program->steps[0]->dispatches[0]->bindings) {
             if (binding->kind == plan::BindingKind::Tensor) {
               binding->index = 3;
             }
           }
         }
       })},
      {"plan.budget.item", in([](P &p) { codeSegment(p, 1); })},
      {"plan.budget.bytes", in([](P &p) {
         codeSegment(p, 1);
         addStaging(p, codedStagingBytes(p.segments[1]->digest_chunk) - 1);
       })},
      {"plan.weightless",
       [](SmallPlan &small) {
         makeWeightless(small);
         small.plan.segments[1]->codec = plan::Codec::Planes;
       }},
      {"plan.tensor.name", in([](P &p) { p.tensors[1]->name.clear(); })},
      {"plan.tensor.segment", in([](P &p) { p.tensors[1]->segment = 4; })},
      {"plan.tensor.segment", in([](P &p) { p.tensors[1]->segment = 2; })},
      {"plan.tensor.dtype", in([](P &p) { p.tensors[1]->dtype = 4; })},
      {"plan.tensor.dtype", in([](P &p) { p.tensors[1]->dtype = 65535; })},
      {"plan.tensor.layout", in([](P &p) { p.tensors[1]->layout = 4; })},
      {"plan.tensor.bytes", in([](P &p) { p.tensors[1]->bytes -= 1; })},
      {"plan.tensor.bytes", in([](P &p) { p.tensors[1]->rows += 16; })},
      {"plan.tensor.bytes", in([](P &p) { p.tensors[1]->columns += 1; })},
      {"plan.tensor.bytes", in([](P &p) { p.tensors[1]->rows = UINT64_MAX; })},
      {"plan.tensor.bytes", in([](P &p) {
         p.tensors[1]->rows = 0;
         p.tensors[1]->bytes = 0;
       })},
      {"plan.tensor.alignment", in([](P &p) { p.tensors[1]->offset += 32; })},
      {"plan.tensor.inside", in([](P &p) { p.tensors[2]->offset += 64; })},
      {"plan.tensor.inside",
       in([](P &p) { p.tensors[2]->offset = UINT64_MAX - 63; })},
      {"plan.tensor.overlap", in([](P &p) { p.tensors[0]->offset = 128; })},
      {"plan.executable.segment",
       in([](P &p) { p.executables[0]->segment = 0; })},
      {"plan.executable.segment",
       in([](P &p) { p.executables[0]->segment = 4; })},
      {"plan.executable.segment", in([](P &p) {
         p.executables.push_back(
             std::make_unique<plan::ExecutableT>(*p.executables[0]));
       })},
      {"plan.executable.segment", in([](P &p) {
         // The output head's matrix moves to segment 0, and segment 1 becomes a
         // segment of kernels, to which no executable refers.
         p.tensors[3]->segment = 0;
         p.tensors[3]->offset = p.segments[0]->raw_bytes + 64;
         p.segments[0]->raw_bytes = p.segments[0]->stored_bytes =
             p.segments[0]->raw_bytes + 64 + p.tensors[3]->bytes;
         p.segments[1]->kind = plan::SegmentKind::Kernels;
       })},
      {"plan.executable.abi",
       in([](P &p) { p.executables[0]->abi_version += 1; })},
      {"plan.executable.entries",
       in([](P &p) { p.executables[0]->entries.clear(); })},
      {"plan.executable.entries",
       in([](P &p) { p.executables[0]->entries[1] = "append"; })},
      {"plan.executable.entries", in([](P &p) {
         std::swap(p.executables[0]->entries[0], p.executables[0]->entries[1]);
       })},
      {"plan.executable.entries",
       in([](P &p) { p.executables[0]->entries[0] = ""; })},
      {"plan.executable.entries", in([](P &p) {
         for (int i = 100'000; i < 165'537; ++i) {
           p.executables[0]->entries.push_back("n" + std::to_string(i));
         }
         p.executables[0]->entries.erase(p.executables[0]->entries.begin(),
                                         p.executables[0]->entries.begin() + 5);
         p.executables[0]->entries.push_back("o");
       })},
  };
}

std::vector<Case> programCases() {
  return {
      {"plan.batch", in([](P &p) { p.max_tokens = 0; })},
      {"plan.batch", in([](P &p) { p.max_tokens = uint64_t{1} << 32; })},
      {"plan.batch", in([](P &p) { p.max_outputs = 0; })},
      {"plan.batch", in([](P &p) { p.max_outputs = 17; })},
      {"plan.program.count", in([](P &p) {
         while (p.programs.size() <= 64) {
           p.programs.push_back(
               std::make_unique<plan::ProgramT>(*p.programs[0]));
         }
       })},
      {"plan.program.name", in([](P &p) { p.programs[1]->name = "m1"; })},
      {"plan.program.name", in([](P &p) { p.programs[1]->name = ""; })},
      {"plan.program.range", in([](P &p) { p.programs[0]->min_tokens = 0; })},
      {"plan.program.range", in([](P &p) { p.programs[1]->min_tokens = 3; })},
      {"plan.program.range", in([](P &p) { p.programs[1]->max_tokens = 15; })},
      {"plan.program.range", in([](P &p) { p.programs[1]->max_tokens = 17; })},
      {"plan.program.range", in([](P &p) { p.programs[1]->max_tokens = 1; })},
      {"plan.program.steps", in([](P &p) { p.programs[0]->steps.clear(); })},
      {"plan.step.name", in([](P &p) { p.programs[0]->steps[0]->name = ""; })},
      {"plan.step.layer", in([](P &p) { p.programs[0]->steps[1]->layer = 1; })},
      {"plan.step.layer",
       in([](P &p) { p.programs[0]->steps[1]->layer = -2; })},
      {"plan.step.dispatches",
       in([](P &p) { p.programs[0]->steps[1]->dispatches.clear(); })},
      {"plan.dispatch.entry",
       in([](P &p) { dispatchOf(p, 0, 0).executable = 1; })},
      {"plan.dispatch.entry", in([](P &p) { dispatchOf(p, 0, 0).entry = 5; })},
      {"plan.dispatch.grid",
       in([](P &p) { dispatchOf(p, 0, 0).grid.reset(); })},
      {"plan.dispatch.grid",
       in([](P &p) { dispatchOf(p, 0, 0).grid->base_tiles = 0; })},
      {"plan.dispatch.grid",
       in([](P &p) { dispatchOf(p, 1, 0).grid->base_tiles = UINT64_MAX; })},
      {"plan.dispatch.weight_bytes",
       in([](P &p) { dispatchOf(p, 0, 3).weight_bytes += 1; })},
      {"plan.dispatch.arithmetic", in([](P &p) {
         // This dispatch is attention, which binds no tensor.
         dispatchOf(p, 0, 2).arithmetic = plan::Arithmetic::Int8;
       })},
      {"plan.enum", in([](P &p) {
         dispatchOf(p, 0, 3).arithmetic = static_cast<plan::Arithmetic>(5);
       })},
      {"plan.dispatch.barrier",
       in([](P &p) { dispatchOf(p, 0, 1, 0).barrier = false; })},
      // The next step, attention, reads what this dispatch writes, so there
      // must be a barrier between the two.
      {"plan.dispatch.barrier",
       in([](P &p) { dispatchOf(p, 0, 1, 1).barrier = false; })},
      {"plan.dispatch.barrier", in([](P &p) {
         dispatchOf(p, 0, 1, 1).barrier = false;
         // In this case, the dispatch no longer writes the buffer qkv. What it
         // writes to the KV cache still requires the barrier.
         bindingOf(p, 1, 1, 0).access = plan::Access::Read;
       })},
      {"plan.dispatch.barrier",
       in([](P &p) { dispatchOf(p, 1, 4).barrier = false; })},
      {"plan.binding.index",
       in([](P &p) { dispatchOf(p, 0, 0).bindings.clear(); })},
      {"plan.binding.index", in([](P &p) { bindingOf(p, 0, 0, 0).index = 5; })},
      {"plan.binding.index", in([](P &p) { bindingOf(p, 0, 0, 1).index = 4; })},
      {"plan.binding.index", in([](P &p) { bindingOf(p, 1, 1, 1).index = 1; })},
      {"plan.binding.access", in([](P &p) {
         bindingOf(p, 0, 0, 1).access = static_cast<plan::Access>(0);
       })},
      {"plan.binding.access", in([](P &p) {
         bindingOf(p, 0, 0, 1).access = static_cast<plan::Access>(4);
       })},
      {"plan.binding.access",
       in([](P &p) { bindingOf(p, 0, 0, 0).access = plan::Access::Write; })},
      {"plan.binding.alias", in([](P &p) {
         bindingOf(p, 3, 0, 0).index = 0; // step 3 reads and writes `x`
       })},
  };
}

std::vector<Case> readCases() {
  return {
      {"plan.read.complete", in([](P &p) { p.reads.pop_back(); })},
      {"plan.read.complete", in([](P &p) {
         p.reads.push_back(std::make_unique<plan::ReadT>());
         p.reads.back()->segment = 3;
       })},
      {"plan.read.order", in([](P &p) { std::swap(p.reads[0], p.reads[1]); })},
      {"plan.read.order", in([](P &p) { p.reads[1]->segment = 0; })},
      // The first step reads the output head's matrix instead of gathering
      // rows. The head's segment is therefore needed before that of the layer,
      // but follows it in the file.
      {"plan.read.order", in([](P &p) {
         p.programs[0]->steps[0]->kind = plan::StepKind::MatMul;
         bindingOf(p, 0, 0, 0).index = 3;
         p.reads[1]->first_step = 0;
       })},
      {"plan.read.used", in([](P &p) {
         bindingOf(p, 4, 0, 1).index = 0;
         dispatchOf(p, 0, 4).weight_bytes = 0;
       })},
      // The output head becomes a step of kind Embed, which only gathers rows.
      // Each segment of weights must be used by a step of another kind.
      {"plan.read.used",
       in([](P &p) { p.programs[0]->steps[4]->kind = plan::StepKind::Embed; })},
      {"plan.read.first_step", in([](P &p) { p.reads[1]->first_step = 3; })},
      {"plan.read.first_step", in([](P &p) { p.reads[0]->first_step = 2; })},
      {"plan.table", in([](P &p) {
         bindingOf(p, 4, 0, 1).index = 4;
         dispatchOf(p, 0, 4).weight_bytes = 0;
       })},
      {"plan.table", in([](P &p) {
         // The first step of the second program still binds the embedding
         // table, but is no longer a step that gathers rows.
         p.programs[1]->steps[0]->kind = plan::StepKind::MatMul;
       })},
  };
}

std::vector<Case> allCases() {
  std::vector<Case> all;
  for (const auto &part :
       {factCases(), pipelineCases(), segmentCases(), bufferCases(),
        programCases(), partCases(), readCases(), placementCases(),
        referenceCases(), deviceCases(), splitCases(), cacheCases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

} // namespace

TEST(PlanVerifier, AcceptsTheSmallPlan) {
  const Status status = verdict(makeSmallPlan());
  EXPECT_TRUE(status.isOk()) << status.message();
}

TEST(PlanVerifier, RefusesEachBrokenRule) {
  const std::vector<Case> cases = allCases();
  for (size_t i = 0; i < cases.size(); ++i) {
    SmallPlan small = makeSmallPlan();
    cases[i].breakIt(small);
    const Status status = verdict(small);
    EXPECT_EQ(status.code(), cases[i].code) << i << ' ' << cases[i].rule;
    EXPECT_THAT(status.message(), StartsWith(std::string(cases[i].rule) + ": "))
        << "case " << i;
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
}

TEST(PlanVerifier, EachDocumentedRuleHasACase) {
  // PlanCorruptionTest tests the rule plan.structure.
  std::set<std::string> tested = {"plan.structure"};
  for (const Case &broken : allCases()) {
    tested.insert(broken.rule);
  }
  for (const FatCase &broken : fatCases()) { // FatPlanTest tests these cases
    tested.insert(broken.rule);
  }
  std::set<std::string> documented;
  std::ifstream doc(AIR_SOURCE_DIR "/docs/plan-format.md");
  for (std::string line; std::getline(doc, line);) {
    if (line.starts_with("- `plan.")) {
      documented.insert(line.substr(3, line.find('`', 3) - 3));
    }
  }
  EXPECT_EQ(tested, documented);
}

// No rule may refuse these plans.
TEST(PlanVerifier, AcceptsWhatPlansMayDo) {
  std::vector<Change> changes = {
      // Two matmuls write concurrently into the rows of one buffer, side by
      // side.
      in([](P &p) {
        auto &step = *p.programs[0]->steps[1];
        auto twin = std::make_unique<plan::DispatchT>(*step.dispatches[0]);
        step.dispatches[0]->barrier = false;
        step.dispatches.insert(step.dispatches.begin() + 1, std::move(twin));
        for (const auto &placement : p.placements) {
          placement->predictions.clear();
        }
      }),
      // The bytes of the weights may be absent from a plan.
      makeWeightless,
      // A plan may have no predictions, budgets, sources or decisions, and its
      // tokenizer may be empty.
      in([](P &p) {
        p.placements.pop_back();
        p.placements[0]->predictions.clear();
        p.placements[0]->budgets.clear();
        p.sources.clear();
        p.decisions.clear();
        p.tokenizer = std::make_unique<plan::TokenizerT>();
      }),
      // Plans of version 4.0 contain templates without their programs.
      in([](P &p) { p.tokenizer->programs.clear(); }),
      in(setSplitters),
      // If nothing is streamed, programs may have different numbers of steps.
      in([](P &p) {
        p.placements.pop_back();
        p.programs[1]->steps.push_back(
            std::make_unique<plan::StepT>(*p.programs[1]->steps.back()));
      }),
      in([](P &p) {
        p.tokenizer->kind = plan::TokenizerKind::Bpe;
        p.tokenizer->scores.clear();
      }),
      in([](P &p) {
        p.tokenizer->kind = plan::TokenizerKind::Unigram;
        p.tokenizer->charsmap = {4, 0, 0, 0};
      }),
      in([](P &p) {
        addRules(p);
        p.tokenizer->rules->form = plan::NormalForm::KC;
        p.tokenizer->rules->spelling = plan::TokenSpelling::TextAndLines;
        p.tokenizer->rules->prefix = plan::SpacePrefix::EveryWord;
        p.tokenizer->unknown = 5;
        p.tokenizer->matching = {15, 15, 15, 15, 15, 31, 15, 15};
      }),
      in([](P &p) {
        p.tokenizer->kind = plan::TokenizerKind::WordPiece;
        p.tokenizer->lowercase = true;
        p.tokenizer->strip_accents = true;
      }),
      in([](P &p) {
        addPipeline(p);
        p.tokenizer->types.assign(8, 4);
        p.tokenizer->matching.assign(8, 47);
        p.tokenizer->bos = p.tokenizer->eos = 1;
        p.tokenizer->add_bos = p.tokenizer->add_eos = true;
        p.tokenizer->after_bos = {2, 3};
        p.tokenizer->before_eos = {7};
      }),
  };
  for (const std::vector<Change> &more :
       {validBuffers(), validPlacements(), validParts(), validReferences(),
        validDevices(), validSplits(), validCaches()}) {
    changes.insert(changes.end(), more.begin(), more.end());
  }
  for (size_t i = 0; i < changes.size(); ++i) {
    SmallPlan small = makeSmallPlan();
    changes[i](small);
    const Status status = verdict(small);
    EXPECT_TRUE(status.isOk()) << i << ' ' << status.message();
  }
}

// The verifier's time grows in proportion to the number of bindings: ten times
// as many take about ten times as long. If it grew with the square, they would
// take up to a hundred times as long.
TEST(PlanVerifier, ManyBindingsOfADispatchDoNotCostTime) {
  SmallPlan small = makeSmallPlan();
  plan::DispatchT &head = dispatchOf(small.plan, 0, 4);
  const auto matrix =
      std::ranges::find_if(head.bindings, [&](const auto &each) {
        return each->kind == plan::BindingKind::Tensor &&
               small.plan.tensors[each->index]->rows > 1;
      });
  ASSERT_NE(matrix, head.bindings.end());
  const plan::BindingT binding = **matrix;
  const auto timeWith = [&](size_t bindings) {
    while (head.bindings.size() < bindings) {
      head.bindings.push_back(std::make_unique<plan::BindingT>(binding));
    }
    const std::vector<uint8_t> metadata = metadataOf(small.plan);
    const std::clock_t begin = std::clock();
    const Status status = verifyPlan(*plan::GetPlan(metadata.data()),
                                     small.fileBytes, kPlanPageBytes);
    const std::clock_t end = std::clock();
    EXPECT_TRUE(status.isOk()) << status.message();
    return end - begin;
  };
  const std::clock_t few = timeWith(100'000);
  EXPECT_LT(timeWith(1'000'000), 40 * few);
}
