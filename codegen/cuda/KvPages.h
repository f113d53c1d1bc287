//===- KvPages.h - the KV cache of CUDA kernels -----------------*- C++ -*-===//
//
// The cache consists of pages of 64 positions of one sequence. A page holds the
// keys and values of every layer that the GPU computes; a kernel gets the
// address of its layer's part of page 0, and the layer's part of page p begins
// p * pageBytes bytes later. Position p of a sequence is in the page that entry
// p / 64 of the sequence's block table names. The CPU's KV cache has such pages
// and block tables, too (codegen/KernelSpec.h). On a GPU, however, the elements
// of a page are in the order in which the lanes of a warp need them as operands
// of mma.sync.m16n8k16.
//
// A layer's part of a page has, for each KV head, a matrix of keys
// [64 positions][headDim] and a transposed matrix of values
// [headDim][64 positions], both float16, with headDim rounded up to a multiple
// of 16. A matrix is cut into tiles of 16 x 16 elements (512 bytes each). Lane
// 4g+t of a warp reads 16 contiguous bytes of a tile:
//
//   keys    elements 4t to 4t+3 of position g, then of position g+8
//   values  element g of positions 2t, 2t+1, 2t+8 and 2t+9, then element g+8 of
//           the same positions
//
// Tile (i, j) of a matrix has index i * headDim/16 + j, where i counts tiles
// along the positions and j along the elements of the head.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CUDA_KVPAGES_H
#define AIRPACK_CODEGEN_CUDA_KVPAGES_H

#include <cstdint>

namespace air::codegen::cuda {

inline constexpr uint32_t kKvPageTokens = 64;
/// The largest supported headDim. It is limited because each warp of an
/// attention kernel keeps headDim sums in registers for each of its queries, of
/// which it has 8 in a decode step and 16 in a prefill.
inline constexpr uint32_t kMaxHeadDim = 256;

struct KvPages {
  uint32_t headDim = 0; ///< at most kMaxHeadDim
  uint32_t kvHeads = 0;
  uint64_t pageBytes = 0;  ///< distance between pages; a multiple of 16
  uint32_t tablePages = 0; ///< number of entries of a sequence's block table

  bool operator==(const KvPages &) const = default;
};

constexpr uint32_t paddedHeadDim(uint32_t headDim) {
  return (headDim + 15) / 16 * 16;
}

/// The size, in bytes, of one layer's part of a page.
constexpr uint64_t kvLayerBytes(const KvPages &pages) {
  return uint64_t{pages.kvHeads} * 2 * kKvPageTokens *
         paddedHeadDim(pages.headDim) * 2;
}

// The byte offsets of an element of a key or a value from the start of the
// layer's part of a page. `position` is less than kKvPageTokens.
constexpr uint64_t keyOffset(const KvPages &pages, uint32_t head,
                             uint32_t position, uint32_t element) {
  const uint32_t dim = paddedHeadDim(pages.headDim);
  const uint32_t tile = position / 16 * (dim / 16) + element / 16;
  const uint32_t lane = position % 8 * 4 + element % 16 / 4;
  return uint64_t{head} * 256 * dim + tile * 512 + lane * 16 +
         position % 16 / 8 * 8 + element % 4 * 2;
}
constexpr uint64_t valueOffset(const KvPages &pages, uint32_t head,
                               uint32_t position, uint32_t element) {
  const uint32_t dim = paddedHeadDim(pages.headDim);
  const uint32_t tile = position / 16 * (dim / 16) + element / 16;
  const uint32_t lane = element % 8 * 4 + position % 8 / 2;
  return uint64_t{head} * 256 * dim + 128 * dim + tile * 512 + lane * 16 +
         element % 16 / 8 * 8 + position % 16 / 8 * 4 + position % 2 * 2;
}

} // namespace air::codegen::cuda

#endif // AIRPACK_CODEGEN_CUDA_KVPAGES_H
