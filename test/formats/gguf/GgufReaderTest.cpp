//===- GgufReaderTest.cpp - well-formed GGUF files ------------------------===//
#include "GgufBuilder.h"
#include "test/formats/support/TempFolder.h"

#include "formats/gguf/GgufReader.h"

using namespace air;
using namespace air::test;

namespace {

const std::string kTiny = std::string(AIR_TEST_INPUTS) + "/models/tiny/";

template <typename T>
const T &meta(const ModelSource &model, const std::string &key) {
  return std::get<T>(model.metadata.at(key));
}

Bytes floats(const std::vector<float> &values) {
  Bytes bytes;
  for (float value : values) {
    append(bytes, value);
  }
  return bytes;
}

class BothVersions : public testing::TestWithParam<uint32_t> {};

TEST_P(BothVersions, MetadataOfEveryTypeAndTensors) {
  GgufBuilder builder;
  builder.version = GetParam();
  builder.value<uint8_t>("u8", 255)
      .value<int8_t>("i8", -128)
      .value<uint16_t>("u16", 65535)
      .value<int16_t>("i16", -32768)
      .value<uint32_t>("u32", 4294967295U)
      .value<int32_t>("i32", INT32_MIN)
      .value<uint64_t>("u64", UINT64_MAX)
      .value<int64_t>("i64", INT64_MIN)
      .value<float>("f32", 0.1F)
      .value<double>("f64", 0.1)
      .value<bool>("yes", true)
      .value<bool>("no", false)
      .text("text", "h\xc3\xa9llo")
      .text("empty", "")
      .array<uint8_t>("a.u8", {1, 2, 255})
      .array<int16_t>("a.i16", {-1, 2})
      .array<int32_t>("a.i32", {-7})
      .array<uint64_t>("a.u64", {UINT64_MAX})
      .array<int64_t>("a.i64", {INT64_MIN, 3})
      .array<float>("a.f32", {0.5F, -2.0F})
      .array<double>("a.f64", {0.1})
      .array<bool>("a.bool", {true, false, true})
      .texts("a.text", {"one", "", "three"})
      .array<uint32_t>("a.none", {})
      .tensor({"matrix", {3, 2}, 0, floats({1, 2, 3, 4, 5, 6})})
      .tensor({"vector", {2}, 0, floats({7, 8})})
      .tensor({"quantised", {32, 2, 3}, 2, Bytes(18 * 6, 9)});
  Bytes file = builder.build();

  Result<ModelSource> model = parseGguf(file, "test.gguf");
  ASSERT_TRUE(model.isOk()) << model.status().message();
  EXPECT_EQ(model->format, "GGUF v" + std::to_string(GetParam()));
  EXPECT_EQ(meta<uint64_t>(*model, "u8"), 255U);
  EXPECT_EQ(meta<int64_t>(*model, "i8"), -128);
  EXPECT_EQ(meta<uint64_t>(*model, "u16"), 65535U);
  EXPECT_EQ(meta<int64_t>(*model, "i16"), -32768);
  EXPECT_EQ(meta<uint64_t>(*model, "u32"), 4294967295U);
  EXPECT_EQ(meta<int64_t>(*model, "i32"), INT32_MIN);
  EXPECT_EQ(meta<uint64_t>(*model, "u64"), UINT64_MAX);
  EXPECT_EQ(meta<int64_t>(*model, "i64"), INT64_MIN);
  EXPECT_EQ(meta<double>(*model, "f32"), static_cast<double>(0.1F));
  EXPECT_EQ(meta<double>(*model, "f64"), 0.1);
  EXPECT_TRUE(meta<bool>(*model, "yes"));
  EXPECT_FALSE(meta<bool>(*model, "no"));
  EXPECT_EQ(meta<std::string>(*model, "text"), "h\xc3\xa9llo");
  EXPECT_EQ(meta<std::string>(*model, "empty"), "");
  using Unsigneds = std::vector<uint64_t>;
  using Integers = std::vector<int64_t>;
  using Doubles = std::vector<double>;
  EXPECT_EQ(meta<Unsigneds>(*model, "a.u8"), (Unsigneds{1, 2, 255}));
  EXPECT_EQ(meta<Integers>(*model, "a.i16"), (Integers{-1, 2}));
  EXPECT_EQ(meta<Integers>(*model, "a.i32"), (Integers{-7}));
  EXPECT_EQ(meta<Unsigneds>(*model, "a.u64"), (Unsigneds{UINT64_MAX}));
  EXPECT_EQ(meta<Integers>(*model, "a.i64"), (Integers{INT64_MIN, 3}));
  EXPECT_EQ(meta<Doubles>(*model, "a.f32"), (Doubles{0.5, -2}));
  EXPECT_EQ(meta<Doubles>(*model, "a.f64"), (Doubles{0.1}));
  EXPECT_EQ(meta<std::vector<bool>>(*model, "a.bool"),
            (std::vector<bool>{true, false, true}));
  EXPECT_EQ(meta<std::vector<std::string>>(*model, "a.text"),
            (std::vector<std::string>{"one", "", "three"}));
  EXPECT_TRUE(meta<Unsigneds>(*model, "a.none").empty());
  EXPECT_EQ(model->metadata.size(), 24U);

  ASSERT_EQ(model->tensors.size(), 3U);
  const SourceTensor *matrix = model->find("matrix");
  ASSERT_NE(matrix, nullptr);
  EXPECT_EQ(matrix->dtype, DType::F32);
  EXPECT_EQ(matrix->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(matrix->fileOffset % 32, 0U);
  // The data must not be copied: its span lies in the bytes of the file.
  EXPECT_EQ(matrix->data.data(), file.data() + matrix->fileOffset);
  EXPECT_EQ(Bytes(matrix->data.begin(), matrix->data.end()),
            floats({1, 2, 3, 4, 5, 6}));
  const SourceTensor *vector = model->find("vector");
  ASSERT_NE(vector, nullptr);
  EXPECT_EQ(vector->shape, (std::vector<uint64_t>{2}));
  EXPECT_EQ(vector->fileOffset, matrix->fileOffset + 32);
  const SourceTensor *quantised = model->find("quantised");
  ASSERT_NE(quantised, nullptr);
  EXPECT_EQ(quantised->dtype, DType::Q4_0);
  EXPECT_EQ(quantised->shape, (std::vector<uint64_t>{3, 2, 32}));
  EXPECT_EQ(quantised->data.size(), 18U * 6);
  EXPECT_EQ(model->find("absent"), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Versions, BothVersions, testing::Values(2, 3));

TEST(GgufReader, AlignmentKeyMovesTheData) {
  GgufBuilder builder;
  builder.alignment = 128;
  builder.value<uint32_t>("general.alignment", 128)
      .tensor({"a", {1}, 0, floats({1})})
      .tensor({"b", {1}, 0, floats({2})});
  Bytes file = builder.build();
  Result<ModelSource> model = parseGguf(file, "test.gguf");
  ASSERT_TRUE(model.isOk()) << model.status().message();
  EXPECT_EQ(model->find("a")->fileOffset % 128, 0U);
  EXPECT_EQ(model->find("b")->fileOffset, model->find("a")->fileOffset + 128);
  EXPECT_EQ(Bytes(model->find("b")->data.begin(), model->find("b")->data.end()),
            floats({2}));
}

TEST(GgufReader, NoTensorsNoPaddingIsFine) {
  Bytes file = GgufBuilder().text("general.architecture", "llama").build();
  ASSERT_NE(file.size() % 32, 0U);
  Result<ModelSource> model = parseGguf(file, "vocab.gguf");
  ASSERT_TRUE(model.isOk()) << model.status().message();
  EXPECT_TRUE(model->tensors.empty());
}

TEST(GgufReader, BytesAfterTheLastTensorAreFine) {
  Bytes file = GgufBuilder().tensor({"a", {1}, 0, floats({1})}).build();
  file.resize(file.size() + 100);
  EXPECT_TRUE(parseGguf(file, "padded.gguf").isOk());
}

TEST(GgufReader, TensorsMayLieInAnyOrder) {
  GgufBuilder builder;
  builder.tensor({"late", {8}, 0, floats({1, 1, 1, 1, 1, 1, 1, 1}), 32})
      .tensor({"early", {8}, 0, floats({2, 2, 2, 2, 2, 2, 2, 2}), 0});
  Bytes file = builder.build();
  Result<ModelSource> model = parseGguf(file, "test.gguf");
  ASSERT_TRUE(model.isOk()) << model.status().message();
  EXPECT_EQ(model->find("late")->fileOffset,
            model->find("early")->fileOffset + 32);
}

TEST(GgufReader, EveryTypeIdIsReadOrRefusedByName) {
  struct Refused {
    uint32_t id;
    const char *name;
  };
  const Refused kRefused[] = {
      {4, "Q4_2"},          {5, "Q4_3"},        {31, "Q4_0_4_4"},
      {32, "Q4_0_4_8"},     {33, "Q4_0_8_8"},   {36, "IQ4_NL_4_4"},
      {37, "IQ4_NL_4_8"},   {38, "IQ4_NL_8_8"}, {97, "Q8_0_X4"},
      {133, "Q6_0"},        {139, "IQ4_K"},     {144, "IQ4_KS"},
      {158, "IQ1_KT"},      {202, "Q4_0_R8"},   {212, "Q4_K_R4"},
      {230, "BF16_R16"},    {335, "IQ2_BN_R4"}, {399, "Q8_K_R8"},
      {43, "id 43 is unk"}, {1000, "id 1000 "}, {UINT32_MAX, "4294967295"},
  };
  for (const Refused &refused : kRefused) {
    Bytes file =
        GgufBuilder().tensor({"w", {256}, refused.id, Bytes(4096)}).build();
    Result<ModelSource> model = parseGguf(file, "test.gguf");
    ASSERT_FALSE(model.isOk()) << refused.id;
    EXPECT_EQ(model.status().code(), ErrorCode::Unsupported);
    EXPECT_NE(model.status().message().find(refused.name), std::string::npos)
        << model.status().message();
  }
  for (const DTypeInfo &type : allDTypes()) {
    Bytes file = GgufBuilder()
                     .tensor({"w",
                              {type.blockElements},
                              static_cast<uint32_t>(type.id),
                              Bytes(type.blockBytes)})
                     .build();
    Result<ModelSource> model = parseGguf(file, "test.gguf");
    ASSERT_TRUE(model.isOk()) << model.status().message();
    EXPECT_EQ(model->find("w")->dtype, type.id);
    EXPECT_EQ(model->find("w")->data.size(), type.blockBytes);
  }
}

TEST(ModelSource, AccessorsConvertIntegersOnly) {
  ModelSource model;
  model.metadata = {{"text", std::string("x")},
                    {"unsigned", uint64_t{7}},
                    {"positive", int64_t{8}},
                    {"negative", int64_t{-8}},
                    {"real", 0.5},
                    {"truth", true}};
  EXPECT_EQ(model.getString("text"), "x");
  EXPECT_EQ(model.getString("unsigned"), std::nullopt);
  EXPECT_EQ(model.getUnsigned("unsigned"), 7U);
  EXPECT_EQ(model.getUnsigned("positive"), 8U);
  EXPECT_EQ(model.getUnsigned("negative"), std::nullopt);
  EXPECT_EQ(model.getUnsigned("truth"), std::nullopt);
  EXPECT_EQ(model.getFloat("real"), 0.5);
  EXPECT_EQ(model.getFloat("unsigned"), std::nullopt);
  EXPECT_EQ(model.getBool("truth"), true);
  EXPECT_EQ(model.getBool("absent"), std::nullopt);
}

// Reads files that other programs wrote, and compares what the reader returns
// with known facts about these files.
TEST(GgufReader, ReadsModelsOfOtherWriters) {
  struct Expected {
    const char *name;
    const char *architecture;
    size_t tensors;
    std::vector<uint64_t> embedding;
    std::vector<uint64_t> query;
  };
  const Expected kExpected[] = {
      {"llama2", "llama", 21, {512, 128}, {128, 128}},
      {"llama3", "llama", 21, {768, 128}, {128, 128}},
      {"mistral", "llama", 21, {512, 96}, {256, 96}},
      {"qwen2", "qwen2", 26, {768, 160}, {160, 160}},
      {"qwen3", "qwen3", 25, {768, 96}, {192, 96}},
  };
  for (const Expected &expected : kExpected) {
    Result<ModelSource> model = readGguf(kTiny + expected.name + ".gguf");
    ASSERT_TRUE(model.isOk()) << model.status().message();
    EXPECT_EQ(model->format, "GGUF v3");
    EXPECT_EQ(model->getString("general.architecture"), expected.architecture);
    EXPECT_EQ(model->tensors.size(), expected.tensors);
    ASSERT_EQ(model->files.size(), 1U);
    const SourceTensor *embedding = model->find("token_embd.weight");
    ASSERT_NE(embedding, nullptr) << expected.name;
    EXPECT_EQ(embedding->shape, expected.embedding);
    EXPECT_EQ(model->find("blk.0.attn_q.weight")->shape, expected.query);
    std::span<const uint8_t> file = model->files[0].bytes();
    for (const auto &[name, tensor] : model->tensors) {
      EXPECT_EQ(name, tensor.name);
      EXPECT_EQ(tensor.data.data(), file.data() + tensor.fileOffset);
    }
  }
}

TEST(GgufReader, MissingFileIsIo) {
  Result<ModelSource> model = readGguf("/nowhere/model.gguf");
  ASSERT_FALSE(model.isOk());
  EXPECT_EQ(model.status().code(), ErrorCode::Io);
  EXPECT_NE(model.status().message().find("/nowhere/model.gguf"),
            std::string::npos);
}

class GgufReaderFiles : public TempFolder {};

TEST_F(GgufReaderFiles, EmptyFileAndFolderAreCorrupt) {
  writeText(path("empty.gguf"), "");
  EXPECT_EQ(readGguf(path("empty.gguf")).status().code(), ErrorCode::Corrupt);
  EXPECT_EQ(readGguf(folder).status().code(), ErrorCode::Corrupt);
}

// One wrong count in a huge file must not make the reader allocate all memory.
TEST_F(GgufReaderFiles, HeaderHasAGreatestSize) {
  Bytes value;
  append<uint32_t>(value, kUint8);
  append<uint64_t>(value, uint64_t{1} << 32);
  Bytes start = GgufBuilder().raw("key", kArray, value).build();
  writeText(path("huge.gguf"), std::string(start.begin(), start.end()));
  // Everything after `start` is a hole, which takes no space on the disk.
  std::filesystem::resize_file(path("huge.gguf"), uint64_t{8} << 30);
  Result<ModelSource> model = readGguf(path("huge.gguf"));
  ASSERT_FALSE(model.isOk());
  EXPECT_EQ(model.status().code(), ErrorCode::Corrupt);
  EXPECT_NE(model.status().message().find(
                "claims 4294967296 elements of 1 bytes, but 67108813 bytes are "
                "left of the 67108864 that a header may take"),
            std::string::npos)
      << model.status().message();
}

} // namespace
