//===- DType.h - the numeric formats, as one table --------------*- C++ -*-===//
//
// A dtype says what the numbers are: how many elements share a block, how many
// bytes a block takes, and what value each element has. It says nothing about
// the order of rows (formats/plan/Layout.h) or about the machine.
//
// The ids 0 to 42 are those of GGUF (ggml_type), so the type id of a tensor in
// a file is also the id of its dtype here. The ids of types that ggml has
// removed are absent. Dtypes that GGUF does not have would get ids of 1000 and
// above.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_DTYPE_DTYPE_H
#define AIRPACK_FORMATS_DTYPE_DTYPE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace air {

enum class DType : uint16_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q8_1 = 9,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  Q8_K = 15,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  I8 = 24,
  I16 = 25,
  I32 = 26,
  I64 = 27,
  F64 = 28,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
  Q1_0 = 41,
  Q2_0 = 42,
};

/// One run of equal-sized little-endian units inside a block. The fields of a
/// block, in order, cover it exactly. Layouts permute units, never the bytes of
/// a unit.
struct BlockField {
  const char *name; ///< the field's usual name: "d", "qs", "scales", ...
  uint16_t offset;  ///< in bytes, from the start of the block
  uint8_t unit;     ///< size of a unit in bytes: 1, 2, 4 or 8
  uint16_t count;   ///< number of units
};

struct DTypeInfo {
  DType id;
  std::string_view name; ///< for example "Q4_K"
  uint32_t blockElements;
  uint32_t blockBytes;
  bool isWeight; ///< true if weights may have this dtype
  std::span<const BlockField> fields;
};

/// All dtypes, in ascending order of their ids.
std::span<const DTypeInfo> allDTypes();
const DTypeInfo &info(DType dtype);
std::optional<DType> dtypeFromId(uint32_t id);
std::optional<DType> dtypeFromName(std::string_view name);

/// Returns the size in bytes of a row of `elements` elements. Fails with
/// Corrupt if the row is not a whole number of blocks or the size overflows 64
/// bits.
Result<uint64_t> rowBytes(DType dtype, uint64_t elements);

/// Dequantises `count` elements, a multiple of the dtype's blockElements, from
/// `blocks` into `values`. All kernels are tested against the results, which
/// agree with those of gguf-py to the last bit for every dtype that gguf-py
/// supports. `blocks` may contain any bytes.
void dequantize(DType dtype, const uint8_t *blocks, float *values,
                uint64_t count);

} // namespace air

#endif // AIRPACK_FORMATS_DTYPE_DTYPE_H
