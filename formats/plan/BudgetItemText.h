//===- BudgetItemText.h - the items of a budget, for people -----*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_BUDGETITEMTEXT_H
#define AIRPACK_FORMATS_PLAN_BUDGETITEMTEXT_H

#include <string_view>

namespace air {

/// Returns the name that tables and messages use for a budget item whose name
/// in plans is `name`, such as "KV cache" for "kv". A name that needs no
/// explanation, or that is not the name of an item, is returned unchanged.
constexpr std::string_view budgetItemText(std::string_view name) {
  return name == "kv"        ? "KV cache"
         : name == "staging" ? "transfer buffers"
         : name == "batch"   ? "batch tables"
                             : name;
}

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_BUDGETITEMTEXT_H
