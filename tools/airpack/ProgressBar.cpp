//===- ProgressBar.cpp - one line on a terminal ---------------------------===//
#include "tools/airpack/ProgressBar.h"

#include <cstdio>
#include <unistd.h>

namespace air {

ProgressBar::ProgressBar(std::string text)
    : label(std::move(text)), isTerminal(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (isDirty) {
    std::fputs("\r\033[K", stderr);
  }
}

void ProgressBar::update(uint64_t done, uint64_t total) {
  if (!isTerminal || total == 0) {
    return;
  }
  int percent = static_cast<int>(static_cast<double>(done) * 100.0 /
                                 static_cast<double>(total));
  if (percent == shownPercent) {
    return;
  }
  shownPercent = percent;
  isDirty = true;
  constexpr int kWidth = 40;
  int filled = percent * kWidth / 100;
  std::string bar(static_cast<size_t>(filled), '=');
  bar.resize(kWidth, ' ');
  std::fprintf(stderr, "\r%s [%s] %3d %%", label.c_str(), bar.c_str(), percent);
}

void ProgressBar::note(const std::string &text) {
  if (isTerminal) {
    isDirty = true;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
  }
}

} // namespace air
