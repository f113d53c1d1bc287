//===- GgufSampling.h - the general.sampling.* keys -------------*- C++ -*-===//
//
// Names of the keys: gguf/constants.py of gguf 0.19 on PyPI (Keys.General).
// They recommend; a value that makes no sense, or asks for a sampler that there
// is not (xtc, mirostat, another order), is a note and no error.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H
#define AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H

#include "formats/model/ModelSource.h"
#include "formats/model/SamplingDefaults.h"

#include <string>
#include <vector>

namespace air {

/// What is ignored is appended to `notes`, one sentence each.
SamplingDefaults readGgufSampling(const ModelSource &source,
                                  std::vector<std::string> &notes);

} // namespace air

#endif // AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H
