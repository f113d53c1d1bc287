//===- SamplingOptions.h - the options of the samplers ----------*- C++ -*-===//
//
// The sampling options, which all commands that generate text have.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_SAMPLINGOPTIONS_H
#define AIRPACK_TOOLS_AIRRUN_SAMPLINGOPTIONS_H

#include "formats/model/ModelSource.h"
#include "formats/model/SamplingDefaults.h"
#include "runtime/text/SamplerOptions.h"
#include "tools/cli/CommandLine.h"

#include <vector>

namespace air {

std::vector<cli::Option> samplingOptions();

/// Returns the options of the samplers. Each has the value that the command
/// line gives; if it gives none, the value that the model recommends; and if
/// the model recommends none, the default of the runtime. If the model
/// recommends penalties over the whole context, they cover `context` tokens.
/// Errors: Usage if a value is malformed, or if an option that was given would
/// have no effect, for example because its sampler is not in the chain or is
/// turned off.
Result<rt::SamplerOptions> samplerOptions(const cli::Invocation &invocation,
                                          const SamplingDefaults &model,
                                          uint64_t context);

/// Fails with Usage if samplerOptions() would fail for every model. This finds
/// mistakes before the model is read.
Status checkSamplingOptions(const cli::Invocation &invocation);
/// Finds the mistakes that depend on the model, before its plan is made: the
/// errors of samplerOptions() and of rt::checkSamplerOptions().
Status checkSamplingOfModel(const cli::Invocation &invocation,
                            const ModelSource &source);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_SAMPLINGOPTIONS_H
