//===- Session.cpp - opens a plan and connects its parts --------*- C++ -*-===//
#include "runtime/exec/Session.h"

#include "formats/abi/KernelAbi.h"
#include "formats/dtype/DType.h"
#include "formats/machine/HostFacts.h"
#include "formats/machine/MachineProfile.h"
#include "formats/machine/TileRegisters.h"
#include "formats/plan/Choice.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/SourceFiles.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "runtime/exec/DeviceBatch.h"
#include "runtime/exec/DeviceStore.h"
#include "runtime/exec/HybridDevice.h"
#include "runtime/exec/PlacementChoice.h"
#include "runtime/exec/PlanDevice.h"
#include "runtime/exec/RandomStore.h"
#include "runtime/exec/TargetChoice.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/CpuTopology.h"
#include "runtime/io/PlacementMemory.h"
#include "runtime/io/PlanSource.h"
#include "runtime/io/StreamStore.h"

#include <algorithm>
#include <optional>
#include <unistd.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// The default for SessionOptions::maxSequences is at most this number, unless
/// the plan has more slots.
constexpr uint64_t kDefaultMaxSequences = 256;
/// The default for SessionOptions::maxSequences is lowered until the block
/// table, which has one row per sequence, has at most this number of bytes, but
/// not below the plan's number of slots.
constexpr uint64_t kDefaultBlockTableBytes = uint64_t{16} << 20;
/// The largest number of threads that verify segments before they are needed.
/// Together, they are expected to keep up with a fast disk.
constexpr uint32_t kLoaders = 4;
/// The largest batch, in tokens, that a plan may ask for. It limits the size of
/// arrays with one element per token, such as positions.
constexpr uint64_t kMaxBatchTokens = uint64_t{1} << 24;

std::vector<const plan::CacheGroup *> cacheGroupsOf(const plan::Plan &plan) {
  std::vector<const plan::CacheGroup *> groups;
  if (plan.cache_groups() != nullptr) {
    groups.assign(plan.cache_groups()->begin(), plan.cache_groups()->end());
  }
  return groups;
}

/// The number of entries of a row of a group's block table.
uint64_t tablePages(const plan::Plan &plan, const plan::CacheGroup &group) {
  return ceilDiv(plan.context(), group.page_tokens());
}

uint32_t defaultMaxSequences(const plan::Plan &plan) {
  uint64_t row = 0;
  uint64_t most = kDefaultMaxSequences;
  for (const plan::CacheGroup *group : cacheGroupsOf(plan)) {
    row += tablePages(plan, *group) * sizeof(uint32_t);
    most = std::min(most, group->pages());
  }
  if (row != 0) {
    most = std::min(most, kDefaultBlockTableBytes / row);
  }
  // The verifier has checked that the number of slots is 1 to 2^32 - 1.
  return static_cast<uint32_t>(std::max(most, plan.slots()));
}

/// Whether at least one cache of the plan holds float16.
bool hasHalfCache(const plan::Plan &plan) {
  constexpr auto kHalf = static_cast<uint16_t>(DType::F16);
  for (uint32_t i = 0; plan.caches() != nullptr && i < plan.caches()->size();
       ++i) {
    const plan::Cache &cache = *plan.caches()->Get(i);
    if (cache.key_dtype() == kHalf || cache.value_dtype() == kHalf) {
      return true;
    }
  }
  return false;
}

uint32_t defaultThreads(const plan::Plan &plan) {
  return std::clamp<uint32_t>(plan.machine()->cores(), 1,
                              std::min(busyCores(), ThreadPool::kMaxThreads));
}

/// Refuses plans that are well-formed, but that this version cannot execute.
Status checkSupported(const plan::Plan &plan, bool randomWeights) {
  if (randomWeights && !plan.weightless()) {
    return usageError("--random-weights is for weightless plans, but this plan "
                      "contains its weights; leave the option out");
  }
  if (plan.weightless() && !randomWeights) {
    return unsupportedError("the plan is weightless: it does not contain the "
                            "weights, so nothing can be computed with it; pack "
                            "the model again without --weightless");
  }
  if (plan.max_tokens() > kMaxBatchTokens) {
    return unsupportedError("the plan allows batches of " +
                            countOf(plan.max_tokens(), "token") +
                            ", but this version supports at most " +
                            std::to_string(kMaxBatchTokens) +
                            "; pack the model again with this version");
  }
  return Status::ok();
}

/// Returns the plan's only output buffer, to which the head writes the logits.
/// Checks its size: it needs max_outputs rows, or, if its rows_from is Tokens,
/// one row per token of the largest batch. On the CPU, the number of rows is
/// rounded up to a multiple of AIR_TOKEN_PADDING.
Result<const plan::Buffer *> logitsBuffer(const plan::Plan &plan) {
  const plan::Buffer *found = nullptr;
  for (const plan::Buffer *buffer : *plan.buffers()) {
    if (buffer->is_output()) {
      if (found != nullptr) {
        return unsupportedError("buffers '" + found->name()->str() + "' and '" +
                                buffer->name()->str() +
                                "' are both outputs, but this version supports "
                                "only one output, the logits; pack the model "
                                "again with this version");
      }
      found = buffer;
    }
  }
  const bool onGpu = found != nullptr && found->device() != 0;
  const uint64_t most =
      found != nullptr && found->rows_from() == plan::RowsFrom::Tokens
          ? plan.max_tokens()
          : plan.max_outputs();
  std::optional<uint64_t> rows =
      checkedAlignUp(most, onGpu ? 1 : AIR_TOKEN_PADDING);
  std::optional<uint64_t> bytes =
      rows ? checkedMul(*rows, plan.model()->vocabulary() * sizeof(float))
           : std::nullopt;
  if (found == nullptr || !bytes || found->bytes() < *bytes) {
    return verificationError(
        "logits: " + countOf(most, "row") + " of " +
        std::to_string(plan.model()->vocabulary()) +
        " floats do not fit into the output buffer of " +
        std::to_string(found == nullptr ? 0 : found->bytes()) +
        " bytes; pack the model again");
  }
  return found;
}

} // namespace

struct Session::Parts {
  // Later members refer to earlier ones, and are destroyed before them.
  std::shared_ptr<Runtime> runtime;
  PlanFile file;
  std::optional<SourceFiles> sources; ///< only for a reference plan
  std::shared_ptr<ThreadPool> pool;   ///< of `cpu`
  // `cpu` and `gpu` are null if they run no kernels. If both run kernels,
  // `hybrid` runs programs on both of them; otherwise it is null.
  std::unique_ptr<CpuDevice> cpu;
  std::shared_ptr<const Gpu> sharedGpu; ///< of `gpu`, if it is the runtime's
  std::unique_ptr<Device> gpu;
  std::unique_ptr<HybridDevice> hybrid;
  KernelDevices devices;
  const plan::Device *gpuRecord = nullptr; ///< null if only the CPU is used
  std::unique_ptr<SegmentStore> source;
  // Each of these pointers refers to `source` or to a part of it. It is null if
  // `source` contains no object of its class.
  DiskStream *streaming = nullptr;
  DeviceStore *onGpu = nullptr;
  std::shared_ptr<MemoryLimit> limit;
  /// What `limit` stated before the session took memory; nullopt if no limit is
  /// known.
  std::optional<MemoryRoom> firstRoom;
  uint32_t placement = 0; ///< the one with which `source` was opened
  /// The placement that would have been chosen if only the limits mattered.
  uint32_t allowedPlacement = 0;
  std::optional<DeviceBatch> batch; ///< only for a GPU
  std::optional<KvCache> kv;
  std::optional<Executor> executor;

  /// The device that runs the plan's programs.
  Device &device() {
    if (hybrid) {
      return *hybrid;
    }
    return gpu ? *gpu : *cpu;
  }
  /// A device by its index in the plan.
  Device &deviceAt(uint32_t index) { return index == 0 ? *cpu : *gpu; }
  /// Creates all members except `runtime` and `file`, which must be set.
  Status open(const SessionOptions &options);
  Status openCpu(const SessionOptions &options);
  Status createCpu(const SessionOptions &options);
  Status openGpu(const SessionOptions &options);
  Status openMapping(std::vector<NodePart> ofNodes,
                     const std::vector<bool> &isLeftOut = {});
  Status openStore(const SessionOptions &options);
  std::vector<NodePart> nodeParts() const;
  Result<PlanAddresses> hostAddresses();
  Result<PlanAddresses> gpuAddresses(const SessionOptions &options);
  Result<PlanAddresses> gpuAddressesThatFit(const SessionOptions &options,
                                            const RamBounds &bounds);
  Result<RamBounds> choosePlacements(const SessionOptions &options);
  Status withVramNeed(const Status &error) const;
  Status importSegments(PlanAddresses &addresses);
  Status allocate(PlanAddresses &addresses);
  Status loadKernels(PlanAddresses &addresses);
  Status createExecutor(const SessionOptions &options,
                        const plan::Buffer &logits,
                        const PlanAddresses &addresses);
};

/// Verifies the segments that contain executables, and loads the executables.
Status Session::Parts::loadKernels(PlanAddresses &addresses) {
  const plan::Plan &plan = file.plan();
  std::vector<uint32_t> now;
  for (const plan::Executable *executable : *plan.executables()) {
    now.push_back(executable->segment());
  }
  AIR_RETURN_IF_ERROR(source->requireNow(now));
  for (const plan::Executable *executable : *plan.executables()) {
    std::vector<std::string_view> entries;
    entries.reserve(executable->entries()->size());
    for (const flatbuffers::String *name : *executable->entries()) {
      entries.push_back(name->string_view());
    }
    const std::span<const uint8_t> code =
        source->segment(executable->segment());
    const uint64_t ptx = executable->ptx_offset();
    Device &owner = deviceAt(executable->device());
    Result<uint32_t> loaded =
        owner.loadExecutable(ptx == 0 ? code : code.first(ptx), entries);
    // PTX is for GPUs that cannot run the machine code.
    if (ptx != 0 && loaded.status().code() == ErrorCode::Mismatch) {
      loaded = owner.loadExecutable(code.subspan(ptx), entries);
    }
    AIR_RETURN_IF_ERROR(loaded.status());
    addresses.executables.push_back(*loaded);
  }
  return Status::ok();
}

/// Allocates the activations and the pages of the cache groups. On a GPU, each
/// group has one more page, for the padding of batches.
Status Session::Parts::allocate(PlanAddresses &addresses) {
  const plan::Plan &plan = file.plan();
  if (cpu) {
    AIR_ASSIGN_OR_RETURN(addresses.arena,
                         cpu->allocate(plan.arena_bytes(), "activations"));
  }
  if (gpu) {
    AIR_ASSIGN_OR_RETURN(
        addresses.gpuArena,
        gpu->allocate(gpuRecord->arena_bytes(), "activations"));
  }
  for (const plan::CacheGroup *group : cacheGroupsOf(plan)) {
    const uint64_t pages = group->pages() + (group->device() == 0 ? 0 : 1);
    const auto bytes = checkedMul(pages, group->page_bytes());
    if (pages > UINT32_MAX || !bytes) {
      return verificationError(
          "KV cache: " + countOf(group->pages(), "page") + " of " +
          std::to_string(group->page_bytes()) +
          " bytes, and 1 more page for padding, exceed 2^32 - 1 pages or 2^64 "
          "bytes; pack the model with a smaller --ctx or fewer --slots");
    }
    AIR_ASSIGN_OR_RETURN(
        const DeviceAddress base,
        deviceAt(group->device()).allocate(*bytes, "KV cache"));
    addresses.cacheGroups.push_back(base);
  }
  return Status::ok();
}

/// Sets the addresses at which the CPU reads the segments.
Status Session::Parts::importSegments(PlanAddresses &addresses) {
  for (uint32_t i = 0; i < file.plan().segments()->size(); ++i) {
    AIR_ASSIGN_OR_RETURN(DeviceAddress address,
                         cpu->importHost(source->segment(i)));
    addresses.segments.push_back(address);
    AIR_ASSIGN_OR_RETURN(address, cpu->importHost(source->table(i)));
    addresses.tables.push_back(address);
  }
  return Status::ok();
}

Result<PlanAddresses> Session::Parts::hostAddresses() {
  PlanAddresses addresses;
  AIR_RETURN_IF_ERROR(importSegments(addresses));
  AIR_RETURN_IF_ERROR(allocate(addresses));
  return addresses;
}

/// Allocates all memory on the devices and loads the kernels. Replaces `source`
/// with a DeviceStore, which takes the weights that GPU kernels need from the
/// old store and copies them to the GPU.
Result<PlanAddresses>
Session::Parts::gpuAddresses(const SessionOptions &options) {
  const plan::Plan &plan = file.plan();
  PlanAddresses addresses;
  if (cpu) {
    AIR_RETURN_IF_ERROR(importSegments(addresses));
  }
  AIR_RETURN_IF_ERROR(allocate(addresses));
  AIR_ASSIGN_OR_RETURN(
      std::unique_ptr<DeviceStore> store,
      DeviceStore::create(file, placement, std::move(source), *gpu,
                          {options.reading, options.readLimit}));
  addresses.segments.resize(plan.segments()->size());
  for (size_t i = 0; i < addresses.segments.size(); ++i) {
    // Segments that only the CPU reads have no address on the GPU.
    if (const DeviceAddress address = store->addresses()[i]; address != 0) {
      addresses.segments[i] = address;
    }
  }
  onGpu = store.get();
  streaming = onGpu->diskStream();
  source = std::move(store);
  BatchSizes sizes;
  sizes.tokens = plan.max_tokens();
  sizes.outputs = plan.max_outputs();
  for (const plan::Program *program : *plan.programs()) {
    if (program->tile_tokens() == 0) {
      sizes.paddedTokens = std::max(sizes.paddedTokens, program->max_tokens());
    } else {
      sizes.hasTiles = true;
    }
    sizes.hasChoice = sizes.hasChoice || hasChoice(*program);
    if (hasDraw(*program)) {
      sizes.drawnTokens = std::max(sizes.drawnTokens, program->max_tokens());
    }
  }
  std::vector<DeviceTable> tables;
  for (const plan::CacheGroup *group : cacheGroupsOf(plan)) {
    tables.push_back({group->device() == 0 ? 0 : tablePages(plan, *group),
                      static_cast<uint32_t>(group->pages())});
  }
  AIR_ASSIGN_OR_RETURN(batch, DeviceBatch::create(*gpu, sizes, tables));
  addresses.batch = batch->addresses();
  AIR_RETURN_IF_ERROR(loadKernels(addresses));
  return addresses;
}

/// Opens the GPU, allocates the memory of the current placement there, and
/// loads the kernels. If that fails with DoesNotFit, tries again with the next
/// placement that choosePlacement() finds. If there is none, returns the error
/// of the last attempt in which openGpu() succeeded, or the error of the first
/// attempt if openGpu() always failed.
Result<PlanAddresses>
Session::Parts::gpuAddressesThatFit(const SessionOptions &options,
                                    const RamBounds &bounds) {
  std::optional<Status> failure;
  while (true) {
    const Status opened = openGpu(options);
    Result<PlanAddresses> addresses =
        opened.isOk() ? gpuAddresses(options) : Result<PlanAddresses>(opened);
    if (addresses || addresses.status().code() != ErrorCode::DoesNotFit) {
      return addresses;
    }
    const Result<uint32_t> next =
        placement + 1 < file.plan().placements()->size()
            ? choosePlacement(file.plan(), devices, bounds, placement + 1)
            : placement;
    if (opened.isOk()) {
      failure = withVramNeed(addresses.status());
    } else if (!failure) {
      failure = opened;
    }
    if (!next || *next == placement) {
      return *failure;
    }
    placement = *next;
    // Discards the failed attempt. This also frees its memory on the GPU.
    batch.reset();
    onGpu = nullptr;
    streaming = nullptr;
    source.reset();
    hybrid.reset();
    gpu.reset();
    cpu.reset();
  }
}

/// Returns `error`. If it is DoesNotFit, the result's message also states how
/// many bytes of the GPU's memory and of RAM the current placement needs.
Status Session::Parts::withVramNeed(const Status &error) const {
  if (error.code() != ErrorCode::DoesNotFit) {
    return error;
  }
  const plan::Placement &chosen = *file.plan().placements()->Get(placement);
  const MemoryNeed need = memoryNeed(chosen, plan::Tier::Vram);
  const MemoryNeed ram = memoryNeed(chosen, plan::Tier::Ram);
  return error.withContext("the plan needs " + std::to_string(need.bytes) +
                           " bytes of the memory of GPU '" +
                           gpuRecord->name()->str() + "' (" + need.items + ")" +
                           (ram.bytes == 0
                                ? ""
                                : " and " + std::to_string(ram.bytes) +
                                      " bytes of RAM (" + ram.items + ")"));
}

/// Sets `source`, the store of the weights, to a PlanSource, which uses the
/// mapping of the plan. `ofNodes` describes the compute threads of each NUMA
/// node. Segment i is loaded in the background, unless isLeftOut[i] is true: it
/// is then loaded only when requireNow() names it. If `isLeftOut` is empty, no
/// segment is left out.
Status Session::Parts::openMapping(std::vector<NodePart> ofNodes,
                                   const std::vector<bool> &isLeftOut) {
  const uint32_t loaders =
      std::min({kLoaders, static_cast<uint32_t>(cpuTopology().cpus.size()),
                cpuQuota("")});
  AIR_ASSIGN_OR_RETURN(
      source, PlanSource::start(file, loaders, std::move(ofNodes), isLeftOut));
  return Status::ok();
}

/// The threads that compute on each NUMA node. Empty if the CPU runs no
/// kernels.
std::vector<NodePart> Session::Parts::nodeParts() const {
  std::vector<NodePart> found;
  if (cpu) {
    for (const NodeRun &run : cpu->threadPool().nodeRuns()) {
      found.push_back(
          {run.node, run.first, run.end, cpu->threadPool().threads()});
    }
  }
  return found;
}

/// Opens the store that gives weights to CPU kernels. The store is a
/// StreamStore if the placement reads weights from the disk, if the plan is a
/// reference plan, or if it contains coded weights, which kernels cannot read.
/// Otherwise it is the mapping of the plan.
Status Session::Parts::openStore(const SessionOptions &options) {
  const plan::Plan &plan = file.plan();
  const plan::Placement &chosen = *plan.placements()->Get(placement);
  const bool isStreamed =
      chosen.reads() != nullptr && chosen.reads()->size() != 0;
  if (!isStreamed && !sources && !hasCodedSegments(plan)) {
    return openMapping(nodeParts());
  }
  StreamOptions stream;
  stream.placement = placement;
  stream.bytesPerSecond = options.readLimit;
  stream.sources = sources ? &*sources : nullptr;
  stream.method = options.reading.method;
  stream.depth = options.reading.depth;
  stream.blockBytes = options.reading.blockBytes;
  stream.nodeParts = nodeParts();
  stream.ram = options.ram;
  stream.growthDelay =
      StreamStore::growthDelay(static_cast<uint64_t>(getpid()));
  if (options.mostMappings != 0) {
    stream.mostMappings = options.mostMappings;
  }
  stream.memoryRoom = [readings = limit,
                       before = firstRoom]() -> std::optional<MemoryRoom> {
    const std::optional<MemoryRoom> now = readings->read();
    return now && before ? changeSince(*before, *now) : now;
  };
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<StreamStore> store,
                       StreamStore::start(file, std::move(stream)));
  streaming = store.get();
  source = std::move(store);
  return Status::ok();
}

Status Session::Parts::openCpu(const SessionOptions &options) {
  const plan::Plan &plan = file.plan();
  if (plan.reference()) {
    AIR_ASSIGN_OR_RETURN(sources, SourceFiles::open(file, options.source));
  }
  AIR_RETURN_IF_ERROR(createCpu(options));
  return openStore(options);
}

Status Session::Parts::createCpu(const SessionOptions &options) {
  const plan::Plan &plan = file.plan();
  AIR_RETURN_IF_ERROR(prepareToRun(fromPlan(*plan.machine()), hostProfile()));
  AIR_ASSIGN_OR_RETURN(pool, runtime->threads(options.threads != 0
                                                  ? options.threads
                                                  : defaultThreads(plan)));
  cpu = std::make_unique<CpuDevice>(pool);
  return Status::ok();
}

Status Session::Parts::openGpu(const SessionOptions &options) {
  const std::string name = "GPU '" + gpuRecord->name()->str() + "'";
  if (file.plan().reference()) {
    return unsupportedError(
        "the kernels run on " + name +
        ", but the plan leaves its weights in the model's file, which this "
        "version supports only for CPUs; pack the model without --reference");
  }
  if (!options.gpu && !runtime->hasGpus()) {
    return unsupportedError("the kernels run on " + name +
                            ", but this program runs only CPU kernels; use "
                            "airrun, or pack the model for a CPU");
  }
  if (options.threads != 0 && !devices.cpu) {
    return usageError("the kernels run on " + name +
                      ", so the number of threads has no effect; leave out "
                      "--threads");
  }
  const auto &placements = *file.plan().placements();
  if (!options.readOption.empty() &&
      std::none_of(
          placements.begin(), placements.end(),
          [](const plan::Placement *p) { return readsFromDisk(*p); })) {
    return usageError(options.readOption +
                      " has no effect, because all weights of this plan stay "
                      "in the memory of " +
                      name + " or in RAM; leave out " + options.readOption);
  }
  const plan::Placement &chosen = *placements.Get(placement);
  if (options.randomWeights && readsFromDisk(chosen)) {
    // With DoesNotFit, the caller tries the next placement, which may be one
    // that does not read from the disk.
    return doesNotFitError(
        "--random-weights cannot be used if weights are read from the disk in "
        "every pass, because a weightless plan stores no weights to read; pack "
        "the model with a larger --ram or --vram");
  }
  AIR_RETURN_IF_ERROR(checkFreeRam(file.plan(), chosen, options.randomWeights,
                                   devices.cpu, options.memoryRoot));
  const std::string madeFor = "the plan was made for " + name;
  if (runtime->hasGpus()) {
    Result<SharedDevice> opened = runtime->newDevice(*gpuRecord);
    AIR_RETURN_IF_ERROR(opened.status().withContext(madeFor));
    gpu = std::move(opened->device);
    sharedGpu = std::move(opened->gpu);
  } else {
    Result<std::unique_ptr<Device>> opened = options.gpu(*gpuRecord);
    AIR_RETURN_IF_ERROR(opened.status().withContext(madeFor));
    gpu = *std::move(opened);
  }
  if (devices.cpu) {
    AIR_RETURN_IF_ERROR(createCpu(options));
    hybrid = std::make_unique<HybridDevice>(*cpu, *gpu);
  }
  if (options.randomWeights) {
    AIR_ASSIGN_OR_RETURN(source, RandomStore::create(file));
    return Status::ok();
  }
  // If the placement reads from the disk, a HostRing loads the segments that
  // passes copy to the GPU.
  return openMapping(nodeParts(), readsFromDisk(chosen)
                                      ? copiedSegments(file.plan(), chosen)
                                      : std::vector<bool>());
}

Status Session::Parts::createExecutor(const SessionOptions &options,
                                      const plan::Buffer &logits,
                                      const PlanAddresses &addresses) {
  const plan::Plan &plan = file.plan();
  AIR_ASSIGN_OR_RETURN(std::vector<ProgramRecord> programs,
                       buildPrograms(plan, addresses, device()));
  ExecutorParts executorParts;
  executorParts.maxSequences = options.maxSequences != 0
                                   ? options.maxSequences
                                   : defaultMaxSequences(plan);
  std::vector<PageGroup> groups;
  for (const plan::CacheGroup *group : cacheGroupsOf(plan)) {
    groups.push_back({group->page_tokens(), group->page_bytes(), group->pages(),
                      addresses.cacheGroups[groups.size()],
                      &deviceAt(group->device())});
    const uint64_t bytes = group->page_bytes() / group->page_tokens();
    executorParts.kvPositionBytes += bytes;
    executorParts.cpuKvPositionBytes +=
        gpuRecord != nullptr && group->device() == 0 ? bytes : 0;
  }
  AIR_ASSIGN_OR_RETURN(
      kv, KvCache::create(groups, plan.context(), executorParts.maxSequences));
  executorParts.device = &device();
  executorParts.store = source.get();
  executorParts.kv = &*kv;
  executorParts.vocabulary = plan.model()->vocabulary();
  executorParts.maxTokens = plan.max_tokens();
  executorParts.maxOutputs = plan.max_outputs();
  executorParts.logits =
      (logits.device() == 0 ? addresses.arena : addresses.gpuArena) +
      logits.offset();
  executorParts.batch = batch ? &*batch : nullptr;
  executorParts.kvIsHalf = hasHalfCache(plan);
  executor.emplace(std::move(executorParts), std::move(programs));
  return Status::ok();
}

/// Sets `limit`, `firstRoom`, `placement` and `allowedPlacement`. Returns the
/// bounds within which `placement` was chosen.
Result<RamBounds>
Session::Parts::choosePlacements(const SessionOptions &options) {
  limit = std::make_shared<MemoryLimit>(MemoryLimit::open(options.memoryRoot));
  firstRoom = limit->read();
  RamBounds bounds;
  bounds.most = firstRoom ? firstRoom->smallest : 0;
  if (options.ram != 0) {
    bounds.most =
        bounds.most == 0 ? options.ram : std::min(bounds.most, options.ram);
  }
  AIR_ASSIGN_OR_RETURN(allowedPlacement,
                       choosePlacement(file.plan(), devices, bounds, 0));
  placement = allowedPlacement;
  // For a GPU, checkFreeRam() finds out what is left of the RAM.
  if (gpuRecord == nullptr && firstRoom) {
    bounds.room = changeSince(*firstRoom, *firstRoom);
    bounds.room->own = 0;
    AIR_ASSIGN_OR_RETURN(placement, choosePlacement(file.plan(), devices,
                                                    bounds, allowedPlacement));
  }
  return bounds;
}

Status Session::Parts::open(const SessionOptions &options) {
  const plan::Plan &plan = file.plan();
  AIR_RETURN_IF_ERROR(checkSupported(plan, options.randomWeights));
  AIR_ASSIGN_OR_RETURN(devices, devicesOfKernels(plan));
  gpuRecord = deviceRecord(plan, devices.gpu);
  if (options.randomWeights && gpuRecord == nullptr) {
    return usageError(
        "--random-weights needs a plan for a GPU, but the kernels of this plan "
        "run on the CPU, where a plan must have its weights; pack the model "
        "again without --weightless, and leave out --random-weights");
  }
  if (!plan.reference() && !options.source.empty()) {
    return usageError("--source names the file with the weights of a plan, but "
                      "this plan contains its weights; leave out --source");
  }
  AIR_ASSIGN_OR_RETURN(const RamBounds bounds, choosePlacements(options));
  AIR_ASSIGN_OR_RETURN(const plan::Buffer *logits, logitsBuffer(plan));
  PlanAddresses addresses;
  if (gpuRecord != nullptr) {
    AIR_ASSIGN_OR_RETURN(addresses, gpuAddressesThatFit(options, bounds));
  } else {
    AIR_RETURN_IF_ERROR(openCpu(options));
    AIR_ASSIGN_OR_RETURN(addresses, hostAddresses());
    AIR_RETURN_IF_ERROR(loadKernels(addresses));
  }
  return createExecutor(options, *logits, addresses);
}

Session::Session(std::unique_ptr<Parts> made) : parts(std::move(made)) {}
Session::Session(Session &&) noexcept = default;
Session &Session::operator=(Session &&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::open(const std::string &path,
                              const SessionOptions &options) {
  auto parts = std::make_unique<Parts>();
  parts->runtime =
      options.runtime ? options.runtime : std::make_shared<Runtime>();
  AIR_ASSIGN_OR_RETURN(parts->file, PlanFile::open(path));
  if (parts->file.targets() > 1) {
    Result<uint32_t> target = options.target
                                  ? options.target(parts->file)
                                  : chooseCpuTarget(parts->file, hostProfile());
    AIR_RETURN_IF_ERROR(target.status().withContext(path));
    parts->file.choose(*target);
  }
  AIR_RETURN_IF_ERROR(parts->open(options).withContext(path));
  return Session(std::move(parts));
}

const plan::Plan &Session::plan() const { return parts->file.plan(); }
const std::string &Session::path() const { return parts->file.name(); }
Status Session::checkPlanUnchanged() const {
  AIR_RETURN_IF_ERROR(parts->file.checkUnchanged());
  return parts->sources ? parts->sources->checkUnchanged() : Status::ok();
}
uint64_t Session::vocabulary() const { return plan().model()->vocabulary(); }
uint64_t Session::context() const { return plan().context(); }
uint64_t Session::maxTokens() const { return plan().max_tokens(); }
uint32_t Session::threads() const {
  return parts->cpu ? parts->cpu->threadPool().threads() : 0;
}
std::shared_ptr<ThreadPool> Session::threadPool() const { return parts->pool; }
const plan::Device *Session::gpu() const { return parts->gpuRecord; }

const SourceFiles *Session::sources() const {
  return parts->sources ? &*parts->sources : nullptr;
}
DiskStream *Session::streaming() const { return parts->streaming; }
uint32_t Session::placement() const {
  return parts->streaming == nullptr ? parts->placement
                                     : parts->streaming->counters().placement;
}
uint32_t Session::allowedPlacement() const { return parts->allowedPlacement; }
LoadProgress Session::loading() const { return parts->source->loading(); }
uint64_t Session::copiedBytes() const {
  return parts->onGpu != nullptr ? parts->onGpu->streamedBytes() : 0;
}

Result<SequenceId> Session::newSequence() { return parts->kv->newSequence(); }
void Session::endSequence(SequenceId sequence) {
  parts->kv->endSequence(sequence);
}
Status Session::truncate(SequenceId sequence, uint64_t length) {
  return parts->kv->truncate(sequence, length);
}
Result<SequenceId> Session::fork(SequenceId sequence, uint64_t length) {
  return parts->kv->fork(sequence, length);
}
uint64_t Session::length(SequenceId sequence) const {
  return parts->kv->length(sequence);
}

Status Session::explain(Status status) const {
  // If a file was overwritten, its weights may be any numbers, so neither NaN
  // nor a wrong digest says anything about the model or the kernels.
  const ErrorCode code = status.code();
  if (code == ErrorCode::Unsupported || code == ErrorCode::Internal ||
      code == ErrorCode::VerificationFailed) {
    AIR_RETURN_IF_ERROR(checkPlanUnchanged());
  }
  return status;
}
Status Session::run(const Batch &batch, LogitsSink sink) {
  return explain(parts->executor->run(batch, sink));
}
bool Session::canChoose(uint64_t sequences) const {
  return parts->executor->canChoose(sequences);
}
bool Session::canDraw(uint64_t sequences) const {
  return parts->executor->canDraw(sequences);
}
Status Session::choose(std::span<const int32_t> tokens,
                       std::span<const SequenceId> sequences,
                       std::span<int32_t> next, bool continues,
                       std::span<const TokenDraw> draws) {
  return explain(
      parts->executor->choose(tokens, sequences, next, continues, draws));
}
Executor &Session::executor() { return *parts->executor; }
