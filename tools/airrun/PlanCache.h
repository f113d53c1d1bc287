//===- PlanCache.h - the folder with the plans of models --------*- C++ -*-===//
//
// Each entry has a key of 32 hexadecimal digits, and consists of three files:
//
//   KEY.air   the plan
//   KEY.json  what it was made from, and a digest that identifies the plan
//   KEY.lock  an empty file; its lock says whether the entry is in use, and its
//             time of modification is when the entry was last used
//
// A process that runs a plan holds a shared lock on its entry until the process
// ends; a process that makes or removes a plan holds an exclusive lock. So a
// plan is made once, however many processes ask for it at the same time, and no
// plan disappears while it runs.
//
// Thread-safety: one caller at a time; processes are kept apart by the locks.
// Errors: Io if the system refuses a folder, a file or a lock, except where a
// function says more.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_PLANCACHE_H
#define AIRPACK_TOOLS_AIRRUN_PLANCACHE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace air {

/// What KEY.json says. All fields are texts that the cache does not interpret.
struct PlanOrigin {
  std::string model;   ///< the path that the model had
  std::string options; ///< such as "--ctx 512"; "": no options
  /// Identifies everything that the plan was made from, except the airpack
  /// program.
  std::string request;
};

struct CacheEntry {
  std::string key;
  /// Has no value if KEY.json is missing or damaged.
  std::optional<PlanOrigin> origin;
  uint64_t bytes = 0;   ///< the size of the plan; 0 if there is none
  int64_t lastUsed = 0; ///< in nanoseconds since 1970
  bool isInUse = false;
};

/// A lock on an entry, held until the object is destroyed.
class EntryLock {
public:
  EntryLock() = default;
  explicit EntryLock(int file) : descriptor(file) {}
  EntryLock(EntryLock &&other) noexcept;
  EntryLock &operator=(EntryLock &&other) noexcept;
  EntryLock(const EntryLock &) = delete;
  EntryLock &operator=(const EntryLock &) = delete;
  ~EntryLock();

  explicit operator bool() const { return descriptor >= 0; }

private:
  int descriptor = -1;
};

enum class LockKind : uint8_t { Shared, Exclusive };

class PlanCache {
public:
  /// Opens the cache in `folder`, which is created if it is missing.
  static Result<PlanCache> open(std::string folder);

  /// The path of the plan of the entry `key`, whether or not it exists.
  std::string planPath(const std::string &key) const;

  /// The path of the file that is locked for the entry `key`.
  std::string lockPath(const std::string &key) const;

  /// Locks an entry, which need not exist yet. While another process holds a
  /// conflicting lock, this function waits or, if `waits` is false, returns an
  /// EntryLock that converts to false.
  Result<EntryLock> lock(const std::string &key, LockKind kind,
                         bool waits) const;

  /// Returns Ok if the plan of the entry can be used: its header and metadata
  /// are intact, and KEY.json was written for it. Fails with Usage if neither
  /// the plan nor KEY.json exists; other errors say what is wrong. The caller
  /// holds a lock on the entry.
  Status check(const std::string &key) const;

  /// Writes KEY.json for the plan at planPath(). The caller holds an exclusive
  /// lock on the entry. Errors: those of PlanFile::open() and AtomicFile.
  Status describe(const std::string &key, const PlanOrigin &origin) const;

  /// Records that the entry is used now. The caller holds a lock on it.
  void touch(const std::string &key) const;

  /// The entries. The one that was used last comes first.
  std::vector<CacheEntry> entries() const;

  /// Removes the files of an entry. Returns false if the entry is in use.
  Result<bool> remove(const std::string &key) const;

  /// Removes the files of an entry on which the caller holds an exclusive lock.
  Status removeLocked(const std::string &key) const;

  /// Removes the plan and KEY.json of an entry whose plan has turned out to be
  /// unusable. Processes that have opened the plan can still read it. The
  /// caller holds a lock on the entry.
  void discard(const std::string &key) const;

  /// Removes plans, except those in use, until the remaining plans and `needed`
  /// more bytes fit into `limit` bytes, or until no plan is left to remove. The
  /// plan whose last use is longest ago is removed first.
  Status makeRoom(uint64_t needed, uint64_t limit) const;

  /// The number of bytes of all plans.
  uint64_t bytes() const;

  /// The largest number of bytes that the plans may take if the user sets no
  /// limit: half of what the disk would have free if the cache were empty, or
  /// UINT64_MAX if the system does not say how much the disk has free.
  uint64_t usualLimit() const;

private:
  explicit PlanCache(std::string path) : folder(std::move(path)) {}
  std::string filePath(const std::string &key, const char *ending) const;

  std::string folder;
};

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PLANCACHE_H
