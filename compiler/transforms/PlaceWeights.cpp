//===- PlaceWeights.cpp - divides weights among VRAM, RAM and disk --------===//
#include "compiler/planner/Budget.h"
#include "compiler/planner/CodecChoice.h"
#include "compiler/planner/GpuAlternates.h"
#include "compiler/transforms/GpuDemand.h"
#include "compiler/transforms/PassFailure.h"
#include "compiler/transforms/PlanPasses.h"
#include "compiler/transforms/RamDemand.h"
#include "compiler/transforms/TargetAttr.h"

using namespace mlir;
using namespace air::ir::plan;

namespace air::compiler {

#define GEN_PASS_DEF_PLACEWEIGHTS
#include "compiler/transforms/PlanPasses.h.inc"

namespace {

struct PlaceWeights : StatusPass<impl::PlaceWeightsBase<PlaceWeights>> {
  using StatusPass::StatusPass;

  Status run() override {
    ModuleOp module = getOperation();
    AIR_ASSIGN_OR_RETURN(MachineProfile profile, targetOf(module));
    const RamLimit limit = ramLimitOf({ram, disk, pin}, profile);
    if (!profile.gpus.empty()) {
      return placeOnGpu(profile, limit);
    }
    AIR_ASSIGN_OR_RETURN(std::vector<BudgetedPlacement> placements,
                         placementsWith(limit, profile));
    const bool isForced = codec == "planes" || codec == "zstd";
    if (isForced) {
      setCodecs(codec == "zstd" ? Codec::Zstd : Codec::Planes,
                [](size_t, SegmentOp) { return true; });
    } else if (codec == "auto") {
      chooseCodecs(placements.front().weights, profile);
    } else if (codec != "none") {
      return usageError("codec must be none, planes, zstd or auto, not '" +
                        codec.getValue() + "'");
    }
    if (hasCodecs()) {
      // Coded segments are read in larger units and need memory for decoding,
      // so a plan that fits without codecs may not fit with them.
      Result<std::vector<BudgetedPlacement>> coded =
          placementsWith(limit, profile);
      if (coded) {
        placements = *std::move(coded);
      } else if (isForced || coded.status().code() != ErrorCode::DoesNotFit) {
        return coded.status();
      } else {
        setCodecs(Codec::None, [](size_t, SegmentOp) { return true; });
      }
    }
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    for (const BudgetedPlacement &placement : placements) {
      OpBuilder::InsertionGuard guard(builder);
      addPlacement(builder, placement);
    }
    DecisionOp::create(builder, module.getLoc(), "ram",
                       limit.bytes == 0 ? "unlimited"
                                        : std::to_string(limit.bytes),
                       ram != 0 ? DecidedBy::User : DecidedBy::Default);
    if (codec != "auto") {
      DecisionOp::create(builder, module.getLoc(), "codec", codec.getValue(),
                         DecidedBy::User);
    }
    if (!disk) {
      DecisionOp::create(builder, module.getLoc(), "disk", "0",
                         DecidedBy::User);
    }
    if (limit.pinned) {
      DecisionOp::create(builder, module.getLoc(), "pin",
                         std::to_string(*limit.pinned), DecidedBy::User);
    }
    return Status::ok();
  }

  /// Creates the placements of a plan that runs on a GPU: everything is in the
  /// GPU's memory, except for what the CPU uses, and for weights that do not
  /// fit, which stay in RAM or on the disk.
  Status placeOnGpu(const MachineProfile &profile, const RamLimit &limit) {
    ModuleOp module = getOperation();
    AIR_RETURN_IF_ERROR(checkGpuOptions(pin, codec.getValue(), reference));
    const VramLimit memory = vramLimitOf(vram, profile);
    AIR_ASSIGN_OR_RETURN(
        const std::vector<GpuPlacement> placements,
        planGpuPlacements(gpuDemandOf(module, vocabularyBytes, profile.cores),
                          {memory, limit}));
    OpBuilder builder = OpBuilder::atBlockEnd(module.getBody());
    const llvm::DenseSet<StringAttr> ofCpu = cpuSegmentsOf(module);
    for (const GpuPlacement &placement : placements) {
      OpBuilder::InsertionGuard guard(builder);
      addGpuPlacement(builder, placement, ofCpu);
    }
    const auto decide = [&](StringRef name, uint64_t bytes, bool isUser) {
      DecisionOp::create(builder, module.getLoc(), name,
                         bytes == 0 ? "unlimited" : std::to_string(bytes),
                         isUser ? DecidedBy::User : DecidedBy::Default);
    };
    decide("ram", limit.bytes, ram != 0);
    decide("vram", memory.bytes, vram != 0);
    if (!disk) {
      DecisionOp::create(builder, module.getLoc(), "disk", "0",
                         DecidedBy::User);
    }
    return Status::ok();
  }

  /// `ofCpu` lists the segments that the CPU's layers use. These stay in RAM.
  void addGpuPlacement(OpBuilder &builder, const GpuPlacement &planned,
                       const llvm::DenseSet<StringAttr> &ofCpu) {
    ModuleOp module = getOperation();
    const DevicePlacement &placement = planned.vram.placement;
    const HostPlacement &host = planned.ram.placement;
    SmallVector<int64_t> resident;
    SmallVector<int64_t> devices;
    SmallVector<FlatSymbolRefAttr> names; // the GPU's segments of weights
    for (SegmentOp segment : module.getOps<SegmentOp>()) {
      if (ofCpu.contains(segment.getSymNameAttr())) {
        devices.push_back(0);
        resident.push_back(static_cast<int64_t>(segment.getRawBytes()));
        continue;
      }
      const auto is = [&](const std::vector<bool> &flags) {
        return segment.getKind() == SegmentKind::Weights && !flags.empty() &&
               flags[names.size()];
      };
      const bool isCopied = is(placement.isCopied);
      const bool isKept = isCopied && !is(host.isRead);
      if (segment.getKind() == SegmentKind::Weights) {
        names.push_back(FlatSymbolRefAttr::get(segment.getSymNameAttr()));
      }
      devices.push_back(isCopied ? 0 : 1);
      resident.push_back(isKept ? static_cast<int64_t>(segment.getRawBytes())
                                : 0);
    }
    const Location loc = module.getLoc();
    auto op = PlacementOp::create(
        builder, loc, builder.getDenseI64ArrayAttr(resident),
        builder.getI64IntegerAttr(static_cast<int64_t>(host.ringBytes)),
        builder.getDenseI64ArrayAttr(devices),
        placement.copies.empty()
            ? IntegerAttr()
            : builder.getI64IntegerAttr(
                  static_cast<int64_t>(placement.ringBytes)));
    builder.createBlock(&op.getBody());
    BudgetOp::create(builder, loc, Tier::Vram, planned.vram.budget);
    BudgetOp::create(builder, loc, Tier::Ram, planned.ramBudget);
    for (const LedgerItem &item : planned.vram.items) {
      BudgetItemOp::create(builder, loc, item.name, Tier::Vram, item.bytes);
    }
    for (const LedgerItem &item : planned.ram.items) {
      BudgetItemOp::create(builder, loc, item.name, Tier::Ram, item.bytes);
    }
    addReads<StreamOp>(builder, host.reads, names);
    addReads<DeviceStreamOp>(builder, placement.copies, names);
  }

  Result<std::vector<BudgetedPlacement>>
  placementsWith(const RamLimit &limit, const MachineProfile &profile) {
    ModuleOp module = getOperation();
    return planPlacements(
        weightProblemOf(module),
        ramDemandOf(module, profile, vocabularyBytes, reference), limit);
  }

  /// The segments from which steps gather single rows. Rows are read straight
  /// from the file, so these segments cannot have a codec.
  llvm::DenseSet<StringAttr> gatheredSegments() {
    ModuleOp module = getOperation();
    llvm::DenseSet<StringAttr> tensors;
    module.walk([&](StepOp step) {
      if (step.getKind() != StepKind::Embed) {
        return;
      }
      for (DispatchOp dispatch : step.getOps<DispatchOp>()) {
        for (auto binding : dispatch.getBindings().getAsRange<BindingAttr>()) {
          if (binding.getKind() == BindingKind::Tensor) {
            tensors.insert(binding.getTarget().getAttr());
          }
        }
      }
    });
    llvm::DenseSet<StringAttr> segments;
    for (TensorOp tensor : module.getOps<TensorOp>()) {
      if (tensor.getSegmentAttr() &&
          tensors.contains(tensor.getSymNameAttr())) {
        segments.insert(tensor.getSegmentAttr().getAttr());
      }
    }
    return segments;
  }

  /// Sets the codec of the segments of weights that can have one and for which
  /// select(index, segment) is true. The index counts segments of weights only.
  template <typename Select> void setCodecs(Codec wanted, Select select) {
    const llvm::DenseSet<StringAttr> gathered = gatheredSegments();
    size_t index = 0;
    for (SegmentOp segment : getOperation().getOps<SegmentOp>()) {
      if (segment.getKind() == SegmentKind::Weights &&
          select(index++, segment) &&
          !gathered.contains(segment.getSymNameAttr())) {
        segment.setCodec(wanted);
      }
    }
  }

  bool hasCodecs() {
    for (SegmentOp segment : getOperation().getOps<SegmentOp>()) {
      if (segment.getCodec() != Codec::None) {
        return true;
      }
    }
    return false;
  }

  /// Chooses codecs for the segments that a pass reads from the disk: `planes`
  /// for segments in which bfloat16 weights take more than half of the bytes,
  /// and `zstd` for the others. A codec is used only if it makes the pass
  /// faster.
  void chooseCodecs(const WeightPlacement &placement,
                    const MachineProfile &profile) {
    ModuleOp module = getOperation();
    // For each segment, the bytes of its bfloat16 weights.
    llvm::DenseMap<StringAttr, uint64_t> bfloatBytes;
    for (TensorOp tensor : module.getOps<TensorOp>()) {
      if (tensor.getSegmentAttr() &&
          tensor.getDtype().getValue() == DType::BF16) {
        bfloatBytes[tensor.getSegmentAttr().getAttr()] += tensor.getBytes();
      }
    }
    CodecQuestion question;
    question.diskBandwidth = profile.diskBandwidth;
    question.memoryBandwidth = profile.memoryBandwidth;
    question.cores = profile.cores;
    std::vector<uint64_t> streamed(placement.weights.size());
    for (const StreamedRead &read : placement.reads) {
      streamed[read.segment] += read.bytes;
      question.streamedBytes += read.bytes;
    }
    const llvm::DenseSet<StringAttr> gathered = gatheredSegments();
    const auto codecOf = [&](size_t index, SegmentOp segment) {
      if (gathered.contains(segment.getSymNameAttr()) || streamed[index] == 0) {
        return Codec::None;
      }
      return bfloatBytes.lookup(segment.getSymNameAttr()) >
                     segment.getRawBytes() / 2
                 ? Codec::Planes
                 : Codec::Zstd;
    };
    CodedPart planes{0, planesRatio, profile.cpu.planesDecode};
    CodedPart zstd{0, zstdRatio, profile.cpu.zstdDecode};
    size_t index = 0;
    for (SegmentOp segment : module.getOps<SegmentOp>()) {
      if (segment.getKind() == SegmentKind::Weights) {
        question.weightBytes += segment.getRawBytes();
        const Codec codec = codecOf(index, segment);
        planes.bytes += codec == Codec::Planes ? streamed[index] : uint64_t{0};
        zstd.bytes += codec == Codec::Zstd ? streamed[index] : uint64_t{0};
        ++index;
      }
    }
    for (const auto &[codec, part] :
         {std::pair(Codec::Planes, planes), std::pair(Codec::Zstd, zstd)}) {
      question.coded.push_back(part);
      if (codecsPay(question)) {
        setCodecs(codec, [&, wanted = codec](size_t place, SegmentOp segment) {
          return codecOf(place, segment) == wanted;
        });
      } else {
        question.coded.pop_back();
      }
    }
  }

  void addPlacement(OpBuilder &builder, const BudgetedPlacement &placement) {
    ModuleOp module = getOperation();
    const Location loc = module.getLoc();
    SmallVector<int64_t> resident;
    SmallVector<FlatSymbolRefAttr> names; // names of segments of weights
    size_t table = 0;
    for (SegmentOp segment : module.getOps<SegmentOp>()) {
      uint64_t bytes = segment.getRawBytes();
      if (segment.getKind() == SegmentKind::Weights) {
        bytes = placement.weights.weights[names.size()];
        names.push_back(FlatSymbolRefAttr::get(segment.getSymNameAttr()));
      } else if (segment.getKind() == SegmentKind::Table) {
        bytes = placement.weights.tables[table++];
      }
      resident.push_back(static_cast<int64_t>(bytes));
    }
    auto op = PlacementOp::create(
        builder, loc, builder.getDenseI64ArrayAttr(resident),
        builder.getI64IntegerAttr(
            static_cast<int64_t>(placement.weights.ringBytes)),
        /*device=*/DenseI64ArrayAttr(), /*device_ring_bytes=*/IntegerAttr());
    builder.createBlock(&op.getBody());
    BudgetOp::create(builder, loc, Tier::Ram, placement.budget);
    for (const LedgerItem &item : placement.items) {
      BudgetItemOp::create(builder, loc, item.name, Tier::Ram, item.bytes);
    }
    addReads<StreamOp>(builder, placement.weights.reads, names);
  }

  template <typename Op>
  void addReads(OpBuilder &builder, const std::vector<StreamedRead> &reads,
                ArrayRef<FlatSymbolRefAttr> names) {
    const auto size = [&](uint64_t bytes) {
      return builder.getI64IntegerAttr(static_cast<int64_t>(bytes));
    };
    for (const StreamedRead &read : reads) {
      Op::create(builder, getOperation().getLoc(), names[read.segment],
                 size(read.offset), size(read.bytes), size(read.ringOffset),
                 size(read.beforeStep),
                 builder.getI64IntegerAttr(read.afterStep));
    }
  }
};

} // namespace
} // namespace air::compiler
