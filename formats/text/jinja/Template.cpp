//===- Template.cpp - a chat template ---------------------------*- C++ -*-===//
#include "formats/text/jinja/Template.h"

#include "formats/text/jinja/Interpreter.h"
#include "formats/text/jinja/Parser.h"

namespace air::jinja {

struct Template::Program {
  Body body;
};

Template::Template(std::unique_ptr<Program> parsed)
    : program(std::move(parsed)) {}
Template::Template(Template &&) noexcept = default;
Template &Template::operator=(Template &&) noexcept = default;
Template::~Template() = default;

Result<Template> Template::parse(std::string_view source) {
  auto parsed = std::make_unique<Program>();
  AIR_ASSIGN_OR_RETURN(parsed->body, parseTemplate(source));
  return Template(std::move(parsed));
}

Result<Rendered> Template::render(const Value &context,
                                  const std::optional<Date> &date) const {
  Interpreter interpreter(context, date);
  Text text = interpreter.run(program->body);
  if (interpreter.failed()) {
    return interpreter.status();
  }
  Rendered result;
  result.text = toUtf8(text, result.tainted);
  return result;
}

} // namespace air::jinja
