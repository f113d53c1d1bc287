//===- Chat.h - a conversation with a model ---------------------*- C++ -*-===//
//
// Renders the messages with a chat template, lets the model answer, and keeps
// the KV cache from turn to turn, so that a turn computes only the tokens that
// are new.
//
// Ownership: borrows the session, which must outlive it and must not be moved.
// Thread-safety: one caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_CHAT_H
#define AIRPACK_TOOLS_AIRRUN_CHAT_H

#include "formats/text/jinja/Template.h"
#include "runtime/exec/Generator.h"
#include "runtime/text/answer/AnswerMessage.h"
#include "runtime/text/answer/AnswerSyntax.h"
#include "runtime/text/answer/CallGrammar.h"
#include "tools/airrun/AnswerPrinter.h"
#include "tools/airrun/ChatMessages.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/GrammarOptions.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace air {

/// An answer, with its numbers of tokens and its times in seconds.
struct Turn {
  rt::AnswerMessage answer;
  rt::FinishReason reason = rt::FinishReason::NotFinished;
  uint64_t promptTokens = 0; ///< in the whole conversation
  /// Tokens of the prompt that an earlier turn computed.
  uint64_t reusedTokens = 0;
  uint64_t tokens = 0;  ///< in the answer
  uint64_t context = 0; ///< the number of tokens that the plan has room for
  double promptSeconds = 0;
  double decodeSeconds = 0; ///< from the first token to the last
};

/// A line with the token counts and the speeds of a turn.
std::string turnText(const Turn &turn);

struct ChatTools {
  std::optional<jinja::Value> list; ///< as the chat template gets it
  rt::ToolSchemas schemas;
  rt::ToolChoice choice;
};

/// Fails with Usage if there are tools, because a grammar cannot be combined
/// with tools.
Status checkNoTools(const ChatTools &tools);

class Chat {
public:
  /// `syntax` is the notation of answers that the template implies. Error
  /// messages call the template `name`. Errors: those of rt::Tokenizer::create,
  /// rt::KeptSequence::create and rt::callGrammar.
  static Result<Chat> create(rt::Session &session, TokenizerData vocabulary,
                             jinja::Template chatTemplate,
                             rt::AnswerSyntax syntax, const std::string &name,
                             const jinja::Date &date, ChatTools tools);

  /// Sets the grammar that all later answers must match; without one, later
  /// answers are free again. rt::answerTriggers() decides where in an answer
  /// the grammar begins. Errors: Usage if there are tools, or if no text of the
  /// grammar begins with a trigger; Unsupported if no token ends an answer.
  Status setGrammar(std::optional<ChosenGrammar> grammar);

  /// Answers the conversation. `write` gets the answer, which is not added to
  /// `messages`; `dims` says whether reasoning is printed in dim text. Ignores
  /// `endTokens` and `shownTokens` of `options`, and sets them itself. Errors:
  /// those of the template, of rt::callGrammar, of Generator and of `write`;
  /// DoesNotFit, with both lengths, if the conversation is longer than the
  /// context.
  Result<Turn> answer(const ChatMessages &messages, rt::GenerateOptions options,
                      bool dims, const AnswerPrinter::Write &write);

  /// Sentences for the user about the tools (rt::CallGrammar::notes).
  const std::vector<std::string> &notes() const { return toolNotes; }
  const rt::Tokenizer &tokenizer() const { return *encoder; }
  /// The limit for a message: a longer one does not fit in the context.
  TextLimit messageLimit() const { return promptLimit(*session, *encoder); }
  const rt::AnswerSyntax &answerSyntax() const { return syntax; }

private:
  Chat(rt::Session &owner, TokenizerData data, jinja::Template parsed,
       rt::Tokenizer made, rt::KeptSequence sequence);

  Result<jinja::Rendered> render(const ChatMessages &messages) const;
  /// The grammar of an answer with tools. `open` has the delimiters of the
  /// reasoning that the prompt has begun; it is null if there is none.
  Result<rt::CallGrammar> grammarOf(const rt::ReasoningMarks *open) const;
  Status prepareTools();
  void prepareTrie();
  /// The filter that restricts an answer to a grammar, or nullopt if the answer
  /// may be any text.
  Result<std::optional<rt::LazyGrammar>>
  filterOf(const rt::ReasoningMarks *open) const;
  std::vector<std::pair<int32_t, std::string>> controlTexts() const;

  rt::Session *session;
  TokenizerData vocabulary;
  jinja::Template chatTemplate;
  std::string name;
  jinja::Date date;
  ChatTools tools;
  rt::AnswerSyntax syntax;
  std::vector<int32_t> markTokens; ///< control tokens that the parser needs
  std::vector<int32_t> endTokens;  ///< tokens that end a turn in the template
  std::optional<rt::Tokenizer> encoder;
  std::unique_ptr<rt::TokenTrie> trie; ///< null until a grammar needs it
  std::optional<ChosenGrammar> chosen; ///< the grammar of setGrammar()
  std::vector<std::string> toolNotes;
  rt::KeptSequence kept;
  bool isLoaded = false; ///< whether an answer has read all weights
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_CHAT_H
