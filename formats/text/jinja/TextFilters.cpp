//===- TextFilters.cpp - filters of texts and numbers -----------*- C++ -*-===//
#include "formats/text/jinja/FilterTable.h"
#include "formats/text/jinja/Json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace air::jinja {
namespace {

Arguments none() { return {}; }

/// Returns `value` itself if it is a string, whether or not it is marked as
/// HTML, and otherwise its text.
Value softString(Interpreter &in, const Value &value) {
  return value.is(Kind::String) ? value : in.string(in.textOf(value));
}

/// Calls a string method as a filter: the value is converted to a string first.
Value byMethod(Interpreter &in, const Value &value, const char *name,
               const Arguments &arguments) {
  Value text = softString(in, value);
  return in.failed() ? Value() : callStringMethod(in, text, name, arguments);
}

Value absFilter(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'abs'", given, {});
  if (value.is(Kind::Float)) {
    return Value::real(std::abs(value.asDouble()));
  }
  if (value.is(Kind::BigInt)) {
    return in.fail("filter 'abs': the integer does not fit into 64 bits",
                   ErrorCode::Unsupported);
  }
  if (!value.isIntegral()) {
    return value.is(Kind::Undefined)
               ? in.failUndefined(value)
               : in.fail(std::string("a value of type ") + typeName(value) +
                         " has no absolute value");
  }
  return value.asInt() < 0 ? binary(in, "-", Value::integer(0), value)
                           : Value::integer(value.asInt());
}

Value capitalize(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'capitalize'", given, {});
  return byMethod(in, value, "capitalize", none());
}

Value center(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'center'", given, {"width"});
  Arguments width;
  width.positional = {bound.get(0, Value::integer(80))};
  return byMethod(in, value, "center", width);
}

Value lower(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'lower'", given, {});
  return byMethod(in, value, "lower", none());
}

Value upper(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'upper'", given, {});
  return byMethod(in, value, "upper", none());
}

Value trim(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'trim'", given, {"chars"});
  Arguments set;
  set.positional = {bound.get(0, Value::none())};
  return byMethod(in, value, "strip", set);
}

Value replace(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'replace'", given, {"old", "new", "count"});
  Arguments parts;
  parts.positional = {in.string(in.textOf(bound.need(0))),
                      in.string(in.textOf(bound.need(1))),
                      Value::integer(bound.integer(2, -1))};
  Value text = in.string(in.textOf(value));
  return in.failed() ? Value() : byMethod(in, text, "replace", parts);
}

Value stringFilter(Interpreter &in, const Value &value,
                   const Arguments &given) {
  Bound bound(in, "filter 'string'", given, {});
  return softString(in, value);
}

Value safe(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'safe'", given, {});
  return value.isMarkup() ? value : in.string(in.textOf(value), true);
}

Value escape(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'escape'", given, {});
  return value.isMarkup() ? value : in.string(escaped(in, value), true);
}

Value forceEscape(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'forceescape'", given, {});
  return in.string(escapeHtml(in.textOf(value)), true);
}

// A word begins after white space, '-' or an opening bracket.
Value title(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'title'", given, {});
  const auto divides = [](char32_t c) {
    return isSpace(c) || TextView(U"-([{<").find(codeOf(c)) != TextView::npos;
  };
  const Text text = in.textOf(value);
  Text out;
  for (size_t at = 0; at < text.size();) {
    appendUpper(text[at], out);
    const size_t begin = ++at;
    while (at < text.size() && !divides(text[at - 1])) {
      ++at;
    }
    out += lowered(TextView(text).substr(begin, at - begin));
  }
  return in.string(std::move(out));
}

Value formatFilter(Interpreter &in, const Value &value,
                   const Arguments &given) {
  if (!given.named.empty()) {
    if (!given.positional.empty()) {
      return in.fail("filter 'format' takes values either by position or by "
                     "name, not both");
    }
    auto dict = std::make_shared<DictObject>();
    for (const auto &[name, each] : given.named) {
      dict->set(name, each);
    }
    return formatPercent(in, in.textOf(value),
                         Value::object(Kind::Dict, std::move(dict)),
                         value.isMarkup());
  }
  return formatPercent(in, in.textOf(value),
                       Value::sequence(Kind::Tuple, given.positional),
                       value.isMarkup());
}

Value indent(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'indent'", given, {"width", "first", "blank"});
  Value width = bound.get(0, Value::integer(4));
  if (width.isMarkup() && !value.isMarkup()) {
    return in.fail("filter 'indent': the width is marked as safe HTML, but "
                   "the text is not; mark the text with 'safe', too",
                   ErrorCode::Unsupported);
  }
  Text space = width.is(Kind::String)
                   ? width.text()
                   : Text(static_cast<size_t>(std::clamp<int64_t>(
                              bound.integer(0, 4), 0, 10000)),
                          U' ');
  bool first = bound.flag(1, false);
  bool blank = bound.flag(2, false);
  Text text = in.textOf(value) + U"\n";
  // A line ends where str.splitlines of Python ends it.
  Value whole = in.string(std::move(text));
  if (in.failed()) {
    return {};
  }
  Value lines = callStringMethod(in, whole, "splitlines", none());
  if (in.failed()) {
    return {};
  }
  Text out;
  const std::vector<Value> &items = lines.items();
  for (size_t i = 0; i < items.size() && in.charge(space.size()); ++i) {
    const Text &line = items[i].text();
    if (i != 0) {
      out += U'\n';
    }
    if (i == 0 ? first : blank || !line.empty()) {
      out += space;
    }
    out += line;
    if (out.size() > kMaxWeight) {
      break;
    }
  }
  return in.string(std::move(out), value.isMarkup());
}

Value truncate(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'truncate'", given,
              {"length", "killwords", "end", "leeway"});
  Text text = in.textOf(value);
  int64_t length = bound.integer(0, 255);
  Text end = bound.text(2, U"...");
  int64_t leeway = bound.integer(3, 5);
  auto size = static_cast<int64_t>(text.size());
  if (size <= length + leeway) {
    return in.string(std::move(text), value.isMarkup());
  }
  int64_t kept = length - static_cast<int64_t>(end.size());
  if (kept < 0 || leeway < 0) {
    return in.fail(
        leeway < 0
            ? "filter 'truncate': the leeway is " + std::to_string(leeway) +
                  "; it must be at least 0"
            : "filter 'truncate': the length is " + std::to_string(length) +
                  "; it must be at least the length of the end text, " +
                  std::to_string(end.size()));
  }
  text.resize(static_cast<size_t>(kept));
  if (!bound.flag(1, false)) {
    if (size_t space = findLastText(text, U" "); space != Text::npos) {
      text.resize(space);
    }
  }
  return binary(in, "+", in.string(std::move(text), value.isMarkup()),
                bound.get(2, Value::string(end)));
}

Value wordCount(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'wordcount'", given, {});
  int64_t count = 0;
  bool inside = false;
  for (char32_t c : in.textOf(value)) {
    bool isWord = isAlpha(c) || isNumeric(c) || codeOf(c) == U'_';
    count += isWord && !inside ? 1 : 0;
    inside = isWord;
  }
  return Value::integer(count);
}

Value urlEncode(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'urlencode'", given, {});
  if (value.is(Kind::Dict) || value.isSequence()) {
    return in.fail(std::string("filter 'urlencode' does not support a value "
                               "of type ") +
                       typeName(value) + "; it takes a text",
                   ErrorCode::Unsupported);
  }
  static constexpr char kHex[] = "0123456789ABCDEF";
  Text out;
  for (char32_t c : in.textOf(value)) {
    for (char byte : toUtf8({&c, 1})) {
      auto code = static_cast<unsigned char>(byte);
      bool keeps = code < 0x80 &&
                   (std::isalnum(code) != 0 || byte == '_' || byte == '.' ||
                    byte == '-' || byte == '~' || byte == '/');
      std::string text =
          keeps ? std::string(1, byte)
                : std::string{'%', kHex[code >> 4], kHex[code & 15]};
      out += toText(text, (c & kTaint) != 0);
    }
  }
  return in.string(std::move(out));
}

/// Returns the text of a number without what int() and float() of Python
/// ignore: white space around it, and '_' between its digits. Returns nothing
/// if a '_' stands elsewhere.
std::optional<std::string> numeral(const Text &text) {
  std::string digits = toUtf8(strip(text, true, true));
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    bool between =
        i > 0 && i + 1 < digits.size() &&
        std::isdigit(static_cast<unsigned char>(digits[i - 1])) != 0 &&
        std::isdigit(static_cast<unsigned char>(digits[i + 1])) != 0;
    if (digits[i] != '_') {
      out += digits[i];
    } else if (!between) {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<double> parseReal(const Text &text) {
  std::optional<std::string> digits = numeral(text);
  if (!digits || digits->empty()) {
    return std::nullopt;
  }
  std::string_view rest = *digits;
  if (rest[0] == '+') {
    rest.remove_prefix(1);
    if (rest.starts_with('-')) {
      return std::nullopt;
    }
  }
  double number = 0;
  auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return error == std::errc() && end == rest.data() + rest.size()
             ? std::optional(number)
             : std::nullopt;
}

std::optional<int64_t> parseInt(const Text &text, int base) {
  std::optional<std::string> digits = numeral(text);
  if (!digits || digits->empty()) {
    return std::nullopt;
  }
  std::string rest = *digits;
  bool negative = rest[0] == '-';
  if (negative || rest[0] == '+') {
    rest.erase(0, 1);
  }
  std::string prefix = rest.substr(0, 2);
  if ((base == 16 && (prefix == "0x" || prefix == "0X")) ||
      (base == 8 && (prefix == "0o" || prefix == "0O")) ||
      (base == 2 && (prefix == "0b" || prefix == "0B"))) {
    rest.erase(0, 2);
  }
  if (rest.starts_with('-')) {
    return std::nullopt;
  }
  if (negative) {
    rest.insert(0, 1, '-');
  }
  int64_t number = 0;
  auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  return error == std::errc() && end == rest.data() + rest.size()
             ? std::optional(number)
             : std::nullopt;
}

Value intFilter(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'int'", given, {"default", "base"});
  Value other = bound.get(0, Value::integer(0));
  int64_t base = bound.integer(1, 10);
  if (base < 2 || base > 36) {
    return in.fail("filter 'int': the base is " + std::to_string(base) +
                   "; it must be 2 to 36");
  }
  if (value.isIntegral()) {
    return Value::integer(value.asInt());
  }
  std::optional<double> real;
  if (value.is(Kind::String)) {
    if (auto number = parseInt(value.text(), static_cast<int>(base))) {
      return Value::integer(*number);
    }
    real = parseReal(value.text());
  } else if (value.is(Kind::Float)) {
    real = value.asDouble();
  } else {
    return value.is(Kind::Undefined) ? in.failUndefined(value)
           : value.is(Kind::BigInt)  ? value
                                     : other;
  }
  if (!real || std::isnan(*real) || std::isinf(*real)) {
    return other;
  }
  return std::abs(*real) < 0x1p63
             ? Value::integer(static_cast<int64_t>(*real))
             : in.fail("filter 'int': the number does not fit into 64 bits",
                       ErrorCode::Unsupported);
}

Value floatFilter(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'float'", given, {"default"});
  if (value.isNumber()) {
    return Value::real(value.asDouble());
  }
  if (value.is(Kind::Undefined)) {
    return in.failUndefined(value);
  }
  if (value.is(Kind::BigInt)) {
    const std::string digits = toUtf8(value.text());
    double number = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc()
               ? Value::real(number)
               : in.fail("filter 'float': the integer does not fit in a 64-bit "
                         "floating-point number");
  }
  std::optional<double> real =
      value.is(Kind::String) ? parseReal(value.text()) : std::nullopt;
  return real ? Value::real(*real) : bound.get(0, Value::real(0));
}

Value roundFilter(Interpreter &in, const Value &value, const Arguments &given) {
  Bound bound(in, "filter 'round'", given, {"precision", "method"});
  auto digits =
      static_cast<int>(std::clamp<int64_t>(bound.integer(0, 0), -300, 300));
  Text method = bound.text(1, U"common");
  if (value.is(Kind::Undefined)) {
    return in.failUndefined(value);
  }
  if (value.is(Kind::BigInt)) {
    return in.fail("filter 'round': the integer does not fit into 64 bits",
                   ErrorCode::Unsupported);
  }
  if (!value.isNumber()) {
    return in.fail(std::string("a value of type ") + typeName(value) +
                   " cannot be rounded");
  }
  if (equalText(method, "ceil") || equalText(method, "floor")) {
    double scale = std::pow(10.0, digits);
    double scaled = value.asDouble() * scale;
    return Value::real(
        (equalText(method, "ceil") ? std::ceil(scaled) : std::floor(scaled)) /
        scale);
  }
  if (!equalText(method, "common")) {
    return in.fail(
        "filter 'round': the method must be 'common', 'ceil' or 'floor'");
  }
  if (value.isIntegral()) {
    if (digits >= 0) {
      return Value::integer(value.asInt());
    }
    return in.fail("filter 'round': an integer cannot be rounded with a "
                   "negative precision such as " +
                       std::to_string(digits),
                   ErrorCode::Unsupported);
  }
  if (digits < 0) {
    double scale = std::pow(10.0, -digits);
    return Value::real(std::nearbyint(value.asDouble() / scale) * scale);
  }
  // printf rounds the exact binary value correctly, as Python does.
  std::array<char, 1024> buffer{};
  int length = std::snprintf(buffer.data(), buffer.size(), "%.*f", digits,
                             value.asDouble());
  double rounded = value.asDouble();
  std::from_chars(buffer.data(), buffer.data() + length, rounded);
  return Value::real(rounded);
}

Value toJsonFilter(Interpreter &in, const Value &value,
                   const Arguments &given) {
  Bound bound(in, "filter 'tojson'", given,
              {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  // The tojson of transformers takes the arguments in this order.
  style.ascii = bound.flag(0, false);
  Value indent = bound.get(1, Value::none());
  if (indent.is(Kind::String)) {
    style.indent = indent.text();
  } else if (!indent.is(Kind::None)) {
    style.indent = Text(
        static_cast<size_t>(std::clamp<int64_t>(bound.integer(1, 0), 0, 1000)),
        U' ');
  }
  Value separators = bound.get(2, Value::none());
  if (!separators.is(Kind::None)) {
    if (!(separators.is(Kind::List) || separators.is(Kind::Tuple)) ||
        separators.items().size() != 2 ||
        !separators.items()[0].is(Kind::String) ||
        !separators.items()[1].is(Kind::String)) {
      return in.fail("filter 'tojson': 'separators' must be two strings");
    }
    style.itemSeparator = separators.items()[0].text();
    style.keySeparator = separators.items()[1].text();
  }
  style.sortKeys = bound.flag(3, false);
  if (in.failed() ||
      !in.charge(weightOf(value) *
                 (1 + (style.indent ? style.indent->size() : 0) / 4))) {
    return {};
  }
  Result<Text> text = toJson(value, style);
  return text.isOk() ? in.string(*std::move(text))
                     : in.fail(text.status().message());
}

Value fromJsonFilter(Interpreter &in, const Value &value,
                     const Arguments &given) {
  Bound bound(in, "filter 'from_json'", given, {});
  if (!value.is(Kind::String)) {
    return in.fail(std::string("filter 'from_json' needs a str, not a value "
                               "of type ") +
                   typeName(value));
  }
  // One tainted character makes all strings of the result tainted.
  bool tainted = std::any_of(value.text().begin(), value.text().end(),
                             [](char32_t c) { return (c & kTaint) != 0; });
  in.charge(4 * value.text().size());
  Result<Value> parsed = fromJson(toUtf8(value.text()), tainted);
  return parsed.isOk()
             ? *std::move(parsed)
             : in.fail("filter 'from_json': " + parsed.status().message());
}

Value defaultFilter(Interpreter &in, const Value &value,
                    const Arguments &given) {
  Bound bound(in, "filter 'default'", given, {"default_value", "boolean"});
  bool replaces =
      value.is(Kind::Undefined) || (bound.flag(1, false) && !isTrue(value));
  return replaces ? bound.get(0, Value::string("")) : value;
}

constexpr FilterRow kRows[] = {
    {"abs", absFilter},
    {"capitalize", capitalize},
    {"center", center},
    {"d", defaultFilter},
    {"default", defaultFilter},
    {"e", escape},
    {"escape", escape},
    {"float", floatFilter},
    {"forceescape", forceEscape},
    {"format", formatFilter},
    {"from_json", fromJsonFilter},
    {"indent", indent},
    {"int", intFilter},
    {"lower", lower},
    {"replace", replace},
    {"round", roundFilter},
    {"safe", safe},
    {"string", stringFilter},
    {"title", title},
    {"tojson", toJsonFilter},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", upper},
    {"urlencode", urlEncode},
    {"wordcount", wordCount},
};

} // namespace

std::span<const FilterRow> textFilters() { return kRows; }

} // namespace air::jinja
