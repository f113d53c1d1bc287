//===- Suggest.h - the nearest known word -----------------------*- C++ -*-===//
//
// "did you mean" for options, commands and choices.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_CLI_SUGGEST_H
#define AIRPACK_TOOLS_CLI_SUGGEST_H

#include <string>
#include <string_view>
#include <vector>

namespace air::cli {

/// Optimal string alignment distance: insertions, deletions, substitutions and
/// swaps of neighbours cost one each.
unsigned editDistance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, or "" when none is near: at most a third
/// of its letters (and at least one) differ, or `word` begins exactly one of
/// them. The first candidate wins a tie.
std::string nearest(std::string_view word,
                    const std::vector<std::string> &candidates);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_SUGGEST_H
