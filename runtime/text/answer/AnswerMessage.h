//===- AnswerMessage.h - a whole answer -------------------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERMESSAGE_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERMESSAGE_H

#include "runtime/text/answer/AnswerParser.h"

#include <span>
#include <string>
#include <vector>

namespace air::rt {

struct AnswerCall {
  std::string name;
  std::string id;        ///< "" if the model gave none
  std::string arguments; ///< a JSON object
  bool operator==(const AnswerCall &) const = default;
};

struct AnswerMessage {
  std::string reasoning;
  std::string content;
  std::vector<AnswerCall> calls;
  bool operator==(const AnswerMessage &) const = default;

  /// Adds the content of the next events of a parser.
  void add(std::span<const AnswerEvent> events);
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERMESSAGE_H
