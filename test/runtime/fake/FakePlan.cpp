//===- FakePlan.cpp - records of the fake plan ------------------*- C++ -*-===//
#include "test/runtime/fake/FakePlan.h"

#include "formats/abi/KernelAbi.h"
#include "formats/plan/Layout.h"
#include "formats/plan/PlanConvert.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <unistd.h>

namespace air::test {

namespace {

// The kernels, sorted by name. Only plans for the fake GPU have Next.
enum Entry : uint32_t { Append, Attend, Embed, Head, Next };
enum TensorIndex : uint32_t { Table, Bias };
enum BufferIndex : uint32_t { X, Logits, Counter };

constexpr uint64_t kXBytes = 16 * FAKE_WIDTH * sizeof(float);
constexpr uint64_t kLogitsBytes = 16 * FAKE_VOCABULARY * sizeof(float);

std::vector<uint8_t> readObject() {
  std::ifstream file(AIR_FAKE_KERNELS, std::ios::binary);
  EXPECT_TRUE(file) << AIR_FAKE_KERNELS;
  return {std::istreambuf_iterator<char>(file), {}};
}

TokenizerData fakeVocabulary() {
  TokenizerData data;
  data.kind = TokenizerKind::Spm;
  data.tokens = {"<unk>", "<s>", "</s>"};
  data.types = {TokenType::Unknown, TokenType::Control, TokenType::Control};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", byte);
    data.tokens.emplace_back(name);
    data.types.push_back(TokenType::Byte);
  }
  data.tokens.emplace_back("\xE2\x96\x81");
  data.types.push_back(TokenType::Normal);
  data.scores.assign(data.tokens.size(), 0);
  data.unknown = 0;
  data.bos = kFakeBos;
  data.eos = kFakeEos;
  data.endOfGeneration = {kFakeEos};
  data.addBos = true;
  data.addSpacePrefix = false;
  return data;
}

std::unique_ptr<plan::SegmentT>
segment(const char *name, plan::SegmentKind kind, uint64_t bytes) {
  auto made = std::make_unique<plan::SegmentT>();
  made->name = name;
  made->kind = kind;
  made->stored_bytes = bytes;
  made->raw_bytes = bytes;
  return made;
}

std::unique_ptr<plan::TensorT> tensor(const char *name, uint64_t rows,
                                      uint64_t columns, uint32_t inSegment) {
  auto made = std::make_unique<plan::TensorT>();
  made->name = name;
  made->dtype = static_cast<uint16_t>(DType::F32);
  made->layout = static_cast<uint16_t>(Layout::Rows);
  made->rows = rows;
  made->columns = columns;
  made->segment = inSegment;
  made->bytes = rows * columns * sizeof(float);
  return made;
}

std::unique_ptr<plan::BufferT> buffer(const char *name, uint64_t offset,
                                      uint64_t bytes, bool isOutput) {
  auto made = std::make_unique<plan::BufferT>();
  made->name = name;
  made->offset = offset;
  made->bytes = bytes;
  made->is_output = isOutput;
  return made;
}

struct Bound {
  plan::BindingKind kind;
  uint32_t index;
  plan::Access access;
};

std::unique_ptr<plan::StepT> step(plan::StepKind kind, const char *name,
                                  int32_t layer) {
  auto made = std::make_unique<plan::StepT>();
  made->kind = kind;
  made->name = name;
  made->layer = layer;
  return made;
}

/// Adds a dispatch to the step `into`. The caller sets its grid or launch.
plan::DispatchT &dispatch(plan::StepT &into, uint32_t entry,
                          uint64_t weightBytes,
                          const std::vector<Bound> &bindings) {
  auto made = std::make_unique<plan::DispatchT>();
  made->entry = entry;
  made->barrier = true;
  made->weight_bytes = weightBytes;
  made->flops_per_row = 10;
  for (const Bound &bound : bindings) {
    auto binding = std::make_unique<plan::BindingT>();
    binding->kind = bound.kind;
    binding->index = bound.index;
    binding->access = bound.access;
    made->bindings.push_back(std::move(binding));
  }
  into.dispatches.push_back(std::move(made));
  return *into.dispatches.back();
}

void dispatch(plan::StepT &into, Entry entry, uint64_t baseTiles,
              uint64_t tokensPerTile, plan::RowsFrom rows, uint64_t weightBytes,
              const std::vector<Bound> &bindings) {
  plan::DispatchT &made = dispatch(into, entry, weightBytes, bindings);
  made.grid = std::make_unique<plan::GridT>();
  made.grid->base_tiles = baseTiles;
  made.grid->tokens_per_tile = tokensPerTile;
  made.grid->rows_from = rows;
  made.scratch_bytes = entry == Attend ? sizeof(float) : 0;
}

std::unique_ptr<plan::ProgramT> program(const char *name, uint64_t min,
                                        uint64_t max) {
  using plan::Access;
  using plan::BindingKind;
  using plan::RowsFrom;
  auto made = std::make_unique<plan::ProgramT>();
  made->name = name;
  made->min_tokens = min;
  made->max_tokens = max;
  auto embed = step(plan::StepKind::Embed, "embed", -1);
  dispatch(*embed, Embed, 1, 1, RowsFrom::Tokens, FAKE_WIDTH * sizeof(float),
           {{BindingKind::Tensor, Table, Access::Read},
            {BindingKind::Buffer, X, Access::Write}});
  made->steps.push_back(std::move(embed));
  auto attn = step(plan::StepKind::Attn, "layer.0.attn", 0);
  dispatch(*attn, Append, 1, 1, RowsFrom::Tokens, 0,
           {{BindingKind::Buffer, X, Access::Read},
            {BindingKind::Kv, 0, Access::Write}});
  dispatch(*attn, Attend, 1, 2, RowsFrom::Tokens, 0,
           {{BindingKind::Kv, 0, Access::Read},
            {BindingKind::Buffer, X, Access::ReadWrite}});
  made->steps.push_back(std::move(attn));
  auto head = step(plan::StepKind::Head, "head", -1);
  dispatch(*head, Head, 2, 1, RowsFrom::Outputs,
           FAKE_VOCABULARY * sizeof(float),
           {{BindingKind::Buffer, X, Access::Read},
            {BindingKind::Tensor, Bias, Access::Read},
            {BindingKind::Buffer, Logits, Access::Write}});
  made->steps.push_back(std::move(head));
  return made;
}

Bound boundArray(plan::BatchArray array, plan::Access access) {
  return {plan::BindingKind::Batch, static_cast<uint32_t>(array), access};
}

/// Adds a launch on the fake GPU to a step. For each Entry there are two
/// kernels: one for a single token (`variant` 0), and one for kFakeMaxTokens
/// tokens (`variant` 1). Each of them runs as a single thread block.
void launch(plan::StepT &step, Entry entry, uint32_t variant,
            uint64_t weightBytes, const std::vector<Bound> &bindings) {
  plan::DispatchT &added =
      dispatch(step, 2 * entry + variant, weightBytes, bindings);
  added.flops_per_row = entry == Next ? 0 : added.flops_per_row;
  added.launch = std::make_unique<plan::LaunchT>();
  added.launch->grid_x = 1;
  added.launch->threads = 32;
  added.launch->shared_bytes = 1024 * (entry + 1);
}

/// The output head on the fake GPU, which reads the buffer `x`.
std::unique_ptr<plan::StepT> gpuHead(uint32_t variant, uint32_t x) {
  using plan::Access;
  using plan::BatchArray;
  using plan::BindingKind;
  auto head = step(plan::StepKind::Head, "head", -1);
  launch(*head, Head, variant, FAKE_VOCABULARY * sizeof(float),
         {{BindingKind::Buffer, x, Access::Read},
          {BindingKind::Tensor, Bias, Access::Read},
          {BindingKind::Buffer, Logits, Access::Write}});
  launch(*head, Next, variant, 0,
         {{BindingKind::Buffer, Logits, Access::Read},
          boundArray(BatchArray::TokenCount, Access::Read),
          boundArray(BatchArray::TokenIds, Access::ReadWrite),
          boundArray(BatchArray::Positions, Access::ReadWrite),
          boundArray(BatchArray::RopePositions, Access::ReadWrite)});
  return head;
}

/// A program for the fake GPU.
std::unique_ptr<plan::ProgramT> gpuProgram(const char *name, uint64_t min,
                                           uint64_t max, uint32_t variant) {
  using plan::Access;
  using plan::BindingKind;
  auto made = std::make_unique<plan::ProgramT>();
  made->name = name;
  made->min_tokens = min;
  made->max_tokens = max;
  const Bound ids = boundArray(plan::BatchArray::TokenIds, Access::Read);
  const Bound positions = boundArray(plan::BatchArray::Positions, Access::Read);
  const Bound tables = boundArray(plan::BatchArray::BlockTables, Access::Read);
  const auto add = [&](plan::StepT &step, Entry entry, uint64_t weightBytes,
                       const std::vector<Bound> &bindings) {
    launch(step, entry, variant, weightBytes, bindings);
  };
  auto embed = step(plan::StepKind::Embed, "embed", -1);
  add(*embed, Embed, FAKE_WIDTH * sizeof(float),
      {ids,
       {BindingKind::Tensor, Table, Access::Read},
       {BindingKind::Buffer, X, Access::Write}});
  made->steps.push_back(std::move(embed));
  auto attn = step(plan::StepKind::Attn, "layer.0.attn", 0);
  add(*attn, Append, 0,
      {{BindingKind::Buffer, X, Access::Read},
       positions,
       tables,
       {BindingKind::Kv, 0, Access::Write}});
  add(*attn, Attend, 0,
      {{BindingKind::Kv, 0, Access::Read},
       positions,
       tables,
       {BindingKind::Buffer, X, Access::ReadWrite},
       {BindingKind::Buffer, Counter, Access::ReadWrite}});
  made->steps.push_back(std::move(attn));
  made->steps.push_back(gpuHead(variant, X));
  return made;
}

void addItem(plan::PlacementT &placement, const char *name, uint64_t bytes,
             plan::Tier tier = plan::Tier::Ram) {
  auto item = std::make_unique<plan::BudgetItemT>();
  item->name = name;
  item->tier = tier;
  item->bytes = bytes;
  placement.items.push_back(std::move(item));
}

plan::PlanT makePlan(uint64_t objectBytes) {
  plan::PlanT plan;
  plan.model = std::make_unique<plan::HyperparametersT>();
  plan.model->name = "fake";
  plan.model->architecture = "llama";
  plan.model->vocabulary = FAKE_VOCABULARY;
  plan.model->width = FAKE_WIDTH;
  plan.model->layers = 1;
  plan.model->heads = 1;
  plan.model->kv_heads = 1;
  plan.model->head_dim = 1;
  plan.model->ffn_width = 1;
  plan.model->trained_context = kFakeContext;
  plan.model->parameters = FAKE_VOCABULARY * (FAKE_WIDTH + 1);
  plan.tokenizer = toPlan(fakeVocabulary());
  plan.machine = toPlan(hostProfile());
  plan.segments.push_back(segment("head", plan::SegmentKind::Weights,
                                  FAKE_VOCABULARY * sizeof(float)));
  plan.segments.push_back(
      segment("kernels", plan::SegmentKind::Kernels, objectBytes));
  plan.segments.push_back(
      segment("embed", plan::SegmentKind::Table,
              FAKE_VOCABULARY * FAKE_WIDTH * sizeof(float)));
  plan.tensors.push_back(tensor("table", FAKE_VOCABULARY, FAKE_WIDTH, 2));
  plan.tensors.push_back(tensor("bias", 1, FAKE_VOCABULARY, 0));
  auto executable = std::make_unique<plan::ExecutableT>();
  executable->segment = 1;
  executable->abi_version = AIR_KERNEL_ABI_VERSION;
  executable->entries = {"fake_append", "fake_attend", "fake_embed",
                         "fake_head"};
  plan.executables.push_back(std::move(executable));
  plan.buffers.push_back(buffer("x", 0, kXBytes, false));
  plan.buffers.push_back(buffer("logits", kXBytes, kLogitsBytes, true));
  plan.arena_bytes = kXBytes + kLogitsBytes;
  auto group = std::make_unique<plan::CacheGroupT>();
  group->page_tokens = AIR_KV_PAGE_TOKENS;
  group->page_bytes = FAKE_PAGE_BYTES;
  group->pages = kFakePages;
  plan.cache_groups.push_back(std::move(group));
  auto cache = std::make_unique<plan::CacheT>();
  cache->key_dtype = static_cast<uint16_t>(DType::F32);
  cache->value_dtype = static_cast<uint16_t>(DType::F32);
  cache->heads = 1;
  cache->key_dim = 1;
  cache->value_dim = 1;
  plan.caches.push_back(std::move(cache));
  plan.context = kFakeContext;
  plan.slots = 2;
  plan.max_tokens = kFakeMaxTokens;
  plan.max_outputs = kFakeMaxOutputs;
  plan.programs.push_back(program("m1", 1, 1));
  plan.programs.push_back(program("m2", 2, kFakeMaxTokens));
  plan.reads.push_back(std::make_unique<plan::ReadT>());
  plan.reads.back()->first_step = 2;
  auto placement = std::make_unique<plan::PlacementT>();
  for (const auto &made : plan.segments) {
    placement->resident.push_back(made->raw_bytes);
  }
  addItem(*placement, "activations", plan.arena_bytes);
  addItem(*placement, "kernels", objectBytes);
  addItem(*placement, "kv", kFakePages * FAKE_PAGE_BYTES);
  addItem(*placement, "scratch", sizeof(float) * plan.machine->cores);
  addItem(*placement, "weights",
          FAKE_VOCABULARY * (FAKE_WIDTH + 1) * sizeof(float));
  plan.placements.push_back(std::move(placement));
  plan.codegen_fingerprint = "fake kernels";
  return plan;
}

void moveToGpu(plan::PlanT &plan) {
  constexpr uint32_t kGpu = 1;
  plan.executables[0]->format = plan::CodeFormat::Cubin;
  plan.executables[0]->device = kGpu;
  plan.executables[0]->entries = {
      "fake_append1", "fake_append8", "fake_attend1", "fake_attend8",
      "fake_embed1",  "fake_embed8",  "fake_head1",   "fake_head8",
      "fake_next1",   "fake_next8"};
  plan.max_outputs = kFakeMaxTokens;
  plan.programs.clear();
  plan.programs.push_back(gpuProgram("m1", 1, 1, 0));
  plan.programs.push_back(gpuProgram("m2-8", 2, kFakeMaxTokens, 1));

  constexpr uint64_t kX = kFakeMaxTokens * FAKE_WIDTH * sizeof(float);
  constexpr uint64_t kLogits = kFakeMaxTokens * FAKE_VOCABULARY * sizeof(float);
  plan.buffers.clear();
  plan.buffers.push_back(buffer("x", 0, kX, false));
  plan.buffers.push_back(buffer("logits", kX, kLogits, true));
  plan.buffers.back()->rows_from = plan::RowsFrom::Tokens;
  plan.buffers.push_back(buffer("counter", kX + kLogits, 64, false));
  plan.buffers.back()->is_zeroed = true;
  for (const auto &made : plan.buffers) {
    made->device = kGpu;
  }
  plan.arena_bytes = 0;
  plan.caches[0]->key_dtype = static_cast<uint16_t>(DType::F16);
  plan.caches[0]->value_dtype = static_cast<uint16_t>(DType::F16);
  plan.caches[0]->order = plan::KvOrder::Mma;
  plan.cache_groups[0]->device = kGpu;
  plan.cache_groups[0]->page_bytes = kFakeGpuPageBytes;

  auto device = std::make_unique<plan::DeviceT>();
  device->kind = plan::DeviceKind::Cuda;
  device->name = "fake";
  device->arch = "sm_86";
  device->memory_bytes = uint64_t{1} << 30;
  device->multiprocessors = 1;
  device->arena_bytes = kX + kLogits + 64;
  plan::PlacementT &placement = *plan.placements[0];
  placement.resident.assign(plan.segments.size(), 0);
  placement.device.assign(plan.segments.size(), kGpu);
  placement.items.clear();
  const auto add = [&](const char *name, uint64_t bytes) {
    addItem(placement, name, bytes, plan::Tier::Vram);
  };
  add("activations", device->arena_bytes);
  add("batch", 4 * 64 + 4 * kFakeMaxTokens * (kFakePages / 2));
  add("kv", (kFakePages + 1) * kFakeGpuPageBytes);
  // In the memory of a GPU, each segment takes a multiple of 256 bytes.
  uint64_t weights = 0;
  uint64_t kernels = 0;
  for (const auto &made : plan.segments) {
    (made->kind == plan::SegmentKind::Kernels ? kernels : weights) +=
        (made->raw_bytes + 255) / 256 * 256;
  }
  add("kernels", kernels);
  add("weights", weights);
  plan.machine->devices.push_back(std::move(device));
}

/// Moves the output head of a plan for the CPU to the fake GPU. The plan then
/// has four segments: the bias of the head, the kernels of the CPU, the kernels
/// of the GPU, and the embedding table.
void moveHeadToGpu(plan::PlanT &plan) {
  constexpr uint64_t kX = kFakeMaxTokens * FAKE_WIDTH * sizeof(float);
  constexpr uint64_t kLogits = kFakeMaxTokens * FAKE_VOCABULARY * sizeof(float);
  plan::PlanT gpu = makePlan(kFakeCubin.size());
  moveToGpu(gpu);
  plan.machine->devices = std::move(gpu.machine->devices);
  plan.machine->devices[0]->arena_bytes = kX + kLogits;
  plan.segments.insert(
      plan.segments.begin() + 2,
      segment("code", plan::SegmentKind::Kernels, kFakeCubin.size()));
  plan.tensors[0]->segment = 3;
  plan.executables.push_back(std::move(gpu.executables[0]));
  plan.executables[1]->segment = 2;
  plan.max_outputs = kFakeMaxTokens;
  plan.buffers[1] = std::move(gpu.buffers[1]);
  plan.buffers.push_back(std::move(gpu.buffers[0]));
  plan.buffers[2]->name = "gpu.x";
  plan.arena_bytes = kXBytes;
  for (uint32_t i = 0; i < 2; ++i) {
    plan.programs[i]->steps[2] = gpuHead(i, 2);
    plan::StepT &head = *plan.programs[i]->steps[2];
    for (const auto &made : head.dispatches) {
      made->executable = 1;
    }
    head.copies.push_back(std::make_unique<plan::BufferCopyT>());
    head.copies[0]->from = X;
    head.copies[0]->to = 2;
    head.copies[0]->row_bytes = FAKE_WIDTH * sizeof(float);
  }
  plan::PlacementT &placement = *plan.placements[0];
  const uint64_t table = FAKE_VOCABULARY * FAKE_WIDTH * sizeof(float);
  placement.resident = {0, plan.segments[1]->raw_bytes, 0, table};
  placement.device = {1, 0, 1, 0};
  for (const auto &item : placement.items) {
    item->bytes = item->name == "activations" ? kXBytes
                  : item->name == "weights"   ? table
                                              : item->bytes;
  }
  addItem(placement, "activations", kX + kLogits, plan::Tier::Vram);
  addItem(placement, "batch", 4 * 64, plan::Tier::Vram);
  addItem(placement, "kernels", 256, plan::Tier::Vram);
  addItem(placement, "weights", (plan.segments[0]->raw_bytes + 255) / 256 * 256,
          plan::Tier::Vram);
}

template <typename T> std::span<const uint8_t> bytesOf(const T &values) {
  return {reinterpret_cast<const uint8_t *>(values.data()),
          values.size() * sizeof(values[0])};
}

} // namespace

FakeModel::FakeModel() {
  for (int32_t id = 0; id < FAKE_VOCABULARY; ++id) {
    next[id] = (id + 1) % FAKE_VOCABULARY;
  }
}

void FakeModel::say(const std::string &text) {
  int32_t last = kFakeBos;
  for (char byte : text) {
    next[last] = kFakeFirstByte + static_cast<uint8_t>(byte);
    last = next[last];
  }
  next[last] = kFakeEos;
}

/// Writes a plan with the weights of `model`. `codes` has the contents of the
/// plan's segments of kernels.
static void writePlan(const std::string &path, const FakeModel &model,
                      plan::PlanT plan,
                      const std::vector<std::span<const uint8_t>> &codes) {
  std::vector<float> table(FAKE_VOCABULARY * FAKE_WIDTH);
  std::vector<float> bias(FAKE_VOCABULARY);
  for (int32_t id = 0; id < FAKE_VOCABULARY; ++id) {
    table[id * FAKE_WIDTH] = static_cast<float>(id);
    table[id * FAKE_WIDTH + 1] = static_cast<float>(model.next[id]);
    bias[id] = static_cast<float>(id % 5);
  }
  table[0] = model.unknownInHistory;
  bias[0] = model.unknownBias;
  Result<PlanWriter> writer = PlanWriter::create(path, std::move(plan));
  ASSERT_TRUE(writer) << writer.status().message();
  std::vector<std::span<const uint8_t>> contents = {bytesOf(bias)};
  contents.insert(contents.end(), codes.begin(), codes.end());
  contents.push_back(bytesOf(table));
  for (uint32_t i = 0; i < contents.size(); ++i) {
    Status written = writer->writeSegment(
        i, [&](const PlanWriter::Sink &sink) { return sink(contents[i]); });
    ASSERT_TRUE(written.isOk()) << written.message();
  }
  Status finished = writer->finish();
  ASSERT_TRUE(finished.isOk()) << finished.message();
}

void setContext(plan::PlanT &plan, uint64_t context, uint64_t slots) {
  plan.context = context;
  plan.slots = slots;
  plan::CacheGroupT &group = *plan.cache_groups[0];
  group.pages =
      slots * ((context + AIR_KV_PAGE_TOKENS - 1) / AIR_KV_PAGE_TOKENS);
  for (const auto &item : plan.placements[0]->items) {
    if (item->name == "kv") {
      item->bytes = (group.pages + group.device) * group.page_bytes;
    }
  }
}

void writeFakePlan(const std::string &path, const FakeModel &model,
                   const std::function<void(plan::PlanT &)> &change) {
  const std::vector<uint8_t> object = readObject();
  plan::PlanT plan = makePlan(object.size());
  if (change) {
    change(plan);
  }
  writePlan(path, model, std::move(plan), {object});
}

void writeFakeGpuPlan(const std::string &path, const FakeModel &model,
                      const std::function<void(plan::PlanT &)> &change) {
  plan::PlanT plan = makePlan(kFakeCubin.size());
  moveToGpu(plan);
  if (change) {
    change(plan);
  }
  writePlan(path, model, std::move(plan), {bytesOf(kFakeCubin)});
}

void writeFakeSplitPlan(const std::string &path, const FakeModel &model,
                        const std::function<void(plan::PlanT &)> &change) {
  const std::vector<uint8_t> object = readObject();
  plan::PlanT plan = makePlan(object.size());
  moveHeadToGpu(plan);
  if (change) {
    change(plan);
  }
  writePlan(path, model, std::move(plan), {object, bytesOf(kFakeCubin)});
}

void addStreamedPlacement(plan::PlanT &plan, uint64_t ringBytes) {
  auto streamed = std::make_unique<plan::PlacementT>(*plan.placements[0]);
  streamed->budgets.clear();
  streamed->resident[0] = 0;
  streamed->ring_bytes = ringBytes;
  auto read = std::make_unique<plan::StreamReadT>();
  read->bytes = kPlanPageBytes;
  read->before_step = 2;
  read->after_step = -1;
  streamed->reads.push_back(std::move(read));
  for (const auto &item : streamed->items) {
    if (item->name == "weights") {
      item->bytes -= plan.segments[0]->raw_bytes;
    }
  }
  addItem(*streamed, "ring", ringBytes);
  plan.placements.push_back(std::move(streamed));
}

FakePlanFile::FakePlanFile() : path(temporaryPath("plan.air")) {
  writeFakePlan(path);
}

FakePlanFile::~FakePlanFile() { std::remove(path.c_str()); }

PlanFile FakePlanFile::open() const {
  Result<PlanFile> opened = PlanFile::open(path);
  EXPECT_TRUE(opened) << opened.status().message();
  return *std::move(opened);
}

void FakePlanFile::damage(uint64_t offset) const {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  char byte = 0;
  file.get(byte);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(static_cast<char>(byte ^ 0x10));
}

std::vector<float> fakeLogits(const FakeModel &model,
                              const std::vector<int32_t> &ids) {
  float history = 0;
  for (size_t q = 0; q < ids.size(); ++q) {
    history += static_cast<float>(ids[q]) * static_cast<float>(q % 7 + 1);
  }
  std::vector<float> logits(FAKE_VOCABULARY);
  for (int32_t v = 0; v < FAKE_VOCABULARY; ++v) {
    logits[v] =
        static_cast<float>(v % 5) + history -
        64.0F * static_cast<float>(std::abs(model.next[ids.back()] - v));
  }
  return logits;
}

std::string temporaryPath(const std::string &name) {
  const testing::TestInfo *info =
      testing::UnitTest::GetInstance()->current_test_info();
  std::string test = info == nullptr ? "suite"
                                     : std::string(info->test_suite_name()) +
                                           "." + info->name();
  for (char &c : test) {
    c = c == '/' ? '_' : c;
  }
  return testing::TempDir() + "air-" + std::to_string(getpid()) + "-" + test +
         "-" + name;
}

} // namespace air::test
