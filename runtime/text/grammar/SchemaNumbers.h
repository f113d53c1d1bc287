//===- SchemaNumbers.h - texts of numbers within bounds ---------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMANUMBERS_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMANUMBERS_H

#include "runtime/text/grammar/GrammarBuilder.h"

#include <optional>
#include <string>

namespace air::rt {

/// A bound on a number: a decimal number, and whether the number itself is
/// outside.
struct NumberBound {
  bool negative = false;
  std::string integer = "0"; ///< without leading zeros
  std::string fraction;      ///< without trailing zeros
  bool exclusive = false;
};

/// The bound with the shortest decimal text that is read as `value`.
NumberBound boundOf(double value, bool exclusive);
NumberBound boundOf(int64_t value, bool exclusive);
NumberBound boundOf(uint64_t value, bool exclusive);

/// Less than 0 if a number that fulfils `a` as its smallest value can be
/// smaller than with `b`, greater than 0 if not, 0 if the bounds are equal.
int compareLeast(const NumberBound &a, const NumberBound &b);
/// The same for largest values.
int compareMost(const NumberBound &a, const NumberBound &b);

/// Whether no number fulfils both bounds.
bool isBelow(const NumberBound &most, const NumberBound &least);

/// The numbers from `least` to `most` as JSON writes them: integers without
/// fraction and exponent, or decimal numbers. A number without bounds may have
/// an exponent.
GrammarSymbol numbersBetween(GrammarBuilder &builder, bool integers,
                             const std::optional<NumberBound> &least,
                             const std::optional<NumberBound> &most);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMANUMBERS_H
