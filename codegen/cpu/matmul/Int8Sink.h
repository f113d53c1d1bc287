//===- Int8Sink.h - weights as bytes ----------------------------*- C++ -*-===//
//
// What the sinks for byte dot products share: every kind of field that a
// decoder says becomes a word of four bytes a lane, in the form that dot
// products take (Int8Dot.h).
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_MATMUL_INT8SINK_H
#define AIRPACK_CODEGEN_CPU_MATMUL_INT8SINK_H

#include "codegen/cpu/decode/DecodeSink.h"

namespace air::codegen {

class ByteSink : public DecodeSink {
public:
  /// byteDTypes() say no single values.
  void value(int64_t column, Value q) final;
  void fields(int64_t column, Value word, int64_t shift, int64_t bits,
              int bias) final;
  void signedFields(int64_t column, Value word) final;
  void bareFields(int64_t column, Value word, int64_t bits, int bias) final {
    bytes(column, word, bits, bias);
  }
  void quarterFields(int64_t column, Value word, int bias) final;
  void bitFields(int64_t column, Value word) final;
  Value fieldScale(Value scale, int64_t) final { return scale; }
  void nibblesThrough(int64_t column, Value word, int64_t shift,
                      const std::array<int8_t, 16> &table) final;

protected:
  using DecodeSink::DecodeSink;

  /// Inside a group: bytes of columns [column, column + 4) of so many bits as
  /// dotBytes() says; with `bias` added, 0 or -2^n and one a group, they are q.
  virtual void bytes(int64_t column, Value word, int64_t bits, int bias) = 0;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_MATMUL_INT8SINK_H
