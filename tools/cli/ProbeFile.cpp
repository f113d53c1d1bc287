//===- ProbeFile.cpp - where measurements are remembered ------------------===//
#include "tools/cli/ProbeFile.h"

#include "formats/machine/ProbeCache.h"
#include "formats/support/Digest.h"
#include "formats/support/DynamicLibrary.h"
#include "formats/support/MappedFile.h"
#include "tools/cli/Output.h"
#include "tools/cli/OutputFile.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace air::cli {
namespace {

namespace fs = std::filesystem;

/// The largest size of a saved probe in bytes. A probe takes some fifteen
/// kilobytes, so a file that is larger than this is something else.
constexpr uint64_t kMostBytes = uint64_t{1} << 20;

std::string variable(const char *name) {
  const char *value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string digestText(const std::string &text) {
  return toHex(
      digestOf({reinterpret_cast<const uint8_t *>(text.data()), text.size()}));
}

Result<ProbeCache> cacheIn(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > kMostBytes) {
    return corruptError("it has " + std::to_string(file.bytes().size()) +
                        " bytes; a saved probe has at most " +
                        std::to_string(kMostBytes));
  }
  return parseProbeCache(std::string(file.bytes().begin(), file.bytes().end()),
                         path);
}

/// The path of the saved probe; empty if there is none.
std::string existingProbe() {
  const std::string path = probeFilePath();
  std::error_code error;
  const bool isThere = !path.empty() && (fs::exists(path, error) || error);
  return isThere ? path : "";
}

/// Returns `host` with the measurements in the file at `path`. If `differences`
/// is not null, sets it to what differentCores() returns.
Result<MachineProfile> hostFrom(const std::string &path,
                                const MachineProfile &host,
                                std::string *differences = nullptr) {
  AIR_ASSIGN_OR_RETURN(ProbeCache cache, cacheIn(path));
  if (differences != nullptr) {
    *differences = differentCores(host, cache);
  }
  return withMeasurements(host, hostCpuModel(), cache);
}

} // namespace

std::string cacheFolder() {
  fs::path folder = variable("XDG_CACHE_HOME");
  if (!folder.is_absolute()) {
    const std::string home = variable("HOME");
    if (home.empty()) {
      return "";
    }
    folder = fs::path(home) / ".cache";
  }
  return (folder / "airpack").string();
}

std::string probeFilePath() {
  const std::string folder = cacheFolder();
  return folder.empty() ? "" : folder + "/probe.json";
}

Result<AtomicFile> openProbeFile() {
  const std::string path = probeFilePath();
  if (path.empty()) {
    return usageError("--save needs the folder that XDG_CACHE_HOME or HOME "
                      "names, but HOME is not set, and XDG_CACHE_HOME is not "
                      "set to an absolute path; name a file with -o");
  }
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) {
    return ioError("cannot create the folder of '" + path +
                   "': " + error.message());
  }
  return openOutput(path);
}

Status saveProbe(AtomicFile &file, const MachineProfile &profile) {
  const std::string json = toJson(ProbeCache{hostCpuModel(), profile});
  AIR_RETURN_IF_ERROR(file.reserve(json.size()));
  AIR_RETURN_IF_ERROR(file.writeAt(
      0, {reinterpret_cast<const uint8_t *>(json.data()), json.size()}));
  return file.commit(json.size());
}

void useCpuOnly(MachineProfile &host, const Status &why) {
  const std::string name =
      host.gpus.empty() ? "" : oneLine(host.gpus.front().name);
  host.gpus.clear();
  printNotes({"the plan is for the CPU of this machine, not for its GPU '" +
              name + "': " + why.message() + "; profile digest " +
              digestText(toJson(host))});
}

Result<MachineProfile> resolveTarget(const std::string &spec,
                                     const GpuCheck &check) {
  AIR_ASSIGN_OR_RETURN(MachineProfile profile, resolveProfile(spec));
  if (spec != "host") {
    return profile;
  }
  const std::string path = existingProbe();
  if (path.empty()) {
    if (DynamicLibrary::open("libcuda.so.1").isOpen()) {
      printNotes({"this machine has an NVIDIA driver, but no GPU was measured, "
                  "so the target host is its CPU; run 'airrun probe --save' "
                  "to use the GPU"});
    }
    return profile;
  }
  std::string differences;
  Result<MachineProfile> measured = hostFrom(path, profile, &differences);
  if (!measured) {
    printNotes({"the saved probe '" + oneLine(path) +
                "' is not used: " + measured.status().message()});
    return profile;
  }
  if (check && !measured->gpus.empty()) {
    if (const Status able = check(measured->gpus.front()); !able.isOk()) {
      useCpuOnly(*measured, able);
    }
  }
  printNotes({"the target host uses the measurements in '" + oneLine(path) +
              "'; profile digest " + digestText(toJson(*measured))});
  if (!differences.empty()) {
    printNotes({differences});
  }
  return measured;
}

MachineProfile hostTarget() {
  MachineProfile host = hostProfile();
  const std::string path = existingProbe();
  if (path.empty()) {
    return host;
  }
  Result<MachineProfile> measured = hostFrom(path, host);
  return measured ? *std::move(measured) : host;
}

Result<DiskRate> savedDiskRate() {
  const std::string path = existingProbe();
  if (path.empty()) {
    return chooseDiskRate({});
  }
  const auto refuse = [&](const Status &why) {
    return Status(why.code(), "the saved probe '" + oneLine(path) +
                                  "' is not used: " + why.message());
  };
  Result<ProbeCache> cache = cacheIn(path);
  if (!cache) {
    return refuse(cache.status());
  }
  // A probe of another machine is refused, because it measured another disk.
  const Result<MachineProfile> host =
      withMeasurements(hostProfile(), hostCpuModel(), *cache);
  if (!host) {
    return refuse(host.status());
  }
  return chooseDiskRate(cache->profile.diskCurve);
}

} // namespace air::cli
