//===- WeightReader.cpp - loads units of 16 rows at a time ------*- C++ -*-===//
#include "codegen/cpu/decode/WeightReader.h"

#include "formats/plan/X16Order.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>

namespace air::codegen {

using mlir::Value;

namespace {

constexpr int64_t kLineBytes = 64;

} // namespace

BlockReader::BlockReader(const RowBlockReader &rowBlock, Value start)
    : rows(rowBlock), b(rowBlock.b), type(rowBlock.type),
      layout(rowBlock.layout), base(start) {}

Value BlockReader::unit(std::string_view name, int64_t index,
                        Value section) const {
  auto field =
      std::find_if(type.fields.begin(), type.fields.end(),
                   [&](const BlockField &f) { return f.name == name; });
  assert(field != type.fields.end() && "the dtype has no field of this name");
  const int64_t bytes = field->unit;
  auto element = b.ops().getIntegerType(static_cast<unsigned>(8 * bytes));
  const X16Place place = x16Place(type.id, name, static_cast<uint32_t>(index));
  if (!isRows()) {
    const int64_t offset = kRowLanes * place.offset;
    const int64_t sectionBytes = kRowLanes * place.sectionBytes;
    auto addressFrom = [&](Value start, int64_t at) {
      Value address = b.offset(start, at);
      return section ? b.element(address, section, sectionBytes) : address;
    };
    // A block column (the blocks of 16 rows at the same columns) is divided
    // into lines of kLineBytes from its start on. The load that reads the first
    // byte of a line also prefetches the line at the prefetch distance, so
    // every line is prefetched once with each hint.
    const int64_t line = (offset + kLineBytes - 1) / kLineBytes * kLineBytes;
    if (line < offset + kRowLanes * bytes) {
      assert((!section || sectionBytes % kLineBytes == 0 ||
              prefetchBases.empty()) &&
             "a section must consist of whole cache lines");
      for (const PrefetchBase &ahead : prefetchBases) {
        b.prefetch(addressFrom(ahead.address, line), ahead.hint);
      }
    }
    // The load is unaligned, because block columns follow each other without
    // padding.
    auto lanes = b.vec(element, kRowLanes);
    Value address = addressFrom(base, offset);
    return rows.isInOrder ? b.loadInOrder(lanes, address, 1)
                          : b.load(lanes, address, 1);
  }
  Value address = b.offset(base, field->offset + index * bytes);
  if (section) {
    address = b.element(address, section, place.sectionUnits * bytes);
  }
  if (bytes >= 4) {
    return b.gather(element, address, rows.laneRows, 1);
  }
  Value lanes = b.zero(b.vec(element, kRowLanes));
  for (int64_t lane = 0; lane < kRowLanes; ++lane) {
    Value row = b.zeroExtend(b.extract(rows.laneRows, lane), b.i64());
    lanes = b.insert(b.load(element, b.offset(address, row), 1), lanes, lane);
  }
  return lanes;
}

Value BlockReader::word(std::string_view field, int64_t index,
                        Value section) const {
  Value value = unit(field, index, section);
  assert(getElementTypeOrSelf(value.getType()) == b.i32() &&
         "the unit must have 32 bits");
  return value;
}

Value BlockReader::half(std::string_view field) const {
  return b.floatExtend(b.bitcast(unit(field, 0), b.f16()), b.f32());
}

Value BlockReader::pair(int64_t firstUnit) const {
  assert(isRows() && "only layout rows keeps two units of a row side by side");
  return b.gather(b.i32(), b.offset(base, 2 * firstUnit), rows.laneRows, 1);
}

RowBlockReader::RowBlockReader(KernelBuilder &builder, DType dtype,
                               Layout order, int64_t n, int64_t k,
                               int64_t stride, Value matrix, Value rowBlock)
    : b(builder), type(info(dtype)), layout(order) {
  const int64_t rowBytes = stride / type.blockElements * type.blockBytes;
  rowBlockBytes = kRowLanes * (k / type.blockElements * type.blockBytes);
  base = b.element(matrix, rowBlock, kRowLanes * rowBytes);
  if (layout == Layout::Rows) {
    auto lanes = b.vec(b.i32(), kRowLanes);
    Value first = b.mul(rowBlock, b.i64(kRowLanes));
    Value last = b.truncate(b.sub(b.i64(n - 1), first), b.i32());
    std::array<int32_t, kRowLanes> numbers;
    std::iota(numbers.begin(), numbers.end(), 0);
    Value rows = b.min(b.constants(numbers), b.splat(last, kRowLanes));
    laneRows = b.mul(rows, b.constant(lanes, rowBytes));
  }
}

BlockReader RowBlockReader::block(Value index, int64_t prefetchAhead) const {
  const int64_t side = layout == Layout::Rows ? 1 : kRowLanes;
  BlockReader block(*this, b.element(base, index, side * type.blockBytes));
  for (const Ahead &ahead : prefetches(prefetchAhead)) {
    block.prefetchBases.push_back(
        {streamAddress(index, ahead.bytes), ahead.hint});
  }
  return block;
}

llvm::SmallVector<RowBlockReader::Ahead, 2>
RowBlockReader::prefetches(int64_t ahead) const {
  if (ahead <= 0) {
    return {};
  }
  if (streamHint != StreamHint::T1T0) {
    return {{streamHint, ahead}};
  }
  return {{StreamHint::T1, ahead},
          {StreamHint::T0,
           static_cast<int64_t>(nearDistance(static_cast<uint64_t>(ahead)))}};
}

int64_t RowBlockReader::streamBytes() const {
  return layout == Layout::Rows ? 0 : kRowLanes * type.blockBytes;
}

Value RowBlockReader::streamAddress(Value index, int64_t ahead) const {
  if (!following) {
    return b.offset(b.element(base, index, streamBytes()), ahead);
  }
  Value at = b.add(b.mul(index, b.i64(streamBytes())), b.i64(ahead));
  Value from = b.select(b.less(at, b.i64(rowBlockBytes)), base,
                        b.offset(following, -rowBlockBytes));
  return b.offset(from, at);
}

} // namespace air::codegen
