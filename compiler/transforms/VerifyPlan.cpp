//===- VerifyPlan.cpp - checks the passes' decisions ----------------------===//
//
// The checks are independent of the passes whose decisions they check. The op
// verifiers have already checked what is visible in a single op: the roles of
// bindings, whether a tensor has the size that its layout implies, and whether
// it lies inside its segment.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/Intrinsics.h"
#include "compiler/dialect/plan/CudaSpecAttr.h"
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "compiler/planner/Placement.h"
#include "compiler/planner/Schedule.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/StepNeeds.h"
#include "compiler/transforms/TargetAttr.h"
#include "formats/support/CountText.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_VERIFYPLAN
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct VerifyPlan : StatusPass<impl::VerifyPlanBase<VerifyPlan>> {
  using StatusPass::StatusPass;

  Status run() override {
    markAllAnalysesPreserved();
    AIR_RETURN_IF_ERROR(verifyRanges());
    AIR_RETURN_IF_ERROR(verifyPlaces());
    AIR_RETURN_IF_ERROR(verifySegmentOrder());
    AIR_RETURN_IF_ERROR(verifyParts());
    return verifyKernels();
  }

  /// Checks that the programs cover the batch sizes 1 to max_tokens without
  /// gaps.
  Status verifyRanges() {
    uint64_t next = 1;
    for (ProgramOp program : getOperation().getOps<ProgramOp>()) {
      if (program.getMinTokens() != next) {
        return verificationError("program '" + program.getSymName().str() +
                                 "' is for batches of " +
                                 countOf(program.getMinTokens(), "token") +
                                 " or more; its smallest batch must "
                                 "have " +
                                 countOf(next, "token"));
      }
      next = program.getMaxTokens() + 1;
    }
    for (LimitsOp limits : getOperation().getOps<LimitsOp>()) {
      if (next != limits.getMaxTokens() + 1) {
        return verificationError("programs end at " +
                                 countOf(next - 1, "token") +
                                 ", but batches may have up to " +
                                 countOf(limits.getMaxTokens(), "token"));
      }
    }
    return Status::ok();
  }

  /// Checks that every tensor is placed and used, and does not overlap any
  /// other tensor of its segment.
  Status verifyPlaces() {
    std::set<std::string> used;
    getOperation().walk([&](DispatchOp dispatch) {
      for (Attribute attr : dispatch.getBindings()) {
        auto binding = cast<BindingAttr>(attr);
        if (binding.getKind() == BindingKind::Tensor) {
          used.insert(binding.getTarget().getValue().str());
        }
      }
    });
    std::vector<std::tuple<std::string, uint64_t, uint64_t, std::string>> taken;
    for (TensorOp tensor : getOperation().getOps<TensorOp>()) {
      std::string name = tensor.getSymName().str();
      if (!tensor.getSegment() || !tensor.getOffset()) {
        return verificationError("tensor '" + name +
                                 "' has not been placed in a segment");
      }
      if (used.count(name) == 0) {
        return verificationError("no dispatch uses tensor '" + name + "'");
      }
      taken.emplace_back(tensor.getSegment()->str(), *tensor.getOffset(),
                         *tensor.getOffset() + tensor.getBytes(), name);
    }
    std::sort(taken.begin(), taken.end());
    for (size_t i = 1; i < taken.size(); ++i) {
      const auto &[segmentA, beginA, endA, nameA] = taken[i - 1];
      const auto &[segmentB, beginB, endB, nameB] = taken[i];
      if (segmentA == segmentB && beginB < endA) {
        return verificationError("tensors '" + nameA + "' and '" + nameB +
                                 "' overlap in segment '" + segmentA +
                                 "' at offset " + std::to_string(beginB));
      }
    }
    return Status::ok();
  }

  /// Checks that the segments are in the order of the reads, and that the reads
  /// load the segments of each step in time.
  Status verifySegmentOrder() {
    std::vector<std::string> names;
    std::map<std::string, uint32_t> indexOf;
    std::set<std::string> tables;
    SegmentKind last = SegmentKind::Weights;
    for (SegmentOp segment : getOperation().getOps<SegmentOp>()) {
      std::string name = segment.getSymName().str();
      if (segment.getKind() < last) {
        return verificationError("segment '" + name + "' of kind " +
                                 stringifySegmentKind(segment.getKind()).str() +
                                 " must come before the segments of kind " +
                                 stringifySegmentKind(last).str());
      }
      last = segment.getKind();
      if (segment.getKind() == SegmentKind::Table) {
        tables.insert(name);
      } else if (segment.getKind() == SegmentKind::Weights) {
        indexOf.emplace(name, static_cast<uint32_t>(names.size()));
        names.push_back(name);
      }
    }
    std::map<std::string, uint32_t> segmentOf;
    for (TensorOp tensor : getOperation().getOps<TensorOp>()) {
      auto found = indexOf.find(tensor.getSegment()->str());
      if (found != indexOf.end()) {
        segmentOf.emplace(tensor.getSymName().str(), found->second);
      } else if (!tables.contains(tensor.getSegment()->str())) {
        return verificationError(
            "tensor '" + tensor.getSymName().str() +
            "' is in a segment that holds neither weights nor a table");
      }
    }
    std::vector<ScheduledRead> reads;
    for (ReadOp read : getOperation().getOps<ReadOp>()) {
      auto found = indexOf.find(read.getSegment().str());
      if (found == indexOf.end() || found->second != reads.size()) {
        return verificationError(
            "read " + std::to_string(reads.size()) + " loads segment '" +
            read.getSegment().str() +
            "'; it must load the segment of weights with index " +
            std::to_string(reads.size()));
      }
      reads.push_back(
          {found->second, static_cast<uint32_t>(read.getFirstStep())});
    }
    std::vector<std::vector<uint32_t>> uses;
    for (ProgramOp program : getOperation().getOps<ProgramOp>()) {
      if (program.getMinTokens() != 1) {
        continue;
      }
      for (StepOp step : program.getOps<StepOp>()) {
        std::vector<uint32_t> &used = uses.emplace_back();
        if (step.getKind() == StepKind::Embed) {
          continue; // embed steps gather rows and need no whole segment
        }
        for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
          for (Attribute attr : dispatch.getBindings()) {
            auto binding = cast<BindingAttr>(attr);
            if (binding.getKind() != BindingKind::Tensor) {
              continue;
            }
            std::string name = binding.getTarget().getValue().str();
            auto found = segmentOf.find(name);
            if (found == segmentOf.end()) {
              return verificationError(
                  "step '" + step.getName().str() + "' reads all of tensor '" +
                  name +
                  "', which is in a segment of kind table; only embed steps "
                  "may read such a segment");
            }
            used.push_back(found->second);
          }
        }
      }
    }
    AIR_RETURN_IF_ERROR(verifyReads(uses, names, reads));
    return verifyPlacements();
  }

  /// Checks that each placement provides the weights that the steps need.
  Status verifyPlacements() {
    const WeightProblem problem = stepNeedsOf(getOperation());
    std::map<std::string, uint32_t> indexOf; // weight segment -> index
    for (SegmentOp segment : getOperation().getOps<SegmentOp>()) {
      if (segment.getKind() == SegmentKind::Weights) {
        indexOf.emplace(segment.getSymName().str(),
                        static_cast<uint32_t>(indexOf.size()));
      }
    }
    size_t index = 0;
    for (PlacementOp op : getOperation().getOps<PlacementOp>()) {
      AIR_RETURN_IF_ERROR(
          (op.getDevice() ? verifyGpuPlacement(op, problem, indexOf)
                          : verifyPlacement(op, problem, indexOf))
              .withContext("placement " + std::to_string(index)));
      ++index;
    }
    return Status::ok();
  }

  /// The segments of weights, tables and kernels that the CPU uses in a plan
  /// for a GPU.
  std::set<std::string> segmentsOfCpu() {
    std::set<std::string> tensors;
    std::set<std::string> segments;
    getOperation().walk([&](DispatchOp dispatch) {
      for (Attribute attr : dispatch.getBindings()) {
        auto binding = cast<BindingAttr>(attr);
        if (!dispatch.getLaunch() && binding.getKind() == BindingKind::Tensor) {
          tensors.insert(binding.getTarget().getValue().str());
        }
      }
    });
    for (TensorOp tensor : getOperation().getOps<TensorOp>()) {
      if (tensors.contains(tensor.getSymName().str())) {
        segments.insert(tensor.getSegment()->str());
      }
    }
    for (ExecutableOp executable : getOperation().getOps<ExecutableOp>()) {
      if (executable.getDevice() == 0 && executable.getSegment()) {
        segments.insert(executable.getSegment()->str());
      }
    }
    return segments;
  }

  /// Checks a placement of a plan with a GPU. A segment that kernels of the CPU
  /// use must be in RAM. Any other segment must be in the memory of the GPU,
  /// except that a segment of weights may also be in RAM, or only on the disk.
  /// In these two cases, each pass copies the segment to the GPU, and first
  /// reads it into RAM if it is only on the disk.
  Status verifyGpuPlacement(PlacementOp op, const WeightProblem &problem,
                            const std::map<std::string, uint32_t> &indexOf) {
    WeightPlacement copied;
    copied.tables = problem.tables;
    copied.ringBytes =
        static_cast<uint64_t>(op.getDeviceRingBytes().value_or(0));
    uint64_t needed = copied.ringBytes;
    // In `read`, a segment of weights counts as being in RAM unless each pass
    // reads it from the disk.
    WeightPlacement read;
    read.tables = problem.tables;
    read.ringBytes = op.getRingBytes();
    uint64_t neededRam = read.ringBytes;
    const std::set<std::string> ofCpu = segmentsOfCpu();
    size_t next = 0;
    for (SegmentOp segment : getOperation().getOps<SegmentOp>()) {
      if (next == op.getResident().size()) {
        break;
      }
      const uint64_t bytes = segment.getRawBytes();
      const int64_t device = (*op.getDevice())[next];
      const auto resident = static_cast<uint64_t>(op.getResident()[next++]);
      const bool isWeights = segment.getKind() == SegmentKind::Weights;
      if (ofCpu.contains(segment.getSymName().str())) {
        if (device != 0 || resident != bytes) {
          return verificationError(
              "segment '" + segment.getSymName().str() + "' is on device " +
              std::to_string(device) + " and keeps " +
              std::to_string(resident) + " of its " + std::to_string(bytes) +
              " bytes in RAM, but kernels of the CPU use it, so all of it must "
              "be in RAM");
        }
        neededRam += resident;
        if (isWeights) {
          copied.weights.push_back(bytes);
          read.weights.push_back(bytes);
        }
        continue;
      }
      if (device == 1 ? resident != 0
                      : device != 0 || !isWeights ||
                            (resident != bytes && resident != 0)) {
        return verificationError(
            "segment '" + segment.getSymName().str() + "' is on device " +
            std::to_string(device) + " and keeps " + std::to_string(resident) +
            " of its " + std::to_string(bytes) +
            " bytes in RAM; it may be on device 1, the GPU, with 0 bytes in "
            "RAM; if it holds weights, it may also be on device 0, the CPU, "
            "with all of its bytes in RAM or none");
      }
      needed += device == 1 ? bytes : 0;
      neededRam += resident;
      if (isWeights) {
        copied.weights.push_back(device == 1 ? bytes : 0);
        read.weights.push_back(device == 1 ? bytes : resident);
      }
    }
    AIR_ASSIGN_OR_RETURN(copied.reads, readsOf<DeviceStreamOp>(op, indexOf));
    AIR_RETURN_IF_ERROR(verifyWeights(problem, copied, UINT64_MAX));
    AIR_ASSIGN_OR_RETURN(read.reads, readsOf<StreamOp>(op, indexOf));
    AIR_RETURN_IF_ERROR(verifyWeights(problem, read, UINT64_MAX)
                            .withContext("the ring in RAM"));
    for (KvOp kv : getOperation().getOps<KvOp>()) {
      if (kv.getDevice()) {
        needed +=
            static_cast<uint64_t>((kv.getPages() + 1) * kv.getPageBytes());
      } else {
        neededRam += static_cast<uint64_t>(kv.getPages() * kv.getPageBytes());
      }
    }
    for (LimitsOp limits : getOperation().getOps<LimitsOp>()) {
      needed += limits.getGpuArenaBytes().value_or(0);
      neededRam += limits.getArenaBytes().value_or(0);
    }
    std::map<Tier, uint64_t> sums;
    for (BudgetItemOp item : op.getOps<BudgetItemOp>()) {
      sums[item.getTier()] += item.getBytes();
    }
    if (sums[Tier::Vram] < needed) {
      return verificationError(
          "the items of the VRAM budget take " +
          std::to_string(sums[Tier::Vram]) +
          " bytes, but the segments, the KV cache and the buffers need " +
          std::to_string(needed));
    }
    if (sums[Tier::Ram] < neededRam) {
      return verificationError(
          "the items of the RAM budget take " +
          std::to_string(sums[Tier::Ram]) +
          " bytes, but the weights in RAM, the ring, and the KV cache and the "
          "buffers of the CPU need " +
          std::to_string(neededRam));
    }
    for (BudgetOp budget : op.getOps<BudgetOp>()) {
      if (budget.getBytes() != 0 &&
          sums[budget.getTier()] > budget.getBytes()) {
        return verificationError(
            "the items of tier " + stringifyTier(budget.getTier()).str() +
            " take " + std::to_string(sums[budget.getTier()]) +
            " bytes, but the budget of this tier is " +
            std::to_string(budget.getBytes()) + " bytes");
      }
    }
    return Status::ok();
  }

  /// The reads that the ops of type `Op` in a placement describe.
  template <typename Op>
  Result<std::vector<StreamedRead>>
  readsOf(PlacementOp op, const std::map<std::string, uint32_t> &indexOf) {
    std::vector<StreamedRead> reads;
    for (Op read : op.getOps<Op>()) {
      auto found = indexOf.find(read.getSegment().str());
      if (found == indexOf.end()) {
        return verificationError("segment '" + read.getSegment().str() +
                                 "' is streamed, but holds no weights");
      }
      reads.push_back({found->second, read.getOffset(), read.getBytes(),
                       read.getRingOffset(),
                       static_cast<uint32_t>(read.getBeforeStep()),
                       static_cast<int64_t>(read.getAfterStep())});
    }
    return reads;
  }

  Status verifyPlacement(PlacementOp op, const WeightProblem &problem,
                         const std::map<std::string, uint32_t> &indexOf) {
    WeightPlacement placement;
    placement.ringBytes = op.getRingBytes();
    size_t next = 0;
    for (SegmentOp segment : getOperation().getOps<SegmentOp>()) {
      if (next == op.getResident().size()) {
        break;
      }
      const auto bytes = static_cast<uint64_t>(op.getResident()[next++]);
      if (segment.getKind() == SegmentKind::Weights) {
        placement.weights.push_back(bytes);
      } else if (segment.getKind() == SegmentKind::Table) {
        placement.tables.push_back(bytes);
      } else if (bytes != segment.getRawBytes()) {
        return verificationError(
            "only " + std::to_string(bytes) + " of the " +
            std::to_string(segment.getRawBytes()) +
            " bytes of kernels stay in RAM; all of them must stay there");
      }
    }
    AIR_ASSIGN_OR_RETURN(placement.reads, readsOf<StreamOp>(op, indexOf));
    uint64_t others = 0; // bytes of all items but weights and ring
    uint64_t weights = 0;
    for (BudgetItemOp item : op.getOps<BudgetItemOp>()) {
      (item.getName() == "weights" || item.getName() == "ring" ? weights
                                                               : others) +=
          item.getBytes();
    }
    for (BudgetOp budget : op.getOps<BudgetOp>()) {
      if (budget.getBytes() != 0 && weights + others > budget.getBytes()) {
        return verificationError("the items of the budget take " +
                                 std::to_string(weights + others) +
                                 " bytes, but the budget is " +
                                 std::to_string(budget.getBytes()) + " bytes");
      }
    }
    return verifyWeights(problem, placement, weights);
  }

  /// Checks that the parts of a matmul follow each other and together run every
  /// row tile once.
  Status verifyParts() {
    for (ProgramOp program : getOperation().getOps<ProgramOp>()) {
      // The previous dispatch if it ends before the last row tile of its
      // matmul, otherwise null.
      DispatchOp last;
      Status status = Status::ok();
      program.walk([&](DispatchOp dispatch) {
        const uint64_t first = dispatch.getFirstTile().value_or(0);
        const bool fits =
            last ? dispatch.getFirstTile() && first == *last.getEndTile() &&
                       dispatch.getKernel() == last.getKernel() &&
                       dispatch.getBindings() == last.getBindings() &&
                       last.getOverlap()
                 : first == 0;
        if (!fits) {
          status = verificationError(
              "dispatch '" + dispatch.getKernel().str() +
              "' must begin at row tile 0, or continue the previous dispatch "
              "if that one has not run all of its row tiles");
          return WalkResult::interrupt();
        }
        last = dispatch.getEndTile().value_or(dispatch.getBaseTiles()) <
                       dispatch.getBaseTiles()
                   ? dispatch
                   : DispatchOp();
        return WalkResult::advance();
      });
      AIR_RETURN_IF_ERROR(status);
      if (last) {
        return verificationError("the last row tiles of dispatch '" +
                                 last.getKernel().str() + "' never run");
      }
    }
    return Status::ok();
  }

  /// Checks that every dispatch states the grid and the resources (scratch,
  /// weights, arithmetic) of its kernel, that its bindings have the shapes for
  /// which the kernel was generated, and that the entries of executables are
  /// exactly the kernels that dispatches name.
  Status verifyKernels() {
    AIR_ASSIGN_OR_RETURN(MachineProfile profile, targetOf(getOperation()));
    SymbolTable symbols(getOperation());
    std::set<std::string> named;
    Status status = Status::ok();
    getOperation().walk([&](DispatchOp dispatch) {
      named.insert(dispatch.getKernel().str());
      if (dispatch.getLaunch()) {
        status = verifyGpuDispatch(dispatch, profile, symbols);
        return status.isOk() ? WalkResult::advance() : WalkResult::interrupt();
      }
      status = verifyDispatch(dispatch, profile);
      status = status.isOk() ? verifyBindings(dispatch, symbols) : status;
      return status.isOk() ? WalkResult::advance() : WalkResult::interrupt();
    });
    AIR_RETURN_IF_ERROR(status);
    std::set<std::string> entries;
    for (ExecutableOp executable : getOperation().getOps<ExecutableOp>()) {
      for (Attribute entry : executable.getEntries()) {
        entries.insert(cast<StringAttr>(entry).getValue().str());
      }
    }
    for (const std::string &name : named) {
      if (entries.count(name) == 0) {
        return verificationError("no executable contains kernel '" + name +
                                 "'");
      }
    }
    return entries.size() == named.size()
               ? Status::ok()
               : verificationError("the executable has " +
                                   countOf(entries.size(), "entry", "entries") +
                                   ", but dispatches name " +
                                   countOf(named.size(), "kernel"));
  }

  /// Does for a GPU kernel what verifyDispatch() and verifyBindings() do for a
  /// CPU kernel.
  Status verifyGpuDispatch(DispatchOp dispatch, const MachineProfile &profile,
                           const SymbolTable &symbols) {
    namespace cuda = codegen::cuda;
    const std::string name = dispatch.getKernel().str();
    if (profile.gpus.empty()) {
      return verificationError("dispatch '" + name +
                               "' has a launch, but the target has no GPU");
    }
    AIR_ASSIGN_OR_RETURN(const cuda::CudaTarget target,
                         cuda::cudaTarget(profile.gpus.front().arch));
    AIR_ASSIGN_OR_RETURN(const cuda::CudaSpec spec,
                         cudaSpecFromAttr(dispatch.getSpec()));
    // Each kernel is generated only once, because layers share kernels and
    // generating their text takes time.
    auto [known, isNew] = generated.try_emplace(name);
    if (isNew) {
      AIR_ASSIGN_OR_RETURN(
          known->second.kernel,
          cuda::generateKernel(spec, target, cuda::deviceIntrinsicsText()));
      known->second.bindings = cuda::cudaBindings(spec, known->second.kernel);
      known->second.spec = dispatch.getSpec();
      known->second.isDependent = cuda::hasDependentLaunch(spec);
    }
    const cuda::CudaKernel &kernel = known->second.kernel;
    LaunchAttr launch = dispatch.getLaunchAttr();
    if (kernel.name != name || known->second.spec != dispatch.getSpec() ||
        launch.getGridX() != kernel.gridX ||
        launch.getGridY() != kernel.gridY ||
        launch.getThreads() != kernel.threads ||
        launch.getSharedBytes() != kernel.sharedBytes ||
        launch.getDependent() != known->second.isDependent ||
        (dispatch.getRows() == RowsFrom::Outputs) !=
            cuda::computesOutputs(spec)) {
      return verificationError(
          "dispatch '" + name + "' does not match its kernel '" + kernel.name +
          "'; both must have the same name, spec, rows and launch");
    }
    if (const auto *attention = std::get_if<cuda::PrefillAttention>(&spec)) {
      const uint64_t tokens =
          dispatch->getParentOfType<ProgramOp>().getTileTokens().value_or(0);
      if (attention->tiling.tileTokens != tokens) {
        return verificationError(
            "dispatch '" + name + "' takes tiles of up to " +
            countOf(attention->tiling.tileTokens, "token") +
            ", but its program divides batches into tiles of up to " +
            countOf(tokens, "token") + "; the two numbers must be equal");
      }
    }
    const uint64_t weightBytes = cuda::weightBytesRead(spec, kernel);
    const uint64_t flops = cuda::flopsPerToken(spec);
    const Arithmetic arithmetic = ir::plan::arithmeticOf(spec);
    if (dispatch.getWeightBytes() != weightBytes ||
        dispatch.getFlopsPerRow() != flops ||
        dispatch.getArithmetic() != arithmetic) {
      return verificationError(
          "dispatch '" + name + "' states that it reads " +
          std::to_string(dispatch.getWeightBytes()) +
          " bytes of weights and does " +
          countOf(dispatch.getFlopsPerRow(), "operation per token",
                  "operations per token") +
          " in " + stringifyArithmetic(dispatch.getArithmetic()).str() +
          " arithmetic, but its kernel reads " + std::to_string(weightBytes) +
          " bytes and does " +
          countOf(flops, "operation per token", "operations per token") +
          " in " + stringifyArithmetic(arithmetic).str() + " arithmetic");
    }
    const std::vector<cuda::CudaBinding> &wanted = known->second.bindings;
    if (wanted.size() != dispatch.getBindings().size()) {
      return verificationError(
          "dispatch '" + name + "' has " +
          countOf(dispatch.getBindings().size(), "binding") +
          ", but its kernel needs " + std::to_string(wanted.size()));
    }
    for (size_t i = 0; i < wanted.size(); ++i) {
      auto binding = cast<BindingAttr>(dispatch.getBindings()[i]);
      if (!gpuBindingFits(wanted[i], binding, symbols)) {
        return verificationError("dispatch '" + name +
                                 "': the binding of the operand " +
                                 wanted[i].name +
                                 " does not have the kind, access, dtype, "
                                 "layout and size that the kernel requires");
      }
    }
    return Status::ok();
  }

  bool gpuBindingFits(const codegen::cuda::CudaBinding &want,
                      BindingAttr binding, const SymbolTable &symbols) {
    if (static_cast<uint32_t>(binding.getKind()) !=
            static_cast<uint32_t>(want.kind) ||
        static_cast<uint32_t>(binding.getAccess()) !=
            static_cast<uint32_t>(want.access)) {
      return false;
    }
    switch (binding.getKind()) {
    case BindingKind::Batch:
      return binding.getNumber() == static_cast<int64_t>(want.array);
    case BindingKind::Kv:
      return cacheOf(binding.getNumber(), /*onGpu=*/true) != nullptr;
    case BindingKind::Tensor: {
      auto tensor = symbols.lookup<TensorOp>(binding.getTarget().getAttr());
      return tensor && tensor.getBytes() == want.bytes &&
             tensor.getDtype().getValue() == want.dtype &&
             tensor.getLayout().getValue() == want.layout;
    }
    case BindingKind::Buffer: {
      auto buffer = symbols.lookup<BufferOp>(binding.getTarget().getAttr());
      return buffer && buffer.getDevice() == 1 &&
             buffer.getBytes().value_or(0) >= want.bytes &&
             buffer.getZeroed() == (want.name == "counters");
    }
    }
    return false;
  }

  static Status verifyDispatch(DispatchOp dispatch,
                               const MachineProfile &profile) {
    AIR_ASSIGN_OR_RETURN(codegen::KernelSpec spec,
                         kernelSpecFromAttr(dispatch.getSpec()));
    AIR_ASSIGN_OR_RETURN(codegen::KernelEntry entry,
                         codegen::describeKernel(spec, profile));
    bool outputs = entry.rowsFrom == codegen::RowsFrom::Outputs;
    if (dispatch.getFirstTile()) {
      // The dispatch runs only some rows of the matmul. The bytes of weights
      // that it reads are in proportion to the row blocks of these rows, and
      // its operations are in proportion to the number of rows.
      uint64_t block = spec.layout == Layout::X16 ? kX16Rows : 1;
      uint64_t row = *dispatch.getFirstTile() * entry.rowsPerTile;
      uint64_t rows = (*dispatch.getEndTile() == entry.baseTiles
                           ? spec.n
                           : *dispatch.getEndTile() * entry.rowsPerTile) -
                      row;
      uint64_t blocks = (spec.n + block - 1) / block;
      entry.weightBytes =
          entry.weightBytes / blocks * ((rows + block - 1) / block);
      entry.flopsPerRow = entry.flopsPerRow / spec.n * rows;
    }
    bool same = entry.name == dispatch.getKernel() &&
                entry.baseTiles == dispatch.getBaseTiles() &&
                entry.tokensPerTile == dispatch.getTokensPerTile() &&
                entry.rowsPerTile == dispatch.getRowsPerTile() &&
                outputs == (dispatch.getRows() == RowsFrom::Outputs) &&
                entry.scratchBytes == dispatch.getScratchBytes() &&
                entry.weightBytes == dispatch.getWeightBytes() &&
                entry.flopsPerRow == dispatch.getFlopsPerRow() &&
                ir::plan::arithmeticOf(spec) == dispatch.getArithmetic();
    return same
               ? Status::ok()
               : verificationError("dispatch '" + dispatch.getKernel().str() +
                                   "' does not match its kernel '" +
                                   entry.name + "' in name, grid or resources");
  }

  /// Checks the dtype, layout and shape of each binding. Kernels do not check
  /// their operands, so a tensor or row that is smaller than the spec requires
  /// would be read out of bounds.
  Status verifyBindings(DispatchOp dispatch, const SymbolTable &symbols) {
    AIR_ASSIGN_OR_RETURN(codegen::KernelSpec spec,
                         kernelSpecFromAttr(dispatch.getSpec()));
    std::vector<codegen::KernelBinding> wanted = codegen::kernelBindings(spec);
    for (size_t i = 0; i < wanted.size(); ++i) {
      auto binding = cast<BindingAttr>(dispatch.getBindings()[i]);
      bool fits =
          binding.getKind() == BindingKind::Kv
              ? kvFits(spec, binding.getNumber())
              : symbolFits(wanted[i],
                           symbols.lookup(binding.getTarget().getAttr()));
      if (!fits) {
        std::string bound = binding.getKind() == BindingKind::Kv
                                ? std::to_string(binding.getNumber())
                                : binding.getTarget().getValue().str();
        return verificationError(
            "dispatch '" + dispatch.getKernel().str() + "' binds '" + bound +
            "' as " + wanted[i].name +
            ", but its dtype, layout or shape differs from "
            "what the kernel requires");
      }
    }
    return Status::ok();
  }

  static bool symbolFits(const codegen::KernelBinding &want, Operation *op) {
    if (auto buffer = dyn_cast<BufferOp>(op)) {
      return buffer.getRowElements() == want.columns &&
             buffer.getRows() == static_cast<RowsFrom>(want.rowsFrom);
    }
    auto tensor = cast<TensorOp>(op);
    return tensor.getDtype().getValue() == want.dtype &&
           tensor.getLayout().getValue() == want.layout &&
           tensor.getRows() == want.rows && tensor.getColumns() == want.columns;
  }

  /// Returns the plan.kv that contains cache `index` if this plan.kv is on the
  /// wanted device: the GPU if `onGpu` is true, and otherwise the CPU. Returns
  /// null if it is on the other device, or if there is no such cache.
  KvOp cacheOf(int64_t index, bool onGpu) {
    uint64_t first = 0;
    for (KvOp kv : getOperation().getOps<KvOp>()) {
      const auto cache = static_cast<uint64_t>(index);
      if (cache >= first && cache < first + kv.getCaches()) {
        return kv.getDevice().has_value() == onGpu ? kv : KvOp();
      }
      first += kv.getCaches();
    }
    return {};
  }

  bool kvFits(const codegen::KernelSpec &spec, int64_t cache) {
    KvOp kv = cacheOf(cache, /*onGpu=*/false);
    return kv && spec.cacheGroup == 0 && spec.kvHeads == kv.getHeads() &&
           spec.headDim == kv.getHeadDim() &&
           spec.kvDtype == kv.getDtype().getValue() &&
           spec.kvPageBytes == static_cast<uint64_t>(kv.getPageBytes());
  }

  /// A GPU kernel that verifyGpuDispatch() has generated from `spec`.
  struct Generated {
    DictionaryAttr spec;
    codegen::cuda::CudaKernel kernel;
    std::vector<codegen::cuda::CudaBinding> bindings;
    bool isDependent = false;
  };
  std::map<std::string, Generated> generated; ///< by kernel name
};

} // namespace
} // namespace air::compiler
