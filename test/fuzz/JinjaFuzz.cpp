//===- JinjaFuzz.cpp - any template on any context --------------*- C++ -*-===//
//
// The first line of the input is the context as JSON, and the rest is the
// template. The template must be refused with a message of one line, or render
// the same UTF-8 text every time, also after its program has been written and
// loaded again. The tainted ranges of the text must be in ascending order.
//
//===----------------------------------------------------------------------===//
#include "formats/support/Utf8.h"
#include "formats/text/jinja/Json.h"
#include "formats/text/jinja/Template.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using namespace air;
using namespace air::jinja;

namespace {

void require(bool holds, const char *what) {
  if (!holds) {
    std::fprintf(stderr, "violated: %s\n", what);
    std::abort();
  }
}

void requireOneLine(const Status &status) {
  require(!status.message().empty() &&
              status.message().find('\n') == std::string::npos,
          "an error says why in one line");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  std::string_view input(reinterpret_cast<const char *>(bytes), size);
  size_t line = std::min(input.find('\n'), size);
  Result<Value> context = fromJson(input.substr(0, line), true);
  if (!context.isOk() || !context->is(Kind::Dict)) {
    return 0;
  }
  Result<Template> parsed =
      Template::parse(input.substr(std::min(line + 1, size)));
  if (!parsed.isOk()) {
    requireOneLine(parsed.status());
    return 0;
  }
  const ProgramCode code = parsed->program();
  const Result<Template> loaded = Template::load(code);
  require(loaded.isOk() || code.words.size() > kMaxProgramWords,
          "the program of a template can be read");
  Result<Rendered> first = parsed->render(*context, Date{2024, 2, 29});
  if (!first.isOk()) {
    requireOneLine(first.status());
    return 0;
  }
  size_t end = 0;
  for (TaintedSpan span : first->tainted) {
    require(span.begin >= end && span.begin < span.end &&
                span.end <= first->text.size(),
            "tainted ranges are in ascending order");
    end = span.end + 1;
  }
  for (size_t at = 0; at < first->text.size();) {
    Utf8Step step = decodeUtf8(std::string_view(first->text).substr(at));
    require(step.kind == Utf8Step::Whole, "the output is UTF-8");
    at += step.length;
  }
  if (!loaded.isOk()) {
    return 0;
  }
  Result<Rendered> second = loaded->render(*context, Date{2024, 2, 29});
  require(second.isOk() && second->text == first->text,
          "rendering again gives the same");
  return 0;
}
