//===- SchemaNumbers.cpp - texts of numbers within bounds -------*- C++ -*-===//
#include "runtime/text/grammar/SchemaNumbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <tuple>

namespace air::rt {
namespace {

NumberBound boundOfText(std::string_view text, bool exclusive) {
  NumberBound bound;
  bound.exclusive = exclusive;
  bound.negative = text.starts_with('-');
  text.remove_prefix(bound.negative ? 1 : 0);
  size_t point = std::min(text.find('.'), text.size());
  bound.integer = text.substr(0, point);
  bound.fraction = text.substr(std::min(point + 1, text.size()));
  while (bound.fraction.ends_with('0')) {
    bound.fraction.pop_back();
  }
  if (bound.integer == "0" && bound.fraction.empty()) {
    bound.negative = false;
  }
  return bound;
}

int compareIntegers(const std::string &a, const std::string &b) {
  if (a.size() != b.size()) {
    return a.size() < b.size() ? -1 : 1;
  }
  return a.compare(b);
}

int compareValues(const NumberBound &a, const NumberBound &b) {
  if (a.negative != b.negative) {
    return a.negative ? -1 : 1;
  }
  int order = compareIntegers(a.integer, b.integer);
  order = order != 0 ? order : a.fraction.compare(b.fraction);
  return a.negative ? -order : order;
}

std::string plusOne(std::string digits) {
  for (size_t i = digits.size(); i-- > 0;) {
    if (digits[i] != '9') {
      ++digits[i];
      return digits;
    }
    digits[i] = '0';
  }
  return "1" + digits;
}

/// `digits` must not be "0".
std::string minusOne(std::string digits) {
  for (size_t i = digits.size(); i-- > 0;) {
    if (digits[i] != '0') {
      --digits[i];
      break;
    }
    digits[i] = '9';
  }
  return digits.size() > 1 && digits[0] == '0' ? digits.substr(1) : digits;
}

/// Writes the rules for numbers whose magnitude lies within bounds. It ignores
/// the signs of the bounds, and puts `sign` before each number.
class Writer {
public:
  explicit Writer(GrammarBuilder &made) : builder(made) {}

  using Bound = std::optional<NumberBound>;

  void integers(const Bound &least, const Bound &most,
                std::vector<GrammarSequence> &found, const char *sign);
  void decimals(const Bound &least, const Bound &most,
                std::vector<GrammarSequence> &found, const char *sign);

  GrammarSymbol digits(char first, char last) {
    return builder.set(CodePointSet(
        {{static_cast<uint32_t>(first), static_cast<uint32_t>(last)}}));
  }
  GrammarSequence anyDigits(uint32_t least, uint32_t most) {
    return builder.repeat({digits('0', '9')}, least, most);
  }

private:
  using Unbounded = std::optional<std::string>;
  void integersFrom(const std::string &least, const Unbounded &most,
                    std::vector<GrammarSequence> &found);
  GrammarSequence sameLength(std::string_view least, std::string_view most,
                             bool hasLeast, bool hasMost);
  GrammarSequence fraction(const Bound &least, const Bound &most);
  GrammarSymbol fractionRest(size_t at, bool hasLeast, bool hasMost);
  void fractionDigits(size_t at, bool hasLeast, bool hasMost,
                      std::vector<GrammarSequence> &found);
  bool mayEnd(size_t at, bool hasLeast, bool hasMost) const;

  GrammarBuilder &builder;
  NumberBound low;  ///< the lower bound of fraction()
  NumberBound high; ///< the upper bound of fraction()
  std::map<std::tuple<size_t, bool, bool>, uint32_t> rests;
};

GrammarSequence Writer::sameLength(std::string_view least,
                                   std::string_view most, bool hasLeast,
                                   bool hasMost) {
  if (least.empty()) {
    return {};
  }
  if (!hasLeast && !hasMost) {
    auto count = static_cast<uint32_t>(least.size());
    return anyDigits(count, count);
  }
  char from = hasLeast ? least[0] : '0';
  char to = hasMost ? most[0] : '9';
  std::vector<GrammarSequence> options;
  auto add = [&](char first, char last, bool keepLeast, bool keepMost) {
    if (first <= last) {
      GrammarSequence option = {digits(first, last)};
      GrammarSequence rest =
          sameLength(least.substr(1), most.substr(1), keepLeast, keepMost);
      option.insert(option.end(), rest.begin(), rest.end());
      options.push_back(std::move(option));
    }
  };
  if (hasLeast && hasMost && from == to) {
    add(from, to, true, true);
  } else {
    auto first = static_cast<char>(from + (hasLeast ? 1 : 0));
    auto last = static_cast<char>(to - (hasMost ? 1 : 0));
    if (hasLeast) {
      add(from, from, true, false);
    }
    add(first, last, false, false);
    if (hasMost) {
      add(to, to, false, true);
    }
  }
  return {builder.choice(std::move(options))};
}

void Writer::integersFrom(const std::string &least, const Unbounded &most,
                          std::vector<GrammarSequence> &found) {
  if (most && compareIntegers(least, *most) > 0) {
    return;
  }
  const size_t size = least.size();
  if (most && most->size() == size) {
    found.push_back(sameLength(least, *most, true, true));
    return;
  }
  found.push_back(sameLength(least, std::string(size, '9'), true, false));
  // Numbers with more digits than `least`, and fewer than `most`.
  GrammarSequence longer = {digits('1', '9')};
  GrammarSequence rest;
  if (!most) {
    rest = anyDigits(static_cast<uint32_t>(size), GrammarBuilder::kUnlimited);
  } else if (most->size() > size + 1) {
    rest = anyDigits(static_cast<uint32_t>(size),
                     static_cast<uint32_t>(most->size() - 2));
  }
  if (!rest.empty()) {
    longer.insert(longer.end(), rest.begin(), rest.end());
    found.push_back(std::move(longer));
  }
  if (most) {
    std::string shortest = "1" + std::string(most->size() - 1, '0');
    found.push_back(sameLength(shortest, *most, true, true));
  }
}

void Writer::integers(const Bound &least, const Bound &most,
                      std::vector<GrammarSequence> &found, const char *sign) {
  std::string first = "0";
  if (least) {
    bool above = least->exclusive || !least->fraction.empty();
    first = above ? plusOne(least->integer) : least->integer;
  }
  Unbounded last;
  if (most) {
    last = most->integer;
    if (most->fraction.empty() && most->exclusive) {
      if (most->integer == "0") {
        return;
      }
      last = minusOne(most->integer);
    }
  }
  std::vector<GrammarSequence> options;
  integersFrom(first, last, options);
  GrammarSequence one = builder.text(sign);
  one.push_back(builder.choice(std::move(options)));
  found.push_back(std::move(one));
}

bool Writer::mayEnd(size_t at, bool hasLeast, bool hasMost) const {
  bool isLeast = at >= low.fraction.size() && !low.exclusive;
  bool isMost = at < high.fraction.size() || !high.exclusive;
  return (!hasLeast || isLeast) && (!hasMost || isMost);
}

void Writer::fractionDigits(size_t at, bool hasLeast, bool hasMost,
                            std::vector<GrammarSequence> &found) {
  // `hasLeast` says that the bound `low` restricts this digit, because all
  // digits before it equal those of `low`. `hasMost` says the same of `high`.
  char from = '0';
  if (hasLeast && at < low.fraction.size()) {
    from = low.fraction[at];
  }
  char to = '9';
  if (hasMost) {
    to = at < high.fraction.size() ? high.fraction[at] : '0';
  }
  for (char digit = from; digit <= to; ++digit) {
    bool keepLeast = hasLeast && digit == from;
    bool keepMost = hasMost && digit == to;
    char last = digit;
    while (!keepLeast && !keepMost && last + 1 <= to &&
           !(hasMost && last + 1 == to)) {
      ++last;
    }
    found.push_back(
        {digits(digit, last), fractionRest(at + 1, keepLeast, keepMost)});
    digit = last;
  }
}

GrammarSymbol Writer::fractionRest(size_t at, bool hasLeast, bool hasMost) {
  size_t longest = std::max(low.fraction.size(), high.fraction.size());
  at = std::min(at, longest);
  if (hasLeast && at >= low.fraction.size() && !low.exclusive) {
    hasLeast = false;
  }
  auto [known, isNew] = rests.try_emplace(std::tuple(at, hasLeast, hasMost), 0);
  if (!isNew) {
    return GrammarBuilder::rule(known->second);
  }
  uint32_t rule = builder.addRule("the fraction of a number");
  known->second = rule;
  std::vector<GrammarSequence> options;
  if (mayEnd(at, hasLeast, hasMost)) {
    options.emplace_back();
  }
  if (!hasLeast && !hasMost) {
    options.back() = anyDigits(0, GrammarBuilder::kUnlimited);
  } else {
    fractionDigits(at, hasLeast, hasMost, options);
  }
  builder.define(rule, std::move(options));
  return GrammarBuilder::rule(rule);
}

GrammarSequence Writer::fraction(const Bound &least, const Bound &most) {
  low = least.value_or(NumberBound{});
  high = most.value_or(NumberBound{});
  rests.clear();
  std::vector<GrammarSequence> options;
  if (mayEnd(0, least.has_value(), most.has_value())) {
    options.emplace_back();
  }
  std::vector<GrammarSequence> first;
  fractionDigits(0, least.has_value(), most.has_value(), first);
  GrammarSequence written = builder.text(".");
  written.push_back(builder.choice(std::move(first)));
  options.push_back(std::move(written));
  return {builder.choice(std::move(options))};
}

void Writer::decimals(const Bound &least, const Bound &most,
                      std::vector<GrammarSequence> &found, const char *sign) {
  auto add = [&](GrammarSequence integer, const Bound &from, const Bound &to) {
    GrammarSequence one = builder.text(sign);
    one.insert(one.end(), integer.begin(), integer.end());
    GrammarSequence after = fraction(from, to);
    one.insert(one.end(), after.begin(), after.end());
    found.push_back(std::move(one));
  };
  const std::string first = least ? least->integer : "0";
  if (most && compareIntegers(first, most->integer) > 0) {
    return;
  }
  if (most && first == most->integer) {
    add(builder.text(first), least, most);
    return;
  }
  add(builder.text(first), least, std::nullopt);
  std::vector<GrammarSequence> between;
  Unbounded last;
  if (most) {
    last = minusOne(most->integer);
    add(builder.text(most->integer), std::nullopt, most);
  }
  integersFrom(plusOne(first), last, between);
  if (!between.empty()) {
    add({builder.choice(std::move(between))}, std::nullopt, std::nullopt);
  }
}

} // namespace

NumberBound boundOf(double value, bool exclusive) {
  std::array<char, 1200> text{};
  auto done = std::to_chars(text.data(), text.data() + text.size(), value,
                            std::chars_format::fixed);
  return boundOfText({text.data(), done.ptr}, exclusive);
}

NumberBound boundOf(int64_t value, bool exclusive) {
  return boundOfText(std::to_string(value), exclusive);
}

NumberBound boundOf(uint64_t value, bool exclusive) {
  return boundOfText(std::to_string(value), exclusive);
}

int compareLeast(const NumberBound &a, const NumberBound &b) {
  int order = compareValues(a, b);
  return order != 0
             ? order
             : static_cast<int>(a.exclusive) - static_cast<int>(b.exclusive);
}

int compareMost(const NumberBound &a, const NumberBound &b) {
  int order = compareValues(a, b);
  return order != 0
             ? order
             : static_cast<int>(b.exclusive) - static_cast<int>(a.exclusive);
}

bool isBelow(const NumberBound &most, const NumberBound &least) {
  int order = compareValues(most, least);
  return order < 0 || (order == 0 && (most.exclusive || least.exclusive));
}

GrammarSymbol numbersBetween(GrammarBuilder &builder, bool integers,
                             const std::optional<NumberBound> &least,
                             const std::optional<NumberBound> &most) {
  Writer writer(builder);
  if (!least && !most) {
    GrammarSequence all = builder.repeat(builder.text("-"), 0, 1);
    GrammarSequence many = {writer.digits('1', '9')};
    GrammarSequence rest = writer.anyDigits(0, GrammarBuilder::kUnlimited);
    many.insert(many.end(), rest.begin(), rest.end());
    all.push_back(builder.choice({builder.text("0"), std::move(many)}));
    if (!integers) {
      GrammarSequence fraction = builder.text(".");
      GrammarSequence some = writer.anyDigits(1, GrammarBuilder::kUnlimited);
      fraction.insert(fraction.end(), some.begin(), some.end());
      GrammarSequence exponent = {
          builder.choice({builder.text("e"), builder.text("E")}),
          builder.choice({{}, builder.text("+"), builder.text("-")})};
      exponent.insert(exponent.end(), some.begin(), some.end());
      for (GrammarSequence &part : std::array{fraction, exponent}) {
        GrammarSequence maybe = builder.repeat(std::move(part), 0, 1);
        all.insert(all.end(), maybe.begin(), maybe.end());
      }
    }
    return builder.choice({std::move(all)});
  }
  std::vector<GrammarSequence> found;
  auto write = [&](const std::optional<NumberBound> &from,
                   const std::optional<NumberBound> &to, const char *sign) {
    if (integers) {
      writer.integers(from, to, found, sign);
    } else {
      writer.decimals(from, to, found, sign);
    }
  };
  auto withoutSign = [](std::optional<NumberBound> bound) {
    if (bound) {
      bound->negative = false;
    }
    return bound;
  };
  if (!least || least->negative) {
    // The magnitude of a negative number is above 0 and, if `most` is negative,
    // not below the magnitude of `most`.
    NumberBound zero;
    zero.exclusive = true;
    bool mostIsNegative = most && most->negative;
    write(mostIsNegative ? withoutSign(most) : zero, withoutSign(least), "-");
  }
  if (!most || !most->negative) {
    write(least && !least->negative ? least : std::nullopt, most, "");
  }
  return builder.choice(std::move(found));
}

} // namespace air::rt
