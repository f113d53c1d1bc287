//===- BpeTables.cpp - the symbols and merges of a BPE vocabulary ---------===//
#include "runtime/text/BpeTables.h"

#include "formats/model/ByteLevel.h"
#include "formats/model/KnownPieces.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "runtime/text/SpaceMark.h"

#include <algorithm>
#include <span>
#include <unordered_map>

namespace air::rt {
namespace {

/// Returns the text that `token` stands for. `token` is a token or one of the
/// two parts of a merge, in a vocabulary whose tokens are spelled as text.
std::string textOf(std::string_view token, TokenSpelling spelling) {
  return marksSpaces(spelling) ? withSpaces(token) : std::string(token);
}

/// For each token, whether it is user-defined in a tokenizer.json and also the
/// result of a merge. Hugging Face's library yields such a token in two cases:
/// if the token itself occurs in a text, and if merging other text results in
/// it. For example, if a normalizer replaces spaces with U+2581, the two spaces
/// of "a  b" can be merged to the token "\u2581\u2581".
std::vector<bool> mergedUserTokens(const TokenizerData &data) {
  std::vector<bool> isMerged(data.tokens.size());
  if (!data.rules.isSet) {
    return isMerged;
  }
  std::unordered_map<std::string_view, size_t> idOf;
  size_t longest = 0;
  for (size_t id = 0; id < data.tokens.size(); ++id) {
    if (data.types[id] == TokenType::UserDefined) {
      idOf.emplace(data.tokens[id], id);
      longest = std::max(longest, data.tokens[id].size());
    }
  }
  std::string result;
  for (const std::string &merge : data.merges) {
    const size_t space = merge.empty() ? std::string::npos : merge.find(' ', 1);
    if (space == std::string::npos || merge.size() - 1 > longest) {
      continue;
    }
    result.assign(merge, 0, space).append(merge, space + 1);
    if (const auto found = idOf.find(result); found != idOf.end()) {
      isMerged[found->second] = true;
    }
  }
  return isMerged;
}

/// Like fillTable(), but for vocabularies whose tokens are spelled as text.
void fillTextTable(const TokenizerData &data, TokenSpelling spelling,
                   const std::vector<bool> &isMerged, Vocabulary &vocabulary) {
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string &token = data.tokens[i];
    TokenType type = data.types[i];
    std::optional<uint8_t> byte =
        type == TokenType::Byte ? byteOfPiece(token) : std::nullopt;
    if (byte) {
      char c = static_cast<char>(*byte);
      vocabulary.byteTokens[*byte] = vocabulary.table.add({&c, 1});
      continue;
    }
    const bool isPiece = !isSpecial(type) || isMerged[i];
    // Special tokens are stored as they are, except the user-defined tokens of
    // a tokenizer.json. In these, U+2581 is replaced with a space, as the
    // decoders of a tokenizer.json do.
    const bool asStored = isSpecial(type) &&
                          !(data.rules.isSet && type == TokenType::UserDefined);
    int32_t id =
        vocabulary.table.add(asStored ? token : textOf(token, spelling));
    if (isPiece && !token.empty()) {
      vocabulary.table.index(id);
    }
  }
}

/// Adds the bytes of every token to the table of `vocabulary`, and indexes
/// those tokens that ordinary text can be encoded to.
void fillTable(const TokenizerData &data, const std::vector<bool> &isMerged,
               Vocabulary &vocabulary) {
  size_t total = 0;
  for (const std::string &token : data.tokens) {
    total += token.size();
  }
  vocabulary.table.reserve(data.tokens.size(), total);
  std::string bytes;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string &token = data.tokens[i];
    bool spelled = bytesOfSpelling(token, bytes);
    bool asStored = isSpecial(data.types[i]) && !isMerged[i];
    int32_t id =
        vocabulary.table.add(spelled && !asStored ? std::string_view(bytes)
                                                  : std::string_view(token));
    if (spelled && !asStored && !bytes.empty()) {
      vocabulary.table.index(id);
    }
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    char c = static_cast<char>(byte);
    vocabulary.byteTokens[byte] = vocabulary.table.find({&c, 1});
  }
}

struct MergeEntry {
  std::string left;
  std::string right;
  std::string merged;
  uint64_t leftHash;
  uint64_t rightHash;
  uint64_t mergedHash;
  int32_t rank;
  int32_t leftId;
  int32_t rightId;
  int32_t mergedId;
};

/// Splits `merge` into its two parts and decodes them to bytes. Returns false
/// if a part contains a character that stands for no byte. Such a part occurs
/// in no text, so the merge never applies.
Result<bool> parseMerge(std::string_view merge, size_t rank,
                        TokenSpelling spelling, MergeEntry &entry) {
  // No part is empty, so the first character is not the separator.
  size_t space = merge.empty() ? std::string_view::npos : merge.find(' ', 1);
  if (space == std::string_view::npos || space + 1 == merge.size()) {
    return corruptError("tokenizer: merge " + std::to_string(rank) + ", " +
                        inQuotes(merge) +
                        ", does not consist of two parts with a space between "
                        "them");
  }
  if (spelling != TokenSpelling::Bytes) {
    entry.left = textOf(merge.substr(0, space), spelling);
    entry.right = textOf(merge.substr(space + 1), spelling);
  } else if (!bytesOfSpelling(merge.substr(0, space), entry.left) ||
             !bytesOfSpelling(merge.substr(space + 1), entry.right)) {
    return false;
  }
  entry.rank = static_cast<int32_t>(rank);
  entry.merged.assign(entry.left).append(entry.right);
  entry.leftHash = TokenTable::hashOf(entry.left);
  entry.rightHash = TokenTable::hashOf(entry.right);
  entry.mergedHash = TokenTable::hashOf(entry.merged);
  return true;
}

/// Builds the table of merges. A vocabulary has hundreds of thousands of
/// merges, and each takes four look-ups in large tables. The merges are
/// processed in batches, so that the memory that a look-up reads can be
/// prefetched while other merges of the batch are prepared.
class MergeReader {
public:
  MergeReader(TokenTable &tokens, size_t count, TokenSpelling spelled)
      : table(tokens), spelling(spelled), pairs(count) {}

  Result<PairTable> run(const std::vector<std::string> &merges) {
    std::array<MergeEntry, 64> batch;
    size_t used = 0;
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      AIR_ASSIGN_OR_RETURN(
          bool applies, parseMerge(merges[rank], rank, spelling, batch[used]));
      if (!applies) {
        continue;
      }
      table.prefetch(batch[used].leftHash);
      table.prefetch(batch[used].rightHash);
      if (++used == batch.size()) {
        flush(batch);
        used = 0;
      }
    }
    flush(std::span(batch).first(used));
    return std::move(pairs);
  }

private:
  void flush(std::span<MergeEntry> batch) {
    for (MergeEntry &entry : batch) {
      entry.leftId = symbolOf(entry.left, entry.leftHash, TokenTable::kAbsent);
      entry.rightId =
          symbolOf(entry.right, entry.rightHash, TokenTable::kAbsent);
      // In most vocabularies, the ids of the merged tokens are in the order of
      // the merges, so the next id is a good guess.
      lastMerged = symbolOf(entry.merged, entry.mergedHash, lastMerged + 1);
      entry.mergedId = lastMerged;
      pairs.prefetch(entry.leftId, entry.rightId);
    }
    for (const MergeEntry &entry : batch) {
      pairs.insert(entry.leftId, entry.rightId, {entry.rank, entry.mergedId});
    }
  }

  /// Returns the id of `bytes`. If they are not a token, adds them with a new
  /// internal id.
  int32_t symbolOf(std::string_view bytes, uint64_t hash, int32_t guess) {
    int32_t id = table.find(bytes, hash, guess);
    if (id == TokenTable::kAbsent) {
      id = table.add(bytes);
      table.index(id);
    }
    return id;
  }

  TokenTable &table;
  TokenSpelling spelling;
  PairTable pairs;
  int32_t lastMerged = TokenTable::kAbsent;
};

} // namespace

std::string wellFormed(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  for (size_t i = 0; i < text.size();) {
    Utf8Step step = decodeUtf8(text.substr(i));
    if (step.kind == Utf8Step::Whole) {
      out += text.substr(i, step.length);
      i += step.length;
    } else {
      out += kReplacement;
      ++i;
    }
  }
  return out;
}

Result<BpeTables> BpeTables::create(const TokenizerData &data,
                                    TokenSpelling spelling,
                                    Vocabulary &vocabulary) {
  const std::vector<bool> isMerged = mergedUserTokens(data);
  if (spelling == TokenSpelling::Bytes) {
    fillTable(data, isMerged, vocabulary);
  } else {
    fillTextTable(data, spelling, isMerged, vocabulary);
  }
  AIR_ASSIGN_OR_RETURN(
      PairTable merges,
      MergeReader(vocabulary.table, data.merges.size(), spelling)
          .run(data.merges));
  BpeTables tables(vocabulary.table, std::move(merges),
                   spelling != TokenSpelling::Bytes);
  for (unsigned byte = 0; byte < 256; ++byte) {
    char c = static_cast<char>(byte);
    tables.byteSymbols[byte] = vocabulary.table.find({&c, 1});
  }
  return tables;
}

BpeTables::Atom BpeTables::firstAtom(std::string_view text) const {
  if (!isText) {
    return {byteSymbols[static_cast<uint8_t>(text.front())], 1};
  }
  const uint32_t length = decodeUtf8(text).length;
  return {table->find(text.substr(0, length)), length};
}

std::vector<int32_t> BpeTables::atoms() const {
  std::vector<int32_t> found;
  for (int32_t id = 0; id < table->size(); ++id) {
    const std::string_view text = (*table)[id];
    if (text.empty() || table->find(text) != id) {
      continue;
    }
    const Utf8Step step = decodeUtf8(text);
    const bool isAtom =
        isText ? step.kind == Utf8Step::Whole && step.length == text.size()
               : text.size() == 1;
    if (isAtom) {
      found.push_back(id);
    }
  }
  return found;
}

} // namespace air::rt
