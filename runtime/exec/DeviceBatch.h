//===- DeviceBatch.h - a batch in the memory of a GPU -----------*- C++ -*-===//
//
// GPU kernels read the tokens of a batch from arrays in GPU memory (BatchArray
// in formats/plan/plan.fbs).
//
// A program has tiles if its tile_tokens in the plan (plan.fbs) is not 0.
//
// The kernels of a program without tiles always process the largest number of
// tokens that the program allows, so a smaller batch is padded. The padding is
// a sequence of its own: token 0 at positions 0, 1, 2 and so on. In each cache
// group, its keys and values go to a page that belongs to no other sequence.
//
// The kernels of a program with tiles read the number of tokens from an array.
// The batch is divided into runs of consecutive tokens of one sequence. Each
// run of tokens has a row of the block tables, and is divided into tiles. The
// indices of the tokens whose logits are requested are in an array of their
// own, because they may change each time the output head runs.
//
// A choice (plan.fbs), the dispatch with which a GPU chooses the next tokens,
// writes them to the arrays. requestTokens() and takeTokens() bring them to the
// host. The host knows what the arrays contain, and write() copies only the
// words from the first to the last one that differs in the new batch. Nothing
// is copied if the next batch consists of the chosen tokens and needs no new
// pages.
//
// Thread-safety: one caller at a time. Only create() allocates memory. The
// device owns the arrays on the GPU, and the host memory to which the chosen
// tokens are copied. Errors: those of the device; create() may also fail with
// Unsupported or VerificationFailed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H
#define AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H

#include "formats/abi/TokenDraw.h"
#include "formats/plan/PlanFile.h"
#include "runtime/hal/Device.h"

#include <span>
#include <vector>

namespace air::rt {

/// The addresses of the arrays of a batch, indexed by plan::BatchArray. The
/// block tables of the cache groups are the last ones.
using BatchAddresses = std::vector<DeviceAddress>;

/// What the arrays must have room for: the largest batches of the plan's
/// programs.
struct BatchSizes {
  uint64_t tokens = 1;
  uint64_t outputs = 1; ///< rows of logits that one run of the head computes
  uint64_t paddedTokens = 0; ///< tokens of the largest batch that is padded
  bool hasTiles = false;     ///< whether any program has tiles
  bool hasChoice = false;    ///< whether any program chooses tokens
  uint64_t drawnTokens = 0;  ///< tokens of the largest batch that can draw
};

/// What a batch needs to know about the block table of a cache group.
struct DeviceTable {
  /// The number of entries of a row; 0 for a group in the memory of the CPU,
  /// whose block table the GPU does not need.
  uint64_t pages = 0;
  uint32_t paddingPage = 0; ///< index of the page for padding
};

class DeviceBatch {
public:
  /// Allocates the arrays. `tables` describes the block table of each cache
  /// group. Errors: Unsupported if BatchSizes::paddedTokens is larger than
  /// AIR_KV_PAGE_TOKENS, because all padding goes to one page;
  /// VerificationFailed if the arrays do not fit in 2^64 bytes.
  static Result<DeviceBatch> create(Device &device, const BatchSizes &sizes,
                                    std::span<const DeviceTable> tables);

  const BatchAddresses &addresses() const { return arrays; }

  /// Writes a batch for a program of up to `maxTokens` tokens. If `tileTokens`
  /// is 0, pads the batch to `maxTokens` tokens; otherwise, divides it into
  /// tiles of up to `tileTokens` tokens. The batch must have a block table for
  /// each cache group, with the stride DeviceTable::pages.
  Status write(Device &device, const AirBatch &batch, uint64_t maxTokens,
               uint32_t tileTokens);

  /// Sets how the GPU chooses tokens in the batches from now on: draws[i] says
  /// how the token that follows token i of the batch is chosen. If `draws` has
  /// no element i, the token with the largest logit is chosen. `draws` must not
  /// have more than BatchSizes::drawnTokens elements.
  void setDraws(std::span<const TokenDraw> draws);

  /// Writes the indices of the tokens of the batch for which the next run of
  /// the head computes logits: at most BatchSizes::outputs.
  Status writeOutputs(Device &device, std::span<const uint32_t> rows);

  /// Whether the arrays on the GPU contain this batch, so that write() would
  /// copy nothing.
  bool holds(const AirBatch &batch, uint64_t maxTokens, uint32_t tileTokens);

  /// Enqueues a copy of the ids of the first `count` tokens to the host.
  /// BatchSizes::hasChoice must be true, and `count` must be at most
  /// BatchSizes::paddedTokens.
  Status requestTokens(Device &device, size_t count);

  /// Waits for the copy that requestTokens() has enqueued, but not for what was
  /// enqueued later, and returns the ids. They are valid until the next call of
  /// requestTokens(). If work that was enqueued later makes the GPU fail, this
  /// succeeds all the same, provided that the ids have arrived; the next call
  /// of the device returns the error, and failedSince() is true.
  Result<std::span<const uint32_t>> takeTokens(Device &device);
  bool failedSince() const { return hasFailedSince; }

  /// Records how a run that chose tokens has changed the arrays on the GPU: the
  /// first tokens of the batch are now `tokens`, and their positions have grown
  /// by 1. If token i was drawn, the field `draws` of its TokenDraw has also
  /// grown by 1.
  void advance(std::span<const uint32_t> tokens);

  /// Must be called after a failure, because the contents of the arrays on the
  /// GPU are then unknown. The next write() copies everything.
  void forget() { isKnown = false; }

private:
  /// An array in `words`. The block table of cache group g is the array
  /// BlockTables + g.
  uint32_t *wordsOf(plan::BatchArray array, size_t group = 0) {
    return words.data() + firstWord[static_cast<size_t>(array) + group];
  }
  /// Copies `draws` to `words`.
  void fillDraws();
  uint64_t fill(const AirBatch &batch, uint64_t maxTokens, uint32_t tileTokens);
  void setRow(uint64_t row, const AirBatch &batch, uint32_t sequence);
  uint64_t pad(const AirBatch &batch, uint64_t maxTokens);
  uint64_t divide(const AirBatch &batch, uint32_t tileTokens);
  Status copy(Device &device, plan::BatchArray first, uint64_t end);
  std::span<uint32_t> wordsOfHost() {
    return {reinterpret_cast<uint32_t *>(chosen.data()),
            chosen.size() / sizeof(uint32_t)};
  }

  DeviceAddress base = 0; ///< the address of words[0] on the GPU
  BatchAddresses arrays;
  bool hasTokenCount = false;      ///< whether there is an array TokenCount
  std::vector<TokenDraw> draws;    ///< per token: its record after TokenCount
  std::vector<DeviceTable> groups; ///< one per cache group
  /// What the arrays on the GPU are to contain, in the order of their
  /// addresses, with the block tables last. write() and writeOutputs() fill
  /// this in, and copy what differs from `held` to the GPU.
  std::vector<uint32_t> words;
  std::vector<size_t> firstWord; ///< per array: its first index in `words`
  /// What the arrays on the GPU contain now, unless `isKnown` is false.
  std::vector<uint32_t> held;
  bool isKnown = true;
  std::span<uint8_t> chosen; ///< host memory for the tokens that are requested
  size_t requested = 0;      ///< the number of tokens in `chosen`
  uint32_t arrived = 0;      ///< an event after the copy to `chosen`
  bool hasFailedSince = false; ///< what failedSince() returns
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_DEVICEBATCH_H
