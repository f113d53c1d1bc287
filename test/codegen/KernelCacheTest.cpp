//===- KernelCacheTest.cpp - compiled kernels that are kept on disk -------===//
#include "codegen/KernelCache.h"
#include "codegen/cuda/CachingCompiler.h"
#include "test/formats/support/TempFolder.h"

#include <gmock/gmock.h>

#include <chrono>
#include <sys/stat.h>

using namespace air;
using namespace air::codegen;
using testing::HasSubstr;

namespace {

namespace fs = std::filesystem;

using Bytes = std::vector<uint8_t>;

class KernelCacheTest : public test::TempFolder {
protected:
  KernelCache open(const std::string &compiler = "compiler 1",
                   uint64_t mostBytes = KernelCache::kUsualBytes) {
    Result<KernelCache> cache =
        KernelCache::open(path("kernels"), "do that", compiler, mostBytes);
    EXPECT_TRUE(cache.isOk()) << cache.status().message();
    return *std::move(cache);
  }
};

TEST_F(KernelCacheTest, CodeIsFoundByItsTextAndCompiler) {
  const KernelCache cache = open();
  EXPECT_EQ(cache.find("text"), std::nullopt);
  const Bytes code = {1, 2, 3};
  cache.store("text", code);
  cache.store("empty", {});
  EXPECT_EQ(cache.find("text"), code);
  EXPECT_EQ(cache.find("empty"), Bytes());
  EXPECT_EQ(cache.find("tex"), std::nullopt);
  EXPECT_EQ(cache.find(""), std::nullopt);

  EXPECT_EQ(open().find("text"), code);
  EXPECT_EQ(open("compiler 2").find("text"), std::nullopt);
  // New code replaces what was stored for the same text.
  open().store("text", Bytes{4});
  EXPECT_EQ(cache.find("text"), Bytes{4});
}

TEST_F(KernelCacheTest, ADamagedEntryIsNotUsed) {
  const KernelCache cache = open("c");
  const Bytes code = {10, 20, 30, 40};
  cache.store("text", code);
  const std::string entry = cache.pathOf("text");
  const std::string intact = readText(entry);
  const auto isFound = [&](const std::string &content) {
    writeText(entry, content);
    return cache.find("text").has_value();
  };
  ASSERT_TRUE(isFound(intact));
  for (size_t i = 0; i < intact.size(); ++i) {
    EXPECT_FALSE(isFound(intact.substr(0, i))) << i << " bytes";
    for (const int bit : {0, 7}) {
      std::string changed = intact;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_FALSE(isFound(changed)) << "byte " << i << ", bit " << bit;
    }
  }
  EXPECT_FALSE(isFound(intact + "0"));
  // The file of "text" now gets the intact entry of "next". As this entry holds
  // the key of "next", it is not used for "text".
  cache.store("next", code);
  EXPECT_FALSE(isFound(readText(cache.pathOf("next"))));
  fs::remove(entry);
  fs::create_directory(entry);
  EXPECT_EQ(cache.find("text"), std::nullopt);
  cache.store("text", code);
  fs::remove(entry);
  cache.store("text", code);
  EXPECT_EQ(cache.find("text"), code);
}

TEST_F(KernelCacheTest, EntriesThatWereUsedLongAgoAreRemoved) {
  const Bytes code(1000);
  // An entry has a little more than 1000 bytes, so three of them fit.
  const KernelCache cache = open("", 3500);
  const auto madeBefore = [&](const std::string &text, int hours) {
    fs::last_write_time(cache.pathOf(text), fs::file_time_type::clock::now() -
                                                std::chrono::hours(hours));
  };
  for (const auto &[text, hours] :
       {std::pair("a", 3), std::pair("b", 2), std::pair("c", 1)}) {
    cache.store(text, code);
    madeBefore(text, hours);
  }
  // This use makes "a" the entry that was used most recently.
  EXPECT_TRUE(cache.find("a").has_value());
  cache.store("d", code);
  EXPECT_TRUE(cache.find("a").has_value());
  EXPECT_FALSE(cache.find("b").has_value());
  EXPECT_TRUE(cache.find("c").has_value());
  EXPECT_TRUE(cache.find("d").has_value());
  // Files that are not entries of the cache do not count towards its limit, and
  // are not removed.
  writeText(path("kernels/large"), std::string(100'000, 'x'));
  cache.store("e", code);
  EXPECT_TRUE(cache.find("e").has_value());
  EXPECT_TRUE(fs::exists(path("kernels/large")));
}

TEST_F(KernelCacheTest, AnEntryThatCannotBeWrittenIsNoError) {
  const KernelCache cache = open();
  fs::remove_all(path("kernels"));
  cache.store("text", Bytes{1});
  EXPECT_EQ(cache.find("text"), std::nullopt);
}

TEST_F(KernelCacheTest, AFolderThatIsNotSafeOrNoFolderIsRefused) {
  (void)open();
  ASSERT_EQ(chmod(path("kernels").c_str(), 0777), 0);
  const auto refuse = [&](const std::string &name, const std::string &text) {
    const Result<KernelCache> cache =
        KernelCache::open(path(name), "do that", "");
    ASSERT_FALSE(cache.isOk()) << name;
    EXPECT_EQ(cache.status().code(), ErrorCode::Io);
    EXPECT_THAT(cache.status().message(), HasSubstr(text));
    EXPECT_THAT(cache.status().message(), HasSubstr("do that"));
  };
  refuse("kernels", "other users may write to the folder");
  writeText(path("file"), "");
  refuse("file", "is not a folder");
  refuse("file/below", "cannot create the folder");
}

/// A compiler that returns the text of a kernel as its code, and counts its
/// calls.
struct CountingCompiler : cuda::CudaCompiler {
  explicit CountingCompiler(std::string text) : name(std::move(text)) {}
  std::string_view intrinsics() const override { return "intrinsics"; }
  std::string version() const override { return name; }
  Result<Bytes> compile(const std::string &text, const std::string &,
                        const cuda::CudaTarget &,
                        cuda::CodeForm) const override {
    ++calls;
    if (text == "broken") {
      return internalError("it does not compile");
    }
    return Bytes(text.begin(), text.end());
  }

  std::string name;
  mutable int calls = 0;
};

TEST_F(KernelCacheTest, AKernelOfAGpuIsCompiledAgainOnlyIfSomethingDiffers) {
  const auto cache = std::make_shared<const KernelCache>(open());
  const auto compiler = std::make_shared<CountingCompiler>("1");
  const auto newer = std::make_shared<CountingCompiler>("2");
  const auto run = [&](const std::shared_ptr<CountingCompiler> &used,
                       const std::string &text, const std::string &name,
                       const std::string &arch, cuda::CodeForm form) {
    const int before = used->calls;
    Result<Bytes> code =
        cuda::withCache(used, cache)
            ->compile(text, name, *cuda::cudaTarget(arch), form);
    EXPECT_TRUE(code.isOk());
    EXPECT_EQ(*code, Bytes(text.begin(), text.end()));
    return used->calls - before;
  };
  using enum cuda::CodeForm;
  EXPECT_EQ(run(compiler, "text", "k", "sm_80", Cubin), 1);
  EXPECT_EQ(run(compiler, "text", "k", "sm_80", Cubin), 0);
  EXPECT_EQ(run(compiler, "text", "k", "sm_86", Cubin), 1);
  EXPECT_EQ(run(compiler, "text", "k", "sm_80", Ptx), 1);
  EXPECT_EQ(run(compiler, "text", "l", "sm_80", Cubin), 1);
  EXPECT_EQ(run(compiler, "texts", "k", "sm_80", Cubin), 1);
  EXPECT_EQ(run(newer, "text", "k", "sm_80", Cubin), 1);
  EXPECT_EQ(run(compiler, "text", "k", "sm_80", Cubin), 0);
}

TEST_F(KernelCacheTest, AnErrorOfTheCompilerIsNotKept) {
  const auto cache = std::make_shared<const KernelCache>(open());
  const auto compiler = std::make_shared<CountingCompiler>("1");
  for (int calls = 1; calls <= 2; ++calls) {
    EXPECT_FALSE(cuda::withCache(compiler, cache)
                     ->compile("broken", "k", *cuda::cudaTarget("sm_80"),
                               cuda::CodeForm::Cubin)
                     .isOk());
    EXPECT_EQ(compiler->calls, calls);
  }
}

} // namespace
