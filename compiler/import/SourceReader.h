//===- SourceReader.h - a source, used up as it is read ---------*- C++ -*-===//
//
// What families read a ModelSource through. It remembers which keys and tensors
// were asked for, so that `finish` can refuse what nobody understood.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_SOURCEREADER_H
#define AIRPACK_COMPILER_IMPORT_SOURCEREADER_H

#include "formats/model/ModelSource.h"

#include <initializer_list>
#include <set>
#include <span>

namespace air::compiler {

/// The tensor's shape without extents of 1 in front, but `rank` extents at
/// least (or all that there are).
std::span<const uint64_t> extentsOf(const SourceTensor &tensor, size_t rank);

/// Counts in metadata (layers, heads, widths, tokens) are refused above this;
/// so the product of two fits in 64 bits.
inline constexpr uint64_t kMaxCount = (uint64_t{1} << 31) - 1;

class SourceReader {
public:
  /// Both outlive the reader.
  SourceReader(const ModelSource &modelSource, std::string architectureName)
      : source(modelSource), architecture(std::move(architectureName)) {}

  const std::string &architectureName() const { return architecture; }
  const ModelSource &model() const { return source; }

  // Keys are named without their "<architecture>." prefix. Absent: Corrupt, or
  // std::nullopt from the optional ones. Of another kind: Corrupt.

  /// 1 to kMaxCount. A list of equal values, one a layer, is that value; other
  /// lists are Unsupported.
  Result<uint64_t> count(const std::string &key);
  /// As count, and 0 is allowed.
  Result<std::optional<uint64_t>> optionalCount(const std::string &key);
  Result<double> number(const std::string &key);
  Result<std::optional<double>> optionalNumber(const std::string &key);
  /// A number or flag, or all of a list of them; none when the key is absent.
  Result<std::vector<double>> numbers(const std::string &key);
  Result<std::optional<bool>> optionalFlag(const std::string &key);
  Result<std::optional<std::string>> optionalText(const std::string &key);
  /// For keys that change nothing of what is computed.
  void ignore(const std::string &key) { usedKeys.insert(fullKey(key)); }
  /// Messages that list what is supported leave the key out.
  void leaveUnlisted(const std::string &key) {
    unlistedKeys.insert(fullKey(key));
  }
  std::string fullKey(const std::string &key) const {
    return architecture + "." + key;
  }

  /// How many layers there are: `finish` tells tensors of others.
  void setLayers(uint64_t count) { layers = count; }

  /// Something odd that changes nothing of what is computed, as one sentence
  /// for the user.
  void note(std::string text) { taken.push_back(std::move(text)); }
  const std::vector<std::string> &notes() const { return taken; }

  // Extents of 1 at the end of a GGUF shape (here: in front) say nothing.
  using Shape = std::initializer_list<uint64_t>;

  /// The tensor of that name. Corrupt when it is missing or has another shape;
  /// Unsupported when its dtype is no weight format.
  Result<const SourceTensor *> tensor(const std::string &name, Shape shape);
  /// As tensor; null when there is none of that name.
  Result<const SourceTensor *> optionalTensor(const std::string &name,
                                              Shape shape);
  /// A matrix with that many columns and any number of rows.
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
  std::set<std::string> knownNames; // asked for, layers as "blk.N."
  std::vector<std::string> taken;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_SOURCEREADER_H
