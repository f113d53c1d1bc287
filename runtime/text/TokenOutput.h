//===- TokenOutput.h - where the ids of a text go ---------------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_TOKENOUTPUT_H
#define AIRPACK_RUNTIME_TEXT_TOKENOUTPUT_H

#include "runtime/exec/FunctionRef.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace air::rt {

/// Collects the ids of a text. With a sink, it passes them on from time to
/// time, so that the ids of a long text need not be in memory all at once.
class TokenOutput {
public:
  using Sink = FunctionRef<void(std::span<const int32_t> ids)>;

  /// Keeps all ids.
  TokenOutput() = default;
  /// `receiver` must outlive the object.
  explicit TokenOutput(Sink receiver) : sink(receiver) {}

  /// The ids that were not yet passed on. Encoders append to them.
  std::vector<int32_t> ids;

  /// Encoders call this whenever they no longer need what they have appended,
  /// except the last id, which stays.
  void passOn() {
    if (sink && ids.size() > kMany) {
      (*sink)(std::span(ids).first(ids.size() - 1));
      ids.erase(ids.begin(), ids.end() - 1);
    }
  }
  /// Passes on all ids, if there is a sink.
  void finish() {
    if (sink && !ids.empty()) {
      (*sink)(ids);
      ids.clear();
    }
  }

private:
  static constexpr size_t kMany = 4096; ///< large enough to make calls rare

  std::optional<Sink> sink;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_TOKENOUTPUT_H
