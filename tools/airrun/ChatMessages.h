//===- ChatMessages.h - a conversation as messages --------------*- C++ -*-===//
//
// A conversation is a JSON array of objects, the form that chat templates and
// other chat programs use:
//
//   [{"role": "system", "content": "Be brief."},
//    {"role": "user", "content": "Hello"},
//    {"role": "assistant", "content": "Hello! How can I help?"}]
//
// Other keys of objects that were loaded, such as "tool_calls", are kept.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_CHATMESSAGES_H
#define AIRPACK_TOOLS_AIRRUN_CHATMESSAGES_H

#include "formats/support/Status.h"
#include "runtime/text/answer/AnswerMessage.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace air {

/// Turns an answer into a message of the assistant. `reasoningKey` is
/// AnswerFamily::reasoningKey. Arguments of calls are objects, as templates
/// expect.
nlohmann::ordered_json assistantMessage(const rt::AnswerMessage &answer,
                                        const char *reasoningKey);

class ChatMessages {
public:
  ChatMessages() : list(nlohmann::ordered_json::array()) {}

  /// Parses an array in the form of toJson(). Each message must have a string
  /// as "role", and "content" or "tool_calls". A Corrupt error says which
  /// message is wrong.
  static Result<ChatMessages> parse(std::string_view json);
  /// The messages as JSON, indented by two spaces and with a newline at the
  /// end.
  std::string toJson() const;

  bool isEmpty() const { return list.empty(); }
  size_t size() const { return list.size(); }
  /// The role of message `index`, which must be below size().
  std::string role(size_t index) const;
  /// The text of message `index`; "" if its content is not a string.
  std::string content(size_t index) const;

  /// The text of the system message, if the conversation begins with one.
  std::optional<std::string> system() const;
  /// Sets the system message, or removes it if `text` is empty.
  void setSystem(const std::string &text);

  void add(const char *role, const std::string &content);
  void addAnswer(const rt::AnswerMessage &answer, const char *reasoningKey);
  /// The number of tool calls in the last answer that have no result yet.
  size_t openCalls() const;
  /// Adds the result of the first tool call that has none; there must be such a
  /// call.
  void addResult(const std::string &content);
  /// Removes the last message if it has this role. Returns whether it did so.
  bool dropLast(std::string_view role);
  /// Removes the last message of the user and all that follow it. Returns the
  /// text of that message, if there is one.
  std::optional<std::string> undo();
  /// Removes all but the system message.
  void clear();

private:
  /// The index of the last message that is not the result of a tool.
  size_t lastTurn() const;

  nlohmann::ordered_json list;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_CHATMESSAGES_H
