//===- FakeDriver.cpp - the functions of libcuda.so.1 ---------------------===//
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include "test/codegen/cuda/emulator/FakeGpu.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fstream>
#include <unistd.h>

using namespace air::fakecuda;

namespace {

struct Config {
  unsigned grid[3], block[3], sharedBytes;
  void *stream;
  const int *attributes;
  unsigned attributeCount;
};

// The handle of the first device. It differs from the device's ordinal 0.
constexpr int kFirstDevice = 40;
constexpr int kProgrammaticSerialization = 6; // a CUlaunchAttributeID
constexpr unsigned kDisableTiming = 2;        // CU_EVENT_DISABLE_TIMING
constexpr int kDependentGraphVersion = 12030;

Gpu gpu;
bool isInitialised = false;
thread_local bool isCurrent = false;

/// Every function that needs a context calls this. Returns kOk if the context
/// is current and has not failed, unless the test makes the call fail.
int enter() {
  if (fakeCuda.failingCall != 0 && --fakeCuda.failingCall == 0) {
    constexpr int kHundred = 100;
    if (fakeCuda.callResult / kHundred == kIllegalAddress / kHundred) {
      gpu.failure = fakeCuda.callResult;
    }
    return fakeCuda.callResult;
  }
  return !isCurrent || gpu.users == 0 ? kInvalidContext : gpu.failure;
}

bool isDevice(int device) {
  return isInitialised && device >= kFirstDevice &&
         device < kFirstDevice + fakeCuda.gpus;
}

template <typename T> T *findIn(std::list<T> &list, const void *handle) {
  for (T &one : list) {
    if (&one == handle) {
      return &one;
    }
  }
  return nullptr;
}

/// The module from which fakePtx() has made `text`. Empty if `text` does not
/// begin with a comment.
std::vector<uint8_t> bytesOfPtx(const char *text) {
  std::vector<uint8_t> bytes;
  const char *at = text[0] == '/' ? std::strchr(text, '\n') : nullptr;
  for (; at && at[1] != 0 && at[2] != 0; at += 2) {
    const char digits[] = {at[1], at[2], 0};
    bytes.push_back(static_cast<uint8_t>(std::strtoul(digits, nullptr, 16)));
  }
  return bytes;
}

template <typename T> int eraseFrom(std::list<T> &list, const void *handle) {
  const size_t before = list.size();
  list.remove_if([&](const T &one) { return &one == handle; });
  return list.size() == before ? kInvalidHandle : kOk;
}

/// Finds the stream with this handle. A stream that is being captured is
/// refused, because it takes only launches.
int streamFor(void *handle, Stream *&stream) {
  const int code = enter();
  stream = findIn(gpu.streams, handle);
  return code != kOk       ? code
         : !stream         ? kInvalidHandle
         : stream->capture ? kCaptureUnsupported
                           : kOk;
}

void enqueue(Stream &stream, std::function<int()> action, Point after = {}) {
  stream.queue.push_back({std::move(action), after});
  ++stream.enqueued;
  if (fakeCuda.copiesEarly) {
    gpu.advanceCopies();
  }
}

bool isPinned(uint64_t address, uint64_t bytes) {
  return std::any_of(
      gpu.pinned.begin(), gpu.pinned.end(), [&](const auto &one) {
        return address >= one.first && bytes <= one.second.size() &&
               address - one.first <= one.second.size() - bytes;
      });
}

template <typename T> T *at(uint64_t address) {
  return reinterpret_cast<T *>(address);
}

uint64_t addressOf(const void *pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

} // namespace

extern "C" {

FakeCuda fakeCuda;
int64_t fakeCudaLiveObjects() { return gpu.liveObjects(); }
void fakeCudaReset() { gpu.reset(); }

int cuInit(unsigned flags) {
  if (flags != 0) {
    return kInvalidValue;
  }
  if (fakeCuda.gpus == 0 || fakeCuda.initResult != kOk) {
    return fakeCuda.gpus == 0 ? kNoDevice : fakeCuda.initResult;
  }
  // Kernels call functions of the emulator, which must be visible to them even
  // if the program opened this library with RTLD_LOCAL.
  Dl_info info;
  if (dladdr(reinterpret_cast<void *>(&cuInit), &info) != 0) {
    dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
  }
  isInitialised = true;
  return kOk;
}
int cuDriverGetVersion(int *version) {
  *version = fakeCuda.driverVersion;
  return kOk;
}
int cuGetErrorString(int code, const char **text) {
  *text = code == kOutOfMemory ? "out of memory"
          : code == gpu.failure && !gpu.failureText.empty()
              ? gpu.failureText.c_str()
              : "refused by the fake driver";
  return kOk;
}
int cuDeviceGetCount(int *count) {
  *count = fakeCuda.gpus;
  return kOk;
}
int cuDeviceGet(int *device, int ordinal) {
  *device = kFirstDevice + ordinal;
  return isDevice(*device) ? kOk : kInvalidValue;
}
int cuDeviceGetName(char *name, int size, int device) {
  const bool isLast = device == kFirstDevice + fakeCuda.gpus - 1;
  std::strncpy(name,
               isLast && fakeCuda.lastName != nullptr ? fakeCuda.lastName
                                                      : "emulated GPU",
               static_cast<size_t>(size));
  return isDevice(device) ? kOk : kInvalidValue;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  const int multiprocessors =
      2 + (device - kFirstDevice) * fakeCuda.moreMultiprocessors;
  const std::map<int, int> values = {{16, multiprocessors},
                                     {38, 1 << 20},
                                     {75, fakeCuda.capability / 10},
                                     {76, fakeCuda.capability % 10}};
  const auto found = values.find(attribute);
  if (!isDevice(device) || found == values.end()) {
    return kInvalidValue;
  }
  *value = found->second;
  return kOk;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  // All users share one context, as they share a GPU's primary context.
  if (!isDevice(device)) {
    return kInvalidValue;
  }
  ++gpu.users;
  *context = &gpu;
  return kOk;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  if (!isDevice(device) || gpu.users == 0) {
    return kInvalidContext;
  }
  // After a failure, no other function can free memory, so the last release
  // frees everything. Without a failure it frees nothing, so that tests can see
  // leaks.
  if (--gpu.users != 0) {
    return kOk;
  }
  if (const char *path = std::getenv("AIR_FAKE_CUDA_LAUNCHES")) {
    std::ofstream(path) << gpu.launches;
  }
  if (gpu.failure != kOk) {
    gpu.reset();
  }
  isCurrent = false;
  return kOk;
}
int cuCtxSetCurrent(void *context) {
  isCurrent = context == &gpu && gpu.users != 0;
  return enter();
}

int cuModuleLoadData(void **module, const void *image) {
  if (const int code = enter()) {
    return code;
  }
  if (fakeCuda.moduleResult != kOk) {
    return fakeCuda.moduleResult;
  }
  const std::vector<uint8_t> compiled =
      bytesOfPtx(static_cast<const char *>(image));
  if (!compiled.empty()) {
    image = compiled.data();
    ++fakeCuda.ptxModules;
  } else if (fakeCuda.cubinResult != kOk) {
    return fakeCuda.cubinResult;
  }
  // Like a real driver, this function computes the size of the file from its
  // ELF headers. The section headers are at the end of the file.
  const auto *header = static_cast<const Elf64_Ehdr *>(image);
  if (std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
    return kInvalidImage;
  }
  char path[] = "/tmp/air-fake-cuda-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0) {
    return kInvalidImage;
  }
  const size_t size = header->e_shoff + uint64_t{header->e_shnum} * 64;
  const bool written = write(file, image, size) == static_cast<ssize_t>(size);
  close(file);
  void *library = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(path);
  if (!library) {
    return kInvalidImage;
  }
  gpu.modules.push_back({library, {}});
  *module = &gpu.modules.back();
  return kOk;
}
int cuModuleUnload(void *handle) {
  const int code = enter();
  Module *module = findIn(gpu.modules, handle);
  if (code != kOk || !module) {
    return code != kOk ? code : kInvalidHandle;
  }
  if (const int failed = gpu.advanceAll()) {
    return failed;
  }
  dlclose(module->library);
  return eraseFrom(gpu.modules, handle);
}
int cuModuleGetFunction(void **function, void *handle, const char *name) {
  const int code = enter();
  Module *module = findIn(gpu.modules, handle);
  if (code != kOk || !module) {
    return code != kOk ? code : kInvalidHandle;
  }
  void *address = dlsym(module->library, name);
  const auto *parameters = static_cast<const unsigned *>(
      dlsym(module->library, (std::string("air_parameters_") + name).c_str()));
  if (!address || !parameters) {
    return kNotFound;
  }
  Kernel &kernel = module->kernels[name];
  kernel.address = address;
  kernel.name = name;
  kernel.parameters = *parameters;
  *function = &kernel;
  return kOk;
}
}

namespace {

Kernel *kernelOf(const void *handle) {
  for (Module &module : gpu.modules) {
    for (auto &[name, kernel] : module.kernels) {
      if (&kernel == handle) {
        return &kernel;
      }
    }
  }
  return nullptr;
}

} // namespace

extern "C" {

int cuFuncSetAttribute(void *function, int attribute, int value) {
  Kernel *kernel = kernelOf(function);
  if (const int code = enter()) {
    return code;
  }
  if (!kernel || attribute != 8 || value < 0 || value > 227 * 1024) {
    return kInvalidValue;
  }
  kernel->sharedBytes = static_cast<uint32_t>(value);
  return kOk;
}
int cuFuncGetParamInfo(void *function, size_t index, size_t *offset,
                       size_t *size) {
  const Kernel *kernel = kernelOf(function);
  // Here kInvalidValue means that the kernel has no more parameters, so a test
  // cannot make this call fail with that code.
  const bool mayFail = fakeCuda.callResult != kInvalidValue;
  if (const int code = mayFail ? enter() : gpu.failure) {
    return code;
  }
  if (!fakeCuda.tellsParameters) {
    return kNotSupported;
  }
  if (!kernel || index >= kernel->parameters) {
    return kInvalidValue;
  }
  *offset = index * sizeof(uint64_t); // all parameters are addresses
  *size = sizeof(uint64_t);
  return kOk;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  *free = *total = fakeCuda.freeBytes;
  return enter();
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  if (const int code = enter()) {
    return code;
  }
  if (bytes == 0) {
    return kInvalidValue;
  }
  ++fakeCuda.allocations;
  const bool fails =
      fakeCuda.failingAllocation != 0 && --fakeCuda.failingAllocation == 0;
  const uint8_t *memory = fails ? nullptr : gpu.allocate(bytes);
  *address = addressOf(memory);
  return memory ? kOk : kOutOfMemory;
}
int cuMemFree_v2(uint64_t address) {
  if (const int code = enter()) {
    return code;
  }
  if (const int failed = gpu.advanceAll()) {
    return failed;
  }
  return gpu.free(address) ? kOk : kInvalidValue;
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  if (const int code = enter()) {
    return code;
  }
  if (bytes == 0 || flags != 0) {
    return kInvalidValue;
  }
  ++fakeCuda.allocations;
  std::vector<uint8_t> block(bytes, 0xff);
  *memory = block.data();
  gpu.pinned[addressOf(*memory)] = std::move(block);
  return kOk;
}
int cuMemFreeHost(void *memory) {
  if (const int code = enter()) {
    return code;
  }
  if (const int failed = gpu.advanceAll()) {
    return failed;
  }
  return gpu.pinned.erase(addressOf(memory)) == 1 ? kOk : kInvalidValue;
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes,
                         void *handle) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  if (!gpu.contains(to, bytes)) {
    return kInvalidValue;
  }
  fakeCuda.bytesFromHost += bytes;
  if (isPinned(addressOf(from), bytes)) {
    enqueue(*stream, [=] {
      gpu.copy(at<void>(to), from, bytes);
      return kOk;
    });
    return kOk;
  }
  // If the memory is not pinned, the driver reads it before it returns.
  const auto *source = static_cast<const uint8_t *>(from);
  enqueue(*stream, [to, copy = std::vector<uint8_t>(source, source + bytes)] {
    gpu.copy(at<void>(to), copy.data(), copy.size());
    return kOk;
  });
  return kOk;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *handle) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  if (!gpu.contains(from, bytes)) {
    return kInvalidValue;
  }
  fakeCuda.bytesToHost += bytes;
  enqueue(*stream, [=] {
    gpu.copy(to, at<const void>(from), bytes);
    return kOk;
  });
  // A copy to memory that is not pinned is complete when this function returns.
  return isPinned(addressOf(to), bytes) ? kOk : gpu.advance(*stream);
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes,
                         void *handle) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  if (!gpu.contains(to, bytes) || !gpu.contains(from, bytes)) {
    return kInvalidValue;
  }
  enqueue(*stream, [=] {
    gpu.copy(at<void>(to), at<const void>(from), bytes);
    return kOk;
  });
  return kOk;
}
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes,
                    void *handle) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  if (!gpu.contains(to, bytes)) {
    return kInvalidValue;
  }
  enqueue(*stream, [=] {
    std::memset(at<void>(to), value, bytes);
    return kOk;
  });
  return kOk;
}

int cuStreamCreate(void **stream, unsigned flags) {
  if (const int code = enter()) {
    return code;
  }
  if (flags != 1) { // CU_STREAM_NON_BLOCKING
    return kInvalidValue;
  }
  gpu.streams.emplace_back();
  *stream = &gpu.streams.back();
  return kOk;
}
int cuStreamSynchronize(void *handle) {
  Stream *stream = nullptr;
  const int code = streamFor(handle, stream);
  return code != kOk ? code : gpu.advance(*stream);
}
int cuStreamWaitEvent(void *handle, void *eventHandle, unsigned flags) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  const Event *event = findIn(gpu.events, eventHandle);
  if (!event || flags != 0) {
    return event ? kInvalidValue : kInvalidHandle;
  }
  enqueue(*stream, [] { return kOk; }, event->point);
  return kOk;
}
int cuStreamDestroy_v2(void *handle) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  const int code = gpu.advance(*stream);
  // An event that refers to no stream counts as complete, and work that waits
  // for no stream may start.
  for (Event &event : gpu.events) {
    if (event.point.stream == stream) {
      event.point = {};
    }
  }
  for (Stream &other : gpu.streams) {
    for (Work &work : other.queue) {
      if (work.after.stream == stream) {
        work.after = {};
      }
    }
  }
  return code != kOk ? code : eraseFrom(gpu.streams, handle);
}

int cuLaunchKernelEx(const Config *config, void *function, void **arguments,
                     void **extra) {
  const int code = enter();
  Stream *stream = findIn(gpu.streams, config->stream);
  const Kernel *kernel = kernelOf(function);
  if (code != kOk || !stream || !kernel) {
    return code != kOk ? code : kInvalidHandle;
  }
  if (extra || config->sharedBytes > kernel->sharedBytes ||
      config->grid[0] == 0 || config->grid[0] > INT32_MAX ||
      config->grid[1] == 0 || config->grid[1] > 65535 || config->grid[2] != 1 ||
      config->block[0] == 0 || config->block[0] > 1024 ||
      config->block[1] != 1 || config->block[2] != 1) {
    return kInvalidValue;
  }
  // The only supported launch attribute is programmatic stream serialization
  // with the value 1.
  const bool dependent = config->attributeCount == 1;
  if (config->attributeCount > 1 ||
      (dependent && (config->attributes[0] != kProgrammaticSerialization ||
                     config->attributes[2] != 1 || fakeCuda.capability < 90 ||
                     fakeCuda.driverVersion < kDependentGraphVersion))) {
    return kInvalidValue;
  }
  KernelCall call;
  call.kernel = kernel;
  call.gridX = config->grid[0];
  call.gridY = config->grid[1];
  call.threads = config->block[0];
  call.sharedBytes = config->sharedBytes;
  call.dependent = dependent;
  for (uint32_t i = 0; i < kernel->parameters; ++i) {
    call.arguments.push_back(*static_cast<uint64_t *>(arguments[i]));
  }
  stream->hasKernels = true;
  if (!stream->capture) {
    enqueue(*stream, [=] { return gpu.runKernel(call); });
    return kOk;
  }
  // In an empty graph, there is no kernel on which this one could depend.
  if (dependent && stream->capture->empty()) {
    return kInvalidValue;
  }
  if (dependent) {
    stream->capture->back().hasDependent = true;
  }
  stream->capture->push_back(call);
  return kOk;
}

int cuStreamBeginCapture_v2(void *handle, int mode) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  if (mode != 1) { // CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    return kInvalidValue;
  }
  stream->capture = std::make_unique<Graph>();
  return kOk;
}
int cuStreamEndCapture(void *handle, void **graph) {
  const int code = enter();
  Stream *stream = findIn(gpu.streams, handle);
  if (code != kOk && stream) {
    stream->capture.reset(); // A failed call ends the capture.
  }
  if (code != kOk || !stream || !stream->capture) {
    return code != kOk ? code : kCaptureInvalid;
  }
  gpu.graphs.push_back(std::move(*stream->capture));
  stream->capture.reset();
  *graph = &gpu.graphs.back();
  return kOk;
}
int cuGraphInstantiateWithFlags(void **executable, void *handle,
                                unsigned long long flags) {
  const int code = enter();
  const Graph *graph = findIn(gpu.graphs, handle);
  if (code != kOk || !graph || flags != 0) {
    return code != kOk ? code : kInvalidValue;
  }
  gpu.graphExecutables.push_back(*graph);
  *executable = &gpu.graphExecutables.back();
  return kOk;
}
int cuGraphLaunch(void *executable, void *handle) {
  Stream *stream = nullptr;
  if (const int code = streamFor(handle, stream)) {
    return code;
  }
  const Graph *graph = findIn(gpu.graphExecutables, executable);
  if (!graph) {
    return kInvalidHandle;
  }
  stream->hasKernels = true;
  for (const KernelCall &call : *graph) {
    enqueue(*stream, [=] { return gpu.runKernel(call); });
  }
  return kOk;
}
int cuGraphExecDestroy(void *executable) {
  const int code = enter();
  return code != kOk ? code : eraseFrom(gpu.graphExecutables, executable);
}
int cuGraphDestroy(void *graph) {
  const int code = enter();
  return code != kOk ? code : eraseFrom(gpu.graphs, graph);
}

int cuEventCreate(void **event, unsigned flags) {
  if (const int code = enter()) {
    return code;
  }
  if (flags != 0 && flags != kDisableTiming) {
    return kInvalidValue;
  }
  gpu.events.emplace_back();
  gpu.events.back().hasTime = flags == 0;
  *event = &gpu.events.back();
  return kOk;
}
int cuEventRecord(void *handle, void *streamHandle) {
  Stream *stream = nullptr;
  if (const int code = streamFor(streamHandle, stream)) {
    return code;
  }
  Event *event = findIn(gpu.events, handle);
  if (!event) {
    return kInvalidHandle;
  }
  enqueue(*stream, [=] {
    event->microseconds = gpu.microseconds;
    return kOk;
  });
  event->point = {stream, stream->enqueued};
  return kOk;
}
int cuEventQuery(void *handle) {
  const int code = enter();
  const Event *event = findIn(gpu.events, handle);
  if (code != kOk || !event) {
    return code != kOk ? code : kInvalidHandle;
  }
  const Point &point = event->point;
  return !point.stream || point.stream->done >= point.count ? kOk : kNotReady;
}
int cuEventSynchronize(void *handle) {
  const int code = enter();
  const Event *event = findIn(gpu.events, handle);
  if (code != kOk || !event) {
    return code != kOk ? code : kInvalidHandle;
  }
  const Point &point = event->point;
  return point.stream ? gpu.advance(*point.stream, point.count) : kOk;
}
int cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  const int code = enter();
  const Event *first = findIn(gpu.events, begin);
  const Event *second = findIn(gpu.events, end);
  if (code != kOk || !first || !second) {
    return code != kOk ? code : kInvalidHandle;
  }
  for (const Event *event : {first, second}) {
    if (!event->hasTime) {
      return kInvalidHandle;
    }
    const Point &point = event->point;
    if (!point.stream || point.stream->done < point.count) {
      return kNotReady;
    }
  }
  *milliseconds =
      static_cast<float>(second->microseconds - first->microseconds) / 1000;
  return kOk;
}
int cuEventDestroy_v2(void *event) {
  const int code = enter();
  return code != kOk ? code : eraseFrom(gpu.events, event);
}
}
