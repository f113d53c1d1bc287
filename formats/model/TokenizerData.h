//===- TokenizerData.h - a vocabulary as data -------------------*- C++ -*-===//
//
// The content of GGUF's tokenizer.ggml.* keys, as far as a plan stores it. The
// algorithms are in runtime/text/.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_MODEL_TOKENIZERDATA_H
#define AIRPACK_FORMATS_MODEL_TOKENIZERDATA_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace air {

enum class TokenizerKind : uint8_t { None = 0, Spm = 1, Bpe = 2 };

/// The type of a token, with the numbers of GGUF's tokenizer.ggml.token_type.
enum class TokenType : uint8_t {
  Undefined = 0,
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6,
};

struct TokenizerData {
  static constexpr int32_t kNoToken = -1;

  TokenizerKind kind = TokenizerKind::None;
  std::string pre;                 ///< tokenizer.ggml.pre; "" when absent
  std::vector<std::string> tokens; ///< the piece of each id, as stored
  std::vector<float> scores;       ///< SPM: score of each id; BPE: empty
  std::vector<TokenType> types;    ///< the type of each id
  std::vector<std::string> merges; ///< BPE: "LEFT RIGHT", ordered by rank
  int32_t bos = kNoToken;
  int32_t eos = kNoToken;
  int32_t unknown = kNoToken;
  int32_t padding = kNoToken;
  int32_t endOfTurn = kNoToken; ///< tokenizer.ggml.eot_token_id
  std::vector<int32_t>
      endOfGeneration; ///< every id that ends an answer, sorted
  bool addBos = false;
  bool addEos = false;
  bool addSpacePrefix = true; ///< SPM: put a space before a text
  bool removeExtraWhitespaces = false;
  std::string chatTemplate; ///< tokenizer.chat_template
  /// tokenizer.chat_template.NAME by name, such as "tool_use".
  std::map<std::string, std::string> namedTemplates;
  /// One sentence for the user about each correction that the reader of the
  /// model file made. The notes are not part of a plan.
  std::vector<std::string> notes;
};

} // namespace air

#endif // AIRPACK_FORMATS_MODEL_TOKENIZERDATA_H
