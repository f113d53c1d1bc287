//===- LogitsCommand.cpp - every token's logits into a file -----*- C++ -*-===//
#include "tools/airrun/LogitsCommand.h"

#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "tools/airrun/Common.h"
#include "tools/cli/OutputFile.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace air {

static_assert(std::endian::native == std::endian::little,
              "the file is little-endian and written in place");

cli::Command logitsCommand() {
  cli::Command command;
  command.name = "logits";
  command.summary =
      "Write the logits that follow each input token to a file: little-endian "
      "float32, one row of vocabulary size per token.";
  command.positionals = {planPositional()};
  command.options = {
      tokensOption(),
      {.name = "--output",
       .shortName = "-o",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "The file to write. Both --tokens and --output are required."},
      {.name = "--batch",
       .kind = cli::ValueKind::Integer,
       .valueName = "M",
       .help = "Process M tokens per pass.",
       .defaultText = "the most that the plan allows",
       .minimum = 1,
       .maximum = 4294967295.0},
      threadsOption(),
      deviceOption(),
      ramOption(),
      ioOption(),
      ioLimitOption(),
      cli::sourceOption()};
  command.examples = {"airrun logits story.air --tokens 1,42,7 -o logits.f32"};
  return command;
}

Status runLogits(const cli::Invocation &invocation) {
  std::optional<std::string> text = invocation.text("--tokens");
  std::optional<std::string> path = invocation.text("--output");
  if (!text || !path) {
    return usageError(std::string(text ? "--output" : "--tokens") +
                      " is missing; give --tokens IDS and -o FILE");
  }
  AIR_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, parseTokens(*text));
  AIR_ASSIGN_OR_RETURN(AtomicFile file, cli::openOutput(*path));
  AIR_ASSIGN_OR_RETURN(rt::Session session, openSession(invocation));
  if (tokens.size() > session.context()) {
    return doesNotFitError("--tokens: " + std::to_string(tokens.size()) +
                           " tokens exceed the plan's context of " +
                           std::to_string(session.context()) +
                           "; give fewer tokens, or set a larger --ctx (in "
                           "airpack for a plan, in airrun for a model file)");
  }
  uint64_t rowBytes = session.vocabulary() * sizeof(float);
  std::optional<uint64_t> bytes = checkedMul(tokens.size(), rowBytes);
  if (!bytes) {
    return doesNotFitError("--output: the size of " +
                           countOf(tokens.size(), "row") + " of " +
                           std::to_string(rowBytes) +
                           " bytes does not fit in 64 bits; give fewer tokens");
  }
  AIR_RETURN_IF_ERROR(file.reserve(*bytes));
  AIR_ASSIGN_OR_RETURN(rt::SequenceId sequence, session.newSequence());
  size_t batch = static_cast<size_t>(invocation.integer("--batch").value_or(
      static_cast<int64_t>(session.maxTokens())));
  batch = std::min(batch, tokens.size());
  std::vector<rt::SequenceId> sequences(batch, sequence);
  std::vector<uint32_t> outputs(batch);
  std::iota(outputs.begin(), outputs.end(), 0U);
  for (size_t done = 0; done < tokens.size(); done += batch) {
    size_t count = std::min(batch, tokens.size() - done);
    auto sink = [&](uint64_t first, std::span<const float> rows) {
      return file.writeAt(
          (done + first) * rowBytes,
          {reinterpret_cast<const uint8_t *>(rows.data()), rows.size_bytes()});
    };
    AIR_RETURN_IF_ERROR(session.run({std::span(tokens).subspan(done, count),
                                     std::span(sequences).first(count),
                                     std::span(outputs).first(count)},
                                    sink));
  }
  AIR_RETURN_IF_ERROR(session.checkPlanUnchanged());
  return file.commit(*bytes);
}

} // namespace air
