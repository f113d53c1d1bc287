//===- GgufWriter.h - writes GGUF v3, tensor by tensor ----------*- C++ -*-===//
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Metadata
// and the tensor index are held in memory; tensor bytes are streamed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRGEN_GGUFWRITER_H
#define AIRPACK_TOOLS_AIRGEN_GGUFWRITER_H

#include "formats/dtype/DType.h"
#include "formats/support/AtomicFile.h"

#include <functional>
#include <string>
#include <vector>

namespace air::gen {

struct GgufTensor {
  std::string name;
  DType dtype = DType::F32;
  std::vector<uint64_t> shape; ///< outermost first
};

class GgufWriter {
public:
  void add(const std::string &key, const std::string &value);
  void add(const std::string &key, uint32_t value);
  void add(const std::string &key, float value);
  void add(const std::string &key, bool value);
  void add(const std::string &key, const std::vector<std::string> &values);
  void add(const std::string &key, const std::vector<int32_t> &values);
  void addTensor(GgufTensor tensor) { tensors.push_back(std::move(tensor)); }

  /// Fills `bytes`, which start `offset` bytes into tensor `index`.
  using Fill = std::function<void(size_t index, uint64_t offset,
                                  std::span<uint8_t> bytes)>;
  /// `pieceBytes` must hold whole blocks of every dtype used.
  Status write(const std::string &path, const Fill &fill) const;

  const std::vector<GgufTensor> &allTensors() const { return tensors; }

private:
  void key(const std::string &name, uint32_t type);
  std::vector<uint8_t> metadata;
  uint64_t keys = 0;
  std::vector<GgufTensor> tensors;
};

} // namespace air::gen

#endif // AIRPACK_TOOLS_AIRGEN_GGUFWRITER_H
