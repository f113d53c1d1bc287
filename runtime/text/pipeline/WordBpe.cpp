//===- WordBpe.cpp - byte-pair encoding of a word -------------------------===//
//
// As in Hugging Face's `tokenizers` library (models/bpe/model.rs), merges are
// pairs of tokens. Before the first merge, each character of a word is replaced
// by its token. A character without a token becomes the tokens of its bytes or,
// if one of these bytes has no token either, the unknown token. If the
// vocabulary has no unknown token, the character is dropped.
//
// PairMerger needs some 40 bytes of memory for each byte of a word. A long word
// is therefore divided by a MergeLattice. This is not done with three kinds of
// vocabularies: those that spell pieces with a prefix or a suffix, those with
// merges of byte tokens or of tokens that are not pieces of words, and those
// with a token of more than kLongestPiece bytes.
//
//===----------------------------------------------------------------------===//
#include "runtime/text/pipeline/WordModel.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"

#include <algorithm>
#include <array>
#include <mutex>

namespace air::rt {
namespace {

class WordBpe final : public WordModel {
public:
  static Result<std::unique_ptr<WordModel>> create(const TokenizerData &data,
                                                   size_t longWord) {
    auto made = std::unique_ptr<WordBpe>(new WordBpe(data, longWord));
    AIR_RETURN_IF_ERROR(made->readMerges(data));
    return std::unique_ptr<WordModel>(std::move(made));
  }

  void encode(std::string_view word, Scratch &scratch,
              TokenOutput &out) const override {
    std::vector<int32_t> &ids = out.ids;
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
    if (word.size() > longWord && isPlain) {
      encodeLong(word, scratch, out);
      return;
    }
    PairMerger &merger = *scratch.merger;
    // The number of bytes for which an unknown token is yet to be added; 0 if
    // none is to be added.
    uint32_t unknownBytes = 0;
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
  /// Merges the characters of `text`, which all have tokens.
  void merge(std::string_view text, Scratch &scratch) const {
    for (size_t at = 0; at < text.size();) {
      const uint32_t length = decodeUtf8(text.substr(at)).length;
      scratch.merger->add(length, pieces.find(text.substr(at, length)));
      at += length;
    }
    scratch.merger->finish(scratch.symbols);
  }

  /// The lattice of all tokens whose text BPE encodes as exactly this token. It
  /// is made on first use, because making it takes some milliseconds.
  const MergeLattice &lattice(Scratch &scratch) const {
    std::call_once(isMade, [&] {
      std::vector<ByteTrie::Piece> whole;
      for (int32_t id = 0; id < pieces.size(); ++id) {
        const std::string_view text = pieces[id];
        if (text.empty() || text.size() > kLongestPiece || !hasTokens(text)) {
          continue;
        }
        merge(text, scratch);
        if (scratch.symbols == std::vector<int32_t>{id}) {
          whole.push_back({text, id});
        }
      }
      made.emplace(std::move(whole));
    });
    return *made;
  }
  bool hasTokens(std::string_view text) const {
    for (size_t at = 0; at < text.size();) {
      const size_t length = decodeUtf8(text.substr(at)).length;
      if (pieces.find(text.substr(at, length)) == TokenTable::kAbsent) {
        return false;
      }
      at += length;
    }
    return true;
  }

  /// Encodes a part of a word whose characters all have tokens.
  void encodeKnown(std::string_view part, Scratch &scratch,
                   TokenOutput &out) const {
    if (part.size() > longWord) {
      part.remove_prefix(lattice(scratch).divide(
          part, scratch.merges,
          [&](std::string_view text, size_t border) {
            merge(text, scratch);
            return scratch.symbols.size() == 2 &&
                   pieces[scratch.symbols[0]].size() == border;
          },
          [&](std::string_view, int32_t id) {
            out.ids.push_back(id);
            out.passOn();
          }));
    }
    merge(part, scratch);
    out.ids.insert(out.ids.end(), scratch.symbols.begin(),
                   scratch.symbols.end());
  }

  /// Returns `word` without the characters that encode() drops because they
  /// have no tokens. The characters before and after a dropped one become
  /// neighbours, so merges may join them. The result refers to the memory of
  /// `word` or of `kept`.
  std::string_view withoutDropped(std::string_view word,
                                  std::string &kept) const {
    if (unknown != TokenizerData::kNoToken) {
      return word;
    }
    kept.clear();
    // `kept` has all characters of word[0, done) that are not dropped.
    size_t done = 0;
    for (size_t at = 0; at < word.size();) {
      const size_t length = decodeUtf8(word.substr(at)).length;
      const std::string_view character = word.substr(at, length);
      if (pieces.find(character) == TokenTable::kAbsent &&
          !hasByteTokens(character)) {
        kept.reserve(word.size());
        kept += word.substr(done, at - done);
        done = at + length;
      }
      at += length;
    }
    if (done == 0) {
      return word;
    }
    kept += word.substr(done);
    return kept;
  }

  /// Does what encode() does. Nothing is merged across an unknown token or the
  /// tokens of bytes, so the parts between them are encoded by themselves.
  void encodeLong(std::string_view word, Scratch &scratch,
                  TokenOutput &out) const {
    word = withoutDropped(word, scratch.text);
    bool isUnknown = false; // an unknown token is yet to be added
    const auto addUnknown = [&] {
      if (std::exchange(isUnknown, false)) {
        out.ids.push_back(unknown);
      }
    };
    for (size_t at = 0; at < word.size();) {
      size_t end = at;
      uint32_t length = 0;
      while (end < word.size()) {
        length = decodeUtf8(word.substr(end)).length;
        if (pieces.find(word.substr(end, length)) == TokenTable::kAbsent) {
          break;
        }
        end += length;
      }
      if (end > at) {
        addUnknown();
        encodeKnown(word.substr(at, end - at), scratch, out);
      }
      at = end;
      if (at == word.size()) {
        break;
      }
      const std::string_view character = word.substr(at, length);
      at += length;
      if (hasByteTokens(character)) {
        for (const char c : character) {
          out.ids.push_back(byteTokens[static_cast<uint8_t>(c)]);
        }
      } else {
        if (!fusesUnknown) {
          addUnknown();
        }
        isUnknown = true;
      }
      out.passOn();
    }
    addUnknown();
  }

  WordBpe(const TokenizerData &data, size_t longest)
      : longWord(longest), prefix(data.rules.pipeline.wordPrefix),
        suffix(data.rules.pipeline.wordSuffix), unknown(data.unknown),
        ignoreMerges(data.rules.ignoreMerges),
        fusesUnknown(data.unknown != TokenizerData::kNoToken &&
                     !data.matching.empty() &&
                     (data.matching[static_cast<size_t>(data.unknown)] &
                      match_flags::kFused) != 0),
        isPlain(prefix.empty() && suffix.empty()) {
    byteTokens.fill(TokenizerData::kNoToken);
  }

  Status readMerges(const TokenizerData &data) {
    // Unlike `pieces`, `all` also finds tokens that are not pieces of words.
    TokenTable all;
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
      // Like the library, this removes as many bytes from `right` as the prefix
      // has, and does not check that they are the prefix.
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
        isPlain &= isWordPiece(data, static_cast<size_t>(ids[0])) &&
                   isWordPiece(data, static_cast<size_t>(ids[1])) &&
                   data.types[static_cast<size_t>(ids[0])] != TokenType::Byte &&
                   data.types[static_cast<size_t>(ids[1])] != TokenType::Byte;
      }
    }
    isPlain &= std::ranges::none_of(data.tokens, [](const std::string &token) {
      return token.size() > kLongestPiece;
    });
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

  bool hasByteTokens(std::string_view piece) const {
    return std::ranges::all_of(piece, [&](char c) {
      return byteTokens[static_cast<uint8_t>(c)] != TokenizerData::kNoToken;
    });
  }
  /// Adds the tokens of all bytes of `piece`. Returns false, and adds nothing,
  /// if a byte has none.
  bool addBytes(std::string_view piece, PairMerger &merger) const {
    if (!hasByteTokens(piece)) {
      return false;
    }
    for (const char c : piece) {
      merger.add(1, byteTokens[static_cast<uint8_t>(c)]);
    }
    return true;
  }

  TokenTable pieces;
  std::optional<PairTable> merges;
  std::array<int32_t, 256> byteTokens{};
  size_t longWord; ///< longer words are divided by a lattice
  std::string prefix;
  std::string suffix;
  int32_t unknown;
  bool ignoreMerges;
  bool fusesUnknown;
  /// The most bytes of a token in a vocabulary for which the lattice is used.
  /// Longer tokens could make the lattice slow.
  static constexpr size_t kLongestPiece = 256;
  bool isPlain; ///< whether words may be divided by a lattice
  mutable std::once_flag isMade;
  mutable std::optional<MergeLattice> made;
};

} // namespace

Result<std::unique_ptr<WordModel>> makeWordBpe(const TokenizerData &data,
                                               size_t longWord) {
  return WordBpe::create(data, longWord);
}

} // namespace air::rt
