//===- KernelName.cpp - the symbol name of a spec ---------------*- C++ -*-===//
//
// The name contains every field that differs from its default, in a fixed order
// and each with its own prefix. Therefore unequal specs have unequal names.
//
//===----------------------------------------------------------------------===//
#include "codegen/KernelSpec.h"

#include <array>
#include <bit>
#include <cctype>
#include <cstdio>

namespace air::codegen {
namespace {

// The names of the ops, in the order of KernelOp.
constexpr std::array<std::string_view, kKernelOpCount> kOpNames = {
    "embed_rows",  "rms_norm",    "matmul",          "glu_matmul",
    "rope_angles", "rope_append", "attention",       "attention_merge",
    "add",         "silu_mul",    "pack_activations"};
// The names of the classes, in the order of MClass. Each states the smallest
// number of tokens, M, in its class.
constexpr std::array<std::string_view, 3> kClassNames = {"m1", "m2", "m9"};

std::string lowerCase(std::string_view text) {
  std::string lower;
  for (char c : text) {
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return lower;
}

std::string floatBits(float value) {
  std::array<char, 9> digits = {};
  std::snprintf(digits.data(), digits.size(), "%08x",
                std::bit_cast<uint32_t>(value));
  return digits.data();
}

bool readsMatrix(KernelOp op) {
  return op == KernelOp::EmbedRows || op == KernelOp::MatMul ||
         op == KernelOp::GluMatMul;
}

} // namespace

std::string_view opName(KernelOp op) {
  return kOpNames.at(static_cast<size_t>(op));
}

std::string_view activationName(Activation format) {
  constexpr std::array<std::string_view, kActivationCount> kNames = {
      "f32", "f32x16", "i8x2", "i8", "i8grid", "bf16x32"};
  return kNames.at(static_cast<size_t>(format));
}

std::string kernelName(const KernelSpec &spec) {
  const KernelSpec defaults;
  std::string name(opName(spec.op));
  auto append = [&](const std::string &text) { name += "_" + text; };
  auto number = [&](const char *prefix, uint64_t value, uint64_t standard) {
    if (value != standard) {
      append(prefix + std::to_string(value));
    }
  };
  auto real = [&](const char *prefix, float value, float standard) {
    if (std::bit_cast<uint32_t>(value) != std::bit_cast<uint32_t>(standard)) {
      append(prefix + floatBits(value));
    }
  };
  auto flag = [&](const char *text, bool value) {
    if (value) {
      append(text);
    }
  };
  const bool matrix = readsMatrix(spec.op);
  if (matrix || spec.dtype != defaults.dtype) {
    append(lowerCase(info(spec.dtype).name));
  }
  if (matrix || spec.layout != defaults.layout) {
    append(spec.layout == Layout::Rows ? "rows" : "x16");
  }
  if (matrix || spec.mClass != defaults.mClass) {
    append(std::string(kClassNames.at(static_cast<size_t>(spec.mClass))));
  }
  if (spec.activation != defaults.activation) {
    append(std::string(activationName(spec.activation)));
  }
  number("n", spec.n, defaults.n);
  number("k", spec.k, defaults.k);
  number("ys", spec.yStride, defaults.yStride);
  number("yo", spec.yOffset, defaults.yOffset);
  flag("add", spec.accumulate);
  flag("rowscales", spec.hasRowScales);
  flag("joined", spec.isJoined);
  flag("bias", spec.hasBias);
  flag("outputs", spec.rowsFrom == RowsFrom::Outputs);
  real("scale", spec.scale, defaults.scale);
  real("eps", spec.epsilon, defaults.epsilon);
  number("h", spec.heads, defaults.heads);
  number("kvh", spec.kvHeads, defaults.kvHeads);
  number("d", spec.headDim, defaults.headDim);
  number("r", spec.ropeDim, defaults.ropeDim);
  flag("norm", spec.rope == RopeKind::Norm);
  flag("neox", spec.rope == RopeKind::Neox);
  flag("qknorm", spec.qkNorm);
  if (spec.kvDtype != defaults.kvDtype) {
    append("kv" + lowerCase(info(spec.kvDtype).name));
  }
  number("page", spec.kvPageBytes, defaults.kvPageBytes);
  number("cg", spec.cacheGroup, defaults.cacheGroup);
  number("tg", spec.tiles.rowBlocks, 0);
  number("tt", spec.tiles.tokens, 0);
  number("pc", spec.tiles.panelColumns, 0);
  if (const MatMulTiles &tiles = spec.tiles;
      tiles.prefetchBytes != 0 || tiles.prefetchHint) {
    append(
        "pf" +
        (tiles.prefetchBytes != 0 ? std::to_string(tiles.prefetchBytes) : "") +
        std::string(tiles.prefetchHint ? streamHintName(*tiles.prefetchHint)
                                       : ""));
  }
  number("ranges", spec.ranges, defaults.ranges);
  return name;
}

} // namespace air::codegen
