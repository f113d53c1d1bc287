//===- FakeDriver.cpp - the driver API on host memory ---------------------===//
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include "test/codegen/cuda/emulator/Emulator.h"

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <fstream>
#include <functional>
#include <map>
#include <unistd.h>

using namespace air::emulator;

namespace {

// These are values of CUresult.
constexpr int kOk = 0;
constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kInvalidImage = 200;
constexpr int kNotFound = 500;
constexpr int kLaunchFailed = 719;
constexpr int kCaptureInvalid = 901;

struct Module {
  void *library = nullptr;
};

struct Function {
  void *address = nullptr;
  std::string name;
  uint32_t sharedBytes = 48 * 1024;
};

using Work = std::function<int()>;
using Graph = std::vector<Work>;

struct Config {
  unsigned grid[3], block[3], sharedBytes;
  void *stream;
  const int *attributes;
  unsigned attributeCount;
};

std::map<void *, uint64_t> deviceMemory;
std::map<std::string, Function> functions;
int64_t liveObjects = 0;
Graph *capture = nullptr;
int streamError = kOk;
std::string errorText;
uint64_t clockMicroseconds = 0;

/// The number of bindings of a kernel, by the prefix of its name. A real driver
/// reads the number from the cubin.
size_t bindingsOf(const std::string &name) {
  return name.rfind("matmul_", 0) == 0   ? 5
         : name.rfind("launch_", 0) == 0 ? 1
         : name.rfind("wgmma_", 0) == 0  ? 3
                                         : 2;
}

int enqueue(Work work) {
  if (capture) {
    capture->push_back(std::move(work));
    return kOk;
  }
  if (streamError == kOk) {
    streamError = work();
  }
  return kOk;
}

bool onDevice(uint64_t address, uint64_t bytes) {
  for (const auto &[start, size] : deviceMemory) {
    const auto first = reinterpret_cast<uint64_t>(start);
    if (address >= first && bytes <= size && address - first <= size - bytes) {
      return true;
    }
  }
  return false;
}

} // namespace

extern "C" {

uint64_t fakeCudaFreeBytes = uint64_t{64} << 20;
int64_t fakeCudaLiveObjects() { return liveObjects; }

int cuInit(unsigned flags) { return flags == 0 ? kOk : kInvalidValue; }
int cuDriverGetVersion(int *version) {
  *version = 13000;
  return kOk;
}
int cuDeviceGet(int *device, int ordinal) {
  *device = 40;
  return ordinal == 0 ? kOk : kInvalidValue;
}
int cuDeviceGetName(char *name, int size, int) {
  std::strncpy(name, "emulated GPU", static_cast<size_t>(size));
  return kOk;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  const std::map<int, int> values = {{16, 2}, {38, 1 << 20}, {75, 9}, {76, 0}};
  const auto found = values.find(attribute);
  if (device != 40 || found == values.end()) {
    return kInvalidValue;
  }
  *value = found->second;
  return kOk;
}
int cuDevicePrimaryCtxRetain(void **context, int) {
  *context = &deviceMemory;
  ++liveObjects;
  return kOk;
}
int cuDevicePrimaryCtxRelease_v2(int) {
  // A failed launch makes its own context unusable, but no later context.
  streamError = kOk;
  --liveObjects;
  return kOk;
}
int cuCtxSetCurrent(void *) { return kOk; }

int cuModuleLoadData(void **module, const void *image) {
  // As a real driver does, this function computes the size of the file from its
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
  *module = new Module{library};
  ++liveObjects;
  return kOk;
}
int cuModuleUnload(void *module) {
  dlclose(static_cast<Module *>(module)->library);
  delete static_cast<Module *>(module);
  --liveObjects;
  return kOk;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  void *address = dlsym(static_cast<Module *>(module)->library, name);
  if (!address) {
    return kNotFound;
  }
  Function &entry = functions[name];
  entry.address = address;
  entry.name = name;
  *function = &entry;
  return kOk;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
  if (attribute != 8 || value < 0 || value > 227 * 1024) {
    return kInvalidValue;
  }
  static_cast<Function *>(function)->sharedBytes = static_cast<uint32_t>(value);
  return kOk;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
  *free = *total = fakeCudaFreeBytes;
  return kOk;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  if (bytes == 0) {
    return kInvalidValue;
  }
  if (bytes > fakeCudaFreeBytes) {
    return kOutOfMemory;
  }
  void *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  fakeCudaFreeBytes -= bytes;
  deviceMemory[memory] = bytes;
  ++liveObjects;
  *address = reinterpret_cast<uint64_t>(memory);
  return kOk;
}
int cuMemFree_v2(uint64_t address) {
  const auto found = deviceMemory.find(reinterpret_cast<void *>(address));
  if (found == deviceMemory.end()) {
    return kInvalidValue;
  }
  fakeCudaFreeBytes += found->second;
  std::free(found->first);
  deviceMemory.erase(found);
  --liveObjects;
  return kOk;
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  *memory = std::malloc(bytes);
  ++liveObjects;
  return kOk;
}
int cuMemFreeHost(void *memory) {
  std::free(memory);
  --liveObjects;
  return kOk;
}
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  if (!onDevice(to, bytes)) {
    return kInvalidValue;
  }
  std::memcpy(reinterpret_cast<void *>(to), from, bytes);
  return kOk;
}
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  if (!onDevice(from, bytes)) {
    return kInvalidValue;
  }
  std::memcpy(to, reinterpret_cast<void *>(from), bytes);
  return kOk;
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *) {
  return enqueue([=] { return cuMemcpyHtoD_v2(to, from, bytes); });
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *) {
  return enqueue([=] {
    return onDevice(from, bytes)
               ? cuMemcpyHtoD_v2(to, reinterpret_cast<void *>(from), bytes)
               : kInvalidValue;
  });
}
int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t bytes) {
  if (!onDevice(to, bytes)) {
    return kInvalidValue;
  }
  std::memset(reinterpret_cast<void *>(to), value, bytes);
  return kOk;
}
int cuStreamCreate(void **stream, unsigned) {
  *stream = &streamError;
  ++liveObjects;
  return kOk;
}
int cuStreamSynchronize(void *) { return streamError; }
int cuStreamDestroy_v2(void *) {
  --liveObjects;
  return kOk;
}

int cuLaunchKernelEx(const Config *config, void *function, void **arguments,
                     void **extra) {
  const auto *entry = static_cast<const Function *>(function);
  if (extra || config->sharedBytes > entry->sharedBytes ||
      config->grid[2] != 1 || config->block[1] != 1 || config->block[2] != 1) {
    return kInvalidValue;
  }
  // The only supported launch attribute is programmatic stream serialization
  // (number 6) with the value 1.
  if (config->attributeCount > 1 ||
      (config->attributeCount == 1 &&
       (config->attributes[0] != 6 || config->attributes[2] != 1))) {
    return kInvalidValue;
  }
  EmulatedLaunch launch;
  launch.function = entry->address;
  launch.gridX = config->grid[0];
  launch.gridY = config->grid[1];
  launch.threads = config->block[0];
  launch.sharedBytes = config->sharedBytes;
  for (size_t i = 0; i < bindingsOf(entry->name); ++i) {
    void *binding = *static_cast<void **>(arguments[i]);
    if (!onDevice(reinterpret_cast<uint64_t>(binding), 1)) {
      return kInvalidValue;
    }
    launch.bindings.push_back(binding);
  }
  return enqueue([=] {
    clockMicroseconds += 10;
    const air::Status status = run(launch);
    if (!status.isOk()) {
      errorText = status.message();
      return kLaunchFailed;
    }
    return kOk;
  });
}

int cuStreamBeginCapture_v2(void *, int) {
  if (capture) {
    return kCaptureInvalid;
  }
  capture = new Graph();
  ++liveObjects;
  return kOk;
}
int cuStreamEndCapture(void *, void **graph) {
  if (!capture) {
    return kCaptureInvalid;
  }
  *graph = std::exchange(capture, nullptr);
  return kOk;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph,
                                unsigned long long) {
  *executable = new Graph(*static_cast<Graph *>(graph));
  ++liveObjects;
  return kOk;
}
int cuGraphLaunch(void *executable, void *) {
  for (const Work &work : *static_cast<Graph *>(executable)) {
    enqueue(work);
  }
  return kOk;
}
int cuGraphExecDestroy(void *executable) {
  delete static_cast<Graph *>(executable);
  --liveObjects;
  return kOk;
}
int cuGraphDestroy(void *graph) {
  delete static_cast<Graph *>(graph);
  --liveObjects;
  return kOk;
}
int cuEventCreate(void **event, unsigned) {
  *event = new uint64_t(0);
  ++liveObjects;
  return kOk;
}
int cuEventRecord(void *event, void *) {
  *static_cast<uint64_t *>(event) = clockMicroseconds;
  return kOk;
}
int cuEventSynchronize(void *) { return streamError; }
int cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  *milliseconds = static_cast<float>(*static_cast<uint64_t *>(end) -
                                     *static_cast<uint64_t *>(begin)) /
                  1000;
  return kOk;
}
int cuEventDestroy_v2(void *event) {
  delete static_cast<uint64_t *>(event);
  --liveObjects;
  return kOk;
}
int cuGetErrorString(int code, const char **text) {
  *text = code == kLaunchFailed  ? errorText.c_str()
          : code == kOutOfMemory ? "out of memory"
                                 : "refused by the fake driver";
  return kOk;
}
}
