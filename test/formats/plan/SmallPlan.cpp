//===- SmallPlan.cpp - a valid plan of a few kilobytes --------------------===//
#include "SmallPlan.h"

#include "formats/abi/KernelAbi.h"
#include "formats/dtype/DType.h"
#include "formats/plan/FatPlan.h"
#include "formats/plan/Layout.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace air::test {

namespace {

using plan::Access;
using plan::BindingKind;

constexpr uint64_t kWidth = 32;
constexpr uint64_t kVocabulary = 40;

// These are indices into Plan.tensors and Plan.buffers.
enum TensorIndex : uint32_t { kNorm, kQkv, kOut, kHead, kEmbed };
enum BufferIndex : uint32_t { kX, kQkvRows, kHeads, kLogits };

std::vector<uint8_t> patternBytes(uint64_t size, uint32_t seed) {
  std::vector<uint8_t> bytes(size);
  for (uint8_t &byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(seed >> 24);
  }
  return bytes;
}

void addSegment(plan::PlanT &plan, const char *name, plan::SegmentKind kind,
                uint64_t bytes) {
  auto segment = std::make_unique<plan::SegmentT>();
  segment->name = name;
  segment->kind = kind;
  segment->stored_bytes = bytes;
  segment->raw_bytes = bytes;
  plan.segments.push_back(std::move(segment));
}

/// Appends a tensor at the end of a segment, which grows accordingly.
void addTensor(plan::PlanT &plan, const char *name, DType dtype, Layout layout,
               uint64_t rows, uint64_t columns, uint32_t segment) {
  auto tensor = std::make_unique<plan::TensorT>();
  tensor->name = name;
  tensor->dtype = static_cast<uint16_t>(dtype);
  tensor->layout = static_cast<uint16_t>(layout);
  tensor->rows = rows;
  tensor->columns = columns;
  tensor->segment = segment;
  tensor->bytes = *layoutBytes(dtype, layout, rows, columns);
  plan::SegmentT &holder = *plan.segments[segment];
  tensor->offset = alignUp(holder.raw_bytes, AIR_BINDING_ALIGNMENT);
  holder.raw_bytes = tensor->offset + tensor->bytes;
  holder.stored_bytes = holder.raw_bytes;
  plan.tensors.push_back(std::move(tensor));
}

void addBuffer(plan::PlanT &plan, const char *name, uint64_t offset,
               uint64_t bytes, bool isOutput) {
  auto buffer = std::make_unique<plan::BufferT>();
  buffer->name = name;
  buffer->offset = offset;
  buffer->bytes = bytes;
  buffer->is_output = isOutput;
  plan.buffers.push_back(std::move(buffer));
}

struct Bound {
  BindingKind kind;
  uint32_t index;
  Access access;
};

void addDispatch(plan::StepT &step, uint32_t entry,
                 const std::vector<Bound> &bounds, uint64_t weightBytes) {
  auto dispatch = std::make_unique<plan::DispatchT>();
  dispatch->entry = entry;
  dispatch->grid = std::make_unique<plan::GridT>();
  dispatch->grid->base_tiles = 2;
  dispatch->grid->tokens_per_tile = 8;
  dispatch->scratch_bytes = 128;
  dispatch->weight_bytes = weightBytes;
  dispatch->flops_per_row = 2 * kWidth * kWidth;
  for (const Bound &bound : bounds) {
    auto binding = std::make_unique<plan::BindingT>();
    binding->kind = bound.kind;
    binding->index = bound.index;
    binding->access = bound.access;
    dispatch->bindings.push_back(std::move(binding));
  }
  step.dispatches.push_back(std::move(dispatch));
}

plan::StepT &addStep(plan::ProgramT &program, const char *name,
                     plan::StepKind kind, int layer) {
  program.steps.push_back(std::make_unique<plan::StepT>());
  program.steps.back()->name = name;
  program.steps.back()->kind = kind;
  program.steps.back()->layer = layer;
  return *program.steps.back();
}

void addProgram(plan::PlanT &plan, const char *name, uint64_t low,
                uint64_t high) {
  auto program = std::make_unique<plan::ProgramT>();
  program->name = name;
  program->min_tokens = low;
  program->max_tokens = high;
  const auto tensor = [](uint32_t i) {
    return Bound{BindingKind::Tensor, i, Access::Read};
  };
  const auto buffer = [](uint32_t i, Access access) {
    return Bound{BindingKind::Buffer, i, access};
  };
  const auto bytes = [&](uint32_t i) { return plan.tensors[i]->bytes; };
  // The second argument of addDispatch() is an index into the sorted list of
  // the executable's entry points: append, attend, embed, matmul, matmul_add.
  addDispatch(addStep(*program, "embed", plan::StepKind::Embed, -1), 2,
              {tensor(kEmbed), buffer(kX, Access::Write)}, 2 * kWidth);
  plan::StepT &in =
      addStep(*program, "layer.0.attn_in", plan::StepKind::AttnIn, 0);
  addDispatch(in, 3,
              {buffer(kX, Access::Read), tensor(kNorm), tensor(kQkv),
               buffer(kQkvRows, Access::Write)},
              bytes(kQkv) + bytes(kNorm));
  addDispatch(in, 0,
              {buffer(kQkvRows, Access::ReadWrite),
               {BindingKind::Kv, 0, Access::Write}},
              0);
  addDispatch(addStep(*program, "layer.0.attn", plan::StepKind::Attn, 0), 1,
              {buffer(kQkvRows, Access::Read),
               {BindingKind::Kv, 0, Access::Read},
               buffer(kHeads, Access::Write)},
              0);
  addDispatch(addStep(*program, "layer.0.attn_out", plan::StepKind::AttnOut, 0),
              4,
              {buffer(kHeads, Access::Read), tensor(kOut),
               buffer(kX, Access::ReadWrite)},
              bytes(kOut));
  plan::StepT &head = addStep(*program, "head", plan::StepKind::Head, -1);
  addDispatch(
      head, 3,
      {buffer(kX, Access::Read), tensor(kHead), buffer(kLogits, Access::Write)},
      bytes(kHead));
  head.dispatches[0]->grid->rows_from = plan::RowsFrom::Outputs;
  plan.programs.push_back(std::move(program));
}

void addTokenizer(plan::PlanT &plan) {
  TokenizerData tokenizer;
  tokenizer.kind = TokenizerKind::Spm;
  tokenizer.pre = "default";
  for (int i = 0; i < 8; ++i) {
    tokenizer.tokens.push_back("t" + std::to_string(i * i));
    tokenizer.scores.push_back(-1.5F * static_cast<float>(i));
    tokenizer.types.push_back(i < 3 ? TokenType::Control : TokenType::Normal);
  }
  tokenizer.merges = {"t 1", "t 4"};
  tokenizer.bos = 1;
  tokenizer.eos = 2;
  tokenizer.endOfGeneration = {2, 5};
  tokenizer.chatTemplate = "{% for m in messages %}"
                           "{{ m.role | trim ~ loop.index }}{% endfor %}";
  tokenizer.namedTemplates = {{"rag", ""}, {"tool_use", "{{ tools }}"}};
  plan.tokenizer = toPlan(tokenizer);
  plan.sampling =
      toPlan(SamplingDefaults{.temperature = 0.5F,
                              .topK = 3,
                              .topP = 0.75F,
                              .minP = 0.125F,
                              .repeatPenalty = 1.25F,
                              .repeatLastN = -1,
                              .xtcProbability = 0.25F,
                              .xtcThreshold = 0.125F,
                              .mirostat = 2,
                              .mirostatTau = 3.0F,
                              .mirostatEta = 0.5F,
                              .samplers = {SamplerKind::TopK, SamplerKind::Xtc},
                              .typicalP = 0.875F});
}

/// Adds a placement with the budget `budget`. It keeps resident[i] bytes of
/// segment i in RAM.
plan::PlacementT &addPlacement(plan::PlanT &plan,
                               std::vector<uint64_t> resident,
                               uint64_t ringBytes, uint64_t budget) {
  plan.placements.push_back(std::make_unique<plan::PlacementT>());
  plan::PlacementT &placement = *plan.placements.back();
  uint64_t weights = 0;
  uint64_t kernels = 0;
  for (size_t i = 0; i < resident.size(); ++i) {
    (plan.segments[i]->kind == plan::SegmentKind::Kernels ? kernels
                                                          : weights) +=
        resident[i];
  }
  uint64_t kvBytes = 0;
  for (const auto &group : plan.cache_groups) {
    kvBytes += group->pages * group->page_bytes;
  }
  const struct {
    const char *name;
    uint64_t bytes;
  } items[] = {{"weights", weights},
               {"kernels", kernels},
               {"kv", kvBytes},
               {"activations", plan.arena_bytes},
               {"scratch", 128 * plan.machine->cores},
               {"ring", ringBytes}};
  for (const auto &item : items) {
    placement.items.push_back(std::make_unique<plan::BudgetItemT>());
    placement.items.back()->name = item.name;
    placement.items.back()->bytes = item.bytes;
  }
  placement.budgets.push_back(std::make_unique<plan::BudgetT>());
  placement.budgets.back()->bytes = budget;
  placement.resident = std::move(resident);
  placement.ring_bytes = ringBytes;
  return placement;
}

void addRead(plan::PlacementT &placement, uint32_t segment, uint32_t beforeStep,
             int64_t afterStep) {
  auto read = std::make_unique<plan::StreamReadT>();
  read->segment = segment;
  read->bytes = kPlanPageBytes;
  read->before_step = beforeStep;
  read->after_step = afterStep;
  placement.reads.push_back(std::move(read));
}

void addPrediction(plan::PlacementT &placement, bool isDiskUsed) {
  auto prediction = std::make_unique<plan::PredictionT>();
  prediction->phase = "decode";
  prediction->nanoseconds = 100'000;
  prediction->limit = "dram";
  for (const char *name : {"dram", "disk"}) {
    auto link = std::make_unique<plan::LinkPredictionT>();
    link->link = name;
    link->bytes_per_pass = 100'000;
    link->bandwidth = 1'000'000'000;
    if (isDiskUsed || link->link == "dram") {
      prediction->links.push_back(std::move(link));
    }
  }
  placement.predictions.push_back(std::move(prediction));
}

/// Adds a placement that keeps everything in RAM, and one that streams all
/// weights through a ring of one page.
void addPlacements(plan::PlanT &plan) {
  std::vector<uint64_t> all;
  for (const auto &segment : plan.segments) {
    all.push_back(segment->raw_bytes);
  }
  addPrediction(addPlacement(plan, all, 0, uint64_t{1} << 20), false);
  plan::PlacementT &streamed =
      addPlacement(plan, {0, 0, all[2], 0}, kPlanPageBytes, uint64_t{1} << 19);
  // The layer's page may be read as soon as the previous pass has ended (-1),
  // and the output head's page after step 3, attn_out.
  addRead(streamed, 0, 1, -1);
  addRead(streamed, 1, 4, 3);
  addPrediction(streamed, true);
}

void addProvenance(plan::PlanT &plan) {
  for (const char *name : {"context", "kv-type"}) {
    plan.decisions.push_back(std::make_unique<plan::DecisionT>());
    plan.decisions.back()->name = name;
    plan.decisions.back()->value = "64";
    plan.decisions.back()->by = plan::DecidedBy::User;
  }
  auto source = std::make_unique<plan::SourceT>();
  source->bytes = 4242;
  source->header_bytes = 96;
  source->digest.assign(16, 7);
  plan.sources.push_back(std::move(source));
  plan.codegen_fingerprint = "kernels 1";
}

void addHyperparameters(plan::PlanT &plan) {
  plan.model = std::make_unique<plan::HyperparametersT>();
  plan.model->name = "small";
  plan.model->architecture = "llama";
  plan.model->vocabulary = kVocabulary;
  plan.model->width = kWidth;
  plan.model->layers = 1;
  plan.model->heads = 2;
  plan.model->kv_heads = 1;
  plan.model->head_dim = 16;
  plan.model->ffn_width = 64;
  plan.model->trained_context = 128;
  plan.model->parameters = 12345;

  MachineProfile machine;
  machine.name = "small-machine";
  machine.arch = "x86_64";
  machine.features = {"avx2", "fma"};
  machine.cores = 2;
  machine.memoryBytes = uint64_t{1} << 30;
  machine.memoryBandwidth = 1'000'000'000;
  machine.diskBeside = 200'000'000;
  machine.memoryBeside = 800'000'000;
  machine.cpu.byteDot = 64'000'000'000;
  machine.cpu.planesDecode = 4'000'000'000;
  machine.cpu.zstdDecode = 1'000'000'000;
  machine.cpu.streams = {
      {StreamLoads::Single, StreamHint::None, 0, 900'000'000},
      {StreamLoads::Burst, StreamHint::T1, 4096, 1'000'000'000}};
  plan.machine = toPlan(machine);

  plan.context = 100;
  plan.slots = 3;
  auto group = std::make_unique<plan::CacheGroupT>();
  group->page_tokens = 64;
  group->page_bytes = 2 * 16 * 64 * 2;
  group->pages = 6;
  plan.cache_groups.push_back(std::move(group));
  auto cache = std::make_unique<plan::CacheT>();
  cache->key_dtype = static_cast<uint16_t>(DType::F16);
  cache->value_dtype = static_cast<uint16_t>(DType::F16);
  cache->heads = 1;
  cache->key_dim = 16;
  cache->value_dim = 16;
  plan.caches.push_back(std::move(cache));
}

} // namespace

SmallPlan makeSmallPlan() {
  SmallPlan small;
  plan::PlanT &plan = small.plan;
  addHyperparameters(plan);
  addTokenizer(plan);

  addSegment(plan, "layer.0", plan::SegmentKind::Weights, 0);
  addSegment(plan, "head", plan::SegmentKind::Weights, 0);
  addSegment(plan, "kernels", plan::SegmentKind::Kernels, 300);
  addSegment(plan, "embed", plan::SegmentKind::Table, 0);
  addTensor(plan, "attn_norm", DType::F32, Layout::Rows, 1, kWidth, 0);
  addTensor(plan, "q+k+v", DType::Q4_0, Layout::X16, 64, kWidth, 0);
  addTensor(plan, "attn_output", DType::Q8_0, Layout::Rows, kWidth, kWidth, 0);
  addTensor(plan, "token_embd", DType::Q4_0, Layout::X16, kVocabulary, kWidth,
            1);
  addTensor(plan, "token_embd", DType::Q4_0, Layout::Rows, kVocabulary, kWidth,
            3);

  auto executable = std::make_unique<plan::ExecutableT>();
  executable->segment = 2;
  executable->abi_version = AIR_KERNEL_ABI_VERSION;
  executable->entries = {"append", "attend", "embed", "matmul", "matmul_add"};
  plan.executables.push_back(std::move(executable));

  // Each buffer has 16 rows. The logits reuse the bytes of qkv, which no step
  // needs any more when the output head runs.
  addBuffer(plan, "x", 0, 16 * kWidth * 4, false);
  addBuffer(plan, "qkv", 2048, 16 * 64 * 4, false);
  addBuffer(plan, "heads", 6144, 16 * kWidth * 4, false);
  addBuffer(plan, "logits", 2048, 16 * kVocabulary * 4, true);
  plan.arena_bytes = 8192;

  plan.max_tokens = 16;
  plan.max_outputs = 16;
  addProgram(plan, "m1", 1, 1);
  addProgram(plan, "m2-16", 2, 16);
  for (uint32_t i = 0; i < 2; ++i) {
    plan.reads.push_back(std::make_unique<plan::ReadT>());
    plan.reads.back()->segment = i;
    plan.reads.back()->first_step = i == 0 ? 1 : 4;
  }
  addPlacements(plan);
  addProvenance(plan);

  (void)prepareDigests(plan); // fails only for plans of many gigabytes
  for (uint32_t i = 0; i < plan.segments.size(); ++i) {
    plan::SegmentT &segment = *plan.segments[i];
    small.segments.push_back(patternBytes(segment.stored_bytes, i));
    std::vector<uint8_t> pages = small.segments.back();
    pages.resize(alignUp(pages.size(), kPlanPageBytes));
    segment.digests = chunkDigests(pages, segment.digest_chunk);
  }
  small.fileBytes = *placeSegments(plan, metadataOf(plan).size());
  return small;
}

void makeWeightless(SmallPlan &small) {
  small.plan.weightless = true;
  for (size_t i = 0; i < small.segments.size(); ++i) {
    plan::SegmentT &segment = *small.plan.segments[i];
    if (segment.kind != plan::SegmentKind::Kernels) {
      segment.stored_bytes = 0;
      small.segments[i].clear();
      segment.digests.clear();
    }
  }
  small.fileBytes = *placeSegments(small.plan, metadataOf(small.plan).size());
}

std::vector<uint8_t> metadataOf(const plan::PlanT &plan) {
  return *encodeMetadata(plan);
}

std::vector<uint8_t> signedFile(std::vector<uint8_t> metadata,
                                const std::vector<std::vector<uint8_t>> &parts,
                                const plan::PlanT &plan) {
  const uint64_t metadataBytes = metadata.size();
  metadata.resize(alignUp(metadataBytes, kPlanPageBytes));
  uint64_t fileBytes = kPlanPageBytes + metadata.size();
  for (const auto &part : parts) {
    fileBytes += alignUp(part.size(), kPlanPageBytes);
  }
  // The fingerprint covers the machine record of a serialised plan, so the plan
  // is serialised first.
  const std::vector<uint8_t> straight = metadataOf(plan);
  const plan::Plan *root = plan::GetPlan(straight.data());
  const plan::Machine *machine = root->machine();
  std::vector<uint8_t> file =
      encodeHeader(metadata, metadataBytes, fileBytes,
                   machine == nullptr ? Digest{} : targetFingerprint(*machine),
                   minorVersion(isFatPlan(metadata), {&root, 1}));
  file.insert(file.end(), metadata.begin(), metadata.end());
  for (const auto &part : parts) {
    file.insert(file.end(), part.begin(), part.end());
    file.resize(alignUp(file.size(), kPlanPageBytes));
  }
  return file;
}

std::vector<uint8_t> fileOf(const SmallPlan &small) {
  return signedFile(metadataOf(small.plan), small.segments, small.plan);
}

void signHeader(std::vector<uint8_t> &file) {
  const Digest digest = headerDigest(std::span(file).first(kPlanPageBytes));
  std::memcpy(file.data() + offsetof(PlanHeader, headerDigest), digest.data(),
              digest.size());
}

std::string writeSmallPlan(const std::string &path) {
  SmallPlan small = makeSmallPlan();
  Result<PlanWriter> writer = PlanWriter::create(path, std::move(small.plan));
  if (!writer) {
    return "";
  }
  for (uint32_t i = 0; i < small.segments.size(); ++i) {
    const Status status =
        writer->writeSegment(i, [&](const PlanWriter::Sink &sink) {
          return sink(small.segments[i]);
        });
    if (!status.isOk()) {
      return "";
    }
  }
  return writer->finish().isOk() ? path : "";
}

} // namespace air::test
