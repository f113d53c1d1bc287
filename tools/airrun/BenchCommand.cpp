//===- BenchCommand.cpp - speed next to its limit ---------------*- C++ -*-===//
#include "tools/airrun/BenchCommand.h"

#include "formats/support/MonotonicClock.h"
#include "runtime/exec/ProgramTable.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/ReadBandwidth.h"
#include "runtime/text/Sampler.h"
#include "tools/airrun/BenchReport.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <sys/resource.h>

namespace air {
namespace {

constexpr uint64_t kDefaultPrefill = 512;
constexpr uint64_t kDefaultDecode = 64;
constexpr int64_t kRounds = 5;
/// No new round starts after this many seconds, so that measuring a slow model
/// does not take too long.
constexpr double kEnoughSeconds = 60;
/// The bandwidth probe reads at most this many bytes, which is far more than
/// any cache holds and far less than a large model has.
constexpr uint64_t kMostProbeBytes = uint64_t{1} << 30;
// Among many short samples, at least the best one is hardly disturbed by other
// processes.
constexpr uint32_t kProbeSamples = 25;
constexpr uint32_t kProbeMilliseconds = 2;

uint64_t peakRssBytes() {
  struct rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024; // Linux reports KiB
}

/// Measures the memory bandwidth that limits a decode pass. The buffer that is
/// read has the size of what the pass reads, but at most kMostProbeBytes.
class LinkLimit {
public:
  static Result<LinkLimit> create(double passBytes, uint32_t threads) {
    LinkLimit limit;
    AIR_ASSIGN_OR_RETURN(limit.device, rt::CpuDevice::create(threads));
    uint64_t bytes = passBytes < static_cast<double>(kMostProbeBytes)
                         ? static_cast<uint64_t>(passBytes)
                         : kMostProbeBytes;
    limit.linkName = linkOf(passBytes, rt::lastLevelCacheBytes());
    AIR_ASSIGN_OR_RETURN(rt::ReadBandwidth made,
                         rt::ReadBandwidth::create(
                             *limit.device, limit.device->threadPool(), bytes));
    limit.probe.emplace(made);
    return limit;
  }

  const char *name() const { return linkName; }
  void measure() {
    best = std::max(best, probe->measure(kProbeSamples, kProbeMilliseconds));
  }
  double bytesPerSecond() const { return best; }

private:
  std::unique_ptr<rt::CpuDevice> device;
  std::optional<rt::ReadBandwidth> probe;
  const char *linkName = "";
  double best = 0;
};

/// Runs passes of random tokens on one sequence. The speed does not depend on
/// the token ids.
class Workload {
public:
  static Result<Workload> create(rt::Session &session, uint64_t prefill,
                                 uint64_t decode) {
    Workload work(session);
    AIR_ASSIGN_OR_RETURN(work.sequence, session.newSequence());
    rt::SplitMix64 random(1);
    work.tokens.resize(prefill + decode);
    for (int32_t &token : work.tokens) {
      token = static_cast<int32_t>(random.next() % session.vocabulary());
    }
    work.prefillTokens = prefill;
    // A decode pass needs one sequence id, even without a prompt.
    work.sequences.assign(std::max<uint64_t>(prefill, 1), work.sequence);
    work.tokenSeconds.reserve(decode);
    return work;
  }

  /// Empties the sequence, then processes the prompt and computes the logits of
  /// its last token. Returns the seconds that this took, or 0 without a prompt.
  Result<double> prefill() {
    AIR_RETURN_IF_ERROR(session->truncate(sequence, 0));
    if (prefillTokens == 0) {
      return 0.0;
    }
    double start = monotonicSeconds();
    AIR_RETURN_IF_ERROR(run(0, prefillTokens));
    return monotonicSeconds() - start;
  }

  Result<double> decode() {
    tokenSeconds.clear();
    double start = monotonicSeconds();
    double before = start;
    for (uint64_t at = prefillTokens; at < tokens.size(); ++at) {
      AIR_RETURN_IF_ERROR(run(at, 1));
      double now = monotonicSeconds();
      tokenSeconds.push_back(now - before);
      before = now;
    }
    return before - start;
  }

  const std::vector<double> &lastTokenSeconds() const { return tokenSeconds; }

private:
  explicit Workload(rt::Session &owner) : session(&owner) {}

  Status run(uint64_t first, uint64_t count) {
    auto last = static_cast<uint32_t>(count - 1);
    return session->run(
        {std::span(tokens).subspan(first, count),
         std::span(sequences).first(count), std::span(&last, 1)},
        [](uint64_t, std::span<const float>) { return Status::ok(); });
  }

  rt::Session *session;
  rt::SequenceId sequence = 0;
  uint64_t prefillTokens = 0;
  std::vector<int32_t> tokens;
  std::vector<rt::SequenceId> sequences;
  std::vector<double> tokenSeconds;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// The numbers of tokens to prefill and to decode, which together fit in the
/// context. One of them may be 0.
Result<std::pair<uint64_t, uint64_t>> lengths(const cli::Invocation &invocation,
                                              uint64_t context) {
  std::optional<int64_t> p = invocation.integer("--prompt-tokens");
  std::optional<int64_t> n = invocation.integer("--max-tokens");
  if (p == 0 && n == 0) {
    return usageError(
        "bench: -p 0 leaves out prefill and -n 0 leaves out decode, so nothing "
        "is left to measure; leave out one of them");
  }
  uint64_t half = std::max<uint64_t>(context / 2, 1);
  auto decode = static_cast<uint64_t>(
      n.value_or(static_cast<int64_t>(std::min(kDefaultDecode, half))));
  uint64_t room = decode < context ? context - decode : 0;
  auto prefill = static_cast<uint64_t>(
      p.value_or(static_cast<int64_t>(std::min(kDefaultPrefill, room))));
  if (decode > context || prefill > room) {
    return doesNotFitError("bench: a prompt of " + std::to_string(prefill) +
                           " tokens and " + std::to_string(decode) +
                           " tokens after it exceed the plan's context of " +
                           std::to_string(context) +
                           "; give a smaller -p or -n");
  }
  return std::pair(prefill, decode);
}

Status timeSteps(rt::Session &session, Workload &work,
                 BenchMeasurement &measured) {
  rt::Executor &executor = session.executor();
  executor.timeSteps(true);
  executor.resetStepTimes();
  AIR_RETURN_IF_ERROR(work.prefill().status());
  rt::StepTimes prefill = executor.stepTimes();
  executor.resetStepTimes();
  AIR_RETURN_IF_ERROR(work.decode().status());
  rt::StepTimes decode = executor.stepTimes();
  executor.timeSteps(false);
  for (plan::StepKind kind : plan::EnumValuesStepKind()) {
    auto i = static_cast<size_t>(kind);
    if (prefill[i] != 0 || decode[i] != 0) {
      measured.steps.push_back({plan::EnumNameStepKind(kind),
                                {static_cast<double>(prefill[i]) * 1e-9,
                                 static_cast<double>(decode[i]) * 1e-9}});
    }
  }
  return Status::ok();
}

/// Every round measures the limit, prefill and decode one after another, so
/// that all three see the same state of the machine. `limit` is empty if
/// nothing is decoded.
Status measureRounds(rt::Session &session, Workload &work,
                     std::optional<LinkLimit> &limit, uint32_t rounds,
                     BenchMeasurement &measured) {
  rt::Executor &executor = session.executor();
  std::vector<double> prefills;
  std::vector<double> decodes;
  rt::RunCounters decoded;
  double begin = monotonicSeconds();
  while (
      measured.rounds < rounds &&
      (measured.rounds == 0 || monotonicSeconds() - begin < kEnoughSeconds)) {
    if (limit) {
      limit->measure();
    }
    executor.resetCounters();
    AIR_ASSIGN_OR_RETURN(double prefillSeconds, work.prefill());
    prefills.push_back(prefillSeconds);
    measured.prefillFlops = static_cast<double>(executor.counters().flops);
    executor.resetCounters();
    AIR_ASSIGN_OR_RETURN(double decodeSeconds, work.decode());
    decodes.push_back(decodeSeconds);
    decoded = executor.counters();
    measured.tokenSeconds.insert(measured.tokenSeconds.end(),
                                 work.lastTokenSeconds().begin(),
                                 work.lastTokenSeconds().end());
    ++measured.rounds;
  }
  std::sort(measured.tokenSeconds.begin(), measured.tokenSeconds.end());
  measured.prefillSeconds = median(prefills);
  measured.decodeSeconds = median(decodes);
  if (!limit) {
    return Status::ok();
  }
  limit->measure();
  measured.link = limit->name();
  measured.limitPerSecond = limit->bytesPerSecond();
  double kv = static_cast<double>(decoded.kvBytes) /
              static_cast<double>(measured.decodeTokens);
  measured.bytesPerToken = bytesOfPass(decoded, measured.decodeTokens);
  measured.minimalBytesPerToken =
      static_cast<double>(rt::minimalWeightBytes(session.plan())) + kv;
  return Status::ok();
}

} // namespace

cli::Command benchCommand() {
  cli::Command command;
  command.name = "bench";
  command.summary = "Measure the speed of prefill and decode, and compare "
                    "decode with the limit that memory bandwidth sets.";
  command.positionals = {planPositional()};
  command.options = {
      {.name = "--prompt-tokens",
       .shortName = "-p",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Prompt length in tokens; 0 leaves out prefill.",
       .defaultText = "512, or what fits in the context",
       .minimum = 0,
       .maximum = 4294967295.0},
      {.name = "--max-tokens",
       .shortName = "-n",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Number of tokens to decode after the prompt, one at a time; 0 "
               "leaves out decode.",
       .defaultText = "64",
       .minimum = 0,
       .maximum = 4294967295.0},
      {.name = "--steps",
       .help = "Also report the time of each kind of step, measured in a "
               "separate run."},
      {.name = "--rounds",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Number of measured rounds after a warm-up round; the median is "
               "reported. No new round starts after a minute.",
       .defaultText = std::to_string(kRounds),
       .minimum = 1,
       .maximum = 1000},
      jsonOption(),
      threadsOption()};
  command.examples = {"airrun bench story.air -p 512 -n 64 --json"};
  return command;
}

Status runBench(const cli::Invocation &invocation) {
  double started = monotonicSeconds();
  AIR_ASSIGN_OR_RETURN(rt::Session session, openSession(invocation));
  AIR_ASSIGN_OR_RETURN(auto counts, lengths(invocation, session.context()));
  auto [prefill, decode] = counts;
  AIR_ASSIGN_OR_RETURN(Workload work,
                       Workload::create(session, prefill, decode));
  BenchMeasurement measured;
  measured.threads = session.threads();
  measured.prefillTokens = prefill;
  measured.decodeTokens = decode;
  // This warm-up round also loads the weights. The measured rounds find them in
  // memory.
  AIR_RETURN_IF_ERROR(work.prefill().status());
  double prefilled = monotonicSeconds() - started;
  session.executor().resetCounters();
  AIR_RETURN_IF_ERROR(work.decode().status());
  rt::RunCounters decoded = session.executor().counters();
  measured.firstTokenSeconds =
      prefill != 0 ? prefilled : prefilled + work.lastTokenSeconds().front();
  // The peak memory use is read before the bandwidth probe allocates its
  // buffer, so that the buffer is not included.
  measured.peakRssBytes = peakRssBytes();
  std::optional<LinkLimit> limit;
  if (decode != 0) {
    AIR_ASSIGN_OR_RETURN(
        LinkLimit made,
        LinkLimit::create(bytesOfPass(decoded, decode), session.threads()));
    limit.emplace(std::move(made));
  }
  auto rounds =
      static_cast<uint32_t>(invocation.integer("--rounds").value_or(kRounds));
  AIR_RETURN_IF_ERROR(measureRounds(session, work, limit, rounds, measured));
  raiseLimit(measured, [&] {
    limit->measure();
    return limit->bytesPerSecond();
  });
  if (invocation.has("--steps")) {
    AIR_RETURN_IF_ERROR(timeSteps(session, work, measured));
  }
  AIR_ASSIGN_OR_RETURN(BenchReport report, evaluate(measured));
  return writeOut(invocation.has("--json") ? benchJson(measured, report)
                                           : benchText(measured, report));
}

} // namespace air
