//===- Int8DotTest.cpp - int8 dot products at the limits of 16 bits -------===//
//
// Some targets add products of bytes in 16 bits. With random weights, such a
// sum rarely comes near the limits of 16 bits. Here, therefore, some rows have
// only products of the largest magnitude, of either sign. The test covers every
// target whose code can run on this machine.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/matmul/Int8Dot.h"
#include "codegen/cpu/CompileModule.h"
#include "formats/machine/MachineProfile.h"
#include "runtime/hal/ElfLoader.h"
#include "test/codegen/cpu/KernelHarness.h"

#include <cstring>
#include <gtest/gtest.h>
#include <numeric>

namespace air::codegen::test {
namespace {

#ifdef AIR_FOREIGN_RUNNER
constexpr const char *kEmulator = AIR_FOREIGN_EMULATOR;
constexpr const char *kRunner = AIR_FOREIGN_RUNNER;
#else
constexpr const char *kEmulator = nullptr;
constexpr const char *kRunner = nullptr;
#endif

constexpr int64_t kRows = 16;
constexpr int64_t kWordBytes = 4 * kRows;
/// A sum adds up this many words of four products each. The total does not fit
/// in 16 bits, unless weights have very few bits.
constexpr int64_t kWords = 20;
constexpr int kStart = -1000;

/// A sum of products over kWords words of four bytes each. Weights have `bits`
/// bits, and activations satisfy |x| <= mostX.
struct Sum {
  int64_t bits;
  int64_t mostX;
};

std::vector<Sum> sums() {
  std::vector<Sum> all;
  for (int64_t bits = 1; bits <= 8; ++bits) {
    for (int64_t mostX : {64, 127}) {
      all.push_back({bits, mostX});
    }
  }
  return all;
}

/// The weight in byte `at` of word `word` of row `row`. All weights of rows 0
/// and 1 have the largest value. With 8 bits, all weights of rows 2 and 3 have
/// the smallest value, -128; with fewer bits, they have the largest value, too.
/// The other rows mix values.
int weight(const Sum &sum, int64_t row, int64_t word, int64_t at) {
  const int most = sum.bits == 8 ? 127 : (1 << sum.bits) - 1;
  const int least = sum.bits == 8 ? -128 : 0;
  switch (row) {
  case 0:
  case 1:
    return most;
  case 2:
  case 3:
    return sum.bits == 8 ? least : most;
  default:
    return least + static_cast<int>((row * 37 + word * 11 + at * 5) %
                                    (most - least + 1));
  }
}

int activation(const Sum &sum, int64_t row, int64_t word, int64_t at) {
  const int most = static_cast<int>(sum.mostX);
  if (row < 4) {
    return row % 2 == 0 ? most : -most;
  }
  return static_cast<int>((row * 53 + word * 7 + at * 29) % (2 * most + 1)) -
         most;
}

constexpr std::array<int8_t, 16> kTable = {
    -128, -100, -77, -1, 0, 1, 2, 3, 17, 33, 64, 65, 99, 101, 126, 127};

/// Bindings 0 and 1 are the weights and the activations, in i8 with the shape
/// [sum][word][64]. Binding 2 holds 64 indices into kTable. Binding 3 receives
/// two vectors of 16 i32 for each sum (the totals after half of the words and
/// after all of them), followed by the 64 bytes that were looked up.
void emit(KernelBuilder &b) {
  auto words = b.vec(b.i8(), kWordBytes);
  b.tileLoop([&](mlir::Value) {
    int64_t at = 0;
    int64_t out = 0;
    auto store = [&](mlir::Value value) {
      b.store(value, b.offset(b.binding(3), out), 64);
      out += kWordBytes;
    };
    for (const Sum &sum : sums()) {
      auto start = b.constant(b.vec(b.i32(), kRows), int64_t{kStart});
      Int8Accumulator bytes(start);
      for (int64_t word = 0; word < kWords; ++word, at += kWordBytes) {
        mlir::Value weights = b.load(words, b.offset(b.binding(0), at), 64);
        mlir::Value x = b.load(words, b.offset(b.binding(1), at), 64);
        if (sum.bits == 8) {
          weights = toTargetInt8(b, weights);
        }
        bytes.add(b, weights, x, sum.bits, sum.mostX);
        if (word == kWords / 2 - 1) {
          store(bytes.total(b));
        }
      }
      store(bytes.total(b));
    }
    mlir::Value indices = b.load(words, b.binding(2), 64);
    store(lookUpInt8(b, indices, kTable));
  });
}

/// `bias` is the target's targetInt8Bias(). If it is not 0, the target
/// subtracts it from 8-bit weights, which converts them to unsigned bytes. The
/// expected sums are then computed from the converted weights.
KernelCase makeCase(int bias, Random &random) {
  KernelCase test;
  test.label = "byte products";
  test.batch = makeBatch(random, BatchKind::Decode, 1, 0);
  Bytes weights;
  Bytes x;
  std::vector<int32_t> want;
  for (const Sum &sum : sums()) {
    std::array<int32_t, kRows> total;
    total.fill(kStart);
    for (int64_t word = 0; word < kWords; ++word) {
      for (int64_t row = 0; row < kRows; ++row) {
        for (int64_t at = 0; at < 4; ++at) {
          const int w = weight(sum, row, word, at);
          const int a = activation(sum, row, word, at);
          weights.push_back(static_cast<uint8_t>(w));
          x.push_back(static_cast<uint8_t>(a));
          total[row] += (sum.bits == 8 ? w - bias : w) * a;
        }
      }
      if (word == kWords / 2 - 1 || word == kWords - 1) {
        want.insert(want.end(), total.begin(), total.end());
      }
    }
  }
  Bytes indices;
  Bytes entries;
  for (int i = 0; i < kWordBytes; ++i) {
    indices.push_back(static_cast<uint8_t>(i * 7 % 16));
    entries.push_back(static_cast<uint8_t>(kTable[indices.back()]));
  }
  test.reads(weights);
  test.reads(x);
  test.reads(indices);
  test.writes(Bytes(want.size() * 4 + kWordBytes));
  test.check = [want, entries](const std::vector<Bytes> &after) -> std::string {
    for (size_t i = 0; i < want.size(); ++i) {
      int32_t got = 0;
      std::memcpy(&got, after[3].data() + 4 * i, 4);
      if (got != want[i]) {
        const Sum sum = sums()[i / (2 * kRows)];
        return "row " + std::to_string(i % kRows) + " of " +
               std::to_string(sum.bits) + " bits times " +
               std::to_string(sum.mostX) + " is " + std::to_string(got) +
               ", not " + std::to_string(want[i]);
      }
    }
    return std::equal(entries.begin(), entries.end(),
                      after[3].begin() + 4 * static_cast<int64_t>(want.size()))
               ? ""
               : "the look-up differs";
  };
  return test;
}

/// If the target's code can run on this machine, runs it, checks the results
/// and returns true. Otherwise returns false.
bool runsOn(const MachineProfile &profile, const KernelCase &test,
            const std::function<void(KernelBuilder &)> &body, Random &random) {
  const CpuTarget target = *makeCpuTarget(profile);
  const Result<std::string> bitcode =
      compileToBitcode("products", target, body);
  EXPECT_TRUE(bitcode.isOk()) << bitcode.status().message();
  const auto object = emitObject({&*bitcode, 1}, target);
  EXPECT_TRUE(object.isOk()) << object.status().message();
  const bool isArm = profile.arch == "aarch64";
  const auto image = rt::ElfImage::loadFor(isArm ? rt::ElfMachine::Aarch64
                                                 : rt::ElfMachine::X86_64,
                                           *object, "products");
  EXPECT_TRUE(image.isOk()) << image.status().message();
  KernelEntry entry;
  entry.name = "products";
  if (checkRunsOn(profile, hostProfile()).isOk()) {
    EXPECT_EQ(runCase(test, entry, *image->entry("products"), random), "");
    return true;
  }
  if (!isArm || kEmulator == nullptr) {
    return false;
  }
  EXPECT_EQ(runForeignCase(test, entry, image->bytes(),
                           image->functions().front().second, kEmulator,
                           kRunner),
            "");
  return true;
}

TEST(Int8Dot, AreExactAtTheirLargest) {
  std::vector<std::string> names = builtinProfiles();
  names.emplace_back("host");
  Random random(7);
  int ran = 0;
  for (const std::string &name : names) {
    SCOPED_TRACE(name);
    const MachineProfile profile = *resolveProfile(name);
    const IsaTraits isa = makeCpuTarget(profile)->isa;
    if (isa.hasByteDot()) {
      ran +=
          runsOn(profile, makeCase(targetInt8Bias(isa), random), emit, random)
              ? 1
              : 0;
    }
  }
  EXPECT_GT(ran, 0);
}

TEST(Int8Dot, OfTwoTokensAtOnce) {
  const MachineProfile profile = *resolveProfile("aarch64-i8mm");
  ASSERT_TRUE(makeCpuTarget(profile)->isa.hasI8mm);
  Random random(8);
  KernelCase test;
  test.batch = makeBatch(random, BatchKind::Decode, 1, 0);
  // 16 rows of 8 columns. Columns 0 to 3 of all rows come first, followed by
  // columns 4 to 7 of all rows.
  Bytes weights(2 * kWordBytes);
  // 2 tokens of 8 columns.
  Bytes x(16);
  for (uint8_t &byte : weights) {
    byte = static_cast<uint8_t>(random());
  }
  weights[0] = 0x80;
  for (uint8_t &byte : x) {
    byte = static_cast<uint8_t>(static_cast<int>(random() % 255) - 127);
  }
  auto type = [](KernelBuilder &b, int64_t lanes) {
    return b.vec(b.i8(), lanes);
  };
  auto body = [&](KernelBuilder &b) {
    b.tileLoop([&](mlir::Value) {
      mlir::Value w = b.binding(0);
      mlir::Value first = b.load(type(b, kWordBytes), w, 64);
      mlir::Value second =
          b.load(type(b, kWordBytes), b.offset(w, kWordBytes), 64);
      mlir::Value sums = dotTwoTokens(
          b, b.constant(b.vec(b.i32(), 2 * kRows), int64_t{kStart}),
          eightColumns(b, first, second),
          b.load(type(b, 16), b.binding(1), 64));
      for (int64_t token = 0; token < 2; ++token) {
        b.store(sumsOfToken(b, sums, token),
                b.offset(b.binding(2), token * kWordBytes), 64);
      }
    });
  };
  test.reads(weights);
  test.reads(x);
  test.writes(Bytes(2 * kWordBytes));
  test.check = [&](const std::vector<Bytes> &after) -> std::string {
    for (int64_t token = 0; token < 2; ++token) {
      for (int64_t row = 0; row < kRows; ++row) {
        int want = kStart;
        for (int64_t column = 0; column < 8; ++column) {
          const int64_t at = column / 4 * kWordBytes + 4 * row + column % 4;
          want += static_cast<int8_t>(weights[at]) *
                  static_cast<int8_t>(x[8 * token + column]);
        }
        int32_t got = 0;
        std::memcpy(&got, after[2].data() + 4 * (token * kRows + row), 4);
        if (got != want) {
          return "row " + std::to_string(row) + " of token " +
                 std::to_string(token) + " is " + std::to_string(got) +
                 ", not " + std::to_string(want);
        }
      }
    }
    return "";
  };
  if (!runsOn(profile, test, body, random)) {
    GTEST_SKIP() << "needs qemu-aarch64 and clang";
  }
}

} // namespace
} // namespace air::codegen::test
