//===- CudaDeviceTest.cpp - the CUDA device on an emulated GPU ------------===//
#include "runtime/hal/cuda/CudaDevice.h"
#include "runtime/hal/cuda/CudaGpu.h"

#include "codegen/cuda/Intrinsics.h"
#include "test/codegen/cuda/emulator/Emulator.h"
#include "test/codegen/cuda/emulator/FakeDriver.h"
#include "test/runtime/hal/DeviceConformance.h"

#include <cstring>
#include <elf.h>
#include <gmock/gmock.h>
#include <map>

namespace air::rt {
namespace {

using testing::HasSubstr;

/// The bodies of the test's kernels, by name. addOne and sumAll wait for the
/// previous kernel, as every dependent kernel must.
const std::map<std::string, std::string> kBodies = {
    {"addOne", R"(
       const u32 i = 32 * ap_block_x() + ap_thread();
       ap_wait_for_previous();
       out[i] = in[i] + 1;)"},
    {"sumAll", R"(
       u32 sum = 0;
       ap_wait_for_previous();
       for (u32 i = 0; i < 64; ++i) sum += in[i];
       out[32 * ap_block_x() + ap_thread()] = sum;)"},
    {"hasty", "out[32 * ap_block_x() + ap_thread()] = in[63];"},
    {"reversed", R"(
       u32 *shared = (u32 *)(ap_shared() + 100 * 1024 - 256);
       shared[ap_thread()] = in[ap_thread()];
       ap_barrier();
       out[ap_thread()] = shared[31 - ap_thread()];)"},
    {"optional", "(out ? out : (u32 *)in)[ap_thread()] = 7;"},
    {"divergent", "if (ap_thread() == 3) ap_barrier();"},
    {"tooFar", "out[64] = in[0];"}};

/// An executable with all kernels of kBodies. They are compiled once.
Result<std::vector<uint8_t>> kernels() {
  static std::vector<uint8_t> object;
  if (object.empty()) {
    AIR_ASSIGN_OR_RETURN(const std::string intrinsics,
                         emulator::hostIntrinsicsText());
    std::vector<std::string> texts;
    for (const auto &[name, body] : kBodies) {
      texts.push_back(std::string(codegen::cuda::commonText()) +
                      "#define KERNEL_NAME " + name + "\n" + intrinsics +
                      "AP_KERNEL(KERNEL_NAME, 32, 1)(const u32 *in, u32 *out) "
                      "{\n" +
                      body + "\n}\n");
    }
    AIR_ASSIGN_OR_RETURN(object, emulator::compileObject(texts));
  }
  return object;
}

Result<std::unique_ptr<Device>> makeDevice() {
  AIR_ASSIGN_OR_RETURN(std::unique_ptr<CudaDevice> device,
                       CudaDevice::create({}));
  return std::unique_ptr<Device>(std::move(device));
}

DeviceKind kindWith(const char *name, bool copiesEarly) {
  return {name,
          [=] {
            fakeCuda.copiesEarly = copiesEarly;
            return makeDevice();
          },
          kernels};
}

INSTANTIATE_TEST_SUITE_P(Cuda, DeviceConformance,
                         testing::Values(kindWith("emulated GPU", false),
                                         kindWith("early copies", true)));
INSTANTIATE_TEST_SUITE_P(Cuda, LateUploads,
                         testing::Values(kindWith("emulated GPU", false)));
INSTANTIATE_TEST_SUITE_P(Cuda, EarlyUploads,
                         testing::Values(kindWith("early copies", true)));

/// Every test begins and ends with a fake machine without faults and without
/// anything allocated.
class CudaDeviceTest : public testing::Test {
protected:
  void SetUp() override {
    fakeCuda = {};
    ASSERT_EQ(fakeCudaLiveObjects(), 0);
  }
  void TearDown() override {
    device.reset();
    EXPECT_EQ(fakeCudaLiveObjects(), 0);
    fakeCuda = {};
  }

  void create(const CudaOptions &options = {}) {
    Result<std::unique_ptr<CudaDevice>> made = CudaDevice::create(options);
    ASSERT_TRUE(made.isOk()) << made.status().message();
    device = *std::move(made);
  }
  Status createError(const CudaOptions &options = {}) {
    return CudaDevice::create(options).status();
  }
  /// Adds a program that launches the kernel `name` of kBodies, with `first` as
  /// its input and `second` as its output.
  Result<uint32_t> add(std::string_view name, const LaunchShape &shape) {
    AIR_ASSIGN_OR_RETURN(const std::vector<uint8_t> object, kernels());
    AIR_ASSIGN_OR_RETURN(const uint32_t executable,
                         device->loadExecutable(object, {&name, 1}));
    AIR_ASSIGN_OR_RETURN(first, device->allocate(kVectorBytes, "first"));
    AIR_ASSIGN_OR_RETURN(second, device->allocate(kVectorBytes, "second"));
    const DeviceAddress bindings[] = {first, second};
    DispatchDesc desc = conformanceDispatch(executable, 0, bindings);
    desc.launch = shape;
    return device->addProgram({&desc, 1});
  }

  std::unique_ptr<CudaDevice> device;
  DeviceAddress first = 0;
  DeviceAddress second = 0;
  AirBatch batch = {};
};

TEST_F(CudaDeviceTest, DescribesTheGpu) {
  fakeCuda.capability = 86;
  fakeCuda.driverVersion = 12040;
  create({{.device = "EMULATEDgpu", .arch = "sm_80"}});
  EXPECT_EQ(device->facts().name, "emulated GPU");
  EXPECT_EQ(device->facts().capability, 86U);
  EXPECT_EQ(device->facts().multiprocessors, 2U);
  EXPECT_EQ(device->facts().freeBytes, uint64_t{64} << 20);
  EXPECT_EQ(device->facts().driverVersion, "12.4");
}

TEST_F(CudaDeviceTest, ADriverThatIsTooOldIsSaidToBe) {
  fakeCuda.driverVersion = 11080;
  const Status status = createError();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_THAT(status.message(), HasSubstr("CUDA 11.8, but CUDA 12.0"));
}

TEST_F(CudaDeviceTest, AMachineWithoutAGpuIsSaidToHaveNone) {
  fakeCuda.gpus = 0;
  const Status status = createError();
  EXPECT_EQ(status.code(), ErrorCode::Unsupported);
  EXPECT_THAT(status.message(), HasSubstr("no GPU"));
}

TEST_F(CudaDeviceTest, ADriverThatDoesNotStartIsAnErrorWithItsText) {
  fakeCuda.initResult = 999; // CUDA_ERROR_UNKNOWN
  const Status status = createError();
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_EQ(status.message(),
            "the CUDA driver's cuInit failed: refused by the fake "
            "driver (error 999)");
}

TEST_F(CudaDeviceTest, AGpuIsChosenByNumberOrName) {
  fakeCuda.gpus = 2;
  for (const char *text : {"", "0", "1", "emulated", "GPU"}) {
    create({{.device = text, .arch = ""}});
    device.reset();
  }
  for (const char *text : {"2", "99", "rtx3060"}) {
    const Status status = createError({{.device = text, .arch = ""}});
    EXPECT_EQ(status.code(), ErrorCode::Usage);
    EXPECT_THAT(status.message(), HasSubstr(std::string("'") + text + "'"));
    EXPECT_THAT(status.message(),
                HasSubstr("0 (emulated GPU, compute capability 9.0), 1 (emul"));
  }
}

TEST_F(CudaDeviceTest, OfSeveralGpusTheOneOfThePlanIsPreferred) {
  fakeCuda.gpus = 3;
  fakeCuda.moreMultiprocessors = 1; // 2, 3 and 4
  const auto ordinalFor = [&](const CudaChoice &choice) {
    create({choice});
    const uint32_t ordinal = device->facts().ordinal;
    EXPECT_EQ(device->facts().multiprocessors,
              2 + ordinal *
                      static_cast<uint32_t>(fakeCuda.moreMultiprocessors));
    device.reset();
    return ordinal;
  };
  const auto like = [](const char *name, uint32_t multiprocessors) {
    return CudaChoice{.arch = "sm_90a",
                      .likeName = name,
                      .likeMultiprocessors = multiprocessors};
  };
  EXPECT_EQ(ordinalFor({.arch = "sm_90a"}), 0U);
  EXPECT_EQ(ordinalFor(like("h100", 3)), 1U);
  EXPECT_EQ(ordinalFor(like("h100", 132)), 0U);
  CudaChoice named = like("h100", 3);
  named.device = "2";
  EXPECT_EQ(ordinalFor(named), 2U);
  // GPUs with the same number of multiprocessors are told apart by their names.
  fakeCuda.moreMultiprocessors = 0;
  fakeCuda.lastName = "emulated GPU Max";
  EXPECT_EQ(ordinalFor(like("gpumax", 2)), 2U);
  EXPECT_EQ(ordinalFor(like("gpumax", 3)), 0U);
}

TEST_F(CudaDeviceTest, AGpuOfAnotherArchitectureIsRefused) {
  fakeCuda.capability = 75;
  const Status status = createError({{.device = "", .arch = "sm_86"}});
  EXPECT_EQ(status.code(), ErrorCode::Mismatch);
  EXPECT_THAT(status.message(), HasSubstr("sm_86"));
  EXPECT_THAT(status.message(), HasSubstr("compute capability 7.5"));
}

TEST_F(CudaDeviceTest, CodeForAnotherArchitectureIsRefused) {
  create();
  fakeCuda.moduleResult = 209; // CUDA_ERROR_NO_BINARY_FOR_GPU
  const Status status = device->loadExecutable(*kernels(), {}).status();
  EXPECT_EQ(status.code(), ErrorCode::Mismatch);
  EXPECT_THAT(status.message(), HasSubstr("executable 0"));
  EXPECT_THAT(status.message(), HasSubstr("compute capability 9.0"));
  EXPECT_THAT(status.message(), HasSubstr("cuModuleLoadData"));
}

TEST_F(CudaDeviceTest, OutOfMemoryIsAnErrorWithAllNumbers) {
  create();
  fakeCuda.failingAllocation = 2;
  ASSERT_TRUE(device->allocate(1 << 20, "weights").isOk());
  const Status status = device->allocate(2 << 20, "kv").status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_EQ(status.message().find("kv: cannot allocate 2097152 bytes on emula"),
            0U);
  EXPECT_THAT(status.message(), HasSubstr(std::to_string(63 << 20)));
  EXPECT_THAT(status.message(), HasSubstr("out of memory"));
  EXPECT_TRUE(device->allocate(2 << 20, "kv").isOk());
}

TEST_F(CudaDeviceTest, TheMemoryLimitCountsAllAllocations) {
  create({{}, 1000});
  ASSERT_TRUE(device->allocate(600, "weights").isOk());
  const Status status = device->allocate(401, "kv").status();
  EXPECT_EQ(status.code(), ErrorCode::DoesNotFit);
  EXPECT_THAT(status.message(), HasSubstr("kv: cannot allocate 401 bytes"));
  EXPECT_THAT(status.message(),
              HasSubstr("600 of the 1000 bytes that it may use"));
  EXPECT_TRUE(device->allocate(400, "kv").isOk());
}

TEST_F(CudaDeviceTest, RefusesDispatchesThatNoGpuCanRun) {
  create();
  EXPECT_EQ(add("addOne", {}).status().code(), ErrorCode::Internal);
  const Status shared =
      add("addOne", {.gridX = 2, .threads = 32, .sharedBytes = 228 * 1024})
          .status();
  EXPECT_EQ(shared.code(), ErrorCode::Io);
  EXPECT_THAT(shared.message(), HasSubstr("dispatch 0"));
  EXPECT_THAT(shared.message(), HasSubstr("233472 bytes of shared memory"));
  EXPECT_THAT(shared.message(), HasSubstr("cuFuncSetAttribute"));
  DispatchDesc desc = conformanceDispatch(0, 0, {});
  desc.scratchBytes = 64;
  EXPECT_THAT(device->addProgram({&desc, 1}).status().message(),
              HasSubstr("64 bytes of scratch"));
  // After an error of a launch, the device can still be used.
  const Result<uint32_t> tooMany = add("addOne", {.gridX = 2, .threads = 2048});
  ASSERT_TRUE(tooMany.isOk()) << tooMany.status().message();
  const Status launched = device->run(*tooMany, 0, 1, batch);
  EXPECT_EQ(launched.code(), ErrorCode::Io);
  EXPECT_THAT(launched.message(), HasSubstr("cuLaunchKernelEx"));
  EXPECT_TRUE(device->synchronise().isOk());
}

TEST_F(CudaDeviceTest, KernelsMayUseAsMuchSharedMemoryAsTheyAskFor) {
  create();
  const Result<uint32_t> program =
      add("reversed", {.gridX = 1, .threads = 32, .sharedBytes = 100 * 1024});
  ASSERT_TRUE(program.isOk()) << program.status().message();
  const uint32_t values[] = {7, 8};
  ASSERT_TRUE(device
                  ->write(first + 4 * 30,
                          {reinterpret_cast<const uint8_t *>(values), 8})
                  .isOk());
  ASSERT_TRUE(device->run(*program, 0, 1, batch).isOk());
  const Result<const void *> out = device->read(second, 8);
  ASSERT_TRUE(out.isOk()) << out.status().message();
  EXPECT_EQ(static_cast<const uint32_t *>(*out)[0], 8U);
  EXPECT_EQ(static_cast<const uint32_t *>(*out)[1], 7U);
}

// Pinned memory grows only until it suffices for all reads between two runs,
// and a graph is made only for the first run of a range of dispatches.
TEST_F(CudaDeviceTest, RepeatedRunsAndReadsAllocateNothing) {
  create();
  const Result<uint32_t> program = add("addOne", {.gridX = 2, .threads = 32});
  ASSERT_TRUE(program.isOk()) << program.status().message();
  const Result<DeviceAddress> large = device->allocate(3 << 20, "large");
  ASSERT_TRUE(large.isOk());
  int64_t objects = 0;
  uint64_t allocations = 0;
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(device->run(*program, 0, 1, batch).isOk());
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(device->read(*large, 3 << 20).isOk());
      ASSERT_TRUE(device->read(second, kVectorBytes).isOk());
    }
    if (round == 1) {
      objects = fakeCudaLiveObjects();
      allocations = fakeCuda.allocations;
    }
  }
  EXPECT_EQ(fakeCudaLiveObjects(), objects);
  EXPECT_EQ(fakeCuda.allocations, allocations);
}

TEST_F(CudaDeviceTest, ADispatchMustBindAsManyOperandsAsItsKernelHas) {
  create();
  const std::string_view name = "optional";
  const Result<uint32_t> executable =
      device->loadExecutable(*kernels(), {&name, 1});
  ASSERT_TRUE(executable.isOk()) << executable.status().message();
  const DeviceAddress address = *device->allocate(kVectorBytes, "first");
  DispatchDesc desc = conformanceDispatch(*executable, 0, {&address, 1});
  desc.launch = {.gridX = 1, .threads = 32};
  const Status status = device->addProgram({&desc, 1}).status();
  EXPECT_EQ(status.code(), ErrorCode::Corrupt);
  EXPECT_THAT(status.message(),
              HasSubstr("dispatch 0 binds 1 operands, but the code of its "
                        "kernel has 2 parameters"));
}

// The driver reads an argument for each parameter of a kernel, even if the
// dispatch binds fewer. The device must therefore pass null for the remaining
// parameters, although this driver does not report how many parameters a kernel
// has.
TEST_F(CudaDeviceTest, ArgumentsThatADispatchLacksAreNull) {
  fakeCuda.tellsParameters = false;
  create();
  const std::string_view name = "optional";
  const Result<uint32_t> executable =
      device->loadExecutable(*kernels(), {&name, 1});
  ASSERT_TRUE(executable.isOk()) << executable.status().message();
  first = *device->allocate(kVectorBytes, "first");
  DispatchDesc desc = conformanceDispatch(*executable, 0, {&first, 1});
  desc.launch = {.gridX = 1, .threads = 32};
  const Result<uint32_t> program = device->addProgram({&desc, 1});
  ASSERT_TRUE(program.isOk()) << program.status().message();
  ASSERT_TRUE(device->run(*program, 0, 1, batch).isOk());
  const Result<const void *> out = device->read(first, 4 * 32);
  ASSERT_TRUE(out.isOk()) << out.status().message();
  EXPECT_EQ(static_cast<const uint32_t *>(*out)[31], 7U);
}

// A driver is not told how large an executable is, so the device must refuse
// one with parts outside the file.
TEST_F(CudaDeviceTest, ExecutablesWithPartsOutsideTheFileAreCorrupt) {
  create();
  const std::vector<uint8_t> good = *kernels();
  ASSERT_TRUE(device->loadExecutable(good, {}).isOk());
  using Damage = void (*)(Elf64_Ehdr &, Elf64_Phdr &, Elf64_Shdr &);
  const Damage damages[] = {
      [](Elf64_Ehdr &file, Elf64_Phdr &, Elf64_Shdr &) { file.e_shnum = 0; },
      [](Elf64_Ehdr &file, Elf64_Phdr &, Elf64_Shdr &) { ++file.e_shoff; },
      [](Elf64_Ehdr &file, Elf64_Phdr &, Elf64_Shdr &) {
        file.e_phnum = PN_XNUM;
      },
      [](Elf64_Ehdr &file, Elf64_Phdr &, Elf64_Shdr &) {
        file.e_phoff = UINT64_MAX;
      },
      [](Elf64_Ehdr &file, Elf64_Phdr &, Elf64_Shdr &) {
        file.e_phentsize = 0;
      },
      [](Elf64_Ehdr &, Elf64_Phdr &segment, Elf64_Shdr &) {
        segment.p_filesz = UINT64_MAX;
      },
      [](Elf64_Ehdr &, Elf64_Phdr &, Elf64_Shdr &section) {
        section.sh_type = SHT_PROGBITS;
        section.sh_offset = uint64_t{1} << 40;
      }};
  for (const Damage &damage : damages) {
    std::vector<uint8_t> bytes = good;
    Elf64_Ehdr file;
    std::memcpy(&file, bytes.data(), sizeof file);
    const uint64_t segments = file.e_phoff;
    const uint64_t sections = file.e_shoff;
    Elf64_Phdr segment;
    std::memcpy(&segment, &bytes[segments], sizeof segment);
    Elf64_Shdr section;
    std::memcpy(&section, &bytes[sections], sizeof section);
    damage(file, segment, section);
    std::memcpy(bytes.data(), &file, sizeof file);
    std::memcpy(&bytes[segments], &segment, sizeof segment);
    std::memcpy(&bytes[sections], &section, sizeof section);
    const Status status = device->loadExecutable(bytes, {}).status();
    EXPECT_EQ(status.code(), ErrorCode::Corrupt) << &damage - damages;
    EXPECT_THAT(status.message(), HasSubstr("is neither a complete ELF file"));
  }
}

TEST_F(CudaDeviceTest, TheDriverCompilesPtx) {
  create();
  const std::string_view name = "addOne";
  std::vector<uint8_t> ptx = fakePtx(*kernels());
  fakeCuda.cubinResult = 209;
  EXPECT_EQ(device->loadExecutable(*kernels(), {&name, 1}).status().code(),
            ErrorCode::Mismatch);
  const Result<uint32_t> loaded = device->loadExecutable(ptx, {&name, 1});
  ASSERT_TRUE(loaded.isOk()) << loaded.status().message();
  EXPECT_EQ(fakeCuda.ptxModules, 1);

  // The driver reads PTX up to a zero byte, so PTX without one is refused.
  ptx.pop_back();
  EXPECT_EQ(device->loadExecutable(ptx, {&name, 1}).status().code(),
            ErrorCode::Corrupt);
  ptx[10] = 0;
  ptx.push_back(0);
  EXPECT_EQ(device->loadExecutable(ptx, {&name, 1}).status().code(),
            ErrorCode::Corrupt);
  // 218 is CUDA_ERROR_INVALID_PTX, and 222 is
  // CUDA_ERROR_UNSUPPORTED_PTX_VERSION.
  ptx = fakePtx(*kernels());
  fakeCuda.moduleResult = 218;
  EXPECT_EQ(device->loadExecutable(ptx, {&name, 1}).status().code(),
            ErrorCode::Corrupt);
  fakeCuda.moduleResult = 222;
  const Status old = device->loadExecutable(ptx, {&name, 1}).status();
  EXPECT_EQ(old.code(), ErrorCode::Unsupported);
  EXPECT_THAT(old.message(), HasSubstr("supports CUDA 13.0, which is too old "
                                       "for the plan's PTX"));
}

TEST_F(CudaDeviceTest, PtxRunsOnLaterGpus) {
  const CudaChoice choice = {
      .device = "", .arch = "sm_86", .ptxArch = "compute_86"};
  fakeCuda.capability = 120;
  create({.gpu = choice});
  device.reset();
  fakeCuda.capability = 80;
  const Status status = createError({.gpu = choice});
  EXPECT_EQ(status.code(), ErrorCode::Mismatch);
  EXPECT_THAT(status.message(),
              HasSubstr("the plan's code is for sm_86, its PTX is for "
                        "compute_86 and later GPUs, and cannot run on GPU 0 "
                        "(emulated GPU, compute capability 8.0)"));
}

// After these CUresults, CUDA's headers say, "the process must be terminated
// and relaunched".
TEST_F(CudaDeviceTest, ErrorsThatEndTheUseOfTheGpuAreKnown) {
  for (const int code :
       {226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911}) {
    create();
    const Result<uint32_t> program = add("addOne", {.gridX = 2, .threads = 32});
    ASSERT_TRUE(program.isOk()) << program.status().message();
    fakeCuda.failingKernel = 1;
    fakeCuda.kernelResult = code;
    ASSERT_TRUE(device->run(*program, 0, 1, batch).isOk());
    const std::string message = device->synchronise().message();
    EXPECT_THAT(message, HasSubstr("this process cannot use the GPU again"));
    EXPECT_THAT(message, HasSubstr("(error " + std::to_string(code) + ")"));
    device.reset();
  }
}

/// Tests with a kernel that leaves the GPU unusable.
class BrokenKernel : public CudaDeviceTest,
                     public testing::WithParamInterface<const char *> {};

TEST_P(BrokenKernel, MakesEveryLaterCallReturnTheSameError) {
  create();
  const Result<uint32_t> right = add("addOne", {.gridX = 2, .threads = 32});
  ASSERT_TRUE(right.isOk()) << right.status().message();
  const Result<uint32_t> broken = add(GetParam(), {.gridX = 2, .threads = 32});
  ASSERT_TRUE(broken.isOk()) << broken.status().message();
  ASSERT_TRUE(device->run(*right, 0, 1, batch).isOk());
  ASSERT_TRUE(device->synchronise().isOk());
  // The launch itself succeeds, because the kernel runs only later.
  ASSERT_TRUE(device->run(*broken, 0, 1, batch).isOk());
  const Status status = device->synchronise();
  EXPECT_EQ(status.code(), ErrorCode::Io);
  EXPECT_THAT(
      status.message(),
      HasSubstr("emulated GPU failed while it ran program 1 of the plan: "));
  EXPECT_THAT(status.message(), HasSubstr("cuStreamSynchronize"));
  EXPECT_THAT(status.message(), HasSubstr(std::string("kernel ") + GetParam()));
  const uint8_t byte[1] = {0};
  const std::string_view name = "addOne";
  for (const Status &later :
       {device->synchronise(), device->run(*right, 0, 1, batch),
        device->run(*broken, 0, 1, batch), device->copy(first, second, 4),
        device->write(first, byte), device->read(first, 4).status(),
        device->allocate(64, "kv").status(),
        device->loadExecutable(*kernels(), {&name, 1}).status(),
        device->addProgram({}).status()}) {
    EXPECT_EQ(later.code(), ErrorCode::Io);
    EXPECT_EQ(later.message(), status.message());
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, BrokenKernel,
                         testing::Values("divergent", "tooFar"));

TEST_F(CudaDeviceTest, AFailureNamesNoProgramIfSeveralRan) {
  create();
  const Result<uint32_t> one = add("addOne", {.gridX = 2, .threads = 32});
  const Result<uint32_t> two = add("sumAll", {.gridX = 2, .threads = 32});
  ASSERT_TRUE(one.isOk() && two.isOk());
  fakeCuda.failingKernel = 2;
  ASSERT_TRUE(device->run(*one, 0, 1, batch).isOk());
  ASSERT_TRUE(device->run(*two, 0, 1, batch).isOk());
  EXPECT_THAT(device->read(first, 4).status().message(),
              HasSubstr("while it ran one of several programs"));
}

// The host need not wait for all work to know that a run is complete.
TEST_F(CudaDeviceTest, AFailureNamesNoProgramThatIsKnownToBeComplete) {
  create();
  const Result<uint32_t> one = add("addOne", {.gridX = 2, .threads = 32});
  const Result<uint32_t> two = add("sumAll", {.gridX = 2, .threads = 32});
  const Result<uint32_t> afterOne = device->addEvent();
  const Result<uint32_t> afterTwo = device->addEvent();
  ASSERT_TRUE(one.isOk() && two.isOk() && afterOne.isOk() && afterTwo.isOk());
  fakeCuda.failingKernel = 4;
  ASSERT_TRUE(device->run(*one, 0, 1, batch).isOk());
  ASSERT_TRUE(device->signal(Queue::Compute, *afterOne).isOk());
  ASSERT_TRUE(device->run(*two, 0, 1, batch).isOk());
  ASSERT_TRUE(device->signal(Queue::Compute, *afterTwo).isOk());
  ASSERT_TRUE(device->finish(*afterOne).isOk());
  ASSERT_TRUE(device->run(*two, 0, 1, batch).isOk());
  ASSERT_TRUE(device->run(*two, 0, 1, batch).isOk());
  ASSERT_TRUE(device->finish(*afterTwo).isOk());
  EXPECT_THAT(device->synchronise().message(),
              HasSubstr("while it ran program 1 of the plan"));
}

/// Uploads numbers to the GPU, and runs the kernel addOne on them. Copies the
/// first number of the output over the second. Returns the second, after
/// checking that download() and read() give the same value.
Result<uint32_t> uploadAndAddOne() {
  AIR_ASSIGN_OR_RETURN(const std::unique_ptr<Device> device, makeDevice());
  AIR_ASSIGN_OR_RETURN(const std::vector<uint8_t> object, kernels());
  const std::string_view name = "addOne";
  AIR_ASSIGN_OR_RETURN(const uint32_t executable,
                       device->loadExecutable(object, {&name, 1}));
  AIR_ASSIGN_OR_RETURN(const std::span<uint8_t> numbers,
                       device->allocateHost(kVectorBytes, "numbers"));
  numbers[0] = 41;
  AIR_ASSIGN_OR_RETURN(const DeviceAddress in,
                       device->allocate(kVectorBytes, "in"));
  AIR_ASSIGN_OR_RETURN(const DeviceAddress out,
                       device->allocate(kVectorBytes, "out"));
  const DeviceAddress bindings[] = {in, out};
  DispatchDesc desc = conformanceDispatch(executable, 0, bindings);
  desc.launch = {.gridX = 2, .threads = 32, .sharedBytes = 64 * 1024};
  AIR_ASSIGN_OR_RETURN(const uint32_t program, device->addProgram({&desc, 1}));
  AIR_ASSIGN_OR_RETURN(const uint32_t arrived, device->addEvent());
  AIR_RETURN_IF_ERROR(device->upload(in, numbers));
  AIR_RETURN_IF_ERROR(device->signal(Queue::Upload, arrived));
  AIR_RETURN_IF_ERROR(device->wait(Queue::Compute, arrived));
  AIR_RETURN_IF_ERROR(device->run(program, 0, 1, {}));
  AIR_RETURN_IF_ERROR(device->copy(out + 4, out, 4));
  AIR_RETURN_IF_ERROR(device->download(numbers.first(4), out + 4));
  AIR_RETURN_IF_ERROR(device->signal(Queue::Compute, arrived));
  AIR_RETURN_IF_ERROR(device->finish(arrived));
  AIR_RETURN_IF_ERROR(device->synchronise());
  AIR_ASSIGN_OR_RETURN(const void *result, device->read(out + 4, 4));
  if (std::memcmp(result, numbers.data(), 4) != 0) {
    return internalError("what was downloaded differs from what was read");
  }
  return *static_cast<const uint32_t *>(result);
}

// Each call of a driver function that needs a context is made to fail in turn:
// once with an error that concerns only that call, once because memory is
// short, and once because the GPU is lost.
TEST_F(CudaDeviceTest, EachCallMayFail) {
  for (const auto &[result, code] :
       {std::pair{1, ErrorCode::Io}, std::pair{2, ErrorCode::DoesNotFit},
        std::pair{719, ErrorCode::Io}}) {
    fakeCuda.callResult = result;
    int failed = 0;
    for (int call = 1;; ++call) {
      fakeCuda.failingCall = call;
      const Result<uint32_t> found = uploadAndAddOne();
      const bool hasFailed = fakeCuda.failingCall == 0;
      fakeCuda.failingCall = 0;
      fakeCudaReset();
      if (!hasFailed) {
        break;
      }
      if (found) {
        // A call that merely frees something may fail without any effect on
        // the result.
        EXPECT_EQ(*found, 42U);
        continue;
      }
      ++failed;
      const std::string &message = found.status().message();
      EXPECT_EQ(found.status().code(), code) << message;
      EXPECT_THAT(message, HasSubstr("the CUDA driver's cu"));
      EXPECT_THAT(message, HasSubstr("(error " + std::to_string(result) + ")"));
      EXPECT_EQ(message.find("start the command again") != std::string::npos,
                result == 719)
          << message;
      EXPECT_THAT(message, testing::Not(HasSubstr("\n")));
    }
    EXPECT_GT(failed, 40);
  }
}

// Two devices of one GPU each have their own memory and memory limit.
// Destroying one device leaves the memory of the other as it is.
TEST_F(CudaDeviceTest, AGpuHasDevicesOfItsOwn) {
  Result<std::unique_ptr<Gpu>> gpu = CudaGpu::open({.device = "emulated"});
  ASSERT_TRUE(gpu.isOk()) << gpu.status().message();
  Result<std::unique_ptr<Device>> one = (*gpu)->newDevice(1000);
  Result<std::unique_ptr<Device>> two = (*gpu)->newDevice(uint64_t{1} << 20);
  ASSERT_TRUE(one.isOk() && two.isOk());
  gpu->reset();
  EXPECT_EQ((*one)->allocate(1001, "too much").status().code(),
            ErrorCode::DoesNotFit);
  const uint64_t free = fakeCuda.freeBytes;
  Result<DeviceAddress> memory = (*two)->allocate(1001, "numbers");
  ASSERT_TRUE(memory.isOk()) << memory.status().message();
  const std::vector<uint8_t> numbers(1001, 7);
  ASSERT_TRUE((*two)->write(*memory, numbers).isOk());
  one->reset();
  const Result<const void *> read = (*two)->read(*memory, 1001);
  ASSERT_TRUE(read.isOk()) << read.status().message();
  EXPECT_EQ(std::memcmp(*read, numbers.data(), 1001), 0);
  two->reset();
  EXPECT_EQ(fakeCuda.freeBytes, free);
}

TEST_F(CudaDeviceTest, AFailureFreesWhatWasAllocated) {
  for (const int call : {5, 20, 40}) {
    fakeCuda.failingCall = call;
    EXPECT_FALSE(uploadAndAddOne());
    EXPECT_EQ(fakeCudaLiveObjects(), 0) << call;
  }
}

// The error is about RAM, not about the memory of the GPU. It suggests more RAM
// only if the driver says that memory is short. It does not suggest --vram,
// because only HostRing.cpp, which allocates memory for weights, knows whether
// this option would help.
TEST_F(CudaDeviceTest, RamThatCannotBeLockedIsSaidToBeShort) {
  create();
  for (const auto &[result, code] :
       {std::pair{2, ErrorCode::DoesNotFit}, std::pair{1, ErrorCode::Io}}) {
    fakeCuda.failingCall = 2; // the call after cuCtxSetCurrent()
    fakeCuda.callResult = result;
    const Status status = device->allocateHost(4096, "weights").status();
    EXPECT_EQ(status.code(), code);
    EXPECT_EQ(status.message().find(
                  "weights: cannot allocate 4096 bytes of page-locked memory"),
              0U)
        << status.message();
    EXPECT_EQ(status.message().find("provide more RAM") != std::string::npos,
              result == 2);
    EXPECT_EQ(status.message().find("--vram"), std::string::npos);
  }
}

/// A program that runs addOne and then another kernel, which reads the output
/// of addOne. Each kernel may start before the previous one is complete
/// (LaunchShape::dependent).
struct Chain {
  uint32_t program = 0;
  DeviceAddress memory = 0;
};

Result<Chain> addChain(Device &device, std::string_view second) {
  AIR_ASSIGN_OR_RETURN(const std::vector<uint8_t> object, kernels());
  const std::string_view names[] = {"addOne", second};
  AIR_ASSIGN_OR_RETURN(const uint32_t executable,
                       device.loadExecutable(object, names));
  Chain chain;
  AIR_ASSIGN_OR_RETURN(chain.memory, device.allocate(3 * kVectorBytes, "abc"));
  const DeviceAddress vectors[] = {chain.memory, chain.memory + kVectorBytes,
                                   chain.memory + 2 * kVectorBytes};
  DispatchDesc descs[] = {
      conformanceDispatch(executable, 0, std::span(vectors).first(2)),
      conformanceDispatch(executable, 1, std::span(vectors).last(2))};
  descs[0].launch.dependent = true;
  descs[1].launch.dependent = true;
  AIR_ASSIGN_OR_RETURN(chain.program, device.addProgram(descs));
  return chain;
}

// If the GPU and its driver let the second kernel start early, the result is
// right only if this kernel waits for the first.
TEST_F(CudaDeviceTest, DependentKernelsMayStartEarlyWhereTheDriverAllowsIt) {
  for (const auto &[version, capability, name, expected] :
       {std::tuple{13000, 90, "sumAll", 64U},
        std::tuple{13000, 90, "hasty", 0xffffffffU},
        std::tuple{12020, 90, "hasty", 1U},
        std::tuple{13000, 86, "hasty", 1U}}) {
    fakeCuda.driverVersion = version;
    fakeCuda.capability = capability;
    create();
    const Result<Chain> chain = addChain(*device, name);
    ASSERT_TRUE(chain.isOk()) << chain.status().message();
    const Status status = device->run(chain->program, 0, 2, batch);
    ASSERT_TRUE(status.isOk()) << status.message();
    const Result<const void *> out =
        device->read(chain->memory + 2 * kVectorBytes, 4);
    ASSERT_TRUE(out.isOk()) << out.status().message();
    EXPECT_EQ(*static_cast<const uint32_t *>(*out), expected)
        << version << ' ' << capability;
    device.reset();
  }
}

} // namespace
} // namespace air::rt
