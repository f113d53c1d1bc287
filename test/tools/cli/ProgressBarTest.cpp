//===- ProgressBarTest.cpp - the line fits on the terminal ----------------===//
#include "tools/cli/ProgressBar.h"

#include <gtest/gtest.h>

using namespace air;

namespace {

TEST(ProgressBar, DrawsTheShareThatIsDone) {
  const std::string text = ", 3 of 4 parts";
  EXPECT_EQ(cli::progressLine("packing", 3, 4, text, 120),
            "packing [" + std::string(30, '=') + std::string(10, ' ') +
                "]  75 %, 3 of 4 parts");
  EXPECT_EQ(cli::progressLine("packing", 0, 4, "", 120),
            "packing [" + std::string(40, ' ') + "]   0 %");
  // The bar shows 100 % if more than the total is done, or if the total is 0.
  const std::string full = "packing [" + std::string(40, '=') + "] 100 %";
  EXPECT_EQ(cli::progressLine("packing", 9, 4, "", 120), full);
  EXPECT_EQ(cli::progressLine("packing", 0, 0, "", 120), full);
  EXPECT_EQ(cli::progressLine("packing", UINT64_MAX, UINT64_MAX, "", 120),
            full);
}

TEST(ProgressBar, TheBarIsAsWideAsTheTerminalAllows) {
  const std::string text = ", 3 of 4 parts";
  for (uint32_t columns = 0; columns < 100; ++columns) {
    const std::string line = cli::progressLine("packing", 3, 4, text, columns);
    // The last column stays empty. "packing ", " 75 %" and the text take 27
    // columns. The bar takes at least 4 more: its brackets, one character
    // between them, and a space. So it needs 32 columns.
    EXPECT_EQ(line.find('[') != std::string::npos, columns > 31) << line;
    EXPECT_EQ(line.ends_with(" 75 %" + text), columns > 27) << line;
    EXPECT_LT(line.size(), std::max(columns, 1U)) << line;
  }
  EXPECT_EQ(cli::progressLine("packing", 1, 2, text, 36).substr(8, 8),
            "[==   ] ");
}

} // namespace
