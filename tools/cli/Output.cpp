//===- Output.cpp - text to standard output -------------------------------===//
#include "tools/cli/Output.h"

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace air::cli {

Status writeOut(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    return ioError(std::string("can't write to standard output: ") +
                   std::strerror(errno));
  }
  return Status::ok();
}

void printNotes(const std::vector<std::string> &notes) {
  for (const std::string &note : notes) {
    std::fprintf(stderr, "note: %s\n", oneLine(note).c_str());
  }
}

std::string format(const char *pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  va_list again;
  va_copy(again, arguments);
  int size = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(again);
  return text;
}

std::string oneLine(std::string_view text) {
  static const char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(text.size());
  size_t controlEnd = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<uint8_t>(text[i]);
    // U+0080 to U+009F in UTF-8, which some terminals take as commands too.
    if (byte == 0xc2 && i + 1 < text.size() &&
        (static_cast<uint8_t>(text[i + 1]) & 0xe0) == 0x80) {
      controlEnd = i + 2;
    }
    if (byte < 0x20 || byte == 0x7f || i < controlEnd) {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    } else {
      out += text[i];
    }
  }
  return out;
}

void occupyStandardStreams() {
  // Each in the direction that it is not used in.
  constexpr int kModes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
  for (int stream = 0; stream < 3; ++stream) {
    if (fcntl(stream, F_GETFD) < 0 && errno == EBADF) {
      // The lowest free number is this one: those below it are open.
      (void)open("/dev/null", kModes[stream]);
    }
  }
}

} // namespace air::cli
