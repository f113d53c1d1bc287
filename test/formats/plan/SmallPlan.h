//===- SmallPlan.h - a valid plan of a few kilobytes ------------*- C++ -*-===//
//
// The plan has one layer, four segments, two programs and two placements, one
// of which streams all weights. It satisfies every rule of the verifier, and
// tests break the rules one at a time. Its kernels are bytes that cannot be
// executed.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TEST_FORMATS_PLAN_SMALLPLAN_H
#define AIRPACK_TEST_FORMATS_PLAN_SMALLPLAN_H

#include "formats/plan/plan_generated.h"

#include <cstdint>
#include <string>
#include <vector>

namespace air::test {

struct SmallPlan {
  plan::PlanT plan; ///< with the offsets and digests of `segments`
  std::vector<std::vector<uint8_t>> segments; ///< each segment's stored bytes
  uint64_t fileBytes = 0;
};

SmallPlan makeSmallPlan();

/// Makes the plan weightless: leaves out the bytes of its weights and of its
/// embedding table.
void makeWeightless(SmallPlan &small);

/// Serialises the plan as the metadata of a file, whether it is valid or not.
std::vector<uint8_t> metadataOf(const plan::PlanT &plan);

/// Returns the file of a plan, with correct digests, whatever the plan's
/// metadata says. If a test has changed the plan so that its metadata takes
/// more or fewer pages, the size of the file differs from `small.fileBytes`.
std::vector<uint8_t> fileOf(const SmallPlan &small);

/// Returns a file that consists of a header page, `metadata` and `parts`, with
/// correct digests of the header and the metadata.
std::vector<uint8_t> signedFile(std::vector<uint8_t> metadata,
                                const std::vector<std::vector<uint8_t>> &parts,
                                const plan::PlanT &plan);

/// Recomputes the digest of the header page at the start of `file`.
void signHeader(std::vector<uint8_t> &file);

/// Writes the small plan to `path` with PlanWriter. Returns `path`, or an empty
/// string on failure.
std::string writeSmallPlan(const std::string &path);

} // namespace air::test

#endif // AIRPACK_TEST_FORMATS_PLAN_SMALLPLAN_H
