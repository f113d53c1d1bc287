//===- DeviceCases.cpp - plans with a GPU that break one rule each --------===//
#include "PlanCases.h"

#include "formats/plan/PlanHeader.h"

namespace air::test {

namespace {

constexpr uint32_t kHeadStep = 4;
constexpr uint32_t kHeadMatrix = 3; // index into Plan.tensors
constexpr uint64_t kCounters = 64;
constexpr uint64_t kArena = 8192 + kCounters;

plan::DeviceT &gpu(P &p) { return *p.machine->devices[0]; }

plan::BufferT &addCounters(P &p) {
  p.buffers.push_back(std::make_unique<plan::BufferT>());
  plan::BufferT &counters = *p.buffers.back();
  counters.name = "counters";
  counters.offset = kArena - kCounters;
  counters.bytes = kCounters;
  counters.is_zeroed = true;
  return counters;
}

void addBinding(plan::DispatchT &dispatch, plan::BindingKind kind,
                uint32_t index, plan::Access access) {
  dispatch.bindings.push_back(std::make_unique<plan::BindingT>());
  dispatch.bindings.back()->kind = kind;
  dispatch.bindings.back()->index = index;
  dispatch.bindings.back()->access = access;
}

void setItems(P &p) {
  plan::PlacementT &placement = *p.placements[0];
  placement.items.clear();
  placement.budgets.clear();
  placement.predictions.clear();
  const struct {
    const char *name;
    plan::Tier tier;
    uint64_t bytes;
  } items[] = {
      {"process", plan::Tier::Ram, 4096},
      {"weights", plan::Tier::Vram, 16384},
      {"kernels", plan::Tier::Vram, 512},
      {"kv", plan::Tier::Vram,
       (p.cache_groups[0]->pages + 1) * p.cache_groups[0]->page_bytes},
      {"activations", plan::Tier::Vram, kArena},
      // Each of 16 tokens has an id, a position, a RoPE position and 2 page
      // indices.
      {"batch", plan::Tier::Vram, 16 * (4 + 2 * 4 + 2 * 4)},
  };
  for (const auto &item : items) {
    placement.items.push_back(std::make_unique<plan::BudgetItemT>());
    placement.items.back()->name = item.name;
    placement.items.back()->tier = item.tier;
    placement.items.back()->bytes = item.bytes;
  }
}

/// Turns the small plan into one whose kernels all run on a GPU.
void useGpu(P &p) {
  p.machine->devices.push_back(std::make_unique<plan::DeviceT>());
  gpu(p).kind = plan::DeviceKind::Cuda;
  gpu(p).name = "small-gpu";
  gpu(p).arch = "sm_86";
  gpu(p).memory_bytes = uint64_t{1} << 30;
  gpu(p).multiprocessors = 28;
  gpu(p).arena_bytes = kArena;
  p.arena_bytes = 0;
  p.executables[0]->format = plan::CodeFormat::Cubin;
  p.executables[0]->device = 1;
  addCounters(p);
  for (const auto &buffer : p.buffers) {
    buffer->device = 1;
  }
  p.buffers[3]->rows_from = plan::RowsFrom::Tokens;
  p.caches[0]->order = plan::KvOrder::Mma;
  p.cache_groups[0]->device = 1;
  for (const auto &program : p.programs) {
    for (const auto &step : program->steps) {
      for (const auto &dispatch : step->dispatches) {
        dispatch->grid.reset();
        dispatch->scratch_bytes = 0;
        dispatch->launch = std::make_unique<plan::LaunchT>();
        dispatch->launch->grid_x = 28;
        dispatch->launch->threads = 256;
      }
    }
    addBinding(*program->steps[0]->dispatches[0], plan::BindingKind::Batch, 0,
               plan::Access::Read);
    addBinding(*program->steps[kHeadStep]->dispatches[0],
               plan::BindingKind::Buffer, 4, plan::Access::ReadWrite);
  }
  p.placements.pop_back();
  p.placements[0]->resident.assign(p.segments.size(), 0);
  p.placements[0]->device.assign(p.segments.size(), 1);
  setItems(p);
}

/// The size of all arrays of a batch that is divided into tiles. Each of 16
/// tokens has an id, a position, a RoPE position, a row index, 2 page indices,
/// and a tile of three numbers. There are also the row indices of 16 outputs,
/// and three counts. Every number takes 4 bytes.
constexpr uint64_t kTileArrays =
    16 * (4 + 2 * 4 + 4 + 2 * 4 + 3 * 4) + 16 * 4 + 12;

/// Turns the small plan into one for a GPU. Its second program reads the tiles
/// of a batch, and computes only the requested rows of logits.
void useTiles(P &p) {
  useGpu(p);
  p.buffers[3]->rows_from = plan::RowsFrom::Outputs;
  p.programs[1]->tile_tokens = 4;
  addBinding(dispatchOf(p, 1, 0), plan::BindingKind::Batch,
             static_cast<uint32_t>(plan::BatchArray::TokenCount),
             plan::Access::Read);
  dispatchOf(p, 1, kHeadStep).launch->rows_from = plan::RowsFrom::Outputs;
  p.placements[0]->items[5]->bytes = kTileArrays;
}

/// Turns the small plan into one for a GPU. The last dispatch of its first
/// program chooses the next tokens, for which the batch has the array
/// TokenCount.
void useChoice(P &p) {
  useGpu(p);
  auto &dispatches = p.programs[0]->steps[kHeadStep]->dispatches;
  dispatches.push_back(std::make_unique<plan::DispatchT>(*dispatches[0]));
  plan::DispatchT &choice = *dispatches[1];
  choice.bindings.clear();
  choice.weight_bytes = 0;
  choice.arithmetic = plan::Arithmetic::Float32;
  const struct {
    plan::BindingKind kind;
    uint32_t index;
    plan::Access access;
  } bindings[] = {
      {plan::BindingKind::Buffer, 3, plan::Access::Read}, // the logits
      {plan::BindingKind::Buffer, 4, plan::Access::ReadWrite},
      {plan::BindingKind::Batch, 0, plan::Access::ReadWrite}, // TokenIds
      {plan::BindingKind::Batch, 1, plan::Access::ReadWrite}, // Positions
      {plan::BindingKind::Batch, 2, plan::Access::ReadWrite}, // RopePositions
      {plan::BindingKind::Batch, 3, plan::Access::Read},      // TokenCount
  };
  for (const auto &binding : bindings) {
    addBinding(choice, binding.kind, binding.index, binding.access);
  }
  p.placements[0]->items[5]->bytes += 4;
}

/// Like useChoice(), but the dispatch can also draw tokens at random. In the
/// array TokenCount, the number of tokens is then followed by 60 bytes of
/// padding and by a record of 48 bytes for each of the program's tokens.
void useDraw(P &p) {
  useChoice(p);
  dispatchOf(p, 0, kHeadStep, 1).bindings[5]->access = plan::Access::ReadWrite;
  p.placements[0]->items[5]->bytes += 60 + 48 * p.programs[0]->max_tokens;
}

plan::DispatchT &choiceOf(P &p) { return dispatchOf(p, 0, kHeadStep, 1); }

template <typename F> Change inChoice(F change) {
  return in([change](P &p) {
    useChoice(p);
    change(p);
  });
}

template <typename F> Change inTiles(F change) {
  return in([change](P &p) {
    useTiles(p);
    change(p);
  });
}

template <typename F> Change inGpu(F change) {
  return in([change](P &p) {
    useGpu(p);
    change(p);
  });
}

plan::DispatchT &head(P &p) { return dispatchOf(p, 0, kHeadStep); }

plan::BudgetItemT &item(P &p, size_t index) {
  return *p.placements[0]->items[index];
}

std::vector<Case> machineCases() {
  return {
      {"plan.enum",
       inGpu([](P &p) { gpu(p).kind = static_cast<plan::DeviceKind>(2); })},
      {"plan.machine.devices",
       inGpu([](P &p) { gpu(p).kind = plan::DeviceKind::Cpu; })},
      {"plan.machine.devices", inGpu([](P &p) { gpu(p).name.clear(); })},
      {"plan.machine.devices", inGpu([](P &p) { gpu(p).arch = "gfx1100"; })},
      {"plan.machine.devices", inGpu([](P &p) { gpu(p).arch = "sm_8\n"; })},
      {"plan.machine.devices", inGpu([](P &p) { gpu(p).multiprocessors = 0; })},
      {"plan.machine.devices", inGpu([](P &p) {
         p.machine->devices.push_back(std::make_unique<plan::DeviceT>(gpu(p)));
       })},
      {"plan.tensor.layout", in([](P &p) { p.tensors[1]->layout = 2; })},
      {"plan.tensor.layout", in([](P &p) { p.tensors[1]->layout = 3; })},
      {"plan.reference", inGpu([](P &p) { p.reference = true; })},
      {"plan.enum", inGpu([](P &p) {
         p.executables[0]->format = static_cast<plan::CodeFormat>(3);
       })},
      {"plan.machine.devices", inGpu([](P &p) { gpu(p).ptx_arch = "sm_86"; })},
      {"plan.executable.ptx",
       inGpu([](P &p) { p.executables[0]->ptx_offset = 1; })},
      {"plan.executable.ptx",
       inGpu([](P &p) { gpu(p).ptx_arch = "compute_86"; })},
      {"plan.executable.ptx",
       inGpu([](P &p) { p.executables[0]->format = plan::CodeFormat::Ptx; })},
      {"plan.executable.ptx", inGpu([](P &p) {
         gpu(p).ptx_arch = "compute_86";
         p.executables[0]->ptx_offset =
             p.segments[p.executables[0]->segment]->raw_bytes;
       })},
      {"plan.executable.ptx", inGpu([](P &p) {
         gpu(p).ptx_arch = "compute_86";
         p.executables[0]->format = plan::CodeFormat::Ptx;
         p.executables[0]->ptx_offset = 1;
       })},
      {"plan.executable.device",
       inGpu([](P &p) { p.executables[0]->device = 2; })},
      {"plan.executable.device",
       inGpu([](P &p) { p.executables[0]->device = 0; })},
      {"plan.executable.device", inGpu([](P &p) {
         p.executables[0]->format = plan::CodeFormat::Object;
       })},
      {"plan.enum",
       inGpu([](P &p) { p.caches[0]->order = static_cast<plan::KvOrder>(2); })},
      {"plan.cache_group.device",
       inGpu([](P &p) { p.cache_groups[0]->device = 2; })},
      {"plan.cache.order", inGpu([](P &p) { p.cache_groups[0]->device = 0; })},
      {"plan.cache.order",
       inGpu([](P &p) { p.caches[0]->order = plan::KvOrder::Cpu; })},
      {"plan.cache.dtype",
       inGpu([](P &p) { p.caches[0]->value_dtype = 0; })}, // F32
      // In the order KvOrder::Mma, the 17 elements of each key and value are
      // padded to 32, two tiles of 16, so this page is too small for the cache.
      {"plan.cache.inside", inGpu([](P &p) {
         p.caches[0]->key_dim = p.caches[0]->value_dim = 17;
         p.cache_groups[0]->page_bytes = 2 * 17 * 64 * 2;
       })},
  };
}

std::vector<Case> dispatchCases() {
  return {
      {"plan.buffer.device", inGpu([](P &p) { p.buffers[0]->device = 2; })},
      {"plan.buffer.inside",
       inGpu([](P &p) { gpu(p).arena_bytes = kArena - 1; })},
      {"plan.enum", inGpu([](P &p) {
         p.buffers[3]->rows_from = static_cast<plan::RowsFrom>(2);
       })},
      {"plan.buffer.rows",
       inGpu([](P &p) { p.buffers[0]->rows_from = plan::RowsFrom::Tokens; })},
      {"plan.buffer.rows",
       in([](P &p) { p.buffers[3]->rows_from = plan::RowsFrom::Tokens; })},
      {"plan.buffer.rows", inGpu([](P &p) { p.buffers[3]->bytes += 4; })},
      {"plan.buffer.zeroed", in([](P &p) { p.buffers[0]->is_zeroed = true; })},
      {"plan.buffer.zeroed",
       inGpu([](P &p) { p.buffers[3]->is_zeroed = true; })},
      {"plan.buffer.zeroed", inGpu([](P &p) { p.buffers[4]->offset -= 64; })},
      {"plan.buffer.zeroed", inGpu([](P &p) {
         gpu(p).arena_bytes = uint64_t{1} << 20;
         for (uint32_t i = 0; i < 16; ++i) {
           plan::BufferT &more = addCounters(p);
           more.name = "counters." + std::to_string(i);
           more.device = 1;
           more.offset = kArena + i * kCounters;
         }
       })},
      {"plan.dispatch.launch", inGpu([](P &p) { head(p).launch.reset(); })},
      {"plan.dispatch.launch",
       in([](P &p) { head(p).launch = std::make_unique<plan::LaunchT>(); })},
      {"plan.dispatch.launch",
       inGpu([](P &p) { head(p).grid = std::make_unique<plan::GridT>(); })},
      {"plan.dispatch.launch", inGpu([](P &p) { head(p).scratch_bytes = 64; })},
      {"plan.dispatch.launch", inGpu([](P &p) { head(p).launch->grid_x = 0; })},
      {"plan.dispatch.launch",
       inGpu([](P &p) { head(p).launch->grid_x = 1U << 31; })},
      {"plan.dispatch.launch",
       inGpu([](P &p) { head(p).launch->grid_y = 65536; })},
      {"plan.dispatch.launch",
       inGpu([](P &p) { head(p).launch->threads = 1025; })},
      {"plan.dispatch.launch",
       inGpu([](P &p) { head(p).launch->threads = 0; })},
      {"plan.binding.index",
       inGpu([](P &p) { dispatchOf(p, 0, 0).bindings.back()->index = 10; })},
      {"plan.binding.batch",
       inTiles([](P &p) { dispatchOf(p, 0, 0).bindings.back()->index = 3; })},
      {"plan.program.tiles", in([](P &p) { p.programs[1]->tile_tokens = 1; })},
      {"plan.program.tiles",
       inTiles([](P &p) { p.programs[1]->tile_tokens = 17; })},
      {"plan.enum", inTiles([](P &p) {
         head(p).launch->rows_from = static_cast<plan::RowsFrom>(2);
       })},
      // Only the output head of a program with tiles may compute just the rows
      // of the requested outputs. In the first case, the program has no tiles.
      // In the second case, the step is not the output head.
      {"plan.dispatch.launch", inTiles([](P &p) {
         head(p).launch->rows_from = plan::RowsFrom::Outputs;
       })},
      {"plan.dispatch.launch", inTiles([](P &p) {
         dispatchOf(p, 1, 0).launch->rows_from = plan::RowsFrom::Outputs;
       })},
      // One launch of the output head computes the rows of requested outputs,
      // and the next one computes all rows.
      {"plan.dispatch.launch", inTiles([](P &p) {
         auto &dispatches = p.programs[1]->steps[kHeadStep]->dispatches;
         dispatches.push_back(
             std::make_unique<plan::DispatchT>(*dispatches[0]));
         dispatches[1]->launch->rows_from = plan::RowsFrom::Tokens;
       })},
      // The step that writes the logits is of the kind MatMul. On a GPU, only
      // steps of the kind Head may write an output of the program.
      {"plan.buffer.output", inGpu([](P &p) {
         p.programs[0]->steps[kHeadStep]->kind = plan::StepKind::MatMul;
       })},
      // The buffer of the logits has no room for all 16 tokens.
      {"plan.dispatch.launch", inGpu([](P &p) { p.max_outputs = 15; })},
      {"plan.binding.access", inTiles([](P &p) {
         dispatchOf(p, 1, 0).bindings.back()->index = 4; // Sequences
         dispatchOf(p, 1, 0).bindings.back()->access = plan::Access::Write;
       })},
      {"plan.binding.device", in([](P &p) {
         bindingOf(p, 0, 0, 0).kind = plan::BindingKind::Batch;
         bindingOf(p, 0, 0, 0).index = 0;
       })},
      {"plan.binding.device", inGpu([](P &p) {
         p.arena_bytes = kArena;
         p.buffers[0]->device = 0;
       })},
      {"plan.buffer.unwritten",
       inGpu([](P &p) { p.buffers[4]->is_zeroed = false; })},
  };
}

void addItem(P &p, const char *name, plan::Tier tier, uint64_t bytes) {
  plan::PlacementT &placement = *p.placements[0];
  placement.items.push_back(std::make_unique<plan::BudgetItemT>());
  placement.items.back()->name = name;
  placement.items.back()->tier = tier;
  placement.items.back()->bytes = bytes;
}

/// Keeps both segments of weights in RAM, from which each pass copies them to a
/// ring of four pages in the memory of the GPU. The table states the step
/// before which each read must end, and the step after which it may begin.
/// Negative steps are steps of the previous pass; -1 is its last step:
///
///   read    segment  pages   pages of the ring  before step  after step
///   0       0        0 to 1  0 to 1             1            -2 (attn_out)
///   1       0        2       2                  1            -2
///   2       1        0       3                  4            -1 (head)
void streamToGpu(SmallPlan &small) {
  P &p = small.plan;
  p.segments[0]->raw_bytes = p.segments[0]->stored_bytes =
      2 * kPlanPageBytes + 100;
  for (size_t i = 1; i < p.segments.size(); ++i) {
    p.segments[i]->offset += 2 * kPlanPageBytes;
  }
  small.fileBytes += 2 * kPlanPageBytes;
  useGpu(p);
  plan::PlacementT &placement = *p.placements[0];
  uint64_t kept = 0;
  for (uint32_t i = 0; i < 2; ++i) {
    placement.device[i] = 0;
    placement.resident[i] = p.segments[i]->raw_bytes;
    kept += placement.resident[i];
  }
  const plan::StreamReadT reads[] = {
      {.segment = 0, .bytes = 2 * kPlanPageBytes, .before_step = 1},
      {.segment = 0,
       .offset = 2 * kPlanPageBytes,
       .bytes = kPlanPageBytes,
       .before_step = 1},
      {.segment = 1, .bytes = kPlanPageBytes, .before_step = kHeadStep}};
  for (const plan::StreamReadT &read : reads) {
    placement.device_reads.push_back(std::make_unique<plan::StreamReadT>(read));
    placement.device_reads.back()->ring_offset = placement.device_ring_bytes;
    placement.device_reads.back()->after_step = read.segment == 0 ? -2 : -1;
    placement.device_ring_bytes += read.bytes;
  }
  addItem(p, "weights", plan::Tier::Ram, kept);
  addItem(p, "ring", plan::Tier::Vram, placement.device_ring_bytes);
}

/// A case that modifies the placement of streamToGpu().
template <typename F> Change inCopied(F change) {
  return [change](SmallPlan &small) {
    streamToGpu(small);
    change(*small.plan.placements[0]);
  };
}

/// Changes the plan of streamToGpu() so that each pass reads the weights from
/// the disk before it copies them to the GPU. Both segments take turns in a
/// ring of three pages in RAM. A read may begin when the copies for the step in
/// the last column have been made; -1 is the last step of the previous pass:
///
///   read  segment  pages  page of the ring  before step  after copies for step
///   0     0        0, 1   0                 1            -1 (head)
///   1     0        2      2                 1            -1 (head)
///   2     1        0      0                 4            3
///
/// Step 3 is the last one that needs segment 0.
void readFromDisk(SmallPlan &small) {
  streamToGpu(small);
  plan::PlacementT &placement = *small.plan.placements[0];
  for (const auto &copy : placement.device_reads) {
    placement.reads.push_back(std::make_unique<plan::StreamReadT>(*copy));
    plan::StreamReadT &read = *placement.reads.back();
    read.after_step = read.segment == 0 ? -1 : 3;
    read.ring_offset = read.offset;
  }
  placement.ring_bytes = 3 * kPlanPageBytes;
  for (uint32_t i = 0; i < 2; ++i) {
    placement.resident[i] = 0;
  }
  for (const auto &item : placement.items) {
    if (item->name == "weights" && item->tier == plan::Tier::Ram) {
      item->bytes = 0;
    }
  }
  addItem(small.plan, "ring", plan::Tier::Ram, placement.ring_bytes);
}

/// A case that modifies the placement of readFromDisk().
template <typename F> Change inRead(F change) {
  return [change](SmallPlan &small) {
    readFromDisk(small);
    change(*small.plan.placements[0]);
  };
}

/// Gives the plan of streamToGpu() one placement for each pair of budgets: the
/// bytes of VRAM, and those of RAM. A number of 0 means that there is no such
/// budget. All budgets must be large enough for the placement, except in cases
/// that expect the error plan.placement.order.
Change withBudgets(std::vector<std::pair<uint64_t, uint64_t>> budgets) {
  return [budgets](SmallPlan &small) {
    streamToGpu(small);
    auto &placements = small.plan.placements;
    for (size_t i = 0; i < budgets.size(); ++i) {
      if (i != 0) {
        placements.push_back(
            std::make_unique<plan::PlacementT>(*placements[0]));
        placements[i]->budgets.clear();
      }
      for (const auto &[tier, bytes] :
           {std::pair(plan::Tier::Vram, budgets[i].first),
            std::pair(plan::Tier::Ram, budgets[i].second)}) {
        placements[i]->budgets.push_back(std::make_unique<plan::BudgetT>());
        placements[i]->budgets.back()->tier = tier;
        placements[i]->budgets.back()->bytes = bytes;
      }
    }
  };
}

constexpr uint64_t kMuch = uint64_t{1} << 30;

void predict(plan::PlacementT &placement, std::vector<const char *> links) {
  auto prediction = std::make_unique<plan::PredictionT>();
  prediction->phase = "decode";
  for (const char *link : links) {
    prediction->links.push_back(std::make_unique<plan::LinkPredictionT>());
    prediction->links.back()->link = link;
    prediction->links.back()->bytes_per_pass = 4 * kPlanPageBytes;
  }
  placement.predictions.push_back(std::move(prediction));
}

std::vector<Case> copiedCases() {
  using Placement = plan::PlacementT;
  return {
      {"plan.placement.device", in([](P &p) {
         p.placements[0]->device_reads.push_back(
             std::make_unique<plan::StreamReadT>());
       })},
      {"plan.placement.device",
       inCopied([](Placement &p) { p.device_reads[2]->segment = 4; })},
      // Segment 3 is the embedding table, but a pass may copy only segments of
      // weights.
      {"plan.placement.device",
       inCopied([](Placement &p) { p.device_reads[2]->segment = 3; })},
      {"plan.placement.device", inCopied([](Placement &p) {
         p.device[1] = 1;
         p.resident[1] = 0;
       })},
      // The output head's matrix is in RAM, and no pass copies it.
      {"plan.placement.device",
       inCopied([](Placement &p) { p.device_reads.pop_back(); })},
      {"plan.placement.ring",
       inCopied([](Placement &p) { p.device_ring_bytes += 1; })},
      {"plan.stream.order", inCopied([](Placement &p) {
         std::swap(p.device_reads[0], p.device_reads[1]);
       })},
      {"plan.stream.complete", inCopied([](Placement &p) {
         p.device_reads.erase(p.device_reads.begin() + 1);
       })},
      {"plan.stream.complete", inCopied([](Placement &p) {
         p.device_reads.push_back(
             std::make_unique<plan::StreamReadT>(*p.device_reads[2]));
       })},
      {"plan.stream.range",
       inCopied([](Placement &p) { p.device_reads[0]->ring_offset = 100; })},
      // The second read of segment 0 does not follow the first one in the ring.
      {"plan.stream.contiguous", inCopied([](Placement &p) {
         p.device_reads[1]->ring_offset = 3 * kPlanPageBytes;
         p.device_reads[2]->ring_offset = 2 * kPlanPageBytes;
       })},
      // In the ring of a GPU, a segment must not wrap around to the start.
      {"plan.stream.contiguous", inCopied([](Placement &p) {
         p.device_reads[0]->ring_offset = 3 * kPlanPageBytes;
         p.device_reads[1]->ring_offset = kPlanPageBytes;
         p.device_reads[2]->ring_offset = 2 * kPlanPageBytes;
       })},
      {"plan.stream.before",
       inCopied([](Placement &p) { p.device_reads[2]->before_step = 3; })},
      // The first step gathers rows of the output head's matrix. This matrix is
      // copied to the ring only before the step of the output head, which is
      // too late.
      {"plan.stream.before",
       [](SmallPlan &small) {
         streamToGpu(small);
         for (uint32_t program = 0; program < 2; ++program) {
           addBinding(dispatchOf(small.plan, program, 0),
                      plan::BindingKind::Tensor, kHeadMatrix,
                      plan::Access::Read);
         }
       }},
      {"plan.stream.after",
       inCopied([](Placement &p) { p.device_reads[2]->after_step = -3; })},
      // The read would overwrite what the previous pass's output head still
      // reads.
      {"plan.stream.overrun",
       inCopied([](Placement &p) { p.device_reads[2]->after_step = -2; })},
      {"plan.budget.bytes",
       inCopied([](Placement &p) { p.items.back()->bytes -= 1; })},
      {"plan.budget.bytes",
       inCopied([](Placement &p) { p.items[p.items.size() - 2]->bytes = 4; })},
      {"plan.prediction.bytes", inCopied([](Placement &p) {
         predict(p, {"vram", "pcie"});
         p.predictions[0]->links[1]->bytes_per_pass -= 1;
       })},
      {"plan.prediction.bytes",
       inCopied([](Placement &p) { predict(p, {"vram"}); })},
  };
}

std::vector<Case> readCasesOfGpus() {
  using Placement = plan::PlacementT;
  return {
      {"plan.placement.ring", inRead([](Placement &p) { p.ring_bytes += 1; })},
      {"plan.placement.resident",
       inRead([](Placement &p) { p.resident[0] = kPlanPageBytes; })},
      {"plan.placement.device",
       [](SmallPlan &small) {
         readFromDisk(small);
         small.plan.segments[1]->codec = plan::Codec::Planes;
         small.plan.segments[1]->stored_bytes = 4096;
         small.plan.segments[1]->chunk_ends = {1};
       }},
      {"plan.stream.complete",
       inRead([](Placement &p) { p.reads.pop_back(); })},
      {"plan.stream.complete", inRead([](Placement &p) {
         p.reads.push_back(std::make_unique<plan::StreamReadT>(*p.reads[2]));
       })},
      // The second read of segment 0 does not follow the first one in the ring.
      {"plan.stream.contiguous", inRead([](Placement &p) {
         p.reads[0]->ring_offset = kPlanPageBytes;
         p.reads[1]->ring_offset = 0;
       })},
      // In a ring of page-locked memory, a segment must not wrap around to the
      // start.
      {"plan.stream.contiguous", inRead([](Placement &p) {
         p.reads[0]->ring_offset = 2 * kPlanPageBytes;
         p.reads[1]->ring_offset = kPlanPageBytes;
       })},
      {"plan.stream.before",
       inRead([](Placement &p) { p.reads[2]->before_step = 3; })},
      // The read may begin when the copies for step 2 have been made, but it
      // overwrites bytes of segment 0, which step 3 needs, too.
      {"plan.stream.overrun",
       inRead([](Placement &p) { p.reads[2]->after_step = 2; })},
      // The reads would overwrite bytes of segment 1 before the previous pass
      // has made the copies for its output head.
      {"plan.stream.overrun", inRead([](Placement &p) {
         p.reads[0]->after_step = p.reads[1]->after_step = -2;
       })},
      {"plan.budget.bytes",
       inRead([](Placement &p) { p.items.back()->bytes -= 1; })},
      {"plan.prediction.bytes",
       inRead([](Placement &p) { predict(p, {"vram", "pcie"}); })},
      {"plan.placement.order", withBudgets({{kMuch, kMuch}, {kMuch, kMuch}})},
      {"plan.placement.order", withBudgets({{kMuch, kMuch}, {kMuch + 1, 1}})},
      {"plan.placement.order", withBudgets({{kMuch, kMuch}, {kMuch, 0}})},
      {"plan.placement.order", withBudgets({{0, kMuch}, {0, kMuch / 2}})},
      {"plan.placement.order", withBudgets({{kMuch, kMuch}, {0, kMuch / 2}})},
  };
}

std::vector<Case> placedCases() {
  return {
      {"plan.placement.device",
       in([](P &p) { p.placements[0]->device.assign(4, 0); })},
      {"plan.placement.device",
       inGpu([](P &p) { p.placements[0]->device.pop_back(); })},
      {"plan.placement.device",
       inGpu([](P &p) { p.placements[0]->device[1] = 2; })},
      // The output head's matrix is in RAM instead of VRAM.
      {"plan.placement.device", inGpu([](P &p) {
         p.placements[0]->device[1] = 0;
         p.placements[0]->resident[1] = p.segments[1]->raw_bytes;
       })},
      // The kernels are in RAM instead of VRAM.
      {"plan.placement.device", inGpu([](P &p) {
         p.placements[0]->device[2] = 0;
         p.placements[0]->resident[2] =
             p.segments[p.executables[0]->segment]->raw_bytes;
       })},
      {"plan.placement.device", inGpu([](P &p) {
         p.segments[0]->codec = plan::Codec::Planes;
         p.segments[0]->stored_bytes = 4096;
         p.segments[0]->chunk_ends = {1};
       })},
      {"plan.placement.resident",
       inGpu([](P &p) { p.placements[0]->resident[0] = 4096; })},
      {"plan.budget.item", inGpu([](P &p) { item(p, 5).name = "other"; })},
      {"plan.budget.bytes", inGpu([](P &p) { item(p, 1).bytes = 1024; })},
      {"plan.budget.bytes", inGpu([](P &p) { item(p, 2).bytes = 511; })},
      {"plan.budget.bytes",
       inGpu([](P &p) { item(p, 3).bytes -= p.cache_groups[0]->page_bytes; })},
      {"plan.budget.bytes", inGpu([](P &p) { item(p, 4).bytes -= 64; })},
      {"plan.budget.bytes", inGpu([](P &p) { item(p, 5).bytes -= 1; })},
      {"plan.budget.bytes", inTiles([](P &p) { item(p, 5).bytes -= 1; })},
      // The item "weights" has room for the segments of weights, but not for
      // the embedding table, which is in VRAM, too.
      {"plan.budget.total", inGpu([](P &p) { item(p, 1).bytes = 3840; })},
      {"plan.prediction.bytes", inGpu([](P &p) {
         auto prediction = std::make_unique<plan::PredictionT>();
         prediction->phase = "decode";
         prediction->links.push_back(std::make_unique<plan::LinkPredictionT>());
         prediction->links[0]->link = "vram";
         p.placements[0]->predictions.push_back(std::move(prediction));
       })},
  };
}

/// Plans that break a rule for dispatches that choose the next tokens.
std::vector<Case> choiceCases() {
  constexpr const char *kRule = "plan.dispatch.choice";
  return {
      // An embedding, which chooses no tokens, writes token ids.
      {kRule, inGpu([](P &p) {
         dispatchOf(p, 0, 0).bindings.back()->access = plan::Access::Write;
       })},
      // In a program that reads tiles, a kernel writes the number of tokens,
      // which it may only read.
      {kRule, inTiles([](P &p) {
         dispatchOf(p, 1, 0).bindings.back()->access = plan::Access::Write;
       })},
      // The dispatch that chooses tokens must be the last one of the program,
      // after other dispatches of its step. In the first case, another dispatch
      // follows it. In the second case, it is the only one of its step.
      {kRule, inChoice([](P &p) {
         auto &dispatches = p.programs[0]->steps[kHeadStep]->dispatches;
         dispatches.push_back(
             std::make_unique<plan::DispatchT>(*dispatches[0]));
       })},
      {kRule, inChoice([](P &p) {
         auto &steps = p.programs[0]->steps;
         steps.push_back(std::make_unique<plan::StepT>(*steps[kHeadStep]));
         steps[kHeadStep]->dispatches.pop_back();
         auto &last = steps.back()->dispatches;
         last.erase(last.begin());
       })},
      // The program reads tiles.
      {kRule, inTiles([](P &p) {
         auto &dispatches = p.programs[1]->steps[kHeadStep]->dispatches;
         dispatches.push_back(
             std::make_unique<plan::DispatchT>(*dispatches[0]));
         plan::DispatchT &choice = *dispatches[1];
         choice.launch->rows_from = plan::RowsFrom::Outputs;
         addBinding(choice, plan::BindingKind::Batch, 0,
                    plan::Access::ReadWrite);
       })},
      // In the first of these cases, the dispatch that chooses tokens writes
      // the logits, which it may only read. In the second case, it does not
      // bind the logits. In the third case, it reads a weight.
      {kRule, inChoice([](P &p) {
         choiceOf(p).bindings[0]->access = plan::Access::ReadWrite;
       })},
      {kRule, inChoice([](P &p) {
         choiceOf(p).bindings.erase(choiceOf(p).bindings.begin());
       })},
      {kRule, inChoice([](P &p) {
         addBinding(choiceOf(p), plan::BindingKind::Tensor, kHeadMatrix,
                    plan::Access::Read);
       })},
      // In these cases, the dispatch that chooses tokens does not bind an array
      // that it must bind, binds an array twice, or only reads an array that it
      // must also write.
      {kRule, inChoice([](P &p) { choiceOf(p).bindings.pop_back(); })},
      {kRule, inChoice([](P &p) { choiceOf(p).bindings[4]->index = 1; })},
      {kRule, inChoice([](P &p) {
         choiceOf(p).bindings[3]->access = plan::Access::Read;
       })},
      // The dispatch that chooses tokens reads a block table.
      {kRule, inChoice([](P &p) {
         addBinding(choiceOf(p), plan::BindingKind::Batch, 9,
                    plan::Access::Read);
       })},
      {"plan.budget.bytes",
       inChoice([](P &p) { p.placements[0]->items[5]->bytes -= 1; })},
      {"plan.budget.bytes", in([](P &p) {
         useDraw(p);
         p.placements[0]->items[5]->bytes -= 1;
       })},
  };
}

} // namespace

std::vector<Case> deviceCases() {
  std::vector<Case> all = machineCases();
  for (const auto &part : {dispatchCases(), choiceCases(), placedCases(),
                           copiedCases(), readCasesOfGpus()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::vector<Change> validDevices() {
  return {
      in(useGpu),
      in(useTiles),
      in(useChoice),
      in(useDraw),
      streamToGpu,
      readFromDisk,
      inRead([](plan::PlacementT &p) { predict(p, {"vram", "pcie", "disk"}); }),
      // A placement may use more RAM than another one if it uses less VRAM.
      withBudgets({{kMuch, kMuch / 2},
                   {kMuch, kMuch / 4},
                   {kMuch / 2, kMuch},
                   {kMuch / 4, 0}}),
      inCopied([](plan::PlacementT &p) { predict(p, {"vram", "pcie"}); }),
      // A dispatch may read the block table of the only cache group, which is
      // the last array of the batch.
      inGpu([](P &p) { dispatchOf(p, 0, 0).bindings.back()->index = 9; }),
      // A plan may predict the bytes that the kernels read from VRAM.
      inGpu([](P &p) {
        auto prediction = std::make_unique<plan::PredictionT>();
        prediction->phase = "decode";
        prediction->links.push_back(std::make_unique<plan::LinkPredictionT>());
        prediction->links[0]->link = "vram";
        prediction->links[0]->bytes_per_pass = 1 << 20;
        p.placements[0]->predictions.push_back(std::move(prediction));
      }),
  };
}

} // namespace air::test
