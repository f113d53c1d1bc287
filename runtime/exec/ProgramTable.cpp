//===- ProgramTable.cpp - resolves records to addresses ---------*- C++ -*-===//
#include "runtime/exec/ProgramTable.h"

#include "formats/plan/Choice.h"
#include "formats/plan/TileRows.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <string>

using namespace air;
using namespace air::rt;

namespace {

/// Makes the ProgramRecord of one program of the plan, and adds the program to
/// the device.
class ProgramBuilder {
public:
  ProgramBuilder(const plan::Plan &root, const PlanAddresses &places)
      : plan(root), addresses(places) {}

  Status addStep(const plan::Step &step);
  Result<ProgramRecord> finish(const plan::Program &program, Device &device);

private:
  Status addDispatch(const plan::Step &step, const plan::Dispatch &dispatch);
  DeviceAddress addressOf(const plan::Binding &binding) const;
  DeviceAddress addressOf(const plan::Buffer &buffer) const;
  void addTensor(const plan::Step &step, const plan::Dispatch &dispatch,
                 const plan::Tensor &tensor);
  void addStream(const plan::Tensor &tensor, const plan::Grid &grid);
  void recordResult(StepRecord &made, const plan::Dispatch &dispatch) const;

  const plan::Plan &plan;
  const PlanAddresses &addresses;
  ProgramRecord record;
  bool inHead = false;
  std::vector<DeviceAddress> bindings;
  std::vector<uint64_t> firstBindings;
  std::vector<TileStream> streams;
  std::vector<uint64_t> firstStreams;
  std::vector<RowCopy> copies;
  std::vector<uint64_t> firstCopies;
  std::vector<DispatchDesc> descs;
};

/// The address of a binding that is not a tensor.
DeviceAddress ProgramBuilder::addressOf(const plan::Binding &binding) const {
  if (binding.kind() == plan::BindingKind::Batch) {
    return addresses.batch[binding.index()];
  }
  if (binding.kind() == plan::BindingKind::Kv) {
    const plan::Cache &cache = *plan.caches()->Get(binding.index());
    return addresses.cacheGroups[cache.group()] + cache.offset();
  }
  return addressOf(*plan.buffers()->Get(binding.index()));
}

DeviceAddress ProgramBuilder::addressOf(const plan::Buffer &buffer) const {
  return (buffer.device() == 0 ? addresses.arena : addresses.gpuArena) +
         buffer.offset();
}

GridRows rowsOf(const plan::Dispatch &dispatch) {
  return (dispatch.launch() != nullptr
              ? dispatch.launch()->rows_from()
              : dispatch.grid()->rows_from()) == plan::RowsFrom::Outputs
             ? GridRows::Outputs
             : GridRows::Tokens;
}

/// Whether a dispatch belongs to the head of its program (ProgramTable.h).
bool isOfHead(const plan::Step &step, const plan::Dispatch &dispatch) {
  return dispatch.launch() != nullptr ? step.kind() == plan::StepKind::Head
                                      : rowsOf(dispatch) == GridRows::Outputs;
}

DispatchGrid gridOf(const plan::Dispatch &dispatch) {
  const plan::Grid &grid = *dispatch.grid();
  return {grid.base_tiles(), grid.tokens_per_tile(), rowsOf(dispatch),
          grid.first_tile(), grid.tiles()};
}

LaunchShape shapeOf(const plan::Launch &launch) {
  return {launch.grid_x(), launch.grid_y(), launch.threads(),
          launch.shared_bytes(), launch.dependent()};
}

// Adds to `streams` the weights that the tiles of a matmul read one after
// another. In layout x16, each tile reads its weights from the first byte to
// the last. In layout rows, a tile reads all of its rows at the same time, so
// there is no such stream, and nothing is added.
void ProgramBuilder::addStream(const plan::Tensor &tensor,
                               const plan::Grid &grid) {
  if (static_cast<Layout>(tensor.layout()) != Layout::X16 ||
      grid.rows_per_tile() == 0) {
    return;
  }
  uint64_t rowBlocks = ceilDiv(tensor.rows(), uint64_t{kX16Rows});
  streams.push_back(
      {addresses.segments[tensor.segment()] + tensor.offset() +
           bytesRead(grid, tensor).begin,
       tensor.bytes() / rowBlocks * (grid.rows_per_tile() / kX16Rows)});
}

/// Adds the binding of a tensor to `step`, the step that was added last.
void ProgramBuilder::addTensor(const plan::Step &step,
                               const plan::Dispatch &dispatch,
                               const plan::Tensor &tensor) {
  uint32_t segment = tensor.segment();
  StepRecord &made = record.steps.back();
  // On the CPU, an embedding only gathers rows, so only these rows of the table
  // are loaded. A GPU has the whole table in memory, like any other tensor.
  if (step.kind() == plan::StepKind::Embed && dispatch.launch() == nullptr) {
    bindings.push_back(addresses.tables[segment] + tensor.offset());
    bool isX16 = static_cast<Layout>(tensor.layout()) == Layout::X16;
    uint64_t blockRows = isX16 ? kX16Rows : 1;
    made.gathers.push_back(
        {segment, tensor.offset(), blockRows,
         tensor.bytes() / ceilDiv(tensor.rows(), blockRows)});
    return;
  }
  bindings.push_back(addresses.segments[segment] + tensor.offset());
  if (dispatch.grid() != nullptr) {
    addStream(tensor, *dispatch.grid());
  }
  auto begin = record.segments.begin() + made.firstSegment;
  if (std::find(begin, record.segments.end(), segment) ==
      record.segments.end()) {
    record.segments.push_back(segment);
  }
}

void ProgramBuilder::recordResult(StepRecord &made,
                                  const plan::Dispatch &dispatch) const {
  if (dispatch.bindings() == nullptr) {
    return;
  }
  const bool onGpu = dispatch.launch() != nullptr;
  const bool outputs = inHead && rowsOf(dispatch) == GridRows::Outputs;
  for (const plan::Binding *binding : *dispatch.bindings()) {
    if (binding->kind() != plan::BindingKind::Buffer ||
        binding->access() == plan::Access::Read) {
      continue;
    }
    // A buffer has a row for each token, or for each output, of the largest
    // batch. On the CPU, the number of rows is rounded up to a multiple of
    // AIR_TOKEN_PADDING.
    const plan::Buffer &buffer = *plan.buffers()->Get(binding->index());
    const bool hasOutputs =
        onGpu ? buffer.is_output() &&
                    buffer.rows_from() == plan::RowsFrom::Outputs
              : outputs;
    const uint64_t rows = hasOutputs ? plan.max_outputs() : plan.max_tokens();
    made.result = addressOf(*binding);
    made.resultRowBytes =
        buffer.bytes() / (onGpu ? rows : alignUp(rows, AIR_TOKEN_PADDING));
    made.resultRows = outputs ? GridRows::Outputs : GridRows::Tokens;
    return;
  }
}

Status ProgramBuilder::addDispatch(const plan::Step &step,
                                   const plan::Dispatch &dispatch) {
  bool outputs = isOfHead(step, dispatch);
  if (inHead && !outputs) {
    return verificationError("step '" + step.name()->str() +
                             "' processes all tokens of a batch, but follows a "
                             "step that processes only the tokens whose logits "
                             "are requested; pack the model again");
  }
  if (outputs && !inHead) {
    if (record.steps.back().firstDispatch != descs.size()) {
      return verificationError(
          "step '" + step.name()->str() +
          "' mixes dispatches that process all tokens of a batch with "
          "dispatches that process only the tokens whose logits are requested; "
          "pack the model again");
    }
    inHead = true;
    record.logitsRows = rowsOf(dispatch);
    record.headStep = static_cast<uint32_t>(record.steps.size() - 1);
  }
  // The head computes a row either for each token or for each output. The row
  // of logits that belongs to an output is found accordingly. All dispatches of
  // the head must therefore compute the same kind of rows, whichever devices
  // run them.
  if (inHead && rowsOf(dispatch) != record.logitsRows) {
    const bool isByToken = record.logitsRows == GridRows::Tokens;
    return verificationError(
        "step '" + step.name()->str() + "' processes a row per " +
        (isByToken ? "output" : "token") +
        ", but the output head begins with a dispatch that processes a row "
        "per " +
        (isByToken ? "token" : "output") + "; pack the model again");
  }
  DispatchDesc desc;
  desc.executable = addresses.executables[dispatch.executable()];
  desc.entry = dispatch.entry();
  if (dispatch.launch() != nullptr) {
    desc.launch = shapeOf(*dispatch.launch());
  } else {
    desc.grid = gridOf(dispatch);
  }
  desc.scratchBytes = dispatch.scratch_bytes();
  desc.barrier = dispatch.barrier();
  descs.push_back(desc);
  firstBindings.push_back(bindings.size());
  firstStreams.push_back(streams.size());
  firstCopies.push_back(copies.size());
  if (&dispatch == step.dispatches()->Get(0) && step.copies() != nullptr) {
    for (const plan::BufferCopy *copy : *step.copies()) {
      copies.push_back({addressOf(*plan.buffers()->Get(copy->from())),
                        addressOf(*plan.buffers()->Get(copy->to())),
                        copy->row_bytes()});
    }
  }
  if (dispatch.bindings() != nullptr) {
    for (const plan::Binding *binding : *dispatch.bindings()) {
      if (binding->kind() == plan::BindingKind::Tensor) {
        addTensor(step, dispatch, *plan.tensors()->Get(binding->index()));
      } else {
        bindings.push_back(addressOf(*binding));
      }
    }
  }
  PartCost &cost = inHead ? record.head : record.body;
  const bool isPerRow = step.kind() == plan::StepKind::Embed;
  (isPerRow ? cost.weightBytesPerRow : cost.weightBytes) +=
      dispatch.weight_bytes();
  if (dispatch.launch() == nullptr && addresses.gpuArena != 0) {
    (isPerRow ? cost.cpuWeightBytesPerRow : cost.cpuWeightBytes) +=
        dispatch.weight_bytes();
  }
  cost.flopsPerRow += dispatch.flops_per_row();
  return Status::ok();
}

Status ProgramBuilder::addStep(const plan::Step &step) {
  StepRecord made;
  made.kind = step.kind();
  made.name = step.name()->string_view();
  made.firstDispatch = static_cast<uint32_t>(descs.size());
  made.firstSegment = static_cast<uint32_t>(record.segments.size());
  record.steps.push_back(made);
  if (step.dispatches() != nullptr) {
    for (const plan::Dispatch *dispatch : *step.dispatches()) {
      AIR_RETURN_IF_ERROR(addDispatch(step, *dispatch));
    }
  }
  StepRecord &last = record.steps.back();
  last.isOnGpu = step.dispatches() != nullptr &&
                 step.dispatches()->size() != 0 &&
                 step.dispatches()->Get(0)->launch() != nullptr;
  last.dispatchCount = static_cast<uint32_t>(descs.size()) - last.firstDispatch;
  uint32_t results = last.dispatchCount;
  if (results != 0 && isChoice(*step.dispatches()->Get(results - 1))) {
    record.chooses = true;
    record.draws = canDraw(*step.dispatches()->Get(results - 1));
    last.dispatchCount = --results;
  }
  // A last dispatch without a barrier may compute only some columns of the
  // result, and later steps the others. The step then has no complete result.
  if (results != 0 && step.dispatches()->Get(results - 1)->barrier()) {
    recordResult(last, *step.dispatches()->Get(results - 1));
  }
  last.segmentCount =
      static_cast<uint32_t>(record.segments.size()) - last.firstSegment;
  return Status::ok();
}

Result<ProgramRecord> ProgramBuilder::finish(const plan::Program &program,
                                             Device &device) {
  for (size_t i = 0; i < descs.size(); ++i) {
    uint64_t end =
        i + 1 < descs.size() ? firstBindings[i + 1] : bindings.size();
    descs[i].bindings =
        std::span(bindings).subspan(firstBindings[i], end - firstBindings[i]);
    end = i + 1 < descs.size() ? firstStreams[i + 1] : streams.size();
    descs[i].streams =
        std::span(streams).subspan(firstStreams[i], end - firstStreams[i]);
    end = i + 1 < descs.size() ? firstCopies[i + 1] : copies.size();
    descs[i].copies =
        std::span(copies).subspan(firstCopies[i], end - firstCopies[i]);
  }
  if (!inHead) {
    record.headStep = static_cast<uint32_t>(record.steps.size());
  }
  record.dispatchCount =
      static_cast<uint32_t>(descs.size()) - (record.chooses ? 1 : 0);
  record.minTokens = program.min_tokens();
  record.maxTokens = program.max_tokens();
  record.tileTokens = program.tile_tokens();
  AIR_ASSIGN_OR_RETURN(record.deviceProgram, device.addProgram(descs));
  return std::move(record);
}

} // namespace

Result<std::vector<ProgramRecord>>
air::rt::buildPrograms(const plan::Plan &plan, const PlanAddresses &addresses,
                       Device &device) {
  std::vector<ProgramRecord> programs;
  for (const plan::Program *program : *plan.programs()) {
    ProgramBuilder builder(plan, addresses);
    for (const plan::Step *step : *program->steps()) {
      AIR_RETURN_IF_ERROR(builder.addStep(*step).withContext(
          "program '" + program->name()->str() + "'"));
    }
    AIR_ASSIGN_OR_RETURN(ProgramRecord record,
                         builder.finish(*program, device));
    programs.push_back(std::move(record));
  }
  return programs;
}

uint64_t air::rt::minimalWeightBytes(const plan::Plan &plan,
                                     std::optional<bool> ofGpu) {
  // A tied embedding is bound by two steps: one gathers a row of it, and the
  // head reads all of it. Only the larger size is counted.
  std::vector<uint64_t> bytes(plan.tensors()->size());
  for (const plan::Step *step : *plan.programs()->Get(0)->steps()) {
    for (const plan::Dispatch *dispatch : *step->dispatches()) {
      const bool isOnGpu = dispatch->launch() != nullptr;
      if (ofGpu.value_or(isOnGpu) != isOnGpu) {
        continue;
      }
      for (const plan::Binding *binding : *dispatch->bindings()) {
        if (binding->kind() == plan::BindingKind::Tensor) {
          const plan::Tensor *tensor = plan.tensors()->Get(binding->index());
          bool gathered = step->kind() == plan::StepKind::Embed;
          uint64_t whole = tensor->bytes();
          bytes[binding->index()] =
              std::max(bytes[binding->index()],
                       gathered ? ceilDiv(whole, tensor->rows()) : whole);
        }
      }
    }
  }
  uint64_t sum = 0;
  for (uint64_t part : bytes) {
    sum += part;
  }
  return sum;
}
