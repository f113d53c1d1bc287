//===- GgufParser.h - one GGUF file's header --------------------*- C++ -*-===//
//
// This header is private to formats/gguf. parseFile() reads the metadata and
// the tensor index of one file. GgufReader combines the files of a split model.
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
  /// The tensors by name. Their field `file` is 0; the caller sets it.
  std::map<std::string, SourceTensor> tensors;
};

/// Parses the header of one GGUF file. The messages of errors do not contain
/// the file's name, which the caller adds.
Result<ParsedFile> parseFile(std::span<const uint8_t> bytes);

} // namespace air::gguf

#endif // AIRPACK_FORMATS_GGUF_GGUFPARSER_H
