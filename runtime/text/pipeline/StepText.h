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

/// Collects the new text of a StepText: put() appends to it. See rewrite().
class Rewriter {
public:
  /// Expects about `bytes` bytes of new text. If `mayGrow` is false and the new
  /// text has more, only its size is counted (isComplete()).
  Rewriter(StepText &changed, size_t bytes, bool mayGrow)
      : target(changed), oldOrigin(changed.origin), isFixed(!mayGrow) {
    out.reserve(bytes);
  }

  /// The text that is being replaced.
  std::string_view before() const { return target.text; }
  /// Appends `bytes`, which stem from the character at the byte `source` of
  /// before(). If the new text would exceed the limit of the StepText, sets
  /// `isTooLong` instead.
  void put(std::string_view bytes, size_t source) {
    if (bytes.size() > target.limit || count > target.limit - bytes.size()) {
      target.isTooLong = true;
      return;
    }
    count += bytes.size();
    if (isFixed && count > out.capacity()) {
      out = std::string(); // frees the memory, unlike clear()
      return;
    }
    out += bytes;
    if (source < oldOrigin) {
      newOrigin = count;
    }
  }
  size_t size() const { return count; }
  /// False if only the size of the new text is known.
  bool isComplete() const { return out.size() == count; }
  /// Replaces the text of the StepText with the new one, and its `origin`.
  void finish() {
    target.text = std::move(out);
    target.origin = newOrigin;
  }

private:
  StepText &target;
  std::string out;
  size_t count = 0; ///< bytes of the new text
  size_t oldOrigin;
  size_t newOrigin = 0;
  bool isFixed;
};

/// Replaces `text` with what `put` puts into a Rewriter. If the new text is
/// long and has more bytes than was expected, `put` is called a second time,
/// with a Rewriter that has enough memory. A string that grows would need three
/// times as much memory for a moment: for the old text, and for two copies of
/// the new one.
template <typename Put> void rewrite(StepText &text, Put put) {
  constexpr size_t kLongText = size_t{1} << 20;
  const size_t size = text.text.size();
  Rewriter first(text, size + size / 8 + 16, size < kLongText);
  put(first);
  if (text.isTooLong || first.isComplete()) {
    first.finish();
    return;
  }
  Rewriter second(text, first.size(), true);
  put(second);
  second.finish();
}

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_PIPELINE_STEPTEXT_H
