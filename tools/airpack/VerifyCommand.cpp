//===- VerifyCommand.cpp - airpack verify ---------------------------------===//
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanFile.h"
#include "formats/plan/SourceFiles.h"
#include "formats/support/ByteText.h"
#include "tools/airpack/Commands.h"
#include "tools/cli/Output.h"
#include "tools/cli/ProgressBar.h"
#include "tools/cli/SourceOption.h"

#include <optional>

namespace air {

namespace {

const char *noteOf(const plan::Plan &plan) {
  if (plan.weightless()) {
    return ", weightless (no bytes of weights)";
  }
  return plan.reference() ? ", and the weights in the model's file" : "";
}

} // namespace

cli::Command verifyCommand() {
  cli::Command command;
  command.name = "verify";
  command.summary = "Check a plan against the rules of the format and against "
                    "its digests, which cover every byte.";
  command.positionals = {{"PLAN", "The plan to check.", true}};
  command.options = {cli::sourceOption()};
  command.examples = {"airpack verify model.air"};
  return command;
}

Status runVerify(const cli::Invocation &invocation) {
  AIR_ASSIGN_OR_RETURN(PlanFile file,
                       PlanFile::open(invocation.positionals.front()));
  const std::optional<std::string> place = invocation.text("--source");
  std::optional<SourceFiles> sources;
  std::optional<ReferencedBytes> referenced;
  if (file.plan().reference()) {
    AIR_ASSIGN_OR_RETURN(sources, SourceFiles::open(file, place.value_or("")));
    referenced.emplace(file.plan());
  } else if (place) {
    return cli::noSourceNeeded(file.name());
  }
  const auto &segments = *file.plan().segments();
  uint64_t total = 0;
  for (const plan::Segment *segment : segments) {
    total += digestedBytes(file.plan(), *segment);
  }
  {
    cli::ProgressBar bar("verifying");
    uint64_t done = 0;
    for (uint32_t i = 0; i < segments.size(); ++i) {
      AIR_RETURN_IF_ERROR(file.isReferenced(i)
                              ? verifyReferenced(file, *sources, *referenced, i)
                              : file.verifySegment(i, PagesAfter::Drop));
      done += digestedBytes(file.plan(), *segments.Get(i));
      bar.update(done, total);
    }
  }
  return cli::writeOut("ok: " + std::to_string(segments.size()) +
                       " segments, " + byteText(file.bytes().size()) +
                       noteOf(file.plan()) + "\n");
}

} // namespace air
