//===- AnswerParser.h - an answer as reasoning, text and calls --*- C++ -*-===//
//
// Takes the text of an answer in parts of any size, and returns its content as
// a sequence of events. The events do not depend on how the answer is divided
// into parts, except that one text may be divided into several events. The
// parser holds back only white space, text that may belong to a delimiter or to
// the header of a message, and those parts of calls that it can report only
// when they are complete.
//
// Delimiters, headers, separators between calls, and white space beside them
// are left out. But text that only looked like a call or a header is returned
// as text, and so is a delimiter that ends a call where no call is open.
//
// Ownership: copies the syntax; the schemas must outlive the parser.
// Thread-safety: one caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERPARSER_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERPARSER_H

#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/answer/CallReader.h"
#include "runtime/text/answer/ToolSchemas.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

enum class AnswerEventKind : uint8_t {
  Reasoning,     ///< text that the model writes before it answers
  Answer,        ///< text of the answer
  CallBegin,     ///< a call of the tool `name`
  CallArguments, ///< a part of its arguments, which are a JSON object
  CallEnd,       ///< the call is complete
  /// What was reported as the current call is not a call, so the caller must
  /// discard it. Its text follows as ordinary text.
  CallBroken,
};

struct AnswerEvent {
  AnswerEventKind kind;
  std::string text; ///< in Reasoning, Answer and CallArguments
  std::string name; ///< the tool, in CallBegin
  /// The id of the call, if there is one: in CallEnd and, if the model gives it
  /// before the arguments, also in CallBegin.
  std::string id;
  bool operator==(const AnswerEvent &) const = default;
};

class AnswerParser final : private CallSink {
public:
  /// `open` is the span of reasoning in which the prompt ends, or null (see
  /// openReasoning()). `schemas` gives the types of arguments. A call without a
  /// delimiter must name one of the tools in `schemas`.
  AnswerParser(AnswerSyntax syntax, const ToolSchemas &schemas,
               const ReasoningMarks *open);

  /// Parses the next part of the answer, and returns the events that it
  /// completes.
  std::vector<AnswerEvent> feed(std::string_view text);
  /// Ends the answer, and returns the remaining events.
  std::vector<AnswerEvent> finish();

private:
  enum class State : uint8_t {
    Text,      ///< reasoning or answer, as `kind` says
    Section,   ///< after the delimiter of a section, before its first call
    Call,      ///< after the delimiter that begins a call
    AfterCall, ///< after a call, where only delimiters are expected
    Header,    ///< in the header of a message, which <|message|> ends
  };
  enum class Mark : uint8_t {
    ReasoningBegin,
    ReasoningEnd,
    Dropped,
    SectionBegin,
    CallBegin,
    CallOrSectionEnd,
    HeaderBegin,
    MessageEnd,
  };
  struct ActiveMark {
    std::string_view text;
    Mark kind;
    const ReasoningMarks *span = nullptr;
  };

  void step(char c);
  /// Handles the delimiters and other bytes in `held`, up to bytes that may be
  /// the beginning of a longer delimiter. If `isEnd` is true, no bytes follow,
  /// so it handles all of them.
  void resolve(bool isEnd);
  void findMarks();
  void onMark(const ActiveMark &mark);
  void onText(char c);
  void stepHeader(char c);
  void endHeader();
  void stepCall(char c);
  void takeProgress(CallProgress progress);
  void giveUp();
  bool mayBeginBareCall(char c) const;
  std::unique_ptr<CallReader> readerFor(char first) const;
  void emit(AnswerEventKind kind, std::string_view text);

  void beginCall(const std::string &name, const std::string &id) override;
  void addArguments(std::string_view json) override;
  void endCall(const std::string &id) override;

  AnswerSyntax syntax;
  const AnswerFamily &family;
  const ToolSchemas &schemas;
  State state = State::Text;
  AnswerEventKind kind = AnswerEventKind::Answer;
  const ReasoningMarks *span = nullptr; ///< the open span; null: none
  std::vector<ActiveMark> marks;        ///< recognised in the current state
  std::string held;                     ///< text that may begin a delimiter
  std::string spaces;       ///< white space, kept only if text follows
  bool dropsSpaces = false; ///< white space is dropped until text follows
  /// True if no text of the answer has come yet, or none since the last
  /// reasoning.
  bool isAtStart = true;
  bool hasReasoned = false;
  bool wrote[2] = {};      ///< whether reasoning [0] or an answer [1] has come
  bool marksAreOld = true; ///< findMarks() must be called

  std::string raw; ///< what the model has written of a call or header so far
  std::string header;
  std::unique_ptr<CallReader> reader;
  bool isBare = false;     ///< no delimiter began the call
  bool isReported = false; ///< a CallBegin has no CallEnd yet
  bool hasFence = false;
  std::vector<AnswerEvent> events;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERPARSER_H
