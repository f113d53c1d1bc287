//===- CudaPrefill.cpp - kernels of a prefill -----------------------------===//
#include "compiler/transforms/CudaPrefill.h"

using namespace air::codegen::cuda;

namespace air::compiler {
namespace {

struct Rows {
  uint32_t most;
  bool outputs;
  const CudaTarget &target;
  uint32_t multiprocessors;
};

std::vector<CudaSpec> kernelsOf(const BeginStep &decode, const Rows &rows) {
  BeginStep begin = decode;
  begin.tokens = rows.most;
  begin.countInMemory = true;
  return {begin};
}

std::vector<CudaSpec> kernelsOf(const DecodeMatMul &decode, const Rows &rows) {
  PrefillMatMul matmul;
  matmul.dtype = decode.dtype;
  matmul.layout = decode.layout;
  matmul.rows = decode.rows;
  matmul.columns = decode.columns;
  matmul.maxTokens = rows.most;
  matmul.splitActivations = decode.splitActivations;
  matmul.wgmma = canUseWgmma(decode.dtype, rows.target);
  matmul.outputs = rows.outputs;
  const bool isHeads = decode.output == MatMulOutput::Heads;
  matmul.output = isHeads ? MatMulOutput::Store : decode.output;
  matmul.hasBias = decode.hasBias;
  matmul.hasRowScales = decode.hasRowScales;
  matmul.dependentLaunch = decode.dependentLaunch;
  matmul.tiling =
      defaultPrefillTiling(matmul, rows.target, rows.multiprocessors);
  PrefillInput input = prefillInputOf(matmul);
  input.input = decode.input;
  input.epsilon = decode.epsilon;
  std::vector<CudaSpec> kernels = {input, matmul};
  if (isHeads) {
    kernels.emplace_back(
        PrefillHeads{.heads = decode.heads,
                     .maxTokens = rows.most,
                     .dependentLaunch = decode.dependentLaunch});
  }
  return kernels;
}

std::vector<CudaSpec> kernelsOf(const DecodeAttention &decode,
                                const Rows &rows) {
  PrefillAttention attention;
  attention.queryHeads = decode.queryHeads;
  attention.pages = decode.pages;
  // A tile consists of consecutive tokens of one sequence, so in the worst case
  // every token is a tile of its own.
  attention.maxTiles = rows.most;
  attention.queryStride = decode.queryStride;
  attention.scale = decode.scale;
  attention.dependentLaunch = decode.dependentLaunch;
  attention.tiling = defaultAttentionTiling(attention, rows.target);
  return {attention};
}

/// A prefill has no kernel that chooses tokens. Its logits are those at the
/// ends of prompts, and the host chooses the first tokens of the answers from
/// them.
std::vector<CudaSpec> kernelsOf(const ChooseToken &, const Rows &) {
  return {};
}

/// The kinds without an overload above are already kernels of a prefill, so
/// they are returned unchanged.
template <typename Spec>
std::vector<CudaSpec> kernelsOf(const Spec &prefill, const Rows &) {
  return {prefill};
}

} // namespace

std::vector<CudaSpec> prefillKernels(const CudaSpec &decode, uint32_t maxRows,
                                     bool outputs, const CudaTarget &target,
                                     uint32_t multiprocessors) {
  const Rows rows = {maxRows, outputs, target, multiprocessors};
  return std::visit([&](const auto &kind) { return kernelsOf(kind, rows); },
                    decode);
}

} // namespace air::compiler
