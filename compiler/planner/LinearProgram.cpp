//===- LinearProgram.cpp - the interface to COIN-OR CLP -------------------===//
#include "compiler/planner/LinearProgram.h"
#include "formats/support/CountText.h"

#include <coin/Clp_C_Interface.h>

#include <limits>
#include <map>
#include <memory>
#include <string>

namespace air::compiler {

/// A bound of this value means "no limit" to CLP.
static constexpr double kUnlimited = std::numeric_limits<double>::max();

size_t LinearProgram::addVariable(double cost) {
  costs.push_back(cost);
  return costs.size() - 1;
}

void LinearProgram::setCost(size_t variable, double cost) {
  costs[variable] = cost;
}

void LinearProgram::atMost(const std::vector<Term> &terms, double limit) {
  rows.push_back({terms, -kUnlimited, limit});
}

void LinearProgram::equals(const std::vector<Term> &terms, double value) {
  rows.push_back({terms, value, value});
}

Result<std::optional<std::vector<double>>> LinearProgram::minimise() const {
  // CLP expects the matrix column by column.
  std::vector<std::map<int, double>> columns(costs.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    for (const Term &term : rows[row].terms) {
      columns[term.variable][static_cast<int>(row)] += term.factor;
    }
  }
  std::vector<CoinBigIndex> starts = {0};
  std::vector<int> indices;
  std::vector<double> factors;
  for (const std::map<int, double> &column : columns) {
    for (const auto &[row, factor] : column) {
      if (factor != 0) {
        indices.push_back(row);
        factors.push_back(factor);
      }
    }
    starts.push_back(static_cast<CoinBigIndex>(indices.size()));
  }
  std::vector<double> lows;
  std::vector<double> highs;
  for (const Row &row : rows) {
    lows.push_back(row.low);
    highs.push_back(row.high);
  }
  const std::vector<double> zeros(costs.size(), 0);
  const std::vector<double> unlimited(costs.size(), kUnlimited);

  const std::unique_ptr<Clp_Simplex, void (*)(Clp_Simplex *)> model(
      Clp_newModel(), Clp_deleteModel);
  Clp_setLogLevel(model.get(), 0);
  Clp_setPrimalTolerance(model.get(), 1e-9);
  Clp_setDualTolerance(model.get(), 1e-9);
  Clp_loadProblem(model.get(), static_cast<int>(costs.size()),
                  static_cast<int>(rows.size()), starts.data(), indices.data(),
                  factors.data(), zeros.data(), unlimited.data(), costs.data(),
                  lows.data(), highs.data());
  // The dual simplex method reliably detects that there is no solution. If no
  // cost is negative, as in the programs of ResidencySolver.cpp, the slack
  // basis is dual feasible, so the method can start at this basis.
  Clp_dual(model.get(), 0);
  constexpr int kOptimal = 0;
  constexpr int kInfeasible = 1;
  const int status = Clp_status(model.get());
  if (status == kInfeasible) {
    return std::optional<std::vector<double>>();
  }
  if (status != kOptimal) {
    return internalError("the solver CLP ended with status " +
                         std::to_string(status) + " for a linear program of " +
                         countOf(costs.size(), "variable") + " and " +
                         countOf(rows.size(), "row"));
  }
  const double *values = Clp_primalColumnSolution(model.get());
  return std::optional(std::vector<double>(values, values + costs.size()));
}

} // namespace air::compiler
