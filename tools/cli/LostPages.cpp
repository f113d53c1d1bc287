//===- LostPages.cpp - a mapped file that changes while in use ------------===//
#include "tools/cli/LostPages.h"

#include "formats/support/AtomicFile.h"
#include "formats/support/MappedFile.h"

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <unistd.h>

namespace air::cli {
namespace {

std::array<char, 32> tool{};
struct sigaction before{};
std::atomic_flag isEnding = ATOMIC_FLAG_INIT;

/// A line of text. A signal handler may build and write it, because the class
/// allocates no memory.
class Line {
public:
  void add(std::string_view text) {
    for (char each : text) {
      put(each);
    }
  }
  /// Adds `text`, with \xNN in place of each byte that is not printable ASCII,
  /// since such bytes may be commands to a terminal.
  void addEscaped(std::string_view text) {
    static const char digits[] = "0123456789abcdef";
    for (char each : text) {
      const auto byte = static_cast<uint8_t>(each);
      if (byte >= 0x20 && byte < 0x7f) {
        put(each);
      } else {
        add("\\x");
        put(digits[byte >> 4]);
        put(digits[byte & 15]);
      }
    }
  }
  void add(uint64_t number) {
    std::array<char, 20> reversed{};
    size_t count = 0;
    do {
      reversed[count++] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    while (count != 0) {
      put(reversed[--count]);
    }
  }
  void writeTo(int stream) const {
    std::string_view rest(bytes.data(), size);
    while (!rest.empty()) {
      ssize_t written = write(stream, rest.data(), rest.size());
      if (written <= 0) {
        return;
      }
      rest.remove_prefix(static_cast<size_t>(written));
    }
  }

private:
  void put(char each) {
    if (size < bytes.size()) {
      bytes[size++] = each;
    }
  }

  // There is room for the longest path (4096 bytes), each byte of which may
  // become four characters, and for the rest of the line.
  std::array<char, 4 * 4096 + 512> bytes{};
  size_t size = 0;
};

// The line is static, because it is too large for the stack of the interrupted
// thread.
constinit Line line;

void onBusError(int signal, siginfo_t *facts, void *) {
  // If si_code is not positive, a process sent the signal, and no page is
  // missing.
  std::optional<MappedPlace> place;
  if (facts->si_code > 0) {
    place = mappedPlaceOf(facts->si_addr);
  }
  if (!place) {
    // The signal has another cause, so the previous handling of the signal is
    // restored. If a memory access raised the signal, the access is repeated
    // when this function returns, and raises the signal again. If a process
    // sent the signal, this function must raise it again.
    sigaction(signal, &before, nullptr);
    if (facts->si_code <= 0) {
      raise(signal);
    }
    return;
  }
  if (isEnding.test_and_set()) {
    // Another thread is already in this handler and about to end the process.
    while (true) {
      pause();
    }
  }
  removeTemporaries();
  line.add(tool.data());
  line.add(": '");
  line.addEscaped(place->path);
  line.add("': the bytes at offset ");
  line.add(place->offset);
  line.add(" are gone: the file was truncated or overwritten while it was in "
           "use, or its disk failed; replace such files by renaming (mv) and "
           "start again\n");
  line.writeTo(STDERR_FILENO);
  _exit(static_cast<int>(ErrorCode::Io));
}

} // namespace

void endOnLostPages(const std::string &toolName) {
  std::strncpy(tool.data(), toolName.c_str(), tool.size() - 1);
  struct sigaction action{};
  action.sa_sigaction = onBusError;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGBUS, &action, &before);
}

} // namespace air::cli
