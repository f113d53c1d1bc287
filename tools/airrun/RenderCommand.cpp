//===- RenderCommand.cpp - airrun render ------------------------*- C++ -*-===//
#include "tools/airrun/RenderCommand.h"

#include "formats/support/Printable.h"
#include "formats/text/jinja/Json.h"
#include "runtime/text/ChatTemplate.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/TokenizeCommand.h"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace air {
namespace {

using jinja::Kind;
using jinja::Value;

/// Reads a file with a JSON array of objects.
Result<Value> readObjects(const std::string &path, const std::string &what) {
  AIR_ASSIGN_OR_RETURN(std::string text, readTextFile(path, textLimit()));
  Result<Value> value = jinja::fromJson(text, true);
  const std::string file = what + " file '" + path + "'";
  if (!value) {
    return value.status().withContext(file);
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
    return corruptError(file + ": it is " + kindOf(*value) +
                        ", not an array of objects");
  }
  const std::vector<Value> &items = value->items();
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is(Kind::Dict)) {
      return corruptError(file + ": entry " + std::to_string(i) + " is " +
                          kindOf(items[i]) + ", not an object");
    }
  }
  return value;
}

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
                      " is not a date; give one as in 2024-07-26");
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
               "the messages never becomes a control token."}};
  command.examples = {
      "airrun render model.air --messages chat.json",
      "airrun render model.gguf --messages chat.json --tools tools.json "
      "--kwargs '{\"enable_thinking\": false}' --tokens"};
  return command;
}

Status runRender(const cli::Invocation &invocation) {
  const std::string &model = invocation.positionals.at(0);
  std::optional<std::string> messages = invocation.text("--messages");
  if (!messages) {
    return usageError("--messages is missing; give a file with the messages");
  }
  jinja::Date date = today();
  if (std::optional<std::string> given = invocation.text("--date")) {
    AIR_ASSIGN_OR_RETURN(date, parseDate(*given));
  }
  rt::Conversation conversation;
  conversation.addGenerationPrompt = !invocation.has("--no-generation-prompt");
  if (std::optional<std::string> text = invocation.text("--kwargs")) {
    AIR_ASSIGN_OR_RETURN(conversation.variables, parseVariables(*text));
  }
  AIR_ASSIGN_OR_RETURN(conversation.messages,
                       readObjects(*messages, "messages"));
  if (std::optional<std::string> tools = invocation.text("--tools")) {
    AIR_ASSIGN_OR_RETURN(conversation.tools, readObjects(*tools, "tools"));
  }
  AIR_ASSIGN_OR_RETURN(TokenizerData vocabulary, readVocabulary(model));
  std::optional<std::string> file = invocation.text("--chat-template");
  std::string source;
  if (file) {
    AIR_ASSIGN_OR_RETURN(source, readTextFile(*file, textLimit()));
  } else {
    source = rt::chooseTemplate(vocabulary, conversation.tools.has_value());
    if (source.empty()) {
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
  Result<jinja::Template> parsed = jinja::Template::parse(source);
  if (!parsed) {
    return parsed.status().withContext(place);
  }
  Result<jinja::Rendered> rendered = parsed->render(*variables, date);
  if (!rendered) {
    return rendered.status().withContext(place);
  }
  if (!invocation.has("--tokens")) {
    return writeOut(rendered->text);
  }
  Result<rt::Tokenizer> tokenizer =
      rt::Tokenizer::create(std::move(vocabulary));
  if (!tokenizer) {
    return tokenizer.status().withContext("'" + model + "'");
  }
  std::string ids;
  for (int32_t id :
       tokenizer->encodeRendered(rendered->text, rendered->tainted)) {
    ids += (ids.empty() ? "" : ",") + std::to_string(id);
  }
  return writeOut(ids + "\n");
}

} // namespace air
