//===- EmulatedGpu.cpp - models on the emulated GPU -----------------------===//
#include "EmulatedGpu.h"

#include "runtime/hal/cuda/CudaDevice.h"
#include "test/codegen/cuda/emulator/Emulator.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <numeric>

namespace air::test {

Result<std::vector<uint8_t>>
EmulatorCompiler::compile(const std::string &kernel, const std::string &,
                          const codegen::cuda::CudaTarget &,
                          codegen::cuda::CodeForm form) const {
  std::vector<uint8_t> object;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (const auto found = known.find(kernel); found != known.end()) {
      object = found->second;
    }
  }
  if (object.empty()) {
    AIR_ASSIGN_OR_RETURN(object, emulator::compileObject({kernel}));
    const std::lock_guard<std::mutex> lock(mutex);
    known[kernel] = object;
  }
  return form == codegen::cuda::CodeForm::Ptx ? fakePtx(object) : object;
}

std::shared_ptr<const codegen::cuda::CudaCompiler> emulatorCompiler() {
  static std::shared_ptr<EmulatorCompiler> made;
  if (!made) {
    Result<std::string> intrinsics = emulator::hostIntrinsicsText();
    EXPECT_TRUE(intrinsics) << intrinsics.status().message();
    made = std::make_shared<EmulatorCompiler>(*std::move(intrinsics));
  }
  return made;
}

Result<std::unique_ptr<rt::Device>> openGpu(const plan::Device &record) {
  AIR_ASSIGN_OR_RETURN(
      std::unique_ptr<rt::CudaDevice> gpu,
      rt::CudaDevice::create(
          {.gpu = {.device = "",
                   .arch = record.arch()->str(),
                   .ptxArch =
                       record.ptx_arch() ? record.ptx_arch()->str() : ""}}));
  return std::unique_ptr<rt::Device>(std::move(gpu));
}

Rows run(rt::Session &session, const std::vector<int32_t> &tokens,
         const std::vector<rt::SequenceId> &sequences,
         const std::vector<uint32_t> &outputs) {
  Rows rows;
  const uint64_t vocabulary = session.vocabulary();
  const Status status = session.run(
      {tokens, sequences, outputs},
      [&](uint64_t, std::span<const float> logits) {
        for (; !logits.empty(); logits = logits.subspan(vocabulary)) {
          rows.emplace_back(logits.begin(),
                            logits.begin() +
                                static_cast<ptrdiff_t>(vocabulary));
        }
        return Status::ok();
      });
  EXPECT_TRUE(status.isOk()) << status.message();
  EXPECT_EQ(rows.size(), outputs.size());
  return rows;
}

int32_t greedy(const std::vector<float> &row) {
  return static_cast<int32_t>(std::max_element(row.begin(), row.end()) -
                              row.begin());
}

/// The Euclidean norm of a - b, divided by that of b.
static double difference(const std::vector<float> &a,
                         const std::vector<float> &b) {
  double error = 0;
  double sum = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    error += std::pow(double{a[i]} - double{b[i]}, 2);
    sum += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(error / sum);
}

rt::Session openPlan(const std::string &path) {
  rt::SessionOptions options;
  options.gpu = openGpu;
  Result<rt::Session> session = rt::Session::open(path, options);
  EXPECT_TRUE(session) << session.status().message();
  return *std::move(session);
}

Rows runBoth(rt::Session &cpu, rt::Session &other,
             const std::vector<int32_t> &tokens,
             const std::vector<rt::SequenceId> &sequences,
             std::vector<uint32_t> outputs) {
  if (outputs.empty()) {
    outputs.resize(tokens.size());
    std::iota(outputs.begin(), outputs.end(), 0);
  }
  const Rows expected = run(cpu, tokens, sequences, outputs);
  const Rows found = run(other, tokens, sequences, outputs);
  for (size_t i = 0; i < std::min(expected.size(), found.size()); ++i) {
    EXPECT_LT(difference(found[i], expected[i]), 1e-3) << "token " << i;
    EXPECT_EQ(greedy(found[i]), greedy(expected[i])) << "token " << i;
  }
  return expected;
}

std::string outputOf(const std::string &command, int code) {
  std::FILE *pipe = popen(command.c_str(), "r");
  std::string text;
  char part[4096];
  while (const size_t got = std::fread(part, 1, sizeof part, pipe)) {
    text.append(part, got);
  }
  const int status = pclose(pipe);
  EXPECT_TRUE(WIFEXITED(status)) << command;
  EXPECT_EQ(WEXITSTATUS(status), code) << command << "\n" << text;
  return text;
}

std::string airrun(const std::string &arguments, int code) {
  return outputOf("LD_LIBRARY_PATH=" AIR_FAKE_CUDA " " AIR_RUN " " + arguments,
                  code);
}

double numberAfter(const std::string &text, const std::string &name,
                   const std::string &section) {
  const size_t begin = text.find(section);
  const size_t at = begin == std::string::npos ? begin : text.find(name, begin);
  EXPECT_NE(at, std::string::npos) << section << name << " in " << text;
  return at == std::string::npos
             ? std::nan("")
             : std::strtod(text.c_str() + at + name.size(), nullptr);
}

} // namespace air::test
