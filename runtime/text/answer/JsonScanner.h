//===- JsonScanner.h - JSON that arrives byte by byte -----------*- C++ -*-===//
//
// Checks that bytes are a JSON text (RFC 8259), one byte at a time and with
// little state, so that a value can be passed on while it is being written.
//
// Thread-safety: one caller at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_RUNTIME_TEXT_ANSWER_JSONSCANNER_H
#define AIRPACK_RUNTIME_TEXT_ANSWER_JSONSCANNER_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace air::rt {

class JsonScanner {
public:
  /// Arrays and objects may be nested to this depth. A limit is needed because
  /// a model may repeat an opening bracket without end, and text that the
  /// scanner has accepted is parsed with nlohmann's library, which needs stack
  /// memory for each level.
  static constexpr size_t kMostLevels = 64;

  enum class State : uint8_t {
    Value,         ///< a value, or white space before it
    ValueOrEnd,    ///< a value, or the end of the array
    KeyOrEnd,      ///< a key, or the end of the object
    Key,           ///< a key
    Colon,         ///< the colon after a key
    CommaOrEnd,    ///< a comma, or the end of the array or object
    String,        ///< within a string
    Escape,        ///< after the backslash of a string
    Hex,           ///< within the four digits of \u
    Literal,       ///< within true, false or null
    Minus,         ///< after the sign of a number
    Zero,          ///< after a leading zero
    Integer,       ///< within the digits before the point
    Point,         ///< after the point
    Fraction,      ///< within the digits after the point
    Exponent,      ///< after e or E
    ExponentSign,  ///< after the sign of the exponent
    ExponentDigit, ///< within the digits of the exponent
    Done,          ///< after the value
    Bad,           ///< the bytes are not JSON
  };

  /// Takes the next byte and returns the state after it. If the whole text is
  /// an array, object, string or literal, its last byte leads to Done, and
  /// white space may follow. The end of a number is known only after the next
  /// byte.
  State push(char c);

  State state() const { return now; }
  /// The number of arrays and objects that are open.
  size_t depth() const { return open.size(); }
  /// Whether the string that is being read, or has just been read, is a key.
  bool isKey() const { return stringIsKey; }
  /// Whether the bytes so far are exactly one complete JSON value.
  bool isWhole() const {
    return now == State::Done || (open.empty() && endsNumber());
  }

private:
  State beginValue(char c);
  State endValue();
  State inNumber(char c);
  bool endsNumber() const;

  State now = State::Value;
  std::string open;      ///< a bracket for each array and object that is open
  std::string_view rest; ///< bytes of a literal that must still follow
  int digits = 0;        ///< digits of \u that must still follow
  bool stringIsKey = false;
};

/// Whether a text is one JSON value that is nested at most
/// JsonScanner::kMostLevels deep. White space may stand before and after the
/// value.
bool isJson(std::string_view text);

/// A text as a JSON string, with quotes. What is not UTF-8 becomes U+FFFD.
std::string jsonString(std::string_view text);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_ANSWER_JSONSCANNER_H
