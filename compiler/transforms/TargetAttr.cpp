//===- TargetAttr.cpp - MachineProfile <-> dictionary ---------------------===//
#include "compiler/transforms/TargetAttr.h"

#include "mlir/IR/Builders.h"

#include <limits>

using namespace mlir;

namespace air::compiler {

static constexpr llvm::StringLiteral kTargetAttr = "plan.target";

void setTarget(ModuleOp module, const MachineProfile &profile) {
  Builder builder(module.getContext());
  SmallVector<StringRef> features(profile.features.begin(),
                                  profile.features.end());
  auto number = [&](uint64_t value) {
    return builder.getI64IntegerAttr(static_cast<int64_t>(value));
  };
  NamedAttribute entries[] = {
      builder.getNamedAttr("name", builder.getStringAttr(profile.name)),
      builder.getNamedAttr("arch", builder.getStringAttr(profile.arch)),
      builder.getNamedAttr("features", builder.getStrArrayAttr(features)),
      builder.getNamedAttr("cores", number(profile.cores)),
      builder.getNamedAttr("memory_bytes", number(profile.memoryBytes)),
      builder.getNamedAttr("memory_bandwidth", number(profile.memoryBandwidth)),
      builder.getNamedAttr("disk_bandwidth", number(profile.diskBandwidth)),
      builder.getNamedAttr("measured", builder.getBoolAttr(profile.measured)),
  };
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
  void note(StringRef name, bool found) {
    if (!found && missing.empty()) {
      missing = name.str();
    }
  }
};

} // namespace

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
  if (!reader.missing.empty()) {
    return corruptError("plan.target has no valid '" + reader.missing + "'");
  }
  return profile;
}

} // namespace air::compiler
