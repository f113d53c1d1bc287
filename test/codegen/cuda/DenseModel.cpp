//===- DenseModel.cpp - a dense decoder in double precision ---------------===//
#include "test/codegen/cuda/DenseModel.h"

#include "formats/dtype/Half.h"
#include "formats/gguf/GgufReader.h"

#include <cmath>
#include <cstring>

namespace air::codegen {
namespace {

double roundToHalf(double value) {
  return halfToFloat(floatToHalf(static_cast<float>(value)));
}

Doubles tensor(const ModelSource &source, const std::string &name) {
  const SourceTensor *found = source.find(name);
  if (!found || found->dtype != DType::F32) {
    return {};
  }
  std::vector<float> floats(found->data.size() / 4);
  std::memcpy(floats.data(), found->data.data(), found->data.size());
  return {floats.begin(), floats.end()};
}

Doubles matrix(const ModelSource &source, const std::string &name, bool half) {
  Doubles values = tensor(source, name + ".weight");
  for (double &value : values) {
    value = half ? roundToHalf(value) : value;
  }
  return values;
}

void append(Doubles &to, const Doubles &from) {
  to.insert(to.end(), from.begin(), from.end());
}

} // namespace

Result<DenseModel> readDenseModel(const std::string &path, bool half) {
  AIR_ASSIGN_OR_RETURN(const ModelSource source, readGguf(path));
  const std::string family =
      source.getString("general.architecture").value_or("");
  const auto number = [&](const std::string &key) {
    return static_cast<uint32_t>(
        source.getUnsigned(family + "." + key).value_or(0));
  };
  DenseModel model;
  model.width = number("embedding_length");
  model.hidden = number("feed_forward_length");
  model.heads = number("attention.head_count");
  model.kvHeads = number("attention.head_count_kv");
  model.headDim = number("attention.key_length");
  model.ropeDim = number("rope.dimension_count");
  model.ropeDim = model.ropeDim != 0 ? model.ropeDim : model.headDim;
  model.rope = family == "llama" ? RopeKind::Norm : RopeKind::Neox;
  model.epsilon =
      source.getFloat(family + ".attention.layer_norm_rms_epsilon").value_or(0);
  const double base =
      source.getFloat(family + ".rope.freq_base").value_or(10000);
  const Doubles factors = tensor(source, "rope_freqs.weight");
  for (uint32_t i = 0; i < model.ropeDim / 2; ++i) {
    const double f = std::pow(base, -2.0 * i / model.ropeDim);
    model.frequencies.push_back(factors.empty() ? f : f / factors[i]);
  }
  const Doubles table = tensor(source, "token_embd.weight");
  model.embeddings.assign(table.begin(), table.end());
  model.vocabulary = static_cast<uint32_t>(table.size() / model.width);
  model.outputNorm = tensor(source, "output_norm.weight");
  model.output = matrix(source, "output", half);
  if (model.output.empty()) {
    model.output = matrix(source, "token_embd", half);
  }
  for (uint32_t i = 0; i < number("block_count"); ++i) {
    const std::string name = "blk." + std::to_string(i) + ".";
    DenseLayer layer;
    for (const char *part : {"attn_q", "attn_k", "attn_v"}) {
      append(layer.qkv, matrix(source, name + part, half));
      append(layer.qkvBias, tensor(source, name + part + ".bias"));
    }
    layer.attnNorm = tensor(source, name + "attn_norm.weight");
    layer.qNorm = tensor(source, name + "attn_q_norm.weight");
    layer.kNorm = tensor(source, name + "attn_k_norm.weight");
    layer.attnOut = matrix(source, name + "attn_output", half);
    layer.ffnNorm = tensor(source, name + "ffn_norm.weight");
    layer.gate = matrix(source, name + "ffn_gate", half);
    layer.up = matrix(source, name + "ffn_up", half);
    layer.down = matrix(source, name + "ffn_down", half);
    model.layers.push_back(std::move(layer));
  }
  return model;
}

Doubles DenseSequence::step(uint32_t token, const KvRounding &cached) {
  KernelSpec spec;
  spec.heads = model.heads;
  spec.kvHeads = model.kvHeads;
  spec.headDim = model.headDim;
  spec.ropeDim = model.ropeDim;
  spec.rope = model.rope;
  spec.epsilon = static_cast<float>(model.epsilon);
  spec.scale = 1 / std::sqrt(static_cast<float>(model.headDim));
  const float *row = model.embeddings.data() + uint64_t{token} * model.width;
  Doubles x(row, row + model.width);
  const Doubles angles =
      reference::ropeAngles(model.frequencies, {&position, 1});
  for (uint32_t i = 0; i < model.layers.size(); ++i) {
    const DenseLayer &layer = model.layers[i];
    spec.qkNorm = !layer.qNorm.empty();
    const Doubles qkv = reference::matMul(
        reference::rmsNorm(x, layer.attnNorm, model.epsilon), layer.qkv,
        layer.qkvBias, model.qkvRows(), model.width);
    reference::QkvRows rows =
        reference::ropeAppend(spec, qkv, angles, layer.qNorm, layer.kNorm);
    for (const bool isValue : {false, true}) {
      Doubles &part = isValue ? rows.v : rows.k;
      for (uint32_t e = 0; cached && e < part.size(); ++e) {
        part[e] = cached(i, isValue, e, part[e]);
      }
    }
    append(keys[i], rows.k);
    append(values[i], rows.v);
    const Doubles heads =
        reference::attention(spec, rows.q, keys[i], values[i], position + 1);
    x = reference::add(reference::matMul(heads, layer.attnOut, {}, model.width,
                                         uint64_t{model.heads} * model.headDim),
                       x);
    const Doubles h = reference::gluMatMul(
        reference::rmsNorm(x, layer.ffnNorm, model.epsilon), layer.gate,
        layer.up, model.hidden, model.width);
    x = reference::add(
        reference::matMul(h, layer.down, {}, model.width, model.hidden), x);
  }
  ++position;
  return reference::matMul(
      reference::rmsNorm(x, model.outputNorm, model.epsilon), model.output, {},
      model.vocabulary, model.width);
}

} // namespace air::codegen
