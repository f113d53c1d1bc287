//===- Interrupts.h - Ctrl-C during an answer -------------------*- C++ -*-===//
//
// The first SIGINT or SIGTERM ends the answer that is being generated; a second
// one ends the process immediately. A signal that the process ignored at its
// start stays ignored.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_INTERRUPTS_H
#define AIRPACK_TOOLS_AIRRUN_INTERRUPTS_H

#include <atomic>

namespace air {

void catchInterrupts();

/// True from the first signal on. A generator reads it between passes.
const std::atomic<bool> &answerInterrupted();

/// The first signal that was received; 0 if none was.
int firstSignal();

/// Forgets the signal that was received. The next signal counts as the first
/// again: it ends the answer that is then being generated, not the process.
void forgetSignal();

/// Lets the signal end the process, so that a calling shell or script stops,
/// too, and does not mistake a partial answer for a complete one.
[[noreturn]] void dieBy(int signal);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_INTERRUPTS_H
