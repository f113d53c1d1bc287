/* A small freestanding object such as a kernel compiler would make. It contains
 * calls, tables of constants and a switch, all position-independent.
 * ElfLoaderTest calls `fixtureRun` and knows its results. */
#include "formats/abi/KernelAbi.h"

__attribute__((visibility("hidden")))
const double fixtureTable[5] = {1.5, 2.5, 4.0, 8.25, 16.0};

static const char *const kNone = "none";

__attribute__((noinline, visibility("hidden"))) double
fixturePick(uint64_t index, const volatile double *values) {
  return values[index] * 2.0 + fixtureTable[(index * 3) % 5];
}

__attribute__((noinline, visibility("hidden"))) uint64_t
fixtureKind(uint64_t tile) {
  switch (tile) {
  case 0:
    return 17;
  case 1:
    return 4;
  case 2:
    return 99;
  case 3:
    return 1;
  case 4:
    return 1234;
  default:
    return (uint64_t)kNone[tile % 4];
  }
}

/* out[tile] = 2 * in[tile] + table[3 * tile mod 5] + kind(tile) */
void fixtureRun(const AirDispatch *dispatch, uint64_t tile_begin,
                uint64_t tile_end, void *scratch) {
  const double *in = (const double *)dispatch->bindings[0];
  double *out = (double *)dispatch->bindings[1];
  (void)scratch;
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    out[tile] = fixturePick(tile, in) + (double)fixtureKind(tile);
  }
}

void fixtureNothing(const AirDispatch *dispatch, uint64_t tile_begin,
                    uint64_t tile_end, void *scratch) {
  (void)dispatch;
  (void)tile_begin;
  (void)tile_end;
  (void)scratch;
}
