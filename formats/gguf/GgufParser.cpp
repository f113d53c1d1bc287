//===- GgufParser.cpp - one GGUF file's header ----------------------------===//
//
// All input is untrusted. Counts are checked against the bytes that are left of
// the file before anything is allocated. The size of a header is limited, so
// that one wrong bit in a huge file cannot make the parser allocate all memory
// of the machine. Sizes are computed with CheckedMath.
//
//===----------------------------------------------------------------------===//
#include "formats/gguf/GgufParser.h"

#include "formats/gguf/GgufTypes.h"
#include "formats/support/ByteReader.h"
#include "formats/support/Printable.h"

#include <algorithm>
#include <bit>

namespace air::gguf {

namespace {

constexpr uint32_t kMagic = 0x46554747; // "GGUF"
constexpr uint64_t kDefaultAlignment = 32;
// The specification's limit for keys. The parser also applies it to the names
// of tensors.
constexpr uint64_t kMaxNameBytes = 65535;
constexpr uint32_t kMaxDimensions = 4; // GGML_MAX_DIMS of ggml
// The limit is generous: the largest known vocabularies lead to headers of
// about 20 MB.
constexpr uint64_t kMaxHeaderBytes = uint64_t{64} << 20;
// The sizes in bytes of the smallest possible entries. An entry of the metadata
// consists of a key length, a key of 1 byte, a type, and a value of 1 byte. An
// entry of the tensor index consists of a name length, a name of 1 byte, a
// number of dimensions, 1 dimension, a type, and an offset.
constexpr uint64_t kMinMetadataBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

enum class ValueType : uint32_t {
  Uint8 = 0,
  Int8 = 1,
  Uint16 = 2,
  Int16 = 3,
  Uint32 = 4,
  Int32 = 5,
  Float32 = 6,
  Bool = 7,
  String = 8,
  Array = 9,
  Uint64 = 10,
  Int64 = 11,
  Float64 = 12,
};

std::string number(uint64_t value) { return std::to_string(value); }

class Parser {
public:
  explicit Parser(std::span<const uint8_t> file)
      : bytes(file),
        reader(file.first(std::min<uint64_t>(file.size(), kMaxHeaderBytes))) {}

  Result<ParsedFile> run();

private:
  Status parseHeader();
  Status parseMetadata();
  Status parseTensors();
  Status parseTensor(SourceTensor &tensor, uint64_t &offset);
  Status locateData(const std::vector<uint64_t> &offsets,
                    std::vector<SourceTensor> &tensors);

  /// Returns the error "truncated at byte P: WHAT needs N bytes, but R are
  /// left".
  Status truncated(const char *what, uint64_t needed) const {
    return corruptError("truncated at byte " + number(reader.position()) +
                        ": " + what + " needs " + number(needed) +
                        " bytes, but " + number(reader.remaining()) +
                        areLeft());
  }

  /// Returns the end of an error message about too few bytes: " are left" or,
  /// if the file exceeds the limit of a header, " are left of the N that a
  /// header may take".
  std::string areLeft() const {
    return bytes.size() <= kMaxHeaderBytes
               ? " are left"
               : " are left of the " + number(kMaxHeaderBytes) +
                     " that a header may take";
  }

  template <typename T> Status read(const char *what, T &value) {
    std::optional<T> scalar = reader.read<T>();
    if (!scalar) {
      return truncated(what, sizeof(T));
    }
    value = *scalar;
    return Status::ok();
  }

  Status readString(const char *what, uint64_t maxBytes, std::string &text);
  Status readName(const char *what, std::string &text);
  Status readBool(bool &value);
  Status readValue(uint32_t type, MetadataValue &value);
  Status readArray(MetadataValue &value);

  template <typename Stored, typename Wide> Status readScalar(auto &value) {
    Stored stored{};
    AIR_RETURN_IF_ERROR(read("the value", stored));
    value = static_cast<Wide>(stored);
    return Status::ok();
  }
  template <typename Stored, typename Wide>
  Status readElements(uint64_t count, MetadataValue &value);

  std::span<const uint8_t> bytes;
  ByteReader reader;
  uint64_t tensorCount = 0;
  uint64_t metadataCount = 0;
  ParsedFile parsed;
};

Status Parser::readString(const char *what, uint64_t maxBytes,
                          std::string &text) {
  uint64_t begin = reader.position();
  uint64_t length = 0;
  AIR_RETURN_IF_ERROR(read(what, length));
  if (length > reader.remaining()) {
    return truncated(what, length);
  }
  if (length > maxBytes) {
    return corruptError(std::string(what) + " at byte " + number(begin) +
                        " has " + number(length) + " bytes; at most " +
                        number(maxBytes) + " are allowed");
  }
  std::span<const uint8_t> run = *reader.readBytes(length);
  text.assign(reinterpret_cast<const char *>(run.data()), run.size());
  return Status::ok();
}

Status Parser::readName(const char *what, std::string &text) {
  uint64_t begin = reader.position();
  AIR_RETURN_IF_ERROR(readString(what, kMaxNameBytes, text));
  if (text.empty()) {
    return corruptError(std::string(what) + " at byte " + number(begin) +
                        " is empty");
  }
  return Status::ok();
}

Status Parser::readBool(bool &value) {
  uint8_t stored = 0;
  AIR_RETURN_IF_ERROR(read("a boolean", stored));
  if (stored > 1) {
    return corruptError("the boolean at byte " + number(reader.position() - 1) +
                        " is " + number(stored) + ", neither 0 nor 1");
  }
  value = stored == 1;
  return Status::ok();
}

template <typename Stored, typename Wide>
Status Parser::readElements(uint64_t count, MetadataValue &value) {
  if (count > reader.remaining() / sizeof(Stored)) {
    return corruptError("the array at byte " + number(reader.position()) +
                        " claims " + number(count) + " elements of " +
                        number(sizeof(Stored)) + " bytes, but " +
                        number(reader.remaining()) + " bytes" + areLeft());
  }
  std::vector<Wide> elements(count);
  for (Wide &element : elements) {
    element = static_cast<Wide>(*reader.read<Stored>());
  }
  value = std::move(elements);
  return Status::ok();
}

Status Parser::readArray(MetadataValue &value) {
  uint64_t begin = reader.position();
  uint32_t type = 0;
  uint64_t count = 0;
  AIR_RETURN_IF_ERROR(read("the array's element type", type));
  AIR_RETURN_IF_ERROR(read("the array's length", count));
  switch (static_cast<ValueType>(type)) {
  case ValueType::Uint8:
    return readElements<uint8_t, uint64_t>(count, value);
  case ValueType::Int8:
    return readElements<int8_t, int64_t>(count, value);
  case ValueType::Uint16:
    return readElements<uint16_t, uint64_t>(count, value);
  case ValueType::Int16:
    return readElements<int16_t, int64_t>(count, value);
  case ValueType::Uint32:
    return readElements<uint32_t, uint64_t>(count, value);
  case ValueType::Int32:
    return readElements<int32_t, int64_t>(count, value);
  case ValueType::Uint64:
    return readElements<uint64_t, uint64_t>(count, value);
  case ValueType::Int64:
    return readElements<int64_t, int64_t>(count, value);
  case ValueType::Float32:
    return readElements<float, double>(count, value);
  case ValueType::Float64:
    return readElements<double, double>(count, value);
  case ValueType::Bool: {
    if (count > reader.remaining()) {
      return truncated("the array of booleans", count);
    }
    std::vector<bool> elements(count);
    for (uint64_t i = 0; i < count; ++i) {
      bool element = false;
      AIR_RETURN_IF_ERROR(readBool(element));
      elements[i] = element;
    }
    value = std::move(elements);
    return Status::ok();
  }
  case ValueType::String: {
    if (count > reader.remaining() / sizeof(uint64_t)) {
      return corruptError("the array at byte " + number(reader.position()) +
                          " claims " + number(count) +
                          " strings of at least 8 bytes, but " +
                          number(reader.remaining()) + " bytes" + areLeft());
    }
    std::vector<std::string> elements(count);
    for (std::string &element : elements) {
      AIR_RETURN_IF_ERROR(readString("a string", UINT64_MAX, element));
    }
    value = std::move(elements);
    return Status::ok();
  }
  case ValueType::Array:
    return unsupportedError("the array at byte " + number(begin) +
                            " holds arrays; only arrays of numbers, "
                            "booleans and strings are supported");
  }
  return corruptError("the array at byte " + number(begin) +
                      " has the unknown element type " + number(type) +
                      "; types 0 to 12 are known");
}

Status Parser::readValue(uint32_t type, MetadataValue &value) {
  switch (static_cast<ValueType>(type)) {
  case ValueType::Uint8:
    return readScalar<uint8_t, uint64_t>(value);
  case ValueType::Int8:
    return readScalar<int8_t, int64_t>(value);
  case ValueType::Uint16:
    return readScalar<uint16_t, uint64_t>(value);
  case ValueType::Int16:
    return readScalar<int16_t, int64_t>(value);
  case ValueType::Uint32:
    return readScalar<uint32_t, uint64_t>(value);
  case ValueType::Int32:
    return readScalar<int32_t, int64_t>(value);
  case ValueType::Uint64:
    return readScalar<uint64_t, uint64_t>(value);
  case ValueType::Int64:
    return readScalar<int64_t, int64_t>(value);
  case ValueType::Float32:
    return readScalar<float, double>(value);
  case ValueType::Float64:
    return readScalar<double, double>(value);
  case ValueType::Bool: {
    bool truth = false;
    AIR_RETURN_IF_ERROR(readBool(truth));
    value = truth;
    return Status::ok();
  }
  case ValueType::String: {
    std::string text;
    AIR_RETURN_IF_ERROR(readString("the string", UINT64_MAX, text));
    value = std::move(text);
    return Status::ok();
  }
  case ValueType::Array:
    return readArray(value);
  }
  return corruptError("unknown value type " + number(type) + " at byte " +
                      number(reader.position() - sizeof(type)) +
                      "; types 0 to 12 are known");
}

Status Parser::parseHeader() {
  uint32_t magic = 0;
  AIR_RETURN_IF_ERROR(read("the magic number", magic));
  if (magic != kMagic) {
    std::string_view start(reinterpret_cast<const char *>(bytes.data()), 4);
    return corruptError("not a GGUF file: it starts with " + inQuotes(start) +
                        ", not 'GGUF'");
  }
  AIR_RETURN_IF_ERROR(read("the version", parsed.version));
  if (parsed.version != 0 && (parsed.version & 0xffff) == 0) {
    return unsupportedError(
        "the file is big-endian (its version reads as " +
        number(parsed.version) +
        "); only little-endian GGUF is supported, so convert the model again");
  }
  if (parsed.version < 2 || parsed.version > 3) {
    return unsupportedError("GGUF version " + number(parsed.version) +
                            " at byte 4 is not supported; it must be 2 or 3");
  }
  AIR_RETURN_IF_ERROR(read("the tensor count", tensorCount));
  AIR_RETURN_IF_ERROR(read("the metadata count", metadataCount));
  if (metadataCount > reader.remaining() / kMinMetadataBytes) {
    return corruptError(
        "the header's metadata count at byte 16 is " + number(metadataCount) +
        ", but " + number(reader.remaining()) + " bytes" + areLeft() +
        ", enough for at most " +
        number(reader.remaining() / kMinMetadataBytes) + " entries");
  }
  if (tensorCount > reader.remaining() / kMinTensorBytes) {
    return corruptError(
        "the header's tensor count at byte 8 is " + number(tensorCount) +
        ", but " + number(reader.remaining()) + " bytes" + areLeft() +
        ", enough for at most " + number(reader.remaining() / kMinTensorBytes) +
        " tensors");
  }
  return Status::ok();
}

Status Parser::parseMetadata() {
  for (uint64_t i = 0; i < metadataCount; ++i) {
    uint64_t begin = reader.position();
    std::string key;
    Status status = readName("the key", key);
    if (!status.isOk()) {
      return status.withContext("metadata entry " + number(i));
    }
    uint32_t type = 0;
    MetadataValue value;
    status = read("the value's type", type);
    if (status.isOk()) {
      status = readValue(type, value);
    }
    if (!status.isOk()) {
      return status.withContext("metadata " + inQuotes(key));
    }
    if (!parsed.metadata.try_emplace(key, std::move(value)).second) {
      return corruptError("metadata " + inQuotes(key) +
                          " appears a second time at byte " + number(begin));
    }
  }
  return Status::ok();
}

Status Parser::parseTensor(SourceTensor &tensor, uint64_t &offset) {
  uint32_t dimensions = 0;
  AIR_RETURN_IF_ERROR(read("the dimension count", dimensions));
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    return corruptError("the number of dimensions at byte " +
                        number(reader.position() - sizeof(dimensions)) +
                        " is " + number(dimensions) + "; 1 to " +
                        number(kMaxDimensions) + " are allowed");
  }
  for (uint32_t i = 0; i < dimensions; ++i) {
    uint64_t extent = 0;
    AIR_RETURN_IF_ERROR(read("a dimension", extent));
    if (extent == 0) {
      return corruptError("dimension " + number(i) + " at byte " +
                          number(reader.position() - sizeof(extent)) +
                          " is 0; it must be at least 1");
    }
    tensor.shape.push_back(extent);
  }
  uint32_t typeId = 0;
  AIR_RETURN_IF_ERROR(read("the type", typeId));
  Result<DType> type = typeFromFile(typeId);
  if (!type) {
    return type.status();
  }
  tensor.dtype = *type;
  // GGUF stores the innermost dimension, the length of a row, first.
  std::reverse(tensor.shape.begin(), tensor.shape.end());
  return read("the data offset", offset);
}

Status Parser::parseTensors() {
  std::vector<SourceTensor> tensors;
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i < tensorCount; ++i) {
    SourceTensor tensor;
    Status status = readName("the name", tensor.name);
    if (!status.isOk()) {
      return status.withContext("tensor " + number(i));
    }
    uint64_t offset = 0;
    status = parseTensor(tensor, offset);
    if (!status.isOk()) {
      return status.withContext("tensor " + inQuotes(tensor.name));
    }
    tensors.push_back(std::move(tensor));
    offsets.push_back(offset);
  }
  AIR_RETURN_IF_ERROR(locateData(offsets, tensors));
  for (SourceTensor &tensor : tensors) {
    std::string name = tensor.name;
    if (!parsed.tensors.try_emplace(name, std::move(tensor)).second) {
      return corruptError("tensor " + inQuotes(name) + " appears twice");
    }
  }
  return Status::ok();
}

Result<uint64_t> tensorBytes(const SourceTensor &tensor) {
  AIR_ASSIGN_OR_RETURN(uint64_t size,
                       rowBytes(tensor.dtype, tensor.shape.back()));
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    std::optional<uint64_t> product = checkedMul(size, tensor.shape[i]);
    if (!product) {
      return corruptError("it takes 2^64 bytes or more: dimension " +
                          number(tensor.shape.size() - 1 - i) + " has " +
                          number(tensor.shape[i]) + " elements of " +
                          number(size) + " bytes each");
    }
    size = *product;
  }
  return size;
}

Result<uint64_t>
alignmentOf(const std::map<std::string, MetadataValue> &metadata) {
  auto it = metadata.find("general.alignment");
  if (it == metadata.end()) {
    return kDefaultAlignment;
  }
  const auto *value = std::get_if<uint64_t>(&it->second);
  if (value == nullptr) {
    return corruptError("metadata 'general.alignment' is not an unsigned "
                        "integer");
  }
  if (!std::has_single_bit(*value)) {
    return corruptError("metadata 'general.alignment' is " + number(*value) +
                        ", not a power of two");
  }
  return *value;
}

Status Parser::locateData(const std::vector<uint64_t> &offsets,
                          std::vector<SourceTensor> &tensors) {
  AIR_ASSIGN_OR_RETURN(uint64_t alignment, alignmentOf(parsed.metadata));
  if (tensors.empty()) {
    return Status::ok();
  }
  std::optional<uint64_t> start = checkedAlignUp(reader.position(), alignment);
  if (!start || *start > bytes.size()) {
    return corruptError(
        "truncated: the header ends at byte " + number(reader.position()) +
        " and the data starts at the next multiple of " + number(alignment) +
        ", but the file has " + number(bytes.size()) + " bytes");
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    SourceTensor &tensor = tensors[i];
    auto fail = [&](const Status &status) {
      return status.withContext("tensor " + inQuotes(tensor.name));
    };
    Result<uint64_t> size = tensorBytes(tensor);
    if (!size) {
      return fail(size.status());
    }
    if (offsets[i] % alignment != 0) {
      return fail(corruptError("its data offset " + number(offsets[i]) +
                               " is not a multiple of the alignment " +
                               number(alignment)));
    }
    uint64_t room = bytes.size() - *start;
    if (!rangeFits(offsets[i], *size, room)) {
      return fail(corruptError(
          "its " + number(*size) + " bytes at data offset " +
          number(offsets[i]) + " do not fit in the " + number(room) +
          " bytes of data from byte " + number(*start) +
          "; the file may be incomplete, so download it again"));
    }
    tensor.fileOffset = *start + offsets[i];
    tensor.data = bytes.subspan(tensor.fileOffset, *size);
  }
  // Once the tensors are sorted by offset, only neighbours need to be checked
  // for overlap.
  std::vector<const SourceTensor *> order;
  order.reserve(tensors.size());
  for (const SourceTensor &tensor : tensors) {
    order.push_back(&tensor);
  }
  std::ranges::sort(order, [](const SourceTensor *a, const SourceTensor *b) {
    return a->fileOffset != b->fileOffset ? a->fileOffset < b->fileOffset
                                          : a->name < b->name;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    uint64_t end = order[i - 1]->fileOffset + order[i - 1]->data.size();
    if (order[i]->fileOffset < end) {
      return corruptError("tensor " + inQuotes(order[i]->name) + " at byte " +
                          number(order[i]->fileOffset) + " overlaps tensor " +
                          inQuotes(order[i - 1]->name) +
                          ", which ends at byte " + number(end));
    }
  }
  return Status::ok();
}

Result<ParsedFile> Parser::run() {
  AIR_RETURN_IF_ERROR(parseHeader());
  AIR_RETURN_IF_ERROR(parseMetadata());
  AIR_RETURN_IF_ERROR(parseTensors());
  return std::move(parsed);
}

} // namespace

Result<ParsedFile> parseFile(std::span<const uint8_t> bytes) {
  return Parser(bytes).run();
}

} // namespace air::gguf
