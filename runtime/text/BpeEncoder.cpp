//===- BpeEncoder.cpp - byte-level byte-pair encoding -----------*- C++ -*-===//
#include "runtime/text/BpeEncoder.h"

#include "formats/model/ByteLevel.h"
#include "formats/model/KnownPieces.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "formats/text/unicode/Normalize.h"
#include "runtime/text/SpaceMark.h"

#include <algorithm>
#include <span>

namespace air::rt {

/// A single byte, or a run of bytes that has been merged. The symbols of a
/// pre-token form a linked list through `previous` and `next`.
struct BpeEncoder::Symbol {
  uint32_t start;
  uint32_t length; ///< 0: merged into its left neighbour
  int32_t id;
  int32_t previous;
  int32_t next;
};

/// A pair of neighbouring symbols that may be merged. The candidate is stale if
/// one of the symbols has changed since the candidate was pushed onto the heap.
struct BpeEncoder::Candidate {
  int32_t rank;
  int32_t left;
  uint32_t length; ///< the length of both symbols together
  int32_t merged;

  /// Puts the candidate with the lowest rank on top of the heap, or the
  /// leftmost of those if there are several.
  bool operator<(const Candidate &other) const {
    return rank != other.rank ? rank > other.rank : left > other.left;
  }
};

/// A word that has been encoded, with its ids. Only words of at most kMostBytes
/// bytes and kMostIds ids are remembered.
struct BpeEncoder::KnownWord {
  static constexpr size_t kMostBytes = 30;
  static constexpr size_t kMostIds = 8;

  uint8_t length = 0; ///< 0: the slot is free
  uint8_t count = 0;
  std::array<char, kMostBytes> bytes{};
  std::array<int32_t, kMostIds> ids{};
};

struct BpeEncoder::Scratch {
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  /// In mergeShort(), the merge of each symbol with its right neighbour.
  std::vector<PairTable::Merge> merges;
  std::vector<int32_t> ranks; ///< only the ranks of `merges`
  /// Empty for short texts, in which few words occur again.
  std::vector<KnownWord> known;
};

namespace {

/// The number of entries of the table of KnownWord, which takes 256 KiB.
constexpr size_t kKnownWords = 4096;
/// In words of at most this number of symbols, looking through all pairs takes
/// less time than a heap.
constexpr size_t kShortWord = 128;
constexpr int32_t kNoRank = INT32_MAX;
/// The table is used only for texts of at least this number of bytes.
constexpr size_t kLongText = 4096;

bool isWellFormed(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    Utf8Step step = decodeUtf8(text.substr(i));
    if (step.kind != Utf8Step::Whole) {
      return false;
    }
    i += step.length;
  }
  return true;
}

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

/// Returns `text` with each U+2581 replaced by a space.
std::string withSpaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  appendWithSpaces(text, out);
  return out;
}

/// Like fillTable(), but for vocabularies whose tokens are spelled as text.
void fillTextTable(const TokenizerData &data, Vocabulary &vocabulary) {
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
    bool asStored = isSpecial(type);
    int32_t id = vocabulary.table.add(asStored ? token : withSpaces(token));
    if (!asStored && !token.empty()) {
      vocabulary.table.index(id);
    }
  }
}

/// Adds the bytes of every token to the table of `vocabulary`, and indexes
/// those tokens that ordinary text can be encoded to.
void fillTable(const TokenizerData &data, Vocabulary &vocabulary) {
  size_t total = 0;
  for (const std::string &token : data.tokens) {
    total += token.size();
  }
  vocabulary.table.reserve(data.tokens.size(), total);
  std::string bytes;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string &token = data.tokens[i];
    TokenType type = data.types[i];
    bool spelled = bytesOfSpelling(token, bytes);
    bool asStored = isSpecial(type);
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

/// A merge that is being added to the tables.
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
    entry.left = withSpaces(merge.substr(0, space));
    entry.right = withSpaces(merge.substr(space + 1));
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

Result<BpeEncoder> BpeEncoder::create(const TokenizerData &data,
                                      Vocabulary &vocabulary) {
  AIR_ASSIGN_OR_RETURN(PreTokenizer splitter,
                       data.rules.isSet ? PreTokenizer::create(data.rules)
                                        : PreTokenizer::create(data.pre));
  TokenSpelling spelling = splitter.rules().spelling;
  if (spelling == TokenSpelling::Bytes) {
    fillTable(data, vocabulary);
  } else {
    fillTextTable(data, vocabulary);
  }
  AIR_ASSIGN_OR_RETURN(
      PairTable merges,
      MergeReader(vocabulary.table, data.merges.size(), spelling)
          .run(data.merges));
  BpeEncoder encoder(vocabulary, std::move(splitter), std::move(merges));
  encoder.form = data.rules.form;
  encoder.prefix = data.rules.prefix;
  if (encoder.preTokenizer.rules().composes) {
    encoder.form = NormalForm::C;
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    char c = static_cast<char>(byte);
    encoder.byteSymbols[byte] = vocabulary.table.find({&c, 1});
  }
  return encoder;
}

std::string BpeEncoder::normalisedForm(std::string_view text) const {
  return form ? normalized(text, *form) : std::string(text);
}

void BpeEncoder::encode(std::string_view text, Place place,
                        std::vector<int32_t> &ids) const {
  std::string repaired;
  if (!isWellFormed(text)) {
    repaired = wellFormed(text);
    text = repaired;
  }
  std::string formed;
  if (form && !(form == NormalForm::C && isPlainlyNfc(text))) {
    formed = normalized(text, *form);
    text = formed;
    repaired = {};
  }
  std::string spaced;
  if (spelling() != TokenSpelling::Bytes) {
    // In tokens and in text, U+2581 stands for a space.
    spaced = withSpaces(text);
    text = spaced;
    repaired = formed = {};
  }
  if (needsSpace(prefix, place, text)) {
    spaced = " " + std::string(text);
    text = spaced;
    repaired = formed = {};
  }
  Scratch scratch;
  if (text.size() >= kLongText) {
    scratch.known.resize(kKnownWords);
  }
  PreTokenizer::Scratch matchers = preTokenizer.makeScratch();
  size_t start = 0;
  preTokenizer.split(text, matchers, [&](size_t end) {
    std::string_view word = text.substr(start, end - start);
    if (scratch.known.empty() || word.size() > KnownWord::kMostBytes) {
      encodeWord(word, scratch, ids);
    } else {
      encodeOnce(word, scratch, ids);
    }
    start = end;
  });
}

/// Encodes `word`, or takes its ids from scratch.known.
void BpeEncoder::encodeOnce(std::string_view word, Scratch &scratch,
                            std::vector<int32_t> &ids) const {
  KnownWord &slot =
      scratch.known[TokenTable::hashOf(word) % scratch.known.size()];
  if (word == std::string_view(slot.bytes.data(), slot.length)) {
    ids.insert(ids.end(), slot.ids.data(), slot.ids.data() + slot.count);
    return;
  }
  size_t before = ids.size();
  encodeWord(word, scratch, ids);
  size_t count = ids.size() - before;
  if (count <= KnownWord::kMostIds) {
    slot.length = static_cast<uint8_t>(word.size());
    slot.count = static_cast<uint8_t>(count);
    std::ranges::copy(word, slot.bytes.begin());
    std::copy_n(ids.begin() + static_cast<ptrdiff_t>(before), count,
                slot.ids.begin());
  }
}

void BpeEncoder::push(Scratch &scratch, int32_t left) const {
  if (left < 0 || scratch.symbols[left].next < 0) {
    return;
  }
  const Symbol &a = scratch.symbols[left];
  const Symbol &b = scratch.symbols[a.next];
  const PairTable::Merge *merge = pairs.find(a.id, b.id);
  if (merge) {
    scratch.heap.push_back(
        {merge->rank, left, a.length + b.length, merge->merged});
    std::push_heap(scratch.heap.begin(), scratch.heap.end());
  }
}

/// Makes a symbol of each byte of `word`, or of each character if tokens are
/// spelled as text.
void BpeEncoder::startWord(std::string_view word, Scratch &scratch) const {
  bool isText = spelling() != TokenSpelling::Bytes;
  for (size_t start = 0; start < word.size();) {
    uint32_t length = isText ? decodeUtf8(word.substr(start)).length : 1;
    int32_t id = isText ? vocabulary->table.find(word.substr(start, length))
                        : byteSymbols[static_cast<uint8_t>(word[start])];
    auto index = static_cast<int32_t>(scratch.symbols.size());
    start += length;
    scratch.symbols.push_back({static_cast<uint32_t>(start) - length, length,
                               id, index - 1,
                               start < word.size() ? index + 1 : -1});
  }
}

/// Does all merges in scratch.symbols; erases the right symbol of each pair.
void BpeEncoder::mergeShort(Scratch &scratch) const {
  std::vector<Symbol> &symbols = scratch.symbols;
  std::vector<PairTable::Merge> &merges = scratch.merges;
  std::vector<int32_t> &ranks = scratch.ranks;
  const auto rate = [&](size_t i) {
    const PairTable::Merge *merge =
        pairs.find(symbols[i].id, symbols[i + 1].id);
    merges[i] = merge != nullptr ? *merge : PairTable::Merge();
    ranks[i] = merge != nullptr ? merge->rank : kNoRank;
  };
  merges.resize(symbols.size() - 1);
  ranks.resize(symbols.size() - 1);
  for (size_t i = 0; i < ranks.size(); ++i) {
    rate(i);
  }
  while (true) {
    int32_t least = kNoRank;
    for (const int32_t rank : ranks) {
      least = std::min(least, rank);
    }
    if (least == kNoRank) {
      break;
    }
    const auto at = std::ranges::find(ranks, least) - ranks.begin();
    const auto i = static_cast<size_t>(at);
    symbols[i].length += symbols[i + 1].length;
    symbols[i].id = merges[i].merged;
    symbols.erase(symbols.begin() + at + 1);
    merges.erase(merges.begin() + at);
    ranks.erase(ranks.begin() + at);
    if (i > 0) {
      rate(i - 1);
    }
    if (i < ranks.size()) {
      rate(i);
    }
  }
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].next = i + 1 < symbols.size() ? static_cast<int32_t>(i) + 1 : -1;
  }
}

/// Does all merges in scratch.symbols, but erases no symbols.
void BpeEncoder::mergeLong(Scratch &scratch) const {
  scratch.heap.clear();
  for (size_t i = 0; i + 1 < scratch.symbols.size(); ++i) {
    push(scratch, static_cast<int32_t>(i));
  }
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end());
    Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Symbol &left = scratch.symbols[best.left];
    if (left.length == 0 || left.next < 0) {
      continue;
    }
    Symbol &right = scratch.symbols[left.next];
    if (left.length + right.length != best.length) {
      continue;
    }
    left.length = best.length;
    left.id = best.merged;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) {
      scratch.symbols[left.next].previous = best.left;
    }
    push(scratch, left.previous);
    push(scratch, best.left);
  }
}

void BpeEncoder::encodeWord(std::string_view word, Scratch &scratch,
                            std::vector<int32_t> &ids) const {
  bool isLines = spelling() == TokenSpelling::TextAndLines &&
                 word.find_first_not_of('\n') == std::string_view::npos;
  if (preTokenizer.rules().ignoreMerges || isLines) {
    int32_t whole = vocabulary->table.find(word);
    if (whole != TokenTable::kAbsent && whole < vocabulary->size) {
      ids.push_back(whole);
      return;
    }
  }
  scratch.symbols.clear();
  startWord(word, scratch);
  if (scratch.symbols.size() > kShortWord) {
    mergeLong(scratch);
  } else if (!scratch.symbols.empty()) {
    mergeShort(scratch);
  }
  const auto count = static_cast<int32_t>(scratch.symbols.size());
  for (int32_t at = 0; at >= 0 && at < count; at = scratch.symbols[at].next) {
    const Symbol &symbol = scratch.symbols[at];
    if (symbol.id != TokenTable::kAbsent && symbol.id < vocabulary->size) {
      ids.push_back(symbol.id);
      continue;
    }
    for (char c : word.substr(symbol.start, symbol.length)) {
      int32_t id = vocabulary->byteTokens[static_cast<uint8_t>(c)];
      id = id != TokenizerData::kNoToken ? id : vocabulary->unknown;
      if (id != TokenizerData::kNoToken) {
        ids.push_back(id);
      }
    }
  }
}

} // namespace air::rt
