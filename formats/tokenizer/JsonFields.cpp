//===- JsonFields.cpp - the fields of a tokenizer's JSON files ------------===//
#include "formats/tokenizer/JsonFields.h"

namespace air {

Result<JsonFields> JsonFields::of(const Json &value, std::string place) {
  if (!value.is_object()) {
    return corruptError(
        "tokenizer: " + (place.empty() ? "the file" : "'" + place + "'") +
        " is not a JSON object");
  }
  return JsonFields(value, std::move(place));
}

std::string JsonFields::placeOf(const char *name) const {
  return where.empty() ? name : where + "." + name;
}

const JsonFields::Json *JsonFields::find(const char *name) const {
  auto found = json->find(name);
  return found == json->end() || found->is_null() ? nullptr : &*found;
}

Status JsonFields::corrupt(const char *name, const std::string &what) const {
  return corruptError("tokenizer: '" + placeOf(name) + "' " + what);
}

Status JsonFields::unsupported(const std::string &what) const {
  return unsupportedError("tokenizer: '" + where + "' " + what);
}

Result<std::string> JsonFields::text(const char *name) const {
  const Json *value = find(name);
  const auto *text =
      value == nullptr ? nullptr : value->get_ptr<const std::string *>();
  if (text == nullptr) {
    return corrupt(name, value == nullptr ? "is missing" : "is not a string");
  }
  return *text;
}

Result<std::string> JsonFields::text(const char *name,
                                     std::string absent) const {
  return find(name) == nullptr ? Result<std::string>(std::move(absent))
                               : text(name);
}

Result<bool> JsonFields::flag(const char *name, bool absent) const {
  const Json *value = find(name);
  if (value == nullptr) {
    return absent;
  }
  if (!value->is_boolean()) {
    return corrupt(name, "is not a boolean");
  }
  return value->get<bool>();
}

Result<std::optional<int32_t>> JsonFields::id(const char *name) const {
  const Json *value = find(name);
  if (value == nullptr) {
    return std::optional<int32_t>();
  }
  const auto *number = value->get_ptr<const Json::number_unsigned_t *>();
  if (number == nullptr || *number > INT32_MAX) {
    return corrupt(name, "is not a whole number from 0 to " +
                             std::to_string(INT32_MAX));
  }
  return std::optional<int32_t>(static_cast<int32_t>(*number));
}

Result<const JsonFields::Json *> JsonFields::array(const char *name) const {
  const Json *value = find(name);
  if (value == nullptr || !value->is_array()) {
    return corrupt(name, value == nullptr ? "is missing" : "is not an array");
  }
  return value;
}

Result<const JsonFields::Json *> JsonFields::object(const char *name) const {
  const Json *value = find(name);
  if (value == nullptr || !value->is_object()) {
    return corrupt(name, value == nullptr ? "is missing" : "is not an object");
  }
  return value;
}

Result<std::optional<JsonFields>> JsonFields::fields(const char *name) const {
  const Json *value = find(name);
  if (value == nullptr) {
    return std::optional<JsonFields>();
  }
  AIR_ASSIGN_OR_RETURN(JsonFields inner, of(*value, placeOf(name)));
  return std::optional<JsonFields>(std::move(inner));
}

} // namespace air
