//===- Answers.h - parsed answers as messages -------------------*- C++ -*-===//
#ifndef AIRPACK_TEST_RUNTIME_TEXT_ANSWER_ANSWERS_H
#define AIRPACK_TEST_RUNTIME_TEXT_ANSWER_ANSWERS_H

#include "runtime/text/answer/AnswerMessage.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace air::rt {

/// The syntax that a template of `family` has if it also mentions reasoning.
inline AnswerSyntax syntaxNamed(const std::string &family) {
  std::string source = "[/THINK]</think>";
  for (const AnswerFamily &each : answerFamilies()) {
    if (each.name == family) {
      for (std::string_view marker : each.markers) {
        source += marker;
      }
    }
  }
  return syntaxOf(source);
}

inline void PrintTo(const AnswerMessage &answer, std::ostream *out) {
  *out << "reasoning: '" << answer.reasoning << "', content: '"
       << answer.content << "'";
  for (const AnswerCall &call : answer.calls) {
    *out << ", call: " << call.name << " " << call.id << " " << call.arguments;
  }
}

inline void append(std::vector<AnswerEvent> &all,
                   const std::vector<AnswerEvent> &more) {
  for (const AnswerEvent &event : more) {
    const bool isText = event.kind == AnswerEventKind::Reasoning ||
                        event.kind == AnswerEventKind::Answer ||
                        event.kind == AnswerEventKind::CallArguments;
    if (isText && !all.empty() && all.back().kind == event.kind) {
      all.back().text += event.text;
    } else {
      all.push_back(event);
    }
  }
}

/// The events of an answer that arrives byte by byte if `isByteByByte` is true,
/// and otherwise in two parts, the first of which has `cut` bytes. Adjacent
/// texts are joined.
inline std::vector<AnswerEvent> eventsOf(const AnswerSyntax &syntax,
                                         const ToolSchemas &schemas,
                                         const ReasoningMarks *open,
                                         std::string_view answer, size_t cut,
                                         bool isByteByByte = false) {
  AnswerParser parser(syntax, schemas, open);
  std::vector<AnswerEvent> events;
  if (isByteByByte) {
    for (size_t i = 0; i < answer.size(); ++i) {
      append(events, parser.feed(answer.substr(i, 1)));
    }
  } else {
    append(events, parser.feed(answer.substr(0, cut)));
    append(events, parser.feed(answer.substr(cut)));
  }
  append(events, parser.finish());
  return events;
}

/// Parses an answer as a whole, in two parts for every byte at which it can be
/// divided, and byte by byte. All of these must give the same events.
inline AnswerMessage parseEveryWay(const AnswerSyntax &syntax,
                                   const ToolSchemas &schemas,
                                   const ReasoningMarks *open,
                                   std::string_view answer) {
  const std::vector<AnswerEvent> whole =
      eventsOf(syntax, schemas, open, answer, 0);
  for (size_t cut = 1; cut < answer.size(); ++cut) {
    EXPECT_EQ(eventsOf(syntax, schemas, open, answer, cut) == whole, true)
        << "cut at " << cut << " of " << answer;
  }
  EXPECT_EQ(eventsOf(syntax, schemas, open, answer, 0, true) == whole, true)
      << "byte by byte: " << answer;
  AnswerMessage message;
  message.add(whole);
  return message;
}

} // namespace air::rt

#endif // AIRPACK_TEST_RUNTIME_TEXT_ANSWER_ANSWERS_H
