//===- JsonCallReader.cpp - calls that are JSON objects -------------------===//
#include "runtime/text/answer/CallReader.h"
#include "runtime/text/answer/JsonScanner.h"
#include "runtime/text/answer/Words.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace air::rt {
namespace {

using Json = nlohmann::ordered_json;
using State = JsonScanner::State;

enum class Field : uint8_t { Name, Arguments, Id, Type, Other };

Field fieldOf(std::string_view key) {
  constexpr std::pair<std::string_view, Field> kFields[] = {
      {"name", Field::Name},
      {"tool_name", Field::Name},
      {"function", Field::Name},
      {"arguments", Field::Arguments},
      {"parameters", Field::Arguments},
      {"id", Field::Id},
      {"tool_call_id", Field::Id},
      {"call_id", Field::Id},
      {"type", Field::Type},
  };
  const auto *found = std::ranges::find(
      kFields, key, &std::pair<std::string_view, Field>::first);
  return found == std::end(kFields) ? Field::Other : found->second;
}

std::optional<std::string> stringOf(const std::string &json) {
  const Json value = Json::parse(json, nullptr, false);
  if (!value.is_string()) {
    return std::nullopt;
  }
  return value.get<std::string>();
}

/// Returns `json` if it is an object, {} if it is null or empty, or the text in
/// `json` if it is a string that contains an object.
std::optional<std::string> objectOf(const std::string &json) {
  if (json.empty() || json == "null") {
    return "{}";
  }
  if (json.front() == '{') {
    return json;
  }
  std::optional<std::string> inner = stringOf(json);
  if (!inner || !isJson(*inner) ||
      inner->find('{') != inner->find_first_not_of(kSpaces)) {
    return std::nullopt;
  }
  return inner;
}

class JsonCallReader final : public CallReader {
public:
  JsonCallReader(bool keyed, const ToolSchemas *named)
      : isKeyed(keyed), tools(named) {}

  CallProgress push(char c, CallSink &sink) override;
  CallProgress finish(CallSink &) override {
    // A list that is not closed is accepted after a complete call.
    return hasCall && scanner.depth() == 0 ? CallProgress::Done
                                           : CallProgress::Bad;
  }
  bool hasCodeFence() const override { return !fence.empty(); }

private:
  CallProgress outside(char c);
  CallProgress inObject(char c, CallSink &sink);
  bool endKey();
  void beginValue(char c, CallSink &sink);
  bool endValue();
  bool setName(std::string text);
  CallProgress endObject(CallSink &sink);

  bool isKeyed;
  const ToolSchemas *tools;
  bool isList = false;
  bool hasCall = false;
  std::string fence;
  JsonScanner scanner;

  // What has been read so far of the object of the current call.
  std::string key;
  Field field = Field::Other;
  bool isInValue = false;
  bool isStreaming = false; ///< the value is passed to the sink as it is read
  bool hasBegun = false;
  std::string value;
  std::string name;
  std::string id;
  std::string arguments;
};

CallProgress JsonCallReader::push(char c, CallSink &sink) {
  return scanner.depth() == 0 ? outside(c) : inObject(c, sink);
}

CallProgress JsonCallReader::outside(char c) {
  constexpr std::string_view kFence = "```json";
  if (c == '{') {
    scanner = JsonScanner();
    scanner.push(c);
    return CallProgress::More;
  }
  if (isSpace(c) || (c == ',' && isList && hasCall)) {
    return CallProgress::More;
  }
  if (isList) {
    return c == ']' && hasCall ? CallProgress::Done : CallProgress::Bad;
  }
  if (c == '[') {
    isList = true;
    return CallProgress::More;
  }
  fence += c;
  return kFence.starts_with(fence) ? CallProgress::More : CallProgress::Bad;
}

bool JsonCallReader::setName(std::string text) {
  name = std::move(text);
  return isCallName(name) && (tools == nullptr || tools->has(name));
}

bool JsonCallReader::endKey() {
  std::optional<std::string> text = stringOf(key);
  key.clear();
  if (!text) {
    return false;
  }
  if (isKeyed) {
    field = Field::Arguments;
    return name.empty() && setName(*std::move(text));
  }
  field = fieldOf(*text);
  return (field != Field::Other || tools == nullptr) &&
         (field != Field::Arguments || (!hasBegun && arguments.empty()));
}

void JsonCallReader::beginValue(char c, CallSink &sink) {
  isInValue = true;
  value.clear();
  if (field == Field::Arguments && !name.empty() && c == '{') {
    isStreaming = true;
    hasBegun = true;
    sink.beginCall(name, id);
    sink.addArguments("{");
  } else {
    value += c;
  }
}

bool JsonCallReader::endValue() {
  isInValue = false;
  if (std::exchange(isStreaming, false)) {
    return true;
  }
  value.erase(value.find_last_not_of(kSpaces) + 1);
  if (field == Field::Arguments) {
    arguments = value;
    return objectOf(value).has_value();
  }
  if (field == Field::Name && value.front() == '{') {
    // The value of "function" is {"name": ..., "arguments": ...}.
    const Json call = Json::parse(value, nullptr, false);
    if (!call.contains("name") || !call["name"].is_string()) {
      return false;
    }
    arguments = call.contains("arguments")
                    ? call["arguments"].dump(-1, ' ', false,
                                             Json::error_handler_t::replace)
                    : "{}";
    return objectOf(arguments) && setName(call["name"].get<std::string>());
  }
  if (field == Field::Name || field == Field::Id) {
    std::optional<std::string> text = stringOf(value);
    if (field == Field::Name) {
      return text && !hasBegun && setName(*std::move(text));
    }
    id = value == "null" ? "" : text.value_or(value);
  }
  return true;
}

CallProgress JsonCallReader::inObject(char c, CallSink &sink) {
  const State before = scanner.state();
  const State after = scanner.push(c);
  if (after == State::Bad) {
    return CallProgress::Bad;
  }
  if (isInValue) {
    const bool isOver =
        scanner.depth() <= 1 && (after == State::CommaOrEnd ||
                                 after == State::Key || after == State::Done);
    // The comma or brace that ends a number is not a part of it.
    if (!isOver || after == State::CommaOrEnd) {
      if (isStreaming) {
        sink.addArguments({&c, 1});
      } else {
        value += c;
      }
    }
    if (isOver && !endValue()) {
      return CallProgress::Bad;
    }
  } else if (before == State::Value && after != State::Value) {
    beginValue(c, sink);
  } else if (before == State::String || before == State::Escape ||
             before == State::Hex || after == State::String) {
    key += c;
    if (after == State::Colon && !endKey()) {
      return CallProgress::Bad;
    }
  }
  return after == State::Done ? endObject(sink) : CallProgress::More;
}

CallProgress JsonCallReader::endObject(CallSink &sink) {
  const std::optional<std::string> object = objectOf(arguments);
  if (name.empty() || !object) {
    return CallProgress::Bad;
  }
  if (!hasBegun) {
    sink.beginCall(name, id);
    sink.addArguments(*object);
  }
  sink.endCall(id);
  hasCall = true;
  hasBegun = false;
  name.clear();
  id.clear();
  arguments.clear();
  return isList ? CallProgress::More : CallProgress::Done;
}

} // namespace

std::unique_ptr<CallReader> makeJsonReader(bool isKeyed,
                                           const ToolSchemas *tools) {
  return std::make_unique<JsonCallReader>(isKeyed, tools);
}

} // namespace air::rt
