//===- PlanJson.cpp - a plan's metadata for people and scripts ------------===//
//
// The code walks the tables with the mini-reflection of FlatBuffers, so that a
// new field of the schema appears in the JSON without a change here.
//
//===----------------------------------------------------------------------===//
#include "formats/plan/PlanJson.h"

#include "formats/plan/Layout.h"
#include "formats/support/Digest.h"
#include "formats/support/Printable.h"

#include <flatbuffers/minireflect.h>
#include <nlohmann/json.hpp>
#include <string_view>

namespace air {

namespace {

using Json = nlohmann::ordered_json;
using flatbuffers::ElementaryType;
using flatbuffers::TypeTable;

constexpr uint32_t kListed = 64;

Json walkTable(const flatbuffers::Table &table, const TypeTable &type);

Json summary(uint32_t count, std::span<const uint8_t> bytes) {
  return {{"count", count}, {"digest", toHex(digestOf(bytes))}};
}

/// Returns the name of the enum value `value`, or the number itself if the enum
/// has no name for it.
Json enumValue(int64_t value, const TypeTable &type) {
  for (size_t i = 0; i < type.num_elems; ++i) {
    const int64_t known =
        type.values != nullptr ? type.values[i] : static_cast<int64_t>(i);
    if (known == value) {
      return type.names[i];
    }
  }
  return value;
}

template <typename T> T load(const uint8_t *at) {
  return flatbuffers::ReadScalar<T>(at);
}

/// Converts one scalar, string or table. `at` points to the value itself if it
/// is a scalar, and otherwise to its offset.
Json walkValue(ElementaryType kind, const uint8_t *at, const TypeTable *type) {
  switch (kind) {
  case flatbuffers::ET_BOOL:
    return load<uint8_t>(at) != 0;
  case flatbuffers::ET_CHAR:
    return load<int8_t>(at);
  case flatbuffers::ET_UTYPE:
  case flatbuffers::ET_UCHAR: {
    const auto value = load<uint8_t>(at);
    return type != nullptr ? enumValue(value, *type) : Json(value);
  }
  case flatbuffers::ET_SHORT:
    return load<int16_t>(at);
  case flatbuffers::ET_USHORT:
    return load<uint16_t>(at);
  case flatbuffers::ET_INT:
    return load<int32_t>(at);
  case flatbuffers::ET_UINT:
    return load<uint32_t>(at);
  case flatbuffers::ET_LONG:
    return load<int64_t>(at);
  case flatbuffers::ET_ULONG:
    return load<uint64_t>(at);
  case flatbuffers::ET_FLOAT:
    return load<float>(at);
  case flatbuffers::ET_DOUBLE:
    return load<double>(at);
  case flatbuffers::ET_STRING: {
    const uint8_t *target = at + load<flatbuffers::uoffset_t>(at);
    return reinterpret_cast<const flatbuffers::String *>(target)->str();
  }
  case flatbuffers::ET_SEQUENCE: {
    const uint8_t *target = at + load<flatbuffers::uoffset_t>(at);
    return walkTable(*reinterpret_cast<const flatbuffers::Table *>(target),
                     *type);
  }
  }
  return nullptr;
}

Json walkVector(ElementaryType kind, const uint8_t *at, const TypeTable *type) {
  const uint8_t *target = at + load<flatbuffers::uoffset_t>(at);
  const auto &vector =
      *reinterpret_cast<const flatbuffers::Vector<uint8_t> *>(target);
  const bool isScalar =
      kind != flatbuffers::ET_STRING && kind != flatbuffers::ET_SEQUENCE;
  const size_t stride = isScalar ? flatbuffers::InlineSize(kind, type)
                                 : sizeof(flatbuffers::uoffset_t);
  const uint32_t count = vector.size();
  if (kind == flatbuffers::ET_UCHAR && count == sizeof(Digest)) {
    Digest digest;
    std::copy_n(vector.data(), digest.size(), digest.begin());
    return toHex(digest);
  }
  if (isScalar && count > kListed) {
    return summary(count, {vector.data(), count * stride});
  }
  Json list = Json::array();
  for (uint32_t i = 0; i < count; ++i) {
    list.push_back(walkValue(kind, vector.data() + i * stride, type));
  }
  return list;
}

/// Converts Segment.digests, in which the digests are concatenated.
Json walkDigests(const flatbuffers::Vector<uint8_t> &digests) {
  const uint32_t count = digests.size() / sizeof(Digest);
  if (count > kListed) {
    return summary(count, {digests.data(), digests.size()});
  }
  Json list = Json::array();
  for (uint32_t i = 0; i < count; ++i) {
    Digest digest;
    std::copy_n(digests.data() + i * digest.size(), digest.size(),
                digest.begin());
    list.push_back(toHex(digest));
  }
  return list;
}

Json walkStrings(const plan::StringList &list) {
  // The digest covers the bytes of all strings, and then their end offsets.
  DigestStream digest;
  if (list.bytes() != nullptr) {
    digest.update({list.bytes()->data(), list.bytes()->size()});
  }
  uint32_t count = 0;
  if (list.ends() != nullptr) {
    count = list.ends()->size();
    digest.update({list.ends()->Data(), count * sizeof(uint32_t)});
  }
  return {{"count", count}, {"digest", toHex(digest.finish())}};
}

Json walkTable(const flatbuffers::Table &table, const TypeTable &type) {
  if (&type == plan::StringListTypeTable()) {
    return walkStrings(reinterpret_cast<const plan::StringList &>(table));
  }
  Json object = Json::object();
  for (size_t i = 0; i < type.num_elems; ++i) {
    const flatbuffers::TypeCode code = type.type_codes[i];
    const TypeTable *inner =
        code.sequence_ref >= 0 ? type.type_refs[code.sequence_ref]() : nullptr;
    const uint8_t *at = table.GetAddressOf(flatbuffers::FieldIndexToOffset(
        static_cast<flatbuffers::voffset_t>(i)));
    if (at == nullptr) {
      continue;
    }
    const auto kind = static_cast<ElementaryType>(code.base_type);
    Json value = code.is_repeating ? walkVector(kind, at, inner)
                                   : walkValue(kind, at, inner);
    const std::string_view name = type.names[i];
    if (&type == plan::SegmentTypeTable() && name == "digests") {
      value = walkDigests(
          *reinterpret_cast<const plan::Segment &>(table).digests());
    }
    if (kind == flatbuffers::ET_USHORT && value.is_number()) {
      const auto id = value.get<uint16_t>();
      if (name == "dtype") {
        if (std::optional<DType> dtype = dtypeFromId(id)) {
          value = info(*dtype).name;
        }
      } else if (name == "layout") {
        if (std::string_view layout = layoutName(static_cast<Layout>(id));
            !layout.empty()) {
          value = layout;
        }
      }
    }
    object[std::string(name)] = std::move(value);
  }
  return object;
}

} // namespace

std::string planToJson(const plan::Plan &plan) {
  const Json object =
      walkTable(reinterpret_cast<const flatbuffers::Table &>(plan),
                *plan::PlanTypeTable());
  return printableJson(
             object.dump(2, ' ', false, Json::error_handler_t::replace)) +
         "\n";
}

} // namespace air
