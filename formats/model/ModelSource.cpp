//===- ModelSource.cpp - typed access to metadata -------------------------===//
#include "formats/model/ModelSource.h"

namespace air {

namespace {

template <typename T>
const T *findAs(const std::map<std::string, MetadataValue> &metadata,
                const std::string &key) {
  auto it = metadata.find(key);
  return it == metadata.end() ? nullptr : std::get_if<T>(&it->second);
}

} // namespace

std::optional<std::string>
ModelSource::getString(const std::string &key) const {
  const auto *text = findAs<std::string>(metadata, key);
  return text ? std::optional(*text) : std::nullopt;
}

std::optional<uint64_t> ModelSource::getUnsigned(const std::string &key) const {
  if (const auto *value = findAs<uint64_t>(metadata, key)) {
    return *value;
  }
  const auto *value = findAs<int64_t>(metadata, key);
  if (value == nullptr || *value < 0) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(*value);
}

std::optional<double> ModelSource::getFloat(const std::string &key) const {
  const auto *value = findAs<double>(metadata, key);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<bool> ModelSource::getBool(const std::string &key) const {
  const auto *value = findAs<bool>(metadata, key);
  return value ? std::optional(*value) : std::nullopt;
}

} // namespace air
