//===- Compiler.h - from a model file to a plan -----------------*- C++ -*-===//
//
// The compiler is a library; tools/airpack is a thin command line over it. The
// stages read the source, import it as an llm.model, run the passes, emit the
// plan's records, and write the file.
//
// Nothing here prints. The same options produce the same plan from any folder
// and with any number of threads.
//
// Errors: those of the stages (Io, Corrupt, Unsupported, DoesNotFit, Usage, and
// for a bug of the compiler VerificationFailed or Internal).
// Thread-safety: one call at a time per Compiler.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DRIVER_COMPILER_H
#define AIRPACK_COMPILER_DRIVER_COMPILER_H

#include "codegen/KernelCache.h"
#include "codegen/KernelListing.h"
#include "codegen/TileChoice.h"
#include "codegen/cuda/CudaSpec.h"
#include "compiler/emit/WritePlan.h"
#include "compiler/planner/ModelNeeds.h"
#include "compiler/transforms/KernelBuild.h"
#include "formats/machine/MachineProfile.h"
#include "formats/model/TokenizerData.h"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace air::compiler {

struct CompileOptions {
  /// The path of the GGUF file. If the model is split, this is its first file.
  std::string model;
  /// The target machine, in a form that resolveProfile accepts.
  std::string target = "host";
  /// The target machine as a profile. If it is set, `target` is ignored.
  std::optional<MachineProfile> machine;
  /// The name of a pre-tokenizer to use instead of the file's, or "". Loading
  /// fails with Usage when the name is unknown or the vocabulary is not
  /// byte-level BPE.
  std::string pre;
  /// A file or folder with the vocabulary to use instead of the model's own
  /// (formats/tokenizer/TokenizerFiles.h), or "". `pre` then names the
  /// pre-tokenizer for a vocab.json.
  std::string tokenizer;
  std::string kvType;      ///< "f16", "f32", or "" for the default
  std::string activations; ///< "f32", "i8x2", "i8", or "" for the default
  uint64_t context = 0;    ///< tokens per sequence; 0 means the default
  uint64_t slots = 0;      ///< number of sequences; 0 means the default
  uint64_t ram = 0;        ///< bytes of RAM; 0 means the target's memory
  /// The size of the GPU's memory in bytes; 0 means the target's size.
  uint64_t vram = 0;
  /// The number of layers, from the first one on, that the CPU computes
  /// although the target has a GPU.
  uint64_t cpuLayers = 0;
  /// If true, the user leaves the choice of cpuLayers to bestCpuLayers(), whose
  /// result must be stored in cpuLayers before the passes run. If false,
  /// cpuLayers is the number that the user asked for.
  bool choosesCpuLayers = false;
  /// Compiles the kernels of a GPU; null means NVRTC.
  std::shared_ptr<const codegen::cuda::CudaCompiler> cuda;
  /// Keeps compiled kernels; null means that all kernels are compiled. The plan
  /// does not depend on it.
  std::shared_ptr<const codegen::KernelCache> kernelCache;
  /// Whether the kernels of a GPU are also stored as PTX, which GPUs that are
  /// newer than the target can run. If so, the kernels use no instructions that
  /// only one architecture has, such as wgmma.
  bool ptx = false;
  /// Whether weights that do not fit in RAM may be read from the disk in every
  /// pass.
  bool disk = true;
  /// How weights are stored: "none", "planes", "zstd", or "auto", which encodes
  /// them where that makes passes faster.
  std::string codec = "auto";
  /// The share of the weights, in percent, that stays in RAM; nullopt means as
  /// much as fits.
  std::optional<uint32_t> pin;
  /// When true, the plan does not contain the bytes of its segments of weights
  /// and tables, and the weights are not read.
  bool weightless = false;
  /// When true, the plan's matrices stay in the model's files. They are still
  /// read, because the plan contains their digests. Must not be combined with
  /// `weightless`.
  bool reference = false;
  /// The path of an existing plan of this model, or "". Segments of the new
  /// plan that are equal to segments of the existing plan are copied from it.
  /// The existing plan may be a fat plan. load() or write() fails if that plan
  /// was made from another model, and write() fails if no segment can be
  /// copied. Must not be combined with `weightless` or `reference`.
  std::string from;
  /// The paths of more plans to copy segments from. They must have been written
  /// by compilers that share this one's loaded model (see again()). Unlike with
  /// `from`, it is not an error if no segment of such a plan can be copied.
  std::vector<std::string> packed;
  /// Whether gate and up of each layer become one matrix even if a plan for
  /// this target alone would keep the two (transforms/JoinMatrices.h). Has no
  /// effect on reference plans and on plans for a GPU. See joinTogether().
  bool joinsMatrices = false;
  unsigned threads = 1;
  /// Whether run() may return while up to `threads` background threads still
  /// compile the kernels. write() waits for them. The plan does not depend on
  /// this option.
  bool background = false;
  /// How many bytes of RAM the plan's budgets reserve for each kernel of the
  /// CPU. If these kernels together need more than is reserved, write()
  /// compiles the model again, which takes longer.
  uint64_t kernelBytes = KernelBuild::kReservedBytes;
  /// A step that reads more bytes of weights than this is divided into several
  /// steps. For models of more than kMostParts times this size, a larger limit
  /// is used instead, so that the plan does not become too large. The limit
  /// decides the size of the ring through which weights are streamed. The limit
  /// is small, because a small ring stays in the caches of the CPU, which makes
  /// reads faster on many machines.
  uint64_t partBytes = uint64_t{4} << 20;
  static constexpr uint64_t kMostParts = 8192;
  /// Tile sizes of matmul kernels that were measured on the target. The cost
  /// model chooses the tile sizes of all other kernels.
  std::optional<std::vector<codegen::TileChoice>> tiles;
};

/// A kernel of the plan, and the kinds of the steps that use it.
struct KernelFile {
  /// "STEPS.KERNEL", where STEPS are the kinds of the steps in alphabetical
  /// order with '+' between them, and KERNEL is the name of the kernel.
  /// Example: "attn_out+ffn_out.matmul_q4_k_x16_m1_n4096_k4096".
  std::string name;
  codegen::KernelListing listing; ///< only for kernels of the CPU
  /// The CUDA C++ source, the machine code and the PTX of a kernel of a GPU.
  /// The machine code or the PTX is empty if the plan does not store it. For a
  /// kernel of the CPU, all three are empty.
  std::string cuda;
  std::vector<uint8_t> cubin;
  std::vector<uint8_t> ptx;
};

/// Returns the names of the passes, in the order in which they run.
std::vector<std::string> passNames();

class Compiler {
public:
  /// Reads and imports the model.
  static Result<Compiler> load(CompileOptions options);

  /// Returns a compiler with other options for the model that this compiler has
  /// read. `options` must name the same model, vocabulary and pre-tokenizer.
  /// Kernels for GPUs that this compiler has compiled are not compiled again.
  Result<Compiler> again(CompileOptions options) const;
  ~Compiler();
  Compiler(Compiler &&) noexcept;
  Compiler &operator=(Compiler &&) noexcept;

  const ModelSource &source() const;

  /// Returns oddities of the model that do not change what it computes, as one
  /// sentence each, in the order in which they were found.
  const std::vector<std::string> &notes() const;

  /// Runs the passes up to and including `stopAfter`, or all of them when
  /// `stopAfter` is empty. Fails with Usage when no pass has that name. May be
  /// called only once.
  Status run(const std::string &stopAfter);

  /// Returns the module's text after the passes that have run.
  std::string moduleText() const;

  /// Whether a step of the plan multiplies by gate and up as one matrix. The
  /// pass select-kernels must have run.
  bool hasJoinedMatrices() const;

  /// Returns the matmul kernels of the plan, each once, sorted by name. The
  /// pass select-kernels must have run.
  Result<std::vector<codegen::KernelUse>> matmuls();

  /// Returns the code of every kernel of the plan: first the kernels of the GPU
  /// and then those of the CPU, each group sorted by the names of the kernels.
  /// The plan links the kernels of the CPU into one object file; here, each of
  /// them is compiled separately. The pass select-kernels must have run.
  Result<std::vector<KernelFile>> kernelFiles();

  /// Returns what the plan needs on the target. The pass schedule-reads must
  /// have run.
  Result<ModelNeeds> needs();

  // The functions below may be called only after all passes have run.

  /// Returns the plan's metadata as JSON, in which all segment offsets and
  /// digests are 0.
  Result<std::string> planJson() const;
  /// Returns the time in seconds at which the last kernel was compiled, on the
  /// clock of monotonicSeconds(). write() or, without
  /// CompileOptions::background, run() must have succeeded.
  double kernelsReadyAt() const;

  /// The size in bytes of the segments that write() has copied from other
  /// plans.
  uint64_t copiedBytes() const;

  /// Writes the plan and returns the file's size in bytes.
  Result<uint64_t> write(AtomicFile output, const ProgressFn &progress) const;

  /// Writes one plan for the targets of all compilers, which must come from the
  /// same loaded model (see again()), and returns the file's size in bytes. The
  /// compilers must have run all passes, without CompileOptions::background.
  /// Their order has no effect on the file. Afterwards, copiedBytes() of the
  /// first compiler includes what was copied for the others.
  ///
  /// Errors: those of write(), and Usage if there are fewer than 2 or more than
  /// kMaxTargets compilers, or if two have the same target.
  static Result<uint64_t> writeTogether(std::span<Compiler> compilers,
                                        AtomicFile output,
                                        const ProgressFn &progress);

private:
  struct Model;
  static Result<Compiler> import(CompileOptions options,
                                 std::shared_ptr<const Model> model);
  /// Finds the segments of `plan` in the plans that the options name.
  Result<std::vector<PackedPlace>>
  packedPlaces(const plan::PlanT &plan,
               const std::vector<SegmentContent> &contents) const;
  /// Fails with Usage if CompileOptions::from names a plan and none of `places`
  /// is in that plan. `segments`, the number of segments of the new plan, is
  /// only needed for the message.
  Status checkCopies(std::span<const PackedPlace> places,
                     size_t segments) const;

  /// Returns the plan's records. Segment offsets and digests are not set yet.
  Result<plan::PlanT> plan() const;

  struct State;
  explicit Compiler(std::unique_ptr<State> initial);
  std::unique_ptr<State> state;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_DRIVER_COMPILER_H
