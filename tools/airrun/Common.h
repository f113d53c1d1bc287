//===- Common.h - what airrun's commands share ------------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_COMMON_H
#define AIRPACK_TOOLS_AIRRUN_COMMON_H

#include "formats/model/ModelSource.h"
#include "runtime/exec/Session.h"
#include "runtime/hal/cuda/CudaDriver.h"
#include "runtime/text/Tokenizer.h"
#include "tools/cli/CommandLine.h"
#include "tools/cli/Output.h"
#include "tools/cli/SourceOption.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace air {

cli::Positional planPositional();
cli::Option threadsOption();
cli::Option deviceOption();
/// The value of --device that means the CPU.
inline constexpr std::string_view kCpuDevice = "cpu";
// --ram and --io, for commands that open a session.
cli::Option ramOption();
cli::Option ioOption();
cli::Option ioLimitOption();
cli::Option jsonOption();
cli::Option tokensOption();

/// Parses "1,2,3"; spaces around ids are allowed. A Usage error names the entry
/// that is not an id.
Result<std::vector<int32_t>> parseTokens(std::string_view text);

/// Opens the plan that the command line names, as the options --threads,
/// --device, --ram, --io, --io-limit, --source and --random-weights ask. Prints
/// a note if the disk is not read in the way that --io names, if --io or
/// --io-limit has no effect, or if placementNote() returns one. Errors: those
/// of rt::Session::open(); Usage for a wrong value, and for an option that does
/// not apply to the plan:
/// - --threads if the plan uses a GPU and the CPU runs no step
/// - --io and --io-limit if the plan uses a GPU and no placement reads weights
///   from the disk
/// - a GPU as the value of --device if the plan is for the CPU
/// - --io uring if the plan is a reference plan
Result<rt::Session> openSession(const cli::Invocation &invocation);

/// The GPU that --device chooses for a plan that was made for `record`.
rt::CudaChoice gpuChoice(const cli::Invocation &invocation,
                         const plan::Device &record);

/// The plan's tokenizer, or nothing if the plan has no vocabulary.
Result<std::optional<rt::Tokenizer>> planTokenizer(const rt::Session &session);

/// The size of the largest text that is read, and what the error message says
/// about a larger text.
struct TextLimit {
  uint64_t bytes;
  /// The end of the message "'FILE' has N bytes, ...": why that is too much,
  /// and what to do.
  std::string why;
};

/// The limit for a prompt. A longer text cannot fit in the context, whatever
/// its tokens are.
TextLimit promptLimit(const rt::Session &session,
                      const rt::Tokenizer &tokenizer);
/// The limit for a text that need not fit in the context.
TextLimit textLimit();
/// The limit for JSON, templates and grammars. They are parsed as a whole, and
/// then take several times as much memory as their text.
TextLimit parsedTextLimit();

/// Reads a whole file, which may be a pipe. If the text exceeds the limit,
/// stops reading and returns a DoesNotFit error.
Result<std::string> readTextFile(const std::string &path,
                                 const TextLimit &limit);
Result<std::string> readStandardInput(const TextLimit &limit);

/// Returns `text` with each ill-formed part (a maximal subpart as defined in
/// Unicode 15, section 3.9) replaced by U+FFFD. Prints a note if it replaces
/// any; `what` names the text in the note.
std::string validText(std::string text, const char *what);

/// Whether a file can be read twice with the same result. A pipe can be read
/// only once.
bool isReadTwice(const std::string &path);

/// Finds mistakes in --tokens before a plan of the model is made: Usage for a
/// token that the model does not have.
Status checkTokensOption(const cli::Invocation &invocation,
                         const ModelSource &source);

/// The number of tokens of the model, or 0 if it has no table of them.
uint64_t tokensOfModel(const ModelSource &source);

/// Prints a note if a prompt begins with BOS and the vocabulary adds another.
void noteDoubledBos(const rt::Tokenizer &tokenizer,
                    std::span<const int32_t> ids);

using cli::format;
using cli::writeOut;

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_COMMON_H
