//===- CudaFunctions.cpp - finds the functions of libcuda.so.1 ------------===//
#include "runtime/hal/cuda/CudaFunctions.h"

#include <utility>

using namespace air;
using namespace air::rt;

CudaFunctions::CudaFunctions(DynamicLibrary opened)
    : library(std::move(opened)), init(*this, "cuInit"),
      driverGetVersion(*this, "cuDriverGetVersion"),
      getErrorString(*this, "cuGetErrorString"),
      deviceGetCount(*this, "cuDeviceGetCount"),
      deviceGet(*this, "cuDeviceGet"), deviceGetName(*this, "cuDeviceGetName"),
      deviceGetAttribute(*this, "cuDeviceGetAttribute"),
      contextRetain(*this, "cuDevicePrimaryCtxRetain"),
      contextRelease(*this, "cuDevicePrimaryCtxRelease_v2"),
      contextSetCurrent(*this, "cuCtxSetCurrent"),
      moduleLoadData(*this, "cuModuleLoadData"),
      moduleUnload(*this, "cuModuleUnload"),
      moduleGetFunction(*this, "cuModuleGetFunction"),
      functionSetAttribute(*this, "cuFuncSetAttribute"),
      functionGetParameter(*this, "cuFuncGetParamInfo", /*isOptional=*/true),
      memoryGetInfo(*this, "cuMemGetInfo_v2"),
      memoryAllocate(*this, "cuMemAlloc_v2"), memoryFree(*this, "cuMemFree_v2"),
      hostAllocate(*this, "cuMemHostAlloc"), hostFree(*this, "cuMemFreeHost"),
      copyToDevice(*this, "cuMemcpyHtoDAsync_v2"),
      copyToHost(*this, "cuMemcpyDtoHAsync_v2"),
      copyOnDevice(*this, "cuMemcpyDtoDAsync_v2"),
      fill(*this, "cuMemsetD8Async"), streamCreate(*this, "cuStreamCreate"),
      streamSynchronize(*this, "cuStreamSynchronize"),
      streamWaitEvent(*this, "cuStreamWaitEvent"),
      streamDestroy(*this, "cuStreamDestroy_v2"),
      launchKernel(*this, "cuLaunchKernelEx"),
      beginCapture(*this, "cuStreamBeginCapture_v2"),
      endCapture(*this, "cuStreamEndCapture"),
      graphInstantiate(*this, "cuGraphInstantiateWithFlags"),
      graphLaunch(*this, "cuGraphLaunch"),
      graphExecDestroy(*this, "cuGraphExecDestroy"),
      graphDestroy(*this, "cuGraphDestroy"),
      eventCreate(*this, "cuEventCreate"), eventRecord(*this, "cuEventRecord"),
      eventQuery(*this, "cuEventQuery"),
      eventSynchronize(*this, "cuEventSynchronize"),
      eventElapsed(*this, "cuEventElapsedTime"),
      eventDestroy(*this, "cuEventDestroy_v2") {}
