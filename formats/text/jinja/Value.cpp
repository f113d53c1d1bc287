//===- Value.cpp - the values of a template ---------------------*- C++ -*-===//
#include "formats/text/jinja/Value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace air::jinja {

static Value withText(Kind kind, Text text) {
  auto object = std::make_shared<TextObject>();
  object->text = std::move(text);
  return Value::object(kind, std::move(object));
}

Value Value::string(Text text) {
  return withText(Kind::String, std::move(text));
}

Value Value::markup(Text text) {
  Value result = string(std::move(text));
  result.as<TextObject>().isMarkup = true;
  return result;
}

Value Value::bigInteger(std::string_view digits) {
  return withText(Kind::BigInt, toText(digits));
}

Value Value::undefined(std::string hint) {
  auto object = std::make_shared<UndefinedObject>();
  object->hint = std::move(hint);
  return Value::object(Kind::Undefined, std::move(object));
}

/// Returns a + b, limited to 4 * kMaxWeight, so that sums cannot overflow.
static uint64_t heavier(uint64_t a, uint64_t b) {
  return std::min(a + b, 4 * kMaxWeight);
}

Value Value::sequence(Kind kind, std::vector<Value> items, std::string label) {
  auto object = std::make_shared<SequenceObject>();
  object->items = std::move(items);
  object->label = std::move(label);
  for (const Value &item : object->items) {
    object->depth = std::max(object->depth, depthOf(item) + 1);
    object->weight = heavier(object->weight, weightOf(item));
  }
  return Value::object(kind, std::move(object));
}

const Text &Value::text() const { return as<TextObject>().text; }

bool Value::isMarkup() const {
  return type == Kind::String && as<TextObject>().isMarkup;
}

const std::vector<Value> &Value::items() const {
  return as<SequenceObject>().items;
}

uint32_t depthOf(const Value &value) {
  if (value.isSequence() || value.is(Kind::Generator)) {
    return value.as<SequenceObject>().depth;
  }
  return value.is(Kind::Dict) ? value.as<DictObject>().depth : 0;
}

uint64_t weightOf(const Value &value) {
  if (value.isSequence() || value.is(Kind::Generator)) {
    return value.as<SequenceObject>().weight;
  }
  if (value.is(Kind::Dict)) {
    return value.as<DictObject>().weight;
  }
  return value.is(Kind::String) || value.is(Kind::BigInt)
             ? 1 + value.text().size()
             : 1;
}

bool DictObject::set(const Value &key, const Value &value) {
  std::optional<Text> name = keyOf(key);
  if (!name) {
    return false;
  }
  depth = std::max(depth, depthOf(value) + 1);
  weight = heavier(weight, weightOf(key) + weightOf(value));
  auto [place, isNew] = index.try_emplace(std::move(*name), entries.size());
  if (isNew) {
    entries.emplace_back(key, value);
  } else {
    entries[place->second].second = value;
  }
  return true;
}

const Value *DictObject::find(const Value &key) const {
  std::optional<Text> name = keyOf(key);
  auto place = name ? index.find(*name) : index.end();
  return place == index.end() ? nullptr : &entries[place->second].second;
}

/// All digits of a float that is a whole number.
static std::string wholeDigits(double number) {
  // The largest double has 309 digits before the decimal point. There may also
  // be a sign, and no digits come after the point.
  std::array<char, 320> buffer{};
  // This sum turns -0.0 into 0.0, which has no sign.
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                 number + 0.0, std::chars_format::fixed, 0);
  return {buffer.data(), end.ptr};
}

std::optional<Text> keyOf(const Value &value) {
  switch (value.kind()) {
  case Kind::None:
    return U"n";
  case Kind::Bool:
  case Kind::Int:
    return toText("i" + std::to_string(value.asInt()));
  case Kind::BigInt:
    return U"i" + value.text();
  case Kind::Float: {
    const double number = value.asDouble();
    return std::isfinite(number) && std::trunc(number) == number
               ? toText("i" + wholeDigits(number))
               : toText("f" + floatRepr(number));
  }
  case Kind::String:
    return U"s" + plain(value.text());
  case Kind::Tuple: {
    Text key = U"t";
    for (const Value &item : value.items()) {
      std::optional<Text> part = keyOf(item);
      if (!part) {
        return std::nullopt;
      }
      key += toText(std::to_string(part->size()) + ":") + *part;
    }
    return key;
  }
  default:
    return std::nullopt;
  }
}

bool isTrue(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
  case Kind::None:
    return false;
  case Kind::Bool:
  case Kind::Int:
    return value.asInt() != 0;
  case Kind::Float:
    return value.asDouble() != 0;
  case Kind::String:
    return !value.text().empty();
  case Kind::List:
  case Kind::Tuple:
  case Kind::View:
    return !value.items().empty();
  case Kind::Dict:
    return !value.as<DictObject>().entries.empty();
  default:
    return true;
  }
}

/// Whether the value is a number of any kind and size.
static bool isRealNumber(const Value &value) {
  return value.isNumber() || value.is(Kind::BigInt);
}

bool equal(const Value &a, const Value &b) {
  if (a.is(Kind::Float) && b.is(Kind::Float)) {
    return a.asDouble() == b.asDouble();
  }
  if (a.isIntegral() && b.isIntegral()) {
    return a.asInt() == b.asInt();
  }
  if (isRealNumber(a) && isRealNumber(b)) {
    // Python compares an int and a float exactly, without rounding the int.
    // Comparing the keys does the same, because a key has all digits of a whole
    // number.
    return keyOf(a) == keyOf(b);
  }
  if (a.kind() != b.kind()) {
    return false;
  }
  switch (a.kind()) {
  case Kind::Undefined:
  case Kind::None:
    return true;
  case Kind::BigInt:
  case Kind::String:
    return equalText(a.text(), b.text());
  case Kind::List:
  case Kind::Tuple:
  case Kind::View:
    return std::equal(a.items().begin(), a.items().end(), b.items().begin(),
                      b.items().end(), equal);
  case Kind::Dict: {
    const auto &left = a.as<DictObject>();
    const auto &right = b.as<DictObject>();
    return left.entries.size() == right.entries.size() &&
           std::all_of(left.entries.begin(), left.entries.end(),
                       [&](const auto &entry) {
                         const Value *other = right.find(entry.first);
                         return other != nullptr && equal(entry.second, *other);
                       });
  }
  default:
    return a.identity() == b.identity();
  }
}

/// The decimal digits of an integer of any size, or of a float as `toWhole`
/// rounds it. They may be in `storage`.
static TextView digitsOf(const Value &number, double (*toWhole)(double),
                         Text &storage) {
  if (number.is(Kind::BigInt)) {
    return number.text();
  }
  storage =
      toText(number.is(Kind::Float) ? wholeDigits(toWhole(number.asDouble()))
                                    : std::to_string(number.asInt()));
  return storage;
}

/// Whether one integer is less than another. Both are decimal digits without
/// leading zeros, and may have a minus sign.
static bool lessDigits(TextView a, TextView b) {
  const bool isNegative = a.starts_with(U'-');
  if (isNegative != b.starts_with(U'-')) {
    return isNegative;
  }
  if (isNegative) {
    std::swap(a, b);
  }
  return a.size() == b.size() ? a < b : a.size() < b.size();
}

/// Whether `a` < `b`, for two numbers. As in Python, an int and a float are
/// compared exactly, without rounding the int.
static bool lessNumber(const Value &a, const Value &b) {
  if (a.isIntegral() && b.isIntegral()) {
    return a.asInt() < b.asInt();
  }
  if (a.is(Kind::Float) && b.is(Kind::Float)) {
    return a.asDouble() < b.asDouble();
  }
  if (a.is(Kind::Float) && !std::isfinite(a.asDouble())) {
    return a.asDouble() < 0;
  }
  if (b.is(Kind::Float) && !std::isfinite(b.asDouble())) {
    return b.asDouble() > 0;
  }
  // An integer is less than a float if it is less than the float rounded up,
  // and greater if it is greater than the float rounded down.
  Text left;
  Text right;
  return lessDigits(digitsOf(a, std::floor, left),
                    digitsOf(b, std::ceil, right));
}

std::optional<bool> lessThan(const Value &a, const Value &b) {
  if (isRealNumber(a) && isRealNumber(b)) {
    return lessNumber(a, b);
  }
  if (a.is(Kind::String) && b.is(Kind::String)) {
    return compareText(a.text(), b.text()) < 0;
  }
  if (a.kind() == b.kind() && (a.is(Kind::List) || a.is(Kind::Tuple))) {
    size_t common = std::min(a.items().size(), b.items().size());
    for (size_t i = 0; i < common; ++i) {
      if (!equal(a.items()[i], b.items()[i])) {
        return lessThan(a.items()[i], b.items()[i]);
      }
    }
    return a.items().size() < b.items().size();
  }
  return std::nullopt;
}

const char *typeName(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
    return "undefined";
  case Kind::None:
    return "none";
  case Kind::Bool:
    return "bool";
  case Kind::Int:
  case Kind::BigInt:
    return "int";
  case Kind::Float:
    return "float";
  case Kind::String:
    return value.isMarkup() ? "Markup" : "str";
  case Kind::List:
    return "list";
  case Kind::Tuple:
    return "tuple";
  case Kind::View:
    return "view";
  case Kind::Dict:
    return "dict";
  case Kind::Generator:
    return "generator";
  case Kind::Namespace:
    return "namespace";
  case Kind::Function:
    return "function";
  case Kind::Macro:
    return "macro";
  case Kind::Loop:
    return "loop";
  }
  return "";
}

// Python writes the fewest digits that read back as the same number. A number
// gets an exponent if its magnitude is 1e16 or more, or below 1e-4 but not 0.
std::string floatRepr(double value) {
  if (std::isnan(value) || std::isinf(value)) {
    return std::isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
  }
  std::array<char, 64> buffer{};
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                           std::chars_format::scientific);
  std::string text(buffer.data(), end.ptr);
  size_t mark = text.find('e');
  int exponent = 0;
  const char *digits = text.data() + mark + 1;
  std::from_chars(digits + (*digits == '+' ? 1 : 0), text.data() + text.size(),
                  exponent);
  if (exponent < -4 || exponent >= 16) {
    return text;
  }
  end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                      std::chars_format::fixed);
  text.assign(buffer.data(), end.ptr);
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

static Text stringRepr(TextView text) {
  bool single = findText(text, U"'") != TextView::npos;
  bool both = single && findText(text, U"\"") != TextView::npos;
  char32_t quote = single && !both ? U'"' : U'\'';
  Text out(1, quote);
  auto escape = [&](char32_t c, const char *letter, int digits) {
    static constexpr char32_t kHex[] = U"0123456789abcdef";
    out += toText(letter, (c & kTaint) != 0);
    for (int i = digits; i-- > 0;) {
      out += kHex[(codeOf(c) >> (4 * i)) & 15] | (c & kTaint);
    }
  };
  for (char32_t c : text) {
    char32_t code = codeOf(c);
    if (code == quote || code == U'\\') {
      out += U'\\' | (c & kTaint);
      out += c;
    } else if (code == U'\n') {
      escape(c, "\\n", 0);
    } else if (code == U'\r') {
      escape(c, "\\r", 0);
    } else if (code == U'\t') {
      escape(c, "\\t", 0);
    } else if (isPrintable(c)) {
      out += c;
    } else if (code < 0x100) {
      escape(c, "\\x", 2);
    } else if (code < 0x10000) {
      escape(c, "\\u", 4);
    } else {
      escape(c, "\\U", 8);
    }
  }
  return out + quote;
}

static Text joinedRepr(const std::vector<Value> &items) {
  Text out;
  for (size_t i = 0; i < items.size(); ++i) {
    out += i == 0 ? U"" : U", ";
    out += repr(items[i]);
  }
  return out;
}

Text repr(const Value &value) {
  switch (value.kind()) {
  case Kind::Undefined:
    return U"Undefined";
  case Kind::None:
    return U"None";
  case Kind::Bool:
    return value.asInt() != 0 ? U"True" : U"False";
  case Kind::Int:
    return toText(std::to_string(value.asInt()));
  case Kind::BigInt:
    return value.text();
  case Kind::Float:
    return toText(floatRepr(value.asDouble()));
  case Kind::String:
    return value.isMarkup() ? U"Markup(" + stringRepr(value.text()) + U")"
                            : stringRepr(value.text());
  case Kind::List:
    return U"[" + joinedRepr(value.items()) + U"]";
  case Kind::Tuple:
    return U"(" + joinedRepr(value.items()) +
           (value.items().size() == 1 ? U",)" : U")");
  case Kind::View: {
    const std::string &label = value.as<SequenceObject>().label;
    return label.ends_with(')')
               ? toText(label)
               : toText(label) + U"([" + joinedRepr(value.items()) + U"])";
  }
  case Kind::Dict: {
    Text out = U"{";
    for (const auto &[key, item] : value.as<DictObject>().entries) {
      out += out.size() == 1 ? U"" : U", ";
      out += repr(key) + U": " + repr(item);
    }
    return out + U"}";
  }
  case Kind::Namespace: {
    Text out = U"<Namespace {";
    bool first = true;
    for (const auto &[name, item] : value.as<NamespaceObject>().values) {
      out += first ? U"'" : U", '";
      first = false;
      // A namespace may contain itself, so only its plain values are shown.
      out +=
          toText(name) + U"': " +
          (item.is(Kind::Namespace) || depthOf(item) > 0 ? U"..." : repr(item));
    }
    return out + U"}>";
  }
  default:
    return U"<" + toText(typeName(value)) + U">";
  }
}

Text str(const Value &value) {
  return value.is(Kind::String)      ? value.text()
         : value.is(Kind::Undefined) ? Text()
                                     : repr(value);
}

} // namespace air::jinja
