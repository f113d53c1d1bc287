//===- CudaDevice.cpp - memory, programs and copies on an NVIDIA GPU ------===//
#include "runtime/hal/cuda/CudaDevice.h"

#include "formats/support/CheckedMath.h"
#include "runtime/hal/DispatchRange.h"

#include <algorithm>
#include <cstring>
#include <string>

using namespace air;
using namespace air::rt;

namespace {

// Pinned memory is scarce, so this size is small. Still, copying 2 MiB takes 80
// microseconds at 25 GB/s, much longer than starting the copy.
constexpr uint64_t kSlotBytes = uint64_t{2} << 20;
constexpr size_t kSlots = 4;
constexpr uint64_t kSmallestView = uint64_t{1} << 20;
constexpr uint64_t kPiece = AIR_BINDING_ALIGNMENT;
/// The driver API calls this CU_EVENT_DISABLE_TIMING.
constexpr unsigned kWithoutTime = 2;

} // namespace

Result<std::unique_ptr<CudaDevice>>
CudaDevice::create(const CudaOptions &options) {
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<CudaDriver> driver,
                       CudaDriver::open(options.gpu));
  return create(std::move(driver), options.memoryLimit);
}

Result<std::unique_ptr<CudaDevice>>
CudaDevice::create(std::unique_ptr<CudaDriver> driver, uint64_t memoryLimit) {
  std::unique_ptr<CudaDevice> device(new CudaDevice);
  device->driver = std::move(driver);
  device->memoryLimit = memoryLimit;
  const CudaFunctions &f = device->driver->functions();
  for (size_t i = 0; i < kSlots; ++i) {
    device->slots.emplace_back();
    Slot &slot = device->slots.back();
    AIR_ASSIGN_OR_RETURN(slot.memory, device->allocatePinned(kSlotBytes));
    AIR_RETURN_IF_ERROR(device->driver->call(f.eventCreate, &slot.copied, 0U));
  }
  return device;
}

CudaDevice::~CudaDevice() {
  if (!driver) {
    return;
  }
  // A destructor cannot return errors. Memory that cannot be freed here is
  // freed when the process ends.
  (void)driver->activate();
  (void)synchronise();
  const CudaFunctions &f = driver->functions();
  for (const auto &[range, graph] : graphs) {
    (void)driver->call(f.graphExecDestroy, graph);
  }
  for (const Slot &slot : slots) {
    if (slot.copied) {
      (void)driver->call(f.eventDestroy, slot.copied);
    }
    if (slot.memory) {
      (void)driver->call(f.hostFree, static_cast<void *>(slot.memory));
    }
  }
  for (const Pinned &view : views) {
    (void)driver->call(f.hostFree, static_cast<void *>(view.memory));
  }
  for (void *event : events) {
    (void)driver->call(f.eventDestroy, event);
  }
  if (zeroed) {
    (void)driver->call(f.eventDestroy, zeroed);
  }
  if (uploads) {
    (void)driver->call(f.streamDestroy, uploads);
  }
  for (uint8_t *memory : hostAllocations) {
    (void)driver->call(f.hostFree, static_cast<void *>(memory));
  }
  for (const DeviceAddress memory : allocations) {
    (void)driver->call(f.memoryFree, memory);
  }
}

Result<uint8_t *> CudaDevice::allocatePinned(uint64_t bytes) {
  void *memory = nullptr;
  AIR_RETURN_IF_ERROR(
      driver->call(driver->functions().hostAllocate, &memory, bytes, 0U)
          .withContext("cannot allocate " + std::to_string(bytes) +
                       " bytes of page-locked memory"));
  return static_cast<uint8_t *>(memory);
}

Result<DeviceAddress> CudaDevice::allocate(uint64_t bytes,
                                           std::string_view what) {
  AIR_RETURN_IF_ERROR(driver->activate());
  const std::string wanted = std::string(what) + ": cannot allocate " +
                             std::to_string(bytes) + " bytes on " +
                             driver->facts().name;
  const uint64_t size = std::max<uint64_t>(bytes, 1);
  if (size > memoryLimit - allocated) {
    return doesNotFitError(wanted + ": the plan already uses " +
                           std::to_string(allocated) + " of the " +
                           std::to_string(memoryLimit) +
                           " bytes that it may use; pack the "
                           "model with a smaller --ctx");
  }
  const CudaFunctions &f = driver->functions();
  const Result<uint64_t> memory = driver->allocate(size);
  if (!memory.isOk() && memory.status().code() == ErrorCode::DoesNotFit) {
    size_t freeBytes = 0;
    size_t totalBytes = 0;
    AIR_RETURN_IF_ERROR(driver->call(f.memoryGetInfo, &freeBytes, &totalBytes));
    return doesNotFitError(wanted + ": " + std::to_string(freeBytes) + " of " +
                           std::to_string(totalBytes) + " bytes are free (" +
                           memory.status().message() +
                           "); end other programs that use the GPU, or pack "
                           "the model with a smaller --vram or --ctx");
  }
  AIR_RETURN_IF_ERROR(memory.status().withContext(wanted));
  allocations.push_back(*memory);
  allocated += size;
  AIR_RETURN_IF_ERROR(driver->call(
      f.fill, *memory, static_cast<unsigned char>(0), size, driver->stream()));
  // Uploads run in another stream and must wait for the event `zeroed`, which
  // marks the end of the fill above. Otherwise, the fill could overwrite bytes
  // that were uploaded to the new memory.
  if (!zeroed) {
    AIR_RETURN_IF_ERROR(driver->call(f.eventCreate, &zeroed, kWithoutTime));
  }
  AIR_RETURN_IF_ERROR(driver->call(f.eventRecord, zeroed, driver->stream()));
  uploadsMustWait = true;
  return *memory;
}

Result<std::span<uint8_t>> CudaDevice::allocateHost(uint64_t bytes,
                                                    std::string_view what) {
  AIR_RETURN_IF_ERROR(driver->activate());
  const Result<uint8_t *> memory = allocatePinned(std::max<uint64_t>(bytes, 1));
  if (!memory && memory.status().code() == ErrorCode::DoesNotFit) {
    return doesNotFitError(std::string(what) + ": " +
                           memory.status().message() +
                           "; end other programs that lock RAM, or provide "
                           "more RAM");
  }
  AIR_RETURN_IF_ERROR(memory.status().withContext(std::string(what)));
  hostAllocations.push_back(*memory);
  std::memset(*memory, 0, bytes);
  return std::span(*memory, bytes);
}

Result<DeviceAddress> CudaDevice::importHost(std::span<const uint8_t> bytes) {
  return unsupportedError("kernels of " + driver->facts().name +
                          " cannot read " + std::to_string(bytes.size()) +
                          " bytes of the host's memory; the weights must be "
                          "copied to the GPU");
}

Result<uint32_t>
CudaDevice::loadExecutable(std::span<const uint8_t> object,
                           std::span<const std::string_view> entries) {
  AIR_RETURN_IF_ERROR(driver->activate());
  const std::string name =
      "kernels of executable " + std::to_string(executables.size());
  const Result<void *> module = driver->loadModule(object);
  AIR_RETURN_IF_ERROR(module.status().withContext(name));
  std::vector<Kernel> kernels;
  kernels.reserve(entries.size());
  for (const std::string_view entry : entries) {
    const Result<void *> function =
        driver->findKernel(*module, std::string(entry));
    AIR_RETURN_IF_ERROR(function.status().withContext(name));
    AIR_ASSIGN_OR_RETURN(const std::optional<uint32_t> parameters,
                         driver->countParameters(*function));
    kernels.push_back({*function, 0, parameters});
  }
  executables.push_back(std::move(kernels));
  return static_cast<uint32_t>(executables.size() - 1);
}

Result<uint32_t>
CudaDevice::addProgram(std::span<const DispatchDesc> dispatches) {
  AIR_RETURN_IF_ERROR(driver->activate());
  std::vector<CudaLaunch> launches;
  launches.reserve(dispatches.size());
  for (const DispatchDesc &desc : dispatches) {
    const std::string name = "dispatch " + std::to_string(launches.size());
    const LaunchShape &shape = desc.launch;
    if (desc.executable >= executables.size() ||
        desc.entry >= executables[desc.executable].size()) {
      return internalError(name + ": executable " +
                           std::to_string(desc.executable) + " has no entry " +
                           std::to_string(desc.entry));
    }
    if (shape.gridX == 0 || shape.gridY == 0 || shape.threads == 0) {
      return internalError(name + " has the launch shape " +
                           std::to_string(shape.gridX) + " x " +
                           std::to_string(shape.gridY) + " thread blocks of " +
                           std::to_string(shape.threads) +
                           " threads; each number must be at least 1");
    }
    if (desc.scratchBytes != 0) {
      return internalError(name + " needs " +
                           std::to_string(desc.scratchBytes) +
                           " bytes of scratch memory, which GPU kernels do not "
                           "have");
    }
    Kernel &kernel = executables[desc.executable][desc.entry];
    if (kernel.parameters.value_or(desc.bindings.size()) !=
        desc.bindings.size()) {
      return corruptError(name + " binds " +
                          std::to_string(desc.bindings.size()) +
                          " operands, but the code of its kernel has " +
                          std::to_string(*kernel.parameters) +
                          " parameters; pack the model again");
    }
    if (shape.sharedBytes > kernel.sharedBytes) {
      AIR_RETURN_IF_ERROR(
          driver->allowShared(kernel.function, shape.sharedBytes)
              .withContext(name));
      kernel.sharedBytes = shape.sharedBytes;
    }
    launches.push_back({kernel.function,
                        shape.gridX,
                        shape.gridY,
                        shape.threads,
                        shape.sharedBytes,
                        shape.dependent,
                        {desc.bindings.begin(), desc.bindings.end()}});
  }
  programs.push_back(std::move(launches));
  return static_cast<uint32_t>(programs.size() - 1);
}

Status CudaDevice::run(uint32_t program, uint32_t first, uint32_t count,
                       const AirBatch &) {
  AIR_RETURN_IF_ERROR(driver->activate());
  const std::vector<CudaLaunch> &launches = programs[program];
  AIR_RETURN_IF_ERROR(
      checkDispatchRange(program, launches.size(), first, count));
  viewUsed = 0;
  if (count == 0) {
    return Status::ok();
  }
  auto graph = graphs.find({program, first, count});
  if (graph == graphs.end()) {
    const Result<void *> made =
        driver->makeGraph(std::span(launches).subspan(first, count));
    AIR_RETURN_IF_ERROR(
        made.status().withContext("program " + std::to_string(program)));
    graph = graphs.emplace(Range{program, first, count}, *made).first;
  }
  driver->noteProgram(program);
  return driver->call(driver->functions().graphLaunch, graph->second,
                      driver->stream());
}

Status CudaDevice::copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) {
  AIR_RETURN_IF_ERROR(driver->activate());
  if (bytes == 0) {
    return Status::ok();
  }
  return driver->call(driver->functions().copyOnDevice, to, from, bytes,
                      driver->stream());
}

Status CudaDevice::write(DeviceAddress to, std::span<const uint8_t> from) {
  AIR_RETURN_IF_ERROR(driver->activate());
  const CudaFunctions &f = driver->functions();
  while (!from.empty()) {
    Slot &slot = slots[currentSlot];
    const uint64_t bytes =
        std::min<uint64_t>(from.size(), kSlotBytes - slot.used);
    uint8_t *piece = slot.memory + slot.used;
    std::memcpy(piece, from.data(), bytes);
    AIR_RETURN_IF_ERROR(
        driver->call(f.copyToDevice, to, piece, bytes, driver->stream()));
    to += bytes;
    from = from.subspan(bytes);
    slot.used += alignUp(bytes, kPiece);
    if (slot.used < kSlotBytes) {
      continue;
    }
    AIR_RETURN_IF_ERROR(
        driver->call(f.eventRecord, slot.copied, driver->stream()));
    currentSlot = (currentSlot + 1) % kSlots;
    Slot &next = slots[currentSlot];
    // A slot that has not been filled yet has no copy to wait for.
    if (next.used != 0) {
      AIR_RETURN_IF_ERROR(driver->call(f.eventSynchronize, next.copied));
    }
    next.used = 0;
  }
  return Status::ok();
}

Status CudaDevice::synchronise() {
  AIR_RETURN_IF_ERROR(driver->activate());
  AIR_RETURN_IF_ERROR(driver->finish());
  return uploads ? driver->call(driver->functions().streamSynchronize, uploads)
                 : Status::ok();
}

Result<void *> CudaDevice::streamOf(Queue queue) {
  AIR_RETURN_IF_ERROR(driver->activate());
  if (queue == Queue::Compute) {
    return driver->stream();
  }
  if (!uploads) {
    // The driver API calls this CU_STREAM_NON_BLOCKING.
    constexpr unsigned kNonBlocking = 1;
    AIR_RETURN_IF_ERROR(
        driver->call(driver->functions().streamCreate, &uploads, kNonBlocking));
  }
  if (uploadsMustWait) {
    AIR_RETURN_IF_ERROR(
        driver->call(driver->functions().streamWaitEvent, uploads, zeroed, 0U));
    uploadsMustWait = false;
  }
  return uploads;
}

Result<void *> CudaDevice::eventAt(uint32_t event) const {
  if (event >= events.size()) {
    return internalError(
        "event " + std::to_string(event) + " does not exist; the device has " +
        std::to_string(events.size()) + " events, numbered from 0");
  }
  return events[event];
}

Status CudaDevice::upload(DeviceAddress to, std::span<const uint8_t> from) {
  AIR_ASSIGN_OR_RETURN(void *stream, streamOf(Queue::Upload));
  return from.empty() ? Status::ok()
                      : driver->call(driver->functions().copyToDevice, to,
                                     from.data(), from.size(), stream);
}

Status CudaDevice::download(std::span<uint8_t> to, DeviceAddress from) {
  AIR_RETURN_IF_ERROR(driver->activate());
  return to.empty() ? Status::ok()
                    : driver->call(driver->functions().copyToHost,
                                   static_cast<void *>(to.data()), from,
                                   to.size(), driver->stream());
}

Result<uint32_t> CudaDevice::addEvent() {
  AIR_RETURN_IF_ERROR(driver->activate());
  void *event = nullptr;
  AIR_RETURN_IF_ERROR(
      driver->call(driver->functions().eventCreate, &event, kWithoutTime));
  events.push_back(event);
  runsBefore.push_back(0);
  return static_cast<uint32_t>(events.size() - 1);
}

Status CudaDevice::signal(Queue queue, uint32_t event) {
  AIR_ASSIGN_OR_RETURN(void *handle, eventAt(event));
  AIR_ASSIGN_OR_RETURN(void *stream, streamOf(queue));
  AIR_RETURN_IF_ERROR(
      driver->call(driver->functions().eventRecord, handle, stream));
  runsBefore[event] = queue == Queue::Compute ? driver->notedRuns() : 0;
  return Status::ok();
}

Status CudaDevice::wait(Queue queue, uint32_t event) {
  AIR_ASSIGN_OR_RETURN(void *handle, eventAt(event));
  AIR_ASSIGN_OR_RETURN(void *stream, streamOf(queue));
  return driver->call(driver->functions().streamWaitEvent, stream, handle, 0U);
}

Result<bool> CudaDevice::isComplete(uint32_t event) {
  AIR_RETURN_IF_ERROR(driver->activate());
  AIR_ASSIGN_OR_RETURN(void *handle, eventAt(event));
  return driver->isComplete(handle);
}

Status CudaDevice::finish(uint32_t event) {
  AIR_RETURN_IF_ERROR(driver->activate());
  AIR_ASSIGN_OR_RETURN(void *handle, eventAt(event));
  AIR_RETURN_IF_ERROR(
      driver->call(driver->functions().eventSynchronize, handle));
  driver->noteComplete(runsBefore[event]);
  return Status::ok();
}

/// Ensures that the last element of `views` has `bytes` unused bytes.
Status CudaDevice::reserveView(uint64_t bytes) {
  if (!views.empty() && bytes <= views.back().bytes - viewUsed) {
    return Status::ok();
  }
  uint64_t size = alignUp(std::max(bytes, kSmallestView), kPiece);
  // Nothing that read() returned is in use any more, so a single block of
  // memory that is large enough replaces all earlier ones.
  if (viewUsed == 0) {
    while (!views.empty()) {
      size += views.back().bytes;
      AIR_RETURN_IF_ERROR(
          driver->call(driver->functions().hostFree,
                       static_cast<void *>(views.back().memory)));
      views.pop_back();
    }
  }
  AIR_ASSIGN_OR_RETURN(uint8_t *memory, allocatePinned(size));
  views.push_back({memory, size});
  viewUsed = 0;
  return Status::ok();
}

Result<const void *> CudaDevice::read(DeviceAddress from, uint64_t bytes) {
  AIR_RETURN_IF_ERROR(driver->activate());
  AIR_RETURN_IF_ERROR(reserveView(bytes));
  void *view = views.back().memory + viewUsed;
  viewUsed += alignUp(bytes, kPiece);
  if (bytes != 0) {
    AIR_RETURN_IF_ERROR(driver->call(driver->functions().copyToHost, view, from,
                                     bytes, driver->stream()));
  }
  AIR_RETURN_IF_ERROR(driver->finish());
  return static_cast<const void *>(view);
}
