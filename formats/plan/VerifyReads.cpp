//===- VerifyReads.cpp - liveness and read order, computed again ----------===//
#include "formats/plan/PlanRules.h"

#include <algorithm>
#include <numeric>
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

/// Walks one program in the order in which it runs.
class Walk {
public:
  Walk(const plan::Plan &plan, const plan::Program &program, std::string where)
      : plan(plan), program(program), where(std::move(where)),
        lives(plan.buffers()->size()) {
    for (uint32_t b = 0; b < lives.size(); ++b) {
      if (plan.buffers()->Get(b)->is_input()) {
        lives[b] = {.bound = true, .written = true};
      }
    }
  }

  Status run() {
    // Steps that no barrier parts may run at the same time: one phase.
    uint32_t phase = 1;
    for (uint32_t s = 0; s < program.steps()->size(); ++s) {
      const plan::Step &step = *program.steps()->Get(s);
      bool barrier = true;
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
                      "the last dispatch has no barrier");
      }
    }
    return finish(phase);
  }

  bool binds(uint32_t buffer) const { return lives[buffer].bound; }

private:
  struct Life {
    uint32_t first = 0; // phase; 0 is before the program
    uint32_t last = 0;
    bool bound = false;
    bool written = false;
  };
  struct Use {
    bool read = false;
    bool written = false;
  };

  Status visit(const plan::Dispatch &dispatch, uint32_t phase,
               const std::string &at) {
    const auto &bindings = *dispatch.bindings();
    // Reads first: what a dispatch writes it does not see.
    for (const plan::Binding *binding : bindings) {
      if (binding->kind() != plan::BindingKind::Buffer) {
        continue;
      }
      Life &life = lives[binding->index()];
      if (reads(binding->access()) && !life.written) {
        return broken("plan.buffer.unwritten", at,
                      "reads " + bufferName(binding->index()) +
                          " before anything wrote it");
      }
      life.first = life.bound ? life.first : phase;
      life.last = phase;
      life.bound = true;
    }
    for (const plan::Binding *binding : bindings) {
      AIR_RETURN_IF_ERROR(checkGroup(*binding, at));
    }
    for (const plan::Binding *binding : bindings) {
      if (binding->kind() == plan::BindingKind::Buffer &&
          writes(binding->access())) {
        lives[binding->index()].written = true;
      }
      if (binding->kind() != plan::BindingKind::Tensor) {
        Use &use = group[key(*binding)];
        use.read |= reads(binding->access());
        use.written |= writes(binding->access());
      }
    }
    return Status::ok();
  }

  /// Dispatches without a barrier between them may overlap in time: none reads
  /// what another writes. Two may write one buffer: matrices side by side in
  /// its rows do.
  Status checkGroup(const plan::Binding &binding, const std::string &at) {
    if (binding.kind() == plan::BindingKind::Tensor) {
      return Status::ok();
    }
    const auto it = group.find(key(binding));
    if (it == group.end()) {
      return Status::ok();
    }
    if ((reads(binding.access()) && it->second.written) ||
        (writes(binding.access()) && it->second.read)) {
      return broken("plan.dispatch.barrier", at,
                    "uses " +
                        (binding.kind() == plan::BindingKind::Kv
                             ? "KV layer " + str(binding.index())
                             : bufferName(binding.index())) +
                        " of a dispatch that no barrier parts from it");
    }
    return Status::ok();
  }

  /// Ranges of buffers that live at the same time are disjoint.
  Status finish(uint32_t end) {
    std::vector<uint32_t> order(lives.size());
    std::iota(order.begin(), order.end(), 0);
    for (uint32_t b : order) {
      const plan::Buffer &buffer = *plan.buffers()->Get(b);
      if (buffer.is_output()) {
        if (!lives[b].written) {
          return broken("plan.buffer.output", where,
                        "never writes " + bufferName(b));
        }
        lives[b].last = end;
      }
    }
    auto buffer = [&](uint32_t b) -> const plan::Buffer & {
      return *plan.buffers()->Get(b);
    };
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return std::pair(buffer(a).offset(), a) <
             std::pair(buffer(b).offset(), b);
    });
    for (size_t i = 0; i < order.size(); ++i) {
      const uint32_t a = order[i];
      const uint64_t endOfA = buffer(a).offset() + buffer(a).bytes();
      for (size_t j = i + 1;
           j < order.size() && buffer(order[j]).offset() < endOfA; ++j) {
        const uint32_t b = order[j];
        if (lives[a].bound && lives[b].bound &&
            lives[a].first <= lives[b].last &&
            lives[b].first <= lives[a].last) {
          return broken("plan.buffer.overlap", where,
                        bufferName(b) + " at " + str(buffer(b).offset()) +
                            " lies in " + bufferName(a) + " that ends at " +
                            str(endOfA) + ", and both live at once");
        }
      }
    }
    return Status::ok();
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
  std::vector<Life> lives;
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

/// The step of `program` that first needs each segment, or UINT32_MAX.
static std::vector<uint32_t> firstSteps(const plan::Plan &plan,
                                        const plan::Program &program) {
  std::vector<uint32_t> first(plan.segments()->size(), UINT32_MAX);
  for (uint32_t s = 0; s < program.steps()->size(); ++s) {
    for (const plan::Dispatch *dispatch :
         *program.steps()->Get(s)->dispatches()) {
      for (const plan::Binding *binding : *dispatch->bindings()) {
        if (binding->kind() == plan::BindingKind::Tensor) {
          const uint32_t segment =
              plan.tensors()->Get(binding->index())->segment();
          first[segment] = std::min(first[segment], s);
        }
      }
    }
  }
  return first;
}

Status verifyReads(const plan::Plan &plan) {
  const std::vector<uint32_t> first =
      firstSteps(plan, *plan.programs()->Get(0));
  // Weights lie before all else in the file, in the order of the reads: so
  // read i is of segment i.
  uint32_t weights = 0;
  while (weights < plan.segments()->size() &&
         plan.segments()->Get(weights)->kind() == plan::SegmentKind::Weights) {
    ++weights;
  }
  if (sizeOf(plan.reads()) != weights) {
    return broken("plan.read.complete", "reads",
                  str(sizeOf(plan.reads())) + " reads for " + str(weights) +
                      " segments of weights");
  }
  uint32_t before = 0;
  for (uint32_t i = 0; i < weights; ++i) {
    const plan::Read &read = *plan.reads()->Get(i);
    const plan::Segment &segment = *plan.segments()->Get(i);
    const std::string where = "read " + str(i);
    if (read.segment() != i) {
      return broken("plan.read.order", where,
                    "reads segment " + str(read.segment()) +
                        "; in the file's order it is " + str(i));
    }
    if (first[i] == UINT32_MAX) {
      return broken("plan.read.used", label("segment", i, segment),
                    "the first program uses none of its tensors");
    }
    if (read.first_step() != first[i]) {
      return broken("plan.read.first_step", where,
                    "needed before step " + str(read.first_step()) +
                        "; the first program uses it in step " + str(first[i]));
    }
    if (first[i] < before) {
      return broken("plan.read.order", where,
                    "needed before step " + str(first[i]) +
                        ", after one needed before step " + str(before));
    }
    before = first[i];
    if (read.ring() != (segment.tier() == plan::Tier::Disk)) {
      return broken("plan.read.ring", where,
                    std::string(read.ring() ? "goes" : "does not go") +
                        " through the ring, and " +
                        label("segment", i, segment) + " lives in tier " +
                        plan::EnumNameTier(segment.tier()));
    }
  }
  return Status::ok();
}

} // namespace air::rules
