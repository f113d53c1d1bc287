//===- LiteralCalls.h - calls in other notations than JSON ------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_LITERALCALLS_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_LITERALCALLS_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

struct LiteralCall {
  std::string name;
  std::string arguments; ///< a JSON object
};

/// Reads f(a=1, b="text"), or [f(a=1), g()]. The values are Python's literals
/// or JSON. f.call(...), the form in which Llama 3 calls its built-in tools, is
/// a call of f. Returns nothing if the text is anything else.
std::optional<std::vector<LiteralCall>> pythonCalls(std::string_view text);

/// Reads call:f{a:1,b:[true],c:{d:<|"|>text<|"|>}}, as Gemma writes it, where
/// `quote` stands on both sides of a string. Returns nothing if the text is
/// anything else.
std::optional<LiteralCall> bracesCall(std::string_view text,
                                      std::string_view quote);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_LITERALCALLS_H
