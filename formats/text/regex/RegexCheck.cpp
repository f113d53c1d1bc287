//===- RegexCheck.cpp - checks that matching takes linear time ------------===//
//
// Some instructions have a memo: a set of positions, in which the matcher
// records where the instruction has failed (RegexInstruction::memo). The time
// of the matcher is linear in the length of the text because it executes an
// instruction that has a memo only once at each position, and executes a
// bounded number of other instructions in between. This is so if
//
// - each cycle of instructions contains a Split that has a memo, and no two
//   instructions have the same memo;
// - a Split without a memo is tried only once for each start of a match;
// - what follows a Run without a memo certainly matches, so the matcher never
//   goes back and reads the characters of the Run again;
// - no instruction belongs to two look-aheads, because look-aheads that share
//   instructions could double the work at each level.
//
//===----------------------------------------------------------------------===//
#include "formats/text/regex/RegexCheck.h"

#include <optional>
#include <string>
#include <utility>

namespace air {
namespace {

using Op = RegexInstruction::Op;
using Classes = std::bitset<256>;

constexpr uint32_t kNone = UINT32_MAX;

Status bad(const std::string &what) {
  return corruptError("regular expression: " + what);
}

std::string str(uint64_t value) { return std::to_string(value); }

bool hasMemo(const RegexInstruction &in) {
  return in.memo != RegexInstruction::kNoMemo;
}

/// Whether the instruction is a Split for which the matcher does not remember
/// the positions where it has failed. If the matcher came to such a position
/// again, it might try both successors once more.
bool isSplitWithoutMemo(const RegexInstruction &in) {
  return in.op == Op::Split && !hasMemo(in);
}

class Check {
public:
  explicit Check(const RegexProgram &checked)
      : program(checked), code(checked.code), owner(code.size(), kNone),
        depth(code.size()), userOf(checked.memos, kNone),
        isMain(checked.memos) {}
  Status run();

private:
  Status checkMainMemos();
  std::optional<std::pair<uint32_t, uint32_t>>
  findCircle(bool (*endsPath)(const RegexInstruction &));
  Status enter(uint32_t pc, uint32_t newOwner, uint32_t newDepth);
  Status walk();
  Status checkInstruction(uint32_t pc);
  Status useMemo(uint32_t pc, uint32_t memo);
  void findSureClasses();

  const RegexProgram &program;
  const std::vector<RegexInstruction> &code;
  /// All instructions, each after its successors. Only a Split that is marked
  /// isLoop may come before its successors.
  std::vector<uint32_t> order;
  /// For each instruction, the look-ahead that it belongs to: the index of its
  /// Look; code.size() if it is in no look-ahead; kNone if the matcher cannot
  /// reach the instruction.
  std::vector<uint32_t> owner;
  std::vector<uint32_t> depth;  ///< per instruction, the look-aheads around it
  std::vector<uint32_t> open;   ///< instructions with successors still to visit
  std::vector<uint32_t> userOf; ///< for each set, the instruction that uses it
  std::vector<bool> isMain;     ///< for each set, whether it is in mainMemos
  /// For each instruction, classes of characters. If the next character is of
  /// one of these classes, there certainly is a match.
  std::vector<Classes> sure;
};

Status Check::checkMainMemos() {
  for (uint32_t memo : program.mainMemos) {
    if (isMain[memo]) {
      return bad("set " + str(memo) + " is twice among the main sets");
    }
    isMain[memo] = true;
  }
  return Status::ok();
}

/// Finds a cycle in which `endsPath` is false for all instructions. Returns the
/// last and the first instruction of the cycle. If there is no cycle, fills
/// `order`. `state` of an instruction is 0 before it is visited, 1 while the
/// instructions that it leads to are visited, and 2 after that.
std::optional<std::pair<uint32_t, uint32_t>>
Check::findCircle(bool (*endsPath)(const RegexInstruction &)) {
  std::vector<uint8_t> state(code.size());
  std::vector<std::pair<uint32_t, uint8_t>> path;
  order.clear();
  for (uint32_t root = 0; root < code.size(); ++root) {
    if (state[root] == 0) {
      state[root] = 1;
      path.emplace_back(root, 0);
    }
    while (!path.empty()) {
      auto &[pc, step] = path.back();
      const RegexInstruction &in = code[pc];
      const bool hasNext = in.op != Op::Accept && !endsPath(in);
      const bool hasOther =
          hasNext && (in.op == Op::Split || in.op == Op::Look);
      const uint8_t now = step++;
      if (now >= 2) {
        state[pc] = 2;
        order.push_back(pc);
        path.pop_back();
        continue;
      }
      if (now == 0 ? !hasNext : !hasOther) {
        continue;
      }
      const uint32_t to = now == 0 ? in.next : in.other;
      if (state[to] == 1) {
        return std::pair(pc, to);
      }
      if (state[to] == 0) {
        state[to] = 1;
        path.emplace_back(to, 0);
      }
    }
  }
  return std::nullopt;
}

Status Check::enter(uint32_t pc, uint32_t newOwner, uint32_t newDepth) {
  if (owner[pc] == newOwner) {
    return Status::ok();
  }
  const auto nameOf = [&](uint32_t which) {
    return which == code.size()
               ? std::string("the expression outside all look-aheads")
               : "the look-ahead of instruction " + str(which);
  };
  if (owner[pc] != kNone) {
    return bad("instruction " + str(pc) + " belongs to " + nameOf(owner[pc]) +
               " and to " + nameOf(newOwner));
  }
  if (newDepth > RegexSyntax::kMostNested) {
    return bad("at instruction " + str(pc) + ", look-aheads are nested " +
               str(newDepth) + " deep; at most " +
               str(RegexSyntax::kMostNested) + " levels are allowed");
  }
  owner[pc] = newOwner;
  depth[pc] = newDepth;
  open.push_back(pc);
  return Status::ok();
}

/// Visits all instructions that the matcher can reach. Unreachable ones, which
/// the compiler leaves behind when it skips a Split, are harmless.
Status Check::walk() {
  for (uint32_t start : program.start) {
    if (start != RegexProgram::kNowhere) {
      AIR_RETURN_IF_ERROR(enter(start, static_cast<uint32_t>(code.size()), 0));
    }
  }
  while (!open.empty()) {
    const uint32_t pc = open.back();
    open.pop_back();
    const RegexInstruction &in = code[pc];
    AIR_RETURN_IF_ERROR(checkInstruction(pc));
    if (in.op == Op::Accept) {
      continue;
    }
    AIR_RETURN_IF_ERROR(enter(in.next, owner[pc], depth[pc]));
    if (in.op == Op::Split) {
      AIR_RETURN_IF_ERROR(enter(in.other, owner[pc], depth[pc]));
    } else if (in.op == Op::Look) {
      AIR_RETURN_IF_ERROR(enter(in.other, pc, depth[pc] + 1));
    }
    // The alternatives at the top level of an expression are a linked list of
    // Splits: the `other` of each one leads to the next one.
    if (isSplitWithoutMemo(code[in.next]) ||
        (in.op == Op::Split && isSplitWithoutMemo(code[in.other]) &&
         !isSplitWithoutMemo(in))) {
      return bad(
          "instruction " + str(pc) +
          " leads to a split (operation 4) without a set of positions; only "
          "the start and `other` of such a split may lead to it");
    }
  }
  return Status::ok();
}

Status Check::useMemo(uint32_t pc, uint32_t memo) {
  const bool isInLook = depth[pc] > 0;
  if (memo >= program.memos) {
    return bad("instruction " + str(pc) + " of a look-ahead needs set " +
               str(memo) + " of positions; it must be below " +
               str(program.memos));
  }
  if (userOf[memo] != kNone) {
    return bad("instructions " + str(userOf[memo]) + " and " + str(pc) +
               " use the same set of positions, set " + str(memo));
  }
  if (isMain[memo] == isInLook) {
    return bad("instruction " + str(pc) + " is " +
               (isInLook ? "in a look-ahead, but its set "
                         : "in no look-ahead, but its set ") +
               str(memo) +
               (isInLook ? " is a main set" : " is not among the main sets"));
  }
  userOf[memo] = pc;
  return Status::ok();
}

/// `pc` must be an instruction that the matcher can reach.
Status Check::checkInstruction(uint32_t pc) {
  const RegexInstruction &in = code[pc];
  const bool isInLook = depth[pc] > 0;
  if (hasMemo(in)) {
    AIR_RETURN_IF_ERROR(useMemo(pc, in.memo));
    return isInLook ? useMemo(pc, in.memo + 1) : Status::ok();
  }
  if (in.op == Op::Split && (isInLook || in.isLoop)) {
    return bad("instruction " + str(pc) + " is a split (operation 4) " +
               (in.isLoop ? "in a loop" : "in a look-ahead") +
               ", so it needs a set of positions");
  }
  if ((in.op == Op::Run || in.op == Op::Loop) &&
      (isInLook || !sure[in.next].all())) {
    return bad(
        "instruction " + str(pc) +
        " repeats characters; it needs a set of positions, because it " +
        (isInLook ? "is in a look-ahead" : "may be followed by no match"));
  }
  return Status::ok();
}

void Check::findSureClasses() {
  sure.resize(code.size());
  const auto rowOf = [&](uint32_t index) {
    Classes classes;
    for (size_t i = 0; i < classes.size(); ++i) {
      classes[i] = program.rows[index].byClass[i] != 0;
    }
    return classes;
  };
  for (uint32_t pc : order) {
    const RegexInstruction &in = code[pc];
    if (in.op == Op::Accept) {
      sure[pc].set();
    } else if (in.op == Op::Characters && in.count == 1 &&
               sure[in.next].all()) {
      sure[pc] = rowOf(in.row);
    } else if (in.op == Op::Run && !hasMemo(in) && sure[in.next].all()) {
      sure[pc].set();
    } else if (in.op == Op::Split && !in.isLoop &&
               (sure[in.next].any() || sure[in.other].any())) {
      const Classes first = rowOf(in.nextRow);
      // If nextIsSure is set, the matcher does not try `other` where the next
      // character is in `nextRow`.
      const Classes second =
          in.nextIsSure ? rowOf(in.otherRow) & ~first : rowOf(in.otherRow);
      sure[pc] = (first & sure[in.next]) | (second & sure[in.other]);
    }
  }
}

Status Check::run() {
  AIR_RETURN_IF_ERROR(checkMainMemos());
  if (const auto circle = findCircle(
          [](const RegexInstruction &in) { return in.op == Op::Characters; })) {
    return bad("instruction " + str(circle->first) +
               " leads back to instruction " + str(circle->second) +
               " without a character");
  }
  if (const auto circle = findCircle([](const RegexInstruction &in) {
        return in.op == Op::Split && in.isLoop;
      })) {
    return bad("instruction " + str(circle->first) +
               " leads back to instruction " + str(circle->second) +
               " without a loop");
  }
  findSureClasses();
  return walk();
}

} // namespace

Status checkRegex(const RegexProgram &program) { return Check(program).run(); }

} // namespace air
