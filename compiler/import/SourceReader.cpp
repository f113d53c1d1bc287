//===- SourceReader.cpp - tracks what is read from a source -----*- C++ -*-===//
#include "compiler/import/SourceReader.h"

#include "formats/support/CountText.h"
#include "formats/support/Printable.h"

#include <algorithm>

namespace air::compiler {
namespace {

std::string shapeText(std::span<const uint64_t> shape) {
  std::string text;
  for (uint64_t extent : shape) {
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  }
  return text.empty() ? "a scalar" : text;
}

/// Replaces the index of the layer in a tensor's name by N:
/// "blk.3.attn_q.weight" becomes "blk.N.attn_q.weight".
std::string withoutLayer(const std::string &name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) {
    return name;
  }
  size_t end = name.find_first_not_of("0123456789", kPrefix.size());
  if (end == std::string::npos || end == kPrefix.size() || name[end] != '.') {
    return name;
  }
  return "blk.N" + name.substr(end);
}

/// Returns the value that all elements of `list` have, or nullopt if that value
/// is negative. Errors: Corrupt if the list is empty, Unsupported if the
/// elements differ. The messages name the metadata key `key`.
template <typename T>
Result<std::optional<uint64_t>> uniform(const std::vector<T> &list,
                                        const std::string &key) {
  if (list.empty()) {
    return corruptError("key '" + key +
                        "' is an empty list; it must be a number, or a list "
                        "with a number for each layer");
  }
  if (!std::ranges::all_of(list,
                           [&](T value) { return value == list.front(); })) {
    return unsupportedError(
        "key '" + key +
        "' has different values for different layers; only the same value for "
        "all layers is supported");
  }
  if constexpr (std::is_signed_v<T>) {
    if (list.front() < 0) {
      return std::optional<uint64_t>();
    }
  }
  return std::optional(static_cast<uint64_t>(list.front()));
}

} // namespace

std::span<const uint64_t> extentsOf(const SourceTensor &tensor, size_t rank) {
  std::span<const uint64_t> extents = tensor.shape;
  while (extents.size() > rank && extents.front() == 1) {
    extents = extents.subspan(1);
  }
  return extents;
}

const MetadataValue *SourceReader::find(const std::string &key) {
  std::string full = fullKey(key);
  usedKeys.insert(full);
  auto it = source.metadata.find(full);
  return it == source.metadata.end() ? nullptr : &it->second;
}

Result<std::optional<uint64_t>>
SourceReader::optionalCount(const std::string &key) {
  const MetadataValue *value = find(key);
  if (!value) {
    return std::optional<uint64_t>();
  }
  std::optional<uint64_t> number = source.getUnsigned(fullKey(key));
  if (const auto *list = std::get_if<std::vector<uint64_t>>(value)) {
    AIR_ASSIGN_OR_RETURN(number, uniform(*list, fullKey(key)));
  } else if (const auto *signedList =
                 std::get_if<std::vector<int64_t>>(value)) {
    AIR_ASSIGN_OR_RETURN(number, uniform(*signedList, fullKey(key)));
  }
  if (!number) {
    return corruptError("key '" + fullKey(key) +
                        "' is negative or not a whole number");
  }
  if (*number > kMaxCount) {
    return corruptError("key '" + fullKey(key) + "' is " +
                        std::to_string(*number) + "; it must be at most " +
                        std::to_string(kMaxCount));
  }
  return number;
}

Result<uint64_t> SourceReader::count(const std::string &key) {
  AIR_ASSIGN_OR_RETURN(std::optional<uint64_t> number, optionalCount(key));
  if (!number) {
    return corruptError("key '" + fullKey(key) + "' is missing");
  }
  if (*number == 0) {
    return corruptError("key '" + fullKey(key) +
                        "' is 0; it must be 1 or more");
  }
  return *number;
}

Result<std::optional<double>>
SourceReader::optionalNumber(const std::string &key) {
  if (!find(key)) {
    return std::optional<double>();
  }
  std::optional<double> number = source.getFloat(fullKey(key));
  if (!number) {
    AIR_ASSIGN_OR_RETURN(std::vector<double> values, numbers(key));
    if (values.size() != 1) {
      return corruptError("key '" + fullKey(key) + "' has " +
                          countOf(values.size(), "number") +
                          "; it must have exactly one");
    }
    number = values.front();
  }
  return number;
}

Result<std::vector<double>> SourceReader::numbers(const std::string &key) {
  const MetadataValue *value = find(key);
  if (!value) {
    return std::vector<double>();
  }
  std::optional<std::vector<double>> numbers = std::visit(
      [](const auto &held) -> std::optional<std::vector<double>> {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held>) {
          return std::vector<double>{static_cast<double>(held)};
        } else if constexpr (std::is_same_v<Held, std::string> ||
                             std::is_same_v<Held, std::vector<std::string>>) {
          return std::nullopt;
        } else {
          std::vector<double> list;
          for (auto element : held) {
            list.push_back(static_cast<double>(element));
          }
          return list;
        }
      },
      *value);
  if (!numbers) {
    return corruptError("key '" + fullKey(key) + "' is not a number");
  }
  return *std::move(numbers);
}

Result<double> SourceReader::number(const std::string &key) {
  AIR_ASSIGN_OR_RETURN(std::optional<double> value, optionalNumber(key));
  if (!value) {
    return corruptError("key '" + fullKey(key) + "' is missing");
  }
  return *value;
}

Result<std::optional<bool>> SourceReader::optionalFlag(const std::string &key) {
  if (!find(key)) {
    return std::optional<bool>();
  }
  std::optional<bool> flag = source.getBool(fullKey(key));
  if (!flag) {
    return corruptError("key '" + fullKey(key) + "' is neither true nor false");
  }
  return flag;
}

Result<std::optional<std::string>>
SourceReader::optionalText(const std::string &key) {
  if (!find(key)) {
    return std::optional<std::string>();
  }
  std::optional<std::string> text = source.getString(fullKey(key));
  if (!text) {
    return corruptError("key '" + fullKey(key) + "' is not a string");
  }
  return text;
}

const SourceTensor *SourceReader::take(const std::string &name) {
  knownNames.insert(withoutLayer(name));
  const SourceTensor *tensor = source.find(name);
  if (tensor) {
    usedTensors.insert(name);
  }
  return tensor;
}

static Status checkDType(const SourceTensor &tensor) {
  if (!info(tensor.dtype).isWeight) {
    return unsupportedError("tensor '" + tensor.name + "' has type " +
                            std::string(info(tensor.dtype).name) +
                            ", which is not supported for weights; convert the "
                            "model again with another type, for example F16");
  }
  Result<uint64_t> bytes = rowBytes(tensor.dtype, tensor.shape.back());
  return bytes ? Status::ok()
               : bytes.status().withContext("tensor '" + tensor.name + "'");
}

Result<const SourceTensor *>
SourceReader::optionalTensor(const std::string &name, Shape shape) {
  const SourceTensor *tensor = take(name);
  if (!tensor) {
    return tensor;
  }
  if (!std::ranges::equal(shape, extentsOf(*tensor, shape.size()))) {
    return corruptError("the shape of tensor '" + name + "' is " +
                        shapeText(tensor->shape) +
                        ", but the metadata requires " +
                        shapeText(std::vector<uint64_t>(shape)));
  }
  AIR_RETURN_IF_ERROR(checkDType(*tensor));
  return tensor;
}

Result<const SourceTensor *> SourceReader::tensor(const std::string &name,
                                                  Shape shape) {
  AIR_ASSIGN_OR_RETURN(const SourceTensor *tensor, optionalTensor(name, shape));
  if (!tensor) {
    return corruptError("tensor '" + name + "' is missing; architecture '" +
                        architecture + "' needs it");
  }
  return tensor;
}

Result<const SourceTensor *>
SourceReader::matrixOfColumns(const std::string &name, uint64_t columns) {
  const SourceTensor *tensor = take(name);
  if (!tensor) {
    return corruptError("tensor '" + name + "' is missing; architecture '" +
                        architecture + "' needs it");
  }
  std::span<const uint64_t> extents = extentsOf(*tensor, 2);
  if (extents.size() != 2 || extents[1] != columns || extents[0] == 0 ||
      extents[0] > kMaxCount) {
    return corruptError(
        "the shape of tensor '" + name + "' is " + shapeText(tensor->shape) +
        ", but the metadata requires rows of " + countOf(columns, "element"));
  }
  AIR_RETURN_IF_ERROR(checkDType(*tensor));
  return tensor;
}

Status SourceReader::refuseTensor(const std::string &name) const {
  // The index of the layer is compared as text, because it may be too large for
  // an integer.
  constexpr size_t kDigits = 4; // where the digits begin in "blk.12."
  const size_t end = name.find('.', kDigits);
  if (layers != 0 && end != std::string::npos && withoutLayer(name) != name) {
    std::string digits = name.substr(kDigits, end - kDigits);
    digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size() - 1));
    const std::string last = std::to_string(layers - 1);
    if (digits.size() > last.size() ||
        (digits.size() == last.size() && digits > last)) {
      return corruptError("tensor " + inQuotes(name) + " belongs to layer " +
                          printable(digits, kShownBytes) + ", but key '" +
                          fullKey("block_count") + "' is " +
                          std::to_string(layers) + ": the file has more " +
                          "layers than its metadata states");
    }
  }
  std::string known;
  for (const std::string &asked : knownNames) {
    known += (known.empty() ? "" : ", ") + asked;
  }
  return unsupportedError("tensor " + inQuotes(name) +
                          " is not used in architecture '" + architecture +
                          "'; supported tensors: " + known);
}

Status SourceReader::finish() const {
  for (const auto &[name, tensor] : source.tensors) {
    if (usedTensors.contains(name)) {
      continue;
    }
    return refuseTensor(name);
  }
  for (const auto &[key, value] : source.metadata) {
    if (key.starts_with(architecture + ".") && !usedKeys.contains(key)) {
      std::string known;
      for (const std::string &used : usedKeys) {
        if (unlistedKeys.contains(used)) {
          continue;
        }
        known +=
            (known.empty() ? "" : ", ") + used.substr(architecture.size() + 1);
      }
      return unsupportedError(
          "key " + inQuotes(key) +
          " is not understood and may change what the model computes; "
          "supported keys, each after the prefix '" +
          architecture + ".': " + known);
    }
  }
  return Status::ok();
}

} // namespace air::compiler
