//===- Scripts.cpp - scripts by which text is split -----------------------===//
#include "formats/text/unicode/Scripts.h"

#include <algorithm>
#include <string_view>
#include <vector>

namespace air {
namespace {

// Runs of code points with the same script, in ascending order: the distance
// from the start of the previous run, then the script. Numbers are written as
// in NormalizationTables.inc (Normalize.cpp).
#include "formats/text/unicode/ScriptTables.inc"

struct ScriptRun {
  uint32_t first;
  uint8_t script;
};

std::vector<ScriptRun> readRuns() {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<ScriptRun> runs;
  std::string_view rest = kScriptRuns;
  const auto number = [&] {
    uint32_t value = 0;
    for (unsigned shift = 0; !rest.empty(); shift += 5) {
      const auto digit = static_cast<uint32_t>(kDigits.find(rest.front()));
      rest.remove_prefix(1);
      value |= (digit & 31) << shift;
      if (digit < 32) {
        break;
      }
    }
    return value;
  };
  uint32_t first = 0;
  while (!rest.empty()) {
    first += number();
    runs.push_back({first, static_cast<uint8_t>(number())});
  }
  return runs;
}

} // namespace

uint8_t splittingScript(uint32_t codePoint) {
  static const std::vector<ScriptRun> runs = readRuns();
  const auto after =
      std::ranges::upper_bound(runs, codePoint, {}, &ScriptRun::first);
  return after == runs.begin() ? kNoScript : after[-1].script;
}

} // namespace air
