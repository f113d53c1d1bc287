//===- VerifyCommand.cpp - airpack verify ---------------------------------===//
#include "formats/plan/PlanFile.h"
#include "formats/support/ByteText.h"
#include "tools/airpack/Commands.h"
#include "tools/cli/Output.h"
#include "tools/cli/ProgressBar.h"

namespace air {

cli::Command verifyCommand() {
  cli::Command command;
  command.name = "verify";
  command.summary = "Check a plan against the rules of the format and against "
                    "its digests, which cover every byte.";
  command.positionals = {{"PLAN", "The plan to check.", true}};
  command.examples = {"airpack verify model.air"};
  return command;
}

Status runVerify(const cli::Invocation &invocation) {
  AIR_ASSIGN_OR_RETURN(PlanFile file,
                       PlanFile::open(invocation.positionals.front()));
  const auto &segments = *file.plan().segments();
  {
    cli::ProgressBar bar("verifying");
    for (uint32_t i = 0; i < segments.size(); ++i) {
      AIR_RETURN_IF_ERROR(file.verifySegment(i, PagesAfter::Drop));
      bar.update(segments.Get(i)->offset() + segments.Get(i)->stored_bytes(),
                 file.bytes().size());
    }
  }
  const char *note =
      file.plan().weightless() ? ", weightless (no bytes of weights)" : "";
  return cli::writeOut("ok: " + std::to_string(segments.size()) +
                       " segments, " + byteText(file.bytes().size()) + note +
                       "\n");
}

} // namespace air
