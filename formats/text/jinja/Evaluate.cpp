//===- Evaluate.cpp - expressions at run time -------------------*- C++ -*-===//
#include "formats/text/jinja/Interpreter.h"

#include <algorithm>

namespace air::jinja {

/// The maximum depth of nested calls of evaluate(), including those in macros
/// that an expression calls. Each level uses stack space. At this depth, even
/// builds with sanitizers, which have larger stack frames, need no more than
/// the usual stack of 8 MiB.
static constexpr uint32_t kMaxEvaluations = 2500;

Value Interpreter::evaluate(const Expression &node, Scope &scope,
                            const Value *input) {
  if (!charge(0)) {
    return {};
  }
  // While an operand is evaluated, errors name the place of the operand.
  place = node.place;
  ++evaluations;
  Value value = evaluations <= kMaxEvaluations
                    ? evaluateNode(node, scope, input)
                    : fail("expressions are nested too deeply: the limit is " +
                               std::to_string(kMaxEvaluations) + " levels",
                           ErrorCode::DoesNotFit);
  --evaluations;
  if (!failed() && depthOf(value) > kMaxNesting) {
    return fail("a value is nested deeper than " + std::to_string(kMaxNesting) +
                    " levels",
                ErrorCode::DoesNotFit);
  }
  if (!failed() && depthOf(value) > 0 && weightOf(value) > 4 * kMaxWeight - 1) {
    return fail("a value has " + std::to_string(4 * kMaxWeight) +
                    " or more characters and items in total; it must have "
                    "fewer",
                ErrorCode::DoesNotFit);
  }
  return value;
}

Value Interpreter::evaluateNode(const Expression &node, Scope &scope,
                                const Value *input) {
  switch (node.op) {
  case Op::Constant:
    return node.constant;
  case Op::Name:
    return evaluateName(node, scope);
  case Op::List:
    return evaluateItems(node, scope, Kind::List);
  case Op::Tuple:
    return evaluateItems(node, scope, Kind::Tuple);
  case Op::Dict:
    return evaluateDict(node, scope);
  case Op::Attribute: {
    Value object = evaluate(*node.operands[0], scope);
    place = node.place;
    return failed() ? Value() : attribute(object, node.name);
  }
  case Op::Item:
    return evaluateItem(node, scope);
  case Op::Slice:
    return fail(
        "several slices or indices in one pair of brackets are not supported",
        ErrorCode::Unsupported);
  case Op::Call:
    return evaluateCall(node, scope);
  case Op::Filter:
    return evaluateFilter(node, scope, input);
  case Op::Test: {
    Value value = evaluate(*node.operands[0], scope);
    Arguments arguments = evaluateArguments(node.call, scope);
    place = node.place;
    return failed()
               ? Value()
               : Value::boolean(applyTest(*this, node.name, value, arguments));
  }
  case Op::If:
    return evaluateIf(node, scope);
  case Op::And:
  case Op::Or: {
    Value left = evaluate(*node.operands[0], scope);
    return failed() || isTrue(left) == (node.op == Op::Or)
               ? left
               : evaluate(*node.operands[1], scope);
  }
  case Op::Not:
    return Value::boolean(!isTrue(evaluate(*node.operands[0], scope)));
  case Op::Negate:
  case Op::Plus:
    return evaluateSign(node, scope);
  case Op::Concat:
    return evaluateConcat(node, scope);
  case Op::Binary: {
    Value left = evaluate(*node.operands[0], scope);
    Value right = evaluate(*node.operands[1], scope);
    place = node.place;
    return failed() ? Value() : binary(*this, node.name, left, right);
  }
  case Op::Compare:
    return evaluateCompare(node, scope);
  }
  return {};
}

Value Interpreter::evaluateName(const Expression &node, Scope &scope) {
  for (Scope *each = &scope; each != nullptr; each = each->parent) {
    if (const Value *value = each->find(node.name)) {
      return *value;
    }
  }
  if (const Value *value = variables.as<DictObject>().find(node.name)) {
    return *value;
  }
  if (isGlobal(node.name)) {
    auto function = std::make_shared<FunctionObject>();
    function->name = node.name;
    return Value::object(Kind::Function, std::move(function));
  }
  return Value::undefined("'" + node.name + "' is undefined");
}

Value Interpreter::evaluateItems(const Expression &node, Scope &scope,
                                 Kind kind) {
  std::vector<Value> items;
  for (const ExpressionPtr &operand : node.operands) {
    items.push_back(evaluate(*operand, scope));
    if (failed()) {
      return {};
    }
  }
  return Value::sequence(kind, std::move(items));
}

Value Interpreter::evaluateDict(const Expression &node, Scope &scope) {
  auto dict = std::make_shared<DictObject>();
  for (size_t i = 0; i + 1 < node.operands.size(); i += 2) {
    Value key = evaluate(*node.operands[i], scope);
    Value value = evaluate(*node.operands[i + 1], scope);
    if (failed()) {
      return {};
    }
    if (!dict->set(key, value)) {
      return fail(std::string("a value of type ") + typeName(key) +
                  " cannot be the key of a dictionary");
    }
  }
  return Value::object(Kind::Dict, std::move(dict));
}

Value Interpreter::evaluateItem(const Expression &node, Scope &scope) {
  Value object = evaluate(*node.operands[0], scope);
  if (failed()) {
    return {};
  }
  if (node.operands[1]->op == Op::Slice) {
    return evaluateSlice(object, *node.operands[1], scope);
  }
  Value key = evaluate(*node.operands[1], scope);
  place = node.place;
  return failed() ? Value() : item(object, key);
}

Value Interpreter::evaluateSlice(const Value &object, const Expression &slice,
                                 Scope &scope) {
  std::optional<int64_t> bounds[3];
  for (size_t i = 0; i < 3; ++i) {
    if (!slice.operands[i]) {
      continue;
    }
    Value bound = evaluate(*slice.operands[i], scope);
    if (failed()) {
      return {};
    }
    if (bound.isIntegral()) {
      bounds[i] = bound.asInt();
    } else if (bound.is(Kind::BigInt)) {
      // It is beyond the end of everything.
      bounds[i] = bound.text().starts_with(U'-') ? INT64_MIN : INT64_MAX;
    } else if (!bound.is(Kind::None)) {
      // As in Jinja, a slice with a bound that is not an integer is undefined.
      return Value::undefined("a slice needs integers, not a value of type " +
                              std::string(typeName(bound)));
    }
  }
  place = slice.place;
  if (object.is(Kind::Undefined)) {
    return failUndefined(object);
  }
  bool isText = object.is(Kind::String);
  if (!isText && !object.isSequence()) {
    return Value::undefined("a value of type " + std::string(typeName(object)) +
                            " cannot be sliced");
  }
  auto size = static_cast<int64_t>(isText ? object.text().size()
                                          : object.items().size());
  int64_t step = bounds[2].value_or(1);
  if (step == 0) {
    return fail("the step of a slice is 0");
  }
  // As in Python, a negative bound counts from the end. All bounds are clamped,
  // so that the loop below visits only items that exist.
  auto clamp = [&](const std::optional<int64_t> &bound, int64_t other) {
    if (!bound) {
      return other;
    }
    int64_t index = *bound < 0 ? std::max(*bound, -size - 1) + size : *bound;
    return step > 0 ? std::clamp<int64_t>(index, 0, size)
                    : std::clamp<int64_t>(index, -1, size - 1);
  };
  int64_t start = clamp(bounds[0], step > 0 ? 0 : size - 1);
  int64_t stop = clamp(bounds[1], step > 0 ? size : -1);
  step = std::clamp(step, -size - 1, size + 1);
  Text text;
  std::vector<Value> items;
  for (int64_t i = start; step > 0 ? i < stop : i > stop; i += step) {
    if (isText) {
      text += object.text()[static_cast<size_t>(i)];
    } else {
      items.push_back(object.items()[static_cast<size_t>(i)]);
    }
  }
  if (isText) {
    return string(std::move(text), object.isMarkup());
  }
  charge(items.size());
  return Value::sequence(object.is(Kind::Tuple) ? Kind::Tuple : Kind::List,
                         std::move(items));
}

Value Interpreter::evaluateCall(const Expression &node, Scope &scope) {
  Value callee = evaluate(*node.operands[0], scope);
  if (failed()) {
    return {};
  }
  Arguments arguments = evaluateArguments(node.call, scope);
  place = node.place;
  return failed() ? Value() : call(callee, arguments);
}

Arguments Interpreter::evaluateArguments(const CallArguments &call,
                                         Scope &scope) {
  Arguments result;
  for (const ExpressionPtr &each : call.positional) {
    result.positional.push_back(evaluate(*each, scope));
  }
  for (const auto &[name, each] : call.named) {
    result.named.emplace_back(name, evaluate(*each, scope));
  }
  if (call.rest) {
    iterate(evaluate(*call.rest, scope), result.positional);
  }
  if (call.namedRest) {
    Value rest = evaluate(*call.namedRest, scope);
    if (!failed() && !rest.is(Kind::Dict)) {
      fail(std::string(
               "'**' in a call needs a dictionary, not a value of type ") +
           typeName(rest));
    }
    if (!failed()) {
      for (const auto &[key, value] : rest.as<DictObject>().entries) {
        result.named.emplace_back(toUtf8(str(key)), value);
      }
    }
  }
  return result;
}

Value Interpreter::evaluateIf(const Expression &node, Scope &scope) {
  bool holds = isTrue(evaluate(*node.operands[0], scope));
  if (failed()) {
    return {};
  }
  const ExpressionPtr &branch = node.operands[holds ? 1 : 2];
  return branch ? evaluate(*branch, scope)
                : Value::undefined(
                      "a conditional expression has no value, because its "
                      "condition is false and it has no 'else'");
}

Value Interpreter::evaluateConcat(const Expression &node, Scope &scope) {
  Text text;
  for (const ExpressionPtr &operand : node.operands) {
    Value value = evaluate(*operand, scope);
    if (failed()) {
      return {};
    }
    text += textOf(value);
  }
  return string(std::move(text));
}

Value Interpreter::evaluateCompare(const Expression &node, Scope &scope) {
  Value left = evaluate(*node.operands[0], scope);
  for (size_t i = 0; i < node.names.size() && !failed(); ++i) {
    Value right = evaluate(*node.operands[i + 1], scope);
    place = node.place;
    if (failed() || !compare(*this, node.names[i], left, right)) {
      return Value::boolean(false);
    }
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluateSign(const Expression &node, Scope &scope) {
  Value value = evaluate(*node.operands[0], scope);
  place = node.place;
  if (failed()) {
    return {};
  }
  bool negates = node.op == Op::Negate;
  if (value.is(Kind::Float)) {
    return Value::real(negates ? -value.asDouble() : value.asDouble());
  }
  // -2**63 fits into 64 bits, but 2**63 does not.
  constexpr std::string_view kBeyond = "9223372036854775808";
  if (value.isIntegral()) {
    return !negates                     ? Value::integer(value.asInt())
           : value.asInt() == INT64_MIN ? Value::bigInteger(kBeyond)
                                        : Value::integer(-value.asInt());
  }
  if (value.is(Kind::BigInt)) {
    std::string digits = toUtf8(value.text());
    return !negates                  ? value
           : digits == kBeyond       ? Value::integer(INT64_MIN)
           : digits.starts_with('-') ? Value::bigInteger(digits.substr(1))
                                     : Value::bigInteger("-" + digits);
  }
  if (value.is(Kind::Undefined)) {
    return failUndefined(value);
  }
  return fail(std::string(negates ? "'-'" : "'+'") +
              " needs a number, not a value of type " + typeName(value));
}

Value Interpreter::evaluateFilter(const Expression &node, Scope &scope,
                                  const Value *input) {
  const Expression *operand = node.operands[0].get();
  Value value = operand == nullptr
                    ? *input
                    : evaluate(*operand, scope,
                               operand->op == Op::Filter ? input : nullptr);
  if (failed()) {
    return {};
  }
  Arguments arguments = evaluateArguments(node.call, scope);
  place = node.place;
  return failed() ? Value() : applyFilter(*this, node.name, value, arguments);
}

Value Interpreter::call(const Value &callee, const Arguments &arguments) {
  switch (callee.kind()) {
  case Kind::Macro:
    return callMacro(callee.as<MacroObject>(), arguments);
  case Kind::Loop:
    return callLoop(callee.as<LoopObject>(), arguments);
  case Kind::Undefined:
    return failUndefined(callee);
  case Kind::Function: {
    const auto &function = callee.as<FunctionObject>();
    if (!function.isMethod) {
      return callGlobal(*this, function.name, arguments);
    }
    return function.self.is(Kind::Loop)
               ? callLoopMethod(function.self.as<LoopObject>(), function.name,
                                arguments)
               : callMethod(*this, function.self, function.name, arguments);
  }
  default:
    return fail(std::string("a value of type ") + typeName(callee) +
                " cannot be called");
  }
}

Value Interpreter::method(const Value &self, const std::string &name) {
  auto function = std::make_shared<FunctionObject>();
  function->name = name;
  function->self = self;
  function->isMethod = true;
  return Value::object(Kind::Function, std::move(function));
}

Value Interpreter::attribute(const Value &object, const std::string &name) {
  std::string missing = "a value of type " + std::string(typeName(object)) +
                        " has no attribute '" + name + "'";
  switch (object.kind()) {
  case Kind::Undefined:
    return failUndefined(object);
  case Kind::Loop:
    return loopAttribute(object, name);
  case Kind::Namespace: {
    const auto &values = object.as<NamespaceObject>().values;
    auto found = values.find(name);
    return found == values.end() ? Value::undefined(missing) : found->second;
  }
  case Kind::Macro:
    return name == "name"
               ? Value::string(object.as<MacroObject>().signature->name)
               : Value::undefined(missing);
  default:
    break;
  }
  if (hasMethod(object, name)) {
    return method(object, name);
  }
  if (object.is(Kind::Dict)) {
    if (const Value *value = object.as<DictObject>().find(name)) {
      return *value;
    }
  }
  return Value::undefined(missing);
}

Value Interpreter::item(const Value &object, const Value &key) {
  if (object.is(Kind::Undefined)) {
    return failUndefined(object);
  }
  bool isText = object.is(Kind::String);
  bool isIndexed = object.isSequence() &&
                   (!object.is(Kind::View) ||
                    object.as<SequenceObject>().label.starts_with("range("));
  if (key.isIntegral() && (isText || isIndexed)) {
    auto size = static_cast<int64_t>(isText ? object.text().size()
                                            : object.items().size());
    int64_t index = key.asInt() < 0 ? key.asInt() + size : key.asInt();
    if (index < 0 || index >= size) {
      return Value::undefined("the index " + std::to_string(key.asInt()) +
                              " is outside a " + typeName(object) + " of " +
                              std::to_string(size) +
                              (isText ? " characters" : " items"));
    }
    if (!isText) {
      return object.items()[static_cast<size_t>(index)];
    }
    return string(Text(1, object.text()[static_cast<size_t>(index)]),
                  object.isMarkup());
  }
  if (object.is(Kind::Dict)) {
    if (const Value *value = object.as<DictObject>().find(key)) {
      return *value;
    }
  }
  if (key.is(Kind::String)) {
    return attribute(object, toUtf8(key.text()));
  }
  return Value::undefined("a value of type " + std::string(typeName(object)) +
                          " has no item with this key");
}

bool Interpreter::iterate(const Value &value, std::vector<Value> &items) {
  switch (value.kind()) {
  case Kind::Undefined:
    return !failed();
  case Kind::String:
    charge(4 * value.text().size());
    for (char32_t c : value.text()) {
      items.push_back(Value::string(Text(1, c)));
    }
    return !failed();
  case Kind::List:
  case Kind::Tuple:
  case Kind::View:
    charge(value.items().size());
    items.insert(items.end(), value.items().begin(), value.items().end());
    return !failed();
  case Kind::Generator: {
    auto &source = value.as<SequenceObject>();
    charge(source.items.size());
    items.insert(items.end(),
                 source.items.begin() + static_cast<ptrdiff_t>(source.next),
                 source.items.end());
    source.next = source.items.size();
    return !failed();
  }
  case Kind::Dict:
    charge(value.as<DictObject>().entries.size());
    for (const auto &[key, each] : value.as<DictObject>().entries) {
      items.push_back(key);
    }
    return !failed();
  case Kind::Loop: {
    fail("a template cannot loop over the object 'loop' itself",
         ErrorCode::Unsupported);
    return false;
  }
  default:
    fail("a template cannot loop over a value of type " +
         std::string(typeName(value)));
    return false;
  }
}

Value Interpreter::loopAttribute(const Value &object, const std::string &name) {
  auto &loop = object.as<LoopObject>();
  auto index = static_cast<int64_t>(loop.index);
  auto length = static_cast<int64_t>(loop.items.size());
  if (name == "index") {
    return Value::integer(index + 1);
  }
  if (name == "index0") {
    return Value::integer(index);
  }
  if (name == "revindex") {
    return Value::integer(length - index);
  }
  if (name == "revindex0") {
    return Value::integer(length - index - 1);
  }
  if (name == "first") {
    return Value::boolean(index == 0);
  }
  if (name == "last") {
    return Value::boolean(index + 1 == length);
  }
  if (name == "length") {
    return Value::integer(length);
  }
  if (name == "depth") {
    return Value::integer(loop.level + 1);
  }
  if (name == "depth0") {
    return Value::integer(loop.level);
  }
  if (name == "previtem") {
    return index == 0 ? Value::undefined(
                            "loop.previtem is undefined for the first item")
                      : loop.items[loop.index - 1];
  }
  if (name == "nextitem") {
    return index + 1 >= length
               ? Value::undefined(
                     "loop.nextitem is undefined for the last item")
               : loop.items[loop.index + 1];
  }
  if (name == "cycle" || name == "changed") {
    return method(object, name);
  }
  return Value::undefined("'loop' has no attribute '" + name + "'");
}

Value Interpreter::callLoopMethod(LoopObject &loop, const std::string &name,
                                  const Arguments &arguments) {
  const std::vector<Value> &values = arguments.positional;
  if (name == "cycle") {
    return values.empty() ? fail("loop.cycle() needs at least one value")
                          : values[loop.index % values.size()];
  }
  bool changed = !loop.lastSeen || !std::equal(values.begin(), values.end(),
                                               loop.lastSeen->begin(),
                                               loop.lastSeen->end(), equal);
  loop.lastSeen = values;
  return Value::boolean(changed);
}

} // namespace air::jinja
