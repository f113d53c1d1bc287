//===- DecodeMatMulText.cpp - weight fetch, activations and main loop -----===//
#include "codegen/cuda/DecodeMatMulText.h"

namespace air::codegen::cuda {

std::string ringText(WeightFetch fetch) {
  constexpr const char *registers = R"(
// While a group of units is multiplied, the next group is loaded into registers.
struct Ring {
  Unit ahead[kGroupUnits];
  const u8 *base;
  u32 at, units, tilesLeft;

  AP_MEMBER void start(u8 *, const u8 *weights, u32 tiles, u32 count, u32, u32 lane) {
    base = weights;
    at = 0;
    units = count;
    tilesLeft = count != 0 ? tiles : 0;
    load(0, lane);
#pragma unroll
    for (u32 i = 1; i < kGroupUnits; ++i) {
      load(i, lane);
    }
    advance();
  }
  AP_MEMBER void load(u32 i, u32 lane) {
    if (tilesLeft != 0 && (kEven || at + i < units)) {
      loadUnit(ahead[i], base + (at + i) * kUnitBytes, lane);
    }
  }
  AP_MEMBER void advance() {
    at += kGroupUnits;
    if (at >= units) {
      at = 0;
      base += kUnits * kUnitBytes;
      tilesLeft -= tilesLeft != 0 ? 1 : 0;
    }
  }
  AP_MEMBER void wait() {}
  AP_MEMBER void take(Unit &unit, u32 i, u32 lane) {
    unit = ahead[i];
    load(i, lane);
  }
  AP_MEMBER void release(u32) { advance(); }
};
)";
  constexpr const char *slots = R"(
// Each warp has its own kStages slots and never waits for another warp's
// copies.
struct Ring {
  u8 *slots;
  u64 *barriers;
  const u8 *base;
  u32 at, units, tilesLeft, slot, phase;

  AP_MEMBER void start(u8 *shared, const u8 *weights, u32 tiles, u32 count, u32 warp, u32 lane) {
    slots = shared + warp * kStages * kSlotBytes;
    barriers = (u64 *)(shared + kBarrierOffset) + warp * kStages;
    base = weights;
    at = 0;
    units = count;
    tilesLeft = count != 0 ? tiles : 0;
    slot = 0;
    phase = 0;
    prepare(lane);
#pragma unroll 1
    for (u32 i = 0; i < kStages; ++i) {
      fetch(i, lane);
    }
  }
  AP_MEMBER void fetch(u32 to, u32 lane) {
    if (tilesLeft != 0) {
      const u32 left = units - at;
      const u32 bytes = (kEven || left > kGroupUnits ? kGroupUnits : left) * kUnitBytes;
      copy(slots + to * kSlotBytes, base + at * kUnitBytes, bytes, barriers + to, lane);
      at += kGroupUnits;
      if (at >= units) {
        at = 0;
        base += kUnits * kUnitBytes;
        --tilesLeft;
      }
    }
    commit();
  }
  AP_MEMBER void take(Unit &unit, u32 i, u32 lane) {
    loadUnit(unit, slots + slot * kSlotBytes + i * kUnitBytes, lane);
  }
  AP_MEMBER void release(u32 lane) {
    ap_warp_barrier();
    fetch(slot, lane);
    ++slot;
    if (slot == kStages) {
      slot = 0;
      phase ^= 1;
    }
  }
)";
  constexpr const char *async = R"(
  AP_MEMBER void prepare(u32) {}
  AP_MEMBER void copy(u8 *to, const u8 *from, u32 bytes, u64 *, u32 lane) {
    for (u32 i = lane * 16; i < bytes; i += 512) {
      ap_async_copy16(to + i, from + i);
    }
  }
  AP_MEMBER void commit() { ap_async_commit(); }
  AP_MEMBER void wait() {
    ap_async_wait<kStages - 1>();
    ap_warp_barrier();
  }
};
)";
  constexpr const char *bulk = R"(
  AP_MEMBER void prepare(u32 lane) {
    if (lane == 0) {
      for (u32 i = 0; i < kStages; ++i) {
        ap_transfer_init(barriers + i);
      }
      ap_transfer_publish();
    }
    ap_warp_barrier();
  }
  AP_MEMBER void copy(u8 *to, const u8 *from, u32 bytes, u64 *barrier, u32 lane) {
    if (lane == 0) {
      ap_transfer(to, from, bytes, barrier);
    }
  }
  AP_MEMBER void commit() {}
  AP_MEMBER void wait() { ap_transfer_wait(barriers + slot, phase); }
};
)";
  switch (fetch) {
  case WeightFetch::Registers:
    return registers;
  case WeightFetch::AsyncCopy:
    return std::string(slots) + async;
  case WeightFetch::BulkCopy:
    return std::string(slots) + bulk;
  }
  return {};
}

std::string_view takeText(WeightFetch fetch) {
  return fetch == WeightFetch::Registers ? R"(
AP_DEVICE Word4 take16(const u8 *p) { return ap_stream16(p); }
AP_DEVICE Word2 take8(const u8 *p) { return ap_stream8(p); }
AP_DEVICE u32 take4(const u8 *p) { return ap_stream4(p); }
)"
                                         : R"(
AP_DEVICE Word4 take16(const u8 *p) { return *(const Word4 *)p; }
AP_DEVICE Word2 take8(const u8 *p) { return *(const Word2 *)p; }
AP_DEVICE u32 take4(const u8 *p) { return *(const u32 *)p; }
)";
}

std::string_view activationText() {
  return R"(
// Stores the sum of a group of activations in the form in which multiplyUnit
// reads it.
AP_DEVICE void storeSum(u8 *sums, u32 token, u32 group, float sum) {
  if (kSumsAsHalves) {
    // For every 256 columns, token and t in [0, 4), this stores four float16: the
    // means of blocks 2t and 2t+1, and the rounding errors of the two means.
    const float mean = sum * 0.03125f;
    const u32 high = ap_half_of_float(mean);
    const u32 low = ap_half_of_float(mean - ap_float_of_half(high));
    u16 *entry = (u16 *)(sums + ((group / 8) * kTokens + token) * 32 + (group % 8) / 2 * 8);
    entry[group % 2] = (u16)high;
    entry[group % 2 + 2] = (u16)low;
  } else {
    const bool odd = (group * kSumDivisor / 32) % 2 != 0;
    const float value = sum * (odd ? kOddFactor : kEvenFactor);
    float *entry = (float *)(sums + group * kSumEntry);
    if (kTokens == 1) {
      entry[0] = entry[1] = entry[2] = entry[3] = value;
    } else {
      // In the mma's accumulator, lane 4g+t holds columns 2t and 2t+1 of rows g
      // and g+8.
      for (u32 column = token; column < 8; column += kTokens) {
        float *quad = entry + column / 2 * 4 + column % 2;
        quad[0] = value;
        quad[2] = value;
      }
    }
  }
}

// Returns the byte offset, within the sums of activations, of those that lane
// 4g+t reads for the columns that begin at `column`.
AP_DEVICE u32 sumLaneOffset(u32 column, u32 token, u32 t) {
  if (kSumColumns == 0) {
    return 0;
  }
  return kSumsAsHalves ? (column / 256 * kTokens + token) * 32 + t * 8
                       : column / kSumDivisor * kSumEntry + (kTokens == 1 ? 0 : t * 16);
}

// Copies the activations of this block's columns to shared memory, as
// [token][column], and stores the sums of their groups. A lane handles 8
// columns of a token at a time.
AP_DEVICE void stageActivations(u8 *shared, const u16 *x, u32 part, u32 warp, u32 lane) {
  constexpr u32 kPieces = kPartColumns / 8;
  constexpr u32 kTotal = kTokens * kPieces;
  for (u32 first = warp * 32; first < kTotal; first += kThreads) {
    const u32 piece = first + lane;
    const bool inside = piece < kTotal;
    const u32 token = inside ? piece / kPieces : 0;
    const u32 at = piece - token * kPieces;
    const u32 column = part * kPartColumns + at * 8;
    Word4 v = {0, 0, 0, 0};
    if (inside && column < kColumns) {
      v = *(const Word4 *)(x + token * kColumns + column);
    }
    u8 *row = shared + kXOffset + token * kXStride;
    if (kSplitActivations) {
      const u32 words[4] = {v.x, v.y, v.z, v.w};
      u32 high[4], low[4];
#pragma unroll
      for (u32 i = 0; i < 4; ++i) {
        u32 h[2], l[2];
#pragma unroll
        for (u32 j = 0; j < 2; ++j) {
          const float value = ap_float_of_half(words[i] >> (16 * j) & 0xffff);
          const u32 bits = ap_bits_of_float(value);
          h[j] = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
          l[j] = ap_bits_of_float(value - ap_float_of_bits(h[j] << 16)) >> 16;
        }
        high[i] = h[0] | h[1] << 16;
        low[i] = l[0] | l[1] << 16;
      }
      if (inside) {
        *(Word4 *)(row + at * 16) = Word4{high[0], high[1], high[2], high[3]};
        *(Word4 *)(row + kXLow + at * 16) = Word4{low[0], low[1], low[2], low[3]};
      }
    } else if (kHalves) {
      // In every 32 columns, lane 4g+t needs columns 4t to 4t+3 of the first 16
      // and of the second 16, so these are stored next to each other.
      u8 *to = row + (at / 4) * 64 + (at % 2) * 32 + (at % 4) / 2 * 8;
      if (inside) {
        *(Word2 *)to = Word2{v.x, v.y};
        *(Word2 *)(to + 16) = Word2{v.z, v.w};
      }
    } else if (inside) {
      *(Word4 *)(row + at * 16) = v;
    }
    if (kSumColumns != 0) {
      const u32 words[4] = {v.x, v.y, v.z, v.w};
      float sum = 0;
#pragma unroll
      for (u32 i = 0; i < 4; ++i) {
        sum += ap_float_of_half(words[i] & 0xffff) + ap_float_of_half(words[i] >> 16);
      }
      sum += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(sum), 1));
      if (kSumColumns == 32) {
        sum += ap_float_of_bits(ap_shuffle_xor(ap_bits_of_float(sum), 2));
      }
      if (inside && at % (kSumColumns == 32 ? 4 : 2) == 0) {
        storeSum(shared + kSumOffset, token, at * 8 / kSumDivisor, sum);
      }
    }
  }
}
)";
}

std::string_view kernelText() {
  return R"(
// Adds the sums that the warps computed for `tiles` tiles. Writes the results to
// y or, if the columns are split, to `partials`.
AP_DEVICE void reduceTiles(const float *sums, u32 firstTile, u32 tiles, u32 part, u32 thread,
                           float *y, float *partials) {
  for (u32 i = thread; i < tiles * kTokens * 16; i += kThreads) {
    const u32 tile = i / (kTokens * 16);
    const u32 at = i % (kTokens * 16);
    const u32 row = (firstTile + tile) * 16 + at % 16;
    float sum = 0;
#pragma unroll
    for (u32 warp = 0; warp < kWarps; ++warp) {
      sum += sums[(tile * kWarps + warp) * kTokens * 16 + at];
    }
    if (kSplits > 1) {
      partials[(part * kTokens + at / 16) * kTiles * 16 + row] = sum;
    } else if (row < kRows) {
      y[at / 16 * kRows + row] = sum;
    }
  }
}

// Several thread blocks each compute the same tiles for a part of the columns.
// The last of these blocks to finish adds the sums of all, in a fixed order.
AP_DEVICE void joinSplits(u32 *last, u32 firstTile, u32 tiles, u32 thread, float *y,
                          const float *partials, u32 *counters) {
  ap_fence();
  ap_barrier();
  if (thread == 0) {
    *last = ap_atomic_add(counters + firstTile, 1) == kSplits - 1;
  }
  ap_barrier();
  if (*last != 0) {
    ap_fence();
    for (u32 i = thread; i < tiles * kTokens * 16; i += kThreads) {
      const u32 token = i % (kTokens * 16) / 16;
      const u32 row = (firstTile + i / (kTokens * 16)) * 16 + i % 16;
      float sum = 0;
      for (u32 part = 0; part < kSplits; ++part) {
        sum += ap_load_coherent(partials + (part * kTokens + token) * kTiles * 16 + row);
      }
      if (row < kRows) {
        y[token * kRows + row] = sum;
      }
    }
    if (thread == 0) {
      counters[firstTile] = 0;
    }
  }
}

AP_KERNEL(KERNEL_NAME, kThreads, kBlocksPerMultiprocessor)
(const u8 *weights, const u16 *x, float *y, float *partials, u32 *counters) {
  u8 *shared = ap_shared();
  const u32 thread = ap_thread();
  const u32 warp = thread / 32;
  const u32 lane = thread % 32;
  const u32 block = ap_block_x();
  const u32 part = ap_block_y();

  // Every thread block gets the same number of tiles, or one more. The warps of a
  // thread block share out the weight units of its part of the columns.
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
  stageActivations(shared, x, part, warp, lane);
  ap_barrier();

  const u32 g = lane / 4;
  const u32 t = lane % 4;
  const u32 column = warp * kWarpUnits * kUnitColumns;
  // The 8 columns of the mma are tokens. Columns beyond the last token repeat
  // other tokens, and their results are not used.
  const u8 *xLane = shared + kXOffset + (g % kTokens) * kXStride + t * 16 + column * 2;
  const u8 *sumLane = shared + kSumOffset + sumLaneOffset(column, g % kTokens, t);
  float *reduce = (float *)(shared + kReduceOffset);

  u32 batch = 0, buffer = 0;
  for (u32 tile = 0; tile < tiles; ++tile) {
    Sums sums = {};
#pragma unroll 1
    for (u32 first = 0; first < units; first += kGroupUnits) {
      ring.wait();
#pragma unroll
      for (u32 i = 0; i < kGroupUnits; ++i) {
        if (kEven || first + i < units) {
          Unit unit;
          ring.take(unit, i, lane);
          if (i == kGroupUnits - 1) {
            ring.release(lane);
          }
          multiplyUnit(sums, unit, xLane + (first + i) * kUnitColumns * 2,
                       sumLane + (first + i) * kUnitSumBytes);
        } else if (i == kGroupUnits - 1) {
          ring.release(lane);
        }
      }
    }
    float total[4];
    totalOf(sums, total);
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
      // There are two buffers for the sums of the warps, so a warp that is ahead
      // can fill the other buffer before it has to wait at the next barrier.
      ap_barrier();
      const u32 first = firstTile + tile + 1 - batch;
      reduceTiles(reduce + buffer * kReduceTiles * kWarps * kTokens * 16, first, batch, part,
                  thread, y, partials);
      if (kSplits > 1) {
        joinSplits((u32 *)(shared + kFlagOffset), first, batch, thread, y, partials, counters);
      }
      buffer ^= 1;
      batch = 0;
    }
  }
}
)";
}

} // namespace air::codegen::cuda
