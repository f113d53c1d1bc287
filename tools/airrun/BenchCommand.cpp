//===- BenchCommand.cpp - speed next to its limit ---------------*- C++ -*-===//
#include "tools/airrun/BenchCommand.h"

#include "formats/machine/MachineProfile.h"
#include "formats/plan/CopiedBytes.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/SourceFiles.h"
#include "formats/support/CountText.h"
#include "formats/support/Median.h"
#include "formats/support/MonotonicClock.h"
#include "runtime/exec/ProgramTable.h"
#include "runtime/hal/cpu/CpuDevice.h"
#include "runtime/hal/cpu/ReadBandwidth.h"
#include "runtime/hal/cpu/probe/ArithmeticRate.h"
#include "runtime/io/DiskStream.h"
#include "runtime/text/Sampler.h"
#include "tools/airrun/BenchReport.h"
#include "tools/airrun/Common.h"
#include "tools/airrun/LinkLimits.h"
#include "tools/airrun/LoadNote.h"
#include "tools/airrun/VerifyCurve.h"

#include <algorithm>
#include <fstream>
#include <sys/resource.h>

namespace air {
namespace {

constexpr uint64_t kDefaultPrefill = 512;
constexpr uint64_t kDefaultDecode = 64;
constexpr int64_t kRounds = 5;
/// No new round starts after this many seconds, so that measuring a slow model
/// does not take too long.
constexpr double kEnoughSeconds = 60;
/// The peak memory of this process, in bytes. If weights are read in every
/// pass, the system's peak counts a page of the ring once for every address at
/// which it is mapped. So if Session::streaming() is not null, returns the
/// memory in use at present (Pss). It equals the peak, because the memory of
/// such a session does not grow.
uint64_t memoryBytes(const rt::Session &session) {
  if (session.streaming() != nullptr) {
    std::ifstream file("/proc/self/smaps_rollup");
    std::string key;
    while (file >> key) {
      uint64_t kib = 0;
      if (key == "Pss:" && file >> kib) {
        return kib * 1024;
      }
    }
  }
  struct rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024; // Linux reports KiB
}

/// The bytes that this process has read from storage, or 0 if the system does
/// not count them.
double systemBytesRead() {
  std::ifstream file("/proc/self/io");
  std::string key;
  double value = 0;
  while (file >> key >> value) {
    if (key == "read_bytes:") {
      return value;
    }
  }
  return 0;
}

/// How long the steps of the session have waited for weights from the disk so
/// far, in nanoseconds.
uint64_t waitedNanoseconds(rt::Session &session) {
  rt::DiskStream *store = streamingStore(session);
  return store == nullptr ? 0 : store->counters().waitedNanoseconds;
}

/// Runs passes of random tokens on one sequence. The speed does not depend on
/// the token ids. If the plan can choose tokens on a GPU, each decode pass also
/// chooses there the input token of the next pass, as airrun does when it
/// generates without sampling. In this case, only the tokens of the prompt and
/// of the first decode pass are random.
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

  /// Decodes all tokens and returns the seconds that this took. If a session
  /// reads weights in every pass and decodes several tokens, the first one is
  /// not timed, because its weights may already have been read when timing
  /// starts.
  Result<double> decode() {
    tokenSeconds.clear();
    uint64_t at = prefillTokens;
    double start = monotonicSeconds();
    for (; at < prefillTokens + untimed(); ++at) {
      AIR_RETURN_IF_ERROR(decodeOne(at));
    }
    const uint64_t waitedBefore = waitedNanoseconds(*session);
    double before = monotonicSeconds();
    firstSeconds = before - start;
    start = before;
    for (; at < tokens.size(); ++at) {
      AIR_RETURN_IF_ERROR(decodeOne(at));
      double now = monotonicSeconds();
      tokenSeconds.push_back(now - before);
      before = now;
    }
    if (untimed() == 0 && !tokenSeconds.empty()) {
      firstSeconds = tokenSeconds.front();
    }
    waitedSeconds =
        static_cast<double>(waitedNanoseconds(*session) - waitedBefore) * 1e-9;
    return before - start;
  }

  /// How many seconds the first token of the last call of decode() took, even
  /// if the time that decode() returned does not include this token.
  double lastFirstTokenSeconds() const { return firstSeconds; }

  /// How long the steps of the tokens that the last call of decode() timed
  /// have waited for weights from the disk, in seconds.
  double lastWaitedSeconds() const { return waitedSeconds; }

  /// The number of tokens that decode() does not time.
  uint64_t untimed() const {
    return streamingStore(*session) != nullptr &&
                   tokens.size() > prefillTokens + 1
               ? 1
               : 0;
  }

  /// Ends the sequence. No pass may be run afterwards.
  void end() { session->endSequence(sequence); }

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

  Status decodeOne(uint64_t at) {
    if (!session->canChoose(1)) {
      return run(at, 1);
    }
    int32_t chosen = 0;
    const bool continues = at + 1 < tokens.size();
    AIR_RETURN_IF_ERROR(session->choose(std::span(tokens).subspan(at, 1),
                                        std::span(sequences).first(1),
                                        {&chosen, 1}, continues));
    if (continues) {
      tokens[at + 1] = chosen;
    }
    return Status::ok();
  }

  rt::Session *session;
  rt::SequenceId sequence = 0;
  uint64_t prefillTokens = 0;
  std::vector<int32_t> tokens;
  std::vector<rt::SequenceId> sequences;
  double firstSeconds = 0;
  double waitedSeconds = 0;
  std::vector<double> tokenSeconds;
};

/// The numbers of tokens to prefill and to decode, which together fit in the
/// context. One of them may be 0.
Result<std::pair<uint64_t, uint64_t>> lengths(const cli::Invocation &invocation,
                                              uint64_t context) {
  std::optional<int64_t> p = invocation.integer("--prompt-tokens");
  std::optional<int64_t> n = invocation.integer("--max-tokens");
  if (p == 0 && n == 0) {
    return usageError(
        "bench: -p 0 leaves out prefill and -n 0 leaves out decode, so nothing "
        "is left to measure; give one of them a value above 0");
  }
  uint64_t half = std::max<uint64_t>(context / 2, 1);
  auto decode = static_cast<uint64_t>(
      n.value_or(static_cast<int64_t>(std::min(kDefaultDecode, half))));
  uint64_t room = decode < context ? context - decode : 0;
  auto prefill = static_cast<uint64_t>(
      p.value_or(static_cast<int64_t>(std::min(kDefaultPrefill, room))));
  if (decode > context || prefill > room) {
    return doesNotFitError(
        "bench: a prompt of " + countOf(prefill, "token") + " and " +
        countOf(decode, "token") + " after it exceed the plan's context of " +
        std::to_string(context) + "; give a smaller -p or -n");
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

/// What a session that reads weights in every pass has read so far. The
/// difference between two such objects is what was read in between. The
/// constructor waits until nothing is being read ahead.
struct StreamedPhase {
  rt::StreamCounters counters;
  double systemBytes = 0;

  explicit StreamedPhase(rt::Session &session) {
    if (rt::DiskStream *store = streamingStore(session)) {
      store->waitUntilIdle();
      counters = store->counters();
      systemBytes = systemBytesRead();
    }
  }
};

void reportStreaming(rt::Session &session, const StreamedPhase &before,
                     const StreamedPhase &after, uint64_t passes,
                     BenchMeasurement &measured) {
  rt::DiskStream *store = streamingStore(session);
  if (store == nullptr) {
    return;
  }
  auto perToken = [&](double bytes) {
    return bytes / static_cast<double>(passes);
  };
  BenchStreaming streaming;
  streaming.method = ioMethodName(store->method());
  streaming.placement = after.counters.placement;
  streaming.residentBytes = after.counters.residentBytes;
  streaming.ringBytes = after.counters.ringBytes;
  streaming.bytesPerPass = after.counters.bytesPerPass;
  streaming.systemBytesPerToken =
      perToken(after.systemBytes - before.systemBytes);
  BenchLink &disk = measured.links.back(); // LinkLimits adds the disk last
  disk.minimalBytesPerToken = static_cast<double>(after.counters.bytesPerPass);
  disk.bytesPerToken = perToken(static_cast<double>(after.counters.diskBytes -
                                                    before.counters.diskBytes));
  measured.streaming = std::move(streaming);
}

/// Sets the numbers of bytes that decoding one token reads from the memory of
/// each device that computes. `decoded` has the counts of `passes` passes.
void setMemoryBytes(const rt::Session &session, const rt::RunCounters &decoded,
                    uint64_t passes, BenchMeasurement &measured) {
  const auto count = static_cast<double>(passes);
  const auto weights = [&](std::optional<bool> ofGpu) {
    return static_cast<double>(rt::minimalWeightBytes(session.plan(), ofGpu));
  };
  const auto set = [](BenchLink &link, double bytes, double minimalWeights,
                      double kv) {
    link.bytesPerToken = bytes;
    link.minimalBytesPerPass = minimalWeights;
    link.minimalBytesPerToken = minimalWeights + kv;
  };
  const double kv = static_cast<double>(decoded.kvBytes) / count;
  const double all = bytesOfPass(decoded, passes);
  if (session.gpu() == nullptr || session.threads() == 0) {
    set(measured.links[0], all, weights(std::nullopt), kv);
    return;
  }
  const double onCpu = static_cast<double>(decoded.cpuBytes) / count;
  const double cpuKv = static_cast<double>(decoded.cpuKvBytes) / count;
  set(measured.links[0], all - onCpu, weights(true), kv - cpuKv);
  set(measured.links[1], onCpu, weights(false), cpuKv);
  measured.links[0].isInTurn = true;
  measured.links[1].isInTurn = true;
}

/// Every round measures the limits, prefill and decode one after another, so
/// that all of them see the same state of the machine. `limits` is empty if
/// nothing is decoded.
Status measureRounds(rt::Session &session, Workload &work,
                     std::optional<LinkLimits> &limits, uint32_t rounds,
                     BenchMeasurement &measured) {
  rt::Executor &executor = session.executor();
  std::vector<double> prefills;
  std::vector<double> decodes;
  std::vector<double> firstTokens;
  std::vector<double> waits;
  rt::RunCounters decoded;
  uint64_t passes = measured.decodeTokens + work.untimed();
  if (limits) {
    for (const std::string &name : limits->links()) {
      measured.links.push_back({name, 0, 0, 0});
    }
  }
  double begin = monotonicSeconds();
  while (
      measured.rounds < rounds &&
      (measured.rounds == 0 || monotonicSeconds() - begin < kEnoughSeconds)) {
    if (limits) {
      AIR_RETURN_IF_ERROR(limits->measure());
    }
    executor.resetCounters();
    AIR_ASSIGN_OR_RETURN(double prefillSeconds, work.prefill());
    prefills.push_back(prefillSeconds);
    measured.prefillFlops = static_cast<double>(executor.counters().flops);
    executor.resetCounters();
    StreamedPhase before(session);
    const uint64_t copiedBefore = session.copiedBytes();
    AIR_ASSIGN_OR_RETURN(double decodeSeconds, work.decode());
    decodes.push_back(decodeSeconds);
    waits.push_back(work.lastWaitedSeconds());
    firstTokens.push_back(prefillSeconds != 0 ? prefillSeconds
                                              : work.lastFirstTokenSeconds());
    decoded = executor.counters();
    if (limits) {
      reportStreaming(session, before, StreamedPhase(session), passes,
                      measured);
    }
    if (const uint64_t once = copiedPerPass(session); limits && once != 0) {
      BenchLink &copies =
          *std::ranges::find(measured.links, "pcie", &BenchLink::name);
      copies.minimalBytesPerToken = static_cast<double>(once);
      copies.minimalBytesPerPass = copies.minimalBytesPerToken;
      copies.bytesPerToken =
          static_cast<double>(session.copiedBytes() - copiedBefore) /
          static_cast<double>(passes);
    }
    measured.tokenSeconds.insert(measured.tokenSeconds.end(),
                                 work.lastTokenSeconds().begin(),
                                 work.lastTokenSeconds().end());
    ++measured.rounds;
  }
  std::sort(measured.tokenSeconds.begin(), measured.tokenSeconds.end());
  measured.prefillSeconds = medianOf(prefills);
  measured.decodeSeconds = medianOf(decodes);
  if (measured.streaming) {
    measured.streaming->waitedSeconds = medianOf(waits);
  }
  measured.firstTokenWarmSeconds = medianOf(firstTokens);
  if (!limits) {
    return Status::ok();
  }
  setMemoryBytes(session, decoded, passes, measured);
  AIR_RETURN_IF_ERROR(limits->measure());
  for (size_t i = 0; i < measured.links.size(); ++i) {
    measured.links[i].limitPerSecond = limits->limit(i);
    measured.links[i].usualPerSecond = limits->usual(i);
  }
  if (const std::optional<KeptShares> kept = limits->kept()) {
    measured.kept = *kept;
    measured.isKeptMeasured = true;
  }
  // If too few weights stay in memory, the memory's bandwidth cannot be
  // measured, and is 0 here.
  if (measured.links[0].limitPerSecond == 0) {
    measured.links.erase(measured.links.begin());
  }
  return Status::ok();
}

/// Adds to `measured` what the plan predicts for passes with the placement in
/// use: the tokens per second of decode passes, which stay 0 if the plan did
/// not know the machine's bandwidths, and the traffic of each link in a decode
/// pass and in a verify pass. Also adds the sizes of the rings in VRAM and RAM,
/// and sets BenchMeasurement::kept to the shares of the plan's machine.
void addPlanPrediction(rt::Session &session, BenchMeasurement &measured) {
  measured.kept = keptShares(fromPlan(*session.plan().machine()));
  const plan::Placement &placement =
      *session.plan().placements()->Get(session.placement());
  measured.gpuRingBytes = static_cast<double>(placement.device_ring_bytes());
  measured.ramRingBytes = static_cast<double>(placement.ring_bytes());
  const auto *predictions = placement.predictions();
  if (predictions == nullptr) {
    return;
  }
  for (const plan::Prediction *prediction : *predictions) {
    const bool isDecode = prediction->phase()->string_view() == "decode";
    if (!isDecode && prediction->phase()->string_view() != "verify") {
      continue;
    }
    if (isDecode && prediction->nanoseconds() != 0) {
      measured.planRate = 1e9 / static_cast<double>(prediction->nanoseconds());
    }
    if (prediction->links() == nullptr) {
      continue;
    }
    for (const plan::LinkPrediction *link : *prediction->links()) {
      (isDecode ? measured.planLinks : measured.planVerifyLinks)
          .push_back({link->link()->str(),
                      static_cast<double>(link->bytes_per_pass()),
                      static_cast<double>(link->bandwidth()), 0});
    }
  }
}

Result<std::vector<CurvePoint>>
verifyCurve(const std::vector<uint64_t> &tokens, rt::Session &session,
            Workload &work, uint32_t rounds, BenchMeasurement &measured,
            const std::function<double(size_t link)> &measureAgain) {
  work.end();
  const double begin = monotonicSeconds();
  AIR_ASSIGN_OR_RETURN(std::vector<CurvePoint> curve,
                       measureCurve(session, tokens, rounds, [&] {
                         return monotonicSeconds() - begin >= kEnoughSeconds;
                       }));
  AIR_RETURN_IF_ERROR(checkCurve(curve, measured, measureAgain));
  return curve;
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
       .defaultText = "64, or half the context if that is less",
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
      {.name = "--verify-curve",
       .kind = cli::ValueKind::String,
       .valueName = "M,M,...",
       .help =
           "For each M, also report how long two kinds of pass take (M tokens "
           "of one sequence, and one token of each of M sequences) and how "
           "many bytes each of them reads from the disk. For 1 and 4 tokens "
           "of one sequence, also report the time that the plan predicts at "
           "the measured rates. The values of M must ascend.",
       .defaultText = kCurveTokens,
       .impliedValue = kCurveTokens},
      {.name = "--random-weights",
       .kind = cli::ValueKind::Flag,
       .help = "Measure a plan that airpack --weightless made for a GPU, with "
               "random weights in place of those that it lacks. The times are "
               "the same as with the model's weights, but the answers mean "
               "nothing."},
      jsonOption(),
      threadsOption(),
      deviceOption(),
      ramOption(),
      ioOption(),
      ioLimitOption(),
      cli::sourceOption()};
  command.examples = {"airrun bench story.air -p 512 -n 64 --json"};
  return command;
}

Status runBench(const cli::Invocation &invocation) {
  double started = monotonicSeconds();
  AIR_ASSIGN_OR_RETURN(rt::Session session, openSession(invocation));
  AIR_ASSIGN_OR_RETURN(auto counts, lengths(invocation, session.context()));
  auto [prefill, decode] = counts;
  std::vector<uint64_t> curveTokens;
  if (const std::optional<std::string> list =
          invocation.text("--verify-curve")) {
    AIR_ASSIGN_OR_RETURN(curveTokens,
                         parseCurveTokens(*list, std::min(session.maxTokens(),
                                                          session.context())));
    if (decode == 0) {
      return usageError("bench: --verify-curve compares passes with the limits "
                        "of memory and disk, which are only measured for "
                        "decode; leave out -n 0");
    }
  }
  AIR_ASSIGN_OR_RETURN(Workload work,
                       Workload::create(session, prefill, decode));
  BenchMeasurement measured;
  measured.threads = session.threads();
  measured.gpu = session.gpu() != nullptr ? session.gpu()->name()->str() : "";
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
      prefill != 0 ? prefilled : prefilled + work.lastFirstTokenSeconds();
  // The peak memory use is read before the bandwidth probe allocates its
  // buffer, so that the buffer is not included.
  measured.peakRssBytes = memoryBytes(session);
  std::optional<LinkLimits> limits;
  if (decode != 0) {
    AIR_ASSIGN_OR_RETURN(
        LinkLimits made,
        LinkLimits::create(invocation, session, bytesOfPass(decoded, decode),
                           static_cast<double>(decoded.cpuBytes) /
                               static_cast<double>(decode)));
    limits.emplace(std::move(made));
    measured.uploadPerSecond = limits->uploadRate();
    measured.decodeTokens -= work.untimed();
  }
  if (decode != 0) {
    addPlanPrediction(session, measured);
  }
  auto rounds =
      static_cast<uint32_t>(invocation.integer("--rounds").value_or(kRounds));
  const rt::CpuLoad load;
  AIR_RETURN_IF_ERROR(measureRounds(session, work, limits, rounds, measured));
  noteLoad(load, "airrun bench");
  // measureRounds() removes the first link, the memory, from measured.links if
  // its limit is unknown. limits->links() still has this link, so there the
  // indices of the other links are higher by `left`.
  size_t left = limits ? limits->links().size() - measured.links.size() : 0;
  const auto measureAgain = [&](size_t link) {
    Result<double> again = limits->measure(link + left);
    measured.links[link].usualPerSecond = limits->usual(link + left);
    return again ? *again : 0;
  };
  raiseLimits(measured, measureAgain);
  if (invocation.has("--steps")) {
    AIR_RETURN_IF_ERROR(timeSteps(session, work, measured));
  }
  std::vector<CurvePoint> curve;
  if (!curveTokens.empty()) {
    AIR_ASSIGN_OR_RETURN(curve, verifyCurve(curveTokens, session, work, rounds,
                                            measured, measureAgain));
  }
  rateFromLinks(measured);
  for (std::vector<PlanLink> *links :
       {&measured.planLinks, &measured.planVerifyLinks}) {
    for (PlanLink &link : *links) {
      if (link.name == "cpu" && limits) {
        link.measuredRate = limits->operandRate();
      }
    }
  }
  addPredictions(measured, curve);
  AIR_ASSIGN_OR_RETURN(BenchReport report, evaluate(measured));
  if (invocation.has("--json")) {
    return writeOut(benchJson(
        measured, report,
        curve.empty() ? "" : "\"verify_curve\": " + curveJson(curve) + ",\n "));
  }
  return writeOut(benchText(measured, report) +
                  (curve.empty() ? "" : curveText(curve)));
}

} // namespace air
