//===- ChosenPlan.h - the plan for what the user names ----------*- C++ -*-===//
//
// A command that runs a plan may be given a model instead. Its plan is then
// taken from the cache, or made by airpack and put there.
//
// The key of a plan in the cache is a digest of
//
//   - the contents of the model's files, and their names if there are several
//   - the profile of this machine, with the rates that a saved probe measured
//   - whether NVRTC is installed, and its version; left out if the profile has
//     no GPU, or if --device or --threads asks for a plan for the CPU
//   - the options that choose how the model is packed
//   - the version of the plan format
//   - the contents of the airpack program
//
// If airpack is not installed any more, a plan for which everything but the
// last item is the same is used.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_CHOSENPLAN_H
#define AIRPACK_TOOLS_AIRRUN_CHOSENPLAN_H

#include "formats/model/ModelSource.h"
#include "tools/airrun/PlanCache.h"
#include "tools/cli/CommandLine.h"

#include <optional>
#include <string>
#include <vector>

namespace air {

/// The options that choose how a model is packed: --ctx, --kv-type, --slots.
/// --ram is not listed, because every command that runs a plan has it anyway.
std::vector<cli::Option> packOptions();

/// Whether `path` is a regular file that begins as a GGUF file does.
bool isGguf(const std::string &path);

/// The names of the files of a model: only `path` or, if that is the first part
/// of a split model, all of its parts that exist.
std::vector<std::string> modelFiles(const std::string &path);

/// A plan in the cache, which stays locked as long as the object exists.
struct CachedPlan {
  PlanCache cache;
  EntryLock lock;
  std::string key;
  std::string path;
  /// The value of --source for running the plan, or "" if it needs none.
  std::string source;
};

/// Finds mistakes in the command line that depend on the model.
using ModelCheck = Status (*)(const cli::Invocation &, const ModelSource &);

/// The plan of the model that `invocation` names, or nothing if it names a
/// plan. Calls `check`, unless it is null, before a plan is made, which may
/// take minutes. Errors: those of `check`, of airpack, and of reading the
/// model's files (readGguf(), FileDigests); Usage for an option that does not
/// apply, for a wrong size in --ram or AIR_CACHE_MAX, or if there is no folder
/// for the cache; Unsupported if the plan must be made and airpack is not
/// installed; Io.
Result<std::optional<CachedPlan>> planFor(const cli::Invocation &invocation,
                                          ModelCheck check);

/// The folder of the cache. A Usage error says which environment variable to
/// set.
Result<std::string> planFolder();

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_CHOSENPLAN_H
