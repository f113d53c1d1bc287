//===- Parse.cpp - argv against the table -----------------------*- C++ -*-===//
#include "tools/cli/CommandLine.h"
#include "tools/cli/Render.h"
#include "tools/cli/Suggest.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <type_traits>

namespace air::cli {
namespace {

/// Parses all of `text` as a decimal number. As with strtod, a number too small
/// for a double becomes 0 or a subnormal. Returns nothing if `text` is not a
/// number or is too large for T.
template <typename T> std::optional<T> wholeNumber(const std::string &text) {
  T value{};
  const char *end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end) {
    return std::nullopt;
  }
  if constexpr (std::is_floating_point_v<T>) {
    // Underflow is allowed, but overflow is not. from_chars returns the same
    // error for both, and no value. strtod returns infinity for overflow, and 0
    // or a subnormal number for underflow.
    if (error == std::errc::result_out_of_range) {
      value = std::strtod(text.c_str(), nullptr);
      error = std::errc();
    }
    if (!std::isfinite(value)) {
      return std::nullopt;
    }
  }
  return error == std::errc() ? std::optional<T>(value) : std::nullopt;
}

/// Whether `number` has a value that is in the option's range. The values are
/// compared as T, because a double cannot represent every 64-bit integer.
template <typename T>
bool isWithin(std::optional<T> number, const Option &option) {
  return number &&
         !(option.minimum && *number < static_cast<T>(*option.minimum)) &&
         !(option.maximum && *number > static_cast<T>(*option.maximum));
}

std::string inQuotes(std::string_view text) {
  return "'" + std::string(text) + "'";
}

std::string listed(const std::vector<std::string> &choices) {
  std::string list;
  for (const std::string &choice : choices) {
    list += (list.empty() ? "" : ", ") + choice;
  }
  return list;
}

/// An argument that begins with '-', as the user spelled it.
struct Spelling {
  std::string name;                 ///< "--count", "-n", or the whole argument
  std::optional<std::string> value; ///< "5" of "--count=5", "-n5", "-n=5"
};

bool isNumeric(const Option &option) {
  return option.kind == ValueKind::Integer || option.kind == ValueKind::Number;
}

class Parser {
public:
  Parser(const Tool &owner, const Command &chosen)
      : tool(owner), command(chosen) {
    invocation.command = &chosen;
  }

  Result<Invocation> run(const std::vector<std::string> &args, size_t first);

private:
  const Option *find(std::string_view name) const;
  Spelling split(const std::string &arg) const;
  bool isKnownOption(const std::string &arg) const;
  Status takeOption(const std::vector<std::string> &args, size_t &index);
  Status takePositional(const std::string &arg);
  Status checkValue(const Option &option, const std::string &value) const;
  Status unknownOption(const std::string &name) const;
  std::string helpHint() const {
    return tool.name + (command.name.empty() ? "" : " " + command.name) +
           " --help";
  }

  const Tool &tool;
  const Command &command;
  Invocation invocation;
};

const Option *Parser::find(std::string_view name) const {
  for (const Option &option : command.options) {
    if (name == option.name ||
        (!option.shortName.empty() && name == option.shortName)) {
      return &option;
    }
  }
  return nullptr;
}

Spelling Parser::split(const std::string &arg) const {
  if (arg.starts_with("--")) {
    size_t equals = arg.find('=');
    if (equals == std::string::npos) {
      return {arg, std::nullopt};
    }
    return {arg.substr(0, equals), arg.substr(equals + 1)};
  }
  const Option *option = find(arg.substr(0, 2));
  if (arg.size() == 2 || !option || option->kind == ValueKind::Flag) {
    return {arg, std::nullopt};
  }
  // Not every "-nVALUE" is split into option and value: "-prompt x" means
  // "--prompt x", not "-p" with the value "rompt", and "-ngl 9" is an option of
  // another program, not "-n" with "gl".
  bool isValue =
      !isNumeric(*option) ||
      std::string_view("0123456789+-.=").find(arg[2]) != std::string_view::npos;
  std::string name = arg.substr(0, arg.find('='));
  if (find("-" + name) || !isValue) {
    return {name, std::nullopt};
  }
  return {arg.substr(0, 2), arg.substr(arg[2] == '=' ? 3 : 2)};
}

/// Whether `arg`, which follows an option that needs a value, is an option
/// itself, so that the value must have been forgotten. An `arg` such as "-n5",
/// in which a value is joined to a short name, counts as an option only if the
/// option takes a number and the joined value is a number. Otherwise, it is
/// more likely a text that begins with a dash, such as "-no, he said".
bool Parser::isKnownOption(const std::string &arg) const {
  if (arg == "--") {
    return true;
  }
  Spelling spelling = split(arg);
  const Option *option = find(spelling.name);
  if (!option || arg.starts_with("--") || !spelling.value) {
    return option != nullptr;
  }
  return isNumeric(*option) &&
         wholeNumber<double>(*spelling.value) != std::nullopt;
}

Status Parser::unknownOption(const std::string &name) const {
  std::vector<std::string> known;
  for (const Option &option : commonOptions()) {
    known.push_back(option.name);
  }
  for (const Option &option : command.options) {
    known.push_back(option.name);
    if (!option.shortName.empty()) {
      known.push_back(option.shortName);
    }
  }
  std::string message = "unknown option " + inQuotes(name);
  std::string near = nearest(name, known);
  if (!near.empty()) {
    return usageError(message + "; did you mean " + inQuotes(near) + "?");
  }
  std::string owners;
  for (const Command &other : tool.commands) {
    if (std::ranges::find(other.options, name, &Option::name) !=
        other.options.end()) {
      owners +=
          (owners.empty() ? "" : ", ") +
          inQuotes(tool.name + (other.name.empty() ? "" : " ") + other.name);
    }
  }
  if (!owners.empty()) {
    return usageError(message + "; it is an option of " + owners);
  }
  return usageError(message + "; " + helpHint() + " lists the known ones");
}

Status Parser::checkValue(const Option &option,
                          const std::string &value) const {
  if (option.kind == ValueKind::Choice) {
    if (std::find(option.choices.begin(), option.choices.end(), value) !=
        option.choices.end()) {
      return Status::ok();
    }
    return usageError("option " + option.name + ": " + inQuotes(value) +
                      " is not one of " + listed(option.choices));
  }
  if (!isNumeric(option)) {
    return Status::ok();
  }
  const bool isInRange = option.kind == ValueKind::Number
                             ? isWithin(wholeNumber<double>(value), option)
                             : isWithin(wholeNumber<int64_t>(value), option);
  if (isInRange) {
    return Status::ok();
  }
  std::string kind =
      option.kind == ValueKind::Integer ? "a whole number" : "a number";
  std::string range = rangeText(option);
  std::string link = option.minimum && option.maximum ? " from " : " of ";
  return usageError("option " + option.name + ": " + inQuotes(value) +
                    " is not " + kind + (range.empty() ? "" : link + range));
}

Status Parser::takeOption(const std::vector<std::string> &args, size_t &index) {
  auto [name, value] = split(args[index]);
  const Option *option = find(name);
  if (!option && value) {
    // runTool has already handled --completion in all its forms, and also
    // "--help" and "--version". But "--help=x" and "--version=x" can still get
    // here. Both options are flags, so the value is refused below.
    for (const Option &common : commonOptions()) {
      option = name == common.name ? &common : option;
    }
  }
  if (!option) {
    return unknownOption(name);
  }
  if (option->kind == ValueKind::Flag) {
    if (value) {
      return usageError("option " + option->name + " takes no value, but got " +
                        inQuotes(*value));
    }
    value = "";
  } else if (!value && option->impliedValue) {
    value = option->impliedValue;
  } else if (!value) {
    if (index + 1 == args.size()) {
      return usageError("option " + option->name + " needs a value, as in " +
                        option->name + " " + valueNameOf(*option));
    }
    // A value may begin with '-' (a negative number, a prompt with a dash), but
    // a known option in its place means that the value was forgotten.
    const std::string &next = args[index + 1];
    if (isKnownOption(next)) {
      return usageError("option " + option->name + " needs a value, as in " +
                        option->name + " " + valueNameOf(*option) + ", but " +
                        inQuotes(next) + " follows; write " + option->name +
                        "=" + next + " if that is the value");
    }
    value = next;
    ++index;
  }
  AIR_RETURN_IF_ERROR(checkValue(*option, *value));
  std::vector<std::string> &slot = invocation.values[option->name];
  if (!slot.empty() && option->kind != ValueKind::StringList) {
    return usageError("option " + option->name +
                      " is given more than once; give it once");
  }
  slot.push_back(*std::move(value));
  return Status::ok();
}

Status Parser::takePositional(const std::string &arg) {
  if (invocation.positionals.size() == command.positionals.size()) {
    // The first argument of the main command may be a misspelt command.
    std::vector<std::string> names;
    for (const Command &other : tool.commands) {
      names.push_back(other.name);
    }
    std::string near = command.name.empty() && !invocation.positionals.empty()
                           ? nearest(invocation.positionals.front(), names)
                           : "";
    return usageError(
        "unexpected argument " + inQuotes(arg) +
        (near.empty() ? "; usage: " + usageLine(tool, command)
                      : "; did you mean the command " + inQuotes(near) + "?"));
  }
  const Positional &positional =
      command.positionals[invocation.positionals.size()];
  if (!positional.choices.empty() &&
      std::ranges::find(positional.choices, arg) == positional.choices.end()) {
    return usageError("argument " + positional.name + ": " + inQuotes(arg) +
                      " is not one of " + listed(positional.choices));
  }
  invocation.positionals.push_back(arg);
  return Status::ok();
}

Result<Invocation> Parser::run(const std::vector<std::string> &args,
                               size_t first) {
  bool optionsEnded = false;
  for (size_t i = first; i < args.size(); ++i) {
    if (!optionsEnded && args[i] == "--") {
      optionsEnded = true;
    } else if (!optionsEnded && args[i].size() > 1 && args[i][0] == '-') {
      AIR_RETURN_IF_ERROR(takeOption(args, i));
    } else {
      AIR_RETURN_IF_ERROR(takePositional(args[i]));
    }
  }
  size_t given = invocation.positionals.size();
  if (given < command.positionals.size() &&
      command.positionals[given].required) {
    return usageError("missing argument " + command.positionals[given].name +
                      "; usage: " + usageLine(tool, command));
  }
  return std::move(invocation);
}

} // namespace

std::optional<std::string> Invocation::text(const std::string &option) const {
  auto it = values.find(option);
  if (it == values.end()) {
    return std::nullopt;
  }
  return it->second.back();
}

std::optional<int64_t> Invocation::integer(const std::string &option) const {
  auto it = values.find(option);
  if (it == values.end()) {
    return std::nullopt;
  }
  return wholeNumber<int64_t>(it->second.back());
}

std::optional<double> Invocation::number(const std::string &option) const {
  auto it = values.find(option);
  if (it == values.end()) {
    return std::nullopt;
  }
  return wholeNumber<double>(it->second.back());
}

std::vector<std::string> Invocation::list(const std::string &option) const {
  auto it = values.find(option);
  return it == values.end() ? std::vector<std::string>() : it->second;
}

Result<Invocation> parse(const Tool &tool,
                         const std::vector<std::string> &args) {
  const Command *main = nullptr;
  std::vector<std::string> names;
  for (const Command &command : tool.commands) {
    if (command.name.empty()) {
      main = &command;
      continue;
    }
    if (!args.empty() && args.front() == command.name) {
      return Parser(tool, command).run(args, 1);
    }
    names.push_back(command.name);
  }
  if (main) {
    return Parser(tool, *main).run(args, 0);
  }
  if (args.empty()) {
    return usageError("missing command; " + tool.name +
                      " --help lists the known ones");
  }
  std::string message = "unknown command " + inQuotes(args.front());
  std::string near = nearest(args.front(), names);
  if (!near.empty()) {
    return usageError(message + "; did you mean " + inQuotes(near) + "?");
  }
  return usageError(message + "; " + tool.name +
                    " --help lists the known ones");
}

} // namespace air::cli
