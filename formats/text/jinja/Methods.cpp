//===- Methods.cpp - methods, global functions, arguments -------*- C++ -*-===//
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "formats/text/jinja/Interpreter.h"

#include <algorithm>

namespace air::jinja {
namespace {

bool contains(std::initializer_list<std::string_view> names,
              std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// Returns whether the method `name` changes `self`. Like Jinja's sandbox, the
/// interpreter forbids such methods.
bool changesObject(const Value &self, std::string_view name) {
  return self.is(Kind::Dict)
             ? contains({"clear", "pop", "popitem", "setdefault", "update"},
                        name)
             : self.is(Kind::List) &&
                   contains({"append", "clear", "extend", "insert", "pop",
                             "remove", "reverse", "sort"},
                            name);
}

Value callDictMethod(Interpreter &in, const Value &self,
                     const std::string &name, const Arguments &given) {
  const auto &dict = self.as<DictObject>();
  const std::string title = "dict." + name;
  if (name == "get") {
    Bound bound(in, title, given, {"key", "default"});
    Value key = bound.need(0);
    if (!in.failed() && !keyOf(key)) {
      return in.fail(std::string("a value of type ") + typeName(key) +
                     " cannot be the key of a dictionary");
    }
    const Value *found = dict.find(key);
    return found != nullptr ? *found : bound.get(1, Value::none());
  }
  Bound bound(in, title, given, {});
  if (name == "copy") {
    return self;
  }
  in.charge(2 * dict.entries.size());
  std::vector<Value> items;
  for (const auto &[key, value] : dict.entries) {
    items.push_back(name == "keys" ? key
                    : name == "values"
                        ? value
                        : Value::sequence(Kind::Tuple, {key, value}));
  }
  return Value::sequence(Kind::View, std::move(items), "dict_" + name);
}

Value callListMethod(Interpreter &in, const Value &self,
                     const std::string &name, const Arguments &given) {
  const std::vector<Value> &items = self.items();
  if (name == "copy") {
    Bound bound(in, "list.copy", given, {});
    return self;
  }
  Bound bound(in, "list." + name, given, {"value"});
  Value wanted = bound.need(0);
  if (!in.charge(weightOf(self))) {
    return {};
  }
  if (name == "count") {
    return Value::integer(
        std::count_if(items.begin(), items.end(),
                      [&](const Value &each) { return equal(each, wanted); }));
  }
  auto found = std::find_if(items.begin(), items.end(), [&](const Value &each) {
    return equal(each, wanted);
  });
  return found == items.end()
             ? in.fail("list.index: the value is not in the list")
             : Value::integer(found - items.begin());
}

Value range(Interpreter &in, const Arguments &given) {
  int64_t numbers[3] = {0, 0, 1};
  size_t count = given.positional.size();
  if (count < 1 || count > 3 || !given.named.empty()) {
    return in.fail("range() takes one to three integers");
  }
  for (size_t i = 0; i < count; ++i) {
    const Value &each = given.positional[i];
    if (each.is(Kind::BigInt)) {
      return in.fail("range() cannot count to an integer that does not fit "
                     "into 64 bits",
                     ErrorCode::Unsupported);
    }
    if (!each.isIntegral()) {
      return each.is(Kind::Undefined)
                 ? in.failUndefined(each)
                 : in.fail(std::string(
                               "range() needs integers, not a value of type ") +
                           typeName(each));
    }
    numbers[count == 1 ? 1 : i] = each.asInt();
  }
  auto [start, stop, step] = numbers;
  if (step == 0) {
    return in.fail("the step of range() is 0");
  }
  // The sandbox of Jinja has the same limit.
  static constexpr size_t kMaxRange = 100'000;
  std::vector<Value> items;
  for (int64_t at = start; step > 0 ? at < stop : at > stop;) {
    if (items.size() == kMaxRange) {
      return in.fail("a range has more than " + std::to_string(kMaxRange) +
                         " numbers",
                     ErrorCode::DoesNotFit);
    }
    items.push_back(Value::integer(at));
    if (__builtin_add_overflow(at, step, &at)) {
      break;
    }
  }
  in.charge(items.size());
  std::string label = "range(" + std::to_string(start) + ", " +
                      std::to_string(stop) +
                      (step == 1 ? "" : ", " + std::to_string(step)) + ")";
  return Value::sequence(Kind::View, std::move(items), std::move(label));
}

Value dictFunction(Interpreter &in, const Arguments &given) {
  auto dict = std::make_shared<DictObject>();
  for (const Value &each : given.positional) {
    if (each.is(Kind::Dict)) {
      for (const auto &[key, value] : each.as<DictObject>().entries) {
        dict->set(key, value);
      }
      continue;
    }
    std::vector<Value> pairs;
    in.iterate(each, pairs);
    for (const Value &pair : pairs) {
      std::vector<Value> parts;
      in.iterate(pair, parts);
      if (parts.size() != 2 || !dict->set(parts[0], parts[1])) {
        return in.fail("dict() needs pairs of a key and a value");
      }
    }
  }
  for (const auto &[name, value] : given.named) {
    dict->set(name, value);
  }
  return Value::object(Kind::Dict, std::move(dict));
}

} // namespace

bool hasMethod(const Value &self, std::string_view name) {
  switch (self.kind()) {
  case Kind::String:
    return hasStringMethod(name) ||
           (self.isMarkup() &&
            contains({"escape", "striptags", "unescape"}, name));
  case Kind::Dict:
    return changesObject(self, name) ||
           contains({"copy", "get", "items", "keys", "values"}, name);
  case Kind::List:
    return changesObject(self, name) ||
           contains({"copy", "count", "index"}, name);
  case Kind::Tuple:
    return contains({"count", "index"}, name);
  default:
    return false;
  }
}

Value callMethod(Interpreter &in, const Value &self, const std::string &name,
                 const Arguments &arguments) {
  if (changesObject(self, name)) {
    return in.fail("the method '" + name +
                   "' is not supported, because a template may not change a "
                   "value of type " +
                   typeName(self));
  }
  Value result =
      self.is(Kind::String) ? callStringMethod(in, self, name, arguments)
      : self.is(Kind::Dict) ? callDictMethod(in, self, name, arguments)
                            : callListMethod(in, self, name, arguments);
  return in.failed() ? Value() : result;
}

bool isGlobal(std::string_view name) {
  return contains({"dict", "namespace", "raise_exception", "range",
                   "strftime_now", "cycler", "joiner", "lipsum"},
                  name);
}

Value callGlobal(Interpreter &in, const std::string &name,
                 const Arguments &arguments) {
  if (name == "range") {
    return range(in, arguments);
  }
  if (name == "dict") {
    return dictFunction(in, arguments);
  }
  if (name == "namespace") {
    return in.makeNamespace(arguments);
  }
  if (name == "raise_exception") {
    Bound bound(in, name + "()", arguments, {"message"});
    // The maximum number of bytes of the template's message that the error
    // shows. A template can put the whole conversation into its message.
    static constexpr size_t kShown = 1000;
    Text message = in.textOf(bound.need(0));
    return in.fail("the template refuses the conversation and says '" +
                   printable(toUtf8(message), kShown, "'\\") + "'");
  }
  if (name == "strftime_now") {
    Bound bound(in, name + "()", arguments, {"format"});
    bound.need(0);
    Text format = bound.text(0, {});
    if (in.failed()) {
      return {};
    }
    return in.date() ? formatDate(in, format, *in.date())
                     : in.fail("the template asks for the date, which was not "
                               "given; give it with --date",
                               ErrorCode::Usage);
  }
  return in.fail("the function '" + name + "' is not supported",
                 ErrorCode::Unsupported);
}

Bound::Bound(Interpreter &interpreter, const std::string &what,
             const Arguments &arguments,
             std::initializer_list<std::string_view> parameters)
    : in(interpreter), callee(what), names(parameters),
      values(parameters.size()) {
  if (arguments.positional.size() > names.size()) {
    in.fail(what + " takes at most " + countOf(names.size(), "argument") +
            ", but the call has " +
            std::to_string(arguments.positional.size()));
    return;
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) {
    values[i] = arguments.positional[i];
  }
  for (const auto &[name, value] : arguments.named) {
    auto found = std::find(names.begin(), names.end(), name);
    auto at = static_cast<size_t>(found - names.begin());
    if (found == names.end() || values[at]) {
      in.fail(what +
              (found == names.end() ? " has no argument '"
                                    : " got two values for '") +
              name + "'");
      return;
    }
    values[at] = value;
  }
}

Value Bound::need(size_t i) {
  return values[i] ? *values[i]
                   : in.fail(callee + " needs the argument '" +
                             std::string(names[i]) + "'");
}

int64_t Bound::integer(size_t i, int64_t other) {
  if (!values[i] || values[i]->is(Kind::None)) {
    return other;
  }
  if (values[i]->is(Kind::BigInt)) {
    in.fail(callee + ": '" + std::string(names[i]) +
                "' is an integer that does not fit into 64 bits",
            ErrorCode::Unsupported);
    return other;
  }
  if (!values[i]->isIntegral()) {
    in.fail(callee + ": '" + std::string(names[i]) + "' has type " +
            typeName(*values[i]) + "; it must be an integer");
    return other;
  }
  return values[i]->asInt();
}

Text Bound::text(size_t i, Text other) {
  if (!values[i] || values[i]->is(Kind::None)) {
    return other;
  }
  if (!values[i]->is(Kind::String)) {
    in.fail(callee + ": '" + std::string(names[i]) + "' has type " +
            typeName(*values[i]) + "; it must be a str");
    return other;
  }
  return values[i]->text();
}

} // namespace air::jinja
