//===- TokenTable.cpp - strings <-> ids in flat memory ----------*- C++ -*-===//
#include "runtime/text/TokenTable.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace air::rt {
namespace {

/// Multiplies `a` and `b` to 128 bits and combines the two halves of the
/// product by XOR, so that every input bit can affect every output bit.
uint64_t mix(uint64_t a, uint64_t b) {
  unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

/// Odd numbers without a pattern in their bits: about 2^64 divided by the
/// golden ratio, and by the positive root of x^4 = x + 1.
constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15;
constexpr uint64_t kOdd2 = 0xd1b54a32d192ed03;

size_t slotsFor(size_t count) { return std::bit_ceil(count + count / 2 + 16); }

} // namespace

uint64_t TokenTable::hashOf(std::string_view text) {
  uint64_t hash = text.size() * kOdd2;
  const char *at = text.data();
  size_t left = text.size();
  uint64_t word = 0;
  for (; left >= 8; at += 8, left -= 8) {
    std::memcpy(&word, at, 8);
    hash = mix(hash ^ word, kOdd1);
  }
  word = 0;
  for (size_t i = 0; i < left; ++i) {
    word = (word << 8) | static_cast<uint8_t>(at[i]);
  }
  return mix(hash ^ word, kOdd1 ^ left);
}

void TokenTable::reserve(size_t count, size_t bytes) {
  arena.reserve(bytes);
  starts.reserve(count + 1);
  if (indexed == 0) {
    slots.assign(slotsFor(count), Slot());
  }
}

int32_t TokenTable::add(std::string_view text) {
  arena += text;
  starts.push_back(static_cast<uint32_t>(arena.size()));
  found.push_back(false);
  return size() - 1;
}

size_t TokenTable::slotOf(std::string_view text, uint64_t hash) const {
  auto tag = static_cast<uint32_t>(hash >> 32);
  size_t mask = slots.size() - 1;
  size_t at = hash & mask;
  while (slots[at].id != kAbsent &&
         (slots[at].tag != tag || (*this)[slots[at].id] != text)) {
    at = (at + 1) & mask;
  }
  return at;
}

void TokenTable::index(int32_t id) {
  if ((indexed + 1) * 4 > slots.size() * 3) {
    grow();
  }
  std::string_view text = (*this)[id];
  uint64_t hash = hashOf(text);
  Slot &slot = slots[slotOf(text, hash)];
  if (slot.id == kAbsent) {
    slot = {static_cast<uint32_t>(hash >> 32), id};
    found[id] = true;
    ++indexed;
  }
}

void TokenTable::grow() {
  std::vector<Slot> old = std::move(slots);
  slots.assign(old.size() * 2, Slot());
  for (const Slot &slot : old) {
    if (slot.id != kAbsent) {
      std::string_view text = (*this)[slot.id];
      slots[slotOf(text, hashOf(text))] = slot;
    }
  }
}

int32_t TokenTable::find(std::string_view text, uint64_t hash,
                         int32_t guess) const {
  if (guess >= 0 && guess < size() && found[guess] && (*this)[guess] == text) {
    return guess;
  }
  return slots[slotOf(text, hash)].id;
}

uint64_t PairTable::hashOf(uint64_t key) { return mix(key, kOdd1); }

PairTable::PairTable(size_t count) : slots(slotsFor(count)) {}

size_t PairTable::slotOf(uint64_t key) const {
  size_t mask = slots.size() - 1;
  size_t at = hashOf(key) & mask;
  while (slots[at].key != kEmpty && slots[at].key != key) {
    at = (at + 1) & mask;
  }
  return at;
}

void PairTable::insert(int32_t left, int32_t right, Merge merge) {
  Slot &slot = slots[slotOf(keyOf(left, right))];
  if (slot.key == kEmpty) {
    slot = {keyOf(left, right), merge};
  }
}

std::vector<PairTable::Entry> PairTable::byRank() const {
  std::vector<Entry> found;
  for (const Slot &slot : slots) {
    if (slot.key != kEmpty) {
      found.push_back({static_cast<int32_t>(slot.key >> 32),
                       static_cast<int32_t>(slot.key), slot.merge});
    }
  }
  std::ranges::sort(found, {},
                    [](const Entry &each) { return each.merge.rank; });
  return found;
}

} // namespace air::rt
