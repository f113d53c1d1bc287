//===- SourceFiles.h - the model's files of a reference plan ----*- C++ -*-===//
//
// For each file that contains its weights, a reference plan records the name,
// the size, and the digest of the header, which contains the name, dtype, shape
// and offset of every tensor. open() finds the files and checks their sizes and
// headers. The weights themselves have a digest for each chunk.
//
// Ownership: a SourceFiles owns its open files. If a file is replaced by
// another one after open(), the original is still read. Thread-safety:
// immutable after open().
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_SOURCEFILES_H
#define AIRPACK_FORMATS_PLAN_SOURCEFILES_H

#include "formats/plan/PlanReader.h"
#include "formats/plan/ReferencedBytes.h"
#include "formats/support/MappedFile.h"
#include "formats/support/Status.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace air {

class SourceFiles {
public:
  /// Opens the model's files that a reference plan lists in Plan.sources.
  /// `place` is the folder that contains them, or "" for the folder of the
  /// plan. If the plan lists only one file, `place` may also be the path of
  /// that file, whatever its name. Errors: Io if a file cannot be opened;
  /// Corrupt if it is empty or not a regular file; VerificationFailed if the
  /// size of a file or the digest of its header differs from what the plan
  /// records; Usage if `place` is not a folder, but the plan lists several
  /// files.
  static Result<SourceFiles> open(const PlanFile &plan,
                                  const std::string &place);

  uint32_t count() const { return static_cast<uint32_t>(files.size()); }
  const MappedFile &file(uint32_t source) const { return files[source]; }

  /// Fills `to` with the bytes of file `source` from `offset` on, through the
  /// page cache. Errors: Io, also if the file has become too short.
  Status read(uint32_t source, uint64_t offset, std::span<uint8_t> to) const;

  /// Fails with Io if a file has been written to since it was opened.
  Status checkUnchanged() const;

private:
  std::vector<MappedFile> files;
};

/// A function that reads the files of a reference plan for a ReferencedBytes:
/// the plan's own file from its mapping, and the sources with
/// SourceFiles::read(). `plan` and `sources` must outlive the function.
ReadFile readerOf(const PlanFile &plan, const SourceFiles &sources);

/// Verifies the digests of all chunks of a segment for which isReferenced() is
/// true. `bytes` must have been created for the same plan. A few MiB, or one
/// larger chunk, are in memory at a time. Errors: VerificationFailed, and those
/// of SourceFiles::read().
Status verifyReferenced(const PlanFile &plan, const SourceFiles &sources,
                        const ReferencedBytes &bytes, uint32_t segment);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_SOURCEFILES_H
