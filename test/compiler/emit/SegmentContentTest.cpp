//===- SegmentContentTest.cpp - makes segments from source tensors --------===//
#include "compiler/emit/SegmentContent.h"

#include "formats/plan/PackLayout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <list>
#include <random>

namespace air::compiler {
namespace {

using testing::HasSubstr;

/// Tensors of random bytes in memory. Bit 6 of every byte is 0, so no float16
/// or float32 has an exponent of all ones, and every number is finite.
class Source {
public:
  const SourceTensor *add(const std::string &name, DType dtype,
                          std::vector<uint64_t> shape) {
    uint64_t rows = shape.size() == 2 ? shape[0] : 1;
    std::vector<uint8_t> &bytes =
        storage.emplace_back(rows * *rowBytes(dtype, shape.back()));
    for (uint8_t &byte : bytes) {
      byte = static_cast<uint8_t>(random() & 0xbf);
    }
    SourceTensor &tensor = model.tensors[name];
    tensor = {name, dtype, std::move(shape), bytes, 0, 0};
    return &tensor;
  }

  template <typename T>
  const SourceTensor *addValues(const std::string &name, DType dtype,
                                const std::vector<T> &values) {
    const SourceTensor *tensor = add(name, dtype, {values.size()});
    std::memcpy(storage.back().data(), values.data(),
                values.size() * sizeof(T));
    return tensor;
  }

  ModelSource model;

private:
  std::list<std::vector<uint8_t>> storage;
  std::mt19937 random{11};
};

std::vector<uint8_t> produce(const SegmentContent &content,
                             const ModelSource &source, unsigned threads) {
  std::vector<uint8_t> all;
  Status status = produceSegment(
      content, source, threads, [&](std::span<const uint8_t> piece) {
        all.insert(all.end(), piece.begin(), piece.end());
        return Status::ok();
      });
  EXPECT_TRUE(status.isOk()) << status.message();
  return all;
}

TEST(SegmentContent, JoinsRowsAcrossGroupsAndPieces) {
  // The matrices have 5000, 37 and 1000 rows of 256 columns of Q8_0. A row
  // takes 272 bytes, so a piece of 1 MiB ends inside the first matrix (after
  // 3840 rows). The boundaries between the matrices, at rows 5000 and 5037, lie
  // inside row blocks of 16.
  Source source;
  std::vector<const SourceTensor *> parts = {
      source.add("a", DType::Q8_0, {5000, 256}),
      source.add("b", DType::Q8_0, {37, 256}),
      source.add("c", DType::Q8_0, {1000, 256})};
  std::vector<uint8_t> joined;
  for (const SourceTensor *part : parts) {
    joined.insert(joined.end(), part->data.begin(), part->data.end());
  }
  for (Layout layout : {Layout::Rows, Layout::X16}) {
    uint64_t bytes = *layoutBytes(DType::Q8_0, layout, 6037, 256);
    SegmentContent content{"s",
                           {{"abc", MatrixRecipe{parts, layout}, DType::Q8_0,
                             6037, 256, 64, bytes}},
                           64 + bytes + 10};
    std::vector<uint8_t> expected(content.bytes, 0);
    packRows(DType::Q8_0, layout, 6037, 256, joined,
             std::span<uint8_t>(expected).subspan(64, bytes));
    for (unsigned threads : {1U, 3U}) {
      EXPECT_EQ(produce(content, source.model, threads), expected);
    }
  }
}

// Row r of a joined matrix is row r of gate, followed by row r of up. The last
// row block of the first matrix has 9 rows.
TEST(SegmentContent, GateAndUpShareRows) {
  const uint64_t row = 272;
  for (const uint64_t rows : {5001, 4992}) {
    Source source;
    const std::vector<const SourceTensor *> parts = {
        source.add("gate", DType::Q8_0, {rows, 256}),
        source.add("up", DType::Q8_0, {rows, 256})};
    std::vector<uint8_t> joined(2 * rows * row);
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t p = 0; p < 2; ++p) {
        std::copy_n(parts[p]->data.begin() + r * row, row,
                    joined.begin() + (2 * r + p) * row);
      }
    }
    for (Layout layout : {Layout::Rows, Layout::X16}) {
      const uint64_t bytes = *layoutBytes(DType::Q8_0, layout, rows, 512);
      const SegmentContent content{
          "s",
          {{"gate+up", MatrixRecipe{parts, layout, 0, true}, DType::Q8_0, rows,
            512, 0, bytes}},
          bytes};
      std::vector<uint8_t> expected(bytes);
      packRows(DType::Q8_0, layout, rows, 512, joined, expected);
      for (unsigned threads : {1U, 3U}) {
        EXPECT_EQ(produce(content, source.model, threads), expected);
      }
      EXPECT_TRUE(checkSamples(content, expected).isOk());
      // The last row block belongs to the samples.
      expected[bytes - 16 * row] ^= 1;
      EXPECT_THAT(checkSamples(content, expected).message(),
                  HasSubstr("'gate+up' differs from the model's file in rows"));
    }
  }
  Source source;
  const SegmentContent wrong{
      "s",
      {{"gate+up",
        MatrixRecipe{{source.add("gate", DType::Q8_0, {64, 256}),
                      source.add("short", DType::Q8_0, {32, 256})},
                     Layout::Rows,
                     0,
                     true},
        DType::Q8_0, 48, 512, 0, 48 * 2 * row}},
      48 * 2 * row};
  EXPECT_THAT(checkContent(wrong).message(),
              HasSubstr("its two sources are joined"));
}

// In the interleaved matrix, row r of the gate is row r / 8 * 16 + r % 8, and
// row r of `up` is 8 rows later (gluRow() in codegen/cuda/DecodeMatMul.h).
TEST(SegmentContent, GateAndUpTakeTurns) {
  constexpr uint64_t kRows = 5000;
  Source source;
  const std::vector<const SourceTensor *> parts = {
      source.add("gate", DType::Q8_0, {kRows, 256}),
      source.add("up", DType::Q8_0, {kRows, 256})};
  const uint64_t row = 272;
  std::vector<uint8_t> joined(2 * kRows * row);
  for (uint64_t r = 0; r < kRows; ++r) {
    for (uint64_t p = 0; p < 2; ++p) {
      std::copy_n(parts[p]->data.begin() + r * row, row,
                  joined.begin() + (r / 8 * 16 + r % 8 + p * 8) * row);
    }
  }
  const uint64_t bytes = *layoutBytes(DType::Q8_0, Layout::T16, 2 * kRows, 256);
  const SegmentContent content{
      "s",
      {{"gate+up", MatrixRecipe{parts, Layout::T16, kGluRows}, DType::Q8_0,
        2 * kRows, 256, 0, bytes}},
      bytes};
  std::vector<uint8_t> expected(bytes);
  packRows(DType::Q8_0, Layout::T16, 2 * kRows, 256, joined, expected);
  for (unsigned threads : {1U, 3U}) {
    EXPECT_EQ(produce(content, source.model, threads), expected);
  }
  SegmentContent uneven = content;
  std::get<MatrixRecipe>(uneven.tensors[0].recipe).sources.pop_back();
  EXPECT_EQ(checkContent(uneven).code(), ErrorCode::Internal);
}

TEST(SegmentContent, VectorsBecomeFloat32) {
  Source source;
  // These are the numbers 1.0, -2.0 and 0.5 in F16, and 1.0 and 3.140625 in
  // BF16.
  const SourceTensor *half =
      source.addValues<uint16_t>("half", DType::F16, {0x3c00, 0xc000, 0x3800});
  const SourceTensor *brain =
      source.addValues<uint16_t>("brain", DType::BF16, {0x3f80, 0x4049});
  SegmentContent content{
      "s", {{"v", VectorRecipe{{half, brain}}, DType::F32, 1, 5, 0, 20}}, 20};
  std::vector<uint8_t> bytes = produce(content, source.model, 1);
  std::vector<float> values(5);
  std::memcpy(values.data(), bytes.data(), 20);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F, 0.5F, 1.0F, 3.140625F}));
}

TEST(SegmentContent, InverseFrequencies) {
  Source source;
  const SourceTensor *factors =
      source.addValues<float>("f", DType::F32, {1.0F, 4.0F});
  SegmentContent content{
      "s",
      {{"t",
        FrequencyRecipe{{.dim = 4, .base = 10000.0, .linearFactor = 2.0},
                        factors},
        DType::F64, 1, 2, 0, 16}},
      16};
  std::vector<uint8_t> bytes = produce(content, source.model, 1);
  std::vector<double> table(2);
  std::memcpy(table.data(), bytes.data(), 16);
  // The frequency of pair i is 10000^(-2i / 4), divided by 2 for the linear
  // scaling and by the pair's own factor, which is 1 or 4.
  EXPECT_DOUBLE_EQ(table[0], 0.5);
  EXPECT_DOUBLE_EQ(table[1], 0.00125);
}

TEST(SegmentContent, FrequenciesThatNoKernelTurnsByAreCorrupt) {
  Source source;
  auto check = [](double base, double linear, const SourceTensor *factors) {
    return checkContent(
        {"s",
         {{"t",
           FrequencyRecipe{{.dim = 4, .base = base, .linearFactor = linear},
                           factors},
           DType::F64, 1, 2, 0, 16}},
         16});
  };
  const SourceTensor *zero =
      source.addValues<float>("rope_freqs.weight", DType::F32, {1.0F, 0.0F});
  const SourceTensor *negative =
      source.addValues<float>("negative", DType::F32, {-1.0F, 1.0F});
  const SourceTensor *nan =
      source.addValues<float>("nan", DType::F32, {1.0F, std::nanf("")});
  // The frequency would be 0, which is allowed, but such a factor is an error.
  const SourceTensor *infinite =
      source.addValues<float>("infinite", DType::F32, {1.0F, INFINITY});
  EXPECT_TRUE(check(1e4, 1.0, nullptr).isOk());
  // A huge base and a huge factor give frequencies near 0, which are allowed.
  EXPECT_TRUE(check(1e308, 1e308, nullptr).isOk());
  // The highest frequency that is supported, 2^19, and one above it.
  EXPECT_TRUE(check(1e4, 0x1p-19, nullptr).isOk());
  EXPECT_EQ(check(1e4, 0x1.ffp-20, nullptr).code(), ErrorCode::Corrupt);
  for (const Status &status :
       {check(1e4, 5e-324, nullptr), check(1e-45, 1.0, nullptr),
        check(1e4, 1.0, zero), check(1e4, 1.0, negative), check(1e4, 1.0, nan),
        check(1e4, 1.0, infinite)}) {
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << status.message();
  }
  EXPECT_EQ(check(1e4, 1.0, infinite).message(),
            "tensor 'infinite': the number in row 0, column 1 is NaN or "
            "infinite; the file is damaged, or was converted from a model that "
            "has such values");
  EXPECT_EQ(check(1e4, 1.0, zero).message(),
            "rope rotates pair 1 by inf radians per position, but only "
            "0 to 524288 are supported; check the keys rope.freq_base "
            "and rope.scaling.factor, and the tensor 'rope_freqs.weight'");
}

TEST(SegmentContent, SeveralTensorsKeepTheirPlaces) {
  Source source;
  const SourceTensor *matrix = source.add("m", DType::F16, {20, 3});
  const SourceTensor *vector = source.addValues<float>("v", DType::F32, {7.0F});
  // In x16, the 20 rows of m are padded to 32 rows of 6 bytes, so m takes 192
  // bytes.
  SegmentContent content{
      "s",
      {{"v", VectorRecipe{{vector}}, DType::F32, 1, 1, 0, 4},
       {"m", MatrixRecipe{{matrix}, Layout::X16}, DType::F16, 20, 3, 64, 192},
       {"w", VectorRecipe{{vector}}, DType::F32, 1, 1, 256, 4}},
      260};
  std::vector<uint8_t> bytes = produce(content, source.model, 2);
  ASSERT_EQ(bytes.size(), 260U);
  std::vector<uint8_t> expected(260, 0);
  float seven = 7.0F;
  std::memcpy(expected.data(), &seven, 4);
  std::memcpy(expected.data() + 256, &seven, 4);
  packRows(DType::F16, Layout::X16, 20, 3, matrix->data,
           std::span<uint8_t>(expected).subspan(64, 192));
  EXPECT_EQ(bytes, expected);
}

TEST(SegmentContent, RefusesWhatDoesNotAddUp) {
  Source source;
  const SourceTensor *matrix = source.add("m", DType::F16, {20, 3});
  auto verdict = [&](TensorContent tensor) {
    SegmentContent content{"s", {std::move(tensor)}, 1000};
    Status status = checkContent(content);
    EXPECT_TRUE(status.isOk() || status.code() == ErrorCode::Internal);
    return status.message();
  };
  MatrixRecipe rows{{matrix}, Layout::Rows};
  EXPECT_EQ(verdict({"t", rows, DType::F16, 20, 3, 0, 120}), "");
  EXPECT_THAT(
      verdict({"t", rows, DType::F16, 21, 3, 0, 126}),
      HasSubstr(
          "total number of rows of its sources is 20, but 21 is expected"));
  EXPECT_THAT(verdict({"t", rows, DType::F16, 20, 4, 0, 160}),
              HasSubstr("columns of 'm' is 3, but 4 is expected"));
  EXPECT_THAT(verdict({"t", rows, DType::F16, 20, 3, 0, 121}),
              HasSubstr("size in bytes is 121, but 120 is expected"));
  EXPECT_THAT(verdict({"t", rows, DType::F32, 20, 3, 0, 240}),
              HasSubstr("source 'm' has dtype F16, but F32 is expected"));
  EXPECT_THAT(verdict({"t", rows, DType::F16, 20, 3, 960, 120}),
              HasSubstr("outside its segment"));
  EXPECT_THAT(
      verdict({"t", VectorRecipe{{matrix}}, DType::F32, 1, 59, 0, 236}),
      HasSubstr(
          "total number of elements of its sources is 60, but 59 is expected"));
  EXPECT_THAT(verdict({"t", FrequencyRecipe{{.dim = 8, .base = 1e4}, matrix},
                       DType::F64, 1, 4, 0, 32}),
              HasSubstr("factors is 60, but 4 is expected"));
}

TEST(SegmentContent, RowScalesAreOnceForEachRow) {
  Source source;
  const SourceTensor *scale = source.addValues<float>("s", DType::F32, {0.25F});
  RowScaleRecipe recipe{{{scale, 2}, {nullptr, 3}}};
  SegmentContent content{"s", {{"t", recipe, DType::F32, 1, 5, 0, 20}}, 20};
  std::vector<uint8_t> bytes = produce(content, source.model, 1);
  std::vector<float> values(5);
  std::memcpy(values.data(), bytes.data(), 20);
  EXPECT_EQ(values, (std::vector<float>{0.25F, 0.25F, 1, 1, 1}));
  content.tensors[0].columns = 6;
  EXPECT_THAT(checkContent(content).message(),
              HasSubstr("the number of these rows is 5, but 6 is expected"));
  content.tensors[0].columns = 5;
  content.tensors[0].bytes = 16;
  EXPECT_THAT(checkContent(content).message(),
              HasSubstr("size in bytes is 16, but 20 is expected"));
  const SourceTensor *two =
      source.addValues<float>("two", DType::F32, {1.0F, 2.0F});
  content.tensors[0] = {"t", RowScaleRecipe{{{two, 5}}}, DType::F32, 1, 5, 0,
                        20};
  EXPECT_THAT(checkContent(content).message(),
              HasSubstr("elements of 'two' is 2, but 1 is expected"));
}

TEST(SegmentContent, WhatIsNotFiniteIsNamedWithItsBlock) {
  // The second of two matrices has 40 rows of 8 blocks of 34 bytes. The scale
  // of block 7 in row 33 is 0x7c00, which is infinity.
  Source source;
  const SourceTensor *first = source.add("a", DType::Q8_0, {5000, 256});
  std::vector<uint8_t> bytes(40 * 8 * 34, 0);
  bytes[(33 * 8 + 7) * 34 + 1] = 0x7c;
  SourceTensor &second = source.model.tensors["b"];
  second = {"b", DType::Q8_0, {40, 256}, bytes, 0, 0};
  auto message = [&](TensorContent tensor) {
    SegmentContent content{"s", {std::move(tensor)}, 0};
    content.bytes = content.tensors[0].bytes;
    std::string text;
    for (unsigned threads : {1U, 3U}) {
      Status status =
          produceSegment(content, source.model, threads,
                         [](std::span<const uint8_t>) { return Status::ok(); });
      EXPECT_EQ(status.code(), ErrorCode::Corrupt);
      text = status.message();
    }
    return text;
  };
  for (Layout layout : {Layout::Rows, Layout::X16}) {
    EXPECT_EQ(
        message({"ab", MatrixRecipe{{first, &second}, layout}, DType::Q8_0,
                 5040, 256, 0, *layoutBytes(DType::Q8_0, layout, 5040, 256)}),
        "tensor 'b': the scale of block 271 (row 33, columns 224 to 255) "
        "is NaN or infinite; the file is damaged, or was converted from a "
        "model that has such values");
  }
  const SourceTensor *vector =
      source.addValues<float>("v", DType::F32, {1.0F, 2.0F, std::nanf("")});
  EXPECT_EQ(
      message({"v", VectorRecipe{{vector}}, DType::F32, 1, 3, 0, 12}),
      "tensor 'v': the number in row 0, column 2 is NaN or infinite; the "
      "file is damaged, or was converted from a model that has such values");
  const SourceTensor *scale =
      source.addValues<float>("s", DType::F32, {-HUGE_VALF});
  EXPECT_THAT(
      message({"s", RowScaleRecipe{{{scale, 4}}}, DType::F32, 1, 4, 0, 16}),
      HasSubstr(
          "tensor 's': the number in row 0, column 0 is NaN or infinite"));
}

TEST(SegmentContent, PassesOnTheSinksFailure) {
  Source source;
  const SourceTensor *matrix = source.add("m", DType::F16, {20, 3});
  SegmentContent content{
      "s",
      {{"m", MatrixRecipe{{matrix}, Layout::Rows}, DType::F16, 20, 3, 0, 120}},
      120};
  Status status =
      produceSegment(content, source.model, 2, [](std::span<const uint8_t>) {
        return ioError("disk full");
      });
  EXPECT_EQ(status.message(), "disk full");
}

} // namespace
} // namespace air::compiler
