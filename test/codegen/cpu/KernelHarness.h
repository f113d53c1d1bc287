//===- KernelHarness.h - runs any kernel against the reference --*- C++ -*-===//
//
// A KernelCase is one call of one kernel: a spec, a batch, the bytes of every
// binding before the call, and a check of the bytes after it. runCase() makes
// the call as a hostile runtime would:
//   - every binding and the scratch lie between guard bytes, which must not
//     change;
//   - padding rows and scratch start as NaN patterns;
//   - all tiles run one by one in a shuffled order and then once more in uneven
//     ranges, and both runs must produce the same bytes;
//   - a tile that runs alone finds garbage in the rows of the weights that it
//     need not read (KernelEntry::rowsPerTile);
//   - bindings that the op does not write must keep their bytes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CPU_KERNELHARNESS_H
#define AIRPACK_TEST_CODEGEN_CPU_KERNELHARNESS_H

#include "codegen/KernelSpec.h"
#include "codegen/reference/Reference.h"
#include "formats/abi/KernelAbi.h"

#include <functional>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace air::codegen::test {

using Bytes = std::vector<uint8_t>;
using Floats = std::vector<float>;
using reference::Doubles;
using Random = std::mt19937_64;

// ---- batches ----------------------------------------------------------------

/// Tokens of several sequences, and the block table of a cache group.
struct Batch {
  std::vector<int32_t> ids;
  std::vector<uint32_t> positions;
  std::vector<uint32_t> ropePositions; ///< they differ from `positions`
  std::vector<uint32_t> lengths;       ///< of each sequence
  std::vector<uint32_t> sequences;
  std::vector<uint32_t> outputRows;
  std::vector<uint32_t> blockTables;
  uint64_t blockTableStride = 0;
  uint32_t pages = 0; ///< number of physical pages in the tables

  uint64_t tokens() const { return ids.size(); }
  uint32_t pageOf(uint64_t sequence, uint32_t position) const {
    return blockTables[sequence * blockTableStride +
                       position / AIR_KV_PAGE_TOKENS];
  }
};

/// A batch in the form in which kernels receive it. Only the given cache group
/// has a block table.
class BatchView {
public:
  BatchView(const Batch &from, uint32_t cacheGroup);
  BatchView(const BatchView &) = delete;
  BatchView &operator=(const BatchView &) = delete;

  AirBatch batch = {};

private:
  std::vector<AirBlockTable> tables;
};

enum class BatchKind {
  Decode,      ///< each token belongs to a different sequence
  Prefill,     ///< all tokens belong to one sequence
  Mixed,       ///< runs of tokens, each of a random sequence
  Interleaved, ///< sequences alternate token by token
};

/// Makes a batch of `tokens` tokens. The first position of each sequence is
/// random and at most `history`, and the ids are random and below `vocabulary`.
/// About half of the tokens, but at least one, are outputs, which are listed in
/// random order.
Batch makeBatch(Random &random, BatchKind kind, uint64_t tokens,
                uint32_t history, uint64_t vocabulary = 1);

// ---- data -------------------------------------------------------------------

/// Standard normal numbers times `scale`.
Floats randomFloats(Random &random, uint64_t count, float scale = 1.0F);

/// Random valid blocks of any weight dtype, with finite values of moderate
/// size.
struct Matrix {
  Bytes packed;   ///< in the requested layout
  Doubles values; ///< the exact weights, [rows][columns]
};
Matrix randomMatrix(Random &random, DType dtype, Layout layout, uint64_t rows,
                    uint64_t columns);

/// The rows, followed by rows of NaN up to a multiple of AIR_TOKEN_PADDING
/// rows.
Bytes paddedRows(const Floats &rows, uint64_t width);
Bytes bytesOf(const Floats &values);
Floats floatsOf(const Bytes &bytes);
Doubles widened(const Floats &values);

// ---- cases ------------------------------------------------------------------

struct BindingData {
  Bytes before;
  bool written = false;
  uint64_t checkedBytes = 0; ///< the number of bytes before the padding
};

struct KernelCase {
  std::string label;
  KernelSpec spec;
  Batch batch;
  std::vector<BindingData> bindings;
  /// Examines the bytes of all bindings after the call, without their padding.
  /// Returns "" on success, otherwise a message.
  std::function<std::string(const std::vector<Bytes> &)> check;

  void reads(Bytes bytes) {
    const uint64_t size = bytes.size();
    bindings.push_back({std::move(bytes), false, size});
  }
  void readsRows(const Floats &rows, uint64_t width) {
    bindings.push_back({paddedRows(rows, width), false, rows.size() * 4});
  }
  /// Converts `x` to the activation format of the matmul's spec and binds it.
  /// Returns the numbers that the converted `x` represents.
  Doubles readsActivations(const Floats &x);
  void writes(Bytes bytes) {
    const uint64_t size = bytes.size();
    bindings.push_back({std::move(bytes), true, size});
  }
  void writesRows(const Floats &rows, uint64_t width) {
    bindings.push_back({paddedRows(rows, width), true, rows.size() * 4});
  }
};

/// Returns "" if |got[i] - want[i]| <= bound[i] for every i of `want`. NaN
/// fails.
std::string compare(const std::string &what, const Floats &got,
                    const Doubles &want, const Doubles &bound);

/// Compares the bindings of a case with those that codegen/KernelBindings.h
/// lists for its spec. Returns "" if they agree, otherwise the first
/// difference.
std::string checkBindings(const KernelCase &test);

/// Calls the kernel as the comment at the top of this file describes. Returns
/// "" on success, otherwise a message.
std::string runCase(const KernelCase &test, const KernelEntry &entry,
                    AirKernelFn kernel, Random &random);

/// Like runCase(), but visits each tile only once and runs in an emulator of
/// another architecture. `image` is the loaded code, in which the kernel starts
/// at offset `entryAt`, and `runner` is the program built from ForeignRunner.c
/// for that architecture.
std::string runForeignCase(const KernelCase &test, const KernelEntry &entry,
                           std::span<const uint8_t> image, uint64_t entryAt,
                           const std::string &emulator,
                           const std::string &runner);

/// Whether the dtype is tested with all shapes and on every target. Only a few
/// dtypes are. The other dtypes share all code but the decoder with these, so
/// they are tested with only some shapes and on only some targets.
bool isCommon(DType dtype, Precision precision);

/// The test cases of one op for one dtype, layout, M class and precision of
/// activations. Parameters that do not apply to the op are ignored. The cases
/// include odd and even shapes, and every batch kind.
std::vector<KernelCase> makeCases(KernelOp op, DType dtype, Layout layout,
                                  MClass mClass, Precision precision,
                                  Random &random);

} // namespace air::codegen::test

#endif // AIRPACK_TEST_CODEGEN_CPU_KERNELHARNESS_H
