//===- CallGrammarTest.cpp - grammars of tool calls -----------------------===//
#include "../grammar/GrammarTexts.h"
#include "Answers.h"

#include "runtime/text/answer/CallGrammar.h"
#include "runtime/text/grammar/JsonSchema.h"

#include <map>
#include <random>
#include <set>

using namespace air;
using namespace air::rt;
using Json = nlohmann::ordered_json;

namespace {

Json inputs(const char *name) {
  std::ifstream file(std::string(AIR_TEST_INPUTS) + "/answers/" + name);
  EXPECT_TRUE(file.good()) << name;
  return Json::parse(file);
}

CallGrammar grammarOf(const std::string &family, const ToolSchemas &tools,
                      const ToolChoice &choice = {},
                      const ReasoningMarks *open = nullptr) {
  Result<CallGrammar> made =
      callGrammar(syntaxNamed(family), tools, choice, {}, open);
  EXPECT_TRUE(made.isOk()) << family << ": " << made.status().message();
  return made.isOk() ? *made : CallGrammar();
}

int32_t idOf(char c) { return static_cast<uint8_t>(c); }

/// Follows a text byte by byte. Returns the offset of the first byte that is
/// refused, or the length of the text if none is refused. In that case,
/// `isWhole` is set to whether the text may end there.
size_t follow(const CallGrammar &made, std::string_view text, bool &isWhole) {
  // The byte 0 stands for the token that ends a text.
  LazyGrammar filter(GrammarMatcher(made.grammar, byteTrie(), {0}), byteTrie(),
                     made.triggers);
  for (size_t i = 0; i < text.size(); ++i) {
    if (!filter.allows(idOf(text[i]))) {
      return i;
    }
    EXPECT_TRUE(filter.accept(idOf(text[i])).isOk());
  }
  isWhole = !filter.isActive() || filter.allows(0);
  return text.size();
}

// Follows the parser's sample answers, with and without calls. If a sample has
// "refused", the grammar must refuse the byte at that position.
TEST(CallGrammarTest, Samples) {
  const Json file = inputs("samples.json");
  const ToolSchemas tools = *ToolSchemas::parse(file["tools"].dump());
  for (const Json &sample : file["answers"]) {
    const std::string family = sample["family"];
    const AnswerSyntax syntax = syntaxNamed(family);
    const std::string opened = sample.value("open", "");
    const CallGrammar made = grammarOf(
        family, tools, {}, openReasoning(syntax, "user\n" + opened, {}));
    std::string answer = sample["answer"];
    // In OpenAI's harmony notation, this token ends the answer.
    if (answer.ends_with("<|call|>")) {
      answer.erase(answer.size() - 8);
    }
    bool isWhole = false;
    const size_t end = follow(made, answer, isWhole);
    EXPECT_EQ(end, sample.value("refused", answer.size()))
        << family << ": " << answer;
    if (end == answer.size()) {
      EXPECT_EQ(isWhole, !sample.value("unfinished", false))
          << family << ": " << answer;
    }
  }
}

// calls.json has tools, and valid and broken calls of them. A broken call
// consists of two strings, and must be refused at the first byte of the second.
TEST(CallGrammarTest, BrokenCallsAreRefusedWhereTheyBreak) {
  const Json file = inputs("calls.json");
  const ToolSchemas tools = *ToolSchemas::parse(file["tools"].dump());
  std::set<std::string> seen;
  for (const Json &family : file["families"]) {
    const std::string name = family["family"];
    seen.insert(name);
    const CallGrammar made = grammarOf(name, tools);
    for (const Json &text : family["accepted"]) {
      const std::string call = text;
      bool isWhole = false;
      EXPECT_EQ(follow(made, call, isWhole), call.size()) << name << call;
      EXPECT_TRUE(isWhole) << name << ": " << call;
    }
    for (const Json &parts : family["refused"]) {
      const std::string good = parts[0];
      const std::string bad = parts[1];
      bool isWhole = false;
      EXPECT_EQ(follow(made, good + bad, isWhole), good.size())
          << name << ": " << good << "|" << bad;
    }
  }
  for (const AnswerFamily &family : answerFamilies()) {
    EXPECT_TRUE(seen.contains(family.name)) << family.name;
  }
}

/// Returns a random text that the grammar accepts, or "" if the text gets too
/// long. Each step appends a single byte or one of the strings in `marks`.
/// These end free text, such as the value of an argument, and random bytes
/// would rarely spell them.
std::string randomText(const CallGrammar &made, const AnswerFamily &family,
                       std::mt19937 &random) {
  const std::string_view marks[] = {
      family.tags.valueEnd, family.quote, "\"",
      "</think>",           "[/THINK]",   "<|end|>"};
  GrammarMatcher matcher(made.grammar, byteTrie(), {0});
  std::string text;
  while (text.size() < 2000) {
    const std::string_view mark = marks[random() % std::size(marks)];
    if (random() % 4 == 0 && !mark.empty() && matcher.allowsText(mark)) {
      EXPECT_TRUE(matcher.acceptText(mark).isOk());
      text += mark;
      continue;
    }
    Result<const TokenMask *> mask = matcher.allowed();
    if (!mask.isOk()) {
      ADD_FAILURE() << mask.status().message();
      return {};
    }
    if ((*mask)->contains(0) && random() % 2 == 0) {
      return text;
    }
    std::vector<int32_t> options;
    for (int32_t id = 1; id < 256; ++id) {
      if ((*mask)->contains(id)) {
        options.push_back(id);
      }
    }
    if (options.empty()) {
      EXPECT_TRUE((*mask)->contains(0)) << "nothing may follow " << text;
      return text;
    }
    const int32_t id = options[random() % options.size()];
    EXPECT_TRUE(matcher.accept(id).isOk());
    text += static_cast<char>(id);
  }
  return {};
}

/// Makes `rounds` random texts of the grammar that requires a call of any tool,
/// and for each tool `roundsOfEach` random texts of the grammar that requires a
/// call of this tool. The parser must read each text as calls. Their arguments
/// are checked with the grammar made from the tool's schema. Tools in `loose`
/// are exempt, because the notation restricts their values less.
void checkRandomCalls(const Json &list, const AnswerFamily &family,
                      const std::set<std::string> &loose, int rounds,
                      int roundsOfEach) {
  const ToolSchemas tools = *ToolSchemas::parse(list.dump());
  std::map<std::string, std::shared_ptr<const Grammar>> schemas;
  std::vector<std::string> choices = {""};
  for (const ToolSchemas::Tool &tool : tools.list()) {
    Json schema =
        tool.parameters.empty() ? Json::object() : Json::parse(tool.parameters);
    if (!schema.contains("additionalProperties")) {
      schema["additionalProperties"] = false;
    }
    auto grammar = grammarOfSchema(schema.dump());
    ASSERT_TRUE(grammar.isOk()) << grammar.status().message();
    schemas[tool.name] = *grammar;
    choices.push_back(tool.name);
  }
  const std::string name = family.name;
  const AnswerSyntax syntax = syntaxNamed(name);
  std::mt19937 random(5);
  for (const std::string &choice : choices) {
    const CallGrammar made =
        grammarOf(name, tools, {ToolChoice::Required, choice});
    const int count = choice.empty() ? rounds : roundsOfEach;
    int calls = 0;
    for (int round = 0; round < count; ++round) {
      const std::string text = randomText(made, family, random);
      if (text.empty()) {
        continue;
      }
      AnswerMessage message;
      message.add(eventsOf(syntax, tools, nullptr, text, 0));
      EXPECT_FALSE(message.calls.empty()) << name << ": " << text;
      EXPECT_EQ(message.content, "") << name << ": " << text;
      for (const AnswerCall &call : message.calls) {
        EXPECT_TRUE(choice.empty() || call.name == choice) << name << text;
        ASSERT_TRUE(schemas.contains(call.name)) << name << ": " << text;
        EXPECT_TRUE(loose.contains(call.name) ||
                    accepts(schemas[call.name], call.arguments))
            << name << ": " << text << "\n"
            << call.arguments;
        ++calls;
      }
    }
    EXPECT_GE(calls, count / 2) << name << ": " << choice;
  }
}

TEST(CallGrammarTest, TheParserReadsWhatTheGrammarAccepts) {
  const Json file = inputs("calls.json");
  for (const AnswerFamily &family : answerFamilies()) {
    // For Gemma, the grammar does not check what lists and objects contain.
    const bool isDeep = family.style != CallStyle::Braces;
    checkRandomCalls(file["tools"], family,
                     isDeep ? std::set<std::string>()
                            : std::set<std::string>{"plot"},
                     25, 0);
  }
}

TEST(CallGrammarTest, OddTools) {
  const Json list = inputs("odd-tools.json");
  for (const AnswerFamily &family : answerFamilies()) {
    checkRandomCalls(list, family,
                     family.style == CallStyle::Braces
                         ? std::set<std::string>{"refs", "deep", "optional"}
                         : std::set<std::string>(),
                     3, 3);
  }
}

TEST(CallGrammarTest, Choices) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f"}, {"name": "g", "parameters": {}}])");
  const std::string f =
      "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  const std::string g =
      "<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>";
  const auto refusedAt = [&](const std::string &choice,
                             const std::string &text) {
    const Result<ToolChoice> parsed = parseToolChoice(choice, tools);
    EXPECT_TRUE(parsed.isOk());
    bool isWhole = false;
    const size_t end =
        follow(grammarOf("hermes", tools, *parsed), text, isWhole);
    return end == text.size() && isWhole ? std::string::npos : end;
  };
  const size_t none = std::string::npos;
  EXPECT_EQ(refusedAt("auto", "Hello."), none);
  EXPECT_EQ(refusedAt("auto", "So " + f + "\n" + g), none);
  EXPECT_EQ(refusedAt("required", "Hello."), 0U);
  EXPECT_EQ(refusedAt("required", ""), 0U);
  EXPECT_EQ(refusedAt("required", f + g), none);
  EXPECT_EQ(refusedAt("required", "<think>a</b></think>\n\n" + f), none);
  EXPECT_EQ(refusedAt("required", "<think>a</think>Hello"), 16U);
  EXPECT_EQ(refusedAt("g", f), f.find('f'));
  EXPECT_EQ(refusedAt("g", g), none);
  EXPECT_EQ(refusedAt("none", "Hello."), none);
  EXPECT_EQ(refusedAt("none", f), f.find('>'));
  // The grammar allows no token at all, not even one that begins a trigger.
  GrammarMatcher silent(
      grammarOf("hermes", tools, {ToolChoice::None, {}}).grammar, byteTrie(),
      {0});
  for (int id = 0; id < 256; ++id) {
    EXPECT_FALSE(silent.allows(id)) << id;
  }
  // Within reasoning, the text of a trigger has no effect.
  EXPECT_EQ(refusedAt("auto", "<think><tool_call>no</think>" + f), none);
  const Result<ToolChoice> unknown = parseToolChoice("h", tools);
  EXPECT_EQ(unknown.status().code(), ErrorCode::Usage);
  EXPECT_EQ(unknown.status().message(),
            "there is no tool 'h'; give auto, none, required, or one of f, g");
  const ToolSchemas words = *ToolSchemas::parse(R"([{"name": "none"}])");
  EXPECT_EQ(parseToolChoice("none", words).status().message(),
            "the tool choice 'none' is ambiguous, because a tool has the same "
            "name; give the tool another name");
  EXPECT_TRUE(parseToolChoice("auto", words).isOk());
}

// Reasoning may precede a required call only if the template mentions
// reasoning.
TEST(CallGrammarTest, RequiredCallsComeAtOnceWithoutReasoning) {
  const ToolSchemas tools = *ToolSchemas::parse(R"([{"name": "f"}])");
  const Result<CallGrammar> made =
      callGrammar(syntaxOf(""), tools, {ToolChoice::Required, {}}, {}, nullptr);
  ASSERT_TRUE(made.isOk());
  bool isWhole = false;
  EXPECT_EQ(follow(*made, "<", isWhole), 0U);
  EXPECT_EQ(follow(*made, "{\"name\": \"f\"}", isWhole), 13U);
  EXPECT_TRUE(isWhole);
}

TEST(CallGrammarTest, RequiredCallsFollowOpenReasoning) {
  const ToolSchemas tools = *ToolSchemas::parse(R"([{"name": "f"}])");
  const AnswerSyntax syntax = syntaxNamed("glm");
  const ReasoningMarks *open = openReasoning(syntax, "<think>\n", {});
  const CallGrammar made =
      grammarOf("glm", tools, {ToolChoice::Required, {}}, open);
  bool isWhole = false;
  const std::string text = "I <call> it.</think><tool_call>f</tool_call>";
  EXPECT_EQ(follow(made, text, isWhole), text.size());
  EXPECT_TRUE(isWhole);
  const std::string words = "I <call> it.</think>";
  EXPECT_EQ(follow(made, words + "f", isWhole), words.size());
}

// A vocabulary may have control tokens for the markers of tool calls. Here,
// tokens 0 to 255 are bytes.
TEST(CallGrammarTest, MarksCanBeControlTokens) {
  const std::vector<std::pair<int32_t, std::string>> controls = {
      {256, "<|tool_call_start|>"}, {257, "<|tool_call_end|>"}};
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"properties": {"a": {}}}}])");
  Result<CallGrammar> made =
      callGrammar(syntaxNamed("lfm2"), tools, {}, controls, nullptr);
  ASSERT_TRUE(made.isOk()) << made.status().message();
  EXPECT_EQ(made->triggers.tokens, std::vector<int32_t>{256});
  const TokenTrie trie(259, [](int32_t id) {
    return id < 256 ? byteTrie().piece(id) : std::string_view();
  });
  LazyGrammar filter(GrammarMatcher(made->grammar, trie, {258}), trie,
                     made->triggers);
  const auto accept = [&](std::string_view text) {
    for (char c : text) {
      ASSERT_TRUE(filter.allows(idOf(c))) << text;
      ASSERT_TRUE(filter.accept(idOf(c)).isOk()) << text;
    }
  };
  accept("Well");
  EXPECT_FALSE(filter.isActive());
  ASSERT_TRUE(filter.accept(256).isOk());
  EXPECT_TRUE(filter.isActive());
  accept("[f(a=\"x");
  EXPECT_FALSE(filter.allows(257)) << "within a string";
  accept("\")]");
  EXPECT_FALSE(filter.allows(idOf('<'))) << "the letters of a mark";
  ASSERT_TRUE(filter.accept(257).isOk());
  EXPECT_TRUE(filter.allows(258));
}

// If a schema uses something that grammars do not support, here the format
// "hostname", the tool can still be called.
TEST(CallGrammarTest, SchemasThatAreNotSupported) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"type": "object", "required": ["a"],
           "properties": {"a": {"type": "string", "format": "hostname"}}}}])");
  const CallGrammar made = grammarOf("hermes", tools);
  ASSERT_EQ(made.notes.size(), 1U);
  EXPECT_NE(made.notes[0].find("tool 'f': the model may give the arguments any "
                               "values, because the schema at "
                               "'/properties/a/format'"),
            std::string::npos)
      << made.notes[0];
  const std::string begin = "<tool_call>{\"name\": \"f\", \"arguments\": {";
  bool isWhole = false;
  const std::string any = begin + "\"a\": 1}}</tool_call>";
  EXPECT_EQ(follow(made, any, isWhole), any.size());
  EXPECT_EQ(follow(made, begin + "}", isWhole), begin.size());
}

// A call must contain every argument that "required" names, even if the schema
// is not supported or does not describe the argument.
TEST(CallGrammarTest, RequiredNamesOfSchemasThatAreNotSupported) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"type": "object",
           "required": ["a", "b"], "additionalProperties": false,
           "properties": {"a": {"type": "string", "format": "hostname"}}}}])");
  const CallGrammar made = grammarOf("hermes", tools);
  ASSERT_EQ(made.notes.size(), 1U);
  const std::string begin = "<tool_call>{\"name\": \"f\", \"arguments\": {";
  bool isWhole = false;
  const std::string any = begin + "\"a\": 1, \"b\": 2}}</tool_call>";
  EXPECT_EQ(follow(made, any, isWhole), any.size());
  const std::string half = begin + "\"a\": 1";
  EXPECT_EQ(follow(made, half + "}", isWhole), half.size());
}

TEST(CallGrammarTest, RequiredArgumentsWithoutASchema) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"type": "object", "required": ["b"],
           "properties": {"a": {"type": "integer"}}}}])");
  const CallGrammar made = grammarOf("hermes", tools);
  const std::string begin = "<tool_call>{\"name\": \"f\", \"arguments\": {";
  bool isWhole = false;
  EXPECT_EQ(follow(made, begin + "}", isWhole), begin.size());
  const std::string call = begin + "\"a\": 1, \"b\": [true]}}</tool_call>";
  EXPECT_EQ(follow(made, call, isWhole), call.size());
  EXPECT_TRUE(isWhole);
}

// Values of enumerations reach the tool as they are, whatever they contain.
TEST(CallGrammarTest, EveryWordOfAnEnumeration) {
  const Json list = inputs("odd-tools.json");
  const auto tool = std::ranges::find(
      list, "words", [](const Json &each) { return each["name"]; });
  const Json tools = Json::array({*tool});
  const ToolSchemas schemas = *ToolSchemas::parse(tools.dump());
  for (const AnswerFamily &family : answerFamilies()) {
    const std::string name = family.name;
    AnswerSyntax syntax = syntaxNamed(name);
    syntax.reasoning.clear();
    const Result<CallGrammar> made =
        callGrammar(syntax, schemas, {ToolChoice::Required, {}}, {}, nullptr);
    ASSERT_TRUE(made.isOk()) << made.status().message();
    std::mt19937 random(7);
    std::set<std::string> seen;
    for (int round = 0; round < 120; ++round) {
      AnswerMessage message;
      message.add(eventsOf(syntax, schemas, nullptr,
                           randomText(*made, family, random), 0));
      for (const AnswerCall &call : message.calls) {
        seen.insert(Json::parse(call.arguments)["w"].get<std::string>());
      }
    }
    for (const Json &word : (*tool)["parameters"]["properties"]["w"]["enum"]) {
      // In some notations, a value cannot contain "</parameter>", because this
      // tag ends the value.
      const auto text = word.get<std::string>();
      EXPECT_TRUE(seen.contains(text) || text == "</parameter>")
          << name << ": " << word;
      seen.erase(text);
    }
    EXPECT_TRUE(seen.empty()) << name << ": " << *seen.begin();
  }
}

// The answer parser reads a number without a point or an exponent as an
// integer, and any other number as a fraction. If the schema allows strings,
// but no numbers of this type, it reads the number as a string.
TEST(CallGrammarTest, WordsThatLookLikeNumbers) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"required": ["i", "r", "b"],
           "properties": {"i": {"enum": ["1.5", "5", 7, "1e2"]},
                          "r": {"enum": ["1.5", "5", 0.5, "-3"]},
                          "b": {"enum": ["5", "null", false]}}}}])");
  const std::map<std::string, std::set<Json>> possible = {
      {"i", {"1.5", 7, "1e2"}},
      {"r", {"5", 0.5, "-3"}},
      {"b", {"5", "null", false}}};
  for (const char *name : {"qwen-coder", "seed", "glm", "minimax"}) {
    AnswerSyntax syntax = syntaxNamed(name);
    syntax.reasoning.clear();
    const Result<CallGrammar> made =
        callGrammar(syntax, tools, {ToolChoice::Required, {}}, {}, nullptr);
    ASSERT_TRUE(made.isOk()) << made.status().message();
    std::mt19937 random(3);
    std::map<std::string, std::set<Json>> seen;
    for (int round = 0; round < 60; ++round) {
      AnswerMessage message;
      message.add(eventsOf(syntax, tools, nullptr,
                           randomText(*made, *syntax.family, random), 0));
      for (const AnswerCall &call : message.calls) {
        const Json arguments = Json::parse(call.arguments);
        for (const auto &[key, value] : arguments.items()) {
          seen[key].insert(value);
        }
      }
    }
    EXPECT_EQ(seen, possible) << name;
  }
}

TEST(CallGrammarTest, NamesThatTheNotationCannotExpress) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"required": ["a:b"],
           "properties": {"a:b": {"type": "integer"}, "f:g": {}}}},
          {"name": "g", "parameters": {"required": ["c"],
           "properties": {"c": {"type": "integer"}, "d e": {}}}}])");
  const std::string rest =
      "; in this model's notation, the name of an argument must not be empty, "
      "be longer than 256 bytes, or contain white space, brackets, quotes, a "
      "comma, ";
  EXPECT_EQ(grammarOf("hermes", tools).notes, std::vector<std::string>());
  EXPECT_EQ(grammarOf("glm", tools).notes,
            std::vector{"tool 'g': calls leave out the arguments 'd e'" + rest +
                        "or '='"});
  // Of the two arguments of f that the notation cannot express, only 'a:b' is
  // required.
  EXPECT_EQ(grammarOf("gemma", tools).notes,
            (std::vector{"tool 'f' cannot be called, because it requires the "
                         "arguments 'a:b'" +
                             rest + "':' or '='",
                         "tool 'g': calls leave out the arguments 'd e'" +
                             rest + "':' or '='"}));
  const Result<CallGrammar> none = callGrammar(
      syntaxNamed("gemma"), tools, {ToolChoice::Required, "f"}, {}, nullptr);
  EXPECT_EQ(none.status().code(), ErrorCode::Unsupported);
  EXPECT_TRUE(none.status().message().starts_with(
      "none of the tools can be called: tool 'f' cannot be called, because"))
      << none.status().message();
}

// With ToolChoice::None, a tool that cannot be called is no error.
TEST(CallGrammarTest, NoCallsOfToolsThatCannotBeCalled) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "a b", "parameters": {"required": ["user name"],
           "properties": {"user name": {"type": "integer"}}}}])");
  const ToolSchemas others = *ToolSchemas::parse(R"([{"name": "f"}])");
  const ToolChoice none = {ToolChoice::None, {}};
  for (const AnswerFamily &family : answerFamilies()) {
    const std::string name(family.name);
    EXPECT_EQ(
        callGrammar(syntaxNamed(name), tools, {}, {}, nullptr).status().code(),
        ErrorCode::Unsupported)
        << name;
    const CallGrammar made = grammarOf(name, tools, none);
    bool isWhole = false;
    EXPECT_EQ(follow(made, "Hello.", isWhole), 6U) << name;
    EXPECT_TRUE(isWhole) << name;
    // The triggers must be the same as for a tool that can be called. A text
    // that begins with a trigger must be refused, at the latest at the byte
    // after the trigger.
    const CallGrammar expected = grammarOf(name, others, none);
    EXPECT_FALSE(made.triggers.empty()) << name;
    EXPECT_EQ(made.triggers.texts, expected.triggers.texts) << name;
    EXPECT_EQ(made.triggers.starts, expected.triggers.starts) << name;
    EXPECT_EQ(made.triggers.spans.size(), expected.triggers.spans.size());
    for (const std::string &begin : expected.triggers.texts) {
      EXPECT_LT(follow(made, begin + "f", isWhole), begin.size() + 1) << begin;
    }
  }
}

TEST(CallGrammarTest, TypesThatDecideWhatAnArgumentIs) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {
           "$defs": {"text": {"type": "string"}},
           "properties": {
             "text": {"$ref": "#/$defs/text"},
             "lost": {"$ref": "#/$defs/nothing"},
             "count": {"type": ["integer", "string"]},
             "both": {"allOf": [{"type": ["string", "null"]},
                                {"enum": ["a", "null"]}]}}}}])");
  EXPECT_EQ(tools.toJson("f", "text", "5"), R"("5")");
  EXPECT_EQ(tools.toJson("f", "lost", "5"), "5");
  EXPECT_EQ(tools.toJson("f", "count", "5"), "5");
  EXPECT_EQ(tools.toJson("f", "count", "5.0"), R"("5.0")");
  EXPECT_EQ(tools.toJson("f", "both", "null"), R"("null")");
}

TEST(CallGrammarTest, ManyTools) {
  Json list = Json::array();
  for (int i = 0; i < 200; ++i) {
    list.push_back(
        {{"name", "tool_" + std::to_string(i)},
         {"parameters",
          {{"properties", {{"n", {{"type", "integer"}, {"maximum", i}}}}},
           {"required", {"n"}}}}});
  }
  const ToolSchemas tools = *ToolSchemas::parse(list.dump());
  const CallGrammar made = grammarOf("hermes", tools);
  const auto call = [](int tool, int n) {
    return "<tool_call>{\"name\": \"tool_" + std::to_string(tool) +
           "\", \"arguments\": {\"n\": " + std::to_string(n) + "}}</tool_call>";
  };
  bool isWhole = false;
  for (int i : {0, 1, 10, 19, 199}) {
    EXPECT_EQ(follow(made, call(i, i), isWhole), call(i, i).size());
    EXPECT_TRUE(isWhole);
    const std::string end = "}}</tool_call>";
    EXPECT_LT(follow(made, call(i, i + 1), isWhole),
              call(i, i + 1).size() - end.size() + 1);
  }
  EXPECT_LT(follow(made, call(200, 0), isWhole), call(200, 0).find("\", \"a"));
}

TEST(CallGrammarTest, ArgumentsAreAnObject) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"type": "array"}}])");
  const Result<CallGrammar> made =
      callGrammar(syntaxNamed("hermes"), tools, {}, {}, nullptr);
  EXPECT_EQ(made.status().code(), ErrorCode::Corrupt);
  EXPECT_EQ(made.status().message(),
            "tool 'f': the schema of its parameters does not allow a JSON "
            "object, but the arguments of each call are a JSON object; give "
            "the schema the type \"object\"");
}

TEST(CallGrammarTest, WhatIsNoSchemaIsRefused) {
  const ToolSchemas tools = *ToolSchemas::parse(
      R"([{"name": "f", "parameters": {"properties": {"a": {"type": 1}}}}])");
  const Result<CallGrammar> made =
      callGrammar(syntaxNamed("hermes"), tools, {}, {}, nullptr);
  EXPECT_EQ(made.status().code(), ErrorCode::Corrupt);
  EXPECT_NE(
      made.status().message().find("tool 'f': the schema at '/properties/a"),
      std::string::npos)
      << made.status().message();
}

} // namespace
