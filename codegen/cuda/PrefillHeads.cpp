//===- PrefillHeads.cpp - RoPE and KV append of many tokens ---------------===//
#include "codegen/cuda/PrefillHeads.h"

#include "codegen/cuda/HeadText.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/KernelParts.h"
#include "codegen/cuda/Literals.h"

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kWarps = 8;

constexpr const char *kSequences = R"(
AP_DEVICE u32 sequenceOf(const More &more, u32 token) { return more.sequences[token]; }
)";

constexpr const char *kText = R"(
AP_KERNEL(KERNEL_NAME, kThreads, 1)
(float *y, const u32 *tokenCount AP_PARAMETERS) {
  const More more = {AP_ARGUMENTS};
  const u32 warp = ap_thread() / 32;
  const u32 lane = ap_thread() % 32;
  const u32 token = ap_block_x();
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  if (token >= *tokenCount) {
    return;
  }
  float *row = y + (u64)token * (kHeads * kHeadDim);
  for (u32 head = warp; head < kHeads; head += kWarps) {
    finishHead(head, token, row + head * kHeadDim, lane, more);
  }
}
)";

} // namespace

std::string prefillHeadsName(const PrefillHeads &spec,
                             const CudaTarget &target) {
  return "prefill_heads_" + headName(spec.heads) + "_m" +
         std::to_string(spec.maxTokens) + "_" + std::string(target.name) +
         (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generatePrefillHeads(const PrefillHeads &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics) {
  const std::string where = "a kernel for " + std::string(target.name) +
                            " that normalises, rotates and stores heads";
  AIR_RETURN_IF_ERROR(checkHeads(spec.heads, where));
  AIR_RETURN_IF_ERROR(
      checkPrefill(spec.maxTokens, spec.dependentLaunch, target, where));
  CudaKernel kernel;
  kernel.name = prefillHeadsName(spec, target);
  kernel.gridX = spec.maxTokens;
  kernel.threads = kWarps * 32;
  kernel.bindings = {"y", "token_count"};
  std::vector<Binding> more = {{"sequences", "const u32 *", "sequences", true}};
  for (const Binding &one : headBindings(spec.heads)) {
    more.push_back(one);
  }
  addBindings(kernel, more);
  std::string &text = kernel.text;
  text = std::string(commonText()) + headLiterals(spec.heads);
  literal(text, "kHeads", headCount(spec.heads));
  literal(text, "kWarps", kWarps);
  literal(text, "kThreads", kernel.threads);
  text += dependentLaunchText(spec.dependentLaunch) + "#define KERNEL_NAME " +
          kernel.name + "\n" + bindingsText(more) + std::string(intrinsics) +
          kSequences + std::string(headText()) + kText;
  return kernel;
}

} // namespace air::codegen::cuda
