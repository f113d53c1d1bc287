//===- CodePointSet.h - sets of code points ---------------------*- C++ -*-===//
#ifndef AIRPACK_FORMATS_TEXT_UNICODE_CODEPOINTSET_H
#define AIRPACK_FORMATS_TEXT_UNICODE_CODEPOINTSET_H

#include <cstdint>
#include <span>
#include <vector>

namespace air {

inline constexpr uint32_t kLastCodePoint = 0x10ffff;

/// The code points from `first` to `last`, both included.
struct CodePointRange {
  uint32_t first;
  uint32_t last;

  bool operator==(const CodePointRange &) const = default;
};

/// A set of code points (0 to U+10FFFF), kept as ascending ranges with gaps
/// between them. A value type.
class CodePointSet {
public:
  CodePointSet() = default;
  /// The ranges may have any order and may overlap.
  explicit CodePointSet(std::vector<CodePointRange> any);

  std::span<const CodePointRange> ranges() const { return parts; }
  bool empty() const { return parts.empty(); }
  bool contains(uint32_t codePoint) const;

  void add(const CodePointSet &other);
  void intersect(const CodePointSet &other);
  /// Replaces the set with the code points that are not in it.
  void negate();

private:
  std::vector<CodePointRange> parts;
};

} // namespace air

#endif // AIRPACK_FORMATS_TEXT_UNICODE_CODEPOINTSET_H
