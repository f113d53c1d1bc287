//===- SegmentContent.h - how a segment's bytes are made --------*- C++ -*-===//
//
// A recipe per tensor, from tensors of the source to the bytes that kernels
// read. Nothing here is read until produceSegment streams it, piece by piece.
//
// Ownership: `sources` point into a ModelSource that outlives the content.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_EMIT_SEGMENTCONTENT_H
#define AIRPACK_COMPILER_EMIT_SEGMENTCONTENT_H

#include "compiler/emit/RopeFrequencies.h"
#include "formats/model/ModelSource.h"
#include "formats/plan/Layout.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace air::compiler {

/// Rows of one matrix, or of several of one dtype joined, put in a layout.
struct MatrixRecipe {
  std::vector<const SourceTensor *> sources;
  Layout layout = Layout::Rows;
};

/// Vectors joined, every element as float32.
struct VectorRecipe {
  std::vector<const SourceTensor *> sources;
};

/// Each matrix's scale as float32, once for each of its rows.
struct RowScaleRecipe {
  struct Part {
    const SourceTensor *scale = nullptr; ///< one element; null: 1
    uint64_t rows = 0;
  };
  std::vector<Part> parts;
};

/// float64 frequencies of rope; shape.factors come from `factors`.
struct FrequencyRecipe {
  RopeShape shape;
  const SourceTensor *factors = nullptr; ///< dim/2 elements, or null
};

struct TensorContent {
  std::string name;
  std::variant<MatrixRecipe, VectorRecipe, RowScaleRecipe, FrequencyRecipe>
      recipe;
  DType dtype = DType::F32; ///< of the result
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t offset = 0; ///< in the segment
  uint64_t bytes = 0;
};

/// Tensors ascend by offset and do not overlap; bytes between them are zero.
struct SegmentContent {
  std::string name;
  std::vector<TensorContent> tensors;
  uint64_t bytes = 0;
};

/// Internal when a recipe's sources do not add up to its shape and bytes;
/// Corrupt when the model's rope has a frequency that no kernel can turn by.
Status checkContent(const SegmentContent &content);

/// Streams the segment's bytes to `sink` in order. Packs on `threads` threads;
/// the bytes do not depend on their number, memory does not depend on the
/// segment's size. Drops the source's pages once they were used.
///
/// Errors: those of checkContent and the sink; Corrupt when a weight, or the
/// scale of a block of them, is NaN or infinite, with the tensor and the block.
Status
produceSegment(const SegmentContent &content, const ModelSource &source,
               unsigned threads,
               const std::function<Status(std::span<const uint8_t>)> &sink);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_SEGMENTCONTENT_H
