//===- GenerationConfig.cpp - generation_config.json ----------------------===//
#include "formats/tokenizer/GenerationConfig.h"

#include "formats/model/KnownPieces.h"
#include "formats/support/MappedFile.h"
#include "formats/support/Printable.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

namespace air {
namespace {

using Json = nlohmann::json;

/// Keeps the fields of the outermost object that are scalars or lists of
/// scalars. A field that is an object counts as null. Values in nested lists
/// and objects are skipped, so their depth need not be limited.
class FieldReader final : public nlohmann::json_sax<Json> {
public:
  explicit FieldReader(std::string_view json) : source(json) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t &) override {
    return add(value);
  }
  bool string(string_t &value) override { return add(std::move(value)); }
  bool binary(binary_t &) override { return false; }
  bool start_object(size_t) override { return open(nullptr); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool key(string_t &value) override {
    if (level == 1) {
      name = std::move(value);
    }
    return true;
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &) override {
    // `position` is the number of bytes up to the end of the unexpected token.
    // The message names the token's last byte.
    const std::string_view before =
        source.substr(0, std::max<size_t>(position, 1) - 1);
    const size_t line =
        static_cast<size_t>(std::ranges::count(before, '\n')) + 1;
    const size_t column = before.size() - (before.rfind('\n') + 1) + 1;
    failure = "the file is not valid JSON: the error is in line " +
              std::to_string(line) + ", column " + std::to_string(column);
    return false;
  }

  Json fields = Json::object();
  std::string failure;

private:
  bool add(Json value) {
    if (level == 1) {
      fields[name] = std::move(value);
    } else if (level == 2 && fields[name].is_array()) {
      fields[name].push_back(std::move(value));
    }
    return level != 0 || refuse();
  }

  bool open(Json value) {
    if (level == 0) {
      ++level;
      return !value.is_array() || refuse();
    }
    const bool isAdded = add(std::move(value));
    ++level;
    return isAdded;
  }

  bool close() {
    --level;
    return true;
  }

  bool refuse() {
    failure = "the file is not a JSON object";
    return false;
  }

  std::string_view source;
  std::string name; ///< the name of the field that is being read
  size_t level = 0; ///< how many objects and lists are open
};

/// Returns "'FIELD' of FILE", the name of a field in notes.
std::string placeOf(const std::string &field, const std::string &file) {
  return "'" + field + "' of " + file;
}

void addEnds(const Json &fields, const std::string &file, TokenizerData &data) {
  const auto found = fields.find("eos_token_id");
  if (found == fields.end() || found->is_null()) {
    return;
  }
  auto addEnd = [&](const Json &value) {
    const auto *id = value.get_ptr<const Json::number_unsigned_t *>();
    if (id != nullptr && *id < data.tokens.size()) {
      const auto end = static_cast<int32_t>(*id);
      data.eos = data.eos == TokenizerData::kNoToken ? end : data.eos;
      addEndOfGeneration(data, end);
      return;
    }
    data.notes.push_back(
        placeOf("eos_token_id", file) +
        (value.is_number()
             ? ": the id " + value.dump() + " is ignored, because the ids of " +
                   "the vocabulary are 0 to " +
                   std::to_string(data.tokens.size() - 1)
             : " is ignored where it is not the id of a token"));
  };
  if (found->is_array()) {
    std::ranges::for_each(*found, addEnd);
  } else {
    addEnd(*found);
  }
}

MetadataValue valueOf(const Json &json) {
  if (const auto *value = json.get_ptr<const Json::number_float_t *>()) {
    return *value;
  }
  if (const auto *value = json.get_ptr<const Json::number_unsigned_t *>()) {
    return *value;
  }
  if (const auto *value = json.get_ptr<const Json::number_integer_t *>()) {
    return *value;
  }
  return false; // readSampling() reports a value that is not a number
}

SamplingSettings settingsOf(const Json &fields, const std::string &file,
                            std::vector<std::string> &notes) {
  auto find = [&](const char *field) -> const Json * {
    const auto found = fields.find(field);
    return found == fields.end() || found->is_null() ? nullptr : &*found;
  };
  struct Name {
    const char *field;
    const char *key; ///< the name in SamplingSettings
  };
  constexpr Name kNames[] = {
      {"temperature", "temp"}, {"top_k", "top_k"},
      {"top_p", "top_p"},      {"min_p", "min_p"},
      {"typical_p", "typ_p"},  {"repetition_penalty", "penalty_repeat"}};
  SamplingSettings settings;
  for (const Name &name : kNames) {
    if (const Json *value = find(name.field)) {
      settings[name.key] = {placeOf(name.field, file), valueOf(*value)};
    }
  }
  // The penalty applies to the whole text, so its window has no limit.
  const Json *penalty = find("repetition_penalty");
  if (penalty != nullptr && penalty->is_number() &&
      penalty->get<double>() > 0 && penalty->get<double>() != 1) {
    settings["penalty_last_n"] = {placeOf("repetition_penalty", file),
                                  int64_t{-1}};
  }
  if (const Json *sample = find("do_sample")) {
    if (!sample->is_boolean()) {
      notes.push_back(placeOf("do_sample", file) +
                      " is ignored: it is not true or false");
    } else if (!sample->get<bool>()) {
      settings["temp"] = {placeOf("do_sample", file), 0.0};
    }
  }
  return settings;
}

} // namespace

Status parseGenerationConfig(std::string_view text, const std::string &name,
                             TokenizerData &data, SamplingSettings *settings) {
  FieldReader reader(text);
  if (!Json::sax_parse(text, &reader)) {
    return corruptError(reader.failure);
  }
  addEnds(reader.fields, name, data);
  if (settings != nullptr) {
    *settings = settingsOf(reader.fields, name, data.notes);
  }
  return Status::ok();
}

Result<SamplingSettings> readGenerationConfig(const std::string &path,
                                              TokenizerData &data) {
  SamplingSettings settings;
  const std::string generation = kGenerationConfigName;
  for (const std::string &name : {generation, std::string("config.json")}) {
    struct stat status = {};
    const std::string file = path + "/" + name;
    if (stat(file.c_str(), &status) != 0) {
      continue;
    }
    AIR_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::open(file));
    const std::string_view text(
        reinterpret_cast<const char *>(mapped.bytes().data()),
        mapped.bytes().size());
    AIR_RETURN_IF_ERROR(
        parseGenerationConfig(text, name, data,
                              name == generation ? &settings : nullptr)
            .withContext(inQuotes(file)));
  }
  return settings;
}

} // namespace air
