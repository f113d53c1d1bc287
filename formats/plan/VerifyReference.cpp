//===- VerifyReference.cpp - rules of reference plans ---------------------===//
#include "formats/dtype/DType.h"
#include "formats/plan/PlanRules.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <unordered_set>

namespace air::rules {

/// The maximum length of a file name in the file systems of Linux.
static constexpr size_t kMaxFileNameBytes = 255;

/// A name that contains a folder could make a reader open any file.
static Status checkFileName(const std::string &where, std::string_view name) {
  AIR_RETURN_IF_ERROR(checkName("plan.reference", where, name));
  if (name.size() > kMaxFileNameBytes || name == "." || name == ".." ||
      name.find('/') != std::string_view::npos) {
    return broken("plan.reference", where,
                  "'" + shown(name) +
                      "' must be the name of a file without a folder, of at "
                      "most 255 bytes");
  }
  return Status::ok();
}

Status verifySourceNames(const plan::Plan &plan) {
  if (!plan.reference()) {
    for (uint32_t i = 0; i < sizeOf(plan.sources()); ++i) {
      if (plan.sources()->Get(i)->name() != nullptr) {
        return broken("plan.reference", "source " + str(i),
                      "has a name, but only a reference plan names files");
      }
    }
    return Status::ok();
  }
  if (plan.weightless()) {
    return broken("plan.reference", "plan",
                  "is both weightless and a reference plan");
  }
  if (deviceCount(plan) != 1) {
    return broken("plan.reference", "plan",
                  "is a reference plan, but uses the device '" +
                      shown(textOf(plan.machine()->devices()->Get(0)->name())) +
                      "'; the matrices of a GPU must be stored in the plan");
  }
  if (sizeOf(plan.sources()) == 0) {
    return broken("plan.reference", "plan",
                  "is a reference plan, but names no file with its weights");
  }
  std::unordered_set<std::string_view> names;
  for (uint32_t i = 0; i < plan.sources()->size(); ++i) {
    const plan::Source &source = *plan.sources()->Get(i);
    const std::string where = label("source", i, source);
    AIR_RETURN_IF_ERROR(checkFileName(where, textOf(source.name())));
    if (!names.insert(textOf(source.name())).second) {
      return broken("plan.reference", where,
                    "has the same name as an earlier one");
    }
  }
  return Status::ok();
}

/// Checks that source_rows states where all rows of the tensor are. The other
/// fields of the tensor must be valid.
static Status verifyRows(const plan::Plan &plan, const plan::Tensor &tensor,
                         const std::string &where) {
  constexpr const char *kRule = "plan.reference.rows";
  // The size of the whole tensor has been checked, so this does not fail.
  const uint64_t row =
      *rowBytes(*dtypeFromId(tensor.dtype()), tensor.columns());
  uint64_t rows = 0;
  for (uint32_t i = 0; i < tensor.source_rows()->size(); ++i) {
    const plan::SourceRows &run = *tensor.source_rows()->Get(i);
    const std::string part = where + ", from row " + str(rows) + " on";
    if (run.source() >= plan.sources()->size()) {
      return broken(kRule, part,
                    "source " + str(run.source()) +
                        " does not exist; there are " +
                        str(plan.sources()->size()) + " sources");
    }
    if (run.rows() == 0 || run.rows() > tensor.rows() - rows) {
      return broken(kRule, part,
                    "has " + countOf(run.rows(), "row") +
                        "; it must have 1 to " + str(tensor.rows() - rows) +
                        ", the rest of the tensor's " +
                        countOf(tensor.rows(), "row"));
    }
    const plan::Source &source = *plan.sources()->Get(run.source());
    // All rows of the tensor together have less than 2^64 bytes, as has been
    // checked, so the product does not overflow.
    const uint64_t bytes = run.rows() * row;
    if (!rangeFits(run.offset(), bytes, source.bytes())) {
      return broken(kRule, part,
                    "its " + str(bytes) + " bytes at offset " +
                        str(run.offset()) + " extend beyond the " +
                        str(source.bytes()) + " bytes of source " +
                        str(run.source()));
    }
    rows += run.rows();
  }
  if (rows != tensor.rows()) {
    return broken(kRule, where,
                  "has source_rows for " + str(rows) + " of its " +
                      countOf(tensor.rows(), "row") +
                      "; it must have them for all");
  }
  return Status::ok();
}

Status verifySourceRows(const plan::Plan &plan) {
  for (uint32_t i = 0; i < plan.tensors()->size(); ++i) {
    const plan::Tensor &tensor = *plan.tensors()->Get(i);
    const std::string where = label("tensor", i, tensor);
    const bool hasRows = sizeOf(tensor.source_rows()) != 0;
    if (!plan.reference()) {
      if (hasRows) {
        return broken("plan.reference", where,
                      "has source_rows, but only a reference plan leaves rows "
                      "in other files");
      }
      continue;
    }
    const uint64_t stored =
        plan.segments()->Get(tensor.segment())->stored_bytes();
    const bool isStored = tensor.offset() + tensor.bytes() <= stored;
    if (!isStored && tensor.offset() < stored) {
      return broken("plan.reference.stored", where,
                    "lies at bytes " + str(tensor.offset()) + " to " +
                        str(tensor.offset() + tensor.bytes()) +
                        " of its segment, of which the plan stores only " +
                        str(stored) +
                        " bytes; it must store all bytes of a tensor or none");
    }
    if (isStored == hasRows) {
      return broken("plan.reference.stored", where,
                    isStored ? "is stored in the plan, but has source_rows"
                             : "is not stored in the plan, and has no "
                               "source_rows");
    }
    if (hasRows) {
      AIR_RETURN_IF_ERROR(verifyRows(plan, tensor, where));
    }
  }
  return Status::ok();
}

} // namespace air::rules
