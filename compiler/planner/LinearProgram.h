//===- LinearProgram.h - minimise a sum under linear limits -----*- C++ -*-===//
//
// A thin layer over COIN-OR CLP, so that nothing else includes its headers. All
// variables are at least 0. A row is a constraint: a weighted sum of variables
// is at most, or is equal to, a constant. CLP works with tolerances of 1e-9, so
// the caller should choose units in which its numbers are between about 1e-3
// and 1e3.
//
// The solution depends on the program alone: CLP's simplex method uses no
// clock, and its random numbers always start with the same seed. If several
// solutions are equally good, the order of variables and rows decides among
// them.
//
// Thread-safety: one call at a time per object.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_PLANNER_LINEARPROGRAM_H
#define AIRPACK_COMPILER_PLANNER_LINEARPROGRAM_H

#include "formats/support/Status.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace air::compiler {

class LinearProgram {
public:
  struct Term {
    size_t variable = 0;
    double factor = 0;
  };

  /// Adds a variable, which costs `cost` for each unit, and returns its index.
  size_t addVariable(double cost = 0);
  void setCost(size_t variable, double cost);

  /// States that the sum of `terms` is at most `limit`. A variable may appear
  /// several times; its factors are added.
  void atMost(const std::vector<Term> &terms, double limit);
  void equals(const std::vector<Term> &terms, double value);

  /// Returns the values of the variables for which the total cost is lowest, or
  /// nullopt if no values satisfy all rows. Fails with Internal if the cost has
  /// no lower bound, or if CLP gives up.
  Result<std::optional<std::vector<double>>> minimise() const;

private:
  struct Row {
    std::vector<Term> terms;
    double low = 0;
    double high = 0;
  };
  std::vector<double> costs;
  std::vector<Row> rows;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_PLANNER_LINEARPROGRAM_H
