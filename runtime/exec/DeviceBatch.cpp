//===- DeviceBatch.cpp - pads a batch and copies it to a GPU ----*- C++ -*-===//
#include "runtime/exec/DeviceBatch.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <string>

using namespace air;
using namespace air::rt;

Result<DeviceBatch> DeviceBatch::create(Device &device, uint64_t maxTokens,
                                        std::span<const DeviceTable> tables) {
  if (maxTokens > AIR_KV_PAGE_TOKENS) {
    return unsupportedError("a pass of the plan on the GPU has up to " +
                            std::to_string(maxTokens) +
                            " tokens, but this version supports at most " +
                            std::to_string(AIR_KV_PAGE_TOKENS) +
                            "; pack the model again with this version");
  }
  constexpr auto kTables = static_cast<size_t>(plan::BatchArray::BlockTables);
  DeviceBatch made;
  made.tables.assign(tables.begin(), tables.end());
  std::vector<uint64_t> offsets;
  std::optional<uint64_t> bytes = 0;
  for (size_t i = 0; i < kTables + tables.size() && bytes; ++i) {
    const uint64_t rowWords = i < kTables ? 1 : tables[i - kTables].pages;
    const auto size = checkedMul(rowWords, maxTokens * sizeof(uint32_t));
    const auto offset = checkedAlignUp(*bytes, AIR_BINDING_ALIGNMENT);
    bytes = size && offset ? checkedAdd(*offset, *size) : std::nullopt;
    offsets.push_back(offset.value_or(0));
  }
  if (!bytes) {
    return verificationError("batch: block tables of " +
                             std::to_string(maxTokens) +
                             " rows take more than 2^64 bytes");
  }
  // The device refuses what is too large, so it is asked before the host.
  AIR_ASSIGN_OR_RETURN(const DeviceAddress base,
                       device.allocate(*bytes, "batch"));
  made.words.resize(*bytes / sizeof(uint32_t));
  for (const uint64_t offset : offsets) {
    made.arrays.push_back(base + offset);
    made.firsts.push_back(offset / sizeof(uint32_t));
  }
  return made;
}

Status DeviceBatch::write(Device &device, const AirBatch &batch,
                          uint64_t tokens) {
  const auto arrayOf = [&](plan::BatchArray array, size_t group = 0) {
    return words.data() + firsts[static_cast<size_t>(array) + group];
  };
  uint32_t *const ids = arrayOf(plan::BatchArray::TokenIds);
  uint32_t *const positions = arrayOf(plan::BatchArray::Positions);
  uint32_t *const ropePositions = arrayOf(plan::BatchArray::RopePositions);
  for (uint64_t i = 0; i < tokens; ++i) {
    const bool isToken = i < batch.tokens;
    const auto padding = static_cast<uint32_t>(i - batch.tokens);
    ids[i] = isToken ? static_cast<uint32_t>(batch.token_ids[i]) : 0;
    positions[i] = isToken ? batch.positions[i] : padding;
    ropePositions[i] = isToken ? batch.rope_positions[i] : padding;
  }
  size_t end = firsts.back() + tokens;
  for (size_t group = 0; group < tables.size(); ++group) {
    const uint64_t pages = tables[group].pages;
    uint32_t *const rows = arrayOf(plan::BatchArray::BlockTables, group);
    for (uint64_t i = 0; i < tokens; ++i) {
      if (i < batch.tokens) {
        std::copy_n(batch.block_tables[group].pages +
                        batch.sequences[i] * pages,
                    pages, rows + i * pages);
      } else {
        rows[i * pages] = tables[group].paddingPage;
      }
    }
    end = static_cast<size_t>(rows - words.data()) + tokens * pages;
  }
  // A program for fewer tokens than the arrays hold reads only their first
  // elements, so the rest of the last array need not be copied.
  return device.write(arrays.front(),
                      {reinterpret_cast<const uint8_t *>(words.data()),
                       end * sizeof(uint32_t)});
}
