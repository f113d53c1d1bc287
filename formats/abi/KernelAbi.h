/*===- KernelAbi.h - the contract between CPU kernels and runtime -*- C -*-===*\
 *
 * A plan's CPU executable is a relocatable ELF object. Each entry point named
 * by a dispatch has the type AirKernelFn. Kernels are re-entrant: they have no
 * global variables, call no libc functions, and leave no symbols undefined.
 * Apart from the batch and their own constants, they access only what their
 * dispatch binds and their own scratch memory.
 *
 * The work of a dispatch is divided into tiles. Their number follows from the
 * dispatch's grid (plan.fbs). Every tile runs exactly once, on any thread and
 * in any order, so its result must not depend on which tiles ran before it.
 *
 * The rows of every float activation buffer are padded: a buffer for M rows
 * holds M rounded up to a multiple of AIR_TOKEN_PADDING. The content of the
 * padding rows is unspecified; kernels may read and write those of the buffers
 * that they bind.
 *
 * Evolution: fields are only appended to these structs. A change of meaning
 * raises AIR_KERNEL_ABI_VERSION, which the plan records and which the runtime
 * compares with its own version.
 *
\*===----------------------------------------------------------------------===*/
#ifndef AIRPACK_FORMATS_ABI_KERNELABI_H
#define AIRPACK_FORMATS_ABI_KERNELABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIR_KERNEL_ABI_VERSION 2u
/** The number of rows of an activation buffer, padding included, is a multiple
 *  of this number. */
#define AIR_TOKEN_PADDING 16u
/** The number of tokens in a page of the KV cache. */
#define AIR_KV_PAGE_TOKENS 64u
/** The alignment in bytes of every binding and of the scratch memory. */
#define AIR_BINDING_ALIGNMENT 64u

/** The pages of all sequences in one cache group of the plan. */
typedef struct AirBlockTable {
  const uint32_t *pages; /* [rows][stride]: position p of sequence s is in page
                            [s][p / AIR_KV_PAGE_TOKENS] */
  uint64_t stride;
} AirBlockTable;

/** A batch of tokens, which may belong to any sequences at any positions. The
 *  tokens of a sequence are in ascending order of their positions. The K and V
 *  of all tokens are appended before any token of the batch attends. */
typedef struct AirBatch {
  uint32_t tokens;             /* M, the batch size; at least 1 */
  uint32_t outputs;            /* requested rows of logits; may be 0 */
  const int32_t *token_ids;    /* [tokens], each in [0, vocabulary) */
  const uint32_t *positions;   /* [tokens]: the place of the token's K and V in
                                  its sequence's pages */
  const uint32_t *sequences;   /* [tokens], rows of the block tables */
  const uint32_t *output_rows; /* [outputs], each in [0, tokens) */
  const AirBlockTable *block_tables; /* [cache groups] */
  const uint32_t *rope_positions;    /* [tokens]: the positions from which the
                                        angles of RoPE are computed */
  const uint32_t *sequence_lengths;  /* [rows of a block table]: the number of
                                        positions of a sequence, including its
                                        tokens in this batch */
} AirBatch;

/** The arguments of one call of a kernel. bindings[i] is the address of the
 *  dispatch's i-th binding; codegen/KernelBindings.h lists their order. */
typedef struct AirDispatch {
  const AirBatch *batch;
  void *const *bindings;
} AirDispatch;

/** Runs the tiles [tile_begin, tile_end). `scratch` belongs to the calling
 *  thread and has at least the scratch_bytes that the plan states for the
 *  dispatch. Its content is unspecified. */
typedef void (*AirKernelFn)(const AirDispatch *dispatch, uint64_t tile_begin,
                            uint64_t tile_end, void *scratch);

#ifdef __cplusplus
} /* extern "C" */

static_assert(sizeof(AirBatch) == 64,
              "AirBatch must have 64 bytes, because generated code reads it");
static_assert(sizeof(AirBlockTable) == 16, "AirBlockTable must have 16 bytes, "
                                           "because generated code reads it");
static_assert(
    sizeof(AirDispatch) == 16,
    "AirDispatch must have 16 bytes, because generated code reads it");
#endif

#endif /* AIRPACK_FORMATS_ABI_KERNELABI_H */
