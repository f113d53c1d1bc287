//===- RegexReader.cpp - words to a compiled expression ---------*- C++ -*-===//
#include "formats/support/CountText.h"
#include "formats/text/regex/RegexCheck.h"
#include "formats/text/regex/RegexCode.h"
#include "formats/text/unicode/Unicode.h"

#include <string>
#include <utility>

namespace air {
namespace {

using Op = RegexInstruction::Op;

constexpr uint32_t kInstructionWords = 8;
constexpr uint32_t kRowWords = 8;
constexpr uint32_t kPageSize = 128;

Status bad(const std::string &what) {
  return corruptError("regular expression: " + what);
}

std::string str(uint64_t value) { return std::to_string(value); }

class Reader {
public:
  explicit Reader(std::span<const uint32_t> input) : words(input) {}
  Result<RegexProgram> run();

private:
  /// The next word. The caller has checked that there is one.
  uint32_t word() { return words[next++]; }
  size_t left() const { return words.size() - next; }
  /// Reads the number of elements that follow. Each has `size` words, and there
  /// must be at least `least`. Error messages call the elements `what`.
  Result<uint32_t> count(const char *what, uint32_t size, uint32_t least);
  Status readInstruction(uint32_t index);
  Status readRows();
  Status readClasses();
  Status checkRows() const;

  std::span<const uint32_t> words;
  size_t next = 0;
  RegexProgram program;
};

Result<uint32_t> Reader::count(const char *what, uint32_t size,
                               uint32_t least) {
  if (left() == 0) {
    return bad(std::string("the number of ") + what + " is missing");
  }
  const uint32_t value = word();
  const size_t most = left() / size;
  if (most < least) {
    return bad("the number of " + std::string(what) +
               " must be followed by at least " +
               countOf(least * size, "word") +
               ", but the rest of the program has " + countOf(left(), "word"));
  }
  if (value < least || value > most) {
    return bad("there are " + str(value) + " " + what + "; there must be " +
               str(least) + " to " + str(most) + " in the remaining " +
               countOf(left(), "word"));
  }
  return value;
}

Status Reader::readInstruction(uint32_t index) {
  const uint32_t head = word();
  RegexInstruction in;
  const uint32_t op = head & 255;
  const uint32_t assertion = head >> 8 & 255;
  if (op > Op::Assertion ||
      assertion > static_cast<uint32_t>(RegexAssertion::LineEnd) ||
      head >> 19 != 0) {
    return bad("instruction " + str(index) + " begins with the word " +
               str(head) + ", which has an unknown operation or flag");
  }
  in.op = static_cast<Op>(op);
  in.assertion = static_cast<RegexAssertion>(assertion);
  in.negated = (head >> 16 & 1) != 0;
  in.nextIsSure = (head >> 17 & 1) != 0;
  in.isLoop = (head >> 18 & 1) != 0;
  in.row = word();
  in.nextRow = word();
  in.otherRow = word();
  in.next = word();
  in.other = word();
  in.count = word();
  in.memo = word();
  program.code.push_back(in);
  return Status::ok();
}

Status Reader::readRows() {
  AIR_ASSIGN_OR_RETURN(const uint32_t rows, count("rows", kRowWords, 1));
  for (uint32_t i = 0; i < rows; ++i) {
    RegexRow row;
    for (uint32_t j = 0; j < kRowWords; ++j) {
      const uint32_t bits = word();
      for (uint32_t bit = 0; bit < 32; ++bit) {
        row.byClass[size_t{j} * 32 + bit] =
            static_cast<uint8_t>(bits >> bit & 1);
      }
    }
    program.rows.push_back(row);
  }
  return Status::ok();
}

/// Reads the classes of all code points. With these, sets RegexRow::byAscii in
/// every row.
Status Reader::readClasses() {
  AIR_ASSIGN_OR_RETURN(const uint32_t runs, count("classes", 1, 1));
  const std::span<const uint32_t> starts = words.subspan(next, runs);
  next += runs;
  for (size_t i = 0; i < starts.size(); ++i) {
    const uint32_t first = starts[i] >> 8;
    if (i == 0 ? first != 0
               : first <= starts[i - 1] >> 8 || first > kLastCodePoint) {
      return bad("class " + str(i) + " begins at the code point " + str(first) +
                 "; the first must begin at 0, and the others must ascend up "
                 "to " +
                 str(kLastCodePoint));
    }
  }
  // Pages of code points that are all in the same class are stored only once
  // for each class.
  std::vector<uint32_t> uniform(256, UINT32_MAX);
  size_t run = 0;
  for (uint32_t first = 0; first <= kLastCodePoint; first += kPageSize) {
    const auto endOf = [&](size_t i) {
      return i + 1 < starts.size() ? starts[i + 1] >> 8 : kLastCodePoint + 1;
    };
    while (endOf(run) <= first) {
      ++run;
    }
    const auto fresh =
        static_cast<uint32_t>(program.classes.size() / kPageSize);
    const auto cls = static_cast<uint8_t>(starts[run] & 255);
    if (endOf(run) >= first + kPageSize) {
      if (uniform[cls] == UINT32_MAX) {
        uniform[cls] = fresh;
        program.classes.resize(program.classes.size() + kPageSize, cls);
      }
      program.pages.push_back(static_cast<uint16_t>(uniform[cls]));
      continue;
    }
    program.pages.push_back(static_cast<uint16_t>(fresh));
    for (uint32_t c = first; c < first + kPageSize; ++c) {
      while (endOf(run) <= c) {
        ++run;
      }
      program.classes.push_back(static_cast<uint8_t>(starts[run] & 255));
    }
  }
  for (RegexRow &row : program.rows) {
    for (uint32_t c = 0; c < row.byAscii.size(); ++c) {
      row.byAscii[c] = row.byClass[program.classOf(c)];
    }
  }
  return Status::ok();
}

Status Reader::checkRows() const {
  const size_t rows = program.rows.size();
  const size_t code = program.code.size();
  for (size_t i = 0; i < code; ++i) {
    const RegexInstruction &in = program.code[i];
    const std::string name = "instruction " + str(i);
    if (in.row >= rows || in.nextRow >= rows || in.otherRow >= rows) {
      return bad(name + " uses the rows " + str(in.row) + ", " +
                 str(in.nextRow) + " and " + str(in.otherRow) +
                 "; they must be below " + str(rows));
    }
    if (in.next >= code || in.other >= code) {
      return bad(name + " leads to the instructions " + str(in.next) + " and " +
                 str(in.other) + "; they must be below " + str(code));
    }
    if (in.memo != RegexInstruction::kNoMemo && in.memo >= program.memos) {
      return bad(name + " remembers positions in set " + str(in.memo) +
                 "; it must be below " + str(program.memos));
    }
    if (in.op == Op::Characters &&
        (in.count == 0 || in.count > RegexSyntax::kMostRepeats)) {
      return bad(name + " matches " + countOf(in.count, "character") +
                 "; it must match 1 to " + str(RegexSyntax::kMostRepeats));
    }
    const bool takes =
        in.op == Op::Characters || in.op == Op::Run || in.op == Op::Loop;
    if (takes && program.rows[in.row].byClass[RegexProgram::kEndClass] != 0) {
      return bad(name + " takes the end of the text as a character");
    }
  }
  return Status::ok();
}

Result<RegexProgram> Reader::run() {
  AIR_ASSIGN_OR_RETURN(const uint32_t instructions,
                       count("instructions", kInstructionWords, 1));
  if (instructions > RegexProgram::kMostInstructions) {
    return bad("there are " + str(instructions) + " instructions; at most " +
               str(RegexProgram::kMostInstructions) + " are allowed");
  }
  for (uint32_t i = 0; i < instructions; ++i) {
    AIR_RETURN_IF_ERROR(readInstruction(i));
  }
  AIR_RETURN_IF_ERROR(readRows());
  if (left() < program.start.size() + 2) {
    return bad("the " + countOf(program.start.size() + 2, "word") +
               " after the rows are incomplete: only " + str(left()) +
               " of them follow");
  }
  for (size_t i = 0; i < program.start.size(); ++i) {
    program.start[i] = word();
    if (program.start[i] != RegexProgram::kNowhere &&
        program.start[i] >= instructions) {
      return bad("class " + str(i) + " starts at instruction " +
                 str(program.start[i]) + "; it must be below " +
                 str(instructions));
    }
  }
  program.wordRow = word();
  program.memos = word();
  if (program.wordRow >= program.rows.size() ||
      program.memos > RegexProgram::kMostMemos) {
    return bad("the row of words is " + str(program.wordRow) + " of " +
               str(program.rows.size()) + ", and there are " +
               str(program.memos) + " sets of positions; at most " +
               str(RegexProgram::kMostMemos) + " are allowed");
  }
  AIR_ASSIGN_OR_RETURN(const uint32_t memos, count("main sets", 1, 0));
  for (uint32_t i = 0; i < memos; ++i) {
    program.mainMemos.push_back(word());
    if (program.mainMemos.back() >= program.memos) {
      return bad("main set " + str(i) + " is " + str(program.mainMemos.back()) +
                 "; it must be below " + str(program.memos));
    }
  }
  AIR_RETURN_IF_ERROR(readClasses());
  if (left() != 0) {
    return bad("the end of the program is followed by " +
               countOf(left(), "word"));
  }
  AIR_RETURN_IF_ERROR(checkRows());
  AIR_RETURN_IF_ERROR(checkRegex(program));
  return std::move(program);
}

} // namespace

Result<RegexProgram> readRegex(std::span<const uint32_t> words) {
  return Reader(words).run();
}

} // namespace air
