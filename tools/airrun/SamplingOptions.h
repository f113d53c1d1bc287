//===- SamplingOptions.h - the sampler on the command line ------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_SAMPLINGOPTIONS_H
#define AIRPACK_TOOLS_AIRRUN_SAMPLINGOPTIONS_H

#include "runtime/exec/Session.h"
#include "runtime/text/Sampler.h"
#include "tools/cli/CommandLine.h"

#include <vector>

namespace air {

/// The options from --temp to --seed.
std::vector<cli::Option> samplingOptions();

/// The values for the sampler: those of the command line, otherwise those of
/// the model, otherwise the defaults of the runtime.
rt::SamplerOptions samplerOptions(const cli::Invocation &invocation,
                                  const rt::Session &session);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_SAMPLINGOPTIONS_H
