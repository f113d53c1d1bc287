//===- ParserBase.h - the parser's parts ------------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_PARSERBASE_H
#define AIRPACK_FORMATS_TEXT_JINJA_PARSERBASE_H

#include "formats/text/jinja/Program.h"

#include <initializer_list>
#include <optional>

namespace air::jinja {

/// Parses expressions. After a failure, every function returns an absent or
/// empty result, and the parser stays at the end of the tokens, so callers need
/// not check for errors.
class ExpressionParser {
public:
  explicit ExpressionParser(std::vector<Token> input)
      : tokens(std::move(input)) {}

protected:
  ExpressionPtr parseExpression(bool withIf = true);
  /// Parses one expression, or a tuple: several expressions with commas between
  /// them. A comma may also follow the last expression, and makes a single
  /// expression a tuple. The token after such a comma must be the end of the
  /// tag, a closing parenthesis or, if `end` is given, the name `end`. If
  /// `withIf` is false, an expression ends before `if`. If `parenthesised` is
  /// true, the tuple may be empty.
  ExpressionPtr parseTuple(bool withIf = true, const char *end = nullptr,
                           bool parenthesised = false);
  /// Parses the filters of a filter or `set` block, with '|' between them. The
  /// operand of the first filter is absent.
  ExpressionPtr parseFilters();
  Target parseTarget(bool withAttributes, const char *end = nullptr);
  Target parseName();

  const Token &now() const { return tokens[next]; }
  const Token &ahead() const {
    return tokens[std::min(next + 1, tokens.size() - 1)];
  }
  bool isName(std::string_view name) const {
    return now().kind == Token::Name && now().name == name;
  }
  bool isOperator(std::string_view name) const {
    return now().kind == Token::Operator && now().name == name;
  }
  bool skipName(std::string_view name);
  bool skipOperator(std::string_view name);
  void expectOperator(const char *name);
  std::string expectIdentifier();
  void advance() { next += next + 1 < tokens.size() ? 1 : 0; }
  void fail(Place place, const std::string &message,
            ErrorCode code = ErrorCode::Corrupt);
  void failHere(const std::string &message) { fail(now().place, message); }
  bool failed() const { return !failure.isOk(); }
  /// Reports a filter or test that is not supported, unless it may stand here
  /// as long as it is not evaluated.
  void refuse(Place place, const std::string &message);
  static std::string describe(const Token &token);

  /// Keeps `nesting` one higher for as long as the object exists. Fails at too
  /// great a depth.
  class Nested {
  public:
    explicit Nested(ExpressionParser &parser);
    ~Nested() { --owner.nesting; }
    Nested(const Nested &) = delete;
    Nested &operator=(const Nested &) = delete;

  private:
    ExpressionParser &owner;
  };

  /// An error for a place in the template.
  struct Misfit {
    Place place;
    std::string message;
  };

  Status failure;
  /// The first filter or test that is not supported. It is not reported at
  /// once, but at the end of the template: in a conditional expression it is
  /// not an error, and the `if` that shows that there is such an expression
  /// comes only after the first operand.
  std::optional<Misfit> unsupported;
  uint32_t nesting = 0;
  uint32_t conditional = 0; ///< how many `if` tags or expressions are open
  /// The names that have been parsed since the innermost macro began.
  std::vector<std::string> mentioned;

private:
  ExpressionPtr parseIf();
  ExpressionPtr parseOr();
  ExpressionPtr parseAnd();
  ExpressionPtr parseNot();
  ExpressionPtr parseCompare();
  ExpressionPtr parseSum();
  ExpressionPtr parseConcat();
  ExpressionPtr parseProduct();
  ExpressionPtr parsePower();
  ExpressionPtr parseUnary(bool withFilters = true);
  ExpressionPtr parsePrimary();
  ExpressionPtr parseList();
  ExpressionPtr parseDict();
  ExpressionPtr parsePostfix(ExpressionPtr node);
  ExpressionPtr parseFilterOrTest(ExpressionPtr node);
  ExpressionPtr parseFilter(ExpressionPtr node);
  ExpressionPtr parseTest(ExpressionPtr node);
  ExpressionPtr parseSubscript(ExpressionPtr node);
  ExpressionPtr parseSubscribed();
  ExpressionPtr parseCall(ExpressionPtr callee);
  CallArguments parseArguments();
  ExpressionPtr make(Op op, Place place);
  ExpressionPtr make(Op op, Place place, ExpressionPtr a,
                     ExpressionPtr b = nullptr);
  ExpressionPtr binary(ExpressionPtr left, ExpressionPtr right);
  void adopt(Expression &parent, ExpressionPtr child);
  /// Parses the arguments of a call, a filter or a test.
  void adoptArguments(Expression &parent);
  void measure(Expression &node);

  std::vector<Token> tokens;
  size_t next = 0;
};

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_PARSERBASE_H
