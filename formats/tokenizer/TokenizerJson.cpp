//===- TokenizerJson.cpp - tokenizer.json -> TokenizerData ----------------===//
#include "formats/model/ByteLevel.h"
#include "formats/model/CheckTokenizer.h"
#include "formats/model/KnownPieces.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "formats/tokenizer/TokenizerFiles.h"
#include "formats/tokenizer/TokenizerJsonText.h"

#include <algorithm>
#include <array>
#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace air {
namespace {

using Json = JsonFields::Json;

constexpr std::string_view kContinuation = "##";

std::string entry(const std::string &list, size_t index) {
  return list + "[" + std::to_string(index) + "]";
}

class Reader {
public:
  explicit Reader(const JsonFields &file) : root(file) {}

  Result<TokenizerData> run() {
    AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> model, root.fields("model"));
    if (!model) {
      return root.corrupt("model", "is missing");
    }
    AIR_RETURN_IF_ERROR(readModel(*model));
    AIR_RETURN_IF_ERROR(readAddedTokens());
    AIR_RETURN_IF_ERROR(checkHoles());
    AIR_RETURN_IF_ERROR(setUnknown());
    needsPipeline |= byteFallback && data.kind == TokenizerKind::Bpe &&
                     root.find("pre_tokenizer") != nullptr &&
                     namesByteLevel(*root.find("pre_tokenizer"), 0) &&
                     !spellsAllBytes();
    // Added tokens are cut out of a text before it is split into words. Even
    // so, a word may contain the text of an added token: if the normalizer
    // turns other text into it, or if 'single_word' prevents a match.
    const bool occursInWords =
        changesMoreThanSpaces(root.find("normalizer"), 0) ||
        std::ranges::any_of(added, [](const Added &each) {
          return (each.flags & match_flags::kSingleWord) != 0;
        });
    needsPipeline |= hasPieceWithSpace() ||
                     std::ranges::any_of(added, [&](const Added &each) {
                       return isPieceOfWords(each, occursInWords);
                     });
    AIR_RETURN_IF_ERROR(readTextRules(
        root, needsPipeline,
        std::ranges::any_of(added,
                            [](const Added &each) {
                              return (each.flags & match_flags::kNormalized) !=
                                     0;
                            }),
        data));
    AIR_RETURN_IF_ERROR(readTemplate());
    if (!data.rules.pipeline.isSet) {
      data.rules.pipeline = TextPipeline();
      for (std::string &merge : data.merges) {
        merge[merge.find(kMergeBorder)] = ' ';
      }
    }
    setTypes();
    fuseUnknownRuns();
    for (const char *name : {"truncation", "padding"}) {
      if (root.find(name) != nullptr) {
        data.notes.push_back(std::string("tokenizer: '") + name +
                             "' is ignored; texts are neither cut nor padded");
      }
    }
    if (data.eos != TokenizerData::kNoToken) {
      data.endOfGeneration.push_back(data.eos);
    }
    data.hasTemplate = true;
    markEndPieces(data);
    return std::move(data);
  }

private:
  struct Added {
    int32_t id;
    bool isSpecial;
    bool isPiece; ///< whether the model, too, has the token
    uint8_t flags;
  };

  Status readModel(const JsonFields &model) {
    AIR_ASSIGN_OR_RETURN(std::string type, model.text("type", ""));
    if (type.empty()) { // old tokenizer.json files do not state the type
      const Json *vocab = model.find("vocab");
      type = model.find("merges") != nullptr                     ? "BPE"
             : vocab != nullptr && vocab->is_array()             ? "Unigram"
             : model.find("max_input_chars_per_word") != nullptr ? "WordPiece"
             : vocab != nullptr && model.find("unk_token") != nullptr
                 ? "WordLevel"
                 : "";
    }
    if (type == "BPE") {
      data.kind = TokenizerKind::Bpe;
      return readBpe(model);
    }
    if (type == "Unigram") {
      data.kind = TokenizerKind::Unigram;
      return readUnigram(model);
    }
    if (type == "WordPiece") {
      data.kind = TokenizerKind::WordPiece;
      return readWordPiece(model);
    }
    if (type == "WordLevel") {
      data.kind = TokenizerKind::WordLevel;
      needsPipeline = true;
      return readVocab(model, "<unk>");
    }
    return model.unsupported("has the type " + inQuotes(type) +
                             "; only BPE, Unigram, WordPiece and WordLevel are "
                             "supported");
  }

  /// Gives the token `text` the id `idValue`, which is at `place` in the file.
  Status put(const std::string &place, const Json &idValue,
             const std::string &text) {
    const auto *id = idValue.get_ptr<const Json::number_unsigned_t *>();
    if (id == nullptr || *id >= kMostTokens) {
      const std::string found =
          idValue.is_number() ? idValue.dump()
                              : std::string("a JSON ") + idValue.type_name();
      return corruptError("tokenizer: '" + place + "' is not a token id but " +
                          found + "; token ids are whole numbers below " +
                          std::to_string(kMostTokens));
    }
    if (*id >= data.tokens.size()) {
      data.tokens.resize(*id + 1);
      isPresent.resize(*id + 1, false);
    }
    if (isPresent[*id]) {
      return corruptError("tokenizer: id " + std::to_string(*id) +
                          " belongs both to " + inQuotes(data.tokens[*id]) +
                          " and to " + inQuotes(text));
    }
    isPresent[*id] = true;
    data.tokens[*id] = text;
    return Status::ok();
  }

  /// `unknown` is the unknown token if the file does not name it.
  Status readVocab(const JsonFields &model, const char *unknown = "") {
    AIR_ASSIGN_OR_RETURN(const Json *vocab, model.object("vocab"));
    for (const auto &[text, id] : vocab->items()) {
      AIR_RETURN_IF_ERROR(
          put(model.placeOf("vocab") + "[" + inQuotes(text) + "]", id, text));
    }
    AIR_ASSIGN_OR_RETURN(unknownText, model.text("unk_token", unknown));
    return Status::ok();
  }

  Status readBpe(const JsonFields &model) {
    AIR_RETURN_IF_ERROR(readVocab(model));
    TextPipeline &pipeline = data.rules.pipeline;
    AIR_ASSIGN_OR_RETURN(pipeline.wordPrefix,
                         model.text("continuing_subword_prefix", ""));
    AIR_ASSIGN_OR_RETURN(pipeline.wordSuffix,
                         model.text("end_of_word_suffix", ""));
    needsPipeline =
        !pipeline.wordPrefix.empty() || !pipeline.wordSuffix.empty();
    AIR_ASSIGN_OR_RETURN(data.rules.ignoreMerges,
                         model.flag("ignore_merges", false));
    bool leavesOutAllMerges = false;
    if (const Json *dropout = model.find("dropout"); dropout != nullptr) {
      // The library leaves out this share of the merges at random, which helps
      // only in training. The same text must always have the same ids.
      if (!dropout->is_number() || dropout->get<double>() < 0 ||
          dropout->get<double>() > 1) {
        return model.corrupt("dropout", "must be a number from 0 to 1");
      }
      leavesOutAllMerges = dropout->get<double>() == 1;
      if (!leavesOutAllMerges && dropout->get<double>() > 0) {
        data.notes.emplace_back("tokenizer: 'model.dropout' is ignored; no "
                                "merge is left out");
      }
    }
    AIR_ASSIGN_OR_RETURN(byteFallback, model.flag("byte_fallback", false));
    AIR_ASSIGN_OR_RETURN(fusesUnknown, model.flag("fuse_unk", false));
    AIR_ASSIGN_OR_RETURN(const Json *merges, model.array("merges"));
    for (size_t i = 0; i < merges->size(); ++i) {
      const Json &merge = (*merges)[i];
      const auto *line = merge.get_ptr<const std::string *>();
      std::string text;
      size_t left = std::string::npos;
      if (line != nullptr) {
        text = *line;
        left = text.empty() ? left : text.find(' ', 1);
      } else if (merge.is_array() && merge.size() == 2 &&
                 merge[0].is_string() && merge[1].is_string()) {
        left = merge[0].get_ref<const std::string &>().size();
        text = merge[0].get_ref<const std::string &>() + " " +
               merge[1].get_ref<const std::string &>();
      }
      if (left == std::string::npos || left == 0 || left + 1 >= text.size()) {
        return corruptError("tokenizer: '" + entry(model.placeOf("merges"), i) +
                            "' must be two pieces");
      }
      needsPipeline |= text.find(' ', 1) != left;
      text[left] = kMergeBorder;
      data.merges.push_back(std::move(text));
    }
    keepLastOfEqualMerges();
    if (leavesOutAllMerges) {
      // With a dropout of 1, the library never merges, so nothing is random. It
      // does not use 'ignore_merges' either: words are not looked up as a
      // whole.
      data.merges.clear();
      data.rules.ignoreMerges = false;
    }
    return Status::ok();
  }

  /// If a merge is listed several times, Hugging Face's `tokenizers` library
  /// applies only the last entry.
  void keepLastOfEqualMerges() {
    std::vector<std::string> &all = data.merges;
    std::unordered_set<std::string_view> seen;
    seen.reserve(all.size());
    std::vector<bool> isLast(all.size());
    for (size_t i = all.size(); i-- > 0;) {
      isLast[i] = seen.insert(all[i]).second;
    }
    if (seen.size() == all.size()) {
      return;
    }
    std::vector<std::string> kept;
    for (size_t i = 0; i < all.size(); ++i) {
      if (isLast[i]) {
        kept.push_back(all[i]);
      }
    }
    all = std::move(kept);
  }

  Status readUnigram(const JsonFields &model) {
    AIR_ASSIGN_OR_RETURN(const Json *vocab, model.array("vocab"));
    for (size_t i = 0; i < vocab->size(); ++i) {
      const Json &piece = (*vocab)[i];
      if (!piece.is_array() || piece.size() != 2 || !piece[0].is_string() ||
          !piece[1].is_number()) {
        return corruptError("tokenizer: '" + entry(model.placeOf("vocab"), i) +
                            "' must be an array of a piece and its score");
      }
      data.tokens.push_back(piece[0].get<std::string>());
      data.scores.push_back(piece[1].get<float>());
    }
    isPresent.assign(data.tokens.size(), true);
    AIR_ASSIGN_OR_RETURN(byteFallback, model.flag("byte_fallback", false));
    AIR_ASSIGN_OR_RETURN(std::optional<int32_t> unknown, model.id("unk_id"));
    if (unknown && std::cmp_greater_equal(*unknown, data.tokens.size())) {
      return model.corrupt("unk_id",
                           "is " + std::to_string(*unknown) +
                               "; it must be less than the number of pieces, " +
                               std::to_string(data.tokens.size()));
    }
    data.unknown = unknown.value_or(TokenizerData::kNoToken);
    return Status::ok();
  }

  Status readWordPiece(const JsonFields &model) {
    AIR_RETURN_IF_ERROR(readVocab(model));
    TextPipeline &pipeline = data.rules.pipeline;
    AIR_ASSIGN_OR_RETURN(
        pipeline.wordPrefix,
        model.text("continuing_subword_prefix", std::string(kContinuation)));
    AIR_ASSIGN_OR_RETURN(std::optional<int32_t> longest,
                         model.id("max_input_chars_per_word"));
    constexpr int32_t kLongestWord = 100; // the default of `tokenizers`
    pipeline.longestWord =
        static_cast<uint32_t>(longest.value_or(kLongestWord));
    needsPipeline = pipeline.wordPrefix != kContinuation ||
                    pipeline.longestWord != kLongestWord;
    return Status::ok();
  }

  Status readAddedTokens() {
    const Json *list = root.find("added_tokens");
    if (list == nullptr) {
      return Status::ok();
    }
    AIR_ASSIGN_OR_RETURN(list, root.array("added_tokens"));
    std::unordered_map<std::string, int32_t> known; // made if it is needed
    for (size_t i = 0; i < list->size(); ++i) {
      AIR_ASSIGN_OR_RETURN(
          JsonFields token,
          JsonFields::of((*list)[i], entry(root.placeOf("added_tokens"), i)));
      AIR_ASSIGN_OR_RETURN(std::string content, token.text("content"));
      AIR_ASSIGN_OR_RETURN(std::optional<int32_t> id, token.id("id"));
      if (!id) {
        return token.corrupt("id", "is missing");
      }
      bool isPiece = std::cmp_less(*id, data.tokens.size()) && isPresent[*id];
      if (!isPiece || data.tokens[*id] != content) {
        // If a token has the text `content` already, the library uses the id of
        // that token and ignores the field 'id'.
        if (known.empty()) {
          for (size_t each = 0; each < data.tokens.size(); ++each) {
            known.emplace(data.tokens[each], static_cast<int32_t>(each));
          }
        }
        const auto found = known.find(content);
        id = found != known.end() ? found->second : *id;
        isPiece |= found != known.end();
      }
      if (!isPiece) {
        known.emplace(content, *id);
        AIR_RETURN_IF_ERROR(
            put(token.placeOf("id"), *token.find("id"), content));
      } else if (data.tokens[*id] != content) {
        return token.corrupt("content", "is " + inQuotes(content) +
                                            ", but the vocabulary gives the "
                                            "id " +
                                            std::to_string(*id) + " to " +
                                            inQuotes(data.tokens[*id]));
      }
      Added each = {*id, false, isPiece, 0};
      AIR_ASSIGN_OR_RETURN(each.isSpecial, token.flag("special", false));
      const std::pair<const char *, uint8_t> flags[] = {
          {"lstrip", match_flags::kStripLeft},
          {"rstrip", match_flags::kStripRight},
          {"single_word", match_flags::kSingleWord},
          {"normalized", match_flags::kNormalized}};
      for (const auto &[name, bit] : flags) {
        AIR_ASSIGN_OR_RETURN(bool isOn,
                             token.flag(name, bit == match_flags::kNormalized &&
                                                  !each.isSpecial));
        each.flags |= isOn ? bit : 0;
      }
      added.push_back(each);
    }
    return Status::ok();
  }

  Status checkHoles() const {
    if (data.tokens.empty()) {
      return corruptError("tokenizer: the vocabulary is empty");
    }
    auto hole = std::ranges::find(isPresent, false);
    if (hole != isPresent.end()) {
      return corruptError("tokenizer: no token has the id " +
                          std::to_string(hole - isPresent.begin()) +
                          "; the vocabulary must have all ids from 0 to its "
                          "largest, " +
                          std::to_string(isPresent.size() - 1));
    }
    return Status::ok();
  }

  /// Returns the id of `text`, or kNoToken.
  int32_t idOf(std::string_view text) const {
    auto found = std::ranges::find(data.tokens, text);
    return found == data.tokens.end()
               ? TokenizerData::kNoToken
               : static_cast<int32_t>(found - data.tokens.begin());
  }

  Status setUnknown() {
    if (unknownText.empty()) {
      return Status::ok();
    }
    data.unknown = idOf(unknownText);
    if (data.unknown == TokenizerData::kNoToken) {
      return corruptError("tokenizer: 'model.unk_token' is " +
                          inQuotes(unknownText) +
                          ", which is not in the vocabulary");
    }
    return Status::ok();
  }

  /// Sets the types and the match_flags of all tokens. If there is no pipeline
  /// (TextRules::pipeline), also spells the pieces of a WordPiece vocabulary as
  /// GGUF does.
  void setTypes() {
    data.types.assign(data.tokens.size(), TokenType::Normal);
    bool hasScores = data.kind == TokenizerKind::Unigram;
    if (hasScores) {
      data.scores.resize(data.tokens.size(), 0);
    }
    for (size_t id = 0; byteFallback && id < data.tokens.size(); ++id) {
      if (byteOfPiece(data.tokens[id])) {
        data.types[id] = TokenType::Byte;
      }
    }
    uint8_t all = 0;
    data.matching.assign(data.tokens.size(), 0);
    for (const Added &each : added) {
      data.types[each.id] =
          each.isSpecial ? TokenType::Control : TokenType::UserDefined;
      const bool isWordPiece = data.rules.pipeline.isSet && each.isPiece &&
                               !each.isSpecial && each.id != data.unknown;
      data.matching[each.id] =
          each.flags | (isWordPiece ? match_flags::kPiece : 0);
      all |= data.matching[each.id];
    }
    if (all == 0) {
      data.matching.clear();
    }
    // Texts are searched for the unknown token only if it is an added token.
    // Otherwise, its spelling is encoded like any other text.
    if (data.unknown != TokenizerData::kNoToken &&
        std::ranges::find(added, data.unknown, &Added::id) != added.end()) {
      data.types[data.unknown] = TokenType::Unknown;
    }
    for (size_t id = 0; data.kind == TokenizerKind::WordPiece &&
                        !data.rules.pipeline.isSet && id < data.tokens.size();
         ++id) {
      std::string &token = data.tokens[id];
      if (isSpecial(data.types[id])) {
        continue;
      }
      token = token.starts_with(kContinuation)
                  ? token.substr(2)
                  : std::string(kSpaceMark) + token;
    }
  }

  /// If each of the 256 bytes has a token, no part of a text is unknown, so
  /// 'fuse_unk' has no effect.
  void fuseUnknownRuns() {
    if (fusesUnknown && data.unknown != TokenizerData::kNoToken &&
        !hasAllBytes(data)) {
      data.matching.resize(data.tokens.size(), 0);
      data.matching[data.unknown] |= match_flags::kFused;
    }
  }

  /// Reads from 'post_processor' which tokens begin and end a text.
  Status readTemplate() {
    AIR_ASSIGN_OR_RETURN(std::optional<JsonFields> processor,
                         root.fields("post_processor"));
    AIR_RETURN_IF_ERROR(processor ? readProcessor(*processor, 0)
                                  : Status::ok());
    if (!before.empty()) {
      data.addBos = true;
      data.bos = before.front();
      data.afterBos.assign(before.begin() + 1, before.end());
    }
    if (!after.empty()) {
      data.addEos = true;
      data.eos = after.back();
      data.beforeEos.assign(after.begin(), after.end() - 1);
    }
    return Status::ok();
  }

  Status readProcessor(const JsonFields &fields, int depth) {
    AIR_ASSIGN_OR_RETURN(std::string type, fields.text("type"));
    if (type == "Sequence" && depth < kDeepestList) {
      AIR_ASSIGN_OR_RETURN(const Json *list, fields.array("processors"));
      for (size_t i = 0; i < list->size(); ++i) {
        AIR_ASSIGN_OR_RETURN(
            JsonFields each,
            JsonFields::of((*list)[i], entry(fields.placeOf("processors"), i)));
        AIR_RETURN_IF_ERROR(readProcessor(each, depth + 1));
      }
      return Status::ok();
    }
    if (type == "ByteLevel") {
      // This processor changes only the offsets of tokens in the text.
      return Status::ok();
    }
    if (type == "BertProcessing" || type == "RobertaProcessing") {
      int32_t cls = 0;
      int32_t sep = 0;
      AIR_RETURN_IF_ERROR(readPair(fields, "cls", cls));
      AIR_RETURN_IF_ERROR(readPair(fields, "sep", sep));
      before.insert(before.begin(), cls);
      after.push_back(sep);
      return Status::ok();
    }
    if (type == "TemplateProcessing") {
      return readSingle(fields);
    }
    return fields.unsupported("has the type " + inQuotes(type) +
                              ", which is not supported");
  }

  Status setId(const JsonFields &fields, const char *name, const Json &value,
               int32_t &id) const {
    const auto *number = value.get_ptr<const Json::number_unsigned_t *>();
    if (number == nullptr || *number >= data.tokens.size()) {
      return fields.corrupt(name, "must have an id that is a whole number "
                                  "below the number of tokens, " +
                                      std::to_string(data.tokens.size()));
    }
    id = static_cast<int32_t>(*number);
    return Status::ok();
  }

  /// Reads the id from the field `name`, which is ["TEXT", ID].
  Status readPair(const JsonFields &fields, const char *name,
                  int32_t &id) const {
    AIR_ASSIGN_OR_RETURN(const Json *pair, fields.array(name));
    if (pair->size() != 2) {
      return fields.corrupt(name, "must be an array of a token and its id");
    }
    return setId(fields, name, (*pair)[1], id);
  }

  /// Reads the field "single" of a TemplateProcessing, which says what is added
  /// before and after a single text.
  Status readSingle(const JsonFields &fields) {
    AIR_ASSIGN_OR_RETURN(const Json *parts, fields.array("single"));
    bool hasText = false;
    std::vector<int32_t> first;
    for (const Json &part : *parts) {
      const Json *text = memberOf(part, "Sequence");
      if (text != nullptr && !hasText && isFirstText(*text)) {
        hasText = true;
        continue;
      }
      const Json *special = memberOf(part, "SpecialToken");
      if (special == nullptr) {
        return fields.unsupported("has a template that is not supported; a "
                                  "template may contain only one text, and "
                                  "tokens before and after this text");
      }
      AIR_ASSIGN_OR_RETURN(JsonFields token,
                           JsonFields::of(*special, fields.placeOf("single")));
      AIR_ASSIGN_OR_RETURN(std::string name, token.text("id"));
      AIR_ASSIGN_OR_RETURN(const Json *known, fields.object("special_tokens"));
      auto found = known->find(name);
      const Json *ids =
          found != known->end() && found->is_object() && found->contains("ids")
              ? &(*found)["ids"]
              : nullptr;
      if (ids == nullptr || !ids->is_array() || ids->empty()) {
        return fields.corrupt("special_tokens",
                              "must have ids for " + inQuotes(name));
      }
      for (const Json &value : *ids) {
        int32_t id = 0;
        AIR_RETURN_IF_ERROR(setId(fields, "special_tokens", value, id));
        (hasText ? after : first).push_back(id);
      }
    }
    // Each processor puts its tokens around the result of the one before it.
    before.insert(before.begin(), first.begin(), first.end());
    return hasText
               ? Status::ok()
               : fields.corrupt("single", "must contain a 'Sequence', which "
                                          "marks where the text goes");
  }

  /// Whether a 'Sequence' of a template stands for the first text.
  static bool isFirstText(const Json &sequence) {
    const auto id = sequence.find("id");
    return id == sequence.end() || *id == "A";
  }

  /// Whether the pre-tokenizer `part` is ByteLevel, or has it as a part.
  static bool namesByteLevel(const Json &part, int depth) {
    if (!part.is_object() || depth > kDeepestList) {
      return false;
    }
    const auto type = part.find("type");
    const auto parts = part.find("pretokenizers");
    return (type != part.end() && *type == "ByteLevel") ||
           (parts != part.end() && parts->is_array() &&
            std::ranges::any_of(*parts, [depth](const Json &each) {
              return namesByteLevel(each, depth + 1);
            }));
  }

  /// Whether a BPE or Unigram model has a piece, other than an added token,
  /// that contains a space. Such a model needs a pipeline: if the library
  /// replaces the spaces of a text with U+2581, the piece never matches, but an
  /// encoder without a pipeline would find it, because it keeps the spaces of
  /// the text and replaces U+2581 in the pieces with spaces. Returns false if
  /// the pre-tokenizer is ByteLevel, which spells a space as another character.
  bool hasPieceWithSpace() const {
    const Json *pre = root.find("pre_tokenizer");
    if ((data.kind != TokenizerKind::Bpe &&
         data.kind != TokenizerKind::Unigram) ||
        (pre != nullptr && namesByteLevel(*pre, 0))) {
      return false;
    }
    std::unordered_set<int32_t> isAdded;
    for (const Added &each : added) {
      isAdded.insert(each.id);
    }
    for (size_t id = 0; id < data.tokens.size(); ++id) {
      if (data.tokens[id].find(' ') != std::string::npos &&
          !isAdded.contains(static_cast<int32_t>(id))) {
        return true;
      }
    }
    return false;
  }

  /// The library cuts user-defined tokens out of a text before it encodes the
  /// words. If a user-defined token is also a piece of the model, it can result
  /// from encoding a word, too. Returns whether this can happen to `token` in a
  /// way that only a pipeline supports. In BPE without ignore_merges, a token
  /// of several characters can result only from merges, and encoders without a
  /// pipeline support these. `occursInWords` says whether words may contain the
  /// text of any added token (see run()).
  bool isPieceOfWords(const Added &token, bool occursInWords) const {
    const std::string &text = data.tokens[token.id];
    if (token.isSpecial || !token.isPiece || text.empty()) {
      return false;
    }
    if (data.kind == TokenizerKind::Bpe && !data.rules.ignoreMerges &&
        decodeUtf8(text).length != text.size()) {
      return false;
    }
    // Unless `occursInWords` is true, all occurrences of the token have been
    // cut out of the text before it is split into words. A word can then
    // contain the token only because of characters that the user's text did not
    // contain: those that spell spaces and bytes, and the prefix of pieces that
    // continue a word.
    return occursInWords || text.starts_with(kContinuation) ||
           std::ranges::any_of(
               text, [](char c) { return c == ' ' || (c & 0x80) != 0; });
  }

  /// Whether a normalizer may do anything other than replace spaces with U+2581
  /// and put U+2581 before a text.
  static bool changesMoreThanSpaces(const Json *part, int depth) {
    if (part == nullptr || part->is_null()) {
      return false;
    }
    if (!part->is_object() || depth > kDeepestList) {
      return true;
    }
    const auto is = [&](const Json &object, const char *name,
                        std::string_view text) {
      const auto found = object.find(name);
      return found != object.end() && *found == text;
    };
    if (const auto parts = part->find("normalizers");
        is(*part, "type", "Sequence") && parts != part->end() &&
        parts->is_array()) {
      return std::ranges::any_of(*parts, [depth](const Json &each) {
        return changesMoreThanSpaces(&each, depth + 1);
      });
    }
    if (is(*part, "type", "Prepend")) {
      return !is(*part, "prepend", kSpaceMark);
    }
    const Json *pattern = memberOf(*part, "pattern");
    return !(is(*part, "type", "Replace") && pattern != nullptr &&
             is(*pattern, "String", " ") && is(*part, "content", kSpaceMark));
  }

  /// Whether each byte, spelled as one character, is a token of the model. If
  /// so, 'byte_fallback' has no effect on text that is spelled like this.
  bool spellsAllBytes() const {
    std::unordered_set<int32_t> isNoPiece;
    for (const Added &each : added) {
      if (each.isSpecial || !each.isPiece) {
        isNoPiece.insert(each.id);
      }
    }
    std::array<bool, 256> known{};
    std::string bytes;
    for (size_t id = 0; id < data.tokens.size(); ++id) {
      const std::string &token = data.tokens[id];
      if (token.size() <= 2 && bytesOfSpelling(token, bytes) &&
          bytes.size() == 1 && !isNoPiece.contains(static_cast<int32_t>(id))) {
        known[static_cast<uint8_t>(bytes[0])] = true;
      }
    }
    return std::ranges::all_of(known, std::identity());
  }

  /// The object that `part` has under `name`, or null.
  static const Json *memberOf(const Json &part, const char *name) {
    const auto found = part.is_object() ? part.find(name) : part.end();
    return part.is_object() && found != part.end() && found->is_object()
               ? &*found
               : nullptr;
  }

  /// Ids must be below this number, because the list of tokens has an element
  /// for every id up to the largest one, even if the file has only one token.
  /// The largest published vocabularies have fewer than 2^19 tokens.
  static constexpr uint64_t kMostTokens = uint64_t{1} << 24;

  const JsonFields &root;
  TokenizerData data;
  std::vector<bool> isPresent; ///< for each id, whether a token has it
  std::vector<Added> added;
  std::string unknownText;
  bool byteFallback = false;
  bool fusesUnknown = false;
  bool needsPipeline = false; ///< whether other rules cannot describe the model
  std::vector<int32_t> before; ///< what is added before a text
  std::vector<int32_t> after;  ///< and after it
};

} // namespace

Result<TokenizerData> parseTokenizerJson(std::string_view text) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    return corruptError("tokenizer: the file is not valid JSON");
  }
  AIR_ASSIGN_OR_RETURN(JsonFields root, JsonFields::of(json, ""));
  return Reader(root).run();
}

Result<TokenizerData> parseVocabAndMerges(std::string_view vocab,
                                          std::string_view merges,
                                          const std::string &pre) {
  Json tokens = Json::parse(vocab, nullptr, false);
  if (!tokens.is_object()) {
    return corruptError("tokenizer: vocab.json is not a JSON object");
  }
  Json lines = Json::array();
  while (!merges.empty()) {
    size_t end = std::min(merges.find('\n'), merges.size());
    std::string_view line = merges.substr(0, end);
    merges.remove_prefix(std::min(end + 1, merges.size()));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (!line.empty() && !line.starts_with("#version")) {
      lines.push_back(line);
    }
  }
  Json whole = {
      {"model",
       {{"type", "BPE"}, {"vocab", std::move(tokens)}, {"merges", lines}}},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}}};
  AIR_ASSIGN_OR_RETURN(JsonFields root, JsonFields::of(whole, ""));
  AIR_ASSIGN_OR_RETURN(TokenizerData data, Reader(root).run());
  data.pre = pre;
  data.rules = TextRules();
  data.hasTemplate = false;
  return data;
}

} // namespace air
