//===- Emulator.cpp - fibers, collectives and asynchronous copies ---------===//
#include "test/codegen/cuda/emulator/Emulator.h"

#include "formats/dtype/Half.h"
#include "test/codegen/cuda/emulator/Races.h"

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <map>
#include <memory>
#include <optional>
#include <ucontext.h>

extern "C" bool air_emu_notes_accesses;

namespace air::emulator {
namespace {

/// Kernels that are not optimised keep all of their variables on the stack.
constexpr size_t kStackBytes = 256 * 1024;

/// The event for which a fiber waits.
enum class Wait : uint8_t {
  Nothing,
  Done,
  Block,
  WarpBarrier,
  Shuffle,
  Transpose,
  MmaHalf,
  MmaBfloat,
  Transfer,
  Wgmma,
};

struct Copy {
  void *to;
  std::vector<uint8_t> bytes;
  uint32_t race = 0; ///< its index in Machine::races
};

/// A wgmma that has been issued, as one thread sees it.
struct Wgmma {
  std::array<uint32_t, 4> a;
  const uint8_t *b;
  uint32_t stride;
  uint32_t groups; ///< of 8 columns
  bool bfloat;

  bool readsAs(const Wgmma &other) const {
    return b == other.b && stride == other.stride && bfloat == other.bfloat;
  }
};

struct Fiber {
  ucontext_t context; ///< where the fiber starts
  jmp_buf place;      ///< where it continues once it has started
  bool hasStarted = false;
  std::unique_ptr<char[]> stack;
  Wait wait = Wait::Done;
  // The operands of the collective in which the fiber waits.
  uint32_t value = 0;
  uint32_t mask = 0;
  float *d = nullptr;
  std::array<uint32_t, 4> a;
  std::array<uint32_t, 2> b;
  uint64_t *barrier = nullptr;
  uint32_t parity = 0;
  std::vector<Copy> open;
  std::deque<std::vector<Copy>> groups;
  std::vector<Wgmma> wgmmas;   ///< in flight
  std::vector<Wgmma> complete; ///< those that the latest wait has completed
  /// The accumulators of the wgmmas in flight. Until these are complete, `d`
  /// holds NaN, so that a kernel that reads it too early computes NaN.
  std::vector<float> sums;
};

struct TransferBarrier {
  uint32_t phase = 0; ///< parity (0 or 1) of the current phase
  std::deque<Copy> copies;
  uint32_t delivered = UINT32_MAX; ///< Copy::race of the latest complete copy
};

struct Machine {
  const EmulatedLaunch *launch = nullptr;
  std::span<Fiber> fibers; ///< one for each thread of a block
  jmp_buf scheduler;       ///< where fibers return when they wait or end
  uint32_t current = 0;
  uint32_t blockX = 0;
  uint32_t blockY = 0;
  std::vector<uint8_t> sharedStorage;
  uint8_t *shared = nullptr;
  std::map<uint64_t *, TransferBarrier> barriers;
  std::vector<std::vector<uint8_t>> dependentBytes;
  bool waited = false;
  std::optional<Races> races; ///< set if the launch is searched for races
  std::string error;
};

Machine *machine = nullptr;

Fiber &self() { return machine->fibers[machine->current]; }

// swapcontext() would make a system call at each switch to save the signal
// mask. _setjmp() and _longjmp() do not.

/// Lets the current fiber wait for the event `wait`. Returns when the scheduler
/// resumes the fiber.
void yieldFor(Wait wait) {
  Fiber &fiber = self();
  fiber.wait = wait;
  if (_setjmp(fiber.place) == 0) {
    _longjmp(machine->scheduler, 1);
  }
}

/// Runs a fiber until it waits or ends.
void resume(Fiber &fiber) {
  if (_setjmp(machine->scheduler) != 0) {
    return;
  }
  if (fiber.hasStarted) {
    _longjmp(fiber.place, 1);
  }
  fiber.hasStarted = true;
  setcontext(&fiber.context);
}

void fail(const std::string &what) {
  if (machine->error.empty()) {
    machine->error = "block (" + std::to_string(machine->blockX) + ", " +
                     std::to_string(machine->blockY) + "), thread " +
                     std::to_string(machine->current) + ": " + what;
  }
}

/// The name of an address for messages.
std::string nameOfAddress(uint64_t address) {
  const EmulatedLaunch &launch = *machine->launch;
  const uint64_t inShared =
      address - reinterpret_cast<uint64_t>(machine->shared);
  if (inShared < launch.sharedBytes) {
    return "byte " + std::to_string(inShared) + " of shared memory";
  }
  // The sizes of the bindings are not known, so the address is taken to belong
  // to the binding with the highest start that is not above the address.
  size_t found = launch.bindings.size();
  uint64_t offset = UINT64_MAX;
  for (size_t i = 0; i < launch.bindings.size(); ++i) {
    const uint64_t start = reinterpret_cast<uint64_t>(launch.bindings[i]);
    if (start <= address && address - start < offset) {
      found = i;
      offset = address - start;
    }
  }
  if (found == launch.bindings.size()) {
    return "an address in no binding";
  }
  return "byte " + std::to_string(offset) + " of " +
         (found < launch.names.size() ? "'" + launch.names[found] + "'"
                                      : "binding " + std::to_string(found));
}

void failAtRace() {
  const std::optional<Race> &race = machine->races->found();
  if (!race) {
    return;
  }
  Dl_info info = {};
  const bool isNamed = dladdr(machine->launch->function, &info) != 0 &&
                       info.dli_sname != nullptr;
  machine->current = race->thread;
  fail(std::string("race in kernel ") + (isNamed ? info.dli_sname : "?") +
       ", " + nameOfAddress(race->address) + ": " + race->text);
}

void noteAccess(const void *at, uint64_t bytes, Access kind) {
  if (!machine->races || !machine->error.empty()) {
    return;
  }
  // Accesses to the thread's own stack cannot race, because no other thread
  // uses that stack.
  const auto address = reinterpret_cast<uint64_t>(at);
  if (address - reinterpret_cast<uint64_t>(self().stack.get()) < kStackBytes) {
    return;
  }
  machine->races->access(machine->current, at, bytes, kind);
  failAtRace();
}

uint32_t noteCopy(const void *to, const void *from, uint64_t bytes) {
  if (!machine->races || !machine->error.empty()) {
    return 0;
  }
  const uint32_t index =
      machine->races->beginCopy(machine->current, to, from, bytes);
  failAtRace();
  return index;
}

/// Notes that a wgmma reads its right operand from shared memory. Each group of
/// 8 columns takes 256 bytes, and the groups are `stride` bytes apart.
void noteWgmma(const uint8_t *b, uint32_t stride, uint32_t groups) {
  for (uint32_t group = 0; group < groups; ++group) {
    noteAccess(b + group * stride, 256, Access::Read);
  }
}

/// Runs the kernel as one thread of a block.
void runThread() {
  const EmulatedLaunch &launch = *machine->launch;
  void *b[kMaxBindings] = {};
  for (size_t i = 0; i < launch.bindings.size(); ++i) {
    b[i] = launch.bindings[i];
  }
  // With the calling conventions of x86-64 and AArch64, a function may be
  // called with more arguments than it has parameters.
  using Kernel =
      void (*)(void *, void *, void *, void *, void *, void *, void *, void *,
               void *, void *, void *, void *, void *, void *);
  reinterpret_cast<Kernel>(launch.function)(b[0], b[1], b[2], b[3], b[4], b[5],
                                            b[6], b[7], b[8], b[9], b[10],
                                            b[11], b[12], b[13]);
  if (!self().wgmmas.empty()) {
    fail("it ends while a wgmma is in flight");
  }
  if (!self().open.empty()) {
    fail("it ends without having committed an asynchronous copy");
  }
  for (const std::vector<Copy> &group : self().groups) {
    if (!group.empty()) {
      fail("it ends while an asynchronous copy is in flight");
    }
  }
}

/// What a fiber executes: one thread of a block after another. It yields after
/// each thread, and runs the next one when it is resumed.
void fiberMain() {
  while (true) {
    runThread();
    yieldFor(Wait::Done);
  }
}

double half(uint32_t word, uint32_t which, bool bfloat) {
  const auto bits = static_cast<uint16_t>(word >> 16 * which);
  return static_cast<double>(bfloat ? bfloat16ToFloat(bits)
                                    : halfToFloat(bits));
}

/// Multiplies fragments, which are distributed over the lanes as the PTX ISA
/// defines for m16n8k16.
void multiplyWarp(uint32_t first, bool bfloat) {
  double a[16][16];
  double b[16][8];
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const Fiber &fiber = machine->fibers[first + lane];
    const uint32_t g = lane / 4;
    const uint32_t t = lane % 4;
    for (uint32_t i = 0; i < 4; ++i) {
      for (uint32_t j = 0; j < 2; ++j) {
        a[g + 8 * (i % 2)][2 * t + j + 8 * (i / 2)] =
            half(fiber.a[i], j, bfloat);
      }
    }
    for (uint32_t i = 0; i < 2; ++i) {
      for (uint32_t j = 0; j < 2; ++j) {
        b[2 * t + j + 8 * i][g] = half(fiber.b[i], j, bfloat);
      }
    }
  }
  for (uint32_t lane = 0; lane < 32; ++lane) {
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t row = lane / 4 + 8 * (i / 2);
      const uint32_t column = 2 * (lane % 4) + i % 2;
      float &d = machine->fibers[first + lane].d[i];
      double sum = static_cast<double>(d);
      for (uint32_t k = 0; k < 16; ++k) {
        sum += a[row][k] * b[k][column];
      }
      d = static_cast<float>(sum);
    }
  }
}

/// Completes the warp's collective and returns true if all threads of the warp
/// have reached it. Otherwise returns false.
bool finishCollective(uint32_t first) {
  const Wait kind = machine->fibers[first].wait;
  for (uint32_t lane = 1; lane < 32; ++lane) {
    if (machine->fibers[first + lane].wait != kind) {
      return false;
    }
  }
  switch (kind) {
  case Wait::Shuffle: {
    uint32_t values[32];
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const Fiber &fiber = machine->fibers[first + lane];
      values[lane] = machine->fibers[first + (lane ^ fiber.mask)].value;
    }
    for (uint32_t lane = 0; lane < 32; ++lane) {
      machine->fibers[first + lane].value = values[lane];
    }
    break;
  }
  case Wait::Transpose: {
    uint16_t matrix[8][8];
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t value = machine->fibers[first + lane].value;
      matrix[lane / 4][lane % 4 * 2] = static_cast<uint16_t>(value);
      matrix[lane / 4][lane % 4 * 2 + 1] = static_cast<uint16_t>(value >> 16);
    }
    for (uint32_t lane = 0; lane < 32; ++lane) {
      const uint32_t row = lane % 4 * 2;
      machine->fibers[first + lane].value =
          matrix[row][lane / 4] |
          static_cast<uint32_t>(matrix[row + 1][lane / 4]) << 16;
    }
    break;
  }
  case Wait::MmaHalf:
    multiplyWarp(first, false);
    break;
  case Wait::MmaBfloat:
    multiplyWarp(first, true);
    break;
  case Wait::WarpBarrier:
    if (machine->races) {
      machine->races->warpBarrier(first / 32);
    }
    break;
  default:
    return false;
  }
  for (uint32_t lane = 0; lane < 32; ++lane) {
    machine->fibers[first + lane].wait = Wait::Nothing;
  }
  return true;
}

/// If all threads of the warpgroup wait for their wgmma, multiplies and returns
/// true. Fails if the threads have issued different wgmma. The left operands
/// were copied when the wgmma were issued; the right operands are read from
/// memory only now.
bool finishWgmma(uint32_t first) {
  for (uint32_t i = 0; i < 128; ++i) {
    if (machine->fibers[first + i].wait != Wait::Wgmma) {
      return false;
    }
  }
  const Fiber &leader = machine->fibers[first];
  for (uint32_t i = 0; i < 128; ++i) {
    const Fiber &fiber = machine->fibers[first + i];
    bool same = fiber.wgmmas.size() == leader.wgmmas.size() &&
                fiber.sums.size() == leader.sums.size();
    for (size_t k = 0; same && k < leader.wgmmas.size(); ++k) {
      same = fiber.wgmmas[k].readsAs(leader.wgmmas[k]);
    }
    if (!same) {
      machine->current = first + i;
      fail("the threads of a warpgroup issue different wgmma");
      return false;
    }
  }
  for (size_t k = 0; k < leader.wgmmas.size(); ++k) {
    const Wgmma &op = leader.wgmmas[k];
    double a[64][16];
    for (uint32_t i = 0; i < 128; ++i) {
      const Wgmma &mine = machine->fibers[first + i].wgmmas[k];
      const uint32_t row = i / 32 * 16 + i % 32 / 4;
      for (uint32_t j = 0; j < 8; ++j) {
        a[row + j / 2 % 2 * 8][i % 4 * 2 + j % 2 + j / 4 * 8] =
            half(mine.a[j / 2], j % 2, op.bfloat);
      }
    }
    const auto bAt = [&](uint32_t column, uint32_t row) {
      uint16_t bits = 0;
      std::memcpy(&bits,
                  op.b + column / 8 * op.stride + row / 8 * 128 +
                      column % 8 * 16 + row % 8 * 2,
                  2);
      return half(bits, 0, op.bfloat);
    };
    for (uint32_t i = 0; i < 128; ++i) {
      std::vector<float> &sums = machine->fibers[first + i].sums;
      for (uint32_t at = 0; at < sums.size(); ++at) {
        const uint32_t row = i / 32 * 16 + i % 32 / 4 + at % 4 / 2 * 8;
        const uint32_t column = at / 4 * 8 + i % 4 * 2 + at % 2;
        double sum = static_cast<double>(sums[at]);
        for (uint32_t j = 0; j < 16; ++j) {
          sum += a[row][j] * bAt(column, j);
        }
        sums[at] = static_cast<float>(sum);
      }
    }
  }
  for (uint32_t i = 0; i < 128; ++i) {
    Fiber &fiber = machine->fibers[first + i];
    std::copy(fiber.sums.begin(), fiber.sums.end(), fiber.d);
    fiber.sums.clear();
    fiber.complete = std::move(fiber.wgmmas);
    fiber.wgmmas.clear();
    fiber.wait = Wait::Nothing;
  }
  return true;
}

void deliver(const Copy &copy) {
  std::memcpy(copy.to, copy.bytes.data(), copy.bytes.size());
}

bool finishTransfer(Fiber &fiber) {
  const auto found = machine->barriers.find(fiber.barrier);
  if (found == machine->barriers.end()) {
    fail("it waits for a barrier that was never initialised");
    return false;
  }
  TransferBarrier &barrier = found->second;
  if (barrier.phase == fiber.parity) {
    if (barrier.copies.empty()) {
      return false;
    }
    deliver(barrier.copies.front());
    barrier.delivered = barrier.copies.front().race;
    barrier.copies.pop_front();
    barrier.phase ^= 1;
  }
  if (machine->races && barrier.delivered != UINT32_MAX) {
    const auto thread = static_cast<uint32_t>(&fiber - machine->fibers.data());
    machine->races->waitForBulkCopy(thread, barrier.delivered);
    failAtRace();
  }
  fiber.wait = Wait::Nothing;
  return true;
}

bool finishBlock() {
  for (const Fiber &fiber : machine->fibers) {
    if (fiber.wait != Wait::Block) {
      return false;
    }
  }
  for (Fiber &fiber : machine->fibers) {
    fiber.wait = Wait::Nothing;
  }
  if (machine->races) {
    machine->races->blockBarrier();
  }
  return true;
}

const char *nameOf(Wait wait) {
  switch (wait) {
  case Wait::Nothing:
    return "runs";
  case Wait::Done:
    return "has ended";
  case Wait::Block:
    return "is at the block's barrier";
  case Wait::WarpBarrier:
    return "is at the warp's barrier";
  case Wait::Shuffle:
    return "is in a shuffle";
  case Wait::Transpose:
    return "is in a transposition";
  case Wait::MmaHalf:
  case Wait::MmaBfloat:
    return "is in an mma";
  case Wait::Transfer:
    return "waits for a copy";
  case Wait::Wgmma:
    return "waits for a wgmma";
  }
  return "?";
}

/// Fails if a block has ended without having waited for one of its bulk copies,
/// which would then write to shared memory that another block may have by now.
void checkTransfers() {
  for (const auto &[word, barrier] : machine->barriers) {
    if (!barrier.copies.empty()) {
      const auto *to = static_cast<const uint8_t *>(barrier.copies.front().to);
      machine->current = 0;
      fail("the block ends while a bulk copy is in flight, to byte " +
           std::to_string(to - machine->shared) + " of shared memory");
    }
  }
}

void runBlock() {
  const uint32_t threads = machine->launch->threads;
  while (machine->error.empty()) {
    bool moved = false;
    for (uint32_t i = 0; i < threads; ++i) {
      machine->current = machine->launch->reversed ? threads - 1 - i : i;
      if (self().wait == Wait::Nothing) {
        moved = true;
        resume(self());
      }
    }
    for (uint32_t first = 0; first < threads; first += 32) {
      moved |= finishCollective(first);
    }
    for (uint32_t first = 0; first + 128 <= threads; first += 128) {
      moved |= finishWgmma(first);
    }
    for (Fiber &fiber : machine->fibers) {
      if (fiber.wait == Wait::Transfer) {
        moved |= finishTransfer(fiber);
      }
    }
    moved |= finishBlock();
    if (moved) {
      continue;
    }
    const auto stuck = std::find_if(
        machine->fibers.begin(), machine->fibers.end(),
        [](const Fiber &fiber) { return fiber.wait != Wait::Done; });
    if (stuck == machine->fibers.end()) {
      checkTransfers();
      return;
    }
    // No fiber can continue, because other threads of the same warp or block
    // wait for something else.
    machine->current = static_cast<uint32_t>(stuck - machine->fibers.begin());
    std::string others;
    for (const Fiber &fiber : machine->fibers) {
      if (fiber.wait != stuck->wait && others.empty()) {
        others = std::string("; another thread ") + nameOf(fiber.wait);
      }
    }
    fail(std::string("divergence: it ") + nameOf(stuck->wait) + others);
  }
}

/// Lets a fiber run the kernel from its beginning.
void startThread(Fiber &fiber) {
  // If an error ended an earlier launch, the fiber may have stopped in the
  // middle of the kernel. It then starts again.
  if (!fiber.hasStarted || fiber.wait != Wait::Done) {
    if (!fiber.stack) {
      fiber.stack = std::make_unique_for_overwrite<char[]>(kStackBytes);
    }
    fiber.hasStarted = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, fiberMain, 0);
  }
  fiber.wait = Wait::Nothing;
  fiber.open.clear();
  fiber.groups.clear();
  fiber.wgmmas.clear();
  fiber.complete.clear();
  fiber.sums.clear();
}

} // namespace

Status run(const EmulatedLaunch &launch) {
  if (launch.bindings.size() > kMaxBindings) {
    return verificationError("a kernel has " +
                             std::to_string(launch.bindings.size()) +
                             " bindings; at most " +
                             std::to_string(kMaxBindings) + " are supported");
  }
  Machine state;
  machine = &state;
  state.launch = &launch;
  state.sharedStorage.resize(launch.sharedBytes + 1024);
  state.shared = state.sharedStorage.data();
  state.shared +=
      (1024 - reinterpret_cast<uintptr_t>(state.shared) % 1024) % 1024;
  // Starting a fiber takes system calls, so fibers and their stacks are kept
  // for later blocks and launches.
  static std::vector<Fiber> kept;
  if (kept.size() < launch.threads) {
    kept.resize(launch.threads);
  }
  state.fibers = std::span(kept).first(launch.threads);
  if (launch.findRaces) {
    state.races.emplace(launch.threads, state.shared, launch.sharedBytes);
    air_emu_notes_accesses = true;
  }
  for (const std::span<uint8_t> bytes : launch.dependent) {
    state.dependentBytes.emplace_back(bytes.begin(), bytes.end());
    std::fill(bytes.begin(), bytes.end(), 0xff);
  }
  const uint32_t blocks = launch.gridX * launch.gridY;
  for (uint32_t i = 0; i < blocks && state.error.empty(); ++i) {
    const uint32_t block = launch.reversed ? blocks - 1 - i : i;
    state.blockX = block % launch.gridX;
    state.blockY = block / launch.gridX;
    std::fill(state.sharedStorage.begin(), state.sharedStorage.end(), 0xff);
    state.barriers.clear();
    if (state.races) {
      state.races->beginBlock(state.blockX, state.blockY);
    }
    for (Fiber &fiber : state.fibers) {
      startThread(fiber);
    }
    runBlock();
  }
  machine = nullptr;
  air_emu_notes_accesses = false;
  return state.error.empty() ? Status::ok() : verificationError(state.error);
}

bool shouldFindRaces(uint64_t index) {
  return std::getenv("AIR_TEST_ALL") != nullptr || index % 7 == 0;
}

} // namespace air::emulator

using namespace air::emulator;

extern "C" {

/// Whether kernels must report accesses to memory.
bool air_emu_notes_accesses = false;

uint8_t *air_emu_shared() { return machine->shared; }
uint32_t air_emu_thread() { return machine->current; }
uint32_t air_emu_block_x() { return machine->blockX; }
uint32_t air_emu_block_y() { return machine->blockY; }
void air_emu_barrier() { yieldFor(Wait::Block); }
void air_emu_warp_barrier() { yieldFor(Wait::WarpBarrier); }

uint32_t air_emu_shuffle_xor(uint32_t value, uint32_t mask) {
  self().value = value;
  self().mask = mask;
  yieldFor(Wait::Shuffle);
  return self().value;
}

uint32_t air_emu_transpose(uint32_t value) {
  self().value = value;
  yieldFor(Wait::Transpose);
  return self().value;
}

float air_emu_float_of_half(uint32_t bits) {
  return air::halfToFloat(static_cast<uint16_t>(bits));
}

uint32_t air_emu_half_of_float(float value) { return air::floatToHalf(value); }

void air_emu_mma(float *d, const uint32_t *a, const uint32_t *b, bool bfloat) {
  self().d = d;
  std::copy(a, a + 4, self().a.begin());
  std::copy(b, b + 2, self().b.begin());
  yieldFor(bfloat ? Wait::MmaBfloat : Wait::MmaHalf);
}

void air_emu_wgmma(float *d, uint32_t groups, const uint32_t *a,
                   const uint8_t *b, uint32_t stride, bool bfloat) {
  Fiber &fiber = self();
  if (fiber.sums.empty()) {
    fiber.d = d;
    fiber.sums.assign(d, d + 4 * groups);
  } else if (fiber.d != d || fiber.sums.size() != 4 * groups) {
    fail("wgmma with different accumulators are in flight");
  }
  std::memset(d, 0xff, 16 * groups);
  noteWgmma(b, stride, groups);
  fiber.wgmmas.push_back({{a[0], a[1], a[2], a[3]}, b, stride, groups, bfloat});
}

void air_emu_wgmma_end() {
  yieldFor(Wait::Wgmma);
  // A wgmma may read its right operand at any time between its issue and the
  // end of this wait, so the read is noted at both.
  for (const Wgmma &op : self().complete) {
    noteWgmma(op.b, op.stride, op.groups);
  }
  self().complete.clear();
}

void air_emu_async_copy16(void *to, const void *from) {
  const auto *bytes = static_cast<const uint8_t *>(from);
  self().open.push_back({to, {bytes, bytes + 16}, noteCopy(to, from, 16)});
  std::memset(to, 0xff, 16);
}

void air_emu_async_commit() {
  self().groups.push_back(std::move(self().open));
  self().open.clear();
}

void air_emu_async_wait(int pending) {
  while (self().groups.size() > static_cast<size_t>(pending)) {
    for (const Copy &copy : self().groups.front()) {
      deliver(copy);
      if (machine->races && machine->error.empty()) {
        machine->races->endCopy(machine->current, copy.race);
        failAtRace();
      }
    }
    self().groups.pop_front();
  }
}

void air_emu_transfer_init(uint64_t *barrier) {
  noteAccess(barrier, sizeof *barrier, Access::Write);
  machine->barriers[barrier] = {};
}

void air_emu_transfer(void *to, const void *from, uint32_t bytes,
                      uint64_t *barrier) {
  if (bytes % 16 != 0 || reinterpret_cast<uintptr_t>(to) % 16 != 0 ||
      reinterpret_cast<uintptr_t>(from) % 16 != 0) {
    fail("the addresses or the size of a bulk copy are not multiples of 16");
    return;
  }
  const auto found = machine->barriers.find(barrier);
  if (found == machine->barriers.end()) {
    fail("a bulk copy uses a barrier that was never initialised");
    return;
  }
  const auto *source = static_cast<const uint8_t *>(from);
  noteAccess(barrier, sizeof *barrier, Access::Atomic);
  found->second.copies.push_back(
      {to, {source, source + bytes}, noteCopy(to, from, bytes)});
  std::memset(to, 0xff, bytes);
}

void air_emu_transfer_wait(uint64_t *barrier, uint32_t parity) {
  noteAccess(barrier, sizeof *barrier, Access::Atomic);
  self().barrier = barrier;
  self().parity = parity;
  yieldFor(Wait::Transfer);
}

void air_emu_wait_for_previous() {
  if (!machine->waited) {
    machine->waited = true;
    for (size_t i = 0; i < machine->dependentBytes.size(); ++i) {
      const std::vector<uint8_t> &bytes = machine->dependentBytes[i];
      std::copy(bytes.begin(), bytes.end(),
                machine->launch->dependent[i].begin());
    }
  }
}

uint32_t air_emu_atomic_add(uint32_t *p, uint32_t value) {
  noteAccess(p, sizeof *p, Access::Atomic);
  const uint32_t old = *p;
  *p += value;
  return old;
}

void air_emu_fence() {
  if (machine->races) {
    machine->races->fence(machine->current);
  }
}

void air_emu_access(const void *at, uint64_t bytes, bool writes) {
  noteAccess(at, bytes, writes ? Access::Write : Access::Read);
}
}
