//===- ProgressBar.h - one line on a terminal -------------------*- C++ -*-===//
//
// Draws on stderr if that is a terminal, and does nothing otherwise. The
// destructor erases the line.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRPACK_PROGRESSBAR_H
#define AIRPACK_TOOLS_AIRPACK_PROGRESSBAR_H

#include <cstdint>
#include <string>

namespace air {

class ProgressBar {
public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar &) = delete;
  ProgressBar &operator=(const ProgressBar &) = delete;

  void update(uint64_t done, uint64_t total);
  /// Shows `text` instead of the bar.
  void note(const std::string &text);

private:
  std::string label;
  bool isTerminal = false;
  int shownPercent = -1;
  bool isDirty = false;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_PROGRESSBAR_H
