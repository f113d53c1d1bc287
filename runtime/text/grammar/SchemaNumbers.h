//===- SchemaNumbers.h - texts of numbers within bounds ---------*- C++ -*-===//
#ifndef AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMANUMBERS_H
#define AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMANUMBERS_H

#include "runtime/text/grammar/GrammarBuilder.h"

#include <optional>
#include <string>

namespace air::rt {

/// A bound on a number. An exclusive bound does not allow the number itself.
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

/// Compares two lower bounds: less than 0 if `a` allows smaller numbers than
/// `b`, greater than 0 if `b` does.
int compareLeast(const NumberBound &a, const NumberBound &b);
/// Compares two upper bounds: less than 0 if `b` allows larger numbers than
/// `a`.
int compareMost(const NumberBound &a, const NumberBound &b);

/// Whether no number fulfils both bounds.
bool isBelow(const NumberBound &most, const NumberBound &least);

/// The numbers from `least` to `most` as JSON texts: integers or decimal
/// numbers. Only decimal numbers without bounds may have an exponent.
GrammarSymbol numbersBetween(GrammarBuilder &builder, bool integers,
                             const std::optional<NumberBound> &least,
                             const std::optional<NumberBound> &most);

} // namespace air::rt

#endif // AIRPACK_RUNTIME_TEXT_GRAMMAR_SCHEMANUMBERS_H
