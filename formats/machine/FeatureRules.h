//===- FeatureRules.h - which ISA features imply which ----------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_MACHINE_FEATURERULES_H
#define AIRPACK_FORMATS_MACHINE_FEATURERULES_H

#include <string_view>
#include <vector>

namespace air {

/// What a machine with `feature` has as well, of knownFeatures(arch): the
/// implications of LLVM's X86.td and AArch64Features.td, transitively, sorted.
/// A kernel compiled for `feature` may use all of them. Empty for a feature
/// that implies none or is not known.
std::vector<std::string_view> impliedFeatures(std::string_view arch,
                                              std::string_view feature);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_FEATURERULES_H
