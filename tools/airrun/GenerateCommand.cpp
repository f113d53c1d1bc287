//===- GenerateCommand.cpp - generates text and streams it ------*- C++ -*-===//
#include "tools/airrun/GenerateCommand.h"

#include "formats/gguf/GgufReader.h"
#include "formats/plan/PlanConvert.h"
#include "formats/support/CountText.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/exec/Generator.h"
#include "runtime/text/answer/TurnEnd.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/GrammarOptions.h"
#include "tools/airrun/Interrupts.h"
#include "tools/airrun/LoadingBar.h"
#include "tools/airrun/OpenTemplate.h"
#include "tools/airrun/RenderCommand.h"
#include "tools/airrun/SamplingOptions.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <unistd.h>

namespace air {
namespace {

using cli::ValueKind;

/// Whether the prompt is the message of a user, which the chat template turns
/// into the text that the model continues.
bool isMessage(const cli::Invocation &invocation) {
  return invocation.has("--system-prompt") || invocation.has("--chat-template");
}

/// The text of the prompt, from -p, -f or standard input.
Result<std::string> promptText(const cli::Invocation &invocation,
                               const rt::Session &session,
                               const rt::Tokenizer &tokenizer) {
  if (std::optional<std::string> given = invocation.text("--prompt")) {
    return *std::move(given);
  }
  std::string text;
  if (std::optional<std::string> path = invocation.text("--file")) {
    AIR_ASSIGN_OR_RETURN(text,
                         readTextFile(*path, promptLimit(session, tokenizer)));
  } else {
    AIR_ASSIGN_OR_RETURN(text,
                         readStandardInput(promptLimit(session, tokenizer)));
  }
  // The line break at the end of a file is not meant to be part of the message.
  if (isMessage(invocation) && text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

/// The chat template for a prompt that is a message, and the objects that the
/// template refers to.
struct MessageTemplate {
  TokenizerData vocabulary;
  OpenTemplate opened;
  jinja::Date date;
};

Result<MessageTemplate> openMessageTemplate(const cli::Invocation &invocation,
                                            TokenizerData vocabulary) {
  AIR_ASSIGN_OR_RETURN(OpenTemplate opened,
                       openTemplate(invocation, vocabulary, false));
  return MessageTemplate{std::move(vocabulary), std::move(opened), today()};
}

/// The tokens with which the template ends a turn. The vocabulary may have
/// other tokens that end generation.
std::vector<int32_t> endTokensOf(const MessageTemplate &message,
                                 const rt::Tokenizer &tokenizer) {
  const std::optional<int32_t> end =
      rt::turnEnd(message.opened.made, message.vocabulary, tokenizer,
                  message.opened.syntax, message.date);
  return end ? std::vector<int32_t>{*end} : std::vector<int32_t>();
}

/// Turns a message and the text of --system-prompt into token ids.
Result<std::vector<int32_t>> messageTokens(const cli::Invocation &invocation,
                                           const MessageTemplate &message,
                                           const rt::Tokenizer &tokenizer,
                                           const std::string &text) {
  ChatMessages messages;
  if (const auto system = invocation.text("--system-prompt")) {
    messages.setSystem(validText(*system, "system message"));
  }
  messages.add("user", text);
  AIR_ASSIGN_OR_RETURN(const jinja::Rendered rendered,
                       renderMessages(message.opened, message.vocabulary,
                                      messages, message.date));
  return tokenizer.tryEncodeRendered(rendered.text, rendered.tainted);
}

/// The token ids of the prompt. If `message` is empty, the text is not a
/// message and is encoded as it is.
Result<std::vector<int32_t>>
promptTokens(const cli::Invocation &invocation, const rt::Session &session,
             const std::optional<rt::Tokenizer> &tokenizer,
             const std::optional<MessageTemplate> &message) {
  if (std::optional<std::string> ids = invocation.text("--tokens")) {
    return parseTokens(*ids);
  }
  if (!tokenizer) {
    return unsupportedError("this plan has no vocabulary; give the prompt as "
                            "token ids with --tokens");
  }
  AIR_ASSIGN_OR_RETURN(std::string text,
                       promptText(invocation, session, *tokenizer));
  text = validText(std::move(text), "prompt");
  if (message) {
    return messageTokens(invocation, *message, *tokenizer, text);
  }
  // Tokens that do not fit into the context are only counted, because the text
  // may be long.
  std::vector<int32_t> tokens;
  uint64_t count = 0;
  AIR_RETURN_IF_ERROR(tokenizer->consume(
      std::move(text), true, true, [&](std::span<const int32_t> ids) {
        count += ids.size();
        const uint64_t room = session.context() - tokens.size();
        const auto kept = ids.first(std::min<uint64_t>(ids.size(), room));
        tokens.insert(tokens.end(), kept.begin(), kept.end());
      }));
  noteDoubledBos(*tokenizer, tokens);
  if (count > tokens.size()) {
    return rt::promptTooLong(count, session.context());
  }
  return tokens;
}

} // namespace

Status checkGenerate(const cli::Invocation &invocation) {
  int given = 0;
  for (const char *name : {"--prompt", "--file", "--tokens"}) {
    given += invocation.has(name) ? 1 : 0;
  }
  if (given > 1) {
    return usageError(
        std::to_string(given) +
        " of --prompt, --file and --tokens are given; give only one of them");
  }
  if (isMessage(invocation) && invocation.has("--tokens")) {
    return usageError("--tokens gives the ids of the whole prompt, so there is "
                      "no message for the chat template; give --prompt, or "
                      "leave out --system-prompt and --chat-template");
  }
  if (given == 0 && isatty(STDIN_FILENO) != 0) {
    return usageError("no prompt: give -p TEXT, -f FILE or --tokens IDS, or "
                      "text on standard input");
  }
  std::error_code error;
  const std::optional<std::string> file = invocation.text("--file");
  if (file && !std::filesystem::exists(*file, error)) {
    return readTextFile(*file, textLimit()).status();
  }
  AIR_RETURN_IF_ERROR(checkSamplingOptions(invocation));
  AIR_RETURN_IF_ERROR(checkTemplateFile(invocation));
  for (const std::string &stop : invocation.list("--stop")) {
    if (stop.empty()) {
      return usageError("--stop: an empty stop string would end every answer "
                        "immediately; leave the option out");
    }
  }
  if (const std::optional<std::string> ids = invocation.text("--tokens")) {
    AIR_RETURN_IF_ERROR(parseTokens(*ids).status());
  }
  return checkGrammarOptions(invocation);
}

Status checkGenerateModel(const cli::Invocation &invocation,
                          const ModelSource &source) {
  AIR_RETURN_IF_ERROR(checkTokensOption(invocation, source));
  AIR_RETURN_IF_ERROR(checkSamplingOfModel(invocation, source));
  if (isMessage(invocation)) {
    AIR_RETURN_IF_ERROR(checkTemplateOfModel(invocation, source, false));
  }
  if (!hasGrammar(invocation) || !canReadGrammarTwice(invocation)) {
    return Status::ok();
  }
  AIR_ASSIGN_OR_RETURN(TokenizerData vocabulary, readGgufTokenizer(source));
  std::optional<rt::Tokenizer> tokenizer;
  std::vector<int32_t> endTokens;
  if (!vocabulary.tokens.empty()) {
    AIR_ASSIGN_OR_RETURN(tokenizer, rt::Tokenizer::create(vocabulary));
    if (isMessage(invocation)) {
      const auto file = invocation.text("--chat-template");
      if (file && !isReadTwice(*file)) {
        // The template comes from a file that can be read only once, such as a
        // pipe, so it is not read here. Without the template, it is not known
        // which tokens end the answer, so the grammar cannot be checked yet.
        return Status::ok();
      }
      AIR_ASSIGN_OR_RETURN(
          const MessageTemplate message,
          openMessageTemplate(invocation, std::move(vocabulary)));
      endTokens = endTokensOf(message, *tokenizer);
    }
  }
  return grammarOfAnswer(invocation, tokenizer, endTokens).status();
}

namespace {

const char *reasonText(rt::FinishReason reason) {
  switch (reason) {
  case rt::FinishReason::Length:
    return "the limit -n was reached";
  case rt::FinishReason::EndOfText:
    return "the model ended its text";
  case rt::FinishReason::StopString:
    return "a --stop string was reached";
  case rt::FinishReason::StopToken:
    return "a --stop token was reached";
  case rt::FinishReason::ContextFull:
    return "the plan's context is full";
  case rt::FinishReason::Interrupted:
    return "interrupted";
  case rt::FinishReason::NotFinished:
    break;
  }
  return "not finished";
}

double rate(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

/// The progress of generation. Times are in seconds of the monotonic clock.
struct Progress {
  double promptBegin = 0;
  double promptEnd = 0;
  double lastToken = 0;
  uint64_t promptGiven = 0;
  uint64_t promptTokens = 0; ///< tokens of the prompt that were processed
  uint64_t tokens = 0;
  bool endsLine = true;
};

Status stream(rt::Generator &generator, bool ids, Progress &progress) {
  while (true) {
    AIR_ASSIGN_OR_RETURN(std::optional<rt::GeneratedToken> token,
                         generator.next());
    if (!token) {
      break;
    }
    progress.lastToken = monotonicSeconds();
    ++progress.tokens;
    if (ids) {
      char text[16];
      int size = std::snprintf(text, sizeof text, "%s%d",
                               progress.tokens == 1 ? "" : ",", token->id);
      AIR_RETURN_IF_ERROR(
          writeOut(std::string_view(text, static_cast<size_t>(size))));
      progress.endsLine = false;
    } else if (!token->text.empty()) {
      AIR_RETURN_IF_ERROR(writeOut(token->text));
      progress.endsLine = token->text.back() == '\n';
    }
  }
  std::string_view rest = generator.finish();
  if (!ids && !rest.empty()) {
    AIR_RETURN_IF_ERROR(writeOut(rest));
    progress.endsLine = rest.back() == '\n';
  }
  return progress.endsLine ? Status::ok() : writeOut("\n");
}

void report(const Progress &progress, const rt::SamplerOptions &sampler,
            rt::FinishReason reason, double started) {
  double promptSeconds = progress.promptEnd - progress.promptBegin;
  const bool isWhole = progress.promptTokens == progress.promptGiven;
  const std::string part =
      isWhole ? "" : std::to_string(progress.promptTokens) + " of ";
  std::fprintf(stderr, "airrun: prompt: %s%s in %.3f s, %.1f tok/s",
               part.c_str(), countOf(progress.promptGiven, "token").c_str(),
               promptSeconds, rate(progress.promptTokens, promptSeconds));
  if (isWhole) {
    std::fprintf(stderr, "; first token %.3f s after the start",
                 progress.promptEnd - started);
  }
  std::fputs("\n", stderr);
  double decodeSeconds =
      progress.tokens > 1 ? progress.lastToken - progress.promptEnd : 0;
  std::fprintf(stderr, "airrun: decode: %s",
               countOf(progress.tokens, "token").c_str());
  if (decodeSeconds > 0) {
    // The pass over the prompt has computed the logits for the first token, so
    // decoding took one pass fewer than there are tokens.
    std::fprintf(stderr, " in %.3f s, %.1f tok/s", decodeSeconds,
                 rate(progress.tokens - 1, decodeSeconds));
  }
  if (sampler.temperature > 0) {
    std::fprintf(stderr, "; seed %llu",
                 static_cast<unsigned long long>(sampler.seed));
  }
  std::fprintf(stderr, "; %s\n", reasonText(reason));
}

} // namespace

cli::Command generateCommand() {
  cli::Command command;
  command.summary = "Generate text from a prompt. The text is streamed to "
                    "standard output; timings go to standard error.";
  command.positionals = {planPositional()};
  command.options = {
      {.name = "--prompt",
       .shortName = "-p",
       .kind = ValueKind::String,
       .valueName = "TEXT",
       .help = "The prompt. Without --prompt, --file and --tokens it is read "
               "from standard input."},
      {.name = "--file",
       .shortName = "-f",
       .kind = ValueKind::String,
       .valueName = "FILE",
       .help = "Read the prompt from a file."},
      tokensOption(),
      {.name = "--system-prompt",
       .kind = ValueKind::String,
       .valueName = "TEXT",
       .help = "The system message, which says how the model should behave. "
               "The prompt is then the message of a user, and the model writes "
               "its answer, as in 'airrun chat'."},
      {.name = "--chat-template",
       .kind = ValueKind::String,
       .valueName = "FILE",
       .help = "The template, in Jinja, that turns the system message and the "
               "prompt into text. With this option, as with --system-prompt, "
               "the prompt is the message of a user.",
       .defaultText = "the model's own"},
      {.name = "--max-tokens",
       .shortName = "-n",
       .kind = ValueKind::Integer,
       .valueName = "N",
       .help = "Maximum number of tokens to generate; 0 only processes the "
               "prompt.",
       .defaultText = "256",
       .minimum = 0,
       .maximum = 1e15},
      {.name = "--stop",
       .kind = ValueKind::StringList,
       .valueName = "TEXT",
       .help = "Stop before this text would be printed. If TEXT is the text of "
               "a control token, that token stops the output, too."},
      {.name = "--ignore-eos",
       .help = "Continue past an end-of-generation token."},
      {.name = "--output-tokens",
       .help = "Print token ids, separated by commas, instead of text."},
      threadsOption(),
      deviceOption(),
      ramOption(),
      ioOption(),
      ioLimitOption(),
      cli::sourceOption()};
  // The help lists the options of samplers and grammars before --stop.
  std::vector<cli::Option> choosing = samplingOptions();
  std::ranges::move(grammarOptions(), std::back_inserter(choosing));
  command.options.insert(
      std::ranges::find(command.options, "--stop", &cli::Option::name),
      choosing.begin(), choosing.end());
  command.examples = {"airrun story.air -p 'Once upon a time' -n 64",
                      "airrun story.air -f prompt.txt --temp 0 --stop '. '",
                      "airrun model.air --system-prompt 'Answer in one "
                      "sentence.' -p 'What is a plan?'",
                      "airrun story.air --tokens 1,42,7 -n 8 --output-tokens",
                      "airrun model.gguf --ctx 8192 -p 'Once upon a time'"};
  return command;
}

Status runGenerate(const cli::Invocation &invocation) {
  double started = monotonicSeconds();
  AIR_ASSIGN_OR_RETURN(rt::Session session, openSession(invocation));
  rt::GenerateOptions options;
  AIR_ASSIGN_OR_RETURN(options.sampler,
                       samplerOptions(invocation,
                                      fromPlan(session.plan().sampling()),
                                      session.context()));
  bool ids = invocation.has("--output-tokens");
  // No tokenizer is needed if the prompt is given as token ids, token ids are
  // printed, neither --stop nor a grammar is given, and no sampler needs the
  // texts of tokens.
  std::optional<rt::Tokenizer> tokenizer;
  if (!ids || !invocation.has("--tokens") || invocation.has("--stop") ||
      hasGrammar(invocation) || rt::needsTokenTexts(options.sampler)) {
    AIR_ASSIGN_OR_RETURN(tokenizer, planTokenizer(session));
  }
  if (!tokenizer && !ids) {
    return unsupportedError(
        "this plan has no vocabulary; give --output-tokens to print token ids");
  }
  std::optional<MessageTemplate> message;
  if (isMessage(invocation) && tokenizer) {
    AIR_ASSIGN_OR_RETURN(
        message,
        openMessageTemplate(invocation, fromPlan(*session.plan().tokenizer())));
    if (!invocation.has("--ignore-eos")) {
      options.endTokens = endTokensOf(*message, *tokenizer);
    }
  }
  AIR_ASSIGN_OR_RETURN(
      std::unique_ptr<GrammarOfAnswer> grammar,
      grammarOfAnswer(invocation, tokenizer, options.endTokens));
  AIR_ASSIGN_OR_RETURN(std::vector<int32_t> prompt,
                       promptTokens(invocation, session, tokenizer, message));
  options.maxTokens = static_cast<uint64_t>(
      invocation.integer("--max-tokens")
          .value_or(static_cast<int64_t>(options.maxTokens)));
  options.ignoreEndOfText = invocation.has("--ignore-eos");
  options.stops = invocation.list("--stop");
  options.filter = grammar == nullptr ? nullptr : &grammar->filter;
  options.interrupted = &answerInterrupted();
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<rt::Generator> generator,
                       rt::Generator::create(session,
                                             tokenizer ? &*tokenizer : nullptr,
                                             options));
  catchInterrupts();
  Progress progress;
  progress.promptGiven = prompt.size();
  progress.promptBegin = monotonicSeconds();
  {
    LoadingBar bar(session);
    AIR_RETURN_IF_ERROR(generator->prompt(prompt));
  }
  progress.promptEnd = monotonicSeconds();
  progress.promptTokens = generator->promptTokens();
  Status status = stream(*generator, ids, progress);
  if (!status.isOk()) {
    if (!progress.endsLine) {
      (void)writeOut("\n");
    }
    return status;
  }
  report(progress, options.sampler, generator->reason(), started);
  if (const int signal = firstSignal(); signal != 0) {
    dieBy(signal);
  }
  return session.checkPlanUnchanged();
}

} // namespace air
