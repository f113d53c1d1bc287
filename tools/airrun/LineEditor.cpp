//===- LineEditor.cpp - lines from a terminal -----------------------------===//
#include "tools/airrun/LineEditor.h"

#include "tools/airrun/Interrupts.h"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>
#include <histedit.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace air {
namespace {

constexpr wchar_t kReplacement = 0xFFFD;

/// Reads one byte. Returns 1, 0 at the end of the input, or -1 if a signal came
/// or reading failed.
int readByte(unsigned char &byte) {
  // If a signal comes after the call of firstSignal() and before poll() has
  // begun to wait, it may remain unnoticed for this long.
  constexpr int kMilliseconds = 100;
  while (firstSignal() == 0) {
    struct pollfd terminal = {STDIN_FILENO, POLLIN, 0};
    const int ready = poll(&terminal, 1, kMilliseconds);
    if (ready <= 0) {
      if (ready < 0 && errno != EINTR) {
        return -1;
      }
      continue;
    }
    const ssize_t got = ::read(STDIN_FILENO, &byte, 1);
    if (got >= 0 || errno != EINTR) {
      return static_cast<int>(got);
    }
  }
  return -1;
}

/// Drops text that was typed but not read. Returns whether there was any.
bool dropWaitingText() {
  int bytes = 0;
  if (ioctl(STDIN_FILENO, FIONREAD, &bytes) != 0 || bytes == 0) {
    return false;
  }
  tcflush(STDIN_FILENO, TCIFLUSH);
  return true;
}

/// Reads a character of UTF-8 for libedit, whatever the locale is.
int readCharacter(EditLine *, wchar_t *out) {
  unsigned char byte = 0;
  int got = readByte(byte);
  if (got != 1) {
    return got;
  }
  if (byte < 0x80) {
    *out = byte;
    return 1;
  }
  const int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
  uint32_t code = byte & (0x3FU >> more);
  for (int i = 0; i < more; ++i) {
    got = readByte(byte);
    if (got != 1) {
      return got;
    }
    code = code << 6 | (byte & 0x3FU);
  }
  *out = more == 0 ? kReplacement : static_cast<wchar_t>(code);
  return 1;
}

void appendUtf8(wchar_t character, std::string &out) {
  const auto code = static_cast<uint32_t>(character);
  const auto part = [&](int shift) {
    return static_cast<char>(0x80U | (code >> shift & 0x3FU));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | code >> 6);
    out += part(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0U | code >> 12);
    out += part(6);
    out += part(0);
  } else {
    out += static_cast<char>(0xF0U | code >> 18);
    out += part(12);
    out += part(6);
    out += part(0);
  }
}

std::wstring toWide(const std::string &text) {
  std::wstring wide;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i++]);
    const int more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : byte >= 0xC0 ? 1 : 0;
    uint32_t code = more == 0 ? byte : byte & (0x3FU >> more);
    for (int k = 0; k < more && i < text.size(); ++k) {
      code = code << 6 | (static_cast<unsigned char>(text[i++]) & 0x3FU);
    }
    wide += static_cast<wchar_t>(code);
  }
  return wide;
}

} // namespace

struct LineEditor::State {
  EditLine *editor = nullptr;
  HistoryW *history = nullptr;
  std::FILE *terminal = nullptr; ///< where prompts appear
  bool ownsTerminal = false;
  std::wstring prompt;

  State() = default;
  State(const State &) = delete;
  State &operator=(const State &) = delete;
  ~State() {
    if (editor != nullptr) {
      el_end(editor);
    }
    if (history != nullptr) {
      history_wend(history);
    }
    if (ownsTerminal) {
      std::fclose(terminal);
    }
  }
};

static wchar_t *promptOf(EditLine *editor) {
  std::wstring *prompt = nullptr;
  el_wget(editor, EL_CLIENTDATA, &prompt);
  return prompt->data();
}

LineEditor::LineEditor(std::unique_ptr<State> made) : state(std::move(made)) {}
LineEditor::LineEditor(LineEditor &&) noexcept = default;
LineEditor::~LineEditor() = default;

Result<LineEditor> LineEditor::open() {
  // libedit shows only characters that the locale has, so a locale with one
  // byte per character is replaced by a UTF-8 locale.
  if (const char *locale = std::setlocale(LC_CTYPE, "");
      locale == nullptr || MB_CUR_MAX == 1) {
    (void)std::setlocale(LC_CTYPE, "C.UTF-8");
  }
  auto state = std::make_unique<State>();
  state->terminal = stderr;
  if (isatty(STDERR_FILENO) == 0) {
    if (std::FILE *opened = std::fopen("/dev/tty", "we")) {
      state->terminal = opened;
      state->ownsTerminal = true;
    }
  }
  state->editor = el_init("airrun", stdin, state->terminal, state->terminal);
  state->history = history_winit();
  if (state->editor == nullptr || state->history == nullptr) {
    return ioError("cannot set up the terminal for editing");
  }
  // The history lasts no longer than the process, and a person steps through it
  // line by line, so it needs no more lines than this.
  constexpr int kMostLines = 1000;
  HistEventW event;
  history_w(state->history, &event, H_SETSIZE, kMostLines);
  history_w(state->history, &event, H_SETUNIQUE, 1);
  el_wset(state->editor, EL_CLIENTDATA, &state->prompt);
  el_wset(state->editor, EL_PROMPT, promptOf);
  el_wset(state->editor, EL_EDITOR, L"emacs");
  el_wset(state->editor, EL_SIGNAL, 0);
  el_wset(state->editor, EL_HIST, history_w, state->history);
  el_wset(state->editor, EL_GETCFN, readCharacter);
  // Without noflsh, Ctrl-C would drop text that has not been read, and the line
  // would look empty.
  el_wset(state->editor, EL_SETTY, L"-d", L"+noflsh", nullptr);
  return LineEditor(std::move(state));
}

Line LineEditor::read(const std::string &prompt) {
  state->prompt = toWide(prompt);
  int count = 0;
  const wchar_t *typed = el_wgets(state->editor, &count);
  Line line;
  if (firstSignal() != 0) {
    const LineInfoW *info = el_wline(state->editor);
    for (const wchar_t *at = info->buffer; at < info->lastchar; ++at) {
      appendUtf8(*at, line.text);
    }
    line.end = LineEnd::Signal;
    line.droppedText = dropWaitingText();
    print("\n");
    return line;
  }
  if (typed == nullptr || count <= 0) {
    line.end = LineEnd::EndOfInput;
    print("\n");
    return line;
  }
  for (int i = 0; i < count; ++i) {
    appendUtf8(typed[i], line.text);
  }
  while (!line.text.empty() &&
         (line.text.back() == '\n' || line.text.back() == '\r')) {
    line.text.pop_back();
  }
  return line;
}

void LineEditor::remember(const std::string &line) {
  HistEventW event;
  history_w(state->history, &event, H_ENTER, toWide(line).c_str());
}

void LineEditor::print(const std::string &text) {
  std::fwrite(text.data(), 1, text.size(), state->terminal);
  std::fflush(state->terminal);
}

} // namespace air
