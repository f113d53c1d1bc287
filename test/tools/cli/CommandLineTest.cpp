//===- CommandLineTest.cpp - parses command lines ---------------*- C++ -*-===//
#include "SampleTool.h"
#include "tools/cli/Suggest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using namespace air::cli;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

using Args = std::vector<std::string>;

class CommandLineTest : public testing::Test {
protected:
  Tool tool = sampleTool();

  Invocation good(const Args &args) {
    Result<Invocation> result = parse(tool, args);
    EXPECT_TRUE(result.isOk()) << result.status().message();
    return result.isOk() ? *result : Invocation();
  }
  std::string bad(const Args &args) {
    Result<Invocation> result = parse(tool, args);
    EXPECT_FALSE(result.isOk());
    EXPECT_EQ(result.status().code(), ErrorCode::Usage);
    EXPECT_EQ(result.status().message().find('\n'), std::string::npos);
    return result.status().message();
  }
};

TEST_F(CommandLineTest, SpellingsOfAValue) {
  for (const Args &args : {Args{"a.air", "--count", "7"},
                           Args{"a.air", "--count=7"}, Args{"-n", "7", "a.air"},
                           Args{"-n7", "a.air"}, Args{"a.air", "-n=7"}}) {
    Invocation got = good(args);
    EXPECT_EQ(got.integer("--count"), 7);
    EXPECT_THAT(got.positionals, ElementsAre("a.air"));
    EXPECT_EQ(got.command->name, "");
  }
}

TEST_F(CommandLineTest, AValueMayFollowItsShortNameAtOnce) {
  EXPECT_EQ(good({"a", "-n-1"}).integer("--count"), -1);
  EXPECT_EQ(good({"a", "-pOnce"}).text("--prompt"), "Once");
  EXPECT_EQ(good({"a", "-p=x=y"}).text("--prompt"), "x=y");
  EXPECT_EQ(good({"a", "-p="}).text("--prompt"), "");
  EXPECT_EQ(bad({"a", "-n5000"}),
            "option --count: '5000' is not a whole number from -1 to 4096");
  EXPECT_THAT(bad({"a", "-n="}), HasSubstr("option --count: ''"));
  // A known option in the place of a value means that the user forgot the
  // value. Other texts that begin with a dash are values.
  EXPECT_THAT(bad({"a", "-p", "-n5"}), HasSubstr("'-n5' follows"));
  EXPECT_EQ(good({"a", "-p", "-no, he said"}).text("--prompt"), "-no, he said");
}

TEST_F(CommandLineTest, ALongNameWithOneDashIsNoShortOption) {
  EXPECT_EQ(bad({"a", "-prompt", "x"}),
            "unknown option '-prompt'; did you mean '--prompt'?");
  EXPECT_THAT(bad({"a", "-prompt=x"}), HasSubstr("'--prompt'"));
  EXPECT_EQ(bad({"a", "-temp", "1"}),
            "unknown option '-temp'; did you mean '--temp'?");
  EXPECT_THAT(bad({"a", "-ngl", "99"}), HasSubstr("unknown option '-ngl'"));
}

TEST_F(CommandLineTest, NumbersTooSmallForADoubleAreZero) {
  EXPECT_EQ(good({"a", "--temp", "1e-400"}).number("--temp"), 0);
  EXPECT_EQ(good({"a", "--temp=-1e-400"}).number("--temp"), 0);
  EXPECT_EQ(good({"a", "--temp", "5e-324"}).number("--temp"), 0x1p-1074);
  EXPECT_EQ(good({"a", "--temp", "1e308"}).number("--temp"), 1e308);
}

TEST_F(CommandLineTest, NegativeNumbersAreValues) {
  EXPECT_EQ(good({"a", "-n", "-1"}).integer("--count"), -1);
  EXPECT_EQ(good({"a", "--temp", "-2.5"}).number("--temp"), -2.5);
  EXPECT_EQ(good({"a", "--temp", "-.5"}).number("--temp"), -0.5);
  EXPECT_EQ(good({"a", "--temp=-1e-3"}).number("--temp"), -1e-3);
}

TEST_F(CommandLineTest, ValuesMayBeginWithADash) {
  EXPECT_EQ(good({"a", "-p", "- one\n- two"}).text("--prompt"), "- one\n- two");
  EXPECT_EQ(good({"a", "-p", "--unlike any option"}).text("--prompt"),
            "--unlike any option");
  EXPECT_EQ(good({"a", "--prompt=--json"}).text("--prompt"), "--json");
  EXPECT_EQ(good({"a", "--prompt=x=y"}).text("--prompt"), "x=y");
  EXPECT_EQ(good({"a", "--prompt="}).text("--prompt"), "");
}

TEST_F(CommandLineTest, DoubleDashEndsOptions) {
  Invocation got = good({"--json", "--", "-n", "--json"});
  EXPECT_THAT(got.positionals, ElementsAre("-n", "--json"));
  EXPECT_TRUE(got.has("--json"));
  EXPECT_FALSE(got.has("--count"));
}

TEST_F(CommandLineTest, ASingleDashIsAPositional) {
  EXPECT_THAT(good({"-"}).positionals, ElementsAre("-"));
}

TEST_F(CommandLineTest, AbsentOptionsAreAbsent) {
  Invocation got = good({"a"});
  EXPECT_EQ(got.text("--prompt"), std::nullopt);
  EXPECT_EQ(got.integer("--count"), std::nullopt);
  EXPECT_EQ(got.number("--temp"), std::nullopt);
  EXPECT_TRUE(got.list("--stop").empty());
}

TEST_F(CommandLineTest, ListsRepeatAndOthersDoNot) {
  EXPECT_THAT(good({"a", "--stop", "x", "--stop=y"}).list("--stop"),
              ElementsAre("x", "y"));
  EXPECT_THAT(bad({"a", "-n", "1", "--count=2"}),
              HasSubstr("--count is given more than once"));
  EXPECT_THAT(bad({"a", "--json", "--json"}), HasSubstr("--json"));
  EXPECT_THAT(bad({"a", "-p", "", "-p", "x"}), HasSubstr("--prompt"));
}

// A double cannot represent 2^53 + 1; the nearest double is 2^53.
TEST(CommandLineRangeTest, LargeIntegersAreCompared) {
  Tool tool;
  tool.name = "t";
  tool.commands.push_back({.options = {{.name = "--seed",
                                        .kind = ValueKind::Integer,
                                        .valueName = "N",
                                        .minimum = 0,
                                        .maximum = 9007199254740992.0}}});
  EXPECT_TRUE(parse(tool, {"--seed", "9007199254740992"}));
  EXPECT_EQ(parse(tool, {"--seed", "9007199254740993"}).status().message(),
            "option --seed: '9007199254740993' is not a whole number from 0 to "
            "9007199254740992");
}

TEST_F(CommandLineTest, RangesAreInclusive) {
  EXPECT_EQ(good({"a", "-n", "4096"}).integer("--count"), 4096);
  EXPECT_EQ(bad({"a", "-n", "4097"}),
            "option --count: '4097' is not a whole number from -1 to 4096");
  EXPECT_EQ(bad({"a", "-n", "-2"}),
            "option --count: '-2' is not a whole number from -1 to 4096");
  EXPECT_EQ(bad({"a", "--temp", "-2.51"}),
            "option --temp: '-2.51' is not a number of at least -2.5");
}

TEST_F(CommandLineTest, NumbersAreWhole) {
  for (const char *text :
       {"", "1x", "x", "1.5", "0x10", " 1", "1 ", "9223372036854775808"}) {
    EXPECT_THAT(bad({"a", std::string("--count=") + text}),
                testing::StartsWith("option --count: '" + std::string(text) +
                                    "' is not a whole number"))
        << text;
  }
  for (const char *text : {"", "1.5x", "nan", "inf", "1e999", "1,5"}) {
    EXPECT_THAT(bad({"a", std::string("--temp=") + text}),
                testing::StartsWith("option --temp: '" + std::string(text) +
                                    "' is not a number"))
        << text;
  }
}

TEST_F(CommandLineTest, Choices) {
  EXPECT_EQ(good({"a", "--kv-type", "f32"}).text("--kv-type"), "f32");
  EXPECT_EQ(bad({"a", "--kv-type", "f64"}),
            "option --kv-type: 'f64' is not one of f16, f32");
}

TEST_F(CommandLineTest, MissingValues) {
  EXPECT_EQ(bad({"a", "-n"}), "option --count needs a value, as in --count N");
  EXPECT_THAT(bad({"a", "-n", "--json"}), HasSubstr("'--json' follows"));
  EXPECT_THAT(bad({"a", "-p", "--temp=1"}), HasSubstr("'--temp=1' follows"));
  EXPECT_THAT(bad({"a", "-p", "--"}), HasSubstr("'--' follows"));
}

TEST_F(CommandLineTest, AnOptionalValueIsWrittenWithAnEqualsSign) {
  EXPECT_FALSE(good({"a"}).has("--trace"));
  EXPECT_EQ(good({"a", "--trace"}).text("--trace"), "trace.txt");
  EXPECT_EQ(good({"a", "--trace=b"}).text("--trace"), "b");
  const Invocation got = good({"--trace", "a"});
  EXPECT_EQ(got.text("--trace"), "trace.txt");
  EXPECT_THAT(got.positionals, ElementsAre("a"));
}

TEST_F(CommandLineTest, FlagsTakeNoValue) {
  EXPECT_EQ(bad({"a", "--json=1"}),
            "option --json takes no value, but got '1'");
  EXPECT_EQ(bad({"a", "--help=x"}),
            "option --help takes no value, but got 'x'");
  EXPECT_EQ(bad({"tokenize", "a", "--version=2"}),
            "option --version takes no value, but got '2'");
}

TEST_F(CommandLineTest, UnknownOptionsNameTheNearest) {
  EXPECT_EQ(bad({"a", "--tmep", "1"}),
            "unknown option '--tmep'; did you mean '--temp'?");
  EXPECT_EQ(bad({"a", "--kvtype=f16"}),
            "unknown option '--kvtype'; did you mean '--kv-type'?");
  EXPECT_EQ(bad({"a", "--hlep"}),
            "unknown option '--hlep'; did you mean '--help'?");
  EXPECT_EQ(bad({"a", "--verison=1"}),
            "unknown option '--verison'; did you mean '--version'?");
  EXPECT_EQ(bad({"a", "--pro", "x"}),
            "unknown option '--pro'; did you mean '--prompt'?");
  EXPECT_EQ(
      bad({"a", "--frobnicate"}),
      "unknown option '--frobnicate'; sample --help lists the known ones");
  // Other programs have an option -m, so "-m" is not taken for a misspelling of
  // "-p".
  EXPECT_EQ(bad({"a", "-m", "x"}),
            "unknown option '-m'; sample --help lists the known ones");
}

TEST_F(CommandLineTest, UnknownOptionsNameTheCommandsThatHaveThem) {
  EXPECT_EQ(bad({"a", "--no-bos"}),
            "unknown option '--no-bos'; it is an option of 'sample tokenize'");
  EXPECT_EQ(bad({"tokenize", "a", "--prompt=x"}),
            "unknown option '--prompt'; it is an option of 'sample'");
  tool.commands.push_back(tool.commands.back());
  tool.commands.back().name = "again";
  EXPECT_EQ(bad({"a", "--no-bos"}), "unknown option '--no-bos'; it is an "
                                    "option of 'sample tokenize', "
                                    "'sample again'");
}

TEST_F(CommandLineTest, Positionals) {
  EXPECT_EQ(bad({}), "missing argument PLAN; usage: sample PLAN [EXTRA] "
                     "[OPTIONS]");
  EXPECT_THAT(good({"a", "b"}).positionals, ElementsAre("a", "b"));
  EXPECT_THAT(bad({"a", "b", "c"}), HasSubstr("unexpected argument 'c'"));
}

TEST_F(CommandLineTest, AnArgumentMayHaveAChoice) {
  tool.commands[1].positionals = {{"WHAT", "", true, {"ids", "text"}}};
  EXPECT_THAT(good({"tokenize", "text"}).positionals, ElementsAre("text"));
  EXPECT_EQ(bad({"tokenize", "texts"}),
            "argument WHAT: 'texts' is not one of ids, text");
}

TEST_F(CommandLineTest, AFirstArgumentSelectsItsCommand) {
  Invocation got = good({"tokenize", "tokenize", "--no-bos"});
  EXPECT_EQ(got.command->name, "tokenize");
  EXPECT_THAT(got.positionals, ElementsAre("tokenize"));
  EXPECT_TRUE(got.has("--no-bos"));
  EXPECT_EQ(good({"--", "tokenize"}).command->name, "");
  EXPECT_EQ(good({"a", "tokenize"}).command->name, "");
  EXPECT_THAT(bad({"tokenize", "a", "--temp", "1"}),
              HasSubstr("unknown option '--temp'"));
  EXPECT_THAT(bad({"tokenize", "a", "--frobnicate"}),
              HasSubstr("sample tokenize --help"));
}

TEST_F(CommandLineTest, ToolsWithoutAMainCommand) {
  tool.commands.erase(tool.commands.begin());
  EXPECT_EQ(good({"tokenize", "a"}).command->name, "tokenize");
  EXPECT_EQ(bad({"tokenise"}),
            "unknown command 'tokenise'; did you mean 'tokenize'?");
  EXPECT_THAT(bad({"play"}), HasSubstr("sample --help lists"));
  EXPECT_THAT(bad({}), HasSubstr("missing command"));
}

TEST(SuggestTest, DistanceCountsSwapsOnce) {
  EXPECT_EQ(editDistance("", "abc"), 3U);
  EXPECT_EQ(editDistance("kitten", "sitting"), 3U);
  EXPECT_EQ(editDistance("ab", "ba"), 1U);
  EXPECT_EQ(editDistance("same", "same"), 0U);
}

TEST(SuggestTest, NothingNearIsNothing) {
  EXPECT_EQ(nearest("--zzz", {"--temp", "--top-k"}), "");
  EXPECT_EQ(nearest("--", {"--temp"}), "");
  EXPECT_EQ(nearest("--to", {"--top-k", "--top-p"}), "");
  EXPECT_EQ(nearest(std::string(100000, 'x'), {"--temp"}), "");
}

} // namespace
