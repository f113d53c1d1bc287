//===- SmallPlan.h - a valid plan of a few kilobytes ------------*- C++ -*-===//
//
// One layer, four segments, two programs. It satisfies every rule of the
// verifier, and tests break the rules one at a time. Its kernels are bytes that
// cannot be executed.
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
  std::vector<std::vector<uint8_t>> segments; ///< stored bytes of each
  uint64_t fileBytes = 0;
};

SmallPlan makeSmallPlan();

/// Leaves out the bytes of the plan's weights and of its table.
void makeWeightless(SmallPlan &small);

/// Serialises the plan as metadata, valid or not.
std::vector<uint8_t> metadataOf(const plan::PlanT &plan);

/// The file with correct digests, whatever its metadata says. Its size is
/// `fileBytes`, unless the number of pages of metadata has changed.
std::vector<uint8_t> fileOf(const SmallPlan &small);

/// A file that consists of these parts, with correct digests of header and
/// metadata.
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
