//===- Races.cpp - data races of an emulated kernel -----------------------===//
#include "test/codegen/cuda/emulator/Races.h"

#include <algorithm>

using namespace air::emulator;

Races::Races(uint32_t threads, const uint8_t *shared, uint64_t sharedBytes)
    : sharedBegin(reinterpret_cast<uint64_t>(shared)), sharedCells(sharedBytes),
      intervals(1), current((threads + 31) / 32) {}

void Races::beginInterval(uint32_t warp) {
  current[warp] = static_cast<uint32_t>(intervals.size());
  intervals.push_back(
      {epoch, static_cast<uint32_t>(blocks.size()) - 1, warp, UINT32_MAX});
}

void Races::beginBlock(uint32_t x, uint32_t y) {
  blocks.emplace_back(x, y);
  std::fill(sharedCells.begin(), sharedCells.end(), Cell());
  fences.clear();
  atomics.clear();
  acquired.clear();
  copies.clear();
  // The shared memory of this block is not that of the previous block, although
  // it has the same addresses. So earlier atomic operations at these addresses
  // are forgotten.
  released.erase(released.lower_bound(sharedBegin),
                 released.lower_bound(sharedBegin + sharedCells.size()));
  blockBarrier();
}

void Races::blockBarrier() {
  ++epoch;
  for (uint32_t warp = 0; warp < current.size(); ++warp) {
    beginInterval(warp);
  }
}

void Races::warpBarrier(uint32_t warp) { beginInterval(warp); }

void Races::add(PlaceList &list, Place place) {
  const uint32_t lane = 1U << place.lane;
  for (Places &one : list) {
    if (one.interval == place.interval) {
      one.lanes |= lane;
      return;
    }
  }
  list.push_back({place.interval, lane});
}

Races::Cell *Races::cellsAt(uint64_t address) {
  if (address - sharedBegin < sharedCells.size()) {
    return &sharedCells[address - sharedBegin];
  }
  const uint64_t number = address / kPageBytes;
  if (number != latestPageAt) {
    std::unique_ptr<Page> &page = pages[number];
    if (!page) {
      page = std::make_unique<Page>();
    }
    latestPageAt = number;
    latestPage = page.get();
  }
  return &latestPage->cells[address % kPageBytes];
}

/// Whether an access at `before` is ordered before one at `now`, which is in
/// the block that runs.
bool Races::isOrdered(Place before, Place now) const {
  if (before.interval == 0) {
    return true;
  }
  if (before.interval == now.interval) {
    return before.lane == now.lane;
  }
  const Interval &then = intervals[before.interval];
  const Interval &here = intervals[now.interval];
  if (then.copy != UINT32_MAX) {
    return then.block == here.block &&
           std::ranges::any_of(copies[then.copy].waits, [&](Place wait) {
             return isOrdered(wait, now);
           });
  }
  if (then.block != here.block) {
    return isOrderedByAtomics(before, now);
  }
  // A barrier of the block or of the warp ends every interval, so an earlier
  // interval of the same warp is always ordered before this one.
  return then.epoch < here.epoch || then.warp == here.warp;
}

/// Whether an access at `before` is ordered before a fence in the same block.
bool Races::isBeforeFence(Place before, const Places &fence) const {
  const Interval &then = intervals[before.interval];
  const Interval &later = intervals[fence.interval];
  if (then.block != later.block || before.interval > fence.interval) {
    return false;
  }
  if (before.interval == fence.interval) {
    return (fence.lanes >> before.lane & 1) != 0;
  }
  return then.epoch < later.epoch || then.warp == later.warp;
}

bool Races::isBeforeOrAt(const Places &before, Place now) const {
  if (before.interval == now.interval) {
    return (before.lanes >> now.lane & 1) != 0;
  }
  return isOrdered({before.interval, 0}, now);
}

bool Races::isOrderedByAtomics(Place before, Place now) const {
  return std::ranges::any_of(acquired, [&](const Seen &seen) {
    return isBeforeOrAt(seen.at, now) &&
           std::ranges::any_of(*seen.fences, [&](const Places &fence) {
             return isBeforeFence(before, fence);
           });
  });
}

void Races::fence(uint32_t thread) {
  const Place now = placeOf(thread);
  add(fences, now);
  for (const Seen &atomic : atomics) {
    if (!isBeforeOrAt(atomic.at, now)) {
      continue;
    }
    const auto same = std::ranges::find_if(acquired, [&](const Seen &seen) {
      return seen.fences == atomic.fences && seen.at.interval == now.interval;
    });
    if (same == acquired.end()) {
      acquired.push_back({{now.interval, 1U << now.lane}, atomic.fences});
    } else {
      same->at.lanes |= 1U << now.lane;
    }
  }
}

/// How far apart two intervals are: 0 if they are the same, 1 in the same warp,
/// 2 in the same block, 3 otherwise.
uint32_t Races::distance(uint32_t a, uint32_t b) const {
  if (a == b) {
    return 0;
  }
  const Interval &one = intervals[a];
  const Interval &other = intervals[b];
  return one.block != other.block ? 3 : one.warp != other.warp ? 2 : 1;
}

/// Records a read or an atomic operation. Of reads, a cell can hold only two.
/// Drops the reads that are ordered before the new one, because what is ordered
/// after the new one is ordered after them, too. If three reads are left, drops
/// one of them, so that the two that stay are far apart (see distance()).
void Races::addUser(Cell &cell, Place now, bool isAtomic) const {
  const auto keep = [&](uint32_t i) {
    cell.users[i] = now.interval;
    cell.userLanes[i] = now.lane;
  };
  if ((cell.isAtomic != 0) != isAtomic) {
    // The recorded users are of the other kind (reads or atomic operations).
    // They are all ordered before this access, because check() has found no
    // race, so they are dropped. If they are atomic operations, the last one is
    // kept as the last write.
    if (!isAtomic) {
      cell.writer = cell.users[0];
      cell.writerLane = cell.userLanes[0];
    }
    cell.users[0] = cell.users[1] = 0;
    cell.isAtomic = isAtomic ? 1 : 0;
  }
  if (isAtomic) {
    // The memory performs the atomic operations on a byte one after the other,
    // so what is ordered after this one is ordered after all earlier ones, too.
    keep(0);
    return;
  }
  const Place first = {cell.users[0], cell.userLanes[0]};
  const Place second = {cell.users[1], cell.userLanes[1]};
  if (first.interval == now.interval && first.lane == now.lane) {
    return;
  }
  if (isOrdered(first, now)) {
    keep(0);
    if (isOrdered(second, now)) {
      cell.users[1] = 0;
    }
  } else if (isOrdered(second, now) ||
             distance(first.interval, now.interval) >
                 distance(first.interval, second.interval)) {
    keep(1);
  }
}

void Races::report(uint64_t address, Place before, const char *did, Place now,
                   Access kind) {
  if (race) {
    return;
  }
  const Interval &then = intervals[before.interval];
  const bool isCopy = then.copy != UINT32_MAX;
  const Place other = isCopy ? copies[then.copy].issued : before;
  const Interval &where = intervals[other.interval];
  const Interval &here = intervals[now.interval];
  Race found;
  found.address = address;
  found.thread = here.warp * 32 + now.lane;
  found.text = kind == Access::Read    ? "it reads what "
               : kind == Access::Write ? "it writes what "
                                       : "it changes atomically what ";
  found.text += "thread " + std::to_string(where.warp * 32 + other.lane);
  if (where.block != here.block) {
    found.text += " of block (" + std::to_string(blocks[where.block].first) +
                  ", " + std::to_string(blocks[where.block].second) + ")";
  }
  found.text += isCopy ? std::string(" copies, and it has not waited for the "
                                     "copy")
                       : std::string(" has ") + did +
                             ", and nothing orders the two accesses";
  race = std::move(found);
}

bool Races::check(const Cell &cell, uint64_t address, Place now, Access kind) {
  const Place writer = {cell.writer, cell.writerLane};
  if (!isOrdered(writer, now)) {
    report(address, writer, "written", now, kind);
    return false;
  }
  // Two reads are no race, and neither are two atomic operations.
  if (kind == (cell.isAtomic != 0 ? Access::Atomic : Access::Read)) {
    return true;
  }
  for (uint32_t i = 0; i < 2; ++i) {
    const Place user = {cell.users[i], cell.userLanes[i]};
    if (!isOrdered(user, now)) {
      report(address, user, cell.isAtomic != 0 ? "changed atomically" : "read",
             now, kind);
      return false;
    }
  }
  return true;
}

/// Checks and records an access at `now`. A write is recorded as a write at
/// `becomes`, which is the copy's own interval for a copy that begins, and
/// `now` otherwise.
void Races::record(Place now, uint64_t address, uint64_t bytes, Access kind,
                   Place becomes) {
  Cell before;
  Cell after;
  bool isKnown = false;
  while (bytes != 0) {
    Cell *cells = cellsAt(address);
    const uint64_t run =
        address - sharedBegin < sharedCells.size()
            ? std::min(bytes, sharedBegin + sharedCells.size() - address)
            : std::min(bytes, kPageBytes - address % kPageBytes);
    for (uint64_t i = 0; i < run; ++i) {
      // The bytes of an access mostly have equal records. If this byte has the
      // same record as the one that was checked last, the result is the same.
      if (!isKnown || !(cells[i] == before)) {
        if (!check(cells[i], address + i, now, kind)) {
          return;
        }
        before = after = cells[i];
        isKnown = true;
        if (kind == Access::Write) {
          after = Cell();
          after.writer = becomes.interval;
          after.writerLane = becomes.lane;
        } else {
          addUser(after, now, kind == Access::Atomic);
        }
      }
      cells[i] = after;
    }
    address += run;
    bytes -= run;
  }
}

void Races::access(uint32_t thread, const void *at, uint64_t bytes,
                   Access kind) {
  const Place now = placeOf(thread);
  const auto address = reinterpret_cast<uint64_t>(at);
  record(now, address, bytes, kind, now);
  if (kind != Access::Atomic) {
    return;
  }
  auto &[list, copy] = released[address];
  if (!list.empty()) {
    // The list only grows, so a copy of the same size has the same fences.
    if (!copy || copy->size() != list.size()) {
      copy = std::make_shared<const PlaceList>(list);
    }
    atomics.push_back({{now.interval, 1U << now.lane}, copy});
  }
  const auto release = [&](const Places &fence) {
    const bool isThere = std::ranges::any_of(list, [&](const Places &one) {
      return one.interval == fence.interval && one.lanes == fence.lanes;
    });
    if (!isThere) {
      list.push_back(fence);
    }
  };
  for (const Places &fence : fences) {
    // If the fence is in the interval of the atomic operation, it is ordered
    // before the operation only if the same lane has run both. If the fence is
    // in another interval, that interval is ordered before the operation for
    // all lanes or for none.
    Places ordered = fence;
    if (fence.interval == now.interval) {
      ordered.lanes &= 1U << now.lane;
    } else if (!isOrdered({fence.interval, 0}, now)) {
      ordered.lanes = 0;
    }
    if (ordered.lanes != 0) {
      release(ordered);
    }
  }
  for (const Seen &seen : acquired) {
    if (isBeforeOrAt(seen.at, now)) {
      std::ranges::for_each(*seen.fences, release);
    }
  }
}

uint32_t Races::beginCopy(uint32_t thread, const void *to, const void *from,
                          uint64_t bytes) {
  const Place now = placeOf(thread);
  const auto index = static_cast<uint32_t>(copies.size());
  copies.push_back({static_cast<const uint8_t *>(to),
                    static_cast<const uint8_t *>(from),
                    bytes,
                    now,
                    {}});
  const auto interval = static_cast<uint32_t>(intervals.size());
  const Interval &here = intervals[now.interval];
  intervals.push_back({here.epoch, here.block, here.warp, index});
  access(thread, from, bytes, Access::Read);
  record(now, reinterpret_cast<uint64_t>(to), bytes, Access::Write,
         {interval, 0});
  return index;
}

void Races::endCopy(uint32_t thread, uint32_t copy) {
  // From now on, what the copy has written counts as written by this thread.
  const Place now = placeOf(thread);
  Copy &done = copies[copy];
  done.waits = {now};
  access(thread, done.from, done.bytes, Access::Read);
  record(now, reinterpret_cast<uint64_t>(done.to), done.bytes, Access::Write,
         now);
}

void Races::waitForBulkCopy(uint32_t thread, uint32_t copy) {
  const Place now = placeOf(thread);
  Copy &done = copies[copy];
  if (done.waits.empty()) {
    access(thread, done.from, done.bytes, Access::Read);
  }
  const bool isKnown = std::ranges::any_of(
      done.waits, [&](Place wait) { return isOrdered(wait, now); });
  if (!isKnown) {
    done.waits.push_back(now);
  }
}
