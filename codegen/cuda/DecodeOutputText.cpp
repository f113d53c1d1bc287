//===- DecodeOutputText.cpp - main loop, reductions and outputs -----------===//
#include "codegen/cuda/DecodeMatMulText.h"
#include "codegen/cuda/HeadText.h"

namespace air::codegen::cuda {

std::string storeText(MatMulOutput output) {
  constexpr const char *scaled = R"(
// Returns `sum`, the product of a row, times the row's scale plus the row's
// bias. Both have index `at`. A kernel without scales or without a bias leaves
// out that step.
AP_DEVICE float finished(const More &more, float sum, u32 at) {
  if (kRowScales) {
    sum *= more.rowScales[at];
  }
  return kBias ? sum + more.bias[at] : sum;
}
)";
  constexpr const char *store = R"(
AP_DEVICE void storeOutput(float *y, const More &more, u32 token, u32 row, float sum, float) {
  y[token * kRows + row] = finished(more, sum, row);
}
)";
  constexpr const char *add = R"(
AP_DEVICE void storeOutput(float *y, const More &more, u32 token, u32 row, float sum, float) {
  y[token * kRows + row] += finished(more, sum, row);
}
)";
  constexpr const char *up = R"(
AP_DEVICE void storeOutput(float *y, const More &more, u32 token, u32 row, float sum, float) {
  float &to = y[token * kRows + row];
  const float gate = to;
  to = gate / (1 + ap_exp2(-1.44269504089f * gate)) * finished(more, sum, row);
}
)";
  constexpr const char *glu = R"(
AP_DEVICE void storeOutput(float *y, const More &more, u32 token, u32 row, float gate, float up) {
  gate = finished(more, gate, row);
  up = finished(more, up, kRows + row);
  // SiLU is gate * sigmoid(gate). GELU is gate/2 * (1 + tanh(z/2)), which
  // equals gate * sigmoid(z).
  const float z = kGelu ? gate * ap_fma(0.0713548162726f * gate, gate, 1.59576912161f) : gate;
  y[token * kRows + row] = gate / (1 + ap_exp2(-1.44269504089f * z)) * up;
}
)";
  switch (output) {
  case MatMulOutput::Store:
  case MatMulOutput::Heads:
    return std::string(scaled) + store;
  case MatMulOutput::Add:
    return std::string(scaled) + add;
  case MatMulOutput::SiluUp:
    return std::string(scaled) + up;
  case MatMulOutput::SiluGlu:
  case MatMulOutput::GeluGlu:
    return std::string(scaled) + glu;
  }
  return {};
}

std::string outputText(MatMulOutput output) {
  constexpr const char *noHeads = R"(
AP_DEVICE void finishHeads(u8 *, u32, u32, u32, u32, float *, u32 *, const More &) {}
)";
  constexpr const char *heads = R"(
AP_DEVICE u32 sequenceOf(const More &, u32 token) { return token / kTokensPerSequence; }
)";
  constexpr const char *lastTiles = R"(
// Counts the finished tiles of each head. The thread block that finishes a
// head's last tile normalises, rotates and stores the whole head.
AP_DEVICE void finishHeads(u8 *shared, u32 firstTile, u32 tiles, u32 warp, u32 lane, float *y,
                           u32 *counters, const More &more) {
  u32 *complete = (u32 *)(shared + kHeadFlagOffset);
  const u32 firstHead = firstTile * 16 / kHeadDim;
  const u32 lastRow = (firstTile + tiles) * 16 < kRows ? (firstTile + tiles) * 16 - 1 : kRows - 1;
  const u32 heads = lastRow / kHeadDim - firstHead + 1;
  ap_fence();
  ap_barrier();
  for (u32 i = warp * 32 + lane; i < heads; i += kThreads) {
    const u32 head = firstHead + i;
    const u32 begin = head * kHeadDim / 16;
    const u32 end = (head * kHeadDim + kHeadDim - 1) / 16 + 1;
    const u32 from = begin > firstTile ? begin : firstTile;
    const u32 to = end < firstTile + tiles ? end : firstTile + tiles;
    complete[i] = ap_atomic_add(counters + head, to - from) + to - from == end - begin;
  }
  ap_barrier();
  ap_fence();
  for (u32 i = warp; i < heads * kTokens; i += kWarps) {
    const u32 head = firstHead + i / kTokens;
    const u32 token = i % kTokens;
    if (complete[i / kTokens] != 0) {
      finishHead(head, token, y + token * kRows + head * kHeadDim, lane, more);
      if (token == 0 && lane == 0) {
        counters[head] = 0;
      }
    }
  }
}
)";
  const std::string store(storeText(output));
  return output == MatMulOutput::Heads
             ? store + heads + std::string(headText()) + lastTiles
             : store + noHeads;
}

namespace {

constexpr const char *kKernelHead = R"(
// Adds the sums that the warps computed for `tiles` tiles. Stores the results
// or, if the columns are split, writes the sums to `partials`. A tile has 16
// outputs, one for each of its rows, or 8 outputs (kPaired), each of which is
// made from two rows that are 8 rows apart.
AP_DEVICE void reduceTiles(const u8 *shared, const float *sums, u32 firstTile, u32 tiles, u32 part,
                           u32 thread, float *y, float *partials, const More &more) {
  for (u32 i = thread; i < tiles * kTokens * kTileOutputs; i += kThreads) {
    const u32 tile = i / (kTokens * kTileOutputs);
    const u32 token = i / kTileOutputs % kTokens;
    const u32 at = i % kTileOutputs;
    float total[2] = {0, 0};
#pragma unroll
    for (u32 warp = 0; warp < kWarps; ++warp) {
      const float *from = sums + ((tile * kWarps + warp) * kTokens + token) * 16 + at;
      total[0] += from[0];
      total[1] += kPaired ? from[8] : 0;
    }
    const float back = backScale(shared, token);
    total[0] *= back;
    total[1] *= back;
    const u32 row = (firstTile + tile) * kTileOutputs + at;
    if (kSplits > 1) {
      float *to = partials + (part * kTokens + token) * kTiles * 16 + (firstTile + tile) * 16 + at;
      to[0] = total[0];
      if (kPaired) {
        to[8] = total[1];
      }
    } else if (row < kRows) {
      storeOutput(y, more, token, row, total[0], total[1]);
    }
  }
}

// If the columns are split, several thread blocks compute the same tiles. The
// last of them to finish adds their sums in a fixed order. Returns whether this
// block is the last one.
AP_DEVICE bool joinSplits(u32 *last, u32 firstTile, u32 tiles, u32 thread, float *y,
                          const float *partials, u32 *counters, const More &more) {
  ap_fence();
  ap_barrier();
  if (thread == 0) {
    *last = ap_atomic_add(counters + firstTile, 1) == kSplits - 1;
  }
  ap_barrier();
  if (*last == 0) {
    return false;
  }
  ap_fence();
  for (u32 i = thread; i < tiles * kTokens * kTileOutputs; i += kThreads) {
    const u32 tile = firstTile + i / (kTokens * kTileOutputs);
    const u32 token = i / kTileOutputs % kTokens;
    const u32 at = i % kTileOutputs;
    float total[2] = {0, 0};
    for (u32 part = 0; part < kSplits; ++part) {
      const float *from = partials + (part * kTokens + token) * kTiles * 16 + tile * 16 + at;
      total[0] += ap_load_coherent(from);
      total[1] += kPaired ? ap_load_coherent(from + 8) : 0;
    }
    const u32 row = tile * kTileOutputs + at;
    if (row < kRows) {
      storeOutput(y, more, token, row, total[0], total[1]);
    }
  }
  if (thread == 0) {
    counters[firstTile] = 0;
  }
  return true;
}

AP_KERNEL(KERNEL_NAME, kThreads, kBlocksPerMultiprocessor)
(const u8 *weights, const Activation *x, float *y, float *partials, u32 *counters AP_PARAMETERS) {
  const More more = {AP_ARGUMENTS};
  u8 *shared = ap_shared();
  const u32 thread = ap_thread();
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  const u32 block = ap_block_x();
  const u32 part = ap_block_y();

  // The first kSpare thread blocks get one tile more than the others. Each warp
  // of a thread block multiplies some of the weight units in the block's part
  // of the columns.
  constexpr u32 kSpare = kTiles % kBlocks;
  const u32 firstTile = block * (kTiles / kBlocks) + (block < kSpare ? block : kSpare);
  const u32 tiles = kTiles / kBlocks + (block < kSpare ? 1 : 0);
  const u32 partEnd = (part + 1) * kPartUnits < kUnits ? (part + 1) * kPartUnits : kUnits;
  const u32 firstUnit = part * kPartUnits + warp * kWarpUnits;
  const u32 left = firstUnit < partEnd ? partEnd - firstUnit : 0;
  const u32 units = kEven ? kWarpUnits : (left < kWarpUnits ? left : kWarpUnits);

  Ring ring;
  ring.start(shared, weights + ((u64)firstTile * kUnits + firstUnit) * kUnitBytes, tiles, units,
             warp, lane);
#if AP_DEPENDENT_LAUNCH
  ap_launch_dependents();
  ap_wait_for_previous();
#endif
  copyCodebook(thread);
  stageActivations(shared, x, more, part, warp, lane);
  ap_barrier();

  const u32 g = lane / 4;
  const u32 t = lane % 4;
  const u32 column = warp * kWarpUnits * kUnitColumns;
  // The 8 columns of the mma are tokens or, if kSplitColumns is set, 4 tokens
  // and the rounding errors of their activations. Columns beyond the last token
  // repeat other tokens, and their results are not used.
  const u32 token = (kSplitColumns ? g % 4 : g) % kTokens;
  const u8 *xLane = shared + kXOffset + token * kXStride + t * 16 + column * 2 +
                    (kSplitColumns ? g / 4 * kXLow : 0);
  const u8 *sumLane = shared + kSumOffset + sumLaneOffset(column, g % kTokens, t);
  float *reduce = (float *)(shared + kReduceOffset);

  u32 batch = 0, buffer = 0;
)";

constexpr const char *kTileLoop = R"(
  for (u32 tile = 0; tile < tiles; ++tile) {
    Sums sums[1][1] = {};
#pragma unroll 1
    for (u32 first = 0; first < units; first += kGroupUnits) {
      ring.wait();
#pragma unroll
      for (u32 i = 0; i < kGroupUnits; ++i) {
        if (kEven || first + i < units) {
          Unit units[1];
          ring.take(units[0], i, lane);
          if (i == kGroupUnits - 1) {
            ring.release(lane);
          }
          multiplyUnits(sums, units, xLane + (first + i) * kUnitColumns * 2,
                        sumLane + (first + i) * kUnitSumBytes);
        } else if (i == kGroupUnits - 1) {
          ring.release(lane);
        }
      }
    }
    float total[4];
    totalOf(sums[0][0], total);
)";

constexpr const char *kHeldTileLoop = R"(
  for (u32 firstHeld = 0; firstHeld < tiles; firstHeld += kHeldTiles) {
    const u32 together = tiles - firstHeld < kHeldTiles ? tiles - firstHeld : kHeldTiles;
    Sums sums[kHeldTiles] = {};
#pragma unroll 1
    for (u32 first = 0; first < units; first += kGroupUnits) {
      Held held[kGroupUnits];
#pragma unroll
      for (u32 i = 0; i < kGroupUnits; ++i) {
        if (kEven || first + i < units) {
          holdActivations(held[i], xLane + (first + i) * kUnitColumns * 2);
        }
      }
#pragma unroll
      for (u32 at = 0; at < kHeldTiles; ++at) {
        if (at < together) {
          ring.wait();
#pragma unroll
          for (u32 i = 0; i < kGroupUnits; ++i) {
            Unit unit;
            if (kEven || first + i < units) {
              ring.take(unit, i, lane);
            }
            if (i == kGroupUnits - 1) {
              ring.release(lane);
            }
            if (kEven || first + i < units) {
              multiplyHeld(sums[at], unit, held[i]);
            }
          }
        }
      }
    }
    float totals[kHeldTiles][4];
#pragma unroll
    for (u32 at = 0; at < kHeldTiles; ++at) {
      totalOf(sums[at], totals[at]);
    }
#pragma unroll 1
    for (u32 at = 0; at < together; ++at) {
      const u32 tile = firstHeld + at;
      // This copies totals[at] with constant indices only. An array that is
      // indexed by a variable cannot stay in registers.
      float total[4] = {0, 0, 0, 0};
#pragma unroll
      for (u32 i = 0; i < 4 * kHeldTiles; ++i) {
        total[i % 4] = at == i / 4 ? totals[i / 4][i % 4] : total[i % 4];
      }
)";

constexpr const char *kTileEnd = R"(
    float *mine = reduce + ((buffer * kReduceTiles + batch) * kWarps + warp) * kTokens * 16;
    if (2 * t < kTokens) {
      mine[2 * t * 16 + g] = total[0];
      mine[2 * t * 16 + g + 8] = total[2];
    }
    if (2 * t + 1 < kTokens) {
      mine[(2 * t + 1) * 16 + g] = total[1];
      mine[(2 * t + 1) * 16 + g + 8] = total[3];
    }
    ++batch;
    if (batch == kReduceTiles || tile + 1 == tiles) {
      // There are two buffers for the sums of the warps, so a warp that is
      // ahead can fill the other buffer before it has to wait at the next
      // barrier.
      ap_barrier();
      const u32 first = firstTile + tile + 1 - batch;
      reduceTiles(shared, reduce + buffer * kReduceTiles * kWarps * kTokens * 16, first, batch,
                  part, thread, y, partials, more);
      bool stored = true;
      if (kSplits > 1) {
        stored = joinSplits((u32 *)(shared + kFlagOffset), first, batch, thread, y, partials,
                            counters, more);
      }
      if (stored) {
        finishHeads(shared, first, batch, warp, lane, y, counters + kHeadCounters, more);
      }
      buffer ^= 1;
      batch = 0;
    }
)";

} // namespace

std::string kernelText(bool held) {
  return std::string(kKernelHead) + (held ? kHeldTileLoop : kTileLoop) +
         kTileEnd + (held ? "}\n" : "") + "}\n}\n";
}

} // namespace air::codegen::cuda
