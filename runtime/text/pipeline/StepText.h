//===- StepText.h - a text that steps of a pipeline change ------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_PIPELINE_STEPTEXT_H
#define AIRPACK_RUNTIME_TEXT_PIPELINE_STEPTEXT_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace air::rt {

/// A text, and how many of its leading bytes stem from the first character of
/// the whole text that is encoded. A word begins the whole text if it begins
/// with such a byte (MarkScheme::First).
struct StepText {
  std::string text;
  size_t origin = 0;
  size_t limit = SIZE_MAX; ///< the most bytes that `text` may have
  /// Whether a step would have made `text` longer than `limit`. `text` is then
  /// incomplete.
  bool isTooLong = false;
};

/// Replaces the text of a StepText: put() appends to the new text, and finish()
/// stores it in the StepText, together with the new value of `origin`.
class Rewriter {
public:
  explicit Rewriter(StepText &changed)
      : target(changed), oldOrigin(changed.origin) {
    out.reserve(changed.text.size() + changed.text.size() / 8 + 16);
  }

  /// The text that is being replaced.
  std::string_view before() const { return target.text; }
  /// Appends `bytes`, which stem from the character at the byte `source` of
  /// before(). If the new text would exceed the limit of the StepText, sets
  /// `isTooLong` instead.
  void put(std::string_view bytes, size_t source) {
    if (bytes.size() > target.limit ||
        out.size() > target.limit - bytes.size()) {
      target.isTooLong = true;
      return;
    }
    out += bytes;
    if (source < oldOrigin) {
      newOrigin = out.size();
    }
  }
  void finish() {
    target.text = std::move(out);
    target.origin = newOrigin;
  }

private:
  StepText &target;
  std::string out;
  size_t oldOrigin;
  size_t newOrigin = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_STEPTEXT_H
