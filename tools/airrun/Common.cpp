//===- Common.cpp - options, input and output of airrun ---------*- C++ -*-===//
#include "tools/airrun/Common.h"

#include "formats/plan/PlanConvert.h"
#include "runtime/hal/cpu/ThreadPool.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace air {

cli::Positional planPositional() {
  return {.name = "PLAN", .help = "The plan to run, made by airpack."};
}

cli::Option threadsOption() {
  return {.name = "--threads",
          .kind = cli::ValueKind::Integer,
          .valueName = "N",
          .help = "Compute threads. The results do not depend on it.",
          .defaultText = "the plan's, at most one a core",
          .minimum = 1,
          .maximum = rt::ThreadPool::kMaxThreads};
}

cli::Option jsonOption() {
  return {.name = "--json", .help = "Print one JSON object."};
}

cli::Option tokensOption() {
  return {.name = "--tokens",
          .kind = cli::ValueKind::String,
          .valueName = "IDS",
          .help = "The input as token ids, separated by commas; nothing is "
                  "added to them."};
}

Result<std::vector<int32_t>> parseTokens(std::string_view text) {
  std::vector<int32_t> tokens;
  while (true) {
    size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    size_t begin = part.find_first_not_of(' ');
    size_t end = part.find_last_not_of(' ');
    part = begin == std::string_view::npos
               ? std::string_view()
               : part.substr(begin, end - begin + 1);
    int32_t id = 0;
    auto [stop, error] =
        std::from_chars(part.data(), part.data() + part.size(), id);
    if (part.empty() || error != std::errc() ||
        stop != part.data() + part.size() || id < 0) {
      return usageError("--tokens: entry " + std::to_string(tokens.size()) +
                        " is '" + std::string(part) +
                        "', not a token id; give ids separated by commas");
    }
    tokens.push_back(id);
    if (comma == text.size()) {
      return tokens;
    }
    text.remove_prefix(comma + 1);
  }
}

Result<rt::Session> openSession(const cli::Invocation &invocation) {
  rt::SessionOptions options;
  options.threads =
      static_cast<uint32_t>(invocation.integer("--threads").value_or(0));
  return rt::Session::open(invocation.positionals.at(0), options);
}

Result<std::optional<rt::Tokenizer>> planTokenizer(const rt::Session &session) {
  const plan::Tokenizer *record = session.plan().tokenizer();
  if (record == nullptr || record->kind() == plan::TokenizerKind::None) {
    return std::optional<rt::Tokenizer>();
  }
  AIR_ASSIGN_OR_RETURN(rt::Tokenizer tokenizer,
                       rt::Tokenizer::create(fromPlan(*record)));
  return std::optional<rt::Tokenizer>(std::move(tokenizer));
}

/// All that a stream still holds; `name` is what a message calls it.
static Result<std::string> readAll(std::FILE *stream, const std::string &name) {
  std::string text;
  char buffer[65536];
  size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof buffer, stream)) != 0) {
    text.append(buffer, got);
  }
  if (std::ferror(stream) != 0) {
    return ioError("can't read " + name + ": " + std::strerror(errno));
  }
  return text;
}

Result<std::string> readTextFile(const std::string &path) {
  // Not mapped: it may be a pipe, as in -f <(command).
  std::FILE *stream = std::fopen(path.c_str(), "re");
  if (stream == nullptr) {
    return ioError("can't open '" + path + "': " + std::strerror(errno));
  }
  Result<std::string> text = readAll(stream, "'" + path + "'");
  std::fclose(stream);
  return text;
}

Result<std::string> readStandardInput() {
  return readAll(stdin, "standard input");
}

} // namespace air
