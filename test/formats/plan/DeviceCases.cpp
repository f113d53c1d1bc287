//===- DeviceCases.cpp - plans with a GPU that break one rule each --------===//
#include "PlanCases.h"

namespace air::test {

namespace {

constexpr uint32_t kHeadStep = 4;
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
      // 16 tokens have an id, two positions and 2 page numbers each.
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
      {"plan.reference", inGpu([](P &p) { p.reference = true; })},
      {"plan.enum", inGpu([](P &p) {
         p.executables[0]->format = static_cast<plan::CodeFormat>(2);
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
      // A head of 17 elements is padded to two tiles of 16, like one of 32.
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
       inGpu([](P &p) { dispatchOf(p, 0, 0).bindings.back()->index = 4; })},
      {"plan.binding.access", inGpu([](P &p) {
         dispatchOf(p, 0, 0).bindings.back()->access = plan::Access::Write;
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

std::vector<Case> placedCases() {
  return {
      {"plan.placement.device",
       in([](P &p) { p.placements[0]->device.assign(4, 0); })},
      {"plan.placement.device",
       inGpu([](P &p) { p.placements[0]->device.pop_back(); })},
      {"plan.placement.device",
       inGpu([](P &p) { p.placements[0]->device[1] = 2; })},
      // This puts the head's matrix into RAM.
      {"plan.placement.device", inGpu([](P &p) {
         p.placements[0]->device[1] = 0;
         p.placements[0]->resident[1] = p.segments[1]->raw_bytes;
       })},
      // This puts the kernels into RAM.
      {"plan.placement.device", inGpu([](P &p) {
         p.placements[0]->device[2] = 0;
         p.placements[0]->resident[2] = p.segments[2]->raw_bytes;
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
      // The item counts the weights, but not the embedding table.
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

} // namespace

std::vector<Case> deviceCases() {
  std::vector<Case> all = machineCases();
  for (const auto &part : {dispatchCases(), placedCases()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::vector<Change> validDevices() {
  return {
      in(useGpu),
      // The last array of the batch is the block table of the only cache group.
      inGpu([](P &p) { dispatchOf(p, 0, 0).bindings.back()->index = 3; }),
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
