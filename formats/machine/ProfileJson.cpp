//===- ProfileJson.cpp - machine profiles as JSON -------------------------===//
#include "formats/machine/FeatureRules.h"
#include "formats/machine/MachineProfile.h"
#include "formats/machine/ProfileFields.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <iterator>

namespace air {

namespace {

using Json = ProfileJson;

constexpr std::string_view kX86Features[] = {
    "amx-bf16",   "amx-int8",   "amx-tile", "avx2",
    "avx512bf16", "avx512bw",   "avx512cd", "avx512dq",
    "avx512f",    "avx512vbmi", "avx512vl", "avx512vnni",
    "avxvnni",    "bmi2",       "f16c",     "fma"};
constexpr std::string_view kArmFeatures[] = {"bf16", "dotprod", "fullfp16",
                                             "i8mm", "neon",    "sve"};

// Linux supports at most 8192 logical CPUs, and usually two of them share a
// core.
constexpr uint64_t kMaxCores = 4096;
// airrun probe writes some 20 rates: for 1, 2, 3, 4, 6, 8, ... and all threads.
constexpr size_t kMaxThreadRates = 256;

std::string fileStem(const std::string &path) {
  const size_t slash = path.rfind('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.ends_with(".json")) {
    name.resize(name.size() - 5);
  }
  return name;
}

std::string join(const std::vector<std::string_view> &names) {
  std::string text;
  for (std::string_view name : names) {
    text += text.empty() ? "" : ", ";
    text += name;
  }
  return text;
}

Status readFeatures(const Json &object, const ProfileFields &fields,
                    MachineProfile &profile) {
  const auto it = object.find("features");
  if (it == object.end()) {
    return Status::ok();
  }
  if (!it->is_array()) {
    return fields.fail("features", "is " + ProfileFields::shown(*it) +
                                       "; it must be an array");
  }
  const std::vector<std::string_view> known = knownFeatures(profile.arch);
  for (size_t i = 0; i < it->size(); ++i) {
    const std::string *name = (*it)[i].get_ptr<const std::string *>();
    if (name == nullptr ||
        std::find(known.begin(), known.end(), *name) == known.end()) {
      return fields.fail("features[" + std::to_string(i) + "]",
                         "is " + ProfileFields::shown((*it)[i]) +
                             "; the features of " + profile.arch + " are " +
                             join(known));
    }
    profile.features.push_back(*name);
  }
  std::sort(profile.features.begin(), profile.features.end());
  profile.features.erase(
      std::unique(profile.features.begin(), profile.features.end()),
      profile.features.end());
  for (const std::string &feature : profile.features) {
    for (std::string_view other : impliedFeatures(profile.arch, feature)) {
      if (!std::binary_search(profile.features.begin(), profile.features.end(),
                              other)) {
        return fields.fail("features", "has '" + feature + "' but not '" +
                                           std::string(other) +
                                           "', which every machine with '" +
                                           feature + "' has; add it");
      }
    }
  }
  return Status::ok();
}

Status readMemoryCurve(const Json &object, const std::string &where,
                       const ProfileFields &fields, MachineProfile &profile) {
  const auto it = object.find("memory_curve");
  if (it == object.end()) {
    return Status::ok();
  }
  if (!it->is_array() || it->size() > kMaxThreadRates) {
    return fields.fail("memory_curve",
                       (it->is_array()
                            ? "has " + countOf(it->size(), "entry", "entries")
                            : "is " + ProfileFields::shown(*it)) +
                           "; it must be an array of at most " +
                           std::to_string(kMaxThreadRates) + " entries");
  }
  std::vector<ThreadRate> &curve = profile.memoryCurve;
  for (size_t i = 0; i < it->size(); ++i) {
    static constexpr const char *kKeys[] = {"threads", "bandwidth"};
    const std::string name = "memory_curve[" + std::to_string(i) + "]";
    const Json &entry = (*it)[i];
    if (!entry.is_object() || !entry.contains("threads") ||
        !entry.contains("bandwidth")) {
      return fields.fail(name, "must be an object with threads and bandwidth");
    }
    const ProfileFields rate(entry, where, name + ".");
    AIR_RETURN_IF_ERROR(rate.onlyKnows(kKeys, "a rate"));
    uint64_t threads = 0;
    AIR_RETURN_IF_ERROR(rate.readNumber("threads", 1, profile.cores, threads));
    uint64_t bandwidth = 0;
    AIR_RETURN_IF_ERROR(
        rate.readNumber("bandwidth", 1, kMaxProfileNumber, bandwidth));
    curve.push_back({static_cast<uint32_t>(threads), bandwidth});
  }
  std::sort(curve.begin(), curve.end(),
            [](const ThreadRate &a, const ThreadRate &b) {
              return a.threads < b.threads;
            });
  const auto twice = std::adjacent_find(
      curve.begin(), curve.end(), [](const ThreadRate &a, const ThreadRate &b) {
        return a.threads == b.threads;
      });
  if (twice != curve.end()) {
    return fields.fail("memory_curve",
                       "has two rates for " +
                           countOf(twice->threads, "thread") +
                           "; each number of threads may appear only once");
  }
  return Status::ok();
}

} // namespace

std::vector<std::string_view> knownFeatures(std::string_view arch) {
  if (arch == "x86_64") {
    return {std::begin(kX86Features), std::end(kX86Features)};
  }
  if (arch == "aarch64") {
    return {std::begin(kArmFeatures), std::end(kArmFeatures)};
  }
  return {};
}

Result<MachineProfile> parseProfile(const std::string &json,
                                    const std::string &where) {
  std::string repeated;
  const Json object = parseProfileJson(json, repeated);
  if (object.is_discarded() || !object.is_object()) {
    return corruptError("'" + where +
                        "' is not a JSON object; a machine profile is a JSON "
                        "object with at least the keys \"arch\" and \"cores\"");
  }
  if (!repeated.empty()) {
    return ProfileFields(object, where)
        .fail(repeated, "appears twice; it may appear only once");
  }
  return profileFrom(object, where);
}

Result<MachineProfile> profileFrom(const Json &object,
                                   const std::string &where) {
  static constexpr const char *kKeys[] = {"name",
                                          "arch",
                                          "features",
                                          "cores",
                                          "memory_bytes",
                                          "memory_bandwidth",
                                          "disk_bandwidth",
                                          "measured",
                                          "memory_limit",
                                          "memlock_limit",
                                          "memory_curve",
                                          "disk",
                                          "cpu",
                                          "gpus"};
  const ProfileFields fields(object, where);
  AIR_RETURN_IF_ERROR(fields.onlyKnows(kKeys, "a profile"));
  MachineProfile profile;
  profile.name = fileStem(where);
  AIR_RETURN_IF_ERROR(fields.readText("name", profile.name));
  AIR_RETURN_IF_ERROR(fields.checkName(profile.name));
  AIR_RETURN_IF_ERROR(fields.readText("arch", profile.arch));
  if (knownFeatures(profile.arch).empty()) {
    return fields.fail("arch", profile.arch.empty()
                                   ? "is missing; it must be x86_64 or aarch64"
                                   : "is \"" + profile.arch +
                                         "\"; it must be x86_64 or aarch64");
  }
  if (!object.contains("cores")) {
    return fields.fail("cores",
                       "is missing; it must be a whole number from 1 to " +
                           std::to_string(kMaxCores));
  }
  uint64_t cores = 1;
  AIR_RETURN_IF_ERROR(fields.readNumber("cores", 1, kMaxCores, cores));
  profile.cores = static_cast<uint32_t>(cores);
  AIR_RETURN_IF_ERROR(fields.readNumber("memory_bytes", 0, kMaxProfileNumber,
                                        profile.memoryBytes));
  AIR_RETURN_IF_ERROR(fields.readNumber(
      "memory_bandwidth", 0, kMaxProfileNumber, profile.memoryBandwidth));
  AIR_RETURN_IF_ERROR(fields.readNumber("disk_bandwidth", 0, kMaxProfileNumber,
                                        profile.diskBandwidth));
  if (const auto it = object.find("measured"); it != object.end()) {
    if (!it->is_boolean()) {
      return fields.fail("measured", "is " + ProfileFields::shown(*it) +
                                         "; it must be true or false");
    }
    profile.measured = it->get<bool>();
  }
  AIR_RETURN_IF_ERROR(fields.readNumber("memory_limit", 1, kMaxProfileNumber,
                                        profile.memoryLimit));
  AIR_RETURN_IF_ERROR(fields.readNumber("memlock_limit", 1, kMaxProfileNumber,
                                        profile.memlockLimit));
  AIR_RETURN_IF_ERROR(readMemoryCurve(object, where, fields, profile));
  AIR_RETURN_IF_ERROR(readDiskRates(object, where, profile));
  AIR_RETURN_IF_ERROR(readFeatures(object, fields, profile));
  AIR_RETURN_IF_ERROR(readCpuRates(object, where, profile.cpu));
  AIR_RETURN_IF_ERROR(readGpus(object, where, profile.gpus));
  return profile;
}

Json profileJson(const MachineProfile &profile) {
  Json object;
  object["name"] = profile.name;
  object["arch"] = profile.arch;
  object["features"] = profile.features;
  object["cores"] = profile.cores;
  object["memory_bytes"] = profile.memoryBytes;
  object["memory_bandwidth"] = profile.memoryBandwidth;
  object["disk_bandwidth"] = profile.diskBandwidth;
  object["measured"] = profile.measured;
  if (profile.memoryLimit != 0) {
    object["memory_limit"] = profile.memoryLimit;
  }
  if (profile.memlockLimit != 0) {
    object["memlock_limit"] = profile.memlockLimit;
  }
  if (!profile.memoryCurve.empty()) {
    Json list = Json::array();
    for (const ThreadRate &rate : profile.memoryCurve) {
      Json entry;
      entry["threads"] = rate.threads;
      entry["bandwidth"] = rate.bandwidth;
      list.push_back(std::move(entry));
    }
    object["memory_curve"] = std::move(list);
  }
  if (Json disk = diskRatesJson(profile); !disk.is_null()) {
    object["disk"] = std::move(disk);
  }
  if (profile.cpu != CpuRates{}) {
    object["cpu"] = cpuRatesJson(profile.cpu);
  }
  if (!profile.gpus.empty()) {
    object["gpus"] = gpusJson(profile.gpus);
  }
  return object;
}

std::string toJson(const MachineProfile &profile) {
  return profileJson(profile).dump(2, ' ', false,
                                   Json::error_handler_t::replace) +
         "\n";
}

} // namespace air
