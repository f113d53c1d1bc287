//===- ProgressBar.h - one line on a terminal -------------------*- C++ -*-===//
//
// A ProgressBar draws on stderr if that is a terminal, and does nothing
// otherwise. The destructor erases the line. The line must not exceed the width
// of the terminal, because what wraps around could not be erased. update() sees
// to that; note() does not.
//
// Thread-safety: one caller at a time, and nothing else may write to the
// terminal as long as the object exists.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_CLI_PROGRESSBAR_H
#define AIRPACK_TOOLS_CLI_PROGRESSBAR_H

#include <cstdint>
#include <string>

namespace air::cli {

class ProgressBar {
public:
  explicit ProgressBar(std::string label);
  ~ProgressBar();
  ProgressBar(const ProgressBar &) = delete;
  ProgressBar &operator=(const ProgressBar &) = delete;

  /// Whether stderr is a terminal.
  bool isShown() const { return isTerminal; }
  /// Draws the line that progressLine() returns for the terminal's width. Draws
  /// nothing if `total` is 0 or if the terminal already shows this line.
  void update(uint64_t done, uint64_t total, const std::string &detail = "");
  /// Shows `text` instead of the bar.
  void note(const std::string &text);

private:
  std::string label;
  bool isTerminal = false;
  std::string shown; ///< the line on the terminal; empty: none
};

/// The line that update() draws on a terminal with this number of columns: the
/// label, a bar of at most 40 characters, the percentage and `detail`. It has
/// fewer characters than there are columns. All text is ASCII.
std::string progressLine(const std::string &label, uint64_t done,
                         uint64_t total, const std::string &detail,
                         uint32_t columns);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_PROGRESSBAR_H
