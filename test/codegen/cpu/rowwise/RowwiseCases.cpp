//===- RowwiseCases.cpp - norms and elementwise ops -----------------------===//
#include "test/codegen/cpu/KernelCases.h"

#include <algorithm>
#include <cmath>

namespace air::codegen::test {
namespace {

Doubles gathered(const Doubles &rows, uint64_t width,
                 const std::vector<uint32_t> &indices) {
  Doubles result;
  for (const uint32_t index : indices) {
    const auto row = rows.begin() + static_cast<ptrdiff_t>(index * width);
    result.insert(result.end(), row, row + static_cast<ptrdiff_t>(width));
  }
  return result;
}

} // namespace

void addRmsNorm(std::vector<KernelCase> &cases, Random &random) {
  for (const uint64_t width : {1, 7, 16, 48, 96, 129, 576, 2048}) {
    for (const RowsFrom from : {RowsFrom::Tokens, RowsFrom::Outputs}) {
      KernelCase test;
      test.spec.op = KernelOp::RmsNorm;
      test.spec.k = width;
      test.spec.rowsFrom = from;
      // This epsilon is so large that the test fails if the kernel ignores it.
      test.spec.epsilon = 0.25F;
      const uint64_t tokens = 1 + random() % 20;
      test.batch = makeBatch(random, BatchKind::Mixed, tokens, 9);
      const Floats x = randomFloats(random, tokens * width, 3.0F);
      const Floats weight = randomFloats(random, width);
      const uint64_t rows =
          from == RowsFrom::Outputs ? test.batch.outputRows.size() : tokens;
      test.label = labelOf(test.spec, tokens);
      test.readsRows(x, width);
      test.reads(bytesOf(weight));
      test.writesRows(randomFloats(random, rows * width), width);
      Doubles want =
          reference::rmsNorm(widened(x), widened(weight), test.spec.epsilon);
      if (from == RowsFrom::Outputs) {
        want = gathered(want, width, test.batch.outputRows);
      }
      test.check = [want](const std::vector<Bytes> &after) {
        return compare("y", floatsOf(after[2]), want,
                       scaled(want, 16 * kEpsilon, 1e-30));
      };
      cases.push_back(std::move(test));
    }
  }
}

// Row 0 holds `width` numbers of 2^60, and the sum of their squares is finite.
// Row 1 holds numbers of 2^63, whose squares add up to width * 2^126. This
// overflows float32, as the width is at least 4, so the result must be NaN.
void addRmsNormOverflow(std::vector<KernelCase> &cases, Random &random) {
  for (const uint64_t width : {4, 100}) {
    KernelCase test;
    test.spec.op = KernelOp::RmsNorm;
    test.spec.k = width;
    test.spec.epsilon = 0.25F;
    test.batch = makeBatch(random, BatchKind::Decode, 2, 9);
    test.label = labelOf(test.spec, 2) + " of large numbers";
    Floats x(width, 0x1p60F);
    x.insert(x.end(), width, 0x1p63F);
    const Floats weight = randomFloats(random, width);
    test.readsRows(x, width);
    test.reads(bytesOf(weight));
    test.writesRows(randomFloats(random, 2 * width), width);
    Doubles want =
        reference::rmsNorm(widened(x), widened(weight), test.spec.epsilon);
    want.resize(width);
    test.check = [want, width](const std::vector<Bytes> &after) {
      const Floats y = floatsOf(after[2]);
      const std::string wrong =
          compare("y", Floats(y.begin(), y.begin() + ptrdiff_t(width)), want,
                  scaled(want, 16 * kEpsilon, 1e-30));
      return wrong.empty() ? expectNaN(y, width, 2 * width) : wrong;
    };
    cases.push_back(std::move(test));
  }
}

void addElementwise(std::vector<KernelCase> &cases, KernelOp op,
                    Random &random) {
  for (const uint64_t width : {1, 15, 16, 17, 64, 301, 1024}) {
    KernelCase test;
    test.spec.op = op;
    test.spec.k = width;
    const uint64_t tokens = 1 + random() % 20;
    test.batch = makeBatch(random, BatchKind::Mixed, tokens, 9);
    test.label = labelOf(test.spec, tokens);
    Floats x = randomFloats(random, tokens * width, 4.0F);
    const Floats y = randomFloats(random, tokens * width);
    if (op == KernelOp::SiluMul) {
      // e^-x overflows for x = -200, and underflows for x = 200.
      x.front() = -200.0F;
      x.back() = 200.0F;
    }
    test.readsRows(x, width);
    Doubles want;
    if (op == KernelOp::Add) {
      test.writesRows(y, width);
      want = reference::add(widened(x), widened(y));
    } else {
      test.readsRows(y, width);
      test.writesRows(randomFloats(random, tokens * width), width);
      want = reference::siluMul(widened(x), widened(y));
    }
    test.check = [want](const std::vector<Bytes> &after) {
      return compare("y", floatsOf(after.back()), want,
                     scaled(want, 8 * kEpsilon, 1e-30));
    };
    cases.push_back(std::move(test));
  }
}

} // namespace air::codegen::test
