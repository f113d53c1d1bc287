//===- PackProcess.cpp - airpack as a child process -----------------------===//
#include "tools/airrun/PackProcess.h"

#include "tools/cli/Output.h"
#include "tools/cli/ProgressBar.h"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string_view>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace air {
namespace {

namespace fs = std::filesystem;

/// The exit code of a child that could not run the program, as in shells.
constexpr int kCannotRun = 127;

bool isProgram(const std::string &path) {
  struct stat facts = {};
  return stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

/// Handles the lines that airpack prints to standard error.
class Messages {
public:
  void take(std::string_view line) {
    constexpr std::string_view kProgress = "progress: ";
    constexpr std::string_view kError = "airpack: ";
    if (line.starts_with(kProgress)) {
      show(line.substr(kProgress.size()));
    } else if (line.starts_with(kError)) {
      last = line.substr(kError.size());
    } else if (!line.empty()) {
      bar.reset();
      std::fprintf(stderr, "%s\n", cli::oneLine(line).c_str());
    }
  }
  void end() { bar.reset(); }
  const std::string &error() const { return last; }

private:
  /// `line` is "STAGE" or "STAGE PERCENT %".
  void show(std::string_view line) {
    std::string_view stage = line;
    std::optional<uint64_t> percent;
    if (line.ends_with(" %")) {
      line.remove_suffix(2);
      const size_t space = line.rfind(' ');
      const std::string_view digits =
          space == std::string_view::npos ? "" : line.substr(space + 1);
      uint64_t value = 0;
      if (std::from_chars(digits.data(), digits.data() + digits.size(), value)
              .ec == std::errc()) {
        percent = value;
        stage = line.substr(0, space);
      }
    }
    if (!bar || shown != stage) {
      bar.reset();
      shown = stage;
      bar.emplace(cli::oneLine(stage));
    }
    if (percent) {
      bar->update(*percent, 100);
    } else {
      bar->note(cli::oneLine(stage) + " ...");
    }
  }

  std::optional<cli::ProgressBar> bar;
  std::string shown; ///< the stage that the bar shows
  std::string last;  ///< the last error message
};

/// Reads lines until the other end of the pipe has been closed.
void readLines(int pipe, Messages &messages) {
  std::string rest;
  char buffer[4096];
  while (true) {
    const ssize_t got = read(pipe, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      break;
    }
    rest.append(buffer, static_cast<size_t>(got));
    size_t begin = 0;
    for (size_t end = 0; (end = rest.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      messages.take(std::string_view(rest).substr(begin, end - begin));
    }
    rest.erase(0, begin);
  }
  messages.take(rest);
  messages.end();
}

Status statusOf(int ending, const std::string &program,
                const std::string &message) {
  if (WIFSIGNALED(ending)) {
    return ioError("'" + program + "' was ended by signal " +
                   std::to_string(WTERMSIG(ending)) + " (" +
                   strsignal(WTERMSIG(ending)) + ")");
  }
  const int code = WEXITSTATUS(ending);
  if (code == 0) {
    return Status::ok();
  }
  if (code > static_cast<int>(ErrorCode::Io) || message.empty()) {
    return ioError(code == kCannotRun
                       ? "cannot run '" + program + "'"
                       : "'" + program + "' ended with code " +
                             std::to_string(code) + " and without a message");
  }
  return {static_cast<ErrorCode>(code), message};
}

} // namespace

std::string findAirpack() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const std::string beside = (self.parent_path() / "airpack").string();
    if (isProgram(beside)) {
      return beside;
    }
  }
  const char *path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    // An empty part of PATH means the current folder. No program is run from
    // it.
    const std::string candidate =
        std::string(rest.substr(0, colon)) + "/airpack";
    if (colon != 0 && isProgram(candidate)) {
      return candidate;
    }
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return "";
}

Status runAirpack(const std::string &program,
                  const std::vector<std::string> &arguments) {
  std::vector<std::string> all = {program};
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.emplace_back("--progress");
  std::vector<char *> argv;
  for (std::string &argument : all) {
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  int ends[2] = {};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return ioError(std::string("cannot create a pipe: ") +
                   std::strerror(errno));
  }
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const pid_t parent = getpid();
  const pid_t child = nowhere < 0 ? -1 : fork();
  if (child == 0) {
    // After fork(), only functions that a signal handler may call are allowed.
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(nowhere, STDOUT_FILENO) < 0 ||
        dup2(ends[1], STDERR_FILENO) < 0) {
      _exit(kCannotRun);
    }
    execv(argv[0], argv.data());
    _exit(kCannotRun);
  }
  const int failed = errno;
  close(ends[1]);
  if (nowhere >= 0) {
    close(nowhere);
  }
  if (child < 0) {
    close(ends[0]);
    return ioError("cannot run '" + program + "': " + std::strerror(failed));
  }
  Messages messages;
  readLines(ends[0], messages);
  close(ends[0]);
  int ending = 0;
  while (waitpid(child, &ending, 0) < 0 && errno == EINTR) {
  }
  return statusOf(ending, program, messages.error());
}

} // namespace air
