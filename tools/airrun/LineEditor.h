//===- LineEditor.h - lines from a terminal ---------------------*- C++ -*-===//
//
// Reads lines from the terminal that is standard input, with editing and a
// history (libedit). Prompts and what is typed appear on the terminal, never on
// standard output, which carries the model's text alone.
//
// Thread-safety: one object per process, used by one thread.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_LINEEDITOR_H
#define AIRPACK_TOOLS_AIRRUN_LINEEDITOR_H

#include "formats/support/Status.h"

#include <cstdint>
#include <memory>
#include <string>

namespace air {

enum class LineEnd : uint8_t {
  Entered,
  EndOfInput, ///< Ctrl-D on an empty line, or the terminal has been closed
  Signal,     ///< firstSignal() has become nonzero
};

struct Line {
  std::string text; ///< UTF-8, without the newline
  LineEnd end = LineEnd::Entered;
  /// Whether text had been typed that the editor had not read when a signal
  /// came. Such text is dropped. False unless `end` is Signal.
  bool droppedText = false;
};

class LineEditor {
public:
  static Result<LineEditor> open();
  LineEditor(LineEditor &&) noexcept;
  LineEditor &operator=(LineEditor &&) = delete;
  /// Restores the terminal's settings.
  ~LineEditor();

  Line read(const std::string &prompt);
  /// Adds a line to the history, so that the arrow keys can recall it.
  void remember(const std::string &line);
  /// Prints text to the terminal.
  void print(const std::string &text);

private:
  struct State;
  explicit LineEditor(std::unique_ptr<State> made);
  std::unique_ptr<State> state;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_LINEEDITOR_H
