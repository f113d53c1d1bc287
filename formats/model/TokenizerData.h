//===- TokenizerData.h - a vocabulary as data -------------------*- C++ -*-===//
//
// A vocabulary and the rules for its use, as read from GGUF's tokenizer.ggml.*
// keys, from the files of a tokenizer (formats/tokenizer), or from a plan. The
// algorithms are in runtime/text/.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_TOKENIZERDATA_H
#define AIRPACK_FORMATS_MODEL_TOKENIZERDATA_H

#include "formats/model/PreTokenizerNames.h"
#include "formats/model/TextSteps.h"
#include "formats/text/jinja/ProgramCode.h"
#include "formats/text/unicode/Normalize.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace air {

enum class TokenizerKind : uint8_t {
  None = 0,
  Spm = 1,       ///< sentencepiece's BPE model
  Bpe = 2,       ///< byte-pair encoding with a list of merges
  Unigram = 3,   ///< sentencepiece's unigram model
  WordPiece = 4, ///< the tokenizer of BERT
  Rwkv = 5,      ///< longest matches, as in RWKV World
  WordLevel = 6, ///< each word is a token, or unknown
};

/// The type of a token, with the values of GGUF's tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  Undefined = 0,
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6,
};

/// Whether tokens of this type are special. A text is searched for the special
/// tokens before the rest of the text is encoded. Only some special tokens,
/// such as those with match_flags::kPiece, can also result from encoding the
/// rest.
constexpr bool isSpecial(TokenType type) {
  return type == TokenType::Control || type == TokenType::UserDefined ||
         type == TokenType::Unknown;
}

/// When a space is added in front of a text.
enum class SpacePrefix : uint8_t {
  None = 0,
  Always = 1,         ///< before every text between special tokens
  Missing = 2,        ///< before a text that does not begin with a space
  MissingAtStart = 3, ///< as Missing, but only at the start of the whole text
  EveryWord = 4,      ///< before every word; white space is removed
};

/// How a text is prepared according to tokenizer.json. In vocabularies from
/// other files, `TokenizerData::kind` and `pre` determine this.
struct TextRules {
  bool isSet = false;
  /// The expressions that split the text: see PreTokenizerRules::expressions.
  std::vector<std::string> expressions;
  bool ignoreMerges = false;      ///< as in PreTokenizerRules
  std::optional<NormalForm> form; ///< text is first converted to this form
  TokenSpelling spelling = TokenSpelling::Bytes;
  SpacePrefix prefix = SpacePrefix::None;
  /// If TextPipeline::isSet is true, the pipeline alone says how the text is
  /// prepared, and the fields above are not used, except ignoreMerges.
  TextPipeline pipeline;
};

/// Bits for the fields of tokenizer.json that say how a special token matches.
namespace match_flags {
inline constexpr uint8_t kStripLeft = 1;  ///< drop white space before the token
inline constexpr uint8_t kStripRight = 2; ///< drop white space after the token
inline constexpr uint8_t kSingleWord = 4; ///< match only as a whole word
/// Search for the token in normalised text, after all tokens without this flag.
inline constexpr uint8_t kNormalized = 8;
inline constexpr uint8_t kAll = 15;
/// Only for the unknown token of a BPE vocabulary: one such token stands for
/// all consecutive parts of a word that have no tokens ('fuse_unk').
inline constexpr uint8_t kFused = 16;
/// Only for a user-defined token of a vocabulary with a pipeline: the encoder
/// also uses the token within words, as it uses ordinary tokens.
inline constexpr uint8_t kPiece = 32;
} // namespace match_flags

struct TokenizerData {
  static constexpr int32_t kNoToken = -1;

  TokenizerKind kind = TokenizerKind::None;
  std::string pre;                 ///< tokenizer.ggml.pre; "" when absent
  std::vector<std::string> tokens; ///< the piece of each id, as in the file
  std::vector<float> scores; ///< SPM, Unigram: score of each id; else empty
  std::vector<TokenType> types;
  /// BPE: "LEFT RIGHT", ordered by rank. With a pipeline, kMergeBorder takes
  /// the place of the space, because tokens may contain spaces.
  std::vector<std::string> merges;
  int32_t bos = kNoToken;
  int32_t eos = kNoToken;
  int32_t unknown = kNoToken;
  int32_t padding = kNoToken;
  int32_t endOfTurn = kNoToken; ///< tokenizer.ggml.eot_token_id
  std::vector<int32_t>
      endOfGeneration; ///< every id that ends an answer, sorted
  bool addBos = false;
  bool addEos = false;
  /// Further tokens that follow BOS wherever BOS is added to a text.
  std::vector<int32_t> afterBos;
  /// Further tokens that precede EOS wherever EOS is added to a text.
  std::vector<int32_t> beforeEos;
  /// Whether the data comes from a tokenizer.json. If so, addBos and addEos
  /// follow from its post-processor (usually a template, hence the name), and
  /// what other files say about them is ignored. Not part of a plan.
  bool hasTemplate = false;
  bool addSpacePrefix = true; ///< SPM, Unigram: put a space before a text
  bool removeExtraWhitespaces = false; ///< SPM, Unigram: collapse spaces
  bool lowercase = false;    ///< BPE, WordPiece: convert text to lower case
  bool stripAccents = false; ///< WordPiece: remove accents
  /// Unigram, or any kind with a pipeline: the bytes of a Charsmap; "": none.
  std::string charsmap;
  TextRules rules; ///< used by BPE, Unigram and every pipeline
  /// The match_flags of each token; empty if no token has any.
  std::vector<uint8_t> matching;
  std::string chatTemplate; ///< tokenizer.chat_template
  /// The chat templates of the keys tokenizer.chat_template.NAME, by NAME, such
  /// as "tool_use".
  std::map<std::string, std::string> namedTemplates;
  /// Only set if the data comes from a plan: the programs of namedTemplates by
  /// name, and that of chatTemplate under the name "". Templates without a
  /// program are parsed when they are used.
  std::map<std::string, jinja::ProgramCode> templatePrograms;
  /// Only set if the data comes from a plan: the compiled form of each
  /// expression of the pre-tokenizer, or of the pipeline (RegexCode.h). If it
  /// is empty, the expressions are compiled when they are used.
  std::vector<std::vector<uint32_t>> splitters;
  /// One sentence for the user about each correction that the reader of the
  /// model file made. The notes are not part of a plan.
  std::vector<std::string> notes;
};

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_TOKENIZERDATA_H
