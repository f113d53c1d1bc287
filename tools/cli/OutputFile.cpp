//===- OutputFile.cpp - the file that -o names ----------------------------===//
#include "tools/cli/OutputFile.h"

#include "tools/cli/Output.h"

#include <cstdio>

namespace air::cli {

Result<AtomicFile> openOutput(const std::string &toolName,
                              const std::string &path) {
  AIR_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::create(path));
  for (const std::string &note : file.notes()) {
    std::fprintf(stderr, "%s: note: %s\n", toolName.c_str(),
                 oneLine(note).c_str());
  }
  return file;
}

} // namespace air::cli
