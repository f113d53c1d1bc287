//===- ChatCommand.cpp - airrun chat --------------------------------------===//
#include "tools/airrun/ChatCommand.h"

#include "formats/gguf/GgufReader.h"
#include "formats/plan/PlanConvert.h"
#include "formats/support/CountText.h"
#include "runtime/text/answer/TurnEnd.h"
#include "tools/airrun/ChatLoop.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/Interrupts.h"
#include "tools/airrun/OpenTemplate.h"
#include "tools/airrun/RenderCommand.h"
#include "tools/airrun/SamplingOptions.h"

#include <filesystem>
#include <iterator>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace air {
namespace {

/// Without --max-tokens, only the context limits the length of an answer.
constexpr uint64_t kNoLimit = UINT64_MAX;

/// The conversation that --load names, or an empty one. --system-prompt sets
/// its system message.
Result<ChatMessages> firstMessages(const cli::Invocation &invocation) {
  ChatMessages messages;
  if (const std::optional<std::string> path = invocation.text("--load")) {
    AIR_ASSIGN_OR_RETURN(const std::string text,
                         readTextFile(*path, parsedTextLimit()));
    Result<ChatMessages> loaded = ChatMessages::parse(text);
    if (!loaded) {
      return loaded.status().withContext("'" + *path + "'");
    }
    messages = *std::move(loaded);
  }
  if (const auto system = invocation.text("--system-prompt")) {
    messages.setSystem(validText(*system, "message"));
  }
  return messages;
}

/// The tools that --tools names, or none.
Result<ChatTools> readTools(const cli::Invocation &invocation) {
  ChatTools tools;
  if (const std::optional<std::string> path = invocation.text("--tools")) {
    AIR_ASSIGN_OR_RETURN(const std::string text,
                         readTextFile(*path, parsedTextLimit()));
    const std::string place = "tools file '" + *path + "'";
    AIR_ASSIGN_OR_RETURN(tools.list, parseObjects(text, place));
    Result<rt::ToolSchemas> schemas = rt::ToolSchemas::parse(text);
    if (!schemas) {
      return schemas.status().withContext(place);
    }
    tools.schemas = *std::move(schemas);
  }
  if (const std::optional<std::string> choice =
          invocation.text("--tool-choice")) {
    if (tools.schemas.isEmpty()) {
      return usageError("--tool-choice needs at least one tool, but there is "
                        "none; name a file of tools with --tools");
    }
    Result<rt::ToolChoice> parsed = rt::parseToolChoice(*choice, tools.schemas);
    if (!parsed) {
      return parsed.status().withContext("--tool-choice");
    }
    tools.choice = *std::move(parsed);
  }
  return tools;
}

/// The date of --date, or today.
Result<jinja::Date> dateOf(const cli::Invocation &invocation) {
  const std::optional<std::string> given = invocation.text("--date");
  return given ? parseDate(*given) : today();
}

Result<Chat> openChat(const cli::Invocation &invocation, rt::Session &session,
                      ChatTools tools) {
  const plan::Tokenizer *record = session.plan().tokenizer();
  if (record == nullptr || record->kind() == plan::TokenizerKind::None) {
    return unsupportedError("this plan has no vocabulary, so it cannot chat");
  }
  TokenizerData vocabulary = fromPlan(*record);
  AIR_ASSIGN_OR_RETURN(const jinja::Date date, dateOf(invocation));
  AIR_ASSIGN_OR_RETURN(
      OpenTemplate opened,
      openTemplate(invocation, vocabulary, tools.list.has_value()));
  AIR_ASSIGN_OR_RETURN(
      Chat chat, Chat::create(session, std::move(vocabulary),
                              std::move(opened.made), std::move(opened.syntax),
                              opened.name, date, std::move(tools)));
  AIR_ASSIGN_OR_RETURN(std::optional<ChosenGrammar> grammar,
                       chosenGrammar(invocation, chat.tokenizer()));
  AIR_RETURN_IF_ERROR(chat.setGrammar(std::move(grammar)));
  return chat;
}

bool hasOneMessage(const cli::Invocation &invocation) {
  return invocation.has("--prompt") || invocation.has("--file") ||
         isatty(STDIN_FILENO) == 0;
}

/// The message that airrun chat answers instead of holding a conversation: the
/// text of --prompt, of the file that --file names, or else of standard input.
Result<std::string> onlyMessage(const cli::Invocation &invocation,
                                const Chat &chat) {
  if (const std::optional<std::string> text = invocation.text("--prompt")) {
    return *text;
  }
  const std::optional<std::string> path = invocation.text("--file");
  AIR_ASSIGN_OR_RETURN(std::string text,
                       path ? readTextFile(*path, chat.messageLimit())
                            : readStandardInput(chat.messageLimit()));
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

Status answerOnce(Chat &chat, ChatMessages messages, const std::string &text,
                  const rt::GenerateOptions &options) {
  messages.add("user", validText(text, "message"));
  AIR_ASSIGN_OR_RETURN(const Turn turn, chat.answer(messages, options,
                                                    dimsReasoning(), writeOut));
  if (const int signal = firstSignal(); signal != 0) {
    dieBy(signal);
  }
  if (turn.reason == rt::FinishReason::ContextFull) {
    return doesNotFitError("the answer is incomplete: the conversation of " +
                           countOf(turn.promptTokens, "token") + " and " +
                           countOf(turn.tokens, "token") +
                           " of the answer fill the context "
                           "of " +
                           countOf(turn.context, "token") +
                           "; set a larger --ctx (in airpack for a "
                           "plan, in airrun for a model file)");
  }
  if (turn.reason == rt::FinishReason::Length) {
    cli::printNotes({"the answer is incomplete: it has reached the limit of " +
                     countOf(turn.tokens, "token") +
                     "; give a larger --max-tokens"});
  }
  return Status::ok();
}

} // namespace

cli::Command chatCommand() {
  cli::Command command;
  command.name = "chat";
  command.summary =
      "Chat with a model. Without a terminal, the text on standard input is "
      "answered once. Only what the model writes goes to standard output.";
  command.positionals = {planPositional()};
  command.options = {
      {.name = "--prompt",
       .shortName = "-p",
       .kind = cli::ValueKind::String,
       .valueName = "TEXT",
       .help = "Answer this message and exit."},
      {.name = "--file",
       .shortName = "-f",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "Answer the message in this file and exit."},
      {.name = "--system-prompt",
       .kind = cli::ValueKind::String,
       .valueName = "TEXT",
       .help = "The system message, which says how the model should behave."},
      {.name = "--load",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "Continue the conversation in FILE: a file that /save has "
               "written, or any other JSON array of objects with \"role\" and "
               "\"content\"."},
      {.name = "--tools",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "A file with the tools that the model may call, as a JSON array "
               "of objects. airrun shows each call, but does not carry it out; "
               "enter /result to give the result to the model. The model can "
               "write only valid calls of these tools."},
      {.name = "--tool-choice",
       .kind = cli::ValueKind::String,
       .valueName = "CHOICE",
       .help = "Whether the model calls tools: auto (the model decides), none "
               "(it calls no tool), required (it calls at least one tool), or "
               "the name of a tool (it calls this tool, and no other).",
       .defaultText = "auto"},
      chatTemplateOption(),
      {.name = "--date",
       .kind = cli::ValueKind::String,
       .valueName = "YYYY-MM-DD",
       .help = "The date that the template's function strftime_now returns.",
       .defaultText = "today"},
      {.name = "--max-tokens",
       .shortName = "-n",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Maximum number of tokens of an answer.",
       .defaultText = "what the context has room for",
       .minimum = 1,
       .maximum = 1e15}};
  for (cli::Option &option : samplingOptions()) {
    command.options.push_back(std::move(option));
  }
  for (cli::Option &option : grammarOptions()) {
    command.options.push_back(std::move(option));
  }
  const cli::Option more[] = {{.name = "--stop",
                               .kind = cli::ValueKind::StringList,
                               .valueName = "TEXT",
                               .help = "End the answer before this text."},
                              threadsOption(),
                              deviceOption(),
                              ramOption(),
                              ioOption(),
                              ioLimitOption(),
                              cli::sourceOption()};
  command.options.insert(command.options.end(), std::begin(more),
                         std::end(more));
  command.examples = {
      "airrun chat model.gguf",
      "airrun chat model.gguf --system-prompt 'Answer in one sentence.'",
      "airrun chat model.gguf -p 'Name three rivers.' --json-schema "
      "'{\"type\": \"array\"}'",
      "git diff | airrun chat model.gguf --system-prompt 'Review this.'"};
  return command;
}

Status checkChat(const cli::Invocation &invocation) {
  if (const std::optional<std::string> date = invocation.text("--date")) {
    AIR_RETURN_IF_ERROR(parseDate(*date).status());
  }
  const std::optional<std::string> file = invocation.text("--file");
  if (file && invocation.has("--prompt")) {
    return usageError("--prompt and --file are given; give only one of them");
  }
  std::error_code error;
  if (file && !std::filesystem::exists(*file, error)) {
    return readTextFile(*file, textLimit()).status();
  }
  AIR_RETURN_IF_ERROR(checkSamplingOptions(invocation));
  AIR_RETURN_IF_ERROR(checkGrammarOptions(invocation));
  AIR_RETURN_IF_ERROR(checkTemplateFile(invocation));
  if (const auto tools = invocation.text("--tools");
      !tools || isReadTwice(*tools)) {
    AIR_ASSIGN_OR_RETURN(const ChatTools read, readTools(invocation));
    if (hasGrammar(invocation)) {
      AIR_RETURN_IF_ERROR(checkNoTools(read));
    }
  }
  if (const auto conversation = invocation.text("--load");
      conversation && isReadTwice(*conversation)) {
    return firstMessages(invocation).status();
  }
  return Status::ok();
}

Status checkChatModel(const cli::Invocation &invocation,
                      const ModelSource &source) {
  AIR_RETURN_IF_ERROR(checkSamplingOfModel(invocation, source));
  AIR_RETURN_IF_ERROR(
      checkTemplateOfModel(invocation, source, invocation.has("--tools")));
  if (!hasGrammar(invocation) || !canReadGrammarTwice(invocation)) {
    return Status::ok();
  }
  AIR_ASSIGN_OR_RETURN(const TokenizerData vocabulary,
                       readGgufTokenizer(source));
  if (vocabulary.tokens.empty()) {
    return Status::ok(); // openChat() refuses a plan without a vocabulary
  }
  AIR_ASSIGN_OR_RETURN(std::optional<rt::Tokenizer> tokenizer,
                       rt::Tokenizer::create(vocabulary));
  const auto file = invocation.text("--chat-template");
  if (file && !isReadTwice(*file)) {
    // The template decides which tokens end an answer. Here, it is in a file
    // that can be read only once. It is left for openChat() to read, so only
    // the grammar itself is checked.
    return chosenGrammar(invocation, *tokenizer).status();
  }
  const bool hasTools = invocation.has("--tools");
  AIR_ASSIGN_OR_RETURN(OpenTemplate opened,
                       openTemplate(invocation, vocabulary, hasTools));
  opened.syntax.hasTools = hasTools;
  AIR_ASSIGN_OR_RETURN(const jinja::Date date, dateOf(invocation));
  std::vector<int32_t> endTokens;
  if (const std::optional<int32_t> end = rt::turnEnd(
          opened.made, vocabulary, *tokenizer, opened.syntax, date)) {
    endTokens.push_back(*end);
  }
  return grammarOfAnswer(invocation, tokenizer, endTokens).status();
}

Status runChat(const cli::Invocation &invocation) {
  AIR_ASSIGN_OR_RETURN(ChatMessages messages, firstMessages(invocation));
  AIR_ASSIGN_OR_RETURN(ChatTools tools, readTools(invocation));
  AIR_ASSIGN_OR_RETURN(rt::Session session, openSession(invocation));
  AIR_ASSIGN_OR_RETURN(Chat chat,
                       openChat(invocation, session, std::move(tools)));
  cli::printNotes(chat.notes());
  const auto optionsFor =
      [&](const cli::Invocation &settings) -> Result<rt::GenerateOptions> {
    rt::GenerateOptions options;
    const std::optional<int64_t> limit = settings.integer("--max-tokens");
    options.maxTokens = limit ? static_cast<uint64_t>(*limit) : kNoLimit;
    options.stops = settings.list("--stop");
    AIR_ASSIGN_OR_RETURN(options.sampler,
                         samplerOptions(settings,
                                        fromPlan(session.plan().sampling()),
                                        session.context()));
    options.interrupted = &answerInterrupted();
    return options;
  };
  if (hasOneMessage(invocation)) {
    AIR_ASSIGN_OR_RETURN(const std::string text, onlyMessage(invocation, chat));
    AIR_ASSIGN_OR_RETURN(const rt::GenerateOptions options,
                         optionsFor(invocation));
    catchInterrupts();
    AIR_RETURN_IF_ERROR(answerOnce(chat, std::move(messages), text, options));
    return session.checkPlanUnchanged();
  }
  Status status;
  {
    AIR_ASSIGN_OR_RETURN(LineEditor editor, LineEditor::open());
    catchInterrupts();
    editor.print("Chat with the model. /help lists the commands; Ctrl-D "
                 "leaves.\n");
    ChatLoop loop(chat, editor, std::move(messages), invocation, optionsFor);
    status = loop.run();
  }
  // The editor's destructor has restored the terminal.
  AIR_RETURN_IF_ERROR(status);
  if (const int signal = firstSignal(); signal != 0) {
    dieBy(signal);
  }
  return session.checkPlanUnchanged();
}

} // namespace air
