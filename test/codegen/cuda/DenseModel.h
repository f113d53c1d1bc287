//===- DenseModel.h - a dense decoder in double precision -------*- C++ -*-===//
//
// Reads the weights of a GGUF file of architecture llama, qwen2 or qwen3, and
// computes the model's logits with codegen/reference. Tests compare these
// logits with published ones, and with those of whole decode steps and prefills
// on the emulated GPU.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_DENSEMODEL_H
#define AIRPACK_TEST_CODEGEN_CUDA_DENSEMODEL_H

#include "codegen/reference/Reference.h"
#include "formats/support/Status.h"

#include <functional>
#include <string>
#include <vector>

namespace air::codegen {

using reference::Doubles;

struct DenseLayer {
  Doubles attnNorm, qkv, qkvBias, qNorm, kNorm, attnOut;
  Doubles ffnNorm, gate, up, down;
};

struct DenseModel {
  uint32_t width = 0, hidden = 0, vocabulary = 0;
  uint32_t heads = 0, kvHeads = 0, headDim = 0, ropeDim = 0;
  RopeKind rope = RopeKind::Norm;
  double epsilon = 0;
  Doubles frequencies; ///< ropeDim/2 numbers
  std::vector<float> embeddings;
  std::vector<DenseLayer> layers;
  Doubles outputNorm, output;

  uint32_t qkvRows() const { return (heads + 2 * kvHeads) * headDim; }
};

/// Reads a file whose tensors are all float32. The only RoPE scaling that is
/// supported is by the factors in the tensor rope_freqs. The matrices are
/// rounded to float16 if `half` is true, except for the embeddings.
Result<DenseModel> readDenseModel(const std::string &path, bool half);

/// Returns the value that a KV cache holds for an element of a key or a value.
/// Element e of KV head h has the index h * headDim + e.
using KvRounding = std::function<double(uint32_t layer, bool isValue,
                                        uint32_t element, double exact)>;

/// One sequence of tokens, with its keys and values.
class DenseSequence {
public:
  /// The model must outlive the sequence.
  explicit DenseSequence(const DenseModel &of)
      : model(of), keys(of.layers.size()), values(of.layers.size()) {}

  /// Appends a token and returns its logits. Without `cached`, keys and values
  /// are not rounded.
  Doubles step(uint32_t token, const KvRounding &cached = nullptr);

private:
  const DenseModel &model;
  uint32_t position = 0;
  std::vector<Doubles> keys, values; ///< one per layer
};

} // namespace air::codegen

#endif // AIRPACK_TEST_CODEGEN_CUDA_DENSEMODEL_H
