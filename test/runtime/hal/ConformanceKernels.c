/* The kernels of DeviceConformance.cpp for the CPU. A tile is one of the
 * 64 elements; binding 0 is the input, and binding 1 the output. */
#include "formats/abi/KernelAbi.h"

/* out[i] = in[i] + 1 */
void addOne(const AirDispatch *dispatch, uint64_t tile_begin, uint64_t tile_end,
            void *scratch) {
  const uint32_t *in = (const uint32_t *)dispatch->bindings[0];
  uint32_t *out = (uint32_t *)dispatch->bindings[1];
  (void)scratch;
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    out[tile] = in[tile] + 1;
  }
}

/* out[i] = in[0] + ... + in[63] */
void sumAll(const AirDispatch *dispatch, uint64_t tile_begin, uint64_t tile_end,
            void *scratch) {
  const uint32_t *in = (const uint32_t *)dispatch->bindings[0];
  uint32_t *out = (uint32_t *)dispatch->bindings[1];
  (void)scratch;
  for (uint64_t tile = tile_begin; tile < tile_end; ++tile) {
    uint32_t sum = 0;
    for (uint64_t i = 0; i < 64; ++i) {
      sum += in[i];
    }
    out[tile] = sum;
  }
}
