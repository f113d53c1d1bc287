//===- RegexCompiler.cpp - compiles regular expressions ---------*- C++ -*-===//
//
// Instructions are generated from the end of the expression to its beginning,
// so that the successors of an instruction are known when it is generated. The
// successors tell which characters can come next, and whether a match is
// certain. With this knowledge, the matcher can leave out most of the
// alternatives that it would otherwise have to return to.
//
//===----------------------------------------------------------------------===//
#include "formats/text/regex/RegexProgram.h"
#include "formats/text/unicode/Unicode.h"

#include <algorithm>
#include <map>
#include <string>

namespace air {
namespace {

/// A row takes 384 bytes, so the rows of an expression take at most 1.5 MiB.
constexpr size_t kMostRows = 4096;
/// A class is stored in a byte. The value kEndClass (255) stands for the end of
/// the text, so 255 values, 0 to 254, remain for the classes of characters.
constexpr uint32_t kMostClasses = RegexProgram::kEndClass;
constexpr size_t kPages = (kLastCodePoint + 1) / 128;

using Classes = std::bitset<256>;
using Op = RegexInstruction::Op;

Status tooLarge(const std::string &what) {
  return unsupportedError("regular expression: it is too large, because " +
                          what);
}

class Compiler {
public:
  explicit Compiler(const RegexSyntax &parsed) : syntax(parsed) {}
  Result<RegexProgram> run();

private:
  /// What is known about the matches that begin at an instruction.
  struct Facts {
    Classes first;       ///< the classes of the first character of a match
    bool isSure = false; ///< there is always a match
    /// There is a match whenever the next character is in `first`.
    bool isSureOnFirst = false;
  };
  using PcOr = Result<uint32_t>;

  Status classify();
  uint32_t rowOf(const Classes &set);
  PcOr compile(uint32_t node, uint32_t next);
  PcOr compileRepeat(const RegexNode &node, uint32_t next);
  PcOr compileSetRepeat(const RegexNode &node, uint32_t next);
  PcOr compileLook(const RegexNode &node, uint32_t next);
  bool mayBeEmpty(uint32_t node) const;
  uint32_t startFor(uint32_t pc, size_t cls) const;

  PcOr add(const RegexInstruction &instruction, const Facts &known) {
    if (program.code.size() == RegexProgram::kMostInstructions) {
      return tooLarge("it compiles to more than " +
                      std::to_string(RegexProgram::kMostInstructions) +
                      " instructions");
    }
    // A look-ahead asks only whether there is a match. If the rest of its
    // expression certainly matches, the look-ahead can succeed at once.
    if (inLook && known.isSure) {
      return lookAccept;
    }
    program.code.push_back(instruction);
    facts.push_back(known);
    return static_cast<uint32_t>(program.code.size() - 1);
  }
  PcOr addCharacters(const Classes &set, uint32_t count, uint32_t next) {
    RegexInstruction made;
    made.op = Op::Characters;
    made.row = rowOf(set);
    made.count = count;
    made.next = next;
    return add(made, {set, false, count == 1 && facts[next].isSure});
  }
  PcOr addSplit(uint32_t first, uint32_t second, bool needsMemo) {
    RegexInstruction made;
    made.op = Op::Split;
    made.next = first;
    made.other = second;
    made.nextRow = rowOf(facts[first].first);
    made.otherRow = rowOf(facts[second].first);
    made.nextIsSure = facts[first].isSureOnFirst;
    if (needsMemo) {
      made.memo = newMemo();
    }
    bool isSure = facts[first].isSure || facts[second].isSure;
    bool isSureOnFirst =
        isSure || (facts[first].isSureOnFirst && facts[second].isSureOnFirst);
    return add(made, {facts[first].first | facts[second].first, isSure,
                      isSureOnFirst});
  }
  uint32_t newMemo() {
    uint32_t memo = program.memos;
    program.memos += inLook ? 2 : 1;
    if (!inLook) {
      program.mainMemos.push_back(memo);
    }
    return memo;
  }

  const RegexSyntax &syntax;
  RegexProgram program;
  std::vector<Facts> facts;  ///< one for each instruction
  std::vector<Classes> sets; ///< for each set of characters, its classes
  Classes wordSet;
  std::map<std::string, uint32_t> rowsBySet;
  bool inLook = false;
  uint32_t lookAccept = 0;
  uint32_t mainNext = 0; ///< the Accept at the end of a match
};

/// Divides the code points into classes.
Status Compiler::classify() {
  std::vector<const CodePointSet *> all;
  for (const CodePointSet &set : syntax.sets) {
    all.push_back(&set);
  }
  bool hasEdge = std::ranges::any_of(syntax.nodes, [](const RegexNode &node) {
    return node.kind == RegexNode::Assertion &&
           (node.assertion == RegexAssertion::WordEdge ||
            node.assertion == RegexAssertion::NoWordEdge);
  });
  if (hasEdge) {
    all.push_back(&wordCharacters());
  }
  std::vector<uint32_t> starts = {0};
  for (const CodePointSet *set : all) {
    for (const CodePointRange &range : set->ranges()) {
      starts.push_back(range.first);
      starts.push_back(range.last + 1);
    }
  }
  std::ranges::sort(starts);
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  if (starts.back() > kLastCodePoint) {
    starts.pop_back();
  }
  // Each set splits every class of which it contains some characters, but not
  // all.
  std::vector<uint32_t> classOfStart(starts.size(), 0);
  uint32_t count = 1;
  std::vector<bool> inside(starts.size());
  std::vector<std::vector<bool>> members;
  for (const CodePointSet *set : all) {
    auto range = set->ranges().begin();
    std::map<uint32_t, uint32_t> divided;
    std::vector<bool> hasOutside(count, false);
    for (size_t i = 0; i < starts.size(); ++i) {
      while (range != set->ranges().end() && range->last < starts[i]) {
        ++range;
      }
      inside[i] = range != set->ranges().end() && range->first <= starts[i];
      if (!inside[i]) {
        hasOutside[classOfStart[i]] = true;
      }
    }
    for (size_t i = 0; i < starts.size(); ++i) {
      if (inside[i] && hasOutside[classOfStart[i]]) {
        auto [at, isNew] = divided.try_emplace(classOfStart[i], count);
        count += isNew ? 1 : 0;
        classOfStart[i] = at->second;
      }
    }
    if (count > kMostClasses) {
      return tooLarge("it distinguishes more than " +
                      std::to_string(kMostClasses) + " classes of characters");
    }
  }
  for (const CodePointSet *set : all) {
    Classes classes;
    for (size_t i = 0; i < starts.size(); ++i) {
      if (!classes[classOfStart[i]] && set->contains(starts[i])) {
        classes.set(classOfStart[i]);
      }
    }
    sets.push_back(classes);
  }
  if (hasEdge) {
    wordSet = sets.back();
  }
  // Pages of 128 characters that are all in the same class are stored only once
  // for each class.
  program.pages.resize(kPages);
  std::map<uint32_t, uint16_t> uniform;
  size_t interval = 0;
  for (size_t page = 0; page < kPages; ++page) {
    auto first = static_cast<uint32_t>(page * 128);
    while (interval + 1 < starts.size() && starts[interval + 1] <= first) {
      ++interval;
    }
    bool isUniform =
        interval + 1 == starts.size() || starts[interval + 1] >= first + 128;
    auto fresh = static_cast<uint16_t>(program.classes.size() / 128);
    if (isUniform) {
      auto [at, isNew] = uniform.try_emplace(classOfStart[interval], fresh);
      program.pages[page] = at->second;
      if (isNew) {
        program.classes.resize(program.classes.size() + 128,
                               static_cast<uint8_t>(classOfStart[interval]));
      }
      continue;
    }
    program.pages[page] = fresh;
    size_t at = interval;
    for (uint32_t c = first; c < first + 128; ++c) {
      while (at + 1 < starts.size() && starts[at + 1] <= c) {
        ++at;
      }
      program.classes.push_back(static_cast<uint8_t>(classOfStart[at]));
    }
  }
  return Status::ok();
}

uint32_t Compiler::rowOf(const Classes &set) {
  auto [at, isNew] = rowsBySet.try_emplace(
      set.to_string(), static_cast<uint32_t>(program.rows.size()));
  if (isNew) {
    RegexRow row;
    for (size_t i = 0; i < row.byClass.size(); ++i) {
      row.byClass[i] = set[i] ? 1 : 0;
    }
    for (uint32_t c = 0; c < row.byAscii.size(); ++c) {
      row.byAscii[c] = row.byClass[program.classOf(c)];
    }
    program.rows.push_back(row);
  }
  return at->second;
}

Result<RegexProgram> Compiler::run() {
  AIR_RETURN_IF_ERROR(classify());
  Facts always;
  always.first.set();
  always.isSure = true;
  always.isSureOnFirst = true;
  AIR_ASSIGN_OR_RETURN(mainNext, add({}, always));
  program.wordRow = rowOf(wordSet);
  AIR_ASSIGN_OR_RETURN(uint32_t start, compile(syntax.root, mainNext));
  for (size_t i = 0; i < program.start.size(); ++i) {
    program.start[i] =
        facts[start].first[i] ? startFor(start, i) : RegexProgram::kNowhere;
  }
  if (program.rows.size() > kMostRows) {
    return tooLarge("it has more than " + std::to_string(kMostRows) +
                    " different sets of characters");
  }
  if (program.memos > RegexProgram::kMostMemos) {
    return tooLarge("it has more than " +
                    std::to_string(RegexProgram::kMostMemos) +
                    " backtracking points");
  }
  return std::move(program);
}

/// Returns the instruction at which the matcher can start instead of at `pc` if
/// the next character is of class `cls`: the Splits that `cls` decides are
/// skipped. Returns kNowhere if there is no match.
uint32_t Compiler::startFor(uint32_t pc, size_t cls) const {
  for (;;) {
    const RegexInstruction &in = program.code[pc];
    if (in.op != Op::Split || in.isLoop) {
      return pc;
    }
    bool first = facts[in.next].first[cls];
    bool second = facts[in.other].first[cls];
    if (first && second && !in.nextIsSure) {
      return pc;
    }
    if (!first && !second) {
      return RegexProgram::kNowhere;
    }
    pc = first ? in.next : in.other;
  }
}

bool Compiler::mayBeEmpty(uint32_t index) const {
  const RegexNode &node = syntax.nodes[index];
  auto empty = [&](uint32_t child) { return mayBeEmpty(child); };
  switch (node.kind) {
  case RegexNode::Set:
    return false;
  case RegexNode::Sequence:
    return std::ranges::all_of(node.children, empty);
  case RegexNode::Choice:
    return std::ranges::any_of(node.children, empty);
  case RegexNode::Repeat:
    return node.least == 0 || mayBeEmpty(node.children[0]);
  default:
    return true;
  }
}

Compiler::PcOr Compiler::compile(uint32_t index, uint32_t next) {
  const RegexNode &node = syntax.nodes[index];
  switch (node.kind) {
  case RegexNode::Empty:
    return next;
  case RegexNode::Set:
    return addCharacters(sets[node.set], 1, next);
  case RegexNode::Sequence: {
    for (size_t i = node.children.size(); i > 0; --i) {
      AIR_ASSIGN_OR_RETURN(next, compile(node.children[i - 1], next));
    }
    return next;
  }
  case RegexNode::Choice: {
    // An alternation at the top level of the expression is tried only once at
    // each position, so the matcher need not remember where it has failed.
    bool needsMemo = index != syntax.root;
    AIR_ASSIGN_OR_RETURN(uint32_t chosen, compile(node.children.back(), next));
    for (size_t i = node.children.size() - 1; i > 0; --i) {
      AIR_ASSIGN_OR_RETURN(uint32_t first, compile(node.children[i - 1], next));
      AIR_ASSIGN_OR_RETURN(chosen, addSplit(first, chosen, needsMemo));
    }
    return chosen;
  }
  case RegexNode::Repeat:
    return syntax.nodes[node.children[0]].kind == RegexNode::Set
               ? compileSetRepeat(node, next)
               : compileRepeat(node, next);
  case RegexNode::LookAhead:
    return compileLook(node, next);
  case RegexNode::Assertion:
    break;
  }
  RegexInstruction made;
  made.op = Op::Assertion;
  made.assertion = node.assertion;
  made.next = next;
  return add(made, {facts[next].first, false, false});
}

/// Compiles the repetition of a single character.
Compiler::PcOr Compiler::compileSetRepeat(const RegexNode &node,
                                          uint32_t next) {
  const Classes &set = sets[syntax.nodes[node.children[0]].set];
  bool isLazy = node.mode == RegexNode::Lazy;
  bool isPossessive = node.mode == RegexNode::Possessive;
  if (node.most == RegexNode::kUnlimited && isLazy) {
    return compileRepeat(node, next);
  }
  if (node.most == RegexNode::kUnlimited) {
    const Facts &then = facts[next];
    RegexInstruction made;
    // If what comes after the repetition always matches, or cannot begin with a
    // character of the set, the matcher consumes all characters of the set that
    // follow, and never has to try with fewer.
    bool isRun = isPossessive || then.isSure || (set & then.first).none();
    made.op = isRun ? Op::Run : Op::Loop;
    made.row = rowOf(set);
    made.next = next;
    made.nextRow = rowOf(then.first);
    if (!then.isSure) {
      made.memo = newMemo();
    }
    AIR_ASSIGN_OR_RETURN(
        next, add(made, {set | then.first, then.isSure, then.isSure}));
  } else {
    uint32_t end = next;
    for (uint32_t i = node.least; i < node.most; ++i) {
      AIR_ASSIGN_OR_RETURN(uint32_t more, addCharacters(set, 1, next));
      if (isPossessive) {
        AIR_ASSIGN_OR_RETURN(next, addSplit(more, end, true));
        program.code[next].nextIsSure = true;
      } else {
        AIR_ASSIGN_OR_RETURN(next, isLazy ? addSplit(end, more, true)
                                          : addSplit(more, end, true));
      }
    }
  }
  return node.least == 0 ? PcOr(next) : addCharacters(set, node.least, next);
}

/// Compiles a repetition in its general form: a copy for each required
/// repetition, and then optional copies or a loop.
Compiler::PcOr Compiler::compileRepeat(const RegexNode &node, uint32_t next) {
  uint32_t item = node.children[0];
  bool isLazy = node.mode == RegexNode::Lazy;
  if (node.most == RegexNode::kUnlimited) {
    if (mayBeEmpty(item)) {
      return unsupportedError("regular expression: a part that can match the "
                              "empty text is repeated without limit; give the "
                              "repetition an upper limit, as in {0,9}");
    }
    if (inLook && facts[next].isSure) {
      next = lookAccept;
    } else {
      // Nothing is known about the matches of the loop until its body has been
      // compiled.
      Facts unknown;
      unknown.first.set();
      RegexInstruction loop;
      loop.op = Op::Split;
      loop.isLoop = true;
      loop.memo = newMemo();
      AIR_ASSIGN_OR_RETURN(uint32_t pc, add(loop, unknown));
      AIR_ASSIGN_OR_RETURN(uint32_t body, compile(item, pc));
      RegexInstruction &made = program.code[pc];
      made.next = isLazy ? next : body;
      made.other = isLazy ? body : next;
      made.nextRow = rowOf(facts[made.next].first);
      made.otherRow = rowOf(facts[made.other].first);
      facts[pc].first = facts[body].first | facts[next].first;
      next = pc;
    }
  } else {
    uint32_t end = next;
    for (uint32_t i = node.least; i < node.most; ++i) {
      AIR_ASSIGN_OR_RETURN(uint32_t more, compile(item, next));
      if (more == next) {
        break;
      }
      AIR_ASSIGN_OR_RETURN(next, isLazy ? addSplit(end, more, true)
                                        : addSplit(more, end, true));
    }
  }
  for (uint32_t i = 0; i < node.least; ++i) {
    AIR_ASSIGN_OR_RETURN(uint32_t more, compile(item, next));
    if (more == next) {
      break; // the item compiles to nothing, however often it is repeated
    }
    next = more;
  }
  return next;
}

Compiler::PcOr Compiler::compileLook(const RegexNode &node, uint32_t next) {
  RegexInstruction made;
  made.negated = node.negated;
  made.next = next;
  const RegexNode &inner = syntax.nodes[node.children[0]];
  if (inner.kind == RegexNode::Set) {
    made.op = Op::LookSet;
    Classes set = sets[inner.set];
    made.row = rowOf(set);
    Classes allowed = node.negated ? ~set : set;
    return add(made, {facts[next].first & allowed, false, false});
  }
  bool outerInLook = inLook;
  uint32_t outerAccept = lookAccept;
  Facts always;
  always.first.set();
  always.isSure = true;
  always.isSureOnFirst = true;
  inLook = false;
  AIR_ASSIGN_OR_RETURN(lookAccept, add({}, always));
  inLook = true;
  AIR_ASSIGN_OR_RETURN(made.other, compile(node.children[0], lookAccept));
  inLook = outerInLook;
  lookAccept = outerAccept;
  made.op = Op::Look;
  Classes allowed = facts[next].first;
  if (!node.negated) {
    allowed &= facts[made.other].first;
  }
  return add(made, {allowed, false, false});
}

} // namespace

Result<RegexProgram> compileRegex(const RegexSyntax &syntax) {
  return Compiler(syntax).run();
}

} // namespace air
