//===- GenerateCommand.h - airrun PLAN: continue a text ---------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_GENERATECOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_GENERATECOMMAND_H

#include "formats/model/ModelSource.h"
#include "tools/cli/CommandLine.h"

namespace air {

/// The main command of airrun, which has no name: `airrun PLAN`.
cli::Command generateCommand();

/// Finds mistakes that can be seen without the plan. Errors: Usage; Io if the
/// file of --file does not exist; those of checkTemplateFile().
Status checkGenerate(const cli::Invocation &invocation);

/// Finds mistakes that depend on the model. Errors: those of
/// checkTokensOption(), checkSamplingOfModel(), checkTemplateOfModel(),
/// openTemplate() and grammarOfAnswer().
Status checkGenerateModel(const cli::Invocation &invocation,
                          const ModelSource &source);

/// Streams the generated text or ids to standard output and writes timings to
/// standard error. checkGenerate() must have returned Ok. Errors: Usage,
/// Unsupported (text from a plan without a vocabulary), DoesNotFit (a prompt
/// longer than promptLimit()), Io, and those of Session, Generator,
/// openTemplate() and grammarOfAnswer().
Status runGenerate(const cli::Invocation &invocation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_GENERATECOMMAND_H
