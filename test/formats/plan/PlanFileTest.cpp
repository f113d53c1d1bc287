//===- PlanFileTest.cpp - plans written and read back ---------------------===//
#include "SmallPlan.h"

#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanFile.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

using namespace air;
using namespace air::test;
using ::testing::HasSubstr;

namespace {

class PlanFileTest : public ::testing::Test {
protected:
  void SetUp() override {
    folder = std::filesystem::path(::testing::TempDir()) /
             ("plan-" + std::to_string(getpid()) + "-" +
              ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string at(const char *name) const { return folder / name; }
  size_t files() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(folder),
                      std::filesystem::directory_iterator()));
  }

  std::filesystem::path folder;
};

std::vector<uint8_t> contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

auto oneSegment(const std::vector<uint8_t> &bytes) {
  return [&bytes](const PlanWriter::Sink &sink) { return sink(bytes); };
}

} // namespace

TEST_F(PlanFileTest, WhatIsWrittenComesBack) {
  ASSERT_EQ(writeSmallPlan(at("a.air")), at("a.air"));
  Result<PlanFile> file = PlanFile::open(at("a.air"));
  ASSERT_TRUE(file) << file.status().message();

  const SmallPlan small = makeSmallPlan();
  ASSERT_EQ(file->plan().segments()->size(), small.segments.size());
  for (uint32_t i = 0; i < small.segments.size(); ++i) {
    const auto bytes = file->segmentBytes(i);
    EXPECT_EQ(std::vector<uint8_t>(bytes.begin(), bytes.end()),
              small.segments[i]);
    EXPECT_TRUE(file->verifySegment(i, PagesAfter::Drop).isOk());
    EXPECT_TRUE(file->verifySegment(i).isOk());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % kPlanPageBytes, 0u);
  }
  // If every field was read correctly, serialising the plan that was read gives
  // the same bytes.
  const std::unique_ptr<plan::PlanT> back(file->plan().UnPack());
  EXPECT_EQ(metadataOf(*back), metadataOf(small.plan));
  EXPECT_EQ(file->header().fileBytes, small.fileBytes);
  EXPECT_EQ(std::filesystem::file_size(at("a.air")), small.fileBytes);
}

TEST_F(PlanFileTest, WhatWasVerifiedOutlivesAnOverwrittenFile) {
  writeSmallPlan(at("a.air"));
  Result<PlanFile> file = PlanFile::open(at("a.air"));
  ASSERT_TRUE(file) << file.status().message();
  // The file is modified in place, as cp does, so the mapping shows the new
  // bytes.
  std::fstream overwrite(at("a.air"),
                         std::ios::binary | std::ios::in | std::ios::out);
  overwrite << std::string(std::filesystem::file_size(at("a.air")), '\xff');
  overwrite.close();
  ASSERT_EQ(file->bytes()[kPlanPageBytes], 0xff);
  const std::unique_ptr<plan::PlanT> back(file->plan().UnPack());
  EXPECT_EQ(metadataOf(*back), metadataOf(makeSmallPlan().plan));
  EXPECT_EQ(file->verifySegment(0).code(), ErrorCode::VerificationFailed);
}

TEST_F(PlanFileTest, EqualPlansAreEqualFiles) {
  writeSmallPlan(at("a.air"));
  std::filesystem::create_directory(folder / "elsewhere");
  writeSmallPlan(at("elsewhere/b.air"));
  const std::vector<uint8_t> a = contents(at("a.air"));
  ASSERT_FALSE(a.empty());
  EXPECT_EQ(a, contents(at("elsewhere/b.air")));
  // The writer must produce the same bytes as fileOf(), which does not use it.
  EXPECT_EQ(a, fileOf(makeSmallPlan()));
}

TEST_F(PlanFileTest, OrderAndPiecesOfSegmentsDoNotShow) {
  writeSmallPlan(at("a.air"));
  SmallPlan small = makeSmallPlan();
  Result<PlanWriter> writer =
      PlanWriter::create(at("b.air"), std::move(small.plan));
  ASSERT_TRUE(writer) << writer.status().message();
  for (uint32_t i = static_cast<uint32_t>(small.segments.size()); i-- > 0;) {
    const std::span<const uint8_t> bytes = small.segments[i];
    ASSERT_TRUE(writer
                    ->writeSegment(i,
                                   [&](const PlanWriter::Sink &sink) {
                                     AIR_RETURN_IF_ERROR(sink(bytes.first(7)));
                                     AIR_RETURN_IF_ERROR(sink({}));
                                     return sink(bytes.subspan(7));
                                   })
                    .isOk());
  }
  ASSERT_TRUE(writer->finish().isOk());
  EXPECT_EQ(contents(at("a.air")), contents(at("b.air")));
}

TEST_F(PlanFileTest, WriterRefusesWrongSegmentsAndLeavesNothing) {
  {
    SmallPlan small = makeSmallPlan();
    Result<PlanWriter> writer =
        PlanWriter::create(at("a.air"), std::move(small.plan));
    ASSERT_TRUE(writer);
    std::vector<uint8_t> longer = small.segments[0];
    longer.push_back(0);
    EXPECT_THAT(writer->writeSegment(0, oneSegment(longer)).message(),
                HasSubstr("but the plan declares"));
    std::vector<uint8_t> shorter = small.segments[1];
    shorter.pop_back();
    EXPECT_THAT(writer->writeSegment(1, oneSegment(shorter)).message(),
                HasSubstr("but the plan declares"));
    EXPECT_TRUE(writer->writeSegment(2, oneSegment(small.segments[2])).isOk());
    EXPECT_THAT(
        writer->writeSegment(2, oneSegment(small.segments[2])).message(),
        HasSubstr("twice"));
    EXPECT_EQ(writer->writeSegment(4, oneSegment(small.segments[2])).code(),
              ErrorCode::Usage);
    EXPECT_THAT(writer->finish().message(), HasSubstr("never written"));
  }
  EXPECT_EQ(files(), 0u);
}

TEST_F(PlanFileTest, WriterRefusesWhatTheReaderWould) {
  SmallPlan small = makeSmallPlan();
  small.plan.buffers[0]->offset = 1;
  Result<PlanWriter> writer =
      PlanWriter::create(at("a.air"), std::move(small.plan));
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.status().code(), ErrorCode::VerificationFailed);
  EXPECT_THAT(writer.status().message(), HasSubstr("plan.buffer.alignment"));
  EXPECT_EQ(files(), 0u);
}

TEST_F(PlanFileTest, WriterFindsOutThatTheDiskIsTooSmall) {
  SmallPlan small = makeSmallPlan();
  // The plan claims 4 TiB of kernels, which do not fit on the disk.
  plan::SegmentT &kernels = *small.plan.segments[2];
  kernels.stored_bytes = kernels.raw_bytes = uint64_t{1} << 42;
  for (const auto &placement : small.plan.placements) {
    placement->budgets[0]->bytes <<= 24;
    placement->resident[2] = placement->items[1]->bytes = kernels.raw_bytes;
  }
  Result<PlanWriter> writer =
      PlanWriter::create(at("a.air"), std::move(small.plan));
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.status().code(), ErrorCode::DoesNotFit)
      << writer.status().message();
  EXPECT_EQ(files(), 0u);
}

TEST_F(PlanFileTest, WriterFindsOutThatTheDigestsAreTooLarge) {
  SmallPlan small = makeSmallPlan();
  // Kernels of more than 1 PiB have too many digests: there is a digest of 16
  // bytes for each 64 MiB, and the metadata may take at most 256 MiB.
  plan::SegmentT &kernels = *small.plan.segments[2];
  kernels.stored_bytes = kernels.raw_bytes = uint64_t{1} << 56;
  Result<PlanWriter> writer =
      PlanWriter::create(at("a.air"), std::move(small.plan));
  ASSERT_FALSE(writer);
  EXPECT_EQ(writer.status().code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(writer.status().message(), HasSubstr("metadata"));
}

// If the kernels turn out to be smaller than declared, the plan is the same as
// if their true size had been declared, except that its budgets count the
// larger size.
TEST_F(PlanFileTest, SegmentsThatAreStillInTheMakingShrink) {
  const SmallPlan small = makeSmallPlan();
  constexpr uint64_t kMore = 3 * kPlanPageBytes;
  const auto declared = [&](uint64_t kernels) {
    SmallPlan plan = makeSmallPlan();
    plan.plan.segments[2]->raw_bytes = kernels;
    plan.plan.segments[2]->stored_bytes = kernels;
    for (const auto &placement : plan.plan.placements) {
      placement->resident[2] = kernels;
      placement->items[1]->bytes = kMore;
    }
    return plan;
  };
  const uint64_t exact = small.segments[2].size();
  const auto afterLast = static_cast<uint32_t>(small.segments.size());
  for (const uint64_t kernels : {exact, kMore}) {
    Result<PlanWriter> writer =
        PlanWriter::create(at(kernels == kMore ? "late.air" : "early.air"),
                           declared(kernels).plan);
    ASSERT_TRUE(writer) << writer.status().message();
    for (uint32_t i = 0; i < small.segments.size(); ++i) {
      if (i == 2 && kernels == kMore) {
        EXPECT_EQ(writer->shrinkSegment(2, kMore + 1).code(), ErrorCode::Usage);
        EXPECT_EQ(writer->shrinkSegment(0, 1).code(), ErrorCode::Usage);
        EXPECT_EQ(writer->shrinkSegment(afterLast, 1).code(), ErrorCode::Usage);
        ASSERT_TRUE(writer->shrinkSegment(2, exact).isOk());
      }
      ASSERT_TRUE(
          writer->writeSegment(i, oneSegment(small.segments[i])).isOk());
    }
    const Status finished = writer->finish();
    ASSERT_TRUE(finished.isOk()) << finished.message();
  }
  EXPECT_EQ(contents(at("early.air")), contents(at("late.air")));
  EXPECT_TRUE(PlanFile::open(at("late.air")));
}

// Kernels of more than 64 MiB have several chunks. They cannot shrink to fewer
// chunks, because the size of the metadata depends on the number of chunks.
TEST_F(PlanFileTest, SegmentsKeepTheirNumberOfChunks) {
  SmallPlan small = makeSmallPlan();
  constexpr uint64_t kBytes = (uint64_t{64} << 20) + 1;
  plan::SegmentT &kernels = *small.plan.segments[2];
  kernels.raw_bytes = kernels.stored_bytes = kBytes;
  for (const auto &placement : small.plan.placements) {
    placement->resident[2] = placement->items[1]->bytes = kBytes;
    placement->budgets[0]->bytes *= 1024;
  }
  Result<PlanWriter> writer =
      PlanWriter::create(at("a.air"), std::move(small.plan));
  ASSERT_TRUE(writer) << writer.status().message();
  EXPECT_EQ(writer->shrinkSegment(2, kBytes - 1).code(), ErrorCode::Usage);
}

// The kernels have two chunks of 64 MiB and one of 5 pages. The embedding table
// has a chunk of 64 KiB and one of a page.
TEST_F(PlanFileTest, ChunksAreVerifiedOneByOne) {
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  SmallPlan small = makeSmallPlan();
  const std::pair<uint32_t, uint64_t> sizes[] = {
      {2, 128 * kMiB + 4 * kPlanPageBytes + 1}, {3, kMiB / 16 + 1}};
  for (const auto &[index, bytes] : sizes) {
    small.segments[index].resize(bytes, 7);
    small.segments[index][bytes - 1] = 8;
    plan::SegmentT &segment = *small.plan.segments[index];
    segment.raw_bytes = segment.stored_bytes = bytes;
  }
  for (const auto &placement : small.plan.placements) {
    placement->resident[2] = placement->items[1]->bytes = sizes[0].second;
    placement->budgets[0]->bytes *= 1024;
  }
  small.plan.placements[0]->resident[3] = sizes[1].second;
  small.plan.placements[0]->items[0]->bytes += sizes[1].second;
  {
    Result<PlanWriter> writer =
        PlanWriter::create(at("a.air"), std::move(small.plan));
    ASSERT_TRUE(writer) << writer.status().message();
    for (uint32_t i = 0; i < small.segments.size(); ++i) {
      const std::span<const uint8_t> bytes = small.segments[i];
      // Each segment is written in two halves, whose boundary is not a chunk
      // boundary.
      ASSERT_TRUE(writer
                      ->writeSegment(i,
                                     [&](const PlanWriter::Sink &sink) {
                                       const size_t half = bytes.size() / 2;
                                       AIR_RETURN_IF_ERROR(
                                           sink(bytes.first(half)));
                                       return sink(bytes.subspan(half));
                                     })
                      .isOk());
    }
    ASSERT_TRUE(writer->finish().isOk());
  }
  Result<PlanFile> file = PlanFile::open(at("a.air"));
  ASSERT_TRUE(file) << file.status().message();
  EXPECT_EQ(file->chunkCount(0), 1u);
  EXPECT_EQ(file->chunkBytes(0, 0), kPlanPageBytes);
  EXPECT_EQ(file->chunkCount(2), 3u);
  EXPECT_EQ(file->chunkBytes(2, 1), 64 * kMiB);
  EXPECT_EQ(file->chunkBytes(2, 2), 5 * kPlanPageBytes);
  EXPECT_EQ(file->chunkCount(3), 2u);
  EXPECT_EQ(file->chunkBytes(3, 1), kPlanPageBytes);
  for (const auto &[index, bytes] : sizes) {
    std::vector<uint8_t> copy = small.segments[index];
    copy.resize((bytes + kPlanPageBytes - 1) / kPlanPageBytes * kPlanPageBytes);
    uint64_t begin = 0;
    for (uint64_t chunk = 0; chunk < file->chunkCount(index); ++chunk) {
      const uint64_t size = file->chunkBytes(index, chunk);
      const std::span<uint8_t> part = std::span(copy).subspan(begin, size);
      EXPECT_TRUE(file->verifyChunk(index, chunk).isOk());
      EXPECT_TRUE(file->verifyChunk(index, chunk, part).isOk());
      part.back() ^= 1;
      EXPECT_THAT(file->verifyChunk(index, chunk, part).message(),
                  HasSubstr("segment.digest: the bytes of chunk " +
                            std::to_string(chunk)));
      part.back() ^= 1;
      EXPECT_EQ(file->verifyChunk(index, chunk, part.first(size - 1)).code(),
                ErrorCode::VerificationFailed);
      begin += size;
    }
    EXPECT_EQ(begin, copy.size());
    EXPECT_TRUE(file->verifySegment(index, PagesAfter::Drop).isOk());
  }
}

TEST_F(PlanFileTest, OpenTellsWhatIsWrong) {
  EXPECT_EQ(PlanFile::open(at("none.air")).status().code(), ErrorCode::Io);
  std::ofstream(at("empty.air"));
  EXPECT_EQ(PlanFile::open(at("empty.air")).status().code(),
            ErrorCode::Corrupt);
  std::ofstream(at("text.air")) << "GGUF and more";
  const Status text = PlanFile::open(at("text.air")).status();
  EXPECT_EQ(text.code(), ErrorCode::Corrupt);
  EXPECT_THAT(text.message(), HasSubstr("text.air"));
}

TEST(PlanJson, IsJsonWithTheSchemasKeys) {
  const std::vector<uint8_t> metadata = metadataOf(makeSmallPlan().plan);
  const std::string text = planToJson(*plan::GetPlan(metadata.data()));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["model"]["architecture"], "llama");
  EXPECT_EQ(json["tensors"][1]["dtype"], "Q4_0");
  EXPECT_EQ(json["tensors"][1]["layout"], "x16");
  EXPECT_EQ(json["tokenizer"]["kind"], "Spm");
  EXPECT_EQ(json["tokenizer"]["tokens"]["count"], 8);
  EXPECT_EQ(json["tokenizer"]["end_of_turn"], -1);
  EXPECT_EQ(json["segments"][3]["kind"], "Table");
  EXPECT_EQ(json["segments"][3]["digests"][0].get<std::string>().size(), 32u);
  EXPECT_EQ(json["placements"][1]["reads"][1]["after_step"], 3);
  EXPECT_EQ(json["programs"][1]["steps"][1]["kind"], "AttnIn");
  EXPECT_EQ(
      json["programs"][1]["steps"][4]["dispatches"][0]["bindings"][1]["access"],
      "Read");
  EXPECT_EQ(json["sources"][0]["digest"], "07070707070707070707070707070707");
  EXPECT_EQ(json["cache_groups"][0]["pages"], 6);
  EXPECT_EQ(json["buffers"][3]["is_output"], true);
  EXPECT_EQ(json.size(), 23u); // the number of fields of Plan
}

TEST(PlanJson, ManyDigestsAreSummarised) {
  SmallPlan small = makeSmallPlan();
  small.plan.segments[0]->digests.resize(64 * 16);
  small.plan.segments[1]->digests.resize(65 * 16);
  const std::vector<uint8_t> metadata = metadataOf(small.plan);
  const auto json =
      nlohmann::json::parse(planToJson(*plan::GetPlan(metadata.data())));
  EXPECT_EQ(json["segments"][0]["digests"].size(), 64u);
  EXPECT_EQ(json["segments"][1]["digests"]["count"], 65);
}

TEST(PlanJson, TextThatIsNotUtf8StaysJson) {
  SmallPlan small = makeSmallPlan();
  small.plan.model->name = "\xFF\"\n\\";
  small.plan.tokenizer->scores.assign(65, NAN);
  const std::vector<uint8_t> metadata = metadataOf(small.plan);
  const std::string text = planToJson(*plan::GetPlan(metadata.data()));
  const auto json = nlohmann::json::parse(text, nullptr, false);
  ASSERT_FALSE(json.is_discarded());
  EXPECT_EQ(json["model"]["name"], "\xEF\xBF\xBD\"\n\\");
  EXPECT_EQ(json["tokenizer"]["scores"]["count"], 65);
}

TEST(PlanConvert, TokenizersComeBack) {
  TokenizerData data;
  data.kind = TokenizerKind::Bpe;
  data.pre = "llama-bpe";
  data.tokens = {"", "a", std::string("\0\xFF", 2), "", "word"};
  data.types = {TokenType::Undefined, TokenType::Normal, TokenType::Byte,
                TokenType::Control, TokenType::UserDefined};
  data.merges = {"w o", "r d"};
  data.bos = 3;
  data.padding = 0;
  data.endOfTurn = 4;
  data.endOfGeneration = {3, 4};
  data.addBos = true;
  data.addSpacePrefix = false;
  data.removeExtraWhitespaces = true;
  data.chatTemplate = "{% if x %}";
  data.namedTemplates = {{"a", "{{ a }}"}, {"b", ""}};
  data.rules = {.isSet = true,
                .expressions = {"a|b", ""},
                .ignoreMerges = true,
                .form = NormalForm::KD,
                .spelling = TokenSpelling::Text,
                .prefix = SpacePrefix::EveryWord,
                .pipeline = {.isSet = true,
                             .steps = {{.kind = TextStepKind::Split,
                                        .flags = 1,
                                        .behavior = SplitBehavior::Contiguous,
                                        .number = 7,
                                        .pattern = "x|y",
                                        .content = "\xff"}},
                             .normalizerSteps = 1,
                             .wordPrefix = "##",
                             .wordSuffix = "</w>",
                             .longestWord = 9,
                             .rendering = TokenRendering::Suffixed,
                             .mark = "_",
                             .tidiesEnglish = true}};
  data.afterBos = {1, 2};
  data.beforeEos = {4};
  data.matching = {0, 1, 2, 4, 8};
  data.lowercase = true;
  data.charsmap = std::string("\4\0\xFF", 3);
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(plan::Tokenizer::Pack(builder, toPlan(data).get()));
  const TokenizerData back = fromPlan(
      *flatbuffers::GetRoot<plan::Tokenizer>(builder.GetBufferPointer()));
  EXPECT_EQ(back.kind, data.kind);
  EXPECT_EQ(back.pre, data.pre);
  EXPECT_EQ(back.tokens, data.tokens);
  EXPECT_EQ(back.scores, data.scores);
  EXPECT_EQ(back.types, data.types);
  EXPECT_EQ(back.merges, data.merges);
  EXPECT_EQ(back.bos, 3);
  EXPECT_EQ(back.eos, TokenizerData::kNoToken);
  EXPECT_EQ(back.unknown, TokenizerData::kNoToken);
  EXPECT_EQ(back.padding, 0);
  EXPECT_EQ(back.endOfTurn, 4);
  EXPECT_EQ(back.endOfGeneration, data.endOfGeneration);
  EXPECT_TRUE(back.addBos);
  EXPECT_FALSE(back.addEos);
  EXPECT_FALSE(back.addSpacePrefix);
  EXPECT_TRUE(back.removeExtraWhitespaces);
  EXPECT_EQ(back.chatTemplate, data.chatTemplate);
  EXPECT_EQ(back.namedTemplates, data.namedTemplates);
  // The text of the main chat template breaks off in the middle, so the plan
  // has no program for it.
  const std::map<std::string, jinja::ProgramCode> programs = {
      {"a", {{1, 1, 1, 4, 1, 1, 4, 0}, {"a"}}}, {"b", {{0}, {}}}};
  EXPECT_EQ(back.templatePrograms, programs);
  EXPECT_TRUE(back.rules.isSet);
  EXPECT_EQ(back.rules.expressions, data.rules.expressions);
  EXPECT_TRUE(back.rules.ignoreMerges);
  EXPECT_EQ(back.rules.form, NormalForm::KD);
  EXPECT_EQ(back.rules.spelling, TokenSpelling::Text);
  EXPECT_EQ(back.rules.prefix, SpacePrefix::EveryWord);
  EXPECT_EQ(back.rules.pipeline, data.rules.pipeline);
  EXPECT_EQ(back.afterBos, data.afterBos);
  EXPECT_EQ(back.beforeEos, data.beforeEos);
  EXPECT_EQ(back.matching, data.matching);
  EXPECT_TRUE(back.lowercase);
  EXPECT_FALSE(back.stripAccents);
  EXPECT_EQ(back.charsmap, data.charsmap);
}

TEST(PlanConvert, MachinesComeBack) {
  std::vector<std::string> names = builtinProfiles();
  names.insert(names.end(), {"rtx3060", "h100"});
  for (const std::string &name : names) {
    MachineProfile profile = *resolveProfile(name);
    if (!profile.gpus.empty()) {
      profile.gpus[0].f16Ops = 0; // plans do not contain this rate
    }
    profile.diskBeside = 1'234;
    profile.memoryBeside = 56'789;
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(plan::Machine::Pack(builder, toPlan(profile).get()));
    EXPECT_EQ(fromPlan(*flatbuffers::GetRoot<plan::Machine>(
                  builder.GetBufferPointer())),
              profile);
  }
}
