//===- TokenTable.h - strings <-> ids in flat memory ------------*- C++ -*-===//
//
// All strings are stored in one arena. The index is a hash table with open
// addressing and slots of eight bytes. The table of a vocabulary of 150,000
// pieces is built in milliseconds.
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

  /// Reserves memory for `count` strings of `bytes` bytes in total. Both
  /// numbers may be exceeded later.
  void reserve(size_t count, size_t bytes);

  /// Adds a string and returns its id; ids are consecutive. find() does not
  /// find the string until index() has been called for its id. The strings must
  /// stay below 4 GiB in total.
  int32_t add(std::string_view text);

  /// Makes find() return `id` for the string of that id, unless another id with
  /// an equal string has already been indexed.
  void index(int32_t id);

  int32_t find(std::string_view text) const {
    return find(text, hashOf(text), kAbsent);
  }

  /// These three functions are the steps of find(text). A caller that looks up
  /// many strings first hashes and prefetches all of them, and then finds each.
  /// The id `guess` is tried before the table is searched.
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
  std::vector<bool> found; ///< per id: whether find() can return it
  std::vector<Slot> slots = std::vector<Slot>(16);
  size_t indexed = 0;
};

/// Maps (left id, right id) to the rank of the merge and the id of its result.
class PairTable {
public:
  struct Merge {
    int32_t rank = 0;
    int32_t merged = 0;
  };

  struct Entry {
    int32_t left;
    int32_t right;
    Merge merge;
  };

  explicit PairTable(size_t count);

  /// If a pair is inserted twice, the first merge is kept. The number of pairs
  /// must not exceed the `count` of the constructor.
  void insert(int32_t left, int32_t right, Merge merge);

  void prefetch(int32_t left, int32_t right) const {
    __builtin_prefetch(&slots[hashOf(keyOf(left, right)) & (slots.size() - 1)]);
  }

  /// Returns nullptr if there is no such pair.
  const Merge *find(int32_t left, int32_t right) const {
    const Slot &slot = slots[slotOf(keyOf(left, right))];
    return slot.key == kEmpty ? nullptr : &slot.merge;
  }

  /// Returns all pairs of ids with their merges, in the order of the ranks.
  std::vector<Entry> byRank() const;

private:
  /// The key of a free slot; no pair has it.
  static constexpr uint64_t kEmpty = ~uint64_t{0};
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
