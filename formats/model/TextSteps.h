//===- TextSteps.h - how a tokenizer.json prepares text ---------*- C++ -*-===//
//
// Hugging Face's `tokenizers` library prepares a text in two phases. The
// normalizer changes the text. Then the pre-tokenizer splits it into words, and
// may change these, too. A TextStep is one component of either phase. Each
// step applies to the result of the steps before it; from the first splitting
// step on, to each word separately.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_TEXTSTEPS_H
#define AIRPACK_FORMATS_MODEL_TEXTSTEPS_H

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace air {

/// What a step does. The comment of each kind names the fields of TextStep that
/// steps of this kind use; all other fields are zero or empty.
enum class TextStepKind : uint8_t {
  // Steps of the normalizer.
  Form = 0,         ///< converts to the NormalForm `number`
  Lowercase = 1,    ///< converts to lower case, character by character
  StripAccents = 2, ///< removes the characters of the category M
  /// Removes some control characters, and replaces some characters, such as
  /// tabs and line ends, with spaces.
  Nmt = 3,
  Strip = 4, ///< removes white space at one end or both, see step_flags
  /// Replaces each match of the expression `pattern` with `content`, or, with
  /// step_flags::kLiteral, each occurrence of the text `pattern`.
  Replace = 5,
  Prepend = 6,    ///< puts `content` before a text that is not empty
  Bert = 7,       ///< what BERT does before it splits text, see step_flags
  Charsmap = 8,   ///< applies the rules of TokenizerData::charsmap
  SpellBytes = 9, ///< spells each byte as one character (ByteLevel.h)
  // Steps of the pre-tokenizer, which can also contain SpellBytes.
  Split = 10,       ///< splits at the matches of `pattern`, see SplitBehavior
  FixedLength = 11, ///< splits into pieces of `number` characters
  Scripts = 12,     ///< splits where the script changes
  /// Replaces each space with the mark `content`, which is one character. The
  /// MarkScheme `number` says before which words the mark is added.
  MarkSpaces = 13,
  SpaceBefore = 14, ///< puts a space before a word that begins with none
};
inline constexpr TextStepKind kLastTextStep = TextStepKind::SpaceBefore;

/// What becomes of the matches of a splitting step. If a step has the flag
/// kInverts, matches and the text between them swap their roles.
enum class SplitBehavior : uint8_t {
  Removed = 0,
  Isolated = 1,           ///< each match becomes a piece of its own
  MergedWithPrevious = 2, ///< joined with the text before it
  MergedWithNext = 3,     ///< joined with the text after it
  Contiguous = 4,         ///< adjacent matches become one piece
};

/// Before which words MarkSpaces adds the mark. It adds none before a word that
/// begins with a space or with the mark.
enum class MarkScheme : uint8_t {
  Never = 0,
  Always = 1,
  First = 2, ///< only before the word with which the whole text begins
};

namespace step_flags {
inline constexpr uint8_t kLiteral = 1; ///< Replace: `pattern` is a text
inline constexpr uint8_t kInverts = 1; ///< Split
inline constexpr uint8_t kLeft = 1;    ///< Strip: at the beginning
inline constexpr uint8_t kRight = 2;   ///< Strip: at the end
/// Bert: removes control characters, and replaces white space with spaces.
inline constexpr uint8_t kClean = 1;
/// Bert: puts a space before and after each ideograph.
inline constexpr uint8_t kSpacesIdeographs = 2;
inline constexpr uint8_t kAccents = 4; ///< Bert: decomposes, then removes Mn
inline constexpr uint8_t kLower = 8;   ///< Bert: converts to lower case
} // namespace step_flags

struct TextStep {
  TextStepKind kind = TextStepKind::Form;
  uint8_t flags = 0;
  SplitBehavior behavior = SplitBehavior::Removed;
  uint32_t number = 0;
  std::string pattern;
  std::string content;

  bool operator==(const TextStep &) const = default;
};

/// Whether `step` has an expression that must be compiled.
inline bool hasExpression(const TextStep &step) {
  return step.kind == TextStepKind::Split ||
         (step.kind == TextStepKind::Replace &&
          (step.flags & step_flags::kLiteral) == 0);
}

/// How tokens become text.
enum class TokenRendering : uint8_t {
  Plain = 0,  ///< as the vocabulary spells them
  Bytes = 1,  ///< spelled byte by byte (ByteLevel.h)
  Marked = 2, ///< with TextPipeline::mark for spaces
  /// A token that begins with TextPipeline::wordPrefix loses this prefix; every
  /// other token gets a space before it.
  Words = 3,
  /// TextPipeline::wordSuffix becomes a space wherever a token contains it.
  Suffixed = 4,
};

/// Stands between the two parts of a merge if there is a pipeline. No token
/// contains this byte, because tokens are then valid UTF-8.
inline constexpr char kMergeBorder = '\xff';

/// How a tokenizer.json normalises a text, splits it into words, spells these
/// in its vocabulary, and turns tokens back into text.
struct TextPipeline {
  bool isSet = false;
  std::vector<TextStep> steps;
  uint32_t normalizerSteps = 0; ///< how many of `steps` are the normalizer's
  /// BPE, WordPiece: in the vocabulary, pieces that continue a word begin with
  /// this prefix.
  std::string wordPrefix;
  std::string wordSuffix; ///< BPE: pieces that end a word end with this
  /// WordPiece: words with more characters than this become the unknown token.
  uint32_t longestWord = 0;
  TokenRendering rendering = TokenRendering::Plain;
  std::string mark; ///< for TokenRendering::Marked
  /// Removes spaces before punctuation marks and before endings such as "n't".
  bool tidiesEnglish = false;

  bool operator==(const TextPipeline &) const = default;
};

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_TEXTSTEPS_H
