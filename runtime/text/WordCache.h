//===- WordCache.h - ids of words that were met before ----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_WORDCACHE_H
#define AIRPACK_RUNTIME_TEXT_WORDCACHE_H

#include "runtime/text/TokenTable.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace air::rt {

/// Remembers the ids of short words of a long text, in which words occur again
/// and again. Used by one thread at a time.
class WordCache {
public:
  /// Longer words, in bytes, are never remembered.
  static constexpr size_t kLongestWord = 30;

  /// A shorter text repeats few words. Encoding those again takes less time
  /// than setting up the cache.
  static constexpr size_t kLongText = 4096;

  /// `bytes` is the length of the text. If it is short, nothing is remembered.
  explicit WordCache(size_t bytes) {
    if (bytes >= kLongText) {
      words.resize(kWords);
    }
  }

  /// Appends the ids of `word` to `ids`: those that are remembered, or those
  /// that `encode` appends.
  template <typename Encode>
  void append(std::string_view word, std::vector<int32_t> &ids, Encode encode) {
    if (words.empty() || word.size() > kLongestWord) {
      encode();
      return;
    }
    Word &slot = words[TokenTable::hashOf(word) % words.size()];
    if (word == std::string_view(slot.bytes.data(), slot.length)) {
      ids.insert(ids.end(), slot.ids.data(), slot.ids.data() + slot.count);
      return;
    }
    const size_t before = ids.size();
    encode();
    const size_t count = ids.size() - before;
    if (count <= Word::kMostIds) {
      slot.length = static_cast<uint8_t>(word.size());
      slot.count = static_cast<uint8_t>(count);
      std::ranges::copy(word, slot.bytes.begin());
      std::copy_n(ids.begin() + static_cast<ptrdiff_t>(before), count,
                  slot.ids.begin());
    }
  }

private:
  /// A remembered word, which has at most kLongestWord bytes and kMostIds ids.
  /// Because of these two limits, a Word takes 64 bytes, the size of a cache
  /// line. Few words of a text exceed the limits.
  struct Word {
    static constexpr size_t kMostIds = 8;

    uint8_t length = 0; ///< 0: the slot is free
    uint8_t count = 0;
    std::array<char, kLongestWord> bytes{};
    std::array<int32_t, kMostIds> ids{};
  };
  /// The table takes 256 KiB, which fits into a second-level cache.
  static constexpr size_t kWords = 4096;

  std::vector<Word> words;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_WORDCACHE_H
