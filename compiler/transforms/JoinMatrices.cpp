//===- JoinMatrices.cpp - gate and up as one matrix -----------------------===//
#include "compiler/transforms/JoinMatrices.h"

#include "compiler/transforms/KernelBuild.h"
#include "formats/abi/KernelAbi.h"
#include "formats/plan/CodedSegments.h"
#include "formats/plan/PlanEncode.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/Digest.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SetVector.h"

#include <algorithm>
#include <set>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {
namespace {

/// A sum of products that stays at UINT64_MAX once it has overflowed.
class Sum {
public:
  void add(uint64_t count, uint64_t bytes = 1) {
    const std::optional<uint64_t> product = checkedMul(count, bytes);
    total =
        product ? checkedAdd(total, *product).value_or(UINT64_MAX) : UINT64_MAX;
  }
  uint64_t bytes() const { return total; }

private:
  uint64_t total = 0;
};

/// An upper bound of the RAM that all weights take.
uint64_t mostWeightBytes(ModuleOp module) {
  Sum sum;
  for (TensorOp tensor : module.getOps<TensorOp>()) {
    // Besides the tensor, this covers the padding before it. A tensor begins at
    // a multiple of AIR_BINDING_ALIGNMENT bytes in a segment of whole pages. A
    // matrix of at least 8 MiB may begin at a multiple of 256 KiB, so that its
    // padding is at most a 32nd of the matrix.
    constexpr uint64_t kPages = 2 * uint64_t{4096};
    sum.add(tensor.getBytes());
    sum.add(tensor.getBytes() / 32 + kPages);
  }
  return sum.bytes();
}

/// An upper bound of the size of the arena, computed as if no two buffers
/// shared memory.
uint64_t mostArenaBytes(ModuleOp module) {
  uint64_t tokens = 0;
  uint64_t outputs = 0;
  for (LimitsOp limits : module.getOps<LimitsOp>()) {
    tokens = static_cast<uint64_t>(limits.getMaxTokens());
    outputs = static_cast<uint64_t>(limits.getMaxOutputs());
  }
  Sum sum;
  for (BufferOp buffer : module.getOps<BufferOp>()) {
    const uint64_t rows =
        buffer.getRows() == RowsFrom::Outputs ? outputs : tokens;
    sum.add(std::min(rows, buffer.getMostRows().value_or(rows)) +
                AIR_TOKEN_PADDING,
            buffer.getRowElements() * sizeof(float));
  }
  return sum.bytes();
}

struct KernelDemand {
  uint64_t kernels = 0; ///< number of kernels
  uint64_t scratch = 0; ///< the most bytes that a thread needs
};

/// The specs of the kernels that a dispatch needs in the programs of the M
/// classes `mClasses`, a bit set (see bitOf).
std::vector<codegen::KernelSpec> kernelsOf(const LoweredDispatch &dispatch,
                                           unsigned mClasses) {
  std::vector<codegen::KernelSpec> specs;
  for (const codegen::MClass mClass :
       {codegen::MClass::One, codegen::MClass::Small, codegen::MClass::Large}) {
    if ((dispatch.mClasses & mClasses & bitOf(mClass)) != 0) {
      specs.push_back(dispatch.spec);
      if (codegen::hasMClasses(dispatch.spec.op)) {
        specs.back().mClass = mClass;
      }
    }
  }
  return specs;
}

Result<KernelDemand> kernelDemandOf(const std::vector<LoweredStep> &steps,
                                    unsigned mClasses,
                                    const MachineProfile &profile) {
  KernelDemand demand;
  std::set<std::string> known;
  for (const LoweredStep &step : steps) {
    for (const LoweredDispatch &dispatch : step.dispatches) {
      for (const codegen::KernelSpec &spec : kernelsOf(dispatch, mClasses)) {
        if (!known.insert(codegen::kernelName(spec)).second) {
          continue;
        }
        const Result<codegen::KernelEntry> entry =
            codegen::describeKernel(spec, profile);
        if (!entry) {
          return entry.status().withContext("step " + step.name);
        }
        demand.scratch = std::max(demand.scratch, entry->scratchBytes);
      }
    }
  }
  demand.kernels = known.size();
  return demand;
}

/// Whether the target has the kernels of `dispatch`, a GluMatMul, for a joined
/// matrix.
bool canJoin(LoweredDispatch dispatch, unsigned mClasses,
             const MachineProfile &profile) {
  dispatch.spec.isJoined = true;
  return std::ranges::all_of(
      kernelsOf(dispatch, mClasses), [&](const codegen::KernelSpec &spec) {
        return codegen::describeKernel(spec, profile).isOk();
      });
}

} // namespace

Result<bool> mayStreamWeights(ModuleOp module,
                              const std::vector<LoweredStep> &steps,
                              unsigned mClasses, const MachineProfile &profile,
                              const PlacementOptions &memory,
                              uint64_t vocabularyBytes) {
  AIR_ASSIGN_OR_RETURN(const KernelDemand kernels,
                       kernelDemandOf(steps, mClasses, profile));
  const uint64_t weights = mostWeightBytes(module);
  const uint64_t chunk = digestChunkBytes(plan::SegmentKind::Weights);
  Sum others;
  for (KvOp kv : module.getOps<KvOp>()) {
    others.add(
        kvPages(kv.getContext(), kv.getSlots(), kv.getPageTokens()).value_or(0),
        static_cast<uint64_t>(kv.getPageBytes()));
  }
  others.add(mostArenaBytes(module));
  others.add(kernels.scratch, profile.cores);
  others.add(kernels.kernels, KernelBuild::kReservedBytes);
  others.add(processBytes(vocabularyBytes));
  others.add(weights / chunk + 1, sizeof(Digest));
  others.add(codedStagingBytes(chunk));
  return mayStream(weights, others.bytes(), ramLimitOf(memory, profile));
}

void joinMatrices(ModuleOp module, std::vector<LoweredStep> &steps,
                  unsigned mClasses, const MachineProfile &profile) {
  SymbolTable symbols(module);
  MLIRContext *context = module.getContext();
  using Pair = std::pair<TensorOp, TensorOp>;
  const auto tensorOf = [&](Attribute binding) {
    return symbols.lookup<TensorOp>(
        cast<BindingAttr>(binding).getTarget().getAttr());
  };
  // The bindings of gate and up follow that of x.
  const auto pairOf = [&](const LoweredDispatch &dispatch) {
    return Pair(tensorOf(dispatch.bindings[1]), tensorOf(dispatch.bindings[2]));
  };
  // A row of gate together with one of up may be too long for the kernels. Such
  // a pair remains two matrices in all dispatches.
  llvm::DenseSet<Pair> apart;
  for (const LoweredStep &step : steps) {
    for (const LoweredDispatch &dispatch : step.dispatches) {
      if (dispatch.spec.op == codegen::KernelOp::GluMatMul &&
          !canJoin(dispatch, mClasses, profile)) {
        apart.insert(pairOf(dispatch));
      }
    }
  }
  // Maps the tensors of gate and up to the symbol of the tensor that replaces
  // both.
  llvm::DenseMap<Pair, StringAttr> joined;
  const auto join = [&](TensorOp gate, TensorOp up) {
    OpBuilder builder(gate);
    SmallVector<Attribute> sources(gate.getSources().begin(),
                                   gate.getSources().end());
    sources.append(up.getSources().begin(), up.getSources().end());
    const std::string name =
        gate.getSymName().str() + "+" + up.getSymName().str();
    const auto number = [&](uint64_t value) {
      return builder.getI64IntegerAttr(static_cast<int64_t>(value));
    };
    auto op = TensorOp::create(
        builder, gate.getLoc(), builder.getStringAttr(name),
        RecipeAttr::get(context, Recipe::Join), builder.getArrayAttr(sources),
        RopeAttr(), gate.getDtypeAttr(), gate.getLayoutAttr(),
        number(gate.getRows()), number(2 * gate.getColumns()),
        number(2 * gate.getBytes()), FlatSymbolRefAttr(), IntegerAttr());
    return symbols.insert(op);
  };
  llvm::SetVector<TensorOp> replaced;
  for (LoweredStep &step : steps) {
    for (LoweredDispatch &dispatch : step.dispatches) {
      if (dispatch.spec.op != codegen::KernelOp::GluMatMul) {
        continue;
      }
      const auto [gate, up] = pairOf(dispatch);
      if (apart.contains({gate, up})) {
        continue;
      }
      auto [place, isNew] = joined.try_emplace({gate, up});
      if (isNew) {
        place->second = join(gate, up);
      }
      replaced.insert(gate);
      replaced.insert(up);
      dispatch.spec.isJoined = true;
      dispatch.bindings[1] = BindingAttr::get(
          context, Access::Read, BindingKind::Tensor, place->second.getValue());
      dispatch.bindings.erase(dispatch.bindings.begin() + 2);
    }
  }
  llvm::DenseSet<StringAttr> used;
  for (const LoweredStep &step : steps) {
    for (const LoweredDispatch &dispatch : step.dispatches) {
      for (Attribute attr : dispatch.bindings) {
        auto binding = cast<BindingAttr>(attr);
        if (binding.getKind() == BindingKind::Tensor) {
          used.insert(binding.getTarget().getAttr());
        }
      }
    }
  }
  for (TensorOp tensor : replaced) {
    if (!used.contains(tensor.getSymNameAttr())) {
      symbols.erase(tensor);
    }
  }
}

} // namespace air::compiler
