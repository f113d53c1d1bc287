//===- AnswerMessage.cpp - a whole answer ---------------------------------===//
#include "runtime/text/answer/AnswerMessage.h"

namespace air::rt {

void AnswerMessage::add(std::span<const AnswerEvent> events) {
  for (const AnswerEvent &event : events) {
    switch (event.kind) {
    case AnswerEventKind::Reasoning:
      reasoning += event.text;
      break;
    case AnswerEventKind::Answer:
      content += event.text;
      break;
    case AnswerEventKind::CallBegin:
      calls.push_back({event.name, event.id, {}});
      break;
    case AnswerEventKind::CallArguments:
      calls.back().arguments += event.text;
      break;
    case AnswerEventKind::CallEnd:
      calls.back().id = event.id;
      break;
    case AnswerEventKind::CallBroken:
      calls.pop_back();
      break;
    }
  }
}

} // namespace air::rt
