//===- HybridDevice.cpp - divides programs between two devices ------------===//
#include "runtime/exec/HybridDevice.h"

#include "runtime/hal/DispatchRange.h"

#include <cstring>

using namespace air;
using namespace air::rt;

Result<uint32_t>
HybridDevice::addProgram(std::span<const DispatchDesc> dispatches) {
  Program made;
  std::vector<DispatchDesc> ofCpu;
  std::vector<DispatchDesc> ofGpu;
  for (const DispatchDesc &desc : dispatches) {
    const bool isOnGpu = desc.launch.gridX != 0;
    std::vector<DispatchDesc> &own = isOnGpu ? ofGpu : ofCpu;
    made.dispatches.push_back({isOnGpu,
                               static_cast<uint32_t>(own.size()),
                               {desc.copies.begin(), desc.copies.end()}});
    own.push_back(desc);
    own.back().copies = {};
  }
  if (!ofCpu.empty()) {
    AIR_ASSIGN_OR_RETURN(made.onCpu, cpu.addProgram(ofCpu));
  }
  if (!ofGpu.empty()) {
    AIR_ASSIGN_OR_RETURN(made.onGpu, gpu.addProgram(ofGpu));
  }
  programs.push_back(std::move(made));
  return static_cast<uint32_t>(programs.size() - 1);
}

/// Copies a row for each token of the batch from one device to the other.
Status HybridDevice::copyRows(const RowCopy &copy, bool isToGpu,
                              const AirBatch &batch) {
  const uint64_t bytes = copy.rowBytes * batch.tokens;
  if (isToGpu) {
    return gpu.write(copy.to, {reinterpret_cast<const uint8_t *>(copy.from),
                               static_cast<size_t>(bytes)});
  }
  AIR_RETURN_IF_ERROR(gpu.synchronise());
  AIR_ASSIGN_OR_RETURN(const void *rows, gpu.read(copy.from, bytes));
  std::memcpy(reinterpret_cast<void *>(copy.to), rows, bytes);
  return Status::ok();
}

Status HybridDevice::run(uint32_t program, uint32_t first, uint32_t count,
                         const AirBatch &batch) {
  const Program &chosen = programs[program];
  AIR_RETURN_IF_ERROR(
      checkDispatchRange(program, chosen.dispatches.size(), first, count));
  const uint32_t end = first + count;
  while (first != end) {
    const Dispatch &begin = chosen.dispatches[first];
    for (const RowCopy &copy : begin.copies) {
      AIR_RETURN_IF_ERROR(copyRows(copy, begin.isOnGpu, batch));
    }
    // The dispatches [first, next) run together: all those before the next
    // dispatch that is for the other device, or before which rows are copied.
    uint32_t next = first + 1;
    while (next != end && chosen.dispatches[next].copies.empty() &&
           chosen.dispatches[next].isOnGpu == begin.isOnGpu) {
      ++next;
    }
    Device &device = begin.isOnGpu ? gpu : cpu;
    AIR_RETURN_IF_ERROR(device.run(begin.isOnGpu ? chosen.onGpu : chosen.onCpu,
                                   begin.index, next - first, batch));
    first = next;
  }
  return Status::ok();
}

Status HybridDevice::synchronise() {
  AIR_RETURN_IF_ERROR(cpu.synchronise());
  return gpu.synchronise();
}
