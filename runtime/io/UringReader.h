//===- UringReader.h - blocks read through io_uring -------------*- C++ -*-===//
//
// Implements the Uring method of BlockReader. One thread submits all requests,
// and the Linux kernel performs them in parallel.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_IO_URINGREADER_H
#define AIRPACK_RUNTIME_IO_URINGREADER_H

#include "runtime/io/BlockFile.h"
#include "runtime/io/BlockProgress.h"
#include "runtime/io/BlockReader.h"

#include <memory>
#include <vector>

namespace air::rt {

class UringReader final : public BlockReader {
public:
  /// `file` was opened for Uring. Errors: Unsupported if the system provides no
  /// io_uring.
  static Result<std::unique_ptr<UringReader>> create(BlockFile file,
                                                     uint32_t depth);
  ~UringReader() override;

protected:
  Status start(const BlockRequest &request) override;
  Result<BlockDone> finish() override;

private:
  struct Ring; ///< keeps liburing's header out of this file
  UringReader(BlockFile opened, uint32_t depth);
  /// Hands the next read of slot `slot` to the kernel.
  Status push(uint32_t slot);
  /// Waits until the kernel has completed a read. Sets `slot` to the slot of
  /// the read, and `result` to the number of bytes read or, if the read has
  /// failed, to an errno value with a minus sign. Errors: Io if the wait itself
  /// fails.
  Status pop(uint32_t &slot, int64_t &result);

  BlockFile file;
  std::unique_ptr<Ring> ring;
  std::vector<BlockProgress> slots; ///< one for each request in flight
  std::vector<uint32_t> freeSlots;
  /// Reads that push() has submitted and whose results pop() has not returned.
  uint32_t held = 0;
  /// A failure of the ring, after which it accepts no request. Otherwise ok.
  Status broken;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_IO_URINGREADER_H
