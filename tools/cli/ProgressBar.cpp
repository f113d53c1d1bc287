//===- ProgressBar.cpp - one line on a terminal ---------------------------===//
#include "tools/cli/ProgressBar.h"

#include <algorithm>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>

namespace air::cli {

/// The width of the terminal, or the usual one if it does not state any.
static uint32_t terminalColumns() {
  constexpr uint32_t kUsualColumns = 80;
  struct winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0
             ? size.ws_col
             : kUsualColumns;
}

std::string progressLine(const std::string &label, uint64_t done,
                         uint64_t total, const std::string &detail,
                         uint32_t columns) {
  const double share =
      total == 0
          ? 1.0
          : std::min(static_cast<double>(done) / static_cast<double>(total),
                     1.0);
  char percent[16];
  std::snprintf(percent, sizeof percent, "%3d %%",
                static_cast<int>(share * 100));
  // A terminal that has written to its last column may begin a new line.
  const size_t most = std::max<uint32_t>(columns, 1) - 1;
  const size_t text = label.size() + 4 + 5 + detail.size();
  constexpr size_t kWidest = 40;
  const size_t width = std::min(most > text ? most - text : 0, kWidest);
  std::string line = label + " ";
  if (width != 0) {
    const auto filled = static_cast<size_t>(share * static_cast<double>(width));
    std::string bar(filled, '=');
    bar.resize(width, ' ');
    line += "[" + bar + "] ";
  }
  line += percent + detail;
  line.resize(std::min(line.size(), most));
  return line;
}

ProgressBar::ProgressBar(std::string text)
    : label(std::move(text)), isTerminal(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (!shown.empty()) {
    std::fputs("\r\033[K", stderr);
  }
}

void ProgressBar::update(uint64_t done, uint64_t total,
                         const std::string &detail) {
  if (isTerminal && total != 0) {
    note(progressLine(label, done, total, detail, terminalColumns()));
  }
}

void ProgressBar::note(const std::string &text) {
  if (isTerminal && text != shown) {
    shown = text;
    std::fprintf(stderr, "\r%s\033[K", text.c_str());
  }
}

} // namespace air::cli
