//===- SourceOption.cpp - the option --source -----------------------------===//
#include "tools/cli/SourceOption.h"

namespace air::cli {

Option sourceOption() {
  return {.name = "--source",
          .kind = ValueKind::String,
          .valueName = "FOLDER|FILE",
          .help =
              "For a plan that was made with 'airpack --reference': the "
              "folder of the model's files, or the file if there is only "
              "one. It must be the model from which the plan was made. Files "
              "in a folder must have the names that they had when the plan was "
              "made; a file "
              "that is given by its own path may have any name.",
          .defaultText = "the folder of the plan"};
}

Status noSourceNeeded(const std::string &path) {
  return usageError("--source names the model's file for a plan made with "
                    "'airpack --reference', but '" +
                    path + "' contains its weights; leave out --source");
}

} // namespace air::cli
