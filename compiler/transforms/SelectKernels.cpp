//===- SelectKernels.cpp - plan.graph -> programs of dispatches -----------===//
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "compiler/transforms/CudaLowering.h"
#include "compiler/transforms/JoinMatrices.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/StepLowering.h"
#include "compiler/transforms/TargetAttr.h"
#include "formats/abi/KernelAbi.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_SELECTKERNELS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

using codegen::KernelSpec;
using codegen::MClass;

constexpr uint64_t kDefaultContext = 4096;

struct BatchClass {
  MClass mClass;
  const char *name;
  uint64_t minTokens;
  /// The largest number of tokens in a batch of this class. The class's program
  /// supports fewer if the plan's max_tokens is smaller.
  uint64_t maxTokens;
};

constexpr BatchClass kBatchClasses[] = {
    {MClass::One, "m1", 1, 1},
    {MClass::Small, "m2-8", 2, 8},
    {MClass::Large, "m9+", 9, std::numeric_limits<uint64_t>::max()},
};

bool isMatMul(const KernelSpec &spec) {
  return spec.op == codegen::KernelOp::MatMul ||
         spec.op == codegen::KernelOp::GluMatMul;
}

struct SelectKernels : StatusPass<impl::SelectKernelsBase<SelectKernels>> {
  using StatusPass::StatusPass;
  SelectKernels(SelectKernelsOptions options,
                std::optional<MachineProfile> profile,
                const std::optional<std::vector<codegen::TileChoice>> &choices)
      : StatusPass(std::move(options)), machine(std::move(profile)),
        isTuned(choices.has_value()) {
    if (choices) {
      for (const codegen::TileChoice &choice : *choices) {
        measured[codegen::kernelName(choice.spec)] = choice.tiles;
      }
    }
  }

  Status run() override {
    ModuleOp module = getOperation();
    auto graphs = llvm::to_vector(module.getOps<GraphOp>());
    auto models = llvm::to_vector(module.getOps<ModelOp>());
    if (graphs.size() != 1 || models.size() != 1) {
      return internalError("a module must have one plan.graph and one "
                           "plan.model, but has " +
                           std::to_string(graphs.size()) + " and " +
                           std::to_string(models.size()));
    }
    GraphOp graph = graphs.front();
    if (!machine) {
      AIR_ASSIGN_OR_RETURN(machine, resolveProfile(target));
    }
    const MachineProfile &profile = *machine;
    if (maxTokens == 0 || maxOutputs == 0 || maxOutputs > maxTokens) {
      return usageError(
          "max-tokens is " + std::to_string(maxTokens) +
          " and max-outputs is " + std::to_string(maxOutputs) +
          "; both must be 1 or more, and max-outputs at most max-tokens");
    }

    AIR_ASSIGN_OR_RETURN(codegen::Precision precision, leastPrecision());

    OpBuilder builder(graph);
    if (!profile.gpus.empty()) {
      AIR_RETURN_IF_ERROR(lowerToGpu(
          builder, graph, models.front().getHyperparameters(), precision));
      graph.erase();
      setTarget(module, profile);
      return Status::ok();
    }
    if (cpuLayers != 0) {
      return usageError("--cpu-layers is " + std::to_string(cpuLayers) +
                        ", but the target has no GPU, so the CPU computes all "
                        "layers; leave the option out");
    }
    const auto hyperparameters = models.front().getHyperparameters();
    AIR_RETURN_IF_ERROR(
        decideSizes(builder, hyperparameters,
                    activations.empty() ? "i8" : activations.getValue()));
    AIR_ASSIGN_OR_RETURN(
        KvOp kv, createKv(builder, hyperparameters, cachesOf(graph, {}), 0));
    LimitsOp::create(builder, graph.getLoc(), maxTokens, maxOutputs,
                     IntegerAttr(), IntegerAttr());
    StepLowering lowering(graph, kv, profile, precision);
    AIR_ASSIGN_OR_RETURN(std::vector<LoweredStep> steps, lowering.run());
    unsigned mClasses = 0;
    for (const BatchClass &batch : kBatchClasses) {
      mClasses |= batch.minTokens <= maxTokens ? bitOf(batch.mClass) : 0;
    }
    if (!reference) {
      AIR_ASSIGN_OR_RETURN(const bool mayStream,
                           mayStreamWeights(module, steps, mClasses, profile,
                                            {ram, disk, pin}, vocabularyBytes));
      if (mayStream || join) {
        joinMatrices(module, steps, mClasses, profile);
      }
    }
    for (const BatchClass &batch : kBatchClasses) {
      if (batch.minTokens <= maxTokens) {
        AIR_RETURN_IF_ERROR(
            createProgram(builder, graph.getLoc(), batch, steps, profile));
      }
    }
    decidePrefetch(builder, module);
    if (isTuned) {
      DecisionOp::create(builder, graph.getLoc(), "tune", tuneText(),
                         DecidedBy::User);
    }
    graph.erase();
    setTarget(module, profile);
    return Status::ok();
  }

  /// Refuses options that kernels of a GPU do not support.
  Status checkGpuOptions() {
    if (isTuned) {
      return unsupportedError("the target has a GPU, but only kernels for CPUs "
                              "can be measured; leave out --tune");
    }
    if (!activations.empty() && cpuLayers == 0) {
      return unsupportedError(
          std::string("--activations: kernels of a GPU multiply float16 "
                      "activations") +
          (cpuLayersChosen ? ", and with --cpu-layers auto, the GPU computes "
                             "all layers of this model"
                           : "") +
          "; leave the option out");
    }
    if (kvType == "f32") {
      return unsupportedError("--kv-type f32: kernels of a GPU need a KV cache "
                              "of float16; leave the option out");
    }
    // Programs for up to kDecodeTokens tokens compute logits for each token of
    // the batch, so a batch must be able to request as many outputs as it has
    // tokens.
    const uint64_t leastOutputs =
        std::min<uint64_t>(maxTokens, CudaLowering::kDecodeTokens);
    if (maxTokens > codegen::cuda::kMaxPrefillTokens ||
        maxOutputs < leastOutputs) {
      return usageError("max-tokens is " + std::to_string(maxTokens) +
                        " and max-outputs is " + std::to_string(maxOutputs) +
                        "; for a GPU, max-tokens must be at most " +
                        std::to_string(codegen::cuda::kMaxPrefillTokens) +
                        ", and max-outputs at least " +
                        std::to_string(leastOutputs));
    }
    return Status::ok();
  }

  /// Makes a plan that runs on the target's GPU, except for the first
  /// `cpuLayers` layers and the embedding before them, which run on the CPU.
  Status lowerToGpu(OpBuilder &builder, GraphOp graph,
                    HyperparametersAttr hyperparameters,
                    codegen::Precision precision) {
    AIR_ASSIGN_OR_RETURN(const codegen::cuda::CudaTarget cuda,
                         codegen::cuda::cudaTarget(machine->gpus.front().arch));
    AIR_RETURN_IF_ERROR(checkGpuOptions());
    const auto tokens = static_cast<uint32_t>(maxTokens);
    const auto outputs = static_cast<uint32_t>(maxOutputs);
    if (cpuLayers == 0) {
      AIR_RETURN_IF_ERROR(decideSizes(builder, hyperparameters, "f16"));
      if (cpuLayersChosen) {
        decideCpuLayers(builder);
      }
      AIR_ASSIGN_OR_RETURN(
          KvOp kv, createKv(builder, hyperparameters, cachesOf(graph, {}), 1));
      LimitsOp::create(builder, graph.getLoc(), maxTokens, maxOutputs,
                       IntegerAttr(), IntegerAttr());
      return CudaLowering(graph, kv, *machine, cuda, tokens, outputs).run();
    }
    AIR_ASSIGN_OR_RETURN(Operation * first, firstOnGpu(graph, hyperparameters));
    AIR_ASSIGN_OR_RETURN(const Value crossing, crossingValue(first));
    AIR_RETURN_IF_ERROR(
        decideSizes(builder, hyperparameters,
                    activations.empty() ? "i8" : activations.getValue()));
    decideCpuLayers(builder);
    const GraphPart cpuPart = {nullptr, first};
    const GraphPart gpuPart = {first, nullptr};
    AIR_ASSIGN_OR_RETURN(KvOp cpuKv, createKv(builder, hyperparameters,
                                              cachesOf(graph, cpuPart), 0));
    AIR_ASSIGN_OR_RETURN(KvOp gpuKv, createKv(builder, hyperparameters,
                                              cachesOf(graph, gpuPart), 1));
    LimitsOp::create(builder, graph.getLoc(), maxTokens, maxOutputs,
                     IntegerAttr(), IntegerAttr());
    StepLowering onCpu(graph, cpuKv, *machine, precision, cpuPart);
    AIR_ASSIGN_OR_RETURN(const std::vector<LoweredStep> steps, onCpu.run());
    // This is created only now, because its symbol table must contain the
    // tensors and buffers of the CPU's part.
    CudaLowering onGpu(graph, gpuKv, *machine, cuda, tokens, outputs, gpuPart);
    onGpu.takeFromCpu(crossing, onCpu.bufferFor(crossing));
    AIR_RETURN_IF_ERROR(onGpu.run());
    for (ProgramOp program : getOperation().getOps<ProgramOp>()) {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(&program.getBody().front());
      AIR_RETURN_IF_ERROR(addSteps(builder, graph.getLoc(),
                                   batchClassOf(program.getMinTokens()), steps,
                                   *machine));
    }
    decidePrefetch(builder, getOperation());
    return Status::ok();
  }

  void decideCpuLayers(OpBuilder &builder) {
    DecisionOp::create(builder, getOperation().getLoc(), "cpu-layers",
                       std::to_string(cpuLayers),
                       cpuLayersChosen ? DecidedBy::Solver : DecidedBy::User);
  }

  /// The first op of layer `cpuLayers`.
  Result<Operation *> firstOnGpu(GraphOp graph,
                                 HyperparametersAttr hyperparameters) {
    for (Operation &op : graph.getBody().front().without_terminator()) {
      auto step = dyn_cast<StepOpInterface>(op);
      if (step && step.getStepLayer() >= 0 &&
          static_cast<uint64_t>(step.getStepLayer()) >= cpuLayers) {
        return &op;
      }
    }
    return usageError("--cpu-layers is " + std::to_string(cpuLayers) +
                      ", but the model has " +
                      countOf(hyperparameters.getLayers(), "layer") +
                      ", at least one of which must be computed by the "
                      "GPU; give a smaller number, or a target without a GPU");
  }

  /// Returns the only value that is computed by an op before `first` and used
  /// by `first` or a later op. Fails if there is no such value, or several.
  static Result<Value> crossingValue(Operation *first) {
    Value found;
    for (Operation *op = first; op != nullptr; op = op->getNextNode()) {
      for (Value operand : op->getOperands()) {
        Operation *maker = operand.getDefiningOp();
        if (maker == nullptr || !maker->isBeforeInBlock(first)) {
          continue;
        }
        if (found && found != operand) {
          return unsupportedError(
              "--cpu-layers: the GPU's layers, which begin with step '" +
              cast<StepOpInterface>(first).getStepName() +
              "', use several results of the CPU's layers, but only the "
              "residual stream can be copied to the GPU; leave the option out");
        }
        found = operand;
      }
    }
    return found ? Result<Value>(found)
                 : internalError("no result of the CPU's layers is used by "
                                 "those of the GPU");
  }

  static const BatchClass &batchClassOf(uint64_t tokens) {
    return *std::find_if(
        std::begin(kBatchClasses), std::end(kBatchClasses),
        [&](const BatchClass &batch) { return tokens <= batch.maxTokens; });
  }

  /// The number of caches that a part of the graph needs.
  static uint64_t cachesOf(GraphOp graph, const GraphPart &part) {
    uint64_t count = 0;
    bool isInside = part.begin == nullptr;
    for (Operation &op : graph.getBody().front()) {
      isInside = (isInside || &op == part.begin) && &op != part.end;
      count += isInside && isa<AttnInOp>(op) ? 1 : 0;
    }
    return count;
  }

  /// Returns the spec with the tile sizes that were measured for its kernel, if
  /// there are any.
  KernelSpec tuned(KernelSpec spec) {
    if (isTuned && isMatMul(spec)) {
      const std::string name = codegen::kernelName(spec);
      matmuls.insert(name);
      if (auto found = measured.find(name); found != measured.end()) {
        spec.tiles = found->second;
      }
    }
    return spec;
  }

  /// Adds to `prefetches` how the kernel of a matmul prefetches its weights.
  void notePrefetch(const BatchClass &batch, const KernelSpec &spec,
                    const MachineProfile &profile) {
    const codegen::MatMulTiles tiles = codegen::usedTiles(spec, profile);
    if (tiles.prefetchHint) {
      std::string text(streamHintName(*tiles.prefetchHint));
      text += tiles.prefetchBytes != 0
                  ? " " + std::to_string(tiles.prefetchBytes)
                  : "";
      prefetches[batch.minTokens][text].insert(
          std::string(air::info(spec.dtype).name));
    }
  }

  /// Creates the decision "prefetch", which lists the prefetches that
  /// notePrefetch() has collected for each batch class, for example "m1 none;
  /// m2-8 t0 9216; m9+ t1". A prefetch is a hint and a distance in bytes, which
  /// is left out if it is 0. If a class has several prefetches, the dtypes of
  /// each follow it.
  void decidePrefetch(OpBuilder &builder, ModuleOp module) {
    std::string value;
    for (const BatchClass &batch : kBatchClasses) {
      auto found = prefetches.find(batch.minTokens);
      if (found == prefetches.end()) {
        continue;
      }
      value += (value.empty() ? "" : "; ") + std::string(batch.name);
      const char *separator = " ";
      for (const auto &[choice, dtypes] : found->second) {
        value += separator + choice;
        separator = ", ";
        if (found->second.size() > 1) {
          value += " (" + llvm::join(dtypes, " ") + ")";
        }
      }
    }
    // The decisions of decideSizes() are sorted by name, so "prefetch" is
    // inserted before "slots", which is the next name.
    for (DecisionOp decision : module.getOps<DecisionOp>()) {
      if (decision.getName() == "slots" && !value.empty()) {
        OpBuilder::InsertionGuard guard(builder);
        builder.setInsertionPoint(decision);
        DecisionOp::create(builder, module.getLoc(), "prefetch", value,
                           isTuned ? DecidedBy::User : DecidedBy::Solver);
        return;
      }
    }
  }

  std::string tuneText() const {
    size_t known = 0;
    size_t changed = 0;
    for (const std::string &name : matmuls) {
      if (auto found = measured.find(name); found != measured.end()) {
        known += 1;
        changed += found->second != codegen::MatMulTiles() ? 1 : 0;
      }
    }
    return "measured " + std::to_string(known) + " of " +
           std::to_string(matmuls.size()) +
           " matmuls and changed the tiles of " + std::to_string(changed);
  }

  Result<codegen::Precision> leastPrecision() const {
    if (activations.empty() || activations == "i8") {
      return codegen::Precision::Int8;
    }
    if (activations == "i8x2") {
      return codegen::Precision::Int15;
    }
    if (activations == "f32") {
      return codegen::Precision::Float;
    }
    return usageError("activations must be f32, i8x2 or i8, not '" +
                      activations + "'");
  }

  /// The context in tokens and the number of sequences.
  Result<std::pair<uint64_t, uint64_t>>
  sizesOf(HyperparametersAttr hyperparameters) {
    if (!kvType.empty() && kvType != "f16" && kvType != "f32") {
      return usageError("kv-type must be f16 or f32, not '" + kvType + "'");
    }
    auto trained = static_cast<uint64_t>(hyperparameters.getTrainedContext());
    uint64_t context =
        contextTokens != 0 ? contextTokens : std::min(trained, kDefaultContext);
    uint64_t sequences = slots != 0 ? slots : 1;
    constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
    if (context == 0 || context > kMost || sequences > kMost) {
      return usageError("the context is " + countOf(context, "token") +
                        " and the number of slots is " +
                        std::to_string(sequences) + "; both must be 1 to " +
                        std::to_string(kMost));
    }
    return std::pair(context, sequences);
  }

  /// Creates the plan.decision ops for sizes and number formats in the order of
  /// their names, which is their order in the plan file.
  Status decideSizes(OpBuilder &builder, HyperparametersAttr hyperparameters,
                     const std::string &activationFormat) {
    AIR_ASSIGN_OR_RETURN(const auto sizes, sizesOf(hyperparameters));
    const auto trained =
        static_cast<uint64_t>(hyperparameters.getTrainedContext());
    auto decide = [&](StringRef name, const std::string &value, DecidedBy by) {
      DecisionOp::create(builder, builder.getUnknownLoc(), name, value, by);
    };
    decide("activations", activationFormat,
           activations.empty() ? DecidedBy::Default : DecidedBy::User);
    decide("context", std::to_string(sizes.first),
           contextTokens != 0          ? DecidedBy::User
           : trained < kDefaultContext ? DecidedBy::Model
                                       : DecidedBy::Default);
    decide("kv-type", kvType == "f32" ? "f32" : "f16",
           kvType.empty() ? DecidedBy::Default : DecidedBy::User);
    decide("max-outputs", std::to_string(maxOutputs), DecidedBy::Default);
    decide("max-tokens", std::to_string(maxTokens), DecidedBy::Default);
    decide("slots", std::to_string(sizes.second),
           slots != 0 ? DecidedBy::User : DecidedBy::Default);
    return Status::ok();
  }

  /// Creates `caches` caches in the memory of `device`.
  Result<KvOp> createKv(OpBuilder &builder, HyperparametersAttr hyperparameters,
                        uint64_t caches, uint64_t device) {
    Location loc = builder.getUnknownLoc();
    AIR_ASSIGN_OR_RETURN(const auto sizes, sizesOf(hyperparameters));
    const auto [context, sequences] = sizes;
    const DType dtype = kvType == "f32" ? DType::F32 : DType::F16;
    // The verifier of plan.kv also refuses a KV cache that is too large, but
    // its message does not name the options that make the cache smaller.
    uint64_t elementBytes = air::info(dtype).blockBytes;
    std::optional<uint64_t> bytes =
        checkedMul(sequences, context / AIR_KV_PAGE_TOKENS + 1);
    for (uint64_t factor : {std::max(caches, uint64_t{1}),
                            static_cast<uint64_t>(hyperparameters.getKvHeads()),
                            static_cast<uint64_t>(hyperparameters.getHeadDim()),
                            uint64_t{AIR_KV_PAGE_TOKENS}, 2 * elementBytes}) {
      bytes = bytes ? checkedMul(*bytes, factor) : std::nullopt;
    }
    if (!bytes || *bytes > std::numeric_limits<int64_t>::max()) {
      return doesNotFitError("a KV cache of " + std::to_string(sequences) +
                             " x " + countOf(context, "token") +
                             " takes 2^63 bytes or more; choose a "
                             "smaller --ctx or --slots");
    }
    return KvOp::create(
        builder, loc, DTypeAttr::get(builder.getContext(), dtype),
        builder.getI64IntegerAttr(AIR_KV_PAGE_TOKENS),
        builder.getI64IntegerAttr(static_cast<int64_t>(caches)),
        builder.getI64IntegerAttr(hyperparameters.getKvHeads()),
        builder.getI64IntegerAttr(hyperparameters.getHeadDim()),
        builder.getI64IntegerAttr(static_cast<int64_t>(context)),
        builder.getI64IntegerAttr(static_cast<int64_t>(sequences)),
        device == 0 ? IntegerAttr()
                    : builder.getI64IntegerAttr(static_cast<int64_t>(device)));
  }

  Status createProgram(OpBuilder &builder, Location loc,
                       const BatchClass &batch,
                       const std::vector<LoweredStep> &steps,
                       const MachineProfile &profile) {
    OpBuilder::InsertionGuard guard(builder);
    SymbolTable symbols(getOperation());
    auto program =
        ProgramOp::create(builder, loc, batch.name, batch.minTokens,
                          std::min<uint64_t>(batch.maxTokens, maxTokens),
                          /*tile_tokens=*/IntegerAttr());
    // Renames the program if a tensor of the model already has its name.
    symbols.insert(program);
    builder.createBlock(&program.getBody());
    return addSteps(builder, loc, batch, steps, profile);
  }

  /// Creates the plan.step ops of a program for `batch`, with those dispatches
  /// that batches of this class need.
  Status addSteps(OpBuilder &builder, Location loc, const BatchClass &batch,
                  const std::vector<LoweredStep> &steps,
                  const MachineProfile &profile) {
    for (const LoweredStep &lowered : steps) {
      OpBuilder::InsertionGuard stepGuard(builder);
      auto step = StepOp::create(
          builder, loc, lowered.kind, static_cast<uint64_t>(lowered.layer),
          lowered.name, FlatSymbolRefAttr(), FlatSymbolRefAttr());
      builder.createBlock(&step.getBody());
      for (const LoweredDispatch &dispatch : lowered.dispatches) {
        if ((dispatch.mClasses & bitOf(batch.mClass)) == 0) {
          continue;
        }
        KernelSpec spec = dispatch.spec;
        if (codegen::hasMClasses(spec.op)) {
          spec.mClass = batch.mClass;
        }
        spec = tuned(std::move(spec));
        Result<codegen::KernelEntry> entry =
            codegen::describeKernel(spec, profile);
        if (!entry) {
          return entry.status().withContext("step " + lowered.name);
        }
        if (isMatMul(spec)) {
          notePrefetch(batch, spec, profile);
        }
        DispatchOp::create(
            builder, loc, entry->name,
            kernelSpecToAttr(builder.getContext(), spec),
            builder.getArrayAttr(dispatch.bindings), entry->baseTiles,
            entry->tokensPerTile, entry->rowsPerTile,
            /*first_tile=*/IntegerAttr(), /*end_tile=*/IntegerAttr(),
            entry->rowsFrom == codegen::RowsFrom::Outputs ? RowsFrom::Outputs
                                                          : RowsFrom::Tokens,
            entry->weightBytes, entry->flopsPerRow, entry->scratchBytes,
            ir::plan::arithmeticOf(spec), dispatch.overlap,
            /*launch=*/LaunchAttr());
      }
    }
    return Status::ok();
  }

  std::optional<MachineProfile> machine; ///< resolved from `target` if absent
  bool isTuned = false;
  std::map<std::string, codegen::MatMulTiles> measured; ///< by kernel name
  std::set<std::string> matmuls; ///< kernel names of the plan's matmuls
  /// Maps a batch class, given by its smallest number of tokens, to the
  /// prefetches of its matmuls. The key of the inner map is a prefetch as a
  /// text, such as "t0 9216" (see decidePrefetch()). The value is the dtypes of
  /// the weights that are prefetched in this way.
  std::map<uint64_t, std::map<std::string, std::set<std::string>>> prefetches;
};

} // namespace

std::unique_ptr<Pass>
createSelectKernels(SelectKernelsOptions options,
                    std::optional<MachineProfile> profile,
                    std::optional<std::vector<codegen::TileChoice>> tiles) {
  return std::make_unique<SelectKernels>(std::move(options), std::move(profile),
                                         tiles);
}

} // namespace air::compiler
