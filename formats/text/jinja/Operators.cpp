//===- Operators.cpp - arithmetic and comparison ----------------*- C++ -*-===//
#include "formats/support/CountText.h"
#include "formats/text/jinja/Interpreter.h"

#include <algorithm>
#include <cmath>

namespace air::jinja {
namespace {

Value overflow(Interpreter &in) {
  return in.fail("the result is an integer that does not fit into 64 bits",
                 ErrorCode::Unsupported);
}

/// Returns the quotient, rounded down, if `quotient` is true, and otherwise the
/// remainder, which has the divisor's sign.
Value divideIntegers(Interpreter &in, bool quotient, int64_t a, int64_t b) {
  if (a == INT64_MIN && b == -1) {
    return quotient ? overflow(in) : Value::integer(0);
  }
  int64_t rest = a % b;
  bool adjusts = rest != 0 && (rest < 0) != (b < 0);
  return Value::integer(quotient ? a / b - (adjusts ? 1 : 0)
                                 : rest + (adjusts ? b : 0));
}

Value powerOf(Interpreter &in, const Value &a, const Value &b) {
  if (!a.isIntegral() || !b.isIntegral() || b.asInt() < 0) {
    if (a.asDouble() == 0 && b.asDouble() < 0) {
      return in.fail("0 cannot be raised to a negative power");
    }
    double result = std::pow(a.asDouble(), b.asDouble());
    return std::isnan(result) && !std::isnan(a.asDouble()) &&
                   !std::isnan(b.asDouble())
               ? in.fail("the result of '**' is a complex number, which is "
                         "not supported",
                         ErrorCode::Unsupported)
               : Value::real(result);
  }
  int64_t result = 1;
  int64_t base = a.asInt();
  for (int64_t left = b.asInt(); left > 0; left >>= 1) {
    if ((left & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
      return overflow(in);
    }
    if (left > 1 && __builtin_mul_overflow(base, base, &base)) {
      return overflow(in);
    }
  }
  return Value::integer(result);
}

Value arithmetic(Interpreter &in, const std::string &op, const Value &a,
                 const Value &b) {
  if (op == "**") {
    return powerOf(in, a, b);
  }
  bool divides = op == "/" || op == "//" || op == "%";
  if (divides && b.asDouble() == 0) {
    return in.fail("a number is divided by 0");
  }
  if (a.isIntegral() && b.isIntegral() && op != "/") {
    int64_t x = a.asInt();
    int64_t y = b.asInt();
    if (divides) {
      return divideIntegers(in, op == "//", x, y);
    }
    int64_t result = 0;
    bool wraps = op == "+"   ? __builtin_add_overflow(x, y, &result)
                 : op == "-" ? __builtin_sub_overflow(x, y, &result)
                             : __builtin_mul_overflow(x, y, &result);
    return wraps ? overflow(in) : Value::integer(result);
  }
  double x = a.asDouble();
  double y = b.asDouble();
  if (op == "+") {
    return Value::real(x + y);
  }
  if (op == "-") {
    return Value::real(x - y);
  }
  if (op == "*") {
    return Value::real(x * y);
  }
  if (op == "/") {
    return Value::real(x / y);
  }
  double rest = std::fmod(x, y);
  if (rest != 0 && (rest < 0) != (y < 0)) {
    rest += y;
  }
  if (op == "%") {
    return Value::real(rest == 0 ? std::copysign(0.0, y) : rest);
  }
  return Value::real(std::round((x - rest) / y));
}

Value repeat(Interpreter &in, const Value &value, int64_t times) {
  auto count = static_cast<uint64_t>(std::max<int64_t>(times, 0));
  uint64_t size =
      value.is(Kind::String) ? value.text().size() : value.items().size();
  if (size != 0 && count > kMaxWeight / size) {
    return in.fail("a value of " + countOf(size, "item") + " is repeated " +
                       countOf(count, "time") + "; the limit is " +
                       std::to_string(kMaxWeight) + " items",
                   ErrorCode::DoesNotFit);
  }
  if (size == 0) {
    count = 0;
  }
  if (!in.charge(4 * size * count)) {
    return {};
  }
  if (value.is(Kind::String)) {
    Text text;
    text.reserve(size * count);
    for (uint64_t i = 0; i < count; ++i) {
      text += value.text();
    }
    return in.string(std::move(text), value.isMarkup());
  }
  std::vector<Value> items;
  for (uint64_t i = 0; i < count; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return Value::sequence(value.kind(), std::move(items));
}

bool isRepeatable(const Value &value) {
  return value.is(Kind::String) || value.is(Kind::List) ||
         value.is(Kind::Tuple);
}

} // namespace

Value binary(Interpreter &in, const std::string &op, const Value &a,
             const Value &b) {
  if (op == "%" && a.is(Kind::String)) {
    return formatPercent(in, a.text(), b, a.isMarkup());
  }
  if (a.isNumber() && b.isNumber()) {
    return arithmetic(in, op, a, b);
  }
  if (a.is(Kind::Undefined) || b.is(Kind::Undefined)) {
    return in.failUndefined(a.is(Kind::Undefined) ? a : b);
  }
  if (op == "+" && a.kind() == b.kind() && isRepeatable(a)) {
    if (a.is(Kind::String)) {
      bool isMarkup = a.isMarkup() || b.isMarkup();
      return isMarkup ? in.string(escaped(in, a) + escaped(in, b), true)
                      : in.string(a.text() + b.text());
    }
    std::vector<Value> items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    in.charge(4 * items.size());
    return Value::sequence(a.kind(), std::move(items));
  }
  if (op == "*" && isRepeatable(a) && b.isIntegral()) {
    return repeat(in, a, b.asInt());
  }
  if (op == "*" && a.isIntegral() && isRepeatable(b)) {
    return repeat(in, b, a.asInt());
  }
  const auto computes = [](const Value &value) {
    return value.isNumber() || value.is(Kind::BigInt);
  };
  const bool repeats = op == "*" && (isRepeatable(a) || isRepeatable(b));
  if ((a.is(Kind::BigInt) && (computes(b) || repeats)) ||
      (b.is(Kind::BigInt) && (computes(a) || repeats))) {
    return in.fail("'" + op +
                       "' cannot compute with an integer that does not fit "
                       "into 64 bits",
                   ErrorCode::Unsupported);
  }
  return in.fail(std::string("'") + op + "' cannot combine a value of type " +
                 typeName(a) + " with one of type " + typeName(b));
}

bool compare(Interpreter &in, const std::string &op, const Value &a,
             const Value &b) {
  if (!in.charge(std::min(weightOf(a), weightOf(b)))) {
    return false;
  }
  if (op == "==") {
    return equal(a, b);
  }
  if (op == "!=") {
    return !equal(a, b);
  }
  if (op == "in" || op == "not in") {
    bool found = false;
    if (b.is(Kind::String)) {
      if (!a.is(Kind::String)) {
        in.fail(std::string("'in' can only look for a str in a str, not for a "
                            "value of type ") +
                typeName(a));
        return false;
      }
      in.charge(b.text().size());
      found = findText(b.text(), a.text()) != Text::npos;
    } else if (b.is(Kind::Dict)) {
      found = b.as<DictObject>().find(a) != nullptr;
    } else {
      std::vector<Value> items;
      if (!in.iterate(b, items)) {
        return false;
      }
      in.charge(weightOf(b));
      found = std::any_of(items.begin(), items.end(),
                          [&](const Value &each) { return equal(each, a); });
    }
    return found == (op == "in");
  }
  if (a.is(Kind::Undefined) || b.is(Kind::Undefined)) {
    in.failUndefined(a.is(Kind::Undefined) ? a : b);
    return false;
  }
  bool swaps = op == ">" || op == "<=";
  std::optional<bool> less = swaps ? lessThan(b, a) : lessThan(a, b);
  if (!less) {
    in.fail(std::string("'") + op + "' cannot compare a value of type " +
            typeName(a) + " with one of type " + typeName(b));
    return false;
  }
  bool isNan = (a.is(Kind::Float) && std::isnan(a.asDouble())) ||
               (b.is(Kind::Float) && std::isnan(b.asDouble()));
  return !isNan && (op == "<" || op == ">" ? *less : !*less);
}

} // namespace air::jinja
