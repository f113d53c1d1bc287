//===- Suggest.cpp - the nearest known word ---------------------*- C++ -*-===//
#include "tools/cli/Suggest.h"

#include <algorithm>

namespace air::cli {

unsigned editDistance(std::string_view a, std::string_view b) {
  std::vector<unsigned> beforeLast(b.size() + 1);
  std::vector<unsigned> last(b.size() + 1);
  std::vector<unsigned> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) {
    last[j] = static_cast<unsigned>(j);
  }
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = static_cast<unsigned>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      unsigned replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], beforeLast[j - 2] + 1);
      }
    }
    std::swap(beforeLast, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string nearest(std::string_view word,
                    const std::vector<std::string> &candidates) {
  std::string best;
  size_t letters = word.size();
  while (letters > 0 && word[word.size() - letters] == '-') {
    --letters;
  }
  // Any two words of one letter differ in just one letter, so a single letter
  // is not a misspelling of another. A word of more than 64 letters is longer
  // than all known words. Comparing it with them would take time for nothing.
  if (letters < 2 || letters > 64) {
    return best;
  }
  unsigned limit = std::max(1U, static_cast<unsigned>(letters) / 3);
  for (const std::string &candidate : candidates) {
    unsigned distance = editDistance(word, candidate);
    if (distance <= limit) {
      limit = distance == 0 ? 0 : distance - 1;
      best = candidate;
      if (distance <= 1) {
        break;
      }
    }
  }
  if (!best.empty()) {
    return best;
  }
  for (const std::string &candidate : candidates) {
    if (candidate.starts_with(word)) {
      if (!best.empty()) {
        return {};
      }
      best = candidate;
    }
  }
  return best;
}

} // namespace air::cli
