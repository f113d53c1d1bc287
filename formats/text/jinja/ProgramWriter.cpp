//===- ProgramWriter.cpp - a program as words -------------------*- C++ -*-===//
#include "formats/text/jinja/ProgramWriter.h"

#include <bit>

namespace air::jinja {
namespace {

class Writer {
public:
  void writeBody(const Body &body);
  ProgramCode take() { return std::move(code); }

private:
  void word(uint64_t value) {
    code.words.push_back(static_cast<uint32_t>(value));
  }
  void twoWords(uint64_t value) {
    word(value & UINT32_MAX);
    word(value >> 32);
  }
  void writePlace(Place place) {
    word(place.line);
    word(place.column);
  }
  void writeText(const std::string &text);
  void writeStatement(const Statement &statement);
  void writeExpression(const Expression &node);
  void writeOptional(const ExpressionPtr &node);
  void writeOperands(const Expression &node);
  void writeConstant(const Value &value);
  void writeArguments(const CallArguments &call);
  void writeTarget(const Target &target);
  void writeSignature(const Signature &signature);

  ProgramCode code;
  std::map<std::string, uint32_t> indices; ///< of the texts
};

void Writer::writeText(const std::string &text) {
  const auto next = static_cast<uint32_t>(code.texts.size());
  const auto [found, isNew] = indices.try_emplace(text, next);
  if (isNew) {
    code.texts.push_back(text);
  }
  word(found->second);
}

void Writer::writeBody(const Body &body) {
  word(body.size());
  for (const auto &statement : body) {
    writeStatement(*statement);
  }
}

void Writer::writeStatement(const Statement &statement) {
  word(static_cast<uint32_t>(statement.act));
  writePlace(statement.place);
  switch (statement.act) {
  case Act::Data:
    writeText(toUtf8(statement.data.text()));
    break;
  case Act::Output:
    writeExpression(*statement.value);
    break;
  case Act::If:
    word(statement.branches.size());
    for (const Branch &branch : statement.branches) {
      writeOptional(branch.condition);
      writeBody(branch.body);
    }
    break;
  case Act::For:
    writeTarget(statement.target);
    writeExpression(*statement.value);
    writeOptional(statement.condition);
    word(statement.recursive ? 1 : 0);
    writeBody(statement.body);
    writeBody(statement.otherwise);
    break;
  case Act::Set:
    writeTarget(statement.target);
    writeExpression(*statement.value);
    break;
  case Act::SetBlock:
    writeTarget(statement.target);
    writeOptional(statement.value);
    writeBody(statement.body);
    break;
  case Act::Macro:
    writeSignature(statement.signature);
    writeBody(statement.body);
    break;
  case Act::Call:
    writeSignature(statement.signature);
    writeExpression(*statement.value);
    writeBody(statement.body);
    break;
  case Act::Filter:
    writeExpression(*statement.value);
    writeBody(statement.body);
    break;
  case Act::With:
    word(statement.bindings.size());
    for (const auto &[target, value] : statement.bindings) {
      writeTarget(target);
      writeExpression(*value);
    }
    writeBody(statement.body);
    break;
  case Act::Scope:
    writeBody(statement.body);
    break;
  case Act::Break:
  case Act::Continue:
    break;
  }
}

void Writer::writeOptional(const ExpressionPtr &node) {
  word(node ? 1 : 0);
  if (node) {
    writeExpression(*node);
  }
}

void Writer::writeOperands(const Expression &node) {
  for (const ExpressionPtr &operand : node.operands) {
    writeExpression(*operand);
  }
}

void Writer::writeExpression(const Expression &node) {
  word(static_cast<uint32_t>(node.op));
  writePlace(node.place);
  switch (node.op) {
  case Op::Constant:
    writeConstant(node.constant);
    break;
  case Op::Name:
    writeText(node.name);
    break;
  case Op::List:
  case Op::Tuple:
  case Op::Dict:
  case Op::Concat:
    word(node.operands.size());
    writeOperands(node);
    break;
  case Op::Attribute:
    writeText(node.name);
    writeOperands(node);
    break;
  case Op::Slice:
    for (const ExpressionPtr &operand : node.operands) {
      writeOptional(operand);
    }
    break;
  case Op::Call:
    writeOperands(node);
    writeArguments(node.call);
    break;
  case Op::Filter:
    writeText(node.name);
    writeOptional(node.operands[0]);
    writeArguments(node.call);
    break;
  case Op::Test:
    writeText(node.name);
    writeOperands(node);
    writeArguments(node.call);
    break;
  case Op::If:
    writeExpression(*node.operands[0]);
    writeExpression(*node.operands[1]);
    writeOptional(node.operands[2]);
    break;
  case Op::Binary:
    writeText(node.name);
    writeOperands(node);
    break;
  case Op::Compare:
    word(node.names.size());
    for (const std::string &name : node.names) {
      writeText(name);
    }
    writeOperands(node);
    break;
  case Op::Item:
  case Op::And:
  case Op::Or:
  case Op::Not:
  case Op::Negate:
  case Op::Plus:
    writeOperands(node);
    break;
  }
}

void Writer::writeConstant(const Value &value) {
  word(static_cast<uint32_t>(value.kind()));
  switch (value.kind()) {
  case Kind::Bool:
    word(value.asInt() != 0 ? 1 : 0);
    break;
  case Kind::Int:
    twoWords(static_cast<uint64_t>(value.asInt()));
    break;
  case Kind::Float:
    twoWords(std::bit_cast<uint64_t>(value.asDouble()));
    break;
  case Kind::BigInt:
  case Kind::String:
    writeText(toUtf8(value.text()));
    break;
  default: // The only other constant that the parser makes is `none`.
    break;
  }
}

void Writer::writeArguments(const CallArguments &call) {
  word(call.positional.size());
  for (const ExpressionPtr &each : call.positional) {
    writeExpression(*each);
  }
  word(call.named.size());
  for (const auto &[name, each] : call.named) {
    writeText(name);
    writeExpression(*each);
  }
  writeOptional(call.rest);
  writeOptional(call.namedRest);
}

void Writer::writeTarget(const Target &target) {
  writePlace(target.place);
  word(target.parts.size());
  for (const Target &part : target.parts) {
    writeTarget(part);
  }
  if (target.parts.empty()) {
    writeText(target.name);
    writeText(target.attribute);
  }
}

void Writer::writeSignature(const Signature &signature) {
  writeText(signature.name);
  word((signature.usesVarargs ? 1U : 0U) | (signature.usesKwargs ? 2U : 0U) |
       (signature.usesCaller ? 4U : 0U));
  word(signature.parameters.size());
  for (const Parameter &parameter : signature.parameters) {
    writeText(parameter.name);
    writeOptional(parameter.byDefault);
  }
}

} // namespace

ProgramCode writeProgram(const Body &body) {
  Writer writer;
  writer.writeBody(body);
  return writer.take();
}

} // namespace air::jinja
