//===- OrderedWork.h - make pieces in parallel, use them in order ---------===//
//
// runOrdered() divides work into pieces of output. `make` fills the buffer of
// one piece and is called on up to `threads` threads at a time. `use` receives
// the pieces on the calling thread in order (0, 1, 2, ...), whatever `threads`
// is. At most 2 * threads pieces exist at a time, so memory is bounded. If the
// system refuses to start some of the threads, fewer threads make the pieces;
// if it starts none, the calling thread makes them, too.
//
// Errors: runOrdered() returns the first error of `use` and uses no piece after
// it.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_EMIT_ORDEREDWORK_H
#define AIRPACK_COMPILER_EMIT_ORDEREDWORK_H

#include "formats/support/Status.h"

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace air::compiler {

using MakePiece = std::function<void(uint64_t index, std::vector<uint8_t> &)>;
using UsePiece =
    std::function<Status(uint64_t index, std::span<const uint8_t>)>;

Status runOrdered(uint64_t pieces, unsigned threads, const MakePiece &make,
                  const UsePiece &use);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_EMIT_ORDEREDWORK_H
