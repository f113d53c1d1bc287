//===- SpmEncoder.cpp - sentencepiece's BPE model ---------------*- C++ -*-===//
#include "runtime/text/SpmEncoder.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/Utf8.h"
#include "runtime/text/MergeLattice.h"
#include "runtime/text/ScoredMerges.h"
#include "runtime/text/SpaceMark.h"
#include "runtime/text/WordCache.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <utility>

namespace air::rt {

/// A single character, or several that have been merged. The symbols of the
/// text that is being encoded form a linked list through `previous` and `next`.
struct SpmEncoder::Symbol {
  uint32_t start;
  uint32_t length; ///< 0: merged into its left neighbour
  int32_t id;      ///< kAbsent for a character that is not a piece
  int32_t previous;
  int32_t next;
};

/// A pair of neighbouring symbols that may be merged. The candidate is stale if
/// one of the symbols has changed since the candidate was pushed onto the heap.
struct SpmEncoder::Candidate {
  float score;
  int32_t left;
  uint32_t length;
  int32_t merged;

  /// Puts the candidate with the highest score on top of the heap. Of several
  /// such candidates, the leftmost is on top.
  bool operator<(const Candidate &other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

struct SpmEncoder::Memory final : Scratch {
  explicit Memory(size_t bytes)
      : known(bytes), isLongText(bytes >= WordCache::kLongText) {}

  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  MergeLattice::Scratch lattice;
  WordCache known;
  /// Only a long text is worth the time that filling `matching` takes.
  bool isLongText;
  size_t merged = 0; ///< bytes that mergeRun() has merged in this part
  const ScoredMerges *merges = nullptr; ///< used instead of mergeRun() if set
  std::optional<MergeMatcher::Scratch> matching;
};

/// The lattice that divides long runs. It is made when it is first needed,
/// because making it takes some milliseconds.
struct SpmEncoder::Lattice {
  std::once_flag isMade;
  std::optional<MergeLattice> made;
};

/// Tables that make merging long texts faster. They are made only after
/// kMergedBytes of long texts have been merged without them.
struct SpmEncoder::Merges {
  /// Making the tables takes about as long as merging this many bytes.
  static constexpr size_t kMergedBytes = size_t{256} << 10;

  std::atomic<size_t> merged = 0;
  std::once_flag isMade;
  std::unique_ptr<const ScoredMerges> made;
};

SpmEncoder::SpmEncoder(const Vocabulary &words)
    : vocabulary(&words), lattice(std::make_unique<Lattice>()),
      merges(std::make_unique<Merges>()) {}
SpmEncoder::SpmEncoder(SpmEncoder &&) noexcept = default;
SpmEncoder::~SpmEncoder() = default;

std::unique_ptr<Encoder::Scratch> SpmEncoder::makeScratch(size_t bytes) const {
  return std::make_unique<Memory>(bytes);
}

SpmEncoder SpmEncoder::create(const TokenizerData &data, Vocabulary &vocabulary,
                              size_t longestWord) {
  SpmEncoder encoder(vocabulary);
  encoder.longestWord = longestWord;
  encoder.scores = data.scores;
  encoder.addSpacePrefix = data.addSpacePrefix;
  encoder.removeExtraSpaces = data.removeExtraWhitespaces;
  size_t total = 0;
  for (const std::string &token : data.tokens) {
    total += token.size();
  }
  vocabulary.table.reserve(data.tokens.size(), total);
  vocabulary.byteTokens.fill(TokenizerData::kNoToken);
  std::string bytes;
  for (size_t i = 0; i < data.tokens.size(); ++i) {
    const std::string &token = data.tokens[i];
    auto id = static_cast<int32_t>(i);
    bytes.clear();
    switch (data.types[i]) {
    case TokenType::Byte: {
      uint8_t byte = *byteOfPiece(token);
      bytes += static_cast<char>(byte);
      vocabulary.table.add(bytes);
      vocabulary.byteTokens[byte] = id;
      break;
    }
    case TokenType::Control:
    case TokenType::Unknown:
      vocabulary.table.add(token);
      break;
    default:
      appendWithSpaces(token, bytes);
      vocabulary.table.add(bytes);
      // A piece that the vocabulary spells with a literal space, and not with
      // U+2581, is not indexed. sentencepiece cannot reach such a piece either,
      // because the text that it looks up contains no literal spaces.
      if (!bytes.empty() && token.find(' ') == std::string::npos) {
        vocabulary.table.index(id);
        encoder.longest = std::max(encoder.longest, bytes.size());
        encoder.spacesOnlyLead &= !hasInnerSpace(bytes);
      }
    }
  }
  encoder.hasBytes = std::ranges::any_of(vocabulary.byteTokens, [](int32_t id) {
    return id != TokenizerData::kNoToken;
  });
  return encoder;
}

std::string SpmEncoder::normalized(std::string_view text, bool addSpace) const {
  std::string spaced;
  spaced.reserve(text.size() + 1);
  if (addSpace && !removeExtraSpaces) {
    spaced += ' ';
  }
  appendWithSpaces(text, spaced);
  if (removeExtraSpaces) {
    collapseSpaces(spaced, addSpace);
  }
  return spaced;
}

size_t SpmEncoder::stretchEnd(std::string_view text) const {
  constexpr size_t kLeast = size_t{1} << 16;
  if (!spacesOnlyLead || text.size() <= kLeast) {
    return text.size();
  }
  // Finds a space that follows a character other than a space. U+2581 counts as
  // a space too.
  for (size_t at = text.find(' ', kLeast); at != std::string_view::npos;
       at = text.find(' ', at + 1)) {
    std::string_view before = text.substr(0, at);
    if (!before.ends_with(' ') && !before.ends_with(kSpaceMark)) {
      return at;
    }
  }
  return text.size();
}

bool SpmEncoder::encode(std::string_view text, Place, Scratch *scratch,
                        TokenOutput &out) const {
  auto &memory = static_cast<Memory &>(*scratch);
  bool addSpace = addSpacePrefix;
  while (!text.empty()) {
    size_t end = stretchEnd(text);
    if (!encodeStretch(text.substr(0, end), addSpace, memory, out)) {
      return false;
    }
    text.remove_prefix(end);
    // The next stretch begins with spaces. If runs of spaces are collapsed,
    // normalized() drops all spaces at the beginning, so `addSpace` must
    // restore one of them.
    addSpace = removeExtraSpaces;
  }
  merges->merged += std::exchange(memory.merged, 0);
  return true;
}

/// Returns false if a word is too long.
bool SpmEncoder::encodeStretch(std::string_view text, bool addSpace,
                               Memory &memory, TokenOutput &out) const {
  std::string all = normalized(text, addSpace);
  std::string_view rest = all;
  while (!rest.empty()) {
    size_t end = spacesOnlyLead ? firstWordEnd(rest) : rest.size();
    if (end > longestWord) {
      return false;
    }
    encodeWord(rest.substr(0, end), memory, out);
    out.passOn();
    rest.remove_prefix(end);
  }
  return true;
}

void SpmEncoder::encodeWord(std::string_view word, Memory &memory,
                            TokenOutput &out) const {
  // Without byte tokens, the ids of a word depend on the word before it. If
  // that word ends with the unknown token, no other unknown token is added for
  // unknown characters at the beginning of this word.
  if (spacesOnlyLead && hasBytes) {
    memory.known.append(word, out.ids, [&] { encodeRun(word, memory, out); });
  } else {
    encodeRun(word, memory, out);
  }
}

void SpmEncoder::push(std::string_view run, Memory &memory,
                      int32_t left) const {
  if (left < 0 || memory.symbols[left].next < 0) {
    return;
  }
  const Symbol &a = memory.symbols[left];
  uint32_t length = a.length + memory.symbols[a.next].length;
  if (length > longest) {
    return;
  }
  int32_t id = vocabulary->table.find(run.substr(a.start, length));
  if (id != TokenTable::kAbsent) {
    memory.heap.push_back({scores[id], left, length, id});
    std::push_heap(memory.heap.begin(), memory.heap.end());
  }
}

/// Sets memory.symbols to the characters of `run`, and merges them.
void SpmEncoder::mergeRun(std::string_view run, Memory &memory) const {
  memory.symbols.clear();
  memory.heap.clear();
  for (uint32_t i = 0; i < run.size();) {
    uint32_t length = decodeUtf8(run.substr(i)).length;
    auto index = static_cast<int32_t>(memory.symbols.size());
    memory.symbols.push_back({i, length,
                              vocabulary->table.find(run.substr(i, length)),
                              index - 1, index + 1});
    i += length;
  }
  memory.symbols.back().next = -1;
  auto count = static_cast<int32_t>(memory.symbols.size());
  for (int32_t i = 0; i + 1 < count; ++i) {
    push(run, memory, i);
  }
  while (!memory.heap.empty()) {
    std::pop_heap(memory.heap.begin(), memory.heap.end());
    Candidate best = memory.heap.back();
    memory.heap.pop_back();
    Symbol &left = memory.symbols[best.left];
    if (left.length == 0 || left.next < 0) {
      continue;
    }
    Symbol &right = memory.symbols[left.next];
    if (left.length + right.length != best.length) {
      continue;
    }
    left.length = best.length;
    left.id = best.merged;
    left.next = right.next;
    right.length = 0;
    if (left.next >= 0) {
      memory.symbols[left.next].previous = best.left;
    }
    push(run, memory, left.previous);
    push(run, memory, best.left);
  }
}

/// Returns whether merging `text` leaves exactly two symbols, which meet at
/// `border`. If `border` is the end of `text`, returns whether it leaves
/// exactly one symbol.
bool SpmEncoder::staysDivided(std::string_view text, size_t border,
                              Memory &memory) const {
  mergeRun(text, memory);
  const Symbol &first = memory.symbols.front();
  return first.length == border &&
         (first.next < 0 || memory.symbols[first.next].next < 0);
}

const MergeLattice &SpmEncoder::latticeOf(Memory &memory) const {
  std::call_once(lattice->isMade, [&] {
    const TokenTable &table = vocabulary->table;
    std::vector<ByteTrie::Piece> whole;
    for (int32_t id = 0; id < table.size(); ++id) {
      const std::string_view text = table[id];
      if (!text.empty() && table.find(text) == id &&
          staysDivided(text, text.size(), memory)) {
        whole.push_back({text, id});
      }
    }
    lattice->made.emplace(std::move(whole));
  });
  return *lattice->made;
}

/// Appends the ids of `run`, which it finds with the tables of `merges`. Makes
/// these tables when kMergedBytes of long texts have been merged without them.
/// Returns false, and appends no ids, if the text that contains `run` is not
/// long, if too few bytes have been merged yet, or if there can be no tables
/// for this vocabulary (ScoredMerges.h).
bool SpmEncoder::matchRun(std::string_view run, Memory &memory,
                          TokenOutput &out) const {
  if (!memory.isLongText) {
    return false;
  }
  if (memory.merges == nullptr) {
    memory.merged += run.size();
    if (memory.merged + merges->merged < Merges::kMergedBytes) {
      return false;
    }
    std::call_once(merges->isMade, [&] {
      merges->made = ScoredMerges::create(vocabulary->table, scores);
    });
    memory.merges = merges->made.get();
    if (memory.merges == nullptr) {
      return false;
    }
    memory.matching.emplace(memory.merges->tables());
  }
  const bool isLong = run.size() > WordCache::kLongestWord;
  return memory.merges->matcher().match(
      run, *memory.matching, [&](int32_t symbol) {
        const size_t length =
            symbol != TokenTable::kAbsent
                ? memory.merges->tables().symbols()[symbol].size()
                : memory.merges->tables().firstAtom(run).length;
        if (symbol != TokenTable::kAbsent && symbol < vocabulary->size) {
          out.ids.push_back(symbol);
        } else {
          emit(run.substr(0, length), out.ids);
        }
        run.remove_prefix(length);
        if (isLong) {
          out.passOn();
        }
      });
}

void SpmEncoder::encodeRun(std::string_view run, Memory &memory,
                           TokenOutput &out) const {
  if (matchRun(run, memory, out)) {
    return;
  }
  // For shorter runs, a heap takes less time than a lattice.
  constexpr size_t kLongRun = size_t{1} << 16;
  // A vocabulary with longer pieces could make the lattice slow.
  constexpr size_t kLongestPiece = 256;
  if (run.size() > kLongRun && longest <= kLongestPiece) {
    run.remove_prefix(latticeOf(memory).divide(
        run, memory.lattice,
        [&](std::string_view text, size_t border) {
          return staysDivided(text, border, memory);
        },
        [&](std::string_view piece, int32_t id) {
          if (id != MergeLattice::kNoPiece) {
            out.ids.push_back(id);
          } else {
            emit(piece, out.ids);
          }
          out.passOn();
        }));
  }
  if (run.empty()) {
    return;
  }
  mergeRun(run, memory);
  for (int32_t at = 0; at >= 0; at = memory.symbols[at].next) {
    const Symbol &symbol = memory.symbols[at];
    if (symbol.id != TokenTable::kAbsent) {
      out.ids.push_back(symbol.id);
    } else {
      emit(run.substr(symbol.start, symbol.length), out.ids);
    }
  }
}

void SpmEncoder::emit(std::string_view character,
                      std::vector<int32_t> &ids) const {
  if (!hasBytes) {
    // As in sentencepiece, adjacent unknown characters become one id.
    if (ids.empty() || ids.back() != vocabulary->unknown) {
      ids.push_back(vocabulary->unknown);
    }
    return;
  }
  for (char c : character == " " ? kSpaceMark : character) {
    int32_t id = vocabulary->byteTokens[static_cast<uint8_t>(c)];
    ids.push_back(id != TokenizerData::kNoToken ? id : vocabulary->unknown);
  }
}

} // namespace air::rt
