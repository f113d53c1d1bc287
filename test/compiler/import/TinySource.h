//===- TinySource.h - one-layer models without tensor data ------*- C++ -*-===//
//
// The importer reads only the metadata and the tensor index, so a test's model
// is a table of names and shapes.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_COMPILER_IMPORT_TINYSOURCE_H
#define AIRPACK_TEST_COMPILER_IMPORT_TINYSOURCE_H

#include "formats/model/ModelSource.h"

namespace air::test {

inline void addTensor(ModelSource &source, const std::string &name,
                      std::vector<uint64_t> shape, DType dtype = DType::F32) {
  SourceTensor tensor;
  tensor.name = name;
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  source.tensors[name] = tensor;
}

/// A model of width 8, with 2 query heads and 1 KV head of 4 elements, an FFN
/// width of 12 and a vocabulary of 16 tokens.
inline ModelSource tinySource(const std::string &architecture) {
  ModelSource source;
  auto set = [&](const std::string &key, MetadataValue value) {
    source.metadata[architecture + "." + key] = std::move(value);
  };
  source.metadata["general.architecture"] = architecture;
  source.metadata["general.name"] = std::string("test");
  set("block_count", uint64_t{1});
  set("context_length", uint64_t{64});
  set("embedding_length", uint64_t{8});
  set("feed_forward_length", uint64_t{12});
  set("attention.head_count", uint64_t{2});
  set("attention.head_count_kv", uint64_t{1});
  set("attention.layer_norm_rms_epsilon", 0.5);
  addTensor(source, "token_embd.weight", {16, 8});
  addTensor(source, "output_norm.weight", {8});
  addTensor(source, "output.weight", {16, 8});
  addTensor(source, "blk.0.attn_norm.weight", {8});
  addTensor(source, "blk.0.attn_q.weight", {8, 8});
  addTensor(source, "blk.0.attn_k.weight", {4, 8});
  addTensor(source, "blk.0.attn_v.weight", {4, 8});
  addTensor(source, "blk.0.attn_output.weight", {8, 8});
  addTensor(source, "blk.0.ffn_norm.weight", {8});
  addTensor(source, "blk.0.ffn_gate.weight", {12, 8});
  addTensor(source, "blk.0.ffn_up.weight", {12, 8});
  addTensor(source, "blk.0.ffn_down.weight", {8, 12});
  if (architecture == "qwen2") {
    addTensor(source, "blk.0.attn_q.bias", {8});
    addTensor(source, "blk.0.attn_k.bias", {4});
    addTensor(source, "blk.0.attn_v.bias", {4});
  }
  if (architecture == "qwen3") {
    addTensor(source, "blk.0.attn_q_norm.weight", {4});
    addTensor(source, "blk.0.attn_k_norm.weight", {4});
  }
  return source;
}

} // namespace air::test

#endif // AIRPACK_TEST_COMPILER_IMPORT_TINYSOURCE_H
