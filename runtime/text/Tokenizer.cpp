//===- Tokenizer.cpp - text <-> token ids -----------------------*- C++ -*-===//
#include "runtime/text/Tokenizer.h"

#include "formats/model/CheckTokenizer.h"
#include "runtime/text/BpeEncoder.h"
#include "runtime/text/SpecialMatcher.h"
#include "runtime/text/SpmEncoder.h"

#include <algorithm>
#include <optional>

namespace air::rt {

struct Tokenizer::State {
  Vocabulary vocabulary;
  std::optional<SpmEncoder> spm;
  std::optional<BpeEncoder> bpe;
  SpecialMatcher userDefined;
  SpecialMatcher allSpecial;
  std::vector<int32_t> endOfGeneration;
  int32_t bos = TokenizerData::kNoToken;
  int32_t eos = TokenizerData::kNoToken;
  bool addBos = false;
  bool addEos = false;
  bool addSpacePrefix = false;
  size_t longestPiece = 0;

  /// Appends the ids of a text between special tokens.
  void encodePlain(std::string_view plain, std::vector<int32_t> &ids) const {
    if (plain.empty()) {
      return;
    }
    if (spm) {
      // Each part of the text between special tokens is encoded as a sentence
      // of its own, so each gets a space prefix.
      spm->encode(plain, addSpacePrefix, ids);
    } else {
      bpe->encode(plain, ids);
    }
  }
};

Tokenizer::Tokenizer(std::unique_ptr<State> made) : state(std::move(made)) {}
Tokenizer::Tokenizer(Tokenizer &&) noexcept = default;
Tokenizer &Tokenizer::operator=(Tokenizer &&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::create(TokenizerData data) {
  if (data.kind != TokenizerKind::Spm && data.kind != TokenizerKind::Bpe) {
    return unsupportedError("tokenizer: the model has no vocabulary; give "
                            "token ids instead of text");
  }
  AIR_RETURN_IF_ERROR(checkTokenizer(data));
  auto state = std::make_unique<State>();
  Vocabulary &vocabulary = state->vocabulary;
  vocabulary.size = static_cast<int32_t>(data.tokens.size());
  vocabulary.unknown = data.unknown;
  if (data.kind == TokenizerKind::Spm) {
    state->spm = SpmEncoder::create(data, vocabulary);
    state->addSpacePrefix = data.addSpacePrefix;
  } else {
    AIR_ASSIGN_OR_RETURN(state->bpe, BpeEncoder::create(data, vocabulary));
  }
  std::vector<SpecialMatcher::Token> userDefined;
  std::vector<SpecialMatcher::Token> all;
  for (int32_t id = 0; id < vocabulary.size; ++id) {
    TokenType type = data.types[id];
    if (type == TokenType::UserDefined) {
      userDefined.push_back({data.tokens[id], id});
    }
    if (type == TokenType::UserDefined || type == TokenType::Control ||
        type == TokenType::Unknown) {
      all.push_back({std::move(data.tokens[id]), id});
    }
    state->longestPiece =
        std::max(state->longestPiece, vocabulary.table[id].size());
  }
  state->userDefined = SpecialMatcher(std::move(userDefined));
  state->allSpecial = SpecialMatcher(std::move(all));
  state->endOfGeneration = std::move(data.endOfGeneration);
  std::sort(state->endOfGeneration.begin(), state->endOfGeneration.end());
  state->bos = data.bos;
  state->eos = data.eos;
  state->addBos = data.addBos;
  state->addEos = data.addEos;
  vocabulary.types = std::move(data.types);
  return Tokenizer(std::move(state));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool addBos,
                                       bool parseSpecial) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  if (addBos && state->addBos) {
    ids.push_back(state->bos);
  }
  const SpecialMatcher &matcher =
      parseSpecial ? state->allSpecial : state->userDefined;
  for (size_t at = 0; at < text.size();) {
    SpecialMatcher::Match match = matcher.find(text, at);
    state->encodePlain(text.substr(at, match.start - at), ids);
    if (match.length != 0) {
      ids.push_back(match.id);
    }
    at = match.start + match.length;
  }
  if (addBos && state->addEos) {
    ids.push_back(state->eos);
  }
  return ids;
}

std::vector<int32_t>
Tokenizer::encodeRendered(std::string_view text,
                          std::span<const jinja::TaintedSpan> tainted) const {
  std::vector<int32_t> ids;
  ids.reserve(text.size() / 3 + 8);
  SpecialMatcher::Match userDefined = state->userDefined.find(text, 0);
  size_t next = 0; // the first tainted range that does not end before `at`
  for (size_t at = 0; at < text.size();) {
    if (userDefined.start < at) {
      userDefined = state->userDefined.find(text, at);
    }
    while (next < tainted.size() && tainted[next].end <= at) {
      ++next;
    }
    // The first match from here on. Control tokens are looked for in each
    // stretch of text between tainted ranges.
    SpecialMatcher::Match match = userDefined;
    size_t from = at;
    for (size_t i = next; from < text.size() && from <= match.start; ++i) {
      const bool isLast = i == tainted.size();
      const size_t limit = isLast ? text.size() : tainted[i].begin;
      if (from < limit) {
        SpecialMatcher::Match found =
            state->allSpecial.find(text.substr(0, limit), from);
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
    state->encodePlain(text.substr(at, match.start - at), ids);
    if (match.length != 0) {
      ids.push_back(match.id);
    }
    at = match.start + match.length;
  }
  return ids;
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
  // The largest factor by which normalisation shrinks text. SPM, and BPE whose
  // tokens are spelled as text, replace U+2581, which has three bytes, with a
  // space. In form C, the three letters of a Hangul syllable, nine bytes,
  // become one character of three bytes.
  constexpr size_t kMostShrinking = 3;
  bool shrinks = state->spm || state->bpe->composes() ||
                 state->bpe->spelling() != TokenSpelling::Bytes;
  return state->longestPiece * (shrinks ? kMostShrinking : 1);
}
int32_t Tokenizer::specialToken(std::string_view text) const {
  SpecialMatcher::Match match = state->allSpecial.find(text, 0);
  return match.length != 0 && match.length == text.size()
             ? match.id
             : TokenizerData::kNoToken;
}
bool Tokenizer::isEndOfGeneration(int32_t id) const {
  return std::binary_search(state->endOfGeneration.begin(),
                            state->endOfGeneration.end(), id);
}

} // namespace air::rt
