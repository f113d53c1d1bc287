//===- VerifyCurve.cpp - what a pass costs with more tokens ---------------===//
#include "tools/airrun/VerifyCurve.h"

#include "formats/plan/PredictedPhases.h"
#include "formats/support/CountText.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/io/DiskStream.h"
#include "runtime/text/Sampler.h"
#include "tools/airrun/Common.h"

#include <charconv>
#include <numeric>
#include <utility>

namespace air {
namespace {

/// Runs passes of a given number of tokens, which are divided among sequences.
class CurveRunner {
public:
  CurveRunner(rt::Session &owner, uint64_t count) : session(owner) {
    rt::SplitMix64 random(1);
    for (uint64_t i = 0; i < count; ++i) {
      tokens.push_back(
          static_cast<int32_t>(random.next() % owner.vocabulary()));
    }
    outputs.resize(count);
    std::iota(outputs.begin(), outputs.end(), 0U);
  }
  CurveRunner(const CurveRunner &) = delete;
  CurveRunner &operator=(const CurveRunner &) = delete;
  ~CurveRunner() {
    for (rt::SequenceId id : own) {
      session.endSequence(id);
    }
  }

  /// Measures one pass. An untimed pass precedes it, so that the measured time
  /// depends neither on cold caches nor on weights that were read ahead while
  /// no pass was running.
  Result<CurvePass> measure(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      AIR_ASSIGN_OR_RETURN(rt::SequenceId id, session.newSequence());
      own.push_back(id);
    }
    for (size_t i = 0; i < tokens.size(); ++i) {
      sequences.push_back(own[i % count]);
    }
    rt::DiskStream *store = session.streaming();
    uint64_t before = 0;
    if (store != nullptr) {
      store->waitUntilIdle();
      before = store->counters().diskBytes;
    }
    AIR_RETURN_IF_ERROR(run());
    const double start = monotonicSeconds();
    AIR_RETURN_IF_ERROR(run());
    CurvePass pass = {monotonicSeconds() - start, 0};
    if (store != nullptr) {
      store->waitUntilIdle();
      pass.diskBytes =
          static_cast<double>(store->counters().diskBytes - before) / 2;
    }
    return pass;
  }

private:
  Status run() {
    for (rt::SequenceId id : own) {
      AIR_RETURN_IF_ERROR(session.truncate(id, 0));
    }
    return session.run(
        {tokens, sequences, outputs},
        [](uint64_t, std::span<const float>) { return Status::ok(); });
  }

  rt::Session &session;
  std::vector<rt::SequenceId> own;
  std::vector<int32_t> tokens;
  std::vector<rt::SequenceId> sequences;
  std::vector<uint32_t> outputs;
};

CurvePass medianPass(const std::vector<CurvePass> &passes) {
  const auto middle = [&](double CurvePass::*field) {
    std::vector<double> values;
    for (const CurvePass &pass : passes) {
      values.push_back(pass.*field);
    }
    return medianOf(std::move(values));
  };
  return {middle(&CurvePass::seconds), middle(&CurvePass::diskBytes)};
}

} // namespace

Result<std::vector<uint64_t>> parseCurveTokens(const std::string &text,
                                               uint64_t limit) {
  std::vector<uint64_t> tokens = {1};
  const char *at = text.data();
  const char *end = at + text.size();
  while (true) {
    const bool isFirst = at == text.data();
    uint64_t value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    const bool isLast = next == end;
    if (error != std::errc() || value == 0 || (!isLast && *next != ',')) {
      return usageError("--verify-curve: '" + text +
                        "' is not a list of token counts, such as " +
                        kCurveTokens);
    }
    if (!(isFirst && value == 1) && value <= tokens.back()) {
      return usageError("--verify-curve: the token counts in '" + text +
                        "' must ascend");
    }
    if (value > limit && text != kCurveTokens) {
      return usageError("--verify-curve: a pass of " + countOf(value, "token") +
                        " is requested, but this plan supports at most " +
                        countOf(limit, "token") + " of one sequence per pass");
    }
    if (value != 1 && value <= limit) {
      tokens.push_back(value);
    }
    if (isLast) {
      return tokens;
    }
    at = next + 1;
  }
}

Result<std::vector<CurvePoint>>
measureCurve(rt::Session &session, const std::vector<uint64_t> &tokens,
             uint32_t rounds, const std::function<bool()> &isEnough) {
  std::vector<std::vector<CurvePass>> one(tokens.size());
  std::vector<std::vector<CurvePass>> many(tokens.size());
  for (uint32_t round = 0; round < rounds && (round == 0 || !isEnough());
       ++round) {
    for (size_t i = 0; i < tokens.size(); ++i) {
      AIR_ASSIGN_OR_RETURN(CurvePass single,
                           CurveRunner(session, tokens[i]).measure(1));
      one[i].push_back(single);
      Result<CurvePass> spread =
          CurveRunner(session, tokens[i]).measure(tokens[i]);
      if (spread) {
        many[i].push_back(*spread);
      } else if (spread.status().code() != ErrorCode::DoesNotFit) {
        return spread.status();
      }
    }
  }
  std::vector<CurvePoint> curve;
  for (size_t i = 0; i < tokens.size(); ++i) {
    curve.push_back({tokens[i], medianPass(one[i]), std::nullopt});
    if (!many[i].empty()) {
      curve.back().sequences = medianPass(many[i]);
    }
  }
  return curve;
}

Status checkCurve(const std::vector<CurvePoint> &curve,
                  BenchMeasurement &measured,
                  const std::function<double(size_t link)> &measureAgain) {
  const auto check = [&](const CurvePass &pass) {
    // evaluate() judges decode phases, so the pass is described as a decode
    // phase of one token, and its bytes as those of this token.
    BenchMeasurement single;
    single.decodeTokens = 1;
    single.decodeSeconds = pass.seconds;
    single.links = measured.links;
    for (BenchLink &link : single.links) {
      link.bytesPerToken = link.minimalBytesPerToken =
          link.name == "disk" ? pass.diskBytes : link.minimalBytesPerPass;
    }
    raiseLimits(single, measureAgain);
    for (size_t i = 0; i < single.links.size(); ++i) {
      measured.links[i].limitPerSecond = single.links[i].limitPerSecond;
    }
    return evaluate(single).status();
  };
  for (const CurvePoint &point : curve) {
    Status verdict = check(point.oneSequence);
    if (verdict.isOk() && point.sequences) {
      verdict = check(*point.sequences);
    }
    if (!verdict.isOk()) {
      return verdict.withContext("a pass of " + countOf(point.tokens, "token"));
    }
  }
  return Status::ok();
}

void addPredictions(const BenchMeasurement &measured,
                    std::vector<CurvePoint> &curve) {
  for (CurvePoint &point : curve) {
    if (point.tokens == 1) {
      point.predictedSeconds = predictedSeconds(measured, measured.planLinks);
    } else if (point.tokens == kVerifyTokens) {
      point.predictedSeconds =
          predictedSeconds(measured, measured.planVerifyLinks);
    }
  }
}

std::string curveJson(const std::vector<CurvePoint> &curve) {
  const auto passJson = [](const CurvePass &pass, const CurvePass &first) {
    return format("{\"seconds\": %.6g, \"relative\": %.6g, \"disk_bytes\": "
                  "%.0f}",
                  pass.seconds, pass.seconds / first.seconds, pass.diskBytes);
  };
  std::string out = "[";
  for (const CurvePoint &point : curve) {
    out += format("%s{\"tokens\": %llu, \"one_sequence\": %s, "
                  "\"sequences\": %s, \"predicted_s\": %s}",
                  out.size() == 1 ? "" : ",\n  ",
                  static_cast<unsigned long long>(point.tokens),
                  passJson(point.oneSequence, curve[0].oneSequence).c_str(),
                  point.sequences && curve[0].sequences
                      ? passJson(*point.sequences, *curve[0].sequences).c_str()
                      : "null",
                  point.predictedSeconds > 0
                      ? format("%.6g", point.predictedSeconds).c_str()
                      : "null");
  }
  return out + "]";
}

std::string curveText(const std::vector<CurvePoint> &curve) {
  std::string out =
      "pass     tokens of one sequence                   as many sequences\n";
  const auto passText = [](const CurvePass &pass, const CurvePass &first) {
    return format("%9.2f ms  x %-5.2f %8.1f MB read", pass.seconds * 1e3,
                  pass.seconds / first.seconds, pass.diskBytes / 1e6);
  };
  for (const CurvePoint &point : curve) {
    out += format("%6llu %s", static_cast<unsigned long long>(point.tokens),
                  passText(point.oneSequence, curve[0].oneSequence).c_str());
    out += point.sequences && curve[0].sequences
               ? "  " + passText(*point.sequences, *curve[0].sequences)
               : "  the KV cache has no room";
    if (point.predictedSeconds > 0) {
      // This is below the column of the passes with one sequence.
      out +=
          format("\n       %9.2f ms predicted", point.predictedSeconds * 1e3);
    }
    out += "\n";
  }
  return out;
}

} // namespace air
