/* Runs one kernel that was compiled for another architecture. This program is
 * compiled for that architecture too and runs in an emulator. It is
 * freestanding, so that no libc for the architecture is needed. Standard input
 * is a job file (ForeignRun.h). It is mapped as a whole, and the kernel runs
 * in place, so the file also receives the results. */
#include "ForeignRun.h"

static int64_t systemCall(int64_t number, int64_t a, int64_t b, int64_t c,
                          int64_t d, int64_t e, int64_t f) {
  register int64_t x8 __asm__("x8") = number;
  register int64_t x0 __asm__("x0") = a;
  register int64_t x1 __asm__("x1") = b;
  register int64_t x2 __asm__("x2") = c;
  register int64_t x3 __asm__("x3") = d;
  register int64_t x4 __asm__("x4") = e;
  register int64_t x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}

/* Numbers of the aarch64 system calls (asm-generic/unistd.h). */
enum { kExit = 93, kMmap = 222 };
enum { kReadWriteExecute = 7, kShared = 1 };

static void *mapInput(uint64_t bytes) {
  const int64_t address =
      systemCall(kMmap, 0, (int64_t)bytes, kReadWriteExecute, kShared, 0, 0);
  if (address < 0 && address > -4096) {
    systemCall(kExit, 3, 0, 0, 0, 0, 0);
  }
  return (void *)address;
}

void _start(void) {
  const struct ForeignJob *peek = mapInput(sizeof(struct ForeignJob));
  uint8_t *base = mapInput(peek->fileBytes);
  const struct ForeignJob *job = (const struct ForeignJob *)base;
  void *bindings[kForeignBindings];
  for (uint64_t i = 0; i < job->bindings; ++i) {
    bindings[i] = base + job->bindingAt[i];
  }
  AirBlockTable tables[kForeignGroups] = {{0, 0}, {0, 0}};
  tables[job->cacheGroup].pages = (const uint32_t *)(base + job->blockTableAt);
  tables[job->cacheGroup].stride = job->blockTableStride;
  const AirBatch batch = {job->tokens,
                          job->outputs,
                          (const int32_t *)(base + job->idsAt),
                          (const uint32_t *)(base + job->positionsAt),
                          (const uint32_t *)(base + job->sequencesAt),
                          (const uint32_t *)(base + job->outputRowsAt),
                          tables,
                          (const uint32_t *)(base + job->ropePositionsAt),
                          (const uint32_t *)(base + job->lengthsAt)};
  const AirDispatch dispatch = {&batch, bindings};
  const AirKernelFn kernel = (AirKernelFn)(base + job->entryAt);
  for (uint64_t tile = job->tiles; tile > 0; --tile) {
    kernel(&dispatch, tile - 1, tile, base + job->scratchAt);
  }
  systemCall(kExit, 0, 0, 0, 0, 0, 0);
}
