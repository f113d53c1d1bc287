//===- LoadingBar.h - what happens before the first token -------*- C++ -*-===//
//
// The first pass reads the plan, which takes a while for a large model. During
// this pass, if stderr is a terminal, a thread shows there how much has been
// read, and the seconds per token that the plan predicts:
//
//   loading [=========           ]  45 %, 2.06 GiB of 4.58 GiB, then 0.571 s per token
//
// The line disappears when everything has been read, and at the latest in the
// destructor. It is shown at least once, even if everything has already been
// read: weights are read ahead as soon as the session exists.
//
// Ownership: borrows the session, which must not be moved as long as the object
// exists. Nothing else may write to the terminal during that time. Errors:
// none; if the system refuses the thread, the line shows only its first state.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_LOADINGBAR_H
#define AIRPACK_TOOLS_AIRRUN_LOADINGBAR_H

#include "formats/support/Thread.h"
#include "runtime/exec/Session.h"
#include "tools/cli/ProgressBar.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>

namespace air {

/// Returns a text such as ", then 0.571 s per token", with the seconds that the
/// placement predicts for a decode pass, or "" if there is no prediction.
std::string predictedText(const plan::Placement &placement);

class LoadingBar {
public:
  explicit LoadingBar(const rt::Session &session);
  ~LoadingBar();
  LoadingBar(const LoadingBar &) = delete;
  LoadingBar &operator=(const LoadingBar &) = delete;

private:
  /// Draws the line. Returns whether anything is left to read.
  bool draw();
  void follow();

  const rt::Session &session;
  std::string prediction;
  std::optional<cli::ProgressBar> bar;
  std::mutex mutex;
  std::condition_variable changed;
  bool isEnding = false; ///< guarded by the mutex
  Thread thread;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_LOADINGBAR_H
