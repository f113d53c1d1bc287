//===- ProgramReader.cpp - words to a program -------------------*- C++ -*-===//
#include "formats/text/jinja/ProgramReader.h"

#include "formats/support/CountText.h"
#include "formats/support/Utf8.h"

#include <algorithm>
#include <bit>

namespace air::jinja {
namespace {

/// The tree may be nested to this depth, where statements and expressions are
/// counted together. The parser allows 150 levels of statements and, below
/// them, 150 of expressions.
constexpr uint32_t kMostLevels = 300;

/// Returns whether an error message, which is one line, can show `name`: the
/// name must not be empty or contain ASCII control characters.
bool isShowable(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
}

/// After a failure, every function returns at once with some value, which is
/// then discarded.
class Reader {
public:
  explicit Reader(const ProgramCode &input) : code(input) {}

  Result<Body> run();

private:
  /// Whether an expression is a chain of filters, such as `trim|upper`, that
  /// applies to the output of a block: of a filter block, or of a `set` block,
  /// which assigns the output to a variable. The first filter of such a chain
  /// has no operand.
  enum class Chain : uint8_t {
    None, ///< it is not, so every filter has an operand
    Open, ///< it is, so the first filter has no operand
  };

  void fail(const std::string &what);
  bool failed() const { return !failure.isOk(); }
  uint32_t word();
  uint32_t below(uint32_t limit, const char *what);
  bool flag() { return below(2, "a flag") != 0; }
  /// Reads the number of elements that follow, each of which takes at least
  /// `least` words.
  uint32_t count(uint32_t least);
  uint64_t twoWords() {
    const uint64_t low = word();
    return low | uint64_t{word()} << 32;
  }
  Place readPlace();
  const std::string &readText();
  std::string readName();
  std::string readOneOf(std::initializer_list<std::string_view> names);
  Body readBody();
  std::unique_ptr<Statement> readStatement();
  void readStatement(Statement &out);
  ExpressionPtr readExpression(Chain chain = Chain::None);
  void readExpression(Expression &out, Chain chain);
  void readCompare(Expression &out);
  ExpressionPtr readOptional() {
    return flag() ? readExpression() : ExpressionPtr();
  }
  void readOperands(Expression &out, uint32_t count) {
    for (uint32_t i = 0; i < count && !failed(); ++i) {
      out.operands.push_back(readExpression());
    }
  }
  /// Reads the filters of a filter or `set` block.
  ExpressionPtr readFilters();
  Value readConstant();
  CallArguments readArguments();
  Target readTarget();
  Signature readSignature();

  /// Adds a level to the current depth in the tree while the object exists.
  class Nested {
  public:
    explicit Nested(Reader &reader) : owner(reader) {
      if (++owner.level > kMostLevels) {
        owner.fail("the program is nested deeper than " +
                   std::to_string(kMostLevels) + " levels");
      }
    }
    ~Nested() { --owner.level; }
    Nested(const Nested &) = delete;
    Nested &operator=(const Nested &) = delete;

  private:
    Reader &owner;
  };

  const ProgramCode &code;
  uint64_t copiedBytes = 0; ///< size of the texts so far, once for each use
  size_t next = 0;
  uint32_t level = 0;
  Status failure;
};

void Reader::fail(const std::string &what) {
  if (!failed()) {
    failure =
        corruptError("word " + std::to_string(next == 0 ? 0 : next - 1) +
                     " of " + std::to_string(code.words.size()) + ": " + what);
  }
}

uint32_t Reader::word() {
  if (failed()) {
    return 0;
  }
  if (next == code.words.size()) {
    fail("the program is incomplete: a word is missing after this one");
    return 0;
  }
  return code.words[next++];
}

uint32_t Reader::below(uint32_t limit, const char *what) {
  const uint32_t value = word();
  if (!failed() && value >= limit) {
    fail(std::string(what) + " is " + std::to_string(value) +
         "; it must be below " + std::to_string(limit));
    return 0;
  }
  return value;
}

uint32_t Reader::count(uint32_t least) {
  const uint32_t value = word();
  const size_t left = code.words.size() - next;
  if (!failed() && value > left / least) {
    fail("the count is " + std::to_string(value) + ", but the remaining " +
         countOf(left, "word") + " can hold at most " +
         countOf(left / least, "element"));
    return 0;
  }
  return failed() ? 0 : value;
}

Place Reader::readPlace() {
  Place place;
  place.line = word();
  place.column = word();
  if (!failed() && (place.line == 0 || place.column == 0)) {
    fail("the place is line " + std::to_string(place.line) + ", column " +
         std::to_string(place.column) + "; both must be at least 1");
  }
  return place;
}

const std::string &Reader::readText() {
  static const std::string none;
  const auto size = static_cast<uint32_t>(code.texts.size());
  const uint32_t index = below(size, "the index of a text");
  if (failed()) {
    return none;
  }
  // Each use of a text puts a copy of it into the tree.
  copiedBytes += code.texts[index].size();
  if (copiedBytes > kMaxCopiedBytes) {
    fail("the texts, counted once for each use, have more than " +
         std::to_string(kMaxCopiedBytes) + " bytes");
    return none;
  }
  return code.texts[index];
}

std::string Reader::readName() {
  const std::string &name = readText();
  if (!failed() && !isShowable(name)) {
    fail("a name is empty or contains a control character");
  }
  return name;
}

std::string Reader::readOneOf(std::initializer_list<std::string_view> names) {
  std::string name = readName();
  if (!failed() && std::find(names.begin(), names.end(), name) == names.end()) {
    fail("'" + name.substr(0, 80) + "' is not an operator");
  }
  return name;
}

Result<Body> Reader::run() {
  if (code.words.size() > kMaxProgramWords) {
    return corruptError("the program has " +
                        countOf(code.words.size(), "word") + "; at most " +
                        std::to_string(kMaxProgramWords) + " are allowed");
  }
  for (size_t i = 0; i < code.texts.size(); ++i) {
    if (!isWellFormed(code.texts[i])) {
      return corruptError("text " + std::to_string(i) + " is not UTF-8");
    }
  }
  Body body = readBody();
  if (!failed() && next != code.words.size()) {
    fail("the program ends here, but is followed by " +
         countOf(code.words.size() - next, "word"));
  }
  if (failed()) {
    return failure;
  }
  return body;
}

Body Reader::readBody() {
  Nested nested(*this);
  Body body;
  const uint32_t size = count(3);
  for (uint32_t i = 0; i < size && !failed(); ++i) {
    body.push_back(readStatement());
  }
  return body;
}

std::unique_ptr<Statement> Reader::readStatement() {
  auto statement = std::make_unique<Statement>();
  statement->act = static_cast<Act>(
      below(static_cast<uint32_t>(Act::Continue) + 1, "a statement's kind"));
  statement->place = readPlace();
  readStatement(*statement);
  return statement;
}

void Reader::readStatement(Statement &out) {
  switch (out.act) {
  case Act::Data:
    out.data = Value::string(readText());
    break;
  case Act::Output:
    out.value = readExpression();
    break;
  case Act::If: {
    const uint32_t branches = count(2);
    for (uint32_t i = 0; i < branches && !failed(); ++i) {
      Branch branch;
      branch.condition = readOptional();
      branch.body = readBody();
      out.branches.push_back(std::move(branch));
    }
    break;
  }
  case Act::For:
    out.target = readTarget();
    out.value = readExpression();
    out.condition = readOptional();
    out.recursive = flag();
    out.body = readBody();
    out.otherwise = readBody();
    break;
  case Act::Set:
    out.target = readTarget();
    out.value = readExpression();
    break;
  case Act::SetBlock:
    out.target = readTarget();
    if (flag()) {
      out.value = readFilters();
    }
    out.body = readBody();
    break;
  case Act::Macro:
    out.signature = readSignature();
    out.body = readBody();
    break;
  case Act::Call:
    out.signature = readSignature();
    out.value = readExpression();
    if (!failed() && out.value->op != Op::Call) {
      fail("the value of a call block is not a call");
    }
    out.body = readBody();
    break;
  case Act::Filter:
    out.value = readFilters();
    out.body = readBody();
    break;
  case Act::With: {
    const uint32_t bindings = count(8);
    for (uint32_t i = 0; i < bindings && !failed(); ++i) {
      Target target = readTarget();
      out.bindings.emplace_back(std::move(target), readExpression());
    }
    out.body = readBody();
    break;
  }
  case Act::Scope:
    out.body = readBody();
    break;
  case Act::Break:
  case Act::Continue:
    break;
  }
}

ExpressionPtr Reader::readFilters() {
  ExpressionPtr value = readExpression(Chain::Open);
  if (!failed() && value->op != Op::Filter) {
    fail("the value of a filter block or set block is not a filter");
  }
  return value;
}

ExpressionPtr Reader::readExpression(Chain chain) {
  Nested nested(*this);
  auto node = std::make_unique<Expression>();
  if (failed()) {
    return node;
  }
  node->op = static_cast<Op>(
      below(static_cast<uint32_t>(Op::Compare) + 1, "an expression's kind"));
  node->place = readPlace();
  if (!failed()) {
    readExpression(*node, chain);
  }
  return node;
}

void Reader::readExpression(Expression &out, Chain chain) {
  switch (out.op) {
  case Op::Constant:
    out.constant = readConstant();
    break;
  case Op::Name:
    out.name = readName();
    break;
  case Op::List:
  case Op::Tuple:
  case Op::Concat:
    readOperands(out, count(3));
    break;
  case Op::Dict: {
    const uint32_t operands = count(3);
    if (!failed() && operands % 2 != 0) {
      fail("a dictionary has " + countOf(operands, "operand") +
           "; it must have as many values as keys");
    }
    readOperands(out, operands);
    break;
  }
  case Op::Attribute:
    out.name = readName();
    readOperands(out, 1);
    break;
  case Op::Slice:
    for (int i = 0; i < 3; ++i) {
      out.operands.push_back(readOptional());
    }
    break;
  case Op::Call:
    readOperands(out, 1);
    out.call = readArguments();
    break;
  case Op::Filter: {
    out.name = readName();
    const bool hasOperand = flag();
    if (!failed() && !hasOperand && chain == Chain::None) {
      fail("a filter has no operand; only the first filter of a filter block "
           "or set block may have none");
    }
    out.operands.push_back(hasOperand ? readExpression(chain) : nullptr);
    if (!failed() && hasOperand && chain == Chain::Open &&
        out.operands[0]->op != Op::Filter) {
      fail("the first filter of a filter block or set block has an operand; it "
           "must have none, because it applies to the output of the block");
    }
    out.call = readArguments();
    break;
  }
  case Op::Test:
    out.name = readName();
    readOperands(out, 1);
    out.call = readArguments();
    break;
  case Op::If:
    readOperands(out, 2);
    out.operands.push_back(readOptional());
    break;
  case Op::Binary:
    out.name = readOneOf({"+", "-", "*", "/", "//", "%", "**"});
    readOperands(out, 2);
    break;
  case Op::Compare:
    readCompare(out);
    break;
  case Op::Item:
  case Op::And:
  case Op::Or:
    readOperands(out, 2);
    break;
  case Op::Not:
  case Op::Negate:
  case Op::Plus:
    readOperands(out, 1);
    break;
  }
}

void Reader::readCompare(Expression &out) {
  const uint32_t operators = count(1);
  if (!failed() && operators == 0) {
    fail("a comparison has no operator");
  }
  for (uint32_t i = 0; i < operators && !failed(); ++i) {
    out.names.push_back(
        readOneOf({"==", "!=", "<", ">", "<=", ">=", "in", "not in"}));
  }
  readOperands(out, operators + 1);
}

Value Reader::readConstant() {
  const auto kind = static_cast<Kind>(
      below(static_cast<uint32_t>(Kind::String) + 1, "a constant's kind"));
  switch (kind) {
  case Kind::None:
    return Value::none();
  case Kind::Bool:
    return Value::boolean(flag());
  case Kind::Int:
    return Value::integer(static_cast<int64_t>(twoWords()));
  case Kind::Float:
    return Value::real(std::bit_cast<double>(twoWords()));
  case Kind::String:
    return Value::string(readText());
  case Kind::BigInt: {
    const std::string &digits = readText();
    if (!failed() &&
        (digits.empty() || digits[0] == '0' ||
         digits.find_first_not_of("0123456789") != std::string::npos)) {
      fail("an integer is not written in decimal digits without leading "
           "zeros");
    }
    // An integer that is not above kLargestInt must be a constant of kind Int,
    // because templates can compute with that kind, but not with BigInt.
    constexpr std::string_view kLargestInt = "9223372036854775807";
    if (!failed() &&
        (digits.size() < kLargestInt.size() ||
         (digits.size() == kLargestInt.size() && digits <= kLargestInt))) {
      fail("the integer " + digits +
           " fits into 64 bits, but is written in decimal digits");
    }
    if (!failed() && digits.size() > kMostDigits) {
      fail("an integer has " + std::to_string(digits.size()) +
           " decimal digits; at most " + std::to_string(kMostDigits) +
           " are allowed");
    }
    return Value::bigInteger(digits);
  }
  default:
    fail("a constant has the unknown kind " +
         std::to_string(static_cast<int>(kind)) + "; kinds 1 to 6 are known");
    return {};
  }
}

CallArguments Reader::readArguments() {
  CallArguments call;
  const uint32_t positional = count(3);
  for (uint32_t i = 0; i < positional && !failed(); ++i) {
    call.positional.push_back(readExpression());
  }
  const uint32_t named = count(4);
  for (uint32_t i = 0; i < named && !failed(); ++i) {
    std::string name = readName();
    call.named.emplace_back(std::move(name), readExpression());
  }
  call.rest = readOptional();
  call.namedRest = readOptional();
  return call;
}

Target Reader::readTarget() {
  Nested nested(*this);
  Target target;
  target.place = readPlace();
  const uint32_t parts = count(5);
  for (uint32_t i = 0; i < parts && !failed(); ++i) {
    target.parts.push_back(readTarget());
  }
  target.isTuple = parts != 0;
  if (parts == 0) {
    target.name = readName();
    target.attribute = readText();
    if (!failed() && !target.attribute.empty() &&
        !isShowable(target.attribute)) {
      fail("the name of an attribute contains a control character");
    }
  }
  return target;
}

Signature Reader::readSignature() {
  Signature signature;
  signature.name = readName();
  const uint32_t uses = below(8, "what a macro uses");
  signature.usesVarargs = (uses & 1) != 0;
  signature.usesKwargs = (uses & 2) != 0;
  signature.usesCaller = (uses & 4) != 0;
  const uint32_t parameters = count(2);
  for (uint32_t i = 0; i < parameters && !failed(); ++i) {
    Parameter parameter;
    parameter.name = readName();
    parameter.byDefault = readOptional();
    signature.parameters.push_back(std::move(parameter));
  }
  return signature;
}

} // namespace

Result<Body> readProgram(const ProgramCode &code) { return Reader(code).run(); }

} // namespace air::jinja
