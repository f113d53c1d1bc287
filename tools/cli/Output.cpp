//===- Output.cpp - text to standard output -------------------------------===//
#include "tools/cli/Output.h"

#include "formats/support/Printable.h"

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace air::cli {

/// The maximum number of bytes of a message that are printed. Messages contain
/// paths, keys and lists of names, and are a few kilobytes long at most.
static constexpr size_t kLongestLine = 16384;

Status writeOut(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() ||
      std::fflush(stdout) != 0) {
    return ioError(std::string("cannot write to standard output: ") +
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
  return printable(text, kLongestLine);
}

void occupyStandardStreams() {
  // Each stream is opened for the direction in which it is never used, so that
  // using it fails.
  constexpr int kModes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
  for (int stream = 0; stream < 3; ++stream) {
    if (fcntl(stream, F_GETFD) < 0 && errno == EBADF) {
      // open() returns the lowest free descriptor, which is `stream`.
      (void)open("/dev/null", kModes[stream]);
    }
  }
}

} // namespace air::cli
