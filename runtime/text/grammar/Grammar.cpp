//===- Grammar.cpp - the classes of a grammar's characters ------*- C++ -*-===//
#include "runtime/text/grammar/Grammar.h"

#include <algorithm>
#include <map>
#include <utility>

namespace air::rt {
namespace {

/// The mixing function of SplitMix64. It turns consecutive numbers into
/// independent ones.
uint64_t mixed(uint64_t number) {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

/// Tells which sets contain a code point. Each set has a pseudorandom number of
/// 128 bits. The signature is the XOR of the numbers of all sets that contain
/// the code point.
using Signature = std::pair<uint64_t, uint64_t>;

} // namespace

CharacterClasses::CharacterClasses(std::span<const CodePointSet> sets) {
  // How the signature changes at the code points where a range begins or ends.
  std::map<uint32_t, Signature> changes = {{0, {}}};
  for (size_t i = 0; i < sets.size(); ++i) {
    Signature own(mixed(2 * i), mixed(2 * i + 1));
    for (const CodePointRange &range : sets[i].ranges()) {
      for (uint32_t at : {range.first, range.last + 1}) {
        changes[at].first ^= own.first;
        changes[at].second ^= own.second;
      }
    }
  }
  changes.erase(kLastCodePoint + 1);
  std::map<Signature, uint32_t> known;
  Signature now;
  for (const auto &[first, change] : changes) {
    now.first ^= change.first;
    now.second ^= change.second;
    auto [found, isNew] = known.try_emplace(now, count());
    if (isNew) {
      members.push_back(first);
    }
    firsts.push_back(first);
    classes.push_back(found->second);
  }
  for (uint32_t c = 0; c < ascii.size(); ++c) {
    ascii[c] = search(c);
  }
}

uint32_t CharacterClasses::search(uint32_t codePoint) const {
  auto after = std::ranges::upper_bound(firsts, codePoint);
  return classes[static_cast<size_t>(after - firsts.begin()) - 1];
}

std::vector<uint32_t> CharacterClasses::inRange(CodePointRange range) const {
  auto from = std::ranges::upper_bound(firsts, range.first) - firsts.begin();
  auto to = std::ranges::upper_bound(firsts, range.last) - firsts.begin();
  std::vector<uint32_t> found(classes.begin() + (from - 1),
                              classes.begin() + to);
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  return found;
}

} // namespace air::rt
