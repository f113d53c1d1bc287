//===- PieceLengths.h - a division of a text into pieces --------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_PIECELENGTHS_H
#define AIRPACK_RUNTIME_TEXT_PIECELENGTHS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

namespace air::rt {

/// Remembers how a text is divided into pieces. For each position, it stores
/// the length of the last piece in the division of the text before this
/// position. That is enough: from the end of the text, the lengths lead back to
/// its beginning. They take one byte of memory for each byte of text if no
/// piece is longer than 255 bytes, and two or four bytes otherwise. passOn()
/// frees the memory of the part of the text whose division no longer depends on
/// what follows.
class PieceLengths {
public:
  /// Begins a new text of `size` bytes, none of whose pieces has more than
  /// `longest` bytes.
  void reset(size_t size, size_t longest) {
    width = longest < 0x100 ? 1 : longest < 0x10000 ? 2 : 4;
    chunks.resize(size * width / kChunk + 1);
    done = 0;
    nextAttempt = kInterval;
  }
  size_t at(size_t position) const {
    const uint8_t *bytes =
        &chunks[position * width / kChunk][position * width % kChunk];
    size_t length = bytes[0];
    for (size_t i = 1; i < width; ++i) {
      length |= static_cast<size_t>(bytes[i]) << (8 * i);
    }
    return length;
  }
  void set(size_t position, size_t length) {
    std::unique_ptr<uint8_t[]> &chunk = chunks[position * width / kChunk];
    if (!chunk) {
      chunk = std::make_unique_for_overwrite<uint8_t[]>(kChunk);
    }
    for (size_t i = 0; i < width; ++i) {
      chunk[position * width % kChunk + i] =
          static_cast<uint8_t>(length >> (8 * i));
    }
  }

  /// The end of the pieces that have been passed on.
  size_t end() const { return done; }
  /// Whether passOn() should be called at `position`.
  bool isLong(size_t position) const { return position >= nextAttempt; }
  /// Passes on the pieces that are certain, and frees their memory. `ends` has
  /// the positions at which the next piece may begin, and must not be empty.
  /// From each of these positions, the lengths form a path back to the
  /// beginning of the text. The pieces up to the last position that all paths
  /// share are certain. Calls `sink` with the begin and the end of each of
  /// these pieces, in order. Positions before that last shared position must
  /// not be used any more.
  template <typename Sink> void passOn(std::set<size_t> ends, Sink sink) {
    const size_t last = *ends.rbegin();
    while (ends.size() > 1 && *ends.rbegin() > done) {
      const size_t end = *ends.rbegin();
      ends.erase(end);
      ends.insert(end - at(end));
    }
    forEach(*ends.begin(), sink);
    for (size_t i = 0; i < done * width / kChunk; ++i) {
      chunks[i].reset();
    }
    // An attempt may have to go back over everything that has not been passed
    // on. Wait until the text has grown by at least as much, so that the total
    // time of all attempts is proportional to the length of the text.
    nextAttempt = last + std::max(kInterval, last - done);
  }

  /// Calls `sink` with the begin and the end of each piece up to `end`, in
  /// order, except the pieces that have already been passed on.
  template <typename Sink> void forEach(size_t end, Sink sink) {
    if (end == done) {
      return;
    }
    // The length of a piece is stored at its end, so it leads only backwards.
    // Move each length to the beginning of its piece, so that the loop below
    // can go through the pieces in order.
    size_t length = at(end);
    for (size_t position = end;;) {
      const size_t begin = position - length;
      const size_t before = begin > done ? at(begin) : 0;
      set(begin, length);
      if (begin == done) {
        break;
      }
      position = begin;
      length = before;
    }
    while (done < end) {
      const size_t next = done + at(done);
      sink(done, next);
      done = next;
    }
  }

private:
  static constexpr size_t kChunk = size_t{1} << 18;
  /// The fewest bytes of text between two attempts to pass pieces on.
  static constexpr size_t kInterval = size_t{1} << 18;

  size_t width = 1;
  size_t done = 0; ///< the pieces up to here have been passed on
  size_t nextAttempt = 0;
  std::vector<std::unique_ptr<uint8_t[]>> chunks;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIECELENGTHS_H
