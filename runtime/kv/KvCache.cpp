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
    return verificationError("kv: a cache of " + std::to_string(shape.pages) +
                             " pages of " + std::to_string(shape.pageTokens) +
                             " tokens for a context of " +
                             std::to_string(shape.context) +
                             " tokens is not valid; each of these numbers must "
                             "be at least 1, and the number of pages at most " +
                             std::to_string(UINT32_MAX));
  }
  cache.stride = ceilDiv(shape.context, shape.pageTokens);
  std::optional<uint64_t> entries = checkedMul(cache.stride, maxSequences);
  // Refuses a context for which a sequence would need more pages than the cache
  // has.
  if (cache.stride > shape.pages || !entries) {
    return verificationError(
        "kv: a context of " + std::to_string(shape.context) + " tokens needs " +
        std::to_string(cache.stride) + " pages, but the cache has only " +
        std::to_string(shape.pages));
  }
  cache.freeList.resize(shape.pages);
  for (uint64_t i = 0; i < shape.pages; ++i) {
    cache.freeList[i] = static_cast<uint32_t>(shape.pages - 1 - i);
  }
  cache.tables.assign(*entries, 0);
  cache.lengths.assign(maxSequences, 0);
  cache.live.assign(maxSequences, false);
  return cache;
}

uint64_t KvCache::pagesFor(uint64_t tokens) const {
  return ceilDiv(tokens, pageShape.pageTokens);
}

Status KvCache::checkLive(SequenceId sequence) const {
  return isLive(sequence)
             ? Status::ok()
             : usageError("kv: sequence " + std::to_string(sequence) +
                          " does not exist, or has ended");
}

Result<SequenceId> KvCache::newSequence() {
  auto free = std::find(live.begin(), live.end(), false);
  if (free == live.end()) {
    return doesNotFitError("kv: all " + std::to_string(live.size()) +
                           " sequences are in use; end one first");
  }
  *free = true;
  auto sequence = static_cast<SequenceId>(free - live.begin());
  lengths[sequence] = 0;
  return sequence;
}

void KvCache::endSequence(SequenceId sequence) {
  if (isLive(sequence)) {
    (void)truncate(sequence, 0);
    live[sequence] = false;
  }
}

Status KvCache::append(SequenceId sequence, uint64_t tokens) {
  AIR_RETURN_IF_ERROR(checkLive(sequence));
  uint64_t length = lengths[sequence];
  if (tokens > pageShape.context - length) {
    return doesNotFitError(
        "kv: a sequence of " + std::to_string(length) + " tokens and " +
        std::to_string(tokens) + " more exceed the plan's context of " +
        std::to_string(pageShape.context) +
        " tokens; shorten the input, or set a larger --ctx (in airpack for a "
        "plan, in airrun for a model file)");
  }
  uint64_t held = pagesFor(length);
  uint64_t needed = pagesFor(length + tokens);
  if (needed - held > freeList.size()) {
    return doesNotFitError(
        "kv: " + std::to_string(tokens) + " tokens need " +
        std::to_string(needed - held) + " more pages, but only " +
        std::to_string(freeList.size()) + " of " +
        std::to_string(pageShape.pages) +
        " are free; end a sequence or pack the model with more --slots");
  }
  for (uint64_t page = held; page < needed; ++page) {
    tables[sequence * stride + page] = freeList.back();
    freeList.pop_back();
  }
  lengths[sequence] = length + tokens;
  return Status::ok();
}

Status KvCache::truncate(SequenceId sequence, uint64_t length) {
  AIR_RETURN_IF_ERROR(checkLive(sequence));
  if (length > lengths[sequence]) {
    return usageError("kv: sequence " + std::to_string(sequence) + " has " +
                      std::to_string(lengths[sequence]) +
                      " tokens and cannot be truncated to " +
                      std::to_string(length));
  }
  for (uint64_t page = pagesFor(lengths[sequence]); page > pagesFor(length);
       --page) {
    uint32_t &entry = tables[sequence * stride + page - 1];
    // This does not allocate, because create() gave the list the capacity for
    // all pages.
    freeList.push_back(entry);
    entry = 0;
  }
  lengths[sequence] = length;
  return Status::ok();
}

Result<SequenceId> KvCache::fork(SequenceId sequence, uint64_t length,
                                 Device &device) {
  AIR_RETURN_IF_ERROR(checkLive(sequence));
  if (length > lengths[sequence]) {
    return usageError("kv: sequence " + std::to_string(sequence) + " has " +
                      std::to_string(lengths[sequence]) + " tokens, so " +
                      std::to_string(length) + " cannot be copied from it");
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
