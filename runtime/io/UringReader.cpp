//===- UringReader.cpp - blocks read through io_uring ---------------------===//
//
// Sources: the man pages io_uring(7) and io_uring_setup(2), and the man pages
// of liburing.
//
//===----------------------------------------------------------------------===//
#include "runtime/io/UringReader.h"

#include <cerrno>
#include <cstring>
#include <liburing.h>
#include <sched.h>
#include <utility>

using namespace air;
using namespace air::rt;

namespace {

/// The system may refuse a request temporarily, for example because it is short
/// of memory. The reader then submits the request again, up to this number of
/// times in all. If the system still refuses it, the reader fails.
constexpr int kMostAttempts = 1000;

} // namespace

struct UringReader::Ring {
  ~Ring() {
    if (isOpen) {
      io_uring_queue_exit(&queue);
    }
  }
  io_uring queue = {};
  bool isOpen = false;
};

UringReader::UringReader(BlockFile opened, uint32_t depth)
    : BlockReader(IoMethod::Uring, depth), file(std::move(opened)),
      ring(std::make_unique<Ring>()), slots(depth) {
  for (uint32_t slot = depth; slot != 0; --slot) {
    freeSlots.push_back(slot - 1);
  }
}

Result<std::unique_ptr<UringReader>> UringReader::create(BlockFile file,
                                                         uint32_t depth) {
  std::unique_ptr<UringReader> reader(new UringReader(std::move(file), depth));
  const int result = io_uring_queue_init(depth, &reader->ring->queue, 0);
  if (result < 0) {
    return unsupportedError(
        std::string("the system does not provide io_uring: ") +
        std::strerror(-result));
  }
  reader->ring->isOpen = true;
  return reader;
}

UringReader::~UringReader() {
  uint32_t slot = 0;
  int64_t result = 0;
  while (held != 0 && pop(slot, result).isOk()) {
  }
}

Status UringReader::push(uint32_t slot) {
  AIR_RETURN_IF_ERROR(broken);
  // The queue has at least as many entries as there are slots, and each
  // submission empties it, so an entry is free.
  io_uring_sqe *entry = io_uring_get_sqe(&ring->queue);
  if (entry == nullptr) {
    return broken = internalError("the submission queue of io_uring is full");
  }
  const BlockProgress &progress = slots[slot];
  io_uring_prep_read(entry, file.descriptor(), progress.to(), progress.bytes(),
                     progress.offset());
  io_uring_sqe_set_data64(entry, slot);
  int result = 0;
  for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
    result = io_uring_submit(&ring->queue);
    if (result >= 1) {
      ++held;
      return Status::ok();
    }
    if (result != 0 && result != -EAGAIN && result != -EBUSY &&
        result != -EINTR) {
      break;
    }
    sched_yield();
  }
  return broken = ioError(
             "cannot read '" + file.path() + "' through io_uring: " +
             (result == 0 ? "the system did not take the request in " +
                                std::to_string(kMostAttempts) + " attempts"
                          : std::strerror(-result)));
}

Status UringReader::pop(uint32_t &slot, int64_t &result) {
  io_uring_cqe *entry = nullptr;
  int status = 0;
  do {
    status = io_uring_wait_cqe(&ring->queue, &entry);
  } while (status == -EINTR || status == -EAGAIN);
  if (status < 0) {
    return broken = ioError("cannot wait for reads of '" + file.path() +
                            "' through io_uring: " + std::strerror(-status));
  }
  slot = static_cast<uint32_t>(io_uring_cqe_get_data64(entry));
  result = entry->res;
  io_uring_cqe_seen(&ring->queue, entry);
  --held;
  return Status::ok();
}

Status UringReader::start(const BlockRequest &request) {
  const uint32_t slot = freeSlots.back();
  slots[slot] = BlockProgress(request);
  AIR_RETURN_IF_ERROR(push(slot));
  freeSlots.pop_back();
  return Status::ok();
}

Result<BlockDone> UringReader::finish() {
  while (true) {
    uint32_t slot = 0;
    int64_t result = 0;
    AIR_RETURN_IF_ERROR(pop(slot, result));
    if (result > 0) {
      countBytes(static_cast<uint64_t>(result));
    }
    BlockProgress &progress = slots[slot];
    if (!progress.take(result)) {
      if (Status status = push(slot); !status.isOk()) {
        freeSlots.push_back(slot);
        return BlockDone{progress.id(), status};
      }
      continue;
    }
    freeSlots.push_back(slot);
    return progress.outcome(file);
  }
}
