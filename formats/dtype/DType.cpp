//===- DType.cpp - the table of numeric formats ---------------------------===//
//
// The block layouts are ggml's (ggml-common.h). For a new dtype, this file
// needs a row in kTypes and a case in decoderOf(); CONTRIBUTING.md has the
// other steps.
//
//===----------------------------------------------------------------------===//
#include "formats/dtype/DType.h"

#include "formats/dtype/Dequantize.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace air {

namespace {

using Decoder = void (*)(const uint8_t *blocks, float *values, uint64_t count);

// The fields of each block: {name, offset, bytes per unit, number of units}. A
// field of fewer than four bytes is one unit, and so is the value of a 64-bit
// dtype. The sizes of all other fields are multiples of four bytes, and these
// fields are divided into 32-bit units, because kernels load whole words.
constexpr BlockField kByte[] = {{"value", 0, 1, 1}};
constexpr BlockField kWord16[] = {{"value", 0, 2, 1}};
constexpr BlockField kWord32[] = {{"value", 0, 4, 1}};
constexpr BlockField kWord64[] = {{"value", 0, 8, 1}};
constexpr BlockField kD2Qs16[] = {{"d", 0, 2, 1}, {"qs", 2, 4, 4}};
constexpr BlockField kQ4x1[] = {
    {"d", 0, 2, 1}, {"m", 2, 2, 1}, {"qs", 4, 4, 4}};
constexpr BlockField kQ5x0[] = {
    {"d", 0, 2, 1}, {"qh", 2, 4, 1}, {"qs", 6, 4, 4}};
constexpr BlockField kQ5x1[] = {
    {"d", 0, 2, 1}, {"m", 2, 2, 1}, {"qh", 4, 4, 1}, {"qs", 8, 4, 4}};
constexpr BlockField kQ8x0[] = {{"d", 0, 2, 1}, {"qs", 2, 4, 8}};
constexpr BlockField kQ8x1[] = {
    {"d", 0, 2, 1}, {"s", 2, 2, 1}, {"qs", 4, 4, 8}};
constexpr BlockField kQ2k[] = {{"scales", 0, 4, 4},
                               {"qs", 16, 4, 16},
                               {"d", 80, 2, 1},
                               {"dmin", 82, 2, 1}};
constexpr BlockField kQ3k[] = {{"hmask", 0, 4, 8},
                               {"qs", 32, 4, 16},
                               {"scales", 96, 4, 3},
                               {"d", 108, 2, 1}};
constexpr BlockField kQ4k[] = {
    {"d", 0, 2, 1}, {"dmin", 2, 2, 1}, {"scales", 4, 4, 3}, {"qs", 16, 4, 32}};
constexpr BlockField kQ5k[] = {{"d", 0, 2, 1},
                               {"dmin", 2, 2, 1},
                               {"scales", 4, 4, 3},
                               {"qh", 16, 4, 8},
                               {"qs", 48, 4, 32}};
constexpr BlockField kQ6k[] = {{"ql", 0, 4, 32},
                               {"qh", 128, 4, 16},
                               {"scales", 192, 4, 4},
                               {"d", 208, 2, 1}};
constexpr BlockField kQ8k[] = {
    {"d", 0, 4, 1}, {"qs", 4, 4, 64}, {"bsums", 260, 4, 8}};
constexpr BlockField kIq2xxs[] = {{"d", 0, 2, 1}, {"qs", 2, 4, 16}};
constexpr BlockField kIq2xs[] = {
    {"d", 0, 2, 1}, {"qs", 2, 4, 16}, {"scales", 66, 4, 2}};
constexpr BlockField kIq2s[] = {{"d", 0, 2, 1},
                                {"qs", 2, 4, 8},
                                {"signs", 34, 4, 8},
                                {"qh", 66, 4, 2},
                                {"scales", 74, 4, 2}};
constexpr BlockField kIq3xxs[] = {
    {"d", 0, 2, 1}, {"qs", 2, 4, 16}, {"gas", 66, 4, 8}};
constexpr BlockField kIq3s[] = {{"d", 0, 2, 1},
                                {"qs", 2, 4, 16},
                                {"qh", 66, 4, 2},
                                {"signs", 74, 4, 8},
                                {"scales", 106, 4, 1}};
constexpr BlockField kIq1s[] = {
    {"d", 0, 2, 1}, {"qs", 2, 4, 8}, {"qh", 34, 4, 4}};
constexpr BlockField kIq1m[] = {
    {"qs", 0, 4, 8}, {"qh", 32, 4, 4}, {"scales", 48, 4, 2}};
constexpr BlockField kIq4xs[] = {{"d", 0, 2, 1},
                                 {"scales_h", 2, 2, 1},
                                 {"scales_l", 4, 4, 1},
                                 {"qs", 8, 4, 32}};
constexpr BlockField kTq1x0[] = {
    {"qs", 0, 4, 12}, {"qh", 48, 4, 1}, {"d", 52, 2, 1}};
constexpr BlockField kTq2x0[] = {{"qs", 0, 4, 16}, {"d", 64, 2, 1}};
constexpr BlockField kMxfp4[] = {{"e", 0, 1, 1}, {"qs", 1, 4, 4}};
constexpr BlockField kNvfp4[] = {{"d", 0, 4, 1}, {"qs", 4, 4, 8}};

constexpr DTypeInfo kTypes[] = {
    {DType::F32, "F32", 1, 4, true, kWord32},
    {DType::F16, "F16", 1, 2, true, kWord16},
    {DType::Q4_0, "Q4_0", 32, 18, true, kD2Qs16},
    {DType::Q4_1, "Q4_1", 32, 20, true, kQ4x1},
    {DType::Q5_0, "Q5_0", 32, 22, true, kQ5x0},
    {DType::Q5_1, "Q5_1", 32, 24, true, kQ5x1},
    {DType::Q8_0, "Q8_0", 32, 34, true, kQ8x0},
    {DType::Q8_1, "Q8_1", 32, 36, false, kQ8x1},
    {DType::Q2_K, "Q2_K", 256, 84, true, kQ2k},
    {DType::Q3_K, "Q3_K", 256, 110, true, kQ3k},
    {DType::Q4_K, "Q4_K", 256, 144, true, kQ4k},
    {DType::Q5_K, "Q5_K", 256, 176, true, kQ5k},
    {DType::Q6_K, "Q6_K", 256, 210, true, kQ6k},
    {DType::Q8_K, "Q8_K", 256, 292, false, kQ8k},
    {DType::IQ2_XXS, "IQ2_XXS", 256, 66, true, kIq2xxs},
    {DType::IQ2_XS, "IQ2_XS", 256, 74, true, kIq2xs},
    {DType::IQ3_XXS, "IQ3_XXS", 256, 98, true, kIq3xxs},
    {DType::IQ1_S, "IQ1_S", 256, 50, true, kIq1s},
    {DType::IQ4_NL, "IQ4_NL", 32, 18, true, kD2Qs16},
    {DType::IQ3_S, "IQ3_S", 256, 110, true, kIq3s},
    {DType::IQ2_S, "IQ2_S", 256, 82, true, kIq2s},
    {DType::IQ4_XS, "IQ4_XS", 256, 136, true, kIq4xs},
    {DType::I8, "I8", 1, 1, false, kByte},
    {DType::I16, "I16", 1, 2, false, kWord16},
    {DType::I32, "I32", 1, 4, false, kWord32},
    {DType::I64, "I64", 1, 8, false, kWord64},
    {DType::F64, "F64", 1, 8, true, kWord64},
    {DType::IQ1_M, "IQ1_M", 256, 56, true, kIq1m},
    {DType::BF16, "BF16", 1, 2, true, kWord16},
    {DType::TQ1_0, "TQ1_0", 256, 54, true, kTq1x0},
    {DType::TQ2_0, "TQ2_0", 256, 66, true, kTq2x0},
    {DType::MXFP4, "MXFP4", 32, 17, true, kMxfp4},
    {DType::NVFP4, "NVFP4", 64, 36, true, kNvfp4},
    {DType::Q1_0, "Q1_0", 128, 18, true, kD2Qs16},
    {DType::Q2_0, "Q2_0", 64, 18, true, kD2Qs16},
};

/// Returns whether the fields of `type` are in order, have no gaps or overlaps,
/// and end where the block ends.
constexpr bool fieldsCoverBlock(const DTypeInfo &type) {
  uint32_t end = 0;
  for (const BlockField &field : type.fields) {
    if (field.offset != end || field.count == 0) {
      return false;
    }
    end += static_cast<uint32_t>(field.unit) * field.count;
  }
  return end == type.blockBytes;
}

static_assert(std::ranges::all_of(kTypes, fieldsCoverBlock),
              "a dtype's fields must cover its block exactly");
static_assert(std::ranges::is_sorted(kTypes, std::ranges::less{},
                                     &DTypeInfo::id),
              "the table must be sorted by id");

Decoder decoderOf(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return dequant::f32;
  case DType::F16:
    return dequant::f16;
  case DType::Q4_0:
    return dequant::q4x0;
  case DType::Q4_1:
    return dequant::q4x1;
  case DType::Q5_0:
    return dequant::q5x0;
  case DType::Q5_1:
    return dequant::q5x1;
  case DType::Q8_0:
    return dequant::q8x0;
  case DType::Q8_1:
    return dequant::q8x1;
  case DType::Q2_K:
    return dequant::q2k;
  case DType::Q3_K:
    return dequant::q3k;
  case DType::Q4_K:
    return dequant::q4k;
  case DType::Q5_K:
    return dequant::q5k;
  case DType::Q6_K:
    return dequant::q6k;
  case DType::Q8_K:
    return dequant::q8k;
  case DType::IQ2_XXS:
    return dequant::iq2xxs;
  case DType::IQ2_XS:
    return dequant::iq2xs;
  case DType::IQ3_XXS:
    return dequant::iq3xxs;
  case DType::IQ1_S:
    return dequant::iq1s;
  case DType::IQ4_NL:
    return dequant::iq4nl;
  case DType::IQ3_S:
    return dequant::iq3s;
  case DType::IQ2_S:
    return dequant::iq2s;
  case DType::IQ4_XS:
    return dequant::iq4xs;
  case DType::I8:
    return dequant::i8;
  case DType::I16:
    return dequant::i16;
  case DType::I32:
    return dequant::i32;
  case DType::I64:
    return dequant::i64;
  case DType::F64:
    return dequant::f64;
  case DType::IQ1_M:
    return dequant::iq1m;
  case DType::BF16:
    return dequant::bf16;
  case DType::TQ1_0:
    return dequant::tq1x0;
  case DType::TQ2_0:
    return dequant::tq2x0;
  case DType::MXFP4:
    return dequant::mxfp4;
  case DType::NVFP4:
    return dequant::nvfp4;
  case DType::Q1_0:
    return dequant::q1x0;
  case DType::Q2_0:
    return dequant::q2x0;
  }
  __builtin_unreachable(); // the cases cover every DType
}

const DTypeInfo *findById(uint32_t id) {
  const auto *it = std::ranges::lower_bound(
      kTypes, id, std::ranges::less{},
      [](const DTypeInfo &type) { return static_cast<uint32_t>(type.id); });
  if (it == std::end(kTypes) || static_cast<uint32_t>(it->id) != id) {
    return nullptr;
  }
  return it;
}

} // namespace

std::span<const DTypeInfo> allDTypes() { return kTypes; }

const DTypeInfo &info(DType dtype) {
  const DTypeInfo *found = findById(static_cast<uint32_t>(dtype));
  assert(found && "every DType must be in the table");
  return *found;
}

std::optional<DType> dtypeFromId(uint32_t id) {
  const DTypeInfo *found = findById(id);
  return found ? std::optional(found->id) : std::nullopt;
}

std::optional<DType> dtypeFromName(std::string_view name) {
  const auto *it = std::ranges::find(kTypes, name, &DTypeInfo::name);
  return it == std::end(kTypes) ? std::nullopt : std::optional(it->id);
}

Result<uint64_t> rowBytes(DType dtype, uint64_t elements) {
  const DTypeInfo &type = info(dtype);
  if (elements % type.blockElements != 0) {
    return corruptError("a row of " + countOf(elements, "element") +
                        " is not a whole number of " + std::string(type.name) +
                        " blocks of " + countOf(type.blockElements, "element"));
  }
  std::optional<uint64_t> bytes =
      checkedMul(elements / type.blockElements, type.blockBytes);
  if (!bytes) {
    return corruptError("a row of " + std::to_string(elements) + " " +
                        std::string(type.name) +
                        " elements takes 2^64 bytes or more");
  }
  return *bytes;
}

void dequantize(DType dtype, const uint8_t *blocks, float *values,
                uint64_t count) {
  decoderOf(dtype)(blocks, values, count / info(dtype).blockElements);
}

} // namespace air
