//===- AnswerParserTest.cpp - answers in the notation of each family ------===//
#include "Answers.h"

#include "runtime/text/answer/JsonScanner.h"
#include "runtime/text/answer/LiteralCalls.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

/// The entry point of test/fuzz/AnswerFuzz.cpp, which states what it checks.
/// Aborts if a check fails.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

using namespace air;
using namespace air::rt;
using Json = nlohmann::ordered_json;

namespace {

Json samples() {
  std::ifstream file(std::string(AIR_TEST_INPUTS) + "/answers/samples.json");
  EXPECT_TRUE(file.good());
  return Json::parse(file);
}

/// The family's syntax, with all markers that can end reasoning.
AnswerSyntax syntaxNamed(const std::string &family) {
  std::string source =
      "</seed:think>[/THINK]<|END_THINKING|><|inner_suffix|><channel|>";
  for (const AnswerFamily &each : answerFamilies()) {
    if (each.name == family) {
      for (std::string_view marker : each.markers) {
        source += marker;
      }
    }
  }
  AnswerSyntax syntax = syntaxOf(source);
  EXPECT_EQ(syntax.family->name, family);
  return syntax;
}

// Each sample is parsed as a whole, in two parts divided at each of its bytes,
// and byte by byte.
TEST(AnswerParserTest, Samples) {
  const Json file = samples();
  const ToolSchemas tools = *ToolSchemas::parse(file["tools"].dump());
  std::set<std::string> seen;
  for (const Json &sample : file["answers"]) {
    const std::string family = sample["family"];
    seen.insert(family);
    const AnswerSyntax syntax = syntaxNamed(family);
    const std::string opened = sample.value("open", "");
    const ReasoningMarks *open = openReasoning(syntax, "user\n" + opened, {});
    ASSERT_EQ(open != nullptr, !opened.empty());
    const std::string answer = sample["answer"];
    const AnswerMessage got = parseEveryWay(
        syntax, sample.value("tools", true) ? tools : ToolSchemas(), open,
        answer);
    AnswerMessage wanted{sample["reasoning"], sample["content"], {}};
    for (size_t i = 0; i < sample["calls"].size(); ++i) {
      const Json &call = sample["calls"][i];
      std::string arguments;
      if (i < got.calls.size()) {
        const std::string &text = got.calls[i].arguments;
        ASSERT_TRUE(isJson(text)) << family << ": " << answer << ": " << text;
        // The order of the keys must be right. White space does not matter.
        arguments = Json::parse(text) == call["arguments"] ? text : "";
      }
      wanted.calls.push_back({call["name"], call["id"], arguments});
    }
    EXPECT_EQ(got, wanted) << family << ": " << answer;
  }
  for (const AnswerFamily &family : answerFamilies()) {
    EXPECT_TRUE(seen.contains(family.name)) << family.name;
  }
}

// The name and the arguments are reported while the model writes them.
TEST(AnswerParserTest, ArgumentsAreReportedAsTheyCome) {
  const AnswerSyntax syntax = syntaxNamed("hermes");
  const ToolSchemas none;
  AnswerParser parser(syntax, none, nullptr);
  EXPECT_TRUE(
      parser.feed("<tool_call>{\"name\": \"f\", \"arguments\": ").empty());
  const std::vector<AnswerEvent> begin = parser.feed("{\"a\": [1,");
  ASSERT_EQ(begin.size(), 2U);
  EXPECT_EQ(begin[0], (AnswerEvent{AnswerEventKind::CallBegin, "", "f", ""}));
  EXPECT_EQ(begin[1], (AnswerEvent{AnswerEventKind::CallArguments,
                                   "{\"a\": [1,", "", ""}));
  const std::vector<AnswerEvent> end = parser.feed("2]}}</tool_call>");
  ASSERT_EQ(end.size(), 2U);
  EXPECT_EQ(end[0].text, "2]}");
  EXPECT_EQ(end[1].kind, AnswerEventKind::CallEnd);
}

TEST(AnswerSyntaxTest, TheDocumentationHasEveryFamily) {
  std::ifstream file(std::string(AIR_SOURCE_DIR) + "/docs/answers.md");
  std::map<std::string, std::string> rows;
  for (std::string line; std::getline(file, line);) {
    while (line.find("\\|") != std::string::npos) {
      line.erase(line.find("\\|"), 1);
    }
    if (line.starts_with("| `")) {
      rows.emplace(line.substr(3, line.find('`', 3) - 3), line);
    }
  }
  for (const AnswerFamily &family : answerFamilies()) {
    const std::string &row = rows[family.name];
    EXPECT_NE(row.find(family.example), std::string::npos) << family.name;
    for (std::string_view marker : family.markers) {
      EXPECT_NE(row.find("`" + std::string(marker) + "`"), std::string::npos)
          << family.name << ": " << marker;
    }
  }
}

TEST(AnswerParserTest, WithoutToolsACallIsText) {
  for (const auto &[family, text] :
       {std::pair("hermes", "<tool_call>{\"name\": \"f\"}</tool_call>"),
        {"glm", "So.<tool_call>f</tool_call>"},
        {"deepseek",
         "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}"},
        {"harmony", "<|channel|>commentary to=functions.f<|message|>{}"},
        {"generic", "{\"name\": \"f\"}"}}) {
    AnswerSyntax syntax = syntaxNamed(family);
    syntax.hasTools = false;
    const AnswerMessage got =
        parseEveryWay(syntax, ToolSchemas(), nullptr, text);
    EXPECT_EQ(got, (AnswerMessage{"", text, {}}));
  }
}

// Once the beginning of a call has been reported, this cannot be taken back. If
// the call turns out to be broken, an event says so, and the text of the whole
// call follows as an answer.
TEST(AnswerParserTest, ABrokenCallIsReported) {
  const AnswerSyntax syntax = syntaxNamed("hermes");
  const ToolSchemas none;
  const std::string text = "<tool_call>{\"name\": \"f\", \"arguments\": {1";
  const std::vector<AnswerEvent> events =
      eventsOf(syntax, none, nullptr, text, 0);
  ASSERT_EQ(events.size(), 4U);
  EXPECT_EQ(events[2].kind, AnswerEventKind::CallBroken);
  EXPECT_EQ(events[3], (AnswerEvent{AnswerEventKind::Answer, text, "", ""}));
}

TEST(AnswerParserTest, OnlyTheTemplateOpensReasoning) {
  const AnswerSyntax syntax = syntaxNamed("hermes");
  const jinja::TaintedSpan user[] = {{0, 7}};
  EXPECT_NE(openReasoning(syntax, "<think>\n", {}), nullptr);
  EXPECT_EQ(openReasoning(syntax, "<think>\n", user), nullptr);
  EXPECT_EQ(openReasoning(syntax, "<think>\n</think>\n", {}), nullptr);
  EXPECT_EQ(openReasoning(syntax, "", {}), nullptr);
}

// Sections 3 to 8 of RFC 8259 state the rules.
TEST(JsonScannerTest, AcceptsAndRefuses) {
  for (const char *good :
       {"{}", " [ ] ", "0", "-0.5e+3", "1E400", "\"\\u00e9\\n\"", "null",
        "{\"a\":[true,false,{\"b\":\"\"}],\"c\":-12.25}", "[1 , 2]"}) {
    EXPECT_TRUE(isJson(good)) << good;
  }
  for (const char *bad :
       {"",      " ",     "{",      "[1,]",    "{\"a\":1,}",  "{a:1}",
        "01",    "1.",    ".5",     "-",       "1e",          "+1",
        "tru",   "nul l", "\"\t\"", "\"\\x\"", "\"\\u12g4\"", "'a'",
        "[1 2]", "{} {}", "[}",     "\"a",     "{\"a\"}",     "{\"a\":}"}) {
    EXPECT_FALSE(isJson(bad)) << bad;
  }
  const auto nested = [](size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_TRUE(isJson(nested(64)));
  EXPECT_FALSE(isJson(nested(65)));
}

// JsonScanner must accept the same texts as nlohmann's JSON parser.
TEST(JsonScannerTest, AgreesWithAnotherParser) {
  std::mt19937 random(7);
  const std::string_view parts[] = {
      "{",    "}",    "[", "]",     ",",  ":",    "\"a\"", "1",
      "-0.5", "true", " ", "\"\\n", "e3", "null", "\"",    "0"};
  size_t valid = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (size_t i = random() % 8; i != 0; --i) {
      text += parts[random() % std::size(parts)];
    }
    valid += isJson(text) ? 1 : 0;
    EXPECT_EQ(isJson(text), Json::accept(text)) << text;
  }
  EXPECT_GT(valid, 1000U);
}

TEST(LiteralCallsTest, NestingIsLimited) {
  const auto call = [](size_t levels) {
    return "f(a=" + std::string(levels, '[') + std::string(levels, ']') + ")";
  };
  EXPECT_TRUE(pythonCalls(call(64)));
  EXPECT_FALSE(pythonCalls(call(65)));
  EXPECT_FALSE(pythonCalls(call(1000000)));
}

TEST(ToolSchemasTest, ArgumentsBehindReferencesHaveTypes) {
  const ToolSchemas tools = *ToolSchemas::parse(R"([
    {"name": "f", "parameters": {"$ref": "#/$defs/a", "$defs": {"a":
      {"properties": {"n": {"type": "integer"}, "s": {"type": "string"}}}}}},
    {"name": "g", "parameters": {"properties": {"s": {}}, "allOf":
      [{"properties": {"s": {"type": "string"}}}]}},
    {"name": "loop", "parameters": {"$ref": "#"}}])");
  EXPECT_EQ(tools.toJson("f", "n", "42"), "42");
  EXPECT_EQ(tools.toJson("f", "s", "42"), "\"42\"");
  EXPECT_EQ(tools.toJson("g", "s", "42"), "\"42\"");
  EXPECT_EQ(tools.toJson("loop", "s", "42"), "42");
}

TEST(ToolSchemasTest, RefusesTwoToolsOfOneName) {
  const Status status =
      ToolSchemas::parse(R"([{"name": "f"}, {"name": "g"}, {"name": "f"}])")
          .status();
  EXPECT_EQ(status.code(), ErrorCode::Corrupt);
  EXPECT_EQ(status.message(),
            "tool 2 has the same name as an earlier tool, 'f'; "
            "give each tool a name of its own");
}

TEST(ToolSchemasTest, RefusesWhatIsNoListOfTools) {
  for (const auto &[json, why] :
       {std::pair("{}", "not a JSON array"),
        {"[1]", "tool 0 is not an object"},
        {"[{\"name\": \"f\"}, {\"function\": {}}]", "tool 1 is not an object"},
        {"[", "are not valid JSON"}}) {
    const Result<ToolSchemas> schemas = ToolSchemas::parse(json);
    ASSERT_FALSE(schemas.isOk()) << json;
    EXPECT_EQ(schemas.status().code(), ErrorCode::Corrupt);
    EXPECT_NE(schemas.status().message().find(why), std::string::npos)
        << schemas.status().message();
  }
}

TEST(AnswerFuzzTest, SamplesAndTheirMutations) {
  std::mt19937 random(1);
  const Json file = samples();
  const size_t families = answerFamilies().size();
  for (const Json &sample : file["answers"]) {
    size_t family = 0;
    while (answerFamilies()[family].name != sample["family"]) {
      ++family;
    }
    const std::string answer = sample["answer"];
    for (int round = 0; round < 40; ++round) {
      std::string input = {
          static_cast<char>(round == 0 ? family : random() % families),
          static_cast<char>(random())};
      input += answer;
      for (int change = 0; change < round % 5; ++change) {
        const size_t at = 2 + random() % (input.size() - 1);
        if (random() % 2 == 0) {
          input.insert(at, answer, random() % (answer.size() + 1), 12);
        } else if (at < input.size()) {
          input.erase(at, random() % 4);
        }
      }
      EXPECT_EQ(
          LLVMFuzzerTestOneInput(
              reinterpret_cast<const uint8_t *>(input.data()), input.size()),
          0);
    }
  }
}

} // namespace
