//===- BeginStep.cpp - embeddings and rotation angles as CUDA text --------===//
#include "codegen/cuda/BeginStep.h"

#include "codegen/cuda/EmbeddingText.h"
#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/KernelParts.h"
#include "codegen/cuda/Literals.h"

#include <algorithm>
#include <bit>

namespace air::codegen::cuda {
namespace {

constexpr const char *kAngles = R"(
// Computes the cosine and the sine of an angle from 0 to 2^51.
AP_DEVICE void turn(double angle, double &cosine, double &sine) {
  // Let angle = n * pi/2 + x, where n is an integer. Adding 1.5 * 2^52 to
  // angle * 2/pi rounds it to n. To subtract n * pi/2 from the angle, pi/2 is
  // divided into two parts, so that the rounding of n * pi/2 does not matter.
  const double n = ap_fma_double(angle, 0.63661977236758134308, 6755399441055744.0) - 6755399441055744.0;
  const u32 quarter = (u32)((u64)n % 4);
  double x = ap_fma_double(n, -1.5707963267948966, angle);
  x = ap_fma_double(n, -6.123233995736766e-17, x);
  const double y = x * x;
  // |x| is at most about pi/4 for small angles, and below 1 for all. The first
  // six terms of the sine's Taylor series and the first seven of the cosine's
  // are accurate to 2^-36 up to pi/4, and to 2^-32 up to 1.
  const double s =
      x * (1 + y * (-1.0 / 6 + y * (1.0 / 120 + y * (-1.0 / 5040 + y * (1.0 / 362880 +
           y * (-1.0 / 39916800))))));
  const double c =
      1 + y * (-1.0 / 2 + y * (1.0 / 24 + y * (-1.0 / 720 + y * (1.0 / 40320 +
          y * (-1.0 / 3628800 + y * (1.0 / 479001600))))));
  const bool swapped = quarter % 2 != 0;
  cosine = swapped ? s : c;
  sine = swapped ? c : s;
  cosine = quarter == 1 || quarter == 2 ? -cosine : cosine;
  sine = quarter == 2 || quarter == 3 ? -sine : sine;
}
)";

constexpr const char *kKernel = R"(
// The type of an index into the embeddings of all tokens. With up to 2^20
// columns, 8 tokens of a decode step have at most 2^23 elements, for which 32
// bits suffice, but 65536 tokens of a prefill have up to 2^36.
#if AP_PREFILL
using Index = u64;
#else
using Index = u32;
#endif
AP_KERNEL(KERNEL_NAME, kThreads, 1)
(AP_PARAMETERS) {
  const u32 thread = ap_thread();
  const u32 token = ap_block_x();
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
#if AP_COUNT
  if (token >= *tokenCount) {
    return;
  }
#endif
#if AP_EMBEDDINGS
  const u32 id = tokenIds[token];
  const u8 *row = table + (u64)id * (kColumns / kBlockElements * kBlockBytes);
  for (u32 i = thread; i < kColumns; i += kThreads) {
    x[(Index)token * kColumns + i] =
        id < kVocabulary
            ? kScale * elementOf(row + i / kBlockElements * kBlockBytes, i % kBlockElements)
            : ap_float_of_bits(0x7fffffff); // NaN
  }
#endif
#if AP_ANGLES
  for (u32 i = thread; i < kRopeDim / 2; i += kThreads) {
    double cosine, sine;
    turn(ropePositions[token] * inverseFrequency[i], cosine, sine);
    angles[(Index)token * kRopeDim + i] = (float)(kAngleScale * cosine);
    angles[(Index)token * kRopeDim + kRopeDim / 2 + i] = (float)(kAngleScale * sine);
  }
#endif
}
)";

constexpr uint32_t kThreads = 256;

} // namespace

std::string beginStepName(const BeginStep &spec, const CudaTarget &target) {
  std::string name = spec.vocabulary == 0
                         ? "begin_angles"
                         : "begin_" + nameInKernels(spec.dtype);
  auto add = [&](const char *prefix, uint32_t value) {
    name += std::string("_") + prefix + std::to_string(value);
  };
  add("n", spec.vocabulary);
  add("k", spec.columns);
  add("m", spec.tokens);
  name += spec.countInMemory ? "_count" : "";
  add("c", std::bit_cast<uint32_t>(spec.scale));
  add("r", spec.ropeDim);
  add("c", std::bit_cast<uint32_t>(spec.angleScale));
  name += "_" + std::string(target.name);
  return name + (spec.dependentLaunch ? "_d" : "");
}

Result<CudaKernel> generateBeginStep(const BeginStep &spec,
                                     const CudaTarget &target,
                                     std::string_view intrinsics) {
  const std::string where =
      "a kernel for " + std::string(target.name) + " that begins a step ";
  const DTypeInfo &type = info(spec.dtype);
  if (!type.isWeight) {
    return unsupportedError(where + "does not support embeddings of dtype " +
                            std::string(type.name) +
                            ", because weights cannot have this dtype");
  }
  const bool embeddings = spec.vocabulary != 0;
  const bool angles = spec.ropeDim != 0;
  if (!embeddings && !angles) {
    return unsupportedError(where + "cannot be made because it would compute "
                                    "neither embeddings nor angles");
  }
  if (spec.vocabulary > 1U << 24 || (spec.columns == 0) == embeddings ||
      spec.columns > 1U << 20 || spec.columns % type.blockElements != 0 ||
      spec.tokens < 1 || spec.tokens > kMaxPrefillTokens ||
      spec.ropeDim % 2 != 0 || spec.ropeDim > 1U << 16) {
    return unsupportedError(
        where +
        "cannot be made because one of these numbers is out of range: " +
        std::to_string(spec.tokens) + " tokens (1 to " +
        std::to_string(kMaxPrefillTokens) + "), " +
        std::to_string(spec.vocabulary) +
        " rows of the table (at most 2^24), " + std::to_string(spec.columns) +
        " columns of the table (a multiple of " +
        std::to_string(type.blockElements) + ", at most 2^20), " +
        std::to_string(spec.ropeDim) +
        " rotated elements (an even number, at most 2^16)");
  }
  if (spec.dependentLaunch && !target.hasDependentLaunch) {
    return unsupportedError(
        where +
        "cannot use dependent launches: the target does not support them");
  }
  CudaKernel kernel;
  kernel.name = beginStepName(spec, target);
  kernel.gridX = spec.tokens;
  kernel.threads = kThreads;
  std::string parameters;
  const auto add = [&](const char *binding, const char *parameter) {
    kernel.bindings.emplace_back(binding);
    parameters += (parameters.empty() ? "" : ", ") + std::string(parameter);
  };
  if (embeddings) {
    add("token_ids", "const u32 *tokenIds");
    add("table", "const u8 *table");
    add("x", "float *x");
  }
  if (angles) {
    add("rope_positions", "const u32 *ropePositions");
    add("inverse_frequency", "const double *inverseFrequency");
    add("angles", "float *angles");
  }
  if (spec.countInMemory) {
    add("token_count", "const u32 *tokenCount");
  }
  std::string &text = kernel.text;
  text = std::string(commonText());
  literal(text, "kThreads", kThreads);
  literal(text, "kVocabulary", spec.vocabulary);
  literal(text, "kColumns", spec.columns);
  literal(text, "kBlockElements", uint32_t{type.blockElements});
  literal(text, "kBlockBytes", uint32_t{type.blockBytes});
  literal(text, "kScale", spec.scale);
  literal(text, "kRopeDim", spec.ropeDim);
  literal(text, "kAngleScale", spec.angleScale);
  text += dependentLaunchText(spec.dependentLaunch) + "#define AP_EMBEDDINGS " +
          (embeddings ? "1" : "0") + "\n#define AP_ANGLES " +
          (angles ? "1" : "0") + "\n#define AP_COUNT " +
          (spec.countInMemory ? "1" : "0") + "\n#define AP_PREFILL " +
          (spec.tokens > 8 ? "1" : "0") + "\n#define AP_PARAMETERS " +
          parameters + "\n#define KERNEL_NAME " + kernel.name + "\n" +
          std::string(intrinsics) +
          (embeddings ? elementText(spec.dtype) : "") +
          (angles ? kAngles : "") + kKernel;
  return kernel;
}

} // namespace air::codegen::cuda
