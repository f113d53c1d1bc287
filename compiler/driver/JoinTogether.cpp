//===- JoinTogether.cpp - one form of weights for several targets ---------===//
#include "compiler/driver/JoinTogether.h"

#include <algorithm>
#include <optional>

namespace air::compiler {
namespace {

/// Whether the plan for a CPU has gate and up as one matrix. `loaded` is the
/// compiler of an earlier target, or empty if the model must be read.
/// Afterwards, it is the compiler of this target.
Result<bool> joins(CompileOptions options, std::optional<Compiler> &loaded) {
  // No plan is written, so none is opened to copy segments from.
  options.from.clear();
  options.packed.clear();
  Result<Compiler> compiler = loaded ? loaded->again(std::move(options))
                                     : Compiler::load(std::move(options));
  if (!compiler) {
    return compiler.status();
  }
  loaded.emplace(*std::move(compiler));
  AIR_RETURN_IF_ERROR(loaded->run("select-kernels"));
  return loaded->hasJoinedMatrices();
}

} // namespace

void joinTogether(std::span<CompileOptions *const> options) {
  if (options.size() < 2) {
    return;
  }
  std::optional<Compiler> loaded;
  const bool anyJoins =
      std::ranges::any_of(options, [&](const CompileOptions *each) {
        if (!each->machine->gpus.empty() || each->reference) {
          return false;
        }
        const Result<bool> result = joins(*each, loaded);
        return result.isOk() && *result;
      });
  for (CompileOptions *each : options) {
    each->joinsMatrices = anyJoins;
  }
}

} // namespace air::compiler
