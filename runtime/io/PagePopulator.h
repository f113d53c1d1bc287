//===- PagePopulator.h - gives memory its pages ahead of reads --*- C++ -*-===//
//
// The system allocates and clears a page of memory when the page is first
// touched. When a disk reads into new memory, the thread that requests the
// reads does this work, and makes no further request in the meantime. While a
// model is loaded, other cores have nothing to do yet, so threads of this class
// touch the memory before the disk needs it.
//
// All of this is advice: if the system refuses it, memory gets its pages later,
// as usual.
//
// Thread-safety: used by one thread. Other threads and disks may read and write
// the memory at the same time, because populating it does not change its
// contents.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_PAGEPOPULATOR_H
#define AIRPACK_RUNTIME_IO_PAGEPOPULATOR_H

#include "formats/support/Thread.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace air::rt {

class PagePopulator {
public:
  /// Begins to populate `ranges`, from the first to the last, on at most
  /// `threads` threads, and returns at once. Each range must begin at a page
  /// boundary and stay mapped until the populator is destroyed.
  PagePopulator(std::vector<std::span<uint8_t>> ranges, unsigned threads);

  /// Stops the threads after their current pieces, even if not all ranges are
  /// populated.
  ~PagePopulator();
  PagePopulator(const PagePopulator &) = delete;
  PagePopulator &operator=(const PagePopulator &) = delete;

  /// Waits until all ranges are populated, or the system has refused one.
  /// Returns at once if the system has started no thread.
  void wait();

private:
  void work();

  std::vector<std::span<uint8_t>> pieces;
  std::atomic<size_t> next{0};
  std::vector<Thread> threads;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_PAGEPOPULATOR_H
