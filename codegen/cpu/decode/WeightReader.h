//===- WeightReader.h - loads units of 16 rows at a time --------*- C++ -*-===//
//
// Every kernel that reads weights works on groups of 16 rows with one row a
// lane, whatever the layout (formats/plan/Layout.h): a unit of a block is
// loaded for all 16 rows as one vector. In x16 that is one load; in rows it is
// a gather, and the rows beyond the last one read the last one again.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H
#define AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H

#include "codegen/cpu/builder/KernelBuilder.h"
#include "formats/plan/Layout.h"

namespace air::codegen {

inline constexpr int64_t kRowLanes = kX16Rows;

/// One block of each of a group's 16 rows.
class BlockReader {
public:
  using Value = mlir::Value;

  KernelBuilder &builder() const { return b; }
  const DTypeInfo &dtype() const { return type; }

  /// Unit `constant + dynamic` of a field, 16 lanes: i8, i16, i32 or i64 by the
  /// field's unit. `dynamic` is an i64 or null.
  Value unit(std::string_view field, int64_t constant,
             Value dynamic = {}) const;
  /// A field of 32-bit units.
  Value word(std::string_view field, int64_t constant,
             Value dynamic = {}) const;
  /// A field of one IEEE half, as f32.
  Value half(std::string_view field) const;
  /// Two adjoining 16-bit units in each 32-bit lane, the first one low: rows
  /// only, where one gather is cheaper than two.
  Value pair(int64_t firstUnit) const;
  bool isRows() const { return layout == Layout::Rows; }

private:
  friend class GroupReader;
  BlockReader(KernelBuilder &builder, const DTypeInfo &dtype, Layout order,
              Value start, Value rows)
      : b(builder), type(dtype), layout(order), base(start), laneRows(rows) {}

  KernelBuilder &b;
  const DTypeInfo &type;
  Layout layout;
  Value base;     ///< x16: the block column; rows: the block in lane 0's row
  Value laneRows; ///< rows: byte offsets of the lanes from lane 0, i32
};

/// 16 rows of a matrix.
class GroupReader {
public:
  using Value = mlir::Value;

  /// Rows [16 * group, 16 * group + 16) of the [n, k] matrix at `matrix`.
  GroupReader(KernelBuilder &builder, DType dtype, Layout layout, int64_t n,
              int64_t k, Value matrix, Value group);

  /// The block column `index` (i64); for dtypes without blocks, the column.
  BlockReader block(Value index) const;
  KernelBuilder &builder() const { return b; }
  /// Bytes that one block column takes in memory when it is contiguous (x16),
  /// else 0.
  int64_t streamBytes() const;
  /// Address of what is read `ahead` bytes after block column `index` (x16).
  Value streamAddress(Value index, int64_t ahead) const;
  /// Says where reading goes on after this group; unless said, with the next
  /// group of the matrix.
  void goesOnAt(Value address) { following = address; }
  /// Says that nothing reads this group again before all others are read.
  void isReadOnce() { streamCache = KernelBuilder::Cache::Once; }
  /// Asks for the line of streamAddress().
  void askFor(Value address) const { b.prefetch(address, streamCache); }
  /// Address of the group's first block (x16).
  Value start() const { return base; }
  const DTypeInfo &dtype() const { return type; }

  /// Largest row that rows' 32-bit lane offsets reach.
  static constexpr uint64_t kMaxRowBytes = uint64_t{1} << 27;

private:
  KernelBuilder &b;
  const DTypeInfo &type;
  Layout layout;
  int64_t groupBytes;
  Value base;
  Value laneRows;
  Value following; ///< null: base + groupBytes
  KernelBuilder::Cache streamCache = KernelBuilder::Cache::First;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H
