/*===- ForeignRun.h - a kernel call as one file -------------------*- C -*-===*\
 *
 * The format of the file that KernelHarness.cpp writes and ForeignRunner.c
 * maps: this record, followed by code, batch, scratch and bindings. All offsets
 * count from the start of the file. The code is page-aligned and
 * position-independent.
 *
\*===----------------------------------------------------------------------===*/
#ifndef AIRPACK_TEST_CODEGEN_CPU_FOREIGNRUN_H
#define AIRPACK_TEST_CODEGEN_CPU_FOREIGNRUN_H

#include "formats/abi/KernelAbi.h"

#include <stdint.h>

enum { kForeignBindings = 8, kForeignGroups = 2 };

struct ForeignJob {
  uint64_t fileBytes;
  uint64_t entryAt;
  uint64_t tiles;
  uint32_t tokens;
  uint32_t outputs;
  uint64_t idsAt;
  uint64_t positionsAt;
  uint64_t sequencesAt;
  uint64_t outputRowsAt;
  uint64_t cacheGroup; /* the group of the block table; below kForeignGroups */
  uint64_t blockTableAt;
  uint64_t blockTableStride;
  uint64_t ropePositionsAt;
  uint64_t lengthsAt;
  uint64_t scratchAt;
  uint64_t bindings;
  uint64_t bindingAt[kForeignBindings];
};

#endif /* AIRPACK_TEST_CODEGEN_CPU_FOREIGNRUN_H */
