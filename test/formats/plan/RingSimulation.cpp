//===- RingSimulation.cpp - the copies of a plan, page by page ------------===//
#include "RingSimulation.h"

#include "formats/plan/PlanHeader.h"

#include <map>
#include <utility>
#include <vector>

namespace air::test {

namespace {

using Page = std::pair<uint32_t, uint64_t>; ///< a segment and one of its pages

class Ring {
public:
  Ring(const plan::Plan &given, const plan::Placement &chosen, bool isEarly)
      : plan(given), reads(*chosen.device_reads()), early(isEarly),
        steps(given.programs()->Get(0)->steps()->size()),
        pages(chosen.device_ring_bytes() / kPlanPageBytes) {
    for (const plan::StreamRead *read : reads) {
      if (read->offset() == 0) {
        startOf[read->segment()] = read->ring_offset() / kPlanPageBytes;
      }
    }
  }

  /// Runs all steps of a program.
  std::string run(const plan::Program &program) {
    for (uint32_t s = 0; s < program.steps()->size(); ++s) {
      while (isNextDue()) {
        copyNext();
      }
      const plan::Step &step = *program.steps()->Get(s);
      for (const plan::Dispatch *dispatch : *step.dispatches()) {
        for (const plan::Binding *binding : *dispatch->bindings()) {
          if (binding->kind() == plan::BindingKind::Tensor &&
              !holds(*plan.tensors()->Get(binding->index()))) {
            return "the ring does not hold tensor " +
                   std::to_string(binding->index()) + " when step " +
                   std::to_string(s) + " of a program of up to " +
                   std::to_string(program.max_tokens()) +
                   " tokens runs, with copies as " +
                   (early ? "early" : "late") + " as possible";
          }
        }
      }
      ++done;
    }
    return "";
  }

private:
  /// Whether the next copy must be made before the next step runs.
  bool isNextDue() const {
    const plan::StreamRead &read = *reads.Get(next);
    const int64_t start = pass * steps;
    return early ? start + read.after_step() < done
                 : start + int64_t{read.before_step()} <= done;
  }

  void copyNext() {
    const plan::StreamRead &read = *reads.Get(next);
    for (uint64_t i = 0; i < read.bytes() / kPlanPageBytes; ++i) {
      held[read.ring_offset() / kPlanPageBytes + i] = {
          read.segment(), read.offset() / kPlanPageBytes + i};
    }
    next = (next + 1) % reads.size();
    pass += next == 0 ? 1 : 0;
  }

  /// Whether the ring holds all pages of a tensor, if it is copied at all.
  bool holds(const plan::Tensor &tensor) const {
    const auto start = startOf.find(tensor.segment());
    if (start == startOf.end()) {
      return true;
    }
    const uint64_t end = tensor.offset() + tensor.bytes();
    for (uint64_t page = tensor.offset() / kPlanPageBytes;
         page * kPlanPageBytes < end; ++page) {
      const auto found = held.find(start->second + page);
      if (start->second + page >= pages || found == held.end() ||
          found->second != Page(tensor.segment(), page)) {
        return false;
      }
    }
    return true;
  }

  const plan::Plan &plan;
  const flatbuffers::Vector<flatbuffers::Offset<plan::StreamRead>> &reads;
  const bool early;
  const int64_t steps;
  const uint64_t pages;
  std::map<uint32_t, uint64_t> startOf; ///< by segment: its first ring page
  std::map<uint64_t, Page> held;        ///< by ring page: what it holds
  int64_t done = 0; ///< steps since the start of the first pass
  int64_t pass = 0; ///< the pass of the next copy
  uint32_t next = 0;
};

} // namespace

std::string wrongInRing(const plan::Plan &plan) {
  constexpr uint64_t kMostPages = 5000;
  for (const plan::Placement *placement : *plan.placements()) {
    if (placement->device_reads() == nullptr ||
        placement->device_reads()->size() == 0) {
      continue;
    }
    uint64_t pages = 0;
    for (const plan::StreamRead *read : *placement->device_reads()) {
      pages += read->bytes() / kPlanPageBytes;
    }
    if (pages > kMostPages) {
      continue;
    }
    for (const bool isEarly : {false, true}) {
      Ring ring(plan, *placement, isEarly);
      for (const uint32_t pass : {0, 1, 2}) {
        for (const plan::Program *program : *plan.programs()) {
          if (std::string wrong = ring.run(*program); !wrong.empty()) {
            return wrong + " (round " + std::to_string(pass) + ")";
          }
        }
      }
    }
  }
  return "";
}

} // namespace air::test
