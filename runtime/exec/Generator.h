//===- Generator.h - continues a prompt token by token ----------*- C++ -*-===//
//
// A generator uses one sequence of a session. It runs the prompt and then
// generates tokens until a limit, an end-of-text token, a stop string or a full
// context ends the answer. The text consists of whole characters. If a stop
// string ends the answer, the text ends before it: text that may be the
// beginning of a stop string is held back until later tokens decide this.
//
// Ownership: a generator borrows the session, the tokenizer and, if there is
// one, the KeptSequence, which must outlive it. The destructor ends the
// sequence unless the sequence belongs to a KeptSequence. next() allocates
// memory only if a text does not fit in the generator's buffers, or if the
// KeptSequence, the sampler or the filter allocates. Thread-safety: a generator
// is used by one thread, the one that uses its session. Errors: those of
// Session, KeptSequence, Sampler and TokenFilter, and those that the functions
// below state. Text that was returned before a failed call stays valid.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_GENERATOR_H
#define AIRPACK_RUNTIME_EXEC_GENERATOR_H

#include "runtime/exec/KeptSequence.h"
#include "runtime/exec/Session.h"
#include "runtime/text/Detokenizer.h"
#include "runtime/text/Sampler.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace air::rt {

struct GenerateOptions {
  uint64_t maxTokens = 256;
  /// If true, an end-of-text token does not end the answer and counts like any
  /// other token.
  bool ignoreEndOfText = false;
  /// Strings that end the answer and are not part of it. None may be empty. If
  /// a string is the text of a special token, that token also ends the answer,
  /// even if it is a control token whose text is not shown.
  std::vector<std::string> stops;
  /// Further end-of-text tokens, besides those of the plan.
  std::vector<int32_t> endTokens;
  /// Control tokens whose text is shown, in ascending order.
  std::vector<int32_t> shownTokens;
  SamplerOptions sampler;
  /// If this is not null, only tokens that it allows are chosen, and its
  /// accept() is called for each token of the answer. It must outlive the
  /// generator.
  TokenFilter *filter = nullptr;
  /// If this is not null, the flag is checked between passes, and the
  /// generation ends once it is true. Any thread or signal handler may set it.
  const std::atomic<bool> *interrupted = nullptr;
};

enum class FinishReason : uint8_t {
  NotFinished,
  Length,      ///< maxTokens was reached
  EndOfText,   ///< the model chose an end-of-text token
  StopString,  ///< the text contains one of `stops`
  StopToken,   ///< the model chose a special token that is one of `stops`
  ContextFull, ///< the plan's context has no room for another token
  Interrupted,
};

/// The error for a prompt of `tokens` tokens if the context has only room for
/// `room` more.
Status promptTooLong(uint64_t tokens, uint64_t room);

struct GeneratedToken {
  int32_t id;
  /// The characters that this token completed, possibly none. The view is valid
  /// until the next call.
  std::string_view text;
};

class Generator {
public:
  /// If `tokenizer` is null, no text is produced, and stop strings are refused
  /// (Usage). The end-of-text tokens are those of the session's plan and
  /// GenerateOptions::endTokens. If `kept` is not null, prompt() computes only
  /// the tokens that this sequence does not hold yet, and the sequence holds
  /// all tokens that the Generator computes. Errors: also Usage if a stop
  /// string is empty.
  static Result<std::unique_ptr<Generator>>
  create(Session &session, const Tokenizer *tokenizer, GenerateOptions options,
         KeptSequence *kept = nullptr);
  ~Generator();
  Generator(const Generator &) = delete;
  Generator &operator=(const Generator &) = delete;

  /// Runs the prompt and, unless GenerateOptions::maxTokens is 0, samples the
  /// first token. An interruption ends it between passes. Errors: Usage if the
  /// prompt is empty, DoesNotFit if it is longer than the context.
  Status prompt(std::span<const int32_t> tokens);

  /// Returns the next token, or nothing if the generation has finished;
  /// reason() then says why.
  Result<std::optional<GeneratedToken>> next();

  /// Call this after the last token. Returns the text that was held back
  /// because it could have been the beginning of a stop string or of a
  /// character.
  std::string_view finish();

  FinishReason reason() const { return finishReason; }

  /// The number of prompt tokens that prompt() has computed. If prompt() was
  /// not interrupted and returned no error, promptTokens() + reusedTokens() is
  /// the length of the prompt.
  uint64_t promptTokens() const { return promptDone; }
  /// The number of prompt tokens that the KeptSequence held already; 0 if there
  /// is none.
  uint64_t reusedTokens() const { return promptReused; }

private:
  Generator(Session &owner, GenerateOptions chosen, Sampler sampling);
  /// Runs `tokens` and, if `sampleAfter` is true, sets `sampled` to the token
  /// that follows them. If `draw` is set and `tokens` has only one token, the
  /// GPU chooses the token that follows; otherwise, `sampler` does.
  Status run(std::span<const int32_t> tokens, bool sampleAfter);
  bool isInterrupted() const;
  /// The reason why `token` ends the answer, or NotFinished if it is part of
  /// the answer.
  FinishReason finishReasonOf(int32_t token) const;
  /// Moves text from `held` to `shown`, except for what may be the beginning of
  /// a stop string. Returns true if a stop string was found.
  bool releaseText();

  Session &session;
  GenerateOptions options;
  Sampler sampler;
  std::optional<Detokenizer> detokenizer;
  std::vector<int32_t> endOfTextTokens; ///< from the plan and the options
  std::vector<int32_t> stopTokens;
  KeptSequence *kept = nullptr;
  SequenceId sequence = 0;
  bool hasSequence = false; ///< whether the destructor ends the sequence
  /// How Session::choose() chooses the next token; run() updates the field
  /// TokenDraw::draws before each call of choose(). Not set if `sampler` must
  /// choose the tokens: if options.filter is not null, if the plan has no
  /// kernel that chooses tokens, or if this kernel does not support
  /// options.sampler.
  std::optional<TokenDraw> draw;
  std::vector<SequenceId> sequences; ///< `sequence` for each token of a run
  uint64_t promptDone = 0;
  uint64_t promptReused = 0;
  uint64_t emitted = 0;
  std::optional<int32_t> sampled; ///< what the next call of next() returns
  /// The token that next() returned last. The model has not yet run it.
  int32_t last = 0;
  FinishReason finishReason = FinishReason::NotFinished;
  std::string held;  ///< text that may begin a stop string
  std::string shown; ///< the text that the last call returned
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_GENERATOR_H
