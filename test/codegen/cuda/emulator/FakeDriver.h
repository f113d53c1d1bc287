//===- FakeDriver.h - libcuda.so.1 over the emulator ------------*- C++ -*-===//
//
// A shared object with the driver's name and the functions that air-gpu-bench
// calls. Linked into a test, it is what opening "libcuda.so.1" finds. A
// module's bytes are a shared object of the host with the kernel in it; device
// addresses are the host's; everything is done when it is asked for. One GPU of
// compute capability 9.0, 2 multiprocessors and 1 MiB of L2.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H

#include <cstdint>

extern "C" {
/// Bytes of memory that can still be allocated on the device.
extern uint64_t fakeCudaFreeBytes;
/// Allocations of any kind, modules, graphs and events that nobody freed.
int64_t fakeCudaLiveObjects();
}

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H
