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

/// Returns the candidate to suggest for the unknown word `word`, or "" if there
/// is none. The letters of `word` are all characters after leading dashes. If
/// the edit distance of a candidate to `word` is 1, or at most a third of the
/// number of letters, the candidate is near. Returns the first of the nearest
/// candidates. If none is near, but exactly one candidate begins with `word`,
/// returns that one. A word of one letter, or of more than 64, gets no
/// suggestion.
std::string nearest(std::string_view word,
                    const std::vector<std::string> &candidates);

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_SUGGEST_H
