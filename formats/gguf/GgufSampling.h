//===- GgufSampling.h - the general.sampling.* keys -------------*- C++ -*-===//
//
// The names of the keys are those in gguf/constants.py of gguf 0.19 on PyPI
// (Keys.General). readSampling() (formats/model/ReadSampling.h) checks the
// values.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H
#define AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H

#include "formats/model/ModelSource.h"
#include "formats/model/SamplingDefaults.h"

#include <string>
#include <vector>

namespace air {

/// Reads the sampler settings that the file recommends. Appends a sentence to
/// `notes` for each key of a known setting that is ignored.
SamplingDefaults readGgufSampling(const ModelSource &source,
                                  std::vector<std::string> &notes);

} // namespace air

#endif // AIRPACK_FORMATS_GGUF_GGUFSAMPLING_H
