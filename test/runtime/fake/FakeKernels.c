/*===- FakeKernels.c - a model whose results have a closed form -----------===*\
 *
 * These are the kernels of the fake plan (FakePlan.h). Activations have
 * FAKE_WIDTH floats per token: [0] is the id, [1] is the id that should follow
 * it, and [2] is the history of the sequence, a number that depends on every id
 * and its position so far.
 *
\*===----------------------------------------------------------------------===*/
#include "formats/abi/KernelAbi.h"
#include "FakeShape.h"

static uint64_t rowsOf(const AirDispatch *dispatch) {
  return dispatch->batch->tokens;
}

/* Reads the table and writes x. A tile is one token. */
void fake_embed(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
                void *scratch) {
  (void)scratch;
  const float *table = dispatch->bindings[0];
  float *x = dispatch->bindings[1];
  for (uint64_t m = begin; m < end && m < rowsOf(dispatch); ++m) {
    for (int i = 0; i < FAKE_WIDTH; ++i) {
      x[m * FAKE_WIDTH + i] =
          table[dispatch->batch->token_ids[m] * FAKE_WIDTH + i];
    }
  }
}

static float *slotOf(const AirBatch *batch, float *kv, uint32_t sequence,
                     uint32_t position) {
  uint64_t page =
      batch->block_tables->pages[sequence * batch->block_tables->stride +
                                 position / AIR_KV_PAGE_TOKENS];
  return kv + page * (FAKE_PAGE_BYTES / 4) + position % AIR_KV_PAGE_TOKENS;
}

/* Reads x and writes the KV cache. A tile is one token. */
void fake_append(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
                 void *scratch) {
  (void)scratch;
  const AirBatch *batch = dispatch->batch;
  const float *x = dispatch->bindings[0];
  for (uint64_t m = begin; m < end; ++m) {
    *slotOf(batch, dispatch->bindings[1], batch->sequences[m],
            batch->positions[m]) = x[m * FAKE_WIDTH];
  }
}

/* Reads the KV cache and writes one element of each row of x. A tile is two
 * tokens. */
void fake_attend(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
                 void *scratch) {
  const AirBatch *batch = dispatch->batch;
  float *x = dispatch->bindings[1];
  float *sum = scratch;
  for (uint64_t m = begin * 2; m < end * 2 && m < batch->tokens; ++m) {
    *sum = 0;
    for (uint32_t p = 0; p <= batch->positions[m]; ++p) {
      *sum += *slotOf(batch, dispatch->bindings[0], batch->sequences[m], p) *
              (float)(p % 7 + 1);
    }
    x[m * FAKE_WIDTH + 2] = *sum;
  }
}

/* Reads x and the bias, and writes the logits. A tile is one half of the
 * vocabulary for one output. */
void fake_head(const AirDispatch *dispatch, uint64_t begin, uint64_t end,
               void *scratch) {
  (void)scratch;
  const float *x = dispatch->bindings[0];
  const float *bias = dispatch->bindings[1];
  float *logits = dispatch->bindings[2];
  for (uint64_t tile = begin; tile < end; ++tile) {
    uint64_t row = tile / 2;
    const float *token = x + dispatch->batch->output_rows[row] * FAKE_WIDTH;
    for (uint64_t v = tile % 2 * (FAKE_VOCABULARY / 2);
         v < (tile % 2 + 1) * (FAKE_VOCABULARY / 2); ++v) {
      float distance = token[1] - (float)v;
      logits[row * FAKE_VOCABULARY + v] =
          bias[v] + token[2] -
          64.0F * (distance < 0 ? -distance : distance);
    }
  }
}
