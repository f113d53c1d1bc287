//===- WeightDecoders.h - one decoder per dtype -----------------*- C++ -*-===//
//
// A decoder emits the code that turns one block of each of 16 rows
// (BlockReader) into values for a DecodeSink. It knows nothing of layouts,
// token counts or the use of the values. formats/dtype/Dequant*.cpp documents
// the bit layouts, and the values equal those of air::dequantize up to f32
// rounding.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_WEIGHTDECODERS_H
#define AIRPACK_CODEGEN_CPU_DECODE_WEIGHTDECODERS_H

#include "codegen/cpu/decode/DecodeSink.h"
#include "codegen/cpu/decode/WeightReader.h"

#include <array>
#include <span>

namespace air::codegen {

/// Every dtype that has a decoder, ascending by id.
std::span<const DType> decodableDTypes();

/// The dtypes whose weights an Int8Sink can take: their decoders never emit
/// single values (DecodeSink::value()), but only words of bytes or bit fields,
/// in scale groups of 16 or 32 columns. Ascending by id.
std::span<const DType> int8DTypes();

/// The subset of int8DTypes() whose quantised values q (DecodeSink::group())
/// need eight bits: their decoders use signedFields(), or a table with entries
/// of eight bits.
std::span<const DType> eightBitDTypes();
/// The dtypes that use a Codebook. Decoding them takes several times as long as
/// decoding other dtypes.
std::span<const DType> codebookDTypes();
/// The subset of int8DTypes() with a scale per 16 columns instead of 32.
std::span<const DType> scalePer16DTypes();
/// The subset of int8DTypes() whose scale groups have offsets.
std::span<const DType> offsetDTypes();

/// The maximum number of columns in a scale group of a dtype without blocks. A
/// dot product first sums up the products of a group, and then adds the result
/// to the sum of the row.
inline constexpr int64_t kChunkColumns = 256;

/// Decodes columns [first, first + count) of a row block of a matrix that has
/// `k` columns. The sink's column 0 is `first`. `first` and `count` are i64 and
/// multiples of the dtype's block size. For dtypes without blocks, `count` is
/// at most kChunkColumns and, if `k` is a multiple of 8, also a multiple of 8.
/// `prefetchAhead` is the prefetch distance in bytes; 0 disables prefetching.
void decodeColumns(const RowBlockReader &rows, DecodeSink &sink,
                   mlir::Value first, mlir::Value count, int64_t k,
                   int64_t prefetchAhead);

/// Decodes all `k` columns of a row block.
void decodeRows(const RowBlockReader &rows, DecodeSink &sink, int64_t k,
                int64_t prefetchAhead);

// ---- for the decoders -------------------------------------------------------

using DecodeBlock = void (*)(const BlockReader &block, DecodeSink &sink);

void decodeQ4x0(const BlockReader &block, DecodeSink &sink);
void decodeQ4x1(const BlockReader &block, DecodeSink &sink);
void decodeQ5x0(const BlockReader &block, DecodeSink &sink);
void decodeQ5x1(const BlockReader &block, DecodeSink &sink);
void decodeQ8x0(const BlockReader &block, DecodeSink &sink);
void decodeQ1x0(const BlockReader &block, DecodeSink &sink);
void decodeQ2x0(const BlockReader &block, DecodeSink &sink);
void decodeTq1x0(const BlockReader &block, DecodeSink &sink);
void decodeTq2x0(const BlockReader &block, DecodeSink &sink);
void decodeMxfp4(const BlockReader &block, DecodeSink &sink);
void decodeNvfp4(const BlockReader &block, DecodeSink &sink);
void decodeQ2k(const BlockReader &block, DecodeSink &sink);
void decodeQ3k(const BlockReader &block, DecodeSink &sink);
void decodeQ4k(const BlockReader &block, DecodeSink &sink);
void decodeQ5k(const BlockReader &block, DecodeSink &sink);
void decodeQ6k(const BlockReader &block, DecodeSink &sink);
void decodeIq1s(const BlockReader &block, DecodeSink &sink);
void decodeIq1m(const BlockReader &block, DecodeSink &sink);
void decodeIq2xxs(const BlockReader &block, DecodeSink &sink);
void decodeIq2xs(const BlockReader &block, DecodeSink &sink);
void decodeIq2s(const BlockReader &block, DecodeSink &sink);
void decodeIq3xxs(const BlockReader &block, DecodeSink &sink);
void decodeIq3s(const BlockReader &block, DecodeSink &sink);
void decodeIq4nl(const BlockReader &block, DecodeSink &sink);
void decodeIq4xs(const BlockReader &block, DecodeSink &sink);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_WEIGHTDECODERS_H
