//===- CudaFunctions.h - the functions of libcuda.so.1 ----------*- C++ -*-===//
//
// NVIDIA's "CUDA Driver API" reference describes these functions. The library
// is opened at run time instead of being linked, because machines without an
// NVIDIA GPU lack it. CUDA's headers are not used either: handles are void
// pointers, device pointers are 64-bit numbers, and results are ints, of which
// 0 is success.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_HAL_CUDA_CUDAFUNCTIONS_H
#define AIRPACK_RUNTIME_HAL_CUDA_CUDAFUNCTIONS_H

#include "formats/support/DynamicLibrary.h"

#include <cstddef>
#include <cstdint>

namespace air::rt {

/// A launch attribute with its value (CUlaunchAttribute).
struct alignas(8) CudaLaunchAttribute {
  int id;
  char padding[4];
  union {
    char bytes[64];
    int flag;
  };
};

/// How a kernel is launched (CUlaunchConfig).
struct CudaLaunchConfig {
  unsigned gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes;
  void *stream;
  CudaLaunchAttribute *attributes;
  unsigned attributeCount;
};

class CudaFunctions;

/// A function of the driver. `pointer` is null if the library lacks it.
template <typename... Parameters> struct CudaFunction {
  /// Older drivers may lack an optional function.
  CudaFunction(CudaFunctions &owner, const char *symbol,
               bool isOptional = false);

  const char *name;
  int (*pointer)(Parameters...) = nullptr;
};

/// The functions of one opened library. Immutable after construction.
class CudaFunctions {
public:
  explicit CudaFunctions(DynamicLibrary opened);

  /// The name of a function that the library lacks although it is not optional;
  /// null if there is none.
  const char *missing() const { return lacking; }

private:
  template <typename... Parameters> friend struct CudaFunction;

  // These members must precede the functions, whose constructors use them.
  DynamicLibrary library;
  const char *lacking = nullptr;

public:
  CudaFunction<unsigned> init;
  CudaFunction<int *> driverGetVersion;
  CudaFunction<int, const char **> getErrorString;
  CudaFunction<int *> deviceGetCount;
  CudaFunction<int *, int> deviceGet;
  CudaFunction<char *, int, int> deviceGetName;
  CudaFunction<int *, int, int> deviceGetAttribute;
  CudaFunction<void **, int> contextRetain;
  CudaFunction<int> contextRelease;
  CudaFunction<void *> contextSetCurrent;
  CudaFunction<void **, const void *> moduleLoadData;
  CudaFunction<void *> moduleUnload;
  CudaFunction<void **, void *, const char *> moduleGetFunction;
  CudaFunction<void *, int, int> functionSetAttribute;
  /// Optional: CUDA 12.4 added it.
  CudaFunction<void *, size_t, size_t *, size_t *> functionGetParameter;
  CudaFunction<size_t *, size_t *> memoryGetInfo;
  CudaFunction<uint64_t *, size_t> memoryAllocate;
  CudaFunction<uint64_t> memoryFree;
  CudaFunction<void **, size_t, unsigned> hostAllocate;
  CudaFunction<void *> hostFree;
  CudaFunction<uint64_t, const void *, size_t, void *> copyToDevice;
  CudaFunction<void *, uint64_t, size_t, void *> copyToHost;
  CudaFunction<uint64_t, uint64_t, size_t, void *> copyOnDevice;
  CudaFunction<uint64_t, unsigned char, size_t, void *> fill;
  CudaFunction<void **, unsigned> streamCreate;
  CudaFunction<void *> streamSynchronize;
  CudaFunction<void *, void *, unsigned> streamWaitEvent;
  CudaFunction<void *> streamDestroy;
  CudaFunction<const CudaLaunchConfig *, void *, void **, void **> launchKernel;
  CudaFunction<void *, int> beginCapture;
  CudaFunction<void *, void **> endCapture;
  CudaFunction<void **, void *, unsigned long long> graphInstantiate;
  CudaFunction<void *, void *> graphLaunch;
  CudaFunction<void *> graphExecDestroy;
  CudaFunction<void *> graphDestroy;
  CudaFunction<void **, unsigned> eventCreate;
  CudaFunction<void *, void *> eventRecord;
  CudaFunction<void *> eventQuery;
  CudaFunction<void *> eventSynchronize;
  CudaFunction<float *, void *, void *> eventElapsed;
  CudaFunction<void *> eventDestroy;
};

template <typename... Parameters>
CudaFunction<Parameters...>::CudaFunction(CudaFunctions &owner,
                                          const char *symbol, bool isOptional)
    : name(symbol) {
  if (!owner.library.find(symbol, pointer) && owner.lacking == nullptr &&
      !isOptional) {
    owner.lacking = symbol;
  }
}

} // namespace air::rt

#endif // AIRPACK_RUNTIME_HAL_CUDA_CUDAFUNCTIONS_H
