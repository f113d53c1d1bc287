//===- AnswerFuzz.cpp - any answer in any notation --------------*- C++ -*-===//
//
// The first byte chooses a family of answers, and the second byte the size of
// the parts. The rest is an answer. It must give the same events whether it is
// parsed in parts or as a whole. Calls must begin before they end, and
// arguments must be JSON objects.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/answer/AnswerParser.h"
#include "runtime/text/answer/JsonScanner.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

using namespace air;
using namespace air::rt;

namespace {

void require(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
  }
}

/// Parses the answer in parts, checks the calls, and returns all events as
/// text.
std::string parse(const AnswerSyntax &syntax, const ToolSchemas &tools,
                  std::string_view answer, size_t part) {
  AnswerParser parser(syntax, tools, nullptr);
  std::vector<AnswerEvent> events;
  const auto take = [&](std::vector<AnswerEvent> more) {
    std::ranges::move(more, std::back_inserter(events));
  };
  for (size_t at = 0; at < answer.size(); at += part) {
    take(parser.feed(answer.substr(at, part)));
  }
  take(parser.finish());
  std::string all;
  std::string arguments;
  bool isInCall = false;
  auto last = AnswerEventKind::CallEnd;
  for (const AnswerEvent &event : events) {
    const bool isText = event.kind == AnswerEventKind::Answer ||
                        event.kind == AnswerEventKind::Reasoning;
    const bool begins = event.kind == AnswerEventKind::CallBegin;
    require(isInCall == (!isText && !begins), "a call begins and then ends");
    if (begins) {
      arguments.clear();
    } else if (event.kind == AnswerEventKind::CallArguments) {
      arguments += event.text;
    } else if (event.kind == AnswerEventKind::CallEnd) {
      require(arguments.starts_with('{') && isJson(arguments),
              "the arguments are a JSON object");
    }
    isInCall = begins || event.kind == AnswerEventKind::CallArguments;
    if (event.kind != last) {
      all += static_cast<char>(event.kind);
    }
    last = event.kind;
    all += event.text + event.name + event.id;
  }
  require(!isInCall, "a call ends");
  return all;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size < 2) {
    return 0;
  }
  static const ToolSchemas tools =
      *ToolSchemas::parse("[{\"name\": \"add\"}, {\"name\": \"now\"}]");
  std::string_view answer(reinterpret_cast<const char *>(bytes) + 2, size - 2);
  const auto families = answerFamilies();
  AnswerSyntax syntax = syntaxOf("<channel|>[/THINK]</seed:think>");
  syntax.family = &families[bytes[0] % families.size()];
  require(parse(syntax, tools, answer, 1 + bytes[1] % 16) ==
              parse(syntax, tools, answer, answer.size() + 1),
          "the events do not depend on the parts");
  return 0;
}
