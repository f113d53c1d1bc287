//===- OrderedWork.cpp - a bounded window of pieces in flight -------------===//
#include "compiler/emit/OrderedWork.h"

#include "formats/support/Thread.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

namespace air::compiler {
namespace {

class Window {
public:
  Window(uint64_t pieces, unsigned threads)
      : total(pieces), slots(std::min<uint64_t>(pieces, 2 * uint64_t{threads})),
        ready(slots.size(), false) {}

  /// The loop of a worker. Each iteration waits until the slot of the next
  /// index is free, takes the index, and fills the slot. The loop ends when no
  /// index is left or the consumer has failed.
  void work(const MakePiece &make) {
    for (;;) {
      uint64_t index = 0;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] {
          return stopped || next == total || next < used + slots.size();
        });
        if (stopped || next == total) {
          return;
        }
        index = next++;
      }
      make(index, slots[index % slots.size()]);
      {
        std::scoped_lock lock(mutex);
        ready[index % slots.size()] = true;
      }
      changed.notify_all();
    }
  }

  Status consume(const UsePiece &use) {
    for (uint64_t index = 0; index < total; ++index) {
      size_t slot = index % slots.size();
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return bool{ready[slot]}; });
      }
      Status status = use(index, slots[slot]);
      {
        std::scoped_lock lock(mutex);
        ready[slot] = false;
        used = index + 1;
        stopped = !status.isOk();
      }
      changed.notify_all();
      AIR_RETURN_IF_ERROR(status);
    }
    return Status::ok();
  }

private:
  const uint64_t total;
  std::vector<std::vector<uint8_t>> slots;
  // Guards the members below. A slot needs no lock: until its piece is ready,
  // it belongs to the worker that makes the piece, and then to the consumer.
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<bool> ready;
  uint64_t next = 0;
  uint64_t used = 0;
  bool stopped = false;
};

} // namespace

Status runOrdered(uint64_t pieces, unsigned threads, const MakePiece &make,
                  const UsePiece &use) {
  if (threads > 1 && pieces > 1) {
    Window window(pieces, threads);
    std::vector<Thread> workers;
    for (uint64_t i = 0; i < std::min<uint64_t>(threads, pieces); ++i) {
      Result<Thread> worker = Thread::start([&] { window.work(make); });
      if (!worker) {
        break;
      }
      workers.push_back(*std::move(worker));
    }
    if (!workers.empty()) {
      Status status = window.consume(use);
      for (Thread &worker : workers) {
        worker.join();
      }
      return status;
    }
  }
  std::vector<uint8_t> piece;
  for (uint64_t index = 0; index < pieces; ++index) {
    make(index, piece);
    AIR_RETURN_IF_ERROR(use(index, piece));
  }
  return Status::ok();
}

} // namespace air::compiler
