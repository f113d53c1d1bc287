//===- TokenizerJsonText.h - how tokenizer.json prepares text ---*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H
#define AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H

#include "formats/model/TokenizerData.h"
#include "formats/tokenizer/JsonFields.h"

namespace air {

/// The expression that ByteLevel uses, which is GPT-2's.
inline constexpr std::string_view kByteLevelExpression =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+)"
    R"(|\s+(?!\S)|\s+)";
/// Hugging Face's `tokenizers` library counts all ASCII symbols as punctuation.
inline constexpr std::string_view kPunctuationExpression =
    R"([!-/:-@\[-`{-~\p{P}])";
/// U+2581, which stands for a space in tokens.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";
/// How deeply lists of components may be nested. This limits the recursion of
/// the functions that read them.
inline constexpr int kDeepestList = 8;

/// Calls `read` for each entry of the list `name` of `fields`, a component of
/// type Sequence. Such lists can be nested: `depth` is the number of lists
/// around `fields`. Returns the first error, or Unsupported if `depth` is
/// kDeepestList.
template <typename Read>
Status forEachEntry(const JsonFields &fields, const char *name, int depth,
                    Read read) {
  if (depth == kDeepestList) {
    return fields.unsupported("is nested more than " +
                              std::to_string(kDeepestList) + " deep");
  }
  AIR_ASSIGN_OR_RETURN(const JsonFields::Json *list, fields.array(name));
  for (size_t i = 0; i < list->size(); ++i) {
    AIR_ASSIGN_OR_RETURN(
        JsonFields entry,
        JsonFields::of((*list)[i],
                       fields.placeOf(name) + "[" + std::to_string(i) + "]"));
    AIR_RETURN_IF_ERROR(read(entry));
  }
  return Status::ok();
}

/// What the decoder of a tokenizer.json says about the text of tokens.
struct JsonDecoder {
  bool isPresent = false;
  TokenRendering rendering = TokenRendering::Plain;
  std::string mark;   ///< for Marked
  std::string prefix; ///< for Words
  std::string suffix; ///< for Suffixed
  bool tidiesEnglish = false;
  bool dropsSpace = false; ///< whether a text loses the space it begins with
};
/// Reads 'decoder' of the file `root`. Errors: Corrupt if it is malformed,
/// Unsupported if a JsonDecoder cannot describe it, for example because the
/// text of a token would depend on the tokens around it.
Result<JsonDecoder> readDecoder(const JsonFields &root);

/// The field 'prepend_scheme' of a Metaspace, or what 'add_prefix_space' of
/// older files means. Corrupt if the two contradict each other.
Result<std::string> prependScheme(const JsonFields &fields);

/// Returns an expression that matches `text` itself.
std::string literalExpression(std::string_view text);

/// What a component finds in a text.
struct JsonPattern {
  std::string text;
  /// True if `text` is found literally, false if it is an expression.
  bool isLiteral = false;
};
/// Reads the field 'pattern' of a component. Errors: Corrupt if it is missing
/// or malformed, Unsupported unless exactly one of its fields 'Regex' and
/// 'String' is present and not empty.
Result<JsonPattern> readPattern(const JsonFields &fields);

/// Reads a normalizer of the type Precompiled into `data.charsmap`. Errors:
/// Unsupported if `data.charsmap` is not empty, because only one such
/// normalizer is supported; Corrupt if 'precompiled_charsmap' is not base64.
Status readCharsmap(const JsonFields &fields, TokenizerData &data);

/// Decodes base64. Returns nothing if `text` is malformed.
std::optional<std::string> fromBase64(std::string_view text);

/// Reads 'normalizer', 'pre_tokenizer' and 'decoder' of the file `root` into
/// `data`. Sets `charsmap`, `addSpacePrefix` and either the pipeline
/// `rules.pipeline` or the fields that are used without a pipeline: the rest of
/// `rules`, `lowercase`, `stripAccents` and `removeExtraWhitespaces`. Sets the
/// pipeline if `needsPipeline` is true, or if those fields cannot describe what
/// the file says. Before the call, `data.kind` must be set, and so must the
/// fields of the pipeline that describe the vocabulary: wordPrefix, wordSuffix
/// and longestWord. `findsNormalized` says whether the file has added tokens
/// that are found in normalised text.
Status readTextRules(const JsonFields &root, bool needsPipeline,
                     bool findsNormalized, TokenizerData &data);

/// Reads 'normalizer' and 'pre_tokenizer' into `data.rules.pipeline`, and
/// stores there how `decoder` renders tokens. Also sets `rules.isSet`,
/// `addSpacePrefix` and, if there is one, `charsmap`.
Status readPipeline(const JsonFields &root, const JsonDecoder &decoder,
                    TokenizerData &data);

} // namespace air

#endif // AIRPACK_FORMATS_TOKENIZER_TOKENIZERJSONTEXT_H
