//===- Json.cpp - values as JSON and back -----------------------*- C++ -*-===//
#include "formats/text/jinja/Json.h"

#include "formats/text/jinja/Lexer.h"
#include "formats/text/jinja/MergeSort.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace air::jinja {
namespace {

void appendString(TextView text, bool ascii, Text &out) {
  static constexpr char32_t kHex[] = U"0123456789abcdef";
  auto escape = [&](char32_t unit, char32_t mark) {
    out += U'\\' | mark;
    out += U'u' | mark;
    for (int shift = 12; shift >= 0; shift -= 4) {
      out += kHex[(unit >> shift) & 15] | mark;
    }
  };
  out += U'"';
  for (char32_t c : text) {
    char32_t code = codeOf(c);
    char32_t mark = c & kTaint;
    static constexpr TextView kEscaped = U"\"\\\n\r\t\b\f";
    static constexpr TextView kLetters = U"\"\\nrtbf";
    if (size_t i = kEscaped.find(code); i != TextView::npos) {
      out += U'\\' | mark;
      out += kLetters[i] | mark;
    } else if (code < 0x20 || (ascii && code >= 0x7f && code < 0x10000)) {
      escape(code, mark);
    } else if (ascii && code >= 0x10000) {
      escape(0xd800 + ((code - 0x10000) >> 10), mark);
      escape(0xdc00 + ((code - 0x10000) & 0x3ff), mark);
    } else {
      out += c;
    }
  }
  out += U'"';
}

class Writer {
public:
  explicit Writer(const JsonStyle &wanted) : style(wanted) {}

  Status write(const Value &value) {
    switch (value.kind()) {
    case Kind::None:
      out += U"null";
      break;
    case Kind::Bool:
      out += value.asInt() != 0 ? U"true" : U"false";
      break;
    case Kind::Float:
      out += real(value.asDouble());
      break;
    case Kind::Int:
    case Kind::BigInt:
      out += str(value);
      break;
    case Kind::String:
      appendString(value.text(), style.ascii, out);
      break;
    case Kind::List:
    case Kind::Tuple:
      return writeList(value.items());
    case Kind::Dict:
      return writeDict(value.as<DictObject>());
    default:
      return corruptError(std::string("a value of type ") + typeName(value) +
                          " cannot be written as JSON");
    }
    return Status::ok();
  }

  Text out;

private:
  static Text real(double value) {
    return std::isnan(value)   ? U"NaN"
           : std::isinf(value) ? (value < 0 ? U"-Infinity" : U"Infinity")
                               : toText(floatRepr(value));
  }

  void separate(bool first) {
    if (!first) {
      out += style.itemSeparator ? *style.itemSeparator
                                 : Text(style.indent ? U"," : U", ");
    }
    breakLine();
  }
  void breakLine() {
    if (style.indent) {
      out += U'\n';
      for (size_t i = 0; i < level; ++i) {
        out += *style.indent;
      }
    }
  }

  Status writeList(const std::vector<Value> &items) {
    out += U'[';
    ++level;
    for (size_t i = 0; i < items.size(); ++i) {
      separate(i == 0);
      AIR_RETURN_IF_ERROR(write(items[i]));
    }
    --level;
    if (!items.empty()) {
      breakLine();
    }
    out += U']';
    return Status::ok();
  }

  Status writeDict(const DictObject &dict) {
    std::vector<const std::pair<Value, Value> *> entries;
    for (const auto &entry : dict.entries) {
      entries.push_back(&entry);
    }
    if (style.sortKeys) {
      bool hasOrder = true;
      mergeSort(entries, [&](const auto *a, const auto *b) {
        std::optional<bool> less = lessThan(a->first, b->first);
        hasOrder = hasOrder && less.has_value();
        return less.value_or(false);
      });
      if (!hasOrder) {
        return corruptError(
            "the keys of a dictionary cannot be sorted, because their types "
            "cannot be compared");
      }
    }
    out += U'{';
    ++level;
    for (size_t i = 0; i < entries.size(); ++i) {
      separate(i == 0);
      const Value &key = entries[i]->first;
      switch (key.kind()) {
      case Kind::String:
        appendString(key.text(), style.ascii, out);
        break;
      case Kind::None:
      case Kind::Bool:
      case Kind::Int:
      case Kind::BigInt:
      case Kind::Float:
        out += U'"';
        AIR_RETURN_IF_ERROR(write(key));
        out += U'"';
        break;
      default:
        return corruptError(std::string("a key of type ") + typeName(key) +
                            " cannot be written as JSON");
      }
      out += style.keySeparator;
      AIR_RETURN_IF_ERROR(write(entries[i]->second));
    }
    --level;
    if (!entries.empty()) {
      breakLine();
    }
    out += U'}';
    return Status::ok();
  }

  const JsonStyle &style;
  size_t level = 0;
};

class Reader final : public nlohmann::json_sax<nlohmann::json> {
public:
  Reader(std::string_view json, bool isTainted)
      : source(json), tainted(isTainted) {}

  bool null() override { return add(Value::none()); }
  bool boolean(bool value) override { return add(Value::boolean(value)); }
  bool number_integer(number_integer_t value) override {
    return add(Value::integer(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add(value > static_cast<uint64_t>(INT64_MAX)
                   ? Value::bigInteger(std::to_string(value))
                   : Value::integer(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t &text) override {
    // The parser also calls number_float() for integers that do not fit in 64
    // bits.
    return add(text.find_first_of(".eE") == std::string::npos
                   ? Value::bigInteger(text)
                   : Value::real(value));
  }
  bool string(string_t &value) override {
    return add(Value::string(toText(value, tainted)));
  }
  bool binary(binary_t &) override { return false; }
  bool start_object(size_t) override { return open(true); }
  bool start_array(size_t) override { return open(false); }
  bool key(string_t &value) override {
    levels.back().key = Value::string(toText(value, tainted));
    return true;
  }
  bool end_object() override {
    auto dict = std::move(levels.back().dict);
    levels.pop_back();
    return add(Value::object(Kind::Dict, std::move(dict)));
  }
  bool end_array() override {
    std::vector<Value> items = std::move(levels.back().items);
    levels.pop_back();
    return add(Value::sequence(Kind::List, std::move(items)));
  }
  bool parse_error(size_t position, const std::string &token,
                   const nlohmann::detail::exception &error) override {
    constexpr int kNumberOverflow = 406; // documented in nlohmann's manual
    if (error.id == kNumberOverflow) {
      failure =
          "the number at " +
          placeName(placeAfter(source.substr(0, position - token.size()))) +
          " does not fit in a 64-bit floating-point number";
      return false;
    }
    // `position` is the number of bytes up to the end of the unexpected token.
    // The message gives the line and column of the last of these bytes.
    failure = "it is not valid JSON: the error is at " +
              placeName(placeAfter(source.substr(0, position - 1)));
    return false;
  }

  Value result;
  std::string failure;

private:
  struct Level {
    std::shared_ptr<DictObject> dict; ///< null if this is a list
    std::vector<Value> items;
    Value key;
  };

  bool open(bool isDict) {
    if (levels.size() == kMostJsonLevels) {
      failure = "it is nested deeper than " + std::to_string(kMostJsonLevels) +
                " levels";
      return false;
    }
    levels.emplace_back();
    if (isDict) {
      levels.back().dict = std::make_shared<DictObject>();
    }
    return true;
  }

  bool add(Value value) {
    if (++count > kMostJsonValues) {
      failure = "it has more than " + std::to_string(kMostJsonValues) +
                " values (texts, numbers, lists, objects)";
      return false;
    }
    if (levels.empty()) {
      result = std::move(value);
    } else if (levels.back().dict) {
      levels.back().dict->set(levels.back().key, value);
    } else {
      levels.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::string_view source;
  bool tainted;
  std::vector<Level> levels;
  size_t count = 0; ///< of the values so far
};

} // namespace

Result<Text> toJson(const Value &value, const JsonStyle &style) {
  Writer writer(style);
  AIR_RETURN_IF_ERROR(writer.write(value));
  return std::move(writer.out);
}

Result<Value> fromJson(std::string_view text, bool tainted) {
  Reader reader(text, tainted);
  if (!nlohmann::json::sax_parse(text, &reader)) {
    return corruptError(reader.failure);
  }
  return std::move(reader.result);
}

} // namespace air::jinja
