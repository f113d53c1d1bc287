//===- Suggest.h - the nearest known word -----------------------*- C++ -*-===//
//
// Finds the option or command that a message suggests for a misspelt one: "did
// you mean ...?".
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_CLI_SUGGEST_H
#define AIRPACK_TOOLS_CLI_SUGGEST_H

#include <string>
#include <string_view>
#include <vector>

namespace air::cli {

/// The optimal string alignment distance: insertions, deletions, substitutions
/// and transpositions of adjacent characters cost one each.
unsigned editDistance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, or "" if none is near. A candidate is near
/// if its distance is at most a third of the number of letters in `word` (a
/// distance of 1 is always allowed), or if `word` is a prefix of this candidate
/// and of no other. If several are equally near, the first one is returned. No
/// candidate is near a word of a single letter.
std::string nearest(std::string_view word,
                    const std::vector<std::string> &candidates);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_SUGGEST_H
