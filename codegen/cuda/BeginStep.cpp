//===- BeginStep.cpp - embeddings and rotation angles as CUDA text --------===//
#include "codegen/cuda/BeginStep.h"

#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/KernelParts.h"
#include "codegen/cuda/Literals.h"

#include <algorithm>
#include <bit>

namespace air::codegen::cuda {
namespace {

constexpr DType kDTypes[] = {DType::F32,  DType::F16,  DType::Q4_0, DType::Q8_0,
                             DType::Q2_K, DType::Q3_K, DType::Q4_K, DType::Q5_K,
                             DType::Q6_K, DType::BF16, DType::MXFP4};

/// The text of a function that returns element i of a block.
const char *elementText(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32) {
  return ap_float_of_bits(bitsAt(block) | bitsAt(block + 2) << 16);
}
)";
  case DType::F16:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32) { return ap_float_of_half(bitsAt(block)); }
)";
  case DType::BF16:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32) { return ap_float_of_bits(bitsAt(block) << 16); }
)";
  case DType::Q4_0:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = block[2 + i % 16] >> i / 16 * 4 & 15;
  return (float)((int)code - 8) * ap_float_of_half(bitsAt(block));
}
)";
  case DType::Q8_0:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  return (float)(signed char)block[2 + i] * ap_float_of_half(bitsAt(block));
}
)";
  case DType::Q2_K:
    return R"(
// A byte has a scale in its lower and a minimum in its upper 4 bits.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 scale = block[i / 16];
  const u32 code = block[16 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3;
  const float d = ap_float_of_half(bitsAt(block + 80)) * (scale & 15);
  return d * code - ap_float_of_half(bitsAt(block + 82)) * (scale >> 4);
}
)";
  case DType::Q3_K:
    return R"(
// The 6-bit scales have their lower 4 bits in 8 bytes, two in each, and their
// upper 2 bits in the 4 bytes after them.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 part = i / 16;
  const u32 low = block[96 + part % 8] >> part / 8 * 4 & 15;
  const u32 high = block[104 + part % 4] >> part / 4 * 2 & 3;
  const u32 code = (block[32 + i / 128 * 32 + i % 32] >> i / 32 % 4 * 2 & 3) |
                   (block[i % 32] >> i / 32 & 1) << 2;
  const float d = ap_float_of_half(bitsAt(block + 108)) * ((int)(low | high << 4) - 32);
  return d * ((int)code - 4);
}
)";
  case DType::Q4_K:
  case DType::Q5_K:
    return R"(
// The 6-bit scales and minima of blocks 4 to 7 have their upper 2 bits in the
// bytes of blocks 0 to 3.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u8 *packed = block + 4;
  const u32 part = i / 32;
  u32 scale, minimum;
  if (part < 4) {
    scale = packed[part] & 63;
    minimum = packed[part + 4] & 63;
  } else {
    scale = (packed[part + 4] & 15) | packed[part - 4] >> 6 << 4;
    minimum = packed[part + 4] >> 4 | packed[part] >> 6 << 4;
  }
  u32 code = block[kNibbleOffset + i / 64 * 32 + i % 32] >> part % 2 * 4 & 15;
  if (kFifthBit) {
    code |= (block[16 + i % 32] >> part & 1) << 4;
  }
  const float d = ap_float_of_half(bitsAt(block)) * scale;
  return d * code - ap_float_of_half(bitsAt(block + 2)) * minimum;
}
)";
  case DType::Q6_K:
    return R"(
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 half = i / 128, part = i % 128 / 32, at = i % 32;
  const u32 low = block[half * 64 + part % 2 * 32 + at] >> part / 2 * 4 & 15;
  const u32 high = block[128 + half * 32 + at] >> part * 2 & 3;
  const int code = (int)(low | high << 4) - 32;
  const int scale = (signed char)block[192 + i / 16];
  return ap_float_of_half(bitsAt(block + 208)) * (float)scale * (float)code;
}
)";
  default: // the only other dtype is MXFP4
    return R"(
// An e2m1 code has a sign bit, two exponent bits and one mantissa bit. Twice
// its absolute value is 0, 1, 2, 3, 4, 6, 8 or 12.
AP_DEVICE float elementOf(const u8 *block, u32 i) {
  const u32 code = block[1 + i % 16] >> i / 16 * 4 & 15;
  const u32 exponent = code >> 1 & 3;
  const u32 halves = exponent == 0 ? code & 1 : (2 | (code & 1)) << (exponent - 1);
  // `half` is half of the block's scale 2^(e - 127). It is subnormal if e < 2.
  const u32 e = block[0];
  const float half = ap_float_of_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
  const float value = (float)halves * half;
  return (code & 8) != 0 ? -value : value;
}
)";
  }
}

constexpr const char *kText = R"(
AP_DEVICE u32 bitsAt(const u8 *p) { return p[0] | p[1] << 8; }
)";

constexpr const char *kAngles = R"(
// Computes the cosine and the sine of 2 pi * turns, which must not be negative.
AP_DEVICE void turn(double turns, double &cosine, double &sine) {
  const double part = turns - (double)(u64)turns;
  const u32 quarter = (u32)(part * 4 + 0.5); // 0 to 4
  const double x = (part - quarter * 0.25) * 6.283185307179586477;
  const double y = x * x;
  // The remaining angle has at most 45 degrees. Truncating the Taylor series
  // causes errors below 2^-36.
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
// The products of a number of tokens and a number of columns: up to 2^23 in a
// decode step, and up to 2^36 in a prefill.
#if AP_PREFILL
using Index = u64;
#else
using Index = u32;
#endif
AP_KERNEL(KERNEL_NAME, kThreads, 1)
(const u32 *tokenIds, const u8 *table, float *x AP_PARAMETERS) {
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
  const u32 id = tokenIds[token];
  const u8 *row = table + (u64)id * (kColumns / kBlockElements * kBlockBytes);
  for (u32 i = thread; i < kColumns; i += kThreads) {
    x[(Index)token * kColumns + i] =
        id < kVocabulary
            ? kScale * elementOf(row + i / kBlockElements * kBlockBytes, i % kBlockElements)
            : ap_float_of_bits(0x7fffffff); // NaN
  }
#if AP_ANGLES
  for (u32 i = thread; i < kRopeDim / 2; i += kThreads) {
    double cosine, sine;
    turn(ropePositions[token] * inverseFrequency[i] * 0.15915494309189533577, cosine, sine);
    angles[(Index)token * kRopeDim + i] = (float)(kAngleScale * cosine);
    angles[(Index)token * kRopeDim + kRopeDim / 2 + i] = (float)(kAngleScale * sine);
  }
#endif
}
)";

constexpr uint32_t kThreads = 256;

std::string nameOf(DType dtype) { return std::string(info(dtype).name); }

} // namespace

std::span<const DType> beginStepDTypes() { return kDTypes; }

std::string beginStepName(const BeginStep &spec, const CudaTarget &target) {
  std::string name = "begin_" + nameInKernels(spec.dtype);
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
  if (std::ranges::find(kDTypes, spec.dtype) == std::end(kDTypes)) {
    std::string supported;
    for (const DType dtype : kDTypes) {
      supported += (supported.empty() ? "" : ", ") + nameOf(dtype);
    }
    return unsupportedError(where + "does not support embeddings of dtype " +
                            nameOf(spec.dtype) + "; supported: " + supported);
  }
  if (spec.vocabulary < 1 || spec.vocabulary > 1U << 24 || spec.columns < 1 ||
      spec.columns > 1U << 20 || spec.columns % type.blockElements != 0 ||
      spec.tokens < 1 || spec.tokens > kMaxPrefillTokens ||
      spec.ropeDim % 2 != 0 || spec.ropeDim > 1U << 16) {
    return unsupportedError(
        where +
        "cannot be made because one of these numbers is out of range: " +
        std::to_string(spec.tokens) + " tokens (1 to " +
        std::to_string(kMaxPrefillTokens) + "), " +
        std::to_string(spec.vocabulary) + " rows of the table (1 to 2^24), " +
        std::to_string(spec.columns) + " columns of the table (a multiple of " +
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
  kernel.bindings = {"token_ids", "table", "x"};
  const bool angles = spec.ropeDim != 0;
  if (angles) {
    kernel.bindings.insert(kernel.bindings.end(),
                           {"rope_positions", "inverse_frequency", "angles"});
  }
  if (spec.countInMemory) {
    kernel.bindings.emplace_back("token_count");
  }
  std::string &text = kernel.text;
  text = std::string(commonText());
  literal(text, "kThreads", kThreads);
  literal(text, "kVocabulary", spec.vocabulary);
  literal(text, "kColumns", spec.columns);
  literal(text, "kBlockElements", uint32_t{type.blockElements});
  literal(text, "kBlockBytes", uint32_t{type.blockBytes});
  literal(text, "kFifthBit", spec.dtype == DType::Q5_K);
  literal(text, "kNibbleOffset", spec.dtype == DType::Q5_K ? 48U : 16U);
  literal(text, "kScale", spec.scale);
  literal(text, "kRopeDim", spec.ropeDim);
  literal(text, "kAngleScale", spec.angleScale);
  text +=
      dependentLaunchText(spec.dependentLaunch) + "#define AP_ANGLES " +
      (angles ? "1" : "0") + "\n#define AP_COUNT " +
      (spec.countInMemory ? "1" : "0") + "\n#define AP_PREFILL " +
      (spec.tokens > 8 ? "1" : "0") + "\n#define AP_PARAMETERS " +
      (angles ? ", const u32 *ropePositions, const double *inverseFrequency, "
                "float *angles"
              : "") +
      (spec.countInMemory ? ", const u32 *tokenCount" : "") +
      "\n#define KERNEL_NAME " + kernel.name + "\n" + std::string(intrinsics) +
      kText + elementText(spec.dtype) + (angles ? kAngles : "") + kKernel;
  return kernel;
}

} // namespace air::codegen::cuda
