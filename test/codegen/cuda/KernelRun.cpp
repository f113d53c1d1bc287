//===- KernelRun.cpp - launches CUDA kernels on the emulator --------------===//
#include "test/codegen/cuda/KernelRun.h"

#include <algorithm>

namespace air::emulator {

Status launch(const Library &library, const codegen::cuda::CudaKernel &kernel,
              const Views &views, const std::string &dependent, bool reversed,
              bool findRaces) {
  std::vector<uint8_t> partials(kernel.partialBytes, 0xff);
  std::vector<uint8_t> counters(kernel.counterBytes);
  EmulatedLaunch one;
  one.function = library.find(kernel.name);
  if (!one.function) {
    return verificationError("there is no kernel " + kernel.name);
  }
  one.gridX = kernel.gridX;
  one.gridY = kernel.gridY;
  one.threads = kernel.threads;
  one.sharedBytes = kernel.sharedBytes;
  one.reversed = reversed;
  one.names = kernel.bindings;
  one.findRaces = findRaces;
  for (const std::string &name : kernel.bindings) {
    if (name == "partials") {
      one.bindings.push_back(partials.data());
    } else if (name == "counters") {
      one.bindings.push_back(counters.data());
    } else if (auto found = views.find(name); found != views.end()) {
      one.bindings.push_back(found->second.data());
    } else {
      return verificationError("kernel " + kernel.name + " has no buffer '" +
                               name + "'");
    }
  }
  if (!dependent.empty()) {
    one.dependent = {views.at(dependent)};
  }
  AIR_RETURN_IF_ERROR(run(one));
  if (std::ranges::any_of(counters, [](uint8_t byte) { return byte != 0; })) {
    return verificationError("kernel " + kernel.name +
                             " leaves a counter that is not 0");
  }
  return Status::ok();
}

Status launchBothWays(const Library &library,
                      const codegen::cuda::CudaKernel &kernel, Buffers &buffers,
                      const std::string &dependent) {
  Buffers reversed = buffers;
  const auto viewsOf = [](Buffers &all) {
    Views views;
    for (auto &[name, bytes] : all) {
      views[name] = bytes;
    }
    return views;
  };
  static uint64_t launches = 0;
  AIR_RETURN_IF_ERROR(launch(library, kernel, viewsOf(buffers), dependent,
                             false, shouldFindRaces(launches++)));
  AIR_RETURN_IF_ERROR(
      launch(library, kernel, viewsOf(reversed), dependent, true));
  for (const auto &[name, bytes] : buffers) {
    if (bytes != reversed.at(name)) {
      return verificationError("the order of threads changes '" + name +
                               "' of kernel " + kernel.name);
    }
  }
  return Status::ok();
}

} // namespace air::emulator
