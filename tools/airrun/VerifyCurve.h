//===- VerifyCurve.h - what a pass costs with more tokens -------*- C++ -*-===//
//
// A pass that waits for the disk takes about as long with several tokens as
// with one. The curve shows the largest number of tokens for which this holds.
// For each token count M, two passes are timed: one with M tokens of a single
// sequence, which can verify M - 1 draft tokens of speculative decoding, and
// one with M sequences and one token of each. The logits of all tokens are
// computed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_VERIFYCURVE_H
#define AIRPACK_TOOLS_AIRRUN_VERIFYCURVE_H

#include "runtime/exec/Session.h"
#include "tools/airrun/BenchReport.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace air {

/// The token counts that are measured by default.
inline constexpr const char *kCurveTokens = "1,2,4,8,16,32,64";

/// The measurement of one pass, or the medians of several.
struct CurvePass {
  double seconds = 0;
  double diskBytes = 0; ///< bytes of weights read from the disk
};

struct CurvePoint {
  uint64_t tokens = 0;
  CurvePass oneSequence;
  std::optional<CurvePass> sequences; ///< nullopt: the KV cache is too small
  /// What predictedSeconds() (BenchReport.h) returns for a pass with the tokens
  /// of one sequence; 0 if there is no prediction.
  double predictedSeconds = 0;
};

/// Parses token counts that are separated by commas. They must ascend and be at
/// most `limit`; if `text` is kCurveTokens, counts above `limit` are left out
/// instead. If 1 is not among the counts, it is added. Fails with Usage.
Result<std::vector<uint64_t>> parseCurveTokens(const std::string &text,
                                               uint64_t limit);

/// Measures all passes in turn, in at most `rounds` rounds. No further round
/// begins once `isEnough` returns true. No sequence of the session may hold
/// tokens.
Result<std::vector<CurvePoint>>
measureCurve(rt::Session &session, const std::vector<uint64_t> &tokens,
             uint32_t rounds, const std::function<bool()> &isEnough);

/// Fails with Internal, like evaluate(), if a pass read weights faster than the
/// limits of `measured` allow. `measureAgain` is passed to raiseLimits().
Status checkCurve(const std::vector<CurvePoint> &curve,
                  BenchMeasurement &measured,
                  const std::function<double(size_t link)> &measureAgain);

/// Sets the predictions of the points for which the plan has one: 1 token, and
/// kVerifyTokens. PlanLink::measuredRate must have been set.
void addPredictions(const BenchMeasurement &measured,
                    std::vector<CurvePoint> &curve);

/// A JSON list, without a line end.
std::string curveJson(const std::vector<CurvePoint> &curve);
std::string curveText(const std::vector<CurvePoint> &curve);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_VERIFYCURVE_H
