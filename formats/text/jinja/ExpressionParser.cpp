//===- ExpressionParser.cpp - expressions of a template ---------*- C++ -*-===//
#include "formats/text/jinja/Builtins.h"
#include "formats/text/jinja/ParserBase.h"

#include <algorithm>
#include <utility>

namespace air::jinja {

/// Bounds the recursion of the parser and of everything that walks the tree, so
/// that no template can exhaust the stack.
static constexpr uint32_t kMaxDepth = 150;

ExpressionParser::Nested::Nested(ExpressionParser &parser) : owner(parser) {
  if (++owner.nesting > kMaxDepth) {
    owner.fail(owner.now().place,
               "the template is nested deeper than " +
                   std::to_string(kMaxDepth) + " levels",
               ErrorCode::Unsupported);
  }
}

void ExpressionParser::fail(Place place, const std::string &message,
                            ErrorCode code) {
  if (!failed()) {
    failure = Status(code, "template " + atPlace(place, message));
  }
  next = tokens.size() - 1;
}

void ExpressionParser::refuse(Place place, const std::string &message) {
  if (!failed() && conditional == 0 && !unsupported) {
    unsupported = {place, message};
  }
}

std::string ExpressionParser::describe(const Token &token) {
  switch (token.kind) {
  case Token::Data:
    return "text";
  case Token::OutputBegin:
    return "'{{'";
  case Token::OutputEnd:
    return "'}}'";
  case Token::TagBegin:
    return "'{%'";
  case Token::TagEnd:
    return "'%}'";
  case Token::Name:
  case Token::Operator:
    return "'" + token.name + "'";
  case Token::String:
    return "a string";
  case Token::Number:
    return "a number";
  case Token::End:
    return "the end of the template";
  }
  return "";
}

bool ExpressionParser::skipName(std::string_view name) {
  bool found = isName(name);
  if (found) {
    advance();
  }
  return found;
}

bool ExpressionParser::skipOperator(std::string_view name) {
  bool found = isOperator(name);
  if (found) {
    advance();
  }
  return found;
}

void ExpressionParser::expectOperator(const char *name) {
  if (!skipOperator(name)) {
    failHere(std::string("expected '") + name + "', but found " +
             describe(now()));
  }
}

std::string ExpressionParser::expectIdentifier() {
  if (now().kind != Token::Name) {
    failHere("expected a name, but found " + describe(now()));
    return {};
  }
  std::string name = now().name;
  advance();
  return name;
}

ExpressionPtr ExpressionParser::make(Op op, Place place) {
  auto node = std::make_unique<Expression>();
  node->op = op;
  node->place = place;
  return node;
}

void ExpressionParser::measure(Expression &node) {
  if (node.depth > kMaxDepth) {
    fail(node.place,
         "the expression is nested deeper than " + std::to_string(kMaxDepth) +
             " levels",
         ErrorCode::Unsupported);
  }
}

void ExpressionParser::adopt(Expression &parent, ExpressionPtr child) {
  if (child) {
    parent.depth = std::max(parent.depth, child->depth + 1);
    measure(parent);
  }
  parent.operands.push_back(std::move(child));
}

void ExpressionParser::adoptArguments(Expression &parent) {
  parent.call = parseArguments();
  const auto count = [&](const ExpressionPtr &argument) {
    if (argument) {
      parent.depth = std::max(parent.depth, argument->depth + 1);
    }
  };
  for (const ExpressionPtr &each : parent.call.positional) {
    count(each);
  }
  for (const auto &[name, each] : parent.call.named) {
    count(each);
  }
  count(parent.call.rest);
  count(parent.call.namedRest);
  measure(parent);
}

ExpressionPtr ExpressionParser::make(Op op, Place place, ExpressionPtr a,
                                     ExpressionPtr b) {
  ExpressionPtr node = make(op, place);
  adopt(*node, std::move(a));
  if (b) {
    adopt(*node, std::move(b));
  }
  return node;
}

ExpressionPtr ExpressionParser::parseExpression(bool withIf) {
  Nested nested(*this);
  if (failed()) {
    return nullptr;
  }
  return withIf ? parseIf() : parseOr();
}

ExpressionPtr ExpressionParser::parseIf() {
  Place place = now().place;
  std::optional<Misfit> earlier = std::exchange(unsupported, {});
  ExpressionPtr node = parseOr();
  if (earlier || isName("if")) {
    unsupported = std::move(earlier);
  }
  while (skipName("if")) {
    ++conditional;
    ExpressionPtr condition = parseOr();
    ExpressionPtr other = skipName("else") ? parseExpression() : nullptr;
    --conditional;
    node = make(Op::If, place, std::move(condition), std::move(node));
    adopt(*node, std::move(other));
  }
  return node;
}

ExpressionPtr ExpressionParser::parseOr() {
  Place place = now().place;
  ExpressionPtr node = parseAnd();
  while (skipName("or")) {
    node = make(Op::Or, place, std::move(node), parseAnd());
  }
  return node;
}

ExpressionPtr ExpressionParser::parseAnd() {
  Place place = now().place;
  ExpressionPtr node = parseNot();
  while (skipName("and")) {
    node = make(Op::And, place, std::move(node), parseNot());
  }
  return node;
}

ExpressionPtr ExpressionParser::parseNot() {
  Place place = now().place;
  if (!skipName("not")) {
    return parseCompare();
  }
  Nested nested(*this);
  return make(Op::Not, place, failed() ? nullptr : parseNot());
}

ExpressionPtr ExpressionParser::parseCompare() {
  Place place = now().place;
  ExpressionPtr node = parseSum();
  std::vector<std::string> names;
  std::vector<ExpressionPtr> others;
  while (true) {
    static constexpr std::string_view kNames[] = {
        "==", "!=", ">=", "<=", ">", "<"};
    std::string name;
    if (now().kind == Token::Operator &&
        std::find(std::begin(kNames), std::end(kNames), now().name) !=
            std::end(kNames)) {
      name = now().name;
    } else if (isName("in")) {
      name = "in";
    } else if (isName("not") && ahead().kind == Token::Name &&
               ahead().name == "in") {
      name = "not in";
      advance();
    } else {
      break;
    }
    advance();
    names.push_back(std::move(name));
    others.push_back(parseSum());
  }
  if (names.empty()) {
    return node;
  }
  ExpressionPtr result = make(Op::Compare, place, std::move(node));
  result->names = std::move(names);
  for (ExpressionPtr &other : others) {
    adopt(*result, std::move(other));
  }
  return result;
}

ExpressionPtr ExpressionParser::parseSum() {
  ExpressionPtr node = parseConcat();
  while (isOperator("+") || isOperator("-")) {
    ExpressionPtr whole = make(Op::Binary, now().place);
    whole->name = now().name;
    advance();
    adopt(*whole, std::move(node));
    adopt(*whole, parseConcat());
    node = std::move(whole);
  }
  return node;
}

ExpressionPtr ExpressionParser::parseConcat() {
  Place place = now().place;
  ExpressionPtr node = parseProduct();
  if (!isOperator("~")) {
    return node;
  }
  node = make(Op::Concat, place, std::move(node));
  while (skipOperator("~")) {
    adopt(*node, parseProduct());
  }
  return node;
}

ExpressionPtr ExpressionParser::parseProduct() {
  ExpressionPtr node = parsePower();
  while (isOperator("*") || isOperator("/") || isOperator("//") ||
         isOperator("%")) {
    ExpressionPtr whole = make(Op::Binary, now().place);
    whole->name = now().name;
    advance();
    adopt(*whole, std::move(node));
    adopt(*whole, parsePower());
    node = std::move(whole);
  }
  return node;
}

ExpressionPtr ExpressionParser::parsePower() {
  ExpressionPtr node = parseUnary();
  while (isOperator("**")) {
    ExpressionPtr whole = make(Op::Binary, now().place);
    whole->name = now().name;
    advance();
    adopt(*whole, std::move(node));
    adopt(*whole, parseUnary());
    node = std::move(whole);
  }
  return node;
}

ExpressionPtr ExpressionParser::parseUnary(bool withFilters) {
  Nested nested(*this);
  if (failed()) {
    return nullptr;
  }
  Place place = now().place;
  ExpressionPtr node;
  if (skipOperator("-")) {
    node = make(Op::Negate, place, parseUnary(false));
  } else if (skipOperator("+")) {
    node = make(Op::Plus, place, parseUnary(false));
  } else {
    node = parsePrimary();
  }
  node = parsePostfix(std::move(node));
  return withFilters ? parseFilterOrTest(std::move(node)) : std::move(node);
}

ExpressionPtr ExpressionParser::parsePrimary() {
  const Token &token = now();
  ExpressionPtr node = make(Op::Constant, token.place);
  if (token.kind == Token::Name) {
    if (token.name == "true" || token.name == "True" || token.name == "false" ||
        token.name == "False") {
      node->constant =
          Value::boolean(token.name[0] == 't' || token.name[0] == 'T');
    } else if (token.name == "none" || token.name == "None") {
      node->constant = Value::none();
    } else {
      node->op = Op::Name;
      node->name = token.name;
      mentioned.push_back(token.name);
    }
    advance();
  } else if (token.kind == Token::String) {
    Text text;
    while (now().kind == Token::String) {
      text += now().value.text();
      advance();
    }
    node->constant = Value::string(std::move(text));
  } else if (token.kind == Token::Number) {
    node->constant = token.value;
    advance();
  } else if (skipOperator("(")) {
    node = parseTuple(true, nullptr, true);
    expectOperator(")");
  } else if (isOperator("[")) {
    node = parseList();
  } else if (isOperator("{")) {
    node = parseDict();
  } else {
    failHere("expected an expression, but found " + describe(token));
  }
  return node;
}

ExpressionPtr ExpressionParser::parseTuple(bool withIf, const char *end,
                                           bool parenthesised) {
  Place place = now().place;
  std::vector<ExpressionPtr> parts;
  bool isTuple = false;
  while (true) {
    if (now().kind == Token::OutputEnd || now().kind == Token::TagEnd ||
        isOperator(")") || (end != nullptr && isName(end))) {
      break;
    }
    parts.push_back(parseExpression(withIf));
    if (!skipOperator(",")) {
      break;
    }
    isTuple = true;
  }
  if (!isTuple && !parts.empty()) {
    return std::move(parts[0]);
  }
  if (!isTuple && !parenthesised) {
    failHere("expected an expression, but found " + describe(now()));
  }
  ExpressionPtr node = make(Op::Tuple, place);
  for (ExpressionPtr &part : parts) {
    adopt(*node, std::move(part));
  }
  return node;
}

ExpressionPtr ExpressionParser::parseList() {
  ExpressionPtr node = make(Op::List, now().place);
  expectOperator("[");
  while (!isOperator("]") && !failed()) {
    if (!node->operands.empty()) {
      expectOperator(",");
      if (isOperator("]")) {
        break;
      }
    }
    adopt(*node, parseExpression());
  }
  expectOperator("]");
  return node;
}

ExpressionPtr ExpressionParser::parseDict() {
  ExpressionPtr node = make(Op::Dict, now().place);
  expectOperator("{");
  while (!isOperator("}") && !failed()) {
    if (!node->operands.empty()) {
      expectOperator(",");
      if (isOperator("}")) {
        break;
      }
    }
    adopt(*node, parseExpression());
    expectOperator(":");
    adopt(*node, parseExpression());
  }
  expectOperator("}");
  return node;
}

ExpressionPtr ExpressionParser::parsePostfix(ExpressionPtr node) {
  while (!failed()) {
    if (isOperator(".") || isOperator("[")) {
      node = parseSubscript(std::move(node));
    } else if (isOperator("(")) {
      node = parseCall(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

ExpressionPtr ExpressionParser::parseFilterOrTest(ExpressionPtr node) {
  while (!failed()) {
    if (isOperator("|")) {
      advance();
      node = parseFilter(std::move(node));
    } else if (isName("is")) {
      node = parseTest(std::move(node));
    } else if (isOperator("(")) {
      node = parseCall(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

ExpressionPtr ExpressionParser::parseFilters() {
  ExpressionPtr node = parseFilter(nullptr);
  while (skipOperator("|")) {
    node = parseFilter(std::move(node));
  }
  return node;
}

ExpressionPtr ExpressionParser::parseFilter(ExpressionPtr node) {
  ExpressionPtr result = make(Op::Filter, now().place);
  result->name = expectIdentifier();
  while (skipOperator(".")) {
    result->name += "." + expectIdentifier();
  }
  if (!isFilter(result->name)) {
    refuse(result->place, "the filter '" + result->name + "' is not supported");
  }
  adopt(*result, std::move(node));
  if (isOperator("(")) {
    adoptArguments(*result);
  }
  return result;
}

ExpressionPtr ExpressionParser::parseTest(ExpressionPtr node) {
  Place place = now().place;
  advance();
  bool negated = skipName("not");
  ExpressionPtr result = make(Op::Test, now().place);
  result->name = expectIdentifier();
  while (skipOperator(".")) {
    result->name += "." + expectIdentifier();
  }
  if (!isTest(result->name)) {
    refuse(result->place, "the test '" + result->name + "' is not supported");
  }
  adopt(*result, std::move(node));
  bool begins = now().kind == Token::Name || now().kind == Token::String ||
                now().kind == Token::Number || isOperator("[") ||
                isOperator("{");
  if (isOperator("(")) {
    adoptArguments(*result);
  } else if (begins && !isName("else") && !isName("or") && !isName("and")) {
    if (isName("is")) {
      failHere("tests cannot be chained; write 'and' between them");
    }
    ExpressionPtr argument = parsePostfix(parsePrimary());
    if (argument) {
      result->depth = std::max(result->depth, argument->depth + 1);
    }
    result->call.positional.push_back(std::move(argument));
  }
  measure(*result);
  return negated ? make(Op::Not, place, std::move(result)) : std::move(result);
}

ExpressionPtr ExpressionParser::parseSubscript(ExpressionPtr node) {
  Place place = now().place;
  if (skipOperator(".")) {
    if (now().kind == Token::Number && now().value.is(Kind::Int)) {
      ExpressionPtr index = make(Op::Constant, now().place);
      index->constant = now().value;
      advance();
      return make(Op::Item, place, std::move(node), std::move(index));
    }
    ExpressionPtr result = make(Op::Attribute, place, std::move(node));
    result->name = expectIdentifier();
    return result;
  }
  expectOperator("[");
  std::vector<ExpressionPtr> parts;
  while (!isOperator("]") && !failed()) {
    if (!parts.empty()) {
      expectOperator(",");
    }
    parts.push_back(parseSubscribed());
  }
  expectOperator("]");
  ExpressionPtr index;
  if (parts.size() == 1) {
    index = std::move(parts[0]);
  } else {
    index = make(Op::Tuple, place);
    for (ExpressionPtr &part : parts) {
      adopt(*index, std::move(part));
    }
  }
  return make(Op::Item, place, std::move(node), std::move(index));
}

ExpressionPtr ExpressionParser::parseSubscribed() {
  Place place = now().place;
  ExpressionPtr first;
  if (!isOperator(":")) {
    first = parseExpression();
    if (!isOperator(":")) {
      return first;
    }
  }
  advance();
  auto part = [&]() -> ExpressionPtr {
    return isOperator(":") || isOperator("]") || isOperator(",")
               ? nullptr
               : parseExpression();
  };
  ExpressionPtr node = make(Op::Slice, place);
  adopt(*node, std::move(first));
  adopt(*node, part());
  adopt(*node, skipOperator(":") ? part() : nullptr);
  return node;
}

CallArguments ExpressionParser::parseArguments() {
  CallArguments call;
  expectOperator("(");
  bool first = true;
  while (!isOperator(")") && !failed()) {
    if (!first) {
      expectOperator(",");
      if (isOperator(")")) {
        break;
      }
    }
    first = false;
    Place place = now().place;
    bool isValid = true;
    if (skipOperator("*")) {
      isValid = !call.rest && !call.namedRest;
      call.rest = parseExpression();
    } else if (skipOperator("**")) {
      isValid = !call.namedRest;
      call.namedRest = parseExpression();
    } else if (now().kind == Token::Name && ahead().kind == Token::Operator &&
               ahead().name == "=") {
      isValid = !call.namedRest;
      std::string name = now().name;
      advance();
      advance();
      for (const auto &[other, value] : call.named) {
        if (other == name) {
          fail(place, "the argument '" + name + "' is given twice");
        }
      }
      call.named.emplace_back(std::move(name), parseExpression());
    } else {
      isValid = !call.rest && !call.namedRest && call.named.empty();
      call.positional.push_back(parseExpression());
    }
    if (!isValid) {
      fail(place,
           "the arguments of a call are in the wrong order; the order must be "
           "values, name=value, *values, **names");
    }
  }
  expectOperator(")");
  return call;
}

ExpressionPtr ExpressionParser::parseCall(ExpressionPtr callee) {
  ExpressionPtr node = make(Op::Call, now().place, std::move(callee));
  adoptArguments(*node);
  return node;
}

Target ExpressionParser::parseName() {
  Target target;
  target.place = now().place;
  target.name = expectIdentifier();
  static constexpr std::string_view kReserved[] = {"true", "false", "none",
                                                   "True", "False", "None"};
  if (std::find(std::begin(kReserved), std::end(kReserved), target.name) !=
      std::end(kReserved)) {
    fail(target.place, "'" + target.name + "' cannot be assigned to");
  }
  return target;
}

Target ExpressionParser::parseTarget(bool withAttributes, const char *end) {
  Nested nested(*this);
  Target whole;
  whole.place = now().place;
  while (!failed()) {
    if (now().kind == Token::TagEnd || isOperator(")") ||
        (end != nullptr && isName(end)) || isOperator("=")) {
      break;
    }
    if (skipOperator("(")) {
      whole.parts.push_back(parseTarget(withAttributes));
      expectOperator(")");
    } else {
      Target part = parseName();
      if (withAttributes && skipOperator(".")) {
        part.attribute = expectIdentifier();
      }
      whole.parts.push_back(std::move(part));
    }
    if (!skipOperator(",")) {
      break;
    }
    whole.isTuple = true;
  }
  if (whole.isTuple) {
    return whole;
  }
  if (whole.parts.empty()) {
    failHere("expected a name, but found " + describe(now()));
    return whole;
  }
  return Target(std::move(whole.parts[0]));
}

} // namespace air::jinja
