//===- SourceReader.h - tracks what is read from a source -------*- C++ -*-===//
//
// Families read a ModelSource through a SourceReader. It records which keys and
// tensors were read, so that `finish` can refuse those that no family uses.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_SOURCEREADER_H
#define AIRPACK_COMPILER_IMPORT_SOURCEREADER_H

#include "formats/model/ModelSource.h"

#include <initializer_list>
#include <set>
#include <span>

namespace air::compiler {

/// The tensor's shape without leading extents of 1, but with at least `rank`
/// extents where the shape has that many.
std::span<const uint64_t> extentsOf(const SourceTensor &tensor, size_t rank);

/// Larger counts in metadata (layers, heads, widths, tokens) are refused, so
/// that the product of any two fits in 64 bits.
inline constexpr uint64_t kMaxCount = (uint64_t{1} << 31) - 1;

class SourceReader {
public:
  /// `modelSource` must outlive the reader.
  SourceReader(const ModelSource &modelSource, std::string architectureName)
      : source(modelSource), architecture(std::move(architectureName)) {}

  const std::string &architectureName() const { return architecture; }
  const ModelSource &model() const { return source; }

  // Keys are named without their "<architecture>." prefix. A key that is absent
  // is Corrupt, or std::nullopt from the optional functions. A key whose value
  // has another type is Corrupt.

  /// A number from 1 to kMaxCount. A list with the same value for every layer
  /// counts as that value; other lists are Unsupported.
  Result<uint64_t> count(const std::string &key);
  /// Like count, but 0 is allowed.
  Result<std::optional<uint64_t>> optionalCount(const std::string &key);
  Result<double> number(const std::string &key);
  Result<std::optional<double>> optionalNumber(const std::string &key);
  /// One number or flag, or all elements of a list of them. Empty when the key
  /// is absent.
  Result<std::vector<double>> numbers(const std::string &key);
  Result<std::optional<bool>> optionalFlag(const std::string &key);
  Result<std::optional<std::string>> optionalText(const std::string &key);
  /// Accepts a key that does not change what is computed.
  void ignore(const std::string &key) { usedKeys.insert(fullKey(key)); }
  /// Leaves the key out of messages that list the supported keys.
  void leaveUnlisted(const std::string &key) {
    unlistedKeys.insert(fullKey(key));
  }
  std::string fullKey(const std::string &key) const {
    return architecture + "." + key;
  }

  /// The number of layers, so that `finish` recognises tensors of further ones.
  void setLayers(uint64_t count) { layers = count; }

  /// Records an oddity that does not change what is computed, as one sentence
  /// for the user.
  void note(std::string text) { taken.push_back(std::move(text)); }
  const std::vector<std::string> &notes() const { return taken; }

  // Trailing extents of 1 in a GGUF shape (here they are leading) are ignored.
  using Shape = std::initializer_list<uint64_t>;

  /// The tensor of that name. Corrupt when it is missing or has another shape;
  /// Unsupported when its dtype is not a weight format.
  Result<const SourceTensor *> tensor(const std::string &name, Shape shape);
  /// Like tensor, but null when there is no tensor of that name.
  Result<const SourceTensor *> optionalTensor(const std::string &name,
                                              Shape shape);
  /// A matrix with `columns` columns and any number of rows.
  Result<const SourceTensor *> matrixOfColumns(const std::string &name,
                                               uint64_t columns);

  /// Unsupported when a tensor, or a key of the architecture, was not used.
  Status finish() const;

private:
  const MetadataValue *find(const std::string &key);
  Status refuseTensor(const std::string &name) const;
  const SourceTensor *take(const std::string &name);

  const ModelSource &source;
  std::string architecture;
  uint64_t layers = 0;
  std::set<std::string> usedKeys;
  std::set<std::string> unlistedKeys;
  std::set<std::string> usedTensors;
  std::set<std::string>
      knownNames; // every name that was read; layers: "blk.N."
  std::vector<std::string> taken;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_SOURCEREADER_H
