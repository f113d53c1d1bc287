//===- KernelCases.h - functions that create kernel cases -------*- C++ -*-===//
//
// Each comparison states its error bound. kEpsilon is 2^-24, the relative error
// of one rounding to float32. A sum of n products has an error of at most about
// n kEpsilon relative to the sum of magnitudes, and far less when several lanes
// share the additions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CPU_KERNELCASES_H
#define AIRPACK_TEST_CODEGEN_CPU_KERNELCASES_H

#include "KernelHarness.h"

namespace air::codegen::test {

inline constexpr double kEpsilon = 0x1p-24;
inline constexpr BatchKind kKinds[] = {BatchKind::Decode, BatchKind::Prefill,
                                       BatchKind::Mixed,
                                       BatchKind::Interleaved};

/// Numbers of tokens inside the range of an M class, at its edges and outside
/// it. A class determines where a kernel is fast, not where it is correct.
std::vector<uint64_t> tokenCounts(MClass mClass);

std::string labelOf(const KernelSpec &spec, uint64_t tokens);

/// Error bounds: each magnitude times `factor`, plus `floor`.
Doubles scaled(const Doubles &magnitudes, double factor, double floor);

/// Returns "" if all of got[begin] to got[end - 1] are NaN, else a message.
std::string expectNaN(const Floats &got, size_t begin, size_t end);

// The following functions are defined in RowwiseCases.cpp.
void addRmsNorm(std::vector<KernelCase> &cases, Random &random);
void addRmsNormOverflow(std::vector<KernelCase> &cases, Random &random);
void addElementwise(std::vector<KernelCase> &cases, KernelOp op,
                    Random &random);

// The following functions are defined in AttentionCases.cpp.
void addRopeAngles(std::vector<KernelCase> &cases, Random &random);
void addRopeAppends(std::vector<KernelCase> &cases, Random &random);
void addAttentions(std::vector<KernelCase> &cases, MClass mClass,
                   Random &random);
void addAttentionMerges(std::vector<KernelCase> &cases, Random &random);

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_KERNELCASES_H
