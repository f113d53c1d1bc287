//===- TargetAttr.cpp - MachineProfile <-> dictionary ---------------------===//
#include "compiler/transforms/TargetAttr.h"

#include "mlir/IR/Builders.h"

#include <limits>

using namespace mlir;

namespace air::compiler {

static constexpr llvm::StringLiteral kTargetAttr = "plan.target";

namespace {

struct RateEntry {
  llvm::StringLiteral name;
  uint64_t CpuRates::*field;
};

/// The entries that the dictionary `cpu` in `plan.target` always has, except
/// for `streams`. They are integers and have the same names as in the JSON of a
/// profile.
constexpr RateEntry kRateEntries[] = {
    {"fma_f32", &CpuRates::fmaF32},
    {"byte_dot", &CpuRates::byteDot},
    {"byte_dot_mixed", &CpuRates::byteDotMixed},
    {"bf16_dot", &CpuRates::bf16Dot},
    {"read_bandwidth", &CpuRates::readBandwidth},
    {"tile_ns", &CpuRates::tileNs},
    {"barrier_ns", &CpuRates::barrierNs},
    {"l1d_bytes", &CpuRates::l1dBytes},
    {"l2_bytes", &CpuRates::l2Bytes},
    {"l3_bytes", &CpuRates::l3Bytes},
    {"planes_decode", &CpuRates::planesDecode},
    {"zstd_decode", &CpuRates::zstdDecode},
};
/// Further entries, which the dictionary has only if they are not 0. Few CPUs
/// have tile registers.
constexpr RateEntry kTileEntries[] = {
    {"bf16_tile", &CpuRates::bf16Tile},
    {"byte_tile", &CpuRates::byteTile},
};

DictionaryAttr ratesAttr(Builder &builder, const CpuRates &rates) {
  auto number = [&](uint64_t value) {
    return builder.getI64IntegerAttr(static_cast<int64_t>(value));
  };
  auto text = [&](std::string_view value) {
    return builder.getStringAttr(StringRef(value.data(), value.size()));
  };
  SmallVector<NamedAttribute> entries;
  for (const RateEntry &entry : kRateEntries) {
    entries.push_back(
        builder.getNamedAttr(entry.name, number(rates.*entry.field)));
  }
  for (const RateEntry &entry : kTileEntries) {
    if (rates.*entry.field != 0) {
      entries.push_back(
          builder.getNamedAttr(entry.name, number(rates.*entry.field)));
    }
  }
  SmallVector<Attribute> streams;
  for (const StreamRate &stream : rates.streams) {
    NamedAttribute fields[] = {
        builder.getNamedAttr("loads", text(streamLoadsName(stream.loads))),
        builder.getNamedAttr("hint", text(streamHintName(stream.hint))),
        builder.getNamedAttr("distance_bytes", number(stream.distanceBytes)),
        builder.getNamedAttr("bandwidth", number(stream.bandwidth)),
    };
    streams.push_back(builder.getDictionaryAttr(fields));
  }
  entries.push_back(
      builder.getNamedAttr("streams", builder.getArrayAttr(streams)));
  return builder.getDictionaryAttr(entries);
}

} // namespace

void setTarget(ModuleOp module, const MachineProfile &profile) {
  Builder builder(module.getContext());
  SmallVector<StringRef> features(profile.features.begin(),
                                  profile.features.end());
  auto number = [&](uint64_t value) {
    return builder.getI64IntegerAttr(static_cast<int64_t>(value));
  };
  SmallVector<NamedAttribute> entries = {
      builder.getNamedAttr("name", builder.getStringAttr(profile.name)),
      builder.getNamedAttr("arch", builder.getStringAttr(profile.arch)),
      builder.getNamedAttr("features", builder.getStrArrayAttr(features)),
      builder.getNamedAttr("cores", number(profile.cores)),
      builder.getNamedAttr("memory_bytes", number(profile.memoryBytes)),
      builder.getNamedAttr("memory_bandwidth", number(profile.memoryBandwidth)),
      builder.getNamedAttr("disk_bandwidth", number(profile.diskBandwidth)),
      builder.getNamedAttr("measured", builder.getBoolAttr(profile.measured)),
  };
  if (profile.diskBeside != 0) {
    entries.push_back(
        builder.getNamedAttr("disk_beside", number(profile.diskBeside)));
  }
  if (profile.memoryBeside != 0) {
    entries.push_back(
        builder.getNamedAttr("memory_beside", number(profile.memoryBeside)));
  }
  if (profile.cpu != CpuRates{}) {
    entries.push_back(
        builder.getNamedAttr("cpu", ratesAttr(builder, profile.cpu)));
  }
  for (const GpuProfile &gpu : profile.gpus) {
    NamedAttribute fields[] = {
        builder.getNamedAttr("name", builder.getStringAttr(gpu.name)),
        builder.getNamedAttr("arch", builder.getStringAttr(gpu.arch)),
        builder.getNamedAttr("multiprocessors", number(gpu.multiprocessors)),
        builder.getNamedAttr("memory_bytes", number(gpu.memoryBytes)),
        builder.getNamedAttr("memory_bandwidth", number(gpu.memoryBandwidth)),
        builder.getNamedAttr("transfer_bandwidth",
                             number(gpu.transferBandwidth)),
    };
    entries.push_back(
        builder.getNamedAttr("gpu", builder.getDictionaryAttr(fields)));
  }
  module->setAttr(kTargetAttr, builder.getDictionaryAttr(entries));
}

namespace {

/// Reads entries of `plan.target`, and records the name of the first one that
/// is missing or invalid.
struct Reader {
  DictionaryAttr entries;
  std::string missing;

  std::string text(StringRef name) {
    auto value = entries.getAs<StringAttr>(name);
    note(name, static_cast<bool>(value));
    return value ? value.str() : "";
  }
  uint64_t number(StringRef name) {
    auto value = entries.getAs<IntegerAttr>(name);
    bool fits = value && value.getType().isSignlessInteger(64);
    note(name, fits);
    return fits ? static_cast<uint64_t>(value.getInt()) : 0;
  }
  void note(const Twine &name, bool found) {
    if (!found && missing.empty()) {
      missing = name.str();
    }
  }
};

GpuProfile readGpu(DictionaryAttr entries, std::string &missing) {
  Reader reader{entries, ""};
  GpuProfile gpu;
  gpu.name = reader.text("name");
  gpu.arch = reader.text("arch");
  uint64_t multiprocessors = reader.number("multiprocessors");
  reader.note("multiprocessors",
              multiprocessors <= std::numeric_limits<uint32_t>::max());
  gpu.multiprocessors = static_cast<uint32_t>(multiprocessors);
  gpu.memoryBytes = reader.number("memory_bytes");
  gpu.memoryBandwidth = reader.number("memory_bandwidth");
  gpu.transferBandwidth = reader.number("transfer_bandwidth");
  missing = reader.missing;
  return gpu;
}

CpuRates readRates(DictionaryAttr entries, std::string &missing) {
  CpuRates rates;
  Reader reader{entries, ""};
  for (const RateEntry &entry : kRateEntries) {
    rates.*entry.field = reader.number(entry.name);
  }
  for (const RateEntry &entry : kTileEntries) {
    if (entries.contains(entry.name)) {
      rates.*entry.field = reader.number(entry.name);
    }
  }
  auto streams = entries.getAs<ArrayAttr>("streams");
  reader.note("streams", static_cast<bool>(streams));
  for (Attribute attribute :
       streams ? streams.getValue() : ArrayRef<Attribute>()) {
    auto fields = dyn_cast<DictionaryAttr>(attribute);
    if (!fields) {
      reader.note("streams", false);
      break;
    }
    Reader stream{fields, ""};
    auto loads = streamLoadsOf(stream.text("loads"));
    auto hint = streamHintOf(stream.text("hint"));
    uint64_t distance = stream.number("distance_bytes");
    uint64_t bandwidth = stream.number("bandwidth");
    stream.note("loads", loads.has_value());
    stream.note("hint", hint.has_value());
    stream.note("distance_bytes", distance <= kMaxPrefetchDistance);
    if (!stream.missing.empty()) {
      reader.note("streams." + stream.missing, false);
      break;
    }
    rates.streams.push_back(
        {*loads, *hint, static_cast<uint32_t>(distance), bandwidth});
  }
  missing = reader.missing;
  return rates;
}

} // namespace

Attribute targetAttrOf(ModuleOp module) { return module->getAttr(kTargetAttr); }

Result<MachineProfile> targetOf(ModuleOp module) {
  auto entries = module->getAttrOfType<DictionaryAttr>(kTargetAttr);
  if (!entries) {
    return corruptError("the module has no attribute plan.target");
  }
  Reader reader{entries, ""};
  MachineProfile profile;
  profile.name = reader.text("name");
  profile.arch = reader.text("arch");
  uint64_t cores = reader.number("cores");
  reader.note("cores", cores <= std::numeric_limits<uint32_t>::max());
  profile.cores = static_cast<uint32_t>(cores);
  profile.memoryBytes = reader.number("memory_bytes");
  profile.memoryBandwidth = reader.number("memory_bandwidth");
  profile.diskBandwidth = reader.number("disk_bandwidth");
  if (entries.contains("disk_beside")) {
    profile.diskBeside = reader.number("disk_beside");
  }
  if (entries.contains("memory_beside")) {
    profile.memoryBeside = reader.number("memory_beside");
  }
  auto measured = entries.getAs<BoolAttr>("measured");
  reader.note("measured", static_cast<bool>(measured));
  profile.measured = measured && measured.getValue();
  auto features = entries.getAs<ArrayAttr>("features");
  reader.note("features", static_cast<bool>(features));
  if (features) {
    for (Attribute feature : features) {
      auto name = dyn_cast<StringAttr>(feature);
      reader.note("features", static_cast<bool>(name));
      profile.features.push_back(name ? name.str() : "");
    }
  }
  if (Attribute cpu = entries.get("cpu")) {
    auto rates = dyn_cast<DictionaryAttr>(cpu);
    reader.note("cpu", static_cast<bool>(rates));
    std::string missing;
    if (rates) {
      profile.cpu = readRates(rates, missing);
    }
    reader.note("cpu." + missing, missing.empty());
  }
  if (Attribute gpu = entries.get("gpu")) {
    auto fields = dyn_cast<DictionaryAttr>(gpu);
    reader.note("gpu", static_cast<bool>(fields));
    std::string missing;
    if (fields) {
      profile.gpus.push_back(readGpu(fields, missing));
    }
    reader.note("gpu." + missing, missing.empty());
  }
  if (!reader.missing.empty()) {
    return corruptError("plan.target has no valid '" + reader.missing + "'");
  }
  return profile;
}

} // namespace air::compiler
