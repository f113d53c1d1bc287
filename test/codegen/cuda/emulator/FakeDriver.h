//===- FakeDriver.h - a libcuda.so.1 that uses the emulator -----*- C++ -*-===//
//
// A shared object with the driver's name and the functions that air-gpu-bench
// calls. When it is linked into a test, opening "libcuda.so.1" finds it. The
// bytes of a module are a host shared object that contains the kernel. Device
// addresses are host addresses, and every call completes its work before it
// returns. There is one GPU with compute capability 9.0, 2 multiprocessors and
// 1 MiB of L2.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H

#include <cstdint>

extern "C" {
/// The number of bytes of device memory that can still be allocated. A test may
/// set it.
extern uint64_t fakeCudaFreeBytes;
/// The number of allocations, modules, graphs and events that were not freed.
int64_t fakeCudaLiveObjects();
}

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATOR_FAKEDRIVER_H
