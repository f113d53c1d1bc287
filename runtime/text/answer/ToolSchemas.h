//===- ToolSchemas.h - the types of arguments -------------------*- C++ -*-===//
//
// Some families write arguments as plain text, so that only the schema of the
// tool says whether 42 is a number or a string.
//
// Thread-safety: immutable.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_TOOLSCHEMAS_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_TOOLSCHEMAS_H

#include "formats/support/Status.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

class ToolSchemas {
public:
  ToolSchemas() = default; ///< no tools

  /// Reads a JSON array of tools: {"type": "function", "function": TOOL} or
  /// TOOL, which is {"name": ..., "parameters": SCHEMA}. The schemas are read
  /// leniently: an argument may have any type unless its schema restricts the
  /// type. Fails with Corrupt if the text is not an array of objects that have
  /// different names, or if it has more than JsonScanner::kMostLevels levels.
  static Result<ToolSchemas> parse(std::string_view json);

  struct Tool {
    std::string name;
    /// The schema of the arguments as JSON, or "" if the tool has none.
    std::string parameters;
  };
  /// The tools in the order of the JSON array.
  const std::vector<Tool> &list() const { return ordered; }

  bool isEmpty() const { return tools.empty(); }
  bool has(std::string_view tool) const { return tools.contains(tool); }

  /// Returns the argument as JSON. If the argument may be a string, `text`
  /// becomes a string, unless it is JSON of another allowed type. If the
  /// argument may not be a string, JSON stays as it is, Python's True, False
  /// and None become true, false and null, and other text becomes a string. An
  /// argument that the schema does not name may have any type.
  std::string toJson(std::string_view tool, std::string_view argument,
                     std::string_view text) const;

private:
  using Types = uint8_t; ///< a set of the types of JSON, as bits
  std::map<std::string, std::map<std::string, Types, std::less<>>, std::less<>>
      tools;
  std::vector<Tool> ordered;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_TOOLSCHEMAS_H
