//===- Driver.cpp - memory, launches and timings on a GPU -----------------===//
#include "tools/air-gpu-bench/Driver.h"

namespace air::gpubench {

Result<std::unique_ptr<Driver>> Driver::open() {
  std::unique_ptr<Driver> driver(new Driver());
  AIR_ASSIGN_OR_RETURN(driver->gpu, rt::CudaDriver::open({}));
  AIR_ASSIGN_OR_RETURN(driver->timer, rt::CudaTimer::create(*driver->gpu));
  return driver;
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

Result<std::vector<double>> Driver::replay(const std::vector<Launch> &launches,
                                           uint32_t replays) {
  AIR_ASSIGN_OR_RETURN(void *graph, gpu->makeGraph(launches));
  const rt::CudaFunctions &f = gpu->functions();
  Status status = Status::ok();
  std::vector<double> times;
  for (uint32_t i = 0; status.isOk() && i < replays + 1; ++i) {
    for (const Status &one :
         {timer->start(), gpu->call(f.graphLaunch, graph, gpu->stream())}) {
      status = status.isOk() ? one : status;
    }
    const Result<double> time = timer->stop();
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

} // namespace air::gpubench
