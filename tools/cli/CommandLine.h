//===- CommandLine.h - one table: parsing, --help, man page -----*- C++ -*-===//
//
// A tool describes its commands and options in one table. The parser, `--help`,
// the completions of shells (`--completion SHELL`), the man page (roff on
// stdout, by the hidden option `--man`) and docs/cli.md are made from it.
//
// A value is written as "--name value", "--name=value", "-n value", "-nvalue"
// or "-n=value"; "--" ends the options, and options and arguments may come in
// any order. That is getopt's convention, except for the '=' after a short
// name, which getopt would make part of the value. An unknown option, the
// repetition of an option that is not a StringList, a missing value, or a value
// outside its range is a Usage error of one line that names the option, quotes
// what was typed, and suggests the nearest known name.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_TOOLS_CLI_COMMANDLINE_H
#define AIRPACK_TOOLS_CLI_COMMANDLINE_H

#include "formats/support/Status.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace air::cli {

enum class ValueKind : uint8_t {
  Flag,
  String,
  Integer,
  Number,
  Choice,
  StringList
};

struct Option {
  std::string name;      ///< such as "--kv-type"
  std::string shortName; ///< such as "-n"; "" if there is none
  ValueKind kind = ValueKind::Flag;
  std::string valueName;         ///< such as "N" or "FILE"; "" for a flag
  std::string help;              ///< one or two sentences, no trailing newline
  std::string defaultText;       ///< shown in help, never parsed
  std::optional<double> minimum; ///< for Integer and Number
  std::optional<double> maximum;
  std::vector<std::string> choices; ///< for Choice
  /// If this is set, the option may be given without a value, and then has this
  /// value. Any other value must follow the option's name and '='.
  std::optional<std::string> impliedValue = std::nullopt;
};

struct Positional {
  std::string name; ///< such as "PLAN"
  std::string help;
  bool required = true;
  std::vector<std::string> choices = {}; ///< the permitted values, if any
};

struct Command {
  std::string name; ///< "" for the tool's main command
  std::string summary;
  std::vector<Positional> positionals;
  std::vector<Option> options;
  std::vector<std::string> examples; ///< whole command lines
};

struct Tool {
  std::string name; ///< such as "airrun"
  std::string summary;
  std::string description;        ///< a paragraph
  std::vector<Command> commands;  ///< the main command first
  std::vector<std::string> notes; ///< paragraphs shown after the options
};

struct Invocation {
  const Command *command = nullptr;
  std::vector<std::string> positionals;
  std::map<std::string, std::vector<std::string>> values; ///< by option name

  bool has(const std::string &option) const {
    return values.count(option) != 0;
  }
  std::optional<std::string> text(const std::string &option) const;
  std::optional<int64_t> integer(const std::string &option) const;
  std::optional<double> number(const std::string &option) const;
  std::vector<std::string> list(const std::string &option) const;
};

/// Parses `args`, which is argv without the name of the program. All values of
/// the result have the kind and range that the table requires. --help,
/// --version, --completion and --man are handled by runTool, not here.
Result<Invocation> parse(const Tool &tool,
                         const std::vector<std::string> &args);

std::string helpText(const Tool &tool, const Command *command);
std::string manPage(const Tool &tool);

/// The list of exit codes, which is the same for every tool.
std::string exitCodesText();

/// The body of main(): prints help, version, completions or man page, or parses
/// the command line and calls `run`. "help" means the same as "--help", and
/// "help COMMAND" the same as "COMMAND --help". An error is printed as one line
/// "TOOL: MESSAGE" on stderr, and its code is the exit code. If the command
/// line names no command, the first argument may be the misspelled name of one.
/// So if `run` then fails with Io or Usage, and the argument is not the name of
/// a file, the message suggests the command with a similar name, if any.
int runTool(const Tool &tool, int argc, char **argv,
            Status (*run)(const Invocation &));

} // namespace air::cli

#endif // AIRPACK_TOOLS_CLI_COMMANDLINE_H
