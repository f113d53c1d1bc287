//===- Program.h - a parsed template ----------------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_PROGRAM_H
#define AIRPACK_FORMATS_TEXT_JINJA_PROGRAM_H

#include "formats/text/jinja/Lexer.h"

namespace air::jinja {

/// The kinds of expressions. Names in backquotes are fields of Expression.
enum class Op : uint8_t {
  Constant,  ///< the value `constant`
  Name,      ///< the variable `name`
  List,      ///< a list of `operands`
  Tuple,     ///< a tuple of `operands`
  Dict,      ///< a dictionary; `operands` has key, value, key, value, ...
  Attribute, ///< operands[0].name
  Item,      ///< operands[0][operands[1]]
  Slice,     ///< operands: start, stop and step; each may be absent
  Call,      ///< operands[0](call)
  /// operands[0] | name(call). Where filters apply to the output of a block,
  /// the first of them has no operand: operands[0] is null.
  Filter,
  Test, ///< operands[0] is name(call)
  If,   ///< operands[1] if operands[0] [else operands[2]]
  And,
  Or,
  Not,
  Negate,
  Plus,
  Concat,  ///< the texts of all operands, joined
  Binary,  ///< operands[0] name operands[1]; name is +, -, *, /, //, %, **
  Compare, ///< operands with the operators `names` between them
};

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr rest;      ///< the expression after *; null: no *
  ExpressionPtr namedRest; ///< the expression after **; null: no **
};

struct Expression {
  Op op = Op::Constant;
  Place place;
  uint32_t depth = 1; ///< the height of the tree; 1 for a leaf
  std::string name;
  Value constant;
  std::vector<ExpressionPtr> operands;
  std::vector<std::string> names;
  CallArguments call;
};

/// The left side of an assignment: a name, an attribute of a namespace, or
/// several targets.
struct Target {
  Place place;
  std::string name;
  std::string attribute; ///< "" if the target is not an attribute
  bool isTuple = false;
  std::vector<Target> parts;
};

struct Parameter {
  std::string name;
  ExpressionPtr byDefault; ///< the default value; may be absent
};

struct Signature {
  std::string name; ///< "caller" for the body of a call block
  std::vector<Parameter> parameters;
  // For each of `varargs`, `kwargs` and `caller`: whether the body mentions it.
  // A macro refuses surplus positional arguments if it does not mention
  // `varargs`, and surplus named arguments if it does not mention `kwargs`.
  bool usesVarargs = false;
  bool usesKwargs = false;
  bool usesCaller = false;
};

enum class Act : uint8_t {
  Data,     ///< writes `data`
  Output,   ///< writes `value`
  If,       ///< runs the first of `branches` whose condition is true or absent
  For,      ///< runs `body` for each item of `value`, or else `otherwise`
  Set,      ///< target = value
  SetBlock, ///< target = text of `body`, passed through any filters in `value`
  Macro,    ///< defines the macro `signature` with `body`
  Call,     ///< writes the result of the call `value`; `body` is its `caller`
  Filter,   ///< writes the body, passed through the filters of `value`
  With,     ///< runs the body in a scope with the variables `bindings`
  Scope,    ///< runs the body in a scope of its own
  Break,
  Continue,
};

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

struct Branch {
  ExpressionPtr condition; ///< absent for `else`
  Body body;
};

struct Statement {
  Act act = Act::Data;
  Place place;
  Value data;
  ExpressionPtr value;
  ExpressionPtr condition;
  Target target;
  bool recursive = false;
  Signature signature;
  Body body;
  Body otherwise;
  std::vector<Branch> branches;
  /// The variables that With sets.
  std::vector<std::pair<Target, ExpressionPtr>> bindings;
};

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_PROGRAM_H
