//===- WeightReader.h - loads of 16 rows at a time --------------*- C++ -*-===//
//
// Every kernel that reads weights works on row blocks of 16 rows, with one row
// per lane, in either layout (formats/plan/Layout.h). A unit of a block is
// loaded for all 16 rows as one vector. In Layout::X16 this is one load. In
// Layout::Rows it is a gather, in which lanes past the last row read the last
// row again. A block column consists of those blocks of the 16 rows that have
// the same columns.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H
#define AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H

#include "codegen/cpu/builder/KernelBuilder.h"
#include "formats/plan/Layout.h"

#include <array>

namespace air::codegen {

inline constexpr int64_t kRowLanes = kX16Rows;

class RowBlockReader;

/// Reads one block of each of the 16 rows of a row block. A BlockReader refers
/// to its RowBlockReader, which must outlive it.
class BlockReader {
public:
  using Value = mlir::Value;

  KernelBuilder &builder() const { return b; }
  const DTypeInfo &dtype() const { return type; }

  /// Loads a unit of the field `field` of the block, one row per lane, in 16
  /// lanes of i8, i16, i32 or i64, depending on the size of the field's units.
  /// The units of a field are divided among sections (formats/plan/X16Order.h).
  /// `index` counts the units of the field within section `section`, which is
  /// an i64; null means section 0.
  ///
  /// A decoder loads every unit once, in the order in which layout x16 stores
  /// the units, so that the addresses of the loads of a block ascend.
  Value unit(std::string_view field, int64_t index, Value section = {}) const;
  /// Like unit(), but for a field of 32-bit units.
  Value word(std::string_view field, int64_t index, Value section = {}) const;
  /// Loads `Count` consecutive words of a section. Element i of the result is
  /// word(field, first + i, section).
  template <size_t Count>
  std::array<Value, Count> words(std::string_view field, int64_t first = 0,
                                 Value section = {}) const {
    std::array<Value, Count> loaded;
    for (size_t i = 0; i < Count; ++i) {
      loaded[i] = word(field, first + static_cast<int64_t>(i), section);
    }
    return loaded;
  }
  /// Loads a field that is one IEEE half, and converts it to f32.
  Value half(std::string_view field) const;
  /// Loads two adjacent 16-bit units into each 32-bit lane, the first one in
  /// the low half. Only for Layout::Rows, where one gather is cheaper than two.
  Value pair(int64_t firstUnit) const;
  bool isRows() const { return layout == Layout::Rows; }

private:
  friend class RowBlockReader;
  BlockReader(const RowBlockReader &rowBlock, Value start);

  const RowBlockReader &rows;
  KernelBuilder &b;
  const DTypeInfo &type;
  Layout layout;
  /// In Layout::X16, the address of the block column. In Layout::Rows, the
  /// address of the block in the row of lane 0.
  Value base;
  /// An address to prefetch when the bytes at `base` are loaded, as
  /// streamAddress() returns it, and the hint.
  struct PrefetchBase {
    Value address;
    StreamHint hint;
  };
  llvm::SmallVector<PrefetchBase, 2> prefetchBases;
};

/// Reads a row block: 16 rows of a matrix.
class RowBlockReader {
public:
  using Value = mlir::Value;

  /// Reads rows [16 * rowBlock, 16 * rowBlock + 16) of the [n, k] matrix at
  /// `matrix`. The matrix may be a part of an [n, stride] matrix, namely k
  /// consecutive columns of it, from a multiple of k on. `matrix` is then the
  /// address of the first of these columns.
  RowBlockReader(KernelBuilder &builder, DType dtype, Layout layout, int64_t n,
                 int64_t k, int64_t stride, Value matrix, Value rowBlock);

  /// Returns block column `index` (i64) or, for a dtype without blocks, column
  /// `index`. If `prefetchAhead` is not 0 (layout x16 only), the loads of the
  /// BlockReader also prefetch the bytes at this distance, each cache line
  /// once. Prefetches that are spread over the loads delay them less than a
  /// burst would.
  BlockReader block(Value index, int64_t prefetchAhead = 0) const;
  KernelBuilder &builder() const { return b; }
  /// The size of a block column in bytes in Layout::X16, where it is
  /// contiguous; 0 in Layout::Rows.
  int64_t streamBytes() const;
  /// The address of the weights that are read `ahead` bytes after the start of
  /// block column `index`. If they lie past the end of this row block, they
  /// belong to what is read after it (see continuesAt()). Only for Layout::X16.
  Value streamAddress(Value index, int64_t ahead) const;
  /// Sets the address at which reading continues after this row block. By
  /// default that is the address at which the row block ends.
  void continuesAt(Value address) { following = address; }
  /// Makes the loads of layout x16 keep their order in the machine code.
  void readsInOrder() { isInOrder = true; }
  /// Sets the hint of the prefetches that accompany loads. By default it is T0.
  void prefetchWith(StreamHint hint) { streamHint = hint; }
  /// A prefetch of what is read `bytes` later.
  struct Ahead {
    StreamHint hint;
    int64_t bytes;
  };
  /// The prefetches of every cache line if the prefetch distance is `ahead`;
  /// none if it is 0.
  llvm::SmallVector<Ahead, 2> prefetches(int64_t ahead) const;
  /// The address of the row block's first block. Only for Layout::X16.
  Value start() const { return base; }
  const DTypeInfo &dtype() const { return type; }

  /// The largest supported number of bytes per row. With this limit, the lane
  /// offsets in Layout::Rows fit in an i32.
  static constexpr uint64_t kMaxRowBytes = uint64_t{1} << 27;

private:
  friend class BlockReader;

  KernelBuilder &b;
  const DTypeInfo &type;
  Layout layout;
  int64_t rowBlockBytes;
  Value base;
  /// In Layout::Rows only: for each lane, the byte offset of its row from the
  /// row of lane 0, as i32.
  Value laneRows;
  /// The address at which reading continues after this row block. Null means
  /// base + rowBlockBytes.
  Value following;
  bool isInOrder = false;
  StreamHint streamHint = StreamHint::T0;
};

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_DECODE_WEIGHTREADER_H
