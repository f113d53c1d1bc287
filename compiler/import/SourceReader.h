//===- SourceReader.h - tracks what is read from a source -------*- C++ -*-===//
//
// The import code of each architecture family reads a ModelSource through a
// SourceReader, which records the keys and tensors that were read. finish() can
// therefore refuse a source with keys or tensors that the family ignores.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_IMPORT_SOURCEREADER_H
#define AIRPACK_COMPILER_IMPORT_SOURCEREADER_H

#include "formats/model/ModelSource.h"

#include <initializer_list>
#include <set>
#include <span>

namespace air::compiler {

/// Returns the tensor's shape after dropping leading extents of 1 for as long
/// as more than `rank` extents remain.
std::span<const uint64_t> extentsOf(const SourceTensor &tensor, size_t rank);

/// The largest number of layers, heads, elements or tokens that metadata may
/// state. Larger numbers are refused, so that the product of any two fits in 64
/// bits.
inline constexpr uint64_t kMaxCount = (uint64_t{1} << 31) - 1;

class SourceReader {
public:
  /// `modelSource` must outlive the reader.
  SourceReader(const ModelSource &modelSource, std::string architectureName)
      : source(modelSource), architecture(std::move(architectureName)) {}

  const std::string &architectureName() const { return architecture; }
  const ModelSource &model() const { return source; }

  // The functions below take a key without its "<architecture>." prefix. Those
  // that read a value fail with Corrupt when the value has another type or the
  // key is absent. There are two exceptions for an absent key: functions whose
  // names begin with `optional` return nullopt, and numbers() an empty list.

  /// Returns a number from 1 to kMaxCount. A list that has the same value for
  /// every layer counts as that value; a list of different values is an
  /// Unsupported error.
  Result<uint64_t> count(const std::string &key);
  /// Like count(), but 0 is allowed and the key may be absent.
  Result<std::optional<uint64_t>> optionalCount(const std::string &key);
  Result<double> number(const std::string &key);
  Result<std::optional<double>> optionalNumber(const std::string &key);
  /// Returns the elements of a list of numbers or flags; a single number or
  /// flag counts as a list of one element.
  Result<std::vector<double>> numbers(const std::string &key);
  Result<std::optional<bool>> optionalFlag(const std::string &key);
  Result<std::optional<std::string>> optionalText(const std::string &key);
  /// Marks a key as used because it does not change what the model computes.
  void ignore(const std::string &key) { usedKeys.insert(fullKey(key)); }
  /// Leaves the key out of error messages that list the supported keys.
  void leaveUnlisted(const std::string &key) {
    unlistedKeys.insert(fullKey(key));
  }
  std::string fullKey(const std::string &key) const {
    return architecture + "." + key;
  }

  /// Sets the number of layers, so that `finish` can recognise tensors of
  /// layers beyond that number.
  void setLayers(uint64_t count) { layers = count; }

  /// Records an oddity that does not change what the model computes, as one
  /// sentence for the user.
  void note(std::string text) { taken.push_back(std::move(text)); }
  const std::vector<std::string> &notes() const { return taken; }

  // A shape begins with the outermost extent; shapes in a GGUF file begin with
  // the innermost one. If a tensor has more extents than are asked for, leading
  // extents of 1 are ignored.
  using Shape = std::initializer_list<uint64_t>;

  /// Returns the tensor of that name. Fails with Corrupt when it is missing or
  /// has another shape, and with Unsupported when its dtype is not a weight
  /// format.
  Result<const SourceTensor *> tensor(const std::string &name, Shape shape);
  /// Like tensor(), but returns null when there is no tensor of that name.
  Result<const SourceTensor *> optionalTensor(const std::string &name,
                                              Shape shape);
  /// Returns the matrix of that name, which must have `columns` columns and may
  /// have any number of rows. Fails as tensor() does.
  Result<const SourceTensor *> matrixOfColumns(const std::string &name,
                                               uint64_t columns);

  /// Fails when a tensor, or a key of the architecture, was not used: with
  /// Corrupt for a tensor of a layer beyond those of setLayers(), otherwise
  /// with Unsupported.
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
  // The names of the tensors that were asked for, with N in place of the
  // layer's index, as in "blk.N.attn_q.weight".
  std::set<std::string> knownNames;
  std::vector<std::string> taken;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_IMPORT_SOURCEREADER_H
