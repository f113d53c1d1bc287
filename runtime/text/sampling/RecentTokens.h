//===- RecentTokens.h - the last tokens of a sequence -----------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_SAMPLING_RECENTTOKENS_H
#define AIRPACK_RUNTIME_TEXT_SAMPLING_RECENTTOKENS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace air::rt {

/// A ring buffer, which allocates only in its constructor.
class RecentTokens {
public:
  explicit RecentTokens(size_t capacity) : ring(capacity) {}

  /// Adds a token, and returns the one that it displaces, if any.
  std::optional<int32_t> push(int32_t id) {
    if (ring.empty()) {
      return id;
    }
    std::optional<int32_t> oldest;
    if (used == ring.size()) {
      oldest = ring[next];
    } else {
      ++used;
    }
    ring[next] = id;
    next = next + 1 == ring.size() ? 0 : next + 1;
    return oldest;
  }

  size_t size() const { return used; }

  /// Returns the token that came `age` tokens before the last one.
  int32_t fromLast(size_t age) const {
    return age < next ? ring[next - 1 - age]
                      : ring[next + ring.size() - 1 - age];
  }

  void clear() {
    next = 0;
    used = 0;
  }

private:
  std::vector<int32_t> ring;
  size_t next = 0;
  size_t used = 0;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_SAMPLING_RECENTTOKENS_H
