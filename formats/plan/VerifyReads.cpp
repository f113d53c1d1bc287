//===- VerifyReads.cpp - recomputes liveness and read order ---------------===//
#include "formats/plan/PlanRules.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>
#include <vector>

namespace air::rules {

namespace {

bool reads(plan::Access access) {
  return (static_cast<uint8_t>(access) &
          static_cast<uint8_t>(plan::Access::Read)) != 0;
}
bool writes(plan::Access access) {
  return (static_cast<uint8_t>(access) &
          static_cast<uint8_t>(plan::Access::Write)) != 0;
}

/// Walks one program in the order in which it runs, and checks how its
/// dispatches use buffers.
class Walk {
public:
  Walk(const plan::Plan &plan, const plan::Program &program, std::string where)
      : plan(plan), program(program), where(std::move(where)),
        values(plan.buffers()->size()) {
    // Buffers that are zeroed hold a value from the start.
    for (uint32_t b = 0; b < values.size(); ++b) {
      values[b].written = plan.buffers()->Get(b)->is_zeroed();
    }
  }

  Status run() {
    // Steps without a barrier between them may run at the same time, so they
    // form one phase.
    uint32_t phase = 0;
    for (uint32_t s = 0; s < program.steps()->size(); ++s) {
      const plan::Step &step = *program.steps()->Get(s);
      bool barrier = true;
      AIR_RETURN_IF_ERROR(
          visitCopies(step, phase, where + ", " + label("step", s, step)));
      for (uint32_t d = 0; d < step.dispatches()->size(); ++d) {
        const plan::Dispatch &dispatch = *step.dispatches()->Get(d);
        AIR_RETURN_IF_ERROR(visit(dispatch, phase,
                                  where + ", " + label("step", s, step) +
                                      ", dispatch " + str(d)));
        barrier = dispatch.barrier();
        if (barrier) {
          group.clear();
        }
      }
      phase += barrier ? 1 : 0;
      if (s + 1 == program.steps()->size() && !barrier) {
        return broken("plan.dispatch.barrier", where,
                      "the last dispatch of a program must have a barrier");
      }
    }
    AIR_RETURN_IF_ERROR(endValues(phase));
    return verifyDisjoint();
  }

  bool binds(uint32_t buffer) const { return values[buffer].bound; }

private:
  /// The phases (see run()) in which a buffer holds one value, from `first` to
  /// `last` inclusive.
  struct Life {
    uint32_t buffer = 0;
    uint32_t first = 0;
    uint32_t last = 0;
  };
  /// The value that a buffer holds at the current point of the walk.
  struct Value {
    uint32_t first = 0;
    uint32_t last = 0;
    bool bound = false;
    bool written = false;
  };
  struct Use {
    bool read = false;
    bool written = false;
  };

  /// Whether a binding refers to a buffer or cache. Dispatches may write these.
  /// No dispatch writes a tensor, and only the last dispatch of a program may
  /// write arrays of the batch.
  static bool isShared(const plan::Binding &binding) {
    return binding.kind() == plan::BindingKind::Buffer ||
           binding.kind() == plan::BindingKind::Kv;
  }

  /// The copies of a step are made after all earlier steps and before the
  /// step's own dispatches, so they need no further barriers.
  Status visitCopies(const plan::Step &step, uint32_t phase,
                     const std::string &at) {
    for (uint32_t i = 0; i < sizeOf(step.copies()); ++i) {
      const plan::BufferCopy &copy = *step.copies()->Get(i);
      const std::string place = at + ", copy " + str(i);
      AIR_RETURN_IF_ERROR(
          useValue(copy.from(), plan::Access::Read, phase, place));
      AIR_RETURN_IF_ERROR(
          useValue(copy.to(), plan::Access::Write, phase, place));
      values[copy.to()].written = true;
    }
    return Status::ok();
  }

  Status visit(const plan::Dispatch &dispatch, uint32_t phase,
               const std::string &at) {
    const auto &bindings = *dispatch.bindings();
    // A dispatch reads values that earlier dispatches wrote, so its reads are
    // checked before its writes are recorded.
    for (const plan::Binding *binding : bindings) {
      if (binding->kind() == plan::BindingKind::Buffer) {
        AIR_RETURN_IF_ERROR(
            useValue(binding->index(), binding->access(), phase, at));
      }
    }
    // A dispatch of the CPU (launch() is null) may be a part of a divided
    // dispatch (Grid in plan.fbs). A part runs only some of the row tiles, so
    // it multiplies only some rows of a matrix. These rows of the matrix
    // correspond to columns of the result. Each part writes its own columns of
    // the result and reads no columns that another part writes, so parts may
    // overlap in time. All parts bind the same buffers, so the checks below are
    // done only for the first part.
    if (dispatch.launch() == nullptr && dispatch.grid()->first_tile() != 0) {
      return Status::ok();
    }
    for (const plan::Binding *binding : bindings) {
      AIR_RETURN_IF_ERROR(checkGroup(*binding, at));
    }
    for (const plan::Binding *binding : bindings) {
      if (binding->kind() == plan::BindingKind::Buffer &&
          writes(binding->access())) {
        values[binding->index()].written = true;
      }
      if (isShared(*binding)) {
        Use &use = group[key(*binding)];
        use.read |= reads(binding->access());
        use.written |= writes(binding->access());
      }
    }
    return Status::ok();
  }

  /// Records a use of a buffer in the phase `phase`. If the first use of a
  /// buffer in a phase only writes it, a new value begins. Fails if the buffer
  /// is read before it has been written.
  Status useValue(uint32_t buffer, plan::Access access, uint32_t phase,
                  const std::string &at) {
    Value &value = values[buffer];
    if (reads(access) && !value.written) {
      return broken("plan.buffer.unwritten", at,
                    "reads " + bufferName(buffer) +
                        " before anything has written it");
    }
    const bool isFirstOfPhase = !value.bound || value.last != phase;
    if (isFirstOfPhase && !reads(access)) {
      if (value.bound) {
        lives.push_back({buffer, value.first, value.last});
      }
      value.first = phase;
    }
    value.last = phase;
    value.bound = true;
    return Status::ok();
  }

  /// Fails if `binding` requires a barrier before its dispatch, but there is
  /// none. Dispatches without a barrier between them may overlap in time, so
  /// none of them may read a buffer or cache that another one writes. Several
  /// of them may write the same buffer or cache, because matmuls may write
  /// different columns of the same rows.
  Status checkGroup(const plan::Binding &binding, const std::string &at) {
    if (!isShared(binding)) {
      return Status::ok();
    }
    const auto it = group.find(key(binding));
    if (it == group.end()) {
      return Status::ok();
    }
    if ((reads(binding.access()) && it->second.written) ||
        (writes(binding.access()) && it->second.read)) {
      return broken(
          "plan.dispatch.barrier", at,
          "there must be a barrier between this dispatch and an earlier one, "
          "because one of them reads and the other writes " +
              (binding.kind() == plan::BindingKind::Kv
                   ? "cache " + str(binding.index())
                   : bufferName(binding.index())));
    }
    return Status::ok();
  }

  /// Ends the values that buffers still hold after the last step. The values of
  /// output buffers live until phase `end`, which follows the last step.
  Status endValues(uint32_t end) {
    for (uint32_t b = 0; b < values.size(); ++b) {
      Value &value = values[b];
      if (plan.buffers()->Get(b)->is_output()) {
        if (!value.written) {
          return broken("plan.buffer.output", where,
                        "never writes the output " + bufferName(b));
        }
        value.last = end;
      }
      if (value.bound) {
        lives.push_back({b, value.first, value.last});
      }
    }
    return Status::ok();
  }

  /// Checks that buffers that hold values in the same phase have disjoint
  /// ranges. The function sweeps over the phases and keeps the ranges in use
  /// ordered by offset. These are disjoint, so a new range that overlaps any of
  /// them overlaps at least one of its two neighbours.
  Status verifyDisjoint() {
    std::vector<Life> ends = lives;
    std::sort(lives.begin(), lives.end(), [](const Life &a, const Life &b) {
      return std::pair(a.first, a.buffer) < std::pair(b.first, b.buffer);
    });
    std::sort(ends.begin(), ends.end(), [](const Life &a, const Life &b) {
      return std::pair(a.last, a.buffer) < std::pair(b.last, b.buffer);
    });
    // (device, offset in its arena) -> buffer index
    std::map<std::pair<uint32_t, uint64_t>, uint32_t> inUse;
    size_t ended = 0;
    for (const Life &life : lives) {
      while (ends[ended].last < life.first) {
        inUse.erase(placeOf(ends[ended++].buffer));
      }
      const auto next = inUse.upper_bound(placeOf(life.buffer));
      if (next != inUse.begin()) {
        AIR_RETURN_IF_ERROR(verifyApart(std::prev(next)->second, life.buffer));
      }
      if (next != inUse.end()) {
        AIR_RETURN_IF_ERROR(verifyApart(life.buffer, next->second));
      }
      inUse.emplace(placeOf(life.buffer), life.buffer);
    }
    return Status::ok();
  }

  /// Checks that buffer `b` begins at or after the end of buffer `a`. The
  /// caller ensures that `a` does not begin after `b`.
  Status verifyApart(uint32_t a, uint32_t b) const {
    const uint64_t endOfA = bufferAt(a).offset() + bufferAt(a).bytes();
    if (bufferAt(a).device() != bufferAt(b).device() ||
        bufferAt(b).offset() >= endOfA) {
      return Status::ok();
    }
    return broken("plan.buffer.overlap", where,
                  bufferName(b) + " begins at byte " +
                      str(bufferAt(b).offset()) + " and overlaps " +
                      bufferName(a) + ", which ends at byte " + str(endOfA) +
                      "; both hold values at the same step");
  }

  std::pair<uint32_t, uint64_t> placeOf(uint32_t buffer) const {
    return {bufferAt(buffer).device(), bufferAt(buffer).offset()};
  }
  const plan::Buffer &bufferAt(uint32_t index) const {
    return *plan.buffers()->Get(index);
  }
  std::string bufferName(uint32_t index) const {
    return label("buffer", index, *plan.buffers()->Get(index));
  }
  static uint64_t key(const plan::Binding &binding) {
    return uint64_t{binding.kind() == plan::BindingKind::Kv} << 32 |
           binding.index();
  }

  const plan::Plan &plan;
  const plan::Program &program;
  std::string where;
  std::vector<Value> values; // the current value of each buffer
  std::vector<Life> lives;   // the lifetimes that have ended
  std::unordered_map<uint64_t, Use> group;
};

} // namespace

Status verifyLiveness(const plan::Plan &plan) {
  std::vector<bool> used(plan.buffers()->size());
  for (uint32_t p = 0; p < plan.programs()->size(); ++p) {
    const plan::Program &program = *plan.programs()->Get(p);
    Walk walk(plan, program, label("program", p, program));
    AIR_RETURN_IF_ERROR(walk.run());
    for (uint32_t b = 0; b < used.size(); ++b) {
      used[b] = used[b] || walk.binds(b);
    }
  }
  for (uint32_t b = 0; b < used.size(); ++b) {
    if (!used[b]) {
      return broken("plan.buffer.unused",
                    label("buffer", b, *plan.buffers()->Get(b)),
                    "no program binds it");
    }
  }
  return Status::ok();
}

/// Returns, for each segment, the first step of `program` that binds a tensor
/// of the segment and does not gather rows; UINT32_MAX if there is no such
/// step.
static std::vector<uint32_t> firstSteps(const plan::Plan &plan,
                                        const plan::Program &program) {
  std::vector<uint32_t> first(plan.segments()->size(), UINT32_MAX);
  uint32_t step = 0;
  for (const std::vector<uint32_t> &used : wholeSegments(plan, program)) {
    for (uint32_t segment : used) {
      first[segment] = std::min(first[segment], step);
    }
    ++step;
  }
  return first;
}

/// Checks that no step that gathers binds a tensor of a coded segment, because
/// a gather reads single rows from the file without decoding.
static Status verifyGathered(const plan::Plan &plan) {
  for (const plan::Program *program : *plan.programs()) {
    for (const plan::Step *step : *program->steps()) {
      if (step->kind() != plan::StepKind::Embed) {
        continue;
      }
      for (const plan::Dispatch *dispatch : *step->dispatches()) {
        for (const plan::Binding *binding : *dispatch->bindings()) {
          if (binding->kind() != plan::BindingKind::Tensor) {
            continue;
          }
          const uint32_t index =
              plan.tensors()->Get(binding->index())->segment();
          const plan::Segment &segment = *plan.segments()->Get(index);
          if (segment.codec() != plan::Codec::None) {
            return broken("plan.segment.codec",
                          label("segment", index, segment),
                          std::string("is stored with codec ") +
                              plan::EnumNameCodec(segment.codec()) +
                              ", but a step of kind Embed gathers rows of it");
          }
        }
      }
    }
  }
  return Status::ok();
}

/// Checks that the tensors of a table are only bound by steps that gather rows.
static Status verifyTables(const plan::Plan &plan) {
  for (uint32_t p = 0; p < plan.programs()->size(); ++p) {
    const plan::Program &program = *plan.programs()->Get(p);
    uint32_t s = 0;
    for (const std::vector<uint32_t> &used : wholeSegments(plan, program)) {
      for (uint32_t segment : used) {
        if (plan.segments()->Get(segment)->kind() == plan::SegmentKind::Table) {
          return broken(
              "plan.table",
              label("program", p, program) + ", " +
                  label("step", s, *program.steps()->Get(s)),
              "reads the whole of " +
                  label("segment", segment, *plan.segments()->Get(segment)) +
                  "; only steps of kind Embed may bind a table");
        }
      }
      ++s;
    }
  }
  return Status::ok();
}

Status verifyReads(const plan::Plan &plan) {
  AIR_RETURN_IF_ERROR(verifyTables(plan));
  AIR_RETURN_IF_ERROR(verifyGathered(plan));
  const std::vector<uint32_t> first =
      firstSteps(plan, *plan.programs()->Get(0));
  // The segments of weights come first in the file, in the order of the reads,
  // so read i must refer to segment i.
  uint32_t weights = 0;
  while (weights < plan.segments()->size() &&
         plan.segments()->Get(weights)->kind() == plan::SegmentKind::Weights) {
    ++weights;
  }
  if (sizeOf(plan.reads()) != weights) {
    return broken(
        "plan.read.complete", "reads",
        "there are " + str(sizeOf(plan.reads())) + " reads for " +
            countOf(weights, "segment of weights", "segments of weights") +
            "; each needs exactly one");
  }
  uint32_t before = 0;
  for (uint32_t i = 0; i < weights; ++i) {
    const plan::Read &read = *plan.reads()->Get(i);
    const plan::Segment &segment = *plan.segments()->Get(i);
    const std::string where = "read " + str(i);
    if (read.segment() != i) {
      return broken("plan.read.order", where,
                    "reads segment " + str(read.segment()) +
                        "; it must read segment " + str(i) +
                        ", because reads are in the order of the file");
    }
    if (first[i] == UINT32_MAX) {
      return broken(
          "plan.read.used", label("segment", i, segment),
          "only steps of kind Embed, or no steps, of the first program "
          "use its tensors; such a segment must be a table");
    }
    if (read.first_step() != first[i]) {
      return broken("plan.read.first_step", where,
                    "states that step " + str(read.first_step()) +
                        " is the first that needs the segment, but in the "
                        "first program it is "
                        "step " +
                        str(first[i]));
    }
    if (first[i] < before) {
      return broken("plan.read.order", where,
                    "is needed in step " + str(first[i]) +
                        ", but the read before it is needed in step " +
                        str(before) +
                        "; reads must be in the order of these steps");
    }
    before = first[i];
  }
  return Status::ok();
}

} // namespace air::rules
