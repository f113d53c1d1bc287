//===- HostLibrary.cpp - compiles kernels for the host --------------------===//
#include "test/codegen/cuda/emulator/Emulator.h"

#include <cstdlib>
#include <dlfcn.h>
#include <fstream>
#include <sstream>
#include <unistd.h>
#include <utility>

namespace air::emulator {

Result<std::string> hostIntrinsicsText() {
  const std::string path = std::string(AIR_SOURCE_DIR) +
                           "/test/codegen/cuda/emulator/HostIntrinsics.h";
  std::ifstream file(path);
  if (!file) {
    return ioError(path + " cannot be read");
  }
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

namespace {

/// This text precedes all kernels. air_parameters_NAME is the number of
/// parameters of kernel NAME. The kernels are compiled as if for
/// ThreadSanitizer, so they call a function __tsan_* at every access to memory
/// that other threads may use. This text defines these functions, which report
/// the accesses to the emulator. They have hidden visibility, so that they do
/// not collide with the functions of the same names in a program that uses
/// ThreadSanitizer itself.
constexpr const char *kPrelude = R"(
extern "C" void air_emu_access(const void *at, unsigned long bytes, bool writes);
extern "C" bool air_emu_notes_accesses;
#define AIR_HOOK extern "C" __attribute__((visibility("hidden"), \
    disable_sanitizer_instrumentation)) void
#define AIR_HOOK_AT(name, bytes, writes) \
  AIR_HOOK name##bytes(void *p) { if (air_emu_notes_accesses) { air_emu_access(p, bytes, writes); } }
#define AIR_HOOKS(bytes) \
  AIR_HOOK_AT(__tsan_read, bytes, false) AIR_HOOK_AT(__tsan_unaligned_read, bytes, false) \
  AIR_HOOK_AT(__tsan_write, bytes, true) AIR_HOOK_AT(__tsan_unaligned_write, bytes, true)
AIR_HOOKS(1) AIR_HOOKS(2) AIR_HOOKS(4) AIR_HOOKS(8) AIR_HOOKS(16)
AIR_HOOK __tsan_init() {}
AIR_HOOK __tsan_func_entry(void *) {}
AIR_HOOK __tsan_func_exit() {}
extern "C" __attribute__((visibility("hidden"), disable_sanitizer_instrumentation))
void *__tsan_memcpy(void *to, const void *from, unsigned long bytes) {
  air_emu_access(from, bytes, false);
  air_emu_access(to, bytes, true);
  return __builtin_memmove(to, from, bytes);
}
extern "C" __attribute__((visibility("hidden"), disable_sanitizer_instrumentation))
void *__tsan_memset(void *to, int value, unsigned long bytes) {
  air_emu_access(to, bytes, true);
  return __builtin_memset(to, value, bytes);
}
template <typename... T>
constexpr unsigned airParametersOf(void (*)(T...)) { return sizeof...(T); }
#define AIR_PARAMETERS_OF(name) \
  extern "C" __attribute__((used)) const unsigned air_parameters_##name = \
      airParametersOf(&name);
#define AIR_PARAMETERS(name) AIR_PARAMETERS_OF(name)
)";

/// Options for kernels that run only once or a few times. Optimising them would
/// take ten times as long as compiling them without optimisation and running
/// them.
constexpr const char *kForOneRun = "-O0";
/// Options for the kernels of a model, which run many times. If functions were
/// inlined and loops were unrolled, compiling the kernels would take four times
/// as long.
constexpr const char *kForManyRuns = "-O1 -fno-inline-functions "
                                     "-mllvm -inline-threshold=0 "
                                     "-fno-unroll-loops";

/// A temporary folder for one compilation.
struct Workshop {
  char folder[32] = "/tmp/air-emulator-XXXXXX";
  std::string source;
  std::string part;
  std::string object;
  bool made = false;

  Workshop() {
    made = mkdtemp(folder) != nullptr;
    source = std::string(folder) + "/kernels.cpp";
    part = std::string(folder) + "/kernels.o";
    object = std::string(folder) + "/kernels.so";
  }
  ~Workshop() {
    unlink(source.c_str());
    unlink(part.c_str());
    unlink(object.c_str());
    rmdir(folder);
  }
  Workshop(const Workshop &) = delete;
  Workshop &operator=(const Workshop &) = delete;

  Status compile(const std::vector<std::string> &texts,
                 const std::string &optimisation) const {
    if (!made) {
      return ioError("a temporary folder could not be created in /tmp");
    }
    std::ofstream file(source);
    file << kPrelude;
    for (size_t i = 0; i < texts.size(); ++i) {
      file << "#undef KERNEL_NAME\n#undef AP_DEPENDENT_LAUNCH\n"
              "#undef AP_DEVICE\n#undef AP_MEMBER\n#undef AP_KERNEL\n"
              "#undef AP_PARAMETERS\n#undef AP_ARGUMENTS\n"
           << "namespace kernel" << i << " {\n"
           << texts[i]
           << "\n#ifdef KERNEL_NAME\nAIR_PARAMETERS(KERNEL_NAME)\n#endif\n}\n";
    }
    file.close();
    // The linker is called directly. If the compiler called it, it would also
    // search the standard libraries and link the sanitizer's library. The
    // kernels need neither: the program that loads them already has the
    // standard libraries, and kPrelude defines the sanitizer's functions.
    const std::string command =
        AIR_HOST_COMPILER " -std=c++17 -w -fPIC -c -fno-strict-aliasing "
                          "-ffp-contract=off -fsanitize=thread "
                          "-mllvm -tsan-instrument-func-entry-exit=0 " +
        optimisation + " -o " + part + " " + source +
        " && " AIR_HOST_LINKER " -shared -o " + object + " " + part;
    if (std::system(command.c_str()) != 0) {
      return verificationError("the host compiler does not accept a kernel's "
                               "text; see its messages");
    }
    return Status::ok();
  }
};

} // namespace

Result<std::vector<uint8_t>>
compileObject(const std::vector<std::string> &texts) {
  const Workshop workshop;
  AIR_RETURN_IF_ERROR(workshop.compile(texts, kForManyRuns));
  std::ifstream file(workshop.object, std::ios::binary);
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {});
}

Result<Library> Library::compile(const std::vector<std::string> &texts) {
  const Workshop workshop;
  AIR_RETURN_IF_ERROR(workshop.compile(texts, kForOneRun));
  Library library;
  library.handle = dlopen(workshop.object.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library.handle) {
    return verificationError(std::string("the kernels cannot be loaded: ") +
                             dlerror());
  }
  return library;
}

Library::~Library() {
  if (handle) {
    dlclose(handle);
  }
}

Library::Library(Library &&other) noexcept
    : handle(std::exchange(other.handle, nullptr)) {}

void *Library::find(const std::string &name) const {
  return dlsym(handle, name.c_str());
}

} // namespace air::emulator
