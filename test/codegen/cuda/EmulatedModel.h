//===- EmulatedModel.h - steps of a model on the emulated GPU ---*- C++ -*-===//
#ifndef AIRPACK_TEST_CODEGEN_CUDA_EMULATEDMODEL_H
#define AIRPACK_TEST_CODEGEN_CUDA_EMULATEDMODEL_H

#include "test/codegen/cuda/DenseModel.h"
#include "test/codegen/cuda/KernelRun.h"

#include <memory>

namespace air::codegen {

struct BatchShape {
  uint32_t sequences = 1;
  uint32_t tokensPerSequence = 1;
  uint32_t contextPages = 2; ///< KV pages of a sequence
  uint32_t maxPrefill = 0;   ///< most tokens of a prefill; 0: no prefill
  bool wgmma = false;        ///< as in PrefillMatMul
  uint32_t tokens() const { return sequences * tokensPerSequence; }
};

struct PrefillToken {
  uint32_t id, sequence, position;
};

/// The kernels of a decode step and of a prefill, generated for the emulator,
/// and the memory that they use. Matrices have dtype F16, except for the
/// embeddings, which are in float32.
class EmulatedModel {
public:
  static Result<EmulatedModel> create(const DenseModel &model,
                                      const BatchShape &shape);

  /// Runs a decode step, from the embedding of the tokens to the greedy choice
  /// of the next ones. It reads the token ids and positions that the previous
  /// step, or set(), wrote to the memory of the emulated device.
  Status step();

  /// Computes the logits of tokens and appends their keys and values to the
  /// cache. The tokens of a sequence follow one another in `tokens`. Returns
  /// the logits, [tokens][vocabulary].
  Result<std::vector<float>> prefill(const std::vector<PrefillToken> &tokens);

  void set(const std::vector<uint32_t> &ids,
           const std::vector<uint32_t> &positions);
  std::vector<uint32_t> ids() const;
  std::vector<float> logits() const; ///< [tokens][vocabulary]
  /// Reads an element from the KV cache; `element` is an index as in
  /// KvRounding.
  double cached(uint32_t layer, uint32_t sequence, uint32_t position,
                bool isValue, uint32_t element) const;

private:
  struct Launch {
    cuda::CudaKernel kernel;
    /// Maps names of bindings to names of buffers, where the two differ.
    std::map<std::string, std::string> buffers;
    std::string dependent;    ///< the binding that the previous kernel wrote
    uint64_t cacheOffset = 0; ///< where the layer begins in a KV page
  };
  EmulatedModel() = default;
  Status addLayer(const DenseModel &model, const BatchShape &shape,
                  uint32_t index, const std::string &intrinsics);
  /// Adds the kernels of a prefill. They read the same weights in memory as the
  /// kernels of the decode step.
  Status addPrefill(const DenseModel &model, const BatchShape &shape,
                    const std::string &intrinsics);
  Status run(const std::vector<Launch> &list);

  std::vector<Launch> launches, prefillLaunches;
  cuda::KvPages pages;
  BatchShape batch;
  emulator::Buffers memory;
  std::unique_ptr<emulator::Library> library;
};

} // namespace air::codegen

#endif // AIRPACK_TEST_CODEGEN_CUDA_EMULATEDMODEL_H
