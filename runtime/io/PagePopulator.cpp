//===- PagePopulator.cpp - gives memory its pages ahead of reads ----------===//
#include "runtime/io/PagePopulator.h"

#include "runtime/io/HugePages.h"

#include <algorithm>
#include <sys/mman.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// The size of a piece that a thread populates at a time. The destructor waits
/// for the pieces that have been begun.
constexpr size_t kPieceBytes = kHugePageBytes;

/// Makes the system allocate the pages of a range. Returns false if it cannot.
bool populate(std::span<uint8_t> range) {
  // Older C libraries do not define MADV_POPULATE_WRITE, which Linux 5.14
  // introduced.
#ifdef MADV_POPULATE_WRITE
  constexpr int kPopulateWrite = MADV_POPULATE_WRITE;
#else
  constexpr int kPopulateWrite = 23;
#endif
  return madvise(range.data(), range.size(), kPopulateWrite) == 0;
}

} // namespace

PagePopulator::PagePopulator(std::vector<std::span<uint8_t>> ranges,
                             unsigned count) {
  for (std::span<uint8_t> range : ranges) {
    while (!range.empty()) {
      const size_t bytes = std::min(range.size(), kPieceBytes);
      pieces.push_back(range.first(bytes));
      range = range.subspan(bytes);
    }
  }
  count = static_cast<unsigned>(std::min<size_t>(count, pieces.size()));
  for (unsigned i = 0; i < count; ++i) {
    Result<Thread> thread = Thread::start([this] { work(); });
    if (!thread) {
      break;
    }
    threads.push_back(*std::move(thread));
  }
}

PagePopulator::~PagePopulator() {
  next.store(pieces.size(), std::memory_order_relaxed);
  wait();
}

void PagePopulator::wait() { threads.clear(); }

void PagePopulator::work() {
  while (true) {
    const size_t index = next.fetch_add(1, std::memory_order_relaxed);
    if (index >= pieces.size()) {
      return;
    }
    if (!populate(pieces[index])) {
      next.store(pieces.size(), std::memory_order_relaxed);
      return;
    }
  }
}
