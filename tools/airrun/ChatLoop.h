//===- ChatLoop.h - a conversation on a terminal ----------------*- C++ -*-===//
//
// Reads messages from the terminal and answers them until the user leaves. A
// line that begins with '/' is a command; /help lists them. A message of
// several lines is written between two lines with """, or with a backslash at
// the end of each line but the last.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_CHATLOOP_H
#define AIRPACK_TOOLS_AIRRUN_CHATLOOP_H

#include "tools/airrun/Chat.h"
#include "tools/airrun/LineEditor.h"
#include "tools/cli/CommandLine.h"

#include <functional>

namespace air {

class ChatLoop {
public:
  using OptionsFor =
      std::function<Result<rt::GenerateOptions>(const cli::Invocation &)>;

  ChatLoop(Chat &model, LineEditor &terminal, ChatMessages conversation,
           cli::Invocation chosen, OptionsFor options);

  /// Runs until the user leaves. Errors are shown, and end the loop only if the
  /// plan is damaged (VerificationFailed), the program is wrong (Internal) or
  /// standard output cannot be written (Io).
  Status run();

private:
  struct Command;
  static const std::vector<Command> &commands();

  /// Reads a message or a command. Returns nothing if the user leaves.
  std::optional<std::string> readMessage();
  Status runCommand(const std::string &line);
  Status send(const std::string &text);
  Status answer();
  /// Shows an error, and returns it if the loop must end.
  Status report(const Status &status);

  Status help(const std::string &);
  Status leave(const std::string &);
  Status clear(const std::string &);
  Status regenerate(const std::string &);
  Status undo(const std::string &);
  Status setSystem(const std::string &text);
  Status set(const std::string &text);
  Status show(const std::string &);
  Status save(const std::string &path);
  Status load(const std::string &path);
  Status readFile(const std::string &path);
  Status stats(const std::string &);
  Status giveResult(const std::string &text);

  Chat &chat;
  LineEditor &editor;
  ChatMessages messages;
  cli::Invocation settings;
  OptionsFor optionsFor;
  std::optional<Turn> last;
  uint64_t repeats = 0; ///< how often the last answer was regenerated
  bool isLeaving = false;
  bool hasLostOutput = false; ///< a write to standard output has failed
};

/// Whether reasoning is dimmed: standard output is a terminal, and the variable
/// NO_COLOR is not set (https://no-color.org).
bool dimsReasoning();

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_CHATLOOP_H
