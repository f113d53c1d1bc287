/*===- KernelAbi.h - the contract between CPU kernels and runtime -*- C -*-===*\
 *
 * A plan's CPU executable is a relocatable ELF object. Each entry point named
 * by a dispatch has the type AirKernelFn. Kernels are re-entrant: no globals,
 * no libc, no undefined symbols; they read and write only what their dispatch
 * binds and their own scratch.
 *
 * Work is divided into tiles. Every tile in [0, tiles) of a dispatch runs
 * exactly once, on any thread, in any order, so a tile's result must not depend
 * on which tiles ran before it. `tiles` comes from the plan's grid (plan.fbs).
 *
 * The rows of every float activation buffer are padded: a buffer of M rows
 * holds round_up(M, AIR_TOKEN_PADDING) rows. Kernels may read and write the
 * padding rows of the buffers that they bind. Their content is unspecified.
 *
 * Evolution: fields are only appended; a change of meaning raises
 * AIR_KERNEL_ABI_VERSION, which the plan records and the runtime compares.
 *
\*===----------------------------------------------------------------------===*/
#ifndef AIRPACK_FORMATS_ABI_KERNELABI_H
#define AIRPACK_FORMATS_ABI_KERNELABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIR_KERNEL_ABI_VERSION 1u
/** The number of rows of an activation buffer is a multiple of this. */
#define AIR_TOKEN_PADDING 16u
/** Tokens per page of the KV cache. */
#define AIR_KV_PAGE_TOKENS 64u
/** Alignment in bytes of every binding and of scratch. */
#define AIR_BINDING_ALIGNMENT 64u

/** One batch: M tokens of any sequences at any positions. Tokens of one
 *  sequence appear in ascending position; their K and V are appended before
 *  any token of the batch attends. */
typedef struct AirBatch {
  uint32_t tokens;              /* M >= 1 */
  uint32_t outputs;             /* requested rows of logits, may be 0 */
  const int32_t *token_ids;     /* [M], each in [0, vocabulary) */
  const uint32_t *positions;    /* [M] */
  const uint32_t *sequences;    /* [M] row of block_tables */
  const uint32_t *output_rows;  /* [outputs], each in [0, M) */
  const uint32_t *block_tables; /* [sequences][block_table_stride]: KV page of
                                   position p is [sequence][p / 64] */
  uint64_t block_table_stride;
} AirBatch;

/** The arguments of one call. bindings[i] is the address of the dispatch's i-th
 *  binding, in the order in which codegen/KernelBindings.h lists them. */
typedef struct AirDispatch {
  const AirBatch *batch;
  void *const *bindings;
} AirDispatch;

/** Runs tiles [tile_begin, tile_end). `scratch` belongs to the calling thread.
 *  It is at least scratch_bytes long, as the dispatch states in the plan; its
 *  content is unspecified. */
typedef void (*AirKernelFn)(const AirDispatch *dispatch, uint64_t tile_begin,
                            uint64_t tile_end, void *scratch);

#ifdef __cplusplus
} /* extern "C" */

static_assert(sizeof(AirBatch) == 56, "AirBatch is read by generated code");
static_assert(sizeof(AirDispatch) == 16,
              "AirDispatch is read by generated code");
#endif

#endif /* AIRPACK_FORMATS_ABI_KERNELABI_H */
