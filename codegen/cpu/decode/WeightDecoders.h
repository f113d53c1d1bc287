//===- WeightDecoders.h - one decoder a dtype -------------------*- C++ -*-===//
//
// A decoder writes the code that turns one block of 16 rows (BlockReader) into
// values (DecodeSink); layouts, token counts and uses are not its business. The
// formats' bits are those of formats/dtype/Dequant*.cpp, and the values equal
// air::dequantize's up to f32 rounding.
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

/// Those whose decoders say no q by value(), and all in groups of 16 or 32
/// columns: what a ByteDotSink takes. Ascending by id.
std::span<const DType> byteDTypes();

/// Of byteDTypes() those with eight bits a q: signedFields(), or a table of
/// entries that need them.
std::span<const DType> wholeByteDTypes();
/// Those that look vectors up in a CodeBook: several times the work of others.
std::span<const DType> codeBookDTypes();
/// Those of byteDTypes() that have a scale for 16 columns, not 32.
std::span<const DType> halfBlockDTypes();

/// The code below decodes at most this many columns of a dtype without blocks
/// into one partial sum.
inline constexpr int64_t kChunkColumns = 256;

/// Decodes columns [first, first + count) of a group; both are i64, multiples
/// of the dtype's block; without blocks, count <= kChunkColumns. The sink's
/// column 0 is `first`. `k`: the matrix's columns; count is a multiple of what
/// divides k. `prefetchAhead`: bytes ahead of the reader to ask for; 0 for
/// none.
void decodeColumns(const GroupReader &rows, DecodeSink &sink, mlir::Value first,
                   mlir::Value count, int64_t k, int64_t prefetchAhead);

/// All `k` columns.
void decodeRows(const GroupReader &rows, DecodeSink &sink, int64_t k,
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
