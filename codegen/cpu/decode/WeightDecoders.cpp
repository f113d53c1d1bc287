//===- WeightDecoders.cpp - the columns of a row block ----------*- C++ -*-===//
#include "codegen/cpu/decode/WeightDecoders.h"

#include <algorithm>
#include <cassert>

namespace air::codegen {

using mlir::Value;

namespace {

struct DecoderRow {
  DType dtype;
  DecodeBlock decode; ///< null for dtypes without blocks
};

// The decoders, sorted by the numerical id of their dtypes.
constexpr std::array kDecoders = {
    DecoderRow{DType::F32, nullptr},
    DecoderRow{DType::F16, nullptr},
    DecoderRow{DType::Q4_0, decodeQ4x0},
    DecoderRow{DType::Q4_1, decodeQ4x1},
    DecoderRow{DType::Q5_0, decodeQ5x0},
    DecoderRow{DType::Q5_1, decodeQ5x1},
    DecoderRow{DType::Q8_0, decodeQ8x0},
    DecoderRow{DType::Q2_K, decodeQ2k},
    DecoderRow{DType::Q3_K, decodeQ3k},
    DecoderRow{DType::Q4_K, decodeQ4k},
    DecoderRow{DType::Q5_K, decodeQ5k},
    DecoderRow{DType::Q6_K, decodeQ6k},
    DecoderRow{DType::IQ2_XXS, decodeIq2xxs},
    DecoderRow{DType::IQ2_XS, decodeIq2xs},
    DecoderRow{DType::IQ3_XXS, decodeIq3xxs},
    DecoderRow{DType::IQ1_S, decodeIq1s},
    DecoderRow{DType::IQ4_NL, decodeIq4nl},
    DecoderRow{DType::IQ3_S, decodeIq3s},
    DecoderRow{DType::IQ2_S, decodeIq2s},
    DecoderRow{DType::IQ4_XS, decodeIq4xs},
    DecoderRow{DType::F64, nullptr},
    DecoderRow{DType::IQ1_M, decodeIq1m},
    DecoderRow{DType::BF16, nullptr},
    DecoderRow{DType::TQ1_0, decodeTq1x0},
    DecoderRow{DType::TQ2_0, decodeTq2x0},
    DecoderRow{DType::MXFP4, decodeMxfp4},
    DecoderRow{DType::NVFP4, decodeNvfp4},
    DecoderRow{DType::Q1_0, decodeQ1x0},
    DecoderRow{DType::Q2_0, decodeQ2x0},
};

constexpr auto kDTypes = [] {
  std::array<DType, kDecoders.size()> ids{};
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = kDecoders[i].dtype;
  }
  return ids;
}();
static_assert(std::is_sorted(kDTypes.begin(), kDTypes.end()));

constexpr std::array kByteDTypes = {
    DType::Q4_0,    DType::Q4_1,   DType::Q5_0,    DType::Q5_1,  DType::Q8_0,
    DType::Q2_K,    DType::Q3_K,   DType::Q4_K,    DType::Q5_K,  DType::Q6_K,
    DType::IQ2_XXS, DType::IQ2_XS, DType::IQ3_XXS, DType::IQ1_S, DType::IQ4_NL,
    DType::IQ3_S,   DType::IQ2_S,  DType::IQ4_XS,  DType::IQ1_M, DType::TQ1_0,
    DType::TQ2_0,   DType::MXFP4,  DType::NVFP4,   DType::Q1_0,  DType::Q2_0};
static_assert(std::is_sorted(kByteDTypes.begin(), kByteDTypes.end()));

constexpr std::array kWholeByteDTypes = {DType::Q8_0, DType::IQ4_NL,
                                         DType::IQ4_XS};

constexpr std::array kCodebookDTypes = {
    DType::IQ2_XXS, DType::IQ2_XS, DType::IQ3_XXS, DType::IQ1_S,
    DType::IQ3_S,   DType::IQ2_S,  DType::IQ1_M};

constexpr std::array kHalfBlockDTypes = {
    DType::Q2_K,  DType::Q3_K,  DType::Q6_K, DType::IQ2_XS,
    DType::IQ2_S, DType::IQ1_M, DType::NVFP4};

constexpr std::array kOffsetDTypes = {DType::Q4_1, DType::Q5_1, DType::Q2_K,
                                      DType::Q4_K, DType::Q5_K, DType::IQ1_S};

constexpr int64_t kLineBytes = 64;

// ---- dtypes without blocks --------------------------------------------------

/// The low 16 bits of each 32-bit lane or, if `second`, the high 16 bits,
/// converted to f32.
Value fromPair(KernelBuilder &b, DType dtype, Value pair, bool second) {
  if (dtype == DType::BF16) {
    Value bits =
        second ? b.andBits(pair, int64_t{0xffff0000}) : b.shiftLeft(pair, 16);
    return b.bitcast(bits, b.f32());
  }
  Value bits = b.truncate(second ? b.shiftRight(pair, 16) : pair, b.i16());
  return b.floatExtend(b.bitcast(bits, b.f16()), b.f32());
}

Value plainValue(KernelBuilder &b, const BlockReader &column) {
  Value bits = column.unit("value", 0);
  switch (column.dtype().id) {
  case DType::F32:
    return b.bitcast(bits, b.f32());
  case DType::F64:
    return b.floatTruncate(b.bitcast(bits, b.f64()), b.f32());
  case DType::BF16:
    return b.bitcast(b.shiftLeft(b.zeroExtend(bits, b.i32()), 16), b.f32());
  default:
    assert(column.dtype().id == DType::F16);
    return b.floatExtend(b.bitcast(bits, b.f16()), b.f32());
  }
}

/// Emits `step` columns, starting at `first`.
void emitPlain(KernelBuilder &b, const RowBlockReader &rows, DecodeSink &sink,
               Value first, int64_t step) {
  const DTypeInfo &type = rows.dtype();
  BlockReader start = rows.block(first);
  if (start.isRows() && type.blockBytes == 2 && step % 2 == 0) {
    for (int64_t i = 0; i < step; i += 2) {
      Value pair = start.pair(i);
      sink.value(i, fromPair(b, type.id, pair, false));
      sink.value(i + 1, fromPair(b, type.id, pair, true));
    }
    return;
  }
  for (int64_t i = 0; i < step; ++i) {
    sink.value(i, plainValue(b, rows.block(b.add(first, b.i64(i)))));
  }
}

void decodePlain(KernelBuilder &b, const RowBlockReader &rows, DecodeSink &sink,
                 Value first, Value count, int64_t k, int64_t prefetchAhead) {
  constexpr int64_t kStep = 8;
  // The number of columns that are announced to the sink at a time. The sink
  // may prefetch the activations of all of them (DotSink::expect()). Too many
  // such prefetches in a row disturb the stream of weights: with 256 columns,
  // Zen 4 reads the weights 8 % more slowly than with 128.
  constexpr int64_t kPart = 128;
  static_assert(kChunkColumns % kPart == 0);
  const Value start = sink.position();
  sink.group(0, kChunkColumns, {}, {}, [&] {
    Value parts = b.div(b.add(count, b.i64(kPart - kStep)), b.i64(kPart));
    sink.repeat(parts, kPart, [&](Value part) {
      Value done = b.mul(part, b.i64(kPart));
      Value columns = b.min(b.sub(count, done), b.i64(kPart));
      sink.expect(kPart);
      sink.repeat(b.div(columns, b.i64(kStep)), kStep, [&](Value turn) {
        Value column = b.add(b.add(first, done), b.mul(turn, b.i64(kStep)));
        // Prefetches into different caches alternate. On a Xeon with tile
        // registers, four of one kind and then four of the other gain nothing.
        const auto prefetches = rows.prefetches(prefetchAhead);
        for (int64_t at = 0; at < kStep * rows.streamBytes();
             at += kLineBytes) {
          for (const RowBlockReader::Ahead &ahead : prefetches) {
            b.prefetch(rows.streamAddress(column, ahead.bytes + at),
                       ahead.hint);
          }
        }
        emitPlain(b, rows, sink, column, kStep);
      });
    });
    if (k % kStep != 0) {
      Value whole = b.andBits(count, -kStep);
      sink.seek(b.add(start, whole));
      sink.repeat(b.sub(count, whole), 1, [&](Value turn) {
        emitPlain(b, rows, sink, b.add(b.add(first, whole), turn), 1);
      });
      sink.seek(start);
    }
  });
}

} // namespace

std::span<const DType> decodableDTypes() { return kDTypes; }

std::span<const DType> int8DTypes() { return kByteDTypes; }

std::span<const DType> eightBitDTypes() { return kWholeByteDTypes; }

std::span<const DType> codebookDTypes() { return kCodebookDTypes; }

std::span<const DType> scalePer16DTypes() { return kHalfBlockDTypes; }

std::span<const DType> offsetDTypes() { return kOffsetDTypes; }

void decodeColumns(const RowBlockReader &rows, DecodeSink &sink, Value first,
                   Value count, int64_t k, int64_t prefetchAhead) {
  KernelBuilder &b = rows.builder();
  const DTypeInfo &type = rows.dtype();
  auto row = std::find_if(
      kDecoders.begin(), kDecoders.end(),
      [&](const DecoderRow &decoder) { return decoder.dtype == type.id; });
  assert(row != kDecoders.end() &&
         "the dtype has no decoder; the kernel registry must refuse it");
  if (rows.streamBytes() == 0) {
    prefetchAhead = 0;
  }
  if (!row->decode) {
    decodePlain(b, rows, sink, first, count, k, prefetchAhead);
    return;
  }
  const int64_t columns = type.blockElements;
  Value firstBlock = b.div(first, b.i64(columns));
  sink.repeat(b.div(count, b.i64(columns)), columns, [&](Value turn) {
    Value index = b.add(firstBlock, turn);
    row->decode(rows.block(index, prefetchAhead), sink);
  });
}

void decodeRows(const RowBlockReader &rows, DecodeSink &sink, int64_t k,
                int64_t prefetchAhead) {
  KernelBuilder &b = rows.builder();
  if (rows.dtype().blockElements > 1) {
    decodeColumns(rows, sink, b.i64(0), b.i64(k), k, prefetchAhead);
    return;
  }
  int64_t chunks = (k + kChunkColumns - 1) / kChunkColumns;
  sink.repeat(b.i64(chunks), kChunkColumns, [&](Value chunk) {
    Value first = b.mul(chunk, b.i64(kChunkColumns));
    Value count = b.min(b.sub(b.i64(k), first), b.i64(kChunkColumns));
    decodeColumns(rows, sink, first, count, k, prefetchAhead);
  });
}

} // namespace air::codegen
