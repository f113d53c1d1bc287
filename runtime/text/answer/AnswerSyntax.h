//===- AnswerSyntax.h - the notation of answers -----------------*- C++ -*-===//
//
// A chat template implies more than the text of a prompt. The model answers in
// the notation in which the template writes earlier answers: it may think
// before it answers, and it calls tools in the notation of its family. The
// delimiters of a notation are the texts or control tokens that begin or end a
// part of an answer, such as <think> or </tool_call>. A family is recognised by
// texts that its templates contain (docs/answers.md).
//
// Ownership: all views lie in static tables. Thread-safety: immutable.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERSYNTAX_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERSYNTAX_H

#include "formats/text/jinja/Text.h"
#include "runtime/text/Tokenizer.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

/// The delimiters of a span of reasoning.
struct ReasoningMarks {
  std::string_view begin;
  std::string_view end;
  /// Whether a span with these delimiters may begin anywhere in an answer.
  /// Otherwise, it may begin only at the start of the answer.
  bool isAnywhere = false;
  /// True if the template does not mention these delimiters. The model may
  /// write them nevertheless, but rarely does.
  bool isAssumed = false;
};

enum class CallStyle : uint8_t {
  Json,      ///< {"name": "f", "arguments": {"a": 1}}, or an array of these
  KeyedJson, ///< {"f": {"a": 1}}, or an array of these
  Header,    ///< the name between delimiters, and then {"a": 1}
  Tagged,    ///< the name, and each argument between delimiters of its own
  Python,    ///< f(a=1), or [f(a=1), g()]
  Braces,    ///< call:f{a:1}, with delimiters instead of quotes
};

/// The delimiters of CallStyle::Tagged. The name ends at `nameEnd` or, if that
/// is empty, at white space or at the next delimiter.
struct ArgumentTags {
  std::string_view nameEnd;
  std::string_view keyBegin;
  std::string_view keyEnd;
  std::string_view valueBegin; ///< "" if the value directly follows the key
  std::string_view valueEnd;
};

/// What a call in CallStyle::Header has before its arguments.
struct CallHeader {
  std::string name;
  std::string id;            ///< "" if the notation has none
  bool hasCodeFence = false; ///< ``` follows the arguments
};

/// Reads all text between the delimiter that begins a call and the brace that
/// begins its arguments. Returns false if the text is not a header.
using ReadHeader = bool (*)(std::string_view text, CallHeader &header);

/// The texts around the parts of a call in CallStyle::Header. They are in the
/// order in which a call contains them: the name follows `beforeName`, the id
/// `beforeId`, and the arguments `beforeArguments`.
struct HeaderForm {
  std::string_view beforeName;
  std::string_view beforeId; ///< "" if there is no id
  std::string_view beforeArguments;
  std::string_view afterArguments;
};

/// The keys of a call in CallStyle::Json, as the family writes them.
struct CallKeys {
  std::string_view name = "name";
  std::string_view arguments = "arguments";
  std::string_view idFirst = {}; ///< an id before the name; "": none
  std::string_view idLast = {};  ///< an id after the arguments; "": none
};

enum class CallList : uint8_t {
  Never,  ///< a delimiter begins one call
  Always, ///< a delimiter begins a list of calls
  Maybe,  ///< a delimiter begins one call or a list of calls
};

struct AnswerFamily {
  const char *name;
  /// A template of the family contains all of these texts.
  std::span<const std::string_view> markers;
  const char *example; ///< a call as the model writes it
  CallStyle style = CallStyle::Json;
  std::string_view callBegin; ///< "" if nothing marks calls
  std::string_view callEnd;   ///< "" if calls end with their arguments
  /// The delimiters around all calls of an answer; "" if the family has none.
  std::string_view sectionBegin = {};
  std::string_view sectionEnd = {};
  /// If `callBegin` also occurs in ordinary text: a longer text, which begins
  /// with `callBegin` and occurs only where a call begins. Otherwise "".
  std::string_view trigger = {};
  CallList list = CallList::Never;
  CallKeys keys = {};                       ///< for CallStyle::Json
  std::span<const HeaderForm> headers = {}; ///< for CallStyle::Header
  /// Whether an answer that begins with a JSON object may be a call.
  bool hasBareCalls = false;
  /// Whether a call that begins within reasoning ends the reasoning. Otherwise
  /// the call is a part of the reasoning.
  bool callsEndReasoning = false;
  ArgumentTags tags = {};          ///< for CallStyle::Tagged
  ReadHeader readHeader = nullptr; ///< for CallStyle::Header
  std::string_view quote = {};     ///< for CallStyle::Braces
  /// Delimiters and other control tokens of the notation that are not a part of
  /// the answer's text.
  std::span<const std::string_view> dropped = {};
  /// Further control tokens that occur within a call or a header.
  std::span<const std::string_view> inner = {};
  /// Whether an answer consists of messages in channels (OpenAI's harmony).
  bool hasChannels = false;
  /// The key under which the template expects a message's reasoning.
  const char *reasoningKey = "reasoning_content";
};

struct AnswerSyntax {
  const AnswerFamily *family = nullptr; ///< never null after syntaxOf()
  std::vector<ReasoningMarks> reasoning;
  /// Whether the model may call tools. If not, what looks like a call is text.
  bool hasTools = true;
};

/// What the source of a chat template implies. A template that contains no
/// known text gets the family "generic".
AnswerSyntax syntaxOf(std::string_view chatTemplate);

/// All families, in the order in which their markers are tried.
std::span<const AnswerFamily> answerFamilies();

/// The span of reasoning that the rendered prompt opens because it ends with
/// the delimiter that begins the span, which only white space may follow. Null
/// if there is none. A delimiter that a user wrote opens nothing.
const ReasoningMarks *
openReasoning(const AnswerSyntax &syntax, std::string_view prompt,
              std::span<const jinja::TaintedSpan> tainted);

/// The control tokens that occur in a delimiter, in ascending order. The parser
/// must see their text. Without tools, the delimiters of calls are ignored.
std::vector<int32_t> markTokens(const AnswerSyntax &syntax,
                                const Tokenizer &tokenizer);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_ANSWERSYNTAX_H
