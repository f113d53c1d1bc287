//===- Common.cpp - options, input and output of airrun ---------*- C++ -*-===//
#include "tools/airrun/Common.h"

#include "formats/plan/PlanConvert.h"
#include "formats/support/CheckedMath.h"
#include "formats/support/CountText.h"
#include "formats/support/Printable.h"
#include "formats/support/Utf8.h"
#include "runtime/hal/cpu/ThreadPool.h"
#include "runtime/hal/cuda/CudaGpu.h"
#include "runtime/io/DiskStream.h"
#include "runtime/text/Detokenizer.h"
#include "tools/airrun/PlacementNote.h"
#include "tools/airrun/PlanTarget.h"
#include "tools/cli/ByteSize.h"
#include "tools/cli/ProbeFile.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>

namespace air {

/// The longest text, in bytes, that is read at once. Processing a text takes
/// up to about three times its size in memory.
static constexpr uint64_t kLongestText = uint64_t{1} << 26;
// A conversation that fills a context of a million tokens has some 4 MB.
static constexpr uint64_t kLongestParsedText = uint64_t{1} << 24;

cli::Positional planPositional() {
  return {.name = "PLAN|MODEL",
          .help = "The plan to run, or a GGUF file (for a split model, its "
                  "first part), whose plan is made if there is none yet."};
}

cli::Option threadsOption() {
  return {.name = "--threads",
          .kind = cli::ValueKind::Integer,
          .valueName = "N",
          .help = "Number of compute threads. Results do not depend on it.",
          .defaultText =
              "the plan's number of threads, but at most one per core, and no "
              "more than a cgroup's CPU quota pays for",
          .minimum = 1,
          .maximum = rt::ThreadPool::kMaxThreads};
}

cli::Option deviceOption() {
  return {.name = "--device",
          .kind = cli::ValueKind::String,
          .valueName = "DEVICE",
          .help =
              "The device that runs the kernels: cpu, or a GPU, given as its "
              "number (from 0) or a part of its name, such as rtx3060. For a "
              "plan, it must be of a kind that the plan was made for. For a "
              "model, it must be cpu or the GPU that 'airrun probe --save' "
              "measured, and --threads implies cpu. By default, a plan for "
              "the CPU runs on the CPU. A plan for a GPU runs on the GPU most "
              "like the one that it was made for; if no GPU is like it, on "
              "the first that can run its kernels. A plan with several "
              "targets runs on the GPU that suits one of them best; if no GPU "
              "does, on the CPU. A model runs on the GPU that was measured; "
              "if none was, or if no plan can be made for it, on the CPU."};
}

cli::Option ramOption() {
  return {.name = "--ram",
          .kind = cli::ValueKind::String,
          .valueName = "SIZE",
          .help = "The memory that may be used, in bytes or with KiB, MiB or "
                  "GiB. A plan may support several amounts of memory; airrun "
                  "uses the largest that is at most SIZE and that is free.",
          .defaultText = "what the machine and the memory cgroup allow, less "
                         "what other processes use"};
}

cli::Option ioOption() {
  return {.name = "--io",
          .kind = cli::ValueKind::Choice,
          .valueName = "METHOD",
          .help =
              "How to read the weights that do not stay in memory: uring "
              "(io_uring, bypassing the page cache), pread (threads, bypassing "
              "the page cache) or buffered (threads, through the page cache).",
          .defaultText = "the fastest that 'airrun probe --save' has found, or "
                         "else the first that the system supports",
          .choices = {"uring", "pread", "buffered"}};
}

cli::Option ioLimitOption() {
  return {
      .name = "--io-limit",
      .kind = cli::ValueKind::String,
      .valueName = "RATE",
      .help =
          "Read at most RATE bytes of weights per second from the disk, which "
          "leaves the rest of its bandwidth to others. RATE may have one of "
          "the units KiB, MiB and GiB, as in 500MiB.",
      .defaultText = "no limit"};
}

cli::Option jsonOption() {
  return {.name = "--json", .help = "Print one JSON object."};
}

cli::Option tokensOption() {
  return {.name = "--tokens",
          .kind = cli::ValueKind::String,
          .valueName = "IDS",
          .help = "The input as token ids, separated by commas. No BOS or "
                  "other token is added."};
}

Result<std::vector<int32_t>> parseTokens(std::string_view text) {
  std::vector<int32_t> tokens;
  while (true) {
    size_t comma = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, comma);
    size_t begin = part.find_first_not_of(' ');
    size_t end = part.find_last_not_of(' ');
    part = begin == std::string_view::npos
               ? std::string_view()
               : part.substr(begin, end - begin + 1);
    int32_t id = 0;
    auto [stop, error] =
        std::from_chars(part.data(), part.data() + part.size(), id);
    if (part.empty() || error != std::errc() ||
        stop != part.data() + part.size() || id < 0) {
      return usageError("--tokens: entry " + std::to_string(tokens.size()) +
                        " is '" + std::string(part) +
                        "', not a token id; give ids separated by commas");
    }
    tokens.push_back(id);
    if (comma == text.size()) {
      return tokens;
    }
    text.remove_prefix(comma + 1);
  }
}

rt::CudaChoice gpuChoice(const cli::Invocation &invocation,
                         const plan::Device &record) {
  return {.device = invocation.text("--device").value_or(""),
          .arch = record.arch()->str(),
          .ptxArch =
              record.ptx_arch() == nullptr ? "" : record.ptx_arch()->str(),
          .likeName = record.name()->str(),
          .likeMultiprocessors = record.multiprocessors()};
}

/// Makes the runtime that opens the devices on which a command's sessions run.
static std::shared_ptr<rt::Runtime>
makeRuntime(const cli::Invocation &invocation) {
  return std::make_shared<rt::Runtime>([invocation](const plan::Device &record)
                                           -> Result<std::unique_ptr<rt::Gpu>> {
    if (invocation.text("--device") == kCpuDevice) {
      return usageError("--device cpu: the kernels of this plan run on "
                        "GPU '" +
                        record.name()->str() +
                        "'; leave out --device, or pack the model for a "
                        "CPU");
    }
    return rt::CudaGpu::open(gpuChoice(invocation, record));
  });
}

Result<rt::Session> openSession(const cli::Invocation &invocation) {
  rt::SessionOptions options;
  options.threads =
      static_cast<uint32_t>(invocation.integer("--threads").value_or(0));
  AIR_ASSIGN_OR_RETURN(std::optional<uint64_t> ram, cli::ramOf(invocation));
  options.ram = ram.value_or(0);
  AIR_ASSIGN_OR_RETURN(const std::optional<uint64_t> ioLimit,
                       cli::byteSizeOf(invocation, "--io-limit"));
  if (ioLimit == uint64_t{0}) {
    return usageError("--io-limit: nothing can be read at 0 bytes per second; "
                      "give a rate above 0, or leave the option out");
  }
  options.readLimit = ioLimit.value_or(0);
  for (const char *name : {"--io-limit", "--io"}) {
    options.readOption = invocation.has(name) ? name : options.readOption;
  }
  options.source = invocation.text("--source").value_or("");
  options.randomWeights = invocation.has("--random-weights");
  const std::optional<std::string> device = invocation.text("--device");
  options.target = [&](const PlanFile &file) {
    return chooseTarget(file, device.value_or(""));
  };
  options.runtime = makeRuntime(invocation);
  if (const std::optional<std::string> io = invocation.text("--io")) {
    // The parser has accepted only names of known methods.
    options.reading.method = ioMethodOf(*io).value_or(IoMethod::Uring);
  } else if (Result<DiskRate> saved = cli::savedDiskRate()) {
    options.reading = *saved;
  } else {
    cli::printNotes({saved.status().message()});
  }
  AIR_ASSIGN_OR_RETURN(
      rt::Session session,
      rt::Session::open(invocation.positionals.at(0), options));
  if (device && device != kCpuDevice && session.gpu() == nullptr) {
    return usageError("--device: the kernels of this plan run on the CPU; "
                      "leave out --device, or pack the model for a GPU");
  }
  if (session.sources() != nullptr && invocation.text("--io") == "uring") {
    return usageError("--io uring is not supported for plans that were made "
                      "with --reference; give pread or buffered, or leave out "
                      "--io");
  }
  if (const rt::DiskStream *store = session.streaming();
      store != nullptr && !store->note().empty()) {
    cli::printNotes({store->note()});
  }
  if (const std::string note = placementNote(session); !note.empty()) {
    cli::printNotes({note});
  }
  if (!options.readOption.empty() && session.streaming() == nullptr) {
    cli::printNotes({options.readOption +
                     " has no effect, because all weights of this plan stay in "
                     "memory"});
  }
  return session;
}

Result<std::optional<rt::Tokenizer>> planTokenizer(const rt::Session &session) {
  const plan::Tokenizer *record = session.plan().tokenizer();
  if (record == nullptr || record->kind() == plan::TokenizerKind::None) {
    return std::optional<rt::Tokenizer>();
  }
  AIR_ASSIGN_OR_RETURN(rt::Tokenizer tokenizer,
                       rt::Tokenizer::create(fromPlan(*record)));
  return std::optional<rt::Tokenizer>(std::move(tokenizer));
}

TextLimit promptLimit(const rt::Session &session,
                      const rt::Tokenizer &tokenizer) {
  uint64_t each = tokenizer.longestText();
  std::optional<uint64_t> bytes = checkedMul(session.context(), each);
  if (!bytes || *bytes > kLongestText) {
    return textLimit();
  }
  return {*bytes, "but the plan's context holds only " +
                      countOf(session.context(), "token") + " of at most " +
                      std::to_string(each) +
                      " bytes each; shorten the text, or set a larger --ctx "
                      "(in airpack for a plan, in airrun for a model file)"};
}

TextLimit textLimit() {
  return {kLongestText, "but at most " + std::to_string(kLongestText) +
                            " bytes can be processed at once; split the text"};
}

TextLimit parsedTextLimit() {
  return {kLongestParsedText,
          "but JSON, a template or a grammar may have at most " +
              std::to_string(kLongestParsedText) + " bytes; shorten it"};
}

static Status tooLong(const std::string &name, const std::string &size,
                      const TextLimit &limit) {
  return doesNotFitError(name + " has " + size + " bytes, " + limit.why);
}

/// Reads the rest of a stream; `name` is its name in error messages.
static Result<std::string> readAll(std::FILE *stream, const std::string &name,
                                   const TextLimit &limit) {
  std::string text;
  struct stat status = {};
  if (fstat(fileno(stream), &status) == 0 && S_ISREG(status.st_mode)) {
    // The stream need not be at the beginning of the file.
    const off_t at = std::max<off_t>(ftello(stream), 0);
    const auto size =
        static_cast<uint64_t>(std::max<off_t>(status.st_size - at, 0));
    if (size > limit.bytes) {
      return tooLong(name, std::to_string(size), limit);
    }
    text.reserve(size);
  }
  char buffer[65536];
  size_t got = 0;
  while ((got = std::fread(buffer, 1, sizeof buffer, stream)) != 0) {
    if (got > limit.bytes - text.size()) {
      return tooLong(name, "more than " + std::to_string(limit.bytes), limit);
    }
    text.append(buffer, got);
  }
  if (std::ferror(stream) != 0) {
    return ioError("cannot read " + name + ": " + std::strerror(errno));
  }
  return text;
}

Result<std::string> readTextFile(const std::string &path,
                                 const TextLimit &limit) {
  // The file is read instead of mapped, since it may be a pipe: -f <(command).
  std::FILE *stream = std::fopen(path.c_str(), "re");
  if (stream == nullptr) {
    return ioError("cannot open '" + path + "': " + std::strerror(errno));
  }
  Result<std::string> text = readAll(stream, "'" + path + "'", limit);
  std::fclose(stream);
  return text;
}

Result<std::string> readStandardInput(const TextLimit &limit) {
  return readAll(stdin, "standard input", limit);
}

std::string validText(std::string text, const char *what) {
  if (isWellFormed(text)) {
    return text;
  }
  std::string valid;
  if (rt::appendValidUtf8(text, valid) != 0) {
    valid += "\xEF\xBF\xBD";
  }
  cli::printNotes({format("the %s is not valid UTF-8; the invalid parts are "
                          "replaced by U+FFFD",
                          what)});
  return valid;
}

bool isReadTwice(const std::string &path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) ||
         !std::filesystem::exists(path, error);
}

uint64_t tokensOfModel(const ModelSource &source) {
  const SourceTensor *table = source.find("token_embd.weight");
  return table == nullptr || table->shape.empty() ? 0 : table->shape[0];
}

Status checkTokensOption(const cli::Invocation &invocation,
                         const ModelSource &source) {
  const std::optional<std::string> text = invocation.text("--tokens");
  const uint64_t count = tokensOfModel(source);
  if (!text || count == 0) {
    return Status::ok();
  }
  AIR_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, parseTokens(*text));
  for (size_t i = 0; i < ids.size(); ++i) {
    if (static_cast<uint64_t>(ids[i]) >= count) {
      return usageError("--tokens: token " + std::to_string(ids[i]) +
                        " at index " + std::to_string(i) +
                        " is outside the vocabulary of " +
                        countOf(count, "token"));
    }
  }
  return Status::ok();
}

void noteDoubledBos(const rt::Tokenizer &tokenizer,
                    std::span<const int32_t> ids) {
  if (tokenizer.addsBos() && ids.size() >= 2 && ids[0] == tokenizer.bos() &&
      ids[1] == tokenizer.bos()) {
    std::string bos = inQuotes(tokenizer.piece(tokenizer.bos(), true));
    cli::printNotes({"the text begins with " + bos +
                     ", but the tokenizer adds this token itself; leave it out "
                     "of the text"});
  }
}

} // namespace air
