//===- Session.h - a plan that is open on this machine ----------*- C++ -*-===//
//
// open() maps the plan, verifies its metadata, and checks that this machine has
// the features and the memory that the plan needs. It allocates all memory,
// loads the kernels and resolves every address. Weights are verified and
// brought into memory later, while the first batch is already being computed
// (runtime/io).
//
// The kernels of a plan run on the CPU, on a GPU, or some of them on the CPU
// and the others on a GPU. The memory of a GPU contains everything that its
// kernels use. If all kernels run on a GPU, the session has no compute threads.
//
//   Session session = *Session::open("model.air", {});
//   SequenceId sequence = *session.newSequence();
//   session.run({tokens, sequences, outputs}, sink);
//
// Ownership: a Session shares the compute threads and the GPU of a Runtime, and
// keeps them alive. It owns everything else that it uses, and can be moved.
// Thread-safety: one caller at a time; the compute threads only work during
// run() and choose(). Different threads may use different sessions. Errors of
// open(): those of PlanFile::open and SourceFiles::open, Mismatch (this machine
// cannot run the plan; the message says why), DoesNotFit (memory), Unsupported
// (a plan whose structure this version does not know, or a plan for a GPU if no
// GPU can be opened), Usage (options that do not suit the plan),
// VerificationFailed (kernels with a wrong digest, or a plan that breaks a
// rule), Io (the system refuses threads or reads), and those of the Device, of
// the Runtime, and of the functions in SessionOptions.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_SESSION_H
#define AIRPACK_RUNTIME_EXEC_SESSION_H

#include "formats/machine/DiskRates.h"
#include "runtime/exec/Executor.h"
#include "runtime/exec/Runtime.h"

#include <functional>
#include <memory>
#include <string>

namespace air {
class PlanFile;
class SourceFiles;
} // namespace air

namespace air::rt {

class DiskStream;

/// Opens a GPU that can run the plan's kernels. `record` is the plan's record
/// of the GPU that they were made for.
using GpuFactory =
    std::function<Result<std::unique_ptr<Device>>(const plan::Device &record)>;

/// Chooses a target of a plan for several targets, and returns its index.
using TargetChooser = std::function<Result<uint32_t>(const PlanFile &file)>;

struct SessionOptions {
  /// The number of compute threads. 0 means one per core of the machine that
  /// the plan was made for, but at most one per core that this process can keep
  /// busy (busyCores() in CpuTopology.h). If a GPU runs all kernels and this is
  /// not 0, open() fails with Usage.
  uint32_t threads = 0;
  /// The largest number of sequences that are live at a time. 0 means one per
  /// page of the KV cache, up to a limit of 256, or less if the context is very
  /// large. If this is less than the number of full-length sequences that the
  /// cache can hold (Plan.slots), 0 means that number instead.
  uint32_t maxSequences = 0;
  /// The RAM that the session may use, in bytes. 0 means all that the machine
  /// and the memory cgroup allow. In both cases, the session uses the first
  /// placement of the plan that fits into what others leave of this memory
  /// (PlacementMemory.h, and for a GPU checkFreeRam() in PlacementChoice.h).
  uint64_t ram = 0;
  /// For a reference plan: the folder of the model's files, or the file if
  /// there is only one; "" means the folder of the plan. If this is not empty
  /// for any other plan, open() fails with Usage.
  std::string source;
  /// How the weights that do not stay in RAM are read: the method, the size of
  /// a block, and the number of blocks in flight. The bandwidth is not used.
  DiskRate reading;
  /// The largest number of bytes of weights to read per second; 0 means no
  /// limit. It has no effect if Session::streaming() is null.
  uint64_t readLimit = 0;
  /// The name of the option with which the user has chosen how to read weights,
  /// such as "--io"; "" if the user has given no such option. If a GPU runs
  /// kernels, and no placement reads weights from the disk in every pass, the
  /// option would have no effect, and open() fails with Usage.
  std::string readOption;
  /// The folder that contains the folders proc and sys from which the limits of
  /// memory are read; "" means the root of the file system.
  std::string memoryRoot;
  /// Whether a weightless plan for a GPU runs with random weights, for
  /// measurements. open() fails with Usage for any other plan.
  bool randomWeights = false;
  /// The threads and GPUs that this session shares with others. If this is
  /// null, the session has threads of its own, and calls `gpu` to open a GPU.
  std::shared_ptr<Runtime> runtime;
  /// Opens the GPU if the plan has kernels for one. Not called if `runtime` can
  /// open GPUs (Runtime::hasGpus()), because `runtime` then opens the GPU. If
  /// `runtime` cannot open GPUs and this function is empty, open() fails with
  /// Unsupported for a plan that has kernels for a GPU.
  GpuFactory gpu;
  /// About how many windows of a SegmentArena may be mapped to the same byte of
  /// its ring. 0 means SegmentArena::kMostMappings. Only tests choose another
  /// value, which must be at least SegmentArena::kLeastMappings.
  uint64_t mostMappings = 0;
  /// Called only if the plan has several targets. If no function is set,
  /// chooseCpuTarget() (TargetChoice.h) is called instead.
  TargetChooser target;
};

class Session {
public:
  static Result<Session> open(const std::string &path,
                              const SessionOptions &options);
  Session(Session &&) noexcept;
  Session &operator=(Session &&) noexcept;
  ~Session();

  const plan::Plan &plan() const;
  /// The path that open() was given.
  const std::string &path() const;
  uint64_t vocabulary() const;
  /// The largest number of tokens in a sequence.
  uint64_t context() const;
  /// The largest number of tokens in a pass. run() splits larger batches.
  uint64_t maxTokens() const;
  /// The number of compute threads; 0 if a GPU runs all kernels.
  uint32_t threads() const;
  /// The compute threads. Between passes, the caller may run other work on
  /// them. Null if a GPU runs all kernels.
  std::shared_ptr<ThreadPool> threadPool() const;
  /// The plan's record of the GPU that runs kernels; null if the CPU runs all.
  const plan::Device *gpu() const;
  /// The object that reads weights from the disk in every pass, or reads the
  /// weights of a reference plan, or decodes coded weights. Null if none of
  /// this is needed.
  DiskStream *streaming() const;
  /// The placement that is in use, as an index into Plan.placements.
  uint32_t placement() const;
  /// The placement that open() would have chosen if other processes had used no
  /// RAM. It has a smaller index than placement() if others leave too little.
  /// Without meaning if a GPU runs kernels.
  uint32_t allowedPlacement() const;
  /// How much of the plan the first pass has read. May be called by any thread
  /// as long as the session is neither moved nor destroyed.
  LoadProgress loading() const;
  /// The bytes of weights that passes have copied to the ring of a GPU so far.
  uint64_t copiedBytes() const;
  /// The model's files from which a reference plan takes its weights; null for
  /// any other plan.
  const SourceFiles *sources() const;

  Result<SequenceId> newSequence();
  void endSequence(SequenceId sequence);
  Status truncate(SequenceId sequence, uint64_t length);
  Result<SequenceId> fork(SequenceId sequence, uint64_t length);
  uint64_t length(SequenceId sequence) const;

  /// Fails with Io if the plan, or one of its sources(), has been overwritten
  /// since it was opened. Weights that change after they were verified lead to
  /// wrong results, so call this after the last run().
  Status checkPlanUnchanged() const;

  /// Runs a batch as Executor.h describes. If it fails with an error that wrong
  /// weights or kernels can cause, and checkPlanUnchanged() fails too, returns
  /// the error of checkPlanUnchanged().
  Status run(const Batch &batch, LogitsSink sink);

  /// Like the functions of Executor with the same names. choose() reports an
  /// overwritten plan as run() does.
  bool canChoose(uint64_t sequences) const;
  bool canDraw(uint64_t sequences) const;
  Status choose(std::span<const int32_t> tokens,
                std::span<const SequenceId> sequences, std::span<int32_t> next,
                bool continues = false, std::span<const TokenDraw> draws = {});

  /// Gives access to the counters and the step times.
  Executor &executor();

private:
  struct Parts;
  /// Returns why a run failed: `status`, or that a file was overwritten.
  Status explain(Status status) const;
  explicit Session(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_SESSION_H
