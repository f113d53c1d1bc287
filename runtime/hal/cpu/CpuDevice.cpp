//===- CpuDevice.cpp - the machine's own cores as a Device ------*- C++ -*-===//
#include "runtime/hal/cpu/CpuDevice.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "runtime/hal/DispatchRange.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <sys/mman.h>

using namespace air;
using namespace air::rt;

namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;

template <typename T> T *pointerTo(DeviceAddress address) {
  return reinterpret_cast<T *>(static_cast<uintptr_t>(address));
}

DeviceAddress addressOf(const void *pointer) {
  return static_cast<DeviceAddress>(reinterpret_cast<uintptr_t>(pointer));
}

} // namespace

Result<std::unique_ptr<CpuDevice>> CpuDevice::create(uint32_t threads) {
  AIR_ASSIGN_OR_RETURN(std::shared_ptr<ThreadPool> pool,
                       ThreadPool::create(threads));
  return std::make_unique<CpuDevice>(std::move(pool));
}

CpuDevice::~CpuDevice() {
  // The threads may still read the ReadAheads of the programs.
  pool->forgetReadAhead();
  for (const Mapping &mapping : mappings) {
    munmap(mapping.address, mapping.bytes);
  }
}

Result<DeviceAddress> CpuDevice::allocate(uint64_t bytes,
                                          std::string_view what) {
  // A large region must start at a huge-page boundary, so one huge page more
  // than needed is mapped.
  bool huge = bytes >= kHugePageBytes;
  std::optional<uint64_t> size =
      checkedAlignUp(std::max<uint64_t>(bytes, 1), kPageBytes);
  std::optional<uint64_t> mapped =
      size ? checkedAdd(*size, huge ? kHugePageBytes : 0) : std::nullopt;
  void *region = MAP_FAILED;
  if (mapped) {
    region = mmap(nullptr, *mapped, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  }
  if (region == MAP_FAILED) {
    return doesNotFitError(std::string(what) + ": cannot allocate " +
                           std::to_string(bytes) + " bytes of memory (" +
                           std::strerror(mapped ? errno : EOVERFLOW) +
                           "); pack the model with a smaller --ctx");
  }
  mappings.push_back({region, *mapped});
  if (!huge) {
    return addressOf(region);
  }
  uint64_t start = alignUp(addressOf(region), kHugePageBytes);
  // A failure is ignored: huge pages only make the kernels faster.
  (void)madvise(pointerTo<void>(start), *size, MADV_HUGEPAGE);
  return start;
}

Result<DeviceAddress> CpuDevice::importHost(std::span<const uint8_t> bytes) {
  DeviceAddress address = addressOf(bytes.data());
  if (address % AIR_BINDING_ALIGNMENT != 0) {
    return internalError("imported memory is aligned to " +
                         std::to_string(address & -address) +
                         " bytes, but kernels need an alignment of " +
                         std::to_string(AIR_BINDING_ALIGNMENT));
  }
  return address;
}

Result<uint32_t>
CpuDevice::loadExecutable(std::span<const uint8_t> object,
                          std::span<const std::string_view> entries) {
  AIR_ASSIGN_OR_RETURN(
      ElfImage image,
      ElfImage::load(object, "kernel object file " +
                                 std::to_string(executables.size())));
  std::vector<AirKernelFn> functions;
  functions.reserve(entries.size());
  for (std::string_view name : entries) {
    AIR_ASSIGN_OR_RETURN(AirKernelFn function, image.entry(name));
    functions.push_back(function);
  }
  images.push_back(std::move(image));
  executables.push_back(std::move(functions));
  return static_cast<uint32_t>(executables.size() - 1);
}

uint32_t CpuDevice::addFunctions(std::span<const AirKernelFn> functions) {
  executables.emplace_back(functions.begin(), functions.end());
  return static_cast<uint32_t>(executables.size() - 1);
}

Status CpuDevice::reserveScratch(uint64_t bytesPerThread) {
  if (bytesPerThread <= scratchStride) {
    return Status::ok();
  }
  // The scratch memory of each thread is rounded up to whole pages, so that two
  // threads share no page.
  std::optional<uint64_t> stride = checkedAlignUp(bytesPerThread, kPageBytes);
  std::optional<uint64_t> all =
      stride ? checkedMul(*stride, pool->threads()) : std::nullopt;
  if (!all) {
    return doesNotFitError("scratch: " + std::to_string(bytesPerThread) +
                           " bytes for each of " +
                           std::to_string(pool->threads()) +
                           " threads exceed the address space; choose fewer "
                           "threads with --threads");
  }
  AIR_ASSIGN_OR_RETURN(DeviceAddress address, allocate(*all, "scratch"));
  scratch = pointerTo<uint8_t>(address);
  scratchStride = *stride;
  pool->run(
      [](void *context, uint32_t thread) {
        const auto &self = *static_cast<const CpuDevice *>(context);
        std::memset(self.scratch + thread * self.scratchStride, 0,
                    self.scratchStride);
      },
      this);
  return Status::ok();
}

Result<uint32_t>
CpuDevice::addProgram(std::span<const DispatchDesc> dispatches) {
  Program program;
  program.dispatches.reserve(dispatches.size());
  uint64_t scratchBytes = 0;
  for (const DispatchDesc &desc : dispatches) {
    if (desc.executable >= executables.size() ||
        desc.entry >= executables[desc.executable].size()) {
      return internalError("dispatch " +
                           std::to_string(program.dispatches.size()) +
                           ": executable " + std::to_string(desc.executable) +
                           " has no entry " + std::to_string(desc.entry));
    }
    program.dispatches.push_back({executables[desc.executable][desc.entry],
                                  desc.grid, program.bindings.size(),
                                  desc.barrier});
    for (DeviceAddress binding : desc.bindings) {
      program.bindings.push_back(pointerTo<void>(binding));
    }
    scratchBytes = std::max(scratchBytes, desc.scratchBytes);
  }
  // The weights of a dispatch are read ahead only if its number of tiles is
  // independent of the number of tokens. In other dispatches, several tiles
  // read the same weights, which a ReadAhead cannot describe.
  program.aheads.reserve(dispatches.size());
  std::vector<const ReadAhead *> own(dispatches.size());
  for (size_t i = 0; i < dispatches.size(); ++i) {
    const DispatchDesc &desc = dispatches[i];
    if (!desc.streams.empty() && desc.grid.tokensPerTile == 0) {
      ReadAhead &ahead = program.aheads.emplace_back();
      ahead.tiles = desc.grid.rowTiles();
      for (const TileStream &stream : desc.streams) {
        ahead.streams.push_back(
            {pointerTo<const uint8_t>(stream.start), stream.tileBytes});
      }
      own[i] = &ahead;
    }
  }
  // Each dispatch gets the ReadAhead of the next dispatch that has one. The
  // loop runs backwards through the program twice, because the last dispatch is
  // followed by the first one of the next pass.
  const ReadAhead *next = nullptr;
  for (size_t i = 2 * dispatches.size(); i-- > 0;) {
    Dispatch &dispatch = program.dispatches[i % dispatches.size()];
    dispatch.ahead = next;
    const ReadAhead *mine = own[i % dispatches.size()];
    next = mine != nullptr ? mine : next;
  }
  AIR_RETURN_IF_ERROR(reserveScratch(scratchBytes));
  programs.push_back(std::move(program));
  return static_cast<uint32_t>(programs.size() - 1);
}

/// Walks a range of dispatches in phases. A phase is a sequence of dispatches
/// without a barrier between them. Each thread owns a range of the tiles of
/// every dispatch, and runs them in the order of the dispatches. A unit of the
/// TileQueue is one tile, or 2^shift tiles if the phase has too many tiles for
/// the TileQueue.
class CpuDevice::Walk final : public PhaseWalk {
public:
  Walk(const CpuDevice &device, const Program &program,
       std::span<const Dispatch> dispatches, const AirBatch &batch)
      : device(device), program(program), dispatches(dispatches), batch(batch) {
  }

  bool nextPhase(std::span<uint32_t> units) override;
  void run(const TileQueue::Claim &claim, uint32_t thread) override;
  const ReadAhead *readAhead() const override { return phase.back().ahead; }

private:
  TileRange tilesOf(const Dispatch &dispatch, uint32_t thread) const {
    return tilesOfThread(tileCount(dispatch.grid, batch), thread,
                         device.pool->threads());
  }
  void runTiles(const Dispatch &dispatch, uint64_t begin, uint64_t end,
                void *ownScratch) const;

  const CpuDevice &device;
  const Program &program;
  std::span<const Dispatch> dispatches; ///< the dispatches after `phase`
  const AirBatch &batch;
  std::span<const Dispatch> phase;
  uint32_t shift = 0;
};

bool CpuDevice::Walk::nextPhase(std::span<uint32_t> units) {
  while (!dispatches.empty()) {
    size_t count = 1;
    while (count < dispatches.size() && !dispatches[count - 1].barrier) {
      ++count;
    }
    phase = dispatches.first(count);
    dispatches = dispatches.subspan(count);
    auto tilesOwned = [&](uint32_t thread) {
      uint64_t tiles = 0;
      for (const Dispatch &dispatch : phase) {
        TileRange range = tilesOf(dispatch, thread);
        tiles += range.end - range.begin;
      }
      return tiles;
    };
    // No thread owns more tiles than thread 0 (see tilesOfThread()).
    uint64_t most = tilesOwned(0);
    if (most == 0) {
      continue;
    }
    for (shift = 0; (most >> shift) >= TileQueue::kMaxUnits / units.size();) {
      ++shift;
    }
    for (uint32_t thread = 0; thread < units.size(); ++thread) {
      units[thread] = static_cast<uint32_t>(
          ceilDiv(tilesOwned(thread), uint64_t{1} << shift));
    }
    return true;
  }
  return false;
}

// Runs tiles [begin, end) of a dispatch. The indices count the tiles that the
// dispatch runs, which may be only some of its kernel's tiles (DispatchGrid).
void CpuDevice::Walk::runTiles(const Dispatch &dispatch, uint64_t begin,
                               uint64_t end, void *ownScratch) const {
  AirDispatch call = {&batch, program.bindings.data() + dispatch.firstBinding};
  const DispatchGrid &grid = dispatch.grid;
  const uint64_t rowTiles = grid.rowTiles();
  if (rowTiles == grid.baseTiles) {
    dispatch.function(&call, begin, end, ownScratch);
    return;
  }
  // The dispatch runs the same row tiles for each group of tokens. Only
  // tiles of the same group have consecutive indices in the kernel, so the
  // kernel's function is called once per group.
  while (begin < end) {
    const uint64_t tokenTile = begin / rowTiles;
    const uint64_t stop = std::min(end, (tokenTile + 1) * rowTiles);
    // The index of a tile in the kernel, minus its index in the dispatch.
    const uint64_t toKernel =
        grid.firstTile + tokenTile * (grid.baseTiles - rowTiles);
    dispatch.function(&call, begin + toKernel, stop + toKernel, ownScratch);
    begin = stop;
  }
}

void CpuDevice::Walk::run(const TileQueue::Claim &claim, uint32_t thread) {
  void *ownScratch = device.scratch + thread * device.scratchStride;
  // The tiles that the owner has in this phase are numbered from 0, in the
  // order of the dispatches. The claim stands for tiles [begin, end). `end` may
  // be beyond the owner's last tile, because its last unit need not be full.
  uint64_t begin = uint64_t{claim.begin} << shift;
  uint64_t end = uint64_t{claim.end} << shift;
  for (const Dispatch &dispatch : phase) {
    TileRange range = tilesOf(dispatch, claim.owner);
    uint64_t size = range.end - range.begin;
    if (begin < size) {
      runTiles(dispatch, range.begin + begin, range.begin + std::min(end, size),
               ownScratch);
    }
    if (end <= size) {
      return;
    }
    begin -= std::min(begin, size);
    end -= size;
  }
}

Status CpuDevice::run(uint32_t program, uint32_t first, uint32_t count,
                      const AirBatch &batch) {
  const Program &chosen = programs[program];
  AIR_RETURN_IF_ERROR(
      checkDispatchRange(program, chosen.dispatches.size(), first, count));
  Walk walk(*this, chosen, std::span(chosen.dispatches).subspan(first, count),
            batch);
  pool->walk(walk);
  return Status::ok();
}

Status CpuDevice::copy(DeviceAddress to, DeviceAddress from, uint64_t bytes) {
  std::memcpy(pointerTo<void>(to), pointerTo<const void>(from), bytes);
  return Status::ok();
}

Status CpuDevice::write(DeviceAddress to, std::span<const uint8_t> from) {
  if (!from.empty()) {
    std::memcpy(pointerTo<void>(to), from.data(), from.size());
  }
  return Status::ok();
}

Result<std::span<uint8_t>> CpuDevice::allocateHost(uint64_t bytes,
                                                   std::string_view what) {
  AIR_ASSIGN_OR_RETURN(const DeviceAddress memory, allocate(bytes, what));
  return std::span(pointerTo<uint8_t>(memory), bytes);
}

Status CpuDevice::download(std::span<uint8_t> to, DeviceAddress from) {
  if (!to.empty()) {
    std::memcpy(to.data(), pointerTo<const void>(from), to.size());
  }
  return Status::ok();
}

Status CpuDevice::wait(Queue, uint32_t event) {
  return event < events
             ? Status::ok()
             : internalError("event " + std::to_string(event) +
                             " does not exist; the device has " +
                             countOf(events, "event") + ", numbered from 0");
}

Result<const void *> CpuDevice::read(DeviceAddress from, uint64_t) {
  return pointerTo<const void>(from);
}
