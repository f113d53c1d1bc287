//===- Kernels.cpp - compiles kernels into a folder -----------------------===//
#include "tools/air-gpu-bench/Kernels.h"

#include "codegen/cuda/Intrinsics.h"
#include "codegen/cuda/Nvrtc.h"
#include "formats/support/AtomicFile.h"
#include "tools/cli/Output.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

namespace air::gpubench {

using namespace codegen::cuda;

std::string folderText(const KernelFolder &folder) {
  nlohmann::ordered_json json;
  json["target"] = folder.target;
  json["multiprocessors"] = folder.multiprocessors;
  json["nvrtc"] = folder.nvrtc;
  json["registers"] = folder.registers;
  return json.dump(1) + "\n";
}

Result<KernelFolder> parseFolder(const std::string &text,
                                 const std::string &path) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  auto wrong = [&](const std::string &what) {
    return corruptError(path + "/kernels.json: " + what);
  };
  if (!json.is_object() || json.size() != 4) {
    return wrong("the file is not a JSON object with exactly the keys target, "
                 "multiprocessors, nvrtc and registers; make the folder again "
                 "with 'air-gpu-bench prepare'");
  }
  for (const char *key : {"target", "nvrtc"}) {
    if (!json.contains(key) || !json[key].is_string()) {
      return wrong(std::string(key) + " is not a string");
    }
  }
  if (!json.contains("multiprocessors") ||
      !json["multiprocessors"].is_number_unsigned() ||
      json["multiprocessors"].get<uint64_t>() < 1 ||
      json["multiprocessors"].get<uint64_t>() > 1024) {
    return wrong("multiprocessors is not a number from 1 to 1024");
  }
  if (!json.contains("registers") || !json["registers"].is_object()) {
    return wrong("registers is not an object");
  }
  KernelFolder folder;
  folder.path = path;
  folder.target = json["target"].get<std::string>();
  folder.nvrtc = json["nvrtc"].get<std::string>();
  folder.multiprocessors = json["multiprocessors"].get<uint32_t>();
  for (const auto &[name, count] : json["registers"].items()) {
    if (!count.is_number_unsigned() || count.get<uint64_t>() > 255) {
      return wrong("registers of " + cli::oneLine(name) +
                   " is not a number from 0 to 255");
    }
    folder.registers[name] = count.get<uint32_t>();
  }
  return folder;
}

Result<std::vector<CudaKernel>> kernelsOf(const Cases &cases,
                                          const CudaTarget &target) {
  const std::string_view intrinsics = deviceIntrinsicsText();
  std::vector<CudaKernel> kernels;
  std::set<std::string> names;
  auto add = [&](Result<CudaKernel> kernel) -> Status {
    if (!kernel.isOk()) {
      return kernel.status();
    }
    if (names.insert(kernel->name).second) {
      kernels.push_back(*std::move(kernel));
    }
    return Status::ok();
  };
  for (const auto *list : {&cases.odd, &cases.shapes, &cases.tilings}) {
    for (const DecodeMatMul &spec : *list) {
      AIR_RETURN_IF_ERROR(add(generateDecodeMatMul(spec, target, intrinsics)));
    }
  }
  for (const ReadProbe &probe : cases.reads) {
    AIR_RETURN_IF_ERROR(add(generateReadProbe(probe, target, intrinsics)));
  }
  for (const ReadProbe &probe : cases.reads) {
    AIR_RETURN_IF_ERROR(add(generateCopyProbe(
        cases.copyBytes, probe.multiprocessors, target, intrinsics)));
  }
  for (const uint32_t blocks : cases.launchBlocks) {
    AIR_RETURN_IF_ERROR(
        add(generateLaunchProbe(blocks, false, target, intrinsics)));
    if (target.hasDependentLaunch) {
      AIR_RETURN_IF_ERROR(
          add(generateLaunchProbe(blocks, true, target, intrinsics)));
    }
  }
  if (target.hasWgmma) {
    AIR_RETURN_IF_ERROR(add(generateWgmmaProbe(target, intrinsics)));
  }
  return kernels;
}

Status prepareFolder(const std::string &path, const std::string &targetName,
                     uint32_t multiprocessors, const std::string &nvrtcPath,
                     bool texts) {
  AIR_ASSIGN_OR_RETURN(const CudaTarget target, cudaTarget(targetName));
  AIR_ASSIGN_OR_RETURN(const Nvrtc nvrtc, Nvrtc::open(nvrtcPath));
  AIR_ASSIGN_OR_RETURN(const std::vector<CudaKernel> kernels,
                       kernelsOf(casesFor(target, multiprocessors), target));
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return ioError(path + ": " + error.message());
  }
  KernelFolder folder;
  folder.target = targetName;
  folder.nvrtc = nvrtc.version();
  folder.multiprocessors = multiprocessors;
  auto save = [&](const std::string &file,
                  std::span<const uint8_t> bytes) -> Status {
    AIR_ASSIGN_OR_RETURN(AtomicFile output,
                         AtomicFile::create(path + "/" + file));
    AIR_RETURN_IF_ERROR(output.writeAt(0, bytes));
    return output.commit(bytes.size());
  };
  auto saveText = [&](const std::string &file, const std::string &text) {
    return save(file,
                {reinterpret_cast<const uint8_t *>(text.data()), text.size()});
  };
  for (const CudaKernel &kernel : kernels) {
    AIR_ASSIGN_OR_RETURN(const CompiledKernel compiled,
                         nvrtc.compile(kernel.text, kernel.name, target));
    // A kernel that spills registers is left out of the folder.
    if (compiled.resources.spillBytes != 0) {
      continue;
    }
    folder.registers[kernel.name] = compiled.resources.registers;
    AIR_RETURN_IF_ERROR(save(kernel.name + ".cubin", compiled.cubin));
    if (texts) {
      AIR_RETURN_IF_ERROR(saveText(kernel.name + ".cu", kernel.text));
    }
  }
  return saveText("kernels.json", folderText(folder));
}

} // namespace air::gpubench
