//===- VerifyCommand.cpp - airpack verify ---------------------------------===//
#include "formats/plan/PlanEncode.h"
#include "formats/plan/PlanFile.h"
#include "formats/plan/SourceFiles.h"
#include "formats/support/ByteText.h"
#include "formats/support/CountText.h"
#include "tools/airpack/Commands.h"
#include "tools/airpack/TargetReports.h"
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
                    "its digests.";
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
  if (file.plan().reference()) {
    AIR_ASSIGN_OR_RETURN(sources, SourceFiles::open(file, place.value_or("")));
  } else if (place) {
    return cli::noSourceNeeded(file.name());
  }
  uint64_t total = 0;
  uint64_t segments = 0;
  const auto bytesOf = [&](uint32_t index) {
    return digestedBytes(file.plan(), *file.plan().segments()->Get(index));
  };
  AIR_RETURN_IF_ERROR(forEachSegment(file, [&](uint32_t index) {
    total += bytesOf(index);
    ++segments;
    return Status::ok();
  }));
  {
    cli::ProgressBar bar("verifying");
    uint64_t done = 0;
    // In a reference plan, each target states for itself which rows of the
    // model's files its segments consist of. So `referenced` is made again
    // for each target that forEachSegment() chooses.
    std::optional<ReferencedBytes> referenced;
    const plan::Plan *described = nullptr;
    AIR_RETURN_IF_ERROR(forEachSegment(file, [&](uint32_t index) -> Status {
      if (file.isReferenced(index)) {
        if (described != &file.plan()) {
          described = &file.plan();
          referenced.emplace(*described);
        }
        AIR_RETURN_IF_ERROR(
            verifyReferenced(file, *sources, *referenced, index));
      } else {
        AIR_RETURN_IF_ERROR(file.verifySegment(index, PagesAfter::Drop));
      }
      done += bytesOf(index);
      bar.update(done, total);
      return Status::ok();
    }));
  }
  return cli::writeOut(
      "ok: " + countOf(segments, "segment") + ", " +
      byteText(file.bytes().size()) +
      (file.targets() == 1 ? "" : ", " + countOf(file.targets(), "target")) +
      noteOf(file.plan()) + "\n");
}

} // namespace air
