//===- Nvrtc.cpp - compiles kernel text to cubins -------------------------===//
#include "codegen/cuda/Nvrtc.h"

#include "formats/support/DynamicLibrary.h"
#include "formats/support/NvrtcLibrary.h"

#include <array>
#include <charconv>
#include <string_view>

namespace air::codegen::cuda {

namespace {

using Program = struct ProgramHandle *;
using CreateProgram = int (*)(Program *, const char *, const char *, int,
                              const char *const *, const char *const *);
using CompileProgram = int (*)(Program, int, const char *const *);
using GetSize = int (*)(Program, size_t *);
using GetBytes = int (*)(Program, char *);
using DestroyProgram = int (*)(Program *);
using GetVersion = int (*)(int *, int *);
using GetErrorString = const char *(*)(int);

/// Parses the number that precedes `at`: 12 in "12 bytes spill stores" if `at`
/// is the position of "bytes".
std::optional<uint32_t> numberBefore(const std::string &text, size_t at) {
  size_t end = at;
  while (end > 0 && text[end - 1] == ' ') {
    --end;
  }
  size_t begin = end;
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') {
    --begin;
  }
  uint32_t value = 0;
  const char *last = text.data() + end;
  if (begin == end ||
      std::from_chars(text.data() + begin, last, value).ec != std::errc()) {
    return std::nullopt;
  }
  return value;
}

} // namespace

struct Nvrtc::Functions {
  DynamicLibrary library;
  CreateProgram createProgram = nullptr;
  CompileProgram compileProgram = nullptr;
  GetSize getLogSize = nullptr;
  GetBytes getLog = nullptr;
  GetSize getCubinSize = nullptr;
  GetBytes getCubin = nullptr;
  GetSize getPtxSize = nullptr;
  GetBytes getPtx = nullptr;
  DestroyProgram destroyProgram = nullptr;
  GetVersion getVersion = nullptr;
  GetErrorString getErrorString = nullptr;

  /// Finds all functions. Returns the name of the first function that the
  /// library lacks, or null if it has all of them.
  const char *resolve() {
    const char *missing = nullptr;
    auto find = [&](const char *name, auto &function) {
      if (!library.find(name, function) && !missing) {
        missing = name;
      }
    };
    find("nvrtcCreateProgram", createProgram);
    find("nvrtcCompileProgram", compileProgram);
    find("nvrtcGetProgramLogSize", getLogSize);
    find("nvrtcGetProgramLog", getLog);
    find("nvrtcGetCUBINSize", getCubinSize);
    find("nvrtcGetCUBIN", getCubin);
    find("nvrtcGetPTXSize", getPtxSize);
    find("nvrtcGetPTX", getPtx);
    find("nvrtcDestroyProgram", destroyProgram);
    find("nvrtcVersion", getVersion);
    find("nvrtcGetErrorString", getErrorString);
    return missing;
  }

  /// Returns the version that the library writes into the comments at the start
  /// of PTX, as in "// Cuda compilation tools, release 13.0, V13.0.88"; "" if
  /// there is none. nvrtcVersion() does not state the last number.
  std::string fullVersion() const {
    Program program = nullptr;
    if (createProgram(&program, "", "version.cu", 0, nullptr, nullptr) != 0) {
      return "";
    }
    const char *option = "--gpu-architecture=compute_80";
    size_t size = 0;
    std::string ptx;
    if (compileProgram(program, 1, &option) == 0 &&
        getPtxSize(program, &size) == 0) {
      ptx.resize(size);
      ptx = getPtx(program, ptx.data()) == 0 ? ptx : "";
    }
    destroyProgram(&program);
    const std::string before = "Cuda compilation tools, release ";
    size_t at = ptx.find(before);
    at = at == std::string::npos ? at : ptx.find(", V", at);
    if (at == std::string::npos) {
      return "";
    }
    const size_t begin = at + 3;
    return ptx.substr(begin,
                      ptx.find_first_not_of("0123456789.", begin) - begin);
  }
};

Result<KernelResources> parseAssemblerReport(const std::string &log) {
  KernelResources resources;
  const size_t stores = log.find("bytes spill stores");
  const size_t loads = log.find("bytes spill loads");
  const size_t stack = log.find("bytes stack frame");
  const size_t registers = log.find("registers", log.find("Used "));
  for (const auto &[at, what, into] :
       {std::tuple{stores, "bytes of spill stores", &resources.spillBytes},
        std::tuple{loads, "bytes of spill loads", &resources.spillBytes},
        std::tuple{stack, "bytes of the stack frame", &resources.stackBytes},
        std::tuple{registers, "registers", &resources.registers}}) {
    const std::optional<uint32_t> number =
        at == std::string::npos ? std::nullopt : numberBefore(log, at);
    if (!number) {
      return corruptError(
          "the assembler's report does not state the number of " +
          std::string(what));
    }
    *into += *number;
  }
  return resources;
}

Result<Nvrtc> Nvrtc::open(const std::string &path) {
  std::string tried;
  for (const std::string &candidate : nvrtcPaths(path)) {
    auto functions = std::make_shared<Functions>();
    functions->library = DynamicLibrary::open(candidate);
    if (!functions->library.isOpen()) {
      tried += (tried.empty() ? "" : ", ") + candidate;
      continue;
    }
    if (const char *missing = functions->resolve()) {
      return unsupportedError(candidate + " has no function " + missing +
                              "; use NVRTC 12 or 13");
    }
    int major = 0;
    int minor = 0;
    if (functions->getVersion(&major, &minor) != 0) {
      return unsupportedError(
          candidate + " does not report its version; use NVRTC 12 or 13");
    }
    Nvrtc nvrtc;
    nvrtc.versionText = std::to_string(major) + "." + std::to_string(minor);
    if (const std::string full = functions->fullVersion();
        full.starts_with(nvrtc.versionText + ".")) {
      nvrtc.versionText = full;
    }
    nvrtc.functions = std::move(functions);
    nvrtc.openedPath = candidate;
    return nvrtc;
  }
  return unsupportedError(
      "no NVRTC library could be opened (tried " + tried +
      "); install the CUDA toolkit, or run `bash tools/install-deps.sh "
      "--cuda`, which gets NVRTC from PyPI");
}

Result<Nvrtc::Output> Nvrtc::compileFor(const std::string &architecture,
                                        const std::string &text,
                                        const std::string &name,
                                        bool isPtx) const {
  Program program = nullptr;
  const std::string file = name + ".cu";
  int code = functions->createProgram(&program, text.c_str(), file.c_str(), 0,
                                      nullptr, nullptr);
  if (code != 0) {
    return internalError("NVRTC did not accept kernel " + name + ": " +
                         functions->getErrorString(code));
  }
  struct Guard {
    const Functions &functions;
    Program &program;
    ~Guard() { functions.destroyProgram(&program); }
  } guard{*functions, program};
  const std::string option = "--gpu-architecture=" + architecture;
  const std::array<const char *, 3> options = {option.c_str(), "--std=c++17",
                                               "--ptxas-options=-v"};
  code = functions->compileProgram(program, static_cast<int>(options.size()),
                                   options.data());
  Output output;
  size_t size = 0;
  if (functions->getLogSize(program, &size) == 0 && size > 1) {
    output.log.resize(size);
    functions->getLog(program, output.log.data());
    output.log.resize(output.log.find('\0'));
  }
  if (code != 0) {
    return internalError("kernel " + name + " does not compile for " +
                         architecture + ": " + functions->getErrorString(code) +
                         "\n" + output.log);
  }
  const GetSize getSize =
      isPtx ? functions->getPtxSize : functions->getCubinSize;
  const GetBytes getBytes = isPtx ? functions->getPtx : functions->getCubin;
  if (getSize(program, &size) == 0 && size != 0) {
    output.code.resize(size);
    if (getBytes(program, reinterpret_cast<char *>(output.code.data())) == 0) {
      return output;
    }
  }
  return internalError("NVRTC returned no code for kernel " + name);
}

Result<CompiledKernel> Nvrtc::compile(const std::string &text,
                                      const std::string &name,
                                      const CudaTarget &target) const {
  AIR_ASSIGN_OR_RETURN(Output output, compileFor(std::string(target.name), text,
                                                 name, /*isPtx=*/false));
  CompiledKernel compiled;
  AIR_ASSIGN_OR_RETURN(compiled.resources, parseAssemblerReport(output.log));
  compiled.cubin = std::move(output.code);
  compiled.log = std::move(output.log);
  return compiled;
}

Result<std::vector<uint8_t>> Nvrtc::compilePtx(const std::string &text,
                                               const std::string &name,
                                               const CudaTarget &target) const {
  AIR_ASSIGN_OR_RETURN(Output output,
                       compileFor(ptxArch(target), text, name, /*isPtx=*/true));
  return std::move(output.code);
}

} // namespace air::codegen::cuda
