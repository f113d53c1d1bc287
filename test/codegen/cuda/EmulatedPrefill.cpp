//===- EmulatedPrefill.cpp - prefills of a model on the emulated GPU ------===//
#include "test/codegen/cuda/EmulatedModel.h"

#include "codegen/cuda/BeginStep.h"
#include "codegen/cuda/PrefillAttention.h"
#include "codegen/cuda/PrefillHeads.h"
#include "codegen/cuda/PrefillMatMul.h"

#include <algorithm>
#include <cmath>

namespace air::codegen {
namespace {

using namespace cuda;

constexpr uint32_t kTileTokens = 3;

} // namespace

Status EmulatedModel::addPrefill(const DenseModel &model,
                                 const BatchShape &shape,
                                 const std::string &intrinsics) {
  const CudaTarget target = *cudaTarget("sm_90a");
  const uint32_t most = shape.maxPrefill;
  const auto epsilon = static_cast<float>(model.epsilon);
  // Buffers of the prefill have names that begin with "p.".
  const auto make = [&](const std::string &name, uint64_t perToken) {
    memory["p." + name] = emulator::unwrittenFloats(most * perToken);
  };
  make("token_ids", 1);
  make("positions", 1);
  make("sequences", 1);
  make("tiles", 3);
  make("x", model.width);
  make("angles", model.ropeDim);
  make("qkv", model.qkvRows());
  make("heads", uint64_t{model.heads} * model.headDim);
  make("h", model.hidden);
  make("logits", model.vocabulary);
  make("scales", 8);

  const auto add =
      [&](Result<CudaKernel> kernel, std::map<std::string, std::string> buffers,
          const std::string &dependent, uint64_t cacheOffset) -> Status {
    if (!kernel.isOk()) {
      return kernel.status();
    }
    prefillLaunches.push_back(
        {*std::move(kernel), std::move(buffers), dependent, cacheOffset});
    return Status::ok();
  };
  const auto addMatMul =
      [&](uint32_t rows, uint32_t columns, const std::string &x,
          MatMulInput input, const std::string &norm,
          const std::string &weights, const std::string &y, MatMulOutput output,
          const std::string &bias) -> Status {
    PrefillInput first;
    first.dtype = DType::F16;
    first.columns = columns;
    first.maxTokens = most;
    first.input = input;
    first.epsilon = input == MatMulInput::RmsNorm ? epsilon : 0;
    first.splitActivations = true;
    first.wgmma = shape.wgmma;
    first.dependentLaunch = true;
    AIR_ASSIGN_OR_RETURN(const uint64_t bytes, prefillOperandBytes(first));
    std::vector<uint8_t> &operands = memory["p.operands"];
    operands.resize(std::max<uint64_t>(operands.size(), bytes), 0xff);
    std::map<std::string, std::string> buffers = {
        {"x", x}, {"operands", "p.operands"}, {"scales", "p.scales"}};
    if (!norm.empty()) {
      buffers["norm_weight"] = norm;
    }
    AIR_RETURN_IF_ERROR(
        add(generatePrefillInput(first, target, intrinsics), buffers, "x", 0));
    PrefillMatMul second;
    second.dtype = DType::F16;
    second.rows = rows;
    second.columns = columns;
    second.maxTokens = most;
    second.splitActivations = true;
    second.wgmma = shape.wgmma;
    second.output = output;
    second.hasBias = !bias.empty();
    second.dependentLaunch = true;
    second.tiling = {shape.wgmma ? 4U : 2U, 1, 1, 2, 2};
    buffers["weights"] = weights;
    buffers["y"] = y;
    if (!bias.empty()) {
      buffers["bias"] = bias;
    }
    return add(generatePrefillMatMul(second, target, intrinsics), buffers,
               "operands", 0);
  };

  BeginStep begin;
  begin.dtype = DType::F32;
  begin.vocabulary = model.vocabulary;
  begin.columns = model.width;
  begin.tokens = most;
  begin.countInMemory = true;
  begin.ropeDim = model.ropeDim;
  begin.dependentLaunch = true;
  AIR_RETURN_IF_ERROR(add(generateBeginStep(begin, target, intrinsics),
                          {{"token_ids", "p.token_ids"},
                           {"rope_positions", "p.positions"},
                           {"x", "p.x"},
                           {"angles", "p.angles"}},
                          "token_ids", 0));
  using enum MatMulInput;
  using enum MatMulOutput;
  const uint32_t headRows = model.heads * model.headDim;
  for (uint32_t i = 0; i < model.layers.size(); ++i) {
    const DenseLayer &layer = model.layers[i];
    const std::string name = "layer" + std::to_string(i) + ".";
    const uint64_t offset = i * kvLayerBytes(pages);
    AIR_RETURN_IF_ERROR(addMatMul(model.qkvRows(), model.width, "p.x", RmsNorm,
                                  name + "attn_norm", name + "qkv", "p.qkv",
                                  Store,
                                  layer.qkvBias.empty() ? "" : name + "bias"));
    PrefillHeads heads;
    heads.heads = {.queryHeads = model.heads,
                   .keyHeads = model.kvHeads,
                   .valueHeads = model.kvHeads,
                   .qkNorm = !layer.qNorm.empty(),
                   .qkEpsilon = epsilon,
                   .rope = model.rope,
                   .ropeDim = model.ropeDim,
                   .pages = pages};
    heads.maxTokens = most;
    heads.dependentLaunch = true;
    AIR_RETURN_IF_ERROR(add(generatePrefillHeads(heads, target, intrinsics),
                            {{"y", "p.qkv"},
                             {"sequences", "p.sequences"},
                             {"angles", "p.angles"},
                             {"q_norm", name + "q_norm"},
                             {"k_norm", name + "k_norm"},
                             {"positions", "p.positions"}},
                            "y", offset));
    PrefillAttention attention;
    attention.queryHeads = model.heads;
    attention.pages = pages;
    attention.maxTiles = most;
    attention.queryStride = model.qkvRows();
    attention.scale = 1 / std::sqrt(static_cast<float>(model.headDim));
    attention.splitOperands = true;
    attention.dependentLaunch = true;
    attention.tiling = {
        .tileTokens = kTileTokens, .positions = 32, .stages = 2};
    AIR_RETURN_IF_ERROR(
        add(generatePrefillAttention(attention, target, intrinsics),
            {{"q", "p.qkv"},
             {"positions", "p.positions"},
             {"out", "p.heads"},
             {"tiles", "p.tiles"}},
            "q", offset));
    AIR_RETURN_IF_ERROR(addMatMul(model.width, headRows, "p.heads", Float, "",
                                  name + "attn_out", "p.x", Add, ""));
    AIR_RETURN_IF_ERROR(addMatMul(model.hidden, model.width, "p.x", RmsNorm,
                                  name + "ffn_norm", name + "gate_up", "p.h",
                                  SiluGlu, ""));
    AIR_RETURN_IF_ERROR(addMatMul(model.width, model.hidden, "p.h", Float, "",
                                  name + "down", "p.x", Add, ""));
  }
  return addMatMul(model.vocabulary, model.width, "p.x", RmsNorm, "output_norm",
                   "output", "p.logits", Store, "");
}

Result<std::vector<float>>
EmulatedModel::prefill(const std::vector<PrefillToken> &tokens) {
  std::vector<uint32_t> ids;
  std::vector<uint32_t> sequences;
  std::vector<uint32_t> positions;
  std::vector<uint32_t> tiles;
  for (uint32_t m = 0; m < tokens.size(); ++m) {
    ids.push_back(tokens[m].id);
    sequences.push_back(tokens[m].sequence);
    positions.push_back(tokens[m].position);
    const bool begins = m == 0 || tokens[m - 1].sequence != sequences[m] ||
                        tiles[tiles.size() - 2] == kTileTokens;
    if (begins) {
      tiles.insert(tiles.end(), {m, 0U, sequences[m]});
    }
    ++tiles[tiles.size() - 2];
  }
  const auto put = [&](const std::string &name,
                       const std::vector<uint32_t> &values) {
    std::vector<uint8_t> &to = memory.at("p." + name);
    std::ranges::fill(to, 0xff);
    std::ranges::copy(emulator::bytesOf(values), to.begin());
  };
  put("token_ids", ids);
  put("sequences", sequences);
  put("positions", positions);
  put("tiles", tiles);
  memory["token_count"] =
      emulator::bytesOf(std::vector{static_cast<uint32_t>(tokens.size())});
  memory["tile_count"] =
      emulator::bytesOf(std::vector{static_cast<uint32_t>(tiles.size() / 3)});
  AIR_RETURN_IF_ERROR(run(prefillLaunches));
  const auto all = emulator::valuesOf<float>(memory.at("p.logits"));
  const uint64_t width = all.size() / batch.maxPrefill;
  return std::vector<float>(all.begin(), all.begin() + tokens.size() * width);
}

} // namespace air::codegen
