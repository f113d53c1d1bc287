//===- CallReader.cpp - reads a tool call byte by byte --------------------===//
#include "runtime/text/answer/CallReader.h"

#include "runtime/text/answer/JsonScanner.h"
#include "runtime/text/answer/LiteralCalls.h"
#include "runtime/text/answer/Words.h"

#include <algorithm>
#include <utility>

namespace air::rt {
namespace {

/// The largest size in bytes of the name of a function. The OpenAI API allows
/// 64. Longer text is no call, and is passed on instead of being held back.
constexpr size_t kLongestName = 256;
/// The largest size in bytes of a name together with what stands beside it
/// between two delimiters, such as an id or an attribute.
constexpr size_t kLongestHeader = 2 * kLongestName;

/// Reads calls whose arguments are a JSON object after a header.
class HeaderReader final : public CallReader {
public:
  explicit HeaderReader(ReadHeader reads) : readHeader(reads) {}
  explicit HeaderReader(std::string name) { header.name = std::move(name); }

  CallProgress push(char c, CallSink &sink) override {
    if (!hasBegun) {
      if (c != '{') {
        text += c;
        return text.size() <= kLongestHeader &&
                       (readHeader != nullptr || isSpace(c))
                   ? CallProgress::More
                   : CallProgress::Bad;
      }
      if ((readHeader != nullptr && !readHeader(text, header)) ||
          !isCallName(header.name)) {
        return CallProgress::Bad;
      }
      hasBegun = true;
      sink.beginCall(header.name, header.id);
    }
    const JsonScanner::State state = scanner.push(c);
    if (state == JsonScanner::State::Bad) {
      return CallProgress::Bad;
    }
    sink.addArguments({&c, 1});
    if (state != JsonScanner::State::Done) {
      return CallProgress::More;
    }
    sink.endCall(header.id);
    return CallProgress::Done;
  }

  CallProgress finish(CallSink &) override { return CallProgress::Bad; }
  bool hasCodeFence() const override { return header.hasCodeFence; }

private:
  ReadHeader readHeader = nullptr;
  std::string text;
  CallHeader header;
  bool hasBegun = false;
  JsonScanner scanner;
};

/// Reads calls that have a delimiter before and after each name and value.
class TaggedReader final : public CallReader {
public:
  TaggedReader(const AnswerFamily &of, const ToolSchemas &types)
      : family(of), tags(of.tags), schemas(types) {}

  CallProgress push(char c, CallSink &sink) override {
    switch (part) {
    case Part::Name:
      return inName(c, sink);
    case Part::Between:
      return between(c, sink);
    case Part::Key:
      return inKey(c);
    case Part::BeforeValue:
      if (text.empty() && isSpace(c)) {
        return CallProgress::More;
      }
      text += c;
      if (text == tags.valueBegin) {
        start(Part::Value);
      }
      return tags.valueBegin.starts_with(text) ? CallProgress::More
                                               : CallProgress::Bad;
    case Part::Value:
      text += c;
      if (text.ends_with(tags.valueEnd)) {
        text.erase(text.size() - tags.valueEnd.size());
        endValue(sink);
      }
      return CallProgress::More;
    }
    return CallProgress::Bad;
  }

  CallProgress finish(CallSink &) override { return CallProgress::Bad; }

private:
  enum class Part : uint8_t { Name, Between, Key, BeforeValue, Value };

  void start(Part next) {
    part = next;
    text.clear();
  }

  /// The progress after a byte that continues a name or key.
  CallProgress withinName() const {
    return text.size() <= kLongestHeader ? CallProgress::More
                                         : CallProgress::Bad;
  }

  CallProgress inName(char c, CallSink &sink) {
    const bool isEnd = tags.nameEnd.empty() && (c == family.callEnd.front() ||
                                                (isSpace(c) && !text.empty()));
    if (isEnd || !isSpace(c) || !text.empty()) {
      text += c;
    }
    if (!isEnd && (tags.nameEnd.empty() || !text.ends_with(tags.nameEnd))) {
      return withinName();
    }
    name = text.substr(0, text.size() - (isEnd ? 1 : tags.nameEnd.size()));
    if (!isCallName(name)) {
      return CallProgress::Bad;
    }
    sink.beginCall(name, {});
    sink.addArguments("{");
    start(Part::Between);
    return isEnd ? between(c, sink) : CallProgress::More;
  }

  CallProgress between(char c, CallSink &sink) {
    if (text.empty() && isSpace(c)) {
      return CallProgress::More;
    }
    text += c;
    if (text == tags.keyBegin) {
      start(Part::Key);
      return CallProgress::More;
    }
    if (text == family.callEnd) {
      sink.addArguments("}");
      sink.endCall({});
      return CallProgress::Done;
    }
    return tags.keyBegin.starts_with(text) || family.callEnd.starts_with(text)
               ? CallProgress::More
               : CallProgress::Bad;
  }

  CallProgress inKey(char c) {
    text += c;
    if (!text.ends_with(tags.keyEnd)) {
      return withinName();
    }
    text.erase(text.size() - tags.keyEnd.size());
    // A key such as name="KEY" may be followed by other attributes.
    isString = text.find("string=\"true\"") != std::string::npos;
    if (tags.keyBegin.ends_with('"')) {
      text.erase(std::min(text.find('"'), text.size()));
    }
    key = trimmed(text);
    start(tags.valueBegin.empty() ? Part::Value : Part::BeforeValue);
    return key.empty() ? CallProgress::Bad : CallProgress::More;
  }

  void endValue(CallSink &sink) {
    // The line breaks beside the delimiters are not a part of the value.
    std::string_view value = text;
    if (value.starts_with('\n')) {
      value.remove_prefix(1);
      value.remove_suffix(value.ends_with('\n') ? 1 : 0);
    }
    sink.addArguments(
        (isFirst ? "" : ", ") + jsonString(key) + ": " +
        (isString ? jsonString(value) : schemas.toJson(name, key, value)));
    isFirst = false;
    start(Part::Between);
  }

  const AnswerFamily &family;
  const ArgumentTags &tags;
  const ToolSchemas &schemas;
  Part part = Part::Name;
  std::string text; ///< text read so far for `part`
  std::string name;
  std::string key;
  bool isString = false; ///< the key says that the value is a string
  bool isFirst = true;
};

/// Collects the text of calls, and parses it only when the calls are complete.
class WholeReader final : public CallReader {
public:
  explicit WholeReader(const AnswerFamily &of) : family(of) {}

  CallProgress push(char c, CallSink &sink) override {
    text += c;
    if (family.callEnd.empty() || !text.ends_with(family.callEnd)) {
      return CallProgress::More;
    }
    text.erase(text.size() - family.callEnd.size());
    return finish(sink);
  }

  CallProgress finish(CallSink &sink) override {
    std::optional<std::vector<LiteralCall>> calls;
    if (family.style == CallStyle::Braces) {
      if (std::optional<LiteralCall> call = bracesCall(text, family.quote)) {
        calls.emplace().push_back(*std::move(call));
      }
    } else {
      calls = pythonCalls(text);
    }
    if (!calls) {
      return CallProgress::Bad;
    }
    for (const LiteralCall &call : *calls) {
      sink.beginCall(call.name, {});
      sink.addArguments(call.arguments);
      sink.endCall({});
    }
    return CallProgress::Done;
  }

private:
  const AnswerFamily &family;
  std::string text;
};

} // namespace

bool isCallName(std::string_view text) {
  const auto isPart = [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '\x7f' &&
           std::string_view("<>{}[]()\"'`,=").find(c) == std::string_view::npos;
  };
  return !text.empty() && text.size() <= kLongestName &&
         std::ranges::all_of(text, isPart);
}

std::unique_ptr<CallReader> makeHeaderReader(ReadHeader readHeader) {
  return std::make_unique<HeaderReader>(readHeader);
}

std::unique_ptr<CallReader> makeArgumentsReader(std::string name) {
  return std::make_unique<HeaderReader>(std::move(name));
}

std::unique_ptr<CallReader> makeTaggedReader(const AnswerFamily &family,
                                             const ToolSchemas &schemas) {
  return std::make_unique<TaggedReader>(family, schemas);
}

std::unique_ptr<CallReader> makeWholeReader(const AnswerFamily &family) {
  return std::make_unique<WholeReader>(family);
}

} // namespace air::rt
