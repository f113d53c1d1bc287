//===- PlanCache.cpp - the folder with the plans of models ----------------===//
#include "tools/airrun/PlanCache.h"

#include "formats/plan/PlanFile.h"
#include "formats/support/AtomicFile.h"
#include "formats/support/Digest.h"
#include "formats/support/PrivateFolder.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>

namespace air {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeyDigits = 32;
/// The largest size of KEY.json in bytes. The file holds two paths and some
/// digests.
constexpr uint64_t kMostBytes = uint64_t{1} << 16;

bool isKey(const std::string &text) {
  return text.size() == kKeyDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

/// The value of the field, or "" if it is missing or not a string.
std::string fieldOf(const nlohmann::json &object, const char *name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>()
                                                     : "";
}

struct Description {
  PlanOrigin origin;
  std::string plan; ///< the digest of the plan's header
};

Result<Description> readDescription(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  if (file.bytes().size() > kMostBytes) {
    return corruptError("'" + path + "' has " +
                        std::to_string(file.bytes().size()) +
                        " bytes; the description of a plan has at most " +
                        std::to_string(kMostBytes));
  }
  const auto json = nlohmann::json::parse(file.bytes().begin(),
                                          file.bytes().end(), nullptr, false);
  Description description;
  if (json.is_object()) {
    description.origin.model = fieldOf(json, "model");
    description.origin.options = fieldOf(json, "options");
    description.origin.request = fieldOf(json, "request");
    description.plan = fieldOf(json, "plan");
  }
  if (description.origin.request.empty() || description.plan.empty()) {
    return corruptError(
        "'" + path +
        "' does not describe a cached plan; it must be a JSON object in which "
        "'request' and 'plan' are strings that are not empty");
  }
  return description;
}

/// The digest of the header identifies a plan, because the header contains the
/// digest of the metadata, and the metadata contain all other digests.
std::string identityOf(const PlanFile &plan) {
  const auto *header = reinterpret_cast<const uint8_t *>(&plan.header());
  return toHex(digestOf({header, sizeof(PlanHeader)}));
}

int64_t nanosecondsOf(const struct timespec &time) {
  constexpr int64_t kPerSecond = 1000000000;
  return time.tv_sec * kPerSecond + time.tv_nsec;
}

} // namespace

EntryLock::EntryLock(EntryLock &&other) noexcept
    : descriptor(std::exchange(other.descriptor, -1)) {}

EntryLock &EntryLock::operator=(EntryLock &&other) noexcept {
  std::swap(descriptor, other.descriptor);
  return *this;
}

EntryLock::~EntryLock() {
  if (descriptor >= 0) {
    close(descriptor);
  }
}

Result<PlanCache> PlanCache::open(std::string folder) {
  AIR_RETURN_IF_ERROR(makePrivateFolder(
      folder, "plans", "name another folder with XDG_CACHE_HOME"));
  return PlanCache(std::move(folder));
}

std::string PlanCache::filePath(const std::string &key,
                                const char *ending) const {
  return folder + "/" + key + ending;
}

std::string PlanCache::planPath(const std::string &key) const {
  return filePath(key, ".air");
}

std::string PlanCache::lockPath(const std::string &key) const {
  return filePath(key, ".lock");
}

Result<EntryLock> PlanCache::lock(const std::string &key, LockKind kind,
                                  bool waits) const {
  const std::string path = lockPath(key);
  const int operation =
      (kind == LockKind::Shared ? LOCK_SH : LOCK_EX) | (waits ? 0 : LOCK_NB);
  constexpr mode_t kMode = 0600;
  while (true) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kMode);
    if (file < 0) {
      return ioError("cannot open '" + path + "': " + std::strerror(errno));
    }
    EntryLock result(file);
    int failed = 0;
    while ((failed = flock(file, operation)) != 0 && errno == EINTR) {
    }
    if (failed != 0 && errno == EWOULDBLOCK) {
      return EntryLock();
    }
    if (failed != 0) {
      return ioError("cannot lock '" + path + "': " + std::strerror(errno));
    }
    // The file may have been removed while this process waited. Other processes
    // would then lock a new file of that name, so this one retries.
    struct stat locked = {};
    struct stat named = {};
    if (fstat(file, &locked) == 0 && stat(path.c_str(), &named) == 0 &&
        locked.st_ino == named.st_ino && locked.st_dev == named.st_dev) {
      return result;
    }
  }
}

Status PlanCache::check(const std::string &key) const {
  std::error_code error;
  if (!fs::exists(planPath(key), error) &&
      !fs::exists(filePath(key, ".json"), error)) {
    return usageError("the cache has no plan '" + key + "'");
  }
  AIR_ASSIGN_OR_RETURN(const PlanFile plan, PlanFile::open(planPath(key)));
  AIR_ASSIGN_OR_RETURN(const Description description,
                       readDescription(filePath(key, ".json")));
  if (description.plan != identityOf(plan)) {
    return verificationError(
        "'" + planPath(key) +
        "' is not the plan that was stored under this name");
  }
  return Status::ok();
}

Status PlanCache::describe(const std::string &key,
                           const PlanOrigin &origin) const {
  AIR_ASSIGN_OR_RETURN(const PlanFile plan, PlanFile::open(planPath(key)));
  nlohmann::ordered_json json;
  json["model"] = origin.model;
  json["options"] = origin.options;
  json["request"] = origin.request;
  json["plan"] = identityOf(plan);
  const std::string text =
      json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  AIR_ASSIGN_OR_RETURN(AtomicFile file,
                       AtomicFile::create(filePath(key, ".json")));
  AIR_RETURN_IF_ERROR(file.writeAt(
      0, {reinterpret_cast<const uint8_t *>(text.data()), text.size()}));
  return file.commit(text.size());
}

void PlanCache::touch(const std::string &key) const {
  // If this fails, the entry may be removed earlier than it should be.
  (void)utimensat(AT_FDCWD, filePath(key, ".lock").c_str(), nullptr, 0);
}

std::vector<CacheEntry> PlanCache::entries() const {
  std::set<std::string> keys;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const fs::path &path = at->path();
    const std::string ending = path.extension().string();
    std::error_code unknown;
    if (isKey(path.stem().string()) &&
        (ending == ".air" || ending == ".json") &&
        at->is_regular_file(unknown)) {
      keys.insert(path.stem().string());
    }
  }
  std::vector<CacheEntry> entries;
  for (const std::string &key : keys) {
    CacheEntry entry;
    entry.key = key;
    struct stat facts = {};
    if (stat(planPath(key).c_str(), &facts) == 0 && S_ISREG(facts.st_mode)) {
      entry.bytes = static_cast<uint64_t>(facts.st_size);
      entry.lastUsed = nanosecondsOf(facts.st_mtim);
    }
    if (stat(lockPath(key).c_str(), &facts) == 0) {
      entry.lastUsed = nanosecondsOf(facts.st_mtim);
      const Result<EntryLock> free = lock(key, LockKind::Exclusive, false);
      entry.isInUse = !free || !*free;
    }
    if (Result<Description> found = readDescription(filePath(key, ".json"))) {
      entry.origin = found->origin;
    }
    entries.push_back(std::move(entry));
  }
  std::ranges::sort(entries, [](const CacheEntry &a, const CacheEntry &b) {
    return std::tie(a.lastUsed, a.key) > std::tie(b.lastUsed, b.key);
  });
  return entries;
}

Result<bool> PlanCache::remove(const std::string &key) const {
  AIR_ASSIGN_OR_RETURN(const EntryLock held,
                       lock(key, LockKind::Exclusive, false));
  if (!held) {
    return false;
  }
  AIR_RETURN_IF_ERROR(removeLocked(key));
  return true;
}

Status PlanCache::removeLocked(const std::string &key) const {
  for (const char *ending : {".air", ".json", ".lock"}) {
    const std::string path = filePath(key, ending);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) {
      return ioError("cannot remove '" + path + "': " + std::strerror(errno));
    }
  }
  return Status::ok();
}

void PlanCache::discard(const std::string &key) const {
  (void)unlink(planPath(key).c_str());
  (void)unlink(filePath(key, ".json").c_str());
}

Status PlanCache::makeRoom(uint64_t needed, uint64_t limit) const {
  std::vector<CacheEntry> all = entries();
  uint64_t total = 0;
  for (const CacheEntry &entry : all) {
    total += entry.bytes;
  }
  while (!all.empty() && (total > limit || needed > limit - total)) {
    const CacheEntry oldest = std::move(all.back());
    all.pop_back();
    if (oldest.isInUse || oldest.bytes == 0) {
      continue;
    }
    AIR_ASSIGN_OR_RETURN(const bool isRemoved, remove(oldest.key));
    if (isRemoved) {
      total -= oldest.bytes;
    }
  }
  return Status::ok();
}

uint64_t PlanCache::bytes() const {
  uint64_t total = 0;
  for (const CacheEntry &entry : entries()) {
    total += entry.bytes;
  }
  return total;
}

uint64_t PlanCache::usualLimit() const {
  struct statvfs facts = {};
  if (statvfs(folder.c_str(), &facts) != 0) {
    return UINT64_MAX;
  }
  return (static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize + bytes()) / 2;
}

} // namespace air
