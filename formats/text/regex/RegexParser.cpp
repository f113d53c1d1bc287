//===- RegexParser.cpp - parses regular expressions -------------*- C++ -*-===//
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "formats/text/regex/RegexSyntax.h"
#include "formats/text/unicode/Unicode.h"

#include <algorithm>
#include <string>

namespace air {
namespace {

/// Each character of an expression may become a node, which takes much more
/// memory. Published expressions have fewer than 2,000 bytes.
constexpr size_t kMostBytes = size_t{1} << 16;
constexpr uint32_t kEnd = UINT32_MAX;

bool isDigit(uint32_t c) { return c >= '0' && c <= '9'; }
bool isAsciiLetter(uint32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Parser {
public:
  Parser(std::string_view pattern, RegexAnchors chosen,
         std::span<const uint32_t> placesOfBytes)
      : source(pattern), anchors(chosen), places(placesOfBytes) {}
  Result<RegexSyntax> run();

private:
  using NodeOr = Result<uint32_t>;

  Status decode();
  /// Describes character `at` of the expression for a message.
  std::string placeOf(size_t at) const {
    return "regular expression: at character " +
           std::to_string((places.empty() ? at : places[bytes[at]]) + 1) + ": ";
  }
  Status syntaxError(size_t at, const std::string &what) const {
    return corruptError(placeOf(at) + what);
  }
  Status notSupported(size_t at, const std::string &what) const {
    return unsupportedError(placeOf(at) + what);
  }

  uint32_t peek(size_t ahead = 0) const {
    return position + ahead < text.size() ? text[position + ahead] : kEnd;
  }
  bool accept(uint32_t c) {
    if (peek() != c) {
      return false;
    }
    ++position;
    return true;
  }
  bool startsWith(std::string_view ascii) const {
    for (size_t i = 0; i < ascii.size(); ++i) {
      if (peek(i) != static_cast<uint8_t>(ascii[i])) {
        return false;
      }
    }
    return true;
  }

  NodeOr parseChoice();
  NodeOr parseSequence();
  NodeOr parseQuantified();
  NodeOr parseAtom();
  NodeOr parseGroup();
  NodeOr parseEscape();
  Status parseCount(uint32_t &least, uint32_t &most, bool &found);
  Result<CodePointSet> parseClass();
  Result<CodePointSet> parseClassItems(bool isFirst);
  /// An escape that stands for a set of characters: \s, \p{L} and the like.
  Result<bool> parseSetEscape(CodePointSet &set);
  Result<CodePointSet> parseProperty(bool negated);
  Result<uint32_t> parseCharacterEscape();
  Result<uint32_t> parseHex(size_t least, size_t most);
  Result<uint32_t> parseClassCharacter();

  uint32_t add(RegexNode node) {
    syntax.nodes.push_back(std::move(node));
    return static_cast<uint32_t>(syntax.nodes.size() - 1);
  }
  /// The node that matches one character of `set`.
  uint32_t addSet(CodePointSet set) {
    auto same = std::ranges::find_if(syntax.sets, [&](const CodePointSet &s) {
      return std::ranges::equal(s.ranges(), set.ranges());
    });
    RegexNode node;
    node.kind = RegexNode::Set;
    node.set = static_cast<uint32_t>(same - syntax.sets.begin());
    if (same == syntax.sets.end()) {
      syntax.sets.push_back(std::move(set));
    }
    return add(std::move(node));
  }
  /// The node that matches the character `c` and, if case is ignored, every
  /// character that differs from `c` only in case.
  uint32_t addCharacter(uint32_t c) {
    CodePointSet set({{c, c}});
    if (ignoreCase) {
      addCaseVariants(set);
    }
    return addSet(std::move(set));
  }
  bool isSet(uint32_t node) const {
    return syntax.nodes[node].kind == RegexNode::Set;
  }

  std::string_view source;
  RegexAnchors anchors;
  std::span<const uint32_t> places; ///< see parseRegex()
  std::vector<uint32_t> text;
  std::vector<size_t> bytes; ///< where each character, and the end, begins
  size_t position = 0;
  uint32_t nested = 0;
  bool ignoreCase = false;
  /// Whether the sequence that was parsed last has (?i) anywhere but at its
  /// beginning.
  bool hasLateFlag = false;
  RegexSyntax syntax;
};

Status Parser::decode() {
  if (source.size() > kMostBytes) {
    return unsupportedError("regular expression: it has " +
                            std::to_string(source.size()) + " bytes; at most " +
                            std::to_string(kMostBytes) + " are allowed");
  }
  bytes = {0};
  for (size_t at = 0; at < source.size();) {
    Utf8Step step = decodeUtf8(source.substr(at));
    if (step.kind != Utf8Step::Whole) {
      return syntaxError(text.size(), "the expression is not valid UTF-8");
    }
    text.push_back(step.codePoint);
    at += step.length;
    bytes.push_back(at);
  }
  return Status::ok();
}

Result<RegexSyntax> Parser::run() {
  AIR_RETURN_IF_ERROR(decode());
  AIR_ASSIGN_OR_RETURN(syntax.root, parseChoice());
  if (position != text.size()) {
    return syntaxError(position, "this ')' has no opening '('");
  }
  return std::move(syntax);
}

Parser::NodeOr Parser::parseChoice() {
  if (nested > RegexSyntax::kMostNested) {
    return notSupported(position, "groups are nested more than " +
                                      std::to_string(RegexSyntax::kMostNested) +
                                      " deep");
  }
  ++nested;
  bool outerIgnoresCase = ignoreCase;
  RegexNode choice;
  choice.kind = RegexNode::Choice;
  do {
    AIR_ASSIGN_OR_RETURN(uint32_t branch, parseSequence());
    choice.children.push_back(branch);
    if (peek() == '|' && hasLateFlag && anchors == RegexAnchors::Lines) {
      return notSupported(position, "a '|' after (?i) inside of a branch is "
                                    "not supported; write (?i:X) instead");
    }
  } while (accept('|'));
  ignoreCase = outerIgnoresCase; // the effect of (?i) ends with its group
  --nested;
  if (choice.children.size() == 1) {
    return choice.children[0];
  }
  // An alternation of single characters is a set of characters.
  if (std::ranges::all_of(choice.children,
                          [&](uint32_t child) { return isSet(child); })) {
    CodePointSet all;
    for (uint32_t child : choice.children) {
      all.add(syntax.sets[syntax.nodes[child].set]);
    }
    return addSet(std::move(all));
  }
  return add(std::move(choice));
}

Parser::NodeOr Parser::parseSequence() {
  RegexNode sequence;
  sequence.kind = RegexNode::Sequence;
  bool isLate = false;
  while (peek() != kEnd && peek() != '|' && peek() != ')') {
    if (startsWith("(?i)")) {
      position += 4;
      ignoreCase = true;
      // For Oniguruma, (?i) begins a group that includes all branches after it.
      isLate |= !sequence.children.empty();
      continue;
    }
    AIR_ASSIGN_OR_RETURN(uint32_t item, parseQuantified());
    sequence.children.push_back(item);
  }
  // Set last, because parsing the groups in the sequence has overwritten it.
  hasLateFlag = isLate;
  if (sequence.children.empty()) {
    return add({});
  }
  return sequence.children.size() == 1 ? sequence.children[0]
                                       : add(std::move(sequence));
}

/// Reads {m}, {m,} or {m,n}. If the brace does not begin a count, it stands for
/// itself: `found` is then false, and nothing is read.
Status Parser::parseCount(uint32_t &least, uint32_t &most, bool &found) {
  size_t start = position;
  found = false;
  auto number = [&](uint32_t &value) {
    value = 0;
    while (isDigit(peek())) {
      value =
          std::min(value * 10 + (peek() - '0'), RegexSyntax::kMostRepeats + 1);
      ++position;
    }
  };
  ++position;
  if (peek() == ',' && isDigit(peek(1))) {
    return notSupported(
        start,
        "a repetition count must have a lower bound, such as 0 in {0,3}");
  }
  if (!isDigit(peek())) {
    position = start;
    return Status::ok();
  }
  number(least);
  most = least;
  if (accept(',')) {
    most = RegexNode::kUnlimited;
    if (isDigit(peek())) {
      number(most);
    }
  }
  if (!accept('}')) {
    position = start;
    return Status::ok();
  }
  found = true;
  if (least > RegexSyntax::kMostRepeats ||
      (most > RegexSyntax::kMostRepeats && most != RegexNode::kUnlimited)) {
    return notSupported(start, "a repetition count is above the limit of " +
                                   std::to_string(RegexSyntax::kMostRepeats));
  }
  if (most < least) {
    return syntaxError(start, "the upper bound of a repetition count, " +
                                  std::to_string(most) +
                                  ", is below the lower bound, " +
                                  std::to_string(least));
  }
  return Status::ok();
}

Parser::NodeOr Parser::parseQuantified() {
  size_t start = position;
  AIR_ASSIGN_OR_RETURN(uint32_t item, parseAtom());
  for (int quantifiers = 0;; ++quantifiers) {
    size_t at = position;
    RegexNode repeat;
    repeat.kind = RegexNode::Repeat;
    repeat.children = {item};
    repeat.most = RegexNode::kUnlimited;
    if (accept('*')) {
      repeat.least = 0;
    } else if (accept('+')) {
      repeat.least = 1;
    } else if (accept('?')) {
      repeat.most = 1;
    } else if (peek() == '{') {
      bool found = false;
      AIR_RETURN_IF_ERROR(parseCount(repeat.least, repeat.most, found));
      if (!found) {
        return item;
      }
    } else {
      return item;
    }
    if (quantifiers != 0) {
      return syntaxError(
          at, "a repetition cannot be repeated unless it stands in a group");
    }
    if (accept('?')) {
      repeat.mode = RegexNode::Lazy;
    } else if (peek() == '+') {
      if (!isSet(item)) {
        return notSupported(start, "a possessive repetition is only supported "
                                   "for a single character or class");
      }
      ++position;
      repeat.mode = RegexNode::Possessive;
    }
    item = add(std::move(repeat));
  }
}

Parser::NodeOr Parser::parseAtom() {
  uint32_t c = peek();
  switch (c) {
  case '(':
    return parseGroup();
  case '[': {
    AIR_ASSIGN_OR_RETURN(CodePointSet set, parseClass());
    return addSet(std::move(set));
  }
  case '\\':
    return parseEscape();
  case '.': {
    ++position;
    CodePointSet set({{'\n', '\n'}});
    set.negate();
    return addSet(std::move(set));
  }
  case '^':
  case '$': {
    ++position;
    RegexNode node;
    node.kind = RegexNode::Assertion;
    const bool isLine = anchors == RegexAnchors::Lines;
    node.assertion = c == '^' ? (isLine ? RegexAssertion::LineStart
                                        : RegexAssertion::TextStart)
                     : isLine ? RegexAssertion::LineEnd
                              : RegexAssertion::FinalLine;
    return add(std::move(node));
  }
  case '*':
  case '+':
  case '?':
    return syntaxError(position,
                       "there is nothing before this that could be repeated");
  default:
    ++position;
    return addCharacter(c);
  }
}

Parser::NodeOr Parser::parseGroup() {
  size_t start = position;
  ++position;
  RegexNode look;
  bool isLook = false;
  bool outerIgnoresCase = ignoreCase;
  if (startsWith("?:")) {
    position += 2;
  } else if (startsWith("?i:")) {
    position += 3;
    ignoreCase = true;
  } else if (startsWith("?=") || startsWith("?!")) {
    look.negated = peek(1) == '!';
    position += 2;
    isLook = true;
  } else if (startsWith("?<=") || startsWith("?<!")) {
    return notSupported(start, "look-behind is not supported");
  } else if (startsWith("?>")) {
    return notSupported(start, "atomic groups are not supported; make the "
                               "repetition of a single character possessive "
                               "instead");
  } else if (startsWith("?")) {
    return notSupported(start, "this kind of group is not supported; only the "
                               "kinds (?:, (?i:, (?= and (?! are supported");
  }
  AIR_ASSIGN_OR_RETURN(uint32_t inner, parseChoice());
  ignoreCase = outerIgnoresCase;
  if (!accept(')')) {
    return syntaxError(start, "the group is not closed");
  }
  if (!isLook) {
    return inner;
  }
  look.kind = RegexNode::LookAhead;
  look.children = {inner};
  return add(std::move(look));
}

Parser::NodeOr Parser::parseEscape() {
  uint32_t c = peek(1);
  RegexNode node;
  switch (c) {
  case 'b':
  case 'B':
    node.kind = RegexNode::Assertion;
    node.assertion =
        c == 'b' ? RegexAssertion::WordEdge : RegexAssertion::NoWordEdge;
    break;
  case 'A':
    node.kind = RegexNode::Assertion;
    node.assertion = RegexAssertion::TextStart;
    break;
  case 'z':
    node.kind = RegexNode::Assertion;
    node.assertion = RegexAssertion::TextEnd;
    break;
  default: {
    if (isDigit(c) && c != '0') {
      return notSupported(position, "back-references are not supported");
    }
    CodePointSet set;
    AIR_ASSIGN_OR_RETURN(bool isSet, parseSetEscape(set));
    if (isSet) {
      return addSet(std::move(set));
    }
    AIR_ASSIGN_OR_RETURN(uint32_t character, parseCharacterEscape());
    return addCharacter(character);
  }
  }
  position += 2;
  return add(std::move(node));
}

Result<bool> Parser::parseSetEscape(CodePointSet &set) {
  uint32_t c = peek(1);
  switch (c) {
  case 's':
  case 'S':
    set = whiteSpace();
    break;
  case 'w':
  case 'W':
    set = wordCharacters();
    break;
  case 'd':
  case 'D':
    set = *codePointsWith("Nd");
    break;
  case 'p':
  case 'P': {
    // Expressions with RegexAnchors::Lines are written for Oniguruma, the
    // engine of Hugging Face's `tokenizers`. It reads \pL as the text "pL", and
    // its properties do not ignore case. Properties without braces, or where
    // case is ignored, are therefore not supported.
    if (anchors == RegexAnchors::Lines && (ignoreCase || peek(2) != '{')) {
      return notSupported(
          position, ignoreCase
                        ? "a property in a group that ignores case is not "
                          "supported; put it outside of (?i)"
                        : "a property must have braces, as in \\p{L}");
    }
    AIR_ASSIGN_OR_RETURN(set, parseProperty(c == 'P'));
    if (ignoreCase) {
      addCaseVariants(set);
    }
    return true;
  }
  default:
    return false;
  }
  position += 2;
  if (c < 'a') {
    set.negate();
  }
  return true;
}

Result<CodePointSet> Parser::parseProperty(bool negated) {
  size_t start = position;
  position += 2;
  std::string name;
  if (accept('{')) {
    if (accept('^')) {
      negated = !negated;
    }
    while (peek() != '}') {
      if (!isAsciiLetter(peek()) && peek() != '_') {
        return peek() == kEnd
                   ? syntaxError(start,
                                 "the name of a property has no closing '}'")
                   : notSupported(
                         position,
                         "the name of a property must consist of letters");
      }
      name += static_cast<char>(peek());
      ++position;
    }
    ++position;
  } else if (isAsciiLetter(peek())) {
    name = static_cast<char>(peek());
    ++position;
  } else {
    return syntaxError(start, "the name of a property is missing");
  }
  std::optional<CodePointSet> set = codePointsWith(name);
  if (!set) {
    return notSupported(start, "the property " + inQuotes(name) +
                                   " is not known; the known properties are " +
                                   propertyList());
  }
  if (negated) {
    set->negate();
  }
  return *std::move(set);
}

Result<uint32_t> Parser::parseHex(size_t least, size_t most) {
  size_t start = position;
  uint32_t value = 0;
  while (position - start < most && value <= kLastCodePoint) {
    uint32_t c = peek();
    if (isDigit(c)) {
      value = value * 16 + (c - '0');
    } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
      value = value * 16 + ((c | 0x20) - 'a' + 10);
    } else {
      break;
    }
    ++position;
  }
  if (position - start < least) {
    return syntaxError(
        start, "the number of hexadecimal digits here must be at least " +
                   std::to_string(least));
  }
  if (value > kLastCodePoint) {
    return syntaxError(
        start, "the code point is above 10FFFF, the largest of Unicode");
  }
  return value;
}

Result<uint32_t> Parser::parseCharacterEscape() {
  size_t start = position;
  ++position;
  uint32_t c = peek();
  if (c == kEnd) {
    return syntaxError(start, "the expression ends after a '\\'");
  }
  ++position;
  switch (c) {
  case 'n':
    return uint32_t{'\n'};
  case 'r':
    return uint32_t{'\r'};
  case 't':
    return uint32_t{'\t'};
  case 'f':
    return uint32_t{'\f'};
  case 'v':
    return uint32_t{'\v'};
  case 'a':
    return uint32_t{'\a'};
  case 'e':
    return uint32_t{0x1b};
  case 'x': {
    if (!accept('{')) {
      return parseHex(2, 2);
    }
    AIR_ASSIGN_OR_RETURN(uint32_t value, parseHex(1, 8));
    if (!accept('}')) {
      return syntaxError(start, "'}' is missing after a code point");
    }
    return value;
  }
  case 'u':
    return parseHex(4, 4);
  default:
    if (isAsciiLetter(c) || isDigit(c)) {
      return notSupported(start, std::string("the escape '\\") +
                                     static_cast<char>(c) +
                                     "' is not supported");
    }
    return c;
  }
}

Result<uint32_t> Parser::parseClassCharacter() {
  if (peek() != '\\') {
    return text[position++];
  }
  if (peek(1) == 'b') {
    position += 2;
    return uint32_t{'\b'};
  }
  return parseCharacterEscape();
}

/// Reads the items of a class up to its end or to &&. If `isFirst` is true, a
/// `]` that comes first stands for itself.
Result<CodePointSet> Parser::parseClassItems(bool isFirst) {
  std::vector<CodePointRange> ranges;
  CodePointSet sets;
  while (peek() != kEnd && (peek() != ']' || isFirst) && !startsWith("&&")) {
    isFirst = false;
    if (startsWith("[:")) {
      return notSupported(position, "POSIX classes such as [:alpha:] are not "
                                    "supported");
    }
    if (peek() == '[') {
      AIR_ASSIGN_OR_RETURN(CodePointSet inner, parseClass());
      sets.add(inner);
      continue;
    }
    if (peek() == '\\') {
      CodePointSet inner;
      AIR_ASSIGN_OR_RETURN(bool isSet, parseSetEscape(inner));
      if (isSet) {
        if (peek() == '-' && peek(1) != ']') {
          return notSupported(position, "a range cannot start with a class "
                                        "such as \\d");
        }
        sets.add(inner);
        continue;
      }
    }
    size_t start = position;
    AIR_ASSIGN_OR_RETURN(uint32_t first, parseClassCharacter());
    uint32_t last = first;
    if (peek() == '-' && peek(1) != ']' && peek(1) != kEnd) {
      ++position;
      if (peek() == '[') {
        return notSupported(start,
                            "a range cannot end with a class such as [a-z]");
      }
      AIR_ASSIGN_OR_RETURN(last, parseClassCharacter());
    }
    if (last < first) {
      return syntaxError(
          start, "the last character of a range comes before its first");
    }
    ranges.push_back({first, last});
  }
  CodePointSet result(std::move(ranges));
  if (ignoreCase) {
    addCaseVariants(result);
  }
  result.add(sets);
  return result;
}

Result<CodePointSet> Parser::parseClass() {
  size_t start = position;
  if (nested > RegexSyntax::kMostNested) {
    return notSupported(position, "classes are nested more than " +
                                      std::to_string(RegexSyntax::kMostNested) +
                                      " deep");
  }
  ++nested;
  ++position;
  bool negated = accept('^');
  AIR_ASSIGN_OR_RETURN(CodePointSet set, parseClassItems(true));
  while (startsWith("&&")) {
    position += 2;
    AIR_ASSIGN_OR_RETURN(CodePointSet other, parseClassItems(false));
    set.intersect(other);
  }
  if (!accept(']')) {
    return syntaxError(start, "the character class has no closing ']'");
  }
  if (negated) {
    set.negate();
  }
  --nested;
  return set;
}

} // namespace

Result<RegexSyntax> parseRegex(std::string_view pattern, RegexAnchors anchors,
                               std::span<const uint32_t> places) {
  return Parser(pattern, anchors, places).run();
}

} // namespace air
