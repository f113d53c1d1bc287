//===- Reserved.h - containers whose copies keep their capacity -*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_RESERVED_H
#define AIRPACK_RUNTIME_TEXT_RESERVED_H

namespace air::rt {

/// A std::vector or std::string whose copies have at least its capacity. The
/// copy of a plain one has room only for the elements that it holds, so that it
/// would allocate again while it is used.
template <typename Container> struct Reserved : Container {
  Reserved() = default;
  Reserved(const Reserved &other) : Container() { *this = other; }
  Reserved &operator=(const Reserved &other) {
    if (this != &other) {
      this->reserve(other.capacity());
      this->assign(other.begin(), other.end());
    }
    return *this;
  }
  Reserved(Reserved &&) noexcept = default;
  Reserved &operator=(Reserved &&) noexcept = default;
  ~Reserved() = default;
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_RESERVED_H
