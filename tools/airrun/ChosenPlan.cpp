//===- ChosenPlan.cpp - the plan for what the user names ------------------===//
#include "tools/airrun/ChosenPlan.h"

#include "formats/gguf/GgufReader.h"
#include "formats/machine/MachineProfile.h"
#include "formats/plan/PlanFile.h"
#include "formats/support/AtomicFile.h"
#include "formats/support/ByteText.h"
#include "formats/support/Digest.h"
#include "formats/support/NvrtcLibrary.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/FileDigests.h"
#include "tools/airrun/PackProcess.h"
#include "tools/cli/ByteSize.h"
#include "tools/cli/Output.h"
#include "tools/cli/ProbeFile.h"
#include "tools/cli/ProgressBar.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace air {
namespace {

namespace fs = std::filesystem;

constexpr const char *kPackOptions[] = {"--ctx", "--kv-type", "--slots"};

std::string digestText(const std::string &text) {
  return toHex(
      digestOf({reinterpret_cast<const uint8_t *>(text.data()), text.size()}));
}

/// The arguments of airpack that choose how the model is packed.
Result<std::vector<std::string>>
packArguments(const cli::Invocation &invocation) {
  std::vector<std::string> arguments;
  for (const char *name : kPackOptions) {
    if (const std::optional<std::string> value = invocation.text(name)) {
      arguments.insert(arguments.end(), {name, *value});
    }
  }
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> ram,
                       cli::ramOf(invocation));
  if (ram) {
    arguments.insert(arguments.end(), {"--ram", std::to_string(*ram)});
  }
  const std::vector<GpuProfile> gpus = cli::hostTarget().gpus;
  const std::optional<std::string> device = invocation.text("--device");
  const bool wantsThreads = invocation.has("--threads");
  if (gpus.empty() || (device != kCpuDevice && !wantsThreads)) {
    return arguments;
  }
  if (device && device != kCpuDevice) {
    return usageError("--threads has an effect only on the CPU, but --device "
                      "names a GPU; leave out one of them");
  }
  if (!device) {
    cli::printNotes({std::string("the model is packed for the CPU and not for "
                                 "GPU '") +
                     gpus.front().name +
                     "', because --threads has an effect only on the CPU"});
  }
  arguments.insert(arguments.end(), {"--vram", "0"});
  return arguments;
}

/// The digests of all files of the model.
Result<std::string> contentsOf(const std::vector<std::string> &files,
                               uint64_t bytes, FileDigests &digests) {
  cli::ProgressBar bar("reading the model");
  std::string text;
  uint64_t before = 0;
  for (const std::string &file : files) {
    AIR_ASSIGN_OR_RETURN(const Digest digest,
                         digests.digestOf(file, [&](uint64_t done) {
                           bar.update(before + done, bytes);
                         }));
    std::error_code error;
    const uint64_t size = fs::file_size(file, error);
    before += error ? 0 : size;
    text += "model " + toHex(digest);
    // A plan may state the names of the files of a split model, so the key
    // includes them.
    text += files.size() == 1 ? "\n"
                              : " " + fs::path(file).filename().string() + "\n";
  }
  return text;
}

uint64_t bytesOf(const std::vector<std::string> &files) {
  uint64_t bytes = 0;
  for (const std::string &file : files) {
    std::error_code error;
    const uint64_t size = fs::file_size(file, error);
    bytes += error ? 0 : size;
  }
  return bytes;
}

/// The largest number of bytes that the plans in the cache may take together.
Result<uint64_t> limitOf(const PlanCache &cache) {
  const char *text = std::getenv("AIR_CACHE_MAX");
  if (text == nullptr || *text == '\0') {
    return cache.usualLimit();
  }
  Result<uint64_t> limit = cli::parseByteSize(text);
  if (!limit) {
    return limit.status().withContext("AIR_CACHE_MAX");
  }
  return limit;
}

/// Everything that is known about the plan before it is looked up in the cache.
struct Request {
  std::string model;
  std::vector<std::string> files;
  uint64_t bytes = 0; ///< the size of all files of the model
  std::vector<std::string> arguments;
  PlanOrigin origin;
  std::string airpack; ///< the program's path; "": not found
  std::string key;     ///< "" without airpack
};

Result<Request> requestFor(const cli::Invocation &invocation,
                           const std::string &folder) {
  Request request;
  request.model = invocation.positionals.front();
  request.files = modelFiles(request.model);
  request.bytes = bytesOf(request.files);
  AIR_ASSIGN_OR_RETURN(request.arguments, packArguments(invocation));
  request.airpack = findAirpack();
  std::error_code error;
  request.origin.model = fs::absolute(request.model, error).string();
  for (const std::string &argument : request.arguments) {
    request.origin.options +=
        (request.origin.options.empty() ? "" : " ") + argument;
  }
  FileDigests digests = FileDigests::open(folder + "/digests.json");
  AIR_ASSIGN_OR_RETURN(std::string text,
                       contentsOf(request.files, request.bytes, digests));
  const MachineProfile target = cli::hostTarget();
  text += "target " + digestText(toJson(target)) + "\n";
  // The arguments include --vram 0 if and only if the plan is for the CPU of a
  // machine with a GPU.
  const bool isForCpu =
      std::ranges::count(request.arguments, std::string("--vram")) != 0;
  if (!target.gpus.empty() && !isForCpu) {
    // Without NVRTC, airpack makes a plan for the CPU, which must not be used
    // any more once NVRTC is installed.
    text += "NVRTC " + installedNvrtc() + "\n";
  }
  text += "options " + request.origin.options + "\n";
  text += "plan format " + std::to_string(kPlanMajor) + "." +
          std::to_string(kPlanMinor) + "\n";
  request.origin.request = digestText(text);
  if (!request.airpack.empty()) {
    AIR_ASSIGN_OR_RETURN(const Digest program,
                         digests.digestOf(request.airpack, [](uint64_t) {}));
    request.key = digestText(text + "airpack " + toHex(program) + "\n");
  }
  if (!digests.save().isOk()) {
    cli::printNotes({"digests.json in the folder of cached plans cannot be "
                     "written, so the next start must read the whole model "
                     "again to find its plan"});
  }
  return request;
}

/// Finds a plan if airpack is not installed: returns the key of the plan that
/// was last used among those for the same request.
Result<std::string> keyWithoutAirpack(const PlanCache &cache,
                                      const Request &request) {
  for (const CacheEntry &entry : cache.entries()) {
    if (entry.bytes != 0 && entry.origin &&
        entry.origin->request == request.origin.request) {
      return entry.key;
    }
  }
  return unsupportedError(
      "'" + request.model +
      "' is a model, and airpack, which makes a plan of it, is neither in the "
      "folder of airrun nor in PATH; install airpack, or make the plan where "
      "it is installed: airpack MODEL --target PROFILE, with the profile that "
      "'airrun probe -o PROFILE' writes here");
}

/// Locks the entry. Prints a note if that takes a while.
Result<EntryLock> lockEntry(const PlanCache &cache, const std::string &key,
                            LockKind kind) {
  AIR_ASSIGN_OR_RETURN(EntryLock lock, cache.lock(key, kind, false));
  if (!lock) {
    cli::printNotes({"waiting for another process that is making this plan"});
    AIR_ASSIGN_OR_RETURN(lock, cache.lock(key, kind, true));
  }
  return lock;
}

/// Makes the plan. The caller holds an exclusive lock on its entry.
Status makePlan(const PlanCache &cache, const Request &request) {
  AIR_ASSIGN_OR_RETURN(const uint64_t limit, limitOf(cache));
  // A plan that contains the weights is about as large as the model. If the
  // model is larger than the limit, the plan does not contain the weights, but
  // refers to the model's files.
  const bool isReference = request.bytes > limit;
  AIR_RETURN_IF_ERROR(cache.makeRoom(isReference ? 0 : request.bytes, limit));
  std::vector<std::string> arguments = {request.model,
                                        "--target",
                                        "host",
                                        "--output",
                                        cache.planPath(request.key),
                                        "--json"};
  arguments.insert(arguments.end(), request.arguments.begin(),
                   request.arguments.end());
  if (isReference) {
    arguments.emplace_back("--reference");
  }
  AIR_RETURN_IF_ERROR(runAirpack(request.airpack, arguments));
  AIR_RETURN_IF_ERROR(cache.describe(request.key, request.origin));
  AIR_RETURN_IF_ERROR(cache.makeRoom(0, limit));
  if (const uint64_t bytes = cache.bytes(); bytes > limit) {
    cli::printNotes({"the plans in the cache take " + byteText(bytes) +
                     ", more than the limit of " + byteText(limit) +
                     ", because this plan and others that are in use are kept; "
                     "set a higher limit with AIR_CACHE_MAX"});
  }
  return Status::ok();
}

/// Makes the plan of a model, unless `check` returns an error for this model.
Status checkAndMakePlan(const PlanCache &cache, const Request &request,
                        const cli::Invocation &invocation, ModelCheck check) {
  // If Ctrl-C ends the process while a model is packed, no lock file remains.
  const RemovedOnSignal lockFile(cache.lockPath(request.key));
  if (check != nullptr) {
    AIR_ASSIGN_OR_RETURN(const ModelSource source, readGguf(request.model));
    AIR_RETURN_IF_ERROR(check(invocation, source));
  }
  return makePlan(cache, request);
}

/// The value of --source for running the plan, or "" if it needs none.
Result<std::string> sourceFor(const std::string &plan, const Request &request) {
  AIR_ASSIGN_OR_RETURN(const PlanFile file, PlanFile::open(plan));
  if (!file.plan().reference()) {
    return std::string();
  }
  if (request.files.size() == 1) {
    return request.model;
  }
  const std::string folder = fs::path(request.model).parent_path().string();
  return folder.empty() ? "." : folder;
}

} // namespace

std::vector<cli::Option> packOptions() {
  return {
      {.name = "--ctx",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "The context length in tokens. Give this option only with a "
               "model file, because a plan already has its own value.",
       .defaultText = "the model's trained context, at most 4096",
       .minimum = 1,
       .maximum = 4294967295.0},
      {.name = "--kv-type",
       .kind = cli::ValueKind::Choice,
       .valueName = "TYPE",
       .help = "The number format of the KV cache. Give this option only with "
               "a model file, because a plan already has its own value.",
       .defaultText = "f16",
       .choices = {"f16", "f32"}},
      {.name = "--slots",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "The number of sequences that the KV cache can hold at full "
               "context length at the same time. Give this option only with a "
               "model file, because a plan already has its own value.",
       .defaultText = "1",
       .minimum = 1,
       .maximum = 65536}};
}

bool isGguf(const std::string &path) {
  // Only regular files are read, because a pipe cannot be read twice.
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return false;
  }
  char magic[4] = {};
  std::ifstream file(path, std::ios::binary);
  file.read(magic, sizeof magic);
  return file && std::string_view(magic, sizeof magic) == "GGUF";
}

std::vector<std::string> modelFiles(const std::string &path) {
  // The first part of a split model is called NAME-00001-of-NNNNN.gguf, where
  // each N is a digit.
  constexpr std::string_view kFirst = "-00001-of-";
  constexpr std::string_view kEnding = ".gguf";
  constexpr size_t kDigits = 5;
  constexpr size_t kTail = kFirst.size() + kDigits + kEnding.size();
  std::vector<std::string> files = {path};
  if (path.size() <= kTail) {
    return files;
  }
  const std::string stem = path.substr(0, path.size() - kTail);
  const std::string_view tail = std::string_view(path).substr(stem.size());
  const std::string count(tail.substr(kFirst.size(), kDigits));
  if (!tail.starts_with(kFirst) || !tail.ends_with(kEnding) ||
      count.find_first_not_of("0123456789") != std::string::npos) {
    return files;
  }
  const unsigned long parts = std::strtoul(count.c_str(), nullptr, 10);
  for (unsigned long part = 2; part <= parts; ++part) {
    std::string file =
        stem + cli::format("-%05lu-of-%s.gguf", part, count.c_str());
    std::error_code error;
    // Missing parts are left out here. airpack reports them.
    if (fs::exists(file, error)) {
      files.push_back(std::move(file));
    }
  }
  return files;
}

Result<std::string> planFolder() {
  const std::string folder = cli::cacheFolder();
  if (folder.empty()) {
    return usageError("the plans of models are kept in the folder that "
                      "XDG_CACHE_HOME or HOME names, but HOME is not set, and "
                      "XDG_CACHE_HOME is not set to an absolute path; set one "
                      "of them, or make a plan with airpack and run that");
  }
  return folder + "/plans";
}

Result<std::optional<CachedPlan>> planFor(const cli::Invocation &invocation,
                                          ModelCheck check) {
  const std::string &named = invocation.positionals.front();
  if (!isGguf(named)) {
    for (const char *name : kPackOptions) {
      if (invocation.has(name) && access(named.c_str(), F_OK) == 0) {
        return usageError(std::string(name) +
                          " applies only to a GGUF file, but '" + named +
                          "' is not one; leave out " + name);
      }
    }
    return std::optional<CachedPlan>();
  }
  if (invocation.has("--source")) {
    return usageError("--source names the model of a plan, but '" + named +
                      "' is a model itself; leave out --source");
  }
  if (const auto device = invocation.text("--device");
      device && device != kCpuDevice && cli::hostTarget().gpus.empty()) {
    return usageError("--device names a GPU, but '" + named +
                      "' is a model, which is packed for the CPU, because no "
                      "GPU of this machine was measured; leave out --device, "
                      "or run 'airrun probe --save' first");
  }
  AIR_ASSIGN_OR_RETURN(const std::string folder, planFolder());
  AIR_ASSIGN_OR_RETURN(PlanCache cache, PlanCache::open(folder));
  AIR_ASSIGN_OR_RETURN(Request request, requestFor(invocation, folder));
  const bool canPack = !request.airpack.empty();
  if (!canPack) {
    AIR_ASSIGN_OR_RETURN(request.key, keyWithoutAirpack(cache, request));
  }
  while (true) {
    AIR_ASSIGN_OR_RETURN(EntryLock lock,
                         lockEntry(cache, request.key, LockKind::Shared));
    Status state = cache.check(request.key);
    if (state.isOk()) {
      cache.touch(request.key);
      const std::string path = cache.planPath(request.key);
      AIR_ASSIGN_OR_RETURN(std::string source, sourceFor(path, request));
      return std::optional<CachedPlan>(CachedPlan{std::move(cache),
                                                  std::move(lock), request.key,
                                                  path, std::move(source)});
    }
    if (!canPack) {
      return state;
    }
    lock = EntryLock();
    AIR_ASSIGN_OR_RETURN(lock,
                         lockEntry(cache, request.key, LockKind::Exclusive));
    // Another process may have made the plan in the meantime.
    state = cache.check(request.key);
    if (state.isOk()) {
      continue;
    }
    if (state.code() != ErrorCode::Usage) {
      cli::printNotes({"the plan in the cache cannot be used, and is made "
                       "again: " +
                       state.message()});
      cache.discard(request.key);
    }
    if (Status made = checkAndMakePlan(cache, request, invocation, check);
        !made.isOk()) {
      (void)cache.removeLocked(request.key);
      return made;
    }
  }
}

} // namespace air
