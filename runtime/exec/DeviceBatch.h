//===- DeviceBatch.h - a batch in the memory of a GPU -----------*- C++ -*-===//
//
// Kernels of a GPU take the tokens of a batch from arrays in its memory
// (BatchArray in formats/plan/plan.fbs). They always process the largest number
// of tokens of their program, so a smaller batch is padded. The padding is a
// sequence of its own: token 0 at positions 0, 1, 2 and so on of a KV page that
// belongs to no other sequence.
//
// Thread-safety: one caller at a time. Only create() allocates memory. Errors:
// those of the device.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H
#define AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H

#include "formats/plan/PlanFile.h"
#include "runtime/hal/Device.h"

#include <array>
#include <vector>

namespace air::rt {

class DeviceBatch {
public:
  /// Allocates the arrays for up to `maxTokens` tokens, which must fit in one
  /// KV page. A row of the block tables has `tablePages` entries, and
  /// `paddingPage` is the number of the page that the padding uses.
  static Result<DeviceBatch> create(Device &device, uint64_t maxTokens,
                                    uint64_t tablePages, uint32_t paddingPage);

  /// The addresses of the arrays, indexed by plan::BatchArray.
  const std::array<DeviceAddress, 3> &addresses() const { return arrays; }

  /// Writes a batch, padded to `tokens` tokens. Its block_table_stride must be
  /// `tablePages`.
  Status write(Device &device, const AirBatch &batch, uint64_t tokens);

private:
  std::array<DeviceAddress, 3> arrays = {};
  uint64_t tablePages = 0;
  uint32_t paddingPage = 0;
  /// What write() copies: the ids, the positions, and the block tables.
  std::vector<uint32_t> words;
  size_t firstPosition = 0; ///< index into `words`
  size_t firstTable = 0;    ///< index into `words`
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H
