//===- SegmentContent.h - how a segment's bytes are produced ----*- C++ -*-===//
//
// Each tensor has a recipe, which says how the bytes that kernels read are
// produced from the source's tensors. No weight is read until produceSegment
// streams the segment piece by piece.
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

/// The rows of one matrix, or of several with the same dtype one after another,
/// packed into a layout.
struct MatrixRecipe {
  std::vector<const SourceTensor *> sources;
  Layout layout = Layout::Rows;
};

/// One or more vectors, one after another, every element as float32.
struct VectorRecipe {
  std::vector<const SourceTensor *> sources;
};

/// Each matrix's scale as float32, repeated for each of its rows.
struct RowScaleRecipe {
  struct Part {
    const SourceTensor *scale = nullptr; ///< one element; null means 1
    uint64_t rows = 0;
  };
  std::vector<Part> parts;
};

/// The rope frequencies as float64; shape.factors are read from `factors`.
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

/// The tensors are sorted by offset and do not overlap. The padding between
/// them is zero.
struct SegmentContent {
  std::string name;
  std::vector<TensorContent> tensors;
  uint64_t bytes = 0;
};

/// Internal when a recipe's sources do not match its shape and size; Corrupt
/// when the model's rope has a frequency that the kernels cannot compute.
Status checkContent(const SegmentContent &content);

/// Streams the segment's bytes to `sink` in order. Packing runs on `threads`
/// threads. The bytes do not depend on the number of threads, and memory use
/// does not depend on the segment's size. Releases the source's pages after
/// use.
///
/// Errors: those of checkContent and the sink; Corrupt, with the tensor and the
/// block, when a weight or the scale of a block is NaN or infinite.
Status
produceSegment(const SegmentContent &content, const ModelSource &source,
               unsigned threads,
               const std::function<Status(std::span<const uint8_t>)> &sink);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_SEGMENTCONTENT_H
