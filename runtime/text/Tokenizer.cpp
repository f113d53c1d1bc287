//===- Tokenizer.cpp - text <-> token ids -----------------------*- C++ -*-===//
#include "runtime/text/Tokenizer.h"

#include "formats/model/CheckTokenizer.h"
#include "runtime/text/BpeEncoder.h"
#include "runtime/text/RwkvEncoder.h"
#include "runtime/text/SpecialMatcher.h"
#include "runtime/text/SpmEncoder.h"
#include "runtime/text/UnigramEncoder.h"
#include "runtime/text/WordPieceEncoder.h"
#include "runtime/text/pipeline/PipelineEncoder.h"

#include <algorithm>
#include <array>
#include <optional>

namespace air::rt {

struct Tokenizer::State {
  Vocabulary vocabulary;
  std::unique_ptr<Encoder> encoder;
  const PipelineEncoder *pipeline = nullptr; ///< `encoder`, if it is one
  /// Index 0 finds tokens in the text itself, and index 1 in normalised text.
  std::array<SpecialMatcher, 2> userDefined;
  std::array<SpecialMatcher, 2> allSpecial;
  bool hasLateTokens = false;
  std::vector<uint8_t> matching; ///< match_flags by id; empty if all are 0
  std::vector<int32_t> endOfGeneration;
  int32_t bos = TokenizerData::kNoToken;
  int32_t eos = TokenizerData::kNoToken;
  bool addBos = false;
  bool addEos = false;
  std::vector<int32_t> afterBos;
  std::vector<int32_t> beforeEos;
  bool addSpacePrefix = false;
  size_t longestPiece = 0;

  /// encode() and encodePart() return false if a part of the text becomes too
  /// long to be encoded. `owned` is null or has the bytes to which `text` or
  /// `part` refers; its memory may then be freed early.
  bool encode(std::string_view text, std::string *owned, bool parseSpecial,
              TokenOutput &out) const;
  bool encodePart(std::string_view part, std::string *owned, Place place,
                  const SpecialMatcher &lateTokens, Encoder::Scratch *scratch,
                  TokenOutput &out) const;
};

Tokenizer::Tokenizer(std::unique_ptr<State> made) : state(std::move(made)) {}
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer &Tokenizer::operator=(Tokenizer &&) noexcept = default;
Tokenizer::~Tokenizer() = default;

/// Fills `vocabulary`, and makes the encoder, which refers to it.
static Result<std::unique_ptr<Encoder>> makeEncoder(const TokenizerData &data,
                                                    Vocabulary &vocabulary) {
  auto own = [](auto &&encoder) -> std::unique_ptr<Encoder> {
    return std::make_unique<std::decay_t<decltype(encoder)>>(
        std::forward<decltype(encoder)>(encoder));
  };
  switch (data.kind) {
  case TokenizerKind::None:
  case TokenizerKind::WordLevel:
    break;
  case TokenizerKind::Spm:
    return own(SpmEncoder::create(data, vocabulary));
  case TokenizerKind::Bpe: {
    AIR_ASSIGN_OR_RETURN(BpeEncoder bpe, BpeEncoder::create(data, vocabulary));
    return own(std::move(bpe));
  }
  case TokenizerKind::Unigram: {
    AIR_ASSIGN_OR_RETURN(UnigramEncoder unigram,
                         UnigramEncoder::create(data, vocabulary));
    return own(std::move(unigram));
  }
  case TokenizerKind::WordPiece:
    return own(WordPieceEncoder::create(data, vocabulary));
  case TokenizerKind::Rwkv:
    return own(RwkvEncoder::create(data, vocabulary));
  }
  return internalError("tokenizer: there is no encoder for the vocabulary");
}

Result<Tokenizer> Tokenizer::create(TokenizerData data) {
  if (data.kind == TokenizerKind::None) {
    return unsupportedError("tokenizer: the model has no vocabulary; give "
                            "token ids instead of text");
  }
  AIR_RETURN_IF_ERROR(checkTokenizer(data));
  auto state = std::make_unique<State>();
  Vocabulary &vocabulary = state->vocabulary;
  vocabulary.size = static_cast<int32_t>(data.tokens.size());
  vocabulary.unknown = data.unknown;
  if (data.rules.pipeline.isSet) {
    AIR_ASSIGN_OR_RETURN(std::unique_ptr<PipelineEncoder> made,
                         PipelineEncoder::create(data, vocabulary));
    state->pipeline = made.get();
    state->encoder = std::move(made);
    state->addSpacePrefix = data.addSpacePrefix;
  } else {
    AIR_ASSIGN_OR_RETURN(state->encoder, makeEncoder(data, vocabulary));
    // For BPE, only a tokenizer.json (rules.isSet) says whether a space is put
    // before a text. The flag of a GGUF file is ignored.
    bool says = data.kind == TokenizerKind::Spm ||
                data.kind == TokenizerKind::Unigram ||
                (data.kind == TokenizerKind::Bpe && data.rules.isSet);
    state->addSpacePrefix =
        (says && data.addSpacePrefix) || data.kind == TokenizerKind::WordPiece;
  }
  // Added tokens that are looked for in normalised text are normalised, too.
  // This is the total length of the results, in bytes.
  size_t normalisedBytes = 0;
  for (int pass = 0; pass < 2; ++pass) {
    std::vector<SpecialMatcher::Token> userDefined;
    std::vector<SpecialMatcher::Token> all;
    for (int32_t id = 0; id < vocabulary.size; ++id) {
      TokenType type = data.types[id];
      bool isLate = !data.matching.empty() &&
                    (data.matching[id] & match_flags::kNormalized) != 0;
      if (!isSpecial(type) || isLate != (pass == 1)) {
        continue;
      }
      std::string text = pass == 0
                             ? data.tokens[id]
                             : state->encoder->normalisedForm(data.tokens[id]);
      normalisedBytes += pass == 1 ? text.size() : 0;
      if (normalisedBytes > kMostSpecialBytes) {
        return unsupportedError(
            "tokenizer: the normalizer makes the added tokens longer than " +
            std::to_string(kMostSpecialBytes) +
            " bytes in all, which is not supported");
      }
      if (type == TokenType::UserDefined) {
        userDefined.push_back({text, id});
      }
      all.push_back({std::move(text), id});
    }
    state->hasLateTokens = pass == 1 && !all.empty();
    state->userDefined[pass] = SpecialMatcher(std::move(userDefined));
    state->allSpecial[pass] = SpecialMatcher(std::move(all));
  }
  for (int32_t id = 0; id < vocabulary.size; ++id) {
    state->longestPiece =
        std::max(state->longestPiece, vocabulary.table[id].size());
  }
  state->matching = std::move(data.matching);
  state->endOfGeneration = std::move(data.endOfGeneration);
  std::sort(state->endOfGeneration.begin(), state->endOfGeneration.end());
  state->bos = data.bos;
  state->eos = data.eos;
  state->addBos = data.addBos;
  state->addEos = data.addEos;
  state->afterBos = std::move(data.afterBos);
  state->beforeEos = std::move(data.beforeEos);
  vocabulary.types = std::move(data.types);
  return Tokenizer(std::move(state));
}

bool Tokenizer::State::encode(std::string_view text, std::string *owned,
                              bool parseSpecial, TokenOutput &out) const {
  const char *end = text.data() + text.size();
  bool fits = true;
  const auto &matchers = parseSpecial ? allSpecial : userDefined;
  const std::unique_ptr<Encoder::Scratch> scratch =
      encoder->makeScratch(text.size());
  matchers[0].divide(
      text, matching,
      [&](std::string_view part, bool isFirst) {
        const Place place = isFirst ? Place::TextStart : Place::AfterToken;
        if (owned != nullptr && part.data() + part.size() == end) {
          // This is the last part, so the parts before it are not needed.
          owned->erase(0, owned->size() - part.size());
          fits &=
              encodePart(*owned, owned, place, matchers[1], scratch.get(), out);
          return;
        }
        fits &=
            encodePart(part, nullptr, place, matchers[1], scratch.get(), out);
      },
      [&](int32_t id) {
        out.ids.push_back(id);
        out.passOn();
      });
  return fits;
}

/// Encodes the text between two special tokens. `lateTokens` finds the special
/// tokens that must be looked for in normalised text.
bool Tokenizer::State::encodePart(std::string_view part, std::string *owned,
                                  Place place, const SpecialMatcher &lateTokens,
                                  Encoder::Scratch *scratch,
                                  TokenOutput &out) const {
  const auto addLate = [&](int32_t id) {
    out.ids.push_back(id);
    out.passOn();
  };
  if (pipeline != nullptr) {
    std::string copy;
    if (owned == nullptr) {
      copy = part;
      owned = &copy;
    }
    if (!hasLateTokens) {
      return pipeline->encode(std::move(*owned), place, scratch, out);
    }
    const StepText formed = pipeline->normalise(std::move(*owned), place);
    bool fits = !formed.isTooLong;
    lateTokens.divide(
        formed.text, matching,
        [&](std::string_view rest, bool) {
          const auto at = static_cast<size_t>(rest.data() - formed.text.data());
          fits &= pipeline->encodeNormalised(
              rest,
              at < formed.origin ? std::min(formed.origin - at, rest.size())
                                 : 0,
              scratch, out);
        },
        addLate);
    return fits;
  }
  if (!hasLateTokens) {
    return encoder->encode(part, place, scratch, out);
  }
  bool fits = true;
  const std::string formed = encoder->normalisedForm(
      owned != nullptr ? std::move(*owned) : std::string(part));
  lateTokens.divide(
      formed, matching,
      [&](std::string_view rest, bool isFirst) {
        fits &= encoder->encode(
            rest, isFirst ? place : Place::AfterNormalizedToken, scratch, out);
      },
      addLate);
  return fits;
}

static Status tooLong(size_t bytes) {
  return doesNotFitError("tokenizer: after normalisation, a text of " +
                         std::to_string(bytes) +
                         " bytes is too long to be encoded; shorten the text");
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool addBos,
                                       bool parseSpecial) const {
  Result<std::vector<int32_t>> ids = tryEncode(text, addBos, parseSpecial);
  return ids ? *std::move(ids) : std::vector<int32_t>();
}

Status Tokenizer::encodeTo(TokenOutput &out, std::string_view text,
                           std::string *owned, bool addBos,
                           bool parseSpecial) const {
  if (addBos && state->addBos) {
    out.ids.push_back(state->bos);
    out.ids.insert(out.ids.end(), state->afterBos.begin(),
                   state->afterBos.end());
  }
  const size_t bytes = text.size();
  if (!state->encode(text, owned, parseSpecial, out)) {
    return tooLong(bytes);
  }
  if (addBos && state->addEos) {
    out.ids.insert(out.ids.end(), state->beforeEos.begin(),
                   state->beforeEos.end());
    out.ids.push_back(state->eos);
  }
  out.finish();
  return Status::ok();
}

Status Tokenizer::tryEncode(std::string_view text, bool addBos,
                            bool parseSpecial, TokenSink sink) const {
  TokenOutput out(sink);
  return encodeTo(out, text, nullptr, addBos, parseSpecial);
}

Status Tokenizer::consume(std::string text, bool addBos, bool parseSpecial,
                          TokenSink sink) const {
  TokenOutput out(sink);
  return encodeTo(out, text, &text, addBos, parseSpecial);
}

Result<std::vector<int32_t>> Tokenizer::tryEncode(std::string_view text,
                                                  bool addBos,
                                                  bool parseSpecial) const {
  TokenOutput out;
  out.ids.reserve(text.size() / 3 + 8);
  AIR_RETURN_IF_ERROR(encodeTo(out, text, nullptr, addBos, parseSpecial));
  return std::move(out.ids);
}

std::vector<int32_t>
Tokenizer::encodeRendered(std::string_view text,
                          std::span<const jinja::TaintedSpan> tainted) const {
  Result<std::vector<int32_t>> ids = tryEncodeRendered(text, tainted);
  return ids ? *std::move(ids) : std::vector<int32_t>();
}

Result<std::vector<int32_t>> Tokenizer::tryEncodeRendered(
    std::string_view text, std::span<const jinja::TaintedSpan> tainted) const {
  bool fits = true;
  TokenOutput out;
  out.ids.reserve(text.size() / 3 + 8);
  const std::unique_ptr<Encoder::Scratch> scratch =
      state->encoder->makeScratch(text.size());
  SpecialMatcher::Search anywhere(state->userDefined[0], text);
  // The search for all special tokens up to tainted[searched].begin or, if
  // `searched` is tainted.size(), up to the end of the text.
  std::optional<SpecialMatcher::Search> special;
  size_t searched = 0;
  size_t next = 0; // the first tainted range that ends after `at`
  auto find = [&](size_t at) {
    while (next < tainted.size() && tainted[next].end <= at) {
      ++next;
    }
    // The first match from `at` on. Control tokens are only looked for between
    // tainted ranges.
    SpecialMatcher::Match match = anywhere.find(at);
    size_t from = at;
    for (size_t i = next; from < text.size() && from <= match.start; ++i) {
      const bool isLast = i == tainted.size();
      const size_t limit = isLast ? text.size() : tainted[i].begin;
      if (from < limit) {
        if (!special || searched != i) {
          special.emplace(state->allSpecial[0], text.substr(0, limit));
          searched = i;
        }
        SpecialMatcher::Match found = special->find(from);
        if (found.length != 0) {
          if (found.start < match.start ||
              (found.start == match.start && found.length > match.length)) {
            match = found;
          }
          break;
        }
      }
      from = isLast ? text.size() : tainted[i].end;
    }
    return match;
  };
  auto isTainted = [&](std::string_view part) {
    const auto begin = static_cast<size_t>(part.data() - text.data());
    const auto range = std::partition_point(
        tainted.begin(), tainted.end(),
        [&](const jinja::TaintedSpan &each) { return each.end <= begin; });
    return range != tainted.end() && range->begin < begin + part.size();
  };
  SpecialMatcher::divide(
      text, state->matching, find,
      [&](std::string_view part, bool isFirst) {
        // It is not known which bytes of normalised text are tainted. Control
        // tokens are therefore looked for only in parts without tainted bytes.
        fits &= state->encodePart(
            part, nullptr, isFirst ? Place::TextStart : Place::AfterToken,
            isTainted(part) ? state->userDefined[1] : state->allSpecial[1],
            scratch.get(), out);
      },
      [&](int32_t id) { out.ids.push_back(id); });
  if (!fits) {
    return tooLong(text.size());
  }
  return std::move(out.ids);
}

std::string_view Tokenizer::piece(int32_t id, bool renderSpecial) const {
  const Vocabulary &vocabulary = state->vocabulary;
  if (id < 0 || id >= vocabulary.size) {
    return {};
  }
  TokenType type = vocabulary.types[id];
  if (!renderSpecial &&
      (type == TokenType::Control || type == TokenType::Unknown)) {
    return {};
  }
  return vocabulary.table[id];
}

int32_t Tokenizer::vocabSize() const { return state->vocabulary.size; }
int32_t Tokenizer::bos() const { return state->bos; }
int32_t Tokenizer::eos() const { return state->eos; }
bool Tokenizer::addsBos() const { return state->addBos; }
bool Tokenizer::addsSpacePrefix() const { return state->addSpacePrefix; }
size_t Tokenizer::longestPiece() const { return state->longestPiece; }
size_t Tokenizer::longestText() const {
  if (state->pipeline != nullptr) {
    // A pipeline may remove any part of a text, so there is no limit but that
    // of the encoder.
    return size_t{1} << 31;
  }
  // Normalisation may replace three bytes with one: U+2581 with a space, or a
  // compatibility form with an ASCII letter. It may also replace nine bytes
  // with three: the three letters of a Hangul syllable with one character.
  constexpr size_t kMostShrinking = 3;
  return state->longestPiece *
         (state->encoder->shrinksText() ? kMostShrinking : 1);
}
int32_t Tokenizer::specialToken(std::string_view text) const {
  for (const SpecialMatcher &matcher : state->allSpecial) {
    const int32_t id = matcher.idOf(text);
    if (id != SpecialMatcher::kNoToken) {
      return id;
    }
  }
  return TokenizerData::kNoToken;
}
bool Tokenizer::isEndOfGeneration(int32_t id) const {
  return std::binary_search(state->endOfGeneration.begin(),
                            state->endOfGeneration.end(), id);
}

} // namespace air::rt
