//===- Template.cpp - a chat template ---------------------------*- C++ -*-===//
#include "formats/text/jinja/Template.h"

#include "formats/text/jinja/Interpreter.h"
#include "formats/text/jinja/Parser.h"
#include "formats/text/jinja/ProgramReader.h"
#include "formats/text/jinja/ProgramWriter.h"

namespace air::jinja {

struct Template::Program {
  Body body;
};

Template::Template(std::unique_ptr<Program> parsed) : held(std::move(parsed)) {}
Template::Template(Template &&) noexcept = default;
Template &Template::operator=(Template &&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view source) {
  auto parsed = std::make_unique<Program>();
  AIR_ASSIGN_OR_RETURN(parsed->body, parseTemplate(source));
  return Template(std::move(parsed));
}

Result<Template> Template::load(const ProgramCode &code) {
  auto loaded = std::make_unique<Program>();
  AIR_ASSIGN_OR_RETURN(loaded->body, readProgram(code));
  return Template(std::move(loaded));
}

ProgramCode Template::program() const { return writeProgram(held->body); }

Result<Rendered> Template::render(const Value &context,
                                  const std::optional<Date> &date) const {
  Interpreter interpreter(context, date);
  Text text = interpreter.run(held->body);
  if (interpreter.failed()) {
    return interpreter.status();
  }
  Rendered result;
  result.text = toUtf8(text, result.tainted);
  return result;
}

} // namespace air::jinja
