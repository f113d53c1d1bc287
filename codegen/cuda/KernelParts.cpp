//===- KernelParts.cpp - what the kernels' generators share ---------------===//
#include "codegen/cuda/KernelParts.h"

#include "codegen/cuda/PrefillMatMul.h"

#include <cctype>

namespace air::codegen::cuda {

std::string nameInKernels(DType dtype, Layout layout) {
  std::string name;
  for (const char c : info(dtype).name) {
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name + (layout == Layout::T16Indices ? "_i" : "");
}

std::string inputName(MatMulInput input) {
  constexpr const char *names[] = {"", "_f32", "_rms", "_layer"};
  return names[static_cast<size_t>(input)];
}

std::string outputName(MatMulOutput output) {
  constexpr const char *names[] = {"",      "_add",   "_silu",
                                   "_gelu", "_heads", "_siluup"};
  return names[static_cast<size_t>(output)];
}

Status checkPrefill(uint32_t maxTokens, bool dependentLaunch,
                    const CudaTarget &target, const std::string &where) {
  if (maxTokens < 1 || maxTokens > kMaxPrefillTokens) {
    return unsupportedError(
        where + " supports 1 to " + std::to_string(kMaxPrefillTokens) +
        " tokens per pass, not " + std::to_string(maxTokens));
  }
  if (dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError(
        where +
        " cannot use dependent launches: the target does not support them");
  }
  return Status::ok();
}

std::string dependentLaunchText(bool dependentLaunch) {
  return std::string("#define AP_DEPENDENT_LAUNCH ") +
         (dependentLaunch ? "1" : "0") + "\n";
}

std::string_view copyText(const CudaTarget &target) {
  return target.hasAsyncCopy ? R"(
AP_DEVICE void copyPieces(u8 *to, const u8 *from, u32 bytes, u32 lane) {
  to += lane * 16;
  from += lane * 16;
#pragma unroll
  for (u32 i = 0; i < bytes; i += 512) {
    if (i + 512 <= bytes || i + lane * 16 < bytes) {
      ap_async_copy16(to + i, from + i);
    }
  }
}
AP_DEVICE void endCopies() { ap_async_commit(); }
template <int pending> AP_DEVICE void waitForCopies() { ap_async_wait<pending>(); }
)"
                             : R"(
AP_DEVICE void copyPieces(u8 *to, const u8 *from, u32 bytes, u32 lane) {
  to += lane * 16;
  from += lane * 16;
#pragma unroll
  for (u32 i = 0; i < bytes; i += 512) {
    if (i + 512 <= bytes || i + lane * 16 < bytes) {
      *(Word4 *)(to + i) = *(const Word4 *)(from + i);
    }
  }
}
AP_DEVICE void endCopies() {}
template <int pending> AP_DEVICE void waitForCopies() {}
)";
}

} // namespace air::codegen::cuda
