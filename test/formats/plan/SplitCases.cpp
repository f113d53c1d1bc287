//===- SplitCases.cpp - plans that run on the CPU and a GPU ---------------===//
#include "PlanCases.h"

#include "formats/plan/Layout.h"
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanHeader.h"

namespace air::test {

namespace {

constexpr uint32_t kHeadStep = 4;
constexpr uint32_t kX = 0; // indices into Plan.buffers
constexpr uint32_t kLogits = 3;
constexpr uint32_t kGpuX = 4;
constexpr uint32_t kQkv = 1;
constexpr uint32_t kQkvTensor = 1; // indices into Plan.tensors
constexpr uint32_t kEmbedTensor = 4;
constexpr uint64_t kRowBytes = 128; // a row of x has 32 floats

plan::BufferCopyT &copyOf(P &p) {
  return *p.programs[0]->steps[kHeadStep]->copies[0];
}

void addItem(plan::PlacementT &placement, const char *name, plan::Tier tier,
             uint64_t bytes) {
  placement.items.push_back(std::make_unique<plan::BudgetItemT>());
  placement.items.back()->name = name;
  placement.items.back()->tier = tier;
  placement.items.back()->bytes = bytes;
}

/// Gives the output head of each program to the GPU, whose kernels are
/// executable 1.
void moveHeads(P &p) {
  for (const auto &program : p.programs) {
    plan::StepT &head = *program->steps[kHeadStep];
    plan::DispatchT &dispatch = *head.dispatches[0];
    dispatch.executable = 1;
    dispatch.entry = 0;
    dispatch.grid.reset();
    dispatch.scratch_bytes = 0;
    dispatch.bindings[0]->index = kGpuX;
    dispatch.launch = std::make_unique<plan::LaunchT>();
    dispatch.launch->grid_x = 28;
    dispatch.launch->threads = 256;
    head.copies.push_back(std::make_unique<plan::BufferCopyT>());
    head.copies[0]->from = kX;
    head.copies[0]->to = kGpuX;
    head.copies[0]->row_bytes = kRowBytes;
  }
}

/// Turns the small plan into one whose output head runs on a GPU, and
/// everything else on the CPU. The KV cache is in RAM.
void useBoth(SmallPlan &small) {
  P &p = small.plan;
  p.machine->devices.push_back(std::make_unique<plan::DeviceT>());
  plan::DeviceT &gpu = *p.machine->devices[0];
  gpu.kind = plan::DeviceKind::Cuda;
  gpu.name = "small-gpu";
  gpu.arch = "sm_86";
  gpu.memory_bytes = uint64_t{1} << 30;
  gpu.multiprocessors = 28;
  gpu.arena_bytes = 8192;

  auto code = std::make_unique<plan::SegmentT>(*p.segments[2]);
  code->name = "code";
  p.segments.insert(p.segments.begin() + 3, std::move(code));
  small.segments.insert(small.segments.begin() + 3, small.segments[2]);
  p.tensors[kEmbedTensor]->segment = 4;
  auto executable = std::make_unique<plan::ExecutableT>(*p.executables[0]);
  executable->segment = 3;
  executable->device = 1;
  executable->format = plan::CodeFormat::Cubin;
  executable->entries = {"head"};
  p.executables.push_back(std::move(executable));

  auto x = std::make_unique<plan::BufferT>(*p.buffers[kX]);
  x->name = "gpu.x";
  x->device = 1;
  p.buffers.push_back(std::move(x));
  p.buffers[kLogits]->device = 1;
  p.buffers[kLogits]->rows_from = plan::RowsFrom::Tokens;
  moveHeads(p);

  p.placements.pop_back();
  plan::PlacementT &placement = *p.placements[0];
  const uint64_t layer = p.segments[0]->raw_bytes;
  const uint64_t kernels = p.segments[2]->raw_bytes;
  const uint64_t table = p.segments[4]->raw_bytes;
  placement.resident = {layer, 0, kernels, 0, table};
  placement.device = {0, 1, 0, 1, 0};
  placement.items.clear();
  placement.budgets.clear();
  placement.predictions.clear();
  const plan::CacheGroupT &group = *p.cache_groups[0];
  addItem(placement, "weights", plan::Tier::Ram, layer + table);
  addItem(placement, "kernels", plan::Tier::Ram, kernels);
  addItem(placement, "kv", plan::Tier::Ram, group.pages * group.page_bytes);
  addItem(placement, "activations", plan::Tier::Ram, p.arena_bytes);
  addItem(placement, "scratch", plan::Tier::Ram, 128 * p.machine->cores);
  addItem(placement, "weights", plan::Tier::Vram, 4096);
  addItem(placement, "kernels", plan::Tier::Vram, 512);
  addItem(placement, "activations", plan::Tier::Vram, gpu.arena_bytes);
  // The 16 tokens have an id and two positions each, but no page indices,
  // because the cache is not on the GPU.
  addItem(placement, "batch", plan::Tier::Vram, uint64_t{16} * 12);
  small.fileBytes = *placeSegments(p, metadataOf(p).size());
}

/// Makes each pass read the weights of the CPU's layer from the disk, into a
/// ring of one page. The plan breaks only the rule that these weights must stay
/// in RAM.
void readLayer(P &p) {
  plan::PlacementT &placement = *p.placements[0];
  placement.resident[0] = 0;
  placement.ring_bytes = kPlanPageBytes;
  addItem(placement, "ring", plan::Tier::Ram, kPlanPageBytes);
  placement.reads.push_back(std::make_unique<plan::StreamReadT>());
  plan::StreamReadT &read = *placement.reads[0];
  read.segment = 0;
  read.bytes = kPlanPageBytes;
  read.before_step = 1;
  read.after_step = -2;
}

template <typename F> Change inBoth(F change) {
  return [change](SmallPlan &small) {
    useBoth(small);
    change(small.plan);
  };
}

} // namespace

std::vector<Case> splitCases() {
  return {
      // The output head has a second dispatch, which runs on the CPU.
      {"plan.step.device", inBoth([](P &p) {
         p.programs[0]->steps[kHeadStep]->dispatches.push_back(
             std::make_unique<plan::DispatchT>(dispatchOf(p, 0, 3)));
       })},
      // In these cases, the CPU runs a part of the output head, or the output
      // head of the second program.
      {"plan.step.device", inBoth([](P &p) {
         p.programs[0]->steps[kHeadStep - 1]->kind = plan::StepKind::Head;
       })},
      {"plan.step.device", inBoth([](P &p) {
         p.programs[1]->steps.pop_back();
         p.programs[1]->steps.back()->kind = plan::StepKind::Head;
       })},
      // Without a barrier before it, the copy to the GPU or the step on the GPU
      // may come too early.
      {"plan.step.device",
       inBoth([](P &p) { dispatchOf(p, 0, 3).barrier = false; })},
      {"plan.step.device", inBoth([](P &p) {
         p.programs[1]->steps[kHeadStep]->copies.clear();
         dispatchOf(p, 1, 3).barrier = false;
       })},
      {"plan.copy.buffers", inBoth([](P &p) { copyOf(p).from = 5; })},
      {"plan.copy.buffers", inBoth([](P &p) { copyOf(p).to = 5; })},
      // These copies go from the GPU to the GPU, from the CPU to the CPU, to
      // the logits, and to a buffer with is_zeroed.
      {"plan.copy.buffers", inBoth([](P &p) { copyOf(p).from = kLogits; })},
      {"plan.copy.buffers", inBoth([](P &p) { copyOf(p).to = kQkv; })},
      {"plan.copy.buffers", inBoth([](P &p) { copyOf(p).to = kLogits; })},
      {"plan.copy.buffers", inBoth([](P &p) {
         p.buffers[kGpuX]->is_zeroed = true;
         p.buffers[kLogits]->offset = 4096;
       })},
      {"plan.copy.rows", inBoth([](P &p) { copyOf(p).row_bytes = 0; })},
      {"plan.copy.rows", inBoth([](P &p) {
         p.programs[1]->steps[kHeadStep]->copies[0]->row_bytes = kRowBytes + 1;
       })},
      {"plan.copy.rows", inBoth([](P &p) {
         p.programs[1]->steps[kHeadStep]->copies[0]->row_bytes = uint64_t{1}
                                                                 << 61;
       })},
      // In the first of these cases, no step writes the buffer that is copied
      // to the GPU. In the second case, nothing is copied, so the buffer that
      // the output head reads is unwritten.
      {"plan.buffer.unwritten", inBoth([](P &p) {
         auto &steps = p.programs[0]->steps;
         steps[0]->dispatches[0]->bindings[1]->index = kQkv;
         steps[1]->dispatches[0]->bindings[0]->index = kQkv;
         steps[1]->dispatches[0]->bindings.pop_back();
         steps[1]->dispatches.pop_back();
         steps[3]->dispatches[0]->bindings[2]->index = kQkv;
       })},
      {"plan.buffer.unwritten",
       inBoth([](P &p) { p.programs[0]->steps[kHeadStep]->copies.clear(); })},
      // The block table of a cache of the CPU is not on the GPU.
      {"plan.binding.device", inBoth([](P &p) {
         plan::DispatchT &head = dispatchOf(p, 0, kHeadStep);
         head.bindings.push_back(std::make_unique<plan::BindingT>());
         head.bindings.back()->kind = plan::BindingKind::Batch;
         head.bindings.back()->index = 9;
       })},
      // A matrix in layout t16i is bound to a dispatch of the CPU.
      {"plan.binding.device", inBoth([](P &p) {
         plan::TensorT &tensor = *p.tensors[kQkvTensor];
         tensor.dtype = static_cast<uint16_t>(DType::IQ2_XXS);
         tensor.layout = static_cast<uint16_t>(Layout::T16Indices);
         tensor.rows = 16;
         tensor.columns = 256;
         tensor.bytes =
             *layoutBytes(DType::IQ2_XXS, Layout::T16Indices, 16, 256);
       })},
      {"plan.placement.device",
       inBoth([](P &p) { p.placements[0]->device[0] = 1; })},
      {"plan.placement.resident", inBoth(readLayer)},
      {"plan.budget.bytes",
       inBoth([](P &p) { p.placements[0]->items[2]->bytes -= 1; })},
      {"plan.budget.bytes",
       inBoth([](P &p) { p.placements[0]->items[8]->bytes -= 1; })},
  };
}

std::vector<Change> validSplits() {
  return {
      useBoth,
      // The rows of a copy may be shorter than those of the buffers.
      inBoth([](P &p) { copyOf(p).row_bytes = 4; }),
  };
}

} // namespace air::test
