//===- DeviceStream.cpp - copies, and the events that order them ----------===//
#include "runtime/exec/DeviceStream.h"

#include "formats/plan/PlanHeader.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

using namespace air;
using namespace air::rt;

Result<std::unique_ptr<DeviceStream>>
DeviceStream::create(const plan::Plan &plan, const plan::Placement &placement,
                     Device &device, Loader loader, HostRing *disk) {
  std::unique_ptr<DeviceStream> made(
      new DeviceStream(device, std::move(loader), disk));
  made->sources.resize(plan.segments()->size());
  made->stepEvents.resize(plan.programs()->Get(0)->steps()->size());
  if (placement.device_reads() == nullptr ||
      placement.device_reads()->size() == 0) {
    return made;
  }
  AIR_ASSIGN_OR_RETURN(const DeviceAddress ring,
                       device.allocate(placement.device_ring_bytes(), "ring"));
  uint64_t hostBytes = 0;
  for (const plan::StreamRead *read : *placement.device_reads()) {
    made->copies.push_back({read->segment(), read->offset(), read->bytes(),
                            ring + read->ring_offset(), read->before_step(),
                            read->after_step()});
    Source &source = made->sources[read->segment()];
    if (!source.isCopied) {
      source.isCopied = true;
      source.address = ring + read->ring_offset();
      ++made->unloaded;
    }
    // Together, the reads cover the segment. The verifier has checked that the
    // total size of all segments, in whole pages, does not overflow.
    hostBytes += read->bytes();
  }
  std::span<uint8_t> memory;
  if (disk == nullptr) {
    AIR_ASSIGN_OR_RETURN(memory, allocateForCopies(device, hostBytes));
  }
  for (uint32_t i = 0; i < made->sources.size(); ++i) {
    if (made->sources[i].isCopied && disk != nullptr) {
      made->sources[i].memory = disk->segment(i);
      made->sources[i].isLoaded = true;
      --made->unloaded;
    } else if (made->sources[i].isCopied) {
      const uint64_t bytes =
          alignUp(plan.segments()->Get(i)->raw_bytes(), kPlanPageBytes);
      made->sources[i].memory = memory.first(bytes);
      memory = memory.subspan(bytes);
    }
  }
  AIR_RETURN_IF_ERROR(made->createEvents());
  return made;
}

Status DeviceStream::createEvents() {
  const auto add = [&](uint32_t &event) -> Status {
    if (event == 0) {
      AIR_ASSIGN_OR_RETURN(const uint32_t made, device.addEvent());
      event = made + 1;
    }
    return Status::ok();
  };
  const auto steps = static_cast<int64_t>(stepEvents.size());
  for (const Copy &copy : copies) {
    const int64_t after =
        copy.afterStep < 0 ? copy.afterStep + steps : copy.afterStep;
    AIR_RETURN_IF_ERROR(add(stepEvents[copy.beforeStep].arrived));
    AIR_RETURN_IF_ERROR(add(stepEvents[static_cast<size_t>(after)].done));
  }
  return Status::ok();
}

DeviceAddress DeviceStream::addressOf(uint32_t segment) const {
  return sources[segment].address;
}

Status DeviceStream::loadSegment(uint32_t segment) {
  Source &source = sources[segment];
  if (source.isCopied && !source.isLoaded) {
    AIR_RETURN_IF_ERROR(load(segment, source.memory));
    source.isLoaded = true;
    --unloaded;
  }
  return Status::ok();
}

Status DeviceStream::loadAll() {
  for (uint32_t i = 0; unloaded != 0 && i < sources.size(); ++i) {
    AIR_RETURN_IF_ERROR(loadSegment(i));
  }
  return Status::ok();
}

Status DeviceStream::enqueue(const Copy &copy, int64_t after) {
  AIR_RETURN_IF_ERROR(loadSegment(copy.segment));
  // Steps run in order, so waiting for a step includes all steps before it.
  if (after > waitedFor) {
    const auto step = static_cast<size_t>(after) % stepEvents.size();
    AIR_RETURN_IF_ERROR(device.wait(Queue::Upload, stepEvents[step].done - 1));
    waitedFor = after;
  }
  copied += copy.bytes;
  AIR_RETURN_IF_ERROR(device.upload(
      copy.to, sources[copy.segment].memory.subspan(copy.offset, copy.bytes)));
  const bool isLast =
      &copy == &copies.back() || (&copy)[1].beforeStep != copy.beforeStep;
  if (!isLast) {
    return Status::ok();
  }
  const uint32_t arrived = stepEvents[copy.beforeStep].arrived - 1;
  if (disk != nullptr) {
    inFlight.push_back({copy.beforeStep, arrived});
  }
  return device.signal(Queue::Upload, arrived);
}

Status DeviceStream::advance() {
  while (!copies.empty()) {
    if (nextCopy == copies.size()) {
      if (disk != nullptr && copyPass == passBegin) {
        break;
      }
      nextCopy = 0;
      copyPass += stepEvents.size();
    }
    const Copy &copy = copies[nextCopy];
    const uint64_t before = copyPass + copy.beforeStep;
    // In the current pass, copies are made only for steps that have yet to run.
    // Nothing is copied for a pass that has ended.
    const bool isNeeded = copyPass == passBegin
                              ? before >= released && before < passEnd
                              : copyPass > passBegin;
    if (isNeeded) {
      const int64_t after = static_cast<int64_t>(copyPass) + copy.afterStep;
      if (after >= static_cast<int64_t>(released) ||
          (disk != nullptr && !disk->has(copy.beforeStep))) {
        break;
      }
      AIR_RETURN_IF_ERROR(enqueue(copy, after));
    }
    ++nextCopy;
  }
  return disk != nullptr ? releaseCopied() : Status::ok();
}

/// Tells the HostRing which copies of the current pass are complete, or will
/// not be made.
Status DeviceStream::releaseCopied() {
  while (!inFlight.empty()) {
    AIR_ASSIGN_OR_RETURN(const bool isComplete,
                         device.isComplete(inFlight.front().event));
    if (!isComplete) {
      break;
    }
    inFlight.pop_front();
  }
  // `end` is the first step with a copy that is incomplete or not yet made.
  const auto steps = static_cast<uint32_t>(stepEvents.size());
  const uint32_t end = !inFlight.empty()           ? inFlight.front().step
                       : nextCopy != copies.size() ? copies[nextCopy].beforeStep
                                                   : steps;
  if (end != 0) {
    disk->release(end - 1);
  }
  return Status::ok();
}

/// Enqueues all copies for `step`, each as soon as the HostRing has its bytes.
/// The HostRing may overwrite bytes only after they have been copied to the
/// GPU, so this function also tells it which copies are complete.
Status DeviceStream::copyFromDisk(uint32_t step) {
  while (nextCopy != copies.size() && copies[nextCopy].beforeStep <= step) {
    const size_t before = nextCopy;
    const uint32_t needed = copies[nextCopy].beforeStep;
    while (!disk->has(needed) && !inFlight.empty()) {
      AIR_RETURN_IF_ERROR(device.finish(inFlight.front().event));
      AIR_RETURN_IF_ERROR(releaseCopied());
    }
    AIR_RETURN_IF_ERROR(disk->require(needed));
    AIR_RETURN_IF_ERROR(advance());
    if (nextCopy == before) {
      return internalError("step " + std::to_string(step) + " waits for copy " +
                           std::to_string(nextCopy) +
                           " to the GPU, which step " + std::to_string(needed) +
                           " needs, but the copy's place in the ring is not "
                           "free until a later step has run");
    }
  }
  return Status::ok();
}

/// Waits until all copies are complete, and then ends the pass of the HostRing.
/// The HostRing may then overwrite the bytes that the copies read.
Status DeviceStream::endDiskPass() {
  inFlight.clear();
  const Status status = device.synchronise();
  disk->endPass();
  return status;
}

Status DeviceStream::beginPass(uint32_t steps) {
  passEnd = passBegin + steps;
  AIR_RETURN_IF_ERROR(failure);
  if (copies.empty()) {
    return Status::ok();
  }
  if (disk != nullptr) {
    disk->beginPass(steps);
  }
  return advance();
}

Status DeviceStream::require(uint32_t step) {
  AIR_RETURN_IF_ERROR(failure);
  if (!hasCopies(step)) {
    return Status::ok();
  }
  if (disk != nullptr) {
    AIR_RETURN_IF_ERROR(copyFromDisk(step));
  }
  return device.wait(Queue::Compute, stepEvents[step].arrived - 1);
}

/// Of the steps [released, end), some must be done before a copy may begin. For
/// each of these, enqueues a signal that the step is done.
Status DeviceStream::signalSteps(uint64_t end) {
  for (; released < end; ++released) {
    if (const uint32_t done = stepEvents[released % stepEvents.size()].done) {
      AIR_RETURN_IF_ERROR(device.signal(Queue::Compute, done - 1));
    }
  }
  return Status::ok();
}

void DeviceStream::release(uint32_t step) {
  if (copies.empty()) {
    return;
  }
  if (failure.isOk()) {
    failure = signalSteps(passBegin + step + 1);
  }
  if (failure.isOk()) {
    failure = advance();
  }
}

void DeviceStream::endPass() {
  if (copies.empty()) {
    return;
  }
  const uint64_t next = passBegin + stepEvents.size();
  if (failure.isOk()) {
    failure = signalSteps(next);
  }
  if (disk != nullptr) {
    const Status ended = endDiskPass();
    failure = failure.isOk() ? ended : failure;
  }
  passBegin = next;
  passEnd = next + stepEvents.size();
  // advance() skips the copies of the ended pass that have not been enqueued,
  // and goes on with those of the next pass.
  if (failure.isOk()) {
    failure = advance();
  }
}
