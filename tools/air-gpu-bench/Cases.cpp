//===- Cases.cpp - odd shapes, shapes of models, and tilings --------------===//
#include "tools/air-gpu-bench/Cases.h"

#include "codegen/cuda/Intrinsics.h"
#include "formats/plan/T16Indices.h"

namespace air::gpubench {

using namespace codegen::cuda;

namespace {

constexpr uint64_t kProbeBytes = uint64_t{1} << 30;

struct Shape {
  uint32_t rows;
  uint32_t columns;
};

bool possible(const DecodeMatMul &spec, const CudaTarget &target) {
  return generateDecodeMatMul(spec, target, deviceIntrinsicsText()).isOk();
}

} // namespace

Cases casesFor(const CudaTarget &target, uint32_t multiprocessors) {
  Cases cases;
  auto matmul = [&](DType dtype, Shape shape, uint32_t tokens,
                    Layout layout = Layout::T16) {
    DecodeMatMul spec;
    spec.dtype = dtype;
    spec.layout = layout;
    spec.rows = shape.rows;
    spec.columns = shape.columns;
    spec.tokens = tokens;
    spec.multiprocessors = multiprocessors;
    spec.dependentLaunch = target.hasDependentLaunch;
    spec.tiling = defaultDecodeTiling(spec, target);
    return spec;
  };
  auto add = [&](std::vector<DecodeMatMul> &list, const DecodeMatMul &spec) {
    if (possible(spec, target)) {
      list.push_back(spec);
    }
  };

  // These cases cover partial tiles and units, several tiles per thread block,
  // splits, every WeightFetch, and tiles that share activations.
  auto addOdd = [&](DType dtype, Layout layout) {
    const uint32_t block = info(dtype).blockElements;
    const uint32_t columns = block == 1 ? 1000 : block * 9;
    uint32_t variant = 0;
    for (const uint32_t tokens : {1U, 2U, 5U, 8U}) {
      for (const WeightFetch fetch :
           {WeightFetch::Registers, WeightFetch::AsyncCopy,
            WeightFetch::BulkCopy}) {
        if ((tokens == 2 || tokens == 5) != (fetch == WeightFetch::AsyncCopy)) {
          continue;
        }
        DecodeMatMul spec =
            matmul(dtype, {37 + 16 * tokens, columns}, tokens, layout);
        spec.tiling = {.fetch = fetch,
                       .warps = 4,
                       .groupUnits = 1 + variant % 2,
                       .stages = fetch == WeightFetch::Registers ? 1U : 3U,
                       .splits = 1 + variant % 3,
                       .reduceTiles = 1 + variant % 2};
        spec.multiprocessors = 2;
        add(cases.odd, spec);
        ++variant;
        // Here, each thread block has all tiles of the matrix. Groups of
        // heldTiles tiles share activations. In most of these cases, the number
        // of tiles is not a multiple of heldTiles, so that the last group is
        // smaller.
        spec.tiling.heldTiles = 2 + variant % 3;
        spec.multiprocessors = 1;
        add(cases.odd, spec);
      }
    }
  };
  for (const DType dtype : t16DTypes()) {
    addOdd(dtype, Layout::T16);
  }
  for (const DType dtype : t16IndexDTypes()) {
    addOdd(dtype, Layout::T16Indices);
  }

  // These cases have the matrix shapes of Llama models with 8 and 1 billion
  // parameters.
  for (const DType dtype :
       {DType::Q4_K, DType::Q6_K, DType::Q8_0, DType::BF16, DType::F16,
        DType::Q4_0, DType::Q5_K, DType::MXFP4}) {
    for (const Shape shape :
         {Shape{4096, 4096}, Shape{6144, 4096}, Shape{14336, 4096},
          Shape{4096, 14336}, Shape{128256, 4096}, Shape{2048, 2048},
          Shape{8192, 2048}, Shape{2048, 8192}}) {
      for (const uint32_t tokens : {1U, 8U}) {
        const bool large = shape.rows == 14336 || shape.columns == 14336;
        const bool common = dtype == DType::Q4_K || dtype == DType::Q6_K ||
                            dtype == DType::Q8_0 || dtype == DType::BF16;
        if ((tokens == 8 || !common) && !large) {
          continue;
        }
        add(cases.shapes, matmul(dtype, shape, tokens));
      }
    }
  }

  // These cases multiply matrices of one shape, in several dtypes, each with
  // many different tilings.
  for (const DType dtype :
       {DType::Q4_K, DType::Q6_K, DType::Q8_0, DType::BF16}) {
    const uint32_t unitBytes = t16Unit(dtype)->bytes;
    auto vary = [&](WeightFetch fetch, uint32_t warps, uint32_t kib,
                    uint32_t stages, uint32_t blocks, uint32_t reduceTiles) {
      DecodeMatMul spec = matmul(dtype, {14336, 4096}, 1);
      spec.tiling = {.fetch = fetch,
                     .warps = warps,
                     .groupUnits = std::max(1U, kib * 1024 / unitBytes),
                     .stages = stages,
                     .blocksPerMultiprocessor = blocks,
                     .reduceTiles = reduceTiles};
      add(cases.tilings, spec);
    };
    for (const uint32_t warps : {8U, 16U}) {
      for (const uint32_t blocks : {1U, 2U, 3U, 4U}) {
        vary(WeightFetch::Registers, warps, 1, 1, blocks, 1);
      }
      vary(WeightFetch::Registers, warps, 5, 1, 2, 1);
    }
    for (const WeightFetch fetch :
         {WeightFetch::AsyncCopy, WeightFetch::BulkCopy}) {
      for (const uint32_t stages : {2U, 3U, 4U}) {
        vary(fetch, 8, 5, stages, 1, 1);
      }
      vary(fetch, 8, 2, 4, 2, 1);
      vary(fetch, 8, 5, 2, 2, 1);
      vary(fetch, 4, 5, 2, 4, 1);
      vary(fetch, 4, 10, 2, 2, 1);
      vary(fetch, 4, 10, 4, 1, 1);
      vary(fetch, 4, 16, 2, 1, 1);
      vary(fetch, 16, 2, 2, 2, 1);
      vary(fetch, 16, 2, 4, 1, 1);
      vary(fetch, 8, 5, 4, 1, 4);
      vary(fetch, 16, 2, 4, 1, 4);
    }
  }

  auto read = [&](WeightFetch fetch, uint32_t warps, uint32_t kib,
                  uint32_t stages, uint32_t blocks) {
    ReadProbe probe;
    probe.bytes = kProbeBytes;
    probe.multiprocessors = multiprocessors;
    probe.tiling = {.fetch = fetch,
                    .warps = warps,
                    .groupUnits = kib,
                    .stages = stages,
                    .blocksPerMultiprocessor = blocks};
    if (generateReadProbe(probe, target, deviceIntrinsicsText()).isOk()) {
      cases.reads.push_back(probe);
    }
  };
  for (const uint32_t warps : {8U, 16U}) {
    for (const uint32_t kib : {1U, 2U, 4U}) {
      read(WeightFetch::Registers, warps, kib, 1, 2);
    }
    read(WeightFetch::Registers, warps, 1, 1, 4);
  }
  for (const WeightFetch fetch :
       {WeightFetch::AsyncCopy, WeightFetch::BulkCopy}) {
    for (const uint32_t kib : {2U, 5U, 10U, 16U}) {
      for (const uint32_t stages : {2U, 4U}) {
        read(fetch, 4, kib, stages, 1);
        read(fetch, 4, kib, stages, 2);
      }
    }
    read(fetch, 8, 5, 2, 2);
    read(fetch, 8, 5, 4, 1);
    read(fetch, 16, 2, 4, 1);
  }

  cases.copyBytes = kProbeBytes;
  cases.launchBlocks = {1, multiprocessors};
  return cases;
}

} // namespace air::gpubench
