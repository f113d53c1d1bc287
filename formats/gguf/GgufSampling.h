//===- GgufSampling.h - the general.sampling.* keys -------------*- C++ -*-===//
//
// Names of the keys: gguf/constants.py of gguf 0.19 on PyPI (Keys.General). The
// keys are recommendations. A value that makes no sense, or that requires an
// unsupported sampler (xtc, mirostat, another order), results in a note, not an
// error.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H
#define AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H

#include "formats/model/ModelSource.h"
#include "formats/model/SamplingDefaults.h"

#include <string>
#include <vector>

namespace air {

/// Appends a sentence to `notes` for each key that is ignored.
SamplingDefaults readGgufSampling(const ModelSource &source,
                                  std::vector<std::string> &notes);

} // namespace air

#endif // AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H
