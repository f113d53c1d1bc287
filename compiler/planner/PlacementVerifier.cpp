//===- PlacementVerifier.cpp - checks a placement against the steps -------===//
//
// This file shares no code with Placement.cpp, except for the sum in
// WeightPlacement::ramBytes(). It does not know how the ring is laid out: it
// compares each read with all others that may be made while the bytes of that
// read are in use.
//
//===----------------------------------------------------------------------===//
#include "compiler/planner/Placement.h"
#include "formats/plan/PlanHeader.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <string>
#include <tuple>

namespace air::compiler {
namespace {

Status refuse(const std::string &what) { return verificationError(what); }

std::string name(size_t read) { return "read " + std::to_string(read); }

/// Checks that the pieces of each segment follow each other, begin at multiples
/// of the page size, and cover the segment.
Status verifyPieces(const WeightProblem &problem) {
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    const WeightSegment &segment = problem.weights[i];
    uint64_t begin = 0;
    for (const WeightPiece &piece : segment.pieces) {
      const bool isLast = &piece == &segment.pieces.back();
      if (piece.end <= begin || piece.lastStep < piece.firstStep ||
          (isLast ? piece.end != segment.bytes
                  : piece.end % kPlanPageBytes != 0)) {
        return internalError(
            "the pieces of segment " + std::to_string(i) +
            " must be whole pages, follow each other and cover the segment");
      }
      begin = piece.end;
    }
  }
  return Status::ok();
}

/// Checks that the reads cover exactly the pages that do not stay in RAM.
Status verifyCoverage(const WeightProblem &problem,
                      const WeightPlacement &placement) {
  if (placement.weights.size() != problem.weights.size() ||
      placement.tables.size() != problem.tables.size()) {
    return refuse("the placement has " +
                  countOf(placement.weights.size(), "segment of weights",
                          "segments of weights") +
                  " and " + countOf(placement.tables.size(), "table") +
                  ", but the plan has " +
                  std::to_string(problem.weights.size()) + " and " +
                  std::to_string(problem.tables.size()));
  }
  for (size_t i = 0; i < problem.tables.size(); ++i) {
    if (placement.tables[i] != 0 && placement.tables[i] != problem.tables[i]) {
      return refuse("only a part of table " + std::to_string(i) +
                    " stays in RAM; all or none of it must stay there");
    }
  }
  std::vector<const StreamedRead *> sorted;
  for (const StreamedRead &read : placement.reads) {
    if (read.segment >= problem.weights.size()) {
      return refuse("segment " + std::to_string(read.segment) +
                    " is read, but does not exist");
    }
    sorted.push_back(&read);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const StreamedRead *a, const StreamedRead *b) {
              return std::tie(a->segment, a->offset, a) <
                     std::tie(b->segment, b->offset, b);
            });
  size_t read = 0;
  for (uint32_t i = 0; i < problem.weights.size(); ++i) {
    const WeightSegment &segment = problem.weights[i];
    uint64_t covered = placement.weights[i];
    if (covered > segment.bytes ||
        (covered < segment.bytes && covered % kPlanPageBytes != 0)) {
      return refuse("segment " + std::to_string(i) + " keeps " +
                    std::to_string(covered) + " of " +
                    std::to_string(segment.bytes) +
                    " bytes in RAM; it must keep whole pages or all bytes");
    }
    while (read < sorted.size() && sorted[read]->segment == i) {
      const StreamedRead &now = *sorted[read];
      if (now.offset != covered || now.bytes == 0 ||
          now.bytes % kPlanPageBytes != 0 || covered >= segment.bytes) {
        return refuse("the read of segment " + std::to_string(i) + " at byte " +
                      std::to_string(now.offset) + " must begin at byte " +
                      std::to_string(covered) +
                      " and read whole pages of the segment");
      }
      covered += now.bytes;
      ++read;
    }
    if (covered < segment.bytes ||
        (covered > segment.bytes &&
         covered - segment.bytes >= kPlanPageBytes)) {
      return refuse(
          "segment " + std::to_string(i) + " has " +
          std::to_string(segment.bytes) +
          " bytes, but the bytes that stay in RAM and the bytes that are read "
          "end at byte " +
          std::to_string(covered) +
          "; they must end where the last page of the segment ends");
    }
  }
  return Status::ok();
}

/// Checks that each read, and the part of each segment that stays in RAM, ends
/// at a multiple of the segment's unitBytes or at the segment's end.
Status verifyUnits(const WeightProblem &problem,
                   const WeightPlacement &placement) {
  const auto isWhole = [&](uint32_t segment, uint64_t end) {
    const WeightSegment &of = problem.weights[segment];
    return end >= of.bytes || end % of.unitBytes == 0;
  };
  for (uint32_t i = 0; i < problem.weights.size(); ++i) {
    if (!isWhole(i, placement.weights[i])) {
      return refuse("segment " + std::to_string(i) + " keeps " +
                    std::to_string(placement.weights[i]) +
                    " bytes in RAM; the number must be a multiple of " +
                    std::to_string(problem.weights[i].unitBytes) +
                    ", the size of its units");
    }
  }
  for (size_t i = 0; i < placement.reads.size(); ++i) {
    const StreamedRead &read = placement.reads[i];
    if (!isWhole(read.segment, read.offset + read.bytes)) {
      return refuse(name(i) + " ends at byte " +
                    std::to_string(read.offset + read.bytes) + " of segment " +
                    std::to_string(read.segment) +
                    "; it must end at a multiple of " +
                    std::to_string(problem.weights[read.segment].unitBytes) +
                    " bytes, or at the end of the segment");
    }
  }
  return Status::ok();
}

/// Consecutive pages of a read, all of which are needed by the same steps.
struct Part {
  uint64_t ringOffset = 0;
  uint64_t bytes = 0;
  uint32_t firstStep = 0;
  uint32_t lastStep = 0;
};

std::vector<Part> partsOf(const WeightProblem &problem,
                          const WeightPlacement &placement,
                          const StreamedRead &read) {
  const WeightSegment &segment = problem.weights[read.segment];
  if (segment.pieces.empty()) {
    return {{read.ringOffset, read.bytes, segment.firstStep, segment.lastStep}};
  }
  auto piece = std::partition_point(
      segment.pieces.begin(), segment.pieces.end(),
      [&](const WeightPiece &p) { return p.end <= read.offset; });
  std::vector<Part> parts;
  for (uint64_t done = 0; done < read.bytes; ++piece) {
    // The last piece may end within the last page of the read.
    const bool isLast = piece + 1 == segment.pieces.end();
    const uint64_t bytes =
        isLast ? read.bytes - done
               : std::min(read.bytes, piece->end - read.offset) - done;
    parts.push_back({(read.ringOffset + done) % placement.ringBytes, bytes,
                     piece->firstStep, piece->lastStep});
    done += bytes;
  }
  return parts;
}

/// Returns whether two ranges of the ring share a byte. A range that reaches
/// the end of the ring continues at its start.
bool touches(const Part &a, const StreamedRead &b, uint64_t ring) {
  const uint64_t forward = b.ringOffset >= a.ringOffset
                               ? b.ringOffset - a.ringOffset
                               : b.ringOffset + ring - a.ringOffset;
  return forward < a.bytes || ring - forward < b.bytes;
}

std::tuple<uint32_t, uint32_t, uint64_t> orderOf(const StreamedRead &read) {
  return {read.beforeStep, read.segment, read.offset};
}

/// Checks that `part` of read `index` stays in the ring until the last step
/// that needs it has run. Later reads that do not wait for that step must not
/// overwrite the part.
Status verifyKeeps(const WeightProblem &problem,
                   const WeightPlacement &placement, size_t index,
                   const Part &part) {
  const std::vector<StreamedRead> &reads = placement.reads;
  const auto steps = int64_t{problem.steps};
  const auto lastUse = int64_t{part.lastStep};
  for (size_t ahead = 1; ahead <= reads.size(); ++ahead) {
    const size_t other = (index + ahead) % reads.size();
    const int64_t pass = index + ahead < reads.size() ? 0 : steps;
    // This read begins only after step lastUse, and no later read begins before
    // this one. So none of them can overwrite the part too early.
    if (pass + reads[other].afterStep >= lastUse) {
      return Status::ok();
    }
    if (touches(part, reads[other], placement.ringBytes)) {
      return refuse(name(other) + " may overwrite bytes that " + name(index) +
                    " has put into the ring for step " +
                    std::to_string(lastUse) +
                    "; the overwriting read must not begin before that step "
                    "has run");
    }
  }
  return refuse("all reads may begin before step " + std::to_string(lastUse) +
                " has run; one of them must wait until it has run, so that the "
                "next pass does not overwrite what the step needs");
}

} // namespace

Status verifyWeights(const WeightProblem &problem,
                     const WeightPlacement &placement, uint64_t room) {
  AIR_RETURN_IF_ERROR(verifyPieces(problem));
  AIR_RETURN_IF_ERROR(verifyCoverage(problem, placement));
  AIR_RETURN_IF_ERROR(verifyUnits(problem, placement));
  const uint64_t ring = placement.ringBytes;
  if (ring % kPlanPageBytes != 0 || (ring == 0) != placement.reads.empty()) {
    return refuse("the ring has " + std::to_string(ring) + " bytes for " +
                  countOf(placement.reads.size(), "read") +
                  "; it must consist of whole pages if there are reads, "
                  "and have 0 bytes otherwise");
  }
  int64_t before = -int64_t{problem.steps};
  for (size_t i = 0; i < placement.reads.size(); ++i) {
    const StreamedRead &read = placement.reads[i];
    if (read.bytes > ring || read.ringOffset >= ring ||
        read.ringOffset % kPlanPageBytes != 0) {
      return refuse(name(i) + " has " + std::to_string(read.bytes) +
                    " bytes and begins at byte " +
                    std::to_string(read.ringOffset) + " of a ring of " +
                    std::to_string(ring) +
                    " bytes; it must begin at a page boundary of the ring and "
                    "be no larger than the ring");
    }
    if (i != 0 && orderOf(read) < orderOf(placement.reads[i - 1])) {
      return refuse(name(i) + " is out of order; reads must be sorted by step, "
                              "segment and offset");
    }
    for (const Part &part : partsOf(problem, placement, read)) {
      if (read.beforeStep != part.firstStep || read.afterStep < before ||
          read.afterStep >= int64_t{read.beforeStep}) {
        return refuse(
            name(i) + " begins after step " + std::to_string(read.afterStep) +
            " and ends before step " + std::to_string(read.beforeStep) +
            "; it must begin before it ends, must not begin before an earlier "
            "read in the list, and must end before step " +
            std::to_string(part.firstStep) +
            ", the first that needs its bytes");
      }
    }
    before = read.afterStep;
  }
  for (size_t i = 0; i < placement.reads.size(); ++i) {
    for (const Part &part : partsOf(problem, placement, placement.reads[i])) {
      AIR_RETURN_IF_ERROR(verifyKeeps(problem, placement, i, part));
    }
  }
  if (placement.ramBytes() > room) {
    return refuse("the weights and the ring take " +
                  std::to_string(placement.ramBytes()) + " bytes, but only " +
                  std::to_string(room) + " bytes are left for them");
  }
  return Status::ok();
}

} // namespace air::compiler
