//===- CpuDevice.cpp - mappings, entry points and the walk ------*- C++ -*-===//
#include "runtime/hal/cpu/CpuDevice.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;

template <typename T> T *pointerTo(DeviceAddress address) {
  return reinterpret_cast<T *>(static_cast<uintptr_t>(address));
}

DeviceAddress addressOf(const void *pointer) {
  return static_cast<DeviceAddress>(reinterpret_cast<uintptr_t>(pointer));
}

} // namespace

Result<std::unique_ptr<CpuDevice>> CpuDevice::create(uint32_t threads) {
  std::unique_ptr<CpuDevice> device(new CpuDevice);
  AIR_ASSIGN_OR_RETURN(device->pool, ThreadPool::create(threads));
  return device;
}

CpuDevice::~CpuDevice() {
  for (const Mapping &mapping : mappings) {
    munmap(mapping.address, mapping.bytes);
  }
}

Result<DeviceAddress> CpuDevice::allocate(uint64_t bytes,
                                          std::string_view what) {
  // Large regions start on a huge page, which mmap alone does not promise.
  bool huge = bytes >= kHugePageBytes;
  std::optional<uint64_t> size =
      checkedAlignUp(std::max<uint64_t>(bytes, 1), kPageBytes);
  std::optional<uint64_t> mapped =
      size ? checkedAdd(*size, huge ? kHugePageBytes : 0) : std::nullopt;
  void *region = MAP_FAILED;
  if (mapped) {
    region = mmap(nullptr, *mapped, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (region == MAP_FAILED) {
    return doesNotFitError(std::string(what) + ": the system has no " +
                           std::to_string(bytes) + " bytes of memory (" +
                           std::strerror(mapped ? errno : EOVERFLOW) +
                           "); pack for a smaller context");
  }
  mappings.push_back({region, *mapped});
  if (!huge) {
    return addressOf(region);
  }
  uint64_t start = alignUp(addressOf(region), kHugePageBytes);
  // Advice: without huge pages it only runs slower.
  (void)madvise(pointerTo<void>(start), *size, MADV_HUGEPAGE);
  return start;
}

Result<DeviceAddress> CpuDevice::importHost(std::span<const uint8_t> bytes) {
  DeviceAddress address = addressOf(bytes.data());
  if (address % AIR_BINDING_ALIGNMENT != 0) {
    return internalError("imported memory lies at a multiple of " +
                         std::to_string(address & -address) + " bytes, " +
                         std::to_string(AIR_BINDING_ALIGNMENT) + " are needed");
  }
  return address;
}

Result<uint32_t>
CpuDevice::loadExecutable(std::span<const uint8_t> object,
                          std::span<const std::string_view> entries) {
  AIR_ASSIGN_OR_RETURN(
      ElfImage image,
      ElfImage::load(object,
                     "executable " + std::to_string(executables.size())));
  std::vector<AirKernelFn> functions;
  functions.reserve(entries.size());
  for (std::string_view name : entries) {
    AIR_ASSIGN_OR_RETURN(AirKernelFn function, image.entry(name));
    functions.push_back(function);
  }
  images.push_back(std::move(image));
  executables.push_back(std::move(functions));
  return static_cast<uint32_t>(executables.size() - 1);
}

uint32_t CpuDevice::addFunctions(std::span<const AirKernelFn> functions) {
  executables.emplace_back(functions.begin(), functions.end());
  return static_cast<uint32_t>(executables.size() - 1);
}

Status CpuDevice::reserveScratch(uint64_t bytesPerThread) {
  if (bytesPerThread <= scratchStride) {
    return Status::ok();
  }
  // Whole pages: two threads never share a cache line, nor a page.
  std::optional<uint64_t> stride = checkedAlignUp(bytesPerThread, kPageBytes);
  std::optional<uint64_t> all =
      stride ? checkedMul(*stride, pool->threads()) : std::nullopt;
  if (!all) {
    return doesNotFitError(
        "scratch: " + std::to_string(bytesPerThread) + " bytes for each of " +
        std::to_string(pool->threads()) + " threads exceed the address space");
  }
  AIR_ASSIGN_OR_RETURN(DeviceAddress address, allocate(*all, "scratch"));
  scratch = pointerTo<uint8_t>(address);
  scratchStride = *stride;
  return Status::ok();
}

Result<uint32_t>
CpuDevice::addProgram(std::span<const DispatchDesc> dispatches) {
  Program program;
  program.dispatches.reserve(dispatches.size());
  uint64_t scratchBytes = 0;
  for (const DispatchDesc &desc : dispatches) {
    if (desc.executable >= executables.size() ||
        desc.entry >= executables[desc.executable].size()) {
      return internalError("dispatch " +
                           std::to_string(program.dispatches.size()) +
                           ": executable " + std::to_string(desc.executable) +
                           " has no entry " + std::to_string(desc.entry));
    }
    program.dispatches.push_back({executables[desc.executable][desc.entry],
                                  desc.grid, program.bindings.size(),
                                  desc.barrier});
    for (DeviceAddress binding : desc.bindings) {
      program.bindings.push_back(pointerTo<void>(binding));
    }
    scratchBytes = std::max(scratchBytes, desc.scratchBytes);
  }
  AIR_RETURN_IF_ERROR(reserveScratch(scratchBytes));
  programs.push_back(std::move(program));
  return static_cast<uint32_t>(programs.size() - 1);
}

struct CpuDevice::Walk {
  CpuDevice *device;
  const Program *program;
  const Dispatch *first;
  const Dispatch *end;
  const AirBatch *batch;
};

// Generated code carries no type signature before its entry, where a sanitizer
// would look for one.
#if defined(__clang__)
[[clang::no_sanitize("function")]]
#endif
void CpuDevice::walk(void *context, uint32_t thread) {
  const Walk &walk = *static_cast<const Walk *>(context);
  CpuDevice &device = *walk.device;
  uint32_t threads = device.pool->threads();
  void *scratch = device.scratch + thread * device.scratchStride;
  for (const Dispatch *dispatch = walk.first; dispatch != walk.end;
       ++dispatch) {
    TileRange tiles =
        tilesOfThread(tileCount(dispatch->grid, *walk.batch), thread, threads);
    if (tiles.begin != tiles.end) {
      AirDispatch call = {walk.batch, walk.program->bindings.data() +
                                          dispatch->firstBinding};
      dispatch->function(&call, tiles.begin, tiles.end, scratch);
    }
    // The pool joins all threads after the last one.
    if (dispatch->barrier && dispatch + 1 != walk.end) {
      device.pool->barrier();
    }
  }
}

Status CpuDevice::run(uint32_t program, uint32_t first, uint32_t count,
                      const AirBatch &batch) {
  const Program &chosen = programs[program];
  if (!rangeFits(first, count, chosen.dispatches.size())) {
    return internalError("program " + std::to_string(program) +
                         ": dispatches " + std::to_string(first) + " to " +
                         std::to_string(uint64_t{first} + count) + " of " +
                         std::to_string(chosen.dispatches.size()));
  }
  const Dispatch *begin = chosen.dispatches.data() + first;
  Walk walkContext = {this, &chosen, begin, begin + count, &batch};
  pool->run(walk, &walkContext);
  return Status::ok();
}

Status CpuDevice::copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) {
  std::memcpy(pointerTo<void>(to), pointerTo<const void>(from), bytes);
  return Status::ok();
}

Result<const void *> CpuDevice::read(DeviceAddress from, uint64_t) {
  return pointerTo<const void>(from);
}
