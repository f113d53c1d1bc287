//===- ManPage.cpp - the table as roff --------------------------*- C++ -*-===//
//
// The page uses the macros of man(7). It contains no date, so that the same
// table produces the same bytes.
//
//===----------------------------------------------------------------------===//
#include "tools/cli/Render.h"

#include <cctype>
#include <string_view>

namespace air::cli {
namespace {

/// Escapes running text: backslashes, hyphens (which must stay ASCII), and a
/// leading '.' or '\'', which roff would interpret as a request.
std::string roff(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (i == 0 && (c == '.' || c == '\'')) {
      out += "\\&";
    }
    switch (c) {
    case '\\':
      out += "\\e";
      break;
    case '-':
      out += "\\-";
      break;
    case '\n':
      out += ' ';
      break;
    default:
      out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }

void appendTagged(std::string &out, const std::string &tag,
                  std::string_view text) {
  out += ".TP\n" + tag + "\n" + roff(text) + "\n";
}

std::string optionTag(const Option &option) {
  std::string tag = option.shortName.empty()
                        ? bold(option.name)
                        : bold(option.shortName) + ", " + bold(option.name);
  if (option.kind != ValueKind::Flag) {
    const std::string value = "\\fI" + roff(valueNameOf(option)) + "\\fR";
    tag += option.impliedValue ? "[=" + value + "]" : " " + value;
  }
  return tag;
}

void appendOptions(std::string &out, const Command &command) {
  for (const Positional &positional : command.positionals) {
    if (!positional.help.empty()) {
      appendTagged(out, "\\fI" + roff(positional.name) + "\\fR",
                   positional.help);
    }
  }
  for (const Option &option : command.options) {
    appendTagged(out, optionTag(option), optionHelp(option));
  }
}

void appendSynopsis(std::string &out, const Tool &tool,
                    const Command &command) {
  out +=
      bold(command.name.empty() ? tool.name : tool.name + " " + command.name);
  for (const Positional &positional : command.positionals) {
    std::string name = "\\fI" + roff(positional.name) + "\\fR";
    out += positional.required ? " " + name : " [" + name + "]";
  }
  out += command.options.empty() ? "\n" : " [\\fIOPTIONS\\fR]\n";
}

} // namespace

std::string manPage(const Tool &tool) {
  std::string upper;
  for (char c : tool.name) {
    upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  std::string out = ".TH " + roff(upper) + " 1 \"\" \"" +
                    roff(versionText(tool)) + "\" \"User Commands\"\n";
  out += ".SH NAME\n" + roff(tool.name) + " \\- " + roff(tool.summary) + "\n";
  out += ".SH SYNOPSIS\n";
  for (size_t i = 0; i < tool.commands.size(); ++i) {
    out += i == 0 ? "" : ".br\n";
    appendSynopsis(out, tool, tool.commands[i]);
  }
  out += ".SH DESCRIPTION\n";
  out +=
      roff(tool.description.empty() ? tool.summary : tool.description) + "\n";
  const Command *main = nullptr;
  out += ".SH COMMANDS\n";
  for (const Command &command : tool.commands) {
    if (command.name.empty()) {
      main = &command;
      appendTagged(out, bold(tool.name), command.summary);
    }
  }
  for (const Command &command : tool.commands) {
    if (command.name.empty()) {
      continue;
    }
    out += ".SS " + roff(tool.name + " " + command.name) + "\n";
    out += roff(command.summary) + "\n";
    appendOptions(out, command);
  }
  out += ".SH OPTIONS\n";
  if (main) {
    appendOptions(out, *main);
  }
  for (const Option &option : commonOptions()) {
    appendTagged(out, optionTag(option), optionHelp(option));
  }
  for (const std::string &note : tool.notes) {
    out += ".PP\n" + roff(note) + "\n";
  }
  out += ".SH \"EXIT STATUS\"\n";
  for (const ExitCode &exitCode : exitCodes()) {
    appendTagged(out, bold(std::to_string(exitCode.code)), exitCode.meaning);
  }
  out += ".SH EXAMPLES\n";
  for (const Command &command : tool.commands) {
    for (const std::string &example : command.examples) {
      out += ".PP\n.nf\n" + roff(example) + "\n.fi\n";
    }
  }
  return out;
}

} // namespace air::cli
