//===- Builtins.h - filters, tests, methods, operators ----------*- C++ -*-===//
//
// Each operation does what Jinja 3.1 or Python does under the same name. A
// failure is reported to the interpreter, and the result then has no meaning.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_BUILTINS_H
#define AIRPACK_FORMATS_TEXT_JINJA_BUILTINS_H

#include "formats/text/jinja/Value.h"

#include <initializer_list>

namespace air::jinja {

class Interpreter;

bool isFilter(std::string_view name);
bool isTest(std::string_view name);
Value applyFilter(Interpreter &in, const std::string &name, const Value &value,
                  const Arguments &arguments);
bool applyTest(Interpreter &in, const std::string &name, const Value &value,
               const Arguments &arguments);

/// Returns whether `name` is a global function: one of Jinja's (range, dict,
/// namespace, cycler, joiner, lipsum) or one that only chat templates have
/// (raise_exception, strftime_now). callGlobal() reports cycler, joiner and
/// lipsum as unsupported.
bool isGlobal(std::string_view name);
Value callGlobal(Interpreter &in, const std::string &name,
                 const Arguments &arguments);

bool hasMethod(const Value &self, std::string_view name);
Value callMethod(Interpreter &in, const Value &self, const std::string &name,
                 const Arguments &arguments);
Value callStringMethod(Interpreter &in, const Value &self,
                       const std::string &name, const Arguments &arguments);
bool hasStringMethod(std::string_view name);

// Text can be marked as HTML, as in Python's markupsafe. Other text is escaped
// before it is combined with marked text.

Text escapeHtml(TextView text); ///< escapes & < > " '
/// The text of a value, escaped unless it is marked as HTML.
Text escaped(Interpreter &in, const Value &value);
Value callMarkupMethod(Interpreter &in, const Value &self,
                       const std::string &name, const Arguments &arguments);

/// `op` is one of + - * / // % **.
Value binary(Interpreter &in, const std::string &op, const Value &a,
             const Value &b);
/// `op` is "==", "!=", "<", ">", "<=", ">=", "in" or "not in".
bool compare(Interpreter &in, const std::string &op, const Value &a,
             const Value &b);

/// Python's `format % value`. `isMarkup` says whether the format is marked as
/// HTML. If it is, the values are escaped, and the result is marked, too.
Value formatPercent(Interpreter &in, const Text &format, const Value &value,
                    bool isMarkup);
/// Python's `format.format(...)`, with `isMarkup` as in formatPercent().
Value formatBraces(Interpreter &in, const Text &format,
                   const Arguments &arguments, bool isMarkup);

// The date that strftime_now() formats, with midnight as the time of day.
struct Date {
  int year;
  int month; ///< 1 to 12
  int day;
};
Value formatDate(Interpreter &in, const Text &format, const Date &date);

/// Assigns the arguments of a call to the parameters `names`. The functions
/// below take the index of a parameter.
class Bound {
public:
  /// Reports a failure if there are too many arguments, if one has an unknown
  /// name, or if a parameter gets two values. `what` names the callee in
  /// messages.
  Bound(Interpreter &in, const std::string &what, const Arguments &arguments,
        std::initializer_list<std::string_view> names);
  bool has(size_t i) const { return values[i].has_value(); }
  /// The argument, or `other` if it is not given.
  Value get(size_t i, Value other) const {
    return values[i] ? *values[i] : std::move(other);
  }
  bool flag(size_t i, bool other) const {
    return values[i] ? isTrue(*values[i]) : other;
  }
  /// The argument. Reports a failure if it is not given.
  Value need(size_t i);
  /// An integer argument, or `other` if it is absent or none.
  int64_t integer(size_t i, int64_t other);
  /// A text argument, or `other` if it is absent or none.
  Text text(size_t i, Text other);

private:
  Interpreter &in;
  std::string callee;
  std::vector<std::string_view> names;
  std::vector<std::optional<Value>> values;
};

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_BUILTINS_H
