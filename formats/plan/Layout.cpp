//===- Layout.cpp - the order of a matrix's bytes -------------------------===//
#include "formats/plan/Layout.h"

#include "formats/plan/T16Indices.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <string>

namespace air {

std::string_view layoutName(Layout layout) {
  switch (layout) {
  case Layout::Rows:
    return "rows";
  case Layout::X16:
    return "x16";
  case Layout::T16:
    return "t16";
  case Layout::T16Indices:
    return "t16i";
  }
  return "";
}

std::optional<Layout> layoutFromName(std::string_view name) {
  for (Layout layout :
       {Layout::Rows, Layout::X16, Layout::T16, Layout::T16Indices}) {
    if (name == layoutName(layout)) {
      return layout;
    }
  }
  return std::nullopt;
}

Result<uint64_t> layoutBytes(DType dtype, Layout layout, uint64_t rows,
                             uint64_t columns) {
  if (layout == Layout::T16) {
    return t16Bytes(dtype, rows, columns);
  }
  if (layout == Layout::T16Indices) {
    return t16IndexBytes(dtype, rows, columns);
  }
  AIR_ASSIGN_OR_RETURN(const uint64_t row, rowBytes(dtype, columns));
  std::optional<uint64_t> storedRows = rows;
  if (layout == Layout::X16) {
    storedRows = checkedAlignUp(rows, kX16Rows);
  }
  const std::optional<uint64_t> bytes =
      storedRows ? checkedMul(*storedRows, row) : std::nullopt;
  if (!bytes) {
    return corruptError("the size of a matrix of " + countOf(rows, "row") +
                        " of " + std::to_string(row) +
                        " bytes does not fit in 64 bits");
  }
  return *bytes;
}

} // namespace air
