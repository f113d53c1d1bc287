//===- DiskRatesJson.cpp - the object "disk" of a machine profile ---------===//
#include "formats/machine/ProfileFields.h"
#include "formats/support/CountText.h"

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
      return fields.fail(
          key, "is missing; every rate must have method, block_bytes, "
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

/// Returns the list `key`, or null if there is none.
Result<const ProfileJson *> readList(const ProfileFields &fields,
                                     const ProfileJson &object, const char *key,
                                     size_t most) {
  const auto list = object.find(key);
  if (list == object.end()) {
    return static_cast<const ProfileJson *>(nullptr);
  }
  if (!list->is_array()) {
    return fields.fail(key, "is " + ProfileFields::shown(*list) +
                                "; it must be an array");
  }
  if (list->size() > most) {
    return fields.fail(key, "has " + countOf(list->size(), "rate") +
                                "; at most " + std::to_string(most) +
                                " are allowed");
  }
  for (size_t i = 0; i < list->size(); ++i) {
    if (!(*list)[i].is_object()) {
      return fields.fail(std::string(key) + "[" + std::to_string(i) + "]",
                         "is " + ProfileFields::shown((*list)[i]) +
                             "; it must be an object");
    }
  }
  return &*list;
}

Status readCurve(const ProfileJson &list, const std::string &where,
                 const ProfileFields &fields, std::vector<DiskRate> &curve) {
  for (size_t i = 0; i < list.size(); ++i) {
    AIR_RETURN_IF_ERROR(readRate(list[i], where,
                                 "disk.curve[" + std::to_string(i) + "]",
                                 curve.emplace_back()));
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

Status readRings(const ProfileJson &list, const std::string &where,
                 const ProfileFields &fields, std::vector<RingRate> &rings) {
  static constexpr const char *kKeys[] = {"bytes", "bandwidth"};
  for (size_t i = 0; i < list.size(); ++i) {
    const ProfileFields entry(list[i], where,
                              "disk.rings[" + std::to_string(i) + "].");
    AIR_RETURN_IF_ERROR(entry.onlyKnows(kKeys, "a rate"));
    for (const char *key : kKeys) {
      if (!list[i].contains(key)) {
        return entry.fail(
            key, "is missing; every rate must have bytes and bandwidth");
      }
    }
    RingRate &ring = rings.emplace_back();
    AIR_RETURN_IF_ERROR(
        entry.readNumber("bytes", 1, kMaxProfileNumber, ring.bytes));
    AIR_RETURN_IF_ERROR(
        entry.readNumber("bandwidth", 1, kMaxProfileNumber, ring.bandwidth));
  }
  std::sort(
      rings.begin(), rings.end(),
      [](const RingRate &a, const RingRate &b) { return a.bytes < b.bytes; });
  const auto twice = std::adjacent_find(
      rings.begin(), rings.end(),
      [](const RingRate &a, const RingRate &b) { return a.bytes == b.bytes; });
  return twice == rings.end()
             ? Status::ok()
             : fields.fail("rings", "has two rates for a ring of " +
                                        std::to_string(twice->bytes) +
                                        " bytes; each size may appear only "
                                        "once");
}

} // namespace

Status readDiskRates(const ProfileJson &object, const std::string &where,
                     MachineProfile &profile) {
  const auto it = object.find("disk");
  if (it == object.end()) {
    return Status::ok();
  }
  if (!it->is_object()) {
    return ProfileFields(object, where)
        .fail("disk",
              "is " + ProfileFields::shown(*it) + "; it must be an object");
  }
  static constexpr const char *kKeys[] = {"cached", "curve", "rings",
                                          "bandwidth_beside", "memory_beside"};
  const ProfileFields fields(*it, where, "disk.");
  AIR_RETURN_IF_ERROR(fields.onlyKnows(kKeys, "the object"));
  std::string cached = "unknown";
  AIR_RETURN_IF_ERROR(fields.readText("cached", cached));
  if (cached != "unknown") {
    return fields.fail("cached", "is " + ProfileFields::shown(cached) +
                                     "; it must be \"unknown\", because a "
                                     "program cannot see whether a cache below "
                                     "the operating system was used");
  }
  AIR_ASSIGN_OR_RETURN(const ProfileJson *list,
                       readList(fields, *it, "curve", kMaxDiskRates));
  if (list != nullptr) {
    AIR_RETURN_IF_ERROR(readCurve(*list, where, fields, profile.diskCurve));
  }
  AIR_ASSIGN_OR_RETURN(list, readList(fields, *it, "rings", kMaxRingRates));
  if (list != nullptr) {
    AIR_RETURN_IF_ERROR(readRings(*list, where, fields, profile.diskRings));
  }
  AIR_RETURN_IF_ERROR(fields.readNumber("bandwidth_beside", 0,
                                        kMaxProfileNumber, profile.diskBeside));
  return fields.readNumber("memory_beside", 0, kMaxProfileNumber,
                           profile.memoryBeside);
}

namespace {

ProfileJson curveJson(const std::vector<DiskRate> &curve) {
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
  return list;
}

ProfileJson ringsJson(const std::vector<RingRate> &rings) {
  ProfileJson list = ProfileJson::array();
  for (const RingRate &ring : rings) {
    ProfileJson entry;
    entry["bytes"] = ring.bytes;
    entry["bandwidth"] = ring.bandwidth;
    list.push_back(std::move(entry));
  }
  return list;
}

} // namespace

ProfileJson diskRatesJson(const MachineProfile &profile) {
  ProfileJson object;
  if (!profile.diskCurve.empty() || !profile.diskRings.empty()) {
    object["cached"] = "unknown";
    object["curve"] = curveJson(profile.diskCurve);
  }
  if (!profile.diskRings.empty()) {
    object["rings"] = ringsJson(profile.diskRings);
  }
  if (profile.diskBeside != 0) {
    object["bandwidth_beside"] = profile.diskBeside;
  }
  if (profile.memoryBeside != 0) {
    object["memory_beside"] = profile.memoryBeside;
  }
  return object;
}

} // namespace air
