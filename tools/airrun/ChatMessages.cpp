//===- ChatMessages.cpp - a conversation as messages ----------------------===//
#include "tools/airrun/ChatMessages.h"

#include "formats/text/jinja/Json.h"

#include <algorithm>
#include <utility>

namespace air {

using Json = nlohmann::ordered_json;

static std::string textOf(const Json &object, const char *key) {
  const auto field = object.find(key);
  return field != object.end() && field->is_string() ? field->get<std::string>()
                                                     : "";
}

Json assistantMessage(const rt::AnswerMessage &answer,
                      const char *reasoningKey) {
  Json message = {{"role", "assistant"}, {"content", answer.content}};
  if (!answer.reasoning.empty()) {
    message[reasoningKey] = answer.reasoning;
  }
  for (const rt::AnswerCall &call : answer.calls) {
    Json entry = {{"type", "function"}};
    if (!call.id.empty()) {
      entry["id"] = call.id;
    }
    entry["function"] = {
        {"name", call.name},
        {"arguments", Json::parse(call.arguments, nullptr, false)}};
    message["tool_calls"].push_back(std::move(entry));
  }
  return message;
}

Result<ChatMessages> ChatMessages::parse(std::string_view json) {
  // The templates read the messages with jinja::fromJson(), so its limits
  // apply. Its error messages say where a mistake is.
  AIR_RETURN_IF_ERROR(jinja::fromJson(json, true).status());
  ChatMessages messages;
  messages.list = Json::parse(json.begin(), json.end(), nullptr, false);
  if (!messages.list.is_array()) {
    return corruptError("it is not a JSON array of messages");
  }
  for (size_t i = 0; i < messages.list.size(); ++i) {
    const Json &message = messages.list[i];
    if (!message.is_object() || textOf(message, "role").empty()) {
      return corruptError("message " + std::to_string(i) +
                          " is not an object with a \"role\"");
    }
    if (!message.contains("content") && !message.contains("tool_calls")) {
      return corruptError("message " + std::to_string(i) +
                          " has neither \"content\" nor \"tool_calls\"");
    }
  }
  return messages;
}

std::string ChatMessages::toJson() const {
  return list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string ChatMessages::role(size_t index) const {
  return textOf(list[index], "role");
}

std::string ChatMessages::content(size_t index) const {
  return textOf(list[index], "content");
}

std::optional<std::string> ChatMessages::system() const {
  if (list.empty() || role(0) != "system") {
    return std::nullopt;
  }
  return content(0);
}

void ChatMessages::setSystem(const std::string &text) {
  if (system()) {
    list.erase(list.begin());
  }
  if (!text.empty()) {
    list.insert(list.begin(), Json{{"role", "system"}, {"content", text}});
  }
}

void ChatMessages::add(const char *role, const std::string &content) {
  list.push_back(Json{{"role", role}, {"content", content}});
}

void ChatMessages::addAnswer(const rt::AnswerMessage &answer,
                             const char *reasoningKey) {
  list.push_back(assistantMessage(answer, reasoningKey));
}

size_t ChatMessages::lastTurn() const {
  size_t last = list.size();
  while (last != 0 && role(last - 1) == "tool") {
    --last;
  }
  return last - 1;
}

size_t ChatMessages::openCalls() const {
  const size_t turn = lastTurn();
  if (turn >= list.size() || !list[turn].contains("tool_calls") ||
      !list[turn]["tool_calls"].is_array()) {
    return 0;
  }
  const size_t calls = list[turn]["tool_calls"].size();
  const size_t results = list.size() - turn - 1;
  return calls - std::min(calls, results);
}

void ChatMessages::addResult(const std::string &content) {
  const size_t turn = lastTurn();
  const Json &call = list[turn]["tool_calls"][list.size() - turn - 1];
  Json message = {{"role", "tool"}, {"content", content}};
  if (call.is_object() && call.contains("function") &&
      call["function"].is_object()) {
    message["name"] = textOf(call["function"], "name");
  }
  if (call.is_object() && call.contains("id")) {
    message["tool_call_id"] = call["id"];
  }
  list.push_back(std::move(message));
}

bool ChatMessages::dropLast(std::string_view wanted) {
  if (list.empty() || role(list.size() - 1) != wanted) {
    return false;
  }
  list.erase(list.size() - 1);
  return true;
}

std::optional<std::string> ChatMessages::undo() {
  for (size_t i = list.size(); i-- != 0;) {
    if (role(i) == "user") {
      std::string text = content(i);
      while (list.size() > i) {
        list.erase(list.size() - 1);
      }
      return text;
    }
  }
  return std::nullopt;
}

void ChatMessages::clear() {
  const std::string kept = system().value_or("");
  list = Json::array();
  setSystem(kept);
}

} // namespace air
