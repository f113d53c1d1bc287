//===- NormalizeSteps.cpp - the steps of a normalizer ---------------------===//
//
// Each step does what a normalizer of Hugging Face's `tokenizers` library does
// (tokenizers/src/normalizers).
//
//===----------------------------------------------------------------------===//
#include "runtime/text/pipeline/NormalizeSteps.h"

#include "formats/model/ByteLevel.h"
#include "formats/support/Utf8.h"
#include "formats/text/unicode/Normalize.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/BertCharacters.h"

#include <algorithm>

namespace air::rt {
namespace {

bool isAscii(std::string_view text) {
  return std::ranges::none_of(
      text, [](char c) { return static_cast<uint8_t>(c) >= 0x80; });
}

/// Calls change(c, bytes, put) for each character c of `text`. `bytes` is its
/// UTF-8 encoding. The bytes that `change` passes to the function `put` replace
/// the character; without a call of `put`, the character is removed.
template <typename Change>
void forEachCharacter(StepText &text, Change change) {
  rewrite(text, [&](Rewriter &rewriter) {
    const std::string_view before = rewriter.before();
    for (size_t at = 0; at < before.size();) {
      const Utf8Step step = decodeUtf8(before.substr(at));
      change(step.codePoint, before.substr(at, step.length),
             [&](std::string_view bytes) { rewriter.put(bytes, at); });
      at += step.length;
    }
  });
}

void applyForm(NormalForm form, StepText &text) {
  if (form == NormalForm::C ? isPlainlyNfc(text.text) : isAscii(text.text)) {
    return;
  }
  std::string formed = normalized(text.text, form);
  if (text.origin != 0) {
    // Finds how many bytes of `formed`, the normalized text, stem from the
    // first `text.origin` bytes of the text. Normalized alone, these bytes
    // become `first`. If `formed` does not begin with `first`, normalization
    // has combined these bytes with later characters, or has changed the order
    // of characters. Of `formed`, only the first character then counts as
    // stemming from these bytes.
    const std::string first =
        normalized(std::string_view(text.text).substr(0, text.origin), form);
    text.origin = formed.starts_with(first) ? first.size()
                  : formed.empty()          ? 0
                                            : decodeUtf8(formed).length;
  }
  text.text = std::move(formed);
}

void applyLowercase(StepText &text) {
  if (isAscii(text.text)) {
    for (char &c : text.text) {
      c = static_cast<char>(lowerCase(static_cast<uint8_t>(c)));
    }
    return;
  }
  std::string lower;
  forEachCharacter(text, [&](uint32_t c, std::string_view, auto put) {
    lower.clear();
    appendUtf8(lowerCase(c), lower);
    if (c == kCapitalIWithDot) {
      appendUtf8(kDotAbove, lower);
    }
    put(lower);
  });
}

void applyNmt(StepText &text) {
  forEachCharacter(text, [](uint32_t c, std::string_view bytes, auto put) {
    const bool isRemoved = (c >= 0x01 && c <= 0x08) || c == 0x0b ||
                           (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f ||
                           c == 0x9f;
    const bool isSpace = c == '\t' || c == '\n' || c == 0x0c || c == '\r' ||
                         c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
                         c == 0x2028 || c == 0x2029 || c == 0x2581 ||
                         c == 0xfeff || c == 0xfffd;
    if (!isRemoved) {
      put(isSpace ? " " : bytes);
    }
  });
}

void applyStrip(uint8_t flags, StepText &text) {
  std::string_view rest = text.text;
  size_t removed = 0;
  while ((flags & step_flags::kLeft) != 0 && !rest.empty() &&
         whiteSpace().contains(decodeUtf8(rest).codePoint)) {
    const size_t length = decodeUtf8(rest).length;
    removed += length;
    rest.remove_prefix(length);
  }
  while ((flags & step_flags::kRight) != 0 && !rest.empty()) {
    size_t last = rest.size() - 1;
    while ((static_cast<uint8_t>(rest[last]) & 0xc0) == 0x80) {
      --last;
    }
    if (!whiteSpace().contains(decodeUtf8(rest.substr(last)).codePoint)) {
      break;
    }
    rest = rest.substr(0, last);
  }
  text.origin -= std::min(text.origin, removed);
  text.origin = std::min(text.origin, rest.size());
  text.text.resize(removed + rest.size());
  text.text.erase(0, removed);
}

void putReplaced(const TextStep &step, RegexMatcher *matcher, size_t origin,
                 Rewriter &rewriter) {
  const std::string_view before = rewriter.before();
  // As in Hugging Face's library, a replacement counts as stemming from the
  // last character of the match. If the match is empty, it counts as stemming
  // from the character before the match or, at the start of the text, from the
  // first character.
  const auto replace = [&](size_t end) {
    rewriter.put(step.content, end == 0 ? 0 : end - 1);
  };
  const auto keep = [&](size_t begin, size_t end) {
    // put() must be told the position of each character that begins before
    // `origin`. From `origin` on, positions make no difference to it, so once
    // `origin` has been reached, one call appends all the rest.
    while (begin < end) {
      const size_t length = decodeUtf8(before.substr(begin)).length;
      rewriter.put(before.substr(begin, length), begin);
      begin += length;
      if (begin >= origin) {
        rewriter.put(before.substr(begin, end - begin), begin);
        return;
      }
    }
  };
  if (matcher != nullptr) {
    forEachSegment(before, *matcher, [&](size_t begin, size_t end, bool isIn) {
      isIn ? replace(end) : keep(begin, end);
    });
  } else {
    size_t done = 0;
    for (size_t at = before.find(step.pattern); at != std::string_view::npos;
         at = before.find(step.pattern, done)) {
      keep(done, at);
      done = at + step.pattern.size();
      replace(done);
    }
    keep(done, before.size());
  }
}

void applyReplace(const TextStep &step, RegexMatcher *matcher, StepText &text) {
  rewrite(text, [&](Rewriter &rewriter) {
    putReplaced(step, matcher, text.origin, rewriter);
  });
}

void applyBert(uint8_t flags, StepText &text) {
  if ((flags & step_flags::kClean) != 0) {
    forEachCharacter(text, [](uint32_t c, std::string_view bytes, auto put) {
      if (!isBertRemoved(c)) {
        put(isBertSpace(c) ? " " : bytes);
      }
    });
  }
  if (isAscii(text.text)) {
    flags &= step_flags::kLower;
  }
  if ((flags & step_flags::kSpacesIdeographs) != 0) {
    forEachCharacter(text, [](uint32_t c, std::string_view bytes, auto put) {
      const bool isAlone = isBertIdeograph(c);
      put(isAlone ? " " : "");
      put(bytes);
      put(isAlone ? " " : "");
    });
  }
  if ((flags & step_flags::kAccents) != 0) {
    applyForm(NormalForm::D, text);
    forEachCharacter(text, [](uint32_t c, std::string_view bytes, auto put) {
      put(isBertAccent(c) ? "" : bytes);
    });
  }
  if ((flags & step_flags::kLower) != 0) {
    applyLowercase(text);
  }
}

void applyCharsmap(const Charsmap &charsmap, StepText &text) {
  rewrite(text, [&](Rewriter &rewriter) {
    const std::string_view before = rewriter.before();
    for (size_t at = 0; at < before.size();) {
      const Charsmap::Rule rule = charsmap.find(before.substr(at));
      const size_t length =
          rule.length != 0 ? rule.length : decodeUtf8(before.substr(at)).length;
      rewriter.put(
          rule.length != 0 ? rule.replacement : before.substr(at, length), at);
      at += length;
    }
  });
}

} // namespace

void forEachSegment(std::string_view text, RegexMatcher &matcher,
                    SegmentSink sink) {
  matcher.setText(text);
  size_t done = 0; // text[0, done) has been passed to the sink
  bool followsMatch = false;
  RegexMatch match{};
  for (size_t from = 0; from <= text.size() && matcher.find(from, match);) {
    if (match.start == match.end && followsMatch && match.end == done) {
      from = match.end;
      from += from < text.size() ? decodeUtf8(text.substr(from)).length : 1;
      continue;
    }
    if (done < match.start) {
      sink(done, match.start, false);
    }
    sink(match.start, match.end, true);
    done = from = match.end;
    followsMatch = true;
  }
  if (done < text.size()) {
    sink(done, text.size(), false);
  }
}

void applyNormalizer(const TextStep &step, const Charsmap &charsmap,
                     RegexMatcher *matcher, StepText &text) {
  switch (step.kind) {
  case TextStepKind::Form:
    return applyForm(static_cast<NormalForm>(step.number), text);
  case TextStepKind::Lowercase:
    return applyLowercase(text);
  case TextStepKind::StripAccents: {
    static const CodePointSet marks = *codePointsWith("M");
    if (!isAscii(text.text)) {
      forEachCharacter(text, [](uint32_t c, std::string_view bytes, auto put) {
        put(c >= 0x300 && marks.contains(c) ? "" : bytes);
      });
    }
    return;
  }
  case TextStepKind::Nmt:
    return applyNmt(text);
  case TextStepKind::Strip:
    return applyStrip(step.flags, text);
  case TextStepKind::Replace:
    return applyReplace(step, matcher, text);
  case TextStepKind::Prepend:
    if (!text.text.empty()) {
      text.text.insert(0, step.content);
      text.origin += text.origin != 0 ? step.content.size() : 0;
    }
    return;
  case TextStepKind::Bert:
    return applyBert(step.flags, text);
  case TextStepKind::Charsmap:
    return applyCharsmap(charsmap, text);
  case TextStepKind::SpellBytes: {
    StepText spelled;
    spelled.text.reserve(spelledBytes(text.text));
    appendSpelling(std::string_view(text.text).substr(0, text.origin),
                   spelled.text);
    spelled.origin = spelled.text.size();
    appendSpelling(std::string_view(text.text).substr(text.origin),
                   spelled.text);
    text.text = std::move(spelled.text);
    text.origin = spelled.origin;
    return;
  }
  case TextStepKind::Split:
  case TextStepKind::FixedLength:
  case TextStepKind::Scripts:
  case TextStepKind::MarkSpaces:
  case TextStepKind::SpaceBefore:
    return; // only a pre-tokenizer has steps of these kinds
  }
}

} // namespace air::rt
