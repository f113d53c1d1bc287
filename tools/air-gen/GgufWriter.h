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
  std::vector<uint64_t> shape; ///< outermost dimension first
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

  /// A function that fills `bytes`, which begin `offset` bytes after the start
  /// of tensor `index`.
  using Fill = std::function<void(size_t index, uint64_t offset,
                                  std::span<uint8_t> bytes)>;
  Status write(AtomicFile file, const Fill &fill) const;

  /// Like write(), but leaves a hole in the file in place of the tensors'
  /// bytes. The hole takes no space on the disk and reads as zeros.
  Status writeHeaders(AtomicFile file) const;

  const std::vector<GgufTensor> &allTensors() const { return tensors; }

private:
  struct Layout {
    std::vector<uint8_t> head;     ///< everything before the tensors' bytes
    std::vector<uint64_t> offsets; ///< per tensor, from the end of `head`
    std::vector<uint64_t> sizes;   ///< per tensor, in bytes
    uint64_t fileBytes = 0;
  };
  /// Computes the layout of the file. Errors: Usage if the tensors would take
  /// 2^63 bytes or more; Corrupt if a row is not a whole number of blocks.
  Result<Layout> layOut() const;

  void key(const std::string &name, uint32_t type);
  std::vector<uint8_t> metadata;
  uint64_t keys = 0;
  std::vector<GgufTensor> tensors;
};

} // namespace air::gen

#endif // AIRPACK_TOOLS_AIRGEN_GGUFWRITER_H
