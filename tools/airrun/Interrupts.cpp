//===- Interrupts.cpp - Ctrl-C during an answer ---------------------------===//
#include "tools/airrun/Interrupts.h"

#include <csignal>
#include <unistd.h>

namespace air {
namespace {

std::atomic<bool> interrupted{false};
std::atomic<int> endingSignal{0}; ///< the first signal; 0: none yet
static_assert(std::atomic<bool>::is_always_lock_free &&
                  std::atomic<int>::is_always_lock_free,
              "a signal handler sets them");

} // namespace

void dieBy(int signal) {
  std::signal(signal, SIG_DFL);
  raise(signal);
  // raise() returns if this is the first process of a container, because Linux
  // then ignores a signal whose default action would end the process. Exit with
  // the code that a shell reports for a process that a signal has ended: 128
  // plus the number of the signal.
  constexpr int kShellsCode = 128;
  _exit(kShellsCode + signal);
}

namespace {

void onInterrupt(int signal) {
  int none = 0;
  if (!endingSignal.compare_exchange_strong(none, signal)) {
    dieBy(signal);
  }
  interrupted = true;
}

} // namespace

void catchInterrupts() {
  for (int signal : {SIGINT, SIGTERM}) {
    struct sigaction action = {};
    // The shell of a script starts background processes with SIGINT ignored. A
    // signal that is already ignored stays ignored.
    if (sigaction(signal, nullptr, &action) == 0 &&
        action.sa_handler == SIG_IGN) {
      continue;
    }
    action = {};
    action.sa_handler = onInterrupt;
    // With SA_NODEFER, the signal is not blocked in its handler, so that
    // dieBy() can raise it there.
    action.sa_flags = static_cast<int>(SA_RESTART | SA_NODEFER);
    sigaction(signal, &action, nullptr);
  }
}

const std::atomic<bool> &answerInterrupted() { return interrupted; }

int firstSignal() { return endingSignal; }

void forgetSignal() {
  interrupted = false;
  endingSignal = 0;
}

} // namespace air
