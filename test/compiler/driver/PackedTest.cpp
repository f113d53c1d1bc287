//===- PackedTest.cpp - plans that take segments from other plans ---------===//
#include "compiler/driver/Compiler.h"

#include "formats/plan/PlanFile.h"
#include "test/compiler/driver/SharedKernels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <unistd.h>

namespace air::compiler {
namespace {

using testing::HasSubstr;

class Packed : public testing::Test {
protected:
  Packed()
      : folder(std::filesystem::path(testing::TempDir()) /
               ("packed-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder);
    options.model = tiny("llama3");
    options.target = "x86-64-v3";
    options.threads = 2;
    options.kernelCache = sharedKernels();
  }
  ~Packed() override { std::filesystem::remove_all(folder); }

  static std::string tiny(const std::string &name) {
    return std::string(AIR_TEST_INPUTS) + "/models/tiny/" + name + ".gguf";
  }
  std::string at(const std::string &name) const { return folder / name; }

  std::string bytesOf(const std::string &name) const {
    std::ifstream file(at(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// Runs `compiler`, if it could be made, and writes the plan.
  Status write(Result<Compiler> compiler, const std::string &name) {
    AIR_RETURN_IF_ERROR(compiler.status());
    AIR_RETURN_IF_ERROR(compiler->run(""));
    AIR_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(at(name)));
    uint64_t last = 0;
    uint64_t all = 0;
    AIR_RETURN_IF_ERROR(compiler
                            ->write(std::move(file),
                                    [&](uint64_t done, uint64_t total) {
                                      last = done;
                                      all = total;
                                    })
                            .status());
    EXPECT_EQ(last, all);
    copied = compiler->copiedBytes();
    return Status::ok();
  }

  Status pack(const std::string &name) {
    return write(Compiler::load(options), name);
  }

  std::filesystem::path folder;
  CompileOptions options;
  uint64_t copied = 0; ///< bytes that the last write() copied
};

/// The stored size of a plan's segments, except for those of kernels.
uint64_t weightBytes(const std::string &path) {
  const Result<PlanFile> file = PlanFile::open(path);
  EXPECT_TRUE(file.isOk()) << file.status().message();
  uint64_t bytes = 0;
  for (const plan::Segment *segment : *file->plan().segments()) {
    bytes += segment->kind() == plan::SegmentKind::Kernels
                 ? 0
                 : segment->stored_bytes();
  }
  return bytes;
}

TEST_F(Packed, ThePlanIsTheSameAsWithoutTheOther) {
  ASSERT_TRUE(pack("v3.air").isOk());
  EXPECT_EQ(copied, 0U);
  options.target = "x86-64-v4";
  options.context = 100;
  ASSERT_TRUE(pack("v4.air").isOk());
  options.from = at("v3.air");
  const Status status = pack("copied.air");
  ASSERT_TRUE(status.isOk()) << status.message();
  // Both targets read the same layouts, so all weights are copied from the plan
  // for x86-64-v3.
  EXPECT_EQ(copied, weightBytes(at("v3.air")));
  EXPECT_TRUE(bytesOf("copied.air") == bytesOf("v4.air"));
  EXPECT_FALSE(bytesOf("copied.air") == bytesOf("v3.air"));
  // The output may replace the plan from which the segments are copied.
  std::filesystem::copy_file(at("v3.air"), at("own.air"));
  options.from = at("own.air");
  ASSERT_TRUE(pack("own.air").isOk());
  EXPECT_TRUE(bytesOf("own.air") == bytesOf("v4.air"));
}

TEST_F(Packed, AModelIsReadOnceForSeveralTargets) {
  options.model = at("model.gguf");
  std::filesystem::copy_file(tiny("llama3"), options.model);
  Result<Compiler> first = Compiler::load(options);
  ASSERT_TRUE(first.isOk()) << first.status().message();
  ASSERT_TRUE(first->run("").isOk());
  Result<AtomicFile> file = AtomicFile::create(at("v3.air"));
  ASSERT_TRUE(file.isOk());
  ASSERT_TRUE(first->write(*std::move(file), {}).isOk());

  CompileOptions other = options;
  other.target = "x86-64-v4";
  other.packed = {at("v3.air")};
  // The file is open, so its name is not needed any more.
  std::filesystem::remove(options.model);
  ASSERT_TRUE(write(first->again(other), "v4.air").isOk());
  EXPECT_EQ(copied, weightBytes(at("v3.air")));
  options.model = tiny("llama3");
  options.target = "x86-64-v4";
  ASSERT_TRUE(pack("alone.air").isOk());
  EXPECT_TRUE(bytesOf("v4.air") == bytesOf("alone.air"));
}

TEST_F(Packed, PlansOfOtherModelsAreRefused) {
  ASSERT_TRUE(pack("a.air").isOk());
  options.from = at("a.air");
  options.model = tiny("qwen3");
  Status status = pack("b.air");
  EXPECT_EQ(status.code(), ErrorCode::Usage);
  EXPECT_THAT(status.message(),
              HasSubstr("--from: '" + options.from +
                        "': the plan was made from another model, whose file "
                        "has 1923584 bytes and a header with the digest "));
  EXPECT_THAT(status.message(), HasSubstr("has 1743648 bytes and a header"));

  // A model with the same header but other weights, such as a fine-tuned one.
  // The first two bytes of a matrix are changed.
  options.model = at("tuned.gguf");
  std::filesystem::copy_file(tiny("llama3"), options.model);
  const std::string name = "blk.1.attn_output.weight";
  uint64_t place = 0;
  {
    Result<Compiler> compiler = Compiler::load(options);
    ASSERT_TRUE(compiler.isOk()) << compiler.status().message();
    ASSERT_NE(compiler->source().find(name), nullptr);
    place = compiler->source().find(name)->fileOffset;
  }
  std::fstream(options.model, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(static_cast<std::streamoff>(place))
      .write("ab", 2);
  status = pack("b.air");
  EXPECT_EQ(status.code(), ErrorCode::Usage);
  EXPECT_THAT(status.message(),
              HasSubstr("--from: '" + options.from +
                        "' was made from another model: tensor '" + name +
                        "' differs from the model's file in rows 0 to 15"));
  EXPECT_FALSE(std::filesystem::exists(at("b.air")));
}

TEST_F(Packed, DamagedPlansAreRefused) {
  ASSERT_TRUE(pack("a.air").isOk());
  options.from = at("a.air");
  std::string bytes = bytesOf("a.air");
  const Result<PlanFile> file = PlanFile::open(options.from);
  ASSERT_TRUE(file.isOk());
  const plan::Segment &segment = *file->plan().segments()->Get(0);
  const uint64_t first = segment.offset();
  // Each round changes one byte of the plan: the first or the last byte of the
  // first segment, or a byte of the header.
  for (const uint64_t at :
       {first, first + segment.stored_bytes() - 1, uint64_t{40}}) {
    options.from = folder / "damaged.air";
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(options.from, std::ios::binary) << damaged;
    const Status status = pack("b.air");
    EXPECT_EQ(status.code(), ErrorCode::VerificationFailed)
        << at << ' ' << status.message();
    EXPECT_THAT(status.message(), HasSubstr("damaged.air"));
    EXPECT_FALSE(std::filesystem::exists(folder / "b.air"));
  }
}

TEST_F(Packed, PlansWithoutWeightsOrWithOtherLayoutsAreRefused) {
  const struct {
    void (*change)(CompileOptions &);
    const char *message;
  } cases[] = {
      {[](CompileOptions &o) { o.weightless = true; },
       "a weightless plan does not contain the weights"},
      {[](CompileOptions &o) { o.reference = true; },
       "a reference plan does not contain the weights"},
  };
  for (const auto &bad : cases) {
    CompileOptions other = options;
    bad.change(other);
    ASSERT_TRUE(write(Compiler::load(other), "other.air").isOk());
    options.from = at("other.air");
    const Status status = pack("b.air");
    EXPECT_EQ(status.code(), ErrorCode::Usage);
    EXPECT_THAT(status.message(), HasSubstr(bad.message));
    options.from.clear();
  }
  // Only the segments that zstd.air stores without a codec are copied from it.
  options.codec = "none";
  ASSERT_TRUE(pack("plain.air").isOk());
  options.codec = "zstd";
  ASSERT_TRUE(pack("zstd.air").isOk());
  options.codec = "none";
  options.from = at("zstd.air");
  ASSERT_TRUE(pack("none.air").isOk());
  EXPECT_GT(copied, 0U);
  EXPECT_LT(copied, weightBytes(at("plain.air")));
  EXPECT_TRUE(bytesOf("none.air") == bytesOf("plain.air"));
}

} // namespace
} // namespace air::compiler
