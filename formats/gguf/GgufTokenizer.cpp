//===- GgufTokenizer.cpp - tokenizer.ggml.* -> TokenizerData --------------===//
//
// The keys are described in
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#tokenizer. An
// absent key has the default of llama.cpp (src/llama-vocab.cpp), except that a
// BPE vocabulary without a BOS or EOS id has no such token, and that an SPM or
// Unigram vocabulary without scores ranks pieces by their ids.
//
//===----------------------------------------------------------------------===//
#include "formats/gguf/GgufReader.h"
#include "formats/model/CheckTokenizer.h"
#include "formats/model/KnownPieces.h"
#include "formats/model/PreTokenizerNames.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace air {

namespace {

/// Returns whether BOS is put in front of texts if the file has no
/// add_bos_token. For BPE, this depends on the pre-tokenizer.
bool addsBosByDefault(const TokenizerData &data) {
  if (data.kind == TokenizerKind::Bpe) {
    const PreTokenizerRules *rules = preTokenizerRules(data.pre);
    return rules != nullptr && rules->addsBos;
  }
  return data.kind == TokenizerKind::Spm ||
         data.kind == TokenizerKind::WordPiece;
}

struct Model {
  std::string_view name; ///< tokenizer.ggml.model
  TokenizerKind kind;
  std::string_view what;
};
constexpr Model kModels[] = {{"llama", TokenizerKind::Spm, "SentencePiece"},
                             {"gpt2", TokenizerKind::Bpe, "byte-level BPE"},
                             {"gemma4", TokenizerKind::Bpe, "BPE"},
                             {"whitespace", TokenizerKind::Bpe, "BPE"},
                             {"t5", TokenizerKind::Unigram, "Unigram"},
                             {"bert", TokenizerKind::WordPiece, "WordPiece"},
                             {"rwkv", TokenizerKind::Rwkv, "RWKV World"}};

/// Returns the list of supported models for messages: "'llama' (SentencePiece),
/// ...".
std::string modelList() {
  std::string list;
  for (const Model &model : kModels) {
    list += (list.empty() ? "" : ", ") + inQuotes(model.name) + " (" +
            std::string(model.what) + ")";
  }
  return list;
}

const char *const kPrefix = "tokenizer.ggml.";

enum class Need : uint8_t { Yes, No };

class Reader {
public:
  explicit Reader(const ModelSource &model) : source(model) {}
  Reader(const ModelSource &model, TokenizerData vocabulary)
      : source(model), data(std::move(vocabulary)), isImported(true) {}
  Result<TokenizerData> run();
  Result<TokenizerData> runSpecials();

private:
  const MetadataValue *find(const std::string &key) const {
    auto it = source.metadata.find(key);
    return it == source.metadata.end() ? nullptr : &it->second;
  }
  template <typename T>
  Result<const T *> get(const std::string &key, const char *kind) const {
    const MetadataValue *value = find(key);
    if (value == nullptr) {
      return static_cast<const T *>(nullptr);
    }
    const T *typed = std::get_if<T>(value);
    if (typed == nullptr) {
      return corruptError("metadata '" + key + "' is not " + kind);
    }
    return typed;
  }
  Status readText(const std::string &key, std::string &text) const;
  Status readFlag(const char *key, bool &flag) const;
  /// Sets `id` if the file has the key. If the file's id lies outside the
  /// vocabulary, the result depends on `need`: for Need::Yes, the function
  /// fails with Corrupt; otherwise, it sets `id` to kNoToken and adds a note.
  Status readId(const char *key, int32_t &id, Need need);
  Status readTokens();
  /// Checks the length of an array that must have one entry per token. Fails
  /// with Corrupt if it is too short, and adds a note if it is too long.
  Status checkLength(const char *key, size_t size);
  Status readTypes();
  Status readScores();
  Status readMerges();
  /// Reads the charsmap of a Unigram vocabulary. The file stores its bytes as
  /// an array of integers.
  Status readCharsmap();
  /// Reads what the algorithm of the kind `data.kind` needs, such as scores or
  /// merges.
  Status readAlgorithm();
  Status readSpecials();
  void setDefaultFlags();
  Status readFlags();
  Status readTemplates();

  const ModelSource &source;
  TokenizerData data;
  bool isImported = false; ///< whether the vocabulary comes from another file
};

Status Reader::readText(const std::string &key, std::string &text) const {
  AIR_ASSIGN_OR_RETURN(const std::string *value,
                       get<std::string>(key, "a string"));
  if (value != nullptr) {
    text = *value;
  }
  return Status::ok();
}

Status Reader::readFlag(const char *key, bool &flag) const {
  AIR_ASSIGN_OR_RETURN(const bool *value,
                       get<bool>(std::string(kPrefix) + key, "a boolean"));
  if (value != nullptr) {
    flag = *value;
  }
  return Status::ok();
}

Status Reader::readId(const char *key, int32_t &id, Need need) {
  std::string name = std::string(kPrefix) + key;
  const MetadataValue *value = find(name);
  if (value == nullptr) {
    return Status::ok();
  }
  if (const auto *negative = std::get_if<int64_t>(value);
      negative != nullptr && *negative == -1) {
    id = TokenizerData::kNoToken;
    return Status::ok();
  }
  std::optional<uint64_t> stored = source.getUnsigned(name);
  if (!stored) {
    return corruptError("metadata '" + name +
                        "' is not a token id; it must be a whole number of 0 "
                        "or more, or -1 for none");
  }
  if (*stored == UINT32_MAX) { // some converters store -1 like this
    id = TokenizerData::kNoToken;
    return Status::ok();
  }
  if (*stored >= data.tokens.size()) {
    std::string outside =
        "metadata '" + name + "' is " + std::to_string(*stored) +
        ", but the vocabulary has " + countOf(data.tokens.size(), "token");
    if (need == Need::Yes) {
      return corruptError(std::move(outside));
    }
    data.notes.push_back(outside +
                         "; the id is ignored because nothing needs it");
    id = TokenizerData::kNoToken;
    return Status::ok();
  }
  id = static_cast<int32_t>(*stored);
  return Status::ok();
}

Status Reader::readTokens() {
  AIR_ASSIGN_OR_RETURN(const std::vector<std::string> *tokens,
                       get<std::vector<std::string>>("tokenizer.ggml.tokens",
                                                     "an array of strings"));
  if (tokens == nullptr || tokens->empty()) {
    return corruptError("metadata 'tokenizer.ggml.tokens' is missing or "
                        "empty, so there is no vocabulary");
  }
  if (tokens->size() > INT32_MAX) {
    return corruptError("the vocabulary has " +
                        countOf(tokens->size(), "token") + "; at most " +
                        std::to_string(INT32_MAX) + " are allowed");
  }
  data.tokens = *tokens;

  // Tokens are looked up by their pieces, so no two tokens may have the same
  // piece. Empty pieces may repeat, because they are never looked up. Sorting
  // by hash avoids nearly all text comparisons. Even if a file is crafted so
  // that its hashes collide, this costs no more than a sort by text.
  struct Entry {
    size_t hash;
    uint32_t id;
  };
  std::vector<Entry> order;
  order.reserve(tokens->size());
  for (uint32_t id = 0; id < tokens->size(); ++id) {
    const std::string &piece = (*tokens)[id];
    if (!piece.empty()) {
      order.push_back({std::hash<std::string_view>()(piece), id});
    }
  }
  auto piece = [&](const Entry &entry) -> const std::string & {
    return (*tokens)[entry.id];
  };
  std::ranges::sort(order, [&](const Entry &a, const Entry &b) {
    if (a.hash != b.hash) {
      return a.hash < b.hash;
    }
    int difference = piece(a).compare(piece(b));
    return difference != 0 ? difference < 0 : a.id < b.id;
  });
  // The duplicate that comes first in the file is reported, so that the message
  // does not depend on the hash function.
  const Entry *twin = nullptr;
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i].hash == order[i - 1].hash &&
        piece(order[i]) == piece(order[i - 1]) &&
        (twin == nullptr || order[i].id < twin[1].id)) {
      twin = &order[i - 1];
    }
  }
  if (twin != nullptr) {
    return corruptError("the vocabulary has " + inQuotes(piece(*twin)) +
                        " twice, as ids " + std::to_string(twin[0].id) +
                        " and " + std::to_string(twin[1].id));
  }
  return Status::ok();
}

Status Reader::checkLength(const char *key, size_t size) {
  if (size == data.tokens.size()) {
    return Status::ok();
  }
  std::string difference = "metadata '" + std::string(kPrefix) + key +
                           "' has " + countOf(size, "entry", "entries") +
                           ", but the vocabulary has " +
                           countOf(data.tokens.size(), "token");
  if (size < data.tokens.size()) {
    return corruptError(std::move(difference));
  }
  data.notes.push_back(difference + "; the surplus is ignored");
  return Status::ok();
}

Status Reader::readTypes() {
  data.types.assign(data.tokens.size(), TokenType::Normal);
  const MetadataValue *value = find("tokenizer.ggml.token_type");
  if (value == nullptr) {
    return Status::ok();
  }
  auto take = [&](const auto &stored) {
    AIR_RETURN_IF_ERROR(checkLength("token_type", stored.size()));
    for (size_t i = 0; i < data.tokens.size(); ++i) {
      if (std::cmp_less(stored[i], 0) ||
          std::cmp_greater(stored[i], static_cast<int>(TokenType::Byte))) {
        return corruptError(
            "metadata 'tokenizer.ggml.token_type' gives token " +
            std::to_string(i) + " the type " + std::to_string(stored[i]) +
            "; types 0 to 6 are known");
      }
      data.types[i] = static_cast<TokenType>(stored[i]);
    }
    return Status::ok();
  };
  if (const auto *types = std::get_if<std::vector<int64_t>>(value)) {
    return take(*types);
  }
  if (const auto *types = std::get_if<std::vector<uint64_t>>(value)) {
    return take(*types);
  }
  return corruptError("metadata 'tokenizer.ggml.token_type' is not an array "
                      "of integers");
}

Status Reader::readScores() {
  const MetadataValue *value = find("tokenizer.ggml.scores");
  if (value == nullptr) {
    // A file without scores ranks its pieces by their ids: in a BPE model of
    // sentencepiece, a piece with a lower id is better.
    for (size_t id = 0; id < data.tokens.size(); ++id) {
      data.scores.push_back(-static_cast<float>(id));
    }
    return Status::ok();
  }
  auto take = [&](const auto &stored) {
    AIR_RETURN_IF_ERROR(checkLength("scores", stored.size()));
    for (size_t id = 0; id < data.tokens.size(); ++id) {
      data.scores.push_back(static_cast<float>(stored[id]));
      if (std::isnan(data.scores.back())) {
        return corruptError("metadata 'tokenizer.ggml.scores' gives token " +
                            std::to_string(id) +
                            " the score NaN; scores must be numbers");
      }
    }
    return Status::ok();
  };
  if (const auto *scores = std::get_if<std::vector<double>>(value)) {
    return take(*scores);
  }
  if (const auto *scores = std::get_if<std::vector<int64_t>>(value)) {
    return take(*scores);
  }
  if (const auto *scores = std::get_if<std::vector<uint64_t>>(value)) {
    return take(*scores);
  }
  return corruptError("metadata 'tokenizer.ggml.scores' is not an array of "
                      "numbers");
}

Status Reader::readMerges() {
  AIR_ASSIGN_OR_RETURN(const std::vector<std::string> *merges,
                       get<std::vector<std::string>>("tokenizer.ggml.merges",
                                                     "an array of strings"));
  if (merges == nullptr) {
    return corruptError("metadata 'tokenizer.ggml.merges' is missing; a BPE "
                        "vocabulary needs it");
  }
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const std::string &merge = (*merges)[rank];
    // A space separates the two pieces of a merge. The first piece may itself
    // start with a space, so the search starts at byte 1.
    size_t space = merge.find(' ', 1);
    if (space == std::string::npos || space + 1 == merge.size()) {
      return corruptError("metadata 'tokenizer.ggml.merges' entry " +
                          std::to_string(rank) + " is " + inQuotes(merge) +
                          ", not two pieces with a space between them");
    }
  }
  data.merges = *merges;
  return Status::ok();
}

Status Reader::readCharsmap() {
  const char *key = "tokenizer.ggml.precompiled_charsmap";
  const MetadataValue *value = find(key);
  if (value == nullptr) {
    return Status::ok();
  }
  auto take = [&](const auto &stored) {
    data.charsmap.reserve(stored.size());
    for (auto element : stored) {
      if (std::cmp_less(element, INT8_MIN) ||
          std::cmp_greater(element, UINT8_MAX)) {
        return corruptError("metadata '" + std::string(key) +
                            "' has the element " + std::to_string(element) +
                            "; each element must be a byte, -128 to 255");
      }
      data.charsmap += static_cast<char>(element);
    }
    return Status::ok();
  };
  if (const auto *bytes = std::get_if<std::vector<int64_t>>(value)) {
    return take(*bytes);
  }
  if (const auto *bytes = std::get_if<std::vector<uint64_t>>(value)) {
    return take(*bytes);
  }
  return corruptError("metadata '" + std::string(key) +
                      "' is not an array of bytes");
}

Status Reader::readAlgorithm() {
  switch (data.kind) {
  case TokenizerKind::Spm:
    markBytePieces(data);
    return readScores();
  case TokenizerKind::Bpe:
    AIR_RETURN_IF_ERROR(readFlag("normalizer.lowercase", data.lowercase));
    return readMerges();
  case TokenizerKind::Unigram:
    AIR_RETURN_IF_ERROR(readScores());
    return readCharsmap();
  case TokenizerKind::WordPiece:
    data.lowercase = true;
    AIR_RETURN_IF_ERROR(readFlag("normalizer.lowercase", data.lowercase));
    data.stripAccents = data.lowercase;
    return readFlag("normalizer.strip_accents", data.stripAccents);
  case TokenizerKind::None:
  case TokenizerKind::WordLevel:
  case TokenizerKind::Rwkv:
    break;
  }
  return Status::ok();
}

Status Reader::readSpecials() {
  auto orNone = [&](int32_t id) {
    return std::cmp_less(id, data.tokens.size()) ? id : TokenizerData::kNoToken;
  };
  if (isImported) {
    // The default ids below are for vocabularies of GGUF files. A vocabulary
    // that was read from a tokenizer file has its own ids.
  } else if (data.kind == TokenizerKind::Spm) {
    data.unknown = orNone(0);
    data.bos = orNone(1);
    data.eos = orNone(2);
  } else if (data.kind == TokenizerKind::Unigram) {
    data.eos = orNone(1);
    data.unknown = orNone(2);
  } else if (data.kind == TokenizerKind::WordPiece) {
    data.unknown = orNone(100);
    data.bos = orNone(101);
    data.eos = orNone(102);
  }
  // The BOS id is needed if texts begin with BOS, and the ids that end an
  // answer are always needed. Whether the unknown token is needed depends on
  // the vocabulary, for example on whether each byte has a token. Therefore, it
  // is left to checkTokenizer() to refuse a vocabulary that needs an unknown
  // token but has none.
  bool addBos = isImported ? data.addBos : addsBosByDefault(data);
  AIR_RETURN_IF_ERROR(readFlag("add_bos_token", addBos));
  addBos = addBos && !data.hasTemplate;
  if (data.kind == TokenizerKind::WordPiece) {
    // In BERT, the tokens that begin and end a text are called cls and sep.
    AIR_RETURN_IF_ERROR(readId("cls_token_id", data.bos, Need::Yes));
    AIR_RETURN_IF_ERROR(readId("seperator_token_id", data.eos, Need::Yes));
  }
  AIR_RETURN_IF_ERROR(
      readId("bos_token_id", data.bos, addBos ? Need::Yes : Need::No));
  AIR_RETURN_IF_ERROR(readId("eos_token_id", data.eos, Need::Yes));
  AIR_RETURN_IF_ERROR(readId("unknown_token_id", data.unknown, Need::No));
  AIR_RETURN_IF_ERROR(readId("padding_token_id", data.padding, Need::No));
  AIR_RETURN_IF_ERROR(readId("eot_token_id", data.endOfTurn, Need::Yes));
  int32_t endOfMessage = TokenizerData::kNoToken;
  AIR_RETURN_IF_ERROR(readId("eom_token_id", endOfMessage, Need::Yes));
  for (int32_t id : {data.eos, data.endOfTurn, endOfMessage}) {
    if (id != TokenizerData::kNoToken) {
      data.endOfGeneration.push_back(id);
    }
  }
  markEndPieces(data);
  return Status::ok();
}

void Reader::setDefaultFlags() {
  data.addBos = addsBosByDefault(data) && data.bos != TokenizerData::kNoToken;
  data.addEos = (data.kind == TokenizerKind::Unigram ||
                 data.kind == TokenizerKind::WordPiece) &&
                data.eos != TokenizerData::kNoToken;
  data.addSpacePrefix =
      data.kind == TokenizerKind::Spm || data.kind == TokenizerKind::Unigram;
}

Result<TokenizerData> Reader::runSpecials() {
  AIR_RETURN_IF_ERROR(readText("tokenizer.chat_template", data.chatTemplate));
  const int32_t bos = data.bos;
  const int32_t eos = data.eos;
  const int32_t unknown = data.unknown;
  AIR_RETURN_IF_ERROR(readSpecials());
  data.bos = data.hasTemplate && data.addBos ? bos : data.bos;
  data.eos = data.hasTemplate && data.addEos ? eos : data.eos;
  // The tokenizer file's unknown token stays, because the ids of a text may
  // depend on it. The model's file may only add an unknown token to a BPE
  // vocabulary that has none but has a token for each byte: such a vocabulary
  // can encode every text, so its unknown token is never used.
  const bool isUsed = unknown != TokenizerData::kNoToken ||
                      data.kind != TokenizerKind::Bpe || !hasAllBytes(data);
  if (data.hasTemplate && isUsed && data.unknown != unknown) {
    data.unknown = unknown;
    data.notes.push_back("'tokenizer.ggml.unknown_token_id' of the model's "
                         "file is ignored, because tokenizer.json says what "
                         "becomes of text that has no token");
  }
  // The vocabulary was read from a tokenizer file, which says how spaces are
  // treated, so these flags of the model's file are ignored.
  bool addSpacePrefix = data.addSpacePrefix;
  bool removeExtraWhitespaces = data.removeExtraWhitespaces;
  AIR_RETURN_IF_ERROR(readFlags());
  data.addSpacePrefix = addSpacePrefix;
  data.removeExtraWhitespaces = removeExtraWhitespaces;
  return std::move(data);
}

Status Reader::readFlags() {
  if (!isImported) {
    setDefaultFlags();
  }
  for (const auto &[key, flag] : {std::pair("add_bos_token", &data.addBos),
                                  {"add_eos_token", &data.addEos}}) {
    const bool before = *flag;
    AIR_RETURN_IF_ERROR(readFlag(key, *flag));
    if (data.hasTemplate && *flag != before) {
      *flag = before;
      data.notes.push_back(std::string("'tokenizer.ggml.") + key +
                           "' of the model's file is ignored, because "
                           "tokenizer.json says which tokens begin and end a "
                           "text");
    }
  }
  AIR_RETURN_IF_ERROR(readFlag("add_space_prefix", data.addSpacePrefix));
  AIR_RETURN_IF_ERROR(
      readFlag("remove_extra_whitespaces", data.removeExtraWhitespaces));
  auto needs = [](const char *flag, const char *id) {
    return corruptError("metadata 'tokenizer.ggml." + std::string(flag) +
                        "' is true, but there is no 'tokenizer.ggml." + id +
                        "'");
  };
  if (data.addBos && data.bos == TokenizerData::kNoToken) {
    return needs("add_bos_token", "bos_token_id");
  }
  if (data.addEos && data.eos == TokenizerData::kNoToken) {
    return needs("add_eos_token", "eos_token_id");
  }
  return Status::ok();
}

Status Reader::readTemplates() {
  const std::string key = "tokenizer.chat_template";
  AIR_RETURN_IF_ERROR(readText(key, data.chatTemplate));
  const std::string prefix = key + ".";
  for (auto at = source.metadata.lower_bound(prefix);
       at != source.metadata.end() && at->first.starts_with(prefix); ++at) {
    std::string text;
    AIR_RETURN_IF_ERROR(readText(at->first, text));
    addNamedTemplate(data, at->first.substr(prefix.size()), std::move(text));
  }
  return Status::ok();
}

Result<TokenizerData> Reader::run() {
  std::string model;
  AIR_RETURN_IF_ERROR(readText("tokenizer.ggml.model", model));
  if (model.empty()) {
    if (find("tokenizer.ggml.tokens") != nullptr) {
      return corruptError("metadata has 'tokenizer.ggml.tokens' but no "
                          "'tokenizer.ggml.model'");
    }
    return std::move(data);
  }
  if (model == "none" || model == "no_vocab") {
    return std::move(data);
  }
  const Model *known = std::ranges::find(kModels, model, &Model::name);
  if (known == std::end(kModels)) {
    return unsupportedError("the tokenizer model " + inQuotes(model) +
                            " is not supported; supported: " + modelList());
  }
  data.kind = known->kind;
  AIR_RETURN_IF_ERROR(readText("tokenizer.ggml.pre", data.pre));
  if (model == "gemma4" || model == "whitespace") {
    data.pre = model; // these models have one pre-tokenizer each
  }
  AIR_RETURN_IF_ERROR(readTemplates());
  AIR_RETURN_IF_ERROR(readTokens());
  AIR_RETURN_IF_ERROR(readTypes());
  AIR_RETURN_IF_ERROR(readAlgorithm());
  AIR_RETURN_IF_ERROR(readSpecials());
  AIR_RETURN_IF_ERROR(readFlags());
  return std::move(data);
}

} // namespace

Result<TokenizerData> withGgufSpecials(const ModelSource &source,
                                       TokenizerData data) {
  return Reader(source, std::move(data)).runSpecials();
}

Result<TokenizerData> readGgufTokenizer(const ModelSource &source) {
  return Reader(source).run();
}

} // namespace air
