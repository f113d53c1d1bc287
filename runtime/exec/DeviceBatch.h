//===- DeviceBatch.h - a batch in the memory of a GPU -----------*- C++ -*-===//
//
// Kernels of a GPU take the tokens of a batch from arrays in its memory
// (BatchArray in formats/plan/plan.fbs). They always process the largest number
// of tokens of their program, so a smaller batch is padded. The padding is a
// sequence of its own: token 0 at positions 0, 1, 2 and so on of a page of each
// cache group that belongs to no other sequence.
//
// Thread-safety: one caller at a time. Only create() allocates memory. Errors:
// those of the device.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H
#define AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H

#include "formats/plan/PlanFile.h"
#include "runtime/hal/Device.h"

#include <span>
#include <vector>

namespace air::rt {

/// The block table of a cache group.
struct DeviceTable {
  uint64_t pages = 0;       ///< entries of a row
  uint32_t paddingPage = 0; ///< the page that the padding uses
};

class DeviceBatch {
public:
  /// Allocates the arrays for up to `maxTokens` tokens, which must fit in one
  /// page. `tables` has an element for each cache group.
  static Result<DeviceBatch> create(Device &device, uint64_t maxTokens,
                                    std::span<const DeviceTable> tables);

  /// The addresses of the arrays, indexed by plan::BatchArray.
  const std::vector<DeviceAddress> &addresses() const { return arrays; }

  /// Writes a batch, padded to `tokens` tokens. It must have a block table for
  /// each cache group, whose stride is DeviceTable::pages.
  Status write(Device &device, const AirBatch &batch, uint64_t tokens);

private:
  std::vector<DeviceAddress> arrays;
  std::vector<DeviceTable> tables;
  /// What write() copies: one array after the other.
  std::vector<uint32_t> words;
  std::vector<size_t> firsts; ///< of each array: its first element in `words`
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H
