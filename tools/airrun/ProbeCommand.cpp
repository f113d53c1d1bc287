//===- ProbeCommand.cpp - this machine, measured ----------------*- C++ -*-===//
#include "tools/airrun/ProbeCommand.h"

#include "formats/machine/GpuTable.h"
#include "formats/machine/HostFacts.h"
#include "formats/machine/ProbeCache.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/hal/cpu/CpuTopology.h"
#include "runtime/hal/cpu/probe/CpuProbe.h"
#include "runtime/hal/cpu/probe/MemoryReaders.h"
#include "runtime/hal/cuda/probe/GpuProbe.h"
#include "runtime/io/probe/DiskProbe.h"
#include "runtime/io/probe/ScratchFile.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/LoadNote.h"
#include "tools/airrun/ProbeReport.h"
#include "tools/cli/OutputFile.h"
#include "tools/cli/ProbeFile.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

namespace air {
namespace {

/// The time for all measurements, in seconds, if --seconds does not state
/// another.
constexpr double kSeconds = 15;
/// The fractions of this time for the disk, and for measuring all GPUs. Opening
/// the GPUs takes additional time.
constexpr double kDiskShare = 1.0 / 3;
constexpr double kGpuShare = 1.0 / 15;
/// The size of the file that the disk is measured with, and the largest share
/// of the disk's time that writing the file may take.
constexpr uint64_t kScratchBytes = uint64_t{256} << 20;
constexpr double kScratchShare = 1.0 / 3;

/// Adds the memory limits of this process, as the system states them.
void addLimits(MachineProfile &profile) {
  profile.memoryLimit = memoryLimit("");
  rlimit lock = {};
  if (getrlimit(RLIMIT_MEMLOCK, &lock) == 0) {
    profile.memlockLimit =
        std::min<uint64_t>(lock.rlim_cur, uint64_t{INT64_MAX});
  }
}

/// Reads memory with MemoryReaders. They are created, with their memory, only
/// when reading begins, because they are not needed if the disk proves to be
/// unsuitable.
class CoreTraffic final : public rt::MemoryTraffic {
public:
  CoreTraffic(uint32_t threads, uint64_t memoryBytes)
      : threads(threads), memoryBytes(memoryBytes) {}

  Status start() override {
    if (readers == nullptr) {
      AIR_ASSIGN_OR_RETURN(readers,
                           rt::MemoryReaders::create(threads, memoryBytes));
    }
    return readers->start();
  }
  uint64_t bytes() const override { return readers->bytes(); }
  void stop() override { readers->stop(); }

private:
  uint32_t threads;
  uint64_t memoryBytes;
  std::unique_ptr<rt::MemoryReaders> readers;
};

/// Measures the disk with the file `path`, or with a file that it writes to the
/// current folder.
Result<rt::DiskProbeResult> measuredDisk(const std::optional<std::string> &path,
                                         double seconds,
                                         rt::MemoryTraffic &traffic) {
  if (path) {
    const int descriptor =
        open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
      return ioError("cannot open '" + *path + "': " + std::strerror(errno));
    }
    Result<rt::DiskProbeResult> result =
        rt::probeDisk(descriptor, *path, seconds, &traffic);
    close(descriptor);
    return result;
  }
  const double start = monotonicSeconds();
  AIR_ASSIGN_OR_RETURN(
      rt::ScratchFile file,
      rt::ScratchFile::create(".", kScratchBytes, seconds * kScratchShare));
  return rt::probeDisk(file.descriptor(), "the file for measurements",
                       seconds - (monotonicSeconds() - start), &traffic);
}

/// Adds the rates of the disk to `profile`. While the disk and memory are read
/// at the same time, each reaches only a share of its full rate. Returns these
/// two shares, or nullopt if they were not measured. A disk that cannot be
/// measured at all is an error if `path` is set, because the user has then
/// asked for this disk. Without `path`, a note says that the disk is not
/// measured, and the result is nullopt.
Result<std::optional<KeptShares>>
addDisk(const std::optional<std::string> &path, double seconds,
        uint32_t threads, MachineProfile &profile) {
  CoreTraffic traffic(threads, profile.memoryBytes);
  Result<rt::DiskProbeResult> disk = measuredDisk(path, seconds, traffic);
  if (!disk && path) {
    return disk.status();
  }
  if (!disk) {
    cli::printNotes({"the disk of the current folder is not measured: " +
                     disk.status().message() +
                     "; --disk-file names a file to read"});
    return std::optional<KeptShares>();
  }
  cli::printNotes(disk->notes);
  profile.diskCurve = std::move(disk->curve);
  profile.diskRings = std::move(disk->rings);
  profile.diskBandwidth =
      streamingBandwidth(profile.diskCurve, profile.diskRings);
  return disk->kept;
}

/// Adds to `profile` the rates that disk and memory reach while both are read.
/// Each is the product of a share from `kept` and the full rate in `profile`.
/// The rates that were measured while both were read are not stored, because
/// the full rates in `profile` were measured at other times.
void addTogether(const std::optional<KeptShares> &kept,
                 MachineProfile &profile) {
  const auto rate = [](double share, uint64_t alone) {
    return static_cast<uint64_t>(
        std::llround(share * static_cast<double>(alone)));
  };
  if (kept) {
    profile.diskBeside = rate(kept->disk, profile.diskBandwidth);
    profile.memoryBeside = rate(kept->memory, profile.memoryBandwidth);
  }
}

std::string gpuText(const rt::CudaFacts &gpu) {
  return "GPU " + std::to_string(gpu.ordinal) + " (" + cli::oneLine(gpu.name) +
         ")";
}

/// Measures the GPU that `device` names, or without a name all GPUs. A GPU that
/// cannot be measured is only an error if the user has named it.
Result<std::vector<rt::GpuProbeResult>>
measuredGpus(const std::optional<std::string> &device, double seconds) {
  std::vector<rt::GpuProbeResult> results;
  if (device) {
    AIR_ASSIGN_OR_RETURN(
        rt::GpuProbeResult result,
        rt::probeGpu({.device = *device, .arch = ""}, seconds));
    results.push_back(std::move(result));
    return results;
  }
  const Result<uint32_t> count = rt::CudaDriver::countGpus();
  if (!count) {
    cli::printNotes({"no GPU is measured: " + count.status().message()});
    return results;
  }
  for (uint32_t ordinal = 0; ordinal < *count; ++ordinal) {
    Result<rt::GpuProbeResult> result = rt::probeGpu(
        {.device = std::to_string(ordinal), .arch = ""}, seconds / *count);
    if (result) {
      results.push_back(*std::move(result));
    } else {
      cli::printNotes({"GPU " + std::to_string(ordinal) +
                       " is not measured: " + result.status().message()});
    }
  }
  return results;
}

/// Adds to `profile` the first GPU for which plans can be made or, if there is
/// none, the first of all GPUs.
void addGpu(const std::vector<rt::GpuProbeResult> &gpus,
            MachineProfile &profile) {
  const rt::CudaFacts *chosen = nullptr;
  for (const rt::GpuProbeResult &gpu : gpus) {
    const GpuProfile described = rt::profileOf(gpu);
    if (!canPlanFor(described)) {
      cli::printNotes({"there are no kernels for " + gpuText(gpu.facts) +
                       ", so no plans can be made for it"});
    }
    if (chosen == nullptr ||
        (!canPlanFor(profile.gpus.front()) && canPlanFor(described))) {
      chosen = &gpu.facts;
      profile.gpus = {described};
    }
  }
  if (gpus.size() > 1) {
    cli::printNotes({"the profile has only " + gpuText(*chosen) +
                     ", because a model is planned for one GPU; --device "
                     "chooses another one"});
  }
}

Status addCpu(uint32_t threads, double seconds, MachineProfile &profile) {
  rt::CpuProbeOptions options;
  options.threads = threads;
  options.memoryBytes = profile.memoryBytes;
  options.features = profile.features;
  options.seconds = seconds;
  const rt::CpuLoad load;
  AIR_ASSIGN_OR_RETURN(rt::CpuProbeResult result, rt::probeCpu(options));
  noteLoad(load, "airrun probe");
  profile.cpu = std::move(result.rates);
  profile.memoryBandwidth = result.memoryBandwidth;
  profile.memoryCurve = std::move(result.memoryCurve);
  return Status::ok();
}

} // namespace

cli::Command probeCommand() {
  cli::Command command;
  command.name = "probe";
  command.summary =
      "Measure the rates by which airpack chooses between variants of kernels "
      "for this machine: the arithmetic of a core, ways of reading memory, and "
      "the cost of tiles and barriers; and how fast a model that does not fit "
      "into memory can be read from the disk and its weights can be decoded. "
      "If the machine has NVIDIA GPUs, also how fast they read their memory, "
      "and how fast bytes are copied to them and back. "
      "Other programs that run at the same time disturb the measurement; a "
      "note says so if they take much of the CPU time.";
  cli::Option save;
  save.name = "--save";
  save.help = "Remember the profile in $XDG_CACHE_HOME/airpack/probe.json "
              "(~/.cache if that is unset). From then on, airpack --target "
              "host chooses kernels by this profile, and makes plans for the "
              "GPU that the profile describes, if any.";
  cli::Option json;
  json.name = "--json";
  json.help = "Print the profile of the machine as JSON, for airpack --target, "
              "instead of tables.";
  cli::Option seconds;
  seconds.name = "--seconds";
  seconds.kind = cli::ValueKind::Number;
  seconds.valueName = "SECONDS";
  seconds.help = "Measure for about this many seconds, a third of them for the "
                 "disk and a fifteenth for GPUs. Memory, arithmetic and GPUs "
                 "are measured at least three times, even if that takes "
                 "longer.";
  seconds.defaultText = "15";
  seconds.minimum = 0;
  seconds.maximum = 3600;
  cli::Option device;
  device.name = "--device";
  device.kind = cli::ValueKind::String;
  device.valueName = "GPU";
  device.help = "Measure only this GPU, given as its number (from 0) or a part "
                "of its name, such as rtx3060. The profile then describes this "
                "GPU.";
  device.defaultText = "all GPUs; the profile describes the first one for "
                       "which there are kernels";
  cli::Option threads = threadsOption();
  threads.help = "Number of threads that measure at the same time.";
  threads.defaultText = "one per core, but no more than a cgroup's CPU quota "
                        "pays for";
  cli::Option disk;
  disk.name = "--disk-file";
  disk.kind = cli::ValueKind::String;
  disk.valueName = "FILE";
  disk.help =
      "Measure the disk by reading this file, for example a plan. It is "
      "not changed. By default, a temporary file of 256 MiB is written to the "
      "current folder and removed afterwards.";
  command.options = {{.name = "--output",
                      .shortName = "-o",
                      .kind = cli::ValueKind::String,
                      .valueName = "FILE",
                      .help = "Also write the profile as JSON to a file."},
                     save,
                     json,
                     seconds,
                     threads,
                     disk,
                     device};
  command.examples = {"airrun probe --save", "airrun probe -o machine.json",
                      "airrun probe --save --disk-file model.air",
                      "airrun probe --save --device 1"};
  return command;
}

Status runProbe(const cli::Invocation &invocation) {
  AtomicFile file;
  const std::optional<std::string> path = invocation.text("--output");
  if (path) {
    AIR_ASSIGN_OR_RETURN(file, cli::openOutput(*path));
  }
  AtomicFile saved;
  if (invocation.has("--save") && invocation.has("--threads")) {
    return usageError("--save stores rates that are measured with one thread "
                      "per core; leave out --threads");
  }
  if (invocation.has("--save")) {
    AIR_ASSIGN_OR_RETURN(saved, cli::openProbeFile());
  }
  const auto threads = static_cast<uint32_t>(
      invocation.integer("--threads").value_or(rt::busyCores()));
  const double seconds = invocation.number("--seconds").value_or(kSeconds);
  MachineProfile profile = hostProfile();
  profile.measured = true;
  addLimits(profile);
  // A file or a GPU that the user has named may prove to be unsuitable. It is
  // measured before the parts that are always measured, so that an error comes
  // early.
  const std::optional<std::string> disk = invocation.text("--disk-file");
  std::optional<KeptShares> kept;
  if (disk) {
    AIR_ASSIGN_OR_RETURN(kept,
                         addDisk(disk, seconds * kDiskShare, threads, profile));
  }
  const double gpuStart = monotonicSeconds();
  AIR_ASSIGN_OR_RETURN(
      const std::vector<rt::GpuProbeResult> gpus,
      measuredGpus(invocation.text("--device"), seconds * kGpuShare));
  addGpu(gpus, profile);
  const double gpuSeconds = monotonicSeconds() - gpuStart;
  if (!disk) {
    AIR_ASSIGN_OR_RETURN(kept,
                         addDisk(disk, seconds * kDiskShare, threads, profile));
  }
  AIR_RETURN_IF_ERROR(
      addCpu(threads, seconds * (1 - kDiskShare) - gpuSeconds, profile));
  addTogether(kept, profile);
  if (invocation.has("--threads")) {
    // The profile's rates for all cores were measured with this number of
    // threads, so the profile must state the same number of cores.
    profile.cores = threads;
  }
  const std::string json = toJson(profile);
  if (path) {
    AIR_RETURN_IF_ERROR(file.reserve(json.size()));
    AIR_RETURN_IF_ERROR(file.writeAt(
        0, {reinterpret_cast<const uint8_t *>(json.data()), json.size()}));
    AIR_RETURN_IF_ERROR(file.commit(json.size()));
  }
  if (invocation.has("--save")) {
    AIR_RETURN_IF_ERROR(cli::saveProbe(saved, profile));
    cli::printNotes({"saved in '" + cli::oneLine(saved.path()) +
                     "'; airpack --target host uses it"});
  }
  return writeOut(invocation.has("--json")
                      ? json
                      : probeReport(profile, hostCpuModel()) + gpuReport(gpus));
}

} // namespace air
