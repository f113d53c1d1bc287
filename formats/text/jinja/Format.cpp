//===- Format.cpp - Python's ways to format text ----------------*- C++ -*-===//
#include "formats/support/CountText.h"
#include "formats/text/jinja/Interpreter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace air::jinja {
namespace {

/// A format such as "-5.2f", which stands after '%' or, in braces, after ':'.
struct Spec {
  char32_t fill = U' ';
  char align = 0; ///< '<', '>', '^', '='; 0 = as usual for the type
  char sign = '-';
  bool alternate = false;
  char grouping = 0;
  size_t width = 0;
  int precision = -1;
  char type = 0;
};

/// The greatest width and precision. Without a limit, one format could make a
/// text of gigabytes. Published templates pad numbers to a few digits.
constexpr size_t kWidest = 100'000;

/// Returns whether the width and the precision are at most kWidest. Reports an
/// error if they are not.
bool isNarrow(Interpreter &in, const Spec &spec) {
  const size_t wider =
      std::max(spec.width, static_cast<size_t>(std::max(spec.precision, 0)));
  if (wider > kWidest) {
    in.fail("a width or precision of a format is greater than " +
                std::to_string(kWidest),
            ErrorCode::DoesNotFit);
  }
  return wider <= kWidest;
}

Text pad(const Text &sign, const Text &body, const Spec &spec, char align) {
  size_t size = sign.size() + body.size();
  size_t missing = spec.width > size ? spec.width - size : 0;
  size_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
  if (align == '=') {
    return sign + Text(missing, spec.fill) + body;
  }
  return Text(before, spec.fill) + sign + body +
         Text(missing - before, spec.fill);
}

std::string realDigits(double value, const Spec &spec) {
  char type = spec.type == '%' ? 'f' : spec.type;
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  if (spec.type == '%') {
    value *= 100;
  }
  std::array<char, 16> pattern{};
  std::snprintf(pattern.data(), pattern.size(), "%%%s.*%c",
                spec.alternate ? "#" : "", type);
  // The largest double has 309 digits before the decimal point. The point, an
  // exponent and the final zero byte need a few bytes more.
  std::string text(static_cast<size_t>(precision) + 330, '\0');
  const int length =
      std::snprintf(text.data(), text.size(), pattern.data(), precision, value);
  text.resize(static_cast<size_t>(std::max(length, 0)));
  return spec.type == '%' ? text + "%" : text;
}

void group(std::string &digits, char separator) {
  size_t end = digits.find_first_not_of("0123456789");
  for (size_t at = end == std::string::npos ? digits.size() : end; at > 3;) {
    at -= 3;
    digits.insert(at, 1, separator);
  }
}

Value formatNumber(Interpreter &in, const Value &value, Spec spec) {
  bool isReal = value.is(Kind::Float);
  bool negative = isReal ? std::signbit(value.asDouble()) : value.asInt() < 0;
  std::string digits;
  std::string prefix;
  if (isReal || (spec.type != 0 && std::string_view("eEfFgG%").find(
                                       spec.type) != std::string_view::npos)) {
    double number = std::abs(value.asDouble());
    if (spec.type == 0 && spec.precision < 0) {
      digits = floatRepr(number);
    } else if (spec.type == 0 || spec.type == 'n') {
      spec.type = 'g';
      digits = realDigits(number, spec);
      if (digits.find_first_of(".en") == std::string::npos) {
        digits += ".0";
      }
    } else {
      digits = realDigits(number, spec);
    }
  } else {
    uint64_t number = static_cast<uint64_t>(value.asInt());
    if (negative) {
      number = 0 - number;
    }
    int base = spec.type == 'x' || spec.type == 'X' ? 16
               : spec.type == 'o'                   ? 8
               : spec.type == 'b'                   ? 2
                                                    : 10;
    const char *letters =
        spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
      digits.insert(digits.begin(), letters[number % base]);
      number /= static_cast<uint64_t>(base);
    } while (number != 0);
    if (spec.alternate && base != 10) {
      prefix = std::string("0") + spec.type;
    }
    if (spec.precision > 0 && digits.size() < size_t(spec.precision)) {
      digits.insert(0, size_t(spec.precision) - digits.size(), '0');
    }
  }
  if (spec.grouping != 0) {
    group(digits, spec.grouping);
  }
  std::string sign = negative           ? "-"
                     : spec.sign == '+' ? "+"
                     : spec.sign == ' ' ? " "
                                        : "";
  return in.string(pad(toText(sign + prefix), toText(digits), spec,
                       spec.align == 0 ? '>' : spec.align));
}

Value tooLong(Interpreter &in) {
  return in.fail("an integer that does not fit into 64 bits can only be "
                 "formatted with %s or {}",
                 ErrorCode::Unsupported);
}

Value unsupportedFormat(Interpreter &in, char32_t letter) {
  return in.fail("the format letter '" + toUtf8({&letter, 1}) +
                 "' is not known");
}

/// Formats one value of Python's `text % values`.
Value formatOne(Interpreter &in, const Value &value, Spec spec, bool isMarkup) {
  switch (spec.type) {
  case 's':
  case 'r':
  case 'a': {
    Text text = spec.type != 's' ? repr(value)
                : isMarkup       ? escaped(in, value)
                                 : in.textOf(value);
    if (spec.type != 's' && isMarkup) {
      text = escapeHtml(text);
    }
    if (spec.precision >= 0) {
      text.resize(std::min(text.size(), size_t(spec.precision)));
    }
    return in.string(pad({}, text, spec, spec.align == '<' ? '<' : '>'));
  }
  case 'c':
    if (isMarkup) {
      return in.fail("%c cannot be used in a format that the filter 'safe' or "
                     "'escape' has marked as HTML");
    }
    if (value.isIntegral() && value.asInt() >= 0 && value.asInt() < 0x110000) {
      return in.string(
          pad({}, Text(1, static_cast<char32_t>(value.asInt())), spec, '>'));
    }
    return value.is(Kind::String) && value.text().size() == 1
               ? in.string(pad({}, value.text(), spec, '>'))
               : in.fail("%c needs one character, or its number");
  case 'd':
  case 'i':
  case 'u':
    spec.type = 'd';
    [[fallthrough]];
  case 'x':
  case 'X':
  case 'o':
    if (isMarkup && spec.type != 'd') {
      return in.fail(std::string("%") + spec.type +
                     " cannot be used in a format that the filter 'safe' or "
                     "'escape' has marked as HTML");
    }
    if (value.is(Kind::Float) && spec.type == 'd' &&
        std::abs(value.asDouble()) < 0x1p63) {
      return formatNumber(
          in, Value::integer(static_cast<int64_t>(value.asDouble())), spec);
    }
    break;
  default:
    if (value.isNumber()) {
      return formatNumber(in, value, spec);
    }
  }
  if (isMarkup && value.is(Kind::String)) {
    // If the format string is marked as HTML, Python converts a string to a
    // number where %d or the like needs one. A template that relies on this is
    // refused with a message that says what to write instead.
    return in.fail(std::string("%") + spec.type +
                       " needs a number, not a text; use "
                       "the filter 'int' or 'float'",
                   ErrorCode::Unsupported);
  }
  if (value.is(Kind::BigInt)) {
    return tooLong(in);
  }
  return value.isIntegral() ? formatNumber(in, value, spec)
                            : in.fail(std::string("%") + spec.type +
                                      " needs a number, not a value of type " +
                                      typeName(value));
}

/// Reads a number. If it is greater than kWidest, the result is kWidest + 1.
size_t readNumber(TextView text, size_t &at) {
  size_t number = 0;
  while (at < text.size() && codeOf(text[at]) >= U'0' &&
         codeOf(text[at]) <= U'9') {
    number = std::min(number * 10 + (codeOf(text[at++]) - U'0'), kWidest + 1);
  }
  return number;
}

/// Formats a value according to the text that follows ':' in braces.
Value formatBySpec(Interpreter &in, const Value &value, TextView text) {
  if (text.empty()) {
    return in.string(in.textOf(value));
  }
  if (value.is(Kind::BigInt)) {
    return tooLong(in);
  }
  Spec spec;
  size_t at = 0;
  auto peek = [&](size_t ahead = 0) -> char {
    char32_t c = at + ahead < text.size() ? codeOf(text[at + ahead]) : 0;
    return c < 0x80 ? static_cast<char>(c) : 1;
  };
  auto isAlign = [](char c) {
    return c == '<' || c == '>' || c == '^' || c == '=';
  };
  if (isAlign(peek(1))) {
    spec.fill = text[0];
    spec.align = peek(1);
    at = 2;
  } else if (isAlign(peek())) {
    spec.align = peek();
    at = 1;
  }
  if (peek() == '+' || peek() == '-' || peek() == ' ') {
    spec.sign = peek();
    ++at;
  }
  if (peek() == '#') {
    spec.alternate = true;
    ++at;
  }
  if (peek() == '0' && spec.align == 0) {
    spec.fill = U'0';
    spec.align = '=';
    ++at;
  }
  spec.width = readNumber(text, at);
  if (peek() == ',' || peek() == '_') {
    spec.grouping = peek();
    ++at;
  }
  if (peek() == '.') {
    ++at;
    spec.precision = static_cast<int>(readNumber(text, at));
  }
  if (!isNarrow(in, spec)) {
    return {};
  }
  if (at < text.size()) {
    spec.type = peek();
    ++at;
  }
  std::string_view known = value.is(Kind::Float) ? "eEfFgGn%"
                           : value.isIntegral()  ? "bcdoxXneEfFgG%"
                                                 : "s";
  if (at != text.size() ||
      (spec.type != 0 && known.find(spec.type) == std::string_view::npos)) {
    return in.fail("the format '" + toUtf8(text) +
                   "' cannot be applied to a value of type " + typeName(value));
  }
  if (value.isNumber() && !(value.is(Kind::Bool) && spec.type == 0)) {
    return formatNumber(in, value, spec);
  }
  Text body = in.textOf(value);
  if (spec.precision >= 0) {
    body.resize(std::min(body.size(), size_t(spec.precision)));
  }
  return in.string(pad({}, body, spec, spec.align == 0 ? '<' : spec.align));
}

} // namespace

Value formatPercent(Interpreter &in, const Text &format, const Value &value,
                    bool isMarkup) {
  Text out;
  size_t next = 0;
  bool isTuple = value.is(Kind::Tuple);
  bool isNamed = false;
  auto take = [&]() -> Value {
    if (isTuple ? next < value.items().size() : next == 0) {
      return isTuple ? value.items()[next++] : (++next, value);
    }
    return in.fail("the format is given " + countOf(next, "value") +
                   ", but it needs more");
  };
  for (size_t at = 0; at < format.size() && !in.failed(); ++at) {
    if (codeOf(format[at]) != U'%') {
      out += format[at];
      continue;
    }
    ++at;
    Spec spec;
    std::optional<Value> named;
    auto peek = [&] { return at < format.size() ? codeOf(format[at]) : 0; };
    if (peek() == U'(') {
      size_t end = format.find(U')', at);
      const Value *found = value.is(Kind::Dict) && end != Text::npos
                               ? value.as<DictObject>().find(Value::string(
                                     format.substr(at + 1, end - at - 1)))
                               : nullptr;
      if (found == nullptr) {
        return in.fail("the format refers to a value by name, as in "
                       "'%(name)s', but no value of this name is given");
      }
      isNamed = true;
      named = *found;
      at = end + 1;
    }
    for (; peek() == U'-' || peek() == U'0' || peek() == U'+' ||
           peek() == U' ' || peek() == U'#';
         ++at) {
      char32_t flag = peek();
      if (flag == U'-') {
        spec.align = '<';
      } else if (flag == U'0' && spec.align == 0) {
        spec.align = '=';
        spec.fill = U'0';
      } else if (flag == U'#') {
        spec.alternate = true;
      } else if (flag == U'+' || (flag == U' ' && spec.sign != '+')) {
        spec.sign = static_cast<char>(flag);
      }
    }
    if (spec.align == '<') {
      spec.fill = U' ';
    }
    auto number = [&]() -> size_t {
      if (peek() != U'*') {
        return readNumber(format, at);
      }
      ++at;
      Value given = take();
      if (isMarkup) {
        in.fail("'*' cannot be the width or precision in a format that the "
                "filter 'safe' or 'escape' has marked as HTML");
      }
      if (given.is(Kind::BigInt)) {
        tooLong(in);
      } else if (!given.isIntegral()) {
        in.fail("'*' in a format needs an integer");
      }
      return given.isIntegral() && given.asInt() >= 0
                 ? std::min(static_cast<size_t>(given.asInt()), kWidest + 1)
                 : 0;
    };
    spec.width = number();
    if (peek() == U'.') {
      ++at;
      spec.precision = static_cast<int>(number());
    }
    if (!isNarrow(in, spec)) {
      return {};
    }
    char32_t letter = peek();
    if (letter == U'%') {
      out += format[at];
      continue;
    }
    static constexpr TextView kLetters = U"sraciduxXoeEfFgG";
    if (letter == 0 || kLetters.find(letter) == TextView::npos) {
      return unsupportedFormat(in, letter == 0 ? U'%' : letter);
    }
    spec.type = static_cast<char>(letter);
    if (spec.fill == U'0' && spec.align == '=' &&
        (letter == U's' || letter == U'r' || letter == U'c')) {
      spec.fill = U' ';
    }
    Value one = named ? *named : take();
    if (in.failed()) {
      return {};
    }
    Value text = formatOne(in, one, spec, isMarkup);
    if (in.failed()) {
      return {};
    }
    out += text.text();
  }
  bool usesAll = isTuple ? next == value.items().size()
                         : next == 1 || isNamed || value.is(Kind::Dict) ||
                               value.is(Kind::List);
  if (!in.failed() && !usesAll) {
    const size_t given = isTuple ? value.items().size() : 1;
    return in.fail("the format is given " + countOf(given, "value") +
                   ", but it uses only " + std::to_string(next) +
                   "; it must use all that it is given");
  }
  return in.failed() ? Value() : in.string(std::move(out), isMarkup);
}

Value formatBraces(Interpreter &in, const Text &format,
                   const Arguments &arguments, bool isMarkup) {
  Text out;
  size_t next = 0;
  bool hasNumbers = false;
  for (size_t at = 0; at < format.size() && !in.failed(); ++at) {
    char32_t c = codeOf(format[at]);
    if (c != U'{' && c != U'}') {
      out += format[at];
      continue;
    }
    if (at + 1 < format.size() && codeOf(format[at + 1]) == c) {
      out += format[at++];
      continue;
    }
    size_t end = findText(format, U"}", at);
    if (c == U'}' || end == Text::npos) {
      return in.fail("a '{' or '}' of the format has no partner; write '{{' or "
                     "'}}' for the character itself");
    }
    TextView field = TextView(format).substr(at + 1, end - at - 1);
    if (findText(field, U"{") != TextView::npos) {
      return in.fail(
          "the format has a '{' inside of '{...}', which is not supported",
          ErrorCode::Unsupported);
    }
    at = end;
    size_t colon = findText(field, U":");
    TextView spec =
        colon == TextView::npos ? TextView() : field.substr(colon + 1);
    field = field.substr(0, colon);
    size_t mark = findText(field, U"!");
    TextView conversion =
        mark == TextView::npos ? TextView() : field.substr(mark + 1);
    field = field.substr(0, mark);
    size_t path = std::min(field.find_first_of(U".["), field.size());
    std::string name = toUtf8(field.substr(0, path));
    Value value;
    bool isNumber = name.find_first_not_of("0123456789") == std::string::npos;
    if (isNumber) {
      hasNumbers = hasNumbers || !name.empty();
      if (hasNumbers && (name.empty() || next != 0)) {
        return in.fail("the format has both '{}' and numbers such as '{0}'; "
                       "use only one of the two forms");
      }
      size_t digit = 0;
      size_t index = name.empty() ? next++ : readNumber(field, digit);
      if (index >= arguments.positional.size()) {
        return in.fail("the format asks for value " + std::to_string(index) +
                       ", counted from 0, but it is given only " +
                       countOf(arguments.positional.size(), "value"));
      }
      value = arguments.positional[index];
    } else {
      auto found =
          std::find_if(arguments.named.begin(), arguments.named.end(),
                       [&](const auto &each) { return each.first == name; });
      if (found == arguments.named.end()) {
        return in.fail("the format refers to '" + name +
                       "', but no argument has this name");
      }
      value = found->second;
    }
    while (path < field.size() && !in.failed()) {
      bool isItem = codeOf(field[path]) == U'[';
      size_t stop =
          isItem ? field.find(U']', path)
                 : std::min(field.find_first_of(U".[", path + 1), field.size());
      if (stop == TextView::npos) {
        return in.fail("a '[' of the format is not closed");
      }
      std::string part = toUtf8(field.substr(path + 1, stop - path - 1));
      size_t digit = path + 1;
      value = !isItem ? in.attribute(value, part)
              : part.find_first_not_of("0123456789") == std::string::npos
                  ? in.item(value, Value::integer(static_cast<int64_t>(
                                       readNumber(field, digit))))
                  : in.item(value, Value::string(part));
      path = stop + (isItem ? 1 : 0);
    }
    if (equalText(conversion, "r")) {
      value = in.string(repr(value));
    } else if (equalText(conversion, "s")) {
      value = in.string(in.textOf(value));
    } else if (!conversion.empty()) {
      return unsupportedFormat(in, codeOf(conversion[0]));
    }
    bool isSafe = isMarkup && value.isMarkup();
    if (isSafe && !spec.empty()) {
      return in.fail("the format '" + toUtf8(spec) +
                     "' cannot be applied to a text that the filter 'safe' or "
                     "'escape' has marked as HTML");
    }
    Value text = isSafe ? value : formatBySpec(in, value, spec);
    if (!in.failed()) {
      out += isMarkup ? escaped(in, text) : text.text();
    }
  }
  return in.failed() ? Value() : in.string(std::move(out), isMarkup);
}

Value formatDate(Interpreter &in, const Text &format, const Date &date) {
  static constexpr const char *kMonths[] = {
      "January", "February", "March",     "April",   "May",      "June",
      "July",    "August",   "September", "October", "November", "December"};
  static constexpr const char *kDays[] = {"Sunday",    "Monday",   "Tuesday",
                                          "Wednesday", "Thursday", "Friday",
                                          "Saturday"};
  static constexpr int kBefore[] = {0,   31,  59,  90,  120, 151,
                                    181, 212, 243, 273, 304, 334};
  int y = date.year;
  bool isLeap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  int ordinal =
      kBefore[date.month - 1] + date.day + (isLeap && date.month > 2 ? 1 : 0);
  // Days are counted from 1 January of the year 1, which is day 1 and was a
  // Monday (kDays[1]). The weekday is therefore the day modulo 7.
  int past = y - 1;
  int weekday = (past * 365 + past / 4 - past / 100 + past / 400 + ordinal) % 7;
  auto digits = [](int value, size_t width) {
    std::string text = std::to_string(value);
    return std::string(width > text.size() ? width - text.size() : 0, '0') +
           text;
  };
  Text out;
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != U'%' || at + 1 == format.size()) {
      out += format[at];
      continue;
    }
    bool bare = codeOf(format[++at]) == U'-' && at + 1 < format.size();
    char32_t letter = codeOf(format[bare ? ++at : at]);
    size_t two = bare ? 1 : 2;
    std::string text;
    switch (letter) {
    case U'Y':
      text = digits(y, bare ? 1 : 4);
      break;
    case U'y':
      text = digits(y % 100, two);
      break;
    case U'm':
      text = digits(date.month, two);
      break;
    case U'd':
      text = digits(date.day, two);
      break;
    case U'e':
      text = (date.day < 10 && !bare ? " " : "") + std::to_string(date.day);
      break;
    case U'j':
      text = digits(ordinal, bare ? 1 : 3);
      break;
    case U'B':
      text = kMonths[date.month - 1];
      break;
    case U'b':
    case U'h':
      text = std::string(kMonths[date.month - 1], 3);
      break;
    case U'A':
      text = kDays[weekday];
      break;
    case U'a':
      text = std::string(kDays[weekday], 3);
      break;
    case U'u':
      text = std::to_string(weekday == 0 ? 7 : weekday);
      break;
    case U'w':
      text = std::to_string(weekday);
      break;
    case U'F':
      text = digits(y, 4) + "-" + digits(date.month, 2) + "-" +
             digits(date.day, 2);
      break;
    case U'D':
      text = digits(date.month, 2) + "/" + digits(date.day, 2) + "/" +
             digits(y % 100, 2);
      break;
    case U'H':
    case U'M':
    case U'S':
      text = digits(0, two);
      break;
    case U'I':
      text = "12";
      break;
    case U'p':
      text = "AM";
      break;
    case U'T':
      text = "00:00:00";
      break;
    case U'R':
      text = "00:00";
      break;
    case U'Z':
    case U'z':
      break;
    case U'%':
      text = "%";
      break;
    case U'n':
      text = "\n";
      break;
    case U't':
      text = "\t";
      break;
    default:
      return in.fail("strftime_now() does not support the code %" +
                         toUtf8({&letter, 1}),
                     ErrorCode::Unsupported);
    }
    out += toText(text);
  }
  return in.string(std::move(out));
}

} // namespace air::jinja
