//===- Completion.cpp - the table as a shell's completions ----------------===//
#include "tools/cli/Completion.h"

#include "tools/cli/Render.h"

#include <algorithm>
#include <string_view>

namespace air::cli {
namespace {

std::string firstSentence(const std::string &text) {
  std::string sentence = text.substr(0, text.find(". "));
  if (sentence.ends_with('.')) {
    sentence.pop_back();
  }
  return sentence;
}

/// `text` as one word of a shell, in single quotes.
std::string shellQuoted(std::string_view text) {
  std::string out = "'";
  for (char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

std::string joined(const std::vector<std::string> &words,
                   const char *separator) {
  std::string out;
  for (const std::string &word : words) {
    out += (out.empty() ? "" : separator) + word;
  }
  return out;
}

/// Whether a value that help texts call `valueName` may be the name of a file.
bool isFileName(const std::string &valueName) {
  for (const char *word :
       {"FILE", "FOLDER", "PATH", "PLAN", "MODEL", "TARGET"}) {
    if (valueName.find(word) != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// Whether an argument that is not an option may be a file.
bool takesFiles(const Command &command) {
  return std::ranges::any_of(command.positionals, [](const Positional &each) {
    return each.choices.empty() && isFileName(each.name);
  });
}

/// Whether the next word is the value of the option.
bool takesWord(const Option &option) {
  return option.kind != ValueKind::Flag && !option.impliedValue;
}

std::vector<Option> optionsOf(const Command &command) {
  std::vector<Option> options = command.options;
  options.insert(options.end(), commonOptions().begin(), commonOptions().end());
  return options;
}

std::vector<std::string> commandNames(const Tool &tool) {
  std::vector<std::string> names;
  for (const Command &command : tool.commands) {
    if (!command.name.empty()) {
      names.push_back(command.name);
    }
  }
  return names;
}

/// The name of a shell function: letters, digits and underscores only.
std::string functionName(const Tool &tool) {
  std::string name = "_" + tool.name;
  std::ranges::replace(name, '-', '_');
  return name;
}

// ---- bash -------------------------------------------------------------------

/// The clause of the bash script's case statement that completes the value of
/// the option `label`.
std::string bashValue(const std::string &label, const std::string &reply) {
  return "      " + label + ")\n        " + reply + "\n        return ;;\n";
}

void appendBashCommand(std::string &out, const Command &command) {
  std::vector<std::string> names;
  std::vector<std::string> files;
  std::vector<std::string> others;
  std::string cases;
  for (const Option &option : optionsOf(command)) {
    std::vector<std::string> spellings = {option.name};
    if (!option.shortName.empty()) {
      spellings.push_back(option.shortName);
    }
    names.insert(names.end(), spellings.begin(), spellings.end());
    if (!takesWord(option)) {
      continue;
    }
    if (option.kind == ValueKind::Choice) {
      cases += bashValue(joined(spellings, "|"),
                         "COMPREPLY=($(compgen -W " +
                             shellQuoted(joined(option.choices, " ")) +
                             " -- \"$cur\"))");
    } else {
      std::vector<std::string> &list =
          isFileName(option.valueName) ? files : others;
      list.insert(list.end(), spellings.begin(), spellings.end());
    }
  }
  if (!files.empty()) {
    cases += bashValue(joined(files, "|"),
                       "compopt -o filenames 2>/dev/null\n"
                       "        COMPREPLY=($(compgen -f -- \"$cur\"))");
  }
  if (!others.empty()) {
    cases += bashValue(joined(others, "|"), ":");
  }
  out += "  " + shellQuoted(command.name) + ")\n";
  out += "    names=" + shellQuoted(joined(names, " ")) + "\n";
  if (!takesFiles(command) && !command.name.empty()) {
    out += "    files=''\n";
  }
  size_t before = command.name.empty() ? 0 : 1;
  for (const Positional &positional : command.positionals) {
    if (!positional.choices.empty()) {
      out += "    if ((before == " + std::to_string(before) +
             ")); then words=" + shellQuoted(joined(positional.choices, " ")) +
             "; fi\n";
    }
    ++before;
  }
  out += "    case $prev in\n" + cases + "    esac ;;\n";
}

std::string bashScript(const Tool &tool) {
  const std::string function = functionName(tool);
  const std::string commands = joined(commandNames(tool), " ");
  std::string out = "# Completions of " + tool.name +
                    " for bash. Put this file into\n"
                    "# ~/.local/share/bash-completion/completions/" +
                    tool.name + "\n";
  out += function + "() {\n";
  out += "  local cur=${COMP_WORDS[COMP_CWORD]} command='' names='' words=''\n"
         "  local prev='' files=1 before=0 word\n"
         "  # How many words before this one are no options.\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    if [[ $word != -* ]]; then before=$((before + 1)); fi\n"
         "  done\n"
         "  if ((COMP_CWORD > 0)); then prev=${COMP_WORDS[COMP_CWORD-1]}; fi\n"
         "  # bash divides --name=value into three words.\n"
         "  if [[ $cur == = ]]; then\n"
         "    cur=''\n"
         "  elif [[ $prev == = ]] && ((COMP_CWORD > 1)); then\n"
         "    prev=${COMP_WORDS[COMP_CWORD-2]}\n"
         "  fi\n"
         "  COMPREPLY=()\n";
  if (!commands.empty()) {
    out += "  if ((COMP_CWORD > 1)); then\n"
           "    case ${COMP_WORDS[1]} in\n"
           "    " +
           joined(commandNames(tool), "|") +
           ") command=${COMP_WORDS[1]} ;;\n"
           "    esac\n"
           "  else\n"
           "    words=" +
           shellQuoted(commands) +
           "\n"
           "  fi\n";
  }
  out += "  case $command in\n";
  bool hasMain = false;
  for (const Command &command : tool.commands) {
    appendBashCommand(out, command);
    hasMain = hasMain || command.name.empty();
  }
  if (!hasMain) {
    appendBashCommand(out, Command());
  }
  out += "  esac\n"
         "  if [[ $cur == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W \"$names\" -- \"$cur\"))\n"
         "    return\n"
         "  fi\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "  if [[ -n $files ]]; then\n"
         "    compopt -o filenames 2>/dev/null\n"
         "    COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
         "  fi\n"
         "}\n";
  return out + "complete -F " + function + " " + tool.name + "\n";
}

// ---- zsh --------------------------------------------------------------------

/// Escapes a text for zsh's _arguments, in which ']' and ':' end a field.
std::string zshField(const std::string &text) {
  std::string out;
  for (char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  return out;
}

std::string zshSpecification(const Option &option) {
  std::string value;
  if (option.kind != ValueKind::Flag) {
    const std::string action =
        option.kind == ValueKind::Choice
            ? "(" + joined(option.choices, " ") + ")"
            : std::string(isFileName(option.valueName) ? "_files" : " ");
    value = ":" + zshField(valueNameOf(option)) + ":" + action;
  }
  const std::string help =
      "[" + zshField(firstSentence(option.help)) + "]" + value;
  const std::string star = option.kind == ValueKind::StringList ? "*" : "";
  // For zsh, "=-" means that the value must be in the same word as the option,
  // and "=" means that it may also be the next word.
  const std::string sign = option.kind == ValueKind::Flag ? ""
                           : option.impliedValue          ? "=-"
                                                          : "=";
  std::string out = shellQuoted(star + option.name + sign + help);
  if (!option.shortName.empty()) {
    out +=
        " " + shellQuoted(star + option.shortName +
                          (option.kind == ValueKind::Flag ? "" : "+") + help);
  }
  return out;
}

std::string zshArguments(const Command &command) {
  std::string out = "_arguments -s -S";
  for (const Option &option : optionsOf(command)) {
    out += " \\\n      " + zshSpecification(option);
  }
  for (const Positional &positional : command.positionals) {
    const std::string action =
        positional.choices.empty()
            ? "_files"
            : "(" + joined(positional.choices, " ") + ")";
    out +=
        " \\\n      " + shellQuoted((positional.required ? ":" : "::") +
                                    zshField(positional.name) + ":" + action);
  }
  return out + "\n";
}

std::string zshScript(const Tool &tool) {
  const std::string function = functionName(tool);
  const std::vector<std::string> names = commandNames(tool);
  std::string out =
      "#compdef " + tool.name + "\n# Completions of " + tool.name +
      " for zsh. Put this file, called _" + tool.name +
      ",\n# into a folder of $fpath, or source it after compinit.\n" +
      function + "() {\n  local command=''\n";
  if (!names.empty()) {
    out += "  if (( CURRENT == 2 )); then\n"
           "    local -a commands=(\n";
    for (const Command &command : tool.commands) {
      if (!command.name.empty()) {
        out += "      " +
               shellQuoted(command.name + ":" +
                           zshField(firstSentence(command.summary))) +
               "\n";
      }
    }
    out += "    )\n"
           "    _describe command commands\n"
           "  else\n"
           "    case $words[2] in\n"
           "    " +
           joined(names, "|") +
           ")\n"
           "      command=$words[2]\n"
           "      shift words\n"
           "      (( CURRENT-- )) ;;\n"
           "    esac\n"
           "  fi\n";
  }
  out += "  case $command in\n";
  bool hasMain = false;
  for (const Command &command : tool.commands) {
    out += "  " + shellQuoted(command.name) + ")\n    " +
           zshArguments(command) + "    ;;\n";
    hasMain = hasMain || command.name.empty();
  }
  if (!hasMain) {
    out += "  '')\n    " + zshArguments(Command()) + "    ;;\n";
  }
  // The script can be installed in two ways. If it is in a folder of $fpath,
  // zsh loads it at the first completion. zsh then runs the whole script in
  // place of the completion function that the script defines, so the script
  // must call this function itself. If a shell reads the script with `source`,
  // there is nothing to complete yet, so the script only registers the
  // function.
  return out + "  esac\n}\nif [[ $funcstack[1] == " + function +
         " ]]; then\n  " + function + " \"$@\"\nelse\n  compdef " + function +
         " " + tool.name + "\nfi\n";
}

// ---- fish -------------------------------------------------------------------

void appendFishOptions(std::string &out, const Tool &tool,
                       const Command &command, const std::string &condition) {
  for (const Option &option : optionsOf(command)) {
    out +=
        "complete -c " + tool.name + condition + " -l " + option.name.substr(2);
    if (!option.shortName.empty()) {
      out += " -s " + option.shortName.substr(1);
    }
    if (option.kind == ValueKind::Choice) {
      out += " -x -a " + shellQuoted(joined(option.choices, " "));
    } else if (takesWord(option)) {
      out += isFileName(option.valueName) ? " -r -F" : " -x";
    }
    out += " -d " + shellQuoted(firstSentence(option.help)) + "\n";
  }
  for (const Positional &positional : command.positionals) {
    if (!positional.choices.empty()) {
      out += "complete -c " + tool.name + condition + " -a " +
             shellQuoted(joined(positional.choices, " ")) + "\n";
    }
  }
}

std::string fishScript(const Tool &tool) {
  const std::vector<std::string> names = commandNames(tool);
  std::string out = "# Completions of " + tool.name +
                    " for fish. Put this file into\n"
                    "# ~/.config/fish/completions/" +
                    tool.name + ".fish\n";
  for (const Command &command : tool.commands) {
    if (!command.name.empty()) {
      out += "complete -c " + tool.name + " -n '__fish_is_first_token' -a " +
             command.name + " -d " +
             shellQuoted(firstSentence(command.summary)) + "\n";
    }
  }
  const std::string none =
      names.empty()
          ? ""
          : " -n 'not __fish_seen_subcommand_from " + joined(names, " ") + "'";
  bool hasMain = false;
  for (const Command &command : tool.commands) {
    hasMain = hasMain || command.name.empty();
    appendFishOptions(out, tool, command,
                      command.name.empty()
                          ? none
                          : " -n '__fish_seen_subcommand_from " + command.name +
                                "'");
  }
  if (!hasMain) {
    appendFishOptions(out, tool, Command(), none);
  }
  return out;
}

} // namespace

const std::vector<std::string> &completionShells() {
  static const std::vector<std::string> shells = {"bash", "zsh", "fish"};
  return shells;
}

Result<std::string> completionScript(const Tool &described,
                                     const std::string &shell) {
  Tool tool = described;
  if (std::vector<std::string> names = commandNames(tool); !names.empty()) {
    tool.commands.push_back(
        {.name = "help",
         .summary = "Describe a command.",
         .positionals = {{"COMMAND", "", false, std::move(names)}}});
  }
  if (shell == "bash") {
    return bashScript(tool);
  }
  if (shell == "zsh") {
    return zshScript(tool);
  }
  if (shell == "fish") {
    return fishScript(tool);
  }
  return usageError("option --completion: '" + shell + "' is not one of " +
                    joined(completionShells(), ", "));
}

} // namespace air::cli
