//===- VerifyFatPlan.cpp - rules of plans for several targets -------------===//
#include "formats/plan/FatPlan.h"
#include "formats/plan/PlanRules.h"
#include "formats/plan/PlanVerifier.h"
#include "formats/support/CheckedMath.h"

#include <algorithm>
#include <span>
#include <tuple>
#include <vector>

namespace air {

namespace {

using rules::broken;
using rules::shown;
using rules::sizeOf;
using rules::str;
using rules::textOf;

std::string nameOf(const plan::Plan &target) {
  return "target '" + shown(textOf(target.machine()->name())) + "'";
}

/// Checks that two targets refer to the same FlatBuffers tables for what all
/// targets share, such as the model. Equal copies are refused, so that a reader
/// can tell from the offsets alone that the targets share them.
Status verifyCommon(const plan::Plan &first, const plan::Plan &other) {
  const char *differs = other.model() != first.model()           ? "model"
                        : other.tokenizer() != first.tokenizer() ? "tokenizer"
                        : other.sources() != first.sources()     ? "sources"
                        : other.sampling() != first.sampling()   ? "sampling"
                                                                 : nullptr;
  if (differs != nullptr) {
    return broken("plan.targets.common", nameOf(other),
                  std::string(differs) + " is not the one of " + nameOf(first) +
                      "; all targets must refer to the same");
  }
  if (other.weightless() != first.weightless() ||
      other.reference() != first.reference()) {
    return broken("plan.targets.common", nameOf(other),
                  "is weightless or a reference plan, and " + nameOf(first) +
                      " is not, or the other way round");
  }
  return Status::ok();
}

/// A segment of a target, with the target's name for messages.
struct Place {
  const plan::Segment *segment;
  const plan::Plan *target;
  size_t order; ///< the rank by target, and then by segment
};

/// Checks that the segments of all targets together are contiguous up to the
/// end of the file. verifySegments() has checked that they lie in the file.
Status verifyFileSegments(const plan::FatPlan &plan, uint64_t fileBytes,
                          uint64_t pageBytes) {
  std::vector<Place> places;
  for (const plan::Plan *target : *plan.targets()) {
    for (const plan::Segment *segment : *target->segments()) {
      places.push_back({segment, target, places.size()});
    }
  }
  // At equal offsets, segments without stored bytes come first.
  std::ranges::sort(places, {}, [](const Place &place) {
    return std::tuple(place.segment->offset(), place.segment->stored_bytes(),
                      place.order);
  });
  uint64_t expected = places.front().segment->offset();
  // The last segment so far that has stored bytes.
  const plan::Segment *before = nullptr;
  for (const Place &place : places) {
    const plan::Segment &segment = *place.segment;
    const std::string where = nameOf(*place.target) + ": segment '" +
                              shown(textOf(segment.name())) + "'";
    if (before != nullptr && segment.stored_bytes() != 0 &&
        segment.offset() == before->offset()) {
      // Records are compared by address. Comparing their contents could take
      // long, because many records may refer to one long list of digests.
      if (&segment != before) {
        return broken("plan.targets.segments", where,
                      "another target has another segment at its offset " +
                          str(segment.offset()) +
                          "; targets that share bytes must refer to the same "
                          "segment");
      }
      continue;
    }
    if (segment.offset() != expected) {
      return broken("plan.targets.segments", where,
                    "starts at " + str(segment.offset()) +
                        ", but the segments before it, of all targets, end "
                        "at " +
                        str(expected) + "; there must be no gap or overlap");
    }
    if (before != nullptr && segment.kind() < before->kind()) {
      return broken("plan.targets.segments", where,
                    std::string("is of kind ") +
                        plan::EnumNameSegmentKind(segment.kind()) +
                        " and must come before the segments of kind " +
                        plan::EnumNameSegmentKind(before->kind()));
    }
    if (segment.stored_bytes() != 0) {
      before = &segment;
      expected += alignUp(segment.stored_bytes(), pageBytes);
    }
  }
  if (expected != fileBytes) {
    return broken("plan.targets.segments", "segments of all targets",
                  "the last one ends at " + str(expected) +
                      ", but the file ends at " + str(fileBytes));
  }
  return Status::ok();
}

} // namespace

Status verifyFatPlan(const plan::FatPlan &plan, uint64_t fileBytes,
                     uint64_t pageBytes) {
  const uint32_t count = sizeOf(plan.targets());
  if (count < 2 || count > kMaxTargets) {
    return broken("plan.targets.count", "targets",
                  "there are " + str(count) +
                      "; a plan of this kind has 2 to " + str(kMaxTargets));
  }
  std::string before;
  for (uint32_t i = 0; i < count; ++i) {
    const plan::Plan &target = *plan.targets()->Get(i);
    AIR_RETURN_IF_ERROR(rules::verifyTarget(target, fileBytes, pageBytes,
                                            /*isWholeFile=*/false)
                            .withContext("target " + str(i)));
    AIR_RETURN_IF_ERROR(verifyCommon(*plan.targets()->Get(0), target));
    std::string key = targetKey(*target.machine());
    if (i > 0 && key <= before) {
      return broken("plan.targets.order", nameOf(target),
                    "the targets must be sorted by the JSON of their machines, "
                    "in which no two may be equal");
    }
    before = std::move(key);
  }
  return verifyFileSegments(plan, fileBytes, pageBytes);
}

} // namespace air
