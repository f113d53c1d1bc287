//===- VerifyPlacements.cpp - rules of residency and of the ring ----------===//
#include "formats/plan/PlanRules.h"
#include "formats/plan/WeightUses.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <map>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace air::rules {

namespace {

/// Whether reads, and the bytes that stay in RAM, may begin or end at `offset`:
/// it must be a multiple of a page or, with a codec, of a chunk.
bool isBoundary(const plan::Segment &segment, uint64_t offset,
                uint64_t pageBytes) {
  return segment.codec() == plan::Codec::None
             ? offset % pageBytes == 0
             : offset % segment.digest_chunk() == 0;
}

/// Checks Placement.resident.
Status verifyResidency(const plan::Plan &plan, const plan::Placement &placement,
                       uint64_t pageBytes, const std::string &where) {
  if (sizeOf(placement.resident()) != plan.segments()->size()) {
    return broken("plan.placement.resident", where,
                  "states the resident bytes of " +
                      countOf(sizeOf(placement.resident()), "segment") +
                      "; the plan has " +
                      countOf(plan.segments()->size(), "segment"));
  }
  const std::vector<bool> isCopied = copiedToDevice(plan, placement);
  for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    const uint64_t resident = placement.resident()->Get(i);
    if (deviceOf(placement, i) != 0) {
      if (resident != 0) {
        return broken("plan.placement.resident",
                      where + ", " + label("segment", i, segment),
                      "keeps " + str(resident) +
                          " bytes in RAM, although the whole segment is in the "
                          "memory of a GPU");
      }
      continue;
    }
    if (resident == segment.raw_bytes()) {
      continue;
    }
    if (isCopied[i] && resident != 0) {
      return broken("plan.placement.resident",
                    where + ", " + label("segment", i, segment),
                    "keeps " + str(resident) + " of " +
                        str(segment.raw_bytes()) +
                        " bytes in RAM; a segment that is copied to a GPU must "
                        "keep all bytes or none");
    }
    // In a plan with a GPU, the ring in RAM serves only copies to the GPU. The
    // CPU reads weights from the mapping of the plan's file.
    if (segment.kind() == plan::SegmentKind::Weights &&
        deviceCount(plan) != 1 && !isCopied[i]) {
      return broken("plan.placement.resident",
                    where + ", " + label("segment", i, segment),
                    "keeps " + str(resident) + " of " +
                        str(segment.raw_bytes()) +
                        " bytes in RAM; in a plan with a GPU, weights that "
                        "are neither in its memory nor copied there must keep "
                        "all bytes");
    }
    const bool isAllowed =
        segment.kind() == plan::SegmentKind::Weights
            ? resident < segment.raw_bytes() &&
                  isBoundary(segment, resident, pageBytes)
            : segment.kind() == plan::SegmentKind::Table && resident == 0;
    if (!isAllowed) {
      return broken("plan.placement.resident",
                    where + ", " + label("segment", i, segment),
                    "keeps " + str(resident) + " of " +
                        str(segment.raw_bytes()) + " bytes in RAM; a segment " +
                        "of kind " + plan::EnumNameSegmentKind(segment.kind()) +
                        (segment.kind() == plan::SegmentKind::Weights
                             ? " must keep all bytes, or whole pages (whole "
                               "chunks if it has a codec)"
                         : segment.kind() == plan::SegmentKind::Table
                             ? " must keep all bytes or none"
                             : " must keep all bytes"));
    }
  }
  return Status::ok();
}

/// Checks that each dispatch of a program binds only tensors that are in the
/// memory of the device that runs it, or that a pass copies there.
Status verifyBound(const plan::Plan &plan, const plan::Placement &placement,
                   const plan::Program &program, const std::string &where) {
  const std::vector<bool> isCopied = copiedToDevice(plan, placement);
  for (const plan::Step *step : *program.steps()) {
    for (const plan::Dispatch *dispatch : *step->dispatches()) {
      const uint32_t device =
          plan.executables()->Get(dispatch->executable())->device();
      for (const plan::Binding *binding : *dispatch->bindings()) {
        if (binding->kind() != plan::BindingKind::Tensor) {
          continue;
        }
        const uint32_t segment =
            plan.tensors()->Get(binding->index())->segment();
        if (isCopied[segment] ? device == 0
                              : deviceOf(placement, segment) != device) {
          return broken(
              "plan.placement.device",
              where + ", " +
                  label("segment", segment, *plan.segments()->Get(segment)),
              "is in the memory of device " +
                  str(deviceOf(placement, segment)) + ", but step '" +
                  shown(textOf(step->name())) + "' of program '" +
                  shown(textOf(program.name())) + "' reads it on device " +
                  str(device));
        }
      }
    }
  }
  return Status::ok();
}

/// Checks that a placement copies segments to a GPU only if the plan uses one,
/// and only segments of weights that do not stay in the memory of a GPU.
Status verifyCopied(const plan::Plan &plan, const plan::Placement &placement,
                    const std::string &where) {
  if (deviceCount(plan) == 1 && sizeOf(placement.device_reads()) != 0) {
    return broken("plan.placement.device", where,
                  "has " + str(sizeOf(placement.device_reads())) +
                      " copies to a GPU; it must have 0, because the plan does "
                      "not use a GPU");
  }
  for (uint32_t i = 0; i < sizeOf(placement.device_reads()); ++i) {
    const uint32_t index = placement.device_reads()->Get(i)->segment();
    const std::string at = where + ", device read " + str(i);
    if (index >= plan.segments()->size() ||
        plan.segments()->Get(index)->kind() != plan::SegmentKind::Weights ||
        deviceOf(placement, index) != 0) {
      return broken("plan.placement.device", at,
                    "copies segment " + str(index) +
                        " to a GPU; a pass may copy only segments of the kind "
                        "Weights that do not stay in the memory of a GPU");
    }
  }
  return Status::ok();
}

/// Checks Placement.device.
Status verifySegmentDevices(const plan::Plan &plan,
                            const plan::Placement &placement,
                            const std::string &where) {
  const uint32_t wanted = deviceCount(plan) == 1 ? 0 : plan.segments()->size();
  if (sizeOf(placement.device()) != wanted) {
    return broken("plan.placement.device", where,
                  "states the devices of " +
                      countOf(sizeOf(placement.device()), "segment") +
                      "; it must state those of " + countOf(wanted, "segment") +
                      " (all if the plan uses a GPU, otherwise none)");
  }
  AIR_RETURN_IF_ERROR(verifyCopied(plan, placement, where));
  const std::vector<bool> isCopied = copiedToDevice(plan, placement);
  for (uint32_t i = 0; i < wanted; ++i) {
    const plan::Segment &segment = *plan.segments()->Get(i);
    const std::string at = where + ", " + label("segment", i, segment);
    AIR_RETURN_IF_ERROR(
        checkDevice("plan.placement.device", plan, deviceOf(placement, i), at));
    if ((deviceOf(placement, i) != 0 || isCopied[i]) &&
        segment.codec() != plan::Codec::None) {
      return broken("plan.placement.device", at,
                    "is in the memory of a GPU or copied there, but is stored "
                    "with a codec, which only the CPU can decode");
    }
  }
  for (uint32_t i = 0; wanted != 0 && i < plan.executables()->size(); ++i) {
    const plan::Executable &executable = *plan.executables()->Get(i);
    if (deviceOf(placement, executable.segment()) != executable.device()) {
      return broken("plan.placement.device", where + ", executable " + str(i),
                    "runs on device " + str(executable.device()) +
                        ", but its segment is in the memory of device " +
                        str(deviceOf(placement, executable.segment())));
    }
  }
  for (const plan::Program *program : *plan.programs()) {
    if (wanted != 0) {
      AIR_RETURN_IF_ERROR(verifyBound(plan, placement, *program, where));
    }
  }
  return Status::ok();
}

/// Follows the reads of a placement into the ring in RAM, or its copies into
/// the ring of a GPU, and the steps that use the bytes in the ring. A step is
/// identified by the number of steps before it since the start of the first
/// pass.
class Stream {
public:
  enum class Ring : uint8_t { Ram, Device };

  Stream(const plan::Plan &plan, const plan::Placement &placement, Ring kind,
         const Uses &uses, uint64_t pageBytes, std::string where)
      : plan(plan), placement(placement), isDevice(kind == Ring::Device),
        uses(uses), pageBytes(pageBytes), where(std::move(where)) {}

  Status run() {
    AIR_RETURN_IF_ERROR(verifyRing());
    AIR_RETURN_IF_ERROR(verifyOrder());
    AIR_RETURN_IF_ERROR(verifyComplete());
    AIR_RETURN_IF_ERROR(verifyAscending());
    AIR_RETURN_IF_ERROR(verifyContiguous());
    AIR_RETURN_IF_ERROR(verifyFill());
    AIR_RETURN_IF_ERROR(verifySteps());
    // All passes perform the same reads. Two passes suffice, because the ring
    // has the same contents at the start of every later pass as at the start of
    // the second one.
    for (uint32_t pass = 0; pass < 2; ++pass) {
      AIR_RETURN_IF_ERROR(verifyPass(pass));
    }
    return Status::ok();
  }

private:
  uint64_t ringBytes() const {
    return isDevice ? placement.device_ring_bytes() : placement.ring_bytes();
  }
  uint32_t readCount() const {
    return sizeOf(isDevice ? placement.device_reads() : placement.reads());
  }
  const plan::StreamRead &readAt(uint32_t index) const {
    return *(isDevice ? placement.device_reads() : placement.reads())
                ->Get(index);
  }

  Status verifyRing() const {
    const uint64_t ring = ringBytes();
    if (ring % pageBytes != 0 || (ring == 0) != (readCount() == 0)) {
      return broken(
          "plan.placement.ring", where,
          "has a ring of " + str(ring) + " bytes" +
              (isDevice ? " in the memory of a GPU" : "") + " for " +
              countOf(readCount(), "read") +
              "; the size of the ring must be a multiple of " + str(pageBytes) +
              " bytes above 0 if there are reads, and 0 if there are none");
    }
    return Status::ok();
  }

  static std::tuple<uint32_t, uint32_t, uint64_t>
  orderOf(const plan::StreamRead &read) {
    return {read.before_step(), read.segment(), read.offset()};
  }

  Status verifyOrder() const {
    for (uint32_t i = 1; i < readCount(); ++i) {
      if (orderOf(readAt(i)) < orderOf(readAt(i - 1))) {
        return broken("plan.stream.order", readName(i),
                      "is not in the right order; reads must be sorted by the "
                      "steps that need them, then by segments, "
                      "then by offsets");
      }
    }
    return Status::ok();
  }

  /// Checks that a pass reads the segments in the order of the file, and the
  /// bytes of each segment from front to back. Segments that alternate between
  /// matrices are the exception. Not checked for plans with a GPU, which may
  /// need a whole segment earlier than other segments that precede it.
  Status verifyAscending() const {
    if (isDevice || deviceCount(plan) != 1) {
      return Status::ok();
    }
    for (uint32_t i = 1; i < readCount(); ++i) {
      const plan::StreamRead &before = readAt(i - 1);
      const plan::StreamRead &read = readAt(i);
      const bool isBack =
          std::pair(read.segment(), read.offset()) <
          std::pair(before.segment(), before.offset() + before.bytes());
      if (isBack && (read.segment() != before.segment() ||
                     !uses.alternates[read.segment()])) {
        return broken("plan.stream.ascending", readName(i),
                      "reads segment " + str(read.segment()) + " from byte " +
                          str(read.offset()) +
                          " on, but the read before it ends at byte " +
                          str(before.offset() + before.bytes()) +
                          " of segment " + str(before.segment()) +
                          "; reads must ascend in the file");
      }
    }
    return Status::ok();
  }

  /// Checks that each page of the weights is either resident or read once. For
  /// the ring of a GPU, checks that each page of a copied segment is copied
  /// once.
  Status verifyComplete() const {
    const std::vector<bool> isCopied = copiedToDevice(plan, placement);
    std::vector<uint32_t> order(readCount());
    for (uint32_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      const plan::StreamRead &first = readAt(a);
      const plan::StreamRead &second = readAt(b);
      return std::tuple(first.segment(), first.offset(), a) <
             std::tuple(second.segment(), second.offset(), b);
    });
    auto next = order.begin();
    for (uint32_t i = 0; i < plan.segments()->size(); ++i) {
      const plan::Segment &segment = *plan.segments()->Get(i);
      const uint64_t resident = placement.resident()->Get(i);
      if (segment.kind() != plan::SegmentKind::Weights ||
          (isDevice ? !isCopied[i]
                    : resident == segment.raw_bytes() ||
                          deviceOf(placement, i) != 0)) {
        continue;
      }
      const auto padded = checkedAlignUp(segment.raw_bytes(), pageBytes);
      uint64_t at = isDevice ? 0 : resident;
      while (padded && at < *padded) {
        if (next == order.end()) {
          return broken("plan.stream.complete", where,
                        "no read covers the bytes of " +
                            label("segment", i, segment) + " from byte " +
                            str(at) + " on");
        }
        const plan::StreamRead &read = readAt(*next);
        if (read.segment() != i || read.offset() != at) {
          return broken("plan.stream.complete", readName(*next),
                        "reads segment " + str(read.segment()) + " from byte " +
                            str(read.offset()) +
                            " on; the next bytes that must be read are those "
                            "of segment " +
                            str(i) + " from byte " + str(at) + " on");
        }
        AIR_RETURN_IF_ERROR(verifyRange(*next, *padded));
        at += read.bytes();
        if (!isDevice && at != *padded && !isBoundary(segment, at, pageBytes)) {
          return broken("plan.stream.coded", readName(*next),
                        "ends at byte " + str(at) +
                            ", which is inside a chunk; reads of a segment "
                            "with a codec must "
                            "consist of whole chunks of " +
                            str(segment.digest_chunk()) + " bytes");
        }
        ++next;
      }
      if (!padded) {
        return broken(
            "plan.stream.complete", label("segment", i, segment),
            "its whole pages take 2^64 bytes or more; they must take less");
      }
    }
    if (next != order.end()) {
      return broken("plan.stream.complete", readName(*next),
                    isDevice ? "copies bytes to the GPU that another read "
                               "copies, too; each byte must be copied only once"
                             : "reads bytes that stay in memory or that "
                               "another read reads, too; only bytes that do "
                               "not stay in memory may be read, and only once");
    }
    return Status::ok();
  }

  /// Checks that each segment that is copied to a GPU is contiguous in the
  /// ring and does not wrap around at its end. In the ring of the GPU, this is
  /// needed because a kernel reads a tensor at consecutive addresses; in the
  /// ring in RAM, because that ring is page-locked, and its start cannot be
  /// mapped a second time after its end. The reads cover each of these segments
  /// once, from its start, and are sorted by offset within it.
  Status verifyContiguous() const {
    const std::vector<bool> isCopied = copiedToDevice(plan, placement);
    std::map<uint32_t, uint64_t> startOf; // segment -> offset in the ring
    for (uint32_t i = 0; i < readCount(); ++i) {
      const plan::StreamRead &read = readAt(i);
      if (!isCopied[read.segment()]) {
        continue;
      }
      const auto start =
          startOf.emplace(read.segment(), read.ring_offset()).first;
      if (read.ring_offset() - start->second != read.offset() ||
          read.bytes() > ringBytes() - read.ring_offset()) {
        return broken(
            "plan.stream.contiguous", readName(i),
            "puts " + str(read.bytes()) + " bytes of segment " +
                str(read.segment()) + ", from byte " + str(read.offset()) +
                " of the segment on, at byte " + str(read.ring_offset()) +
                " of a ring of " + str(ringBytes()) +
                " bytes; because the segment begins at byte " +
                str(start->second) + " of the ring, they must be put at byte " +
                str(start->second) + " + " + str(read.offset()) +
                " and must end within the ring");
      }
    }
    return Status::ok();
  }

  /// In a plan without a GPU, checks that each read of a pass begins in the
  /// ring where the read before it ends. A reader of the plan may map parts of
  /// the ring at the addresses of segments; such a mapping is called a window.
  /// A window may be unmapped when later reads have overwritten its bytes in
  /// the ring. The reads of one pass have done so once they have filled as many
  /// bytes as the ring has. But if the pass ends before that, the next pass may
  /// begin anywhere in the ring, and may have to fill as many bytes again. A
  /// window may therefore be unmapped after later reads of twice the size of
  /// the ring. In a plan with a GPU, segments do not wrap around at the end of
  /// the ring, so reads may leave a gap there. No windows are mapped for such a
  /// plan.
  Status verifyFill() const {
    if (isDevice || deviceCount(plan) != 1) {
      return Status::ok();
    }
    const uint64_t ring = ringBytes();
    for (uint32_t i = 1; i < readCount(); ++i) {
      const plan::StreamRead &before = readAt(i - 1);
      // ring_offset() + bytes() could overflow, so bytes() is compared with the
      // room that is left up to the end of the ring.
      const uint64_t room = ring - before.ring_offset();
      const uint64_t wanted = before.bytes() < room
                                  ? before.ring_offset() + before.bytes()
                                  : before.bytes() - room;
      if (readAt(i).ring_offset() != wanted) {
        return broken("plan.stream.fill", readName(i),
                      "begins at byte " + str(readAt(i).ring_offset()) +
                          " of the ring; it must begin at byte " + str(wanted) +
                          ", where the read before it ends");
      }
    }
    return Status::ok();
  }

  Status verifyRange(uint32_t index, uint64_t padded) const {
    const plan::StreamRead &read = readAt(index);
    const uint64_t ring = ringBytes();
    if (read.bytes() == 0 || read.bytes() % pageBytes != 0 ||
        read.ring_offset() % pageBytes != 0 || read.bytes() > ring ||
        read.ring_offset() >= ring ||
        !rangeFits(read.offset(), read.bytes(), padded)) {
      return broken("plan.stream.range", readName(index),
                    "reads " + str(read.bytes()) + " bytes at byte " +
                        str(read.offset()) + " of a segment whose pages have " +
                        str(padded) + " bytes, to byte " +
                        str(read.ring_offset()) + " of a ring of " + str(ring) +
                        " bytes; it must read whole pages that fit into both");
    }
    return Status::ok();
  }

  std::span<const Piece> piecesOf(const plan::StreamRead &read) const {
    const std::vector<Piece> &all = uses.pieces[read.segment()];
    const auto begin =
        std::partition_point(all.begin(), all.end(), [&](const Piece &p) {
          return p.end <= read.offset();
        });
    const auto end =
        std::partition_point(begin, all.end(), [&](const Piece &p) {
          return p.begin < read.offset() + read.bytes();
        });
    return {begin, end};
  }

  /// Checks that all bytes of a read are first needed by the same step, which
  /// is before_step of the read.
  Status verifyBefore(uint32_t index) const {
    const plan::StreamRead &read = readAt(index);
    for (const Piece &piece : piecesOf(read)) {
      if (piece.first != read.before_step()) {
        return broken(
            "plan.stream.before", readName(index),
            "ends before step " + str(read.before_step()) + ", but the bytes " +
                str(piece.begin) + " to " + str(piece.end) +
                " of the segment are " +
                (piece.first == UINT32_MAX
                     ? std::string("not needed in any step")
                     : "first needed in step " + str(piece.first)) +
                "; all bytes of a read must first be needed in the step before "
                "which it ends");
      }
    }
    return Status::ok();
  }

  Status verifySteps() const {
    const auto steps = int64_t{uses.steps};
    int64_t after = -steps;
    for (uint32_t i = 0; i < readCount(); ++i) {
      const plan::StreamRead &read = readAt(i);
      AIR_RETURN_IF_ERROR(verifyBefore(i));
      if (read.after_step() < after ||
          read.after_step() >= int64_t{read.before_step()}) {
        return broken(
            "plan.stream.after", readName(i),
            "begins after step " + std::to_string(read.after_step()) +
                "; that step must be at least " + std::to_string(after) +
                ", after which the read before it begins, and less than " +
                str(read.before_step()) +
                ", the step that needs the bytes of the read");
      }
      after = read.after_step();
    }
    return Status::ok();
  }

  Status verifyPass(uint32_t pass) {
    const int64_t start = int64_t{pass} * int64_t{uses.steps};
    for (uint32_t i = 0; i < readCount(); ++i) {
      const plan::StreamRead &read = readAt(i);
      const int64_t after = start + read.after_step();
      for (const Piece &piece : piecesOf(read)) {
        const uint64_t from = std::max(piece.begin, read.offset());
        const uint64_t bytes =
            std::min(piece.end, read.offset() + read.bytes()) - from;
        const int64_t last =
            start + int64_t{std::max(piece.last, read.before_step())};
        const uint64_t at = from - read.offset();
        const uint64_t room = ringBytes() - read.ring_offset();
        const uint64_t begin = at < room ? read.ring_offset() + at : at - room;
        const uint64_t straight = std::min(bytes, ringBytes() - begin);
        AIR_RETURN_IF_ERROR(overwrite(begin, begin + straight, after, last, i));
        if (straight < bytes) {
          AIR_RETURN_IF_ERROR(overwrite(0, bytes - straight, after, last, i));
        }
      }
    }
    return Status::ok();
  }

  /// Records that the read with the index `index` fills the bytes from `begin`
  /// to `end` of the ring. The read may start as soon as step `after` has run,
  /// and no step later than `last` uses what it has put there. Fails if a step
  /// later than `after` still uses the earlier contents of these bytes.
  Status overwrite(uint64_t begin, uint64_t end, int64_t after, int64_t last,
                   uint32_t index) {
    auto it = held.upper_bound(begin);
    if (it != held.begin() && std::prev(it)->second.end > begin) {
      --it;
    }
    while (it != held.end() && it->first < end) {
      const uint64_t oldBegin = it->first;
      const Held old = it->second;
      if (old.lastUse > after) {
        return broken(
            "plan.stream.overrun", readName(index),
            "overwrites bytes that " + readName(old.read) +
                " has put into the ring; it must begin at least " +
                countOf(static_cast<uint64_t>(old.lastUse - after), "step") +
                " later, after the last step that needs them");
      }
      it = held.erase(it);
      if (oldBegin < begin) {
        held.emplace(oldBegin, Held{begin, old.lastUse, old.read});
      }
      if (old.end > end) {
        it = held.emplace(end, Held{old.end, old.lastUse, old.read}).first;
      }
    }
    held.emplace(begin, Held{end, last, index});
    return Status::ok();
  }

  std::string readName(uint32_t index) const {
    return where + (isDevice ? ", device read " : ", read ") + str(index);
  }

  /// A range of the ring that ends at `end`. It begins at its key in `held`.
  struct Held {
    uint64_t end = 0;
    int64_t lastUse = 0; // the last step that needs the bytes
    uint32_t read = 0;   // the index of the read that filled the bytes
  };

  const plan::Plan &plan;
  const plan::Placement &placement;
  const bool isDevice;
  const Uses &uses;
  const uint64_t pageBytes;
  const std::string where;
  std::map<uint64_t, Held> held;
};

/// Checks that every program has as many steps as the first one, and needs no
/// segment earlier than the first one does, so that the reads of a placement
/// serve all programs.
Status verifySameSteps(const plan::Plan &plan) {
  const uint32_t steps = plan.programs()->Get(0)->steps()->size();
  for (uint32_t p = 1; p < plan.programs()->size(); ++p) {
    const plan::Program &program = *plan.programs()->Get(p);
    const std::string where = label("program", p, program);
    if (program.steps()->size() != steps) {
      return broken("plan.stream.programs", where,
                    "has " + countOf(program.steps()->size(), "step") +
                        ", but the first program has " + str(steps) +
                        "; all programs must have the same number");
    }
    uint32_t s = 0;
    for (const std::vector<uint32_t> &used : wholeSegments(plan, program)) {
      for (uint32_t segment : used) {
        // Element i of Plan.reads is the record of segment i.
        if (plan.reads()->Get(segment)->first_step() > s) {
          return broken(
              "plan.stream.programs",
              where + ", " + label("step", s, *program.steps()->Get(s)),
              "needs " +
                  label("segment", segment, *plan.segments()->Get(segment)) +
                  ", which the first program does not need before step " +
                  str(plan.reads()->Get(segment)->first_step()));
        }
      }
      ++s;
    }
  }
  return Status::ok();
}

/// Returns the budget of a placement for `tier` in bytes; 0 if there is none.
uint64_t budgetOf(const plan::Placement &placement, plan::Tier tier) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < sizeOf(placement.budgets()); ++i) {
    const plan::Budget &budget = *placement.budgets()->Get(i);
    bytes = budget.tier() == tier ? budget.bytes() : bytes;
  }
  return bytes;
}

/// Checks that each placement is for less memory than the one before it. For a
/// plan that uses a GPU, placements are ordered by VRAM, and those for the same
/// VRAM by RAM.
Status verifyPlacementOrder(const plan::Plan &plan) {
  const bool usesGpu = deviceCount(plan) != 1;
  // The budgets of VRAM and RAM of the previous placement.
  std::pair<uint64_t, uint64_t> before;
  for (uint32_t i = 0; i < plan.placements()->size(); ++i) {
    const plan::Placement &placement = *plan.placements()->Get(i);
    const uint64_t ram = budgetOf(placement, plan::Tier::Ram);
    const uint64_t vram =
        usesGpu ? budgetOf(placement, plan::Tier::Vram) : uint64_t{0};
    const std::pair budgets(vram, ram);
    if (i != 0 && (budgets >= before || (vram == before.first && ram == 0) ||
                   (usesGpu && vram == 0))) {
      return broken(
          "plan.placement.order", "placement " + str(i),
          "has a RAM budget of " + str(ram) + " bytes" +
              (usesGpu ? " and a VRAM budget of " + str(vram) +
                             " bytes; if there are several placements, each "
                             "must have a smaller VRAM budget than the "
                             "placement before it, or an equal one and a "
                             "smaller RAM budget"
                       : "; if there are several placements, each must have a "
                         "budget that is smaller than that of the placement "
                         "before it"));
    }
    before = budgets;
  }
  return Status::ok();
}

/// Whether any placement reads weights in every pass.
bool streams(const plan::Plan &plan) {
  for (const plan::Placement *placement : *plan.placements()) {
    if (sizeOf(placement->reads()) != 0 ||
        sizeOf(placement->device_reads()) != 0) {
      return true;
    }
  }
  return false;
}

} // namespace

std::vector<bool> copiedToDevice(const plan::Plan &plan,
                                 const plan::Placement &placement) {
  std::vector<bool> isCopied(plan.segments()->size());
  for (uint32_t i = 0; i < sizeOf(placement.device_reads()); ++i) {
    isCopied[placement.device_reads()->Get(i)->segment()] = true;
  }
  return isCopied;
}

std::vector<std::vector<uint32_t>> wholeSegments(const plan::Plan &plan,
                                                 const plan::Program &program) {
  std::vector<std::vector<uint32_t>> segments;
  segments.reserve(program.steps()->size());
  for (const plan::Step *step : *program.steps()) {
    std::vector<uint32_t> &used = segments.emplace_back();
    if (step->kind() == plan::StepKind::Embed) {
      continue;
    }
    for (const plan::Dispatch *dispatch : *step->dispatches()) {
      for (const plan::Binding *binding : *dispatch->bindings()) {
        if (binding->kind() == plan::BindingKind::Tensor) {
          used.push_back(plan.tensors()->Get(binding->index())->segment());
        }
      }
    }
    std::sort(used.begin(), used.end());
    used.erase(std::unique(used.begin(), used.end()), used.end());
  }
  return segments;
}

Status verifyPlacements(const plan::Plan &plan, uint64_t pageBytes) {
  if (plan.placements()->size() > kMaxPlacements) {
    return broken("plan.placement.count", "placements",
                  "there are " + str(plan.placements()->size()) + "; at most " +
                      str(kMaxPlacements) + " are allowed");
  }
  Uses uses;
  if (streams(plan)) {
    AIR_RETURN_IF_ERROR(verifySameSteps(plan));
    uses = usesOf(plan, pageBytes);
  }
  AIR_RETURN_IF_ERROR(verifyPlacementOrder(plan));
  for (uint32_t i = 0; i < plan.placements()->size(); ++i) {
    const plan::Placement &placement = *plan.placements()->Get(i);
    const std::string where = "placement " + str(i);
    AIR_RETURN_IF_ERROR(verifySegmentDevices(plan, placement, where));
    AIR_RETURN_IF_ERROR(verifyResidency(plan, placement, pageBytes, where));
    for (const Stream::Ring ring : {Stream::Ring::Ram, Stream::Ring::Device}) {
      AIR_RETURN_IF_ERROR(
          Stream(plan, placement, ring, uses, pageBytes, where).run());
    }
    AIR_RETURN_IF_ERROR(verifyBudgets(plan, placement, where));
    AIR_RETURN_IF_ERROR(verifyPredictions(plan, placement, where));
  }
  return Status::ok();
}

} // namespace air::rules
