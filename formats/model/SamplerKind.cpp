//===- SamplerKind.cpp - the samplers and their names ---------------------===//
#include "formats/model/SamplerKind.h"

#include "formats/support/Printable.h"

#include <algorithm>
#include <array>
#include <optional>

namespace air {
namespace {

struct Row {
  SamplerKind kind;
  std::string_view name;
  char letter;
  std::string_view shortName; ///< another accepted name; empty: none
};

/// In the order of SamplerKind.
constexpr std::array<Row, kSamplerKinds> kRows = {{
    {SamplerKind::Penalties, "penalties", 'e', ""},
    {SamplerKind::Dry, "dry", 'd', ""},
    {SamplerKind::TopNSigma, "top_n_sigma", 's', ""},
    {SamplerKind::TopK, "top_k", 'k', ""},
    {SamplerKind::TypicalP, "typ_p", 'y', "typ"},
    {SamplerKind::TopP, "top_p", 'p', "nucleus"},
    {SamplerKind::MinP, "min_p", 'm', ""},
    {SamplerKind::Xtc, "xtc", 'x', ""},
    {SamplerKind::Temperature, "temperature", 't', "temp"},
    {SamplerKind::AdaptiveP, "adaptive_p", 'a', ""},
}};

std::string lowerCase(std::string_view text) {
  std::string lower(text);
  for (char &c : lower) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return lower;
}

/// True if `typed`, which is in lower case, is `name`, `name` with every '_'
/// replaced by '-', or `name` with every '_' left out.
bool isSpellingOf(std::string_view typed, std::string_view name) {
  std::string withDashes(name);
  std::ranges::replace(withDashes, '_', '-');
  std::string joined(name);
  std::erase(joined, '_');
  return typed == name || typed == withDashes || typed == joined;
}

std::optional<SamplerKind> kindOfName(std::string_view text) {
  const std::string typed = lowerCase(text);
  for (const Row &row : kRows) {
    if (isSpellingOf(typed, row.name) ||
        (!row.shortName.empty() && typed == row.shortName)) {
      return row.kind;
    }
  }
  return std::nullopt;
}

std::string knownNames() {
  std::string list;
  for (const Row &row : kRows) {
    list += std::string(list.empty() ? "" : ", ") + std::string(row.name);
  }
  return list;
}

std::string knownLetters() {
  std::string list;
  for (const Row &row : kRows) {
    list += std::string(list.empty() ? "" : ", ") + row.letter + " (" +
            std::string(row.name) + ")";
  }
  return list;
}

} // namespace

std::vector<SamplerKind> defaultSamplers() {
  return {
      SamplerKind::Penalties, SamplerKind::Dry,      SamplerKind::TopNSigma,
      SamplerKind::TopK,      SamplerKind::TypicalP, SamplerKind::TopP,
      SamplerKind::MinP,      SamplerKind::Xtc,      SamplerKind::Temperature};
}

std::string_view samplerName(SamplerKind kind) {
  return kRows[static_cast<size_t>(kind)].name;
}

std::string samplerNames(const std::vector<SamplerKind> &samplers) {
  std::string list;
  for (SamplerKind kind : samplers) {
    list +=
        std::string(list.empty() ? "" : ";") + std::string(samplerName(kind));
  }
  return list;
}

Result<std::vector<SamplerKind>> parseSamplerNames(std::string_view text) {
  std::vector<SamplerKind> kinds;
  while (true) {
    const size_t end = text.find_first_of(";,");
    const std::string_view name = text.substr(0, end);
    std::optional<SamplerKind> kind = kindOfName(name);
    if (!kind) {
      return usageError("entry " + std::to_string(kinds.size() + 1) + " is " +
                        inQuotes(name) +
                        ", which is not a sampler; the samplers are " +
                        knownNames());
    }
    kinds.push_back(*kind);
    if (end == std::string_view::npos) {
      return kinds;
    }
    text.remove_prefix(end + 1);
  }
}

Result<std::vector<SamplerKind>> parseSamplerLetters(std::string_view text) {
  std::vector<SamplerKind> kinds;
  for (char letter : text) {
    const auto *row = std::ranges::find(kRows, letter, &Row::letter);
    if (row == kRows.end()) {
      return usageError("letter " + std::to_string(kinds.size() + 1) + " of " +
                        inQuotes(text) +
                        " is not a sampler; the samplers are " +
                        knownLetters());
    }
    kinds.push_back(row->kind);
  }
  if (kinds.empty()) {
    return usageError("no sampler is named; the samplers are " +
                      knownLetters());
  }
  return kinds;
}

} // namespace air
