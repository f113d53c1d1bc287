//===- PieceLengths.h - a division of a text into pieces --------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_PIECELENGTHS_H
#define AIRPACK_RUNTIME_TEXT_PIECELENGTHS_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace air::rt {

/// For each position of a text, the length of the last piece of the text up to
/// there. This is all that must be remembered of the way to divide a text: from
/// the end, the lengths lead back to the beginning. They take one byte of
/// memory for each byte of text if no piece is longer than 255 bytes, and two
/// or four bytes otherwise.
class PieceLengths {
public:
  /// For a text of `size` bytes whose longest piece has `longest` bytes.
  void reset(size_t size, size_t longest) {
    width = longest < 0x100 ? 1 : longest < 0x10000 ? 2 : 4;
    bytes.resize((size + 1) * width);
  }
  size_t at(size_t position) const {
    size_t length = 0;
    for (size_t i = 0; i < width; ++i) {
      length |= static_cast<size_t>(bytes[position * width + i]) << (8 * i);
    }
    return length;
  }
  void set(size_t position, size_t length) {
    for (size_t i = 0; i < width; ++i) {
      bytes[position * width + i] = static_cast<uint8_t>(length >> (8 * i));
    }
  }

  /// Passes the begin and the end of each piece of the text up to `end` to
  /// `sink`, in order. Afterwards, the lengths are no longer valid.
  template <typename Sink> void forEach(size_t end, Sink sink) {
    // The lengths lead from the end of a piece to its beginning. Store each at
    // the beginning, too, where the way forward needs it.
    size_t length = at(end);
    for (size_t position = end; position > 0;) {
      const size_t begin = position - length;
      const size_t before = at(begin);
      set(begin, length);
      position = begin;
      length = before;
    }
    for (size_t begin = 0; begin < end;) {
      const size_t next = begin + at(begin);
      sink(begin, next);
      begin = next;
    }
  }

private:
  size_t width = 1;
  std::vector<uint8_t> bytes;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIECELENGTHS_H
