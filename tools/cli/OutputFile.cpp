//===- OutputFile.cpp - the file that -o names ----------------------------===//
#include "tools/cli/OutputFile.h"

#include "tools/cli/Output.h"

namespace air::cli {

Result<AtomicFile> openOutput(const std::string &path) {
  AIR_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  printNotes(file.notes());
  return file;
}

} // namespace air::cli
