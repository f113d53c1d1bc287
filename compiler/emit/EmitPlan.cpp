//===- EmitPlan.cpp - plan dialect -> plan.fbs records --------------------===//
#include "compiler/emit/EmitPlan.h"

#include "codegen/KernelSpec.h"
#include "compiler/dialect/plan/PlanDialect.h"
#include "compiler/emit/PackedSegments.h"
#include "compiler/transforms/TargetAttr.h"
#include "formats/plan/PlanConvert.h"

#include <algorithm>

using namespace mlir;
namespace ir_plan = air::ir::plan;

namespace air::compiler {
namespace {

using IndexOf = llvm::DenseMap<StringAttr, uint32_t>;

class Emitter {
public:
  Emitter(ModuleOp planModule, const ModelSource &modelSource,
          const TokenizerData &tokenizerData,
          const SamplingDefaults &samplingDefaults)
      : module(planModule), source(modelSource), tokenizer(tokenizerData),
        sampling(samplingDefaults) {}

  Result<plan::PlanT> run() {
    Result<MachineProfile> profile = targetOf(module);
    if (!profile) {
      return internalError("the module is not a finished plan: " +
                           profile.status().message());
    }
    out.machine = toPlan(*profile);
    out.tokenizer = toPlan(tokenizer);
    out.sampling = toPlan(sampling);
    out.codegen_fingerprint = codegen::codegenFingerprint();
    emitHyperparameters();
    emitSegments();
    AIR_RETURN_IF_ERROR(emitTensors());
    AIR_RETURN_IF_ERROR(emitExecutables());
    AIR_RETURN_IF_ERROR(emitMemory());
    for (auto program : module.getOps<ir_plan::ProgramOp>()) {
      AIR_RETURN_IF_ERROR(emitProgram(program));
    }
    AIR_RETURN_IF_ERROR(emitReads());
    for (auto placement : module.getOps<ir_plan::PlacementOp>()) {
      emitPlacement(placement);
    }
    emitProvenance();
    if (!out.model || out.context == 0 || out.max_tokens == 0 ||
        out.programs.empty()) {
      return internalError("the module is not a finished plan: it lacks a "
                           "plan.model, plan.kv, plan.limits or plan.program");
    }
    return std::move(out);
  }

private:
  void emitHyperparameters() {
    for (auto op : module.getOps<ir_plan::ModelOp>()) {
      ir_plan::HyperparametersAttr hyperparameters = op.getHyperparameters();
      auto record = std::make_unique<plan::HyperparametersT>();
      record->name = hyperparameters.getName().str();
      record->architecture = hyperparameters.getArchitecture().str();
      record->vocabulary =
          static_cast<uint64_t>(hyperparameters.getVocabulary());
      record->width = static_cast<uint64_t>(hyperparameters.getWidth());
      record->layers = static_cast<uint64_t>(hyperparameters.getLayers());
      record->heads = static_cast<uint64_t>(hyperparameters.getHeads());
      record->kv_heads = static_cast<uint64_t>(hyperparameters.getKvHeads());
      record->head_dim = static_cast<uint64_t>(hyperparameters.getHeadDim());
      record->ffn_width = static_cast<uint64_t>(hyperparameters.getFfnWidth());
      record->trained_context =
          static_cast<uint64_t>(hyperparameters.getTrainedContext());
      record->parameters =
          static_cast<uint64_t>(hyperparameters.getParameters());
      out.model = std::move(record);
    }
  }

  void emitSegments() {
    for (auto op : module.getOps<ir_plan::SegmentOp>()) {
      segments[op.getSymNameAttr()] =
          static_cast<uint32_t>(out.segments.size());
      auto record = std::make_unique<plan::SegmentT>();
      record->name = op.getSymName().str();
      record->kind = static_cast<plan::SegmentKind>(op.getKind());
      record->codec = static_cast<plan::Codec>(op.getCodec());
      record->raw_bytes = op.getRawBytes();
      // If the segment has a codec, the plan writer replaces this size.
      record->stored_bytes = op.getRawBytes();
      out.segments.push_back(std::move(record));
    }
  }

  Status emitTensors() {
    for (auto op : module.getOps<ir_plan::TensorOp>()) {
      if (!op.getSegmentAttr() || !op.getOffset()) {
        return internalError("tensor '" + op.getSymName().str() +
                             "' has not been placed in a segment");
      }
      tensors[op.getSymNameAttr()] = static_cast<uint32_t>(out.tensors.size());
      auto record = std::make_unique<plan::TensorT>();
      record->name = op.getSymName().str();
      record->dtype = static_cast<uint16_t>(op.getDtype().getValue());
      record->layout = static_cast<uint16_t>(op.getLayout().getValue());
      record->rows = op.getRows();
      record->columns = op.getColumns();
      record->segment = segments.lookup(op.getSegmentAttr().getAttr());
      record->offset = *op.getOffset();
      record->bytes = op.getBytes();
      out.tensors.push_back(std::move(record));
    }
    return Status::ok();
  }

  Status emitExecutables() {
    for (auto op : module.getOps<ir_plan::ExecutableOp>()) {
      if (!op.getSegmentAttr()) {
        return internalError("the executable '" + op.getSymName().str() +
                             "' has not been placed in a segment");
      }
      auto record = std::make_unique<plan::ExecutableT>();
      record->segment = segments.lookup(op.getSegmentAttr().getAttr());
      record->abi_version = static_cast<uint32_t>(op.getAbiVersion());
      for (Attribute entry : op.getEntries()) {
        entries[cast<StringAttr>(entry)] = {
            static_cast<uint32_t>(out.executables.size()),
            static_cast<uint32_t>(record->entries.size())};
        record->entries.push_back(cast<StringAttr>(entry).str());
      }
      record->device = static_cast<uint32_t>(op.getDevice());
      record->format = record->device == 0 ? plan::CodeFormat::Object
                                           : plan::CodeFormat::Cubin;
      out.executables.push_back(std::move(record));
    }
    return Status::ok();
  }

  Status emitMemory() {
    for (auto op : module.getOps<ir_plan::BufferOp>()) {
      if (!op.getOffset() || !op.getBytes()) {
        return internalError("buffer '" + op.getSymName().str() +
                             "' has not been placed in the arena");
      }
      buffers[op.getSymNameAttr()] = static_cast<uint32_t>(out.buffers.size());
      auto record = std::make_unique<plan::BufferT>();
      record->name = op.getSymName().str();
      record->offset = *op.getOffset();
      record->bytes = *op.getBytes();
      record->is_output = op.getIsOutput();
      record->device = static_cast<uint32_t>(op.getDevice());
      record->is_zeroed = op.getZeroed();
      if (op.getIsOutput()) {
        record->rows_from = static_cast<plan::RowsFrom>(op.getRows());
      }
      out.buffers.push_back(std::move(record));
    }
    for (auto op : module.getOps<ir_plan::LimitsOp>()) {
      out.max_tokens = op.getMaxTokens();
      out.max_outputs = op.getMaxOutputs();
      out.arena_bytes = op.getArenaBytes().value_or(0);
      if (!out.machine->devices.empty()) {
        out.machine->devices[0]->arena_bytes =
            op.getGpuArenaBytes().value_or(0);
      }
    }
    for (auto op : module.getOps<ir_plan::KvOp>()) {
      emitCaches(op);
    }
    return Status::ok();
  }

  void emitCaches(ir_plan::KvOp op) {
    out.context = op.getContext();
    out.slots = op.getSlots();
    if (op.getCaches() == 0) {
      return;
    }
    auto group = std::make_unique<plan::CacheGroupT>();
    group->kind = plan::CacheKind::Paged;
    group->page_tokens = op.getPageTokens();
    group->page_bytes = static_cast<uint64_t>(op.getPageBytes());
    group->pages = static_cast<uint64_t>(op.getPages());
    group->device = static_cast<uint32_t>(op.getDevice().value_or(0));
    for (uint64_t i = 0; i < op.getCaches(); ++i) {
      auto cache = std::make_unique<plan::CacheT>();
      cache->group = static_cast<uint32_t>(out.cache_groups.size());
      cache->offset = i * static_cast<uint64_t>(op.getCacheBytes());
      cache->key_dtype = static_cast<uint16_t>(op.getDtype().getValue());
      cache->value_dtype = cache->key_dtype;
      cache->heads = op.getHeads();
      cache->key_dim = op.getHeadDim();
      cache->value_dim = op.getHeadDim();
      cache->order =
          group->device == 0 ? plan::KvOrder::Cpu : plan::KvOrder::Mma;
      out.caches.push_back(std::move(cache));
    }
    out.cache_groups.push_back(std::move(group));
  }

  Status emitProgram(ir_plan::ProgramOp op) {
    auto record = std::make_unique<plan::ProgramT>();
    record->name = op.getSymName().str();
    record->min_tokens = op.getMinTokens();
    record->max_tokens = op.getMaxTokens();
    record->tile_tokens = static_cast<uint32_t>(op.getTileTokens().value_or(0));
    for (auto step : op.getOps<ir_plan::StepOp>()) {
      auto stepRecord = std::make_unique<plan::StepT>();
      stepRecord->kind = static_cast<plan::StepKind>(step.getKind());
      stepRecord->layer =
          static_cast<int32_t>(static_cast<int64_t>(step.getLayer()));
      stepRecord->name = step.getName().str();
      if (step.getCopyFromAttr()) {
        stepRecord->copies.push_back(copyOf(step));
      }
      for (auto dispatch : step.getOps<ir_plan::DispatchOp>()) {
        AIR_ASSIGN_OR_RETURN(std::unique_ptr<plan::DispatchT> dispatchRecord,
                             emitDispatch(dispatch));
        stepRecord->dispatches.push_back(std::move(dispatchRecord));
      }
      record->steps.push_back(std::move(stepRecord));
    }
    out.programs.push_back(std::move(record));
    return Status::ok();
  }

  /// The record of the rows that a step copies from a buffer of one device to a
  /// buffer of another.
  std::unique_ptr<plan::BufferCopyT> copyOf(ir_plan::StepOp step) {
    auto record = std::make_unique<plan::BufferCopyT>();
    record->from = buffers.lookup(step.getCopyFromAttr().getAttr());
    record->to = buffers.lookup(step.getCopyToAttr().getAttr());
    auto buffer = SymbolTable::lookupNearestSymbolFrom<ir_plan::BufferOp>(
        step, step.getCopyToAttr());
    record->row_bytes = buffer ? buffer.getRowElements() * sizeof(float) : 0;
    return record;
  }

  static std::unique_ptr<plan::GridT> gridOf(ir_plan::DispatchOp op) {
    auto grid = std::make_unique<plan::GridT>();
    grid->base_tiles = op.getBaseTiles();
    grid->tokens_per_tile = op.getTokensPerTile();
    grid->rows_from = static_cast<plan::RowsFrom>(op.getRows());
    grid->rows_per_tile = op.getRowsPerTile();
    if (op.getFirstTile()) {
      grid->first_tile = *op.getFirstTile();
      grid->tiles = *op.getEndTile() - *op.getFirstTile();
    }
    return grid;
  }

  /// Returns the index by which the plan refers to an array of the batch. In
  /// the plan, BlockTables + g is the block table of cache group g. In the
  /// dialect, BlockTables is always the block table of the GPU's cache group,
  /// which is the last of the groups.
  uint32_t batchArrayOf(ir_plan::BindingAttr binding) const {
    const auto array = static_cast<uint32_t>(binding.getNumber());
    const bool isTable =
        array == static_cast<uint32_t>(ir_plan::BatchArray::BlockTables);
    return isTable && !out.cache_groups.empty()
               ? array + static_cast<uint32_t>(out.cache_groups.size()) - 1
               : array;
  }

  Result<std::unique_ptr<plan::DispatchT>>
  emitDispatch(ir_plan::DispatchOp op) {
    auto record = std::make_unique<plan::DispatchT>();
    auto entry = entries.find(op.getKernelAttr());
    if (entry == entries.end()) {
      return internalError("no executable contains kernel '" +
                           op.getKernel().str() + "'");
    }
    record->executable = entry->second.first;
    record->entry = entry->second.second;
    if (ir_plan::LaunchAttr launch = op.getLaunchAttr()) {
      record->launch = std::make_unique<plan::LaunchT>();
      record->launch->grid_x = launch.getGridX();
      record->launch->grid_y = launch.getGridY();
      record->launch->threads = launch.getThreads();
      record->launch->shared_bytes = launch.getSharedBytes();
      record->launch->dependent = launch.getDependent();
      record->launch->rows_from = static_cast<plan::RowsFrom>(op.getRows());
    } else {
      record->grid = gridOf(op);
    }
    for (auto binding : op.getBindings().getAsRange<ir_plan::BindingAttr>()) {
      auto bindingRecord = std::make_unique<plan::BindingT>();
      bindingRecord->kind = static_cast<plan::BindingKind>(binding.getKind());
      bindingRecord->access = static_cast<plan::Access>(binding.getAccess());
      switch (binding.getKind()) {
      case ir_plan::BindingKind::Tensor:
        bindingRecord->index = tensors.lookup(binding.getTarget().getAttr());
        break;
      case ir_plan::BindingKind::Buffer:
        bindingRecord->index = buffers.lookup(binding.getTarget().getAttr());
        break;
      case ir_plan::BindingKind::Kv:
        bindingRecord->index = static_cast<uint32_t>(binding.getNumber());
        break;
      case ir_plan::BindingKind::Batch:
        bindingRecord->index = batchArrayOf(binding);
        break;
      }
      record->bindings.push_back(std::move(bindingRecord));
    }
    record->scratch_bytes = op.getScratchBytes();
    record->barrier = !op.getOverlap();
    record->weight_bytes = op.getWeightBytes();
    record->flops_per_row = op.getFlopsPerRow();
    record->arithmetic = static_cast<plan::Arithmetic>(op.getArithmetic());
    return record;
  }

  Status emitReads() {
    for (auto op : module.getOps<ir_plan::ReadOp>()) {
      auto segment = segments.find(op.getSegmentAttr().getAttr());
      if (segment == segments.end()) {
        return internalError("a plan.read names segment '" +
                             op.getSegment().str() + "', which does not exist");
      }
      auto record = std::make_unique<plan::ReadT>();
      record->segment = segment->second;
      record->first_step = static_cast<uint32_t>(op.getFirstStep());
      out.reads.push_back(std::move(record));
    }
    return Status::ok();
  }

  void emitPlacement(ir_plan::PlacementOp placement) {
    auto record = std::make_unique<plan::PlacementT>();
    for (auto op : placement.getOps<ir_plan::BudgetOp>()) {
      auto budget = std::make_unique<plan::BudgetT>();
      budget->tier = static_cast<plan::Tier>(op.getTier());
      budget->bytes = op.getBytes();
      record->budgets.push_back(std::move(budget));
    }
    for (auto op : placement.getOps<ir_plan::BudgetItemOp>()) {
      auto item = std::make_unique<plan::BudgetItemT>();
      item->name = op.getName().str();
      item->tier = static_cast<plan::Tier>(op.getTier());
      item->bytes = op.getBytes();
      record->items.push_back(std::move(item));
    }
    for (int64_t bytes : placement.getResident()) {
      record->resident.push_back(static_cast<uint64_t>(bytes));
    }
    const ArrayRef<int64_t> devices =
        placement.getDevice().value_or(ArrayRef<int64_t>());
    for (int64_t device : devices) {
      record->device.push_back(static_cast<uint32_t>(device));
    }
    record->ring_bytes = placement.getRingBytes();
    for (auto op : placement.getOps<ir_plan::StreamOp>()) {
      record->reads.push_back(readOf(op));
    }
    record->device_ring_bytes =
        static_cast<uint64_t>(placement.getDeviceRingBytes().value_or(0));
    for (auto op : placement.getOps<ir_plan::DeviceStreamOp>()) {
      record->device_reads.push_back(readOf(op));
    }
    for (auto op : placement.getOps<ir_plan::PredictionOp>()) {
      record->predictions.push_back(predictionOf(op));
    }
    out.placements.push_back(std::move(record));
  }

  template <typename Op> std::unique_ptr<plan::StreamReadT> readOf(Op op) {
    auto read = std::make_unique<plan::StreamReadT>();
    read->segment = segments.lookup(op.getSegmentAttr().getAttr());
    read->offset = op.getOffset();
    read->bytes = op.getBytes();
    read->ring_offset = op.getRingOffset();
    read->before_step = static_cast<uint32_t>(op.getBeforeStep());
    read->after_step = static_cast<int64_t>(op.getAfterStep());
    return read;
  }

  static std::unique_ptr<plan::PredictionT>
  predictionOf(ir_plan::PredictionOp op) {
    auto record = std::make_unique<plan::PredictionT>();
    record->phase = op.getPhase().str();
    record->nanoseconds = op.getNanoseconds();
    record->limit = op.getLimit().str();
    for (auto link : op.getLinks().getAsRange<ir_plan::LinkAttr>()) {
      auto linkRecord = std::make_unique<plan::LinkPredictionT>();
      linkRecord->link = link.getName().str();
      linkRecord->bytes_per_pass =
          static_cast<uint64_t>(link.getBytesPerPass());
      linkRecord->bandwidth = static_cast<uint64_t>(link.getBandwidth());
      record->links.push_back(std::move(linkRecord));
    }
    return record;
  }

  void emitProvenance() {
    for (auto op : module.getOps<ir_plan::DecisionOp>()) {
      auto record = std::make_unique<plan::DecisionT>();
      record->name = op.getName().str();
      record->value = op.getValue().str();
      record->by = static_cast<plan::DecidedBy>(op.getBy());
      out.decisions.push_back(std::move(record));
    }
    std::sort(out.decisions.begin(), out.decisions.end(),
              [](const auto &a, const auto &b) { return a->name < b->name; });
    out.sources = sourceRecords(source);
  }

  ModuleOp module;
  const ModelSource &source;
  const TokenizerData &tokenizer;
  const SamplingDefaults &sampling;
  plan::PlanT out;
  IndexOf segments;
  IndexOf tensors;
  IndexOf buffers;
  /// For each kernel: the index of its executable, and its index among the
  /// entries of the executable.
  llvm::DenseMap<StringAttr, std::pair<uint32_t, uint32_t>> entries;
};

Result<const SourceTensor *> findSource(const ModelSource &source,
                                        StringRef name) {
  const SourceTensor *tensor = source.find(name.str());
  if (tensor == nullptr) {
    return internalError("the model has no tensor '" + name.str() + "'");
  }
  return tensor;
}

Result<TensorContent> rowScalesOf(ir_plan::TensorOp op,
                                  const ModelSource &source,
                                  TensorContent content) {
  RowScaleRecipe recipe;
  for (auto weight : op.getSources().getAsRange<ir_plan::WeightAttr>()) {
    RowScaleRecipe::Part part;
    part.rows = static_cast<uint64_t>(weight.getRows());
    if (!weight.getScale().empty()) {
      AIR_ASSIGN_OR_RETURN(part.scale, findSource(source, weight.getScale()));
    }
    recipe.parts.push_back(part);
  }
  content.recipe = std::move(recipe);
  return content;
}

Result<TensorContent> contentOf(ir_plan::TensorOp op,
                                const ModelSource &source) {
  TensorContent content;
  content.name = op.getSymName().str();
  content.dtype = op.getDtype().getValue();
  content.rows = op.getRows();
  content.columns = op.getColumns();
  content.offset = op.getOffset().value_or(0);
  content.bytes = op.getBytes();
  if (op.getRecipe() == ir_plan::Recipe::RowScales) {
    return rowScalesOf(op, source, std::move(content));
  }
  std::vector<const SourceTensor *> sources;
  for (auto weight : op.getSources().getAsRange<ir_plan::WeightAttr>()) {
    AIR_ASSIGN_OR_RETURN(const SourceTensor *tensor,
                         findSource(source, weight.getName()));
    sources.push_back(tensor);
  }
  switch (op.getRecipe()) {
  case ir_plan::Recipe::Copy:
  case ir_plan::Recipe::Concat:
    content.recipe =
        MatrixRecipe{std::move(sources), op.getLayout().getValue()};
    break;
  case ir_plan::Recipe::Interleave:
    content.recipe =
        MatrixRecipe{std::move(sources), op.getLayout().getValue(), kGluRows};
    break;
  case ir_plan::Recipe::Join:
    content.recipe = MatrixRecipe{std::move(sources), op.getLayout().getValue(),
                                  /*interleavedRows=*/0, /*isJoined=*/true};
    break;
  case ir_plan::Recipe::RowScales:
    // RowScales is handled at the start of this function.
    break;
  case ir_plan::Recipe::Vector:
    content.recipe = VectorRecipe{std::move(sources)};
    break;
  case ir_plan::Recipe::InverseFrequencies: {
    ir_plan::RopeAttr rope = op.getRopeAttr();
    if (!rope) {
      return internalError(
          "tensor '" + content.name +
          "' has the recipe inverse_frequencies, but lacks the attribute rope");
    }
    FrequencyRecipe recipe;
    recipe.shape.dim = static_cast<uint64_t>(rope.getDim());
    recipe.shape.base = rope.getBase().convertToDouble();
    recipe.shape.linearFactor = rope.getLinearFactor().convertToDouble();
    if (ir::llm::YarnAttr yarn = rope.getYarn()) {
      recipe.shape.yarn = YarnShape{yarn.getFactor().convertToDouble(),
                                    yarn.getOriginalContext().convertToDouble(),
                                    yarn.getBetaFast().convertToDouble(),
                                    yarn.getBetaSlow().convertToDouble(),
                                    yarn.getMix().convertToDouble()};
    }
    if (rope.getFactors()) {
      AIR_ASSIGN_OR_RETURN(recipe.factors,
                           findSource(source, rope.getFactors().getName()));
    }
    content.recipe = recipe;
    break;
  }
  }
  return content;
}

} // namespace

Result<plan::PlanT> emitPlan(ModuleOp module, const ModelSource &source,
                             const TokenizerData &tokenizer,
                             const SamplingDefaults &sampling) {
  return Emitter(module, source, tokenizer, sampling).run();
}

Result<std::vector<SegmentContent>> emitContents(ModuleOp module,
                                                 const ModelSource &source) {
  std::vector<SegmentContent> contents;
  IndexOf indexOf;
  for (auto segment : module.getOps<ir_plan::SegmentOp>()) {
    if (segment.getKind() != ir_plan::SegmentKind::Kernels) {
      indexOf[segment.getSymNameAttr()] =
          static_cast<uint32_t>(contents.size());
      contents.push_back(
          {segment.getSymName().str(), {}, segment.getRawBytes()});
    }
  }
  for (auto tensor : module.getOps<ir_plan::TensorOp>()) {
    auto segment = tensor.getSegmentAttr()
                       ? indexOf.find(tensor.getSegmentAttr().getAttr())
                       : indexOf.end();
    if (segment == indexOf.end()) {
      return internalError("tensor '" + tensor.getSymName().str() +
                           "' has not been placed in a segment that holds "
                           "weights or a table");
    }
    AIR_ASSIGN_OR_RETURN(TensorContent content, contentOf(tensor, source));
    contents[segment->second].tensors.push_back(std::move(content));
  }
  for (SegmentContent &segment : contents) {
    std::sort(segment.tensors.begin(), segment.tensors.end(),
              [](const TensorContent &a, const TensorContent &b) {
                return a.offset < b.offset;
              });
    AIR_RETURN_IF_ERROR(
        checkContent(segment).withContext("segment '" + segment.name + "'"));
  }
  return contents;
}

} // namespace air::compiler
