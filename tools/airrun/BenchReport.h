//===- BenchReport.h - the report on a measurement --------------*- C++ -*-===//
//
// A decode pass, which computes one token, reads over one to four links. The
// first is the memory from which the kernels read: RAM, or the memory of a GPU
// (VRAM). If the plan's placement does not keep all weights in this memory,
// other links bring in the rest: from the disk to RAM, from RAM to VRAM, or
// both. The limit of a link is its highest measured bandwidth in bytes per
// second, and its usual rate is the median of the same samples. For VRAM, both
// rates are measured by copies within that memory. The minimal bytes of a link
// are the bytes that each token must read over it. For the first link, these
// are the weights and the KV cache. For the link from the disk, they are the
// weights that each pass reads from the disk, and for the link from RAM to
// VRAM, the weights that each pass copies.
//
// If the CPU computes some layers and a GPU the others, the first two links are
// VRAM and RAM, each with the weights and the KV cache of the layers of its
// device. The two devices work in turn, so the times of these links are added,
// and bound_tok_s treats them as one link, such as "vram+dram".
//
//   bound_tok_s      limit / minimal bytes per token, the smallest of all links
//   beta             minimal bytes / bytes read, the smallest of all links; it
//                    is 1 if nothing is read twice
//   eta              measured tokens per second / bound_tok_s
//   joint_tok_s      if the CPU computes all layers and weights are read from
//                    the disk in every pass: what disk and memory reach
//                    together.
//                    passTime() (CpuRates.h) gives the time of minimal bytes
//                    at the usual rates, with the shares of these rates that
//                    disk and memory keep while both are read
//   joint_eta        measured tokens per second / joint_tok_s. It may be above
//                    1, because the usual rates are no limits
//   predicted_tok_s  what the plan predicts at the usual rates.
//                    overlappedTime() (CpuRates.h) gives the time of the cores
//                    for a token. Without a GPU, passTime() combines it with
//                    the time of the disk, with the same shares as above. With
//                    a GPU, a token takes as long as the kernels, the disk or
//                    the copies to VRAM, whichever takes longest. If the CPU
//                    computes some layers, the time of the kernels is that of
//                    the cores plus that of the GPU. While the CPU works,
//                    copies can only fill the ring in VRAM. Reads from the disk
//                    can then only fill the ring in RAM, and the room that
//                    these copies free in it. The rest is copied and read while
//                    the GPU works. The time of the GPU is therefore the time
//                    of VRAM or, if longer, the time to copy or to read this
//                    rest
//   share            (bytes read / measured time) / limit, for each link
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_BENCHREPORT_H
#define AIRPACK_TOOLS_AIRRUN_BENCHREPORT_H

#include "formats/machine/CpuRates.h"
#include "formats/support/Status.h"
#include "runtime/exec/Executor.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace air {

/// What decode reads over one link.
struct BenchLink {
  /// "dram", "vram", "cache", "disk" or "pcie". If both a CPU and a GPU
  /// compute, "cpu-cache" and "gpu-cache" take the place of "cache".
  std::string name;
  double minimalBytesPerToken = 0;
  double bytesPerToken = 0;
  double limitPerSecond = 0; ///< the best measured rate, in bytes/s
  double usualPerSecond = 0; ///< the median of the measured rates, in bytes/s
  /// The part of minimalBytesPerToken that a pass of several tokens reads only
  /// once, not once per token.
  double minimalBytesPerPass = 0;
  /// Links with this flag are used one after another, never at the same time.
  bool isInTurn = false;
};

/// How a plan runs if memory does not hold all of its weights. All sizes are in
/// bytes.
struct BenchStreaming {
  std::string method; ///< how the disk is read: "uring", "pread", "buffered"
  uint32_t placement = 0; ///< its index in the plan
  uint64_t residentBytes = 0;
  uint64_t ringBytes = 0;
  uint64_t bytesPerPass = 0;
  double waitedSeconds = 0; ///< waiting for weights, as part of decodeSeconds
  /// The bytes that this process read from storage per decoded token
  /// (/proc/self/io); 0 if the system does not count them.
  double systemBytesPerToken = 0;
};

/// What the plan's prediction for the placement in use says about one limit of
/// a pass: a memory, a bus, the disk, or the arithmetic of the cores.
struct PlanLink {
  /// "dram", "vram", "pcie", "disk" or "cpu", as in the plan.
  std::string name;
  double bytesPerPass = 0;
  double planRate = 0;     ///< in bytes/s; 0: not known to the plan
  double measuredRate = 0; ///< in bytes/s; 0: not measured by this run
};

/// What was measured. prefillSeconds and decodeSeconds are medians over all
/// rounds, and tokenSeconds has one time for each token decoded in any round. A
/// phase with 0 tokens was not run and is left out of reports.
struct BenchMeasurement {
  uint32_t threads = 0;
  std::string gpu; ///< the plan's name of the GPU that runs the kernels, or ""
  uint32_t rounds = 0;
  uint64_t prefillTokens = 0;
  double prefillSeconds = 0;
  double prefillFlops = 0;
  uint64_t decodeTokens = 0;
  double decodeSeconds = 0;
  std::vector<double> tokenSeconds; ///< times of the decoded tokens, ascending
  std::vector<BenchLink> links;
  std::optional<BenchStreaming> streaming;
  /// The rate of copies from pinned host memory to the GPU, in bytes/s; 0 if it
  /// was not measured.
  double uploadPerSecond = 0;
  double planRate = 0; ///< the plan's prediction in tokens/s; 0 if none
  /// The size in bytes of the ring in VRAM to which passes copy weights; 0 if
  /// there is none.
  double gpuRingBytes = 0;
  /// The size in bytes of the ring in RAM to which passes read weights from the
  /// disk; 0 if there is none.
  double ramRingBytes = 0;
  /// While both are read, disk and memory each reach only a share of the rate
  /// that they have alone. These are the shares that this run measured, or if
  /// it measured none, those of the plan's machine.
  KeptShares kept;
  bool isKeptMeasured = false;
  /// The links in the plan's predictions of a decode pass and of a verify pass
  /// (PredictedPhases.h); empty if the plan has no such prediction.
  std::vector<PlanLink> planLinks;
  std::vector<PlanLink> planVerifyLinks;
  uint64_t peakRssBytes = 0;
  /// The seconds until the first token, including loading the weights.
  double firstTokenSeconds = 0;
  /// The seconds until the first token of a later round, with weights in RAM.
  double firstTokenWarmSeconds = 0;
  /// The name of each kind of step, with the seconds that its steps take in one
  /// prefill and in one decode phase. Empty without --steps.
  std::vector<std::pair<std::string, std::pair<double, double>>> steps;
};

struct BenchReport {
  double prefillRate = 0; ///< tokens/s
  double decodeRate = 0;
  double boundRate = 0;
  /// What memory and disk allow together, in tokens/s, and the measured rate
  /// divided by it (joint_tok_s and joint_eta above). Both are 0 if the plan
  /// runs on a GPU, if weights are not read from the disk in every pass, or if
  /// the limit of memory or disk was not measured.
  double jointRate = 0;
  double jointEta = 0;
  /// What the plan predicts at the measured rates, in tokens/s; 0 if it
  /// predicts nothing or a rate was not measured.
  double predictedRate = 0;
  double beta = 0;
  double eta = 0;
  /// The name of the BenchLink whose limit gives boundRate, such as "dram".
  std::string limitedBy;
  struct Link {
    double rate = 0;  ///< bytes/s
    double share = 0; ///< rate / limit
  };
  std::vector<Link> links; ///< in the order of BenchMeasurement::links
};

/// The number of bytes of weights and KV that a pass reads, as an average over
/// `passes` passes.
double bytesOfPass(const rt::RunCounters &counters, uint64_t passes);

/// The link that limits passes that read `passBytes` bytes each: "cache" if all
/// of these bytes stay in a last-level cache of `cacheBytes` bytes from one
/// pass to the next, otherwise "dram".
const char *linkOf(double passBytes, uint64_t cacheBytes);

/// How far a share of the limit may exceed 1 without being an error, since the
/// limit is itself a measurement.
inline constexpr double kShareTolerance = 0.05;

/// The maximum number of times that the limit of a link is measured again
/// because decode ran faster than the limit allows. Measuring RAM takes about
/// 50 ms each time, so other load on the machine has about a second to end.
inline constexpr uint32_t kMostLimitRetries = 20;

/// If decode reads faster than the limit of a link (by more than
/// kShareTolerance), other load on the machine may have slowed down the
/// measurement of the limit. The limit is then measured again until this is no
/// longer so, at most kMostLimitRetries times for each link. `measureAgain`
/// gets the index of a link and returns a new measurement in bytes/s. If it is
/// higher than the limit of the link, it becomes the limit.
void raiseLimits(BenchMeasurement &measured,
                 const std::function<double(size_t link)> &measureAgain);

/// For each PlanLink that has a matching BenchLink, sets PlanLink::measuredRate
/// to BenchLink::usualPerSecond. The BenchLink of a device's cache matches the
/// PlanLink of the device's memory.
void rateFromLinks(BenchMeasurement &measured);

/// The seconds that the plan predicts for a pass if its rates of memory, buses,
/// the disk and arithmetic are replaced by those that this run measured.
/// `links` are those of the plan's prediction of this pass. Returns 0 if there
/// are none, or if this run did not measure one of the rates.
double predictedSeconds(const BenchMeasurement &measured,
                        const std::vector<PlanLink> &links);

/// Computes the report. Returns an Internal error if decode reads faster than a
/// limit by more than kShareTolerance (the message states both rates, or both
/// times for links that are used in turn), if the time of a phase that was run
/// is 0, or if decode was run and there is no link or a link's limit or number
/// of bytes is 0.
Result<BenchReport> evaluate(const BenchMeasurement &measured);

/// `extra` holds any further members of the JSON object, each followed by a
/// comma and a line end.
std::string benchJson(const BenchMeasurement &measured,
                      const BenchReport &report, const std::string &extra = "");
std::string benchText(const BenchMeasurement &measured,
                      const BenchReport &report);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_BENCHREPORT_H
