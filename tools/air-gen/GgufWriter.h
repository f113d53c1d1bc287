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
  Status write(AtomicFile file, const Fill &fill) const;

  /// As write, but where the tensors' bytes would be the file has a hole, which
  /// takes no room on the disk and reads as zeros.
  Status writeHeaders(AtomicFile file) const;

  const std::vector<GgufTensor> &allTensors() const { return tensors; }

private:
  struct Layout {
    std::vector<uint8_t> head;     ///< all that comes before the tensors' bytes
    std::vector<uint64_t> offsets; ///< of tensors, behind the head
    std::vector<uint64_t> sizes;   ///< of tensors
    uint64_t fileBytes = 0;
  };
  /// Usage when the file would pass 2^63 bytes.
  Result<Layout> layOut() const;

  void key(const std::string &name, uint32_t type);
  std::vector<uint8_t> metadata;
  uint64_t keys = 0;
  std::vector<GgufTensor> tensors;
};

} // namespace air::gen

#endif // AIRPACK_TOOLS_AIRGEN_GGUFWRITER_H
