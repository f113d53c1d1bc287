//===- PlanFuzz.cpp - any bytes as a plan ---------------------------------===//
//
// Whatever the bytes are, PlanFile::parse() must return, and it must be
// possible to read an accepted plan to its end. Wrong digests would stop a
// fuzzer at once, so the fuzz target computes correct ones. The first byte of
// the input decides what the rest is:
//   odd    the metadata of a file
//   even   changes to a valid plan's metadata; each change consists of a
//          16-bit offset, a byte that selects a length (1, 2, 4 or 8 bytes),
//          and as many new bytes
//
//===----------------------------------------------------------------------===//
#include "test/formats/plan/SmallPlan.h"

#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanFile.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace air;

namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

std::vector<uint8_t> changed(std::vector<uint8_t> metadata,
                             std::span<const uint8_t> changes) {
  while (changes.size() >= 4) {
    const size_t at = (changes[0] | size_t{changes[1]} << 8) % metadata.size();
    const size_t length = std::min({size_t{1} << changes[2] % 4,
                                    changes.size() - 3, metadata.size() - at});
    std::memcpy(metadata.data() + at, changes.data() + 3, length);
    changes = changes.subspan(3 + length);
  }
  return metadata;
}

void walk(const PlanFile &file) {
  require(!planToJson(file.plan()).empty());
  const std::unique_ptr<plan::PlanT> object(file.plan().UnPack());
  require(object != nullptr);
  require(fromPlan(*file.plan().tokenizer()).tokens.size() <=
          file.plan().model()->vocabulary());
  require(!fromPlan(*file.plan().machine()).arch.empty());
  for (uint32_t i = 0; i < file.plan().segments()->size(); ++i) {
    require(!file.segmentBytes(i).empty() || file.plan().weightless() ||
            file.plan().reference());
    const ErrorCode code = file.verifySegment(i).code();
    require(code == ErrorCode::Ok || code == ErrorCode::VerificationFailed);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) {
    return 0;
  }
  static const test::SmallPlan kSmall = test::makeSmallPlan();
  static const std::vector<uint8_t> kGood = test::metadataOf(kSmall.plan);
  const std::span<const uint8_t> rest(data + 1, size - 1);
  const std::vector<uint8_t> metadata =
      data[0] % 2 == 1 ? std::vector<uint8_t>(rest.begin(), rest.end())
                       : changed(kGood, rest);
  const std::vector<uint8_t> file =
      test::signedFile(metadata, kSmall.segments, kSmall.plan);
  Result<PlanFile> plan = PlanFile::parse(file, "fuzz.air");
  if (plan) {
    walk(*plan);
  } else {
    const ErrorCode code = plan.status().code();
    require(code == ErrorCode::Corrupt || code == ErrorCode::Unsupported ||
            code == ErrorCode::VerificationFailed);
    require(plan.status().message().find('\n') == std::string::npos);
  }
  return 0;
}
