//===- PrefillInput.cpp - norms and activations of prefill matmuls --------===//
#include "codegen/cuda/Bindings.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Literals.h"
#include "codegen/cuda/PrefillOperands.h"

#include <bit>

namespace air::codegen::cuda {
namespace {

constexpr uint32_t kWarps = 8;

constexpr const char *kText = R"(
AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const float *x, u8 *operands, float *scales, const u32 *tokenCount AP_PARAMETERS) {
  const More more = {AP_ARGUMENTS};
  u8 *shared = ap_shared();
  const u32 thread = ap_thread();
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  const u32 token = ap_block_x();
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  const u32 count = *tokenCount;
  if (token >= (count + 7) / 8 * 8) {
    return;
  }
  const u32 last = token < count ? token : count - 1;
  const float *row = x + (u64)(kOutputs ? more.outputRows[last] : last) * kColumns;
  prepareActivations(shared, row, more, warp, lane);
  u8 *chunks = operands + (u64)(token / 8) * kUnits * kChunkBytes;
  constexpr u32 kPieces = kUnitColumns / 8;
  for (u32 first = warp * 32; first < kUnits * kPieces; first += kThreads) {
    const u32 piece = first + lane;
    const u32 at = piece % kPieces;
    const bool inside = piece < kUnits * kPieces;
    u8 *chunk = chunks + (u64)(piece / kPieces) * kChunkBytes;
    float f[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (piece * 8 < kColumns) {
      readActivations(f, shared, row, more, 0, piece * 8);
    }
    Rounded rounded;
    float sum = roundActivations(rounded, f);
    if (inside) {
      storeActivations(chunk + token % 8 * (kCoreMatrices ? 16 : 64), at, rounded);
    }
    if (kSumColumns != 0) {
      sum = sumOfColumns(sum);
      if (inside && at % (kSumDivisor / 8) == 0) {
        storeSum(chunk + kChunkSums, token % 8, at * 8 / kSumDivisor, sum);
      }
    }
  }
  if (thread == 0) {
    scales[token] = backScale(shared, 0);
  }
}
)";

} // namespace

Result<PrefillOperands> prefillOperands(const PrefillInput &spec,
                                        const CudaTarget &target,
                                        const std::string &where) {
  PrefillOperands operands{};
  AIR_ASSIGN_OR_RETURN(operands.unit, t16Unit(spec.dtype));
  AIR_ASSIGN_OR_RETURN(operands.form,
                       activationForm(spec.dtype, target, UnitLoop::Prefill));
  AIR_RETURN_IF_ERROR(
      checkPrefill(spec.maxTokens, spec.dependentLaunch, target, where));
  if (spec.columns < 1 || spec.columns > 1U << 20 || spec.columns % 8 != 0 ||
      spec.columns % info(spec.dtype).blockElements != 0) {
    return unsupportedError(
        where + " does not support " + std::to_string(spec.columns) +
        " columns of " + std::string(info(spec.dtype).name) +
        "; their number must be 1 to 2^20, and a multiple of 8 and of " +
        std::to_string(info(spec.dtype).blockElements));
  }
  if (spec.splitActivations && spec.dtype != DType::F16) {
    return unsupportedError(
        where +
        " can split each activation into a sum of two float16 numbers only "
        "with F16 weights, not with " +
        std::string(info(spec.dtype).name) + " weights");
  }
  if (spec.wgmma && !canUseWgmma(spec.dtype, target)) {
    return unsupportedError(
        where + " cannot use wgmma with " + std::string(info(spec.dtype).name) +
        " weights: only sm_90a has this instruction, and it does not multiply "
        "F32 and F64");
  }
  operands.form.split |= spec.splitActivations;
  operands.wgmma = spec.wgmma;
  operands.units =
      static_cast<uint32_t>(t16UnitsPerTile(operands.unit, spec.columns));
  operands.lowOffset = 8 * 2 * operands.unit.columns;
  operands.sumOffset = operands.lowOffset * (operands.form.split ? 2 : 1);
  operands.chunkBytes =
      operands.sumOffset + unitSumBytes(operands.form, operands.unit, 8);
  return operands;
}

std::string operandLiterals(const PrefillOperands &operands) {
  std::string text = formLiterals(operands.form, 8, 32 * 16, operands.wgmma);
  literal(text, "kUnits", operands.units);
  literal(text, "kUnitColumns", operands.unit.columns);
  literal(text, "kXLow", operands.lowOffset);
  literal(text, "kChunkSums", operands.sumOffset);
  literal(text, "kChunkBytes", operands.chunkBytes);
  return text;
}

bool canUseWgmma(DType dtype, const CudaTarget &target) {
  return target.hasWgmma && dtype != DType::F32 && dtype != DType::F64;
}

Result<uint64_t> prefillOperandBytes(const PrefillInput &spec) {
  AIR_ASSIGN_OR_RETURN(const PrefillOperands operands,
                       prefillOperands(spec, *cudaTarget("sm_90a"),
                                       "the input of a prefill matmul"));
  return uint64_t{divideUp(spec.maxTokens, 8)} * operands.units *
         operands.chunkBytes;
}

std::string prefillInputName(const PrefillInput &spec,
                             const CudaTarget &target) {
  std::string name = "prefill_input_" + nameInKernels(spec.dtype);
  auto add = [&](const char *prefix, uint32_t value) {
    name += std::string("_") + prefix + std::to_string(value);
  };
  add("k", spec.columns);
  add("m", spec.maxTokens);
  name += "_" + std::string(target.name) + inputName(spec.input);
  if (isNormed(spec.input)) {
    add("e", std::bit_cast<uint32_t>(spec.epsilon));
  }
  name += spec.splitActivations ? "_split" : "";
  name += spec.wgmma ? "_wgmma" : "";
  name += spec.outputs ? "_outputs" : "";
  return name + (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generatePrefillInput(const PrefillInput &spec,
                                        const CudaTarget &target,
                                        std::string_view intrinsics) {
  const std::string where =
      "the input of a prefill matmul for " + std::string(target.name);
  AIR_ASSIGN_OR_RETURN(const PrefillOperands operands,
                       prefillOperands(spec, target, where));
  if (spec.input == MatMulInput::Half) {
    return unsupportedError(
        where + " is already in float16, so no kernel is needed to convert it");
  }
  CudaKernel kernel;
  kernel.name = prefillInputName(spec, target);
  kernel.gridX = roundUp(spec.maxTokens, 8);
  kernel.threads = kWarps * 32;
  kernel.sharedBytes = (1 + kWarps) * 16;
  kernel.bindings = {"x", "operands", "scales",
                     spec.outputs ? "output_count" : "token_count"};
  const std::vector<Binding> more = {
      {"norm_weight", "const float *", "normWeight", isNormed(spec.input)},
      {"norm_bias", "const float *", "normBias",
       spec.input == MatMulInput::LayerNorm},
      {"output_rows", "const u32 *", "outputRows", spec.outputs},
  };
  addBindings(kernel, more);
  std::string &text = kernel.text;
  text = std::string(commonText()) + operandLiterals(operands);
  literal(text, "kColumns", spec.columns);
  literal(text, "kTokens", 1U);
  literal(text, "kWarps", kWarps);
  literal(text, "kThreads", kernel.threads);
  literal(text, "kTokenScaleOffset", 0U);
  literal(text, "kNorm", isNormed(spec.input));
  literal(text, "kLayerNorm", spec.input == MatMulInput::LayerNorm);
  literal(text, "kEpsilon", spec.epsilon);
  literal(text, "kOutputs", spec.outputs);
  text += dependentLaunchText(spec.dependentLaunch) + "#define KERNEL_NAME " +
          kernel.name + "\n" + bindingsText(more) + std::string(intrinsics) +
          inputText(spec.input) + std::string(roundingText()) + kText;
  return kernel;
}

} // namespace air::codegen::cuda
