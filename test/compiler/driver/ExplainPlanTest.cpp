//===- ExplainPlanTest.cpp - --explain and the plan have equal numbers ----===//
#include "compiler/driver/Compiler.h"
#include "compiler/planner/Explain.h"

#include "codegen/cuda/Intrinsics.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <unistd.h>

namespace air::compiler {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

/// Makes 40,000 bytes of machine code for each kernel.
class SizeCompiler : public codegen::cuda::CudaCompiler {
public:
  std::string_view intrinsics() const override {
    return codegen::cuda::deviceIntrinsicsText();
  }
  std::string version() const override { return "sizes 1"; }
  Result<std::vector<uint8_t>> compile(const std::string &, const std::string &,
                                       const codegen::cuda::CudaTarget &,
                                       codegen::cuda::CodeForm) const override {
    return std::vector<uint8_t>(40'000);
  }
};

/// A GGUF file with only the headers of a model. `shape` is one of air-gen's
/// shapes.
class Headers {
public:
  explicit Headers(const std::string &shape)
      : path(fs::temp_directory_path() /
             ("air-explain-" + shape + "-" + std::to_string(getpid()))) {
    const std::string command = std::string(AIR_GEN) + " --shape " + shape +
                                " --type Q4_K_M --headers-only -o " +
                                path.string() + " > /dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
  }
  ~Headers() { fs::remove(path); }
  Headers(const Headers &) = delete;
  Headers &operator=(const Headers &) = delete;

  CompileOptions options(const std::string &target, uint64_t ram,
                         uint64_t vram) const {
    CompileOptions options;
    options.model = path.string();
    options.target = target;
    options.machine = *resolveMachine(target);
    options.ram = ram;
    options.vram = vram;
    options.weightless = true;
    options.threads = 1;
    options.cuda = std::make_shared<SizeCompiler>();
    return options;
  }

private:
  fs::path path;
};

Result<Explanation> explained(const CompileOptions &options) {
  AIR_ASSIGN_OR_RETURN(Compiler compiler, Compiler::load(options));
  AIR_RETURN_IF_ERROR(compiler.run("schedule-reads"));
  AIR_ASSIGN_OR_RETURN(const ModelNeeds needs, compiler.needs());
  return explain(needs, *options.machine, {});
}

/// The plan's metadata, as `airpack inspect --json` prints it.
Result<Json> planned(const CompileOptions &options) {
  AIR_ASSIGN_OR_RETURN(Compiler compiler, Compiler::load(options));
  AIR_RETURN_IF_ERROR(compiler.run(""));
  AIR_ASSIGN_OR_RETURN(const std::string text, compiler.planJson());
  return Json::parse(text);
}

/// The items that a placement states for a tier, with their sizes in bytes. In
/// the JSON, items without a tier are in the tier Ram.
std::map<std::string, uint64_t> itemsOf(const Json &placement,
                                        const std::string &tier) {
  std::map<std::string, uint64_t> items;
  for (const Json &item : placement["items"]) {
    if (item.value("tier", "Ram") == tier) {
      items[item["name"].get<std::string>()] = item["bytes"].get<uint64_t>();
    }
  }
  return items;
}

/// The rows of an explanation as items of a plan. The item "weights" is the sum
/// of all classes of weights and their padding. The row for the driver's memory
/// is left out, because a plan has no item for it.
std::map<std::string, uint64_t> itemsOf(const Explanation &explanation,
                                        uint64_t TierRow::*tier) {
  std::map<std::string, uint64_t> items;
  for (const TierRow &row : explanation.placement) {
    const bool isWeights = row.name == "attention" || row.name == "ffn" ||
                           row.name == "head" || row.name == "other" ||
                           row.name == "embedding table" ||
                           row.name == "padding";
    if (row.*tier != 0 && row.name != "driver") {
      items[isWeights ? "weights" : row.name] += row.*tier;
    }
  }
  return items;
}

struct Case {
  const char *shape;
  const char *target;
  uint64_t ram;
  uint64_t vram; ///< 0: the memory of the target's GPU
  /// What limits the pass: "vram", "pcie" (copies to the GPU) or "disk".
  const char *limit;
};

class ExplainPlan : public testing::TestWithParam<Case> {};

TEST_P(ExplainPlan, HasTheNumbersOfThePlan) {
  const Case &of = GetParam();
  const Headers headers(of.shape);
  const CompileOptions options = headers.options(of.target, of.ram, of.vram);
  const Result<Explanation> said = explained(options);
  ASSERT_TRUE(said) << said.status().message();
  const Result<Json> plan = planned(options);
  ASSERT_TRUE(plan) << plan.status().message();
  const Json &placement = (*plan)["placements"][0];
  EXPECT_EQ(itemsOf(*said, &TierRow::vram), itemsOf(placement, "Vram"));
  EXPECT_EQ(itemsOf(*said, &TierRow::ram), itemsOf(placement, "Ram"));

  const Json &prediction = placement["predictions"][0];
  EXPECT_EQ(said->limitedBy, of.limit);
  EXPECT_EQ(said->limitedBy, prediction["limit"].get<std::string>());
  ASSERT_TRUE(said->decode);
  EXPECT_DOUBLE_EQ(*said->decode,
                   1e9 / prediction["nanoseconds"].get<double>());
  ASSERT_EQ(said->links.size(), prediction["links"].size());
  for (const Json &link : prediction["links"]) {
    bool isFound = false;
    for (const LinkUse &use : said->links) {
      if (use.link == link["link"].get<std::string>()) {
        isFound = true;
        EXPECT_EQ(use.bytesPerToken, link["bytes_per_pass"].get<double>());
        EXPECT_EQ(use.bandwidth, link["bandwidth"].get<uint64_t>());
      }
    }
    EXPECT_TRUE(isFound) << link;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, ExplainPlan,
    testing::Values(Case{"1b", "rtx3060", 0, 0, "vram"},
                    Case{"1b", "rtx3060", 2 * kGiB, 1800 * kMiB, "pcie"},
                    Case{"8b", "rtx3060", 0, 0, "vram"},
                    Case{"8b", "rtx3060", 0, 6 * kGiB, "vram"},
                    Case{"8b", "rtx3060", 0, 5 * kGiB, "pcie"},
                    Case{"8b", "t4", 8 * kGiB, 4 * kGiB, "pcie"},
                    Case{"8b", "rtx3070", kGiB, 4 * kGiB, "disk"},
                    Case{"70b", "rtx4090", 0, 0, "pcie"}),
    [](const auto &info) {
      return std::string(info.param.shape) + "_" + info.param.target + "_" +
             std::to_string(info.param.vram / kMiB);
    });

TEST(ExplainPlanRefusal, IsThatOfThePlan) {
  const Headers headers("8b");
  for (const auto &[ram, vram] :
       {std::pair(uint64_t{0}, 1500 * kMiB), std::pair(80 * kMiB, 4 * kGiB)}) {
    const CompileOptions options = headers.options("rtx3060", ram, vram);
    const Status said = explained(options).status();
    EXPECT_EQ(said.code(), ErrorCode::DoesNotFit);
    EXPECT_EQ(said.message(), planned(options).status().message());
  }
}

/// A context a little below the reported maximum fits, and one a page above the
/// maximum does not.
TEST(ExplainPlanContext, IsTheLargest) {
  const Headers headers("8b");
  CompileOptions options = headers.options("rtx3060", 0, 4 * kGiB);
  const Result<Explanation> said = explained(options);
  ASSERT_TRUE(said) << said.status().message();
  EXPECT_GT(said->maxContext, 4096U);
  // The maximum is computed with buffers for the default context. A larger
  // context also needs larger buffers, so the maximum itself may not fit.
  options.context = said->maxContext * 9 / 10;
  EXPECT_TRUE(explained(options));
  options.context = said->maxContext + 64;
  EXPECT_EQ(explained(options).status().code(), ErrorCode::DoesNotFit);
}

} // namespace
} // namespace air::compiler
