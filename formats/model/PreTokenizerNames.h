//===- PreTokenizerNames.h - how text is split before merging ---*- C++ -*-===//
//
// tokenizer.ggml.pre names the rules by which text is split before byte-pair
// merging (PreTokenizerRules). Names that stand for the same rules are
// synonyms, and one of the synonyms is the canonical name of the rules.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_PRETOKENIZERNAMES_H
#define AIRPACK_FORMATS_MODEL_PRETOKENIZERNAMES_H

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace air {

struct PreTokenizerName {
  std::string_view name;
  std::string_view canonical;
};

/// How a BPE vocabulary spells its tokens.
enum class TokenSpelling : uint8_t {
  Bytes, ///< byte by byte, with GPT-2's printable characters (ByteLevel.h)
  /// As text, with U+2581 for spaces. Characters without a token are spelled by
  /// byte tokens such as <0x0A>.
  Text,
  /// Like Text, but a run of line feeds for which there is a token is encoded
  /// as that token.
  TextAndLines,
  /// As text, in which U+2581 has no special meaning. Text is split into words
  /// at white space, which is dropped, so no token contains white space.
  Words,
};

/// True if U+2581 in a token stands for a space.
constexpr bool marksSpaces(TokenSpelling spelling) {
  return spelling == TokenSpelling::Text ||
         spelling == TokenSpelling::TextAndLines;
}

/// How the text of a family of models is split.
struct PreTokenizerRules {
  std::string_view name; ///< the canonical name
  /// The first expression splits the text into its matches and the text between
  /// them. Each later one splits the resulting pieces in the same way.
  /// formats/text/regex/Regex.h has the syntax.
  std::span<const std::string_view> expressions;
  /// If true, a piece that is a token as a whole is encoded as that token,
  /// without merges. This is the field "ignore_merges" of tokenizer.json.
  bool ignoreMerges;
  /// If true, text is converted to Unicode normalization form C before it is
  /// split. This is the normalizer "NFC" of tokenizer.json.
  bool composes;
  /// If true, texts begin with BOS unless the file says otherwise.
  bool addsBos;
  TokenSpelling spelling = TokenSpelling::Bytes;
};

/// All supported names, sorted.
std::span<const PreTokenizerName> preTokenizerNames();

/// Returns the canonical name of the pre-tokenizer `name`; "" if it is not
/// supported.
std::string_view canonicalPreTokenizer(std::string_view name);

/// Returns the rules of the pre-tokenizer `name`, which may be a synonym;
/// nullptr if it is not supported.
const PreTokenizerRules *preTokenizerRules(std::string_view name);

/// Returns the supported names as one text, for messages: "a.x-4.0, afmoe,
/// ...".
std::string preTokenizerList();

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_PRETOKENIZERNAMES_H
