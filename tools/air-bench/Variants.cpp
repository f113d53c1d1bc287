//===- Variants.cpp - which variants there are, and their report ----------===//
#include "tools/air-bench/Variants.h"

#include "codegen/cpu/matmul/MatMulTiling.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "tools/air-bench/PlanCosts.h"
#include "tools/cli/Output.h"

#include <algorithm>
#include <array>
#include <span>

namespace air::bench {
namespace {

using cli::format;
using codegen::Activation;
using codegen::KernelOp;
using codegen::KernelSpec;
using codegen::MatMulTiles;

constexpr double kGiga = 1e9;
constexpr uint64_t kRows = 16; ///< rows of a row block

/// The prefetch distances that are tried, in bytes.
constexpr uint64_t kDistances[] = {2304, 4608, 9216, 18432};
/// The numbers of row blocks per tile that are tried: kPanelTileSizes for
/// kernels with panels, and kTileSizes for all others. Every kernel with panels
/// multiplies a fixed number of row blocks at a time, which is 1, 2 or 3. The
/// number of row blocks per tile must be a multiple of this fixed number;
/// otherwise variantsOf() leaves the size out.
constexpr uint64_t kTileSizes[] = {1, 2, 4, 8, 16, 32, 64};
constexpr uint64_t kPanelTileSizes[] = {3, 6, 12, 24, 48};

KernelArithmetic arithmeticFor(const KernelSpec &spec) {
  return kernelArithmetic(
      static_cast<plan::Arithmetic>(codegen::arithmeticOf(spec)));
}

uint64_t matricesOf(const KernelSpec &spec) {
  return spec.op == KernelOp::GluMatMul ? 2 : 1;
}

std::string jsonOf(const VariantTable &table, const VariantTime &time,
                   double blocks) {
  return format("{\"cycles_per_block\": %.6g, \"predicted_cycles\": %.6g, "
                "\"gb_s\": %.6g, \"gop_s\": %.6g, \"share\": %.6g}",
                cyclesPerBlock(table, time.seconds, blocks),
                cyclesPerBlock(table, time.predicted, blocks),
                time.bytes / time.seconds / kGiga,
                time.operations / time.seconds / kGiga, time.share);
}

std::string prefetchText(const MatMulTiles &tiles) {
  return std::string(tiles.prefetchHint ? streamHintName(*tiles.prefetchHint)
                                        : "none");
}

} // namespace

std::vector<Variant> variantsOf(const KernelSpec &spec,
                                const MachineProfile &target) {
  std::vector<Variant> variants = {{"model", spec}};
  const MatMulTiles model = codegen::usedTiles(spec, target);
  auto add = [&](const std::string &name, const KernelSpec &varied) {
    if (codegen::describeKernel(varied, target)) {
      variants.push_back({name, varied});
    }
  };
  for (Activation format :
       {Activation::F32, Activation::F32x16, Activation::I8x2, Activation::I8,
        Activation::I8Grid, Activation::BF16x32}) {
    KernelSpec varied = spec;
    varied.activation = format;
    const bool isMeant = std::ranges::any_of(
        std::array{codegen::Precision::Float, codegen::Precision::Int15,
                   codegen::Precision::Int8, codegen::Precision::Bf16},
        [&](codegen::Precision precision) {
          return format ==
                 codegen::activationFor(precision, spec.mClass, spec.dtype);
        });
    if (format != spec.activation && isMeant) {
      add(std::string(codegen::activationName(format)), varied);
    }
  }
  const std::span<const uint64_t> tileSizes =
      codegen::usesPanel(spec) ? std::span<const uint64_t>(kPanelTileSizes)
                               : std::span<const uint64_t>(kTileSizes);
  for (uint64_t rowBlocks : tileSizes) {
    KernelSpec varied = spec;
    varied.tiles.rowBlocks = rowBlocks;
    if (rowBlocks != model.rowBlocks) {
      add("tiles of " + std::to_string(rowBlocks), varied);
    }
  }
  if (!model.prefetchHint) {
    return variants;
  }
  const bool hasDistance = !codegen::usesPanel(spec);
  for (StreamHint hint : codegen::prefetchHints(spec)) {
    const std::string name(streamHintName(hint));
    KernelSpec varied = spec;
    varied.tiles.prefetchHint = hint;
    if (hint == StreamHint::None || !hasDistance) {
      if (hint != *model.prefetchHint) {
        add(name, varied);
      }
      continue;
    }
    for (uint64_t distance : kDistances) {
      varied.tiles.prefetchBytes = distance;
      if (hint != *model.prefetchHint || distance != model.prefetchBytes) {
        add(name + " " + std::to_string(distance), varied);
      }
    }
  }
  return variants;
}

KernelSpec cachedSpec(const KernelSpec &spec, const MachineProfile &target,
                      uint32_t threads, uint64_t l2Bytes) {
  KernelSpec cached = spec;
  Result<codegen::KernelEntry> entry = codegen::describeKernel(spec, target);
  const uint64_t rowBlocks = ceilDiv(spec.n, kRows);
  if (!entry || entry->weightBytes == 0) {
    return cached;
  }
  const uint64_t rowBlockBytes = ceilDiv(entry->weightBytes, rowBlocks);
  const uint64_t fit = l2Bytes / 2 * threads / rowBlockBytes;
  // If some row blocks are left out, the number of row blocks that are kept is
  // a multiple of `threads`, so that every thread gets the same number.
  const uint64_t kept =
      std::min(rowBlocks, std::max(fit / threads, uint64_t{1}) * threads);
  cached.n = std::min(spec.n, kept * kRows);
  cached.yStride = spec.op == KernelOp::MatMul ? cached.n : spec.yStride;
  return cached;
}

double blocksOf(const KernelSpec &spec) {
  return static_cast<double>(matricesOf(spec)) * static_cast<double>(spec.n) /
         kRows * static_cast<double>(spec.k) / 256;
}

double cyclesPerBlock(const VariantTable &table, double seconds,
                      double blocks) {
  return seconds * table.clock * table.threads / blocks;
}

std::string impossibleRate(const VariantTable &table) {
  for (const VariantRow &row : table.rows) {
    const double bytes = row.memory.bytes / row.memory.seconds;
    if (bytes > kMostShare * table.bestReadRate) {
      return format(
          "%s, %s: it reads at %.2f GB/s, but plain reads reach only %.2f",
          table.name.c_str(), row.variant.name.c_str(), bytes / kGiga,
          table.bestReadRate / kGiga);
    }
    const KernelArithmetic arithmetic = arithmeticFor(row.variant.spec);
    const double limit = table.rates.of(arithmetic.kind) / arithmetic.repeats;
    for (const VariantTime &time : {row.cache, row.memory}) {
      const double operations = time.operations / time.seconds;
      if (operations > kMostShare * limit) {
        return format("%s, %s: it computes at %.2f GOP/s, but a loop in "
                      "registers reaches only %.2f",
                      table.name.c_str(), row.variant.name.c_str(),
                      operations / kGiga, limit / kGiga);
      }
    }
  }
  return "";
}

std::string variantText(const VariantTable &table) {
  std::string out = format(
      "%s\n%s at %.2f GHz, medians of %s; plain reads %.1f "
      "GB/s (at most %.1f)\ncycles of a core per 256 columns and 16 rows, "
      "measured and predicted\n"
      "%-14s %-8s %6s %-5s %7s | %7s %7s | %7s %7s %7s %6s\n",
      table.name.c_str(), countOf(table.threads, "thread").c_str(),
      table.clock / kGiga, countOf(table.rounds, "round").c_str(),
      table.readRate / kGiga, table.bestReadRate / kGiga, "variant", "x",
      "tile", "hint", "ahead", "cache", "model", "memory", "model", "GB/s",
      "share");
  for (const VariantRow &row : table.rows) {
    out += format(
        "%-14s %-8s %6llu %-5s %7llu | %7.0f %7.0f | %7.0f %7.0f %7.2f %6.2f\n",
        row.variant.name.c_str(),
        std::string(codegen::activationName(row.variant.spec.activation))
            .c_str(),
        static_cast<unsigned long long>(row.tiles.rowBlocks),
        prefetchText(row.tiles).c_str(),
        static_cast<unsigned long long>(row.tiles.prefetchBytes),
        cyclesPerBlock(table, row.cache.seconds, row.cachedBlocks),
        cyclesPerBlock(table, row.cache.predicted, row.cachedBlocks),
        cyclesPerBlock(table, row.memory.seconds, row.blocks),
        cyclesPerBlock(table, row.memory.predicted, row.blocks),
        row.memory.bytes / row.memory.seconds / kGiga, row.memory.share);
  }
  return out;
}

std::string variantJson(const std::vector<VariantTable> &tables) {
  std::string out = "[";
  for (const VariantTable &table : tables) {
    out += format(
        "%s\n {\"name\": \"%s\", \"threads\": %u, \"tokens\": %u, \"rounds\": "
        "%u, \"clock_ghz\": %.6g, \"read_gb_s\": %.6g, \"best_read_gb_s\": "
        "%.6g, \"fma_gflop_s\": %.6g, \"byte_dot_gop_s\": %.6g, "
        "\"bf16_dot_gflop_s\": %.6g, \"variants\": [",
        &table == tables.data() ? "" : ",", table.name.c_str(), table.threads,
        table.tokens, table.rounds, table.clock / kGiga, table.readRate / kGiga,
        table.bestReadRate / kGiga, table.rates.fma / kGiga,
        table.rates.byteDots / kGiga, table.rates.bf16Dots / kGiga);
    for (const VariantRow &row : table.rows) {
      out += format(
          "%s\n  {\"variant\": \"%s\", \"activation\": \"%s\", "
          "\"row_blocks\": %llu, \"prefetch_hint\": \"%s\", "
          "\"prefetch_bytes\": %llu,\n   \"cache\": %s,\n   \"memory\": %s}",
          &row == table.rows.data() ? "" : ",", row.variant.name.c_str(),
          std::string(codegen::activationName(row.variant.spec.activation))
              .c_str(),
          static_cast<unsigned long long>(row.tiles.rowBlocks),
          prefetchText(row.tiles).c_str(),
          static_cast<unsigned long long>(row.tiles.prefetchBytes),
          jsonOf(table, row.cache, row.cachedBlocks).c_str(),
          jsonOf(table, row.memory, row.blocks).c_str());
    }
    out += "]}";
  }
  return out + "]\n";
}

} // namespace air::bench
