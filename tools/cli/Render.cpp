//===- Render.cpp - --help and the pieces it shares -------------*- C++ -*-===//
#include "tools/cli/Render.h"

#include "tools/cli/Completion.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace air::cli {
namespace {

constexpr size_t kLineWidth = 80;
constexpr size_t kHelpColumn = 28;

/// Appends `text` wrapped at kLineWidth. All lines but the first are indented
/// by `indent`; the first one continues at `column`.
void appendWrapped(std::string &out, std::string_view text, size_t column,
                   size_t indent) {
  bool lineStart = true;
  while (!text.empty()) {
    size_t space = text.find(' ');
    std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size()
                                                       : space + 1);
    if (!lineStart && column + 1 + word.size() > kLineWidth) {
      out += '\n';
      out.append(indent, ' ');
      column = indent;
      lineStart = true;
    }
    if (!lineStart) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    lineStart = false;
  }
  out += '\n';
}

void appendRow(std::string &out, const std::string &heading,
               const std::string &help) {
  std::string line = "  " + heading;
  if (line.size() + 2 > kHelpColumn) {
    out += line + "\n" + std::string(kHelpColumn, ' ');
  } else {
    out += line + std::string(kHelpColumn - line.size(), ' ');
  }
  appendWrapped(out, help, kHelpColumn, kHelpColumn);
}

void appendCommandBody(std::string &out, const Command &command) {
  bool helpful =
      std::any_of(command.positionals.begin(), command.positionals.end(),
                  [](const Positional &p) { return !p.help.empty(); });
  if (helpful) {
    out += "\nArguments:\n";
    for (const Positional &positional : command.positionals) {
      appendRow(out, positional.name, positional.help);
    }
  }
  out += "\nOptions:\n";
  for (const Option &option : command.options) {
    appendRow(out, optionHeading(option), optionHelp(option));
  }
  for (const Option &option : commonOptions()) {
    appendRow(out, optionHeading(option), optionHelp(option));
  }
}

void appendExamples(std::string &out, const Command &command) {
  if (command.examples.empty()) {
    return;
  }
  out += "\nExamples:\n";
  for (const std::string &example : command.examples) {
    out += "  " + example + "\n";
  }
}

} // namespace

std::string formatNumber(double value) {
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  std::string shortest(buffer, end);
  // Integers are easier to read without an exponent.
  if (shortest.find('e') != std::string::npos && value == value &&
      value > -1e18 && value < 1e18 &&
      value == static_cast<double>(static_cast<int64_t>(value))) {
    return std::to_string(static_cast<int64_t>(value));
  }
  return shortest;
}

std::string valueNameOf(const Option &option) {
  if (!option.valueName.empty()) {
    return option.valueName;
  }
  if (option.kind != ValueKind::Choice) {
    return "VALUE";
  }
  std::string joined;
  for (const std::string &choice : option.choices) {
    joined += (joined.empty() ? "" : "|") + choice;
  }
  return joined;
}

std::string optionHeading(const Option &option) {
  std::string heading = option.shortName.empty()
                            ? option.name
                            : option.shortName + ", " + option.name;
  if (option.kind != ValueKind::Flag) {
    heading += option.impliedValue ? "[=" + valueNameOf(option) + "]"
                                   : " " + valueNameOf(option);
  }
  return heading;
}

std::string rangeText(const Option &option) {
  if (option.minimum && option.maximum) {
    return formatNumber(*option.minimum) + " to " +
           formatNumber(*option.maximum);
  }
  if (option.minimum) {
    return "at least " + formatNumber(*option.minimum);
  }
  return option.maximum ? "at most " + formatNumber(*option.maximum) : "";
}

std::string optionHelp(const Option &option) {
  std::vector<std::string> facts;
  if (option.kind == ValueKind::Choice && !option.valueName.empty()) {
    std::string joined;
    for (const std::string &choice : option.choices) {
      joined += (joined.empty() ? "" : ", ") + choice;
    }
    facts.push_back(joined);
  }
  if (std::string range = rangeText(option); !range.empty()) {
    facts.push_back(range);
  }
  if (option.kind == ValueKind::StringList) {
    facts.push_back("may be repeated");
  }
  if (!option.defaultText.empty()) {
    facts.push_back("default " + option.defaultText);
  }
  std::string text = option.help;
  for (size_t i = 0; i < facts.size(); ++i) {
    text += (i == 0 ? " (" : "; ") + facts[i];
  }
  return facts.empty() ? text : text + ")";
}

std::string usageLine(const Tool &tool, const Command &command) {
  std::string line = tool.name;
  if (!command.name.empty()) {
    line += " " + command.name;
  }
  for (const Positional &positional : command.positionals) {
    line += positional.required ? " " + positional.name
                                : " [" + positional.name + "]";
  }
  return command.options.empty() ? line : line + " [OPTIONS]";
}

const std::vector<Option> &commonOptions() {
  static const std::vector<Option> options = {
      {.name = "--help",
       .shortName = "-h",
       .kind = ValueKind::Flag,
       .valueName = "",
       .help = "Print this help and exit.",
       .defaultText = "",
       .minimum = std::nullopt,
       .maximum = std::nullopt,
       .choices = {}},
      {.name = "--version",
       .shortName = "",
       .kind = ValueKind::Flag,
       .valueName = "",
       .help = "Print the program's name and version and exit.",
       .defaultText = "",
       .minimum = std::nullopt,
       .maximum = std::nullopt,
       .choices = {}},
      {.name = "--completion",
       .shortName = "",
       .kind = ValueKind::Choice,
       .valueName = "SHELL",
       .help = "Print a script with which the shell completes this program's "
               "commands, options and values, and exit.",
       .defaultText = "",
       .minimum = std::nullopt,
       .maximum = std::nullopt,
       .choices = completionShells()},
  };
  return options;
}

const std::vector<ExitCode> &exitCodes() {
  static const std::vector<ExitCode> codes = {
      {0, "Success."},
      {1, "Internal error: a bug in this program."},
      {2, "Usage error: the command line or the request is invalid."},
      {3, "An input file is corrupt or has the wrong format."},
      {4, "The input is valid, but something in it is not supported."},
      {5, "Something does not fit in memory, in the context or on disk."},
      {6, "Verification failed: a digest or a rule of the plan format does not "
          "hold."},
      {7, "The plan was made for another target."},
      {8, "I/O error: the operating system reported a failure."},
  };
  return codes;
}

std::string exitCodesText() {
  std::string text;
  for (const ExitCode &exitCode : exitCodes()) {
    text +=
        "  " + std::to_string(exitCode.code) + "  " + exitCode.meaning + "\n";
  }
  return text;
}

std::string versionText(const Tool &tool) {
  return tool.name + " " + AIR_VERSION;
}

std::string helpText(const Tool &tool, const Command *command) {
  std::string out;
  if (command) {
    out += "Usage: " + usageLine(tool, *command) + "\n\n";
    appendWrapped(out, command->summary, 0, 0);
    appendCommandBody(out, *command);
    out += "\nExit status:\n" + exitCodesText();
    appendExamples(out, *command);
    return out;
  }
  const char *lead = "Usage: ";
  for (const Command &each : tool.commands) {
    out += lead + usageLine(tool, each) + "\n";
    lead = "       ";
  }
  out += "\n";
  appendWrapped(out, tool.description.empty() ? tool.summary : tool.description,
                0, 0);
  bool hasNamed = false;
  for (const Command &each : tool.commands) {
    if (each.name.empty()) {
      continue;
    }
    if (!hasNamed) {
      out += "\nCommands (" + tool.name + " help COMMAND describes one):\n";
      hasNamed = true;
    }
    appendRow(out, each.name, each.summary);
  }
  const Command *main = nullptr;
  for (const Command &each : tool.commands) {
    if (each.name.empty()) {
      main = &each;
    }
  }
  static const Command none;
  appendCommandBody(out, main ? *main : none);
  for (const std::string &note : tool.notes) {
    out += "\n";
    appendWrapped(out, note, 0, 0);
  }
  out += "\nExit status:\n" + exitCodesText();
  if (main) {
    appendExamples(out, *main);
  }
  return out;
}

} // namespace air::cli
