//===- TokenTable.h - strings <-> ids in flat memory ------------*- C++ -*-===//
//
// All bytes lie in one arena; the index is one open-addressed table of eight
// bytes a slot. A vocabulary of 150,000 pieces is built in milliseconds.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_TOKENTABLE_H
#define AIRPACK_RUNTIME_TEXT_TOKENTABLE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

class TokenTable {
public:
  static constexpr int32_t kAbsent = -1;

  /// Room for `count` strings of `bytes` in all; both may be exceeded.
  void reserve(size_t count, size_t bytes);

  /// Adds a string under the next id, not yet to be found. All together stay
  /// below 4 GiB.
  int32_t add(std::string_view text);

  /// Makes `id` what find() gives for its bytes, unless an earlier one is.
  void index(int32_t id);

  int32_t find(std::string_view text) const {
    return find(text, hashOf(text), kAbsent);
  }

  /// The same in steps, for many at once: hash and prefetch them all, then
  /// find each. `guess` is tried before the search.
  static uint64_t hashOf(std::string_view text);
  void prefetch(uint64_t hash) const {
    __builtin_prefetch(&slots[hash & (slots.size() - 1)]);
  }
  int32_t find(std::string_view text, uint64_t hash, int32_t guess) const;

  std::string_view operator[](int32_t id) const {
    return {arena.data() + starts[id], starts[id + 1] - starts[id]};
  }
  int32_t size() const { return static_cast<int32_t>(starts.size() - 1); }

private:
  struct Slot {
    uint32_t tag = 0;
    int32_t id = kAbsent;
  };

  size_t slotOf(std::string_view text, uint64_t hash) const;
  void grow();

  std::string arena;
  std::vector<uint32_t> starts = {0};
  std::vector<bool> found; ///< by id: find() gives it
  std::vector<Slot> slots = std::vector<Slot>(16);
  size_t indexed = 0;
};

/// (left id, right id) -> rank and the id of both together.
class PairTable {
public:
  struct Merge {
    int32_t rank = 0;
    int32_t merged = 0;
  };

  explicit PairTable(size_t count);

  /// Keeps the first rank when a pair comes twice. At most `count` pairs.
  void insert(int32_t left, int32_t right, Merge merge);

  void prefetch(int32_t left, int32_t right) const {
    __builtin_prefetch(&slots[hashOf(keyOf(left, right)) & (slots.size() - 1)]);
  }

  /// nullptr when there is no such pair.
  const Merge *find(int32_t left, int32_t right) const {
    const Slot &slot = slots[slotOf(keyOf(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.merge;
  }

private:
  static constexpr uint64_t kEmpty = ~uint64_t{0}; ///< the pair (-1, -1)
  struct Slot {
    uint64_t key = kEmpty;
    Merge merge;
  };

  static uint64_t keyOf(int32_t left, int32_t right) {
    return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) |
           static_cast<uint32_t>(right);
  }
  static uint64_t hashOf(uint64_t key);
  size_t slotOf(uint64_t key) const;

  std::vector<Slot> slots;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_TOKENTABLE_H
