//===- PlanSource.cpp - verification ahead of the first pass ----*- C++ -*-===//
#include "runtime/io/PlanSource.h"

#include <algorithm>
#include <sys/mman.h>
#include <utility>

using namespace air;
using namespace air::rt;

Result<std::unique_ptr<PlanSource>>
PlanSource::start(const PlanFile &plan, uint32_t loaders,
                  std::vector<NodePart> parts,
                  const std::vector<bool> &isLeftOut) {
  const plan::Plan &root = plan.plan();
  uint32_t count = root.segments() ? root.segments()->size() : 0;
  for (uint32_t i = 0; i < count; ++i) {
    const plan::Segment *record = root.segments()->Get(i);
    if (record->codec() != plan::Codec::None) {
      return unsupportedError(
          "segment '" + record->name()->str() + "' is compressed with " +
          plan::EnumNameCodec(record->codec()) +
          ", but this version reads only uncompressed segments; pack the model "
          "again with this version");
    }
  }
  std::unique_ptr<PlanSource> source(new PlanSource(plan, std::move(parts)));
  source->states = std::vector<std::atomic<State>>(count);
  source->ordered.resize(count);
  // Embedding tables come first, because the first step gathers rows from them.
  for (uint32_t i = 0; i < count; ++i) {
    if (root.segments()->Get(i)->kind() == plan::SegmentKind::Table) {
      source->ordered[i] = true;
      source->order.push_back(i);
    }
  }
  if (root.reads() != nullptr) {
    for (const plan::Read *read : *root.reads()) {
      const uint32_t index = read->segment();
      if (index < count && !source->ordered[index] &&
          (isLeftOut.empty() || !isLeftOut[index])) {
        source->ordered[index] = true;
        source->order.push_back(index);
      }
    }
  }
  source->pending = static_cast<uint32_t>(source->order.size());
  for (uint32_t index : source->order) {
    source->orderBytes += plan.segmentBytes(index).size();
  }
  // Asks the system to use huge pages for the parts of the plan that it has yet
  // to read into the page cache. Both the reads from the disk and the kernels
  // are faster with huge pages. A failure is ignored: the system may lack them.
  (void)madvise(const_cast<uint8_t *>(plan.bytes().data()), plan.bytes().size(),
                MADV_HUGEPAGE);
  loaders = std::min(
      {loaders, kMaxLoaders, static_cast<uint32_t>(source->order.size())});
  for (uint32_t i = 0; i < loaders; ++i) {
    Result<Thread> thread =
        Thread::start([self = source.get()] { self->verifyAhead(); });
    if (!thread) {
      break;
    }
    source->threads.push_back(*std::move(thread));
  }
  return source;
}

PlanSource::~PlanSource() {
  stopping = true;
  for (Thread &thread : threads) {
    thread.join();
  }
}

std::span<const uint8_t> PlanSource::segment(uint32_t index) const {
  return file.segmentBytes(index);
}

void PlanSource::verifyAhead() {
  while (!stopping.load(std::memory_order_relaxed)) {
    uint32_t place = next.fetch_add(1, std::memory_order_relaxed);
    if (place >= order.size()) {
      return;
    }
    uint32_t index = order[place];
    State untouched = State::Untouched;
    if (!states[index].compare_exchange_strong(untouched, State::Verifying)) {
      continue;
    }
    readAhead(index);
    if (place + 1 < order.size()) {
      readAhead(order[place + 1]);
    }
    verifyClaimed(index);
  }
}

void PlanSource::readAhead(uint32_t index) const {
  std::span<const uint8_t> bytes = file.segmentBytes(index);
  // A failure is ignored: the system refuses this advice if its pages are
  // larger than the alignment of segments in a plan.
  (void)madvise(const_cast<uint8_t *>(bytes.data()), bytes.size(),
                MADV_WILLNEED);
}

void PlanSource::verifyClaimed(uint32_t index) {
  // The pages are placed before the digest is computed, because computing it
  // touches all of them.
  if (!nodeParts.empty()) {
    placeOnNodes(file.segmentBytes(index), nodeParts);
  }
  Status status = file.verifySegment(index);
  std::lock_guard<std::mutex> lock(mutex);
  if (status.isOk()) {
    states[index].store(State::Ready, std::memory_order_release);
    if (ordered[index]) {
      readyBytes.fetch_add(file.segmentBytes(index).size(),
                           std::memory_order_relaxed);
      pending.fetch_sub(1, std::memory_order_release);
    }
  } else {
    states[index].store(State::Failed, std::memory_order_release);
    if (failure.isOk()) {
      failure = status;
    }
  }
  changed.notify_all();
}

Status PlanSource::requireNow(std::span<const uint32_t> segments) {
  for (uint32_t index : segments) {
    if (states[index].load(std::memory_order_acquire) == State::Ready) {
      continue;
    }
    State untouched = State::Untouched;
    if (states[index].compare_exchange_strong(untouched, State::Verifying)) {
      verifyClaimed(index);
    }
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] {
      State state = states[index].load(std::memory_order_acquire);
      return state == State::Ready || state == State::Failed;
    });
    if (states[index].load(std::memory_order_acquire) == State::Failed) {
      return failure;
    }
  }
  return Status::ok();
}

Status PlanSource::requireRows(std::span<const SegmentRange> ranges) {
  for (const SegmentRange &range : ranges) {
    AIR_RETURN_IF_ERROR(requireNow(std::span(&range.segment, 1)));
  }
  return Status::ok();
}
