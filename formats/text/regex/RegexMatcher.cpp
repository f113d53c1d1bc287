//===- RegexMatcher.cpp - finds matches in linear time ----------*- C++ -*-===//
#include "formats/text/regex/RegexMatcher.h"

#include "formats/support/Utf8.h"
#include "formats/text/regex/RegexProgram.h"

#include <algorithm>
#include <utility>

namespace air {

using Op = RegexInstruction::Op;

namespace {

/// The number of 64-bit words that a page has for each set of positions
/// (RegexInstruction::memo): one bit for each of kPagePositions positions.
constexpr size_t kPageWords = 64;

} // namespace

RegexMatcher::RegexMatcher(const Regex &compiled)
    : regex(compiled), program(&regex.program()),
      asciiClasses(program->classes.data() + size_t{program->pages[0]} * 128),
      pageOf(1, nullptr) {
  bool mayBeEmpty =
      program->start[RegexProgram::kEndClass] != RegexProgram::kNowhere;
  for (size_t c = 0; c < begins.size(); ++c) {
    begins[c] =
        mayBeEmpty || program->start[asciiClasses[c]] != RegexProgram::kNowhere;
  }
}

void RegexMatcher::setText(std::string_view newText) {
  releasePagesBefore(text.size() + kPagePositions);
  text = newText;
  pageOf.assign(text.size() / kPagePositions + 1, nullptr);
  firstPage = 0;
  lastPage = 0;
  windowBegin = 0;
  windowEnd = text.size();
}

void RegexMatcher::setWindow(size_t begin, size_t end) {
  releasePagesBefore(begin);
  windowBegin = begin;
  windowEnd = end;
  // The previous window may have ended at `begin`. Instructions that failed
  // there because the window ended may match now.
  if (pageOf[begin / kPagePositions] != nullptr) {
    for (uint32_t memo = 0; memo < program->memos; ++memo) {
      unmark(memo, begin);
    }
  }
}

RegexMatcher::Character RegexMatcher::at(size_t position) const {
  if (position >= windowEnd) {
    return {RegexProgram::kEndClass, 0};
  }
  auto byte = static_cast<uint8_t>(text[position]);
  if (byte < 0x80) {
    return {asciiClasses[byte], 1};
  }
  Utf8Step step = decodeUtf8(text.substr(position, windowEnd - position));
  uint32_t c = step.kind == Utf8Step::Whole ? step.codePoint : 0xfffd;
  return {program->classOf(c), step.length};
}

size_t RegexMatcher::before(size_t position, size_t lowest) const {
  do {
    --position;
  } while (position > lowest &&
           (static_cast<uint8_t>(text[position]) & 0xc0) == 0x80);
  return position;
}

bool RegexMatcher::isWordAt(size_t position) const {
  return program->rows[program->wordRow].byClass[at(position).cls] != 0;
}

bool RegexMatcher::isWordEdge(size_t position) const {
  bool wasWord =
      position > windowBegin && isWordAt(before(position, windowBegin));
  return wasWord != isWordAt(position);
}

bool RegexMatcher::holds(RegexAssertion assertion, size_t position) const {
  switch (assertion) {
  case RegexAssertion::WordEdge:
    return isWordEdge(position);
  case RegexAssertion::NoWordEdge:
    return !isWordEdge(position);
  case RegexAssertion::TextStart:
    return position == windowBegin;
  case RegexAssertion::TextEnd:
    return position == windowEnd;
  case RegexAssertion::FinalLine:
    return position == windowEnd ||
           (position + 1 == windowEnd && text[position] == '\n');
  case RegexAssertion::LineStart:
    return position == windowBegin ||
           (position < windowEnd && text[position - 1] == '\n');
  case RegexAssertion::LineEnd:
    return position == windowEnd || text[position] == '\n';
  }
  return false;
}

size_t RegexMatcher::skip(const RegexRow &row, size_t position) const {
  for (;;) {
    while (position < windowEnd &&
           static_cast<uint8_t>(text[position]) < 0x80) {
      if (row.byAscii[static_cast<uint8_t>(text[position])] == 0) {
        return position;
      }
      ++position;
    }
    Character c = at(position);
    if (row.byClass[c.cls] == 0 || c.length == 0) {
      return position;
    }
    position += c.length;
  }
}

bool RegexMatcher::marked(uint32_t memo, size_t position) const {
  const uint64_t *page = pageOf[position / kPagePositions];
  if (page == nullptr) {
    return false;
  }
  const size_t bit = position % kPagePositions;
  return ((page[memo * kPageWords + bit / 64] >> (bit % 64)) & 1) != 0;
}

void RegexMatcher::mark(uint32_t memo, size_t position) {
  uint64_t *&page = pageOf[position / kPagePositions];
  if (page == nullptr) {
    if (freePages.empty()) {
      pages.push_back(
          std::make_unique<uint64_t[]>(kPageWords * program->memos));
      freePages.push_back(pages.back().get());
    }
    page = freePages.back();
    freePages.pop_back();
    lastPage = std::max(lastPage, position / kPagePositions + 1);
  }
  const size_t bit = position % kPagePositions;
  page[memo * kPageWords + bit / 64] |= uint64_t{1} << (bit % 64);
}

void RegexMatcher::unmark(uint32_t memo, size_t position) {
  if (uint64_t *page = pageOf[position / kPagePositions]) {
    const size_t bit = position % kPagePositions;
    page[memo * kPageWords + bit / 64] &= ~(uint64_t{1} << (bit % 64));
  }
}

void RegexMatcher::releasePagesBefore(size_t position) {
  size_t keep = std::min(position / kPagePositions, lastPage);
  for (; firstPage < keep; ++firstPage) {
    if (uint64_t *&page = pageOf[firstPage]) {
      std::fill_n(page, kPageWords * program->memos, 0);
      freePages.push_back(page);
      page = nullptr;
    }
  }
}

/// Returns true if the instruction whose set of positions is `memo`
/// (RegexInstruction::memo) is known to fail at `position`. In a look-ahead,
/// the instruction may instead be known to succeed there: the function then
/// sets `succeeds` and returns false. If neither is known, the function adds
/// `position` to the set and returns false. It does this before the instruction
/// is tried: if the matcher reaches the instruction at this position again, the
/// first try has failed.
bool RegexMatcher::fails(uint32_t memo, size_t position, bool inLook,
                         bool &succeeds) {
  if (inLook && marked(memo + 1, position)) {
    succeeds = true;
    return false;
  }
  if (marked(memo, position)) {
    return true;
  }
  mark(memo, position);
  if (inLook) {
    trail.push_back({memo, position, position});
  }
  return false;
}

bool RegexMatcher::mayBeginWith(char c, int next) const {
  const uint8_t classes[] = {asciiClasses[static_cast<uint8_t>(c) & 127],
                             next == kEnd ? RegexProgram::kEndClass
                                          : asciiClasses[next & 127]};
  const bool areLineEnds[] = {c == '\n', next == '\n'};
  if (program->start[RegexProgram::kEndClass] != RegexProgram::kNowhere) {
    return true;
  }
  const auto has = [&](const RegexInstruction &in, size_t character) {
    return program->rows[in.row].byClass[classes[character]] != 0;
  };
  // Instructions to visit, each with the number of characters matched before
  // it.
  std::vector<std::pair<uint32_t, size_t>> open;
  std::vector<bool> seen(program->code.size() * 2);
  const auto enter = [&](uint32_t pc, size_t consumed) {
    if (!seen[pc * 2 + consumed]) {
      seen[pc * 2 + consumed] = true;
      open.emplace_back(pc, consumed);
    }
  };
  if (const uint32_t start = program->start[classes[0]];
      start != RegexProgram::kNowhere) {
    enter(start, 0);
  }
  while (!open.empty()) {
    const auto [pc, consumed] = open.back();
    open.pop_back();
    const RegexInstruction &in = program->code[pc];
    switch (in.op) {
    case Op::Accept:
      return true;
    case Op::Characters:
      if (has(in, consumed) &&
          (consumed == 1 || (in.count > 1 && has(in, 1)))) {
        return true;
      }
      if (has(in, consumed) && in.count == 1) {
        enter(in.next, 1);
      }
      break;
    case Op::Run:
    case Op::Loop:
      if (has(in, consumed) && (consumed == 1 || has(in, 1))) {
        return true;
      }
      if (has(in, consumed)) {
        enter(in.next, 1);
      }
      if (!has(in, consumed) || in.op == Op::Loop) {
        enter(in.next, consumed);
      }
      break;
    case Op::Split:
      enter(in.next, consumed);
      enter(in.other, consumed);
      break;
    case Op::LookSet:
      if (has(in, consumed) != in.negated) {
        enter(in.next, consumed);
      }
      break;
    case Op::Assertion: {
      const bool isAtEnd = classes[consumed] == RegexProgram::kEndClass;
      const bool fails =
          (in.assertion == RegexAssertion::TextEnd && !isAtEnd) ||
          ((in.assertion == RegexAssertion::FinalLine ||
            in.assertion == RegexAssertion::LineEnd) &&
           !isAtEnd && !areLineEnds[consumed]);
      if (!fails) {
        enter(in.next, consumed);
      }
      break;
    }
    case Op::Look:
      enter(in.next, consumed);
      break;
    }
  }
  return false;
}

bool RegexMatcher::find(size_t from, RegexMatch &match) {
  for (size_t start = from;;) {
    while (start < windowEnd && static_cast<uint8_t>(text[start]) < 0x80 &&
           !begins[static_cast<uint8_t>(text[start])]) {
      ++start;
      ++stepsTaken;
    }
    Character c = at(start);
    ++stepsTaken;
    uint32_t pc = program->start[c.cls];
    if (pc != RegexProgram::kNowhere) {
      if (firstPage < lastPage) {
        releasePagesBefore(start);
      }
      size_t end = 0;
      if (run(pc, start, false, end)) {
        // The instructions that led to the match are marked as failed, although
        // they succeeded. Later matches begin at `end` or after it, so only the
        // marks at `end` must be removed.
        if (lastPage > end / kPagePositions) {
          for (uint32_t memo : program->mainMemos) {
            unmark(memo, end);
          }
        }
        match = {start, end};
        return true;
      }
    }
    if (c.length == 0) {
      return false;
    }
    start += c.length;
  }
}

/// Executes Run or Loop: moves `position` past the characters that belong to
/// the set in `in.row`. Returns false if the instruction fails, so that the
/// matcher tries an alternative. Sets `isKnown` if, in a look-ahead, the
/// instruction is known to succeed.
bool RegexMatcher::repeat(uint32_t pc, const RegexInstruction &in,
                          size_t &position, bool inLook, bool &isKnown) {
  const RegexRow &row = program->rows[in.row];
  if (in.memo == RegexInstruction::kNoMemo) {
    size_t end = skip(row, position);
    stepsTaken += end - position;
    position = end;
    return true;
  }
  size_t lowest = position;
  size_t at = position;
  bool isNew = true;
  for (;;) {
    ++stepsTaken;
    if (inLook && marked(in.memo + 1, at)) {
      isKnown = true;
      trail.push_back({in.memo, lowest, at});
      return true;
    }
    if (marked(in.memo, at)) {
      isNew = false;
      break;
    }
    mark(in.memo, at);
    Character c = this->at(at);
    if (row.byClass[c.cls] == 0) {
      break;
    }
    at += c.length;
  }
  if (in.op == Op::Run) {
    if (!isNew) {
      return false;
    }
    if (inLook) {
      trail.push_back({in.memo, lowest, at});
    }
    position = at;
    return true;
  }
  if (inLook) {
    trail.push_back({in.memo, lowest, at});
  }
  const RegexRow &nextRow = program->rows[in.nextRow];
  if (isNew && nextRow.byClass[this->at(at).cls] != 0) {
    if (at != lowest) {
      pending.push_back({pc, at, lowest, trail.size()});
    }
    position = at;
    return true;
  }
  if (at != lowest) {
    pending.push_back({pc, at, lowest, trail.size()});
  }
  return false;
}

/// Executes instructions from `pc` on, until there is a match or no alternative
/// is left. Returns whether there is a match and, if so, sets `end` to its end.
/// Alternatives that were in `pending` before the call stay there.
bool RegexMatcher::run(uint32_t pc, size_t position, bool inLook, size_t &end) {
  const RegexInstruction *code = program->code.data();
  const RegexRow *rows = program->rows.data();
  const size_t pendingBase = pending.size();
  const size_t trailBase = trail.size();
  bool succeeds = false;
  for (;;) {
    const RegexInstruction &in = code[pc];
    ++stepsTaken;
    bool goesOn = true;
    switch (in.op) {
    case Op::Accept:
      succeeds = true;
      break;
    case Op::Characters: {
      const RegexRow &row = rows[in.row];
      for (uint32_t i = 0; i < in.count; ++i) {
        Character c = at(position);
        if (row.byClass[c.cls] == 0) {
          goesOn = false;
          break;
        }
        position += c.length;
      }
      stepsTaken += in.count;
      break;
    }
    case Op::Run:
    case Op::Loop:
      goesOn = repeat(pc, in, position, inLook, succeeds);
      break;
    case Op::Split: {
      uint8_t cls = at(position).cls;
      bool first = rows[in.nextRow].byClass[cls] != 0;
      bool second = rows[in.otherRow].byClass[cls] != 0;
      bool both = first && second && !in.nextIsSure;
      if ((both || in.isLoop) && in.memo != RegexInstruction::kNoMemo &&
          fails(in.memo, position, inLook, succeeds)) {
        goesOn = false;
        break;
      }
      if (both && !succeeds) {
        pending.push_back({pc, position, position, trail.size()});
      }
      if (first) {
        break;
      }
      goesOn = second;
      pc = in.other;
      if (second && !succeeds) {
        continue;
      }
      break;
    }
    case Op::LookSet:
      goesOn = (rows[in.row].byClass[at(position).cls] != 0) != in.negated;
      break;
    case Op::Look: {
      size_t ignored = 0;
      goesOn = run(in.other, position, true, ignored) != in.negated;
      break;
    }
    case Op::Assertion:
      goesOn = holds(in.assertion, position);
      break;
    }
    if (succeeds) {
      break;
    }
    if (goesOn) {
      pc = in.next;
      continue;
    }
    // Go back to the most recent alternative.
    bool found = false;
    while (!found && pending.size() > pendingBase) {
      Pending &last = pending.back();
      const RegexInstruction &from = code[last.pc];
      ++stepsTaken;
      trail.resize(last.trail);
      if (from.op == Op::Split) {
        pc = from.other;
        position = last.position;
        found = true;
        pending.pop_back();
        continue;
      }
      position = before(last.position, last.lowest);
      if (inLook) {
        trail.back().last = position;
      }
      found = rows[from.nextRow].byClass[at(position).cls] != 0;
      pc = from.next;
      last.position = position;
      if (position == last.lowest) {
        pending.pop_back();
      }
    }
    if (!found) {
      trail.resize(trailBase);
      return false;
    }
  }
  end = position;
  pending.resize(pendingBase);
  if (inLook) {
    for (size_t i = trailBase; i < trail.size(); ++i) {
      for (size_t p = trail[i].first; p <= trail[i].last; ++p) {
        mark(trail[i].memo + 1, p);
      }
      stepsTaken += trail[i].last - trail[i].first;
    }
    trail.resize(trailBase);
  }
  return true;
}

} // namespace air
