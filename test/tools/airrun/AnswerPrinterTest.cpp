//===- AnswerPrinterTest.cpp - reasoning is dimmed on terminals -----------===//
#include "tools/airrun/AnswerPrinter.h"

#include <gtest/gtest.h>
#include <vector>

using namespace air;

namespace {

/// What is written for an answer that comes in these parts.
std::string printed(std::vector<std::string> parts, bool dims,
                    bool isThinking = false) {
  std::string out;
  AnswerPrinter printer(
      [&](std::string_view text) {
        out += text;
        return Status::ok();
      },
      dims, isThinking);
  for (const std::string &part : parts) {
    EXPECT_TRUE(printer.add(part).isOk());
  }
  EXPECT_TRUE(printer.finish().isOk());
  return out;
}

/// Prints `text` cut at every position, and byte by byte.
void expectPrinted(const std::string &text, const std::string &wanted,
                   bool isThinking = false) {
  std::vector<std::string> bytes;
  for (size_t i = 0; i <= text.size(); ++i) {
    EXPECT_EQ(printed({text.substr(0, i), text.substr(i)}, true, isThinking),
              wanted)
        << "cut at " << i;
    EXPECT_EQ(printed({text.substr(0, i), text.substr(i)}, false, isThinking),
              text + (text.ends_with('\n') ? "" : "\n"));
    bytes.push_back(text.substr(i, 1));
  }
  EXPECT_EQ(printed(bytes, true, isThinking), wanted);
}

TEST(AnswerPrinterTest, ReasoningIsDimmed) {
  expectPrinted("<think>a < b</think>\nYes.",
                "\033[2m<think>a < b</think>\033[0m\nYes.\n");
  expectPrinted("\n <think></thin</think>x\n",
                "\033[2m\n <think></thin</think>\033[0mx\n");
  expectPrinted("so</think>Yes.", "\033[2mso</think>\033[0mYes.\n", true);
}

TEST(AnswerPrinterTest, OnlyTheBeginningIsReasoning) {
  expectPrinted("Yes <think>no</think>", "Yes <think>no</think>\n");
  expectPrinted("<thin ice>", "<thin ice>\n");
  expectPrinted("<thi", "<thi\n");
  EXPECT_EQ(printed({}, true), "");
  expectPrinted("  \n", "  \n");
}

// A mark that comes a second time is text, and reasoning that never ends is
// dimmed to its end.
TEST(AnswerPrinterTest, UnfinishedAndRepeatedMarks) {
  expectPrinted("<think>a</thi", "\033[2m<think>a</thi\033[0m\n");
  expectPrinted("<think>a</think><think>b</think>",
                "\033[2m<think>a</think>\033[0m<think>b</think>\n");
}

TEST(AnswerPrinterTest, ErrorsOfTheOutputAreReturned) {
  AnswerPrinter printer([](std::string_view) { return ioError("full"); }, true,
                        false);
  EXPECT_EQ(printer.add("text").code(), ErrorCode::Io);
}

} // namespace
