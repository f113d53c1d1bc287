//===- Driver.cpp - memory, launches and timings on a GPU -----------------===//
#include "tools/air-gpu-bench/Driver.h"

#include <algorithm>
#include <cstring>

namespace air::gpubench {

Result<std::unique_ptr<Driver>> Driver::open() {
  std::unique_ptr<Driver> driver(new Driver());
  AIR_ASSIGN_OR_RETURN(driver->gpu, rt::CudaDriver::open({}));
  const rt::CudaFunctions &f = driver->gpu->functions();
  for (void **event : {&driver->begin, &driver->end}) {
    AIR_RETURN_IF_ERROR(driver->gpu->call(f.eventCreate, event, 0U));
  }
  return driver;
}

Driver::~Driver() {
  if (!gpu) {
    return;
  }
  const rt::CudaFunctions &f = gpu->functions();
  if (pinned) {
    (void)gpu->call(f.hostFree, pinned);
  }
  for (void *event : {begin, end}) {
    if (event) {
      (void)gpu->call(f.eventDestroy, event);
    }
  }
}

Status Driver::release(DevicePointer memory) {
  return gpu->call(gpu->functions().memoryFree, memory);
}

Status Driver::write(DevicePointer to, std::span<const uint8_t> bytes) {
  AIR_RETURN_IF_ERROR(gpu->call(gpu->functions().copyToDevice, to, bytes.data(),
                                bytes.size(), gpu->stream()));
  return finish();
}

Status Driver::read(DevicePointer from, std::span<uint8_t> bytes) {
  AIR_RETURN_IF_ERROR(gpu->call(gpu->functions().copyToHost, bytes.data(), from,
                                bytes.size(), gpu->stream()));
  return finish();
}

Status Driver::copy(DevicePointer to, DevicePointer from, uint64_t bytes) {
  return gpu->call(gpu->functions().copyOnDevice, to, from, bytes,
                   gpu->stream());
}

Status Driver::fill(DevicePointer to, uint8_t value, uint64_t bytes) {
  return gpu->call(gpu->functions().fill, to, value, bytes, gpu->stream());
}

Result<void *> Driver::load(std::span<const uint8_t> cubin,
                            const std::string &name, uint32_t sharedBytes) {
  const Result<void *> module = gpu->loadModule(cubin);
  AIR_RETURN_IF_ERROR(module.status().withContext(name));
  AIR_ASSIGN_OR_RETURN(void *function, gpu->findKernel(*module, name));
  AIR_RETURN_IF_ERROR(
      gpu->allowShared(function, sharedBytes).withContext(name));
  return function;
}

Result<double> Driver::elapsed() {
  float milliseconds = 0;
  const rt::CudaFunctions &f = gpu->functions();
  AIR_RETURN_IF_ERROR(gpu->call(f.eventSynchronize, end));
  AIR_RETURN_IF_ERROR(gpu->call(f.eventElapsed, &milliseconds, begin, end));
  return static_cast<double>(milliseconds);
}

Result<std::vector<double>> Driver::replay(const std::vector<Launch> &launches,
                                           uint32_t replays) {
  AIR_ASSIGN_OR_RETURN(void *graph, gpu->makeGraph(launches));
  const rt::CudaFunctions &f = gpu->functions();
  Status status = Status::ok();
  std::vector<double> times;
  for (uint32_t i = 0; status.isOk() && i < replays + 1; ++i) {
    for (const Status &one : {gpu->call(f.eventRecord, begin, gpu->stream()),
                              gpu->call(f.graphLaunch, graph, gpu->stream()),
                              gpu->call(f.eventRecord, end, gpu->stream())}) {
      status = status.isOk() ? one : status;
    }
    const Result<double> time = elapsed();
    status = status.isOk() ? time.status() : status;
    if (status.isOk() && i != 0) {
      times.push_back(*time);
    }
  }
  const Status destroyed = gpu->call(f.graphExecDestroy, graph);
  AIR_RETURN_IF_ERROR(status);
  AIR_RETURN_IF_ERROR(destroyed);
  return times;
}

Result<double> Driver::copyMilliseconds(DevicePointer to, DevicePointer from,
                                        uint64_t bytes, uint32_t times) {
  const rt::CudaFunctions &f = gpu->functions();
  double best = 0;
  for (uint32_t i = 0; i <= times; ++i) {
    AIR_RETURN_IF_ERROR(gpu->call(f.eventRecord, begin, gpu->stream()));
    AIR_RETURN_IF_ERROR(copy(to, from, bytes));
    AIR_RETURN_IF_ERROR(gpu->call(f.eventRecord, end, gpu->stream()));
    AIR_ASSIGN_OR_RETURN(const double milliseconds, elapsed());
    if (i != 0) {
      best = best == 0 ? milliseconds : std::min(best, milliseconds);
    }
  }
  return best;
}

Result<double> Driver::uploadMilliseconds(DevicePointer to, uint64_t bytes,
                                          uint64_t piece) {
  const rt::CudaFunctions &f = gpu->functions();
  if (pinnedBytes < bytes) {
    if (pinned) {
      AIR_RETURN_IF_ERROR(gpu->call(f.hostFree, pinned));
      pinned = nullptr;
    }
    AIR_RETURN_IF_ERROR(gpu->call(f.hostAllocate, &pinned, bytes, 0U));
    pinnedBytes = bytes;
    std::memset(pinned, 0x5a, bytes);
  }
  double best = 0;
  for (int i = 0; i < 4; ++i) {
    AIR_RETURN_IF_ERROR(gpu->call(f.eventRecord, begin, gpu->stream()));
    for (uint64_t at = 0; at < bytes; at += piece) {
      AIR_RETURN_IF_ERROR(gpu->call(
          f.copyToDevice, to + at, static_cast<const uint8_t *>(pinned) + at,
          std::min(piece, bytes - at), gpu->stream()));
    }
    AIR_RETURN_IF_ERROR(gpu->call(f.eventRecord, end, gpu->stream()));
    AIR_ASSIGN_OR_RETURN(const double milliseconds, elapsed());
    if (i != 0) {
      best = best == 0 ? milliseconds : std::min(best, milliseconds);
    }
  }
  return best;
}

} // namespace air::gpubench
