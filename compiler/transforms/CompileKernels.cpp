//===- CompileKernels.cpp - compiles the kernels of all dispatches --------===//
#include "compiler/dialect/plan/CudaSpecAttr.h"
#include "compiler/dialect/plan/KernelSpecAttr.h"
#include "compiler/transforms/GpuDemand.h"
#include "compiler/transforms/KernelBuild.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/RamDemand.h"
#include "compiler/transforms/TargetAttr.h"

#include <map>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_COMPILEKERNELS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct CompileKernels : StatusPass<impl::CompileKernelsBase<CompileKernels>> {
  using StatusPass::StatusPass;
  CompileKernels(CompileKernelsOptions options, KernelBuild *destination)
      : StatusPass(std::move(options)), build(destination) {}

  Status run() override {
    ModuleOp module = getOperation();
    AIR_ASSIGN_OR_RETURN(MachineProfile profile, targetOf(module));
    if (!profile.gpus.empty()) {
      return compileForGpu(profile);
    }
    AIR_ASSIGN_OR_RETURN(const CpuSpecs specs, cpuSpecs());
    // If the pass was given no KernelBuild, it compiles the kernels itself, in
    // the foreground and without a reservation, so their segment has their
    // exact size.
    KernelBuild own(false, 0);
    KernelBuild &used = build != nullptr ? *build : own;
    // The names of the kernels, in their order in the object file.
    SmallVector<StringRef> entries;
    for (const auto &[name, spec] : specs) {
      entries.push_back(name);
    }
    Builder builder(module.getContext());
    SmallVector<SegmentOp> segments;
    for (ExecutableOp executable : module.getOps<ExecutableOp>()) {
      executable.setEntriesAttr(builder.getStrArrayAttr(entries));
      segments.push_back(SymbolTable::lookupNearestSymbolFrom<SegmentOp>(
          executable, executable.getSegmentAttr()));
      if (!segments.back()) {
        return internalError("the executable has not been placed in a segment");
      }
    }
    const auto setBytes = [&](uint64_t bytes) {
      for (SegmentOp segment : segments) {
        segment.setRawBytesAttr(
            builder.getI64IntegerAttr(static_cast<int64_t>(bytes)));
      }
    };

    // Compiling takes seconds, so a plan that does not fit in RAM is refused
    // first. The check uses the size that will be reserved for the kernels.
    setBytes(used.reservationFor(specs.size()));
    AIR_RETURN_IF_ERROR(
        planPlacements(weightProblemOf(module),
                       ramDemandOf(module, profile, vocabularyBytes, reference),
                       ramLimitOf({ram, disk, pin}, profile))
            .status());
    used.start(cpuKernels(specs, profile), std::max(1U, unsigned{threads}));
    if (used.isDone()) {
      AIR_RETURN_IF_ERROR(used.wait().status());
    }
    setBytes(used.reserved());
    return Status::ok();
  }

  struct CpuSpec {
    codegen::KernelSpec spec;
    Attribute attribute; ///< the form that the spec has in the module
  };
  /// The kernels, sorted by name, so that the object file does not depend on
  /// the order of the dispatches.
  using CpuSpecs = std::map<std::string, CpuSpec>;

  /// Returns the kernels of all dispatches that run on the CPU.
  Result<CpuSpecs> cpuSpecs() {
    CpuSpecs specs;
    Status status = Status::ok();
    getOperation().walk([&](DispatchOp dispatch) {
      if (dispatch.getLaunch()) {
        return;
      }
      Result<codegen::KernelSpec> spec = kernelSpecFromAttr(dispatch.getSpec());
      if (!spec) {
        status = spec.status().withContext(dispatch.getKernel().str());
        return;
      }
      specs.emplace(dispatch.getKernel().str(),
                    CpuSpec{*spec, dispatch.getSpec()});
    });
    AIR_RETURN_IF_ERROR(status);
    return specs;
  }

  KernelBuild::CpuKernels cpuKernels(const CpuSpecs &specs,
                                     const MachineProfile &profile) {
    KernelBuild::CpuKernels kernels;
    kernels.profile = profile;
    llvm::raw_string_ostream text(kernels.text);
    text << targetAttrOf(getOperation()) << '\n';
    for (const auto &[name, kernel] : specs) {
      kernels.specs.push_back(kernel.spec);
      text << name << ' ' << kernel.attribute << '\n';
    }
    return kernels;
  }

  /// Starts to compile the kernels of the CPU for a plan in which the CPU
  /// computes some layers, and sets the size of the segment for these kernels.
  /// Does nothing if the GPU computes all layers.
  Status compileCpuPart(const MachineProfile &profile, KernelBuild &used) {
    AIR_ASSIGN_OR_RETURN(const CpuSpecs specs, cpuSpecs());
    if (specs.empty()) {
      return Status::ok();
    }
    SmallVector<StringRef> entries;
    for (const auto &[name, spec] : specs) {
      entries.push_back(name);
    }
    used.start(cpuKernels(specs, profile), std::max(1U, unsigned{threads}));
    if (used.isDone()) {
      AIR_RETURN_IF_ERROR(used.wait().status());
    }
    Builder builder(&getContext());
    for (ExecutableOp executable : getOperation().getOps<ExecutableOp>()) {
      auto segment = SymbolTable::lookupNearestSymbolFrom<SegmentOp>(
          executable, executable.getSegmentAttr());
      if (executable.getDevice() == 0 && segment) {
        executable.setEntriesAttr(builder.getStrArrayAttr(entries));
        segment.setRawBytes(used.reserved());
      }
    }
    return Status::ok();
  }

  /// Compiles the kernels of a GPU, and those of the CPU if it computes some
  /// layers. Each kernel of the GPU is the only entry of an executable.
  Status compileForGpu(const MachineProfile &profile) {
    ModuleOp module = getOperation();
    AIR_ASSIGN_OR_RETURN(const codegen::cuda::CudaTarget target,
                         codegen::cuda::cudaTarget(profile.gpus.front().arch));
    // Compiling takes seconds and needs NVRTC, so whatever can be checked
    // without the kernels is checked first.
    AIR_RETURN_IF_ERROR(checkGpuOptions(pin, codec.getValue(), reference));
    AIR_RETURN_IF_ERROR(
        planGpu(
            gpuDemandOf(module, vocabularyBytes, profile.cores),
            {vramLimitOf(vram, profile), ramLimitOf({ram, disk, pin}, profile)})
            .status());
    std::map<std::string, codegen::cuda::CudaSpec> specs;
    Status status = Status::ok();
    module.walk([&](DispatchOp dispatch) {
      if (!dispatch.getLaunch()) {
        return;
      }
      Result<codegen::cuda::CudaSpec> spec =
          cudaSpecFromAttr(dispatch.getSpec());
      if (!spec) {
        status = spec.status().withContext(dispatch.getKernel().str());
        return;
      }
      specs.emplace(dispatch.getKernel().str(), *spec);
    });
    AIR_RETURN_IF_ERROR(status);
    std::vector<codegen::cuda::CudaSpec> list;
    SmallVector<SegmentOp> segments;
    for (ExecutableOp executable : module.getOps<ExecutableOp>()) {
      if (executable.getDevice() == 0) {
        continue;
      }
      const auto spec =
          executable.getEntries().size() == 1
              ? specs.find(cast<StringAttr>(executable.getEntries()[0]).str())
              : specs.end();
      segments.push_back(SymbolTable::lookupNearestSymbolFrom<SegmentOp>(
          executable, executable.getSegmentAttr()));
      if (spec == specs.end() || !segments.back()) {
        return internalError("the executable '" +
                             executable.getSymName().str() +
                             "' must be placed in a segment and have exactly "
                             "one kernel, which a dispatch must name");
      }
      list.push_back(spec->second);
    }
    KernelBuild own(false, 0);
    KernelBuild &used = build != nullptr ? *build : own;
    AIR_RETURN_IF_ERROR(compileCpuPart(profile, used));
    AIR_RETURN_IF_ERROR(
        used.compileCuda(list, target, std::max(1U, unsigned{threads})));
    for (const auto &[segment, code] :
         llvm::zip_equal(segments, used.cudaCodes())) {
      segment.setRawBytes(code.cubin.size() + code.ptx.size());
    }
    return Status::ok();
  }

  KernelBuild *build = nullptr;
};

} // namespace

std::unique_ptr<Pass> createCompileKernels(CompileKernelsOptions options,
                                           KernelBuild *build) {
  return std::make_unique<CompileKernels>(std::move(options), build);
}

} // namespace air::compiler
