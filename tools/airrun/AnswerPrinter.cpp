//===- AnswerPrinter.cpp - an answer as it appears ------------------------===//
#include "tools/airrun/AnswerPrinter.h"

#include <algorithm>
#include <utility>

namespace air {

static constexpr std::string_view kBegin = "<think>";
static constexpr std::string_view kEnd = "</think>";
static constexpr std::string_view kDim = "\033[2m";
static constexpr std::string_view kNormal = "\033[0m";

AnswerPrinter::AnswerPrinter(Write output, bool dimming, bool isThinking)
    : write(std::move(output)), dims(dimming),
      state(isThinking ? State::Thinking : State::Start) {}

Status AnswerPrinter::emit(std::string_view text) {
  if (text.empty()) {
    return Status::ok();
  }
  const bool wanted = dims && state == State::Thinking;
  if (wanted != isDimmed) {
    AIR_RETURN_IF_ERROR(write(wanted ? kDim : kNormal));
    isDimmed = wanted;
  }
  endsLine = text.back() == '\n';
  return write(text);
}

Status AnswerPrinter::add(std::string_view text) {
  held += text;
  if (state == State::Start) {
    const size_t begin =
        std::min(held.find_first_not_of(" \t\r\n"), held.size());
    const std::string_view rest = std::string_view(held).substr(begin);
    if (rest.starts_with(kBegin)) {
      state = State::Thinking;
    } else if (!kBegin.starts_with(rest)) {
      state = State::Answer;
    }
  }
  if (state == State::Start) {
    return Status::ok();
  }
  if (state == State::Thinking) {
    const size_t end = held.find(kEnd);
    if (end != std::string::npos) {
      AIR_RETURN_IF_ERROR(
          emit(std::string_view(held).substr(0, end + kEnd.size())));
      held.erase(0, end + kEnd.size());
      state = State::Answer;
    } else {
      // An end that may begin </think> waits for the next part.
      size_t keep = std::min(held.size(), kEnd.size() - 1);
      while (!std::string_view(held).ends_with(kEnd.substr(0, keep))) {
        --keep;
      }
      AIR_RETURN_IF_ERROR(
          emit(std::string_view(held).substr(0, held.size() - keep)));
      held.erase(0, held.size() - keep);
      return Status::ok();
    }
  }
  AIR_RETURN_IF_ERROR(emit(held));
  held.clear();
  return Status::ok();
}

Status AnswerPrinter::finish() {
  AIR_RETURN_IF_ERROR(emit(held));
  held.clear();
  if (isDimmed) {
    AIR_RETURN_IF_ERROR(write(kNormal));
    isDimmed = false;
  }
  return endsLine ? Status::ok() : write("\n");
}

} // namespace air
