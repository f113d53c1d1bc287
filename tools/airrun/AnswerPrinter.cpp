//===- AnswerPrinter.cpp - an answer as it appears ------------------------===//
#include "tools/airrun/AnswerPrinter.h"

#include "runtime/text/answer/JsonScanner.h"

#include <utility>

namespace air {

using Kind = rt::AnswerEventKind;

static constexpr std::string_view kDim = "\033[2m";
static constexpr std::string_view kNormal = "\033[0m";

AnswerPrinter::AnswerPrinter(Write output, bool dimming)
    : write(std::move(output)), dims(dimming) {}

Status AnswerPrinter::put(std::string_view text) {
  if (text.empty()) {
    return Status::ok();
  }
  endsLine = text.back() == '\n';
  return write(text);
}

Status AnswerPrinter::endLine() { return endsLine ? Status::ok() : put("\n"); }

Status AnswerPrinter::beginReasoning() {
  AIR_RETURN_IF_ERROR(endLine());
  isReasoning = true;
  return dims ? write(kDim) : put("<think>\n");
}

Status AnswerPrinter::endReasoning() {
  isReasoning = false;
  if (dims) {
    AIR_RETURN_IF_ERROR(write(kNormal));
  }
  AIR_RETURN_IF_ERROR(endLine());
  return put(dims ? "\n" : "</think>\n\n");
}

Status AnswerPrinter::add(const rt::AnswerEvent &event) {
  if (isReasoning && event.kind != Kind::Reasoning) {
    AIR_RETURN_IF_ERROR(endReasoning());
  }
  switch (event.kind) {
  case Kind::Reasoning:
    if (!isReasoning) {
      AIR_RETURN_IF_ERROR(beginReasoning());
    }
    return put(event.text);
  case Kind::Answer:
  case Kind::CallArguments:
    return put(event.text);
  case Kind::CallBegin:
    AIR_RETURN_IF_ERROR(endLine());
    return put("<tool_call>{\"name\": " + rt::jsonString(event.name) +
               ", \"arguments\": ");
  case Kind::CallEnd:
    return put("}</tool_call>\n");
  case Kind::CallBroken:
    return endLine();
  }
  return internalError("an event of an unknown kind");
}

Status AnswerPrinter::add(std::span<const rt::AnswerEvent> events) {
  for (const rt::AnswerEvent &event : events) {
    AIR_RETURN_IF_ERROR(add(event));
  }
  return Status::ok();
}

Status AnswerPrinter::finish() {
  if (std::exchange(isReasoning, false) && dims) {
    AIR_RETURN_IF_ERROR(write(kNormal));
  }
  return endLine();
}

} // namespace air
