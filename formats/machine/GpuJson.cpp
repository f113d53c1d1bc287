//===- GpuJson.cpp - the list "gpus" of a machine profile -----------------===//
#include "formats/machine/ProfileFields.h"
#include "formats/support/CountText.h"

namespace air {

namespace {

struct Number {
  const char *key;
  uint64_t GpuProfile::*field;
};

constexpr Number kNumbers[] = {
    {"memory_bytes", &GpuProfile::memoryBytes},
    {"memory_bandwidth", &GpuProfile::memoryBandwidth},
    {"transfer_bandwidth", &GpuProfile::transferBandwidth},
    {"f16_ops", &GpuProfile::f16Ops}};

std::string_view backendName(GpuBackend backend) {
  return backend == GpuBackend::Cuda ? "cuda" : "vulkan";
}

/// Whether `name` is "sm_" followed by 1 to 13 characters, each of which is a
/// digit or a letter from a to f.
bool isArchName(std::string_view name) {
  return name.size() > 3 && name.size() <= 16 && name.starts_with("sm_") &&
         name.substr(3).find_first_not_of("0123456789abcdef") ==
             std::string_view::npos;
}

Status readGpu(const ProfileJson &object, const std::string &where,
               const std::string &prefix, GpuProfile &gpu) {
  static constexpr const char *kKeys[] = {"name",
                                          "backend",
                                          "memory_bytes",
                                          "memory_bandwidth",
                                          "transfer_bandwidth",
                                          "f16_ops",
                                          "arch",
                                          "multiprocessors"};
  const ProfileFields fields(object, where, prefix);
  AIR_RETURN_IF_ERROR(fields.onlyKnows(kKeys, "a GPU"));
  AIR_RETURN_IF_ERROR(fields.readText("name", gpu.name));
  AIR_RETURN_IF_ERROR(fields.checkName(gpu.name));
  std::string backend;
  AIR_RETURN_IF_ERROR(fields.readText("backend", backend));
  if (backend != "cuda" && backend != "vulkan") {
    return fields.fail(
        "backend", (backend.empty() ? "is missing"
                                    : "is " + ProfileFields::shown(backend)) +
                       "; it must be cuda or vulkan");
  }
  gpu.backend = backend == "cuda" ? GpuBackend::Cuda : GpuBackend::Vulkan;
  for (const Number &number : kNumbers) {
    AIR_RETURN_IF_ERROR(
        fields.readNumber(number.key, 0, kMaxProfileNumber, gpu.*number.field));
  }
  AIR_RETURN_IF_ERROR(fields.readText("arch", gpu.arch));
  if (!gpu.arch.empty() && !isArchName(gpu.arch)) {
    return fields.fail("arch", "is " + ProfileFields::shown(gpu.arch) +
                                   "; it must be sm_ followed by 1 to 13 "
                                   "digits and letters from a to f, such as "
                                   "sm_86 or sm_90a");
  }
  uint64_t multiprocessors = 0;
  AIR_RETURN_IF_ERROR(fields.readNumber("multiprocessors", 0,
                                        kMaxMultiprocessors, multiprocessors));
  gpu.multiprocessors = static_cast<uint32_t>(multiprocessors);
  return Status::ok();
}

} // namespace

Status readGpus(const ProfileJson &object, const std::string &where,
                std::vector<GpuProfile> &gpus) {
  const auto it = object.find("gpus");
  if (it == object.end()) {
    return Status::ok();
  }
  const ProfileFields fields(object, where);
  if (!it->is_array()) {
    return fields.fail("gpus", "is " + ProfileFields::shown(*it) +
                                   "; it must be an array");
  }
  if (it->size() > 1) {
    return fields.fail("gpus", "has " +
                                   countOf(it->size(), "entry", "entries") +
                                   "; at most 1 is allowed, because a "
                                   "model is planned for one GPU");
  }
  for (size_t i = 0; i < it->size(); ++i) {
    const std::string name = "gpus[" + std::to_string(i) + "]";
    const ProfileJson &entry = (*it)[i];
    if (!entry.is_object()) {
      return fields.fail(name, "is " + ProfileFields::shown(entry) +
                                   "; it must be an object");
    }
    AIR_RETURN_IF_ERROR(readGpu(entry, where, name + ".", gpus.emplace_back()));
  }
  return Status::ok();
}

ProfileJson gpusJson(const std::vector<GpuProfile> &gpus) {
  ProfileJson list = ProfileJson::array();
  for (const GpuProfile &gpu : gpus) {
    ProfileJson object;
    object["name"] = gpu.name;
    object["backend"] = backendName(gpu.backend);
    for (const Number &number : kNumbers) {
      object[number.key] = gpu.*number.field;
    }
    object["arch"] = gpu.arch;
    object["multiprocessors"] = gpu.multiprocessors;
    list.push_back(std::move(object));
  }
  return list;
}

} // namespace air
