//===- RingSimulation.cpp - the rings of a plan, page by page -------------===//
#include "RingSimulation.h"

#include "formats/plan/PlanHeader.h"

#include <map>
#include <utility>
#include <vector>

namespace air::test {

namespace {

using Page = std::pair<uint32_t, uint64_t>; ///< a segment and one of its pages

/// How early the reads from the disk and the copies to a GPU are made.
struct Order {
  bool copiesEarly = false;
  bool readsEarly = false;
};

using Reads = flatbuffers::Vector<flatbuffers::Offset<plan::StreamRead>>;

/// A ring, the sequence of reads that fill it in each pass, and the place in
/// this sequence of the read that comes next.
class Ring {
public:
  Ring(const Reads *given, int64_t stepsOfPass) : steps(stepsOfPass) {
    if (given != nullptr) {
      reads.assign(given->begin(), given->end());
    }
    for (const plan::StreamRead *read : reads) {
      if (read->offset() == 0) {
        startOf[read->segment()] = read->ring_offset() / kPlanPageBytes;
      }
    }
  }

  bool isEmpty() const { return reads.empty(); }
  const plan::StreamRead &next() const { return *reads[index]; }
  /// The next read must end before the step that before() returns, and may
  /// begin after the step that after() returns. Steps are counted from the
  /// start of the first pass.
  int64_t before() const {
    return pass * steps + int64_t{next().before_step()};
  }
  int64_t after() const { return pass * steps + next().after_step(); }

  void fillNext() {
    for (uint64_t i = 0; i < next().bytes() / kPlanPageBytes; ++i) {
      held[next().ring_offset() / kPlanPageBytes + i] = {
          next().segment(), next().offset() / kPlanPageBytes + i};
    }
    index = (index + 1) % reads.size();
    pass += index == 0 ? 1 : 0;
  }

  /// Whether the ring holds the given bytes. True for a segment that is never
  /// read into the ring.
  bool holds(uint32_t segment, uint64_t offset, uint64_t bytes) const {
    const auto start = startOf.find(segment);
    if (start == startOf.end()) {
      return true;
    }
    for (uint64_t page = offset / kPlanPageBytes;
         page * kPlanPageBytes < offset + bytes; ++page) {
      const auto found = held.find(start->second + page);
      if (found == held.end() || found->second != Page(segment, page)) {
        return false;
      }
    }
    return true;
  }

private:
  const int64_t steps;
  std::vector<const plan::StreamRead *> reads;
  std::map<uint32_t, uint64_t> startOf; ///< by segment: its first ring page
  std::map<uint64_t, Page> held;        ///< by ring page: what it holds
  size_t index = 0;                     ///< of the next read
  int64_t pass = 0;                     ///< the pass of the next read
};

class Simulation {
public:
  Simulation(const plan::Plan &given, const plan::Placement &chosen,
             Order wanted)
      : plan(given), order(wanted),
        steps(given.programs()->Get(0)->steps()->size()),
        copies(chosen.device_reads(), steps), reads(chosen.reads(), steps) {}

  std::string run(const plan::Program &program) {
    for (uint32_t s = 0; s < program.steps()->size(); ++s) {
      while (order.copiesEarly ? copies.after() < done
                               : copies.before() <= done) {
        if (!copyNext()) {
          return at(s, program, "the ring in RAM does not hold what is copied");
        }
      }
      for (const plan::Dispatch *dispatch :
           *program.steps()->Get(s)->dispatches()) {
        for (const plan::Binding *binding : *dispatch->bindings()) {
          if (binding->kind() != plan::BindingKind::Tensor) {
            continue;
          }
          const plan::Tensor &tensor = *plan.tensors()->Get(binding->index());
          if (!copies.holds(tensor.segment(), tensor.offset(),
                            tensor.bytes())) {
            return at(s, program,
                      "the ring of the GPU does not hold tensor " +
                          std::to_string(binding->index()));
          }
        }
      }
      ++done;
    }
    return "";
  }

private:
  std::string at(uint32_t step, const plan::Program &program,
                 const std::string &what) const {
    return what + " when step " + std::to_string(step) +
           " of a program of up to " + std::to_string(program.max_tokens()) +
           " tokens runs, with copies as " +
           (order.copiesEarly ? "early" : "late") + " and reads as " +
           (order.readsEarly ? "early" : "late") + " as possible";
  }

  /// Makes the next copy. The reads from the disk that it needs are made first.
  /// Returns false if the bytes to be copied are not in RAM.
  bool copyNext() {
    // The next read overwrites bytes that are copied for the steps up to
    // reads.after(), so it may begin only when all these copies have been made.
    const auto mayRead = [&] { return reads.after() < copies.before(); };
    while (!reads.isEmpty() && reads.before() <= copies.before() && mayRead()) {
      reads.fillNext();
    }
    if (!reads.holds(copies.next().segment(), copies.next().offset(),
                     copies.next().bytes())) {
      return false;
    }
    copies.fillNext();
    while (!reads.isEmpty() && order.readsEarly && mayRead()) {
      reads.fillNext();
    }
    return true;
  }

  const plan::Plan &plan;
  const Order order;
  const int64_t steps;
  Ring copies;      ///< the ring of the GPU
  Ring reads;       ///< the ring in RAM
  int64_t done = 0; ///< steps since the start of the first pass
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
    for (const Order order :
         {Order{false, false}, {false, true}, {true, false}, {true, true}}) {
      Simulation rings(plan, *placement, order);
      for (const uint32_t pass : {0, 1, 2}) {
        for (const plan::Program *program : *plan.programs()) {
          if (std::string wrong = rings.run(*program); !wrong.empty()) {
            return wrong + " (round " + std::to_string(pass) + ")";
          }
        }
      }
    }
  }
  return "";
}

} // namespace air::test
