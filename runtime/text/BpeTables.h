//===- BpeTables.h - the symbols and merges of a BPE vocabulary -*- C++ -*-===//
//
// Byte-pair encoding divides a text into atoms, which are bytes, or characters
// if the vocabulary spells its tokens as text. Then it merges pairs of
// neighbours. Atoms and the results of merges are called symbols. A symbol has
// the id of the token with the same bytes; a symbol that is not a token has an
// internal id (Vocabulary.h).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_BPETABLES_H
#define AIRPACK_RUNTIME_TEXT_BPETABLES_H

#include "formats/model/PreTokenizerNames.h"
#include "formats/support/Status.h"
#include "formats/support/Utf8.h"
#include "runtime/text/Vocabulary.h"

namespace air::rt {

/// Returns `text` with U+FFFD in place of each byte that is not part of
/// well-formed UTF-8.
std::string wellFormed(std::string_view text);

/// Immutable after create(); any number of threads may use it.
class BpeTables {
public:
  /// An atom is a byte or a character, the smallest unit that is merged. An
  /// atom that occurs neither in the vocabulary nor in a merge has the symbol
  /// kAbsent, and is never merged.
  struct Atom {
    int32_t symbol;
    uint32_t length; ///< in bytes
  };

  /// Fills `vocabulary` from `data`. `data` must have passed checkTokenizer(),
  /// and `vocabulary` must outlive the tables. Returns Corrupt if a merge does
  /// not consist of two parts with a space between them.
  static Result<BpeTables> create(const TokenizerData &data,
                                  TokenSpelling spelling,
                                  Vocabulary &vocabulary);

  /// The tables of symbols that are spelled as text. `symbols` finds each by
  /// its text, and must outlive the tables.
  static BpeTables ofText(const TokenTable &symbols, PairTable merges) {
    return {symbols, std::move(merges), true};
  }

  /// Returns the atom that `text` begins with. `text` must not be empty, and
  /// must be well-formed UTF-8 if tokens are spelled as text.
  Atom firstAtom(std::string_view text) const;
  std::vector<int32_t> atoms() const;
  /// Returns true unless `text` begins or ends inside an atom.
  bool areWholeAtoms(std::string_view text) const {
    return !isText || isWellFormed(text);
  }
  const PairTable &pairs() const { return merges; }
  const TokenTable &symbols() const { return *table; }

private:
  BpeTables(const TokenTable &strings, PairTable found, bool spelledAsText)
      : table(&strings), merges(std::move(found)), isText(spelledAsText) {}

  const TokenTable *table;
  PairTable merges;
  bool isText;
  std::array<int32_t, 256> byteSymbols{};
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_BPETABLES_H
