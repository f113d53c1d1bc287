//===- CompileKernels.cpp - the interface of codegen/cpu --------*- C++ -*-===//
#include "codegen/KernelListing.h"
#include "codegen/KernelSpec.h"
#include "codegen/cpu/CompileModule.h"
#include "codegen/cpu/KernelRegistry.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "codegen/cpu/matmul/MatMulTiling.h"
#include "formats/abi/KernelAbi.h"
#include "formats/support/Thread.h"

#include "llvm/Config/llvm-config.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace air::codegen {
namespace {

/// The version of the kernels' code, which is a part of codegenFingerprint().
/// It must be raised whenever the code or the grid of a kernel changes although
/// its spec does not.
constexpr unsigned kKernelSetVersion = 25;

struct Job {
  KernelSpec spec;
  const KernelRow *row = nullptr;
  KernelEntry entry;
};

Result<Job> describe(const KernelSpec &spec, const IsaTraits &isa) {
  Job job;
  job.spec = spec;
  AIR_ASSIGN_OR_RETURN(job.row, findKernelRow(spec));
  // With this limit on every dimension, the product of two dimensions fits in
  // the kernels' 64-bit arithmetic, and a row index fits in the 32-bit lanes of
  // a gather.
  constexpr uint64_t kMost = (uint64_t{1} << 31) - 1;
  for (auto [field, value] :
       {std::pair("n", spec.n), std::pair("k", spec.k),
        std::pair("yStride", spec.yStride), std::pair("yOffset", spec.yOffset),
        std::pair("heads", spec.heads), std::pair("kvHeads", spec.kvHeads),
        std::pair("headDim", spec.headDim),
        std::pair("ropeDim", spec.ropeDim)}) {
    if (value > kMost) {
      return unsupportedError("CPU kernels: the field '" + std::string(field) +
                              "' is " + std::to_string(value) +
                              "; it must be at most " + std::to_string(kMost));
    }
  }
  job.entry.name = kernelName(spec);
  job.entry.rowsFrom = spec.rowsFrom;
  AIR_RETURN_IF_ERROR(
      job.row->describe(spec, isa, job.entry).withContext(job.entry.name));
  return job;
}

/// Whether a matmul is faster with the int8 activations that `spec` asks for
/// than with float32 activations. True for all other formats. The answers for
/// x86-64 were measured with air-bench; those for aarch64 were estimated from
/// instruction counts.
///
/// MulAdd256 and MulAdd512 multiply bytes with vpmaddubsw. A dot product takes
/// about twice as long with weights that have 8 bits, and for large M also with
/// weights that have one scale per 16 columns. With these weights, I8x2 is
/// mostly slower than float32, because it needs two dot products for each block
/// of columns: one with the high bytes of the activations, and one with the low
/// bytes.
///
/// With I8x2, large-M kernels decode the weights once for every four tokens.
/// For dtypes with codebooks, this takes too long.
bool isFaster(const KernelSpec &spec, const IsaTraits &isa) {
  if (!isInt8(spec.activation)) {
    return true;
  }
  const bool isWhole = std::ranges::count(eightBitDTypes(), spec.dtype) != 0;
  const bool isCostly =
      isWhole || (spec.mClass == MClass::Large &&
                  std::ranges::count(scalePer16DTypes(), spec.dtype) != 0);
  if (spec.mClass == MClass::Large && spec.activation == Activation::I8x2 &&
      std::ranges::count(codebookDTypes(), spec.dtype) != 0) {
    return false;
  }
  switch (isa.byteDot) {
  case ByteDot::None:
    return false;
  case ByteDot::MulAdd256:
    return !isCostly || isInt8Tiled(spec.activation) ||
           spec.mClass == MClass::One;
  case ByteDot::MulAdd512:
    return !isCostly || isInt8Tiled(spec.activation);
  case ByteDot::Vnni512:
  case ByteDot::Vnni256:
  case ByteDot::Sdot:
    return true;
  }
  return false;
}

/// Runs work(i) for i in [0, count) on up to `threads` threads. One of them is
/// the calling thread. If the system refuses to start some threads, the
/// remaining ones do all the work.
template <typename Work>
void forEach(size_t count, unsigned threads, const Work &work) {
  std::atomic<size_t> next = 0;
  auto drain = [&] {
    for (size_t i = next++; i < count; i = next++) {
      work(i);
    }
  };
  std::vector<Thread> helpers;
  for (size_t i = 1; i < std::min<size_t>(threads, count); ++i) {
    Result<Thread> helper = Thread::start(drain);
    if (!helper) {
      break;
    }
    helpers.push_back(*std::move(helper));
  }
  drain();
  for (Thread &helper : helpers) {
    helper.join();
  }
}

/// Returns one job for each kernel that `specs` describes. A spec that occurs
/// several times has only one job. The jobs are sorted by the names of the
/// kernels.
Result<std::vector<Job>> describeAll(std::span<const KernelSpec> specs,
                                     const IsaTraits &isa) {
  std::vector<Job> jobs;
  for (const KernelSpec &spec : specs) {
    AIR_ASSIGN_OR_RETURN(Job job, describe(spec, isa));
    jobs.push_back(std::move(job));
  }
  auto name = [](const Job &job) -> const std::string & {
    return job.entry.name;
  };
  std::ranges::stable_sort(jobs, {}, name);
  for (size_t i = 1; i < jobs.size(); ++i) {
    if (name(jobs[i - 1]) == name(jobs[i]) &&
        jobs[i - 1].spec != jobs[i].spec) {
      return internalError("two different kernels have the name " +
                           name(jobs[i]));
    }
  }
  auto repeated = std::ranges::unique(jobs, {}, name);
  jobs.erase(repeated.begin(), repeated.end());
  return jobs;
}

/// Calls compile(job, index) for every job, on up to `threads` threads. If
/// several jobs fail, returns the error of the first of them in the order of
/// the jobs, so that the error does not depend on which thread finished first.
template <typename Compile>
Status compileAll(const std::vector<Job> &jobs, unsigned threads,
                  const Compile &compile) {
  std::vector<Status> results(jobs.size());
  forEach(jobs.size(), std::max(threads, 1U),
          [&](size_t i) { results[i] = compile(jobs[i], i); });
  for (const Status &result : results) {
    AIR_RETURN_IF_ERROR(result);
  }
  return Status::ok();
}

} // namespace

bool hasMClasses(KernelOp op) {
  return std::ranges::any_of(kernelRegistry(), [&](const KernelRow &row) {
    return row.op == op && row.hasMClasses;
  });
}

std::vector<Layout> supportedLayouts(DType dtype,
                                     const MachineProfile &target) {
  return makeCpuTarget(target).isOk() ? commonLayouts(dtype, kernelRegistry())
                                      : std::vector<Layout>();
}

Activation bestActivation(const KernelSpec &spec, const MachineProfile &target,
                          Precision precision) {
  if (spec.op != KernelOp::MatMul && spec.op != KernelOp::GluMatMul) {
    return Activation::F32;
  }
  Result<CpuTarget> cpu = makeCpuTarget(target);
  // With a single token, memory bandwidth is nearly always the limit, so 15
  // bits per activation are as fast as 8. affordsI8x2() predicts whether this
  // holds.
  if (cpu && precision == Precision::Int8 && spec.mClass == MClass::One &&
      affordsI8x2(spec, cpu->isa)) {
    precision = Precision::Int15;
  }
  if (cpu && precision == Precision::Int8 && prefersBf16(spec, cpu->isa)) {
    precision = Precision::Bf16;
  }
  KernelSpec product = spec;
  product.activation = activationFor(precision, spec.mClass, spec.dtype);
  const bool isWorthIt = cpu && isFaster(product, cpu->isa) &&
                         (product.activation != Activation::BF16x32 ||
                          affordsBf16(product, cpu->isa));
  return isWorthIt && describeKernel(product, target)
             ? product.activation
             : activationFor(Precision::Float, spec.mClass, spec.dtype);
}

MatMulTiles usedTiles(const KernelSpec &spec, const MachineProfile &target) {
  Result<CpuTarget> cpu = makeCpuTarget(target);
  return cpu ? matMulUsedTiles(spec, cpu->isa) : spec.tiles;
}

std::vector<std::vector<MatMulTiles>>
tileVariants(const KernelSpec &spec, const MachineProfile &target) {
  const bool isMatMul =
      spec.op == KernelOp::MatMul || spec.op == KernelOp::GluMatMul;
  Result<CpuTarget> cpu = makeCpuTarget(target);
  if (!isMatMul || !cpu || !describeKernel(spec, target)) {
    return {};
  }
  return matMulTileVariants(spec, cpu->isa);
}

Result<KernelEntry> describeKernel(const KernelSpec &spec,
                                   const MachineProfile &target) {
  AIR_ASSIGN_OR_RETURN(CpuTarget cpu, makeCpuTarget(target));
  AIR_ASSIGN_OR_RETURN(Job job, describe(spec, cpu.isa));
  return job.entry;
}

Result<std::vector<KernelEntry>>
describeKernels(std::span<const KernelSpec> specs,
                const MachineProfile &target) {
  AIR_ASSIGN_OR_RETURN(CpuTarget cpu, makeCpuTarget(target));
  AIR_ASSIGN_OR_RETURN(std::vector<Job> jobs, describeAll(specs, cpu.isa));
  std::vector<KernelEntry> entries;
  for (Job &job : jobs) {
    entries.push_back(std::move(job.entry));
  }
  return entries;
}

Result<KernelArtifact> compileKernels(std::span<const KernelSpec> specs,
                                      const MachineProfile &target,
                                      unsigned threads) {
  AIR_ASSIGN_OR_RETURN(CpuTarget cpu, makeCpuTarget(target));
  AIR_ASSIGN_OR_RETURN(std::vector<Job> jobs, describeAll(specs, cpu.isa));
  std::vector<std::string> bitcodes(jobs.size());
  AIR_RETURN_IF_ERROR(compileAll(jobs, threads, [&](const Job &job, size_t i) {
    Result<std::string> bitcode =
        compileToBitcode(job.entry.name, cpu,
                         [&](KernelBuilder &b) { job.row->emit(b, job.spec); });
    if (!bitcode) {
      return bitcode.status();
    }
    bitcodes[i] = *std::move(bitcode);
    return Status::ok();
  }));
  KernelArtifact artifact;
  AIR_ASSIGN_OR_RETURN(artifact.object, emitObject(bitcodes, cpu));
  for (Job &job : jobs) {
    artifact.entries.push_back(std::move(job.entry));
  }
  return artifact;
}

Result<std::vector<KernelListing>>
listKernels(std::span<const KernelSpec> specs, const MachineProfile &target,
            unsigned threads) {
  AIR_ASSIGN_OR_RETURN(CpuTarget cpu, makeCpuTarget(target));
  AIR_ASSIGN_OR_RETURN(std::vector<Job> jobs, describeAll(specs, cpu.isa));
  std::vector<KernelListing> listings(jobs.size());
  AIR_RETURN_IF_ERROR(
      compileAll(jobs, threads, [&](const Job &job, size_t i) -> Status {
        KernelListing &listing = listings[i];
        listing.name = job.entry.name;
        AIR_ASSIGN_OR_RETURN(
            const std::string bitcode,
            compileToBitcode(
                job.entry.name, cpu,
                [&](KernelBuilder &b) { job.row->emit(b, job.spec); },
                &listing.mlir));
        AIR_ASSIGN_OR_RETURN(listing.assembly,
                             emitAssembly({&bitcode, 1}, cpu));
        AIR_ASSIGN_OR_RETURN(listing.object, emitObject({&bitcode, 1}, cpu));
        return Status::ok();
      }));
  return listings;
}

std::string codegenFingerprint() {
  return "cpu kernels " + std::to_string(kKernelSetVersion) + ", ABI " +
         std::to_string(AIR_KERNEL_ABI_VERSION) + ", LLVM " +
         LLVM_VERSION_STRING;
}

} // namespace air::codegen
