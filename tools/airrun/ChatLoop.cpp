//===- ChatLoop.cpp - a conversation on a terminal ------------------------===//
#include "tools/airrun/ChatLoop.h"

#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/Interrupts.h"
#include "tools/airrun/SamplingOptions.h"
#include "tools/cli/OutputFile.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <unistd.h>
#include <utility>

namespace air {

struct ChatLoop::Command {
  const char *name;
  const char *argument; ///< "" if it takes none
  const char *help;
  Status (ChatLoop::*run)(const std::string &);
  bool isOptional = false;
};

const std::vector<ChatLoop::Command> &ChatLoop::commands() {
  static const std::vector<Command> table = {
      {"/help", "", "List the commands.", &ChatLoop::help},
      {"/exit", "", "Leave. Ctrl-D does the same.", &ChatLoop::leave},
      {"/clear", "", "Forget all messages but the system message.",
       &ChatLoop::clear},
      {"/regen", "", "Answer the last message again.", &ChatLoop::regenerate},
      {"/undo", "", "Take back the last message and its answer.",
       &ChatLoop::undo},
      {"/system", "TEXT", "Set the system message; without TEXT, remove it.",
       &ChatLoop::setSystem, true},
      {"/set", "NAME VALUE",
       "Change an option of airrun chat, as in /set temp 0.5; /set NAME "
       "default restores it. Without NAME, list the options that can be "
       "changed.",
       &ChatLoop::set, true},
      {"/show", "", "Show the conversation.", &ChatLoop::show},
      {"/save", "FILE", "Write the conversation to FILE as JSON.",
       &ChatLoop::save},
      {"/load", "FILE", "Go on with the conversation in FILE.",
       &ChatLoop::load},
      {"/read", "FILE", "Send the text in FILE as a message.",
       &ChatLoop::readFile},
      {"/result", "TEXT", "Give the model the result of a tool that it calls.",
       &ChatLoop::giveResult},
      {"/stats", "", "Show tokens and times of the last answer.",
       &ChatLoop::stats},
  };
  return table;
}

bool dimsReasoning() {
  const char *noColor = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) == 1 && (noColor == nullptr || *noColor == '\0');
}

/// The options that /set can change.
static std::vector<cli::Option> settingOptions() {
  std::vector<cli::Option> options = samplingOptions();
  for (cli::Option &option : grammarOptions()) {
    options.push_back(std::move(option));
  }
  options.push_back({.name = "--max-tokens",
                     .shortName = "-n",
                     .kind = cli::ValueKind::Integer,
                     .valueName = "N",
                     .minimum = 1,
                     .maximum = 1e15});
  return options;
}

static bool isBlank(std::string_view text) {
  return text.find_first_not_of(" \t\n") == std::string_view::npos;
}

/// Removes the dashes of options from an error message, because /set names
/// options without dashes.
static Status withoutDashes(const Status &status) {
  std::string text = status.message();
  for (size_t at = 0; (at = text.find("--", at)) != std::string::npos;) {
    text.erase(at, 2);
  }
  return status.isOk() ? status : Status(status.code(), text);
}

ChatLoop::ChatLoop(Chat &model, LineEditor &terminal, ChatMessages conversation,
                   cli::Invocation chosen, OptionsFor options)
    : chat(model), editor(terminal), messages(std::move(conversation)),
      settings(std::move(chosen)), optionsFor(std::move(options)) {}

Status ChatLoop::report(const Status &status) {
  const bool isFatal = status.code() == ErrorCode::Internal ||
                       status.code() == ErrorCode::VerificationFailed ||
                       hasLostOutput;
  if (status.isOk() || isFatal) {
    return status;
  }
  editor.print("airrun: " + cli::oneLine(status.message()) + "\n");
  return Status::ok();
}

std::optional<std::string> ChatLoop::readMessage() {
  constexpr std::string_view kQuotes = "\"\"\"";
  std::string message;
  bool isQuoted = false;
  bool isFirst = true;
  while (true) {
    const Line line = editor.read(isFirst ? "> " : ". ");
    if (line.end == LineEnd::Signal) {
      const bool wasEmpty = isFirst && line.text.empty() && !line.droppedText;
      if (wasEmpty || firstSignal() != SIGINT) {
        return std::nullopt;
      }
      // Ctrl-C drops what has been typed.
      forgetSignal();
      message.clear();
      isQuoted = false;
      isFirst = true;
      continue;
    }
    if (line.end == LineEnd::EndOfInput) {
      return std::nullopt;
    }
    std::string_view text = line.text;
    if (!isBlank(text)) {
      editor.remember(line.text);
    }
    if (isFirst && text.starts_with(kQuotes)) {
      isQuoted = true;
      text.remove_prefix(kQuotes.size());
      if (text.empty()) {
        isFirst = false;
        continue;
      }
    }
    isFirst = false;
    if (isQuoted) {
      const bool ends = text.ends_with(kQuotes);
      if (ends) {
        text.remove_suffix(kQuotes.size());
      }
      message += text;
      if (!ends) {
        message += '\n';
        continue;
      }
      if (message.ends_with('\n')) {
        message.pop_back();
      }
      return message;
    }
    if (text.ends_with('\\')) {
      message += text.substr(0, text.size() - 1);
      message += '\n';
      continue;
    }
    message += text;
    return message;
  }
}

Status ChatLoop::run() {
  while (!isLeaving) {
    const std::optional<std::string> message = readMessage();
    if (!message) {
      break;
    }
    if (isBlank(*message)) {
      continue;
    }
    const Status status =
        message->starts_with('/') ? runCommand(*message) : send(*message);
    AIR_RETURN_IF_ERROR(report(status));
    if (firstSignal() == SIGINT) {
      forgetSignal();
    } else if (firstSignal() != 0) {
      break;
    }
  }
  return Status::ok();
}

Status ChatLoop::runCommand(const std::string &line) {
  const size_t space = std::min(line.find(' '), line.size());
  std::string name = line.substr(0, space);
  // Other programs call the command by these names.
  name = name == "/quit" || name == "/bye" ? "/exit" : name;
  name = name == "/?" ? "/help" : name;
  const size_t begin =
      std::min(line.find_first_not_of(' ', space), line.size());
  const std::string argument = line.substr(begin);
  for (const Command &command : commands()) {
    if (name != command.name) {
      continue;
    }
    if (*command.argument == '\0' && !argument.empty()) {
      return usageError(name + " takes no argument");
    }
    if (*command.argument != '\0' && argument.empty() && !command.isOptional) {
      return usageError(name + " needs an argument: " + name + " " +
                        command.argument);
    }
    return (this->*command.run)(argument);
  }
  return usageError("there is no command '" + name +
                    "'; /help lists the commands; to send a message that "
                    "begins with '/', type a space before it");
}

Status ChatLoop::send(const std::string &text) {
  messages.add("user", validText(text, "message"));
  repeats = 0;
  Status status = answer();
  if (!status.isOk()) {
    messages.undo();
  }
  return status;
}

Status ChatLoop::answer() {
  AIR_ASSIGN_OR_RETURN(rt::GenerateOptions options, optionsFor(settings));
  options.sampler.seed += repeats;
  const auto write = [this](std::string_view text) {
    Status status = writeOut(text);
    hasLostOutput = !status.isOk();
    return status;
  };
  AIR_ASSIGN_OR_RETURN(const Turn turn,
                       chat.answer(messages, options, dimsReasoning(), write));
  last = turn;
  if (turn.answer == rt::AnswerMessage() &&
      turn.reason == rt::FinishReason::Interrupted) {
    messages.undo();
    editor.print("(stopped before the answer; the message is taken back)\n");
    return Status::ok();
  }
  messages.addAnswer(turn.answer, chat.answerSyntax().family->reasoningKey);
  if (!turn.answer.calls.empty()) {
    editor.print("(give the model the result of " +
                 printable(turn.answer.calls.front().name) +
                 " with /result TEXT)\n");
  }
  if (turn.reason == rt::FinishReason::ContextFull) {
    editor.print("airrun: the answer is incomplete: the context of " +
                 countOf(turn.context, "token") +
                 " is full; /clear or /undo makes room\n");
  } else if (turn.reason == rt::FinishReason::Length) {
    editor.print("(stopped at the limit of " + countOf(turn.tokens, "token") +
                 ")\n");
  } else if (turn.reason == rt::FinishReason::Interrupted) {
    editor.print("(stopped)\n");
  }
  return Status::ok();
}

Status ChatLoop::help(const std::string &) {
  std::string text;
  for (const Command &command : commands()) {
    const std::string heading =
        std::string(command.name) + " " + command.argument;
    text += format("%-18s %s\n", heading.c_str(), command.help);
  }
  editor.print(text +
               "Ctrl-C stops an answer; if there is none to stop, it ends the "
               "chat. A message of\nseveral lines stands between two lines "
               "with \"\"\", or has a backslash at the end of\neach line but "
               "the last.\n");
  return Status::ok();
}

Status ChatLoop::leave(const std::string &) {
  isLeaving = true;
  return Status::ok();
}

Status ChatLoop::clear(const std::string &) {
  messages.clear();
  return Status::ok();
}

Status ChatLoop::regenerate(const std::string &) {
  ChatMessages before = messages;
  messages.dropLast("assistant");
  const std::string role =
      messages.isEmpty() ? "" : messages.role(messages.size() - 1);
  if ((role != "user" && role != "tool") || messages.openCalls() != 0) {
    messages = std::move(before);
    return usageError("there is no message to answer again");
  }
  // The seed depends on `repeats`, so the new answer differs from the old one.
  ++repeats;
  Status status = answer();
  if (!status.isOk()) {
    messages = std::move(before);
  }
  return status;
}

Status ChatLoop::undo(const std::string &) {
  const std::optional<std::string> text = messages.undo();
  if (!text) {
    return usageError("there is no message to take back");
  }
  editor.remember(*text);
  return Status::ok();
}

Status ChatLoop::setSystem(const std::string &text) {
  messages.setSystem(validText(text, "message"));
  return Status::ok();
}

Status ChatLoop::set(const std::string &text) {
  cli::Tool tool;
  tool.name = "/set";
  tool.commands.push_back({.options = settingOptions()});
  if (text.empty()) {
    std::string list;
    for (const cli::Option &option : tool.commands.front().options) {
      list += option.name.substr(2) + " " +
              settings.text(option.name).value_or("(default)") + "\n";
    }
    editor.print(list);
    return Status::ok();
  }
  const size_t space = text.find_first_of(" =");
  if (space == std::string::npos) {
    return usageError("/set needs a name and a value, as in /set temp 0.5");
  }
  const std::string typed = text.substr(0, space);
  const std::string value = text.substr(space + 1);
  cli::Invocation changed = settings;
  const std::vector<cli::Option> &options = tool.commands.front().options;
  const auto option =
      std::ranges::find_if(options, [&](const cli::Option &each) {
        return typed == each.name || "--" + typed == each.name ||
               (!each.shortName.empty() &&
                (typed == each.shortName || "-" + typed == each.shortName));
      });
  if (option == options.end()) {
    return usageError("there is no option " + inQuotes(typed) +
                      "; /set lists those that can be changed");
  }
  const std::string &name = option->name;
  if (value == "default") {
    changed.values.erase(name);
    if (!hasGrammar(changed)) {
      changed.values.erase("--grammar-trigger");
    }
  } else {
    const Status status = cli::parse(tool, {name + "=" + value}).status();
    AIR_RETURN_IF_ERROR(withoutDashes(status));
    if (isGrammarSource(name)) {
      std::erase_if(changed.values, [](const auto &each) {
        return isGrammarSource(each.first);
      });
    }
    changed.values[name] = {value};
  }
  // Options that contradict each other are refused as on the command line.
  AIR_RETURN_IF_ERROR(withoutDashes(optionsFor(changed).status()));
  AIR_RETURN_IF_ERROR(withoutDashes(checkGrammarOptions(changed)));
  const std::vector<cli::Option> grammars = grammarOptions();
  if (std::ranges::find(grammars, name, &cli::Option::name) != grammars.end()) {
    Result<std::optional<ChosenGrammar>> grammar =
        chosenGrammar(changed, chat.tokenizer());
    AIR_RETURN_IF_ERROR(withoutDashes(grammar.status()));
    AIR_RETURN_IF_ERROR(withoutDashes(chat.setGrammar(*std::move(grammar))));
  }
  settings = std::move(changed);
  return Status::ok();
}

Status ChatLoop::show(const std::string &) {
  std::string text;
  for (size_t i = 0; i < messages.size(); ++i) {
    // A conversation may come from somebody else, so control characters must
    // not reach the terminal.
    const std::string content = messages.content(i);
    text += printable(messages.role(i)) + ": ";
    for (size_t begin = 0; begin <= content.size();) {
      const size_t end = std::min(content.find('\n', begin), content.size());
      text += printable(content.substr(begin, end - begin)) + "\n";
      begin = end + 1 < content.size() ? end + 1 : content.size() + 1;
    }
  }
  editor.print(text.empty() ? "(no messages)\n" : text);
  return Status::ok();
}

Status ChatLoop::save(const std::string &path) {
  const std::string text = messages.toJson();
  Result<AtomicFile> opened = cli::openOutput(path);
  if (!opened) {
    // The advice to use -o is removed, because /save has no such option.
    std::string why = opened.status().message();
    constexpr std::string_view kOption = " with -o";
    if (why.ends_with(kOption)) {
      why.erase(why.size() - kOption.size());
    }
    return {opened.status().code(), why};
  }
  AtomicFile file = *std::move(opened);
  AIR_RETURN_IF_ERROR(file.writeAt(
      0, {reinterpret_cast<const uint8_t *>(text.data()), text.size()}));
  return file.commit(text.size());
}

Status ChatLoop::load(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(const std::string text,
                       readTextFile(path, parsedTextLimit()));
  Result<ChatMessages> loaded = ChatMessages::parse(text);
  if (!loaded) {
    return loaded.status().withContext("'" + path + "'");
  }
  messages = *std::move(loaded);
  repeats = 0;
  return Status::ok();
}

Status ChatLoop::readFile(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(const std::string text,
                       readTextFile(path, chat.messageLimit()));
  return send(text);
}

Status ChatLoop::giveResult(const std::string &text) {
  if (messages.openCalls() == 0) {
    return usageError("every tool call already has its result");
  }
  ChatMessages before = messages;
  messages.addResult(validText(text, "message"));
  repeats = 0;
  if (const size_t open = messages.openCalls(); open != 0) {
    editor.print("(number of results that the model still needs: " +
                 std::to_string(open) + ")\n");
    return Status::ok();
  }
  Status status = answer();
  if (!status.isOk()) {
    messages = std::move(before);
  }
  return status;
}

Status ChatLoop::stats(const std::string &) {
  if (!last) {
    return usageError("there is no answer yet");
  }
  editor.print(turnText(*last) + "\n");
  return Status::ok();
}

} // namespace air
