//===- KvCache.cpp - a page stack and a block table -------------*- C++ -*-===//
#include "runtime/kv/KvCache.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <string>

using namespace air;
using namespace air::rt;

Result<KvCache> KvCache::create(const KvPageShape &shape, DeviceAddress base,
                                uint32_t maxSequences) {
  KvCache cache;
  cache.pageShape = shape;
  cache.baseAddress = base;
  if (shape.pageTokens == 0 || shape.pages == 0 || shape.context == 0 ||
      shape.pages > UINT32_MAX) {
    return verificationError(
        "kv: " + std::to_string(shape.pages) + " pages of " +
        std::to_string(shape.pageTokens) + " tokens for a context of " +
        std::to_string(shape.context) + " is no usable cache");
  }
  cache.stride = ceilDiv(shape.context, shape.pageTokens);
  std::optional<uint64_t> entries = checkedMul(cache.stride, maxSequences);
  // A row longer than the cache has pages could never be filled.
  if (cache.stride > shape.pages || !entries) {
    return verificationError(
        "kv: a context of " + std::to_string(shape.context) + " tokens needs " +
        std::to_string(cache.stride) + " pages, the cache has " +
        std::to_string(shape.pages));
  }
  cache.freeList.resize(shape.pages);
  for (uint64_t i = 0; i < shape.pages; ++i) {
    cache.freeList[i] = static_cast<uint32_t>(shape.pages - 1 - i);
  }
  cache.tables.assign(*entries, 0);
  cache.lengths.assign(maxSequences, 0);
  cache.alive.assign(maxSequences, false);
  return cache;
}

uint64_t KvCache::pagesFor(uint64_t tokens) const {
  return ceilDiv(tokens, pageShape.pageTokens);
}

Status KvCache::checkAlive(SequenceId sequence) const {
  return isAlive(sequence)
             ? Status::ok()
             : usageError("kv: sequence " + std::to_string(sequence) +
                          " is not alive");
}

Result<SequenceId> KvCache::newSequence() {
  auto free = std::find(alive.begin(), alive.end(), false);
  if (free == alive.end()) {
    return doesNotFitError("kv: all " + std::to_string(alive.size()) +
                           " sequences are in use; end one first");
  }
  *free = true;
  auto sequence = static_cast<SequenceId>(free - alive.begin());
  lengths[sequence] = 0;
  return sequence;
}

void KvCache::endSequence(SequenceId sequence) {
  if (isAlive(sequence)) {
    (void)truncate(sequence, 0);
    alive[sequence] = false;
  }
}

Status KvCache::append(SequenceId sequence, uint64_t tokens) {
  AIR_RETURN_IF_ERROR(checkAlive(sequence));
  uint64_t length = lengths[sequence];
  if (tokens > pageShape.context - length) {
    return doesNotFitError("kv: sequence of " + std::to_string(length) +
                           " tokens and " + std::to_string(tokens) +
                           " more do not fit the plan's context of " +
                           std::to_string(pageShape.context) +
                           "; pack with a larger --ctx or shorten the input");
  }
  uint64_t held = pagesFor(length);
  uint64_t needed = pagesFor(length + tokens);
  if (needed - held > freeList.size()) {
    return doesNotFitError("kv: " + std::to_string(tokens) + " tokens need " +
                           std::to_string(needed - held) + " pages, " +
                           std::to_string(freeList.size()) + " of " +
                           std::to_string(pageShape.pages) +
                           " are free; end a sequence or pack with more KV");
  }
  for (uint64_t page = held; page < needed; ++page) {
    tables[sequence * stride + page] = freeList.back();
    freeList.pop_back();
  }
  lengths[sequence] = length + tokens;
  return Status::ok();
}

Status KvCache::truncate(SequenceId sequence, uint64_t length) {
  AIR_RETURN_IF_ERROR(checkAlive(sequence));
  if (length > lengths[sequence]) {
    return usageError("kv: sequence " + std::to_string(sequence) + " has " +
                      std::to_string(lengths[sequence]) +
                      " tokens, it can't be cut to " + std::to_string(length));
  }
  for (uint64_t page = pagesFor(lengths[sequence]); page > pagesFor(length);
       --page) {
    uint32_t &entry = tables[sequence * stride + page - 1];
    // Within the capacity that create() reserved: every page came from there.
    freeList.push_back(entry);
    entry = 0;
  }
  lengths[sequence] = length;
  return Status::ok();
}

Result<SequenceId> KvCache::fork(SequenceId sequence, uint64_t length,
                                 Device &device) {
  AIR_RETURN_IF_ERROR(checkAlive(sequence));
  if (length > lengths[sequence]) {
    return usageError("kv: sequence " + std::to_string(sequence) + " has " +
                      std::to_string(lengths[sequence]) + " tokens, " +
                      std::to_string(length) + " can't be copied from it");
  }
  AIR_ASSIGN_OR_RETURN(SequenceId copy, newSequence());
  Status status = append(copy, length);
  for (uint64_t page = 0; status.isOk() && page < pagesFor(length); ++page) {
    status = device.copy(
        baseAddress + tables[copy * stride + page] * pageShape.pageBytes,
        baseAddress + tables[sequence * stride + page] * pageShape.pageBytes,
        pageShape.pageBytes);
  }
  if (!status.isOk()) {
    endSequence(copy);
    return status;
  }
  return copy;
}
