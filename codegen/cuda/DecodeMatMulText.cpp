//===- DecodeMatMulText.cpp - how a warp fetches its weights --------------===//
#include "codegen/cuda/DecodeMatMulText.h"

namespace air::codegen::cuda {

std::string ringText(WeightFetch fetch) {
  constexpr const char *registers = R"(
// While a group of units is multiplied, the next group is loaded into
// registers.
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
  u32 held; // the index of the next tile to fetch among the kHeldTiles tiles

  AP_MEMBER void start(u8 *shared, const u8 *weights, u32 tiles, u32 count, u32 warp, u32 lane) {
    slots = shared + warp * kStages * kSlotBytes;
    barriers = (u64 *)(shared + kBarrierOffset) + warp * kStages;
    base = weights;
    at = 0;
    units = count;
    tilesLeft = count != 0 ? tiles : 0;
    slot = 0;
    phase = 0;
    held = 0;
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
      copy(slots + to * kSlotBytes, base + (held * kUnits + at) * kUnitBytes, bytes,
           barriers + to, lane);
      const u32 together = tilesLeft < kHeldTiles ? tilesLeft : kHeldTiles;
      ++held;
      if (held == together) {
        held = 0;
        at += kGroupUnits;
        if (at >= units) {
          at = 0;
          base += together * kUnits * kUnitBytes;
          tilesLeft -= together;
        }
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

} // namespace air::codegen::cuda
