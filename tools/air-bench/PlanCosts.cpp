//===- PlanCosts.cpp - the costs of a plan's steps for one batch ----------===//
#include "tools/air-bench/PlanCosts.h"

#include "formats/dtype/DType.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>

namespace air::bench {
namespace {

const plan::Program &programFor(const plan::Plan &plan, uint64_t tokens) {
  for (const plan::Program *program : *plan.programs()) {
    if (tokens <= program->max_tokens()) {
      return *program;
    }
  }
  return *plan.programs()->Get(plan.programs()->size() - 1);
}

bool has(plan::Access access, plan::Access part) {
  return (static_cast<unsigned>(access) & static_cast<unsigned>(part)) != 0;
}

/// The bytes that one position takes in a cache: the keys and values of all KV
/// heads.
uint64_t positionBytesOf(const plan::Cache &cache) {
  const auto bytes = [&](uint16_t dtype, uint64_t elements) {
    return cache.heads() * elements *
           info(static_cast<DType>(dtype)).blockBytes;
  };
  return bytes(cache.key_dtype(), cache.key_dim()) +
         bytes(cache.value_dtype(), cache.value_dim());
}

DispatchCost costOf(const plan::Plan &plan, plan::StepKind kind,
                    const plan::Dispatch &dispatch, const PassShape &shape) {
  const plan::Executable &executable =
      *plan.executables()->Get(dispatch.executable());
  const plan::Grid &grid = *dispatch.grid();
  const uint64_t rows = grid.rows_from() == plan::RowsFrom::Outputs
                            ? shape.outputs
                            : shape.tokens;
  const auto tokens = static_cast<double>(shape.tokens);
  const auto context = static_cast<double>(shape.context);
  DispatchCost cost;
  cost.kernel = executable.entries()->Get(dispatch.entry())->str();
  cost.arithmetic = kernelArithmetic(dispatch.arithmetic());
  cost.barrier = dispatch.barrier();
  cost.tiles =
      (grid.tiles() == 0 ? grid.base_tiles() : grid.tiles()) *
      (grid.tokens_per_tile() == 0 ? 1 : ceilDiv(rows, grid.tokens_per_tile()));
  cost.weightBytes = static_cast<double>(dispatch.weight_bytes()) *
                     (kind == plan::StepKind::Embed ? tokens : 1);
  cost.operations =
      static_cast<double>(dispatch.flops_per_row()) * static_cast<double>(rows);
  for (const plan::Binding *binding : *dispatch.bindings()) {
    if (binding->kind() != plan::BindingKind::Kv) {
      continue;
    }
    const plan::Cache &cache = *plan.caches()->Get(binding->index());
    const auto positionBytes = static_cast<double>(positionBytesOf(cache));
    if (has(binding->access(), plan::Access::Write)) {
      cost.kvBytes += positionBytes * tokens;
    }
    if (has(binding->access(), plan::Access::Read)) {
      cost.kvBytes += positionBytes * (context + tokens);
      // Each query head performs one multiply-add, which is two operations, per
      // element of every key and every value that a token sees.
      const double keys = tokens * context + tokens * (tokens + 1) / 2;
      const uint64_t elements =
          plan.model()->heads() * (cache.key_dim() + cache.value_dim());
      cost.operations = 2 * static_cast<double>(elements) * keys;
    }
  }
  return cost;
}

} // namespace

KernelArithmetic kernelArithmetic(plan::Arithmetic arithmetic) {
  switch (arithmetic) {
  case plan::Arithmetic::Float32:
  case plan::Arithmetic::Float16: // only GPU kernels use float16 arithmetic
    break;
  case plan::Arithmetic::Int8:
    return {Arithmetic::ByteDot, 1};
  case plan::Arithmetic::Int15:
    return {Arithmetic::ByteDot, 2};
  case plan::Arithmetic::BFloat16:
    return {Arithmetic::Bf16Dot, 1};
  }
  return {};
}

bool isPartOf(std::string_view name, std::string_view first, uint64_t part) {
  return name.starts_with(first) &&
         name.substr(first.size()) == "." + std::to_string(part);
}

std::vector<StepCost> passCosts(const plan::Plan &plan,
                                const PassShape &shape) {
  std::vector<StepCost> steps;
  std::string first; ///< the name of the first part of the previous step
  uint64_t parts = 1;
  for (const plan::Step *step : *programFor(plan, shape.tokens).steps()) {
    StepCost cost;
    cost.name = step->name()->str();
    cost.kind = plan::EnumNameStepKind(step->kind());
    cost.isFurtherPart = !steps.empty() && steps.back().kind == cost.kind &&
                         isPartOf(cost.name, first, parts);
    parts = cost.isFurtherPart ? parts + 1 : 1;
    first = cost.isFurtherPart ? first : cost.name;
    if (step->dispatches() != nullptr) {
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        cost.dispatches.push_back(costOf(plan, step->kind(), *dispatch, shape));
      }
    }
    steps.push_back(std::move(cost));
  }
  return steps;
}

} // namespace air::bench
