//===- Charsmap.h - sentencepiece's normalisation rules ---------*- C++ -*-===//
//
// A sentencepiece model stores its normalisation rules as the bytes
// "precompiled_charsmap". Each rule replaces a string by another one. At each
// position of a text, the rule with the longest string is applied.
//
// The bytes are: the number of bytes of a trie (32 bits); the trie; the
// replacements, each ended by a zero byte. The trie is a double array of the
// library Darts-clone (https://github.com/s-yata/darts-clone): an array of
// units of 32 bits. Matching begins at unit 0. A unit in which bit 31 is clear
// has a label, which is bits 0 to 7, and an offset, which is bits 10 to 30,
// shifted left by 8 if bit 9 is set. From unit i, byte c leads to unit
// j = i ^ offset(i) ^ c if the label of j is c. If bit 8 of unit i is set, the
// string of a rule ends at this unit, and bits 0 to 30 of unit i ^ offset(i)
// are the byte position of its replacement among the replacements. All numbers
// are little-endian.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_CHARSMAP_H
#define AIRPACK_FORMATS_MODEL_CHARSMAP_H

#include "formats/support/Status.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air {

/// Immutable once parsed; any number of threads may use it.
class Charsmap {
public:
  struct Rule {
    size_t length; ///< of the replaced string; 0 if no rule applies
    std::string_view replacement; ///< valid as long as the Charsmap
  };

  /// A Charsmap without rules.
  Charsmap() = default;

  /// If `bytes` is empty, the result has no rules. Errors: Corrupt if `bytes`
  /// end before or right after the trie, if the size of the trie is not a
  /// positive multiple of 4 bytes, if the end of a rule refers to a unit or a
  /// replacement that does not exist, or if the last replacement has no end.
  static Result<Charsmap> parse(std::string_view bytes);

  /// Returns the rule that applies at the beginning of `text`: of all rules
  /// whose string `text` begins with, the one with the longest string.
  Rule find(std::string_view text) const;

  /// An upper bound on the size of a rule's replacement in bytes.
  size_t longestReplacement() const { return longest; }

private:
  size_t longest = 0;
  std::vector<uint32_t> units;
  std::string replacements;
};

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_CHARSMAP_H
