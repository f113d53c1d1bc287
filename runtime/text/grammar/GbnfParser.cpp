//===- GbnfParser.cpp - grammars in llama.cpp's GBNF ------------*- C++ -*-===//
#include "runtime/text/grammar/GbnfParser.h"

#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "runtime/text/grammar/GrammarBuilder.h"

#include <algorithm>
#include <map>

namespace air::rt {
namespace {

/// The largest m in X{m}, X{m,} and X{m,n}. A limit is needed, because each of
/// the m required items becomes a symbol of its own. llama.cpp, for which most
/// grammars of this kind are written, has the same limit.
constexpr uint32_t kMostLeastCount = 2000;
/// The largest product of the counts of nested repetitions. It bounds the
/// symbols that a few characters of a grammar expand to.
constexpr uint64_t kMostNestedCounts = 1'000'000;
/// The largest number of groups that may be open at the same time. It bounds
/// the memory of the parser, which keeps a Frame for each open group.
constexpr size_t kMostOpenGroups = 1000;
/// peek() returns this at the end of the grammar.
constexpr uint32_t kNoCharacter = UINT32_MAX;

bool isDigit(uint32_t c) { return c >= '0' && c <= '9'; }
bool isNameCharacter(uint32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || isDigit(c) ||
         c == '-';
}

class Parser {
public:
  Parser(std::string_view source, const GbnfVocabulary *tokens)
      : text(source), vocabulary(tokens) {}
  Result<std::shared_ptr<const Grammar>> parse();

private:
  struct Place {
    size_t at = 0;
    uint32_t line = 1;
    uint32_t column = 1;
  };
  /// A rule or group whose end has not been read.
  struct Frame {
    Place begin;
    std::vector<GrammarSequence> alternatives;
    GrammarSequence now;
    /// The item read last. It is not in `now` yet, because a repetition such as
    /// * may still follow it.
    GrammarSequence item;
    bool hasItem = false;
    uint64_t counts = 1;     ///< product of nested repeat counts in `item`
    uint64_t mostCounts = 1; ///< the largest `counts` of all items so far
  };
  struct Name {
    uint32_t rule;
    Place firstUse;
  };

  uint32_t peek() const;
  void advance();
  bool take(char wanted);
  void skipSpace(bool lines);
  Status fail(const Place &where, const std::string &what) const;
  Status unexpected(const std::string &wanted) const;
  static std::string placeText(const Place &where);

  Status parseRule();
  Status parseBody();
  Status parseItem();
  Status parseLiteral();
  Status parseSet();
  Status parseToken();
  Status parseRepetition();
  Result<std::string> parseName();
  Result<uint32_t> parseCharacter();
  Result<uint64_t> parseNumber();
  Status repeat(const Place &where, uint64_t least, uint64_t most);
  void finishItem();
  GrammarSequence closeFrame();
  void setItem(GrammarSequence sequence, uint64_t counts);
  uint32_t ruleOf(const std::string &name, const Place &where);

  std::string_view text;
  const GbnfVocabulary *vocabulary;
  Place place;
  GrammarBuilder builder;
  std::vector<Frame> frames;
  std::map<std::string, Name> names;
};

std::string Parser::placeText(const Place &where) {
  return "line " + std::to_string(where.line) + ", column " +
         std::to_string(where.column);
}

Status Parser::fail(const Place &where, const std::string &what) const {
  return corruptError("grammar: " + placeText(where) + ": " + what);
}

Status Parser::unexpected(const std::string &wanted) const {
  if (place.at == text.size()) {
    return fail(place, "expected " + wanted + ", but the grammar ends");
  }
  size_t length = decodeUtf8(text.substr(place.at)).length;
  return fail(place, "expected " + wanted + ", but found " +
                         inQuotes(text.substr(place.at, length)));
}

uint32_t Parser::peek() const {
  return place.at == text.size() ? kNoCharacter
                                 : decodeUtf8(text.substr(place.at)).codePoint;
}

void Parser::advance() {
  bool ends = text[place.at] == '\n';
  place.at += decodeUtf8(text.substr(place.at)).length;
  place.line += ends ? 1 : 0;
  place.column = ends ? 1 : place.column + 1;
}

bool Parser::take(char wanted) {
  if (peek() != static_cast<uint32_t>(wanted)) {
    return false;
  }
  advance();
  return true;
}

void Parser::skipSpace(bool lines) {
  while (true) {
    uint32_t c = peek();
    if (c == '#') {
      while (peek() != kNoCharacter && peek() != '\n' && peek() != '\r') {
        advance();
      }
    } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
      advance();
    } else {
      return;
    }
  }
}

Result<std::string> Parser::parseName() {
  size_t begin = place.at;
  while (isNameCharacter(peek())) {
    advance();
  }
  if (place.at == begin) {
    return unexpected("the name of a rule (letters, digits and -)");
  }
  return std::string(text.substr(begin, place.at - begin));
}

Result<uint64_t> Parser::parseNumber() {
  if (!isDigit(peek())) {
    return unexpected("a number");
  }
  Place begin = place;
  uint64_t number = 0;
  while (isDigit(peek())) {
    number = number * 10 + (peek() - '0');
    if (number > UINT32_MAX) {
      return fail(begin, "the number is above " + std::to_string(UINT32_MAX));
    }
    advance();
  }
  return number;
}

Result<uint32_t> Parser::parseCharacter() {
  Place begin = place;
  if (!take('\\')) {
    uint32_t c = peek();
    advance();
    return c;
  }
  uint32_t c = peek();
  int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (digits == 0) {
    constexpr std::string_view kLetters = "nrt\\\"[]-";
    constexpr std::string_view kMeanings = "\n\r\t\\\"[]-";
    size_t found =
        c < 128 ? kLetters.find(static_cast<char>(c)) : std::string_view::npos;
    if (found == std::string_view::npos) {
      return unexpected("one of n r t \\ \" [ ] - x u U (which may follow \\)");
    }
    advance();
    return static_cast<uint32_t>(kMeanings[found]);
  }
  advance();
  uint64_t value = 0;
  for (int i = 0; i < digits; ++i) {
    uint32_t digit = peek();
    uint32_t lower = digit | 0x20;
    bool isLetter = digit < 128 && lower >= 'a' && lower <= 'f';
    if (!isDigit(digit) && !isLetter) {
      return unexpected("a hexadecimal digit (the escape takes " +
                        std::to_string(digits) + ")");
    }
    value = value * 16 + (isLetter ? lower - 'a' + 10 : digit - '0');
    advance();
  }
  if (value > kLastCodePoint || (value >= 0xd800 && value <= 0xdfff)) {
    return fail(begin, "the escape does not stand for a Unicode character");
  }
  return static_cast<uint32_t>(value);
}

void Parser::finishItem() {
  Frame &frame = frames.back();
  frame.now.insert(frame.now.end(), frame.item.begin(), frame.item.end());
  frame.item.clear();
  frame.hasItem = false;
  frame.mostCounts = std::max(frame.mostCounts, frame.counts);
  frame.counts = 1;
}

void Parser::setItem(GrammarSequence sequence, uint64_t counts) {
  finishItem();
  frames.back().item = std::move(sequence);
  frames.back().hasItem = true;
  frames.back().counts = counts;
}

Status Parser::parseLiteral() {
  Place begin = place;
  advance();
  std::vector<GrammarSymbol> symbols;
  while (peek() != '"') {
    if (peek() == kNoCharacter) {
      return fail(begin, "the text that begins here has no closing \"");
    }
    AIR_ASSIGN_OR_RETURN(uint32_t c, parseCharacter());
    symbols.push_back(builder.set(CodePointSet({{c, c}})));
  }
  advance();
  setItem(std::move(symbols), 1);
  return Status::ok();
}

Status Parser::parseSet() {
  Place begin = place;
  advance();
  bool negated = take('^');
  std::vector<CodePointRange> ranges;
  while (peek() != ']') {
    if (peek() == kNoCharacter) {
      return fail(begin, "the set that begins here has no closing ]");
    }
    Place at = place;
    AIR_ASSIGN_OR_RETURN(uint32_t first, parseCharacter());
    uint32_t last = first;
    bool isRange = peek() == '-' && place.at + 1 < text.size() &&
                   text[place.at + 1] != ']';
    if (isRange) {
      advance();
      AIR_ASSIGN_OR_RETURN(last, parseCharacter());
    }
    if (last < first) {
      return fail(
          at,
          "the range " + inQuotes(text.substr(at.at, place.at - at.at)) +
              " is empty, because its last character comes before its first");
    }
    ranges.push_back({first, last});
  }
  if (ranges.empty()) {
    return fail(begin, "the set is empty; use . for any character");
  }
  advance();
  CodePointSet characters(std::move(ranges));
  if (negated) {
    characters.negate();
  }
  setItem({builder.set(characters)}, 1);
  return Status::ok();
}

Status Parser::parseToken() {
  Place begin = place;
  auto kind = take('!') ? GrammarElement::NotToken : GrammarElement::Token;
  size_t from = place.at;
  if (!take('<')) {
    return unexpected("a token after !, such as !<[42]> or !<think>");
  }
  uint64_t id = 0;
  if (take('[')) {
    AIR_ASSIGN_OR_RETURN(id, parseNumber());
    for (char wanted : {']', '>'}) {
      if (!take(wanted)) {
        return unexpected(std::string("the ") + wanted + " of a token");
      }
    }
    if (vocabulary == nullptr) {
      return fail(begin,
                  "a token in a grammar needs a vocabulary, but there is none");
    }
    if (id >= static_cast<uint64_t>(vocabulary->size)) {
      return fail(begin, "there is no token " + std::to_string(id) +
                             "; the vocabulary has the tokens 0 to " +
                             std::to_string(vocabulary->size - 1));
    }
  } else {
    while (peek() != '>') {
      if (peek() == kNoCharacter) {
        return fail(begin, "the token that begins here has no closing >");
      }
      advance();
    }
    advance();
    std::string_view name = text.substr(from, place.at - from);
    int32_t found = -1;
    if (vocabulary != nullptr) {
      found = vocabulary->find(name);
    }
    if (found < 0) {
      return fail(begin, inQuotes(name) +
                             " is not the text of a single token of the "
                             "vocabulary");
    }
    id = static_cast<uint64_t>(found);
  }
  setItem({{kind, static_cast<uint32_t>(id)}}, 1);
  return Status::ok();
}

Status Parser::repeat(const Place &where, uint64_t least, uint64_t most) {
  Frame &frame = frames.back();
  if (!frame.hasItem) {
    return fail(where, "there is nothing before this repetition");
  }
  bool limited = most != GrammarBuilder::kUnlimited;
  if (limited && most < least) {
    return fail(where, "the largest count of the repetition, " +
                           std::to_string(most) + ", is below the smallest, " +
                           std::to_string(least));
  }
  if (least > kMostLeastCount) {
    return fail(where, "the smallest count of the repetition is " +
                           std::to_string(least) + "; it must be at most " +
                           std::to_string(kMostLeastCount));
  }
  if (limited && most > GrammarBuilder::kMostRepeats) {
    return fail(where, "the largest count of the repetition is " +
                           std::to_string(most) + "; it must be at most " +
                           std::to_string(GrammarBuilder::kMostRepeats) +
                           ", or be left out to have no limit");
  }
  frame.counts *= std::max<uint64_t>(limited ? most : least, 1);
  if (frame.counts > kMostNestedCounts) {
    return fail(where, "the product of the counts of nested repetitions is " +
                           std::to_string(frame.counts) +
                           "; it must be at most " +
                           std::to_string(kMostNestedCounts));
  }
  frame.item =
      builder.repeat(std::move(frame.item), static_cast<uint32_t>(least),
                     static_cast<uint32_t>(most));
  return Status::ok();
}

Status Parser::parseRepetition() {
  bool inGroup = frames.size() > 1;
  Place begin = place;
  if (take('*')) {
    return repeat(begin, 0, GrammarBuilder::kUnlimited);
  }
  if (take('+')) {
    return repeat(begin, 1, GrammarBuilder::kUnlimited);
  }
  if (take('?')) {
    return repeat(begin, 0, 1);
  }
  advance();
  skipSpace(inGroup);
  AIR_ASSIGN_OR_RETURN(uint64_t least, parseNumber());
  uint64_t most = least;
  skipSpace(inGroup);
  if (take(',')) {
    skipSpace(inGroup);
    most = GrammarBuilder::kUnlimited;
    if (isDigit(peek())) {
      AIR_ASSIGN_OR_RETURN(most, parseNumber());
      skipSpace(inGroup);
    }
  }
  if (!take('}')) {
    return unexpected("the } of a repetition such as {1}, {1,} or {1,2}");
  }
  return repeat(begin, least, most);
}

uint32_t Parser::ruleOf(const std::string &name, const Place &where) {
  auto [found, isNew] = names.try_emplace(name, Name{0, where});
  if (isNew) {
    found->second.rule =
        builder.addRule(placeText(where) + ": rule '" + name + "'");
  }
  return found->second.rule;
}

Status Parser::parseItem() {
  uint32_t c = peek();
  if (c == '"') {
    return parseLiteral();
  }
  if (c == '[') {
    return parseSet();
  }
  if (c == '<' || c == '!') {
    return parseToken();
  }
  if (c == '.') {
    advance();
    setItem({builder.set(CodePointSet({{0, kLastCodePoint}}))}, 1);
    return Status::ok();
  }
  Place begin = place;
  AIR_ASSIGN_OR_RETURN(std::string name, parseName());
  setItem({GrammarBuilder::rule(ruleOf(name, begin))}, 1);
  return Status::ok();
}

GrammarSequence Parser::closeFrame() {
  finishItem();
  Frame frame = std::move(frames.back());
  frames.pop_back();
  frame.alternatives.push_back(std::move(frame.now));
  uint64_t counts = frame.mostCounts;
  GrammarSequence group = {builder.choice(std::move(frame.alternatives))};
  setItem(group, counts);
  return group;
}

Status Parser::parseBody() {
  while (true) {
    bool inGroup = frames.size() > 1;
    skipSpace(inGroup);
    uint32_t c = peek();
    if (c == '|') {
      advance();
      finishItem();
      Frame &frame = frames.back();
      frame.alternatives.push_back(std::move(frame.now));
      frame.now = {};
      skipSpace(true);
    } else if (c == '(') {
      if (frames.size() > kMostOpenGroups) {
        return fail(place, "groups are nested more than " +
                               std::to_string(kMostOpenGroups) + " deep");
      }
      frames.push_back({});
      frames.back().begin = place;
      advance();
    } else if (c == ')' && inGroup) {
      advance();
      closeFrame();
    } else if (c == '*' || c == '+' || c == '?' || c == '{') {
      AIR_RETURN_IF_ERROR(parseRepetition());
    } else if (c == '"' || c == '[' || c == '<' || c == '!' || c == '.' ||
               isNameCharacter(c)) {
      AIR_RETURN_IF_ERROR(parseItem());
    } else if (inGroup) {
      return c == kNoCharacter
                 ? fail(frames.back().begin,
                        "the group that begins here has no closing )")
                 : unexpected("a part of a rule or )");
    } else {
      return Status::ok();
    }
  }
}

Status Parser::parseRule() {
  Place begin = place;
  AIR_ASSIGN_OR_RETURN(std::string name, parseName());
  skipSpace(false);
  for (char wanted : {':', ':', '='}) {
    if (!take(wanted)) {
      return unexpected("::= after the name of a rule");
    }
  }
  skipSpace(true);
  std::string origin = placeText(begin) + ": rule '" + name + "'";
  uint32_t rule = ruleOf(name, begin);
  if (builder.isDefined(rule)) {
    return fail(begin, "rule '" + name + "' is already defined");
  }
  builder.setOrigin(origin);
  frames.clear();
  frames.push_back({});
  AIR_RETURN_IF_ERROR(parseBody());
  finishItem();
  Frame &frame = frames.back();
  frame.alternatives.push_back(std::move(frame.now));
  builder.define(rule, std::move(frame.alternatives));
  if (peek() != kNoCharacter && peek() != '\n' && peek() != '\r') {
    return unexpected("a part of a rule or the end of the line");
  }
  return Status::ok();
}

Result<std::shared_ptr<const Grammar>> Parser::parse() {
  for (size_t at = 0; at < text.size();) {
    Utf8Step step = decodeUtf8(text.substr(at));
    if (step.kind != Utf8Step::Whole) {
      while (place.at < at) {
        advance();
      }
      return fail(place, "the grammar is not valid UTF-8");
    }
    at += step.length;
  }
  skipSpace(true);
  while (peek() != kNoCharacter) {
    AIR_RETURN_IF_ERROR(parseRule());
    skipSpace(true);
  }
  for (const auto &[name, each] : names) {
    if (!builder.isDefined(each.rule)) {
      return fail(each.firstUse, "rule '" + name + "' is not defined");
    }
  }
  auto root = names.find("root");
  if (root == names.end()) {
    return fail(place, "the grammar has no rule 'root', which every text "
                       "must match");
  }
  return std::move(builder).finish(root->second.rule);
}

} // namespace

Result<std::shared_ptr<const Grammar>>
parseGbnf(std::string_view text, const GbnfVocabulary *vocabulary) {
  return Parser(text, vocabulary).parse();
}

} // namespace air::rt
