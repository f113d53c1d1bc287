//===- RenderCommand.cpp - airrun render ------------------------*- C++ -*-===//
#include "tools/airrun/RenderCommand.h"

#include "formats/support/Printable.h"
#include "formats/text/jinja/Json.h"
#include "runtime/text/ChatTemplate.h"
#include "runtime/text/answer/TurnEnd.h"
#include "tools/airrun/ChatMessages.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/TokenizeCommand.h"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace air {
namespace {

using jinja::Kind;
using jinja::Value;

Result<Value> parseVariables(const std::string &text) {
  Result<Value> value = jinja::fromJson(text, true);
  if (!value) {
    return usageError("--kwargs: " + value.status().message());
  }
  if (!value->is(Kind::Dict)) {
    return usageError("--kwargs: the variables are not a JSON object; give "
                      "them as in '{\"enable_thinking\": false}'");
  }
  return value;
}

} // namespace

Result<Value> parseObjects(std::string_view json, const std::string &place) {
  Result<Value> value = jinja::fromJson(json, true);
  if (!value) {
    return value.status().withContext(place);
  }
  auto kindOf = [](const Value &each) {
    return each.is(Kind::Dict)     ? "an object"
           : each.is(Kind::List)   ? "an array"
           : each.is(Kind::String) ? "a string"
           : each.is(Kind::Bool)   ? "a boolean"
           : each.is(Kind::None)   ? "null"
                                   : "a number";
  };
  if (!value->is(Kind::List)) {
    return corruptError(place + ": it is " + kindOf(*value) +
                        ", not an array of objects");
  }
  const std::vector<Value> &items = value->items();
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is(Kind::Dict)) {
      return corruptError(place + ": entry " + std::to_string(i) + " is " +
                          kindOf(items[i]) + ", not an object");
    }
  }
  return value;
}

jinja::Date today() {
  std::time_t now = std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  return {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday};
}

Result<jinja::Date> parseDate(const std::string &text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  const bool hasForm =
      text.size() == 10 && text[4] == '-' && text[7] == '-' &&
      text.find_first_not_of("0123456789-") == std::string::npos &&
      std::sscanf(text.c_str(), "%4d-%2u-%2u", &year, &month, &day) == 3;
  if (!hasForm || year < 1 ||
      !std::chrono::year_month_day(std::chrono::year(year),
                                   std::chrono::month(month),
                                   std::chrono::day(day))
           .ok()) {
    return usageError("--date: " + inQuotes(text) +
                      " is not a date; give one such as 2024-07-26");
  }
  return jinja::Date{year, static_cast<int>(month), static_cast<int>(day)};
}

cli::Command renderCommand() {
  cli::Command command;
  command.name = "render";
  command.summary =
      "Turn a conversation into the text that the model expects, by its chat "
      "template, and print exactly this text.";
  command.positionals = {
      {"PLAN|MODEL",
       "A plan or a GGUF file, whose template and vocabulary are used.", true}};
  command.options = {
      {.name = "--messages",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "A file with the messages: a JSON array of objects, each with "
               "\"role\" and \"content\"."},
      {.name = "--tools",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "A file with the tools that the model may call: a JSON array of "
               "objects."},
      {.name = "--chat-template",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "The template, in Jinja.",
       .defaultText = "the model's own; with --tools, the one for tools if the "
                      "model has one"},
      {.name = "--no-generation-prompt",
       .help = "Leave out the text with which the template opens the model's "
               "answer; end after the last message."},
      {.name = "--kwargs",
       .kind = cli::ValueKind::String,
       .valueName = "JSON",
       .help = "Further variables for the template, as a JSON object."},
      {.name = "--date",
       .kind = cli::ValueKind::String,
       .valueName = "YYYY-MM-DD",
       .help = "The date that the template's function strftime_now returns. "
               "The time is "
               "midnight.",
       .defaultText = "today"},
      {.name = "--tokens",
       .help = "Print the ids of the tokens, with commas between them. Text of "
               "the messages never becomes a control token."},
      {.name = "--syntax",
       .help = "Instead of the prompt, print what the template implies about "
               "answers: how the model marks reasoning and tool calls, and "
               "which tokens end an answer."},
      {.name = "--parse",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "Instead of printing the prompt, read an answer of the model "
               "from FILE and print it as a message in JSON with its "
               "reasoning, content and tool calls. The arguments of a call get "
               "the types that --tools states."}};
  command.examples = {
      "airrun render model.air --messages chat.json",
      "airrun render model.gguf --messages chat.json --tools tools.json "
      "--kwargs '{\"enable_thinking\": false}' --tokens",
      "airrun render model.gguf --syntax",
      "airrun render model.gguf --tools tools.json --parse answer.txt"};
  return command;
}

namespace {

/// Parses the text of the file `path`. Error messages call it "`what` file", as
/// in "messages file 'FILE'".
Result<Value> readObjects(const std::string &text, const std::string &path,
                          const char *what) {
  return parseObjects(text, std::string(what) + " file '" + path + "'");
}

std::string quotedTokens(const rt::Tokenizer &tokenizer,
                         const std::vector<int32_t> &ids) {
  std::string text;
  for (int32_t id : ids) {
    text += (text.empty() ? "" : ", ") + printable(tokenizer.piece(id, true)) +
            " (" + std::to_string(id) + ")";
  }
  return text.empty() ? "none" : text;
}

/// What --syntax prints.
std::string syntaxText(const rt::AnswerSyntax &syntax,
                       const rt::ReasoningMarks *open,
                       const rt::Tokenizer &tokenizer,
                       std::optional<int32_t> turnEnd) {
  std::string text = std::string("family: ") + syntax.family->name + "\n";
  for (const rt::ReasoningMarks &marks : syntax.reasoning) {
    text += "reasoning: " + std::string(marks.begin) + " ... " +
            std::string(marks.end) + "\n";
  }
  if (syntax.family->hasChannels) {
    text += "reasoning: <|channel|>analysis<|message|> ... <|end|>\n";
  }
  text +=
      "an answer begins: " +
      (open == nullptr ? std::string("with its text")
                       : "in reasoning, after " + std::string(open->begin)) +
      "\ntool call: " + syntax.family->example + "\n";
  std::vector<int32_t> ends;
  for (int32_t id = 0; id < tokenizer.vocabSize(); ++id) {
    if (tokenizer.isEndOfGeneration(id) || id == turnEnd) {
      ends.push_back(id);
    }
  }
  return text + "an answer ends: " + quotedTokens(tokenizer, ends) + "\n";
}

/// What --parse prints.
Result<std::string> parsedText(const cli::Invocation &invocation,
                               const rt::AnswerSyntax &syntax,
                               const rt::ReasoningMarks *open,
                               const std::string &tools) {
  AIR_ASSIGN_OR_RETURN(std::string answer,
                       readTextFile(*invocation.text("--parse"), textLimit()));
  if (answer.ends_with('\n')) {
    answer.pop_back();
  }
  rt::ToolSchemas schemas;
  if (!tools.empty()) {
    Result<rt::ToolSchemas> parsed = rt::ToolSchemas::parse(tools);
    if (!parsed) {
      return parsed.status().withContext("tools file '" +
                                         *invocation.text("--tools") + "'");
    }
    schemas = *std::move(parsed);
  }
  rt::AnswerParser parser(syntax, schemas, open);
  rt::AnswerMessage message;
  message.add(parser.feed(answer));
  message.add(parser.finish());
  using Json = nlohmann::ordered_json;
  return assistantMessage(message, syntax.family->reasoningKey)
             .dump(2, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

Status checkCombination(const cli::Invocation &invocation) {
  const bool parses = invocation.has("--parse");
  const bool explains = invocation.has("--syntax");
  const bool ids = invocation.has("--tokens");
  if (static_cast<int>(parses) + static_cast<int>(explains) +
          static_cast<int>(ids) >
      1) {
    return usageError("--parse, --syntax and --tokens exclude one another; "
                      "give only one of them");
  }
  if (!parses && !explains && !invocation.has("--messages")) {
    return usageError("--messages is missing; give a file with the messages");
  }
  return Status::ok();
}

} // namespace

Status runRender(const cli::Invocation &invocation) {
  AIR_RETURN_IF_ERROR(checkCombination(invocation));
  const std::string &model = invocation.positionals.at(0);
  jinja::Date date = today();
  if (std::optional<std::string> given = invocation.text("--date")) {
    AIR_ASSIGN_OR_RETURN(date, parseDate(*given));
  }
  rt::Conversation conversation;
  conversation.addGenerationPrompt = !invocation.has("--no-generation-prompt");
  if (std::optional<std::string> text = invocation.text("--kwargs")) {
    AIR_ASSIGN_OR_RETURN(conversation.variables, parseVariables(*text));
  }
  std::string messages = R"([{"role": "user", "content": "Hello"}])";
  const std::string messagesPath = invocation.text("--messages").value_or("");
  if (!messagesPath.empty()) {
    AIR_ASSIGN_OR_RETURN(messages,
                         readTextFile(messagesPath, parsedTextLimit()));
  }
  AIR_ASSIGN_OR_RETURN(conversation.messages,
                       readObjects(messages, messagesPath, "messages"));
  std::string tools;
  if (std::optional<std::string> path = invocation.text("--tools")) {
    AIR_ASSIGN_OR_RETURN(tools, readTextFile(*path, parsedTextLimit()));
    AIR_ASSIGN_OR_RETURN(conversation.tools,
                         readObjects(tools, *path, "tools"));
  }
  AIR_ASSIGN_OR_RETURN(TokenizerData vocabulary, readVocabulary(model));
  std::optional<std::string> file = invocation.text("--chat-template");
  std::string fileText;
  rt::ChosenTemplate chosen;
  if (file) {
    AIR_ASSIGN_OR_RETURN(fileText, readTextFile(*file, parsedTextLimit()));
    chosen.source = fileText;
  } else {
    chosen = rt::chooseTemplate(vocabulary, conversation.tools.has_value());
    if (chosen.source.empty()) {
      return unsupportedError("'" + model +
                              "' has no chat template; give one with "
                              "--chat-template FILE");
    }
  }
  Result<Value> variables = rt::templateVariables(vocabulary, conversation);
  if (!variables) {
    return variables.status().withContext("--kwargs");
  }
  const std::string place = "'" + file.value_or(model) + "'";
  Result<jinja::Template> parsed = rt::makeTemplate(chosen);
  if (!parsed) {
    return parsed.status().withContext(place);
  }
  Result<jinja::Rendered> rendered = parsed->render(*variables, date);
  if (!rendered) {
    return rendered.status().withContext(place);
  }
  const rt::AnswerSyntax syntax = rt::syntaxOf(chosen.source);
  const rt::ReasoningMarks *open =
      rt::openReasoning(syntax, rendered->text, rendered->tainted);
  if (invocation.has("--parse")) {
    AIR_ASSIGN_OR_RETURN(const std::string text,
                         parsedText(invocation, syntax, open, tools));
    return writeOut(text);
  }
  if (!invocation.has("--tokens") && !invocation.has("--syntax")) {
    return writeOut(rendered->text);
  }
  Result<rt::Tokenizer> tokenizer = rt::Tokenizer::create(vocabulary);
  if (!tokenizer) {
    return tokenizer.status().withContext("'" + model + "'");
  }
  if (invocation.has("--syntax")) {
    return writeOut(
        syntaxText(syntax, open, *tokenizer,
                   rt::turnEnd(*parsed, vocabulary, *tokenizer, syntax, date)));
  }
  AIR_ASSIGN_OR_RETURN(
      const std::vector<int32_t> tokens,
      tokenizer->tryEncodeRendered(rendered->text, rendered->tainted));
  std::string ids;
  for (int32_t id : tokens) {
    ids += (ids.empty() ? "" : ",") + std::to_string(id);
  }
  return writeOut(ids + "\n");
}

} // namespace air
