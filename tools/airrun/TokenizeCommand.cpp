//===- TokenizeCommand.cpp - airrun tokenize --------------------*- C++ -*-===//
#include "tools/airrun/TokenizeCommand.h"

#include "formats/gguf/GgufReader.h"
#include "formats/model/CheckTokenizer.h"
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanReader.h"
#include "formats/support/CountText.h"
#include "formats/support/MonotonicClock.h"
#include "formats/support/Printable.h"
#include "formats/tokenizer/TokenizerConfig.h"
#include "formats/tokenizer/TokenizerFiles.h"
#include "tools/airrun/Common.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace air {
namespace {

/// Output is written in parts of about this many bytes.
constexpr size_t kPartBytes = size_t{1} << 20;

/// Accepts a JSON list of strings and nothing else. Passes on each string as
/// soon as it has been read.
class StringListReader final : public nlohmann::json_sax<nlohmann::json> {
public:
  using StringSink = rt::FunctionRef<Status(std::string text)>;

  explicit StringListReader(StringSink receiver) : sink(receiver) {}

  std::string failure;
  Status status; ///< the first error of the receiver

  bool start_array(size_t) override {
    if (opened) {
      return refuse("an array");
    }
    opened = true;
    return true;
  }
  bool end_array() override { return true; }
  bool string(string_t &value) override {
    if (!opened) {
      return refuse("one string");
    }
    ++count;
    status = sink(std::move(value));
    return status.isOk();
  }
  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_integer(number_integer_t) override { return refuse("a number"); }
  bool number_unsigned(number_unsigned_t) override {
    return refuse("a number");
  }
  bool number_float(number_float_t, const string_t &) override {
    return refuse("a number");
  }
  bool binary(binary_t &) override { return refuse("binary data"); }
  bool start_object(size_t) override { return refuse("an object"); }
  bool key(string_t &) override { return refuse("an object"); }
  bool end_object() override { return true; }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &) override {
    failure = "it is not valid JSON: the error is at byte " +
              std::to_string(position);
    return false;
  }

private:
  bool refuse(const char *what) {
    failure = opened
                  ? "entry " + std::to_string(count) + " is " + what +
                        ", not a string"
                  : std::string("it is ") + what + ", not an array of strings";
    return false;
  }

  StringSink sink;
  size_t count = 0; ///< strings that have been passed on
  bool opened = false;
};

/// Passes the strings of the JSON array in a file to `sink`, in order, until it
/// returns an error.
Status forEachString(const std::string &path,
                     StringListReader::StringSink sink) {
  AIR_ASSIGN_OR_RETURN(std::string text, readTextFile(path, textLimit()));
  StringListReader reader(sink);
  if (!nlohmann::json::sax_parse(text, &reader) && reader.status.isOk()) {
    return corruptError("strings file '" + path + "': " + reader.failure);
  }
  return reader.status;
}

/// Collects text and writes it to standard output in parts. After an error,
/// which flush() returns, nothing more is written.
class Out {
public:
  void add(std::string_view text) {
    part += text;
    if (part.size() >= kPartBytes) {
      write();
    }
  }
  bool hasFailed() const { return !status.isOk(); }
  Status flush() {
    write();
    return status;
  }

private:
  void write() {
    if (status.isOk()) {
      status = writeOut(part);
    }
    part.clear();
  }

  std::string part;
  Status status;
};

/// Prints ids as they are found.
class IdPrinter {
public:
  IdPrinter(const rt::Tokenizer &used, bool printsList, Out &target)
      : tokenizer(used), isList(printsList), out(target) {}

  Status print(std::string text, bool addBos, bool parseSpecial) {
    count = 0;
    first.clear();
    out.add(isList ? "[" : "");
    AIR_RETURN_IF_ERROR(tokenizer.consume(std::move(text), addBos, parseSpecial,
                                          [&](std::span<const int32_t> ids) {
                                            for (const int32_t id : ids) {
                                              add(id);
                                            }
                                          }));
    out.add(isList ? "]" : "");
    return Status::ok();
  }
  /// The first ids of the text that was printed last: at most two.
  std::span<const int32_t> beginning() const { return first; }

private:
  void add(int32_t id) {
    if (first.size() < 2) {
      first.push_back(id);
    }
    if (isList) {
      out.add(count++ == 0 ? "" : ",");
      out.add(std::to_string(id));
      return;
    }
    // A piece is printed in full, however long it is. Unprintable characters
    // and backslashes are printed as escapes (\xNN), so every backslash in the
    // output begins an escape.
    out.add(std::to_string(id) + "\t" +
            printable(tokenizer.piece(id, true), SIZE_MAX, "\\") + "\n");
  }

  const rt::Tokenizer &tokenizer;
  bool isList;
  Out &out;
  size_t count = 0;
  std::vector<int32_t> first;
};

/// Encodes `text` `times` times and prints the highest speed.
Status printRate(const rt::Tokenizer &tokenizer, const std::string &text,
                 bool addBos, bool parseSpecial, int64_t times, Out &out) {
  size_t count = 0;
  double best = 0;
  for (int64_t i = 0; i < times; ++i) {
    double start = monotonicSeconds();
    AIR_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                         tokenizer.tryEncode(text, addBos, parseSpecial));
    count = ids.size();
    double seconds = monotonicSeconds() - start;
    best = i == 0 ? seconds : std::min(best, seconds);
  }
  char rate[32];
  std::snprintf(rate, sizeof(rate), "%.1f",
                static_cast<double>(text.size()) / std::max(best, 1e-9) / 1e6);
  out.add(std::to_string(text.size()) + " bytes, " + countOf(count, "token") +
          ", " + rate + " MB/s\n");
  return Status::ok();
}

} // namespace

cli::Command tokenizeCommand() {
  cli::Command command;
  command.name = "tokenize";
  command.summary =
      "Tokenize text and print one token per line, its id and its piece. "
      "Without --prompt and --strings the text is read from standard input.";
  command.positionals = {
      {"PLAN|MODEL",
       "A plan or a GGUF file, whose vocabulary is used; or a vocabulary as "
       "for airpack --tokenizer, if the name ends in .json or .model or is "
       "that of a folder.",
       true}};
  command.options = {
      {.name = "--prompt",
       .shortName = "-p",
       .kind = cli::ValueKind::String,
       .valueName = "TEXT",
       .help = "The text to tokenize."},
      {.name = "--strings",
       .kind = cli::ValueKind::String,
       .valueName = "FILE",
       .help = "A file with a JSON array of strings to tokenize. Prints a JSON "
               "array that holds an array of ids for each of them. If "
               "the exit code is not 0, the output may be incomplete."},
      {.name = "--pre",
       .kind = cli::ValueKind::String,
       .valueName = "NAME",
       .help = "The pre-tokenizer of a folder with vocab.json and merges.txt, "
               "which do not name it. 'airpack --help' lists the names."},
      {.name = "--no-bos",
       .help =
           "Do not add the BOS and EOS tokens that the vocabulary specifies."},
      {.name = "--no-special",
       .help = "Tokenize the text of control tokens as ordinary text."},
      {.name = "--json",
       .help = "Print the ids as a JSON array. --strings always prints JSON."},
      {.name = "--time",
       .kind = cli::ValueKind::Integer,
       .valueName = "N",
       .help = "Tokenize the text N times on one core, and print only the "
               "speed of the fastest run, in MB/s.",
       .minimum = 1,
       .maximum = 1000}};
  command.examples = {"airrun tokenize story.air -p 'Once upon a time' --json",
                      "airrun tokenize model.gguf --strings texts.json"};
  return command;
}

Result<TokenizerData> readVocabulary(const std::string &path,
                                     const std::string &pre) {
  if (isTokenizerPath(path)) {
    AIR_ASSIGN_OR_RETURN(TokenizerData data, readTokenizer(path, pre));
    AIR_RETURN_IF_ERROR(readTokenizerConfig(path, data));
    AIR_RETURN_IF_ERROR(checkTokenizer(data));
    cli::printNotes(data.notes);
    return data;
  }
  if (!pre.empty()) {
    return usageError("--pre is only for a folder with vocab.json and "
                      "merges.txt, which do not say how text is split");
  }
  std::string_view magic;
  AIR_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  magic = {reinterpret_cast<const char *>(file.bytes().data()),
           file.bytes().size()};
  TokenizerData data;
  if (magic.starts_with("GGUF")) {
    AIR_ASSIGN_OR_RETURN(ModelSource source, readGguf(path));
    AIR_ASSIGN_OR_RETURN(data, readGgufTokenizer(source));
    cli::printNotes(data.notes);
  } else if (magic.starts_with(
                 std::string_view(reinterpret_cast<const char *>(kPlanMagic),
                                  sizeof(kPlanMagic)))) {
    AIR_ASSIGN_OR_RETURN(PlanFile plan, PlanFile::open(path));
    if (plan.plan().tokenizer() != nullptr) {
      data = fromPlan(*plan.plan().tokenizer());
    }
  } else {
    return corruptError("'" + path +
                        "' is neither a plan nor a GGUF file: it begins with "
                        "neither 'AIRPLAN' nor 'GGUF'");
  }
  return data;
}

Result<rt::Tokenizer> openTokenizer(const std::string &path,
                                    const std::string &pre) {
  AIR_ASSIGN_OR_RETURN(TokenizerData data, readVocabulary(path, pre));
  Result<rt::Tokenizer> tokenizer = rt::Tokenizer::create(std::move(data));
  if (!tokenizer.isOk()) {
    return tokenizer.status().withContext("'" + path + "'");
  }
  return tokenizer;
}

Status runTokenize(const cli::Invocation &invocation) {
  std::optional<std::string> stringsPath = invocation.text("--strings");
  std::optional<std::string> prompt = invocation.text("--prompt");
  if (stringsPath && prompt) {
    return usageError(
        "--prompt and --strings are both given; give only one of them");
  }
  std::optional<int64_t> times = invocation.integer("--time");
  if (times && (stringsPath || invocation.has("--json"))) {
    return usageError("--time prints no ids, so --strings and --json cannot be "
                      "given with it");
  }
  AIR_ASSIGN_OR_RETURN(rt::Tokenizer tokenizer,
                       openTokenizer(invocation.positionals.at(0),
                                     invocation.text("--pre").value_or("")));
  const bool addBos = !invocation.has("--no-bos");
  const bool parseSpecial = !invocation.has("--no-special");
  Out out;
  if (stringsPath) {
    IdPrinter printer(tokenizer, true, out);
    out.add("[");
    bool isFirst = true;
    AIR_RETURN_IF_ERROR(forEachString(*stringsPath, [&](std::string text) {
      out.add(std::exchange(isFirst, false) ? "" : ",\n ");
      AIR_RETURN_IF_ERROR(printer.print(std::move(text), addBos, parseSpecial));
      return out.hasFailed() ? out.flush() : Status::ok();
    }));
    out.add("]\n");
    return out.flush();
  }
  std::string text;
  if (prompt) {
    text = *std::move(prompt);
  } else {
    AIR_ASSIGN_OR_RETURN(text, readStandardInput(textLimit()));
  }
  if (times) {
    AIR_RETURN_IF_ERROR(
        printRate(tokenizer, text, addBos, parseSpecial, *times, out));
    return out.flush();
  }
  IdPrinter printer(tokenizer, invocation.has("--json"), out);
  AIR_RETURN_IF_ERROR(printer.print(std::move(text), addBos, parseSpecial));
  noteDoubledBos(tokenizer, printer.beginning());
  out.add(invocation.has("--json") ? "\n" : "");
  return out.flush();
}

} // namespace air
