//===- Value.h - the values of a template -----------------------*- C++ -*-===//
//
// Values behave as those of Python do, with three differences: a string's
// characters carry taint (Text.h), integers that do not fit in 64 bits can be
// printed, negated and compared, but not computed with, and lists and
// dictionaries never change, because templates run in Jinja's immutable
// sandbox.
//
// Ownership: a Value shares what it refers to. A Value may refer to a macro
// only while the template that defined it is being rendered. Thread-safety: a
// value that contains no namespace, loop or generator may be read by several
// threads at a time.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_TEXT_JINJA_VALUE_H
#define AIRPACK_FORMATS_TEXT_JINJA_VALUE_H

#include "formats/text/jinja/Text.h"

#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace air::jinja {

enum class Kind : uint8_t {
  Undefined,
  None,
  Bool,
  Int,
  BigInt, ///< an integer that does not fit in 64 bits, as decimal text
  Float,
  String,
  List,
  Tuple,
  View, ///< what range() and the methods of dictionaries return
  Dict,
  Generator, ///< what filters such as map return: it can be read once
  Namespace,
  Function,
  Macro,
  Loop,
};

/// Lists, tuples and dictionaries may be nested to this depth. The functions
/// that visit all parts of a value, such as the filter tojson, recurse, so each
/// level takes stack space. A value from JSON has at most kMostJsonLevels (200)
/// levels, so a template can add 200 levels around it.
inline constexpr uint32_t kMaxNesting = 400;
/// The largest number of characters in a text, and of items in the result of
/// repeating a list with `*`. The weight of a list, tuple or dictionary, which
/// is the number of characters and items at all of its levels (weightOf()),
/// must be less than four times this number. A text of the largest size takes
/// 64 MiB, because a character takes four bytes. It has more than three times
/// the length of a text of a million tokens, some five million characters.
inline constexpr uint64_t kMaxWeight = uint64_t{1} << 24;

struct Object {
  virtual ~Object() = default;
};

class Value {
public:
  Value() = default; ///< undefined, without a hint for messages
  static Value none() { return Value(Kind::None); }
  static Value boolean(bool value) { return integerOf(Kind::Bool, value); }
  static Value integer(int64_t value) { return integerOf(Kind::Int, value); }
  static Value bigInteger(std::string_view digits);
  static Value real(double value) {
    Value result(Kind::Float);
    result.number = value;
    return result;
  }
  static Value string(Text text);
  static Value string(std::string_view utf8) { return string(toText(utf8)); }
  /// A String that is marked as HTML (markupsafe.Markup).
  static Value markup(Text text);
  /// `hint` says what is not defined, for messages.
  static Value undefined(std::string hint);
  /// `kind` is List, Tuple, View or Generator; `label` is the repr of a view.
  static Value sequence(Kind kind, std::vector<Value> items,
                        std::string label = {});
  static Value object(Kind kind, std::shared_ptr<Object> object) {
    Value result(kind);
    result.held = std::move(object);
    return result;
  }

  Kind kind() const { return type; }
  bool is(Kind kind) const { return type == kind; }
  bool isNumber() const {
    return type == Kind::Bool || type == Kind::Int || type == Kind::Float;
  }
  bool isIntegral() const { return type == Kind::Bool || type == Kind::Int; }
  bool isSequence() const { return type >= Kind::List && type <= Kind::View; }
  int64_t asInt() const { return whole; } ///< the value of a Bool or Int
  double asDouble() const {
    return type == Kind::Float ? number : static_cast<double>(whole);
  }
  const Text &text() const;                ///< the text of a String or BigInt
  bool isMarkup() const;                   ///< whether it is marked as HTML
  const std::vector<Value> &items() const; ///< items of a sequence or generator
  template <typename T> T &as() const { return static_cast<T &>(*held); }
  const Object *identity() const { return held.get(); }

private:
  explicit Value(Kind kind) : type(kind) {}
  static Value integerOf(Kind kind, int64_t value) {
    Value result(kind);
    result.whole = value;
    return result;
  }

  Kind type = Kind::Undefined;
  union {
    int64_t whole = 0;
    double number;
  };
  std::shared_ptr<Object> held;
};

struct TextObject final : Object {
  Text text;
  bool isMarkup = false;
};

struct UndefinedObject final : Object {
  std::string hint;
};

struct SequenceObject final : Object {
  std::vector<Value> items;
  std::string label; ///< the repr of a View
  uint32_t depth = 1;
  uint64_t weight = 1;
  size_t next = 0; ///< in a Generator, the index of the next item
};

/// A dictionary that keeps the order of insertion.
struct DictObject final : Object {
  std::vector<std::pair<Value, Value>> entries;
  std::map<Text, size_t> index; ///< from keyOf(key) to an index in `entries`
  uint32_t depth = 1;
  uint64_t weight = 1;

  /// Returns false if `key` cannot be the key of a dictionary.
  bool set(const Value &key, const Value &value);
  void set(std::string_view key, const Value &value) {
    set(Value::string(key), value);
  }
  const Value *find(const Value &key) const;
  const Value *find(std::string_view key) const {
    return find(Value::string(key));
  }
};

struct NamespaceObject final : Object {
  std::map<std::string, Value> values;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// The number of levels of sequences and dictionaries in the value: 0 for a
/// string, 1 for a list of strings, 2 for a list of such lists.
uint32_t depthOf(const Value &value);
/// The number of characters and items in the value. A part that occurs several
/// times is counted each time, because it is printed each time.
uint64_t weightOf(const Value &value);

/// A text that identifies a key: equal keys have the same text. Nothing for a
/// value that cannot be the key of a dictionary.
std::optional<Text> keyOf(const Value &value);

bool isTrue(const Value &value);
bool equal(const Value &a, const Value &b);
/// Whether `a` < `b`; nullopt if Python refuses to compare them.
std::optional<bool> lessThan(const Value &a, const Value &b);
/// Python's name of the type, for messages.
const char *typeName(const Value &value);

Text str(const Value &value);  ///< as str() of Python
Text repr(const Value &value); ///< as repr() of Python
std::string floatRepr(double value);

} // namespace air::jinja

#endif // AIRPACK_FORMATS_TEXT_JINJA_VALUE_H
