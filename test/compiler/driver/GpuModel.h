//===- GpuModel.h - a small random model for tests of GPU plans -*- C++ -*-===//
#ifndef AIRPACK_TEST_COMPILER_DRIVER_GPUMODEL_H
#define AIRPACK_TEST_COMPILER_DRIVER_GPUMODEL_H

#include "compiler/driver/Compiler.h"
#include "formats/plan/PlanFile.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>

namespace air::compiler {

/// A folder with a model that air-gen makes. The destructor removes it.
class GpuModel {
public:
  GpuModel()
      : folder(std::filesystem::temp_directory_path() /
               ("air-gpu-model-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(folder);
  }
  ~GpuModel() {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  GpuModel(const GpuModel &) = delete;
  GpuModel &operator=(const GpuModel &) = delete;

  /// Makes the model; `more` holds further options of air-gen, and `context` is
  /// the number of tokens per sequence. Each row has 256 columns, a multiple of
  /// the block size of every dtype.
  Status make(const std::string &more, uint32_t context = 256) const {
    const std::string command =
        std::string(AIR_GEN) +
        " --width 256 --heads 8 --kv-heads 2 --head-dim 32 --ffn 256 "
        "--vocabulary 300 --context " +
        std::to_string(context) + " " + more + " -o " + model() +
        " > /dev/null";
    return std::system(command.c_str()) == 0
               ? Status::ok()
               : internalError("this command failed: " + command);
  }

  std::string model() const { return path("model.gguf"); }
  std::string path(const std::string &name) const {
    return (folder / name).string();
  }

private:
  std::filesystem::path folder;
};

/// Packs a model as airpack does, and opens the plan.
inline Result<PlanFile> packModel(const CompileOptions &options,
                                  const std::string &path) {
  AIR_ASSIGN_OR_RETURN(Compiler compiler, Compiler::load(options));
  AIR_RETURN_IF_ERROR(compiler.run(""));
  AIR_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  AIR_RETURN_IF_ERROR(compiler.write(std::move(file), {}).status());
  return PlanFile::open(path);
}

} // namespace air::compiler

#endif // AIRPACK_TEST_COMPILER_DRIVER_GPUMODEL_H
