//===- UnicodeTest.cpp - every property of every code point -----*- C++ -*-===//
//
// Compares the library with test/Inputs/unicode/unicode-16.json, which
// make_unicode.py makes with Python packages that have tables of their own.
//
//===----------------------------------------------------------------------===//
#include "formats/text/unicode/Unicode.h"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace air;
using nlohmann::json;

namespace {

json vectors() {
  std::ifstream file(AIR_TEST_INPUTS "/unicode/unicode-16.json");
  json all = json::parse(file, nullptr, false);
  EXPECT_TRUE(all.is_object());
  return all;
}

std::vector<CodePointRange> rangesOf(const json &gaps) {
  std::vector<CodePointRange> ranges;
  uint32_t at = 0;
  for (size_t i = 0; i < gaps.size(); ++i) {
    auto count = gaps[i].get<uint32_t>();
    if (i % 2 == 1) {
      ranges.push_back({at, at + count - 1});
    }
    at += count;
  }
  EXPECT_EQ(at, kLastCodePoint + 1);
  return ranges;
}

std::vector<CodePointRange> rangesOf(const CodePointSet &set) {
  return {set.ranges().begin(), set.ranges().end()};
}

TEST(UnicodeTest, EveryProperty) {
  json sets = vectors()["sets"];
  ASSERT_EQ(sets.size(), 51U);
  for (const auto &[name, gaps] : sets.items()) {
    if (name == "\\s") {
      EXPECT_EQ(rangesOf(whiteSpace()), rangesOf(gaps));
    } else if (name == "\\w") {
      EXPECT_EQ(rangesOf(wordCharacters()), rangesOf(gaps));
    } else {
      std::optional<CodePointSet> set = codePointsWith(name);
      ASSERT_TRUE(set) << name;
      EXPECT_EQ(rangesOf(*set), rangesOf(gaps)) << name;
    }
  }
}

TEST(UnicodeTest, EveryCaseVariant) {
  json cases = vectors()["cases"];
  ASSERT_GT(cases.size(), 2800U);
  uint32_t at = 0;
  CodePointSet withVariants;
  for (const json &each : cases) {
    at += each[0].get<uint32_t>();
    std::vector<CodePointRange> expected = {{at, at}};
    for (size_t i = 1; i < each.size(); ++i) {
      uint32_t other = at + static_cast<uint32_t>(each[i].get<int32_t>());
      expected.push_back({other, other});
    }
    CodePointSet variants({{at, at}});
    withVariants.add(variants);
    addCaseVariants(variants);
    EXPECT_EQ(rangesOf(variants), rangesOf(CodePointSet(expected))) << at;
  }
  // Code points that are not in `cases` have no variants.
  CodePointSet rest = withVariants;
  rest.negate();
  std::vector<CodePointRange> before = rangesOf(rest);
  addCaseVariants(rest);
  EXPECT_EQ(rangesOf(rest), before);
}

TEST(UnicodeTest, UnknownProperties) {
  for (const char *name : {"", "l", "Lx", "han", "Han2", "LC", "Any"}) {
    EXPECT_FALSE(codePointsWith(name)) << name;
  }
  EXPECT_TRUE(propertyList().starts_with("L, Lu, Ll, "));
  EXPECT_TRUE(propertyList().ends_with(", Latin, Thai"));
}

TEST(CodePointSetTest, Algebra) {
  CodePointSet set({{5, 9}, {1, 2}, {3, 3}, {8, 12}});
  EXPECT_EQ(rangesOf(set), (std::vector<CodePointRange>{{1, 3}, {5, 12}}));
  EXPECT_TRUE(set.contains(3));
  EXPECT_FALSE(set.contains(4));
  EXPECT_FALSE(set.contains(0));
  CodePointSet other({{2, 6}, {12, 20}});
  CodePointSet both = set;
  both.intersect(other);
  EXPECT_EQ(rangesOf(both),
            (std::vector<CodePointRange>{{2, 3}, {5, 6}, {12, 12}}));
  set.negate();
  EXPECT_EQ(rangesOf(set), (std::vector<CodePointRange>{
                               {0, 0}, {4, 4}, {13, kLastCodePoint}}));
  CodePointSet all;
  EXPECT_TRUE(all.empty());
  all.negate();
  EXPECT_EQ(rangesOf(all), (std::vector<CodePointRange>{{0, kLastCodePoint}}));
  all.negate();
  EXPECT_TRUE(all.empty());
}

} // namespace
