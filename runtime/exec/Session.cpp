//===- Session.cpp - opens a plan and connects its parts --------*- C++ -*-===//
#include "runtime/exec/Session.h"

#include "formats/abi/KernelAbi.h"
#include "formats/dtype/DType.h"
#include "formats/machine/MachineProfile.h"
#include "formats/machine/TileRegisters.h"
#include "formats/plan/PlanConvert.h"
#include "formats/support/CheckedMath.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/CpuTopology.h"
#include "runtime/io/PlanSource.h"

#include <algorithm>
#include <optional>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// The largest default for SessionOptions::maxSequences, except that a plan
/// with more slots than this has a default of one sequence per slot.
constexpr uint64_t kDefaultMaxSequences = 256;
/// The default for SessionOptions::maxSequences is lowered until the block
/// table, which has one row per sequence, has at most this number of bytes.
constexpr uint64_t kDefaultBlockTableBytes = uint64_t{16} << 20;
/// The number of threads that verify segments before they are needed. This
/// number is enough for a fast disk.
constexpr uint32_t kLoaders = 4;
/// The largest batch, in tokens, that a plan may ask for. It limits the size of
/// arrays with one element per token, such as positions.
constexpr uint64_t kMaxBatchTokens = uint64_t{1} << 24;

uint32_t defaultMaxSequences(const plan::KvLayout &kv) {
  uint64_t row = ceilDiv(kv.context(), kv.page_tokens()) * sizeof(uint32_t);
  uint64_t most = std::min(kv.pages(), kDefaultMaxSequences);
  most = std::min(most, kDefaultBlockTableBytes / row);
  // The verifier has checked that the number of slots is 1 to 2^32 - 1.
  return static_cast<uint32_t>(std::max(most, kv.slots()));
}

uint32_t defaultThreads(const plan::Plan &plan) {
  return std::clamp<uint32_t>(
      plan.machine()->cores(), 1,
      std::min(cpuTopology().cores, ThreadPool::kMaxThreads));
}

/// Refuses plans that are well-formed, but that this version cannot execute.
Status checkSupported(const plan::Plan &plan) {
  if (plan.weightless()) {
    return unsupportedError("the plan is weightless: it does not contain the "
                            "weights, so nothing can be computed with it; pack "
                            "the model again without --weightless");
  }
  for (const plan::Read *read : *plan.reads()) {
    const plan::Segment *segment = plan.segments()->Get(read->segment());
    if (read->ring() || segment->tier() != plan::Tier::Ram) {
      return unsupportedError(
          "segment '" + segment->name()->str() + "' is to be streamed from " +
          plan::EnumNameTier(segment->tier()) +
          ", but this version runs only plans whose weights stay in RAM; pack "
          "the model again with this version");
    }
  }
  if (plan.max_tokens() > kMaxBatchTokens) {
    return unsupportedError(
        "max_tokens is " + std::to_string(plan.max_tokens()) +
        ", but a batch has at most " + std::to_string(kMaxBatchTokens) +
        " tokens; pack the model again");
  }
  return Status::ok();
}

Status checkMemory(const plan::Plan &plan, const MachineProfile &host) {
  uint64_t needed = 0;
  std::string items;
  for (const plan::BudgetItem *item : *plan.budget_items()) {
    if (item->tier() == plan::Tier::Ram) {
      needed = checkedAdd(needed, item->bytes()).value_or(UINT64_MAX);
      items += (items.empty() ? "" : ", ") + item->name()->str() + " " +
               std::to_string(item->bytes());
    }
  }
  if (host.memoryBytes != 0 && needed > host.memoryBytes) {
    return doesNotFitError("memory: the plan needs " + std::to_string(needed) +
                           " bytes (" + items + "), but at most " +
                           std::to_string(host.memoryBytes) +
                           " are available on this machine; pack the model "
                           "with a smaller --ctx, or use a model with "
                           "smaller weights");
  }
  return Status::ok();
}

/// Returns the plan's only output buffer, to which the head writes the logits.
/// Checks that it has room for max_outputs rows.
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
  std::optional<uint64_t> rows =
      checkedAlignUp(plan.max_outputs(), AIR_TOKEN_PADDING);
  std::optional<uint64_t> bytes =
      rows ? checkedMul(*rows, plan.model()->vocabulary() * sizeof(float))
           : std::nullopt;
  if (found == nullptr || !bytes || found->bytes() < *bytes) {
    return verificationError(
        "logits: " + std::to_string(plan.max_outputs()) + " rows of " +
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
  PlanFile file;
  std::unique_ptr<CpuDevice> device;
  std::unique_ptr<PlanSource> source;
  std::optional<KvCache> kv;
  std::optional<Executor> executor;

  /// Creates all members except `file`, which is already open.
  Status open(const SessionOptions &options);
  Result<PlanAddresses> resolveAddresses();
  Status loadKernels(PlanAddresses &addresses);
};

/// Loads the executables of the plan. Before that, waits for the segments that
/// the plan's list of reads does not contain. They hold kernels and tables,
/// which are needed from the start.
Status Session::Parts::loadKernels(PlanAddresses &addresses) {
  const plan::Plan &plan = file.plan();
  std::vector<bool> inOrder(plan.segments()->size());
  for (const plan::Read *read : *plan.reads()) {
    inOrder[read->segment()] = true;
  }
  std::vector<uint32_t> now;
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    if (!inOrder[i]) {
      now.push_back(i);
    }
  }
  AIR_RETURN_IF_ERROR(source->require(now));
  for (const plan::Executable *executable : *plan.executables()) {
    std::vector<std::string_view> entries;
    entries.reserve(executable->entries()->size());
    for (const flatbuffers::String *name : *executable->entries()) {
      entries.push_back(name->string_view());
    }
    AIR_ASSIGN_OR_RETURN(uint32_t loaded,
                         device->loadExecutable(
                             source->segment(executable->segment()), entries));
    addresses.executables.push_back(loaded);
  }
  return Status::ok();
}

Result<PlanAddresses> Session::Parts::resolveAddresses() {
  const plan::Plan &plan = file.plan();
  PlanAddresses addresses;
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    AIR_ASSIGN_OR_RETURN(DeviceAddress address,
                         device->importHost(source->segment(i)));
    addresses.segments.push_back(address);
  }
  AIR_ASSIGN_OR_RETURN(addresses.arena,
                       device->allocate(plan.arena_bytes(), "activations"));
  // The verifier has checked that this number of bytes does not overflow.
  AIR_ASSIGN_OR_RETURN(
      addresses.kv,
      device->allocate(plan.kv()->pages() * plan.kv()->page_bytes(), "kv"));
  AIR_RETURN_IF_ERROR(loadKernels(addresses));
  return addresses;
}

Status Session::Parts::open(const SessionOptions &options) {
  const plan::Plan &plan = file.plan();
  MachineProfile host = hostProfile();
  AIR_RETURN_IF_ERROR(checkSupported(plan));
  AIR_RETURN_IF_ERROR(prepareToRun(fromPlan(*plan.machine()), host));
  AIR_RETURN_IF_ERROR(checkMemory(plan, host));
  AIR_ASSIGN_OR_RETURN(const plan::Buffer *logits, logitsBuffer(plan));

  AIR_ASSIGN_OR_RETURN(device, CpuDevice::create(options.threads != 0
                                                     ? options.threads
                                                     : defaultThreads(plan)));
  uint32_t loaders = std::min<uint32_t>(
      kLoaders, static_cast<uint32_t>(cpuTopology().cpus.size()));
  std::vector<NodePart> nodeParts;
  for (const NodeRun &run : device->threadPool().nodeRuns()) {
    nodeParts.push_back(
        {run.node, run.first, run.end, device->threadPool().threads()});
  }
  AIR_ASSIGN_OR_RETURN(source,
                       PlanSource::start(file, loaders, std::move(nodeParts)));
  AIR_ASSIGN_OR_RETURN(PlanAddresses addresses, resolveAddresses());
  AIR_ASSIGN_OR_RETURN(std::vector<ProgramRecord> programs,
                       buildPrograms(plan, addresses, *device));

  const plan::KvLayout &layout = *plan.kv();
  ExecutorParts executorParts;
  executorParts.maxSequences = options.maxSequences != 0
                                   ? options.maxSequences
                                   : defaultMaxSequences(layout);
  AIR_ASSIGN_OR_RETURN(
      kv, KvCache::create({layout.page_tokens(), layout.page_bytes(),
                           layout.pages(), layout.context()},
                          addresses.kv, executorParts.maxSequences));
  executorParts.device = device.get();
  executorParts.store = source.get();
  executorParts.kv = &*kv;
  executorParts.vocabulary = plan.model()->vocabulary();
  executorParts.maxTokens = plan.max_tokens();
  executorParts.maxOutputs = plan.max_outputs();
  executorParts.logits = addresses.arena + logits->offset();
  executorParts.kvIsHalf = layout.dtype() == static_cast<uint16_t>(DType::F16);
  executorParts.kvPositionBytes = layout.page_bytes() / layout.page_tokens();
  for (const plan::Read *read : *plan.reads()) {
    executorParts.resident.push_back(read->segment());
  }
  executor.emplace(std::move(executorParts), std::move(programs));
  return Status::ok();
}

Session::Session(std::unique_ptr<Parts> made) : parts(std::move(made)) {}
Session::Session(Session &&) noexcept = default;
Session &Session::operator=(Session &&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::open(const std::string &path,
                              const SessionOptions &options) {
  auto parts = std::make_unique<Parts>();
  AIR_ASSIGN_OR_RETURN(parts->file, PlanFile::open(path));
  AIR_RETURN_IF_ERROR(parts->open(options).withContext(path));
  return Session(std::move(parts));
}

const plan::Plan &Session::plan() const { return parts->file.plan(); }
Status Session::checkPlanUnchanged() const {
  return parts->file.checkUnchanged();
}
uint64_t Session::vocabulary() const { return plan().model()->vocabulary(); }
uint64_t Session::context() const { return plan().kv()->context(); }
uint64_t Session::maxTokens() const { return plan().max_tokens(); }
uint32_t Session::threads() const {
  return parts->device->threadPool().threads();
}

Result<SequenceId> Session::newSequence() { return parts->kv->newSequence(); }
void Session::endSequence(SequenceId sequence) {
  parts->kv->endSequence(sequence);
}
Status Session::truncate(SequenceId sequence, uint64_t length) {
  return parts->kv->truncate(sequence, length);
}
Result<SequenceId> Session::fork(SequenceId sequence, uint64_t length) {
  return parts->kv->fork(sequence, length, *parts->device);
}
uint64_t Session::length(SequenceId sequence) const {
  return parts->kv->length(sequence);
}

Status Session::run(const Batch &batch, LogitsSink sink) {
  return parts->executor->run(batch, sink);
}
Executor &Session::executor() { return *parts->executor; }
