//===- Generator.h - a prompt, continued token by token ---------*- C++ -*-===//
//
// One sequence of a session: its prompt goes in, tokens come out until a limit,
// an end-of-text token, a stop string or the context ends it. Text comes in
// whole characters, and never holds a part of a stop string.
//
// Ownership: borrows session and tokenizer, which outlive it; its sequence ends
// with it. next() allocates nothing once its buffers have grown to the longest
// piece. Thread-safety: one thread, the session's. Errors: those of
// Session::run and Sampler; a failed call leaves the text so far valid.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_GENERATOR_H
#define AIRPACK_RUNTIME_EXEC_GENERATOR_H

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
  /// Goes on after an end-of-text token, which then counts as any other.
  bool ignoreEndOfText = false;
  /// Text that ends the answer and is left out of it. None may be empty. One
  /// that is a control token's text stands for that token too, which is never
  /// shown as text.
  std::vector<std::string> stops;
  SamplerOptions sampler;
  /// Looked at between passes; may be null. Set from anywhere, also from a
  /// signal handler.
  const std::atomic<bool> *interrupted = nullptr;
};

enum class FinishReason : uint8_t {
  NotFinished,
  Length,      ///< maxTokens
  EndOfText,   ///< the model's own end
  StopString,  ///< one of `stops`, as text
  StopToken,   ///< one of `stops`, as a control token
  ContextFull, ///< the plan's context holds no more
  Interrupted,
};

struct GeneratedToken {
  int32_t id;
  /// Whole characters that this token completed, perhaps none. Valid until the
  /// next call.
  std::string_view text;
};

class Generator {
public:
  /// `tokenizer` may be null: then there is no text, and stops are refused
  /// (Usage). What ends a text is in the session's plan.
  static Result<std::unique_ptr<Generator>>
  create(Session &session, const Tokenizer *tokenizer, GenerateOptions options);
  ~Generator();
  Generator(const Generator &) = delete;
  Generator &operator=(const Generator &) = delete;

  /// Feeds the prompt and samples the first token. Usage when it is empty,
  /// DoesNotFit when it is longer than the context.
  Status prompt(std::span<const int32_t> tokens);

  /// The next token, or none when finished; see reason().
  Result<std::optional<GeneratedToken>> next();

  /// After the last token: text that was held back in case a stop string or a
  /// character went on.
  std::string_view finish();

  FinishReason reason() const { return finishReason; }

  /// Tokens of the prompt that have been computed: all of them, unless prompt()
  /// was interrupted or failed.
  uint64_t promptTokens() const { return promptDone; }

private:
  Generator(Session &owner, GenerateOptions chosen, Sampler sampling);
  /// Runs tokens and, if `sampleAfter`, draws what follows the last one.
  Status run(std::span<const int32_t> tokens, bool sampleAfter);
  bool isInterrupted() const;
  /// Why `token` ends the answer instead of becoming part of it, or NotFinished.
  FinishReason endBy(int32_t token) const;
  /// Moves what may be shown of `held` to `shown`; true at a stop string.
  bool release();

  Session &session;
  GenerateOptions options;
  Sampler sampler;
  std::optional<Detokenizer> detokenizer;
  std::vector<int32_t> endsOfText; ///< the plan's
  std::vector<int32_t> stopTokens;
  SequenceId sequence = 0;
  bool hasSequence = false;
  std::vector<SequenceId> sequences; ///< of one pass's tokens: all the same
  uint64_t promptDone = 0;
  uint64_t emitted = 0;
  std::optional<int32_t> drawn; ///< sampled, not given out yet
  int32_t last = 0;             ///< given out, not run yet
  FinishReason finishReason = FinishReason::NotFinished;
  std::string held;
  std::string shown;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_GENERATOR_H
