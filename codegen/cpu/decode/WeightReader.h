//===- WeightReader.h - loads of 16 rows at a time --------------*- C++ -*-===//
//
// Every kernel that reads weights works on row blocks of 16 rows, with one row
// per lane, in either layout (formats/plan/Layout.h). A unit of a block is
// loaded for all 16 rows as one vector. In x16 this is one load. In rows it is
// a gather, in which lanes past the last row read the last row again.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H
#define AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H

#include "codegen/cpu/builder/KernelBuilder.h"
#include "formats/plan/Layout.h"

namespace air::codegen {

inline constexpr int64_t kRowLanes = kX16Rows;

/// One block of each of the 16 rows of a row block.
class BlockReader {
public:
  using Value = mlir::Value;

  KernelBuilder &builder() const { return b; }
  const DTypeInfo &dtype() const { return type; }

  /// Unit `constant + dynamic` of a field in 16 lanes of i8, i16, i32 or i64,
  /// depending on the field's unit. `dynamic` is an i64 or null.
  Value unit(std::string_view field, int64_t constant,
             Value dynamic = {}) const;
  /// The same for a field of 32-bit units.
  Value word(std::string_view field, int64_t constant,
             Value dynamic = {}) const;
  /// A field of one IEEE half, converted to f32.
  Value half(std::string_view field) const;
  /// Two adjacent 16-bit units in each 32-bit lane, the first one in the low
  /// half. Only for layout rows, where one gather is cheaper than two.
  Value pair(int64_t firstUnit) const;
  bool isRows() const { return layout == Layout::Rows; }

private:
  friend class RowBlockReader;
  BlockReader(KernelBuilder &builder, const DTypeInfo &dtype, Layout order,
              Value start, Value rows)
      : b(builder), type(dtype), layout(order), base(start), laneRows(rows) {}

  KernelBuilder &b;
  const DTypeInfo &type;
  Layout layout;
  Value base;     ///< x16: the block column; rows: the block in lane 0's row
  Value laneRows; ///< rows: byte offsets of the lanes relative to lane 0, i32
};

/// A row block: 16 rows of a matrix.
class RowBlockReader {
public:
  using Value = mlir::Value;

  /// Rows [16 * rowBlock, 16 * rowBlock + 16) of the [n, k] matrix at `matrix`.
  RowBlockReader(KernelBuilder &builder, DType dtype, Layout layout, int64_t n,
                 int64_t k, Value matrix, Value rowBlock);

  /// Block column `index` (i64); for a dtype without blocks, column `index`.
  BlockReader block(Value index) const;
  KernelBuilder &builder() const { return b; }
  /// The bytes of a block column if it is contiguous (x16), otherwise 0.
  int64_t streamBytes() const;
  /// The address that is read `ahead` bytes after block column `index` (x16).
  Value streamAddress(Value index, int64_t ahead) const;
  /// Sets the address at which reading continues after this row block. By
  /// default that is the matrix's next row block.
  void continuesAt(Value address) { following = address; }
  /// Uses non-temporal prefetches: this row block is not read again until all
  /// others have been read.
  void streamsOnce() { streamCache = KernelBuilder::Cache::Once; }
  /// Prefetches the line of an address from streamAddress().
  void prefetchWeights(Value address) const {
    b.prefetch(address, streamCache);
  }
  /// The address of the row block's first block (x16).
  Value start() const { return base; }
  const DTypeInfo &dtype() const { return type; }

  /// The largest row for which 32-bit lane offsets suffice in layout rows.
  static constexpr uint64_t kMaxRowBytes = uint64_t{1} << 27;

private:
  KernelBuilder &b;
  const DTypeInfo &type;
  Layout layout;
  int64_t rowBlockBytes;
  Value base;
  Value laneRows;
  Value following; ///< null for base + groupBytes
  KernelBuilder::Cache streamCache = KernelBuilder::Cache::First;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H
