//===- GgufWriter.cpp - writes GGUF v3, tensor by tensor ------------------===//
#include "tools/air-gen/GgufWriter.h"

#include "formats/support/CheckedMath.h"

#include <cstring>

namespace air::gen {

namespace {

// GGUF's ids of metadata value types.
enum GgufType : uint32_t {
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
};

constexpr uint64_t kTensorAlignment = 32; // default of general.alignment

template <typename T> void append(std::vector<uint8_t> &out, T value) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(&value);
  out.insert(out.end(), bytes, bytes + sizeof(T));
}

void appendString(std::vector<uint8_t> &out, const std::string &text) {
  append<uint64_t>(out, text.size());
  out.insert(out.end(), text.begin(), text.end());
}

} // namespace

void GgufWriter::key(const std::string &name, uint32_t type) {
  appendString(metadata, name);
  append(metadata, type);
  ++keys;
}

void GgufWriter::add(const std::string &name, const std::string &value) {
  key(name, kString);
  appendString(metadata, value);
}

void GgufWriter::add(const std::string &name, uint32_t value) {
  key(name, kUint32);
  append(metadata, value);
}

void GgufWriter::add(const std::string &name, float value) {
  key(name, kFloat32);
  append(metadata, value);
}

void GgufWriter::add(const std::string &name, bool value) {
  key(name, kBool);
  append<uint8_t>(metadata, value ? 1 : 0);
}

void GgufWriter::add(const std::string &name,
                     const std::vector<std::string> &values) {
  key(name, kArray);
  append<uint32_t>(metadata, kString);
  append<uint64_t>(metadata, values.size());
  for (const std::string &value : values) {
    appendString(metadata, value);
  }
}

void GgufWriter::add(const std::string &name,
                     const std::vector<int32_t> &values) {
  key(name, kArray);
  append<uint32_t>(metadata, kInt32);
  append<uint64_t>(metadata, values.size());
  for (int32_t value : values) {
    append(metadata, value);
  }
}

Result<GgufWriter::Layout> GgufWriter::layOut() const {
  Layout layout;
  std::vector<uint8_t> &head = layout.head;
  head = {'G', 'G', 'U', 'F'};
  append<uint32_t>(head, 3);
  append<uint64_t>(head, tensors.size());
  append<uint64_t>(head, keys);
  head.insert(head.end(), metadata.begin(), metadata.end());

  uint64_t offset = 0;
  for (const GgufTensor &tensor : tensors) {
    AIR_ASSIGN_OR_RETURN(uint64_t row,
                         rowBytes(tensor.dtype, tensor.shape.back()));
    std::optional<uint64_t> bytes = row;
    for (size_t i = 0; i + 1 < tensor.shape.size() && bytes; ++i) {
      bytes = checkedMul(*bytes, tensor.shape[i]);
    }
    std::optional<uint64_t> end =
        bytes ? checkedAdd(offset, *bytes) : std::nullopt;
    std::optional<uint64_t> next =
        end ? checkedAlignUp(*end, kTensorAlignment) : std::nullopt;
    if (!next || *next > INT64_MAX) {
      return usageError(
          "tensor '" + tensor.name +
          "' makes the file 2^63 bytes or larger; choose a smaller shape");
    }
    appendString(head, tensor.name);
    append<uint32_t>(head, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      append<uint64_t>(head, tensor.shape[i]); // innermost dimension first
    }
    append<uint32_t>(head, static_cast<uint32_t>(tensor.dtype));
    append<uint64_t>(head, offset);
    layout.offsets.push_back(offset);
    layout.sizes.push_back(*bytes);
    offset = *next;
  }
  head.resize(alignUp(head.size(), kTensorAlignment), 0);
  layout.fileBytes = head.size() + offset;
  return layout;
}

Status GgufWriter::write(AtomicFile file, const Fill &fill) const {
  AIR_ASSIGN_OR_RETURN(Layout layout, layOut());
  AIR_RETURN_IF_ERROR(file.reserve(layout.fileBytes));
  AIR_RETURN_IF_ERROR(file.writeAt(0, layout.head));
  std::vector<uint8_t> piece;
  for (size_t i = 0; i < tensors.size(); ++i) {
    // Every piece consists of whole blocks, so that `fill` never receives a
    // part of a block.
    uint64_t block = info(tensors[i].dtype).blockBytes;
    uint64_t pieceBytes =
        std::max<uint64_t>(1, (uint64_t{1} << 22) / block) * block;
    for (uint64_t at = 0; at < layout.sizes[i]; at += pieceBytes) {
      piece.resize(std::min(pieceBytes, layout.sizes[i] - at));
      fill(i, at, piece);
      AIR_RETURN_IF_ERROR(
          file.writeAt(layout.head.size() + layout.offsets[i] + at, piece));
    }
  }
  return file.commit(layout.fileBytes);
}

Status GgufWriter::writeHeaders(AtomicFile file) const {
  AIR_ASSIGN_OR_RETURN(Layout layout, layOut());
  AIR_RETURN_IF_ERROR(file.writeAt(0, layout.head));
  return file.commit(layout.fileBytes);
}

} // namespace air::gen
