//===- DynamicLibrary.h - a shared library opened at run time ---*- C++ -*-===//
//
// A machine may lack some libraries, such as libcuda and NVRTC. Programs do not
// link to them, but open them when they are needed.
//
// Ownership: the object keeps the library open. Functions found in it must not
// be called after the object is destroyed. Thread-safety: immutable after
// open(). Errors: none. If a library or a function is missing, isOpen() or
// find() returns false, and the caller tells the user what to install.
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

  /// Opens the library at `path`. A name without a slash is looked up on the
  /// dynamic linker's search path. isOpen() tells whether this succeeded.
  static DynamicLibrary open(const std::string &path);

  bool isOpen() const { return handle != nullptr; }

  /// Sets `function`, a function pointer, to the symbol called `name`. Returns
  /// false and sets `function` to null if the library has no such symbol or is
  /// not open.
  template <typename Function>
  bool find(const char *name, Function *&function) const {
    function = reinterpret_cast<Function *>(address(name));
    return function != nullptr;
  }

private:
  void *address(const char *name) const;

  std::shared_ptr<void> handle; ///< from dlopen(); its deleter closes it
};

} // namespace air

#endif // AIRPACK_FORMATS_SUPPORT_DYNAMICLIBRARY_H
