//===- EmulatedModel.cpp - steps of a model on the emulated GPU -----------===//
#include "test/codegen/cuda/EmulatedModel.h"

#include "codegen/cuda/BeginStep.h"
#include "codegen/cuda/ChooseToken.h"
#include "codegen/cuda/DecodeAttention.h"
#include "formats/dtype/Half.h"
#include "formats/plan/T16.h"

#include <cmath>

namespace air::codegen {
namespace {

using namespace cuda;

CudaTarget target() { return *cudaTarget("sm_90a"); }

std::vector<uint8_t> floats(const Doubles &values) {
  return emulator::bytesOf(std::vector<float>(values.begin(), values.end()));
}

/// Rounds a matrix to float16. Row i of `from` becomes row place(i) of `to`.
template <typename Place>
void placeRows(std::vector<uint16_t> &to, const Doubles &from, uint32_t columns,
               Place place) {
  for (uint64_t i = 0; i < from.size(); ++i) {
    to[place(i / columns) * columns + i % columns] =
        floatToHalf(static_cast<float>(from[i]));
  }
}

std::vector<uint8_t> pack(const std::vector<uint16_t> &halves,
                          uint32_t columns) {
  const uint64_t rows = halves.size() / columns;
  std::vector<uint8_t> packed(*t16Bytes(DType::F16, rows, columns));
  packT16(DType::F16, rows, columns, emulator::bytesOf(halves), packed);
  return packed;
}

std::vector<uint8_t> packMatrix(const Doubles &matrix, uint32_t columns) {
  std::vector<uint16_t> halves(matrix.size());
  placeRows(halves, matrix, columns, [](uint64_t row) { return row; });
  return pack(halves, columns);
}

DecodeMatMul matMul(uint32_t rows, uint32_t columns, uint32_t tokens,
                    MatMulInput input, MatMulOutput output) {
  DecodeMatMul spec;
  spec.dtype = DType::F16;
  spec.rows = rows;
  spec.columns = columns;
  spec.tokens = tokens;
  spec.multiprocessors = 2;
  spec.dependentLaunch = true;
  spec.input = input;
  spec.splitActivations = true;
  spec.output = output;
  spec.tiling = {.fetch = WeightFetch::BulkCopy, .warps = 2, .stages = 2};
  return spec;
}

KvPages pagesOf(const DenseModel &model, const BatchShape &shape) {
  KvPages pages = {.headDim = model.headDim,
                   .kvHeads = model.kvHeads,
                   .tablePages = shape.contextPages};
  pages.pageBytes = model.layers.size() * kvLayerBytes(pages);
  return pages;
}

} // namespace

Status EmulatedModel::addLayer(const DenseModel &model, const BatchShape &shape,
                               uint32_t index, const std::string &intrinsics) {
  const DenseLayer &layer = model.layers[index];
  const std::string name = "layer" + std::to_string(index) + ".";
  const uint32_t tokens = shape.tokens();
  const auto epsilon = static_cast<float>(model.epsilon);

  DecodeMatMul qkv = matMul(model.qkvRows(), model.width, tokens,
                            MatMulInput::RmsNorm, MatMulOutput::Heads);
  qkv.epsilon = epsilon;
  qkv.hasBias = !layer.qkvBias.empty();
  qkv.heads = {.queryHeads = model.heads,
               .keyHeads = model.kvHeads,
               .valueHeads = model.kvHeads,
               .qkNorm = !layer.qNorm.empty(),
               .qkEpsilon = epsilon,
               .rope = model.rope,
               .ropeDim = model.ropeDim,
               .tokensPerSequence = shape.tokensPerSequence,
               .pages = pages};
  AIR_ASSIGN_OR_RETURN(CudaKernel kernel,
                       generateDecodeMatMul(qkv, target(), intrinsics));
  memory[name + "qkv"] = packMatrix(layer.qkv, model.width);
  memory[name + "attn_norm"] = floats(layer.attnNorm);
  memory[name + "bias"] = floats(layer.qkvBias);
  memory[name + "q_norm"] = floats(layer.qNorm);
  memory[name + "k_norm"] = floats(layer.kNorm);
  launches.push_back({std::move(kernel),
                      {{"weights", name + "qkv"},
                       {"y", "qkv"},
                       {"norm_weight", name + "attn_norm"},
                       {"bias", name + "bias"},
                       {"q_norm", name + "q_norm"},
                       {"k_norm", name + "k_norm"}},
                      "x",
                      index * kvLayerBytes(pages)});

  DecodeAttention attention;
  attention.queryHeads = model.heads;
  attention.pages = pages;
  attention.tokens = tokens;
  attention.tokensPerSequence = shape.tokensPerSequence;
  attention.queryStride = model.qkvRows();
  attention.scale = 1 / std::sqrt(static_cast<float>(model.headDim));
  attention.splits = 2;
  attention.warps = 2;
  attention.dependentLaunch = true;
  AIR_ASSIGN_OR_RETURN(
      kernel, generateDecodeAttention(attention, target(), intrinsics));
  launches.push_back({std::move(kernel),
                      {{"q", "qkv"}, {"out", "heads"}},
                      "q",
                      index * kvLayerBytes(pages)});

  const uint32_t headRows = model.heads * model.headDim;
  AIR_ASSIGN_OR_RETURN(
      kernel,
      generateDecodeMatMul(matMul(model.width, headRows, tokens,
                                  MatMulInput::Float, MatMulOutput::Add),
                           target(), intrinsics));
  memory[name + "attn_out"] = packMatrix(layer.attnOut, headRows);
  launches.push_back(
      {std::move(kernel),
       {{"weights", name + "attn_out"}, {"x", "heads"}, {"y", "x"}},
       "x"});

  DecodeMatMul glu = matMul(model.hidden, model.width, tokens,
                            MatMulInput::RmsNorm, MatMulOutput::SiluGlu);
  glu.epsilon = epsilon;
  AIR_ASSIGN_OR_RETURN(kernel, generateDecodeMatMul(glu, target(), intrinsics));
  std::vector<uint16_t> gateUp(uint64_t{model.hidden + 7} / 8 * 16 *
                               model.width);
  for (const bool up : {false, true}) {
    placeRows(gateUp, up ? layer.up : layer.gate, model.width,
              [&](uint64_t row) { return gluRow(row, up); });
  }
  memory[name + "gate_up"] = pack(gateUp, model.width);
  memory[name + "ffn_norm"] = floats(layer.ffnNorm);
  launches.push_back({std::move(kernel),
                      {{"weights", name + "gate_up"},
                       {"y", "h"},
                       {"norm_weight", name + "ffn_norm"}},
                      "x"});

  AIR_ASSIGN_OR_RETURN(
      kernel,
      generateDecodeMatMul(matMul(model.width, model.hidden, tokens,
                                  MatMulInput::Float, MatMulOutput::Add),
                           target(), intrinsics));
  memory[name + "down"] = packMatrix(layer.down, model.hidden);
  launches.push_back({std::move(kernel),
                      {{"weights", name + "down"}, {"x", "h"}, {"y", "x"}},
                      "x"});
  return Status::ok();
}

Result<EmulatedModel> EmulatedModel::create(const DenseModel &model,
                                            const BatchShape &shape) {
  AIR_ASSIGN_OR_RETURN(const std::string intrinsics,
                       emulator::hostIntrinsicsText());
  EmulatedModel device;
  device.pages = pagesOf(model, shape);
  device.batch = shape;
  const uint32_t tokens = shape.tokens();
  const auto make = [&](const std::string &name, uint64_t perToken) {
    device.memory[name] = emulator::unwrittenFloats(tokens * perToken);
  };
  make("token_ids", 1);
  make("positions", 1);
  make("rope_positions", 1);
  device.memory["step_tokens"] = emulator::bytesOf(std::vector{tokens});
  make("x", model.width);
  make("angles", model.ropeDim);
  make("qkv", model.qkvRows());
  make("heads", uint64_t{model.heads} * model.headDim);
  make("h", model.hidden);
  make("logits", model.vocabulary);
  device.memory["table"] = emulator::bytesOf(model.embeddings);
  device.memory["inverse_frequency"] = emulator::bytesOf(model.frequencies);
  // Consecutive pages of the cache belong to different sequences.
  std::vector<uint32_t> tables;
  for (uint32_t s = 0; s < shape.sequences; ++s) {
    for (uint32_t p = 0; p < shape.contextPages; ++p) {
      tables.push_back(p * shape.sequences + s);
    }
  }
  device.memory["block_tables"] = emulator::bytesOf(tables);
  const uint64_t cacheBytes =
      device.pages.pageBytes * shape.sequences * shape.contextPages;
  device.memory["kv_cache"] = std::vector<uint8_t>(cacheBytes, 0xff);

  BeginStep begin;
  begin.dtype = DType::F32;
  begin.vocabulary = model.vocabulary;
  begin.columns = model.width;
  begin.tokens = tokens;
  begin.ropeDim = model.ropeDim;
  begin.dependentLaunch = true;
  AIR_ASSIGN_OR_RETURN(CudaKernel first,
                       generateBeginStep(begin, target(), intrinsics));
  device.launches.push_back({std::move(first), {}, "token_ids"});

  for (uint32_t i = 0; i < model.layers.size(); ++i) {
    AIR_RETURN_IF_ERROR(device.addLayer(model, shape, i, intrinsics));
  }

  DecodeMatMul head = matMul(model.vocabulary, model.width, tokens,
                             MatMulInput::RmsNorm, MatMulOutput::Store);
  head.epsilon = static_cast<float>(model.epsilon);
  AIR_ASSIGN_OR_RETURN(CudaKernel last,
                       generateDecodeMatMul(head, target(), intrinsics));
  device.memory["output"] = packMatrix(model.output, model.width);
  device.memory["output_norm"] = floats(model.outputNorm);
  device.launches.push_back(
      {std::move(last),
       {{"weights", "output"}, {"y", "logits"}, {"norm_weight", "output_norm"}},
       "x"});

  ChooseToken choose;
  choose.vocabulary = model.vocabulary;
  choose.tokens = tokens;
  choose.blocks = 2;
  choose.warps = 2;
  choose.advance = true;
  choose.dependentLaunch = true;
  AIR_ASSIGN_OR_RETURN(CudaKernel chooser,
                       generateChooseToken(choose, target(), intrinsics));
  device.launches.push_back(
      {std::move(chooser), {{"token_count", "step_tokens"}}, "logits"});

  if (shape.maxPrefill != 0) {
    AIR_RETURN_IF_ERROR(device.addPrefill(model, shape, intrinsics));
  }

  // Layers of the same shape share their kernels.
  std::map<std::string, std::string> texts;
  for (const auto *list : {&device.launches, &device.prefillLaunches}) {
    for (const Launch &launch : *list) {
      texts[launch.kernel.name] = launch.kernel.text;
    }
  }
  std::vector<std::string> list;
  for (const auto &[name, text] : texts) {
    list.push_back(text);
  }
  AIR_ASSIGN_OR_RETURN(emulator::Library compiled,
                       emulator::Library::compile(list));
  device.library = std::make_unique<emulator::Library>(std::move(compiled));
  return device;
}

Status EmulatedModel::step() { return run(launches); }

Status EmulatedModel::run(const std::vector<Launch> &list) {
  for (const Launch &launch : list) {
    emulator::Views views;
    for (auto &[name, bytes] : memory) {
      views[name] = bytes;
    }
    for (const auto &[binding, buffer] : launch.buffers) {
      views[binding] = memory.at(buffer);
    }
    // A page of the KV cache contains the keys and values of all layers, one
    // layer after another.
    views["kv_cache"] =
        std::span(memory.at("kv_cache")).subspan(launch.cacheOffset);
    AIR_RETURN_IF_ERROR(
        emulator::launch(*library, launch.kernel, views, launch.dependent)
            .withContext(launch.kernel.name));
  }
  return Status::ok();
}

void EmulatedModel::set(const std::vector<uint32_t> &ids,
                        const std::vector<uint32_t> &positions) {
  memory["token_ids"] = emulator::bytesOf(ids);
  memory["positions"] = emulator::bytesOf(positions);
  memory["rope_positions"] = emulator::bytesOf(positions);
}

std::vector<uint32_t> EmulatedModel::ids() const {
  return emulator::valuesOf<uint32_t>(memory.at("token_ids"));
}

double EmulatedModel::cached(uint32_t layer, uint32_t sequence,
                             uint32_t position, bool isValue,
                             uint32_t element) const {
  const uint32_t head = element / pages.headDim;
  const uint32_t at = element % pages.headDim;
  const uint64_t page = position / kKvPageTokens * batch.sequences + sequence;
  const uint64_t place =
      page * pages.pageBytes + layer * kvLayerBytes(pages) +
      (isValue ? valueOffset(pages, head, position % kKvPageTokens, at)
               : keyOffset(pages, head, position % kKvPageTokens, at));
  uint16_t half = 0;
  std::memcpy(&half, memory.at("kv_cache").data() + place, 2);
  return halfToFloat(half);
}

std::vector<float> EmulatedModel::logits() const {
  return emulator::valuesOf<float>(memory.at("logits"));
}

} // namespace air::codegen
