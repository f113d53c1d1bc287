//===- CacheCommand.cpp - airrun cache ------------------------------------===//
#include "tools/airrun/CacheCommand.h"

#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "tools/airrun/ChosenPlan.h"
#include "tools/airrun/Common.h"

#include <ctime>
#include <nlohmann/json.hpp>

namespace air {
namespace {

constexpr int64_t kPerSecond = 1000000000;

/// The list shows this many digits of a key.
constexpr size_t kShownDigits = 12;

std::string timeText(int64_t nanoseconds) {
  const std::time_t seconds = nanoseconds / kPerSecond;
  std::tm local = {};
  char text[32] = "";
  if (localtime_r(&seconds, &local) != nullptr) {
    (void)std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &local);
  }
  return text;
}

Status list(const PlanCache &cache, bool asJson) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  std::string text;
  uint64_t bytes = 0;
  const std::vector<CacheEntry> entries = cache.entries();
  for (const CacheEntry &entry : entries) {
    const PlanOrigin origin = entry.origin.value_or(PlanOrigin());
    json.push_back({{"key", entry.key},
                    {"plan", cache.planPath(entry.key)},
                    {"bytes", entry.bytes},
                    {"last_used", entry.lastUsed / kPerSecond},
                    {"in_use", entry.isInUse},
                    {"model", origin.model},
                    {"options", origin.options}});
    bytes += entry.bytes;
    text += format("%s  %10s  %s  ", entry.key.substr(0, kShownDigits).c_str(),
                   byteText(entry.bytes).c_str(),
                   timeText(entry.lastUsed).c_str()) +
            (entry.origin ? cli::oneLine(origin.model) : "(not known)") +
            (origin.options.empty() ? "" : " " + origin.options) +
            (entry.isInUse ? ", in use" : "") + "\n";
  }
  if (asJson) {
    return writeOut(
        json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
        "\n");
  }
  return writeOut(text + countOf(entries.size(), "plan") + ", " +
                  byteText(bytes) + "\n");
}

/// Removes one entry, or all that are not in use.
Status removeEntries(const PlanCache &cache, const std::string &wanted) {
  std::vector<std::string> found;
  for (const CacheEntry &entry : cache.entries()) {
    if (wanted.empty() || entry.key.starts_with(wanted)) {
      found.push_back(entry.key);
    }
  }
  if (!wanted.empty() && found.size() != 1) {
    return usageError("cache rm: " + std::to_string(found.size()) +
                      " plans have a key that "
                      "begins with '" +
                      wanted +
                      "'; give the first digits of exactly one key that airrun "
                      "cache list shows");
  }
  Status first = Status::ok();
  for (const std::string &key : found) {
    const Result<bool> removed = cache.remove(key);
    if (!removed) {
      // If one entry cannot be removed, the other entries are removed
      // nevertheless.
      if (first.isOk()) {
        first = removed.status();
      }
      continue;
    }
    const bool isRemoved = *removed;
    if (!isRemoved && !wanted.empty()) {
      return ioError("cache rm: the plan '" + wanted +
                     "' is in use; end the program that runs it first");
    }
    if (!isRemoved) {
      cli::printNotes({"the plan " + key.substr(0, kShownDigits) +
                       " is in use, so it is not removed"});
    }
  }
  return first;
}

} // namespace

cli::Command cacheCommand() {
  cli::Command command;
  command.name = "cache";
  command.summary =
      "Show or remove the plans that were made for models: list prints them, "
      "rm removes one, or all with --all, and path prints the folder.";
  command.positionals = {
      {"ACTION", "list, rm or path.", true, {"list", "rm", "path"}},
      {"KEY",
       "For rm: the first digits of the plan's key, as list prints "
       "them.",
       false}};
  command.options = {jsonOption(),
                     {.name = "--all",
                      .help = "For rm: remove all plans that are not in use."}};
  command.options.front().help = "For list: print a JSON array.";
  command.examples = {"airrun cache list", "airrun cache rm 3f9a",
                      "airrun cache rm --all"};
  return command;
}

Status runCache(const cli::Invocation &invocation) {
  const std::string &action = invocation.positionals.front();
  const std::string key =
      invocation.positionals.size() > 1 ? invocation.positionals[1] : "";
  const bool isRm = action == "rm";
  if (!isRm && (!key.empty() || invocation.has("--all"))) {
    return usageError("cache " + action + " takes neither a KEY nor --all");
  }
  if (action != "list" && invocation.has("--json")) {
    return usageError("cache " + action + " takes no --json");
  }
  if (isRm && key.empty() != invocation.has("--all")) {
    return usageError("cache rm: give either the KEY of a plan or --all");
  }
  AIR_ASSIGN_OR_RETURN(const std::string folder, planFolder());
  if (action == "path") {
    return writeOut(folder + "\n");
  }
  AIR_ASSIGN_OR_RETURN(const PlanCache cache, PlanCache::open(folder));
  return isRm ? removeEntries(cache, key)
              : list(cache, invocation.has("--json"));
}

} // namespace air
