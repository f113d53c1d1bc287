//===- JsonFields.h - the fields of a tokenizer's JSON files ----*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TOKENIZER_JSONFIELDS_H
#define AIRPACK_FORMATS_TOKENIZER_JSONFIELDS_H

#include "formats/support/Status.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace air {

/// A JSON object with its place in the file, for messages. It refers to the
/// JSON, which must outlive it. A field that is null counts as absent.
class JsonFields {
public:
  using Json = nlohmann::json;

  /// Fails with Corrupt if `value` is not an object.
  static Result<JsonFields> of(const Json &value, std::string place);

  const std::string &place() const { return where; }
  /// "PLACE.NAME", or only NAME for a field of the file's outermost object.
  std::string placeOf(const char *name) const;

  /// Returns nullptr if the field is absent.
  const Json *find(const char *name) const;
  /// The functions below fail with Corrupt if the field is not of the type that
  /// they return. If the field is absent, text(name), array() and object() fail
  /// with Corrupt, and the others return `absent` or nothing. An id is a whole
  /// number from 0 to INT32_MAX.
  Result<std::string> text(const char *name) const;
  Result<std::string> text(const char *name, std::string absent) const;
  Result<bool> flag(const char *name, bool absent) const;
  Result<std::optional<int32_t>> id(const char *name) const;
  Result<const Json *> array(const char *name) const;
  Result<const Json *> object(const char *name) const;
  /// The field, which must be an object, with its place in the file.
  Result<std::optional<JsonFields>> fields(const char *name) const;

  Status corrupt(const char *name, const std::string &what) const;
  Status unsupported(const std::string &what) const;

private:
  JsonFields(const Json &value, std::string place)
      : json(&value), where(std::move(place)) {}
  const Json *json;
  std::string where;
};

} // namespace air

#endif // AIRPACK_FORMATS_TOKENIZER_JSONFIELDS_H
