//===- X16Order.cpp - the order of a block's units in x16 -----------------===//
#include "formats/plan/X16Order.h"

#include <algorithm>
#include <cassert>

namespace air {
namespace {

/// Consecutive units of a field.
struct Run {
  std::string_view field;
  /// The index of the run's first unit, counted among the units of this field
  /// within one section.
  uint32_t first;
  uint32_t count;
};

/// A part of a block that contains all units of one or more fields. It consists
/// of `sections` sections of equal size, and `runs` lists the units of a
/// section in order. The first section has the first units of each field, the
/// second one has the units that follow them, and so on.
struct Part {
  uint32_t sections;
  std::span<const Run> runs;
};

constexpr Run kD[] = {{"d", 0, 1}};
constexpr Run kOneQs[] = {{"qs", 0, 1}};
constexpr Run kTwoQs[] = {{"qs", 0, 2}};
constexpr Run kFourQs[] = {{"qs", 0, 4}};
constexpr Run kEightQs[] = {{"qs", 0, 8}};

constexpr Part kQ1x0[] = {{1, kD}, {4, kOneQs}};
constexpr Part kQ2x0[] = {{1, kD}, {2, kTwoQs}};
constexpr Part kTq2x0[] = {{1, kD}, {2, kEightQs}};
constexpr Part kIq2xxs[] = {{1, kD}, {8, kTwoQs}};

constexpr Run kWholeTq1x0[] = {{"d", 0, 1}, {"qs", 0, 12}, {"qh", 0, 1}};
constexpr Part kTq1x0[] = {{1, kWholeTq1x0}};

constexpr Run kScales2k[] = {{"d", 0, 1}, {"dmin", 0, 1}};
constexpr Run kHalf2k[] = {{"scales", 0, 2}, {"qs", 0, 8}};
constexpr Part kQ2k[] = {{1, kScales2k}, {2, kHalf2k}};

constexpr Run kScales3k[] = {{"d", 0, 1}, {"scales", 0, 3}, {"hmask", 0, 8}};
constexpr Part kQ3k[] = {{1, kScales3k}, {2, kEightQs}};

constexpr Run kScales4k[] = {{"d", 0, 1}, {"dmin", 0, 1}, {"scales", 0, 3}};
constexpr Part kQ4k[] = {{1, kScales4k}, {4, kEightQs}};

constexpr Run kScales5k[] = {
    {"d", 0, 1}, {"dmin", 0, 1}, {"scales", 0, 3}, {"qh", 0, 8}};
constexpr Part kQ5k[] = {{1, kScales5k}, {4, kEightQs}};

// Each half of a block has four quarters of 32 columns. The units for the first
// 16 columns of all four quarters precede those for the other 16 columns.
constexpr Run kHalf6k[] = {{"scales", 0, 2}, {"ql", 0, 4}, {"ql", 8, 4},
                           {"qh", 0, 4},     {"ql", 4, 4}, {"ql", 12, 4},
                           {"qh", 4, 4}};
constexpr Part kQ6k[] = {{1, kD}, {2, kHalf6k}};

constexpr Run kScalesIq2xs[] = {{"d", 0, 1}, {"scales", 0, 2}};
constexpr Part kIq2xs[] = {{1, kScalesIq2xs}, {8, kTwoQs}};

constexpr Run kScalesIq2s[] = {{"d", 0, 1}, {"scales", 0, 2}, {"qh", 0, 2}};
constexpr Run kEighthIq2s[] = {{"signs", 0, 1}, {"qs", 0, 1}};
constexpr Part kIq2s[] = {{1, kScalesIq2s}, {8, kEighthIq2s}};

constexpr Run kEighthIq3xxs[] = {{"gas", 0, 1}, {"qs", 0, 2}};
constexpr Part kIq3xxs[] = {{1, kD}, {8, kEighthIq3xxs}};

constexpr Run kScalesIq3s[] = {{"d", 0, 1}, {"scales", 0, 1}, {"qh", 0, 2}};
constexpr Run kEighthIq3s[] = {{"signs", 0, 1}, {"qs", 0, 2}};
constexpr Part kIq3s[] = {{1, kScalesIq3s}, {8, kEighthIq3s}};

constexpr Run kQuarterIq1[] = {{"qh", 0, 1}, {"qs", 0, 2}};
constexpr Part kIq1s[] = {{1, kD}, {4, kQuarterIq1}};
constexpr Run kScalesIq1m[] = {{"scales", 0, 2}};
constexpr Part kIq1m[] = {{1, kScalesIq1m}, {4, kQuarterIq1}};

constexpr Run kScalesIq4xs[] = {
    {"d", 0, 1}, {"scales_h", 0, 1}, {"scales_l", 0, 1}};
constexpr Part kIq4xs[] = {{1, kScalesIq4xs}, {8, kFourQs}};

/// Returns the order in which x16 stores the units of a block of `dtype`. Empty
/// if the units are in the order of the block's fields, and no field is divided
/// into sections.
std::span<const Part> orderOf(DType dtype) {
  switch (dtype) {
  case DType::Q1_0:
    return kQ1x0;
  case DType::Q2_0:
    return kQ2x0;
  case DType::TQ1_0:
    return kTq1x0;
  case DType::TQ2_0:
    return kTq2x0;
  case DType::Q2_K:
    return kQ2k;
  case DType::Q3_K:
    return kQ3k;
  case DType::Q4_K:
    return kQ4k;
  case DType::Q5_K:
    return kQ5k;
  case DType::Q6_K:
    return kQ6k;
  case DType::IQ1_S:
    return kIq1s;
  case DType::IQ1_M:
    return kIq1m;
  case DType::IQ2_XXS:
    return kIq2xxs;
  case DType::IQ2_XS:
    return kIq2xs;
  case DType::IQ2_S:
    return kIq2s;
  case DType::IQ3_XXS:
    return kIq3xxs;
  case DType::IQ3_S:
    return kIq3s;
  case DType::IQ4_XS:
    return kIq4xs;
  default:
    return {};
  }
}

const BlockField &fieldOf(const DTypeInfo &type, std::string_view name) {
  const auto found = std::ranges::find_if(
      type.fields, [&](const BlockField &field) { return field.name == name; });
  assert(found != type.fields.end() && "the dtype has no such field");
  return *found;
}

} // namespace

X16Place x16Place(DType dtype, std::string_view field, uint32_t index) {
  const DTypeInfo &type = info(dtype);
  const BlockField &wanted = fieldOf(type, field);
  const std::span<const Part> order = orderOf(dtype);
  if (order.empty()) {
    assert(index < wanted.count && "the field must have this unit");
    return {wanted.offset + index * wanted.unit, 0, wanted.count};
  }
  uint32_t start = 0; // the offset of the part in the block
  for (const Part &part : order) {
    X16Place place = {0, 0, wanted.count / part.sections};
    bool isHere = false;
    for (const Run &run : part.runs) {
      if (run.field == field && index - run.first < run.count) {
        isHere = true;
        place.offset =
            start + place.sectionBytes + (index - run.first) * wanted.unit;
      }
      place.sectionBytes += run.count * fieldOf(type, run.field).unit;
    }
    if (isHere) {
      return place;
    }
    start += part.sections * place.sectionBytes;
  }
  assert(false && "a section must have this unit of the field");
  return {};
}

uint32_t x16Offset(DType dtype, std::string_view field, uint32_t unit) {
  const uint32_t units = x16Place(dtype, field, 0).sectionUnits;
  const X16Place place = x16Place(dtype, field, unit % units);
  return place.offset + unit / units * place.sectionBytes;
}

} // namespace air
