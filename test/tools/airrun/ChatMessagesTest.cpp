//===- ChatMessagesTest.cpp - a conversation as messages ------------------===//
#include "tools/airrun/ChatMessages.h"

#include <gmock/gmock.h>

using namespace air;
using testing::HasSubstr;

namespace {

/// The roles and contents, as "role=content" joined by '|'.
std::string shown(const ChatMessages &messages) {
  std::string text;
  for (size_t i = 0; i < messages.size(); ++i) {
    text += (i == 0 ? "" : "|") + messages.role(i) + "=" + messages.content(i);
  }
  return text;
}

TEST(ChatMessagesTest, TurnsAreAddedAndTakenBack) {
  ChatMessages messages;
  EXPECT_FALSE(messages.undo().has_value());
  messages.add("user", "a");
  messages.add("assistant", "b");
  messages.setSystem("s");
  messages.add("user", "c");
  EXPECT_EQ(shown(messages), "system=s|user=a|assistant=b|user=c");
  EXPECT_FALSE(messages.dropLast("assistant"));
  messages.add("assistant", "d");
  EXPECT_TRUE(messages.dropLast("assistant"));
  EXPECT_EQ(messages.undo(), "c");
  EXPECT_EQ(shown(messages), "system=s|user=a|assistant=b");
  EXPECT_EQ(messages.undo(), "a");
  EXPECT_EQ(shown(messages), "system=s");
  EXPECT_FALSE(messages.undo().has_value());
  messages.add("user", "e");
  messages.clear();
  EXPECT_EQ(shown(messages), "system=s");
  messages.setSystem("t");
  EXPECT_EQ(shown(messages), "system=t");
  messages.setSystem("");
  EXPECT_TRUE(messages.isEmpty());
  EXPECT_EQ(messages.toJson(), "[]\n");
}

TEST(ChatMessagesTest, JsonIsReadAndWritten) {
  const std::string json = R"([
  {
    "role": "user",
    "content": "a \"b\" é\n",
    "name": "x"
  },
  {
    "role": "assistant",
    "content": null,
    "tool_calls": [
      1.5
    ]
  }
]
)";
  Result<ChatMessages> messages = ChatMessages::parse(json);
  ASSERT_TRUE(messages) << messages.status().message();
  EXPECT_EQ(messages->toJson(), json);
  EXPECT_EQ(messages->content(0), "a \"b\" \xC3\xA9\n");
  EXPECT_EQ(messages->content(1), "");
}

// The keys are the same as in OpenAI's chat completions, but the arguments of
// calls are objects, as Hugging Face's templates expect.
TEST(ChatMessagesTest, CallsAndTheirResults) {
  ChatMessages messages;
  EXPECT_EQ(messages.openCalls(), 0U);
  messages.add("user", "When?");
  EXPECT_EQ(messages.openCalls(), 0U);
  messages.addAnswer({"hm", "", {{"now", "", "{}"}, {"f", "7", "{\"a\":1}"}}},
                     "reasoning_content");
  EXPECT_EQ(messages.openCalls(), 2U);
  messages.addResult("noon");
  EXPECT_EQ(messages.openCalls(), 1U);
  messages.addResult("1");
  EXPECT_EQ(messages.openCalls(), 0U);
  EXPECT_EQ(nlohmann::json::parse(messages.toJson()), nlohmann::json::parse(R"([
    {"role": "user", "content": "When?"},
    {"role": "assistant", "content": "", "reasoning_content": "hm",
     "tool_calls": [
       {"type": "function", "function": {"name": "now", "arguments": {}}},
       {"type": "function", "id": "7",
        "function": {"name": "f", "arguments": {"a": 1}}}]},
    {"role": "tool", "content": "noon", "name": "now"},
    {"role": "tool", "content": "1", "name": "f", "tool_call_id": "7"}])"));
  EXPECT_EQ(messages.undo(), "When?");
  EXPECT_TRUE(messages.isEmpty());
  messages.addAnswer({"", "Hi", {}}, "thinking");
  EXPECT_EQ(
      nlohmann::json::parse(messages.toJson()),
      nlohmann::json::parse(R"([{"role": "assistant", "content": "Hi"}])"));
}

TEST(ChatMessagesTest, WhatIsNoConversationIsRefused) {
  const auto refusal = [](const std::string &json) {
    Result<ChatMessages> messages = ChatMessages::parse(json);
    EXPECT_EQ(messages.status().code(), ErrorCode::Corrupt) << json;
    return messages.status().message();
  };
  EXPECT_EQ(refusal("[\n{]"),
            "it is not valid JSON: the error is at line 2, column 2");
  EXPECT_THAT(refusal("{}"), HasSubstr("not a JSON array"));
  EXPECT_THAT(
      refusal("[{\"role\": \"user\", \"content\": \"\"}, {\"role\": 1}]"),
      HasSubstr("message 1 is not"));
  EXPECT_THAT(refusal("[[]]"), HasSubstr("message 0 is not"));
  EXPECT_THAT(refusal("[{\"role\": \"user\"}]"),
              HasSubstr("message 0 has neither \"content\""));
  const auto nested = [](size_t levels) {
    return "[{\"role\": \"user\", \"content\": \"\", \"x\": " +
           std::string(levels - 2, '[') + std::string(levels - 2, ']') + "}]";
  };
  EXPECT_TRUE(ChatMessages::parse(nested(200)));
  EXPECT_EQ(refusal(nested(201)), "it is nested deeper than 200 levels");
  EXPECT_THAT(refusal(std::string(200000, '[')), HasSubstr("nested"));
}

} // namespace
