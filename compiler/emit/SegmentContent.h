//===- SegmentContent.h - how a segment's bytes are produced ----*- C++ -*-===//
//
// Each tensor has a recipe, which says how the bytes that kernels read are
// produced from the source's tensors. Except for RoPE factors, no tensor of the
// source is read until produceSegment() streams the segment piece by piece, or
// checkSamples() compares samples of it.
//
// Ownership: recipes point to tensors of a ModelSource, which must outlive the
// SegmentContent.
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

/// A matrix that interleaves gate and up consists of this number of rows of
/// gate, the same number of rows of up, the next rows of gate, and so on. It is
/// half the number of rows of a tile of layout t16 (gluRow() of
/// codegen/cuda/DecodeMatMul.h).
inline constexpr uint64_t kGluRows = 8;

/// Packs the rows of one matrix, or of several matrices of the same dtype, into
/// a layout. The rows of several matrices follow each other, unless one of the
/// other fields is set.
struct MatrixRecipe {
  std::vector<const SourceTensor *> sources;
  Layout layout = Layout::Rows;
  /// If not 0, there are two sources of equal shape, and the packed matrix has
  /// this number of rows of each in turn.
  uint64_t interleavedRows = 0;
  /// If set, there are two sources of equal shape, and each row of the packed
  /// matrix is a row of the first source followed by that row of the second
  /// one. In this case, interleavedRows is 0.
  bool isJoined = false;

  bool operator==(const MatrixRecipe &) const = default;
};

/// Concatenates one or more vectors and converts every element to float32.
struct VectorRecipe {
  std::vector<const SourceTensor *> sources;

  bool operator==(const VectorRecipe &) const = default;
};

/// For each row of each matrix, stores the scale of the matrix as float32.
struct RowScaleRecipe {
  struct Part {
    /// A tensor of one element, or null for a scale of 1.
    const SourceTensor *scale = nullptr;
    uint64_t rows = 0;

    bool operator==(const Part &) const = default;
  };
  std::vector<Part> parts;

  bool operator==(const RowScaleRecipe &) const = default;
};

/// Computes the RoPE frequencies of `shape` as float64. If `factors` is not
/// null, its elements replace shape.factors.
struct FrequencyRecipe {
  RopeShape shape;
  const SourceTensor *factors = nullptr; ///< shape.dim/2 elements if not null

  bool operator==(const FrequencyRecipe &) const = default;
};

struct TensorContent {
  std::string name;
  std::variant<MatrixRecipe, VectorRecipe, RowScaleRecipe, FrequencyRecipe>
      recipe;
  DType dtype = DType::F32; ///< dtype of the tensor that the recipe produces
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t offset = 0; ///< in bytes from the start of the segment
  uint64_t bytes = 0;

  bool operator==(const TensorContent &) const = default;
};

/// The content of a segment of weights or of a table. The tensors are sorted by
/// offset and do not overlap. The padding between them is zero. Equal contents
/// of the same model produce the same bytes.
struct SegmentContent {
  std::string name;
  std::vector<TensorContent> tensors;
  uint64_t bytes = 0;

  bool operator==(const SegmentContent &) const = default;
};

/// Fails with Internal when tensors overlap or end outside the segment, or when
/// the sources of a recipe do not match the tensor's shape and size, and with
/// Corrupt when the model's RoPE has a frequency that the kernels cannot
/// compute, or a factor that is NaN or infinite.
Status checkContent(const SegmentContent &content);

/// Compares `packed`, the bytes of the segment in another plan, with samples of
/// the source. The samples are all tensors that are not matrices, and some
/// blocks of 16 rows of every matrix: the first block, the middle one, the last
/// one, and each block that contains the first row of one of the matrix's
/// sources. Fails with Usage if a sample differs; the message names the tensor.
/// Other errors are those of produceSegment().
Status checkSamples(const SegmentContent &content,
                    std::span<const uint8_t> packed);

/// Streams the segment's bytes to `sink` in order. Packing runs on `threads`
/// threads. The bytes do not depend on the number of threads, and memory use
/// does not depend on the segment's size. The pages of the source's mapped
/// files are released after use.
///
/// Errors: those of checkContent and of `sink`. A Corrupt error names the
/// tensor and the block when a weight or the scale of a block is NaN or
/// infinite.
Status
produceSegment(const SegmentContent &content, const ModelSource &source,
               unsigned threads,
               const std::function<Status(std::span<const uint8_t>)> &sink);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_SEGMENTCONTENT_H
