//===- WordBpe.cpp - byte-pair encoding of a word -------------------------===//
//
// As in Hugging Face's `tokenizers` library (models/bpe/model.rs), merges are
// pairs of tokens. A word begins as a list of tokens: one for each character,
// several if it has tokens only for its bytes, or the unknown token.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/pipeline/WordModel.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"

#include <array>

namespace air::rt {
namespace {

class WordBpe final : public WordModel {
public:
  static Result<std::unique_ptr<WordModel>> create(const TokenizerData &data) {
    auto made = std::unique_ptr<WordBpe>(new WordBpe(data));
    AIR_RETURN_IF_ERROR(made->readMerges(data));
    return std::unique_ptr<WordModel>(std::move(made));
  }

  void encode(std::string_view word, Scratch &scratch,
              std::vector<int32_t> &ids) const override {
    if (ignoreMerges) {
      const int32_t whole = pieces.find(word);
      if (whole != TokenTable::kAbsent) {
        ids.push_back(whole);
        return;
      }
    }
    if (!scratch.merger) {
      scratch.merger.emplace(*merges);
    }
    PairMerger &merger = *scratch.merger;
    uint32_t unknownBytes = 0; // of an unknown token that is yet to be added
    const auto addUnknown = [&] {
      if (unknownBytes != 0) {
        merger.add(unknownBytes, unknown);
      }
      unknownBytes = 0;
    };
    for (size_t at = 0; at < word.size();) {
      const uint32_t length = decodeUtf8(word.substr(at)).length;
      const bool isFirst = at == 0;
      const std::string_view piece =
          spelled(word.substr(at, length), isFirst, at + length == word.size(),
                  scratch.text);
      at += length;
      const int32_t id = pieces.find(piece);
      if (id != TokenTable::kAbsent) {
        addUnknown();
        merger.add(length, id);
      } else if (!addBytes(piece, merger) &&
                 unknown != TokenizerData::kNoToken) {
        if (!fusesUnknown) {
          addUnknown();
        }
        unknownBytes += length;
      }
    }
    addUnknown();
    merger.finish(scratch.symbols);
    ids.insert(ids.end(), scratch.symbols.begin(), scratch.symbols.end());
  }

private:
  explicit WordBpe(const TokenizerData &data)
      : prefix(data.rules.pipeline.wordPrefix),
        suffix(data.rules.pipeline.wordSuffix), unknown(data.unknown),
        ignoreMerges(data.rules.ignoreMerges),
        fusesUnknown(data.unknown != TokenizerData::kNoToken &&
                     !data.matching.empty() &&
                     (data.matching[static_cast<size_t>(data.unknown)] &
                      match_flags::kFused) != 0) {
    byteTokens.fill(TokenizerData::kNoToken);
  }

  Status readMerges(const TokenizerData &data) {
    TokenTable all; // also those tokens that are no pieces of words
    for (size_t i = 0; i < data.tokens.size(); ++i) {
      const TokenType type = data.types[i];
      const int32_t id = pieces.add(data.tokens[i]);
      all.index(all.add(data.tokens[i]));
      if (type == TokenType::Byte) {
        const uint8_t byte = byteOfPiece(data.tokens[i]).value_or(0);
        byteTokens[byte] = id;
      } else if (isWordPiece(data, i)) {
        pieces.index(id);
      }
    }
    merges.emplace(data.merges.size());
    std::string product;
    for (size_t rank = 0; rank < data.merges.size(); ++rank) {
      const std::string &merge = data.merges[rank];
      const size_t border = merge.find(kMergeBorder);
      const std::string_view text = merge;
      if (border == std::string::npos) {
        return corruptError("tokenizer: merge " + std::to_string(rank) + ", " +
                            inQuotes(merge) +
                            ", does not consist of two parts with the byte "
                            "0xff between them");
      }
      const std::string_view left = text.substr(0, border);
      const std::string_view right = text.substr(border + 1);
      product = left;
      // The library, too, removes as many bytes as the prefix has.
      product += right.substr(std::min(prefix.size(), right.size()));
      int32_t ids[3];
      size_t i = 0;
      for (const std::string_view part :
           {left, right, std::string_view(product)}) {
        ids[i] = all.find(part);
        if (ids[i] == TokenTable::kAbsent) {
          return corruptError("tokenizer: merge " + std::to_string(rank) +
                              ", " + inQuotes(merge) + ", needs a token " +
                              inQuotes(std::string(part)) +
                              ", which is not in the vocabulary");
        }
        ++i;
      }
      const TokenType type = data.types[static_cast<size_t>(ids[2])];
      if (type != TokenType::Control && type != TokenType::Unknown) {
        merges->insert(ids[0], ids[1], {static_cast<int32_t>(rank), ids[2]});
      }
    }
    return Status::ok();
  }

  /// Returns `character` as the vocabulary spells it at its place in a word.
  std::string_view spelled(std::string_view character, bool isFirst,
                           bool isLast, std::string &text) const {
    const bool isPrefixed = !isFirst && !prefix.empty();
    const bool isSuffixed = isLast && !suffix.empty();
    if (!isPrefixed && !isSuffixed) {
      return character;
    }
    text = isPrefixed ? prefix : "";
    text += character;
    text += isSuffixed ? suffix : "";
    return text;
  }

  /// Adds the tokens of all bytes of `piece`. Returns false, and adds nothing,
  /// if a byte has none.
  bool addBytes(std::string_view piece, PairMerger &merger) const {
    for (const char c : piece) {
      if (byteTokens[static_cast<uint8_t>(c)] == TokenizerData::kNoToken) {
        return false;
      }
    }
    for (const char c : piece) {
      merger.add(1, byteTokens[static_cast<uint8_t>(c)]);
    }
    return true;
  }

  TokenTable pieces;
  std::optional<PairTable> merges;
  std::array<int32_t, 256> byteTokens{};
  std::string prefix;
  std::string suffix;
  int32_t unknown;
  bool ignoreMerges;
  bool fusesUnknown;
};

} // namespace

Result<std::unique_ptr<WordModel>> makeWordBpe(const TokenizerData &data) {
  return WordBpe::create(data);
}

} // namespace air::rt
