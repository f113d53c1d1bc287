//===- Thread.cpp - threads that may fail to start ------------------------===//
#include "formats/support/Thread.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

namespace air {

namespace {

void *threadMain(void *argument) {
  std::unique_ptr<std::function<void()>> body(
      static_cast<std::function<void()> *>(argument));
  (*body)();
  return nullptr;
}

} // namespace

Result<Thread> Thread::start(std::function<void()> body, size_t stackBytes) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  Thread thread;
  if (error == 0) {
    auto argument = std::make_unique<std::function<void()>>(std::move(body));
    error = pthread_attr_setstacksize(&attributes, stackBytes);
    if (error == 0) {
      error = pthread_create(&thread.handle, &attributes, threadMain,
                             argument.get());
    }
    if (error == 0) {
      (void)argument.release(); // threadMain owns the argument now
    }
    pthread_attr_destroy(&attributes);
  }
  if (error != 0) {
    return ioError(std::string("the system cannot start another thread: ") +
                   std::strerror(error));
  }
  thread.isRunning = true;
  return thread;
}

Thread::Thread(Thread &&other) noexcept
    : handle(other.handle), isRunning(std::exchange(other.isRunning, false)) {}

Thread &Thread::operator=(Thread &&other) noexcept {
  std::swap(handle, other.handle);
  std::swap(isRunning, other.isRunning);
  return *this;
}

void Thread::join() {
  if (std::exchange(isRunning, false)) {
    pthread_join(handle, nullptr);
  }
}

ThreadSupply probeThreads(unsigned wanted) {
  ThreadSupply supply;
  std::atomic<bool> mayEnd{false};
  std::vector<Thread> threads;
  while (supply.threads < wanted && supply.refusal.isOk()) {
    // Each thread waits until the last one has been started, so that all of
    // them exist at the same time.
    Result<Thread> thread = Thread::start([&] { mayEnd.wait(false); });
    if (thread) {
      threads.push_back(*std::move(thread));
      ++supply.threads;
    } else {
      supply.refusal = thread.status();
    }
  }
  mayEnd = true;
  mayEnd.notify_all();
  return supply;
}

} // namespace air
