//===- Compiler.cpp - the stages, in order --------------------------------===//
#include "compiler/driver/Compiler.h"

#include "compiler/dialect/plan/CudaSpecAttr.h"
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "compiler/emit/EmitPlan.h"
#include "compiler/import/Importer.h"
#include "compiler/transforms/MeasureNeeds.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/TargetAttr.h"
#include "formats/gguf/GgufReader.h"
#include "formats/gguf/GgufSampling.h"
#include "formats/model/CheckTokenizer.h"
#include "formats/model/PreTokenizerNames.h"
#include "formats/model/ReadSampling.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanEncode.h"
#include "formats/support/Printable.h"
#include "formats/text/jinja/Template.h"
#include "formats/tokenizer/GenerationConfig.h"
#include "formats/tokenizer/TokenizerConfig.h"
#include "formats/tokenizer/TokenizerFiles.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <algorithm>
#include <map>
#include <set>

using namespace mlir;

namespace air::compiler {

/// What the model's files contain. Compilers for several targets share it.
struct Compiler::Model {
  ModelSource source;
  TokenizerData tokenizer;
  SamplingDefaults sampling;
  std::vector<std::string> notes;
};

struct Compiler::State {
  CompileOptions options;
  std::shared_ptr<const Model> model;
  std::vector<std::string> notes;
  /// The plans from which segments may be copied: first that of `options.from`,
  /// then those of `options.packed`. A fat plan has an entry for each of its
  /// targets.
  std::vector<std::shared_ptr<const PlanFile>> packed;
  size_t fromTargets = 0; ///< number of entries that are from `options.from`
  uint64_t copiedBytes = 0;
  MLIRContext context{MLIRContext::Threading::DISABLED};
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<KernelBuild> kernels;
};

namespace {

/// Keeps the first error that MLIR reports, instead of printing diagnostics.
class Diagnostics {
public:
  explicit Diagnostics(MLIRContext *context)
      : handler(context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error &&
              first.empty()) {
            first = diagnostic.str();
          }
          return success();
        }) {}

  std::string first;

private:
  ScopedDiagnosticHandler handler;
};

/// Returns the number of bytes that the vocabulary takes in the plan's
/// metadata.
uint64_t vocabularyBytes(const TokenizerData &tokenizer) {
  uint64_t bytes = tokenizer.scores.size() * sizeof(float) +
                   tokenizer.types.size() + tokenizer.chatTemplate.size() +
                   tokenizer.charsmap.size();
  for (const auto *list : {&tokenizer.tokens, &tokenizer.merges}) {
    for (const std::string &text : *list) {
      // The plan stores each text and a 32-bit offset of its end.
      bytes += text.size() + sizeof(uint32_t);
    }
  }
  for (const auto &[name, source] : tokenizer.namedTemplates) {
    bytes += name.size() + source.size() + 2 * sizeof(uint32_t);
  }
  const std::unique_ptr<plan::TokenizerT> record = toPlan(tokenizer);
  for (const auto &program : record->programs) {
    bytes += program->words.size() * sizeof(uint32_t);
    if (program->texts) {
      bytes += program->texts->bytes.size() +
               program->texts->ends.size() * sizeof(uint32_t);
    }
  }
  for (const auto &splitter : record->splitters) {
    bytes += splitter->words.size() * sizeof(uint32_t);
  }
  return bytes;
}

/// Adds a note for each chat template that cannot be used. The model can be
/// packed nevertheless, because it can complete any text without a template.
void noteBadTemplates(const TokenizerData &tokenizer,
                      std::vector<std::string> &notes) {
  auto check = [&](const std::string &what, const std::string &source) {
    if (Result<jinja::Template> parsed = jinja::Template::parse(source);
        !parsed) {
      notes.push_back(what + " cannot be used: " + parsed.status().message() +
                      "; airrun can render conversations only with another "
                      "template, given as --chat-template FILE");
    }
  };
  check("the model's chat template", tokenizer.chatTemplate);
  for (const auto &[name, source] : tokenizer.namedTemplates) {
    check("the model's chat template " + inQuotes(name), source);
  }
}

/// Encodes the first chunk of several matrices: bfloat16 matrices for the codec
/// Planes, and others for Zstd. Returns coded bytes / uncoded bytes, or 1 if no
/// matrix is suitable.
double codecRatio(const ModelSource &source, plan::Codec codec) {
  constexpr size_t kChunkBytes = size_t{256} << 10;
  constexpr size_t kSamples = 8;
  std::vector<const SourceTensor *> matrices; // sorted by name
  for (const auto &[name, tensor] : source.tensors) {
    if ((tensor.dtype == DType::BF16) == (codec == plan::Codec::Planes) &&
        tensor.data.size() >= kChunkBytes) {
      matrices.push_back(&tensor);
    }
  }
  size_t raw = 0;
  size_t coded = 0;
  const size_t step = std::max<size_t>(1, matrices.size() / kSamples);
  for (size_t i = 0; i < matrices.size(); i += step) {
    const auto chunk = matrices[i]->data.first(kChunkBytes);
    if (const auto bytes = encodedChunk(codec, chunk)) {
      raw += chunk.size();
      coded += bytes->size();
    }
  }
  return raw == 0 ? 1 : static_cast<double>(coded) / static_cast<double>(raw);
}

std::vector<std::unique_ptr<Pass>> makePasses(const CompileOptions &options,
                                              const ModelSource &source,
                                              const TokenizerData &tokenizer,
                                              KernelBuild *kernels) {
  SelectKernelsOptions select;
  select.target = options.target;
  select.kvType = options.kvType;
  select.activations = options.activations;
  select.contextTokens = options.context;
  select.slots = options.slots;
  select.cpuLayers = options.cpuLayers;
  select.cpuLayersChosen = options.choosesCpuLayers;
  select.ram = options.ram;
  select.disk = options.disk;
  select.pin = options.pin ? static_cast<int>(*options.pin) : -1;
  select.vocabularyBytes = vocabularyBytes(tokenizer);
  select.reference = options.reference;
  select.join = options.joinsMatrices;
  SplitStepsOptions split;
  uint64_t bytes = 0;
  for (const auto &[name, tensor] : source.tensors) {
    bytes += tensor.data.size();
  }
  split.partBytes =
      std::max(options.partBytes, bytes / CompileOptions::kMostParts);
  CompileKernelsOptions compile;
  compile.threads = options.threads;
  compile.ram = select.ram;
  compile.disk = select.disk;
  compile.pin = select.pin;
  compile.vocabularyBytes = select.vocabularyBytes;
  compile.reference = options.reference;
  compile.codec = options.codec;
  compile.vram = options.vram;
  PlaceWeightsOptions place;
  place.reference = options.reference;
  place.ram = compile.ram;
  place.disk = compile.disk;
  place.pin = compile.pin;
  place.vocabularyBytes = compile.vocabularyBytes;
  place.codec = options.codec;
  place.vram = options.vram;
  if (options.codec == "auto" && !options.weightless && !options.reference) {
    place.planesRatio = codecRatio(source, plan::Codec::Planes);
    place.zstdRatio = codecRatio(source, plan::Codec::Zstd);
  }

  std::vector<std::unique_ptr<Pass>> passes;
  passes.push_back(createCanonicalizerPass());
  passes.push_back(createFuseSteps());
  passes.push_back(createVerifySteps());
  passes.push_back(createSelectKernels(select, options.machine, options.tiles));
  passes.push_back(createPackSegments());
  passes.push_back(createSplitSteps(split));
  passes.push_back(createPlanMemory());
  passes.push_back(createVerifyMemory());
  passes.push_back(createScheduleReads());
  passes.push_back(createCompileKernels(compile, kernels));
  passes.push_back(createPlaceWeights(place));
  passes.push_back(createEstimateCost());
  passes.push_back(createVerifyPlan());
  return passes;
}

/// Implements the option --pre: unless `name` is empty, this name replaces the
/// pre-tokenizer that the file names.
Status overridePreTokenizer(ModelSource &source, const std::string &name) {
  if (name.empty()) {
    return Status::ok();
  }
  if (source.getString("tokenizer.ggml.model") != "gpt2") {
    return usageError("--pre chooses how a byte-level BPE vocabulary splits "
                      "text, but this model has a vocabulary of another kind; "
                      "leave the option out");
  }
  if (canonicalPreTokenizer(name).empty()) {
    return usageError("--pre: " + inQuotes(name) +
                      " is not supported; supported: " + preTokenizerList());
  }
  source.metadata["tokenizer.ggml.pre"] = name;
  return Status::ok();
}

/// Reads the vocabulary that the options choose. If its tokens come from
/// another file, they also become metadata of `source`, so that their number is
/// checked against the model. Sets `settings` to the sampler settings that the
/// files of the vocabulary recommend.
Result<TokenizerData> readVocabulary(ModelSource &source,
                                     const CompileOptions &options,
                                     SamplingSettings &settings) {
  if (options.tokenizer.empty()) {
    AIR_RETURN_IF_ERROR(overridePreTokenizer(source, options.pre));
    return readGgufTokenizer(source);
  }
  AIR_ASSIGN_OR_RETURN(TokenizerData data,
                       readTokenizer(options.tokenizer, options.pre));
  source.metadata["tokenizer.ggml.tokens"] = data.tokens;
  AIR_ASSIGN_OR_RETURN(data, withGgufSpecials(source, std::move(data)));
  AIR_RETURN_IF_ERROR(readTokenizerConfig(options.tokenizer, data));
  AIR_ASSIGN_OR_RETURN(settings, readGenerationConfig(options.tokenizer, data));
  return data;
}

} // namespace

std::vector<std::string> passNames() {
  std::vector<std::string> names;
  for (const std::unique_ptr<Pass> &pass : makePasses({}, {}, {}, nullptr)) {
    names.push_back(pass->getArgument().str());
  }
  return names;
}

Compiler::Compiler(std::unique_ptr<State> initial)
    : state(std::move(initial)) {}
Compiler::~Compiler() = default;
Compiler::Compiler(Compiler &&) noexcept = default;
Compiler &Compiler::operator=(Compiler &&) noexcept = default;

const ModelSource &Compiler::source() const { return state->model->source; }

const std::vector<std::string> &Compiler::notes() const { return state->notes; }

Result<Compiler> Compiler::load(CompileOptions options) {
  auto model = std::make_shared<Model>();
  AIR_ASSIGN_OR_RETURN(model->source, readGguf(options.model));
  SamplingSettings settings;
  AIR_ASSIGN_OR_RETURN(model->tokenizer,
                       readVocabulary(model->source, options, settings));
  AIR_RETURN_IF_ERROR(checkTokenizer(model->tokenizer));
  model->notes = model->tokenizer.notes;
  noteBadTemplates(model->tokenizer, model->notes);
  model->sampling = readGgufSampling(model->source, model->notes);
  overrideSampling(model->sampling, readSampling(settings, model->notes),
                   kGenerationConfigName, model->notes);
  return import(std::move(options), std::move(model));
}

Result<Compiler> Compiler::again(CompileOptions options) const {
  if (!options.cuda) {
    options.cuda = state->kernels->cudaCompiler();
  }
  return import(std::move(options), state->model);
}

Result<Compiler> Compiler::import(CompileOptions options,
                                  std::shared_ptr<const Model> model) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  state->model = std::move(model);
  state->notes = state->model->notes;
  if (state->options.ptx) {
    // PTX is stored for GPUs that are newer than the target. They do not run
    // instructions that only one architecture has. All kernels are therefore
    // compiled for the variant of the target's architecture without such
    // instructions: sm_90 instead of sm_90a, for example.
    std::optional<MachineProfile> &machine = state->options.machine;
    if (!machine) {
      AIR_ASSIGN_OR_RETURN(machine, resolveProfile(state->options.target));
    }
    for (GpuProfile &gpu : machine->gpus) {
      gpu.arch = codegen::cuda::portableArch(gpu.arch);
    }
  }
  state->kernels = std::make_unique<KernelBuild>(
      state->options.background, state->options.kernelBytes,
      state->options.cuda, state->options.ptx, state->options.kernelCache);
  const auto open = [&](const std::string &path) -> Status {
    for (uint32_t target = 0, count = 1; target < count; ++target) {
      AIR_ASSIGN_OR_RETURN(PlanFile file,
                           openPacked(path, state->model->source));
      count = file.targets();
      file.choose(std::min(target, count - 1));
      state->packed.push_back(std::make_shared<PlanFile>(std::move(file)));
    }
    return Status::ok();
  };
  if (!state->options.from.empty()) {
    AIR_RETURN_IF_ERROR(open(state->options.from).withContext("--from"));
    state->fromTargets = state->packed.size();
  }
  for (const std::string &path : state->options.packed) {
    AIR_RETURN_IF_ERROR(open(path));
  }
  AIR_ASSIGN_OR_RETURN(
      state->module,
      importModel(state->context, state->model->source, &state->notes));
  return Compiler(std::move(state));
}

Result<std::vector<PackedPlace>>
Compiler::packedPlaces(const plan::PlanT &plan,
                       const std::vector<SegmentContent> &contents) const {
  const CompileOptions &options = state->options;
  if (state->packed.empty() || options.weightless || options.reference) {
    return std::vector<PackedPlace>{};
  }
  Result<std::vector<PackedPlace>> places =
      findPacked(plan, contents, state->packed);
  if (!options.from.empty()) {
    AIR_RETURN_IF_ERROR(places.status().withContext("--from"));
  }
  return places;
}

Status Compiler::checkCopies(std::span<const PackedPlace> places,
                             size_t segments) const {
  if (state->options.from.empty()) {
    return Status::ok();
  }
  size_t count = 0;
  for (size_t i = 0; i < state->fromTargets; ++i) {
    const PlanFile *from = state->packed[i].get();
    if (std::ranges::any_of(places, [&](const PackedPlace &place) {
          return place.plan == from;
        })) {
      return Status::ok();
    }
    count += from->plan().segments()->size();
  }
  return usageError("--from: none of the " + std::to_string(count) +
                    " segments of " + inQuotes(state->options.from) +
                    " can be copied to any of the " + std::to_string(segments) +
                    " segments of the new plan; only weights that both plans "
                    "arrange in the same way and store without a codec can be "
                    "copied; leave out --from");
}

uint64_t Compiler::copiedBytes() const { return state->copiedBytes; }

/// Replaces the reserved size of the CPU's kernels with their actual size. The
/// budgets of the placements stay as they are.
static void setKernelBytes(ModuleOp module, uint64_t bytes) {
  llvm::DenseSet<StringAttr> ofCpu;
  for (auto executable : module.getOps<ir::plan::ExecutableOp>()) {
    if (executable.getDevice() == 0 && executable.getSegmentAttr()) {
      ofCpu.insert(executable.getSegmentAttr().getAttr());
    }
  }
  size_t index = 0;
  Builder builder(module.getContext());
  for (auto segment : module.getOps<ir::plan::SegmentOp>()) {
    if (ofCpu.contains(segment.getSymNameAttr())) {
      segment.setRawBytesAttr(
          builder.getI64IntegerAttr(static_cast<int64_t>(bytes)));
      for (auto placement : module.getOps<ir::plan::PlacementOp>()) {
        SmallVector<int64_t> resident(placement.getResident());
        resident[index] = static_cast<int64_t>(bytes);
        placement.setResident(resident);
      }
    }
    ++index;
  }
}

Status Compiler::run(const std::string &stopAfter) {
  Diagnostics diagnostics(&state->context);
  PassManager manager(&state->context);
  bool found = stopAfter.empty();
  for (std::unique_ptr<Pass> &pass :
       makePasses(state->options, state->model->source, state->model->tokenizer,
                  state->kernels.get())) {
    bool last = pass->getArgument() == stopAfter;
    manager.addPass(std::move(pass));
    if (last) {
      found = true;
      break;
    }
  }
  if (!found) {
    std::string known;
    for (const std::string &name : passNames()) {
      known += (known.empty() ? "" : ", ") + name;
    }
    return usageError("there is no pass '" + stopAfter + "'; the passes are " +
                      known);
  }
  if (failed(manager.run(*state->module))) {
    return {failureCode(*state->module),
            diagnostics.first.empty()
                ? "a pass failed without reporting an error"
                : diagnostics.first};
  }
  if (state->kernels->reserved() != 0 && !state->options.background) {
    AIR_ASSIGN_OR_RETURN(const codegen::KernelArtifact *kernels,
                         state->kernels->wait());
    setKernelBytes(*state->module, kernels->object.size());
  }
  return Status::ok();
}

double Compiler::kernelsReadyAt() const { return state->kernels->endSeconds(); }

std::string Compiler::moduleText() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  state->module->print(stream);
  return text;
}

bool Compiler::hasJoinedMatrices() const {
  return llvm::any_of(state->module->getOps<ir::plan::TensorOp>(),
                      [](ir::plan::TensorOp tensor) {
                        return tensor.getRecipe() == ir::plan::Recipe::Join;
                      });
}

Result<std::vector<codegen::KernelUse>> Compiler::matmuls() {
  std::map<std::string, codegen::KernelUse> uses;
  Status status = Status::ok();
  state->module->walk([&](ir::plan::DispatchOp dispatch) {
    Result<codegen::KernelSpec> spec =
        ir::plan::kernelSpecFromAttr(dispatch.getSpec());
    if (!spec) {
      status = spec.status().withContext(dispatch.getKernel().str());
      return;
    }
    if (spec->op != codegen::KernelOp::MatMul &&
        spec->op != codegen::KernelOp::GluMatMul) {
      return;
    }
    codegen::KernelUse &use = uses[dispatch.getKernel().str()];
    use.spec = *spec;
    use.weightBytes += dispatch.getWeightBytes();
    // A kernel for 1 token is tuned with 1 row of activations, and a kernel for
    // 2 to 8 tokens with kFewTokens rows. A kernel for more tokens is tuned
    // with its program's maximum number of tokens or, if it computes only the
    // requested outputs, with 1 row, because a long prompt needs only the
    // logits of its last token.
    constexpr uint64_t kFewTokens = 4;
    use.rows =
        spec->mClass == codegen::MClass::Small ? kFewTokens
        : spec->mClass == codegen::MClass::Large &&
                spec->rowsFrom == codegen::RowsFrom::Tokens
            ? dispatch->getParentOfType<ir::plan::ProgramOp>().getMaxTokens()
            : 1;
  });
  AIR_RETURN_IF_ERROR(status);
  std::vector<codegen::KernelUse> list;
  for (auto &[name, use] : uses) {
    list.push_back(std::move(use));
  }
  return list;
}

/// The name of a kernel's file: the kinds of the steps, then the kernel's name.
static std::string fileNameOf(const std::set<std::string> &steps,
                              const std::string &kernel) {
  std::string name;
  for (const std::string &step : steps) {
    name += (name.empty() ? "" : "+") + step;
  }
  return name + "." + kernel;
}

/// Returns the kernels of a plan for a GPU, sorted by name. Compiles them
/// unless `build` has done so.
static Result<std::vector<KernelFile>>
cudaKernelFiles(ModuleOp module, const MachineProfile &profile,
                KernelBuild &build, unsigned threads) {
  std::map<std::string, std::set<std::string>> steps;
  std::map<std::string, codegen::cuda::CudaSpec> specs;
  Status status = Status::ok();
  module.walk([&](ir::plan::DispatchOp dispatch) {
    if (!dispatch.getLaunch()) {
      return;
    }
    const std::string name = dispatch.getKernel().str();
    steps[name].insert(
        stringifyStepKind(
            dispatch->getParentOfType<ir::plan::StepOp>().getKind())
            .str());
    Result<codegen::cuda::CudaSpec> spec =
        ir::plan::cudaSpecFromAttr(dispatch.getSpec());
    status = spec ? status : spec.status().withContext(name);
    if (spec) {
      specs.emplace(name, *spec);
    }
  });
  AIR_RETURN_IF_ERROR(status);
  if (build.cudaKernels().empty()) {
    AIR_ASSIGN_OR_RETURN(const codegen::cuda::CudaTarget target,
                         codegen::cuda::cudaTarget(profile.gpus.front().arch));
    std::vector<codegen::cuda::CudaSpec> list;
    for (const auto &[name, spec] : specs) {
      list.push_back(spec);
    }
    AIR_RETURN_IF_ERROR(build.compileCuda(list, target, threads));
  }
  const std::vector<KernelBuild::CudaCode> codes = build.cudaCodes();
  std::map<std::string, KernelFile> files;
  for (size_t i = 0; i < codes.size(); ++i) {
    const codegen::cuda::CudaKernel &kernel = build.cudaKernels()[i];
    KernelFile &file = files[kernel.name];
    file.name = fileNameOf(steps[kernel.name], kernel.name);
    file.cuda = kernel.text;
    file.cubin.assign(codes[i].cubin.begin(), codes[i].cubin.end());
    // `codes` has the PTX as the plan stores it, with a zero byte at the end.
    // file.ptx does not include this byte.
    const auto ptx = codes[i].ptx.first(codes[i].ptx.size() -
                                        (codes[i].ptx.empty() ? 0 : 1));
    file.ptx.assign(ptx.begin(), ptx.end());
  }
  std::vector<KernelFile> sorted;
  for (auto &[name, file] : files) {
    sorted.push_back(std::move(file));
  }
  return sorted;
}

Result<std::vector<KernelFile>> Compiler::kernelFiles() {
  AIR_ASSIGN_OR_RETURN(const MachineProfile profile, targetOf(*state->module));
  std::vector<KernelFile> files;
  if (!profile.gpus.empty()) {
    AIR_ASSIGN_OR_RETURN(files, cudaKernelFiles(*state->module, profile,
                                                *state->kernels,
                                                state->options.threads));
  }
  // Appends the kernels of the CPU to `files`. `steps` maps the name of each of
  // these kernels to the kinds of the steps that use it.
  std::map<std::string, std::set<std::string>> steps;
  std::vector<codegen::KernelSpec> specs;
  Status status = Status::ok();
  state->module->walk([&](ir::plan::DispatchOp dispatch) {
    if (dispatch.getLaunch()) {
      return;
    }
    const std::string kernel = dispatch.getKernel().str();
    Result<codegen::KernelSpec> spec =
        ir::plan::kernelSpecFromAttr(dispatch.getSpec());
    if (!spec) {
      status = spec.status().withContext(kernel);
      return;
    }
    if (!steps.contains(kernel)) {
      specs.push_back(*spec);
    }
    steps[kernel].insert(
        stringifyStepKind(
            dispatch->getParentOfType<ir::plan::StepOp>().getKind())
            .str());
  });
  AIR_RETURN_IF_ERROR(status);
  if (specs.empty()) {
    return files;
  }
  AIR_ASSIGN_OR_RETURN(
      std::vector<codegen::KernelListing> listings,
      codegen::listKernels(specs, profile, state->options.threads));
  for (codegen::KernelListing &listing : listings) {
    KernelFile file;
    file.name = fileNameOf(steps[listing.name], listing.name);
    file.listing = std::move(listing);
    files.push_back(std::move(file));
  }
  return files;
}

Result<ModelNeeds> Compiler::needs() {
  AIR_ASSIGN_OR_RETURN(const MachineProfile profile, targetOf(*state->module));
  const CompileOptions &options = state->options;
  return measureNeeds(
      *state->module, profile,
      {.vocabularyBytes = vocabularyBytes(state->model->tokenizer),
       .memory = {options.ram, options.disk,
                  options.pin ? static_cast<int>(*options.pin) : -1},
       .vram = options.vram});
}

/// Records in `plan` the architecture of the GPU kernels' PTX and, for each
/// kernel, the offset of the PTX in the kernel's segment.
static void recordPtx(plan::PlanT &plan, const KernelBuild &build) {
  const std::vector<KernelBuild::CudaCode> codes = build.cudaCodes();
  size_t next = 0;
  for (const auto &executable : plan.executables) {
    if (executable->device == 0) {
      continue;
    }
    executable->ptx_offset = codes[next].cubin.size();
    if (executable->ptx_offset == 0) {
      executable->format = plan::CodeFormat::Ptx;
    }
    plan.machine->devices[executable->device - 1]->ptx_arch = build.ptxArch();
    ++next;
  }
}

Result<plan::PlanT> Compiler::plan() const {
  AIR_ASSIGN_OR_RETURN(plan::PlanT plan,
                       emitPlan(*state->module, state->model->source,
                                state->model->tokenizer,
                                state->model->sampling));
  if (const std::string &version = state->kernels->cudaVersion();
      !version.empty()) {
    plan.codegen_fingerprint +=
        ", t16 " + std::to_string(kT16Revision) + ", " + version;
  }
  if (!state->kernels->ptxArch().empty()) {
    recordPtx(plan, *state->kernels);
  }
  if (state->options.weightless) {
    makeWeightless(plan);
  }
  if (state->options.reference) {
    AIR_ASSIGN_OR_RETURN(std::vector<SegmentContent> contents,
                         emitContents(*state->module, state->model->source));
    AIR_RETURN_IF_ERROR(makeReference(plan, contents, state->model->source));
  }
  return plan;
}

Result<std::string> Compiler::planJson() const {
  AIR_ASSIGN_OR_RETURN(plan::PlanT plan, this->plan());
  AIR_RETURN_IF_ERROR(prepareDigests(plan));
  flatbuffers::FlatBufferBuilder builder;
  plan::FinishPlanBuffer(builder, plan::Plan::Pack(builder, &plan));
  return planToJson(*plan::GetPlan(builder.GetBufferPointer()));
}

Result<uint64_t> Compiler::writeTogether(std::span<Compiler> compilers,
                                         AtomicFile output,
                                         const ProgressFn &progress) {
  if (compilers.empty()) {
    return usageError("a plan needs a target");
  }
  std::vector<PlanParts> all;
  Status copies = Status::ok();
  bool isCopied = false;
  for (const Compiler &compiler : compilers) {
    PlanParts parts;
    AIR_ASSIGN_OR_RETURN(parts.plan, compiler.plan());
    if (!compiler.state->options.weightless) {
      AIR_ASSIGN_OR_RETURN(parts.contents, emitContents(*compiler.state->module,
                                                        compiler.source()));
    }
    AIR_ASSIGN_OR_RETURN(parts.packed,
                         compiler.packedPlaces(parts.plan, parts.contents));
    AIR_ASSIGN_OR_RETURN(parts.kernels, compiler.state->kernels->images());
    // --from is an error only if no segment can be copied for any target.
    copies = compiler.checkCopies(parts.packed, parts.plan.segments.size());
    isCopied = isCopied || copies.isOk();
    all.push_back(std::move(parts));
  }
  AIR_RETURN_IF_ERROR(isCopied ? Status::ok() : copies);
  const Compiler &first = compilers.front();
  AIR_ASSIGN_OR_RETURN(const WrittenBytes bytes,
                       writeFatPlan(std::move(output), std::move(all),
                                    first.source(),
                                    first.state->options.threads, progress));
  first.state->copiedBytes = bytes.copied;
  return bytes.file;
}

Result<uint64_t> Compiler::write(AtomicFile output,
                                 const ProgressFn &progress) const {
  const std::string path = output.path();
  AIR_ASSIGN_OR_RETURN(plan::PlanT plan, this->plan());
  std::vector<SegmentContent> contents;
  if (!state->options.weightless) {
    AIR_ASSIGN_OR_RETURN(contents,
                         emitContents(*state->module, state->model->source));
  }
  AIR_ASSIGN_OR_RETURN(const std::vector<PackedPlace> packed,
                       packedPlaces(plan, contents));
  AIR_RETURN_IF_ERROR(checkCopies(packed, plan.segments.size()));
  state->copiedBytes = bytesOf(packed);
  bool isTooLarge = false;
  const KernelBytes kernels = {
      .wait = [&]() -> Result<std::vector<std::span<const uint8_t>>> {
        AIR_ASSIGN_OR_RETURN(const codegen::KernelArtifact *compiled,
                             state->kernels->wait());
        isTooLarge = compiled->object.size() > state->kernels->reserved();
        if (isTooLarge) {
          return internalError(
              "the kernels take " + std::to_string(compiled->object.size()) +
              " bytes, but only " + std::to_string(state->kernels->reserved()) +
              " are reserved for them");
        }
        return state->kernels->images();
      },
      .isDone = [&] { return state->kernels->isDone(); }};
  Result<uint64_t> bytes =
      writePlan(std::move(output), std::move(plan), contents, packed, kernels,
                state->model->source, state->options.threads, progress);
  if (!isTooLarge) {
    return bytes;
  }
  // The plan's budgets count only the reserved size of the kernels, which is
  // too small. The model is compiled again from the start, this time without
  // compiling the kernels in the background, so that their actual size is
  // known.
  CompileOptions options = state->options;
  options.background = false;
  AIR_ASSIGN_OR_RETURN(Compiler compiler, this->again(std::move(options)));
  AIR_RETURN_IF_ERROR(compiler.run(""));
  AIR_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  return compiler.write(std::move(file), progress);
}

} // namespace air::compiler
