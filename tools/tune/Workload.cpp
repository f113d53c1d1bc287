//===- Workload.cpp - operands, copies and the batch -----------===//
#include "tools/tune/Workload.h"

#include "codegen/KernelBindings.h"
#include "formats/support/CheckedMath.h"
#include "runtime/hal/cpu/ReadBandwidth.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <span>

namespace air::tune {
namespace {

using codegen::KernelOp;
using codegen::KernelSpec;

constexpr uint64_t kMaxCopies = 65536;
/// The number of dispatches in a program if WorkloadBatch::isCached is set. All
/// of them use the same copy of the operands.
constexpr uint32_t kCachedDispatches = 64;

uint64_t nextRandom(uint64_t &state) { // splitmix64 of Steele, Lea and Flood
  uint64_t word = state += 0x9e3779b97f4a7c15;
  word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
  word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
  return word ^ (word >> 31);
}

// In memory that is read as floating point, all bytes are from 0x20 to 0x3f.
// Whichever of them is a number's most significant byte, the number is
// positive, normal and below 2 as float16, bfloat16, float32 and float64.
constexpr uint64_t kFloatMask = 0x1f1f1f1f1f1f1f1f;
constexpr uint64_t kFloatBits = 0x2020202020202020;

void fill(uint8_t *data, uint64_t bytes, bool isFloat) {
  uint64_t state = 1;
  for (uint64_t at = 0; at < bytes; at += 8) {
    uint64_t word = nextRandom(state);
    if (isFloat) {
      word = (word & kFloatMask) | kFloatBits;
    }
    std::memcpy(data + at, &word, std::min<uint64_t>(8, bytes - at));
  }
}

/// Sets `biasSums`, `conversions` and `steps` in all activation tiles of a
/// buffer to valid values, for the format I8Grid if `isGrid` is set, or else
/// for I8. Kernels use `steps` as offsets into an int8 panel, so invalid steps
/// would make a kernel read outside the panel. Invalid `biasSums` or
/// `conversions` would lead to subnormal numbers, which make kernels slower.
void makeTiles(uint8_t *tiles, uint64_t bytes, bool isGrid) {
  for (uint64_t at = 0; at + sizeof(codegen::ActivationTile) <= bytes;
       at += sizeof(codegen::ActivationTile)) {
    codegen::ActivationTile tile;
    std::memcpy(&tile, tiles + at, sizeof(tile));
    for (uint64_t i = 0; i < codegen::kActivationTokens; ++i) {
      const std::span<const int8_t> q(tile.q[i]);
      for (size_t part = 0; part < 3; ++part) {
        const auto columns = part == 2 ? q : q.subspan(16 * part, 16);
        tile.biasSums[part][i] =
            -128 * std::accumulate(columns.begin(), columns.end(), 0);
      }
      tile.conversions[i] =
          isGrid ? codegen::kGridConversionBits +
                       (-codegen::kGridBaseExponent << 23)
                 : codegen::kConversionBits + tile.biasSums[2][i];
      tile.steps[i] = static_cast<int32_t>(i % codegen::kGridSteps *
                                           codegen::kGridVectorBytes);
    }
    std::memcpy(tiles + at, &tile, sizeof(tile));
  }
}

bool isFloatDType(DType dtype) {
  return dtype == DType::F16 || dtype == DType::BF16 || dtype == DType::F32 ||
         dtype == DType::F64;
}

uint8_t *pointerTo(rt::DeviceAddress address) {
  return reinterpret_cast<uint8_t *>(static_cast<uintptr_t>(address));
}

} // namespace

uint64_t rotatingBytes() {
  return std::max<uint64_t>(uint64_t{256} << 20, 4 * rt::lastLevelCacheBytes());
}

Result<RotatingMemory::Region> RotatingMemory::grow(Pool &pool, uint64_t bytes,
                                                    bool isFloat) {
  bytes = std::max(bytes, rotatingBytes());
  if (pool.region.bytes < bytes) {
    pool = Pool();
    AIR_ASSIGN_OR_RETURN(pool.owner, rt::CpuDevice::create(1));
    AIR_ASSIGN_OR_RETURN(rt::DeviceAddress address,
                         pool.owner->allocate(bytes, "operands"));
    pool.region = {pointerTo(address), bytes};
    fill(pool.region.data, bytes, isFloat);
  }
  return pool.region;
}

Result<RotatingMemory::Region> RotatingMemory::ordinaryFloats(uint64_t bytes) {
  return grow(floats, bytes, true);
}

Result<RotatingMemory::Region> RotatingMemory::randomBits(uint64_t bytes) {
  return grow(bits, bytes, false);
}

std::vector<Workload::Operand>
Workload::describe(const KernelSpec &spec, const codegen::KernelEntry &entry) {
  using codegen::BindingAccess;
  using codegen::BindingKind;
  using codegen::KernelBinding;
  const uint64_t m = ids.size();
  const uint64_t padded = alignUp(m, AIR_TOKEN_PADDING);
  const uint64_t kv = blockTables.size() * spec.kvPageBytes;
  // A page may hold several layers, but attention reads only one of them.
  const uint64_t layerBytes = 2 * spec.kvHeads * spec.headDim *
                              AIR_KV_PAGE_TOKENS *
                              info(spec.kvDtype).blockBytes;
  const std::vector<KernelBinding> bindings = codegen::kernelBindings(spec);
  auto isMatrix = [](const KernelBinding &binding) {
    return binding.kind == BindingKind::Tensor && binding.rows > 1;
  };
  bool readsWeightsOrKv = false;
  // The number of columns of the widest buffer that is read.
  uint64_t widest = 0;
  for (const KernelBinding &binding : bindings) {
    const bool isRead = binding.access != BindingAccess::Write;
    readsWeightsOrKv |=
        isMatrix(binding) || (binding.kind == BindingKind::Kv && isRead);
    if (binding.kind == BindingKind::Buffer && isRead) {
      widest = std::max(widest, binding.columns);
    }
  }

  operations = static_cast<double>(entry.flopsPerRow * m);
  if (spec.op == KernelOp::Attention) {
    bytes = static_cast<double>(blockTables.size() * layerBytes);
    layers = spec.kvPageBytes / layerBytes;
    layerStride = layerBytes;
    double keys = 0;
    for (uint32_t position : positions) {
      keys += position + 1;
    }
    operations = 4.0 * static_cast<double>(spec.heads * spec.headDim) * keys;
  } else if (readsWeightsOrKv) {
    bytes = static_cast<double>(entry.weightBytes *
                                (spec.op == KernelOp::EmbedRows ? m : 1));
  }

  // Operands that must come from memory rotate through many copies, which lie
  // one after another. The rows of activations are followed by padding rows of
  // unspecified content, so the operand that is next in memory may begin right
  // after the rows and overlap the padding. Otherwise much of the memory would
  // be padding, and the bytes that are read might fit in a cache.
  std::vector<Operand> operands;
  for (const KernelBinding &binding : bindings) {
    Operand operand;
    uint64_t used = 0;
    bool rotates = false;
    switch (binding.kind) {
    case BindingKind::Tensor:
      // layoutBytes cannot fail here, because describeKernel has checked the
      // shape.
      operand.bytes = used = *layoutBytes(binding.dtype, binding.layout,
                                          binding.rows, binding.columns);
      rotates = isMatrix(binding);
      break;
    case BindingKind::Kv:
      operand.bytes = used = kv;
      rotates = binding.access == BindingAccess::Read;
      break;
    case BindingKind::Buffer:
      operand.bytes = padded * binding.columns * 4;
      used = m * binding.columns * 4;
      // RoPE angles have only one copy: all layers of a model read the same
      // angles, which stay in a cache.
      rotates = !readsWeightsOrKv && binding.access != BindingAccess::Write &&
                binding.columns == widest;
      bytes += rotates ? static_cast<double>(used) : 0;
      break;
    case BindingKind::Batch:
      break; // only GPU kernels, which are not tuned here, have these bindings
    }
    operand.stride = rotates ? alignUp(used, AIR_BINDING_ALIGNMENT) : 0;
    operands.push_back(operand);
  }
  return operands;
}

void Workload::fillBatch(const KernelSpec &spec, WorkloadBatch batch) {
  const bool isAttention = spec.op == KernelOp::Attention;
  const auto tokens = static_cast<uint32_t>(batch.tokens);
  // For attention, a batch of a few tokens has one token from each of several
  // sequences, and a batch of many tokens is one prompt.
  const bool isDecode = isAttention && spec.mClass != codegen::MClass::Large;
  const uint32_t context = std::max(batch.context, tokens);
  for (uint32_t token = 0; token < tokens; ++token) {
    ids.push_back(0);
    positions.push_back(isDecode ? context - 1 : context - tokens + token);
    sequences.push_back(isDecode ? token : 0);
    lengths.push_back(context);
  }
  const uint64_t pages =
      ceilDiv(context, AIR_KV_PAGE_TOKENS) * (isDecode ? tokens : 1);
  for (uint64_t page = 0; page < pages; ++page) {
    blockTables.push_back(static_cast<uint32_t>(page));
  }
  tables.assign(spec.cacheGroup + 1,
                {blockTables.data(), ceilDiv(context, AIR_KV_PAGE_TOKENS)});
  vocabulary = spec.op == KernelOp::EmbedRows ? spec.n : 0;
}

AirBatch Workload::view() const {
  AirBatch batch = {};
  batch.tokens = static_cast<uint32_t>(ids.size());
  batch.token_ids = ids.data();
  batch.positions = positions.data();
  batch.sequences = sequences.data();
  batch.block_tables = tables.data();
  batch.rope_positions = positions.data();
  batch.sequence_lengths = lengths.data();
  return batch;
}

Result<std::vector<rt::DeviceAddress>>
Workload::place(const KernelSpec &spec, const std::vector<Operand> &operands,
                RotatingMemory &memory, bool isCached) {
  // The stride does not include the padding of activations, so the last copy
  // may need this many bytes more.
  uint64_t tail = 0;
  for (const Operand &operand : operands) {
    stride += operand.stride;
    if (operand.stride != 0 && operand.bytes > operand.stride) {
      tail = std::max(tail, operand.bytes - operand.stride);
    }
  }
  RotatingMemory::Region region;
  if (stride != 0) {
    const bool readsMatrix = spec.op == KernelOp::MatMul ||
                             spec.op == KernelOp::GluMatMul ||
                             spec.op == KernelOp::EmbedRows;
    if (readsMatrix && !isFloatDType(spec.dtype)) {
      AIR_ASSIGN_OR_RETURN(region, memory.randomBits(stride + tail));
    } else {
      AIR_ASSIGN_OR_RETURN(region, memory.ordinaryFloats(stride + tail));
    }
    copies =
        isCached
            ? 1
            : static_cast<uint32_t>(std::clamp<uint64_t>(
                  (region.bytes - tail) / stride * layers, layers, kMaxCopies));
  }
  dispatchCount = isCached ? kCachedDispatches : copies;

  std::vector<rt::DeviceAddress> first;
  uint64_t at = 0;
  for (const Operand &operand : operands) {
    if (operand.stride != 0) {
      first.push_back(reinterpret_cast<uintptr_t>(region.data + at));
      at += operand.stride;
      continue;
    }
    AIR_ASSIGN_OR_RETURN(rt::DeviceAddress address,
                         device->allocate(operand.bytes, "operand"));
    fill(pointerTo(address), operand.bytes, true);
    const bool isX = first.empty() && spec.op != KernelOp::PackActivations;
    if (isX && codegen::isInt8Tiled(spec.activation)) {
      makeTiles(pointerTo(address), operand.bytes,
                spec.activation == codegen::Activation::I8Grid);
    }
    first.push_back(address);
  }
  if (spec.op == KernelOp::RopeAngles) {
    for (uint64_t i = 0; i < spec.ropeDim / 2; ++i) {
      const double frequency =
          std::pow(10000.0, -2.0 * static_cast<double>(i) /
                                static_cast<double>(spec.ropeDim));
      std::memcpy(pointerTo(first[0]) + i * 8, &frequency, 8);
    }
  }

  return first;
}

Status Workload::bind(const KernelSpec &spec,
                      const codegen::KernelArtifact &artifact,
                      const std::vector<Operand> &operands,
                      const std::vector<rt::DeviceAddress> &first) {
  const std::string symbol = codegen::kernelName(spec);
  const auto entry =
      std::ranges::find(artifact.entries, symbol, &codegen::KernelEntry::name);
  const std::string_view name = symbol;
  rt::DispatchDesc dispatch;
  AIR_ASSIGN_OR_RETURN(dispatch.executable,
                       device->loadExecutable(artifact.object, {&name, 1}));
  dispatch.grid = {entry->baseTiles, entry->tokensPerTile,
                   rt::GridRows::Tokens};
  dispatch.scratchBytes = entry->scratchBytes;
  std::vector<rt::DeviceAddress> addresses;
  for (uint64_t copy = 0; copy < copies; ++copy) {
    for (size_t i = 0; i < operands.size(); ++i) {
      addresses.push_back(
          first[i] + (operands[i].stride
                          ? copy / layers * stride + copy % layers * layerStride
                          : 0));
    }
  }
  std::vector<rt::DispatchDesc> dispatches;
  for (uint64_t i = 0; i < dispatchCount; ++i) {
    const uint64_t copy = i % copies;
    dispatch.bindings =
        std::span(addresses).subspan(copy * operands.size(), operands.size());
    dispatches.push_back(dispatch);
  }
  AIR_ASSIGN_OR_RETURN(uint32_t program, device->addProgram(dispatches));
  programs.push_back(program);
  return Status::ok();
}

Result<std::unique_ptr<Workload>>
Workload::create(std::span<const KernelSpec> specs, WorkloadBatch batch,
                 RotatingMemory &memory, const MachineProfile &host,
                 uint32_t threads) {
  AIR_ASSIGN_OR_RETURN(codegen::KernelArtifact artifact,
                       codegen::compileKernels(specs, host, threads));
  std::unique_ptr<Workload> made(new Workload);
  AIR_ASSIGN_OR_RETURN(made->device, rt::CpuDevice::create(threads));
  made->fillBatch(specs.front(), batch);
  const std::vector<Operand> operands =
      made->describe(specs.front(), artifact.entries.front());
  AIR_ASSIGN_OR_RETURN(
      std::vector<rt::DeviceAddress> first,
      made->place(specs.front(), operands, memory, batch.isCached));
  for (const KernelSpec &spec : specs) {
    AIR_RETURN_IF_ERROR(made->bind(spec, artifact, operands, first));
  }
  return made;
}

Status Workload::runMany(size_t kernel, uint32_t times) {
  while (times > 0) {
    if (vocabulary != 0) {
      for (int32_t &id : ids) {
        id = static_cast<int32_t>(nextRandom(random) % vocabulary);
      }
    }
    // A kernel that reads token ids gets new ids for each run, so each run
    // needs its own call of Device::run().
    const uint32_t count =
        vocabulary != 0 ? 1 : std::min(times, dispatchCount - next);
    AIR_RETURN_IF_ERROR(device->run(programs[kernel], next, count, view()));
    next = (next + count) % dispatchCount;
    times -= count;
  }
  return Status::ok();
}

} // namespace air::tune
