//===- MeasureNeeds.cpp - the sizes of a plan module ----------------------===//
#include "compiler/transforms/MeasureNeeds.h"

#include "compiler/dialect/plan/PlanDialect.h"
#include "compiler/transforms/GpuDemand.h"
#include "compiler/transforms/PassArithmetic.h"
#include "formats/plan/PredictedPhases.h"
#include "formats/support/CountText.h"

#include "llvm/ADT/DenseMap.h"

#include <algorithm>
#include <map>
#include <set>

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {
namespace {

enum ClassIndex : size_t { kAttention, kFfn, kHead, kTable, kOther };
constexpr const char *kNames[] = {"attention", "ffn", "head", "embedding table",
                                  "other"};

ClassIndex classOf(StepKind kind) {
  switch (kind) {
  case StepKind::AttnIn:
  case StepKind::Attn:
  case StepKind::AttnOut:
    return kAttention;
  case StepKind::FfnIn:
  case StepKind::FfnOut:
    return kFfn;
  case StepKind::Head:
    return kHead;
  case StepKind::Embed:
    return kTable;
  default:
    return kOther;
  }
}

void addOps(TokenOps &ops, DispatchOp dispatch) {
  const auto count = static_cast<double>(dispatch.getFlopsPerRow());
  ops.all += count;
  switch (dispatch.getArithmetic()) {
  case Arithmetic::Float32:
    ops.float32 += count;
    break;
  case Arithmetic::Int8:
    ops.byteDot += count;
    break;
  case Arithmetic::Int15:
    ops.byteDot += 2 * count;
    break;
  case Arithmetic::BFloat16:
    ops.bf16 += count;
    break;
  case Arithmetic::Float16:
    // Only kernels of a GPU use float16, and predictions for a GPU need only
    // ops.all, so there is no count of the operations in float16.
    break;
  }
}

/// The number of layers that the CPU computes.
uint64_t layersOnCpu(ProgramOp program) {
  std::set<uint64_t> layers;
  program.walk([&](DispatchOp dispatch) {
    const auto layer =
        static_cast<int64_t>(dispatch->getParentOfType<StepOp>().getLayer());
    if (!dispatch.getLaunch() && layer >= 0) {
      layers.insert(static_cast<uint64_t>(layer));
    }
  });
  return layers.size();
}

/// Calls visit(segment, step) for each tensor that a dispatch of the program
/// binds, in the order of the dispatches. `segment` is the name of the tensor's
/// segment, and `step` is the step to which the dispatch belongs.
template <typename Visit>
void visitSegments(ModuleOp module, ProgramOp program, Visit visit) {
  llvm::DenseMap<StringAttr, StringAttr> segmentOf;
  for (TensorOp tensor : module.getOps<TensorOp>()) {
    if (FlatSymbolRefAttr segment = tensor.getSegmentAttr()) {
      segmentOf[tensor.getSymNameAttr()] = segment.getAttr();
    }
  }
  for (StepOp step : program.getOps<StepOp>()) {
    for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
      for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
        if (binding.getKind() == BindingKind::Tensor) {
          visit(segmentOf.lookup(binding.getTarget().getAttr()), step);
        }
      }
    }
  }
}

/// Which kinds of steps use each segment. Two kinds of steps use a tied table.
llvm::DenseMap<StringAttr, std::set<ClassIndex>> usersOf(ModuleOp module,
                                                         ProgramOp program) {
  llvm::DenseMap<StringAttr, std::set<ClassIndex>> users;
  visitSegments(module, program, [&](StringAttr segment, StepOp step) {
    users[segment].insert(classOf(step.getKind()));
  });
  return users;
}

/// For each segment, the layer of the first step that uses it.
llvm::DenseMap<StringAttr, int64_t> layersOf(ModuleOp module,
                                             ProgramOp program) {
  llvm::DenseMap<StringAttr, int64_t> layers;
  visitSegments(module, program, [&](StringAttr segment, StepOp step) {
    layers.try_emplace(segment, static_cast<int64_t>(step.getLayer()));
  });
  return layers;
}

/// The largest number of bytes of a segment that any one step needs. Bytes that
/// several steps need count only for the first of these steps.
uint64_t largestStepOf(const WeightSegment &segment) {
  if (segment.pieces.empty()) {
    return segment.bytes;
  }
  std::map<uint32_t, uint64_t> bytesOfStep;
  uint64_t begin = 0;
  uint64_t largest = 0;
  for (const WeightPiece &piece : segment.pieces) {
    uint64_t &bytes = bytesOfStep[piece.firstStep];
    bytes += piece.end - begin;
    begin = piece.end;
    largest = std::max(largest, bytes);
  }
  return largest;
}

} // namespace

Result<ModelNeeds> measureNeeds(ModuleOp module, const MachineProfile &profile,
                                const NeedsOptions &options) {
  auto models = llvm::to_vector(module.getOps<ModelOp>());
  auto limits = llvm::to_vector(module.getOps<LimitsOp>());
  auto caches = llvm::to_vector(module.getOps<KvOp>());
  ProgramOp decode = programFor(module, 1);
  if (models.size() != 1 || limits.size() != 1 || caches.empty() || !decode) {
    return internalError(
        "the needs of the plan cannot be measured; the module must have one "
        "plan.model, one plan.limits, at least one plan.kv and a program for "
        "one token");
  }
  ModelNeeds needs;
  needs.ram = ramDemandOf(module, profile, options.vocabularyBytes,
                          /*reference=*/false);
  needs.ram.kernels = kKernelBytes;
  needs.kvType =
      caches.front().getDtype().getValue() == DType::F32 ? "f32" : "f16";
  for (KvOp kv : caches) {
    needs.caches += kv.getCaches();
  }
  const auto hyperparameters = models.front().getHyperparameters();
  needs.layers = static_cast<uint64_t>(hyperparameters.getLayers());
  needs.parameters = static_cast<uint64_t>(hyperparameters.getParameters());
  needs.trainedContext =
      static_cast<uint64_t>(hyperparameters.getTrainedContext());
  needs.promptTokens =
      std::min<uint64_t>(limits.front().getMaxTokens(), needs.ram.context);

  for (const char *name : kNames) {
    needs.classes.emplace_back().name = name;
  }
  const bool isOnGpu = !profile.gpus.empty();
  if (isOnGpu) {
    needs.gpu.emplace();
    needs.gpu->demand =
        gpuDemandOf(module, options.vocabularyBytes, profile.cores);
    needs.gpu->limits = {vramLimitOf(options.vram, profile),
                         ramLimitOf(options.memory, profile)};
    needs.gpu->decodeBytes = decodeWeightBytesOf(module, true);
    needs.gpu->cpuDecodeBytes = decodeWeightBytesOf(module, false);
    needs.gpu->cpuLayers = layersOnCpu(decode);
    if (needs.gpu->cpuLayers != 0) {
      AIR_ASSIGN_OR_RETURN(const CpuArithmetic one,
                           passArithmetic(module, 1, profile));
      AIR_ASSIGN_OR_RETURN(const CpuArithmetic several,
                           passArithmetic(module, kVerifyTokens, profile));
      needs.gpu->cpuOperands = one.operands;
      needs.gpu->cpuVerifyOperands = several.operands;
      needs.gpu->cpuOperandRate = one.rate;
    }
  }
  auto users = usersOf(module, decode);
  const llvm::DenseMap<StringAttr, int64_t> layers = layersOf(module, decode);
  const llvm::DenseSet<StringAttr> ofCpu = cpuSegmentsOf(module);
  const std::vector<WeightSegment> weights = weightProblemOf(module).weights;
  size_t next = 0;
  for (SegmentOp segment : module.getOps<SegmentOp>()) {
    if (segment.getKind() == SegmentKind::Kernels) {
      continue;
    }
    // A tied embedding table counts as weights of the step `head`, which reads
    // all of it.
    const std::set<ClassIndex> &uses = users[segment.getSymNameAttr()];
    const ClassIndex index = uses.contains(kHead) ? kHead
                             : uses.empty()       ? kOther
                                                  : *uses.begin();
    ClassNeeds &entry = needs.classes[index];
    needs.weightBytes += segment.getRawBytes();
    entry.bytes += segment.getRawBytes();
    const bool isTable = segment.getKind() == SegmentKind::Table;
    if (isOnGpu && ofCpu.contains(segment.getSymNameAttr())) {
      needs.gpu->cpuClassBytes[entry.name] += segment.getRawBytes();
    } else if (isOnGpu) {
      if (!isTable) {
        needs.gpu->weightLayers.push_back(
            layers.lookup(segment.getSymNameAttr()));
      }
      (isTable ? needs.gpu->tableClasses : needs.gpu->weightClasses)
          .push_back(entry.name);
    }
    entry.largestStep =
        std::max(entry.largestStep, isTable ? segment.getRawBytes()
                                            : largestStepOf(weights[next++]));
  }

  ClassNeeds &table = needs.classes[kTable];
  table.isGathered = true;
  needs.classes[kHead].isForOutputs = true;
  if (table.bytes != 0) {
    uint64_t rowBytes = 0;
    for (StepOp step : decode.getOps<StepOp>()) {
      if (step.getKind() == StepKind::Embed) {
        for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
          rowBytes += dispatch.getWeightBytes();
        }
      }
    }
    table.touch = std::min(1.0, static_cast<double>(rowBytes) /
                                    static_cast<double>(table.bytes));
  }

  ProgramOp prompt = programFor(module, needs.promptTokens);
  if (!prompt) {
    return internalError("no program runs batches of " +
                         countOf(needs.promptTokens, "token"));
  }
  // For each position up to the token's own, attention computes the product of
  // query and key and adds the weighted value to the result: 4 operations per
  // element. On average, a token of a prompt of n tokens has (n + 1) / 2 such
  // positions.
  const double keys = (static_cast<double>(needs.promptTokens) + 1) / 2;
  for (StepOp step : prompt.getOps<StepOp>()) {
    ClassNeeds &entry = needs.classes[classOf(step.getKind())];
    for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
      addOps(entry.ops, dispatch);
    }
    if (step.getKind() == StepKind::Attn) {
      const double count = 4 * keys *
                           static_cast<double>(hyperparameters.getHeads() *
                                               hyperparameters.getHeadDim());
      entry.ops.all += count;
      entry.ops.float32 += count;
    }
  }
  if (!isOnGpu) {
    const auto adder = [&](double ClassNeeds::*sum) {
      return [&needs, sum](StepOp step, double bytes) {
        needs.classes[classOf(step.getKind())].*sum += bytes;
      };
    };
    AIR_ASSIGN_OR_RETURN(
        const CpuArithmetic one,
        passArithmetic(module, 1, profile, adder(&ClassNeeds::operandBytes)));
    needs.operandRate = one.rate;
    AIR_RETURN_IF_ERROR(passArithmetic(module, kVerifyTokens, profile,
                                       adder(&ClassNeeds::verifyOperandBytes))
                            .status());
  }
  std::erase_if(needs.classes,
                [](const ClassNeeds &entry) { return entry.bytes == 0; });
  return needs;
}

} // namespace air::compiler
