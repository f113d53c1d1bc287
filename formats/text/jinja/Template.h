//===- Template.h - a chat template -----------------------------*- C++ -*-===//
//
// Renders the chat templates of models, which are written in Jinja for the
// environment of Hugging Face's transformers: an immutable sandbox with
// trim_blocks, lstrip_blocks, loop controls, `generation` blocks, the functions
// raise_exception and strftime_now, and a tojson that writes plain JSON. The
// output is the same, byte for byte, as that of Jinja 3.1, except where the
// versions of Unicode that utf8proc and Python have differ, and for the digits
// and numbers named in docs/chat-templates.md.
//
// Every character of the output is known to come either from the template or
// from the caller's data. Only what comes from the template may be encoded as a
// control token. Otherwise, a user could write control tokens into the
// conversation.
//
// Thread-safety: a Template may be rendered by several threads at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_TEMPLATE_H
#define AIRPACK_FORMATS_TEXT_JINJA_TEMPLATE_H

#include "formats/support/Status.h"
#include "formats/text/jinja/Builtins.h"
#include "formats/text/jinja/ProgramCode.h"

#include <memory>

namespace air::jinja {

struct Rendered {
  std::string text;
  /// the ranges that come from the caller's data, ascending
  std::vector<TaintedSpan> tainted;
};

class Template {
public:
  /// Errors, with line and column: Corrupt if `source` is not a Jinja template,
  /// Unsupported if it uses a feature that is not implemented.
  static Result<Template> parse(std::string_view source);
  /// Creates a template, without parsing, from the `code` that program() of a
  /// parsed template has returned. It renders the same texts and reports the
  /// same errors. Corrupt if `code` is not a program; its words may come from a
  /// damaged or malicious file.
  static Result<Template> load(const ProgramCode &code);

  Template(Template &&) noexcept;
  Template &operator=(Template &&) noexcept;
  ~Template();

  /// `context` is a dictionary of the variables. Errors, with line and column:
  /// Corrupt if an operation fails, or if the template raises an exception,
  /// whose message is quoted; Usage if strftime_now is called without a date;
  /// Unsupported for a feature that is not implemented; DoesNotFit if a limit
  /// of time, depth or size is exceeded.
  Result<Rendered> render(const Value &context,
                          const std::optional<Date> &date = {}) const;

  ProgramCode program() const;

private:
  struct Program;
  explicit Template(std::unique_ptr<Program> parsed);
  std::unique_ptr<Program> held;
};

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_TEMPLATE_H
