//===- EmulatedGpu.h - models on the emulated GPU ---------------*- C++ -*-===//
//
// The tests of this folder pack models for GPUs that the emulator stands in
// for. The runtime and airrun run the plans through the fake libcuda.so.1.
//
// Thread-safety: one thread, except that EmulatorCompiler::compile() may be
// called by several.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_E2E_EMULATEDGPU_H
#define AIRPACK_TEST_E2E_EMULATEDGPU_H

#include "codegen/cuda/CudaSpec.h"
#include "runtime/exec/Session.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace air::test {

/// A row contains the logits of a token.
using Rows = std::vector<std::vector<float>>;

/// Compiles kernels for the emulator and keeps the results. A source is
/// compiled only once, unless several threads ask for it at the same time.
class EmulatorCompiler final : public codegen::cuda::CudaCompiler {
public:
  explicit EmulatorCompiler(std::string intrinsicsText)
      : text(std::move(intrinsicsText)) {}
  std::string_view intrinsics() const override { return text; }
  std::string version() const override { return "emulator"; }
  Result<std::vector<uint8_t>>
  compile(const std::string &kernel, const std::string &,
          const codegen::cuda::CudaTarget &,
          codegen::cuda::CodeForm form) const override;

private:
  std::string text;
  mutable std::mutex mutex;
  mutable std::map<std::string, std::vector<uint8_t>> known;
};

/// The compiler that all tests of a process share.
std::shared_ptr<const codegen::cuda::CudaCompiler> emulatorCompiler();

/// A function for SessionOptions::gpu that opens the fake driver's GPU.
Result<std::unique_ptr<rt::Device>> openGpu(const plan::Device &record);

/// Runs a batch and returns the logits of the tokens `outputs`.
Rows run(rt::Session &session, const std::vector<int32_t> &tokens,
         const std::vector<rt::SequenceId> &sequences,
         const std::vector<uint32_t> &outputs);

int32_t greedy(const std::vector<float> &row);

/// Opens a plan. If the plan is for a GPU, the fake driver's GPU runs it.
rt::Session openPlan(const std::string &path);

/// Runs the same batch in a session on the CPU and in another one. The logits
/// of the tokens `outputs` (by default of all tokens) must agree. Returns those
/// of the CPU.
Rows runBoth(rt::Session &cpu, rt::Session &other,
             const std::vector<int32_t> &tokens,
             const std::vector<rt::SequenceId> &sequences,
             std::vector<uint32_t> outputs = {});

/// Runs a shell command and returns what it writes to standard output. The test
/// fails unless the command's exit code is `code`.
std::string outputOf(const std::string &command, int code = 0);

/// Runs airrun with the fake driver and returns what it writes to standard
/// output. `arguments` may contain redirections of the shell. The test fails
/// unless airrun's exit code is `code`.
std::string airrun(const std::string &arguments, int code = 0);

/// The number after the first `name` that follows `section` in a text.
double numberAfter(const std::string &text, const std::string &name,
                   const std::string &section = "");

} // namespace air::test

#endif // AIRPACK_TEST_E2E_EMULATEDGPU_H
