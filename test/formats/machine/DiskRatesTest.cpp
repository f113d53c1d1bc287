//===- DiskRatesTest.cpp - rates of a disk, and their JSON ----------------===//
#include "formats/machine/MachineProfile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace air;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

constexpr uint64_t kMiB = 1 << 20;

/// A profile of two cores that also has the given keys.
std::string with(const std::string &keys) {
  return R"({"name": "box", "arch": "x86_64", "cores": 2, )" + keys + "}";
}

std::string withCurve(const std::string &rates) {
  return with("\"disk\": {\"curve\": [" + rates + "]}");
}

std::string rate(const std::string &key, const std::string &value) {
  std::string text = "{";
  for (const auto &[name, usual] :
       {std::pair("method", "\"pread\""), std::pair("block_bytes", "4096"),
        std::pair("depth", "1"), std::pair("huge_pages", "false"),
        std::pair("bandwidth", "7")}) {
    text += text.size() == 1 ? "\"" : ", \"";
    text += std::string(name) + "\": " + (key == name ? value : usual);
  }
  return text + "}";
}

void expectCorrupt(const std::string &json, const std::string &message) {
  const Status status = parseProfile(json, "m.json").status();
  EXPECT_EQ(status.code(), ErrorCode::Corrupt) << json;
  EXPECT_THAT(status.message(), HasSubstr("'m.json': field '" + message));
  EXPECT_EQ(status.message().find('\n'), std::string::npos);
}

} // namespace

TEST(DiskRates, MethodsHaveNames) {
  for (const auto &[method, name] :
       {std::pair(IoMethod::Uring, "uring"),
        std::pair(IoMethod::Pread, "pread"),
        std::pair(IoMethod::Buffered, "buffered")}) {
    EXPECT_EQ(ioMethodName(method), name);
    EXPECT_EQ(ioMethodOf(name), method);
  }
  EXPECT_EQ(ioMethodName(static_cast<IoMethod>(3)), "");
  EXPECT_FALSE(ioMethodOf("mmap"));
  EXPECT_FALSE(ioMethodOf(""));
}

TEST(DiskRates, TheChoiceIsTheLeastMemoryThatIsFastEnough) {
  // The rates of the disk of a virtual machine. `small` is almost as fast as
  // `fastest` and takes less memory.
  const DiskRate fastest{IoMethod::Uring, 4 * kMiB, 4, true, 3'050'000'000};
  const DiskRate small{IoMethod::Uring, kMiB, 2, true, 2'990'000'000};
  const DiskRate threads{IoMethod::Pread, kMiB, 2, true, 2'970'000'000};
  const DiskRate slow{IoMethod::Uring, kMiB / 4, 1, true, 2'190'000'000};
  const DiskRate curve[] = {slow, threads, fastest, small};
  EXPECT_EQ(chooseDiskRate(curve), small);
  // If only `slow` and `fastest` are given, `fastest` is chosen, although it
  // takes more memory.
  const DiskRate two[] = {slow, fastest};
  EXPECT_EQ(chooseDiskRate(two), fastest);
  const DiskRate one[] = {slow};
  EXPECT_EQ(chooseDiskRate(one), slow);
  const DiskRate unknown = chooseDiskRate({});
  EXPECT_EQ(unknown.bandwidth, 0u);
  EXPECT_EQ(unknown.method, IoMethod::Uring);
}

TEST(DiskRates, TheBandwidthIsThatOfTheUsualRing) {
  const DiskRate curve[] = {{IoMethod::Uring, kMiB, 2, true, 2900},
                            {IoMethod::Uring, kMiB, 4, true, 3100}};
  const RingRate rings[] = {
      {8 * kMiB, 3000}, {24 * kMiB, 2800}, {64 * kMiB, 2100}};
  EXPECT_EQ(streamingBandwidth(curve, rings), 2800u);
  EXPECT_EQ(streamingBandwidth(curve, {rings + 2, 1}), 2100u);
  // If all rings are smaller than kUsualRingBytes, the result is the best rate
  // of the curve.
  EXPECT_EQ(streamingBandwidth(curve, {rings, 1}), 3100u);
  EXPECT_EQ(streamingBandwidth(curve, {}), 3100u);
  EXPECT_EQ(streamingBandwidth({}, {}), 0u);
}

TEST(DiskRates, JsonIsAsDocumented) {
  MachineProfile profile;
  profile.name = "box";
  profile.arch = "x86_64";
  profile.cores = 2;
  profile.memoryLimit = 3;
  profile.memlockLimit = 4;
  profile.memoryCurve = {{1, 5}, {2, 6}};
  profile.diskCurve = {{IoMethod::Uring, 4096, 2, true, 7}};
  profile.diskRings = {{8, 9}};
  profile.diskBeside = 10;
  profile.memoryBeside = 11;
  const std::string json = toJson(profile);
  EXPECT_THAT(json, HasSubstr("  \"measured\": false,\n"
                              "  \"memory_limit\": 3,\n"
                              "  \"memlock_limit\": 4,\n"
                              "  \"memory_curve\": [\n"
                              "    {\n"
                              "      \"threads\": 1,\n"
                              "      \"bandwidth\": 5\n"
                              "    },\n"
                              "    {\n"
                              "      \"threads\": 2,\n"
                              "      \"bandwidth\": 6\n"
                              "    }\n"
                              "  ],\n"
                              "  \"disk\": {\n"
                              "    \"cached\": \"unknown\",\n"
                              "    \"curve\": [\n"
                              "      {\n"
                              "        \"method\": \"uring\",\n"
                              "        \"block_bytes\": 4096,\n"
                              "        \"depth\": 2,\n"
                              "        \"huge_pages\": true,\n"
                              "        \"bandwidth\": 7\n"
                              "      }\n"
                              "    ],\n"
                              "    \"rings\": [\n"
                              "      {\n"
                              "        \"bytes\": 8,\n"
                              "        \"bandwidth\": 9\n"
                              "      }\n"
                              "    ],\n"
                              "    \"bandwidth_beside\": 10,\n"
                              "    \"memory_beside\": 11\n"
                              "  }\n"
                              "}\n"));
  Result<MachineProfile> back = parseProfile(json, "x.json");
  ASSERT_TRUE(back) << back.status().message();
  EXPECT_EQ(*back, profile);
}

TEST(DiskRates, CurvesAreSorted) {
  Result<MachineProfile> profile = parseProfile(
      withCurve(rate("method", "\"buffered\"") + "," + rate("depth", "2") +
                "," + rate("huge_pages", "true") + "," + rate("", "") + "," +
                rate("block_bytes", "8192") + "," +
                rate("method", "\"uring\"")),
      "m.json");
  ASSERT_TRUE(profile) << profile.status().message();
  EXPECT_THAT(profile->diskCurve,
              ElementsAre(DiskRate{IoMethod::Uring, 4096, 1, false, 7},
                          DiskRate{IoMethod::Pread, 4096, 1, false, 7},
                          DiskRate{IoMethod::Pread, 4096, 1, true, 7},
                          DiskRate{IoMethod::Pread, 4096, 2, false, 7},
                          DiskRate{IoMethod::Pread, 8192, 1, false, 7},
                          DiskRate{IoMethod::Buffered, 4096, 1, false, 7}));
  profile =
      parseProfile(with(R"("memory_curve": [{"threads": 2, "bandwidth": 9},
                               {"threads": 1, "bandwidth": 8}])"),
                   "m.json");
  ASSERT_TRUE(profile) << profile.status().message();
  EXPECT_THAT(profile->memoryCurve,
              ElementsAre(ThreadRate{1, 8}, ThreadRate{2, 9}));
  EXPECT_TRUE(parseProfile(with("\"disk\": {}"), "m.json"));
  EXPECT_TRUE(parseProfile(with("\"memory_curve\": []"), "m.json"));
}

TEST(DiskRates, BadFilesNameTheField) {
  expectCorrupt(with("\"disk\": []"),
                "disk' is an array; it must be an object");
  expectCorrupt(with("\"disk\": {\"rate\": 1}"),
                "disk.rate' is not known; the fields of the object are cached, "
                "curve, rings, bandwidth_beside and memory_beside");
  expectCorrupt(with("\"disk\": {\"cached\": \"no\"}"),
                "disk.cached' is \"no\"; it must be \"unknown\"");
  expectCorrupt(with("\"disk\": {\"cached\": true}"),
                "disk.cached' is true; it must be a string");
  expectCorrupt(with("\"disk\": {\"curve\": 1}"),
                "disk.curve' is 1; it must be an array");
  expectCorrupt(withCurve("2"), "disk.curve[0]' is 2; it must be an object");
  expectCorrupt(withCurve(rate("", "") + ", {\"method\": \"uring\"}"),
                "disk.curve[1].block_bytes' is missing");
  expectCorrupt(
      withCurve(rate("", "").insert(1, "\"qd\": 1, ")),
      "disk.curve[0].qd' is not known; the fields of a rate are method, "
      "block_bytes, depth, huge_pages and bandwidth");
  expectCorrupt(withCurve(rate("", "").insert(1, "\"depth\": 1, ")),
                "depth' appears twice");
  const struct {
    const char *key;
    const char *value;
    const char *message;
  } cases[] = {
      {"method", "\"mmap\"",
       "is \"mmap\"; it must be uring, pread or buffered"},
      {"method", "1", "is 1; it must be a string"},
      {"block_bytes", "4095", "is 4095; it must be a whole number from 4096"},
      {"block_bytes", "6000", "is 6000; it must be a multiple of 4096"},
      {"block_bytes", "1073745920", "is 1073745920; it must be"},
      {"depth", "0", "is 0; it must be a whole number from 1 to 256"},
      {"depth", "257", "is 257"},
      {"depth", "-1", "is -1"},
      {"huge_pages", "1", "is 1; it must be true or false"},
      {"bandwidth", "0", "is 0; it must be a whole number from 1 to"},
      {"bandwidth", "1e3", "is 1000.0"},
      {"bandwidth", "9223372036854775808", "is 9223372036854775808"},
  };
  for (const auto &bad : cases) {
    expectCorrupt(withCurve(rate(bad.key, bad.value)),
                  "disk.curve[0]." + std::string(bad.key) + "' " + bad.message);
  }
  expectCorrupt(withCurve(rate("bandwidth", "8") + "," + rate("", "")),
                "disk.curve' has two rates with the method 'pread', the block "
                "size 4096, the depth 1 and small pages");
  std::string many = rate("", "");
  for (int i = 0; i < 1024; ++i) {
    many += "," + rate("block_bytes", std::to_string(4096 * (i + 2)));
  }
  expectCorrupt(withCurve(many),
                "disk.curve' has 1025 rates; at most 1024 are allowed");
}

TEST(RatesBeside, OnlyKnownOnesAreWritten) {
  MachineProfile profile;
  profile.name = "box";
  profile.arch = "x86_64";
  profile.memoryBeside = 11;
  const std::string json = toJson(profile);
  EXPECT_THAT(json, HasSubstr("  \"disk\": {\n"
                              "    \"memory_beside\": 11\n"
                              "  }\n"));
  Result<MachineProfile> back = parseProfile(json, "x.json");
  ASSERT_TRUE(back) << back.status().message();
  EXPECT_EQ(*back, profile);
  // 0 means the same as no value.
  Result<MachineProfile> zeros = parseProfile(
      with(R"("disk": {"bandwidth_beside": 0, "memory_beside": 0})"), "x.json");
  ASSERT_TRUE(zeros) << zeros.status().message();
  EXPECT_EQ(toJson(*zeros).find("disk\":"), std::string::npos);
}

TEST(RatesBeside, BadFilesNameTheField) {
  for (const char *key : {"bandwidth_beside", "memory_beside"}) {
    for (const auto &[value, shown] :
         {std::pair("-1", "-1"), std::pair("\"1 GB/s\"", "\"1 GB/s\""),
          std::pair("1.5", "1.5"),
          std::pair("9223372036854775808", "9223372036854775808")}) {
      expectCorrupt(
          with("\"disk\": {\"" + std::string(key) + "\": " + value + "}"),
          "disk." + std::string(key) + "' is " + shown +
              "; it must be a whole number from 0 to "
              "9223372036854775807");
    }
  }
}

TEST(RingRates, AreSorted) {
  Result<MachineProfile> profile = parseProfile(
      with("\"disk\": {\"rings\": [{\"bytes\": 9, \"bandwidth\": 1}, "
           "{\"bytes\": 3, \"bandwidth\": 2}]}"),
      "m.json");
  ASSERT_TRUE(profile) << profile.status().message();
  EXPECT_THAT(profile->diskRings, ElementsAre(RingRate{3, 2}, RingRate{9, 1}));
  Result<MachineProfile> back = parseProfile(toJson(*profile), "m.json");
  ASSERT_TRUE(back) << back.status().message();
  EXPECT_EQ(*back, *profile);
}

TEST(RingRates, BadFilesNameTheField) {
  const auto rings = [](const std::string &rates) {
    return with("\"disk\": {\"rings\": " + rates + "}");
  };
  expectCorrupt(rings("1"), "disk.rings' is 1; it must be an array");
  expectCorrupt(rings("[1]"), "disk.rings[0]' is 1; it must be an object");
  expectCorrupt(
      rings("[{\"bytes\": 1}]"),
      "disk.rings[0].bandwidth' is missing; every rate must have bytes and "
      "bandwidth");
  expectCorrupt(rings("[{\"bytes\": 1, \"bandwidth\": 1, \"x\": 1}]"),
                "disk.rings[0].x' is not known");
  expectCorrupt(rings("[{\"bytes\": 0, \"bandwidth\": 1}]"),
                "disk.rings[0].bytes' is 0; it must be");
  expectCorrupt(rings("[{\"bytes\": 1, \"bandwidth\": -1}]"),
                "disk.rings[0].bandwidth' is -1");
  expectCorrupt(rings("[{\"bytes\": 5, \"bandwidth\": 1}, "
                      "{\"bytes\": 5, \"bandwidth\": 2}]"),
                "disk.rings' has two rates for a ring of 5 bytes");
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) {
    many += ",1";
  }
  expectCorrupt(rings(many + "]"),
                "disk.rings' has 65 rates; at most 64 are allowed");
}

TEST(ThreadRates, BadFilesNameTheField) {
  const auto curve = [](const std::string &rates) {
    return with("\"memory_curve\": " + rates);
  };
  expectCorrupt(curve("1"), "memory_curve' is 1; it must be an array");
  expectCorrupt(curve("[1]"),
                "memory_curve[0]' must be an object with threads");
  expectCorrupt(curve("[{\"threads\": 1}]"), "memory_curve[0]' must be");
  expectCorrupt(curve("[{\"threads\": 3, \"bandwidth\": 1}]"),
                "memory_curve[0].threads' is 3; it must be a whole number from "
                "1 to 2");
  expectCorrupt(curve("[{\"threads\": 1, \"bandwidth\": 0}]"),
                "memory_curve[0].bandwidth' is 0");
  expectCorrupt(curve("[{\"threads\": 1, \"bandwidth\": 1, \"x\": 1}]"),
                "memory_curve[0].x' is not known");
  expectCorrupt(curve("[{\"threads\": 1, \"bandwidth\": 1},"
                      " {\"threads\": 1, \"bandwidth\": 2}]"),
                "memory_curve' has two rates for 1 thread;");
  std::string many = "[1";
  for (int i = 0; i < 256; ++i) {
    many += ",1";
  }
  expectCorrupt(curve(many + "]"), "memory_curve' has 257 entries; it must");
}

TEST(MemoryLimits, BadFilesNameTheField) {
  expectCorrupt(with("\"memory_limit\": 0"),
                "memory_limit' is 0; it must be a whole number from 1");
  expectCorrupt(with("\"memlock_limit\": \"8M\""),
                "memlock_limit' is \"8M\"; it must be");
}
