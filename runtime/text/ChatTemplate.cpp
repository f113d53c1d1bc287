//===- ChatTemplate.cpp - a conversation as text ----------------*- C++ -*-===//
#include "runtime/text/ChatTemplate.h"

namespace air::rt {

using jinja::DictObject;
using jinja::Value;

ChosenTemplate chooseTemplate(const TokenizerData &data, bool hasTools) {
  const auto with = [&](std::string_view source, const char *name) {
    const auto found = data.templatePrograms.find(name);
    return ChosenTemplate{source, found == data.templatePrograms.end()
                                      ? nullptr
                                      : &found->second};
  };
  const auto named = [&](const char *name) {
    const auto found = data.namedTemplates.find(name);
    return found == data.namedTemplates.end() ? ChosenTemplate()
                                              : with(found->second, name);
  };
  if (hasTools && !named("tool_use").source.empty()) {
    return named("tool_use");
  }
  return data.chatTemplate.empty() ? named("default")
                                   : with(data.chatTemplate, "");
}

Result<jinja::Template> makeTemplate(const ChosenTemplate &chosen) {
  return chosen.program != nullptr ? jinja::Template::load(*chosen.program)
                                   : jinja::Template::parse(chosen.source);
}

namespace {

/// Whether `text` is the name of a role that chat templates know.
bool isKnownRole(const jinja::Text &text) {
  for (const char *name : {"assistant", "developer", "function", "observation",
                           "system", "tool", "user"}) {
    if (jinja::equalText(text, name)) {
      return true;
    }
  }
  return false;
}

/// Returns the message with its reasoning also under reasoning_content and,
/// unless the message already has the key thinking, under thinking. Templates
/// look for these two keys. The keys have the same order as in transformers
/// 5.24.
DictObject withReasoningNames(const DictObject &message) {
  const Value *reasoning = nullptr;
  for (const char *name : {"reasoning_content", "thinking", "reasoning"}) {
    const Value *found = message.find(name);
    if (reasoning == nullptr && found != nullptr &&
        !found->is(jinja::Kind::None)) {
      reasoning = found;
    }
  }
  if (reasoning == nullptr) {
    return message;
  }
  DictObject copy;
  copy.set("thinking", *reasoning);
  for (const auto &[key, value] : message.entries) {
    copy.set(key, value);
  }
  copy.set("reasoning_content", *reasoning);
  return copy;
}

/// Returns a copy of the messages in which known roles are not tainted and the
/// reasoning has all names of withReasoningNames(). Some templates make a
/// control token of the role, such as "<|user|>" by '<|' + message.role + '|>',
/// which a tainted role would prevent. This is safe because no known role
/// contains a delimiter such as "<|".
Value preparedMessages(const Value &messages) {
  if (!messages.is(jinja::Kind::List)) {
    return messages;
  }
  std::vector<Value> list;
  for (const Value &message : messages.items()) {
    if (!message.is(jinja::Kind::Dict)) {
      list.push_back(message);
      continue;
    }
    auto copy = std::make_shared<DictObject>(
        withReasoningNames(message.as<DictObject>()));
    const Value *role = copy->find("role");
    if (role != nullptr && role->is(jinja::Kind::String) &&
        isKnownRole(role->text())) {
      copy->set("role", Value::string(jinja::plain(role->text())));
    }
    list.push_back(Value::object(jinja::Kind::Dict, std::move(copy)));
  }
  return Value::sequence(jinja::Kind::List, std::move(list));
}

} // namespace

Result<Value> templateVariables(const TokenizerData &data,
                                const Conversation &conversation) {
  auto dict = std::make_shared<DictObject>();
  const std::pair<const char *, int32_t> tokens[] = {
      {"bos_token", data.bos},
      {"eos_token", data.eos},
      {"unk_token", data.unknown},
      {"pad_token", data.padding},
  };
  for (const auto &[name, id] : tokens) {
    if (id >= 0 && static_cast<size_t>(id) < data.tokens.size()) {
      dict->set(name, Value::string(data.tokens[static_cast<size_t>(id)]));
    }
  }
  dict->set("documents", Value::none());
  if (conversation.variables) {
    for (const auto &[key, value] :
         conversation.variables->as<DictObject>().entries) {
      for (const char *name : {"messages", "tools", "add_generation_prompt"}) {
        if (jinja::equalText(key.text(), name)) {
          return usageError(std::string("the variable '") + name +
                            "' cannot be given, because the conversation "
                            "itself sets it; leave it out");
        }
      }
      dict->set(key, value);
    }
  }
  dict->set("messages", preparedMessages(conversation.messages));
  dict->set("tools", conversation.tools.value_or(Value::none()));
  dict->set("add_generation_prompt",
            Value::boolean(conversation.addGenerationPrompt));
  return Value::object(jinja::Kind::Dict, std::move(dict));
}

} // namespace air::rt
