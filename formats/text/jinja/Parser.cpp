//===- Parser.cpp - statements of a template --------------------*- C++ -*-===//
#include "formats/text/jinja/Parser.h"

#include "formats/text/jinja/ParserBase.h"

#include <algorithm>

namespace air::jinja {
namespace {

class Parser : public ExpressionParser {
public:
  using ExpressionParser::ExpressionParser;

  Result<Body> run() {
    Body body = parseBody({});
    if (unsupported) {
      fail(unsupported->place, unsupported->message, ErrorCode::Unsupported);
    }
    if (failed()) {
      return failure;
    }
    return body;
  }

private:
  using Names = std::initializer_list<std::string_view>;
  /// Parses statements up to a tag whose name is in `ends`, and stops at that
  /// name. If `ends` is empty, parses up to the end of the template.
  Body parseBody(Names ends);
  /// Parses a block from the "%}" of its first tag to the "%}" of the tag whose
  /// name is `end`, and returns the statements between the two tags.
  Body parseBlock(const char *end);
  void parseTag(Body &out);
  void endTag();
  std::unique_ptr<Statement> make(Act act) {
    auto statement = std::make_unique<Statement>();
    statement->act = act;
    statement->place = now().place;
    return statement;
  }
  void parseIf(Statement &out);
  void parseFor(Statement &out);
  void parseSet(Statement &out);
  void parseWith(Statement &out);
  void parseMacro(Statement &out, const char *end);
  void parseSignature(Signature &signature);
  void parseCall(Statement &out);

  bool isLoop = false; ///< `break` and `continue` are allowed
  std::vector<std::string> openTags;
};

void Parser::endTag() {
  if (now().kind != Token::TagEnd) {
    failHere("expected '%}', but found " + describe(now()));
  }
  advance();
}

Body Parser::parseBody(Names ends) {
  Nested nested(*this);
  Body body;
  while (!failed()) {
    switch (now().kind) {
    case Token::Data:
      body.push_back(make(Act::Data));
      body.back()->data = now().value;
      advance();
      break;
    case Token::OutputBegin:
      advance();
      body.push_back(make(Act::Output));
      body.back()->value = parseTuple();
      if (now().kind != Token::OutputEnd) {
        failHere("expected '}}', but found " + describe(now()));
      }
      advance();
      break;
    case Token::TagBegin:
      advance();
      if (now().kind == Token::Name &&
          std::find(ends.begin(), ends.end(), now().name) != ends.end()) {
        return body;
      }
      parseTag(body);
      break;
    default:
      if (ends.size() != 0) {
        failHere("the template ends, but the tag '" + openTags.back() +
                 "' is still open; add {% " + std::string(ends.end()[-1]) +
                 " %}");
      }
      return body;
    }
  }
  return body;
}

Body Parser::parseBlock(const char *end) {
  endTag();
  Body body = parseBody({end});
  advance();
  endTag();
  return body;
}

void Parser::parseTag(Body &out) {
  std::unique_ptr<Statement> statement = make(Act::Scope);
  std::string name = expectIdentifier();
  openTags.push_back(name);
  if (name == "if") {
    parseIf(*statement);
  } else if (name == "for") {
    parseFor(*statement);
  } else if (name == "set") {
    parseSet(*statement);
  } else if (name == "print") {
    // A `print` tag may have several expressions, which are written one after
    // the other.
    statement->act = Act::Output;
    statement->value = parseExpression();
    while (skipOperator(",")) {
      out.push_back(std::exchange(statement, make(Act::Output)));
      statement->value = parseExpression();
    }
    endTag();
  } else if (name == "with") {
    parseWith(*statement);
  } else if (name == "macro") {
    statement->act = Act::Macro;
    statement->signature.name = parseName().name;
    parseSignature(statement->signature);
    parseMacro(*statement, "endmacro");
  } else if (name == "call") {
    parseCall(*statement);
  } else if (name == "filter") {
    statement->act = Act::Filter;
    statement->value = parseFilters();
    statement->body = parseBlock("endfilter");
  } else if (name == "generation") {
    // A `generation` block only marks the assistant's part of the text for
    // training, which does not change the output.
    statement->body = parseBlock("endgeneration");
  } else if (name == "break" || name == "continue") {
    if (!isLoop) {
      fail(statement->place, "'" + name + "' is outside of a loop");
    }
    statement->act = name == "break" ? Act::Break : Act::Continue;
    endTag();
  } else if (name.starts_with("end") || name == "else" || name == "elif") {
    openTags.pop_back();
    fail(statement->place,
         "'" + name +
             (openTags.empty()
                  ? "' stands here, but no tag is open"
                  : "' does not fit the open tag '" + openTags.back() + "'"));
    return;
  } else if (!failed()) {
    fail(statement->place, "the tag '" + name + "' is not supported",
         ErrorCode::Unsupported);
  }
  openTags.pop_back();
  out.push_back(std::move(statement));
}

void Parser::parseIf(Statement &out) {
  out.act = Act::If;
  ++conditional;
  bool isLast = false;
  while (!failed()) {
    Branch branch;
    branch.condition = isLast ? nullptr : parseTuple(false);
    endTag();
    branch.body =
        isLast ? parseBody({"endif"}) : parseBody({"elif", "else", "endif"});
    out.branches.push_back(std::move(branch));
    std::string end = now().name;
    advance();
    if (end == "endif") {
      break;
    }
    isLast = end == "else";
  }
  --conditional;
  endTag();
}

void Parser::parseFor(Statement &out) {
  out.act = Act::For;
  out.target = parseTarget(false, "in");
  if (out.target.name == "loop") {
    fail(out.target.place, "'loop' cannot be the variable of a loop");
  }
  if (!skipName("in")) {
    failHere("expected 'in', but found " + describe(now()));
  }
  out.value = parseTuple(false, "recursive");
  if (skipName("if")) {
    out.condition = parseExpression();
  }
  out.recursive = skipName("recursive");
  endTag();
  bool outer = std::exchange(isLoop, true);
  out.body = parseBody({"else", "endfor"});
  isLoop = outer;
  if (skipName("else")) {
    endTag();
    out.otherwise = parseBody({"endfor"});
  }
  advance();
  endTag();
}

void Parser::parseSet(Statement &out) {
  out.target = parseTarget(true);
  if (skipOperator("=")) {
    out.act = Act::Set;
    out.value = parseTuple();
    endTag();
    return;
  }
  out.act = Act::SetBlock;
  if (skipOperator("|")) {
    out.value = parseFilters();
  }
  out.body = parseBlock("endset");
}

void Parser::parseWith(Statement &out) {
  out.act = Act::With;
  while (now().kind != Token::TagEnd && !failed()) {
    if (!out.bindings.empty()) {
      expectOperator(",");
    }
    Target target = parseName();
    expectOperator("=");
    out.bindings.emplace_back(std::move(target), parseExpression());
  }
  out.body = parseBlock("endwith");
}

void Parser::parseSignature(Signature &signature) {
  expectOperator("(");
  while (!isOperator(")") && !failed()) {
    if (!signature.parameters.empty()) {
      expectOperator(",");
    }
    Place place = now().place;
    Parameter parameter;
    parameter.name = parseName().name;
    if (skipOperator("=")) {
      parameter.byDefault = parseExpression();
    } else if (!signature.parameters.empty() &&
               signature.parameters.back().byDefault) {
      fail(place, "a parameter without a default follows one with a default");
    }
    signature.parameters.push_back(std::move(parameter));
  }
  expectOperator(")");
}

void Parser::parseMacro(Statement &out, const char *end) {
  std::vector<std::string> outer = std::exchange(mentioned, {});
  bool outerLoop = std::exchange(isLoop, false);
  out.body = parseBlock(end);
  isLoop = outerLoop;
  auto mentions = [&](const char *name) {
    return std::find(mentioned.begin(), mentioned.end(), name) !=
           mentioned.end();
  };
  out.signature.usesVarargs = mentions("varargs");
  out.signature.usesKwargs = mentions("kwargs");
  out.signature.usesCaller = mentions("caller");
  outer.insert(outer.end(), mentioned.begin(), mentioned.end());
  mentioned = std::move(outer);
}

void Parser::parseCall(Statement &out) {
  out.act = Act::Call;
  out.signature.name = "caller";
  if (isOperator("(")) {
    parseSignature(out.signature);
  }
  Place place = now().place;
  out.value = parseExpression();
  if (out.value && out.value->op != Op::Call) {
    fail(place, "a call block needs a call, such as {% call name() %}");
  }
  parseMacro(out, "endcall");
}

} // namespace

Result<Body> parseTemplate(std::string_view source) {
  AIR_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(source));
  return Parser(std::move(tokens)).run();
}

} // namespace air::jinja
