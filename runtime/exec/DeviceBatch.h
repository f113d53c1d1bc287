//===- DeviceBatch.h - a batch in the memory of a GPU -----------*- C++ -*-===//
//
// Kernels of a GPU take the tokens of a batch from arrays in its memory
// (BatchArray in formats/plan/plan.fbs).
//
// The kernels of a program without tiles always process its largest number of
// tokens, so a smaller batch is padded. The padding is a sequence of its own:
// token 0 at positions 0, 1, 2 and so on of a KV page that belongs to no other
// sequence.
//
// The kernels of a program with tiles read the number of tokens. The batch is
// divided into runs of consecutive tokens of one sequence. Each run has a row
// of the block tables, and is divided into tiles. A request for rows of logits
// is an array of its own, because it may change between two runs of the head.
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
#include <span>
#include <vector>

namespace air::rt {

/// The addresses of the arrays of a batch, indexed by plan::BatchArray.
using BatchAddresses =
    std::array<DeviceAddress, static_cast<size_t>(plan::BatchArray::MAX) + 1>;

/// The sizes of the largest batch.
struct BatchSizes {
  uint64_t tokens = 1;
  uint64_t outputs = 1;      ///< rows of logits that one run of the head has
  uint64_t paddedTokens = 0; ///< tokens of the largest batch that is padded
  uint64_t tablePages = 1;   ///< entries of a row of the block tables
  bool hasTiles = false;     ///< whether some program has tiles
};

class DeviceBatch {
public:
  /// Allocates the arrays. `paddedTokens` tokens must fit in one KV page, and
  /// `paddingPage` is the number of the page that the padding uses.
  static Result<DeviceBatch> create(Device &device, const BatchSizes &sizes,
                                    uint32_t paddingPage);

  const BatchAddresses &addresses() const { return arrays; }

  /// Writes a batch for a program of up to `maxTokens` tokens. If `tileTokens`
  /// is 0, pads the batch to that many tokens; otherwise, divides it into tiles
  /// of up to `tileTokens` tokens. Its block_table_stride must be
  /// BatchSizes::tablePages.
  Status write(Device &device, const AirBatch &batch, uint64_t maxTokens,
               uint32_t tileTokens);

  /// Writes the tokens of the batch for which the next run of a head is to
  /// compute logits. There are at most BatchSizes::outputs of them.
  Status writeOutputs(Device &device, std::span<const uint32_t> rows);

private:
  /// An array in `words`.
  uint32_t *wordsOf(plan::BatchArray array) {
    return words.data() + firstWord[static_cast<size_t>(array)];
  }
  void setRow(uint64_t row, const AirBatch &batch, uint32_t sequence);
  uint64_t pad(const AirBatch &batch, uint64_t maxTokens);
  uint64_t divide(const AirBatch &batch, uint32_t tileTokens);

  BatchAddresses arrays = {};
  uint64_t tablePages = 0;
  uint32_t paddingPage = 0;
  /// What write() and writeOutputs() copy: all arrays, in the order of their
  /// addresses. The block tables are last.
  std::vector<uint32_t> words;
  std::array<size_t, std::tuple_size_v<BatchAddresses>> firstWord = {};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H
