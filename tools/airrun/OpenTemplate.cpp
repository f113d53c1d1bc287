//===- OpenTemplate.cpp - the chat template that is used ------------------===//
#include "tools/airrun/OpenTemplate.h"

#include "formats/gguf/GgufReader.h"
#include "formats/text/jinja/Json.h"
#include "tools/airrun/Common.h"

#include <utility>

namespace air {
namespace {

/// What error messages call the model's own template.
constexpr const char *kOwnTemplate = "the chat template";

Result<rt::ChosenTemplate> ownTemplate(const TokenizerData &vocabulary,
                                       bool hasTools) {
  const rt::ChosenTemplate own = rt::chooseTemplate(vocabulary, hasTools);
  if (own.source.empty()) {
    return unsupportedError("the model has no chat template; give one with "
                            "--chat-template FILE, as docs/chat.md shows");
  }
  return own;
}

} // namespace

cli::Option chatTemplateOption() {
  return {.name = "--chat-template",
          .kind = cli::ValueKind::String,
          .valueName = "FILE",
          .help = "The template, in Jinja, that turns messages into text.",
          .defaultText = "the model's own"};
}

Result<OpenTemplate> openTemplate(const cli::Invocation &invocation,
                                  const TokenizerData &vocabulary,
                                  bool hasTools) {
  std::string fileText;
  rt::ChosenTemplate chosen;
  std::string name = kOwnTemplate;
  if (const auto file = invocation.text("--chat-template")) {
    AIR_ASSIGN_OR_RETURN(fileText, readTextFile(*file, parsedTextLimit()));
    chosen.source = fileText;
    name = "'" + *file + "'";
  } else {
    AIR_ASSIGN_OR_RETURN(chosen, ownTemplate(vocabulary, hasTools));
  }
  Result<jinja::Template> made = rt::makeTemplate(chosen);
  if (!made) {
    return made.status().withContext(name);
  }
  return OpenTemplate{*std::move(made), rt::syntaxOf(chosen.source), name};
}

Status checkTemplateFile(const cli::Invocation &invocation) {
  const auto file = invocation.text("--chat-template");
  if (!file || !isReadTwice(*file)) {
    return Status::ok();
  }
  AIR_ASSIGN_OR_RETURN(const std::string text,
                       readTextFile(*file, parsedTextLimit()));
  return jinja::Template::parse(text).status().withContext("'" + *file + "'");
}

Status checkTemplateOfModel(const cli::Invocation &invocation,
                            const ModelSource &source, bool hasTools) {
  if (invocation.has("--chat-template")) {
    return Status::ok();
  }
  AIR_ASSIGN_OR_RETURN(const TokenizerData vocabulary,
                       readGgufTokenizer(source));
  AIR_ASSIGN_OR_RETURN(const rt::ChosenTemplate own,
                       ownTemplate(vocabulary, hasTools));
  return rt::makeTemplate(own).status().withContext(kOwnTemplate);
}

Result<jinja::Rendered> renderMessages(const OpenTemplate &chatTemplate,
                                       const TokenizerData &vocabulary,
                                       const ChatMessages &messages,
                                       const jinja::Date &date) {
  rt::Conversation conversation;
  AIR_ASSIGN_OR_RETURN(conversation.messages,
                       jinja::fromJson(messages.toJson(), true));
  AIR_ASSIGN_OR_RETURN(const jinja::Value variables,
                       rt::templateVariables(vocabulary, conversation));
  Result<jinja::Rendered> rendered = chatTemplate.made.render(variables, date);
  if (!rendered) {
    return rendered.status().withContext(chatTemplate.name);
  }
  return rendered;
}

} // namespace air
