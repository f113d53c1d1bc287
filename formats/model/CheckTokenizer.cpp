//===- CheckTokenizer.cpp - is this vocabulary usable? --------------------===//
#include "formats/model/CheckTokenizer.h"

#include "formats/model/ByteLevel.h"
#include "formats/model/Charsmap.h"
#include "formats/model/CheckPipeline.h"
#include "formats/model/EscapedBytes.h"
#include "formats/model/KnownPieces.h"
#include "formats/model/PreTokenizerNames.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace air {

namespace {

// The largest number of tokens, and also of merges. Token ids and indices of
// merges are int32_t.
constexpr size_t kMostTokens = size_t{1} << 30;

Status checkSizes(const TokenizerData &data) {
  if (data.tokens.empty() || data.tokens.size() > kMostTokens) {
    return corruptError("tokenizer: there are " +
                        std::to_string(data.tokens.size()) +
                        " tokens; 1 to 2^30 are allowed");
  }
  if (data.types.size() != data.tokens.size()) {
    return corruptError(
        "tokenizer: there are " + std::to_string(data.types.size()) +
        " token types for " + countOf(data.tokens.size(), "token") +
        "; there must be one for each token");
  }
  if (!data.matching.empty() && data.matching.size() != data.tokens.size()) {
    return corruptError(
        "tokenizer: there are " + std::to_string(data.matching.size()) +
        " match flags for " + countOf(data.tokens.size(), "token") +
        "; there must be one for each token, or none");
  }
  if (data.merges.size() > kMostTokens) {
    return corruptError("tokenizer: there are " +
                        std::to_string(data.merges.size()) +
                        " merges; at most 2^30 are allowed");
  }
  size_t specialBytes = 0;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    specialBytes += isSpecial(data.types[id]) ? data.tokens[id].size() : 0;
  }
  if (specialBytes > kMostSpecialBytes) {
    return unsupportedError(
        "tokenizer: the special tokens have " + std::to_string(specialBytes) +
        " bytes in all; at most " + std::to_string(kMostSpecialBytes) +
        " are supported");
  }
  return Status::ok();
}

Status checkIds(const TokenizerData &data) {
  auto size = static_cast<int64_t>(data.tokens.size());
  struct Named {
    const char *name;
    int32_t id;
  };
  std::vector<Named> ids = {
      {"bos", data.bos}, {"eos", data.eos}, {"unknown", data.unknown}};
  for (int32_t id : data.endOfGeneration) {
    if (id == TokenizerData::kNoToken) {
      return corruptError(
          "tokenizer: an end-of-generation id is -1, which is not a token id");
    }
    ids.push_back({"end-of-generation", id});
  }
  for (const Named &named : ids) {
    if (named.id != TokenizerData::kNoToken &&
        (named.id < 0 || named.id >= size)) {
      return corruptError(std::string("tokenizer: the ") + named.name +
                          " id is " + std::to_string(named.id) +
                          ", but the vocabulary has " + countOf(size, "token"));
    }
  }
  if (data.addBos && data.bos == TokenizerData::kNoToken) {
    return corruptError("tokenizer: a BOS token must be added to every text, "
                        "but the vocabulary has no "
                        "such token");
  }
  if (data.addEos && data.eos == TokenizerData::kNoToken) {
    return corruptError("tokenizer: an EOS token must be added to every text, "
                        "but the vocabulary has no "
                        "such token");
  }
  return Status::ok();
}

/// Checks that byte tokens are named like <0x0A>. Element b of the result says
/// whether byte b has a byte token.
Result<std::array<bool, 256>> checkByteNames(const TokenizerData &data) {
  std::array<bool, 256> present{};
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.types[id] != TokenType::Byte) {
      continue;
    }
    std::optional<uint8_t> byte = byteOfPiece(data.tokens[id]);
    if (!byte) {
      return corruptError(
          "tokenizer: byte token " + std::to_string(id) + " is " +
          inQuotes(data.tokens[id]) +
          ", which does not have the form <0xHH>, such as <0x0A>");
    }
    present[*byte] = true;
  }
  return present;
}

/// Checks that byte tokens are named like <0x0A>, and that every byte has a
/// byte token unless there is an unknown token.
Status checkByteTokens(const TokenizerData &data) {
  AIR_ASSIGN_OR_RETURN(const auto present, checkByteNames(data));
  for (bool isPresent : present) {
    if (!isPresent && data.unknown == TokenizerData::kNoToken) {
      return corruptError("tokenizer: some bytes have no token and there is no "
                          "unknown token, so some text could not be encoded");
    }
  }
  return Status::ok();
}

Status checkScores(const TokenizerData &data) {
  if (data.scores.size() != data.tokens.size()) {
    return corruptError("tokenizer: there are " +
                        std::to_string(data.scores.size()) + " scores for " +
                        countOf(data.tokens.size(), "token") +
                        "; there must be one for each token");
  }
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.scores[id] != data.scores[id]) {
      return corruptError("tokenizer: the score of token " +
                          std::to_string(id) +
                          " is NaN; scores must be numbers");
    }
    // The unigram model adds up scores, so they must be finite.
    if (data.kind == TokenizerKind::Unigram && std::isinf(data.scores[id])) {
      return corruptError("tokenizer: the score of token " +
                          std::to_string(id) +
                          " is infinite; scores must be finite");
    }
  }
  return Status::ok();
}

Status checkSpm(const TokenizerData &data) {
  AIR_RETURN_IF_ERROR(checkScores(data));
  return checkByteTokens(data);
}

Status checkUnigram(const TokenizerData &data) {
  AIR_RETURN_IF_ERROR(checkScores(data));
  AIR_RETURN_IF_ERROR(checkByteTokens(data));
  return Charsmap::parse(data.charsmap).status();
}

Status checkWordPiece(const TokenizerData &data) {
  if (data.unknown == TokenizerData::kNoToken) {
    return corruptError("tokenizer: there is no unknown token, so some text "
                        "could not be encoded");
  }
  return Status::ok();
}

Status checkRwkv(const TokenizerData &data) {
  std::array<bool, 256> present{};
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (isSpecial(data.types[id])) {
      continue;
    }
    std::optional<std::string> bytes = bytesOfEscapes(data.tokens[id]);
    if (!bytes) {
      return corruptError(
          "tokenizer: token " + std::to_string(id) + " is " +
          inQuotes(data.tokens[id]) +
          ", which has an invalid escape; valid escapes are \\xHH, \\t, \\n, "
          "\\r, and a backslash before another character");
    }
    if (bytes->size() == 1) {
      present[static_cast<uint8_t>((*bytes)[0])] = true;
    }
  }
  for (size_t byte = 0; byte < present.size(); ++byte) {
    if (!present[byte] && data.unknown == TokenizerData::kNoToken) {
      return corruptError("tokenizer: no token stands for byte " +
                          std::to_string(byte) +
                          " and there is no unknown token, so some text could "
                          "not be encoded");
    }
  }
  return Status::ok();
}

/// Whether ordinary text in UTF-8 can contain the byte. Such text has no bytes
/// that UTF-8 never uses, and no control characters other than tab and line
/// ends. It has none of the lead bytes 0xf1, 0xf2 and 0xf4 either: the first
/// two are those of Unicode planes 4 to 11, which have no characters, and the
/// third is that of plane 16, which has only private-use characters.
/// Vocabularies such as Falcon's and StarCoder's lack tokens for some of these
/// bytes.
bool occursInText(size_t byte) {
  if (byte < 0x20) {
    return byte == '\t' || byte == '\n' || byte == '\r';
  }
  return byte != 0x7f && byte != 0xc0 && byte != 0xc1 && byte != 0xf1 &&
         byte != 0xf2 && byte < 0xf4;
}

TokenSpelling spellingOf(const TokenizerData &data) {
  if (const TextPipeline &pipeline = data.rules.pipeline; pipeline.isSet) {
    // If pieces of words have a prefix or a suffix, a byte needs different
    // tokens at different places in a word. Such a vocabulary therefore does
    // not count as byte-level.
    const bool spellsBytes =
        pipeline.wordPrefix.empty() && pipeline.wordSuffix.empty() &&
        std::ranges::any_of(pipeline.steps, [](const TextStep &step) {
          return step.kind == TextStepKind::SpellBytes;
        });
    return spellsBytes ? TokenSpelling::Bytes : TokenSpelling::Text;
  }
  return data.rules.isSet ? data.rules.spelling
                          : preTokenizerRules(data.pre)->spelling;
}

Status checkBpe(const TokenizerData &data) {
  if (!data.rules.isSet && canonicalPreTokenizer(data.pre).empty()) {
    std::string what =
        data.pre.empty()
            ? "tokenizer: the file does not say how to pre-tokenize text "
              "('tokenizer.ggml.pre' is missing)"
            : "tokenizer: pre-tokenizer " + inQuotes(data.pre) +
                  " is not supported";
    return unsupportedError(what + "; supported: " + preTokenizerList() +
                            "; if one of these is right, pack with --pre "
                            "and its name");
  }
  if (spellingOf(data) != TokenSpelling::Bytes) {
    return checkByteTokens(data);
  }
  const std::array<bool, 256> present = bytesWithTokens(data);
  for (size_t byte = 0; byte < present.size(); ++byte) {
    if (!present[byte] && occursInText(byte) &&
        data.unknown == TokenizerData::kNoToken) {
      return corruptError("tokenizer: no token stands for byte " +
                          std::to_string(byte) +
                          " and there is no unknown token, so some text could "
                          "not be encoded");
    }
  }
  return Status::ok();
}

} // namespace

std::array<bool, 256> bytesWithTokens(const TokenizerData &data) {
  const bool isSpelled = spellingOf(data) == TokenSpelling::Bytes;
  std::array<bool, 256> present{};
  std::string bytes;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    const std::string &token = data.tokens[id];
    const TokenType type = data.types[id];
    if (!isSpelled) {
      if (const std::optional<uint8_t> byte =
              type == TokenType::Byte ? byteOfPiece(token) : std::nullopt) {
        present[*byte] = true;
      }
      continue;
    }
    // The spelling of one byte has one or two bytes in UTF-8, so longer tokens
    // need not be decoded.
    if (!isSpecial(type) && token.size() <= 2 &&
        bytesOfSpelling(token, bytes) && bytes.size() == 1) {
      present[static_cast<uint8_t>(bytes[0])] = true;
    }
  }
  return present;
}

bool hasAllBytes(const TokenizerData &data) {
  return std::ranges::all_of(bytesWithTokens(data), std::identity());
}

Status checkTokenizer(const TokenizerData &data) {
  if (data.kind == TokenizerKind::None) {
    return Status::ok();
  }
  AIR_RETURN_IF_ERROR(checkSizes(data));
  AIR_RETURN_IF_ERROR(checkIds(data));
  if (data.rules.pipeline.isSet) {
    AIR_RETURN_IF_ERROR(checkPipeline(data));
    AIR_RETURN_IF_ERROR(checkByteNames(data).status());
    return data.kind == TokenizerKind::Unigram ? checkSpm(data) : Status::ok();
  }
  switch (data.kind) {
  case TokenizerKind::None:
  case TokenizerKind::WordLevel:
    break;
  case TokenizerKind::Spm:
    return checkSpm(data);
  case TokenizerKind::Bpe:
    return checkBpe(data);
  case TokenizerKind::Unigram:
    return checkUnigram(data);
  case TokenizerKind::WordPiece:
    return checkWordPiece(data);
  case TokenizerKind::Rwkv:
    return checkRwkv(data);
  }
  return corruptError("tokenizer: the kind of the vocabulary is unknown");
}

} // namespace air
