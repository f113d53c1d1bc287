//===- DeviceBatch.cpp - pads a batch and copies it to a GPU ----*- C++ -*-===//
#include "runtime/exec/DeviceBatch.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <string>

using namespace air;
using namespace air::rt;

Result<DeviceBatch> DeviceBatch::create(Device &device, uint64_t maxTokens,
                                        uint64_t tablePages,
                                        uint32_t paddingPage) {
  if (maxTokens > AIR_KV_PAGE_TOKENS) {
    return unsupportedError(
        "the plan processes up to " + std::to_string(maxTokens) +
        " tokens at a time on the GPU, but this version supports at most " +
        std::to_string(AIR_KV_PAGE_TOKENS) +
        "; pack the model again with this version");
  }
  DeviceBatch made;
  made.tablePages = tablePages;
  made.paddingPage = paddingPage;
  const uint64_t column =
      alignUp(maxTokens * sizeof(uint32_t), AIR_BINDING_ALIGNMENT);
  const std::optional<uint64_t> tables =
      checkedMul(tablePages, maxTokens * sizeof(uint32_t));
  const std::optional<uint64_t> bytes =
      tables ? checkedAdd(2 * column, *tables) : std::nullopt;
  if (!bytes) {
    return verificationError(
        "batch: the tables of the KV cache's pages, with " +
        std::to_string(maxTokens) + " rows of " + std::to_string(tablePages) +
        " pages, take more than 2^64 bytes; pack the model with a smaller "
        "--ctx");
  }
  made.firstPosition = column / sizeof(uint32_t);
  made.firstTable = 2 * made.firstPosition;
  // The device returns an error if the size is too large, so it comes first.
  AIR_ASSIGN_OR_RETURN(const DeviceAddress base,
                       device.allocate(*bytes, "batch"));
  made.words.resize(*bytes / sizeof(uint32_t));
  using plan::BatchArray;
  made.arrays[static_cast<size_t>(BatchArray::TokenIds)] = base;
  made.arrays[static_cast<size_t>(BatchArray::Positions)] = base + column;
  made.arrays[static_cast<size_t>(BatchArray::BlockTables)] = base + 2 * column;
  return made;
}

Status DeviceBatch::write(Device &device, const AirBatch &batch,
                          uint64_t tokens) {
  uint32_t *const positions = words.data() + firstPosition;
  for (uint64_t i = 0; i < tokens; ++i) {
    uint32_t *const table = words.data() + firstTable + i * tablePages;
    if (i < batch.tokens) {
      words[i] = static_cast<uint32_t>(batch.token_ids[i]);
      positions[i] = batch.positions[i];
      std::copy_n(batch.block_tables + batch.sequences[i] * tablePages,
                  tablePages, table);
    } else {
      words[i] = 0;
      positions[i] = static_cast<uint32_t>(i - batch.tokens);
      table[0] = paddingPage;
    }
  }
  // A program for fewer tokens than the arrays hold reads only their first
  // elements, so the rest of the block tables need not be copied.
  return device.write(arrays[0],
                      {reinterpret_cast<const uint8_t *>(words.data()),
                       (firstTable + tokens * tablePages) * sizeof(uint32_t)});
}
