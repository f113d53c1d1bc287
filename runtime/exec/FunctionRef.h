//===- FunctionRef.h - a non-owning reference to a callable -----*- C++ -*-===//
//
// A FunctionRef consists of two pointers and does not allocate memory. It is
// meant for parameters: the callable must exist until the function that
// received the FunctionRef returns.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_EXEC_FUNCTIONREF_H
#define AIRPACK_RUNTIME_EXEC_FUNCTIONREF_H

#include <memory>
#include <type_traits>
#include <utility>

namespace air::rt {

template <typename Signature> class FunctionRef;

template <typename R, typename... Args> class FunctionRef<R(Args...)> {
public:
  template <typename Callable>
    requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef>)
  FunctionRef(Callable &&callable)
      : object(const_cast<void *>(
            static_cast<const void *>(std::addressof(callable)))),
        call([](void *target, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<Callable> *>(target))(
              std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const {
    return call(object, std::forward<Args>(args)...);
  }

private:
  void *object;
  R (*call)(void *, Args...);
};

} // namespace air::rt

#endif // AIRPACK_RUNTIME_EXEC_FUNCTIONREF_H
