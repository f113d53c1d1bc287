//===- PlanSteps.cpp - times passes and limits in rounds ------------------===//
#include "tools/air-bench/PlanSteps.h"

#include "formats/support/CountText.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/exec/Session.h"
#include "runtime/hal/cpu/ThreadPool.h"
#include "tools/cli/Output.h"

#include <algorithm>
#include <climits>
#include <numeric>

namespace air::bench {
namespace {

constexpr uint64_t kDefaultContext = 64;
/// A pass of up to this many tokens represents one decode step in which each
/// user has one token, so logits are computed for all of them.
constexpr uint64_t kFewTokens = 8;
/// No new round starts after this many seconds, so that measuring a slow model
/// does not take too long.
constexpr double kEnoughSeconds = 60;
/// In each round, passes are timed dispatch by dispatch for at least this many
/// seconds, and passes with empty kernels for at least a tenth of this time.
constexpr double kSingleSeconds = 0.25;
/// After kSingleSeconds, a round continues to time passes dispatch by dispatch.
/// It stops when kSteadyPasses of the passes that it timed in this way were
/// steady (PlanReport.h), when the number of all these passes reaches
/// kMostSingles, or when all of them have taken kSteadySeconds. The passes of
/// the first kSingleSeconds are included in all three limits.
constexpr size_t kSteadyPasses = 3;
constexpr size_t kMostSingles = 24;
constexpr double kSteadySeconds = 10;
/// A round times whole passes, each between two measurements of the limits,
/// until kWholeSeconds have passed or kWholePasses passes have been timed.
constexpr double kWholeSeconds = 2;
constexpr int kWholePasses = 12;
constexpr uint32_t kLimitSamples = 15;
/// The number of samples of each arithmetic rate that are taken before a pass,
/// and again after it. The first of them only wakes the threads and is not
/// used.
constexpr uint32_t kAdjacentSamples = 4;
/// The maximum number of times that the limits are measured again because a
/// pass or a dispatch was faster than they allow.
constexpr int kAttempts = 10;
/// The largest buffer, in bytes, whose reads are timed to measure the bandwidth
/// of memory. It is larger than the caches of most CPUs, and much smaller than
/// the weights of a large model.
constexpr uint64_t kMostLimitBytes = uint64_t{1} << 30;

/// The limits of this machine that matter to one plan's kernels.
class PlanLimits {
public:
  static Result<PlanLimits> create(const std::vector<StepCost> &steps,
                                   uint32_t threads) {
    PlanLimits limits;
    double bytes = 0;
    std::vector<bool> used(kArithmetics.size());
    for (const StepCost &step : steps) {
      for (const DispatchCost &cost : step.dispatches) {
        bytes += cost.weightBytes + cost.kvBytes;
        used[static_cast<size_t>(cost.arithmetic.kind)] = true;
      }
    }
    // If everything that a pass reads stays in a cache, that cache's bandwidth
    // is the limit.
    const auto passBytes = static_cast<uint64_t>(bytes);
    limits.linkName = passBytes <= rt::lastLevelCacheBytes() ? "cache" : "dram";
    AIR_ASSIGN_OR_RETURN(
        limits.memory,
        MemoryLimit::create(threads, std::min(passBytes, kMostLimitBytes)));
    const MachineProfile host = hostProfile();
    for (Arithmetic kind : kArithmetics) {
      if (!used[static_cast<size_t>(kind)]) {
        continue;
      }
      if (!hasArithmetic(kind, host)) {
        return unsupportedError(
            std::string("this plan's kernels use ") + nameOf(kind) +
            ", whose peak rate cannot be measured on this machine");
      }
      AIR_ASSIGN_OR_RETURN(std::unique_ptr<ArithmeticLimit> made,
                           ArithmeticLimit::create(kind, host, threads));
      limits.arithmetic.emplace_back(kind, std::move(made));
    }
    return limits;
  }

  const char *link() const { return linkName; }
  /// See rt::ReadBandwidth.
  void compareAgain() { memory->compareAgain(); }
  /// Measures the limits again, and replaces those values in `rates` that are
  /// lower than the new ones.
  Status measure(MachineRates &rates) {
    for (uint32_t i = 0; i < kLimitSamples; ++i) {
      reads.push_back(memory->sample());
      rates.bytes = std::max(rates.bytes, reads.back());
    }
    for (auto &[kind, limit] : arithmetic) {
      for (uint32_t i = 0; i < kLimitSamples; ++i) {
        AIR_ASSIGN_OR_RETURN(double sample, limit->sample());
        rates.arithmetic.raise(kind, sample);
      }
    }
    return Status::ok();
  }

  double medianBytes() const { return medianOf(reads); }

  /// Measures the current rates, and raises `best` where they are higher.
  /// Memory bandwidth is measured last, immediately before the next pass,
  /// because it varies the most.
  Result<MachineRates> now(MachineRates &best) {
    MachineRates rates;
    for (auto &[kind, limit] : arithmetic) {
      AIR_RETURN_IF_ERROR(limit->sample().status());
      std::vector<double> samples;
      for (uint32_t i = 1; i < kAdjacentSamples; ++i) {
        AIR_ASSIGN_OR_RETURN(double sample, limit->sample());
        best.arithmetic.raise(kind, sample);
        samples.push_back(sample);
      }
      rates.arithmetic.raise(kind, medianOf(std::move(samples)));
    }
    memory->sample();
    reads.push_back(memory->sample());
    rates.bytes = reads.back();
    best.bytes = std::max(best.bytes, rates.bytes);
    return rates;
  }

private:
  const char *linkName = "";
  std::vector<double> reads; ///< read bandwidth of every sample, in bytes/s
  std::unique_ptr<MemoryLimit> memory;
  std::vector<std::pair<Arithmetic, std::unique_ptr<ArithmeticLimit>>>
      arithmetic;
};

void doNothing(const AirDispatch *, uint64_t, uint64_t, void *) {}

/// A pass whose kernels return immediately, to measure the overhead of
/// dispatching.
class EmptyPass {
public:
  static Result<EmptyPass> create(const std::vector<StepCost> &steps,
                                  const PassShape &shape, uint32_t threads) {
    EmptyPass pass;
    AIR_ASSIGN_OR_RETURN(pass.device, rt::CpuDevice::create(threads));
    const AirKernelFn function = doNothing;
    std::vector<rt::DispatchDesc> dispatches;
    rt::DispatchDesc dispatch;
    dispatch.executable = pass.device->addFunctions({&function, 1});
    for (const StepCost &step : steps) {
      for (const DispatchCost &cost : step.dispatches) {
        dispatch.grid = {cost.tiles, 0, rt::GridRows::Tokens};
        dispatch.barrier = cost.barrier;
        dispatches.push_back(dispatch);
      }
    }
    pass.count = static_cast<uint32_t>(dispatches.size());
    pass.batch.tokens = static_cast<uint32_t>(shape.tokens);
    AIR_ASSIGN_OR_RETURN(pass.program, pass.device->addProgram(dispatches));
    return pass;
  }

  /// Runs all dispatches as one pass and returns the time in seconds.
  Result<double> together() {
    const double start = monotonicSeconds();
    AIR_RETURN_IF_ERROR(device->run(program, 0, count, batch));
    return monotonicSeconds() - start;
  }
  Result<double> singly() {
    double sum = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const double start = monotonicSeconds();
      AIR_RETURN_IF_ERROR(device->run(program, i, 1, batch));
      sum += monotonicSeconds() - start;
    }
    return sum;
  }

private:
  std::unique_ptr<rt::CpuDevice> device;
  uint32_t program = 0;
  uint32_t count = 0;
  AirBatch batch = {};
};

/// Runs passes of random tokens. The speed does not depend on the token ids.
class Passes {
public:
  static Result<Passes> create(rt::Session &session, const PassShape &shape) {
    Passes passes(session, shape);
    AIR_ASSIGN_OR_RETURN(passes.sequence, session.newSequence());
    uint64_t state = 1;
    for (uint64_t i = 0; i < shape.context + shape.tokens; ++i) {
      // This is the linear congruential generator of Knuth's MMIX.
      state = state * 6364136223846793005U + 1442695040888963407U;
      passes.tokens.push_back(
          static_cast<int32_t>((state >> 33) % session.vocabulary()));
    }
    passes.sequences.assign(passes.tokens.size(), passes.sequence);
    for (uint64_t i = shape.tokens - shape.outputs; i < shape.tokens; ++i) {
      passes.outputs.push_back(static_cast<uint32_t>(i));
    }
    if (shape.context != 0) {
      AIR_RETURN_IF_ERROR(passes.run(0, shape.context, {}));
    }
    return passes;
  }

  Result<double> whole() {
    AIR_RETURN_IF_ERROR(session->truncate(sequence, shape.context));
    const double start = monotonicSeconds();
    AIR_RETURN_IF_ERROR(run(shape.context, shape.tokens, outputs));
    return monotonicSeconds() - start;
  }

  /// Runs a pass and returns the seconds that each of its `count` dispatches
  /// took.
  Result<std::vector<double>> timed(size_t count) {
    std::vector<uint64_t> nanoseconds(count);
    session->executor().timeDispatches(nanoseconds);
    Status status = whole().status();
    session->executor().timeDispatches({});
    AIR_RETURN_IF_ERROR(status);
    std::vector<double> seconds;
    for (const uint64_t time : nanoseconds) {
      seconds.push_back(1e-9 * static_cast<double>(time));
    }
    return seconds;
  }

private:
  Passes(rt::Session &owner, const PassShape &given)
      : session(&owner), shape(given) {}

  Status run(uint64_t first, uint64_t count,
             std::span<const uint32_t> outputRows) {
    return session->run(
        {std::span(tokens).subspan(first, count),
         std::span(sequences).first(count), outputRows},
        [](uint64_t, std::span<const float>) { return Status::ok(); });
  }

  rt::Session *session;
  PassShape shape;
  rt::SequenceId sequence = 0;
  std::vector<int32_t> tokens;
  std::vector<rt::SequenceId> sequences;
  std::vector<uint32_t> outputs;
};

/// A pass that was timed dispatch by dispatch.
struct TimedPass {
  std::vector<double> dispatches; ///< seconds
  bool isSteady = false;
  bool isTooFast = false;
};

/// The samples of all rounds. Their medians are taken at the end.
struct Samples {
  std::vector<PassSample> whole;
  std::vector<double> emptyTogether;
  std::vector<double> emptySingly;
  std::vector<TimedPass> timed;
};

/// Runs `body` at least once, and then again until `seconds` have passed or it
/// has run `mostRuns` times.
template <typename Fn>
Status repeat(double seconds, Fn body, int mostRuns = INT_MAX) {
  const double start = monotonicSeconds();
  int times = 0;
  do {
    AIR_RETURN_IF_ERROR(body());
    ++times;
  } while (times < mostRuns && monotonicSeconds() - start < seconds);
  return Status::ok();
}

Status runRound(Passes &passes, EmptyPass &empty, PlanLimits &limits,
                PlanMeasurement &measured, Samples &samples) {
  MachineRates &best = measured.rates;
  AIR_ASSIGN_OR_RETURN(MachineRates before, limits.now(best));
  auto passBetweenLimits = [&]() -> Status {
    // The limits were measured on another thread pool, so the threads of the
    // session's pool are asleep. This warm-up pass wakes them.
    AIR_RETURN_IF_ERROR(passes.whole().status());
    AIR_ASSIGN_OR_RETURN(double seconds, passes.whole());
    AIR_ASSIGN_OR_RETURN(MachineRates after, limits.now(best));
    samples.whole.push_back({seconds, before, after});
    before = after;
    return Status::ok();
  };
  AIR_RETURN_IF_ERROR(repeat(kWholeSeconds, passBetweenLimits, kWholePasses));
  size_t count = 0;
  for (const StepCost &step : measured.steps) {
    count += step.dispatches.size();
  }
  const double begin = monotonicSeconds();
  size_t steady = 0;
  size_t all = 0;
  auto timeDispatches = [&]() -> Status {
    AIR_RETURN_IF_ERROR(passes.whole().status());
    TimedPass timed;
    AIR_ASSIGN_OR_RETURN(timed.dispatches, passes.timed(count));
    AIR_ASSIGN_OR_RETURN(MachineRates after, limits.now(best));
    const double seconds =
        std::reduce(timed.dispatches.begin(), timed.dispatches.end());
    const PassSample pass = {seconds, before, after};
    timed.isSteady = isSteady(measured, pass);
    timed.isTooFast = isTooFast(measured, pass);
    before = after;
    ++all;
    steady += timed.isSteady ? 1 : 0;
    samples.timed.push_back(std::move(timed));
    return Status::ok();
  };
  AIR_RETURN_IF_ERROR(repeat(kSingleSeconds, timeDispatches));
  while (steady < kSteadyPasses && all < kMostSingles &&
         monotonicSeconds() - begin < kSteadySeconds) {
    AIR_RETURN_IF_ERROR(timeDispatches());
  }
  AIR_RETURN_IF_ERROR(empty.together().status());
  return repeat(kSingleSeconds / 10, [&]() -> Status {
    AIR_ASSIGN_OR_RETURN(double together, empty.together());
    AIR_ASSIGN_OR_RETURN(double singly, empty.singly());
    samples.emptyTogether.push_back(together);
    samples.emptySingly.push_back(singly);
    return Status::ok();
  });
}

void takeMedians(const Samples &samples, PlanMeasurement &measured) {
  measured.passes = samples.whole;
  measured.emptyPassSeconds = medianOf(samples.emptyTogether);
  measured.emptySingleSeconds = medianOf(samples.emptySingly);
  const auto steady = static_cast<size_t>(
      std::ranges::count(samples.timed, true, &TimedPass::isSteady));
  const bool isEnough = steady >= kSteadyPasses;
  measured.timedPasses = isEnough ? steady : samples.timed.size();
  measured.unsteadyPasses = samples.timed.size() - steady;
  measured.leavesOutUnsteady = isEnough;
  measured.tooFastPasses = static_cast<uint64_t>(
      std::ranges::count(samples.timed, true, &TimedPass::isTooFast));
  for (size_t i = 0; i < samples.timed.front().dispatches.size(); ++i) {
    std::vector<double> times;
    for (const TimedPass &timed : samples.timed) {
      if (timed.isSteady || !isEnough) {
        times.push_back(timed.dispatches[i]);
      }
    }
    measured.dispatchSeconds.push_back(medianOf(std::move(times)));
  }
}

Result<PassShape> passShape(const rt::Session &session,
                            const PlanOptions &options) {
  const uint64_t room = session.context();
  PassShape shape;
  shape.tokens = options.tokens;
  if (shape.tokens > session.maxTokens()) {
    return doesNotFitError("--tokens " + std::to_string(shape.tokens) +
                           ": a pass of this plan takes at most " +
                           countOf(session.maxTokens(), "token"));
  }
  const uint64_t left = room - std::min(room, shape.tokens);
  shape.context = options.context.value_or(std::min(kDefaultContext, left));
  if (shape.tokens > room || shape.context > left) {
    return doesNotFitError("--context " + std::to_string(shape.context) +
                           " and " + countOf(shape.tokens, "more token") +
                           ": the plan's context holds only " +
                           countOf(room, "token"));
  }
  const uint64_t wanted = shape.tokens <= kFewTokens ? shape.tokens : 1;
  shape.outputs = std::min(wanted, session.plan().max_outputs());
  return shape;
}

} // namespace

Result<PlanBench> benchPlan(const PlanOptions &options) {
  rt::SessionOptions sessionOptions;
  sessionOptions.threads = options.threads;
  sessionOptions.maxSequences = 1;
  AIR_ASSIGN_OR_RETURN(rt::Session session,
                       rt::Session::open(options.path, sessionOptions));
  PlanBench bench;
  PlanMeasurement &measured = bench.measured;
  measured.threads = session.threads();
  measured.aheadBytes =
      static_cast<double>(measured.threads) * double{rt::kAheadBytes};
  AIR_ASSIGN_OR_RETURN(measured.shape, passShape(session, options));
  measured.steps = passCosts(session.plan(), measured.shape);
  AIR_ASSIGN_OR_RETURN(Passes passes, Passes::create(session, measured.shape));
  // This warm-up pass loads the weights and code that were not used when the
  // context was filled.
  AIR_RETURN_IF_ERROR(passes.whole().status());
  AIR_ASSIGN_OR_RETURN(PlanLimits limits,
                       PlanLimits::create(measured.steps, measured.threads));
  measured.link = limits.link();
  AIR_ASSIGN_OR_RETURN(
      EmptyPass empty,
      EmptyPass::create(measured.steps, measured.shape, measured.threads));
  Samples samples;
  for (const double begin = monotonicSeconds();
       measured.rounds < options.rounds &&
       (measured.rounds == 0 || monotonicSeconds() - begin < kEnoughSeconds);
       ++measured.rounds) {
    AIR_RETURN_IF_ERROR(limits.measure(measured.rates));
    AIR_RETURN_IF_ERROR(runRound(passes, empty, limits, measured, samples));
  }
  AIR_RETURN_IF_ERROR(limits.measure(measured.rates));
  takeMedians(samples, measured);
  measured.medianBytes = limits.medianBytes();
  bench.report = evaluate(measured);
  // If a pass or a dispatch was faster than the limits allow, other load may
  // have disturbed the measurement of the limits, so they are measured again.
  for (int again = 0; again < kAttempts && !bench.report.impossible.empty();
       ++again) {
    limits.compareAgain();
    AIR_RETURN_IF_ERROR(limits.measure(measured.rates));
    bench.report = evaluate(measured);
  }
  if (!bench.report.impossible.empty()) {
    return internalError(
        "a result is faster than the measured limits of this machine allow: " +
        bench.report.impossible + "; run air-bench again on an idle machine");
  }
  return bench;
}

} // namespace air::bench
