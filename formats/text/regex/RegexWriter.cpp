//===- RegexWriter.cpp - a compiled expression as words ---------*- C++ -*-===//
#include "formats/text/regex/RegexCode.h"
#include "formats/text/unicode/Unicode.h"

namespace air {

std::vector<uint32_t> writeRegex(const RegexProgram &program) {
  std::vector<uint32_t> words;
  const auto add = [&](uint64_t word) {
    words.push_back(static_cast<uint32_t>(word));
  };
  add(program.code.size());
  for (const RegexInstruction &in : program.code) {
    add(static_cast<uint32_t>(in.op) |
        static_cast<uint32_t>(in.assertion) << 8 | (in.negated ? 1U << 16 : 0) |
        (in.nextIsSure ? 1U << 17 : 0) | (in.isLoop ? 1U << 18 : 0));
    for (uint32_t field : {in.row, in.nextRow, in.otherRow, in.next, in.other,
                           in.count, in.memo}) {
      add(field);
    }
  }
  add(program.rows.size());
  for (const RegexRow &row : program.rows) {
    for (size_t first = 0; first < row.byClass.size(); first += 32) {
      uint32_t bits = 0;
      for (size_t i = 0; i < 32; ++i) {
        bits |= uint32_t{row.byClass[first + i]} << i;
      }
      add(bits);
    }
  }
  for (uint32_t start : program.start) {
    add(start);
  }
  add(program.wordRow);
  add(program.memos);
  add(program.mainMemos.size());
  for (uint32_t memo : program.mainMemos) {
    add(memo);
  }
  const size_t place = words.size();
  add(0);
  constexpr uint32_t kPageSize = 128;
  for (uint32_t c = 0; c <= kLastCodePoint; ++c) {
    if (c == 0 || program.classOf(c) != program.classOf(c - 1)) {
      add(c << 8 | program.classOf(c));
      ++words[place];
    }
    // If all code points of a page belong to one class, this is often true of
    // many pages that follow. While the class stays the same, there is nothing
    // to add, so the loop steps over those pages.
    const size_t page = c / kPageSize;
    if (c % kPageSize == kPageSize - 1 && page > 0 &&
        words.back() >> 8 < c - kPageSize) {
      while (c < kLastCodePoint &&
             program.pages[c / kPageSize + 1] == program.pages[page]) {
        c += kPageSize;
      }
    }
  }
  return words;
}

} // namespace air
