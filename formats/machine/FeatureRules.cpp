//===- FeatureRules.cpp - which ISA features imply which ------------------===//
#include "formats/machine/FeatureRules.h"

#include <algorithm>

namespace air {

namespace {

/// Every CPU with `feature` also has `other`. The tables list only direct
/// implications; impliedFeatures() follows them transitively.
struct Implication {
  std::string_view feature;
  std::string_view other;
};

constexpr Implication kX86Implications[] = {
    {"amx-bf16", "amx-tile"},   {"amx-int8", "amx-tile"},
    {"avx512bf16", "avx512bw"}, {"avx512bw", "avx512f"},
    {"avx512cd", "avx512f"},    {"avx512dq", "avx512f"},
    {"avx512f", "avx2"},        {"avx512f", "f16c"},
    {"avx512f", "fma"},         {"avx512vbmi", "avx512bw"},
    {"avx512vl", "avx512f"},    {"avx512vnni", "avx512f"},
    {"avxvnni", "avx2"},
};

constexpr Implication kArmImplications[] = {
    {"bf16", "neon"},
    {"dotprod", "neon"},
    {"i8mm", "neon"},
    {"sve", "fullfp16"},
};

template <size_t N>
void addImplied(const Implication (&table)[N], std::string_view feature,
                std::vector<std::string_view> &implied) {
  for (const Implication &row : table) {
    if (row.feature == feature &&
        std::find(implied.begin(), implied.end(), row.other) == implied.end()) {
      implied.push_back(row.other);
    }
  }
}

} // namespace

std::vector<std::string_view> impliedFeatures(std::string_view arch,
                                              std::string_view feature) {
  std::vector<std::string_view> implied;
  auto add = [&](std::string_view from) {
    if (arch == "x86_64") {
      addImplied(kX86Implications, from, implied);
    } else if (arch == "aarch64") {
      addImplied(kArmImplications, from, implied);
    }
  };
  add(feature);
  for (size_t i = 0; i < implied.size(); ++i) {
    add(implied[i]);
  }
  std::sort(implied.begin(), implied.end());
  return implied;
}

} // namespace air
