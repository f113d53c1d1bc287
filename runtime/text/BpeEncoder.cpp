//===- BpeEncoder.cpp - byte-pair encoding ----------------------*- C++ -*-===//
#include "runtime/text/BpeEncoder.h"

#include "formats/support/Utf8.h"
#include "formats/text/unicode/Normalize.h"
#include "formats/text/unicode/Unicode.h"
#include "runtime/text/MergeMatcher.h"
#include "runtime/text/PairMerger.h"
#include "runtime/text/SpaceMark.h"
#include "runtime/text/WordCache.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

namespace air::rt {

struct BpeEncoder::Memory final : Scratch {
  Memory(const BpeTables &tables, PreTokenizer::Scratch splitters, size_t bytes)
      : matchers(std::move(splitters)), merger(tables), matching(tables),
        known(bytes), isLongText(bytes >= WordCache::kLongText) {}

  PreTokenizer::Scratch matchers;
  PairMerger merger;
  size_t merged = 0; ///< bytes that `merger` has merged in this part
  const MergeMatcher *matcher = nullptr; ///< used instead of `merger` if set
  MergeMatcher::Scratch matching;
  std::vector<int32_t> symbols;
  WordCache known;
  /// Only a long text is worth the time that filling `matching` takes.
  bool isLongText;
};

/// The MergeMatcher that all calls of encode() share. It is built once
/// PairMerger has merged about kMergedBytes bytes of long texts.
struct BpeEncoder::Matcher {
  /// Building the matcher takes about as long as PairMerger takes to merge this
  /// number of bytes.
  static constexpr size_t kMergedBytes = size_t{256} << 10;

  std::atomic<size_t> merged = 0;
  std::once_flag isMade;
  std::optional<MergeMatcher> matcher;
};

namespace {

/// Whether `word` is white space. The expressions of TokenSpelling::Words yield
/// only words that consist of white space or contain none, so the first
/// character suffices.
bool isWhiteSpace(std::string_view word) {
  return whiteSpace().contains(decodeUtf8(word).codePoint);
}

} // namespace

BpeEncoder::BpeEncoder(const Vocabulary &words, PreTokenizer splitter,
                       BpeTables merges)
    : vocabulary(&words), preTokenizer(std::move(splitter)),
      tables(std::make_unique<const BpeTables>(std::move(merges))),
      matcher(std::make_unique<Matcher>()) {}
BpeEncoder::BpeEncoder(BpeEncoder &&) noexcept = default;
BpeEncoder::~BpeEncoder() = default;

Result<BpeEncoder> BpeEncoder::create(const TokenizerData &data,
                                      Vocabulary &vocabulary,
                                      size_t longestWord) {
  AIR_ASSIGN_OR_RETURN(PreTokenizer splitter,
                       data.rules.isSet
                           ? PreTokenizer::create(data.rules, data.splitters)
                           : PreTokenizer::create(data.pre, data.splitters));
  AIR_ASSIGN_OR_RETURN(
      BpeTables merges,
      BpeTables::create(data, splitter.rules().spelling, vocabulary));
  BpeEncoder encoder(vocabulary, std::move(splitter), std::move(merges));
  encoder.longest = longestWord;
  encoder.form = data.rules.form;
  encoder.lowercase = data.lowercase;
  encoder.prefix = data.rules.prefix;
  encoder.fusesUnknown =
      data.unknown != TokenizerData::kNoToken && !data.matching.empty() &&
      (data.matching[data.unknown] & match_flags::kFused) != 0;
  if (encoder.preTokenizer.rules().composes) {
    encoder.form = NormalForm::C;
  }
  return encoder;
}

std::string BpeEncoder::normalisedForm(std::string text) const {
  if (form && !(form == NormalForm::C && isPlainlyNfc(text))) {
    text = normalized(text, *form);
  }
  if (lowercase && !isWellFormed(text)) {
    text = wellFormed(text);
  }
  if (lowercase) {
    text = lowerCased(text);
  }
  return text;
}

std::unique_ptr<Encoder::Scratch> BpeEncoder::makeScratch(size_t bytes) const {
  return std::make_unique<Memory>(*tables, preTokenizer.makeScratch(), bytes);
}

bool BpeEncoder::encode(std::string_view text, Place place, Scratch *scratch,
                        TokenOutput &out) const {
  std::string repaired;
  if (!isWellFormed(text)) {
    repaired = wellFormed(text);
    text = repaired;
  }
  std::string formed;
  if (form && !(form == NormalForm::C && isPlainlyNfc(text))) {
    formed = normalized(text, *form);
    text = formed;
    repaired = std::string(); // frees the memory
  }
  if (std::string lower; lowercase && (lower = lowerCased(text)) != text) {
    formed = std::move(lower);
    text = formed;
    repaired = std::string();
  }
  // In tokens and in text, U+2581 stands for a space with some vocabularies.
  const bool hasMarks = marksSpaces(spelling()) &&
                        text.find(kSpaceMark) != std::string_view::npos;
  const bool beginsWithMark = hasMarks && text.starts_with(kSpaceMark);
  const bool addsSpace = needsSpace(prefix, place, beginsWithMark ? " " : text);
  std::string spaced;
  if (hasMarks || addsSpace) {
    spaced.reserve(text.size() + 1);
    spaced += addsSpace ? " " : "";
    if (hasMarks) {
      appendWithSpaces(text, spaced);
    } else {
      spaced += text;
    }
    text = spaced;
    repaired = std::string(); // frees the memory
    formed = std::string();
  }
  auto &memory = static_cast<Memory &>(*scratch);
  bool fits = true;
  size_t start = 0;
  preTokenizer.split(text, memory.matchers, [&](size_t end) {
    std::string_view word = text.substr(start, end - start);
    start = end;
    fits &= word.size() <= longest;
    if (!fits) {
      return;
    }
    // With TokenSpelling::Words, white space only separates words, and is not
    // encoded.
    if (spelling() != TokenSpelling::Words || !isWhiteSpace(word)) {
      memory.known.append(word, out.ids,
                          [&] { encodeWord(word, memory, out); });
      out.passOn();
    }
  });
  matcher->merged += std::exchange(memory.merged, 0);
  return fits;
}

/// Passes the symbols of `word` after all merges to `sink`.
void BpeEncoder::merge(std::string_view word, Memory &memory,
                       FunctionRef<void(int32_t symbol)> sink) const {
  if (memory.matcher == nullptr && memory.isLongText) {
    memory.merged += word.size();
    if (memory.merged + matcher->merged >= Matcher::kMergedBytes) {
      std::call_once(matcher->isMade,
                     [&] { matcher->matcher = MergeMatcher::create(*tables); });
      memory.matcher = matcher->matcher ? &*matcher->matcher : nullptr;
    }
  }
  if (memory.matcher == nullptr ||
      !memory.matcher->match(word, memory.matching, sink)) {
    memory.merger.merge(word, memory.symbols);
    std::ranges::for_each(memory.symbols, sink);
  }
}

void BpeEncoder::encodeWord(std::string_view word, Memory &memory,
                            TokenOutput &out) const {
  std::vector<int32_t> &ids = out.ids;
  bool isLines = spelling() == TokenSpelling::TextAndLines &&
                 word.find_first_not_of('\n') == std::string_view::npos;
  if (preTokenizer.rules().ignoreMerges || isLines) {
    int32_t whole = vocabulary->table.find(word);
    if (whole != TokenTable::kAbsent && whole < vocabulary->size) {
      ids.push_back(whole);
      return;
    }
  }
  const bool isLong = word.size() > WordCache::kLongestWord;
  // Whether an unknown token is yet to be appended. As in Hugging Face's
  // library, the byte tokens of the atoms that follow are appended before it.
  bool isUnknown = false;
  const auto appendUnknown = [&] {
    if (std::exchange(isUnknown, false)) {
      ids.push_back(vocabulary->unknown);
    }
  };
  merge(word, memory, [&](int32_t symbol) {
    const size_t length = symbol != TokenTable::kAbsent
                              ? vocabulary->table[symbol].size()
                              : tables->firstAtom(word).length;
    if (symbol != TokenTable::kAbsent && symbol < vocabulary->size) {
      appendUnknown();
      ids.push_back(symbol);
    } else {
      appendWithoutToken(word.substr(0, length), isUnknown, ids);
    }
    word.remove_prefix(length);
    if (isLong) {
      out.passOn();
    }
  });
  appendUnknown();
}

/// Appends the ids of the tokens that encode `text`, which is not a token
/// itself. Each atom of `text` becomes the tokens of its bytes or, if a byte
/// has no token, one unknown token. If the vocabulary has no unknown token,
/// bytes without a token are left out. The most recent unknown token is not
/// appended yet, because the next one may be fused with it (fusesUnknown);
/// `isUnknown` says that it is still to be appended.
void BpeEncoder::appendWithoutToken(std::string_view text, bool &isUnknown,
                                    std::vector<int32_t> &ids) const {
  while (!text.empty()) {
    const std::string_view atom =
        text.substr(0, tables->firstAtom(text).length);
    const size_t before = ids.size();
    for (const char c : atom) {
      const int32_t id = vocabulary->byteTokens[static_cast<uint8_t>(c)];
      if (id != TokenizerData::kNoToken) {
        ids.push_back(id);
      }
    }
    if (ids.size() - before < atom.size() &&
        vocabulary->unknown != TokenizerData::kNoToken) {
      ids.resize(before);
      if (isUnknown && !fusesUnknown) {
        ids.push_back(vocabulary->unknown);
      }
      isUnknown = true;
    }
    text.remove_prefix(atom.size());
  }
}

} // namespace air::rt
