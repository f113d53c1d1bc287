//===- DecodeSink.cpp - where decoded weights go ----------------*- C++ -*-===//
#include "codegen/cpu/decode/DecodeSink.h"

#include "codegen/cpu/builder/WordMath.h"

#include <cassert>

namespace air::codegen {

using mlir::Value;

void DecodeSink::group(int64_t first, int64_t count, Value scale, Value offset,
                       llvm::function_ref<void()> values) {
  assert((!offset || count % kRowLanes == 0) &&
         "a group with an offset must consist of whole vectors of activations");
  beginGroup(first, count, scale, offset);
  values();
  endGroup();
}

void DecodeSink::repeat(Value count, int64_t columns,
                        llvm::function_ref<void(Value)> body, int64_t first) {
  const Value outer = cursor;
  Values last = b.loop(b.i64(0), count, b.i64(1), carried(),
                       [&](Value turn, mlir::ValueRange now) {
                         restore(now);
                         cursor = b.add(b.add(outer, b.i64(first)),
                                        b.mul(turn, b.i64(columns)));
                         body(turn);
                         return carried();
                       });
  restore(last);
  cursor = outer;
}

void DecodeSink::fourValues(int64_t column,
                            const std::array<Value, 4> &values) {
  for (int64_t j = 0; j < 4; ++j) {
    value(column + j, values[j]);
  }
}

void DecodeSink::fields(int64_t column, Value word, int64_t shift, int64_t bits,
                        int bias) {
  fourValues(column, WordMath(b).byteFields(word, shift, bits, bias));
}

void DecodeSink::signedFields(int64_t column, Value word) {
  fourValues(column, WordMath(b).byteFields(word));
}

void DecodeSink::packedFields(int64_t column, Value word, int64_t bits,
                              int bias) {
  fourValues(column, WordMath(b).byteFields(word, 0, bits, bias));
}

void DecodeSink::quarterFields(int64_t column, Value word, int bias) {
  for (int64_t place = 0; place < 4; ++place) {
    auto values = WordMath(b).byteFields(word, 2 * place, 2, bias);
    for (int64_t j = 0; j < 4; ++j) {
      value(column + 4 * j + place, values[j]);
    }
  }
}

void DecodeSink::bitFields(int64_t column, Value word) {
  WordMath math(b);
  // A set bit means +1, which is the opposite of a sign bit.
  Value minusOne = b.constant(b.vec(b.f32(), kRowLanes), -1.0);
  for (int64_t j = 0; j < 32; ++j) {
    value(column + j, math.withSign(minusOne, word, j));
  }
}

Value DecodeSink::fieldScale(Value scale, int64_t bits) {
  return WordMath(b).fieldScale(scale, bits);
}

void DecodeSink::nibblesByTable(int64_t column, Value word, int64_t shift,
                                const std::array<int8_t, 16> &table) {
  fourValues(column, WordMath(b).nibblesByTable(table, word, shift));
}

// ---- DotSink ----------------------------------------------------------------

DotSink::DotSink(KernelBuilder &builder, Value x, int64_t rowBytes,
                 int64_t tokens)
    : DecodeSink(builder), xBase(x), xRowBytes(rowBytes), tokenCount(tokens),
      total(tokens, builder.zero(builder.vec(builder.f32(), kRowLanes))) {}

Value DotSink::address(int64_t token, int64_t column) {
  return b.offset(b.element(xBase, cursor, 4), token * xRowBytes + 4 * column);
}

void DotSink::beginGroup(int64_t first, int64_t count, Value scale,
                         Value offset) {
  assert(!open && "a group must not begin inside another group");
  open = true;
  // For groups of 16 or 32 columns, two accumulator chains suffice, because the
  // CPU works on several of these short groups at the same time. In longer
  // groups, more chains hide the latency of the additions.
  const int64_t most = count <= 32 ? 2 : b.isa().hasAvx512 ? 8 : 4;
  chains = std::max<int64_t>(1, most / tokenCount);
  partial.assign(tokenCount * chains, Value());
  groupScale = scale;
  groupOffset = offset;
  activationSums.clear();
  if (offset) {
    auto type = b.vec(b.f32(), kRowLanes);
    for (int64_t token = 0; token < tokenCount; ++token) {
      Value sum = b.load(type, address(token, first), 4);
      for (int64_t i = kRowLanes; i < count; i += kRowLanes) {
        sum = b.add(sum, b.load(type, address(token, first + i), 4));
      }
      activationSums.push_back(b.splat(b.sumLanes(sum), kRowLanes));
    }
  }
}

// Prefetches the activations of these columns into L1, the last cache line
// first. They are not in L1, because the weights of a row block evict them. On
// some CPUs, reading activations from L2 in ascending order slows down the
// stream of weights from memory (docs/cpu-kernels.md). With several tokens,
// arithmetic takes most of the time, so nothing is prefetched.
void DotSink::expect(int64_t columns) {
  constexpr int64_t kLineColumns = 64 / 4;
  if (tokenCount > 1) {
    return;
  }
  for (int64_t at = columns - kLineColumns; at >= 0; at -= kLineColumns) {
    b.prefetch(address(0, at));
  }
}

void DotSink::value(int64_t column, Value q) {
  assert(open && "a value must be inside a group");
  for (int64_t token = 0; token < tokenCount; ++token) {
    Value x = b.loadSplat(address(token, column), kRowLanes);
    Value &sum = partial[token * chains + column % chains];
    sum = sum ? b.fma(q, x, sum) : b.mul(q, x);
  }
}

void DotSink::endGroup() {
  for (int64_t token = 0; token < tokenCount; ++token) {
    Value sum;
    for (int64_t chain = 0; chain < chains; ++chain) {
      Value part = partial[token * chains + chain];
      if (part) {
        sum = sum ? b.add(sum, part) : part;
      }
    }
    if (sum) {
      total[token] = groupScale ? b.fma(groupScale, sum, total[token])
                                : b.add(total[token], sum);
    }
    if (groupOffset) {
      total[token] = b.fma(groupOffset, activationSums[token], total[token]);
    }
  }
  open = false;
}

DecodeSink::Values DotSink::carried() {
  Values values = total;
  if (open) {
    for (Value &part : partial) {
      if (!part) {
        part = b.zero(b.vec(b.f32(), kRowLanes));
      }
    }
    values.append(partial.begin(), partial.end());
  }
  return values;
}

void DotSink::restore(mlir::ValueRange values) {
  total.assign(values.begin(), values.begin() + tokenCount);
  if (open) {
    partial.assign(values.begin() + tokenCount, values.end());
  }
}

} // namespace air::codegen
