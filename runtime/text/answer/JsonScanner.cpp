//===- JsonScanner.cpp - JSON that arrives byte by byte -------------------===//
#include "runtime/text/answer/JsonScanner.h"

#include "runtime/text/answer/Words.h"

#include <nlohmann/json.hpp>

namespace air::rt {
namespace {

bool isDigit(char c) { return c >= '0' && c <= '9'; }

bool isHexDigit(char c) {
  return isDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

} // namespace

JsonScanner::State JsonScanner::endValue() {
  return open.empty() ? State::Done : State::CommaOrEnd;
}

bool JsonScanner::endsNumber() const {
  return now == State::Zero || now == State::Integer ||
         now == State::Fraction || now == State::ExponentDigit;
}

JsonScanner::State JsonScanner::beginValue(char c) {
  switch (c) {
  case '{':
  case '[':
    if (open.size() == kMostLevels) {
      return State::Bad;
    }
    open += c;
    return c == '{' ? State::KeyOrEnd : State::ValueOrEnd;
  case '"':
    stringIsKey = false;
    return State::String;
  case 't':
    rest = "rue";
    return State::Literal;
  case 'f':
    rest = "alse";
    return State::Literal;
  case 'n':
    rest = "ull";
    return State::Literal;
  case '-':
    return State::Minus;
  case '0':
    return State::Zero;
  default:
    return isDigit(c) ? State::Integer : State::Bad;
  }
}

JsonScanner::State JsonScanner::inNumber(char c) {
  switch (now) {
  case State::Minus:
    return c == '0' ? State::Zero : isDigit(c) ? State::Integer : State::Bad;
  case State::Zero:
  case State::Integer:
    if (c == '.' || c == 'e' || c == 'E') {
      return c == '.' ? State::Point : State::Exponent;
    }
    if (now == State::Integer && isDigit(c)) {
      return now;
    }
    break;
  case State::Point:
    return isDigit(c) ? State::Fraction : State::Bad;
  case State::Fraction:
    if (isDigit(c)) {
      return now;
    }
    if (c == 'e' || c == 'E') {
      return State::Exponent;
    }
    break;
  case State::Exponent:
    return c == '+' || c == '-' ? State::ExponentSign
           : isDigit(c)         ? State::ExponentDigit
                                : State::Bad;
  case State::ExponentSign:
    return isDigit(c) ? State::ExponentDigit : State::Bad;
  default:
    if (isDigit(c)) {
      return now;
    }
  }
  // This byte follows a number, which is complete now.
  now = endValue();
  return push(c);
}

JsonScanner::State JsonScanner::push(char c) {
  const bool spaceMayFollow = now <= State::CommaOrEnd || now == State::Done;
  if (spaceMayFollow && isSpace(c)) {
    return now;
  }
  switch (now) {
  case State::ValueOrEnd:
    if (c == ']') {
      open.pop_back();
      return now = endValue();
    }
    [[fallthrough]];
  case State::Value:
    return now = beginValue(c);
  case State::KeyOrEnd:
    if (c == '}') {
      open.pop_back();
      return now = endValue();
    }
    [[fallthrough]];
  case State::Key:
    stringIsKey = true;
    return now = c == '"' ? State::String : State::Bad;
  case State::Colon:
    return now = c == ':' ? State::Value : State::Bad;
  case State::CommaOrEnd: {
    const bool isObject = open.back() == '{';
    if (c == ',') {
      return now = isObject ? State::Key : State::Value;
    }
    if (c != (isObject ? '}' : ']')) {
      return now = State::Bad;
    }
    open.pop_back();
    return now = endValue();
  }
  case State::String:
    if (c == '"') {
      return now = stringIsKey ? State::Colon : endValue();
    }
    if (static_cast<unsigned char>(c) < 0x20) {
      return now = State::Bad;
    }
    return now = c == '\\' ? State::Escape : State::String;
  case State::Escape:
    digits = 4;
    return now = c == 'u' ? State::Hex
                 : std::string_view("\"\\/bfnrt").find(c) !=
                         std::string_view::npos
                     ? State::String
                     : State::Bad;
  case State::Hex:
    if (!isHexDigit(c)) {
      return now = State::Bad;
    }
    return now = --digits == 0 ? State::String : State::Hex;
  case State::Literal:
    if (c != rest.front()) {
      return now = State::Bad;
    }
    rest.remove_prefix(1);
    return now = rest.empty() ? endValue() : State::Literal;
  case State::Done:
  case State::Bad:
    return now = State::Bad;
  default:
    return now = inNumber(c);
  }
}

bool isJson(std::string_view text) {
  JsonScanner scanner;
  for (char c : text) {
    if (scanner.push(c) == JsonScanner::State::Bad) {
      return false;
    }
  }
  return scanner.isWhole();
}

std::string jsonString(std::string_view text) {
  using nlohmann::json;
  return json(std::string(text))
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace air::rt
