//===- RenderCommand.h - airrun render --------------------------*- C++ -*-===//
//
// Turns a conversation into the text that a model expects. The chat template
// comes from a plan, from a GGUF file, or from a file of its own. Reads no
// weights.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_AIRRUN_RENDERCOMMAND_H
#define AIRPACK_TOOLS_AIRRUN_RENDERCOMMAND_H

#include "formats/text/jinja/Template.h"
#include "tools/cli/CommandLine.h"

namespace air {

cli::Command renderCommand();

/// Runs the command and prints the text, or its token ids, to standard output.
/// Errors: Usage, Corrupt (a file is not the JSON that is expected),
/// Unsupported (there is no template), Io, and those of the readers and of the
/// template.
Status runRender(const cli::Invocation &invocation);

/// Parses a JSON array of objects, which error messages call `place`. All
/// strings are tainted. Fails with Corrupt.
Result<jinja::Value> parseObjects(std::string_view json,
                                  const std::string &place);

/// Today's date, in the local time zone.
jinja::Date today();

/// Parses a date such as "2024-07-26". Fails with Usage.
Result<jinja::Date> parseDate(const std::string &text);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_RENDERCOMMAND_H
