//===- DynamicLibrary.h - a shared library opened at run time ---*- C++ -*-===//
//
// For libraries that a machine may lack, such as libcuda and NVRTC: programs
// open them when they are needed instead of linking to them.
//
// Ownership: the object keeps the library open. Functions found in it must not
// be called after the object is destroyed. Thread-safety: immutable after
// open(). Errors: a missing library or function is an ordinary answer; the
// caller knows what the user should install.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_DYNAMICLIBRARY_H
#define AIRPACK_FORMATS_SUPPORT_DYNAMICLIBRARY_H

#include <memory>
#include <string>

namespace air {

class DynamicLibrary {
public:
  /// A closed library; isOpen() is false.
  DynamicLibrary() = default;

  /// Opens the library at `path`. A name without a slash is searched for as the
  /// dynamic linker searches. Check isOpen().
  static DynamicLibrary open(const std::string &path);

  bool isOpen() const { return handle != nullptr; }

  /// Sets `function`, a function pointer, to the symbol called `name`. Returns
  /// false and sets it to null if the library has none or is not open.
  template <typename Function>
  bool find(const char *name, Function *&function) const {
    function = reinterpret_cast<Function *>(address(name));
    return function != nullptr;
  }

private:
  void *address(const char *name) const;

  std::shared_ptr<void> handle; ///< what dlopen returned; closes itself
};

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_DYNAMICLIBRARY_H
