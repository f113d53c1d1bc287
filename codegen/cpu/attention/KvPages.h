//===- KvPages.h - addresses in the KV cache --------------------*- C++ -*-===//
//
// codegen/KernelSpec.h defines the layout of a cache's part of a page: for each
// head, K as [headDim][64] and then V as [64][headDim].
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_CODEGEN_CPU_ATTENTION_KVPAGES_H
#define AIRPACK_CODEGEN_CPU_ATTENTION_KVPAGES_H

#include "codegen/KernelSpec.h"
#include "codegen/cpu/builder/KernelBuilder.h"
#include "formats/abi/KernelAbi.h"

namespace air::codegen {

/// The compile-time constants of a spec's KV cache. Sizes and offsets are in
/// bytes, dimensions in elements.
struct KvShape {
  /// The number of elements of K or V that kernels convert and transpose
  /// together.
  static constexpr int64_t kVector = 8;

  int64_t headDim;
  int64_t paddedDim; ///< headDim rounded up to a multiple of kVector
  int64_t elementBytes;
  int64_t keyRowBytes;   ///< bytes of a row of K: element i of all 64 keys
  int64_t valueRowBytes; ///< bytes of one token's V
  int64_t valuesOffset;  ///< bytes from a head's K to its V
  int64_t headBytes;
  int64_t pageBytes;
  uint32_t group; ///< the cache group, whose block table leads to the pages

  explicit KvShape(const KernelSpec &spec);

  /// The alignment, in bytes, of `lanes` consecutive elements of a token's V,
  /// where the index of the first element is a multiple of `lanes`. The
  /// alignment depends on headDim, because the V of consecutive tokens are
  /// stored without padding.
  unsigned valueAlignment(int64_t lanes) const;
};

/// Rejects head sizes (with Unsupported) and head counts (with Internal) that
/// no kernel supports.
Status checkHeads(const KernelSpec &spec);
/// Rejects KV dtypes (with Unsupported), heads (with the errors of
/// checkHeads()) and page sizes (with Internal) that no kernel supports.
Status checkKv(const KernelSpec &spec);

/// Returns an Internal error if no kernel supports the number of ranges.
Status checkRanges(const KernelSpec &spec);

/// The address of KV head `head` in the page that holds position 64 * `page` of
/// a sequence. `kv` is the binding; `page` indexes the sequence's row of the
/// block table.
KernelBuilder::Value kvHead(KernelBuilder &b, const KvShape &shape,
                            KernelBuilder::Value kv,
                            KernelBuilder::Value sequence,
                            KernelBuilder::Value page,
                            KernelBuilder::Value head);

/// The element type of the KV cache.
KernelBuilder::Type kvElement(KernelBuilder &b, const KvShape &shape);

} // namespace air::codegen

#endif // AIRPACK_CODEGEN_CPU_ATTENTION_KVPAGES_H
