//===- LoadingBar.cpp - what happens before the first token ---------------===//
#include "tools/airrun/LoadingBar.h"

#include "formats/support/ByteText.h"

#include <chrono>
#include <cstdio>
#include <utility>

namespace air {

std::string predictedText(const plan::Placement &placement) {
  if (placement.predictions() == nullptr) {
    return "";
  }
  for (const plan::Prediction *prediction : *placement.predictions()) {
    if (prediction->phase()->string_view() == "decode" &&
        prediction->nanoseconds() != 0) {
      char text[48];
      std::snprintf(text, sizeof text, ", then %.3g s per token",
                    static_cast<double>(prediction->nanoseconds()) * 1e-9);
      return text;
    }
  }
  return "";
}

LoadingBar::LoadingBar(const rt::Session &owner) : session(owner) {
  bar.emplace("loading");
  if (!bar->isShown()) {
    return;
  }
  prediction =
      predictedText(*session.plan().placements()->Get(session.placement()));
  if (!draw()) {
    bar.reset();
  } else if (Result<Thread> started = Thread::start([this] { follow(); })) {
    thread = *std::move(started);
  }
}

LoadingBar::~LoadingBar() {
  {
    std::lock_guard lock(mutex);
    isEnding = true;
  }
  changed.notify_one();
  thread.join();
}

bool LoadingBar::draw() {
  const rt::LoadProgress progress = session.loading();
  bar->update(progress.done, progress.total,
              ", " + byteText(progress.done) + " of " +
                  byteText(progress.total) + prediction);
  return progress.done < progress.total;
}

void LoadingBar::follow() {
  constexpr std::chrono::milliseconds kBetweenDrawings(100);
  std::unique_lock lock(mutex);
  while (!changed.wait_for(lock, kBetweenDrawings, [&] { return isEnding; })) {
    if (!draw()) {
      bar.reset();
      return;
    }
  }
}

} // namespace air
