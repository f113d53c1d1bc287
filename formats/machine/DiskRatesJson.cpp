//===- DiskRatesJson.cpp - the object "disk" of a machine profile ---------===//
#include "formats/machine/ProfileFields.h"

#include <algorithm>

namespace air {

namespace {

Status readRate(const ProfileJson &object, const std::string &where,
                const std::string &name, DiskRate &rate) {
  static constexpr const char *kKeys[] = {"method", "block_bytes", "depth",
                                          "huge_pages", "bandwidth"};
  const ProfileFields fields(object, where, name + ".");
  AIR_RETURN_IF_ERROR(fields.onlyKnows(kKeys, "a rate"));
  for (const char *key : kKeys) {
    if (!object.contains(key)) {
      return fields.fail(key, "is missing; a rate has method, block_bytes, "
                              "depth, huge_pages and bandwidth");
    }
  }
  std::string text;
  AIR_RETURN_IF_ERROR(fields.readText("method", text));
  const auto method = ioMethodOf(text);
  if (!method) {
    return fields.fail("method", "is " + ProfileFields::shown(text) +
                                     "; it must be uring, pread or buffered");
  }
  rate.method = *method;
  AIR_RETURN_IF_ERROR(fields.readNumber("block_bytes", kBlockAlignment,
                                        kMaxBlockBytes, rate.blockBytes));
  if (rate.blockBytes % kBlockAlignment != 0) {
    return fields.fail("block_bytes", "is " + std::to_string(rate.blockBytes) +
                                          "; it must be a multiple of " +
                                          std::to_string(kBlockAlignment));
  }
  uint64_t depth = 0;
  AIR_RETURN_IF_ERROR(fields.readNumber("depth", 1, kMaxDiskDepth, depth));
  rate.depth = static_cast<uint32_t>(depth);
  const ProfileJson &pages = *object.find("huge_pages");
  if (!pages.is_boolean()) {
    return fields.fail("huge_pages", "is " + ProfileFields::shown(pages) +
                                         "; it must be true or false");
  }
  rate.hugePages = pages.get<bool>();
  return fields.readNumber("bandwidth", 1, kMaxProfileNumber, rate.bandwidth);
}

} // namespace

Status readDiskRates(const ProfileJson &object, const std::string &where,
                     std::vector<DiskRate> &curve) {
  const auto it = object.find("disk");
  if (it == object.end()) {
    return Status::ok();
  }
  if (!it->is_object()) {
    return ProfileFields(object, where)
        .fail("disk",
              "is " + ProfileFields::shown(*it) + "; it must be an object");
  }
  static constexpr const char *kKeys[] = {"cached", "curve"};
  const ProfileFields fields(*it, where, "disk.");
  AIR_RETURN_IF_ERROR(fields.onlyKnows(kKeys, "the object"));
  std::string cached = "unknown";
  AIR_RETURN_IF_ERROR(fields.readText("cached", cached));
  if (cached != "unknown") {
    return fields.fail("cached", "is " + ProfileFields::shown(cached) +
                                     "; it must be unknown");
  }
  const auto list = it->find("curve");
  if (list == it->end()) {
    return Status::ok();
  }
  if (!list->is_array()) {
    return fields.fail("curve", "is " + ProfileFields::shown(*list) +
                                    "; it must be an array");
  }
  if (list->size() > kMaxDiskRates) {
    return fields.fail(
        "curve", "has " + std::to_string(list->size()) + " rates; at most " +
                     std::to_string(kMaxDiskRates) + " are allowed");
  }
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string name = "curve[" + std::to_string(i) + "]";
    if (!(*list)[i].is_object()) {
      return fields.fail(name, "is " + ProfileFields::shown((*list)[i]) +
                                   "; it must be an object");
    }
    AIR_RETURN_IF_ERROR(
        readRate((*list)[i], where, "disk." + name, curve.emplace_back()));
  }
  std::sort(curve.begin(), curve.end(),
            [](const DiskRate &a, const DiskRate &b) {
              return compareDiskRates(a, b) < 0;
            });
  const auto twice = std::adjacent_find(
      curve.begin(), curve.end(), [](const DiskRate &a, const DiskRate &b) {
        return compareDiskRates(a, b) == 0;
      });
  if (twice != curve.end()) {
    return fields.fail(
        "curve", "has two rates with the method '" +
                     std::string(ioMethodName(twice->method)) +
                     "', the block size " + std::to_string(twice->blockBytes) +
                     ", the depth " + std::to_string(twice->depth) + " and " +
                     (twice->hugePages ? "huge" : "small") +
                     " pages; each combination may appear only once");
  }
  return Status::ok();
}

ProfileJson diskRatesJson(const std::vector<DiskRate> &curve) {
  ProfileJson list = ProfileJson::array();
  for (const DiskRate &rate : curve) {
    ProfileJson entry;
    entry["method"] = ioMethodName(rate.method);
    entry["block_bytes"] = rate.blockBytes;
    entry["depth"] = rate.depth;
    entry["huge_pages"] = rate.hugePages;
    entry["bandwidth"] = rate.bandwidth;
    list.push_back(std::move(entry));
  }
  ProfileJson object;
  object["cached"] = "unknown";
  object["curve"] = std::move(list);
  return object;
}

} // namespace air
