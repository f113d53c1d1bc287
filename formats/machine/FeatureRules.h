//===- FeatureRules.h - which ISA features imply which ----------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_MACHINE_FEATURERULES_H
#define AIRPACK_FORMATS_MACHINE_FEATURERULES_H

#include <string_view>
#include <vector>

namespace air {

/// Returns the features in knownFeatures(arch) that every machine with
/// `feature` also has, sorted. These are the features that `feature` implies in
/// LLVM's X86.td and AArch64Features.td, directly or through other features. A
/// kernel compiled for `feature` may use all of them. The list is empty for a
/// feature that implies none or is unknown.
std::vector<std::string_view> impliedFeatures(std::string_view arch,
                                              std::string_view feature);

} // namespace air

#endif // AIRPACK_FORMATS_MACHINE_FEATURERULES_H
