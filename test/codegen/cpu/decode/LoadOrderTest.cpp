//===- LoadOrderTest.cpp - loads of weights ascend ------------------------===//
//
// Runs the machine code of matmul kernels for small numbers of tokens one
// instruction at a time, and records the address of every load from the
// weights. The addresses must ascend: some CPUs read memory at less than half
// of their peak rate if the cache lines of a page are read in another order,
// and LLVM's scheduler may reorder loads that are not volatile.
//
// Two targets are of the same kind if they load weights with the same code.
// Common dtypes are tested on one target of each kind that this machine can
// run, and every other dtype on one of these targets, or on all of them if the
// environment variable AIR_TEST_ALL is set.
//
//===----------------------------------------------------------------------===//
#include "codegen/KernelSpec.h"
#include "codegen/cpu/CpuTarget.h"
#include "codegen/cpu/decode/WeightDecoders.h"
#include "formats/abi/KernelAbi.h"
#include "runtime/hal/ElfLoader.h"
#include "test/codegen/cpu/KernelHarness.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

#if defined(__x86_64__) && defined(__linux__)

#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"

#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <ucontext.h>

namespace air::codegen::test {
namespace {

/// The index of each general register in the array `gregs` of ucontext_t, in
/// the order of the registers' x86 encodings.
constexpr int kRegisters[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/// A load whose address is base + index * scale + displacement.
struct Load {
  int base = -1;  ///< index in `gregs`; -1 for no base register
  int index = -1; ///< index in `gregs`; -1 for no index register
  int64_t scale = 1;
  int64_t displacement = 0;
};

/// Disassembles x86 code.
class Decoder {
public:
  Decoder() {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86Disassembler();
    const llvm::Triple triple("x86_64-unknown-linux-gnu");
    std::string error;
    const llvm::Target *target =
        llvm::TargetRegistry::lookupTarget(triple, error);
    registers.reset(target->createMCRegInfo(triple));
    asmInfo.reset(target->createMCAsmInfo(*registers, triple, options));
    subtarget.reset(target->createMCSubtargetInfo(triple, "", ""));
    instructions.reset(target->createMCInstrInfo());
    context = std::make_unique<llvm::MCContext>(
        triple, asmInfo.get(), registers.get(), subtarget.get());
    disassembler.reset(target->createMCDisassembler(*subtarget, *context));
  }

  /// The load that the instruction at `code` performs, or nothing if it
  /// performs none. Gathers and loads relative to RIP count as none.
  std::optional<Load> loadAt(uint64_t code) const {
    llvm::MCInst instruction;
    uint64_t size = 0;
    const auto bytes =
        llvm::ArrayRef(reinterpret_cast<const uint8_t *>(code), size_t{15});
    if (disassembler->getInstruction(instruction, size, bytes, code,
                                     llvm::nulls()) !=
        llvm::MCDisassembler::Success) {
      ADD_FAILURE() << "an unknown instruction";
      return std::nullopt;
    }
    const llvm::MCInstrDesc &what = instructions->get(instruction.getOpcode());
    if (!what.mayLoad() || instructions->getName(instruction.getOpcode())
                               .starts_with("PREFETCH")) {
      return std::nullopt;
    }
    for (unsigned i = 0; i + 4 < instruction.getNumOperands(); ++i) {
      if (what.operands()[i].OperandType != llvm::MCOI::OPERAND_MEMORY) {
        continue;
      }
      const auto base = numberOf(instruction.getOperand(i).getReg());
      const auto index = numberOf(instruction.getOperand(i + 2).getReg());
      if (!base || !index) {
        return std::nullopt; // a load relative to RIP, or a gather
      }
      return Load{*base, *index, instruction.getOperand(i + 1).getImm(),
                  instruction.getOperand(i + 3).getImm()};
    }
    return std::nullopt; // a stack operation
  }

private:
  /// The index of `reg` in `gregs`: -1 if `reg` is NoRegister, and nothing if
  /// it is not a 64-bit general register.
  std::optional<int> numberOf(llvm::MCRegister reg) const {
    if (!reg) {
      return -1;
    }
    const llvm::StringRef name = registers->getName(reg);
    const unsigned encoding = registers->getEncodingValue(reg);
    if (!name.starts_with("R") || name == "RIP" || encoding >= 16) {
      return std::nullopt;
    }
    return kRegisters[encoding];
  }

  llvm::MCTargetOptions options;
  std::unique_ptr<llvm::MCRegisterInfo> registers;
  std::unique_ptr<llvm::MCAsmInfo> asmInfo;
  std::unique_ptr<llvm::MCSubtargetInfo> subtarget;
  std::unique_ptr<llvm::MCInstrInfo> instructions;
  std::unique_ptr<llvm::MCContext> context;
  std::unique_ptr<llvm::MCDisassembler> disassembler;
};

/// The data of the signal handler, which runs after each instruction of the
/// kernel.
struct Trace {
  const Decoder *decoder;
  std::span<const uint8_t> code;
  std::vector<std::span<const uint8_t>> weights; ///< of each matrix
  std::map<uint64_t, std::optional<Load>> loads; ///< by the address of the code
  /// The offsets of loads from the weights, as if the matrices followed each
  /// other without a gap.
  std::vector<uint64_t> offsets;
};
Trace *current = nullptr;

bool isIn(std::span<const uint8_t> bytes, uint64_t address) {
  return address - reinterpret_cast<uint64_t>(bytes.data()) < bytes.size();
}

void step(int, siginfo_t *, void *opaque) {
  const auto &registers =
      static_cast<const ucontext_t *>(opaque)->uc_mcontext.gregs;
  const auto next = static_cast<uint64_t>(registers[REG_RIP]);
  Trace &trace = *current;
  if (!isIn(trace.code, next)) {
    return;
  }
  auto known = trace.loads.find(next);
  if (known == trace.loads.end()) {
    known = trace.loads.emplace(next, trace.decoder->loadAt(next)).first;
  }
  if (!known->second) {
    return;
  }
  const Load &load = *known->second;
  int64_t address = load.displacement;
  address += load.base < 0 ? 0 : registers[load.base];
  address += load.index < 0 ? 0 : registers[load.index] * load.scale;
  uint64_t before = 0;
  for (std::span<const uint8_t> matrix : trace.weights) {
    if (isIn(matrix, static_cast<uint64_t>(address))) {
      trace.offsets.push_back(before + static_cast<uint64_t>(address) -
                              reinterpret_cast<uint64_t>(matrix.data()));
    }
    before += matrix.size();
  }
}

/// Runs a kernel, and returns the offsets of all loads from the weights in the
/// order of execution. The weights are binding 1 or, for a GluMatMul whose
/// matrices are not joined, bindings 1 and 2, which count as if they followed
/// each other.
std::vector<uint64_t> tracedLoads(const Decoder &decoder,
                                  const rt::ElfImage &image,
                                  const KernelEntry &entry,
                                  const KernelCase &test) {
  struct Free {
    void operator()(void *memory) const { std::free(memory); }
  };
  std::vector<std::unique_ptr<void, Free>> memory;
  auto copied = [&](const Bytes &bytes) {
    const size_t size = (bytes.size() + 64) / 64 * 64;
    memory.emplace_back(std::aligned_alloc(64, size));
    std::copy(bytes.begin(), bytes.end(),
              static_cast<uint8_t *>(memory.back().get()));
    return memory.back().get();
  };
  std::vector<void *> bindings;
  for (const BindingData &binding : test.bindings) {
    bindings.push_back(copied(binding.before));
  }
  void *scratch = copied(Bytes(entry.scratchBytes));
  const BatchView view(test.batch, test.spec.cacheGroup);
  const AirDispatch dispatch = {&view.batch, bindings.data()};
  const AirKernelFn kernel = *image.entry(entry.name);

  Trace trace = {&decoder, image.bytes(), {}, {}, {}};
  const size_t matrices =
      test.spec.op == KernelOp::GluMatMul && !test.spec.isJoined ? 2 : 1;
  for (size_t i = 1; i <= matrices; ++i) {
    trace.weights.emplace_back(static_cast<const uint8_t *>(bindings[i]),
                               test.bindings[i].before.size());
  }
  current = &trace;
  struct sigaction handler = {};
  struct sigaction before = {};
  handler.sa_sigaction = &step;
  handler.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &handler, &before);
  constexpr unsigned long long kTrapFlag = 0x100;
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | kTrapFlag);
  kernel(&dispatch, 0, entry.baseTiles, scratch);
  __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~kTrapFlag);
  sigaction(SIGTRAP, &before, nullptr);
  current = nullptr;
  return trace.offsets;
}

void expectAscending(const std::vector<uint64_t> &loads, uint64_t bytes) {
  ASSERT_FALSE(loads.empty());
  EXPECT_EQ(loads.front(), 0U);
  EXPECT_GE(loads.back() + 64, bytes);
  for (size_t i = 1; i < loads.size(); ++i) {
    ASSERT_LT(loads[i - 1], loads[i]) << "load " << i;
    ASSERT_LE(loads[i] - loads[i - 1], 64U) << "load " << i;
  }
}

/// Returns `loads` without repetitions: of several loads from the same offset,
/// only the first is kept.
std::vector<uint64_t> firstReads(const std::vector<uint64_t> &loads) {
  std::set<uint64_t> seen;
  std::vector<uint64_t> first;
  std::ranges::copy_if(loads, std::back_inserter(first),
                       [&](uint64_t load) { return seen.insert(load).second; });
  return first;
}

KernelCase makeCase(DType dtype, MClass mClass, Precision precision,
                    Random &random) {
  KernelCase test;
  test.spec.op = KernelOp::MatMul;
  test.spec.dtype = dtype;
  test.spec.mClass = mClass;
  test.spec.activation = activationFor(precision, mClass, dtype);
  test.spec.n = kRowLanes;
  test.spec.k = 512;
  test.spec.yStride = test.spec.n;
  // The kernel of each MClass multiplies this many tokens in one pass over the
  // weights.
  const uint64_t tokens = mClass == MClass::One               ? 1
                          : isInt8Tiled(test.spec.activation) ? 8
                                                              : 4;
  test.batch = makeBatch(random, BatchKind::Decode, tokens, 0);
  test.readsActivations(randomFloats(random, tokens * test.spec.k));
  test.reads(randomMatrix(random, dtype, Layout::X16, test.spec.n, test.spec.k)
                 .packed);
  test.writesRows(Floats(tokens * test.spec.n), test.spec.n);
  return test;
}

/// The host, and one built-in profile of each other kind of target that this
/// machine can run.
std::vector<MachineProfile> kindsOfTargets() {
  std::vector<MachineProfile> kinds;
  std::set<std::tuple<unsigned, ByteDot, bool>> seen;
  const auto addIfNew = [&](const MachineProfile &target) {
    // The code that loads the weights depends on these three traits only.
    const IsaTraits isa = makeCpuTarget(target)->isa;
    if (seen.insert({isa.vectorBytes, isa.byteDot, isa.hasVbmi}).second) {
      kinds.push_back(target);
    }
  };
  addIfNew(hostProfile());
  for (const std::string &name : builtinProfiles()) {
    const MachineProfile target = *resolveProfile(name);
    if (checkRunsOn(target, hostProfile()).isOk()) {
      addIfNew(target);
    }
  }
  return kinds;
}

std::vector<MachineProfile> targetsFor(DType dtype) {
  std::vector<MachineProfile> kinds = kindsOfTargets();
  if (isCommon(dtype, Precision::Float) ||
      std::getenv("AIR_TEST_ALL") != nullptr) {
    return kinds;
  }
  return {kinds[static_cast<size_t>(dtype) % kinds.size()]};
}

class LoadOrder : public testing::TestWithParam<DType> {};

TEST_P(LoadOrder, OfWeightsAscends) {
  const DType dtype = GetParam();
  const bool isInt8 = std::ranges::count(int8DTypes(), dtype) != 0;
  Random random(31);
  std::vector<KernelCase> cases;
  for (MClass mClass : {MClass::One, MClass::Small}) {
    cases.push_back(makeCase(dtype, mClass, Precision::Float, random));
    if (isInt8) {
      cases.push_back(makeCase(dtype, mClass, Precision::Int15, random));
      cases.push_back(makeCase(dtype, mClass, Precision::Int8, random));
    }
  }
  const Decoder decoder;
  int traced = 0;
  for (const MachineProfile &target : targetsFor(dtype)) {
    const IsaTraits isa = makeCpuTarget(target)->isa;
    SCOPED_TRACE(target.name);
    std::vector<KernelSpec> specs;
    const bool hasBytes = isa.hasByteDot();
    for (const KernelCase &test : cases) {
      if (hasBytes || !codegen::isInt8(test.spec.activation)) {
        specs.push_back(test.spec);
      }
    }
    const auto artifact = compileKernels(specs, target, 1);
    ASSERT_TRUE(artifact.isOk()) << artifact.status().message();
    const auto image = rt::ElfImage::load(artifact->object, "kernels");
    ASSERT_TRUE(image.isOk()) << image.status().message();
    for (const KernelEntry &entry : artifact->entries) {
      const KernelCase &test =
          *std::ranges::find_if(cases, [&](const KernelCase &candidate) {
            return kernelName(candidate.spec) == entry.name;
          });
      const uint64_t bytes = test.bindings[1].before.size();
      const std::vector<uint64_t> loads =
          tracedLoads(decoder, *image, entry, test);
      SCOPED_TRACE(entry.name);
      expectAscending(loads, bytes);
      ++traced;
    }
  }
  EXPECT_GT(traced, 0);
}

// Each tile of this gated matmul has a single row block, and one call of the
// kernel processes all three tiles. The kernel must read all row blocks of the
// gate matrix before those of the up matrix: if a kernel switches between the
// two matrices after every row block, it loses up to a fifth of the bandwidth.
// If the matrices are joined, it must read the memory of both in ascending
// order.
TEST(GatedLoadOrder, RarelyChangesTheMatrix) {
  constexpr uint64_t kRowBlocks = 3;
  Random random(32);
  const Decoder decoder;
  for (const auto &[tokens, isJoined] :
       {std::pair(uint64_t{1}, false), std::pair(uint64_t{7}, false),
        std::pair(uint64_t{1}, true), std::pair(uint64_t{7}, true)}) {
    KernelCase test;
    test.spec.op = KernelOp::GluMatMul;
    test.spec.dtype = DType::BF16;
    test.spec.mClass = tokens == 1 ? MClass::One : MClass::Small;
    test.spec.n = kRowBlocks * kRowLanes;
    test.spec.k = 256;
    test.spec.tiles.rowBlocks = 1;
    test.spec.isJoined = isJoined;
    test.batch = makeBatch(random, BatchKind::Decode, tokens, 0);
    test.readsActivations(randomFloats(random, tokens * test.spec.k));
    for (int matrix = 0; matrix < (isJoined ? 1 : 2); ++matrix) {
      test.reads(randomMatrix(random, DType::BF16, Layout::X16, test.spec.n,
                              (isJoined ? 2 : 1) * test.spec.k)
                     .packed);
    }
    test.writesRows(Floats(tokens * test.spec.n), test.spec.n);
    const auto artifact = compileKernels({&test.spec, 1}, hostProfile(), 1);
    ASSERT_TRUE(artifact.isOk()) << artifact.status().message();
    ASSERT_EQ(artifact->entries.front().baseTiles, kRowBlocks);
    const auto image = rt::ElfImage::load(artifact->object, "kernels");
    ASSERT_TRUE(image.isOk()) << image.status().message();
    std::vector<uint64_t> loads =
        tracedLoads(decoder, *image, artifact->entries.front(), test);
    if (tokens > 1) {
      // A float kernel multiplies the weights by the first four of the seven
      // tokens. It then loads the weights again, for the last three tokens.
      loads = firstReads(loads);
    }
    expectAscending(loads, (isJoined ? 1 : 2) * test.bindings[1].before.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Decoders, LoadOrder,
                         testing::ValuesIn(decodableDTypes()),
                         [](const testing::TestParamInfo<DType> &test) {
                           return std::string(air::info(test.param).name);
                         });

} // namespace
} // namespace air::codegen::test

#endif // defined(__x86_64__) && defined(__linux__)
