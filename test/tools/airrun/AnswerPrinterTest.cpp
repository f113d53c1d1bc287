//===- AnswerPrinterTest.cpp - answers on terminals and in files ----------===//
#include "tools/airrun/AnswerPrinter.h"

#include <gtest/gtest.h>
#include <vector>

using namespace air;
using rt::AnswerEvent;
using Kind = rt::AnswerEventKind;

namespace {

std::string printed(const std::vector<AnswerEvent> &events, bool dims) {
  std::string out;
  AnswerPrinter printer(
      [&](std::string_view text) {
        out += text;
        return Status::ok();
      },
      dims);
  for (const AnswerEvent &event : events) {
    EXPECT_TRUE(printer.add({&event, 1}).isOk());
  }
  EXPECT_TRUE(printer.finish().isOk());
  return out;
}

TEST(AnswerPrinterTest, ReasoningIsDimmedOnATerminalAndMarkedElsewhere) {
  const std::vector<AnswerEvent> events = {{Kind::Reasoning, "a <", {}, {}},
                                           {Kind::Reasoning, " b", {}, {}},
                                           {Kind::Answer, "Yes", {}, {}},
                                           {Kind::Answer, ".", {}, {}}};
  EXPECT_EQ(printed(events, true), "\033[2ma < b\033[0m\n\nYes.\n");
  EXPECT_EQ(printed(events, false), "<think>\na < b\n</think>\n\nYes.\n");
}

TEST(AnswerPrinterTest, UnfinishedReasoning) {
  const std::vector<AnswerEvent> events = {{Kind::Reasoning, "a", {}, {}}};
  EXPECT_EQ(printed(events, true), "\033[2ma\033[0m\n");
  EXPECT_EQ(printed(events, false), "<think>\na\n");
}

TEST(AnswerPrinterTest, TextEndsWithOneNewline) {
  EXPECT_EQ(printed({}, true), "");
  EXPECT_EQ(printed({{Kind::Answer, "a\n", {}, {}}}, true), "a\n");
  EXPECT_EQ(printed({{Kind::Answer, "a\n\n", {}, {}}}, false), "a\n\n");
}

TEST(AnswerPrinterTest, CallsAreLinesOfJson) {
  const std::vector<AnswerEvent> events = {
      {Kind::Answer, "I look.", {}, {}},
      {Kind::CallBegin, {}, "f\"", "1"},
      {Kind::CallArguments, "{\"a\":", {}, {}},
      {Kind::CallArguments, "1}", {}, {}},
      {Kind::CallEnd, {}, {}, "1"},
      {Kind::CallBegin, {}, "g", {}},
      {Kind::CallArguments, "{", {}, {}},
      {Kind::CallBroken, {}, {}, {}},
      {Kind::Answer, "g{", {}, {}}};
  EXPECT_EQ(printed(events, false),
            "I look.\n"
            "<tool_call>{\"name\": \"f\\\"\", \"arguments\": {\"a\":1}}"
            "</tool_call>\n"
            "<tool_call>{\"name\": \"g\", \"arguments\": {\ng{\n");
}

TEST(AnswerPrinterTest, ErrorsOfTheOutputAreReturned) {
  AnswerPrinter printer([](std::string_view) { return ioError("full"); }, true);
  const AnswerEvent event = {Kind::Answer, "text", {}, {}};
  EXPECT_EQ(printer.add({&event, 1}).code(), ErrorCode::Io);
}

} // namespace
