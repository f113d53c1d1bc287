//===- WaitWord.cpp - wait for a word to change -----------------*- C++ -*-===//
#include "runtime/hal/cpu/WaitWord.h"

#include <climits>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace air::rt;

void WaitWord::advance() {
  word.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) != 0) {
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }
}

bool WaitWord::spinWhile(uint32_t seen, uint32_t spins) const {
  for (uint32_t spin = 0; spin < spins; ++spin) {
    if (word.load(std::memory_order_acquire) != seen) {
      return true;
    }
    relaxCpu();
  }
  return false;
}

void WaitWord::waitWhile(uint32_t seen, uint32_t spins) {
  if (spinWhile(seen, spins)) {
    return;
  }
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (word.load(std::memory_order_seq_cst) == seen) {
    // FUTEX_WAIT returns at once if the word has changed in the meantime. After
    // a spurious wake-up, the loop checks the word again.
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
  }
  sleepers.fetch_sub(1, std::memory_order_seq_cst);
}
