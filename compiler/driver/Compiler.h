//===- Compiler.h - from a model file to a plan -----------------*- C++ -*-===//
//
// The compiler as a library; tools/airpack is a thin command line over it. The
// stages read the source, import it as an llm.model, run the passes, emit the
// plan's records, and write the file.
//
// Nothing here prints. The same options give the same plan from any folder and
// with any number of threads.
//
// Errors: those of the stages (Io, Corrupt, Unsupported, DoesNotFit, Usage).
// Thread-safety: one call at a time per Compiler.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DRIVER_COMPILER_H
#define AIRPACK_COMPILER_DRIVER_COMPILER_H

#include "codegen/TileChoice.h"
#include "compiler/emit/WritePlan.h"
#include "formats/model/TokenizerData.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace air::compiler {

struct CompileOptions {
  std::string model;           ///< GGUF file, the first one of a split
  std::string target = "host"; ///< what resolveProfile accepts
  /// The pre-tokeniser to use instead of the one that the file names, or "".
  /// Usage when it is unknown or the vocabulary is not byte-level BPE.
  std::string pre;
  std::string kvType;      ///< "f16", "f32", or "" for the default
  std::string activations; ///< "f32", "i8x2", "i8", or "" for the default
  uint64_t context = 0;    ///< tokens per sequence; 0 = the default
  uint64_t slots = 0;      ///< sequences; 0 = the default
  /// The plan has everything except the weights' bytes, which are not read.
  bool weightless = false;
  unsigned threads = 1;
  /// Tiles of matmuls that were measured on the target. Without them the cost
  /// model chooses.
  std::optional<std::vector<codegen::TileChoice>> tiles;
};

/// The names of the passes, in the order in which they run.
std::vector<std::string> passNames();

class Compiler {
public:
  /// Reads and imports the model.
  static Result<Compiler> load(CompileOptions options);
  ~Compiler();
  Compiler(Compiler &&) noexcept;
  Compiler &operator=(Compiler &&) noexcept;

  const ModelSource &source() const;

  /// Oddities of the model that do not change what it computes: one sentence
  /// each, in the order in which they were found.
  const std::vector<std::string> &notes() const;

  /// Runs the passes up to and including `stopAfter`, or all of them when it is
  /// empty. Usage when no pass has that name. May be called once.
  Status run(const std::string &stopAfter);

  /// The module's text after the passes that have run.
  std::string moduleText() const;

  /// After select-kernels: the matmul kernels of the plan, each once, sorted by
  /// name.
  Result<std::vector<codegen::KernelUse>> matmuls();

  // The rest may be called after all passes have run.
  /// The plan's metadata as JSON. Segment offsets and digests are 0.
  Result<std::string> planJson() const;
  /// Writes the plan; returns the file's size.
  Result<uint64_t> write(AtomicFile output, const ProgressFn &progress) const;

private:
  /// The plan's records without segment offsets and digests.
  Result<plan::PlanT> plan() const;

  struct State;
  explicit Compiler(std::unique_ptr<State> initial);
  std::unique_ptr<State> state;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_DRIVER_COMPILER_H
