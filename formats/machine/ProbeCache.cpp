//===- ProbeCache.cpp - measurements that are remembered ------------------===//
#include "formats/machine/ProbeCache.h"

#include "formats/machine/ProfileFields.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"

#include <algorithm>

namespace air {

std::string toJson(const ProbeCache &cache) {
  ProfileJson object;
  object["cpu_model"] = cache.cpuModel;
  object["profile"] = profileJson(cache.profile);
  return object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

Result<ProbeCache> parseProbeCache(const std::string &json,
                                   const std::string &where) {
  std::string repeated;
  const ProfileJson object = parseProfileJson(json, repeated);
  if (object.is_discarded() || !object.is_object()) {
    return corruptError("'" + where + "' is not a JSON object");
  }
  const ProfileFields fields(object, where);
  if (!repeated.empty()) {
    return fields.fail(repeated, "appears twice; it may appear only once");
  }
  static constexpr const char *kKeys[] = {"cpu_model", "profile"};
  AIR_RETURN_IF_ERROR(fields.onlyKnows(kKeys, "the object"));
  ProbeCache cache;
  AIR_RETURN_IF_ERROR(fields.readText("cpu_model", cache.cpuModel));
  if (cache.cpuModel.empty()) {
    return fields.fail("cpu_model", "is missing or empty");
  }
  const auto profile = object.find("profile");
  if (profile == object.end() || !profile->is_object()) {
    return fields.fail("profile",
                       "is missing or is not an object; it must be an object");
  }
  AIR_ASSIGN_OR_RETURN(cache.profile, profileFrom(*profile, where));
  return cache;
}

/// The memory bandwidth that was measured with this number of threads; null if
/// there is none.
static const ThreadRate *rateOf(const MachineProfile &measured,
                                uint32_t threads) {
  const auto found =
      std::ranges::find(measured.memoryCurve, threads, &ThreadRate::threads);
  return found == measured.memoryCurve.end() ? nullptr : &*found;
}

Result<MachineProfile> withMeasurements(const MachineProfile &host,
                                        const std::string &cpuModel,
                                        const ProbeCache &cache) {
  const MachineProfile &measured = cache.profile;
  if (cache.cpuModel != cpuModel) {
    return mismatchError("it was saved on a machine with the CPU '" +
                         printable(cache.cpuModel) +
                         "', but this machine has '" + printable(cpuModel) +
                         "'; run airrun probe --save on this machine");
  }
  if (measured.arch != host.arch || measured.features != host.features) {
    return mismatchError("it was saved on a machine whose CPU features "
                         "differ from this machine's; run airrun probe "
                         "--save on this machine");
  }
  MachineProfile profile = host;
  profile.diskBandwidth = measured.diskBandwidth;
  profile.gpus = measured.gpus;
  profile.cpu = measured.cpu;
  if (measured.cores == host.cores) {
    profile.memoryBandwidth = measured.memoryBandwidth;
    profile.diskBeside = measured.diskBeside;
    profile.memoryBeside = measured.memoryBeside;
    profile.measured = measured.measured;
    return profile;
  }
  profile.cpu.streams = host.cpu.streams;
  profile.cpu.barrierNs = host.cpu.barrierNs;
  profile.cpu.planesDecode = host.cpu.planesDecode;
  profile.cpu.zstdDecode = host.cpu.zstdDecode;
  if (const ThreadRate *rate = rateOf(measured, host.cores)) {
    profile.memoryBandwidth = rate->bandwidth;
    profile.measured = measured.measured;
  }
  return profile;
}

std::string differentCores(const MachineProfile &host,
                           const ProbeCache &cache) {
  if (cache.profile.cores == host.cores) {
    return "";
  }
  return "the saved probe was measured with " +
         countOf(cache.profile.cores, "core") + ", but this process may use " +
         std::to_string(host.cores) +
         " (the affinity mask and the CPU quota of the cgroup count); its "
         "rates of GPUs, the disk, caches and single cores are used, but the "
         "rates of all cores together are " +
         (rateOf(cache.profile, host.cores) != nullptr
              ? "not, except for the memory bandwidth of " +
                    countOf(host.cores, "thread")
              : "nominal") +
         "; run 'airrun probe --save' under the same limits to measure them";
}

} // namespace air
