//===- CallGrammar.cpp - a grammar of valid tool calls --------------------===//
#include "runtime/text/answer/CallGrammar.h"

#include "formats/support/Printable.h"
#include "runtime/text/answer/CallReader.h"
#include "runtime/text/answer/CallRules.h"
#include "runtime/text/answer/Words.h"

#include <algorithm>

namespace air::rt {
namespace {

/// An id that is larger than those of all vocabularies.
constexpr uint32_t kNoToken = INT32_MAX;

/// Accepts no tokens.
GrammarSequence nothing() { return {{GrammarElement::Token, kNoToken}}; }

SchemaSpelling spellingOf(CallStyle style) {
  switch (style) {
  case CallStyle::Python:
    return SchemaSpelling::Python;
  case CallStyle::Tagged:
  case CallStyle::Braces:
    return SchemaSpelling::Escaped;
  case CallStyle::Json:
  case CallStyle::KeyedJson:
  case CallStyle::Header:
    break;
  }
  return SchemaSpelling::Json;
}

/// Adds to the properties of the schema each required argument that they lack,
/// with a schema that allows any value.
void nameRequired(SchemaJson &schema) {
  SchemaJson names = schema.value("properties", SchemaJson::object());
  const SchemaJson required = schema.value("required", SchemaJson());
  if (!names.is_object() || !required.is_array()) {
    return; // The schema is invalid; shapesOf() reports this.
  }
  for (const SchemaJson &name : required) {
    if (name.is_string() && !names.contains(name.get<std::string>())) {
      names[name.get<std::string>()] = SchemaJson::object();
    }
  }
  if (!names.empty()) {
    schema["properties"] = std::move(names);
  }
}

/// Returns the schema of a tool's arguments. This schema refuses arguments that
/// it does not name, unless `parameters`, the tool's own schema, contains one
/// of the keywords `kOpen`.
Result<SchemaJson> argumentSchema(const std::string &parameters) {
  SchemaJson schema = SchemaJson::object();
  if (!parameters.empty()) {
    AIR_ASSIGN_OR_RETURN(const SchemaDocument document,
                         SchemaDocument::parse(parameters));
    schema = document.root();
  }
  if (!schema.is_object()) {
    return corruptError(
        "its parameters must be a JSON Schema, which is a JSON object");
  }
  if (!schema.contains("type")) {
    schema["type"] = "object";
  }
  constexpr const char *kOpen[] = {"additionalProperties", "anyOf", "oneOf",
                                   "allOf", "$ref"};
  if (std::ranges::none_of(
          kOpen, [&](const char *key) { return schema.contains(key); })) {
    schema["additionalProperties"] = false;
    nameRequired(schema);
  }
  return schema;
}

/// Returns a schema that names the arguments but does not restrict their
/// values.
SchemaJson namesOnly(const SchemaJson &schema) {
  SchemaJson names = SchemaJson::object();
  if (schema.contains("properties") && schema["properties"].is_object()) {
    for (const auto &[name, value] : schema["properties"].items()) {
      names[name] = SchemaJson::object();
    }
  }
  SchemaJson required = SchemaJson::array();
  for (const SchemaJson &name : schema.value("required", SchemaJson())) {
    if (name.is_string()) {
      names[name.get<std::string>()] = SchemaJson::object();
      required.push_back(name);
    }
  }
  return {{"type", "object"},
          {"properties", names},
          {"required", required},
          {"additionalProperties", names.empty()}};
}

/// What stands between the name of an argument and its value in the notations
/// without JSON; "" for the others.
std::string_view separatorOf(CallStyle style) {
  return style == CallStyle::Tagged || style == CallStyle::Python ? "="
         : style == CallStyle::Braces                             ? ":"
                                                                  : "";
}

class Maker {
public:
  Maker(const AnswerSyntax &chosen, ToolChoice made, ControlTexts texts,
        const ReasoningMarks *span)
      : syntax(chosen), family(*chosen.family), choice(std::move(made)),
        controls(std::move(texts)), open(span), rules(builder, controls) {}

  Result<CallGrammar> make(const ToolSchemas &list);

private:
  Status addTool(const ToolSchemas &list, const ToolSchemas::Tool &tool);
  bool canBeCalled(const CallTool &tool, const std::string &place);
  /// Adds a note about a tool that cannot be called.
  void refuse(std::string note) {
    refusal = refusal.empty() ? note : refusal;
    result.notes.push_back(std::move(note));
  }
  GrammarSequence begin(std::string_view text, bool isFirst);
  GrammarSequence end(std::string_view text);
  Result<GrammarSequence> body();
  Result<GrammarSequence>
  oneOf(const std::function<Result<GrammarSequence>(CallTool &)> &write);
  GrammarSequence arguments(CallTool &tool) {
    return {tool.rules->valueOf({&tool.document->root()})};
  }
  Result<GrammarSequence> object();
  Result<GrammarSequence> objects(CallList list);
  Result<GrammarSequence> headers();
  Result<GrammarSequence> channelCall();
  GrammarSequence calls(const GrammarSequence &inner);
  Result<GrammarSequence> bareCalls();
  GrammarSequence reasoning();
  void addSpans();

  const AnswerSyntax &syntax;
  const AnswerFamily &family;
  ToolChoice choice;
  ControlTexts controls;
  const ReasoningMarks *open;
  GrammarBuilder builder;
  CallRules rules;
  std::vector<CallTool> tools;
  CallGrammar result;
  std::string refusal; ///< the first note of refuse(), or ""
};

/// Adds a note about the arguments whose names the family's notation cannot
/// express. Returns false if the tool cannot be called without one of them.
bool Maker::canBeCalled(const CallTool &tool, const std::string &place) {
  const std::string_view separator = separatorOf(family.style);
  if (separator.empty()) {
    return true;
  }
  std::vector<std::string> lost;
  std::vector<std::string> needed; // those of `lost` that a shape requires
  bool isPossible = false;
  const auto addTo = [](std::vector<std::string> &list,
                        const std::string &name) {
    if (std::ranges::find(list, name) == list.end()) {
      list.push_back(name);
    }
  };
  for (const SchemaShape &shape : tool.shapes) {
    bool hasAll = true;
    for (const std::string &name : namesOfProperties(shape)) {
      if (canBeKey(name, separator)) {
        continue;
      }
      addTo(lost, name);
      if (std::ranges::find(shape.required, name) != shape.required.end()) {
        hasAll = false;
        addTo(needed, name);
      }
    }
    isPossible = isPossible || hasAll;
  }
  if (lost.empty()) {
    return true;
  }
  std::string names;
  for (const std::string &name : isPossible ? lost : needed) {
    names += (names.empty() ? "" : ", ") + inQuotes(name);
  }
  const std::string why =
      names +
      "; in this model's notation, the name of an argument must not be empty, "
      "be longer than 256 bytes, or contain white space, brackets, quotes, a "
      "comma, " +
      (separator == ":" ? "':' or '='" : "or '='");
  if (isPossible) {
    result.notes.push_back(place + ": calls leave out the arguments " + why);
  } else {
    refuse(place + " cannot be called, because it requires the arguments " +
           why);
  }
  return isPossible;
}

Status Maker::addTool(const ToolSchemas &list, const ToolSchemas::Tool &tool) {
  const std::string place = "tool " + inQuotes(tool.name);
  if (!isCallName(tool.name)) {
    refuse(place + " cannot be called, because its name is empty, is longer "
                   "than 256 bytes, or contains white space, brackets, quotes, "
                   "a comma or '='");
    return Status::ok();
  }
  Result<SchemaJson> schema = argumentSchema(tool.parameters);
  if (!schema) {
    return schema.status().withContext(place);
  }
  const Status status = grammarOfSchema(schema->dump()).status();
  if (status.code() == ErrorCode::Unsupported) {
    result.notes.push_back(
        place + ": the model may give the arguments any values, because " +
        status.message());
    *schema = namesOnly(*schema);
  } else if (!status.isOk()) {
    return status.withContext(place);
  }
  AIR_ASSIGN_OR_RETURN(SchemaDocument document,
                       SchemaDocument::parse(schema->dump()));
  CallTool made;
  made.name = tool.name;
  made.document = std::make_unique<SchemaDocument>(std::move(document));
  made.rules = std::make_unique<SchemaRules>(*made.document, builder,
                                             spellingOf(family.style));
  AIR_ASSIGN_OR_RETURN(made.shapes,
                       made.rules->shapesOf({&made.document->root()}));
  const bool isObject =
      std::ranges::any_of(made.shapes, [](const SchemaShape &shape) {
        return (shape.types & SchemaShape::Object) != 0;
      });
  if (!isObject) {
    return corruptError(place +
                        ": the schema of its parameters does not allow a JSON "
                        "object, but the arguments of each call are a JSON "
                        "object; give the schema the type \"object\"");
  }
  made.list = &list;
  if (canBeCalled(made, place)) {
    tools.push_back(std::move(made));
  }
  return Status::ok();
}

/// Returns the delimiter `text`, which begins a call or a section. If `isFirst`
/// is true, and a call is not required, this function also adds a trigger. The
/// trigger is the first control token of the delimiter, and the result then
/// begins with this token. If the delimiter contains no control token, the
/// trigger is a text.
GrammarSequence Maker::begin(std::string_view text, bool isFirst) {
  GrammarSequence mark = rules.mark(text);
  if (!isFirst || choice.kind == ToolChoice::Required) {
    return mark;
  }
  const auto token =
      std::ranges::find(mark, GrammarElement::Token, &GrammarSymbol::kind);
  if (token == mark.end()) {
    result.triggers.texts.emplace_back(
        text == family.callBegin && !family.trigger.empty() ? family.trigger
                                                            : text);
    return mark;
  }
  const auto id = static_cast<int32_t>(token->value);
  std::vector<int32_t> &ids = result.triggers.tokens;
  if (std::ranges::find(ids, id) == ids.end()) {
    ids.push_back(id);
  }
  return {token, mark.end()};
}

/// The delimiter `text`, which ends a call or a section. Empty if the family
/// has no such delimiter or its models do not write it.
GrammarSequence Maker::end(std::string_view text) {
  return !text.empty() && contains(family.example, text)
             ? joined({{rules.gap()}, rules.mark(text)})
             : GrammarSequence();
}

Result<GrammarSequence>
Maker::oneOf(const std::function<Result<GrammarSequence>(CallTool &)> &write) {
  if (tools.empty()) {
    return nothing();
  }
  std::vector<GrammarSequence> options;
  for (CallTool &tool : tools) {
    AIR_ASSIGN_OR_RETURN(GrammarSequence option, write(tool));
    options.push_back(std::move(option));
  }
  return GrammarSequence{rules.choice(std::move(options))};
}

Result<GrammarSequence> Maker::object() {
  const GrammarSequence gap = {rules.gap()};
  const auto key = [&](std::string_view name) {
    return joined({rules.text("\"" + std::string(name) + "\":"), gap});
  };
  const GrammarSequence comma = joined({rules.text(","), gap});
  const CallKeys &keys = family.keys;
  const bool isKeyed = family.style == CallStyle::KeyedJson;
  AIR_ASSIGN_OR_RETURN(
      const GrammarSequence call, oneOf([&](CallTool &tool) {
        const GrammarSequence name = rules.text(SchemaJson(tool.name).dump());
        GrammarSequence after =
            isKeyed ? joined({rules.text(":"), gap, arguments(tool)})
                    : joined({comma, key(keys.arguments), arguments(tool)});
        const bool needsNone =
            std::ranges::any_of(tool.shapes, [](const SchemaShape &shape) {
              return shape.required.empty();
            });
        if (needsNone && !isKeyed) {
          after = rules.optional(std::move(after));
        }
        return Result<GrammarSequence>(joined({name, after}));
      }));
  GrammarSequence all = joined({rules.text("{"), gap});
  if (!keys.idFirst.empty()) {
    all = joined({all, key(keys.idFirst), rules.idString(), comma});
  }
  if (family.hasBareCalls) {
    all = joined({all, rules.optional(joined(
                           {key("type"), rules.text("\"function\""), comma}))});
  }
  all = joined({all, isKeyed ? GrammarSequence() : key(keys.name), call});
  if (!keys.idLast.empty()) {
    all = joined({all, rules.optional(joined(
                           {comma, key(keys.idLast), rules.idString()}))});
  }
  return joined({all, gap, rules.text("}")});
}

Result<GrammarSequence> Maker::objects(CallList list) {
  AIR_ASSIGN_OR_RETURN(GrammarSequence one, object());
  one = {rules.choice({std::move(one)})};
  const GrammarSequence gap = {rules.gap()};
  GrammarSequence many =
      joined({rules.text("["), gap,
              rules.list(one, joined({gap, rules.text(","), gap})), gap,
              rules.text("]")});
  switch (list) {
  case CallList::Never:
    return one;
  case CallList::Always:
    return many;
  case CallList::Maybe:
    break;
  }
  return GrammarSequence{rules.choice({std::move(many), rules.list(one, gap)})};
}

Result<GrammarSequence> Maker::headers() {
  std::vector<GrammarSequence> options;
  for (const HeaderForm &form : family.headers) {
    AIR_ASSIGN_OR_RETURN(
        GrammarSequence call, oneOf([&](CallTool &tool) {
          GrammarSequence all = rules.text(tool.name);
          if (!form.beforeId.empty()) {
            all = joined({all, rules.mark(form.beforeId), rules.id()});
          }
          return Result<GrammarSequence>(
              joined({all, rules.mark(form.beforeArguments), arguments(tool),
                      rules.text(form.afterArguments)}));
        }));
    options.push_back(joined({rules.mark(form.beforeName), call}));
  }
  if (family.list == CallList::Maybe) {
    AIR_ASSIGN_OR_RETURN(GrammarSequence list, objects(CallList::Always));
    options.push_back(joined({{rules.gap()}, list}));
  }
  return GrammarSequence{rules.choice(std::move(options))};
}

/// A call in the notation of OpenAI's harmony. It begins with the recipient in
/// the header. If a call is required, it may also begin with the channel that
/// precedes the recipient.
Result<GrammarSequence> Maker::channelCall() {
  constexpr std::string_view kRecipient = " to=functions.";
  if (choice.kind != ToolChoice::Required) {
    result.triggers.texts.emplace_back(kRecipient);
  }
  const GrammarSequence channel =
      rules.optional(rules.mark("<|channel|>commentary"));
  GrammarSequence type = {
      rules.choice({{},
                    rules.text(" json"),
                    joined({rules.optional(rules.text(" ")),
                            rules.mark("<|constrain|>json")})})};
  AIR_ASSIGN_OR_RETURN(GrammarSequence call, oneOf([&](CallTool &tool) {
                         return Result<GrammarSequence>(
                             joined({rules.text(tool.name),
                                     channel,
                                     type,
                                     rules.mark("<|message|>"),
                                     {rules.gap()},
                                     arguments(tool)}));
                       }));
  call = joined({rules.text(kRecipient), call});
  return choice.kind == ToolChoice::Required ? joined({channel, call}) : call;
}

/// What follows the delimiter that begins a call.
Result<GrammarSequence> Maker::body() {
  const GrammarSequence gap = {rules.gap()};
  const GrammarSequence last = end(family.callEnd);
  switch (family.style) {
  case CallStyle::Json:
  case CallStyle::KeyedJson: {
    AIR_ASSIGN_OR_RETURN(GrammarSequence value, objects(family.list));
    if (contains(family.trigger, "```")) {
      value = joined(
          {gap, rules.text("```json"), gap, value, gap, rules.text("```")});
    }
    return joined({gap, value, last});
  }
  case CallStyle::Header: {
    AIR_ASSIGN_OR_RETURN(GrammarSequence value, headers());
    return joined({value, last});
  }
  case CallStyle::Tagged:
    return oneOf([&](CallTool &tool) -> Result<GrammarSequence> {
      AIR_ASSIGN_OR_RETURN(GrammarSequence values,
                           rules.tagged(tool, family.tags));
      return joined({rules.text(tool.name), rules.mark(family.tags.nameEnd),
                     values, last});
    });
  case CallStyle::Python: {
    AIR_ASSIGN_OR_RETURN(
        GrammarSequence call,
        oneOf([&](CallTool &tool) -> Result<GrammarSequence> {
          AIR_ASSIGN_OR_RETURN(GrammarSequence values, rules.python(tool));
          return joined({rules.text(tool.name + "("), values, rules.text(")")});
        }));
    return joined({rules.text("["),
                   rules.list(call, joined({rules.text(","), gap})),
                   rules.text("]"), last});
  }
  case CallStyle::Braces: {
    AIR_ASSIGN_OR_RETURN(
        GrammarSequence call,
        oneOf([&](CallTool &tool) -> Result<GrammarSequence> {
          AIR_ASSIGN_OR_RETURN(GrammarSequence values,
                               rules.braces(tool, family));
          return joined({rules.text(tool.name + "{"), values, rules.text("}")});
        }));
    return joined({rules.text("call:"), call, last});
  }
  }
  return internalError(
      "the notation in which this model writes tool calls is unknown");
}

/// Returns one or more calls. `inner` is what follows the delimiter that begins
/// a call. If the family has delimiters that begin and end a section, the calls
/// are within sections.
GrammarSequence Maker::calls(const GrammarSequence &inner) {
  const GrammarSequence gap = {rules.gap()};
  const auto call = [&](bool isFirst) {
    return joined({begin(family.callBegin, isFirst), inner});
  };
  const GrammarSequence next = call(false);
  if (family.sectionBegin.empty()) {
    const GrammarSequence more =
        family.list == CallList::Always
            ? GrammarSequence()
            : builder.repeat(joined({gap, next}), 0,
                             GrammarBuilder::kUnlimited);
    return joined({call(true), more});
  }
  const GrammarSequence rest =
      joined({gap, rules.list(next, gap), end(family.sectionEnd)});
  GrammarSequence section = joined({begin(family.sectionBegin, true), rest});
  if (choice.kind != ToolChoice::Required) {
    // Models may omit the delimiter that begins the section.
    section = {rules.choice(
        {std::move(section),
         joined({call(true), rules.optional(end(family.sectionEnd))})})};
  }
  const GrammarSequence later =
      joined({gap, begin(family.sectionBegin, false), rest});
  return joined(
      {section, builder.repeat(later, 0, GrammarBuilder::kUnlimited)});
}

/// Calls that are written as JSON objects alone, without the text with which
/// models usually mark the beginning of a call.
Result<GrammarSequence> Maker::bareCalls() {
  AIR_ASSIGN_OR_RETURN(GrammarSequence one, object());
  one = {rules.choice({std::move(one)})};
  if (choice.kind != ToolChoice::Required) {
    for (const char *space : {"", " ", "\n  ", "\n    ", "\n\t"}) {
      for (const char *key : {"\"name\":", "\"type\": \"function\","}) {
        result.triggers.starts.push_back(std::string("{") + space + key);
      }
    }
  }
  return rules.list(one,
                    joined({rules.optional(rules.text(";")), {rules.gap()}}));
}

GrammarSequence Maker::reasoning() {
  if (family.hasChannels) {
    return builder.repeat(joined({rules.mark("<|channel|>analysis<|message|>"),
                                  {rules.textUntil("<|end|>")},
                                  rules.mark("<|start|>"),
                                  rules.text("assistant")}),
                          0, GrammarBuilder::kUnlimited);
  }
  if (open != nullptr) {
    return {rules.textUntil(open->end), rules.gap()};
  }
  std::vector<GrammarSequence> options = {{rules.gap()}};
  for (const ReasoningMarks &marks : syntax.reasoning) {
    // If a call is required, only reasoning that the template mentions may come
    // before the call.
    if (marks.isAssumed) {
      continue;
    }
    options.push_back(joined({{rules.gap()},
                              rules.mark(marks.begin),
                              {rules.textUntil(marks.end), rules.gap()}}));
  }
  return {rules.choice(std::move(options))};
}

void Maker::addSpans() {
  GrammarTriggers &triggers = result.triggers;
  triggers.controls = controls;
  if (family.hasChannels) {
    triggers.spans.push_back(
        {"<|message|>", {"<|start|>", "<|channel|>"}, true});
    return;
  }
  if (family.callsEndReasoning) {
    return;
  }
  for (const ReasoningMarks &marks : syntax.reasoning) {
    if (open != nullptr && marks.begin == open->begin) {
      triggers.open = triggers.spans.size();
    }
    triggers.spans.push_back(
        {std::string(marks.begin), {std::string(marks.end)}, marks.isAnywhere});
  }
}

Result<CallGrammar> Maker::make(const ToolSchemas &list) {
  for (const ToolSchemas::Tool &tool : list.list()) {
    if (choice.name.empty() || tool.name == choice.name) {
      AIR_RETURN_IF_ERROR(addTool(list, tool));
    }
  }
  // If the model must not call tools, it does not matter that no call is
  // possible.
  if (tools.empty() && choice.kind != ToolChoice::None) {
    return unsupportedError("none of the tools can be called" +
                            (refusal.empty() ? "" : ": " + refusal));
  }
  GrammarSequence all;
  if (family.hasChannels) {
    AIR_ASSIGN_OR_RETURN(all, channelCall());
  } else {
    AIR_ASSIGN_OR_RETURN(GrammarSequence inner, body());
    inner = {rules.choice({std::move(inner)})};
    std::vector<GrammarSequence> options;
    if (!family.hasBareCalls || choice.kind != ToolChoice::Required) {
      options.push_back(calls(inner));
    }
    if (family.hasBareCalls) {
      AIR_ASSIGN_OR_RETURN(GrammarSequence bare, bareCalls());
      options.push_back(std::move(bare));
    }
    all = joined({{rules.choice(std::move(options))}, {rules.gap()}});
  }
  for (CallTool &tool : tools) {
    AIR_RETURN_IF_ERROR(tool.rules->define());
  }
  if (choice.kind == ToolChoice::Required) {
    all = joined({reasoning(), all});
  } else {
    addSpans();
  }
  if (choice.kind == ToolChoice::None) {
    all = nothing(); // this grammar refuses even the trigger of a call
  }
  const uint32_t root = builder.addRule("a tool call");
  builder.define(root, {std::move(all)});
  AIR_ASSIGN_OR_RETURN(result.grammar, std::move(builder).finish(root));
  return std::move(result);
}

} // namespace

Result<ToolChoice> parseToolChoice(const std::string &text,
                                   const ToolSchemas &tools) {
  const bool isWord = text == "auto" || text == "none" || text == "required";
  if (isWord && tools.has(text)) {
    return usageError("the tool choice " + inQuotes(text) +
                      " is ambiguous, because a tool has the same name; give "
                      "the tool another name");
  }
  if (text == "auto") {
    return ToolChoice();
  }
  if (text == "none") {
    return ToolChoice{ToolChoice::None, {}};
  }
  if (text == "required" || tools.has(text)) {
    return ToolChoice{ToolChoice::Required, text == "required" ? "" : text};
  }
  std::string names;
  for (const ToolSchemas::Tool &tool : tools.list()) {
    names += (names.empty() ? "" : ", ") + tool.name;
  }
  return usageError("there is no tool " + inQuotes(text) +
                    "; give auto, none, required, or one of " + names);
}

Result<CallGrammar>
callGrammar(const AnswerSyntax &syntax, const ToolSchemas &tools,
            const ToolChoice &choice,
            std::vector<std::pair<int32_t, std::string>> controls,
            const ReasoningMarks *open) {
  return Maker(syntax, choice, std::move(controls), open).make(tools);
}

} // namespace air::rt
