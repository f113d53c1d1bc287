//===- GgufParser.h - one GGUF file's header --------------------*- C++ -*-===//
//
// Private to formats/gguf. Reads the metadata and the tensor index of one file.
// GgufReader combines the files of a split model.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_GGUF_GGUFPARSER_H
#define AIRPACK_FORMATS_GGUF_GGUFPARSER_H

#include "formats/model/ModelSource.h"

#include <string_view>

namespace air::gguf {

struct ParsedFile {
  uint32_t version = 0;
  std::map<std::string, MetadataValue> metadata;
  std::map<std::string, SourceTensor> tensors; ///< `file` is left 0
};

/// Messages are not prefixed with the file's name.
Result<ParsedFile> parseFile(std::span<const uint8_t> bytes);

} // namespace air::gguf

#endif // AIRPACK_FORMATS_GGUF_GGUFPARSER_H
