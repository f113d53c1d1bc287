//===- RegexFuzz.cpp - any expression on any text ---------------*- C++ -*-===//
//
// The first line of the input is an expression, and the rest is the text. The
// expression must compile, or be refused with a message of one line. Matches
// must lie in the text in ascending order, be the same in a second run of the
// matcher, and be found in a number of steps that is proportional to the length
// of the text.
//
//===----------------------------------------------------------------------===//
#include "formats/support/Utf8.h"
#include "formats/text/regex/RegexMatcher.h"
#include "formats/text/regex/RegexProgram.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace air;

namespace {

void require(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
  }
}

std::string wellFormed(std::string_view bytes) {
  std::string text;
  for (size_t at = 0; at < bytes.size();) {
    Utf8Step step = decodeUtf8(bytes.substr(at));
    text += step.kind == Utf8Step::Whole ? bytes.substr(at, step.length)
                                         : kReplacement;
    at += step.length;
  }
  return text;
}

std::vector<size_t> run(RegexMatcher &matcher, std::string_view text) {
  std::vector<size_t> ends;
  RegexMatch match{};
  size_t at = 0;
  matcher.setText(text);
  while (matcher.find(at, match)) {
    require(match.start >= at && match.end >= match.start &&
                match.end <= text.size(),
            "matches lie in the text in ascending order");
    ends.push_back(match.start);
    ends.push_back(match.end);
    at = match.end;
    if (match.start == match.end) {
      if (at == text.size()) {
        break;
      }
      at += decodeUtf8(text.substr(at)).length;
    }
  }
  return ends;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  std::string_view input(reinterpret_cast<const char *>(bytes), size);
  size_t line = std::min(input.find('\n'), size);
  Result<Regex> regex = Regex::compile(input.substr(0, line));
  if (!regex.isOk()) {
    const std::string &why = regex.status().message();
    require(!why.empty() && why.find('\n') == std::string::npos,
            "an error says why in one line");
    return 0;
  }
  require(Regex::load(regex->code()).isOk(),
          "what the compiler makes can be loaded");
  std::string text = wellFormed(input.substr(std::min(line + 1, size)));
  RegexMatcher matcher(*regex);
  std::vector<size_t> first = run(matcher, text);
  // A memo is a set of positions at which an instruction is known to fail or to
  // succeed. At each position, the matcher consults each memo a bounded number
  // of times, and between two consultations, it runs each instruction at most
  // once. This limits its steps to a multiple of the length of the text.
  uint64_t code = regex->program().code.size() + 1;
  for (const RegexInstruction &each : regex->program().code) {
    code += each.count;
  }
  uint64_t most = 8 * code * (regex->program().memos + 2) * (text.size() + 1);
  require(matcher.steps() <= most, "the time is linear in the text");
  require(run(matcher, text) == first, "a matcher can be used again");
  return 0;
}
