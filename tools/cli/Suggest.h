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
/// transpositions of adjacent characters cost one each.
unsigned editDistance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, or "" if none is near. Near means that the
/// distance is at most a third of the letters of `word` (but 1 is always
/// allowed), or that `word` is a prefix of exactly one candidate. The first
/// candidate wins a tie.
std::string nearest(std::string_view word,
                    const std::vector<std::string> &candidates);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_SUGGEST_H
