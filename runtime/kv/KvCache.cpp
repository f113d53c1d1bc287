//===- KvCache.cpp - the block tables of sequences --------------*- C++ -*-===//
#include "runtime/kv/KvCache.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <string>

using namespace air;
using namespace air::rt;

uint64_t KvCache::Group::pagesFor(uint64_t tokens) const {
  return ceilDiv(tokens, shape.pageTokens);
}

bool KvCache::Group::endsInSharedPage(SequenceId sequence,
                                      uint64_t length) const {
  return length % shape.pageTokens != 0 &&
         pages.isShared(row(sequence)[length / shape.pageTokens]);
}

Result<KvCache> KvCache::create(std::span<const PageGroup> groups,
                                uint64_t context, uint32_t maxSequences) {
  KvCache cache;
  cache.context = context;
  for (const PageGroup &shape : groups) {
    if (shape.pageTokens == 0 || shape.pages == 0 || context == 0 ||
        shape.pages > UINT32_MAX) {
      return verificationError(
          "kv: a cache of " + countOf(shape.pages, "page") + " of " +
          countOf(shape.pageTokens, "token") + " for a context of " +
          countOf(context, "token") +
          " is not valid; each of these numbers must be at least 1, and "
          "the number of pages at most " +
          std::to_string(UINT32_MAX));
    }
    const uint64_t stride = ceilDiv(context, shape.pageTokens);
    const std::optional<uint64_t> entries = checkedMul(stride, maxSequences);
    // Refuses a context for which a sequence would need more pages than the
    // cache has.
    if (stride > shape.pages || !entries) {
      return verificationError("kv: a context of " + countOf(context, "token") +
                               " needs " + countOf(stride, "page") +
                               ", but the cache has only " +
                               std::to_string(shape.pages));
    }
    cache.groups.push_back({shape,
                            PageAllocator(static_cast<uint32_t>(shape.pages)),
                            stride, std::vector<uint32_t>(*entries)});
  }
  for (Group &group : cache.groups) {
    cache.tables.push_back({group.table.data(), group.stride});
  }
  cache.lengths.assign(maxSequences, 0);
  cache.live.assign(maxSequences, false);
  return cache;
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
    return doesNotFitError("kv: at most " + countOf(live.size(), "sequence") +
                           " may exist at a time; end one before you start "
                           "another");
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

/// In each group in which the sequence ends within a page that it shares with
/// others, gives the sequence a copy of the page instead. Each such group must
/// have a free page for the copy. If a copy fails, the sequence keeps its pages
/// in all groups.
Status KvCache::makeWritable(SequenceId sequence) {
  const uint64_t length = lengths[sequence];
  Status status;
  for (Group &group : groups) {
    group.copy.reset();
    if (!status.isOk() || !group.endsInSharedPage(sequence, length)) {
      continue;
    }
    const auto &[pageTokens, pageBytes, pages, base, device] = group.shape;
    const uint32_t page = group.row(sequence)[length / pageTokens];
    group.copy = group.pages.take();
    status = device->copy(base + *group.copy * pageBytes,
                          base + page * pageBytes, pageBytes);
  }
  for (Group &group : groups) {
    if (group.copy) {
      uint32_t &page = group.row(sequence)[length / group.shape.pageTokens];
      group.pages.release(status.isOk() ? page : *group.copy);
      page = status.isOk() ? *group.copy : page;
    }
  }
  return status;
}

Status KvCache::append(SequenceId sequence, uint64_t tokens) {
  AIR_RETURN_IF_ERROR(checkLive(sequence));
  const uint64_t length = lengths[sequence];
  if (tokens > context - length) {
    return doesNotFitError(
        "kv: a sequence of " + countOf(length, "token") + " and " +
        std::to_string(tokens) + " more exceed the plan's context of " +
        countOf(context, "token") +
        "; shorten the input, or set a larger --ctx (in airpack for a "
        "plan, in airrun for a model file)");
  }
  if (tokens == 0) {
    return Status::ok();
  }
  for (Group &group : groups) {
    const uint64_t needed = group.pagesFor(length + tokens) -
                            group.pagesFor(length) +
                            (group.endsInSharedPage(sequence, length) ? 1 : 0);
    if (needed > group.pages.freePages()) {
      return doesNotFitError(
          "kv: " + countOf(tokens, "token") +
          (tokens == 1 ? " needs " : " need ") + countOf(needed, "more page") +
          ", but only " + std::to_string(group.pages.freePages()) + " of " +
          std::to_string(group.pages.pages()) +
          " are free; end a sequence or pack the model with more --slots");
    }
  }
  AIR_RETURN_IF_ERROR(makeWritable(sequence));
  for (Group &group : groups) {
    for (uint64_t page = group.pagesFor(length);
         page < group.pagesFor(length + tokens); ++page) {
      group.row(sequence)[page] = group.pages.take();
    }
  }
  lengths[sequence] = length + tokens;
  return Status::ok();
}

bool KvCache::canGrowInPlace(SequenceId sequence) const {
  const uint64_t length = this->length(sequence);
  return isLive(sequence) && length < context &&
         std::ranges::all_of(
             groups,
             [&](const Group &group) {
               return group.pagesFor(length + 1) == group.pagesFor(length) &&
                      !group.endsInSharedPage(sequence, length);
             });
}

Status KvCache::truncate(SequenceId sequence, uint64_t length) {
  AIR_RETURN_IF_ERROR(checkLive(sequence));
  if (length > lengths[sequence]) {
    return usageError("kv: sequence " + std::to_string(sequence) + " has " +
                      countOf(lengths[sequence], "token") +
                      " and cannot be truncated to " + std::to_string(length));
  }
  for (Group &group : groups) {
    for (uint64_t page = group.pagesFor(lengths[sequence]);
         page > group.pagesFor(length); --page) {
      uint32_t &entry = group.row(sequence)[page - 1];
      group.pages.release(entry);
      entry = 0;
    }
  }
  dropCount += length != lengths[sequence] ? 1 : 0;
  lengths[sequence] = length;
  return Status::ok();
}

Result<SequenceId> KvCache::fork(SequenceId sequence, uint64_t length) {
  AIR_RETURN_IF_ERROR(checkLive(sequence));
  if (length > lengths[sequence]) {
    return usageError("kv: sequence " + std::to_string(sequence) + " has " +
                      countOf(lengths[sequence], "token") +
                      ", so a fork cannot begin with its first " +
                      std::to_string(length));
  }
  AIR_ASSIGN_OR_RETURN(const SequenceId fork, newSequence());
  for (Group &group : groups) {
    for (uint64_t page = 0; page < group.pagesFor(length); ++page) {
      const uint32_t shared = group.row(sequence)[page];
      group.pages.share(shared);
      group.row(fork)[page] = shared;
    }
  }
  lengths[fork] = length;
  return fork;
}
