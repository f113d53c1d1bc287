//===- Compiler.h - from a model file to a plan -----------------*- C++ -*-===//
//
// The compiler as a library; tools/airpack is thin over it. Stages: read the
// source, import it as an llm.model, run the passes, emit records, write.
//
// Nothing here prints; the same options give the same plan from any folder and
// with any number of threads.
//
// Errors: those of the stages: Io, Corrupt, Unsupported, DoesNotFit, Usage.
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
  std::string target = "host"; ///< as resolveProfile
  /// Pre-tokenizer in place of what the file says, or "". Usage when it is not
  /// known or the vocabulary is not byte-level BPE.
  std::string pre;
  std::string kvType;      ///< "f16", "f32", or "" for the default
  std::string activations; ///< "f32", "i8x2", "i8", or "" for the default
  uint64_t context = 0;    ///< tokens; 0 = the default
  uint64_t slots = 0;      ///< sequences; 0 = the default
  /// The plan holds everything but the bytes of weights, which are not read.
  bool weightless = false;
  unsigned threads = 1;
  /// Of products, measured for the target; else the cost model chooses.
  std::optional<std::vector<codegen::TileChoice>> tiles;
};

/// Passes in the order in which they run, by name.
std::vector<std::string> passNames();

class Compiler {
public:
  /// Reads and imports the model.
  static Result<Compiler> load(CompileOptions options);
  ~Compiler();
  Compiler(Compiler &&) noexcept;
  Compiler &operator=(Compiler &&) noexcept;

  const ModelSource &source() const;

  /// What is odd about the model and changes nothing of what it computes, one
  /// sentence each, in the order in which it was found.
  const std::vector<std::string> &notes() const;

  /// Runs the passes up to and including `stopAfter`; all when it is empty.
  /// Usage when no pass has that name. Call once.
  Status run(const std::string &stopAfter);

  /// The module as it stands.
  std::string moduleText() const;

  /// After select-kernels: the plan's products, each once, in the order of
  /// their names.
  Result<std::vector<codegen::KernelUse>> products();

  // After all passes:
  /// The plan's metadata as JSON; segment offsets and digests are 0.
  Result<std::string> planJson() const;
  /// Writes the plan; returns the file's size.
  Result<uint64_t> write(AtomicFile output, const ProgressFn &progress) const;

private:
  /// Everything but segment offsets and digests.
  Result<plan::PlanT> plan() const;

  struct State;
  explicit Compiler(std::unique_ptr<State> initial);
  std::unique_ptr<State> state;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_DRIVER_COMPILER_H
