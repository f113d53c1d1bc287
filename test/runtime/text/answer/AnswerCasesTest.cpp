//===- AnswerCasesTest.cpp - answers that llama.cpp's tests publish -------===//
//
// test/Inputs/answers/extract_cases.py takes the cases from llama.cpp. They are
// compared as that project compares them: without white space around texts, and
// with arguments as JSON values.
//
//===----------------------------------------------------------------------===//
#include "Answers.h"

#include "formats/text/jinja/Json.h"
#include "runtime/text/ChatTemplate.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

using namespace air;
using namespace air::rt;
using Json = nlohmann::ordered_json;

namespace {

std::string slurp(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string stripped(const std::string &text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string::npos
             ? ""
             : text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

/// Templates with notations that are not supported.
const std::set<std::string> kOthers = {
    "MiniMax-M3.jinja",
    "Kimi-K3.jinja",
    "openbmb-MiniCPM5-1B.jinja",
    "muse-glimmer.jinja",
    "meetkai-functionary-medium-v3.2.jinja",
    "GigaChat3-10B-A1.8B.jinja",
    "GigaChat3.1-10B-A1.8B.jinja",
};

jinja::Rendered promptOf(const std::string &source, const Json &each) {
  TokenizerData data;
  data.tokens = {"<s>", "</s>"};
  data.bos = 0;
  data.eos = 1;
  Conversation conversation;
  conversation.messages =
      *jinja::fromJson(R"([{"role": "user", "content": "Hey there!"}])", true);
  if (each.contains("tools")) {
    conversation.tools = *jinja::fromJson(each["tools"].dump(), true);
  }
  conversation.variables = *jinja::fromJson(
      Json{{"enable_thinking", each.value("enable_thinking", true)}}.dump(),
      true);
  Result<jinja::Template> parsed = jinja::Template::parse(source);
  EXPECT_TRUE(parsed.isOk()) << parsed.status().message();
  Result<jinja::Value> variables = templateVariables(data, conversation);
  Result<jinja::Rendered> rendered =
      parsed->render(*variables, jinja::Date{2024, 7, 26});
  // Templates that cannot be rendered without tools begin no reasoning in the
  // prompt, so the parser is tested with an empty prompt instead.
  return rendered.isOk() ? *rendered : jinja::Rendered();
}

TEST(AnswerCasesTest, AsPublished) {
  const char *cases = std::getenv("AIR_ANSWERS");
  const char *templates = std::getenv("AIR_TEMPLATES");
  if (cases == nullptr || templates == nullptr) {
    GTEST_SKIP() << "AIR_ANSWERS or AIR_TEMPLATES is not set: llama.cpp's "
                    "cases are not at hand";
  }
  size_t compared = 0;
  const Json all = Json::parse(slurp(std::string(cases) + "/cases.json"));
  for (const Json &each : all) {
    const std::string name = each["template"];
    if (kOthers.contains(name)) {
      continue;
    }
    const std::string source = slurp(std::string(templates) + "/" + name);
    const AnswerSyntax syntax = syntaxOf(source);
    const jinja::Rendered prompt = promptOf(source, each);
    const ReasoningMarks *open =
        openReasoning(syntax, prompt.text, prompt.tainted);
    ToolSchemas schemas;
    if (each.contains("tools")) {
      schemas = *ToolSchemas::parse(each["tools"].dump());
    }
    const std::string answer = each["answer"];
    const AnswerMessage got = parseEveryWay(syntax, schemas, open, answer);
    if (!each["splits_reasoning"] && !got.reasoning.empty()) {
      // llama.cpp treats the reasoning of this case as a part of the answer.
      continue;
    }
    if (answer.find("to=container.exec") != std::string::npos ||
        answer.find("to=python") != std::string::npos) {
      // The arguments are not JSON. llama.cpp drops such a call, and this
      // parser returns it as text.
      EXPECT_TRUE(got.content.ends_with(answer.substr(answer.rfind("to="))));
      continue;
    }
    ++compared;
    const std::string place =
        name + " (" + syntax.family->name + "): " + answer;
    // The parser drops the sentence with which Apriel's reasoning begins.
    std::string reasoning = each["reasoning"];
    if (const std::string mark = "Here are my reasoning steps:\n";
        reasoning.starts_with(mark)) {
      reasoning.erase(0, mark.size());
    }
    EXPECT_EQ(stripped(got.reasoning), stripped(reasoning)) << place;
    EXPECT_EQ(stripped(got.content),
              stripped(each["content"].get<std::string>()))
        << place;
    const Json &calls = each["calls"];
    EXPECT_EQ(got.calls.size(), calls.size()) << place;
    if (got.calls.size() != calls.size()) {
      continue;
    }
    for (size_t i = 0; i < calls.size(); ++i) {
      EXPECT_EQ(got.calls[i].name, calls[i]["name"].get<std::string>())
          << place;
      EXPECT_EQ(got.calls[i].id, calls[i]["id"].get<std::string>()) << place;
      EXPECT_EQ(Json::parse(got.calls[i].arguments),
                Json::parse(calls[i]["arguments"].get<std::string>()))
          << place;
    }
  }
  EXPECT_GT(compared, 200U);
}

} // namespace
