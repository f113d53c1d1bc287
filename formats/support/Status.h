//===- Status.h - errors as values ------------------------------*- C++ -*-===//
//
// A function of formats/, codegen/ or runtime/ returns Status or Result<T> if
// it can fail and the user should know why. A Status has an error code, which
// is also the exit code of the tools, and a message. The message is one line
// that states what is wrong, where, and what to do about it. If two numbers
// conflict, such as a size and its limit, the message states both.
//
// Ownership: a Status owns its message. Thread-safety: plain data.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_SUPPORT_STATUS_H
#define AIRPACK_FORMATS_SUPPORT_STATUS_H

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace air {

/// Why an operation failed. The numeric values are the documented exit codes.
enum class ErrorCode : uint8_t {
  Ok = 0,
  Internal = 1,           ///< a bug in this project
  Usage = 2,              ///< bad command line or bad request
  Corrupt = 3,            ///< the input is unreadable, malformed or truncated
  Unsupported = 4,        ///< well-formed, but this version cannot handle it
  DoesNotFit = 5,         ///< a stated budget or capacity is too small
  VerificationFailed = 6, ///< a wrong digest, or a broken rule of plans
  Mismatch = 7,           ///< a plan or other data was made for another target
  Io = 8,                 ///< the operating system refused
};

class [[nodiscard]] Status {
public:
  Status() = default;
  Status(ErrorCode code, std::string message)
      : errorCode(code), text(std::move(message)) {}

  static Status ok() { return {}; }
  bool isOk() const { return errorCode == ErrorCode::Ok; }
  ErrorCode code() const { return errorCode; }
  const std::string &message() const { return text; }
  int exitCode() const { return static_cast<int>(errorCode); }

  /// Prefixes the message with where the error happened: "PREFIX: MESSAGE".
  Status withContext(const std::string &prefix) const {
    return isOk() ? *this : Status(errorCode, prefix + ": " + text);
  }

private:
  ErrorCode errorCode = ErrorCode::Ok;
  std::string text;
};

template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : held(std::move(value)) {}
  Result(Status status) : failure(std::move(status)) {
    assert(!failure.isOk() && "a Result made from a Status must be a failure");
  }

  bool isOk() const { return held.has_value(); }
  explicit operator bool() const { return isOk(); }
  const Status &status() const { return failure; }

  T &operator*() & { return *held; }
  const T &operator*() const & { return *held; }
  // This returns a value, not a reference, so that `for (... : *function())`
  // does not iterate over a result that has already been destroyed.
  T operator*() && { return std::move(*held); }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }

private:
  std::optional<T> held;
  Status failure;
};

inline Status internalError(std::string m) {
  return {ErrorCode::Internal, std::move(m)};
}
inline Status usageError(std::string m) {
  return {ErrorCode::Usage, std::move(m)};
}
inline Status corruptError(std::string m) {
  return {ErrorCode::Corrupt, std::move(m)};
}
inline Status unsupportedError(std::string m) {
  return {ErrorCode::Unsupported, std::move(m)};
}
inline Status doesNotFitError(std::string m) {
  return {ErrorCode::DoesNotFit, std::move(m)};
}
inline Status verificationError(std::string m) {
  return {ErrorCode::VerificationFailed, std::move(m)};
}
inline Status mismatchError(std::string m) {
  return {ErrorCode::Mismatch, std::move(m)};
}
inline Status ioError(std::string m) { return {ErrorCode::Io, std::move(m)}; }

} // namespace air

#define AIR_CONCAT_IMPL(a, b) a##b
#define AIR_CONCAT(a, b) AIR_CONCAT_IMPL(a, b)

/// If the Status `expr` is an error, returns it from the enclosing function.
#define AIR_RETURN_IF_ERROR(expr)                                              \
  do {                                                                         \
    if (::air::Status airStatus = (expr); !airStatus.isOk()) {                 \
      return airStatus;                                                        \
    }                                                                          \
  } while (false)

/// Sets `lhs`, which may be a declaration, to the value of the Result `expr`.
/// If `expr` is an error, returns its Status from the enclosing function
/// instead.
#define AIR_ASSIGN_OR_RETURN(lhs, expr)                                        \
  AIR_ASSIGN_OR_RETURN_IMPL(AIR_CONCAT(airResult, __LINE__), lhs, expr)
#define AIR_ASSIGN_OR_RETURN_IMPL(result, lhs, expr)                           \
  auto result = (expr);                                                        \
  if (!result.isOk()) {                                                        \
    return result.status();                                                    \
  }                                                                            \
  lhs = *std::move(result)

#endif // AIRPACK_FORMATS_SUPPORT_STATUS_H
