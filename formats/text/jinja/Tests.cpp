//===- Tests.cpp - the tests after `is` -------------------------*- C++ -*-===//
#include "formats/text/jinja/Interpreter.h"

#include <algorithm>

namespace air::jinja {
namespace {

bool isIterable(const Value &value) {
  return value.is(Kind::Undefined) || value.is(Kind::String) ||
         value.isSequence() || value.is(Kind::Dict) ||
         value.is(Kind::Generator) || value.is(Kind::Loop);
}

bool remainder(Interpreter &in, const Value &value, int64_t divisor,
               int64_t wanted) {
  Value rest = binary(in, "%", value, Value::integer(divisor));
  return !in.failed() && equal(rest, Value::integer(wanted));
}

/// Runs the test `name`, which takes no arguments. Returns nothing if there is
/// no such test.
std::optional<bool> plainTest(Interpreter *in, std::string_view name,
                              const Value &value) {
  Kind kind = value.kind();
  if (name == "defined") {
    return kind != Kind::Undefined;
  }
  if (name == "undefined") {
    return kind == Kind::Undefined;
  }
  if (name == "none") {
    return kind == Kind::None;
  }
  if (name == "string") {
    return kind == Kind::String;
  }
  if (name == "number") {
    return value.isNumber() || kind == Kind::BigInt;
  }
  if (name == "integer") {
    return kind == Kind::Int || kind == Kind::BigInt;
  }
  if (name == "float") {
    return kind == Kind::Float;
  }
  if (name == "boolean") {
    return kind == Kind::Bool;
  }
  if (name == "true" || name == "false") {
    return kind == Kind::Bool && (value.asInt() != 0) == (name == "true");
  }
  if (name == "mapping") {
    return kind == Kind::Dict;
  }
  if (name == "iterable") {
    return isIterable(value);
  }
  if (name == "sequence") {
    // In Jinja, whatever has a length and items is a sequence.
    return kind == Kind::Undefined || kind == Kind::String ||
           kind == Kind::List || kind == Kind::Tuple || kind == Kind::Dict ||
           (kind == Kind::View &&
            value.as<SequenceObject>().label.starts_with("range("));
  }
  if (name == "callable") {
    return kind == Kind::Function || kind == Kind::Macro ||
           kind == Kind::Loop || kind == Kind::Undefined;
  }
  if (name == "escaped") {
    return value.isMarkup();
  }
  if (name == "lower") {
    return isLowerText(str(value));
  }
  if (name == "upper") {
    return isUpperText(str(value));
  }
  if (name == "even" || name == "odd") {
    return in != nullptr && remainder(*in, value, 2, name == "odd" ? 1 : 0);
  }
  if (name == "filter" || name == "test") {
    std::string text = toUtf8(str(value));
    return name == "filter" ? isFilter(text) : isTest(text);
  }
  return std::nullopt;
}

/// The operator that a test with one argument stands for; "" if none.
std::string operatorOf(std::string_view name) {
  static constexpr std::pair<std::string_view, const char *> kNames[] = {
      {"==", "=="}, {"eq", "=="},         {"equalto", "=="},
      {"!=", "!="}, {"ne", "!="},         {"<", "<"},
      {"lt", "<"},  {"lessthan", "<"},    {">", ">"},
      {"gt", ">"},  {"greaterthan", ">"}, {"<=", "<="},
      {"le", "<="}, {">=", ">="},         {"ge", ">="},
      {"in", "in"}, {"sameas", "is"},     {"divisibleby", "%"},
  };
  for (const auto &[test, op] : kNames) {
    if (test == name) {
      return op;
    }
  }
  return "";
}

bool isSame(const Value &a, const Value &b) {
  return a.kind() == b.kind() && (a.identity() != nullptr && !a.is(Kind::String)
                                      ? a.identity() == b.identity()
                                      : equal(a, b));
}

} // namespace

bool isTest(std::string_view name) {
  return !operatorOf(name).empty() || plainTest(nullptr, name, {}).has_value();
}

bool applyTest(Interpreter &in, const std::string &name, const Value &value,
               const Arguments &arguments) {
  std::string op = operatorOf(name);
  if (!op.empty()) {
    Bound bound(in, "test '" + name + "'", arguments, {"other"});
    Value other = bound.need(0);
    if (in.failed()) {
      return false;
    }
    return op == "is"  ? isSame(value, other)
           : op == "%" ? equal(binary(in, "%", value, other), Value::integer(0))
                       : compare(in, op, value, other);
  }
  Bound bound(in, "test '" + name + "'", arguments, {});
  in.charge(0);
  std::optional<bool> holds = plainTest(&in, name, value);
  if (!holds) {
    in.fail("the test '" + name + "' is not supported", ErrorCode::Unsupported);
  }
  return holds.value_or(false) && !in.failed();
}

} // namespace air::jinja
