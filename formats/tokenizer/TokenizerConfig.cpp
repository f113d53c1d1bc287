//===- TokenizerConfig.cpp - tokenizer_config.json ------------------------===//
#include "formats/tokenizer/TokenizerConfig.h"

#include "formats/model/CheckTokenizer.h"
#include "formats/model/KnownPieces.h"
#include "formats/support/MappedFile.h"
#include "formats/support/Printable.h"
#include "formats/tokenizer/JsonFields.h"

#include <algorithm>
#include <filesystem>

namespace air {
namespace {

namespace fs = std::filesystem;
using Json = JsonFields::Json;
using Templates = std::map<std::string, std::string>;

constexpr const char *kConfigName = "tokenizer_config.json";
/// The name of a model's main template.
constexpr const char *kMainTemplate = "default";

bool isThere(const fs::path &path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

Result<std::string> textOf(const fs::path &path) {
  AIR_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path.string()));
  return std::string(reinterpret_cast<const char *>(file.bytes().data()),
                     file.bytes().size());
}

void note(TokenizerData &data, const char *field, const std::string &what) {
  data.notes.push_back(std::string("'") + field + "' of " + kConfigName +
                       " is ignored, because " + what);
}

/// Returns the text of a token as tokenizer.json spells it. If a WordPiece
/// vocabulary has no pipeline, TokenizerJson.cpp has changed the spelling of
/// its pieces to that of GGUF; this function changes it back.
std::string originalText(const TokenizerData &data, size_t id) {
  constexpr std::string_view kMark = "\xe2\x96\x81"; // U+2581
  const std::string &token = data.tokens[id];
  if (data.kind != TokenizerKind::WordPiece || data.rules.pipeline.isSet ||
      isSpecial(data.types[id])) {
    return token;
  }
  return token.starts_with(kMark) ? token.substr(kMark.size()) : "##" + token;
}

/// Makes token `id` a control token with the text `text`, if it is an ordinary
/// or a user-defined token. In byte-level BPE, the token stays as it is if it
/// stands for a single byte for which there is no other token: ordinary text is
/// never encoded as control tokens, so this byte could not be encoded any more.
void makeControl(TokenizerData &data, int32_t id, const std::string &text) {
  TokenType &type = data.types[id];
  const TokenType before = type;
  if (before != TokenType::Normal && before != TokenType::Undefined &&
      before != TokenType::UserDefined) {
    return;
  }
  if (data.kind == TokenizerKind::Bpe) {
    const std::array<bool, 256> bytes = bytesWithTokens(data);
    type = TokenType::Control;
    if (bytesWithTokens(data) != bytes) {
      type = before;
      return;
    }
  }
  setControl(data, static_cast<size_t>(id));
  data.tokens[id] = text;
}

/// Whether, and why, a field of the file must not change which token has a
/// special role such as BOS.
enum class Fixed : uint8_t {
  No,
  InTexts, ///< tokenizer.json adds the token to each text
  InModel, ///< the vocabulary itself names the token, if it has one
};

/// Sets `id` to the token that `field` names, unless `fixed` says that it must
/// not change. If `id` is now the named token, this token becomes a control
/// token if possible, because transformers searches each text for it before
/// the rest of the text is encoded.
Status readToken(const JsonFields &config, const Json &json, const char *field,
                 Fixed fixed, TokenizerData &data, int32_t &id) {
  const bool isFixed = fixed != Fixed::No;
  const auto found = json.find(field);
  if (found == json.end()) {
    return Status::ok();
  }
  if (found->is_null()) {
    id = isFixed ? id : TokenizerData::kNoToken;
    return Status::ok();
  }
  const auto content =
      found->is_object() ? found->find("content") : found->end();
  const Json &value =
      found->is_object() && content != found->end() ? *content : *found;
  const auto *text = value.get_ptr<const std::string *>();
  if (text == nullptr) {
    return config.corrupt(field, "must be the text of a token, an object whose "
                                 "field 'content' is the text, or null");
  }
  size_t place = 0;
  while (place < data.tokens.size() && originalText(data, place) != *text) {
    ++place;
  }
  if (place == data.tokens.size()) {
    note(data, field, "the vocabulary has no token " + inQuotes(*text));
    return Status::ok();
  }
  const auto named = static_cast<int32_t>(place);
  if (isFixed && named != id) {
    note(data, field,
         id == TokenizerData::kNoToken
             ? "the vocabulary has no unknown token, and leaves out what has "
               "no token"
         : fixed == Fixed::InTexts
             ? "tokenizer.json adds a different token, " +
                   inQuotes(data.tokens[id]) + ", to each text"
             : "the vocabulary names a different token, " +
                   inQuotes(data.tokens[id]));
    if (&id == &data.eos) {
      addEndOfGeneration(data, named);
    }
    return Status::ok();
  }
  id = named;
  makeControl(data, id, *text);
  return Status::ok();
}

/// Sets `adds`, which says whether `token` is added to each text. If there is a
/// tokenizer.json, `adds` does not change.
Status readFlag(const JsonFields &config, const char *field, int32_t token,
                TokenizerData &data, bool &adds) {
  AIR_ASSIGN_OR_RETURN(const bool wanted, config.flag(field, adds));
  if (data.hasTemplate) {
    if (wanted != adds) {
      note(data, field,
           "tokenizer.json says which tokens begin and end a text");
    }
    return Status::ok();
  }
  adds = wanted && token != TokenizerData::kNoToken;
  return Status::ok();
}

Result<Templates> templatesOf(const JsonFields &config) {
  const Json *value = config.find("chat_template");
  Templates templates;
  if (value == nullptr) {
    return templates;
  }
  if (const auto *text = value->get_ptr<const std::string *>()) {
    templates[kMainTemplate] = *text;
    return templates;
  }
  if (!value->is_array()) {
    return config.corrupt("chat_template",
                          "must be a string, or an array of objects with the "
                          "fields 'name' and 'template'");
  }
  for (size_t i = 0; i < value->size(); ++i) {
    AIR_ASSIGN_OR_RETURN(
        const JsonFields entry,
        JsonFields::of((*value)[i], config.placeOf("chat_template") + "[" +
                                        std::to_string(i) + "]"));
    AIR_ASSIGN_OR_RETURN(const std::string name, entry.text("name"));
    AIR_ASSIGN_OR_RETURN(templates[name], entry.text("template"));
  }
  return templates;
}

/// Reads the templates that have files of their own.
Result<Templates> templateFiles(const fs::path &folder) {
  Templates templates;
  const fs::path main = folder / "chat_template.jinja";
  if (isThere(main)) {
    AIR_ASSIGN_OR_RETURN(templates[kMainTemplate], textOf(main));
  }
  std::error_code error;
  fs::directory_iterator at(folder / "additional_chat_templates", error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const fs::path &file = at->path();
    if (file.extension() == ".jinja") {
      AIR_ASSIGN_OR_RETURN(templates[file.stem().string()], textOf(file));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory &&
      error != std::errc::not_a_directory) {
    return ioError("tokenizer: the folder 'additional_chat_templates' cannot "
                   "be read: " +
                   error.message());
  }
  return templates;
}

Status readConfig(const std::string &text, TokenizerData &data,
                  Templates &templates) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) {
    return corruptError("tokenizer: the file is not valid JSON");
  }
  AIR_ASSIGN_OR_RETURN(const JsonFields config, JsonFields::of(json, ""));
  const auto added = [&](bool isAdded) {
    return data.hasTemplate && isAdded ? Fixed::InTexts : Fixed::No;
  };
  AIR_RETURN_IF_ERROR(
      readToken(config, json, "bos_token", added(data.addBos), data, data.bos));
  AIR_RETURN_IF_ERROR(
      readToken(config, json, "eos_token", added(data.addEos), data, data.eos));
  // A part of a text for which there is no token is encoded as the unknown
  // token, or left out if the vocabulary names no unknown token. unk_token must
  // not change this. In BPE, there are no such parts if each byte has a token.
  const bool isUsed = data.kind != TokenizerKind::Bpe || !hasAllBytes(data);
  const bool isKnown = data.unknown != TokenizerData::kNoToken;
  AIR_RETURN_IF_ERROR(readToken(config, json, "unk_token",
                                isUsed || isKnown ? Fixed::InModel : Fixed::No,
                                data, data.unknown));
  AIR_RETURN_IF_ERROR(
      readToken(config, json, "pad_token", Fixed::No, data, data.padding));
  if (data.eos != TokenizerData::kNoToken) {
    addEndOfGeneration(data, data.eos);
  }
  AIR_RETURN_IF_ERROR(
      readFlag(config, "add_bos_token", data.bos, data, data.addBos));
  AIR_RETURN_IF_ERROR(
      readFlag(config, "add_eos_token", data.eos, data, data.addEos));
  AIR_ASSIGN_OR_RETURN(templates, templatesOf(config));
  return Status::ok();
}

} // namespace

Status readTokenizerConfig(const std::string &path, TokenizerData &data) {
  const fs::path folder(path);
  const fs::path config = folder / kConfigName;
  Templates templates;
  if (isThere(config)) {
    AIR_ASSIGN_OR_RETURN(const std::string text, textOf(config));
    AIR_RETURN_IF_ERROR(readConfig(text, data, templates)
                            .withContext(inQuotes(config.string())));
  }
  AIR_ASSIGN_OR_RETURN(Templates files, templateFiles(folder));
  if (!files.empty()) {
    templates = std::move(files);
  }
  if (templates.empty()) {
    return Status::ok();
  }
  data.chatTemplate = templates[kMainTemplate];
  data.namedTemplates.clear();
  templates.erase(kMainTemplate);
  for (auto &[name, source] : templates) {
    addNamedTemplate(data, name, std::move(source));
  }
  return Status::ok();
}

} // namespace air
