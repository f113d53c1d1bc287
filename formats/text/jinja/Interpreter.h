//===- Interpreter.h - runs a parsed template -------------------*- C++ -*-===//
//
// Executes a parsed template (Program.h) and collects its output. The first
// error is kept, together with its place in the template; every function then
// returns at once. The number of steps, the depth of calls and the size of
// values and of the output are limited, because templates come with models and
// are not trusted.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_INTERPRETER_H
#define AIRPACK_FORMATS_TEXT_JINJA_INTERPRETER_H

#include "formats/text/jinja/Builtins.h"
#include "formats/text/jinja/Program.h"

namespace air::jinja {

struct Scope {
  Scope *parent = nullptr;
  std::vector<std::pair<std::string, Value>> variables;
  bool isCaptured = false; ///< a macro or a recursive loop refers to it

  const Value *find(const std::string &name) const;
  void set(const std::string &name, Value value);
};

struct MacroObject final : Object {
  const Signature *signature = nullptr;
  const Body *body = nullptr;
  Scope *scope = nullptr;
};

struct FunctionObject final : Object {
  std::string name;
  Value self;            ///< the object whose method it is
  bool isMethod = false; ///< false for a global function
};

struct LoopObject final : Object {
  std::vector<Value> items;
  size_t index = 0;
  uint32_t level = 0; ///< depth of recursion, counted from 0
  const Statement *statement = nullptr;
  Scope *scope = nullptr; ///< the scope around the loop
  /// The arguments of the last call of loop.changed().
  std::optional<std::vector<Value>> lastSeen;
};

class Interpreter {
public:
  Interpreter(const Value &context, const std::optional<Date> &date)
      : variables(context), today(date) {}
  ~Interpreter();
  Interpreter(const Interpreter &) = delete;
  Interpreter &operator=(const Interpreter &) = delete;

  Text run(const Body &body);
  const Status &status() const { return failure; }
  bool failed() const { return !failure.isOk(); }

  // The functions below are for operations on values (Builtins.h).

  /// Records the first failure, and returns an undefined value.
  Value fail(const std::string &message, ErrorCode code = ErrorCode::Corrupt);
  Value failUndefined(const Value &value);
  /// Adds the work of an operation on `amount` characters or items to the
  /// number of steps. Fails, and returns false, once the number of steps
  /// exceeds its limit.
  bool charge(uint64_t amount);
  Value call(const Value &callee, const Arguments &arguments);
  Value attribute(const Value &object, const std::string &name);
  Value item(const Value &object, const Value &key);
  /// Appends the items that a loop over `value` visits. Returns false on
  /// failure.
  bool iterate(const Value &value, std::vector<Value> &items);
  /// Converts a value to text. The conversion counts as work (see charge()).
  Text textOf(const Value &value);
  /// Makes a string, or fails if the text is too long.
  Value string(Text text, bool isMarkup = false);
  const std::optional<Date> &date() const { return today; }
  Value makeNamespace(const Arguments &arguments);

private:
  enum class Flow : uint8_t { Next, Break, Continue };
  class Deeper; ///< keeps the depth of calls one higher while it exists

  Flow execute(const Body &body, Scope &scope);
  Flow execute(const Statement &statement, Scope &scope);
  Flow executeIf(const Statement &statement, Scope &scope);
  Flow executeScope(const Statement &statement, Scope &scope);
  void executeFor(const Statement &statement, Scope &scope, const Value &items,
                  uint32_t level);
  void executeSetBlock(const Statement &statement, Scope &scope);
  void executeFilter(const Statement &statement, Scope &scope);
  void executeCall(const Statement &statement, Scope &scope);
  Value makeMacro(const Statement &statement, Scope &scope);
  void assign(const Target &target, const Value &value, Scope &scope);
  void write(TextView text);
  /// Runs `body` in a new scope inside `scope`, and returns its output.
  Text capture(const Body &body, Scope &scope);

  /// `input` is only for chains of filters; see evaluateFilter().
  Value evaluate(const Expression &node, Scope &scope,
                 const Value *input = nullptr);
  Value evaluateNode(const Expression &node, Scope &scope, const Value *input);
  Value evaluateName(const Expression &node, Scope &scope);
  Value evaluateDict(const Expression &node, Scope &scope);
  Value evaluateItems(const Expression &node, Scope &scope, Kind kind);
  Value evaluateItem(const Expression &node, Scope &scope);
  Value evaluateSlice(const Value &object, const Expression &slice,
                      Scope &scope);
  Value evaluateCall(const Expression &node, Scope &scope);
  Value evaluateIf(const Expression &node, Scope &scope);
  Value evaluateConcat(const Expression &node, Scope &scope);
  Value evaluateCompare(const Expression &node, Scope &scope);
  Value evaluateSign(const Expression &node, Scope &scope);
  /// Applies a chain of filters. `input` is the operand of the first filter if
  /// the chain itself has none, as in a filter block.
  Value evaluateFilter(const Expression &node, Scope &scope,
                       const Value *input);
  Arguments evaluateArguments(const CallArguments &call, Scope &scope);
  Value callMacro(const MacroObject &macro, const Arguments &arguments);
  Value callLoop(const LoopObject &loop, const Arguments &arguments);
  Value callLoopMethod(LoopObject &loop, const std::string &name,
                       const Arguments &arguments);
  Value loopAttribute(const Value &object, const std::string &name);
  Value method(const Value &self, const std::string &name);

  Scope *open(Scope *parent);
  void close(Scope *scope);

  const Value &variables;
  const std::optional<Date> &today;
  Status failure;
  Place place;
  uint64_t steps = 0;
  uint32_t depth = 0;
  uint32_t evaluations = 0; ///< how many calls of evaluate() are active
  Text output;
  std::vector<std::unique_ptr<Scope>> scopes;
  std::vector<Scope *> unused;
  // These objects can refer to themselves, so the destructor empties them.
  std::vector<std::shared_ptr<NamespaceObject>> namespaces;
  std::vector<std::shared_ptr<LoopObject>> loops;
};

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_INTERPRETER_H
