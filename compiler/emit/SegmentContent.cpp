//===- SegmentContent.cpp - streams a segment's bytes from the source -----===//
#include "compiler/emit/SegmentContent.h"

#include "compiler/emit/OrderedWork.h"
#include "formats/dtype/Finite.h"
#include "formats/plan/PackLayout.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/NumberText.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <variant>

namespace air::compiler {
namespace {

/// A matrix is cut into pieces of at most this number of source bytes, or into
/// pieces of 16 rows if 16 rows are larger.
constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

/// The maximum frequency in radians per position. The RoPE kernels support
/// angles up to 2^51 (codegen/cpu/attention/RopeKernels.cpp), and positions are
/// below 2^32, so a frequency may be at most 2^19. Published models have
/// frequencies of at most 1.
constexpr double kMaxFrequency = 1 << 19;

Status shapeError(const TensorContent &tensor, const std::string &what,
                  uint64_t found, uint64_t expected) {
  return internalError("tensor '" + tensor.name + "': " + what + " " +
                       std::to_string(found) + ", but " +
                       std::to_string(expected) + " is expected");
}

uint64_t elementsOf(const SourceTensor &tensor) {
  uint64_t elements = 1;
  for (uint64_t extent : tensor.shape) {
    elements *= extent; // no overflow: GgufParser has checked the size
  }
  return elements;
}

uint64_t rowsOf(const SourceTensor &tensor) {
  return elementsOf(tensor) / tensor.shape.back();
}

/// The number of columns that each source of a matrix has.
uint64_t sourceColumns(const TensorContent &tensor,
                       const MatrixRecipe &recipe) {
  return recipe.isJoined ? tensor.columns / 2 : tensor.columns;
}

Status checkMatrix(const TensorContent &tensor, const MatrixRecipe &recipe) {
  const uint64_t columns = sourceColumns(tensor, recipe);
  AIR_ASSIGN_OR_RETURN(uint64_t row, rowBytes(tensor.dtype, columns));
  uint64_t rows = 0;
  for (const SourceTensor *source : recipe.sources) {
    if (source->dtype != tensor.dtype) {
      return internalError(
          "tensor '" + tensor.name + "': source '" + source->name +
          "' has dtype " + std::string(info(source->dtype).name) + ", but " +
          std::string(info(tensor.dtype).name) + " is expected");
    }
    if (source->shape.empty() || source->shape.back() != columns) {
      return shapeError(
          tensor, "the number of columns of '" + source->name + "' is",
          source->shape.empty() ? 0 : source->shape.back(), columns);
    }
    if (source->data.size() != rowsOf(*source) * row) {
      return shapeError(tensor,
                        "the size in bytes of '" + source->name + "' is",
                        source->data.size(), rowsOf(*source) * row);
    }
    rows += rowsOf(*source);
  }
  const uint64_t wanted = recipe.isJoined ? 2 * tensor.rows : tensor.rows;
  if (rows != wanted) {
    return shapeError(tensor, "the total number of rows of its sources is",
                      rows, wanted);
  }
  if (recipe.isJoined &&
      (recipe.sources.size() != 2 || rowsOf(*recipe.sources[0]) != rows / 2)) {
    return shapeError(tensor,
                      "its two sources are joined, so each must have as many "
                      "rows as the tensor; the number of rows of the first is",
                      recipe.sources.empty() ? 0 : rowsOf(*recipe.sources[0]),
                      tensor.rows);
  }
  if (recipe.interleavedRows != 0 &&
      (recipe.sources.size() != 2 ||
       rowsOf(*recipe.sources[0]) != rowsOf(*recipe.sources[1]) ||
       rows % (2 * recipe.interleavedRows) != 0)) {
    return shapeError(tensor,
                      "its two sources are interleaved, so each must have half "
                      "of all rows; the number of rows of the first is",
                      recipe.sources.empty() ? 0 : rowsOf(*recipe.sources[0]),
                      rows / 2);
  }
  AIR_ASSIGN_OR_RETURN(
      uint64_t bytes,
      layoutBytes(tensor.dtype, recipe.layout, tensor.rows, tensor.columns));
  return bytes == tensor.bytes
             ? Status::ok()
             : shapeError(tensor, "its size in bytes is", tensor.bytes, bytes);
}

Status checkVector(const TensorContent &tensor, const VectorRecipe &recipe) {
  uint64_t elements = 0;
  for (const SourceTensor *source : recipe.sources) {
    AIR_ASSIGN_OR_RETURN(uint64_t bytes,
                         rowBytes(source->dtype, elementsOf(*source)));
    if (source->data.size() != bytes) {
      return shapeError(tensor,
                        "the size in bytes of '" + source->name + "' is",
                        source->data.size(), bytes);
    }
    elements += elementsOf(*source);
  }
  if (elements != tensor.columns || tensor.rows != 1) {
    return shapeError(tensor, "the total number of elements of its sources is",
                      elements, tensor.columns);
  }
  return tensor.bytes == elements * sizeof(float)
             ? Status::ok()
             : shapeError(tensor, "its size in bytes is", tensor.bytes,
                          elements * sizeof(float));
}

std::vector<float> valuesOf(const SourceTensor &source) {
  std::vector<float> values(elementsOf(source));
  dequantize(source.dtype, source.data.data(), values.data(), values.size());
  return values;
}

std::vector<double> frequenciesOf(const FrequencyRecipe &recipe) {
  RopeShape shape = recipe.shape;
  if (recipe.factors != nullptr) {
    std::vector<float> factors = valuesOf(*recipe.factors);
    shape.factors.assign(factors.begin(), factors.end());
  }
  return ropeFrequencies(shape);
}

Status checkRowScales(const TensorContent &tensor,
                      const RowScaleRecipe &recipe) {
  uint64_t rows = 0;
  for (const RowScaleRecipe::Part &part : recipe.parts) {
    if (part.scale != nullptr && elementsOf(*part.scale) != 1) {
      return shapeError(
          tensor, "the number of elements of '" + part.scale->name + "' is",
          elementsOf(*part.scale), 1);
    }
    rows += part.rows;
  }
  if (rows != tensor.columns || tensor.rows != 1) {
    return shapeError(tensor,
                      "it holds one scale for each row of the scaled matrices; "
                      "the number of these rows is",
                      rows, tensor.columns);
  }
  return tensor.bytes == rows * sizeof(float)
             ? Status::ok()
             : shapeError(tensor, "its size in bytes is", tensor.bytes,
                          rows * sizeof(float));
}

/// Checks that the numbers in `bytes` are finite. `bytes` holds rows of
/// `source`, from row `firstRow` on.
Status checkFinite(const SourceTensor &source, std::span<const uint8_t> bytes,
                   uint64_t firstRow) {
  std::optional<uint64_t> block = firstNotFinite(source.dtype, bytes);
  if (!block) {
    return Status::ok();
  }
  const DTypeInfo &type = info(source.dtype);
  const uint64_t blocks = source.shape.back() / type.blockElements;
  const std::string place =
      "row " + std::to_string(firstRow + *block / blocks) + ", ";
  const uint64_t column = *block % blocks * type.blockElements;
  return corruptError(
      "tensor '" + source.name + "': " +
      (type.blockElements == 1
           ? "the number in " + place + "column " + std::to_string(column)
           : "the scale of block " +
                 std::to_string(firstRow * blocks + *block) + " (" + place +
                 "columns " + std::to_string(column) + " to " +
                 std::to_string(column + type.blockElements - 1) + ")") +
      " is NaN or infinite; the file is damaged, or was converted from a model "
      "that has such values");
}

Status checkFrequencies(const TensorContent &tensor,
                        const FrequencyRecipe &recipe) {
  const uint64_t dim = recipe.shape.dim;
  if (dim == 0 || dim % 2 != 0 || tensor.columns != dim / 2 ||
      tensor.rows != 1) {
    return shapeError(tensor, "the number of frequencies is", tensor.columns,
                      dim / 2);
  }
  if (recipe.factors != nullptr && elementsOf(*recipe.factors) != dim / 2) {
    return shapeError(tensor, "the number of factors is",
                      elementsOf(*recipe.factors), dim / 2);
  }
  if (tensor.bytes != tensor.columns * sizeof(double)) {
    return shapeError(tensor, "its size in bytes is", tensor.bytes,
                      tensor.columns * sizeof(double));
  }
  if (recipe.factors != nullptr) {
    AIR_RETURN_IF_ERROR(checkFinite(*recipe.factors, recipe.factors->data, 0));
  }
  std::vector<double> table = frequenciesOf(recipe);
  for (size_t i = 0; i < table.size(); ++i) {
    if (!(table[i] >= 0 && table[i] <= kMaxFrequency)) {
      return corruptError(
          "rope rotates pair " + std::to_string(i) + " by " +
          numberText(table[i]) + " radians per position, but only 0 to " +
          numberText(kMaxFrequency) +
          " are supported; check the keys rope.freq_base and "
          "rope.scaling.factor" +
          (recipe.factors ? ", and the tensor '" + recipe.factors->name + "'"
                          : ""));
    }
  }
  return Status::ok();
}

Status makeVector(const VectorRecipe &recipe, std::vector<uint8_t> &piece) {
  size_t cursor = piece.size();
  for (const SourceTensor *source : recipe.sources) {
    AIR_RETURN_IF_ERROR(checkFinite(*source, source->data, 0));
    std::vector<float> values = valuesOf(*source);
    size_t bytes = values.size() * sizeof(float);
    piece.resize(cursor + bytes);
    std::memcpy(piece.data() + cursor, values.data(), bytes);
    cursor += bytes;
  }
  return Status::ok();
}

Status makeRowScales(const RowScaleRecipe &recipe,
                     std::vector<uint8_t> &piece) {
  for (const RowScaleRecipe::Part &part : recipe.parts) {
    if (part.scale != nullptr) {
      AIR_RETURN_IF_ERROR(checkFinite(*part.scale, part.scale->data, 0));
    }
    const std::vector<float> values(
        part.rows, part.scale == nullptr ? 1.0F : valuesOf(*part.scale)[0]);
    const size_t cursor = piece.size();
    piece.resize(cursor + values.size() * sizeof(float));
    std::memcpy(piece.data() + cursor, values.data(),
                values.size() * sizeof(float));
  }
  return Status::ok();
}

void makeFrequencies(const FrequencyRecipe &recipe,
                     std::vector<uint8_t> &piece) {
  std::vector<double> table = frequenciesOf(recipe);
  size_t cursor = piece.size();
  piece.resize(cursor + table.size() * sizeof(double));
  std::memcpy(piece.data() + cursor, table.data(),
              table.size() * sizeof(double));
}

/// The part of a tensor that is produced as one buffer: some rows of a matrix,
/// or the whole of any other tensor.
struct Piece {
  const TensorContent *tensor = nullptr;
  uint64_t paddingBefore = 0;
  uint64_t firstRow = 0;
  uint64_t rowCount = 0;
};

/// The sources of `recipe` form one matrix: they are concatenated, interleaved
/// or joined. Calls `visit(source, first, count)` for each run of rows of a
/// source that is a part of the rows [firstRow, firstRow + rowCount) of that
/// matrix; `first` is a row of the source. If the sources are joined, each row
/// of the matrix contains the row with the same index of every source. `visit`
/// is then called once for each source, with firstRow and rowCount.
template <typename Visit>
void visitRows(const MatrixRecipe &recipe, uint64_t firstRow, uint64_t rowCount,
               Visit visit) {
  if (recipe.isJoined) {
    for (const SourceTensor *source : recipe.sources) {
      visit(*source, firstRow, rowCount);
    }
    return;
  }
  if (const uint64_t run = recipe.interleavedRows; run != 0) {
    // The interleaved matrix consists of runs of `run` rows each, which come
    // from the first and the second source in turn.
    for (uint64_t row = firstRow; row < firstRow + rowCount;) {
      const uint64_t place = row % run;
      const uint64_t count = std::min(run - place, firstRow + rowCount - row);
      visit(*recipe.sources[row / run % 2], row / run / 2 * run + place, count);
      row += count;
    }
    return;
  }
  uint64_t begin = 0;
  for (const SourceTensor *source : recipe.sources) {
    uint64_t end = begin + rowsOf(*source);
    uint64_t from = std::max(begin, firstRow);
    uint64_t to = std::min(end, firstRow + rowCount);
    if (from < to) {
      visit(*source, from - begin, to - from);
    }
    begin = end;
  }
}

Status makeRows(const Piece &part, const MatrixRecipe &recipe,
                std::vector<uint8_t> &piece) {
  const TensorContent &tensor = *part.tensor;
  uint64_t row = *rowBytes(tensor.dtype, sourceColumns(tensor, recipe));
  std::vector<uint8_t> joined;
  std::span<const uint8_t> rows;
  Status status;
  uint64_t visited = 0; // the number of runs before the current one
  visitRows(recipe, part.firstRow, part.rowCount,
            [&](const SourceTensor &source, uint64_t first, uint64_t count) {
              std::span<const uint8_t> run =
                  source.data.subspan(first * row, count * row);
              // Finiteness is checked here because packing, which reads the
              // same bytes next, then finds them in the CPU's cache.
              if (status.isOk()) {
                status = checkFinite(source, run, first);
              }
              if (recipe.isJoined) {
                joined.resize(2 * count * row);
                for (uint64_t i = 0; i < count; ++i) {
                  std::memcpy(joined.data() + (2 * i + visited) * row,
                              run.data() + i * row, row);
                }
                rows = joined;
              } else if (count == part.rowCount) {
                rows = run;
              } else {
                joined.insert(joined.end(), run.begin(), run.end());
                rows = joined;
              }
              ++visited;
            });
  AIR_RETURN_IF_ERROR(status);
  size_t cursor = piece.size();
  piece.resize(cursor + *layoutBytes(tensor.dtype, recipe.layout, part.rowCount,
                                     tensor.columns));
  packRows(tensor.dtype, recipe.layout, part.rowCount, tensor.columns, rows,
           std::span<uint8_t>(piece).subspan(cursor));
  return Status::ok();
}

Status makePiece(const Piece &part, std::vector<uint8_t> &piece) {
  piece.assign(part.paddingBefore, 0);
  const auto &recipe = part.tensor->recipe;
  if (const auto *matrix = std::get_if<MatrixRecipe>(&recipe)) {
    return makeRows(part, *matrix, piece);
  }
  if (const auto *vector = std::get_if<VectorRecipe>(&recipe)) {
    return makeVector(*vector, piece);
  }
  if (const auto *scales = std::get_if<RowScaleRecipe>(&recipe)) {
    return makeRowScales(*scales, piece);
  }
  makeFrequencies(std::get<FrequencyRecipe>(recipe), piece);
  return Status::ok();
}

std::vector<Piece> cutPieces(const SegmentContent &content) {
  std::vector<Piece> pieces;
  uint64_t cursor = 0;
  for (const TensorContent &tensor : content.tensors) {
    uint64_t padding = tensor.offset - cursor;
    cursor = tensor.offset + tensor.bytes;
    if (!std::holds_alternative<MatrixRecipe>(tensor.recipe)) {
      pieces.push_back({&tensor, padding, 0, 0});
      continue;
    }
    // The number of rows in a piece is a multiple of 16, so that no piece
    // splits a block of 16 interleaved rows.
    uint64_t row =
        std::max<uint64_t>(*rowBytes(tensor.dtype, tensor.columns), 1);
    uint64_t rows =
        std::max<uint64_t>(kPieceBytes / row / kX16Rows, 1) * kX16Rows;
    for (uint64_t first = 0; first < tensor.rows; first += rows) {
      pieces.push_back({&tensor, first == 0 ? padding : 0, first,
                        std::min(rows, tensor.rows - first)});
    }
  }
  return pieces;
}

void releaseSource(const Piece &part, const ModelSource &source) {
  if (const auto *matrix = std::get_if<MatrixRecipe>(&part.tensor->recipe)) {
    uint64_t row =
        *rowBytes(part.tensor->dtype, sourceColumns(*part.tensor, *matrix));
    visitRows(*matrix, part.firstRow, part.rowCount,
              [&](const SourceTensor &from, uint64_t first, uint64_t count) {
                if (from.file < source.files.size()) {
                  source.files[from.file].release(from.fileOffset + first * row,
                                                  count * row);
                }
              });
  }
}

} // namespace

Status checkContent(const SegmentContent &content) {
  uint64_t cursor = 0;
  for (const TensorContent &tensor : content.tensors) {
    if (tensor.offset < cursor) {
      return internalError("tensor '" + tensor.name + "' is at offset " +
                           std::to_string(tensor.offset) +
                           ", but the tensor before it ends at byte " +
                           std::to_string(cursor) +
                           "; tensors must be in ascending order and must not "
                           "overlap");
    }
    std::optional<uint64_t> end = checkedAdd(tensor.offset, tensor.bytes);
    if (!end || *end > content.bytes) {
      return internalError("tensor '" + tensor.name + "' of " +
                           std::to_string(tensor.bytes) + " bytes at offset " +
                           std::to_string(tensor.offset) +
                           " ends outside its segment of " +
                           std::to_string(content.bytes) + " bytes");
    }
    cursor = *end;
    if (const auto *matrix = std::get_if<MatrixRecipe>(&tensor.recipe)) {
      AIR_RETURN_IF_ERROR(checkMatrix(tensor, *matrix));
    } else if (const auto *vector = std::get_if<VectorRecipe>(&tensor.recipe)) {
      AIR_RETURN_IF_ERROR(checkVector(tensor, *vector));
    } else if (const auto *scales =
                   std::get_if<RowScaleRecipe>(&tensor.recipe)) {
      AIR_RETURN_IF_ERROR(checkRowScales(tensor, *scales));
    } else {
      AIR_RETURN_IF_ERROR(
          checkFrequencies(tensor, std::get<FrequencyRecipe>(tensor.recipe)));
    }
  }
  return Status::ok();
}

Status checkSamples(const SegmentContent &content,
                    std::span<const uint8_t> packed) {
  std::vector<uint8_t> made;
  for (const TensorContent &tensor : content.tensors) {
    const auto *matrix = std::get_if<MatrixRecipe>(&tensor.recipe);
    std::set<uint64_t> blocks = {0};
    if (matrix != nullptr) {
      const uint64_t count = ceilDiv(tensor.rows, kX16Rows);
      blocks.insert({count / 2, count - 1});
      uint64_t row = 0;
      for (const SourceTensor *source : matrix->sources) {
        blocks.insert(row / kX16Rows);
        // Joined sources begin at the same row.
        row += matrix->isJoined ? 0 : rowsOf(*source);
      }
    }
    for (const uint64_t block : blocks) {
      const uint64_t first = block * kX16Rows;
      const uint64_t rows = std::min<uint64_t>(kX16Rows, tensor.rows - first);
      AIR_RETURN_IF_ERROR(makePiece({&tensor, 0, first, rows}, made));
      // Whatever the layout, all row blocks of one matrix have the same size.
      // The offset of a block is therefore the size of a matrix that has only
      // the rows before it.
      const uint64_t offset = block == 0
                                  ? 0
                                  : *layoutBytes(tensor.dtype, matrix->layout,
                                                 first, tensor.columns);
      if (!std::ranges::equal(
              made, packed.subspan(tensor.offset + offset, made.size()))) {
        return usageError(
            "tensor '" + tensor.name + "' differs from the model's file" +
            (matrix == nullptr ? ""
                               : " in rows " + std::to_string(first) + " to " +
                                     std::to_string(first + rows - 1)));
      }
    }
  }
  return Status::ok();
}

Status
produceSegment(const SegmentContent &content, const ModelSource &source,
               unsigned threads,
               const std::function<Status(std::span<const uint8_t>)> &sink) {
  AIR_RETURN_IF_ERROR(checkContent(content));
  std::vector<Piece> pieces = cutPieces(content);
  // The status of each piece, which is written by the thread that makes the
  // piece and read by the calling thread.
  std::vector<Status> made(pieces.size());
  AIR_RETURN_IF_ERROR(runOrdered(
      pieces.size(), threads,
      [&](uint64_t index, std::vector<uint8_t> &piece) {
        made[index] = makePiece(pieces[index], piece);
      },
      [&](uint64_t index, std::span<const uint8_t> piece) -> Status {
        AIR_RETURN_IF_ERROR(made[index]);
        releaseSource(pieces[index], source);
        return sink(piece);
      }));
  // Releases what releaseSource() has not: pages that two pieces share, and
  // pages of tensors that are not matrices.
  for (const MappedFile &file : source.files) {
    file.release(0, file.bytes().size());
  }
  uint64_t end = 0;
  if (!content.tensors.empty()) {
    end = content.tensors.back().offset + content.tensors.back().bytes;
  }
  if (end < content.bytes) {
    std::vector<uint8_t> padding(content.bytes - end, 0);
    return sink(padding);
  }
  return Status::ok();
}

} // namespace air::compiler
