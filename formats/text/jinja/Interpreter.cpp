//===- Interpreter.cpp - statements at run time -----------------*- C++ -*-===//
#include "formats/text/jinja/Interpreter.h"
#include "formats/support/CountText.h"

#include <algorithm>

namespace air::jinja {

// Rendering a thousand messages of 200 characters each takes about 100,000
// steps.
static constexpr uint64_t kMaxSteps = 5'000'000;
// Python, for which the templates are written, has the same default limit.
static constexpr uint32_t kMaxCallDepth = 1000;
// The maximum number of characters of the output. airrun limits each text that
// it reads to the same number of bytes.
static constexpr size_t kMaxOutput = size_t{1} << 26;

const Value *Scope::find(const std::string &name) const {
  for (const auto &[other, value] : variables) {
    if (other == name) {
      return &value;
    }
  }
  return nullptr;
}

void Scope::set(const std::string &name, Value value) {
  for (auto &[other, old] : variables) {
    if (other == name) {
      old = std::move(value);
      return;
    }
  }
  variables.emplace_back(name, std::move(value));
}

class Interpreter::Deeper {
public:
  explicit Deeper(Interpreter &interpreter) : in(interpreter) {
    if (++in.depth > kMaxCallDepth) {
      in.fail("calls are nested too deeply: the limit is " +
                  std::to_string(kMaxCallDepth) + " levels",
              ErrorCode::DoesNotFit);
    }
  }
  ~Deeper() { --in.depth; }
  Deeper(const Deeper &) = delete;
  Deeper &operator=(const Deeper &) = delete;

private:
  Interpreter &in;
};

Interpreter::~Interpreter() {
  for (const auto &each : namespaces) {
    each->values.clear();
  }
  for (const auto &each : loops) {
    each->lastSeen.reset();
    each->items.clear();
  }
  for (const auto &scope : scopes) {
    scope->variables.clear();
  }
}

Value Interpreter::fail(const std::string &message, ErrorCode code) {
  if (!failed()) {
    failure = Status(code, "template " + atPlace(place, message));
  }
  return {};
}

Value Interpreter::failUndefined(const Value &value) {
  return fail(value.identity() != nullptr ? value.as<UndefinedObject>().hint
                                          : "a value is undefined");
}

bool Interpreter::charge(uint64_t amount) {
  steps += 1 + amount / 16;
  if (steps > kMaxSteps && !failed()) {
    fail("the template takes more than " + std::to_string(kMaxSteps) +
             " steps; it may never end",
         ErrorCode::DoesNotFit);
  }
  return !failed();
}

Text Interpreter::textOf(const Value &value) {
  return charge(weightOf(value)) ? str(value) : Text();
}

Value Interpreter::string(Text text, bool isMarkup) {
  if (text.size() > kMaxWeight) {
    return fail("a text has " + countOf(text.size(), "character") +
                    "; the limit is " + std::to_string(kMaxWeight),
                ErrorCode::DoesNotFit);
  }
  if (!charge(text.size())) {
    return {};
  }
  return isMarkup ? Value::markup(std::move(text))
                  : Value::string(std::move(text));
}

Value Interpreter::makeNamespace(const Arguments &arguments) {
  auto object = std::make_shared<NamespaceObject>();
  namespaces.push_back(object);
  for (const Value &each : arguments.positional) {
    if (!each.is(Kind::Dict)) {
      return fail("each argument of namespace() must be a dictionary or have "
                  "the form name=value");
    }
    for (const auto &[key, value] : each.as<DictObject>().entries) {
      object->values[toUtf8(str(key))] = value;
    }
  }
  for (const auto &[name, value] : arguments.named) {
    object->values[name] = value;
  }
  return Value::object(Kind::Namespace, std::move(object));
}

Scope *Interpreter::open(Scope *parent) {
  Scope *scope = nullptr;
  if (unused.empty()) {
    scopes.push_back(std::make_unique<Scope>());
    scope = scopes.back().get();
  } else {
    scope = unused.back();
    unused.pop_back();
  }
  scope->parent = parent;
  return scope;
}

void Interpreter::close(Scope *scope) {
  if (!scope->isCaptured) {
    scope->variables.clear();
    unused.push_back(scope);
  }
}

Text Interpreter::run(const Body &body) {
  Scope *scope = open(nullptr);
  execute(body, *scope);
  close(scope);
  return std::move(output);
}

void Interpreter::write(TextView text) {
  if (output.size() + text.size() > kMaxOutput) {
    fail("the output exceeds the limit of " + std::to_string(kMaxOutput) +
             " characters",
         ErrorCode::DoesNotFit);
  } else if (charge(text.size())) {
    output += text;
  }
}

Text Interpreter::capture(const Body &body, Scope &scope) {
  Text outer = std::exchange(output, {});
  Scope *inner = open(&scope);
  execute(body, *inner);
  close(inner);
  return std::exchange(output, std::move(outer));
}

Interpreter::Flow Interpreter::execute(const Body &body, Scope &scope) {
  Deeper deeper(*this);
  for (const auto &statement : body) {
    if (failed()) {
      break;
    }
    Flow flow = execute(*statement, scope);
    if (flow != Flow::Next) {
      return flow;
    }
  }
  return Flow::Next;
}

Interpreter::Flow Interpreter::execute(const Statement &statement,
                                       Scope &scope) {
  place = statement.place;
  if (!charge(0)) {
    return Flow::Next;
  }
  switch (statement.act) {
  case Act::Data:
    write(statement.data.text());
    break;
  case Act::Output: {
    Value value = evaluate(*statement.value, scope);
    if (!failed()) {
      write(value.is(Kind::String) ? value.text() : textOf(value));
    }
    break;
  }
  case Act::If:
    return executeIf(statement, scope);
  case Act::For: {
    Value items = evaluate(*statement.value, scope);
    if (!failed()) {
      executeFor(statement, scope, items, 0);
    }
    break;
  }
  case Act::Set: {
    Value value = evaluate(*statement.value, scope);
    assign(statement.target, value, scope);
    break;
  }
  case Act::SetBlock:
    executeSetBlock(statement, scope);
    break;
  case Act::Macro:
    scope.set(statement.signature.name, makeMacro(statement, scope));
    break;
  case Act::Call:
    executeCall(statement, scope);
    break;
  case Act::Filter:
    executeFilter(statement, scope);
    break;
  case Act::With:
  case Act::Scope:
    return executeScope(statement, scope);
  case Act::Break:
    return Flow::Break;
  case Act::Continue:
    return Flow::Continue;
  }
  return Flow::Next;
}

Interpreter::Flow Interpreter::executeIf(const Statement &statement,
                                         Scope &scope) {
  for (const Branch &branch : statement.branches) {
    bool holds =
        !branch.condition || isTrue(evaluate(*branch.condition, scope));
    if (failed()) {
      break;
    }
    if (holds) {
      return execute(branch.body, scope);
    }
  }
  return Flow::Next;
}

Interpreter::Flow Interpreter::executeScope(const Statement &statement,
                                            Scope &scope) {
  Scope *inner = open(&scope);
  for (const auto &[target, expression] : statement.bindings) {
    // A value cannot refer to other names of the same `with`.
    assign(target, evaluate(*expression, scope), *inner);
  }
  Flow flow = execute(statement.body, *inner);
  close(inner);
  return flow;
}

void Interpreter::executeFor(const Statement &statement, Scope &scope,
                             const Value &value, uint32_t level) {
  auto loop = std::make_shared<LoopObject>();
  if (!iterate(value, loop->items)) {
    return;
  }
  loops.push_back(loop);
  loop->level = level;
  loop->statement = &statement;
  loop->scope = &scope;
  if (statement.recursive) {
    for (Scope *each = &scope; each != nullptr; each = each->parent) {
      each->isCaptured = true;
    }
  }
  if (statement.condition) {
    std::vector<Value> kept;
    for (const Value &item : loop->items) {
      Scope *inner = open(&scope);
      assign(statement.target, item, *inner);
      if (!failed() && isTrue(evaluate(*statement.condition, *inner))) {
        kept.push_back(item);
      }
      close(inner);
      if (failed()) {
        return;
      }
    }
    loop->items = std::move(kept);
  }
  if (loop->items.empty()) {
    Scope *inner = open(&scope);
    execute(statement.otherwise, *inner);
    close(inner);
    return;
  }
  Value self = Value::object(Kind::Loop, loop);
  // Each iteration counts as work, even if the body is empty.
  for (; loop->index < loop->items.size() && charge(64); ++loop->index) {
    Scope *inner = open(&scope);
    inner->set("loop", self);
    assign(statement.target, loop->items[loop->index], *inner);
    Flow flow = execute(statement.body, *inner);
    close(inner);
    if (flow == Flow::Break) {
      break;
    }
  }
  self = {};
  // If only `loop` and `loops` still refer to the loop object, it is in no
  // reference cycle, so ~Interpreter() need not empty it.
  if (loop.use_count() == 2 && loops.back() == loop) {
    loops.pop_back();
  }
}

void Interpreter::executeSetBlock(const Statement &statement, Scope &scope) {
  Value value = string(capture(statement.body, scope));
  if (statement.value && !failed()) {
    value = evaluate(*statement.value, scope, &value);
  }
  assign(statement.target, value, scope);
}

void Interpreter::executeFilter(const Statement &statement, Scope &scope) {
  Value input = string(capture(statement.body, scope));
  if (failed()) {
    return;
  }
  Value value = evaluate(*statement.value, scope, &input);
  if (!failed()) {
    write(textOf(value));
  }
}

Value Interpreter::makeMacro(const Statement &statement, Scope &scope) {
  auto macro = std::make_shared<MacroObject>();
  macro->signature = &statement.signature;
  macro->body = &statement.body;
  macro->scope = &scope;
  for (Scope *each = &scope; each != nullptr; each = each->parent) {
    each->isCaptured = true;
  }
  return Value::object(Kind::Macro, std::move(macro));
}

void Interpreter::executeCall(const Statement &statement, Scope &scope) {
  const Expression &node = *statement.value;
  Value callee = evaluate(*node.operands[0], scope);
  Arguments arguments = evaluateArguments(node.call, scope);
  arguments.named.emplace_back("caller", makeMacro(statement, scope));
  if (failed()) {
    return;
  }
  Value result = call(callee, arguments);
  if (!failed()) {
    write(textOf(result));
  }
}

void Interpreter::assign(const Target &target, const Value &value,
                         Scope &scope) {
  if (failed()) {
    return;
  }
  if (target.isTuple) {
    std::vector<Value> parts;
    if (!iterate(value, parts)) {
      return;
    }
    if (parts.size() != target.parts.size()) {
      fail("a value of " + countOf(parts.size(), "item") +
           " cannot be assigned to " + countOf(target.parts.size(), "name"));
      return;
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      assign(target.parts[i], parts[i], scope);
    }
    return;
  }
  if (target.attribute.empty()) {
    scope.set(target.name, value);
    return;
  }
  const Value *object = nullptr;
  for (Scope *each = &scope; each != nullptr && object == nullptr;
       each = each->parent) {
    object = each->find(target.name);
  }
  if (object == nullptr || !object->is(Kind::Namespace)) {
    place = target.place;
    fail("'" + target.name +
         "' is not a namespace, so its attributes cannot be set; make it with "
         "namespace()");
    return;
  }
  object->as<NamespaceObject>().values[target.attribute] = value;
}

Value Interpreter::callMacro(const MacroObject &macro,
                             const Arguments &arguments) {
  Deeper deeper(*this);
  const Signature &signature = *macro.signature;
  const std::string title = "macro '" + signature.name + "'";
  Scope *scope = open(macro.scope);
  size_t count = signature.parameters.size();
  std::vector<std::pair<std::string, Value>> named = arguments.named;
  auto take = [&](const std::string &name, Value &value) {
    auto found =
        std::find_if(named.begin(), named.end(),
                     [&](const auto &each) { return each.first == name; });
    if (found == named.end()) {
      return false;
    }
    value = found->second;
    named.erase(found);
    return true;
  };
  bool takesCaller = signature.usesCaller;
  for (size_t i = 0; i < count && !failed(); ++i) {
    const Parameter &parameter = signature.parameters[i];
    takesCaller = takesCaller && parameter.name != "caller";
    Value value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else if (!take(parameter.name, value)) {
      value = parameter.byDefault
                  ? evaluate(*parameter.byDefault, *scope)
                  : Value::undefined("parameter '" + parameter.name +
                                     "' was not provided");
    }
    scope->set(parameter.name, std::move(value));
  }
  if (takesCaller) {
    Value caller = Value::undefined("there is no caller: " + title +
                                    " was not called by a call block");
    take("caller", caller);
    scope->set("caller", std::move(caller));
  }
  if (signature.usesKwargs) {
    auto rest = std::make_shared<DictObject>();
    for (auto &[name, value] : named) {
      rest->set(name, value);
    }
    scope->set("kwargs", Value::object(Kind::Dict, std::move(rest)));
  } else if (!named.empty()) {
    fail(title + " takes no argument '" + named[0].first + "'");
  }
  size_t given = arguments.positional.size();
  if (signature.usesVarargs) {
    std::vector<Value> rest;
    if (given > count) {
      rest.assign(arguments.positional.begin() + static_cast<ptrdiff_t>(count),
                  arguments.positional.end());
    }
    scope->set("varargs", Value::sequence(Kind::Tuple, std::move(rest)));
  } else if (given > count) {
    fail(title + " takes at most " + countOf(count, "argument") +
         ", but the call has " + std::to_string(given));
  }
  Value result;
  if (!failed()) {
    Text outer = std::exchange(output, {});
    execute(*macro.body, *scope);
    result = string(std::exchange(output, std::move(outer)));
  }
  close(scope);
  return result;
}

Value Interpreter::callLoop(const LoopObject &loop,
                            const Arguments &arguments) {
  if (!loop.statement->recursive) {
    return fail("this loop cannot be called, because it is not marked "
                "'recursive'");
  }
  if (arguments.positional.size() != 1 || !arguments.named.empty()) {
    return fail("loop() takes exactly one argument, the items to loop over");
  }
  Deeper deeper(*this);
  if (failed()) {
    return {};
  }
  Text outer = std::exchange(output, {});
  executeFor(*loop.statement, *loop.scope, arguments.positional[0],
             loop.level + 1);
  return string(std::exchange(output, std::move(outer)));
}

} // namespace air::jinja
