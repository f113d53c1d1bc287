//===- DeviceBatch.cpp - copies a batch to a GPU --------------------------===//
#include "runtime/exec/DeviceBatch.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <cstring>
#include <string>

using namespace air;
using namespace air::rt;
using plan::BatchArray;

namespace {

/// A tile is three words: the index of its first token, its number of tokens,
/// and its row of the block tables.
constexpr uint64_t kTileWords = 3;
/// Stands for a token that the GPU has not copied to the host yet. It is
/// neither a token's id nor what the GPU writes if it can choose none.
constexpr uint32_t kNotArrived = UINT32_MAX - 1;

} // namespace

Result<DeviceBatch> DeviceBatch::create(Device &device, const BatchSizes &sizes,
                                        std::span<const DeviceTable> tables) {
  if (sizes.paddedTokens > AIR_KV_PAGE_TOKENS) {
    return unsupportedError(
        "the plan pads each pass on the GPU to " +
        countOf(sizes.paddedTokens, "token") +
        ", but this version of airrun supports at most " +
        std::to_string(AIR_KV_PAGE_TOKENS) +
        "; pack the model again with the airpack of the same version");
  }
  DeviceBatch made;
  made.groups.assign(tables.begin(), tables.end());
  made.hasTokenCount = sizes.hasTiles || sizes.hasChoice;
  // The arrays in the order of their addresses, with their numbers of elements.
  // writeOutputs() is for the first two arrays, and write() is for the others.
  const uint64_t tiled = sizes.hasTiles ? sizes.tokens : 0;
  const uint64_t counts = sizes.hasTiles ? 1 : 0;
  made.draws.resize(sizes.drawnTokens);
  const uint64_t countWords =
      sizes.drawnTokens != 0
          ? (kTokenDrawOffset + made.draws.size() * sizeof(TokenDraw)) /
                sizeof(uint32_t)
          : (made.hasTokenCount ? 1 : 0);
  constexpr auto kTables = static_cast<size_t>(BatchArray::BlockTables);
  std::vector<std::pair<size_t, std::optional<uint64_t>>> order;
  for (const auto &[array, elements] :
       std::initializer_list<std::pair<BatchArray, std::optional<uint64_t>>>{
           {BatchArray::OutputCount, counts},
           {BatchArray::OutputRows, sizes.hasTiles ? sizes.outputs : 0},
           {BatchArray::TokenCount, countWords},
           {BatchArray::TileCount, counts},
           {BatchArray::TokenIds, sizes.tokens},
           {BatchArray::Positions, sizes.tokens},
           {BatchArray::RopePositions, sizes.tokens},
           {BatchArray::Sequences, tiled},
           {BatchArray::Tiles, checkedMul(kTileWords, tiled)}}) {
    order.emplace_back(static_cast<size_t>(array), elements);
  }
  for (size_t group = 0; group < tables.size(); ++group) {
    order.emplace_back(kTables + group,
                       checkedMul(tables[group].pages, sizes.tokens));
  }
  made.firstWord.resize(order.size());
  std::optional<uint64_t> bytes = 0;
  for (const auto &[array, elements] : order) {
    bytes = bytes ? checkedAlignUp(*bytes, AIR_BINDING_ALIGNMENT) : bytes;
    made.firstWord[array] = bytes.value_or(0) / sizeof(uint32_t);
    const std::optional<uint64_t> size =
        elements ? checkedMul(*elements, sizeof(uint32_t)) : std::nullopt;
    bytes = bytes && size ? checkedAdd(*bytes, *size) : std::nullopt;
  }
  if (!bytes) {
    return verificationError(
        "batch: the tables that list the pages of the KV cache, with a row for "
        "each of " +
        countOf(sizes.tokens, "token") +
        ", do not fit in 2^64 bytes; pack the model again with a "
        "smaller --ctx");
  }
  // The memory of the device is allocated first, because this returns an error
  // if the size is too large, whereas resize() would throw.
  AIR_ASSIGN_OR_RETURN(made.base, device.allocate(*bytes, "batch tables"));
  made.words.resize(*bytes / sizeof(uint32_t));
  made.held = made.words; // all zeros, like memory that a device allocates
  made.fillDraws();
  for (const size_t first : made.firstWord) {
    made.arrays.push_back(made.base + first * sizeof(uint32_t));
  }
  if (sizes.hasChoice) {
    AIR_ASSIGN_OR_RETURN(
        made.chosen, device.allocateHost(sizes.paddedTokens * sizeof(uint32_t),
                                         "chosen tokens"));
    AIR_ASSIGN_OR_RETURN(made.arrived, device.addEvent());
  }
  return made;
}

/// Copies the page indices of a sequence to row `row` of the block tables.
void DeviceBatch::setRow(uint64_t row, const AirBatch &batch,
                         uint32_t sequence) {
  for (size_t group = 0; group < groups.size(); ++group) {
    const uint64_t pages = groups[group].pages;
    std::copy_n(batch.block_tables[group].pages + sequence * pages, pages,
                wordsOf(BatchArray::BlockTables, group) + row * pages);
  }
}

/// Fills in the arrays of a padded batch. Returns the number of rows of the
/// block tables.
uint64_t DeviceBatch::pad(const AirBatch &batch, uint64_t maxTokens) {
  if (hasTokenCount) {
    *wordsOf(BatchArray::TokenCount) = batch.tokens;
  }
  for (uint64_t i = 0; i < batch.tokens; ++i) {
    setRow(i, batch, batch.sequences[i]);
  }
  for (uint64_t i = batch.tokens; i < maxTokens; ++i) {
    const auto position = static_cast<uint32_t>(i - batch.tokens);
    wordsOf(BatchArray::TokenIds)[i] = 0;
    wordsOf(BatchArray::Positions)[i] = position;
    wordsOf(BatchArray::RopePositions)[i] = position;
    for (size_t group = 0; group < groups.size(); ++group) {
      const auto &[pages, paddingPage] = groups[group];
      if (pages != 0) {
        wordsOf(BatchArray::BlockTables, group)[i * pages] = paddingPage;
      }
    }
  }
  return maxTokens;
}

/// Fills in the arrays of a batch that is divided into tiles. Returns the
/// number of rows of the block tables.
uint64_t DeviceBatch::divide(const AirBatch &batch, uint32_t tileTokens) {
  uint32_t rows = 0;
  uint32_t tiles = 0;
  uint32_t *tile = nullptr; // the last tile
  for (uint32_t i = 0; i < batch.tokens; ++i) {
    const bool isNext = i != 0 && batch.sequences[i] == batch.sequences[i - 1];
    if (!isNext) {
      setRow(rows++, batch, batch.sequences[i]);
    }
    if (!isNext || tile[1] == tileTokens) {
      tile = wordsOf(BatchArray::Tiles) + kTileWords * tiles++;
      tile[0] = i;
      tile[1] = 0;
      tile[2] = rows - 1;
    }
    ++tile[1];
    wordsOf(BatchArray::Sequences)[i] = rows - 1;
  }
  *wordsOf(BatchArray::TokenCount) = batch.tokens;
  *wordsOf(BatchArray::TileCount) = tiles;
  return rows;
}

/// Copies a part of `words` to the GPU: from the start of the array `first` up
/// to, but not including, words[end]. At both ends of this part, words that the
/// GPU holds already are left out. If it is not known what the GPU holds,
/// copies all of `words` instead.
Status DeviceBatch::copy(Device &device, BatchArray first, uint64_t end) {
  size_t begin = firstWord[static_cast<size_t>(first)];
  if (!isKnown) {
    begin = 0;
    end = words.size();
  } else {
    while (begin != end && words[begin] == held[begin]) {
      ++begin;
    }
    while (begin != end && words[end - 1] == held[end - 1]) {
      --end;
    }
  }
  if (begin == end) {
    return Status::ok();
  }
  const std::span changed = std::span(words).subspan(begin, end - begin);
  isKnown = false; // stays false if the copy fails
  AIR_RETURN_IF_ERROR(
      device.write(base + begin * sizeof(uint32_t),
                   {reinterpret_cast<const uint8_t *>(changed.data()),
                    changed.size_bytes()}));
  std::ranges::copy(changed, held.begin() + static_cast<ptrdiff_t>(begin));
  isKnown = true;
  return Status::ok();
}

void DeviceBatch::setDraws(std::span<const TokenDraw> given) {
  std::ranges::fill(draws, TokenDraw());
  std::ranges::copy(given, draws.begin());
  fillDraws();
}

void DeviceBatch::fillDraws() {
  if (!draws.empty()) {
    std::memcpy(reinterpret_cast<uint8_t *>(wordsOf(BatchArray::TokenCount)) +
                    kTokenDrawOffset,
                draws.data(), draws.size() * sizeof(TokenDraw));
  }
}

void DeviceBatch::advance(std::span<const uint32_t> tokens) {
  if (!draws.empty()) {
    // A program that draws has at most draws.size() tokens. A batch with more
    // tokens runs on a program that does not draw.
    for (size_t i = 0; i < std::min(tokens.size(), draws.size()); ++i) {
      draws[i].draws += draws[i].isBest == 0 ? 1 : 0;
    }
    fillDraws();
    const auto first = static_cast<ptrdiff_t>(
        firstWord[static_cast<size_t>(BatchArray::TokenCount)] +
        kTokenDrawOffset / sizeof(uint32_t));
    std::copy_n(words.begin() + first,
                draws.size() * sizeof(TokenDraw) / sizeof(uint32_t),
                held.begin() + first);
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    wordsOf(BatchArray::TokenIds)[i] = tokens[i];
    ++wordsOf(BatchArray::Positions)[i];
    ++wordsOf(BatchArray::RopePositions)[i];
  }
  for (const BatchArray array : {BatchArray::TokenIds, BatchArray::Positions,
                                 BatchArray::RopePositions}) {
    std::copy_n(wordsOf(array), tokens.size(),
                held.begin() + static_cast<ptrdiff_t>(
                                   firstWord[static_cast<size_t>(array)]));
  }
}

/// Fills in `words` for a batch. Returns how many of the words, counted from
/// the first one, may be read by kernels.
uint64_t DeviceBatch::fill(const AirBatch &batch, uint64_t maxTokens,
                           uint32_t tileTokens) {
  for (uint64_t i = 0; i < batch.tokens; ++i) {
    wordsOf(BatchArray::TokenIds)[i] =
        static_cast<uint32_t>(batch.token_ids[i]);
  }
  std::copy_n(batch.positions, batch.tokens, wordsOf(BatchArray::Positions));
  std::copy_n(batch.rope_positions, batch.tokens,
              wordsOf(BatchArray::RopePositions));
  const uint64_t rows =
      tileTokens == 0 ? pad(batch, maxTokens) : divide(batch, tileTokens);
  // Kernels read only the first `rows` rows of each block table. If there are
  // block tables, the last array is one of them, so kernels read no words after
  // its first `rows` rows. Otherwise, they may read all words.
  return groups.empty() ? words.size()
                        : firstWord.back() + rows * groups.back().pages;
}

Status DeviceBatch::write(Device &device, const AirBatch &batch,
                          uint64_t maxTokens, uint32_t tileTokens) {
  return copy(device, BatchArray::TokenCount,
              fill(batch, maxTokens, tileTokens));
}

bool DeviceBatch::holds(const AirBatch &batch, uint64_t maxTokens,
                        uint32_t tileTokens) {
  const auto end = static_cast<ptrdiff_t>(fill(batch, maxTokens, tileTokens));
  const auto first = static_cast<ptrdiff_t>(
      firstWord[static_cast<size_t>(BatchArray::TokenCount)]);
  return isKnown && std::equal(words.begin() + first, words.begin() + end,
                               held.begin() + first);
}

Status DeviceBatch::requestTokens(Device &device, size_t count) {
  requested = count;
  hasFailedSince = false;
  std::ranges::fill(wordsOfHost(), kNotArrived);
  constexpr auto kIds = static_cast<size_t>(BatchArray::TokenIds);
  AIR_RETURN_IF_ERROR(
      device.download(chosen.first(count * sizeof(uint32_t)), arrays[kIds]));
  return device.signal(Queue::Compute, arrived);
}

Result<std::span<const uint32_t>> DeviceBatch::takeTokens(Device &device) {
  const Status status = device.finish(arrived);
  const std::span<const uint32_t> ids = wordsOfHost().first(requested);
  // After a failure, a GPU returns its error even for events that came before
  // the failure, so an error of this event does not show that the pass before
  // it failed. The ids show whether it did: they are copied to the host after
  // the pass that chose them, so if all of them have arrived, that pass
  // succeeded and they are valid.
  hasFailedSince =
      !status.isOk() && std::ranges::find(ids, kNotArrived) == ids.end();
  if (!hasFailedSince) {
    AIR_RETURN_IF_ERROR(status);
  }
  return ids;
}

Status DeviceBatch::writeOutputs(Device &device,
                                 std::span<const uint32_t> rows) {
  *wordsOf(BatchArray::OutputCount) = static_cast<uint32_t>(rows.size());
  std::ranges::copy(rows, wordsOf(BatchArray::OutputRows));
  return copy(device, BatchArray::OutputCount,
              firstWord[static_cast<size_t>(BatchArray::OutputRows)] +
                  rows.size());
}
