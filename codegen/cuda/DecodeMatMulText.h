//===- DecodeMatMulText.h - the pieces of the kernel's text -----*- C++ -*-===//
//
// Private to codegen/cuda. A kernel's text consists of these pieces: constants,
// functions for the T16 units of its dtype, the ring that prefetches weights,
// a function that stages activations, and the kernel with its main loop.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H
#define AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H

#include "codegen/cuda/KernelParts.h"
#include "formats/plan/T16Indices.h"

namespace air::codegen::cuda {

/// The loop that multiplies units. Decode is the loop of a decode step, in
/// which a warp multiplies one tile of rows (or DecodeTiling::heldTiles tiles)
/// by one group of tokens. DecodeFromRegisters is for decode steps whose
/// weights are fetched to registers, which leaves fewer registers for the loop.
/// Prefill is the loop of a prefill without wgmma, and Wgmma is the loop of a
/// prefill with wgmma.
enum class UnitLoop { Decode, DecodeFromRegisters, Prefill, Wgmma };

/// The form in which the kernels of a dtype need the activations.
struct ActivationForm {
  bool halves = false; ///< columns in the order "halves" (T16.h)
  bool bfloat = false; ///< activations are bfloat16 instead of float16
  bool split = false;  ///< each activation is the sum of two numbers
  /// Whether activations stay float32. Each one is then stored as two 16-bit
  /// numbers, its upper and its lower 16 bits. Products and sums are float32.
  bool floats = false;
  uint32_t sumColumns = 0; ///< activations per sum; 0 if no sums are needed
  /// Whether the mean of each `sumColumns` activations is stored instead of
  /// their sum, as two float16 numbers: the rounded mean and its rounding
  /// error.
  bool sumsAsHalves = false;
  /// The correction for the zero point of the codes is this factor times a sum
  /// of activations, if the codes are in the lowest bits of their bytes. If
  /// they begin at bit n, the correction is 2^n times as large.
  float zeroFactor = 0;
  /// Whether the correction for the zero point of a unit is computed by tensor
  /// cores, which multiply the sum of each block of 32 activations by the scale
  /// of the block (broadcastText). This includes sumsAsHalves. Lane 4g+t has
  /// the sums of blocks t and t+4. A scale is the sum of a number that the lane
  /// has as a left operand, and a constant, for which the left operand has ones
  /// (kOnes). The right operands are the sums of activations times zeroFactor,
  /// and then times oddFactor for the scales of blocks 4 to 7, or times
  /// biasFactor for the ones.
  bool scaledSums = false;
  float oddFactor = 1;
  float biasFactor = 0;
  /// Whether the codes are in planes of the kind "sixes" (T16.h). Of every 64
  /// columns, the codes of the first 48 are then multiplied by 16.
  bool sixes = false;
  /// A byte holds codes of 8 / fieldBits successive blocks of 32 columns, which
  /// are multiplied without being shifted to the lowest bits. Unused for dtypes
  /// with neither a zero point nor one scale per 16 columns.
  uint32_t fieldBits = 8;
};

/// The shape of the units of a matrix in layout t16 or t16i. Unsupported if the
/// layout is another one, or does not cover the dtype.
Result<T16Unit> unitOf(DType dtype, Layout layout);

/// Returns the form that the kernels of a dtype need on `target`, or
/// Unsupported if `target` has no kernels for this dtype. `loop` is the loop
/// that the kernels have.
Result<ActivationForm> activationForm(DType dtype, const CudaTarget &target,
                                      UnitLoop loop);

/// Returns how many bytes the sums of activations take for the columns of one
/// unit and `tokens` tokens (1 to 8).
uint32_t unitSumBytes(const ActivationForm &form, const T16Unit &unit,
                      uint32_t tokens);

/// Returns the text of the constants that describe activations in this form:
/// kHalves, kSplitActivations, kBfloat, kFloats, kZeroFactor, kFieldBits,
/// kFields (the number of codes in a byte), kSixes, kBlockStride,
/// kCoreMatrices, and kSum*, for the sums of `tokens` tokens. If kCoreMatrices
/// is set, the 32 columns of a block are stored as four core matrices of wgmma.
/// A block takes two multiplications, each with two of these core matrices.
std::string formLiterals(const ActivationForm &form, uint32_t tokens,
                         uint32_t blockStride, bool coreMatrices = false);

/// Returns the text of struct Unit, loadUnit, struct Sums, multiplyUnits and
/// totalOf. Besides the constants of the dtype's ActivationForm, it uses these:
///   kRowTiles     the number of tiles of 16 rows that a warp multiplies
///   kTokenGroups  the number of groups of 8 tokens by which it multiplies them
///   kLazy         whether weights stay in shared memory until they are
///                 multiplied
///   kTokens       the number of tokens of a group, at most 8
///   kUnitColumns  the number of columns of a unit
///   kGroupStride  the distance in bytes between a lane's activations, or its
///                 sums of activations, for two consecutive groups
///   kBlockStride  the distance in bytes between a lane's activations for two
///                 consecutive blocks of 32 columns
///   kXLow         the distance in bytes from a rounded activation to its
///                 rounding error if activations are split, or from the upper
///                 16 bits of an activation to its lower 16 bits if activations
///                 are float32
///   kXStride      for activations in float32, the distance in bytes from a
///                 token to the next
///   kSplitColumns whether the rounding errors of activations are in columns 4
///                 to 7 of the right operand
/// With wgmma, four warps multiply together, and kCoreMatrices must be set.
std::string unitText(DType dtype, Layout layout, const ActivationForm &form,
                     UnitLoop loop);

/// The part of unitText for the dtypes that are multiplied by float32
/// activations: F32, F64, and BF16 on targets whose tensor cores do not support
/// bfloat16.
std::string floatUnitText(DType dtype);

/// The parts of unitText for dtypes with one scale per 16 columns. halfUnitText
/// returns struct Unit and the functions that read it, and halfMultiplyText
/// returns multiplyUnits.
std::string halfUnitText(DType dtype, UnitLoop loop);
std::string halfMultiplyText(DType dtype, UnitLoop loop);

/// Returns the text of signedScale, which takes one byte of a word of four
/// scales and returns the byte minus `zero` as a float.
std::string signedScaleText(float zero);

/// The parts of unitText for IQ1, IQ2, IQ3, NVFP4, TQ1_0, TQ2_0, Q1_0 and Q2_0:
/// struct Unit and the functions that read it.
std::string smallUnitText(DType dtype, Layout layout, UnitLoop loop);

/// The text for units of layout t16i, in two parts: `load` defines struct Unit
/// and the functions that load it, and `codes` defines the functions that look
/// up its codes. `load` must come before the text of scaleOf or scalesOf, which
/// uses Unit, and `codes` must come after that text, because it may call
/// scaleOf.
struct IndexUnitText {
  std::string load, codes;
};
IndexUnitText indexUnitText(DType dtype);
/// The size of the codebook in shared memory. It is 0 unless `layout` is t16i.
uint32_t codebookBytes(DType dtype, Layout layout);
/// Returns the text of copyCodebook, which copies the codebook to `offset` in
/// shared memory, if the layout has one.
std::string codebookText(DType dtype, Layout layout, uint32_t offset);
/// Returns the text of offsetOf for IQ1_S.
std::string_view offsetText();

/// Returns the text of fieldFactor, which scales the sums of codes that are not
/// in the lowest bits of their bytes.
std::string_view fieldFactorText();
/// Returns the text of kindOf and kindFactor for dtypes with fieldFactor.
std::string_view fieldKindsText();
/// Returns the text of multiplyUnits for a decode step with IQ2_XXS, IQ3_XXS,
/// IQ3_S or IQ4_XS.
std::string_view broadcastText();
/// Whether `loop` is that of a decode step, so that the scales of such dtypes
/// are broadcast.
constexpr bool broadcasts(UnitLoop loop) {
  return loop == UnitLoop::Decode || loop == UnitLoop::DecodeFromRegisters;
}
/// Returns the text of halfScale and superOf, for units whose scales are bytes
/// and whose `super` holds the float16 block scales ("d" in GGUF) of two rows.
std::string wordScalesText();
/// Returns the text of `elements`, which converts e2m1 codes to float16.
std::string_view e2m1Text();
/// Returns the text of codesOf for 4-bit codes in planes of nibbles.
std::string fourBitText();
/// Returns the text of valuesOfBlock, which looks up nibbles in the dtype's
/// table of 16 entries.
std::string tableText(DType dtype);
/// The part of unitText for IQ4_NL and IQ4_XS: struct Unit and the functions
/// that read it.
std::string tableUnitText(DType dtype);

/// Broadcast scales are multiplied by 2^(pickExponent - 24). The right operand
/// 2^pickExponent picks a scale, and the scale itself is a subnormal left
/// operand. The exponents are so small that the sums of float16 activations,
/// times the zero point, do not overflow float16 (ActivationForm::scaledSums).
/// The sums are exact to 2^-24 at best, so activations of
/// MatMulInput::Half, which are not normalised, should not be below about 0.01.
constexpr int pickExponent(DType dtype) {
  switch (dtype) {
  case DType::IQ2_XXS:
    return 13;
  case DType::IQ3_S:
    return 15;
  default: // IQ3_XXS and IQ4_XS
    return 12;
  }
}

/// Returns the text of take16, take8 and take4, with which loadUnit reads
/// weights.
std::string_view takeText(WeightFetch fetch);

/// Returns the text of struct Ring, which prefetches a warp's units in the
/// order in which the kernel takes them. This order depends on kHeldTiles, so
/// the kernel's text must be kernelText(kHeldTiles > 1).
std::string ringText(WeightFetch fetch);

/// Returns the text of prepareActivations, readActivations and backScale, which
/// read x and normalise it.
std::string inputText(MatMulInput input);

/// Returns the text of roundActivations, storeActivations, sumOfColumns and
/// storeSum, which bring activations into the form that multiplyUnits reads.
std::string_view roundingText();
/// Returns the text of stageActivations.
std::string_view activationText();
/// Returns the text of the kernel and its reductions. `held` says whether a
/// warp multiplies several tiles by activations that it holds in registers.
std::string kernelText(bool held);

/// Returns the text of storeOutput, without finishHeads.
std::string storeText(MatMulOutput output);
/// Returns the text of storeOutput and finishHeads.
std::string outputText(MatMulOutput output);

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_DECODEMATMULTEXT_H
