//===- AnswerSyntax.cpp - the notation of answers -------------------------===//
#include "runtime/text/answer/AnswerSyntax.h"

#include "runtime/text/answer/Words.h"

#include <algorithm>
#include <array>

namespace air::rt {
namespace {

using Texts = std::span<const std::string_view>;

/// Sets `before` to what precedes the first `mark` in `text`, and removes both
/// from `text`. Returns false, and changes nothing, if there is no such mark.
bool cutAt(std::string_view &text, std::string_view mark,
           std::string_view &before) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) {
    return false;
  }
  before = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return true;
}

/// Reads NAME[ARGS] or NAME[CALL_ID]ID[ARGS].
bool readMistral(std::string_view text, CallHeader &header) {
  std::string_view before;
  std::string_view id;
  if (!cutAt(text, "[ARGS]", before) || !trimmed(text).empty()) {
    return false;
  }
  std::string_view rest = before;
  if (cutAt(rest, "[CALL_ID]", before)) {
    id = trimmed(rest);
  }
  header.name = trimmed(before);
  header.id = id;
  return true;
}

constexpr std::string_view kDeepSeekSeparator = "<｜tool▁sep｜>";

/// Reads NAME<sep> or, for DeepSeek R1, function<sep>NAME and a code fence.
bool readDeepSeek(std::string_view text, CallHeader &header) {
  std::string_view before;
  if (!cutAt(text, kDeepSeekSeparator, before)) {
    return false;
  }
  if (trimmed(text).empty()) {
    header.name = trimmed(before);
    return true;
  }
  header.hasCodeFence = cutAt(text, "```json", before);
  header.name = trimmed(before);
  return header.hasCodeFence && trimmed(text).empty();
}

/// Reads functions.NAME:INDEX<|tool_call_argument_begin|>.
bool readKimi(std::string_view text, CallHeader &header) {
  std::string_view before;
  if (!cutAt(text, "<|tool_call_argument_begin|>", before) ||
      !trimmed(text).empty()) {
    return false;
  }
  std::string_view id = trimmed(before);
  header.id = id;
  if (id.starts_with("functions.")) {
    id.remove_prefix(10);
  }
  header.name = id.substr(0, id.rfind(':'));
  return true;
}

/// NAME>
bool readFunctionary(std::string_view text, CallHeader &header) {
  std::string_view before;
  if (!cutAt(text, ">", before) || !trimmed(text).empty()) {
    return false;
  }
  header.name = trimmed(before);
  return true;
}

constexpr std::string_view kHarmony[] = {"<|channel|>", "<|message|>"};
constexpr std::string_view kHarmonyInner[] = {
    "<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|constrain|>"};
constexpr std::string_view kGemma[] = {"<|tool_call>"};
constexpr std::string_view kGemmaDropped[] = {"<|channel>", "<channel|>"};
constexpr std::string_view kFunctionGemma[] = {"<start_function_call>"};
constexpr std::string_view kMistral[] = {"[TOOL_CALLS]"};
constexpr std::string_view kMistralInner[] = {"[ARGS]", "[CALL_ID]"};
constexpr std::string_view kDeepSeek[] = {"<｜tool▁calls▁begin｜>"};
constexpr std::string_view kDeepSeekInner[] = {kDeepSeekSeparator};
constexpr std::string_view kDeepSeek32[] = {"｜DSML｜", "function_calls"};
constexpr std::string_view kDeepSeek4[] = {"｜DSML｜"};
constexpr std::string_view kKimi[] = {"<|tool_call_argument_begin|>"};
constexpr std::string_view kMiniMax[] = {"<minimax:tool_call>"};
constexpr std::string_view kSeed[] = {"<seed:tool_call>"};
constexpr std::string_view kGlm[] = {"<tool_call>", "<arg_key>"};
constexpr std::string_view kGlmDropped[] = {"<|role_end|>"};
constexpr std::string_view kQwenCoder[] = {"<tool_call>", "<function="};
constexpr std::string_view kFunctionary[] = {"<function=", "</function>"};
constexpr std::string_view kCommandR7[] = {"<|START_ACTION|>"};
constexpr std::string_view kCommandR7Dropped[] = {
    "<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"};
constexpr std::string_view kCommandR[] = {"Action:", "<|CHATBOT_TOKEN|>"};
constexpr std::string_view kCommandRDropped[] = {"<|CHATBOT_TOKEN|>",
                                                 "<|END_OF_TURN_TOKEN|>"};
constexpr std::string_view kApertus[] = {"<|tools_prefix|>"};
constexpr std::string_view kNemotron[] = {"<TOOLCALL>"};
constexpr std::string_view kGranite[] = {"<|tool_call|>", "<response>"};
constexpr std::string_view kGraniteDropped[] = {"<response>", "</response>"};
constexpr std::string_view kGranite3[] = {"<|tool_call|>"};
constexpr std::string_view kPhi[] = {"<|tool|>", "<|/tool|>"};
constexpr std::string_view kToolCalls[] = {"<tool_calls>"};
constexpr std::string_view kFireFunction[] = {"functools["};
constexpr std::string_view kLfm[] = {"List of tools: "};
constexpr std::string_view kHermes[] = {"<tool_call>"};
constexpr std::string_view kLlama[] = {"<|start_header_id|>", "\"parameters\""};

constexpr HeaderForm kMistralHeaders[] = {{"", "", "[ARGS]", ""},
                                          {"", "[CALL_ID]", "[ARGS]", ""}};
constexpr HeaderForm kDeepSeekHeaders[] = {
    {"", "", kDeepSeekSeparator, ""},
    {"function<｜tool▁sep｜>", "", "\n```json\n", "\n```"}};
constexpr HeaderForm kKimiHeaders[] = {
    {"functions.", ":", "<|tool_call_argument_begin|>", ""}};
constexpr HeaderForm kFunctionaryHeaders[] = {{"", "", ">", ""}};

constexpr ArgumentTags kFunctionTags = {">", "<parameter=", ">", "",
                                        "</parameter>"};

// A template belongs to the first family in this list whose markers it
// contains.
constexpr AnswerFamily kFamilies[] = {
    {.name = "harmony",
     .markers = kHarmony,
     .example = "<|channel|>commentary to=functions.f<|message|>{\"a\": 1}",
     .style = CallStyle::Header,
     .inner = kHarmonyInner,
     .hasChannels = true,
     .reasoningKey = "thinking"},
    {.name = "gemma",
     .markers = kGemma,
     .example = "<|tool_call>call:f{a:1,b:<|\"|>text<|\"|>}<tool_call|>",
     .style = CallStyle::Braces,
     .callBegin = "<|tool_call>",
     .callEnd = "<tool_call|>",
     .quote = "<|\"|>",
     .dropped = kGemmaDropped},
    {.name = "function-gemma",
     .markers = kFunctionGemma,
     .example = "<start_function_call>call:f{a:1,b:<escape>text<escape>}"
                "<end_function_call>",
     .style = CallStyle::Braces,
     .callBegin = "<start_function_call>",
     .callEnd = "<end_function_call>",
     .quote = "<escape>"},
    {.name = "mistral",
     .markers = kMistral,
     .example = "[TOOL_CALLS]f[ARGS]{\"a\": 1}",
     .style = CallStyle::Header,
     .callBegin = "[TOOL_CALLS]",
     .list = CallList::Maybe,
     .keys = {.idLast = "id"},
     .headers = kMistralHeaders,
     .readHeader = readMistral,
     .inner = kMistralInner},
    {.name = "deepseek-3.2",
     .markers = kDeepSeek32,
     .example = "<｜DSML｜function_calls><｜DSML｜invoke name=\"f\">"
                "<｜DSML｜parameter name=\"a\" string=\"false\">1"
                "</｜DSML｜parameter></｜DSML｜invoke>"
                "</｜DSML｜function_calls>",
     .style = CallStyle::Tagged,
     .callBegin = "<｜DSML｜invoke name=\"",
     .callEnd = "</｜DSML｜invoke>",
     .sectionBegin = "<｜DSML｜function_calls>",
     .sectionEnd = "</｜DSML｜function_calls>",
     .callsEndReasoning = true,
     .tags = {"\">", "<｜DSML｜parameter name=\"", ">", "",
              "</｜DSML｜parameter>"}},
    {.name = "deepseek-4",
     .markers = kDeepSeek4,
     .example = "<｜DSML｜tool_calls><｜DSML｜invoke name=\"f\">"
                "<｜DSML｜parameter name=\"a\" string=\"false\">1"
                "</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>",
     .style = CallStyle::Tagged,
     .callBegin = "<｜DSML｜invoke name=\"",
     .callEnd = "</｜DSML｜invoke>",
     .sectionBegin = "<｜DSML｜tool_calls>",
     .sectionEnd = "</｜DSML｜tool_calls>",
     .callsEndReasoning = true,
     .tags = {"\">", "<｜DSML｜parameter name=\"", ">", "",
              "</｜DSML｜parameter>"}},
    {.name = "deepseek",
     .markers = kDeepSeek,
     .example = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>"
                "{\"a\": 1}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     .style = CallStyle::Header,
     .callBegin = "<｜tool▁call▁begin｜>",
     .callEnd = "<｜tool▁call▁end｜>",
     .sectionBegin = "<｜tool▁calls▁begin｜>",
     .sectionEnd = "<｜tool▁calls▁end｜>",
     .headers = kDeepSeekHeaders,
     .readHeader = readDeepSeek,
     .inner = kDeepSeekInner},
    {.name = "kimi",
     .markers = kKimi,
     .example = "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0"
                "<|tool_call_argument_begin|>{\"a\": 1}<|tool_call_end|>"
                "<|tool_calls_section_end|>",
     .style = CallStyle::Header,
     .callBegin = "<|tool_call_begin|>",
     .callEnd = "<|tool_call_end|>",
     .sectionBegin = "<|tool_calls_section_begin|>",
     .sectionEnd = "<|tool_calls_section_end|>",
     .headers = kKimiHeaders,
     .callsEndReasoning = true,
     .readHeader = readKimi,
     .inner = kKimi},
    {.name = "minimax",
     .markers = kMiniMax,
     .example = "<minimax:tool_call><invoke name=\"f\"><parameter name=\"a\">1"
                "</parameter></invoke></minimax:tool_call>",
     .style = CallStyle::Tagged,
     .callBegin = "<invoke name=\"",
     .callEnd = "</invoke>",
     .sectionBegin = "<minimax:tool_call>",
     .sectionEnd = "</minimax:tool_call>",
     .tags = {"\">", "<parameter name=\"", ">", "", "</parameter>"}},
    {.name = "seed",
     .markers = kSeed,
     .example = "<seed:tool_call><function=f><parameter=a>1</parameter>"
                "</function></seed:tool_call>",
     .style = CallStyle::Tagged,
     .callBegin = "<function=",
     .callEnd = "</function>",
     .sectionBegin = "<seed:tool_call>",
     .sectionEnd = "</seed:tool_call>",
     .tags = kFunctionTags},
    {.name = "glm",
     .markers = kGlm,
     .example = "<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value>"
                "</tool_call>",
     .style = CallStyle::Tagged,
     .callBegin = "<tool_call>",
     .callEnd = "</tool_call>",
     .callsEndReasoning = true,
     .tags = {"", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"},
     .dropped = kGlmDropped},
    {.name = "qwen-coder",
     .markers = kQwenCoder,
     .example = "<tool_call><function=f><parameter=a>1</parameter></function>"
                "</tool_call>",
     .style = CallStyle::Tagged,
     .callBegin = "<function=",
     .callEnd = "</function>",
     .sectionBegin = "<tool_call>",
     .sectionEnd = "</tool_call>",
     .callsEndReasoning = true,
     .tags = kFunctionTags},
    {.name = "functionary",
     .markers = kFunctionary,
     .example = "<function=f>{\"a\": 1}</function>",
     .style = CallStyle::Header,
     .callBegin = "<function=",
     .callEnd = "</function>",
     .headers = kFunctionaryHeaders,
     .readHeader = readFunctionary},
    {.name = "command-r7b",
     .markers = kCommandR7,
     .example = "<|START_ACTION|>[{\"tool_call_id\": \"0\", \"tool_name\": "
                "\"f\", \"parameters\": {\"a\": 1}}]<|END_ACTION|>",
     .callBegin = "<|START_ACTION|>",
     .callEnd = "<|END_ACTION|>",
     .list = CallList::Always,
     .keys = {"tool_name", "parameters", "tool_call_id"},
     .dropped = kCommandR7Dropped},
    {.name = "command-r",
     .markers = kCommandR,
     .example = "Action: ```json [{\"tool_name\": \"f\", \"parameters\": "
                "{\"a\": 1}}] ```",
     .callBegin = "Action:",
     .trigger = "Action: ```json",
     .list = CallList::Always,
     .keys = {"tool_name", "parameters"},
     .dropped = kCommandRDropped},
    {.name = "apertus",
     .markers = kApertus,
     .example = "<|tools_prefix|>[{\"f\": {\"a\": 1}}]<|tools_suffix|>",
     .style = CallStyle::KeyedJson,
     .callBegin = "<|tools_prefix|>",
     .callEnd = "<|tools_suffix|>",
     .list = CallList::Always},
    {.name = "nemotron",
     .markers = kNemotron,
     .example = "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"
                "</TOOLCALL>",
     .callBegin = "<TOOLCALL>",
     .callEnd = "</TOOLCALL>",
     .list = CallList::Always},
    {.name = "granite-3.3",
     .markers = kGranite,
     .example = "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]",
     .callBegin = "<|tool_call|>",
     .callEnd = "",
     .list = CallList::Always,
     .dropped = kGraniteDropped},
    {.name = "granite-3",
     .markers = kGranite3,
     .example = "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]",
     .callBegin = "<|tool_call|>",
     .callEnd = "<|/tool_call|>",
     .list = CallList::Always},
    {.name = "phi",
     .markers = kPhi,
     .example = "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"
                "<|/tool_call|>",
     .callBegin = "<|tool_call|>",
     .callEnd = "<|/tool_call|>",
     .list = CallList::Always},
    {.name = "tool-calls",
     .markers = kToolCalls,
     .example = "<tool_calls>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"
                "</tool_calls>",
     .callBegin = "<tool_calls>",
     .callEnd = "</tool_calls>",
     .list = CallList::Maybe},
    {.name = "firefunction",
     .markers = kFireFunction,
     .example = "functools[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]",
     .callBegin = "functools",
     .callEnd = "",
     .trigger = "functools[",
     .list = CallList::Always},
    {.name = "lfm2",
     .markers = kLfm,
     .example = "<|tool_call_start|>[f(a=1, b=\"text\")]<|tool_call_end|>",
     .style = CallStyle::Python,
     .callBegin = "<|tool_call_start|>",
     .callEnd = "<|tool_call_end|>"},
    {.name = "hermes",
     .markers = kHermes,
     .example = "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}"
                "</tool_call>",
     .callBegin = "<tool_call>",
     .callEnd = "</tool_call>"},
    {.name = "llama-3",
     .markers = kLlama,
     .example = "{\"name\": \"f\", \"parameters\": {\"a\": 1}}",
     .callBegin = "<|python_tag|>",
     .callEnd = "",
     .keys = {.arguments = "parameters"},
     .hasBareCalls = true},
    {.name = "generic",
     .markers = {},
     .example = "{\"name\": \"f\", \"arguments\": {\"a\": 1}}",
     .callBegin = "<tool_call>",
     .callEnd = "</tool_call>",
     .hasBareCalls = true},
};

// The marks around a span of reasoning. Which of them a model uses does not
// depend on its family.
constexpr ReasoningMarks kReasoning[] = {
    {"<seed:think>", "</seed:think>"},
    {"<mm:think>", "</mm:think>"},
    {"<thought>", "</thought>"},
    {"[THINK]", "[/THINK]", true},
    {"<|START_THINKING|>", "<|END_THINKING|>", true},
    {"<|inner_prefix|>", "<|inner_suffix|>", true},
    {"<|channel>thought", "<channel|>", true},
    {"Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"},
};
// A model that was trained to reason may do so even if its template does not
// mention these marks, so they are always recognised.
constexpr ReasoningMarks kUsualReasoning = {"<think>", "</think>"};

} // namespace

std::span<const AnswerFamily> answerFamilies() { return kFamilies; }

AnswerSyntax syntaxOf(std::string_view chatTemplate) {
  const auto contains = [&](std::string_view text) {
    return chatTemplate.find(text) != std::string_view::npos;
  };
  AnswerSyntax syntax;
  for (const AnswerFamily &family : kFamilies) {
    if (std::ranges::all_of(family.markers, contains)) {
      syntax.family = &family;
      break;
    }
  }
  for (const ReasoningMarks &marks : kReasoning) {
    if (contains(marks.end)) {
      syntax.reasoning.push_back(marks);
    }
  }
  syntax.reasoning.push_back(kUsualReasoning);
  syntax.reasoning.back().isAssumed = !contains(kUsualReasoning.end);
  return syntax;
}

const ReasoningMarks *
openReasoning(const AnswerSyntax &syntax, std::string_view prompt,
              std::span<const jinja::TaintedSpan> tainted) {
  const size_t last = prompt.find_last_not_of(kSpaces);
  prompt = prompt.substr(0, last == std::string_view::npos ? 0 : last + 1);
  for (const ReasoningMarks &marks : syntax.reasoning) {
    if (prompt.ends_with(marks.begin)) {
      const size_t begin = prompt.size() - marks.begin.size();
      const bool isUsers = std::ranges::any_of(tainted, [&](const auto &span) {
        return span.begin < prompt.size() && begin < span.end;
      });
      return isUsers ? nullptr : &marks;
    }
  }
  return nullptr;
}

std::vector<int32_t> markTokens(const AnswerSyntax &syntax,
                                const Tokenizer &tokenizer) {
  const AnswerFamily &family = *syntax.family;
  std::vector<std::string_view> marks(family.dropped.begin(),
                                      family.dropped.end());
  if (syntax.hasTools) {
    const ArgumentTags &tags = family.tags;
    marks.insert(marks.end(),
                 {family.callBegin, family.callEnd, family.sectionBegin,
                  family.sectionEnd, family.quote, tags.nameEnd, tags.keyBegin,
                  tags.keyEnd, tags.valueBegin, tags.valueEnd});
  }
  if (syntax.hasTools || family.hasChannels) {
    marks.insert(marks.end(), family.inner.begin(), family.inner.end());
  }
  for (const ReasoningMarks &span : syntax.reasoning) {
    marks.push_back(span.begin);
    marks.push_back(span.end);
  }
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < tokenizer.vocabSize(); ++id) {
    const std::string_view text = tokenizer.piece(id, true);
    if (!text.empty() && tokenizer.piece(id).empty() &&
        std::ranges::any_of(marks, [&](std::string_view mark) {
          return mark.find(text) != std::string_view::npos;
        })) {
      ids.push_back(id);
    }
  }
  return ids;
}

} // namespace air::rt
