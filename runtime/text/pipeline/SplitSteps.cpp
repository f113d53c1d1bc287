//===- SplitSteps.cpp - the steps of a pre-tokenizer ----------------------===//
//
// The steps do what the components of Hugging Face's `tokenizers` library do
// (tokenizers/src/pre_tokenizers; NormalizedString::split).
//
//===----------------------------------------------------------------------===//
#include "runtime/text/pipeline/SplitSteps.h"

#include "formats/model/ByteLevel.h"
#include "formats/support/Utf8.h"
#include "formats/text/unicode/Scripts.h"
#include "runtime/text/pipeline/NormalizeSteps.h"

#include <algorithm>

namespace air::rt {
namespace {

/// Of the first `origin` bytes of a text, how many lie in [begin, end).
size_t originIn(size_t begin, size_t end, size_t origin) {
  return begin < origin ? std::min(origin, end) - begin : 0;
}

/// Whether `step` of a pre-tokenizer changes a text instead of splitting it.
bool changes(const TextStep &step) {
  return step.kind == TextStepKind::MarkSpaces ||
         step.kind == TextStepKind::SpaceBefore ||
         step.kind == TextStepKind::SpellBytes;
}

/// Joins the matches of an expression and the text between them into pieces.
class PieceJoiner {
public:
  using PieceSink = FunctionRef<void(size_t begin, size_t end)>;

  PieceJoiner(SplitBehavior chosen, PieceSink receiver)
      : behavior(chosen), sink(receiver) {}

  void add(size_t begin, size_t end, bool isMatch) {
    switch (behavior) {
    case SplitBehavior::Removed:
      if (!isMatch) {
        emit(begin, end);
      }
      break;
    case SplitBehavior::Isolated:
      emit(begin, end);
      break;
    case SplitBehavior::MergedWithPrevious:
      join(begin, end, isMatch && !followsMatch);
      break;
    case SplitBehavior::MergedWithNext:
      // Each match is joined with the next part, unless that is a match, too.
      join(begin, end, !isMatch && followsMatch);
      break;
    case SplitBehavior::Contiguous:
      join(begin, end, isMatch == followsMatch);
      break;
    }
    followsMatch = isMatch;
  }
  void finish() {
    if (isPending) {
      emit(pendingBegin, pendingEnd);
    }
  }

private:
  /// Lets the part from `begin` to `end` continue the pending piece if `joins`,
  /// and begin a new one otherwise.
  void join(size_t begin, size_t end, bool joins) {
    if (isPending && joins) {
      pendingEnd = end;
      return;
    }
    finish();
    isPending = true;
    pendingBegin = begin;
    pendingEnd = end;
  }
  void emit(size_t begin, size_t end) {
    if (begin < end) {
      sink(begin, end);
    }
  }

  SplitBehavior behavior;
  PieceSink sink;
  bool followsMatch = false;
  bool isPending = false;
  size_t pendingBegin = 0;
  size_t pendingEnd = 0;
};

} // namespace

SplitSteps::SplitSteps(std::span<const TextStep> all,
                       std::span<RegexMatcher> matchers)
    : steps(all), matcherOf(all.size(), nullptr), buffers(all.size()) {
  size_t next = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (hasExpression(all[i])) {
      matcherOf[i] = &matchers[next++];
    }
  }
}

void SplitSteps::split(std::string_view text, size_t origin, WordSink sink) {
  if (!text.empty()) {
    run(0, text, origin, sink);
  }
}

void SplitSteps::split(std::string &&text, size_t origin, WordSink sink) {
  std::string_view rest = text;
  size_t first = 0;
  if (!text.empty() && !steps.empty() && changes(steps[0])) {
    change(0, rest, origin);
    first = 1;
    if (rest.data() != text.data()) {
      text = std::string(); // frees the memory, unlike clear()
    }
  }
  if (!rest.empty()) {
    run(first, rest, origin, sink);
  }
}

void SplitSteps::splitByMatches(size_t index, std::string_view text,
                                size_t origin, WordSink sink) {
  const TextStep &step = steps[index];
  const bool inverts = (step.flags & step_flags::kInverts) != 0;
  const auto goOn = [&](size_t begin, size_t end) {
    run(index + 1, text.substr(begin, end - begin),
        originIn(begin, end, origin), sink);
  };
  PieceJoiner joiner(step.behavior, goOn);
  forEachSegment(text, *matcherOf[index],
                 [&](size_t begin, size_t end, bool isMatch) {
                   joiner.add(begin, end, isMatch != inverts);
                 });
  joiner.finish();
}

/// Splits `text` where the script changes. Characters with kNoScript, such as
/// spaces, stay with the characters before them. As in the library, those at
/// the beginning of `text` are left out of all words.
void SplitSteps::splitByScripts(size_t index, std::string_view text,
                                size_t origin, WordSink sink) {
  constexpr size_t kNowhere = SIZE_MAX;
  uint8_t last = kNoScript;
  size_t start = kNowhere;
  for (size_t at = 0; at < text.size();) {
    const Utf8Step step = decodeUtf8(text.substr(at));
    const uint8_t script = splittingScript(step.codePoint);
    if (script != kNoScript && script != last) {
      if (start != kNowhere) {
        run(index + 1, text.substr(start, at - start),
            originIn(start, at, origin), sink);
      }
      start = at;
      last = script;
    }
    at += step.length;
  }
  if (start != kNowhere) {
    run(index + 1, text.substr(start), originIn(start, text.size(), origin),
        sink);
  }
}

std::string_view SplitSteps::markSpaces(size_t index, std::string_view text,
                                        size_t &origin) {
  const TextStep &step = steps[index];
  const auto scheme = static_cast<MarkScheme>(step.number);
  const bool isMarked = text.starts_with(step.content) || text.front() == ' ';
  const bool adds = !isMarked && (scheme == MarkScheme::Always ||
                                  (scheme == MarkScheme::First && origin != 0));
  if (!adds && text.find(' ') == std::string_view::npos) {
    return text;
  }
  std::string &out = buffers[index];
  out.clear();
  const auto spaces = static_cast<size_t>(std::ranges::count(text, ' '));
  out.reserve(text.size() - spaces + (spaces + 1) * step.content.size());
  if (adds) {
    out += step.content;
  }
  size_t newOrigin = 0;
  for (size_t at = 0; at < text.size();) {
    if (at >= origin && newOrigin == 0) {
      newOrigin = out.size();
    }
    if (text[at] == ' ') {
      out += step.content;
      ++at;
      continue;
    }
    const size_t end = std::min(text.find(' ', at), text.size());
    const size_t stop = at < origin ? std::min(end, origin) : end;
    out += text.substr(at, stop - at);
    at = stop;
  }
  origin = origin == 0 ? 0 : origin == text.size() ? out.size() : newOrigin;
  return out;
}

void SplitSteps::change(size_t index, std::string_view &text, size_t &origin) {
  std::string &out = buffers[index];
  switch (steps[index].kind) {
  case TextStepKind::MarkSpaces:
    text = markSpaces(index, text, origin);
    return;
  case TextStepKind::SpaceBefore:
    if (text.front() != ' ') {
      out.assign(" ").append(text);
      text = out;
      origin += origin != 0 ? 1 : 0;
    }
    return;
  default: // SpellBytes
    out.clear();
    out.reserve(spelledBytes(text));
    appendSpelling(text.substr(0, origin), out);
    text.remove_prefix(origin);
    origin = out.size();
    appendSpelling(text, out);
    text = out;
  }
}

void SplitSteps::run(size_t index, std::string_view text, size_t origin,
                     WordSink sink) {
  if (index == steps.size()) {
    sink(text);
    return;
  }
  const TextStep &step = steps[index];
  switch (step.kind) {
  case TextStepKind::Split:
    return splitByMatches(index, text, origin, sink);
  case TextStepKind::Scripts:
    return splitByScripts(index, text, origin, sink);
  case TextStepKind::FixedLength:
    for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
      for (uint32_t i = 0; i < step.number && end < text.size(); ++i) {
        end += decodeUtf8(text.substr(end)).length;
      }
      run(index + 1, text.substr(begin, end - begin),
          originIn(begin, end, origin), sink);
    }
    return;
  case TextStepKind::MarkSpaces:
  case TextStepKind::SpaceBefore:
  case TextStepKind::SpellBytes:
    change(index, text, origin);
    return run(index + 1, text, origin, sink);
  default:
    // Only a normalizer has steps of the other kinds.
    return run(index + 1, text, origin, sink);
  }
}

} // namespace air::rt
