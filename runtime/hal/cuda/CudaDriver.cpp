//===- CudaDriver.cpp - opens GPUs and reports the driver's errors --------===//
#include "runtime/hal/cuda/CudaDriver.h"

#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <elf.h>

using namespace air;
using namespace air::rt;

namespace {

// These are constants of the CUDA driver API: error codes, device attributes,
// and others.
constexpr int kInvalidValue = 1;
constexpr int kOutOfMemory = 2;
constexpr int kNoDevice = 100;
constexpr int kInvalidImage = 200;
constexpr int kNoBinaryForGpu = 209;
constexpr int kInvalidPtx = 218;
constexpr int kUnsupportedPtxVersion = 222;
constexpr int kNotFound = 500;
constexpr int kNotReady = 600;
constexpr int kNotSupported = 801;
constexpr int kMultiprocessors = 16;
constexpr int kL2Bytes = 38;
constexpr int kCapabilityMajor = 75;
constexpr int kCapabilityMinor = 76;
constexpr int kMaxDynamicSharedBytes = 8;
constexpr int kProgrammaticStreamSerialization = 6;
constexpr int kCaptureThreadLocal = 1;
constexpr unsigned kNonBlockingStream = 1;

// These are versions of CUDA: 1000 * major + 10 * minor. From
// kDependentGraphVersion on, graphs have edges for programmatic dependent
// launch.
constexpr int kOldestVersion = 12000;
constexpr int kDependentGraphVersion = 12030;
constexpr uint32_t kDependentCapability = 90;
/// The parameters of a kernel take at most this number of bytes. Each takes at
/// least one byte, so a kernel also has at most this number of parameters (CUDA
/// C++ Programming Guide, "Function Parameters").
constexpr size_t kMaxParameterBytes = 32764;

/// Whether a context can no longer be used after this error. Such errors are
/// uncorrectable errors of memory or NVLink, faults of kernels, faults of
/// hardware, faults outside this process, and unknown errors.
bool endsContext(int code) {
  constexpr std::array kEnding = {214, 220, 226, 700, 702, 709, 710, 714, 715,
                                  716, 717, 718, 719, 721, 810, 911, 999};
  return std::find(kEnding.begin(), kEnding.end(), code) != kEnding.end();
}

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." +
         std::to_string(version % 1000 / 10);
}

std::string capabilityText(uint32_t capability) {
  return std::to_string(capability / 10) + "." +
         std::to_string(capability % 10);
}

/// The text in lower case and without spaces.
std::string plain(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c != ' ') {
      result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return result;
}

/// Returns entry `index` of the table at offset `table` of an ELF file. The
/// entry must lie within the file.
template <typename T>
T entryOf(std::span<const uint8_t> file, uint64_t table, uint64_t index) {
  T entry;
  std::memcpy(&entry, file.data() + table + index * sizeof entry, sizeof entry);
  return entry;
}

/// Whether all tables, sections and segments of an ELF file lie within the
/// file. The driver reads the file without knowing its size.
bool isCompleteElf(std::span<const uint8_t> file) {
  Elf64_Ehdr header;
  if (file.size() < sizeof header) {
    return false;
  }
  std::memcpy(&header, file.data(), sizeof header);
  // In an ELF file with very many sections or segments, e_shnum is 0 or e_phnum
  // is PN_XNUM. Code for GPUs never has so many, so such a file is refused.
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shnum == 0 ||
      (header.e_phnum != 0 && header.e_phentsize != sizeof(Elf64_Phdr)) ||
      header.e_phnum == PN_XNUM ||
      !rangeFits(header.e_shoff, uint64_t{header.e_shnum} * sizeof(Elf64_Shdr),
                 file.size()) ||
      !rangeFits(header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr),
                 file.size())) {
    return false;
  }
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = entryOf<Elf64_Shdr>(file, header.e_shoff, i);
    if (section.sh_type != SHT_NOBITS &&
        !rangeFits(section.sh_offset, section.sh_size, file.size())) {
      return false;
    }
  }
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    const auto segment = entryOf<Elf64_Phdr>(file, header.e_phoff, i);
    if (!rangeFits(segment.p_offset, segment.p_filesz, file.size())) {
      return false;
    }
  }
  return true;
}

/// Whether the bytes are a text with a zero byte at its end and nowhere else.
/// The driver reads PTX without knowing its size.
bool isText(std::span<const uint8_t> bytes) {
  return bytes.size() > 1 &&
         std::find(bytes.begin(), bytes.end(), 0) == bytes.end() - 1;
}

} // namespace

Result<bool> rt::cudaRunsCode(uint32_t capability, std::string_view arch) {
  constexpr std::string_view kPtx = "compute_";
  constexpr std::string_view kCubin = "sm_";
  uint32_t number = 0;
  const char *end = arch.data() + arch.size();
  const bool isPtx = arch.starts_with(kPtx);
  if (isPtx || arch.starts_with(kCubin)) {
    const auto [rest, error] = std::from_chars(
        arch.data() + (isPtx ? kPtx : kCubin).size(), end, number);
    const std::string_view suffix(rest, static_cast<size_t>(end - rest));
    if (isPtx && error == std::errc() && suffix.empty()) {
      return capability >= number;
    }
    // The suffix "f" of an architecture, as in "sm_100f", allows instructions
    // that only one family of architectures has. Plans contain no code with
    // such instructions, so "f" is ignored.
    if (!isPtx && error == std::errc() && (suffix.empty() || suffix == "f")) {
      return capability / 10 == number / 10 && capability >= number;
    }
    if (!isPtx && error == std::errc() && suffix == "a") {
      return capability == number;
    }
  }
  return unsupportedError(
      "'" + std::string(arch) +
      "' is not an NVIDIA GPU architecture; give one such as sm_86 or sm_90a");
}

std::string rt::gpuLabel(const CudaFacts &gpu) {
  return std::to_string(gpu.ordinal) + " (" + gpu.name +
         ", compute capability " + capabilityText(gpu.capability) + ")";
}

bool rt::isPartOfGpuName(std::string_view part, std::string_view name) {
  return plain(name).find(plain(part)) != std::string::npos;
}

Status CudaDriver::check(int code, const char *name) {
  if (code == 0) {
    return Status::ok();
  }
  const char *text = nullptr;
  if (cuda->getErrorString.pointer(code, &text) != 0 || text == nullptr) {
    text = "unknown error";
  }
  const std::string what = std::string(name) + " failed: " + text + " (error " +
                           std::to_string(code) + ")";
  if (code == kOutOfMemory) {
    return doesNotFitError("the CUDA driver's " + what);
  }
  if (!context || !endsContext(code)) {
    return ioError("the CUDA driver's " + what);
  }
  std::string ran;
  if (completeRuns + 1 < sameSince) {
    ran = " while it ran one of several programs of the plan";
  } else if (completeRuns != runCount) {
    ran = " while it ran program " + std::to_string(program) + " of the plan";
  }
  lost = ioError(
      "the GPU " + device.name + " failed" + ran + ": the CUDA driver's " +
      what +
      "; this process cannot use the GPU again, so start the command again");
  return lost;
}

Result<std::unique_ptr<CudaDriver>> CudaDriver::start() {
  DynamicLibrary library = DynamicLibrary::open("libcuda.so.1");
  if (!library.isOpen()) {
    return unsupportedError("libcuda.so.1 cannot be opened, so no GPU can be "
                            "used; install the NVIDIA driver");
  }
  std::unique_ptr<CudaDriver> driver(new CudaDriver());
  driver->cuda = std::make_shared<const CudaFunctions>(std::move(library));
  const CudaFunctions &f = *driver->cuda;
  // The version is checked before the functions, because old drivers lack some
  // of the functions.
  const bool hasVersion = f.driverGetVersion.pointer != nullptr &&
                          f.driverGetVersion.pointer(&driver->version) == 0;
  if (hasVersion && driver->version < kOldestVersion) {
    return unsupportedError("the NVIDIA driver supports CUDA " +
                            versionText(driver->version) + ", but CUDA " +
                            versionText(kOldestVersion) +
                            " is needed; install a driver of version 525.60 "
                            "or later");
  }
  if (f.missing() != nullptr) {
    return unsupportedError(std::string("the NVIDIA driver has no function ") +
                            f.missing() +
                            "; install a driver for CUDA 12 or later");
  }
  const int started = f.init.pointer(0);
  if (started == kNoDevice) {
    return unsupportedError("the NVIDIA driver finds no GPU on this machine");
  }
  AIR_RETURN_IF_ERROR(driver->check(started, f.init.name));
  return driver;
}

Result<uint32_t> CudaDriver::countGpus() {
  AIR_ASSIGN_OR_RETURN(const std::unique_ptr<CudaDriver> driver, start());
  return driver->count();
}

Result<uint32_t> CudaDriver::count() {
  int count = 0;
  AIR_RETURN_IF_ERROR(call(cuda->deviceGetCount, &count));
  if (count == 0) {
    return unsupportedError("the NVIDIA driver finds no GPU on this machine");
  }
  return static_cast<uint32_t>(count);
}

Result<std::unique_ptr<CudaDriver>> CudaDriver::open(const CudaChoice &choice) {
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<CudaDriver> driver, start());
  AIR_RETURN_IF_ERROR(driver->choose(choice));
  AIR_RETURN_IF_ERROR(driver->begin());
  return driver;
}

Result<std::unique_ptr<CudaDriver>> CudaDriver::again() const {
  std::unique_ptr<CudaDriver> driver(new CudaDriver());
  driver->cuda = cuda;
  driver->device = device;
  driver->handle = handle;
  driver->version = version;
  AIR_RETURN_IF_ERROR(driver->begin());
  return driver;
}

Status CudaDriver::begin() {
  AIR_RETURN_IF_ERROR(call(cuda->contextRetain, &context, handle));
  AIR_RETURN_IF_ERROR(activate());
  AIR_RETURN_IF_ERROR(describe());
  return call(cuda->streamCreate, &work, kNonBlockingStream);
}

Result<std::vector<CudaFacts>> CudaDriver::listGpus(const std::string &device) {
  AIR_ASSIGN_OR_RETURN(const std::unique_ptr<CudaDriver> driver, start());
  return driver->list(device);
}

Result<CudaFacts> CudaDriver::find(uint32_t ordinal) {
  char name[128] = {};
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
  AIR_RETURN_IF_ERROR(
      call(cuda->deviceGet, &handle, static_cast<int>(ordinal)));
  AIR_RETURN_IF_ERROR(call(cuda->deviceGetName, name,
                           static_cast<int>(sizeof name - 1), handle));
  AIR_RETURN_IF_ERROR(
      call(cuda->deviceGetAttribute, &major, kCapabilityMajor, handle));
  AIR_RETURN_IF_ERROR(
      call(cuda->deviceGetAttribute, &minor, kCapabilityMinor, handle));
  AIR_RETURN_IF_ERROR(call(cuda->deviceGetAttribute, &multiprocessors,
                           kMultiprocessors, handle));
  CudaFacts facts;
  facts.name = name;
  facts.ordinal = ordinal;
  facts.capability = static_cast<uint32_t>(10 * major + minor);
  facts.multiprocessors = static_cast<uint32_t>(multiprocessors);
  return facts;
}

Result<std::vector<CudaFacts>> CudaDriver::list(const std::string &wanted) {
  AIR_ASSIGN_OR_RETURN(const uint32_t gpus, count());
  const bool isNumber =
      !wanted.empty() && wanted.size() <= 2 &&
      wanted.find_first_not_of("0123456789") == std::string::npos;
  std::string all;
  std::vector<CudaFacts> matches;
  for (uint32_t ordinal = 0; ordinal < gpus; ++ordinal) {
    AIR_ASSIGN_OR_RETURN(CudaFacts gpu, find(ordinal));
    all += (all.empty() ? "" : ", ") + gpuLabel(gpu);
    if (isNumber ? std::to_string(ordinal) == wanted
                 : isPartOfGpuName(wanted, gpu.name)) {
      matches.push_back(std::move(gpu));
    }
  }
  if (matches.empty()) {
    return usageError("no GPU of this machine is called '" + wanted +
                      "'; its GPUs are " + all);
  }
  return matches;
}

Status CudaDriver::choose(const CudaChoice &choice) {
  AIR_ASSIGN_OR_RETURN(const std::vector<CudaFacts> gpus, list(choice.device));
  std::string names;
  // The best GPU so far, and how well it fits.
  const CudaFacts *best = nullptr;
  int bestFit = -1;
  for (const CudaFacts &gpu : gpus) {
    names += (names.empty() ? "" : ", ") + gpuLabel(gpu);
    bool runs = true;
    if (!choice.arch.empty()) {
      AIR_ASSIGN_OR_RETURN(runs, cudaRunsCode(gpu.capability, choice.arch));
    }
    if (!runs && !choice.ptxArch.empty()) {
      AIR_ASSIGN_OR_RETURN(runs, cudaRunsCode(gpu.capability, choice.ptxArch));
    }
    if (!runs) {
      continue;
    }
    const bool isAsLarge = gpu.multiprocessors == choice.likeMultiprocessors;
    const int fit = !isAsLarge                                   ? 0
                    : isPartOfGpuName(choice.likeName, gpu.name) ? 2
                                                                 : 1;
    if (fit > bestFit) {
      best = &gpu;
      bestFit = fit;
    }
  }
  if (best != nullptr) {
    AIR_ASSIGN_OR_RETURN(device, find(best->ordinal));
    return Status::ok();
  }
  const std::string ptx =
      choice.ptxArch.empty()
          ? ""
          : ", its PTX is for " + choice.ptxArch + " and later GPUs,";
  return mismatchError("the plan's code is for " + choice.arch + ptx +
                       " and cannot run on GPU " + names +
                       "; pack the model with the --target of the GPU that "
                       "is to run it");
}

Status CudaDriver::describe() {
  int l2 = 0;
  size_t freeBytes = 0;
  size_t totalBytes = 0;
  AIR_RETURN_IF_ERROR(call(cuda->deviceGetAttribute, &l2, kL2Bytes, handle));
  AIR_RETURN_IF_ERROR(call(cuda->memoryGetInfo, &freeBytes, &totalBytes));
  device.l2Bytes = static_cast<uint64_t>(l2);
  device.freeBytes = freeBytes;
  device.totalBytes = totalBytes;
  device.driverVersion = versionText(version);
  return Status::ok();
}

CudaDriver::~CudaDriver() {
  if (!context) {
    return;
  }
  // A destructor cannot return errors. If the GPU has failed, only the last of
  // these calls succeeds: it releases the context and all that is in it.
  (void)activate();
  (void)unloadModules();
  if (work) {
    (void)call(cuda->streamDestroy, work);
  }
  (void)cuda->contextRelease.pointer(handle);
}

void CudaDriver::noteProgram(uint32_t number) {
  ++runCount;
  if (runCount == 1 || program != number) {
    program = number;
    sameSince = runCount;
  }
}

void CudaDriver::noteComplete(uint64_t count) {
  completeRuns = std::max(completeRuns, count);
}

Result<uint64_t> CudaDriver::allocate(uint64_t bytes) {
  uint64_t memory = 0;
  AIR_RETURN_IF_ERROR(call(cuda->memoryAllocate, &memory, bytes));
  return memory;
}

Result<void *> CudaDriver::loadModule(std::span<const uint8_t> image) {
  if (!isCompleteElf(image) && !isText(image)) {
    return corruptError("the plan's code for the GPU has " +
                        std::to_string(image.size()) +
                        " bytes, but is neither a complete ELF file nor "
                        "PTX; pack the model again");
  }
  AIR_RETURN_IF_ERROR(lost);
  void *module = nullptr;
  const int code = cuda->moduleLoadData.pointer(&module, image.data());
  const Status status = check(code, cuda->moduleLoadData.name);
  if (code == kNoBinaryForGpu) {
    return mismatchError(
        "the plan's code for the GPU is not for the architecture of " +
        device.name + " (compute capability " +
        capabilityText(device.capability) + "); " + status.message());
  }
  if (code == kUnsupportedPtxVersion) {
    return unsupportedError("the NVIDIA driver supports CUDA " +
                            device.driverVersion +
                            ", which is too old for the plan's PTX; " +
                            status.message() + "; install a newer driver");
  }
  if (code == kInvalidImage || code == kInvalidPtx) {
    return corruptError(status.message());
  }
  AIR_RETURN_IF_ERROR(status);
  modules.push_back(module);
  return module;
}

Result<void *> CudaDriver::findKernel(void *module, const std::string &name) {
  AIR_RETURN_IF_ERROR(lost);
  void *function = nullptr;
  const int code =
      cuda->moduleGetFunction.pointer(&function, module, name.c_str());
  const Status status = check(code, cuda->moduleGetFunction.name);
  if (code == kNotFound) {
    return corruptError("the plan's code for the GPU has no kernel '" + name +
                        "'; " + status.message());
  }
  AIR_RETURN_IF_ERROR(status);
  return function;
}

Result<bool> CudaDriver::isComplete(void *event) {
  AIR_RETURN_IF_ERROR(lost);
  const int code = cuda->eventQuery.pointer(event);
  if (code == kNotReady) {
    return false;
  }
  AIR_RETURN_IF_ERROR(check(code, cuda->eventQuery.name));
  return true;
}

Result<std::optional<uint32_t>> CudaDriver::countParameters(void *function) {
  if (!cuda->functionGetParameter.pointer) {
    return std::optional<uint32_t>();
  }
  AIR_RETURN_IF_ERROR(lost);
  // For the index after that of the last parameter, the driver returns an
  // error.
  for (uint32_t count = 0; count <= kMaxParameterBytes; ++count) {
    size_t offset = 0;
    size_t size = 0;
    const int code =
        cuda->functionGetParameter.pointer(function, count, &offset, &size);
    if (code == kInvalidValue) {
      return std::optional(count);
    }
    if (code == kNotSupported) {
      return std::optional<uint32_t>();
    }
    AIR_RETURN_IF_ERROR(check(code, cuda->functionGetParameter.name));
  }
  return internalError(std::string(cuda->functionGetParameter.name) +
                       " reports more than " +
                       std::to_string(kMaxParameterBytes) +
                       " parameters of a kernel; install another driver");
}

Status CudaDriver::allowShared(void *function, uint32_t bytes) {
  return call(cuda->functionSetAttribute, function, kMaxDynamicSharedBytes,
              static_cast<int>(bytes))
      .withContext("cannot give a thread block " + std::to_string(bytes) +
                   " bytes of shared memory");
}

Status CudaDriver::unloadModules() {
  Status status = Status::ok();
  for (void *module : modules) {
    const Status one = call(cuda->moduleUnload, module);
    status = status.isOk() ? one : status;
  }
  modules.clear();
  return status;
}

Status CudaDriver::launch(const CudaLaunch &launch) {
  CudaLaunchAttribute attribute = {};
  attribute.id = kProgrammaticStreamSerialization;
  attribute.flag = 1;
  const bool dependent = launch.dependent &&
                         device.capability >= kDependentCapability &&
                         version >= kDependentGraphVersion;
  const CudaLaunchConfig config = {launch.gridX,
                                   launch.gridY,
                                   1,
                                   launch.threads,
                                   1,
                                   1,
                                   launch.sharedBytes,
                                   work,
                                   dependent ? &attribute : nullptr,
                                   dependent ? 1U : 0U};
  // The driver is not told how many arguments there are. It reads one for each
  // parameter of the kernel, and as many bytes of it as the parameter has. If
  // the plan binds too few arguments for the kernel, the driver must not read
  // beyond the two vectors. Therefore, at least kMaxParameterBytes zero bytes
  // follow the last argument, and kMaxParameterBytes addresses of these zeros
  // follow the last address.
  const size_t count = launch.arguments.size();
  argumentValues.assign(count + ceilDiv(kMaxParameterBytes, sizeof(uint64_t)),
                        0);
  std::copy(launch.arguments.begin(), launch.arguments.end(),
            argumentValues.begin());
  argumentPlaces.assign(count + kMaxParameterBytes, &argumentValues[count]);
  for (size_t i = 0; i < count; ++i) {
    argumentPlaces[i] = &argumentValues[i];
  }
  return call(cuda->launchKernel, &config, launch.function,
              argumentPlaces.data(), nullptr);
}

Result<void *> CudaDriver::makeGraph(std::span<const CudaLaunch> launches) {
  AIR_RETURN_IF_ERROR(call(cuda->beginCapture, work, kCaptureThreadLocal));
  Status status = Status::ok();
  for (size_t i = 0; status.isOk() && i < launches.size(); ++i) {
    CudaLaunch one = launches[i];
    // The first launch has no earlier launch in this graph to depend on.
    one.dependent = one.dependent && i != 0;
    status = launch(one);
  }
  void *graph = nullptr;
  const Status ended = call(cuda->endCapture, work, &graph);
  status = status.isOk() ? ended : status;
  void *executable = nullptr;
  if (status.isOk()) {
    status = call(cuda->graphInstantiate, &executable, graph, 0ULL);
  }
  if (graph) {
    (void)call(cuda->graphDestroy, graph);
  }
  AIR_RETURN_IF_ERROR(status);
  return executable;
}

Status CudaDriver::finish() {
  AIR_RETURN_IF_ERROR(call(cuda->streamSynchronize, work));
  noteComplete(runCount);
  return Status::ok();
}
