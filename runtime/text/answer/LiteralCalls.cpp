//===- LiteralCalls.cpp - calls in other notations than JSON --------------===//
#include "runtime/text/answer/LiteralCalls.h"

#include "formats/support/Utf8.h"
#include "runtime/text/answer/CallReader.h"
#include "runtime/text/answer/JsonScanner.h"
#include "runtime/text/answer/Words.h"

namespace air::rt {
namespace {

/// Reads values from a text and writes them as JSON. The functions return false
/// if the text has another form.
class Reader {
public:
  /// `mark` is the delimiter before and after each string. If it is empty,
  /// strings are quoted as in Python.
  Reader(std::string_view given, std::string_view mark)
      : text(given), quote(mark) {}

  bool take(std::string_view wanted) {
    skipSpaces();
    if (!text.starts_with(wanted)) {
      return false;
    }
    text.remove_prefix(wanted.size());
    return true;
  }

  bool isAtEnd() {
    skipSpaces();
    return text.empty();
  }

  std::string_view takeUntil(std::string_view ends) {
    skipSpaces();
    const std::string_view taken = text.substr(0, text.find_first_of(ends));
    text.remove_prefix(taken.size());
    return taken;
  }

  /// Calls readItem() for each item up to `end`. Commas separate the items, and
  /// a comma may also follow the last item.
  template <typename ReadItem>
  bool sequence(std::string_view end, const ReadItem &readItem) {
    while (!take(end)) {
      if (!readItem()) {
        return false;
      }
      if (!take(",")) {
        return take(end);
      }
    }
    return true;
  }

  /// Reads keys and values up to `end`, and appends them to `json` as a JSON
  /// object. `separator` stands between a key and its value. `level` is the
  /// number of dictionaries and lists that contain these members.
  bool members(std::string_view separator, std::string_view end,
               std::string &json, size_t level) {
    json += '{';
    bool isFirst = true;
    const bool isRead = sequence(end, [&] {
      json += isFirst ? "" : ", ";
      isFirst = false;
      if (!key(separator, json) || !take(separator)) {
        return false;
      }
      json += ": ";
      return value(json, level);
    });
    json += '}';
    return isRead;
  }

private:
  void skipSpaces() {
    const size_t at = text.find_first_not_of(kSpaces);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at);
  }

  bool beginsString() const {
    return quote.empty() ? text.starts_with('"') || text.starts_with('\'')
                         : text.starts_with(quote);
  }

  bool key(std::string_view separator, std::string &json) {
    skipSpaces();
    if (separator == ":" && beginsString()) {
      return string(json);
    }
    // Before "=", a name may contain a colon. Python does not allow this, but
    // the schema of a tool may give an argument such a name.
    const std::string_view name =
        takeUntil(separator == ":" ? "=:,{}[]() \t\r\n" : "=,{}[]() \t\r\n");
    json += jsonString(name);
    return isCallName(name);
  }

  bool value(std::string &json, size_t level) {
    skipSpaces();
    if (beginsString()) {
      return string(json);
    }
    if (level == JsonScanner::kMostLevels) {
      return false;
    }
    if (take("{")) {
      return members(":", "}", json, level + 1);
    }
    const bool isTuple = quote.empty() && take("(");
    if (!isTuple && !take("[")) {
      return word(json);
    }
    json += '[';
    bool isFirst = true;
    const bool isRead = sequence(isTuple ? ")" : "]", [&] {
      json += isFirst ? "" : ", ";
      isFirst = false;
      return value(json, level + 1);
    });
    json += ']';
    return isRead;
  }

  bool word(std::string &json) {
    std::string_view name = takeUntil(",:{}[]() \t\r\n");
    name = quote.empty() ? plainWord(name) : name;
    json += name;
    return isJson(name);
  }

  bool string(std::string &json) {
    if (quote.empty()) {
      return pythonString(json);
    }
    text.remove_prefix(quote.size());
    const size_t end = text.find(quote);
    if (end == std::string_view::npos) {
      return false;
    }
    json += jsonString(text.substr(0, end));
    text.remove_prefix(end + quote.size());
    return true;
  }

  bool pythonString(std::string &json);
  /// Reads the digits of an escape such as \u20ac.
  bool escapedCode(size_t digits, std::string &out);

  std::string_view text;
  std::string_view quote;
};

bool Reader::escapedCode(size_t digits, std::string &out) {
  uint32_t code = 0;
  if (text.size() < digits) {
    return false;
  }
  for (char c : text.substr(0, digits)) {
    const size_t value =
        std::string_view("0123456789abcdef0123456789ABCDEF").find(c);
    if (value == std::string_view::npos) {
      return false;
    }
    code = code << 4 | (value & 15);
  }
  text.remove_prefix(digits);
  if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
    return false;
  }
  appendUtf8(code, out);
  return true;
}

bool Reader::pythonString(std::string &json) {
  const char end = text.front();
  text.remove_prefix(1);
  std::string content;
  while (!text.empty() && text.front() != end) {
    char c = text.front();
    text.remove_prefix(1);
    if (c != '\\') {
      content += c;
      continue;
    }
    if (text.empty()) {
      return false;
    }
    c = text.front();
    text.remove_prefix(1);
    constexpr std::string_view kEscapes = "nrtbfav0";
    constexpr std::string_view kMeanings("\n\r\t\b\f\a\v\0", 8);
    const size_t which = kEscapes.find(c);
    if (which != std::string_view::npos) {
      content += kMeanings[which];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      if (!escapedCode(c == 'x' ? 2 : c == 'u' ? 4 : 8, content)) {
        return false;
      }
    } else if (c == '\\' || c == '"' || c == '\'' || c == '/') {
      content += c;
    } else if (c != '\n') {
      // Python keeps the backslash of an escape that it does not know.
      content += '\\';
      content += c;
    }
  }
  json += jsonString(content);
  if (text.empty()) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

/// Reads f(a=1).
bool pythonCall(Reader &reader, std::vector<LiteralCall> &calls) {
  LiteralCall call;
  call.name = reader.takeUntil("()[]{}=,\"' \t\r\n");
  constexpr std::string_view kMethod = ".call";
  if (call.name.ends_with(kMethod)) {
    call.name.erase(call.name.size() - kMethod.size());
  }
  if (!isCallName(call.name) || !reader.take("(") ||
      !reader.members("=", ")", call.arguments, 0)) {
    return false;
  }
  calls.push_back(std::move(call));
  return true;
}

} // namespace

std::optional<std::vector<LiteralCall>> pythonCalls(std::string_view text) {
  Reader reader(text, {});
  std::vector<LiteralCall> calls;
  const auto each = [&] { return pythonCall(reader, calls); };
  const bool isRead = reader.take("[") ? reader.sequence("]", each) : each();
  if (!isRead || !reader.isAtEnd() || calls.empty()) {
    return std::nullopt;
  }
  return calls;
}

std::optional<LiteralCall> bracesCall(std::string_view text,
                                      std::string_view quote) {
  Reader reader(text, quote);
  LiteralCall call;
  if (!reader.take("call:")) {
    return std::nullopt;
  }
  call.name = reader.takeUntil("{ \t\r\n");
  if (!isCallName(call.name) || !reader.take("{") ||
      !reader.members(":", "}", call.arguments, 0) || !reader.isAtEnd()) {
    return std::nullopt;
  }
  return call;
}

} // namespace air::rt
