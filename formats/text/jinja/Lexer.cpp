//===- Lexer.cpp - a template as tokens -------------------------*- C++ -*-===//
#include "formats/text/jinja/Lexer.h"

#include "formats/support/CountText.h"
#include "formats/support/Utf8.h"

#include <algorithm>
#include <charconv>

namespace air::jinja {

Place placeAfter(std::string_view before) {
  Text text = toText(before);
  size_t line = text.rfind(U'\n') + 1; // 0 if there is no line break
  return {static_cast<uint32_t>(1 + std::count(text.begin(), text.end(), '\n')),
          static_cast<uint32_t>(1 + text.size() - line)};
}

std::string placeName(Place place) {
  return "line " + std::to_string(place.line) + ", column " +
         std::to_string(place.column);
}

std::string atPlace(Place place, const std::string &message) {
  return placeName(place) + ": " + message;
}

namespace {

constexpr std::string_view kOperators[] = {
    "**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
    "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};

bool isNameStart(char32_t c) { return c == U'_' || isAlpha(c); }
bool isNameChar(char32_t c) { return isNameStart(c) || isDecimal(c); }
bool isAsciiDigit(char32_t c) { return c >= U'0' && c <= U'9'; }

int digitOf(char32_t c) {
  return isAsciiDigit(c)          ? static_cast<int>(c - U'0')
         : c >= U'a' && c <= U'z' ? static_cast<int>(c - U'a') + 10
         : c >= U'A' && c <= U'Z' ? static_cast<int>(c - U'A') + 10
                                  : 99;
}

class Lexer {
public:
  explicit Lexer(std::string_view source) {
    Text raw = toText(source);
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == U'\r') {
        if (i + 1 < raw.size() && raw[i + 1] == U'\n') {
          ++i;
        }
        text += U'\n';
      } else {
        text += raw[i];
      }
    }
    if (text.ends_with(U'\n')) {
      text.pop_back();
    }
  }

  Result<std::vector<Token>> run();

private:
  bool starts(std::string_view ascii) const {
    return equalText(TextView(text).substr(at, ascii.size()), ascii);
  }
  char32_t peek(size_t ahead = 0) const {
    return at + ahead < text.size() ? text[at + ahead] : 0;
  }
  void skipSpace() {
    while (at < text.size() && isSpace(text[at])) {
      ++at;
    }
  }
  /// The place of a character. Calls are fast if each position is at or after
  /// the previous one.
  Place placeOf(size_t position);
  Status failAt(size_t position, const std::string &message) {
    return corruptError("template " + atPlace(placeOf(position), message));
  }
  void add(Token::Kind kind, size_t position, std::string name = {},
           Value value = {}) {
    tokens.push_back(
        {kind, placeOf(position), std::move(name), std::move(value)});
  }
  /// Adds the text [begin, tag), without the white space that the tag after it
  /// removes. `sign` is the third character of that tag, which may be '-' or
  /// '+'. `isOutput` is true for a tag that begins with "{{".
  void addData(size_t begin, size_t tag, char32_t sign, bool isOutput);
  /// True if only `name` and white space stand between `from` and the end of
  /// the tag. Sets `end` to the position after the tag.
  bool isBareTag(size_t from, std::string_view name, size_t &end,
                 bool trims) const;
  /// The length of the end of a tag at `position`: a '-' or '+' if there is
  /// one, `close` (such as "%}"), and the white space after it that the tag
  /// removes. 0 if no tag ends there.
  size_t endLength(size_t position, std::string_view close, bool trims) const;
  Status lexRaw(size_t tag, size_t content);
  Status lexComment(size_t tag);
  Status lexInside(bool isOutput);
  Status lexToken();
  Status lexString();
  Status lexNumber();

  Text text;
  size_t at = 0;
  bool lineStarts = true; ///< whether a line begins right after the last tag
  std::vector<Token> tokens;
  std::vector<char> open; ///< the closing brackets that are expected
  size_t counted = 0;
  Place place;
};

Place Lexer::placeOf(size_t position) {
  if (position < counted) {
    counted = 0;
    place = {};
  }
  for (; counted < position; ++counted) {
    if (text[counted] == U'\n') {
      ++place.line;
      place.column = 1;
    } else {
      ++place.column;
    }
  }
  return place;
}

void Lexer::addData(size_t begin, size_t tag, char32_t sign, bool isOutput) {
  TextView data = TextView(text).substr(begin, tag - begin);
  if (sign == U'-') {
    data = strip(data, false, true);
  } else if (sign != U'+' && !isOutput) {
    size_t line = data.rfind(U'\n') + 1;
    if ((line > 0 || lineStarts) &&
        std::all_of(data.begin() + static_cast<ptrdiff_t>(line), data.end(),
                    isSpace)) {
      data = data.substr(0, line);
    }
  }
  if (!data.empty()) {
    add(Token::Data, begin, {}, Value::string(Text(data)));
  }
}

size_t Lexer::endLength(size_t position, std::string_view close,
                        bool trims) const {
  TextView rest = TextView(text).substr(std::min(position, text.size()));
  char32_t sign = rest.empty() ? 0 : rest[0];
  size_t signs = sign == U'-' || (sign == U'+' && trims) ? 1 : 0;
  if (!equalText(rest.substr(std::min(signs, rest.size()), close.size()),
                 close)) {
    return 0;
  }
  size_t length = signs + close.size();
  if (sign == U'-') {
    while (length < rest.size() && isSpace(rest[length])) {
      ++length;
    }
  } else if (signs == 0 && trims && length < rest.size() &&
             rest[length] == U'\n') {
    ++length;
  }
  return length;
}

bool Lexer::isBareTag(size_t from, std::string_view name, size_t &end,
                      bool trims) const {
  while (from < text.size() && isSpace(text[from])) {
    ++from;
  }
  if (!equalText(
          TextView(text).substr(std::min(from, text.size()), name.size()),
          name)) {
    return false;
  }
  from += name.size();
  // White space may stand between the name and the end of the tag.
  while (from < text.size() && isSpace(text[from])) {
    ++from;
  }
  size_t length = endLength(from, "%}", trims);
  end = from + length;
  return length != 0;
}

Status Lexer::lexRaw(size_t tag, size_t content) {
  size_t from = content;
  lineStarts = content > 0 && text[content - 1] == U'\n';
  while (true) {
    size_t found = text.find(U"{%", from);
    if (found == Text::npos) {
      return failAt(tag, "this raw block is not closed; add {% endraw %}");
    }
    char32_t sign = found + 2 < text.size() ? text[found + 2] : 0;
    bool hasSign = sign == U'-' || sign == U'+';
    size_t end = 0;
    if (isBareTag(found + (hasSign ? 3 : 2), "endraw", end, true)) {
      addData(content, found, sign, false);
      at = end;
      return Status::ok();
    }
    from = found + 2;
  }
}

Status Lexer::lexComment(size_t tag) {
  for (size_t from = at; from < text.size(); ++from) {
    if (size_t length = endLength(from, "#}", true)) {
      at = from + length;
      return Status::ok();
    }
  }
  return failAt(tag, "this comment is not closed; add #}");
}

Result<std::vector<Token>> Lexer::run() {
  while (at < text.size()) {
    size_t begin = at;
    size_t tag = begin;
    while (tag < text.size() &&
           !(text[tag] == U'{' && tag + 1 < text.size() &&
             (text[tag + 1] == U'%' || text[tag + 1] == U'{' ||
              text[tag + 1] == U'#'))) {
      ++tag;
    }
    if (tag == text.size()) {
      add(Token::Data, begin, {}, Value::string(text.substr(begin)));
      at = tag;
      break;
    }
    char32_t kind = text[tag + 1];
    char32_t sign = tag + 2 < text.size() ? text[tag + 2] : 0;
    bool hasSign = sign == U'-' || sign == U'+';
    addData(begin, tag, sign, kind == U'{');
    at = tag + (hasSign ? 3 : 2);
    size_t content = 0;
    if (kind == U'#') {
      AIR_RETURN_IF_ERROR(lexComment(tag));
    } else if (kind == U'%' && isBareTag(at, "raw", content, false)) {
      AIR_RETURN_IF_ERROR(lexRaw(tag, content));
    } else {
      add(kind == U'{' ? Token::OutputBegin : Token::TagBegin, tag);
      AIR_RETURN_IF_ERROR(lexInside(kind == U'{'));
    }
    lineStarts = at > 0 && text[at - 1] == U'\n';
  }
  add(Token::End, text.size());
  return std::move(tokens);
}

Status Lexer::lexInside(bool isOutput) {
  size_t tag = at;
  open.clear();
  while (true) {
    skipSpace();
    if (at >= text.size()) {
      return failAt(tag, isOutput ? "this expression is not closed; add }}"
                                  : "this tag is not closed; add %}");
    }
    size_t length =
        open.empty() ? endLength(at, isOutput ? "}}" : "%}", !isOutput) : 0;
    if (length != 0) {
      add(isOutput ? Token::OutputEnd : Token::TagEnd, at);
      at += length;
      return Status::ok();
    }
    AIR_RETURN_IF_ERROR(lexToken());
  }
}

Status Lexer::lexToken() {
  char32_t c = peek();
  if (isAsciiDigit(c)) {
    return lexNumber();
  }
  if (isNameStart(c)) {
    size_t begin = at;
    while (at < text.size() && isNameChar(text[at])) {
      ++at;
    }
    add(Token::Name, begin, toUtf8(TextView(text).substr(begin, at - begin)));
    return Status::ok();
  }
  if (c == U'"' || c == U'\'') {
    return lexString();
  }
  for (std::string_view each : kOperators) {
    if (!starts(each)) {
      continue;
    }
    char first = each[0];
    if (first == '(' || first == '[' || first == '{') {
      open.push_back(first == '(' ? ')' : first == '[' ? ']' : '}');
    } else if (first == ')' || first == ']' || first == '}') {
      if (open.empty() || open.back() != first) {
        return failAt(
            at, "'" + std::string(each) + "' does not close an open bracket" +
                    (open.empty()
                         ? std::string()
                         : std::string("; '") + open.back() + "' is expected"));
      }
      open.pop_back();
    }
    add(Token::Operator, at, std::string(each));
    at += each.size();
    return Status::ok();
  }
  return failAt(at, "unexpected character '" + toUtf8({&c, 1}) + "'");
}

Status Lexer::lexString() {
  size_t begin = at;
  char32_t quote = text[at++];
  Text out;
  while (true) {
    if (at >= text.size()) {
      return failAt(begin, "this string is not closed");
    }
    char32_t c = text[at++];
    if (c == quote) {
      add(Token::String, begin, {}, Value::string(std::move(out)));
      return Status::ok();
    }
    if (c != U'\\' || at >= text.size()) {
      out += c;
      continue;
    }
    // These are the escapes of Python; any other backslash is kept.
    c = text[at++];
    static constexpr TextView kLetters = U"abfnrtv\\'\"";
    static constexpr TextView kMeanings = U"\a\b\f\n\r\t\v\\'\"";
    size_t letter = kLetters.find(c);
    int digits = c == U'x' ? 2 : c == U'u' ? 4 : c == U'U' ? 8 : 0;
    if (letter != TextView::npos) {
      out += kMeanings[letter];
    } else if (digits != 0) {
      char32_t code = 0;
      for (int i = 0; i < digits; ++i) {
        int digit = digitOf(peek());
        if (digit > 15) {
          return failAt(at, "an escape with \\" + toUtf8({&c, 1}) + " needs " +
                                countOf(digits, "hexadecimal digit"));
        }
        code = code * 16 + static_cast<char32_t>(digit);
        ++at;
      }
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return failAt(at,
                      "this escape does not stand for a character of Unicode");
      }
      out += code;
    } else if (c >= U'0' && c <= U'7') {
      char32_t code = c - U'0';
      for (int i = 0; i < 2 && peek() >= U'0' && peek() <= U'7'; ++i) {
        code = code * 8 + (text[at++] - U'0');
      }
      out += code;
    } else if (c == U'N') {
      return unsupportedError(
          "template " +
          atPlace(
              placeOf(at),
              "the escape \\N with the name of a character is not supported; "
              "use \\u and four hexadecimal digits"));
    } else if (c != U'\n') {
      out += U'\\';
      out += c;
    }
  }
}

/// Returns the decimal digits of an integer that is written in `base`, or
/// nothing if there are more than kMostDigits.
std::optional<std::string> inDecimal(std::string_view digits, int base) {
  constexpr uint32_t kLimb = 1'000'000'000;
  constexpr size_t kLimbDigits = 9;
  std::vector<uint32_t> limbs; // in base 10^9, least significant first
  for (const char c : digits) {
    uint64_t carry = digitOf(static_cast<char32_t>(c));
    for (uint32_t &limb : limbs) {
      carry += static_cast<uint64_t>(limb) * static_cast<uint64_t>(base);
      limb = static_cast<uint32_t>(carry % kLimb);
      carry /= kLimb;
    }
    if (carry != 0) {
      limbs.push_back(static_cast<uint32_t>(carry));
    }
    if (limbs.size() > kMostDigits / kLimbDigits + 1) {
      return std::nullopt;
    }
  }
  std::string text;
  for (size_t i = limbs.size(); i-- > 0;) {
    const std::string limb = std::to_string(limbs[i]);
    if (!text.empty()) {
      text.append(kLimbDigits - limb.size(), '0');
    }
    text += limb;
  }
  return text.size() > kMostDigits ? std::nullopt : std::optional(text);
}

Status Lexer::lexNumber() {
  size_t begin = at;
  std::string digits;
  auto take = [&](int base) {
    while (at < text.size() &&
           (digitOf(text[at]) < base ||
            (text[at] == U'_' && digitOf(peek(1)) < base))) {
      if (text[at] != U'_') {
        digits += static_cast<char>(text[at]);
      }
      ++at;
    }
  };
  char32_t letter = peek() == U'0' ? peek(1) | 0x20 : 0;
  int base = letter == U'x' ? 16 : letter == U'o' ? 8 : letter == U'b' ? 2 : 10;
  if (base != 10) {
    at += 2;
  }
  take(base);
  bool isFloat = false;
  if (base == 10 && peek() == U'.' && isAsciiDigit(peek(1)) &&
      (begin == 0 || text[begin - 1] != U'.')) {
    isFloat = true;
    ++at;
    digits += '.';
    take(10);
  }
  if (base == 10 && (peek() | 0x20) == U'e') {
    size_t sign = peek(1) == U'+' || peek(1) == U'-' ? 1 : 0;
    if (isAsciiDigit(peek(1 + sign))) {
      isFloat = true;
      digits += peek(1) == U'-' ? "e-" : "e";
      at += 1 + sign;
      take(10);
    }
  }
  const char *end = digits.data() + digits.size();
  Value value;
  if (isFloat) {
    double number = 0;
    std::from_chars(digits.data(), end, number);
    value = Value::real(number);
  } else {
    int64_t number = 0;
    auto [stop, error] = std::from_chars(digits.data(), end, number, base);
    bool zero = base == 10 && digits.size() > 1 && digits[0] == '0' &&
                digits.find_first_not_of('0') != std::string::npos;
    if (digits.empty() || zero) {
      return failAt(begin, "this is not a valid number");
    }
    value = Value::integer(number);
    if (error != std::errc()) {
      const std::optional<std::string> decimal = inDecimal(digits, base);
      if (!decimal) {
        return failAt(begin, "this integer has more than " +
                                 std::to_string(kMostDigits) +
                                 " decimal digits, which is Python's limit");
      }
      value = Value::bigInteger(*decimal);
    }
  }
  add(Token::Number, begin, {}, std::move(value));
  return Status::ok();
}

} // namespace

Result<std::vector<Token>> tokenize(std::string_view source) {
  for (size_t at = 0; at < source.size();) {
    Utf8Step step = decodeUtf8(source.substr(at));
    if (step.kind != Utf8Step::Whole) {
      static constexpr char kHex[] = "0123456789abcdef";
      auto byte = static_cast<unsigned char>(source[at]);
      return corruptError("template " +
                          atPlace(placeAfter(source.substr(0, at)),
                                  std::string("the byte 0x") + kHex[byte >> 4] +
                                      kHex[byte & 15] +
                                      " does not begin a character in UTF-8"));
    }
    at += step.length;
  }
  return Lexer(source).run();
}

} // namespace air::jinja
