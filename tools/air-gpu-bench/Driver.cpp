//===- Driver.cpp - calls libcuda.so.1 ------------------------------------===//
#include "tools/air-gpu-bench/Driver.h"

#include "formats/support/DynamicLibrary.h"

#include <algorithm>
#include <cstring>

namespace air::gpubench {
namespace {

// The values of these enumerators and the layouts of these structures are those
// of the CUDA driver API.
constexpr int kMultiprocessors = 16;
constexpr int kL2Bytes = 38;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr int kMaxDynamicSharedBytes = 8;
constexpr int kProgrammaticStreamSerialization = 6;
constexpr int kCaptureThreadLocal = 1;
constexpr unsigned kNonBlockingStream = 1;

struct LaunchAttribute {
  int id;
  char pad[4];
  union {
    char bytes[64];
    int flag;
  };
};

struct LaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  void *stream;
  LaunchAttribute *attributes;
  unsigned attributeCount;
};

} // namespace

struct DriverFunctions {
  DynamicLibrary library;
  int (*init)(unsigned) = nullptr;
  int (*driverGetVersion)(int *) = nullptr;
  int (*deviceGet)(int *, int) = nullptr;
  int (*deviceGetName)(char *, int, int) = nullptr;
  int (*deviceGetAttribute)(int *, int, int) = nullptr;
  int (*contextRetain)(void **, int) = nullptr;
  int (*contextRelease)(int) = nullptr;
  int (*contextSetCurrent)(void *) = nullptr;
  int (*moduleLoadData)(void **, const void *) = nullptr;
  int (*moduleUnload)(void *) = nullptr;
  int (*moduleGetFunction)(void **, void *, const char *) = nullptr;
  int (*functionSetAttribute)(void *, int, int) = nullptr;
  int (*memoryGetInfo)(size_t *, size_t *) = nullptr;
  int (*memoryAllocate)(DevicePointer *, size_t) = nullptr;
  int (*memoryFree)(DevicePointer) = nullptr;
  int (*hostAllocate)(void **, size_t, unsigned) = nullptr;
  int (*hostFree)(void *) = nullptr;
  int (*copyToDevice)(DevicePointer, const void *, size_t) = nullptr;
  int (*copyToHost)(void *, DevicePointer, size_t) = nullptr;
  int (*copyToDeviceAsync)(DevicePointer, const void *, size_t,
                           void *) = nullptr;
  int (*copyOnDeviceAsync)(DevicePointer, DevicePointer, size_t,
                           void *) = nullptr;
  int (*fillBytes)(DevicePointer, unsigned char, size_t) = nullptr;
  int (*streamCreate)(void **, unsigned) = nullptr;
  int (*streamSynchronize)(void *) = nullptr;
  int (*streamDestroy)(void *) = nullptr;
  int (*launchKernel)(const LaunchConfig *, void *, void **, void **) = nullptr;
  int (*beginCapture)(void *, int) = nullptr;
  int (*endCapture)(void *, void **) = nullptr;
  int (*graphInstantiate)(void **, void *, unsigned long long) = nullptr;
  int (*graphLaunch)(void *, void *) = nullptr;
  int (*graphExecDestroy)(void *) = nullptr;
  int (*graphDestroy)(void *) = nullptr;
  int (*eventCreate)(void **, unsigned) = nullptr;
  int (*eventRecord)(void *, void *) = nullptr;
  int (*eventSynchronize)(void *) = nullptr;
  int (*eventElapsed)(float *, void *, void *) = nullptr;
  int (*eventDestroy)(void *) = nullptr;
  int (*errorString)(int, const char **) = nullptr;

  /// Finds all functions. Returns the name of the first function that the
  /// library lacks, or null if it has all of them.
  const char *resolve() {
    const char *missing = nullptr;
    auto find = [&](const char *name, auto &function) {
      if (!library.find(name, function) && !missing) {
        missing = name;
      }
    };
    find("cuInit", init);
    find("cuDriverGetVersion", driverGetVersion);
    find("cuDeviceGet", deviceGet);
    find("cuDeviceGetName", deviceGetName);
    find("cuDeviceGetAttribute", deviceGetAttribute);
    find("cuDevicePrimaryCtxRetain", contextRetain);
    find("cuDevicePrimaryCtxRelease_v2", contextRelease);
    find("cuCtxSetCurrent", contextSetCurrent);
    find("cuModuleLoadData", moduleLoadData);
    find("cuModuleUnload", moduleUnload);
    find("cuModuleGetFunction", moduleGetFunction);
    find("cuFuncSetAttribute", functionSetAttribute);
    find("cuMemGetInfo_v2", memoryGetInfo);
    find("cuMemAlloc_v2", memoryAllocate);
    find("cuMemFree_v2", memoryFree);
    find("cuMemHostAlloc", hostAllocate);
    find("cuMemFreeHost", hostFree);
    find("cuMemcpyHtoD_v2", copyToDevice);
    find("cuMemcpyDtoH_v2", copyToHost);
    find("cuMemcpyHtoDAsync_v2", copyToDeviceAsync);
    find("cuMemcpyDtoDAsync_v2", copyOnDeviceAsync);
    find("cuMemsetD8_v2", fillBytes);
    find("cuStreamCreate", streamCreate);
    find("cuStreamSynchronize", streamSynchronize);
    find("cuStreamDestroy_v2", streamDestroy);
    find("cuLaunchKernelEx", launchKernel);
    find("cuStreamBeginCapture_v2", beginCapture);
    find("cuStreamEndCapture", endCapture);
    find("cuGraphInstantiateWithFlags", graphInstantiate);
    find("cuGraphLaunch", graphLaunch);
    find("cuGraphExecDestroy", graphExecDestroy);
    find("cuGraphDestroy", graphDestroy);
    find("cuEventCreate", eventCreate);
    find("cuEventRecord", eventRecord);
    find("cuEventSynchronize", eventSynchronize);
    find("cuEventElapsedTime", eventElapsed);
    find("cuEventDestroy_v2", eventDestroy);
    find("cuGetErrorString", errorString);
    return missing;
  }
};

Status Driver::check(int code, const char *what) const {
  if (code == 0) {
    return Status::ok();
  }
  const char *text = nullptr;
  if (functions->errorString(code, &text) != 0 || !text) {
    text = "unknown error";
  }
  return ioError(std::string("the CUDA driver could not ") + what + ": " +
                 text + " (error " + std::to_string(code) + ")");
}

Result<std::unique_ptr<Driver>> Driver::open() {
  std::unique_ptr<Driver> driver(new Driver());
  driver->functions = std::make_unique<DriverFunctions>();
  DriverFunctions &f = *driver->functions;
  f.library = DynamicLibrary::open("libcuda.so.1");
  if (!f.library.isOpen()) {
    return unsupportedError("libcuda.so.1 could not be opened; checks and "
                            "timings need a machine with an NVIDIA driver");
  }
  if (const char *missing = f.resolve()) {
    return unsupportedError(std::string("the NVIDIA driver has no function ") +
                            missing +
                            "; install a driver for CUDA 12 or later");
  }
  AIR_RETURN_IF_ERROR(driver->check(f.init(0), "start"));
  AIR_RETURN_IF_ERROR(
      driver->check(f.deviceGet(&driver->ordinal, 0), "find a GPU"));
  void *context = nullptr;
  AIR_RETURN_IF_ERROR(driver->check(f.contextRetain(&context, driver->ordinal),
                                    "open the GPU"));
  AIR_RETURN_IF_ERROR(
      driver->check(f.contextSetCurrent(context), "use the GPU"));
  char name[128] = {};
  int version = 0;
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
  int l2 = 0;
  size_t freeBytes = 0;
  size_t totalBytes = 0;
  const int ordinal = driver->ordinal;
  for (const int code :
       {f.deviceGetName(name, sizeof name - 1, ordinal),
        f.driverGetVersion(&version),
        f.deviceGetAttribute(&major, kCapabilityMajor, ordinal),
        f.deviceGetAttribute(&minor, kCapabilityMinor, ordinal),
        f.deviceGetAttribute(&multiprocessors, kMultiprocessors, ordinal),
        f.deviceGetAttribute(&l2, kL2Bytes, ordinal),
        f.memoryGetInfo(&freeBytes, &totalBytes),
        f.streamCreate(&driver->stream, kNonBlockingStream),
        f.eventCreate(&driver->begin, 0), f.eventCreate(&driver->end, 0)}) {
    AIR_RETURN_IF_ERROR(driver->check(code, "describe the GPU"));
  }
  driver->device = {name,
                    static_cast<uint32_t>(major * 10 + minor),
                    static_cast<uint32_t>(multiprocessors),
                    static_cast<uint64_t>(l2),
                    freeBytes,
                    std::to_string(version / 1000) + "." +
                        std::to_string(version % 1000 / 10)};
  return driver;
}

Driver::~Driver() {
  if (!functions->library.isOpen()) {
    return;
  }
  // The handles are null if open() failed before it created them.
  (void)unloadAll();
  if (pinned) {
    functions->hostFree(pinned);
  }
  for (void *event : {begin, end}) {
    if (event) {
      functions->eventDestroy(event);
    }
  }
  if (stream) {
    functions->streamDestroy(stream);
    functions->contextRelease(ordinal);
  }
}

Result<DevicePointer> Driver::allocate(uint64_t bytes) {
  DevicePointer memory = 0;
  AIR_RETURN_IF_ERROR(
      check(functions->memoryAllocate(&memory, bytes),
            ("allocate " + std::to_string(bytes) + " bytes").c_str()));
  return memory;
}

Status Driver::release(DevicePointer memory) {
  return check(functions->memoryFree(memory), "free memory");
}

Status Driver::write(DevicePointer to, std::span<const uint8_t> bytes) {
  return check(functions->copyToDevice(to, bytes.data(), bytes.size()),
               "copy to the GPU");
}

Status Driver::read(DevicePointer from, std::span<uint8_t> bytes) {
  return check(functions->copyToHost(bytes.data(), from, bytes.size()),
               "copy from the GPU");
}

Status Driver::copy(DevicePointer to, DevicePointer from, uint64_t bytes) {
  return check(functions->copyOnDeviceAsync(to, from, bytes, stream),
               "copy on the GPU");
}

Status Driver::fill(DevicePointer to, uint8_t value, uint64_t bytes) {
  return check(functions->fillBytes(to, value, bytes), "fill memory");
}

Result<void *> Driver::load(std::span<const uint8_t> cubin,
                            const std::string &name, uint32_t sharedBytes) {
  void *module = nullptr;
  AIR_RETURN_IF_ERROR(check(functions->moduleLoadData(&module, cubin.data()),
                            ("load kernel " + name).c_str()));
  modules.push_back(module);
  void *function = nullptr;
  AIR_RETURN_IF_ERROR(
      check(functions->moduleGetFunction(&function, module, name.c_str()),
            ("find kernel " + name).c_str()));
  AIR_RETURN_IF_ERROR(
      check(functions->functionSetAttribute(function, kMaxDynamicSharedBytes,
                                            static_cast<int>(sharedBytes)),
            ("set the shared memory of kernel " + name).c_str()));
  return function;
}

Status Driver::unloadAll() {
  for (void *module : modules) {
    AIR_RETURN_IF_ERROR(
        check(functions->moduleUnload(module), "unload a kernel"));
  }
  modules.clear();
  return Status::ok();
}

// UBSan's check of function types is disabled here. CUDA's headers are not
// used, so LaunchConfig is a type of this file, and the type of `launchKernel`
// differs from that of the driver's function.
[[clang::no_sanitize("function")]] Status Driver::launch(const Launch &launch) {
  LaunchAttribute attribute = {};
  attribute.id = kProgrammaticStreamSerialization;
  attribute.flag = 1;
  LaunchConfig config = {launch.gridX,
                         launch.gridY,
                         1,
                         launch.threads,
                         1,
                         1,
                         launch.sharedBytes,
                         stream,
                         launch.dependent ? &attribute : nullptr,
                         launch.dependent ? 1U : 0U};
  std::vector<void *> arguments;
  for (const DevicePointer &argument : launch.arguments) {
    arguments.push_back(const_cast<DevicePointer *>(&argument));
  }
  return check(functions->launchKernel(&config, launch.function,
                                       arguments.data(), nullptr),
               "launch a kernel");
}

Status Driver::finish() {
  return check(functions->streamSynchronize(stream), "finish its work");
}

Result<std::vector<double>> Driver::replay(const std::vector<Launch> &launches,
                                           uint32_t replays) {
  AIR_RETURN_IF_ERROR(check(
      functions->beginCapture(stream, kCaptureThreadLocal), "begin a graph"));
  Status status = Status::ok();
  for (const Launch &one : launches) {
    status = launch(one);
    if (!status.isOk()) {
      break;
    }
  }
  void *graph = nullptr;
  const Status ended =
      check(functions->endCapture(stream, &graph), "end a graph");
  AIR_RETURN_IF_ERROR(status);
  AIR_RETURN_IF_ERROR(ended);
  void *executable = nullptr;
  status = check(functions->graphInstantiate(&executable, graph, 0),
                 "instantiate a graph");
  std::vector<double> times;
  for (uint32_t i = 0; status.isOk() && i < replays + 1; ++i) {
    float milliseconds = 0;
    for (const int code :
         {functions->eventRecord(begin, stream),
          functions->graphLaunch(executable, stream),
          functions->eventRecord(end, stream), functions->eventSynchronize(end),
          functions->eventElapsed(&milliseconds, begin, end)}) {
      if (status.isOk()) {
        status = check(code, "replay a graph");
      }
    }
    if (i != 0) {
      times.push_back(milliseconds);
    }
  }
  if (executable) {
    functions->graphExecDestroy(executable);
  }
  functions->graphDestroy(graph);
  AIR_RETURN_IF_ERROR(status);
  return times;
}

Result<double> Driver::copyMilliseconds(DevicePointer to, DevicePointer from,
                                        uint64_t bytes, uint32_t times) {
  double best = 0;
  for (uint32_t i = 0; i <= times; ++i) {
    float milliseconds = 0;
    for (const int code :
         {functions->eventRecord(begin, stream),
          functions->copyOnDeviceAsync(to, from, bytes, stream),
          functions->eventRecord(end, stream), functions->eventSynchronize(end),
          functions->eventElapsed(&milliseconds, begin, end)}) {
      AIR_RETURN_IF_ERROR(check(code, "time a copy"));
    }
    if (i != 0) {
      best = best == 0 ? milliseconds
                       : std::min(best, static_cast<double>(milliseconds));
    }
  }
  return best;
}

Result<double> Driver::uploadMilliseconds(DevicePointer to, uint64_t bytes,
                                          uint64_t piece) {
  if (pinnedBytes < bytes) {
    if (pinned) {
      functions->hostFree(pinned);
      pinned = nullptr;
    }
    AIR_RETURN_IF_ERROR(check(functions->hostAllocate(&pinned, bytes, 0),
                              "allocate pinned host memory"));
    pinnedBytes = bytes;
    std::memset(pinned, 0x5a, bytes);
  }
  double best = 0;
  for (int i = 0; i < 4; ++i) {
    AIR_RETURN_IF_ERROR(
        check(functions->eventRecord(begin, stream), "time an upload"));
    for (uint64_t at = 0; at < bytes; at += piece) {
      AIR_RETURN_IF_ERROR(
          check(functions->copyToDeviceAsync(
                    to + at, static_cast<const uint8_t *>(pinned) + at,
                    std::min(piece, bytes - at), stream),
                "upload data"));
    }
    float milliseconds = 0;
    for (const int code :
         {functions->eventRecord(end, stream), functions->eventSynchronize(end),
          functions->eventElapsed(&milliseconds, begin, end)}) {
      AIR_RETURN_IF_ERROR(check(code, "time an upload"));
    }
    if (i != 0) {
      best = best == 0 ? milliseconds
                       : std::min(best, static_cast<double>(milliseconds));
    }
  }
  return best;
}

} // namespace air::gpubench
