//===- VerifyTemplates.cpp - rules of chat templates ----------------------===//
#include "formats/plan/PlanConvert.h"
#include "formats/plan/PlanRules.h"
#include "formats/plan/ProgramLimits.h"
#include "formats/support/CountText.h"
#include "formats/text/jinja/Template.h"

namespace air::rules {

static Status verifyTemplateNames(const plan::Tokenizer &tokenizer) {
  const plan::StringList *names = tokenizer.template_names();
  AIR_RETURN_IF_ERROR(verifyStrings(names, "template_names"));
  AIR_RETURN_IF_ERROR(verifyStrings(tokenizer.templates(), "templates"));
  const auto *ends = names == nullptr ? nullptr : names->ends();
  const uint32_t count = sizeOf(ends);
  const uint32_t texts = tokenizer.templates() == nullptr
                             ? 0
                             : sizeOf(tokenizer.templates()->ends());
  if (count != texts) {
    return broken("plan.tokenizer.templates", "tokenizer",
                  "there are " + str(count) + " names for " +
                      countOf(texts, "template") +
                      "; there must be one for each template");
  }
  // If the list of names has no bytes, verifyStrings() has checked that all of
  // its end offsets are 0, so all names are empty.
  const std::string_view blob =
      names == nullptr || names->bytes() == nullptr
          ? std::string_view()
          : std::string_view(
                reinterpret_cast<const char *>(names->bytes()->data()),
                names->bytes()->size());
  std::string_view before;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t begin = i == 0 ? 0 : ends->Get(i - 1);
    const std::string_view name = blob.substr(begin, ends->Get(i) - begin);
    AIR_RETURN_IF_ERROR(
        checkName("plan.tokenizer.templates", "template " + str(i), name));
    if (name <= before) {
      return broken("plan.tokenizer.templates", "template " + str(i),
                    "names must be sorted and unique, but '" + shown(name) +
                        "' follows '" + shown(before) + "'");
    }
    before = name;
  }
  return Status::ok();
}

Status verifyTemplates(const plan::Tokenizer &tokenizer) {
  AIR_RETURN_IF_ERROR(verifyTemplateNames(tokenizer));
  const auto *programs = tokenizer.programs();
  const uint32_t count = sizeOf(programs);
  const uint32_t templates = 1 + (tokenizer.templates() == nullptr
                                      ? 0
                                      : sizeOf(tokenizer.templates()->ends()));
  if (count != 0 && count != templates) {
    return broken("plan.tokenizer.programs", "tokenizer",
                  "there are " + str(count) +
                      " programs; there must be either none or " +
                      str(templates) + ", one for each template");
  }
  // Several programs may refer to the same list in the file, so a small file
  // can describe huge programs. The sum of the sizes of all programs is
  // therefore checked before any program is read.
  uint64_t words = 0;
  uint64_t textBytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const plan::TemplateProgram &program = *programs->Get(i);
    words += sizeOf(program.words());
    if (program.texts() != nullptr) {
      textBytes += sizeOf(program.texts()->bytes()) +
                   sizeof(uint32_t) * uint64_t{sizeOf(program.texts()->ends())};
    }
  }
  if (words > kMaxPlanProgramWords || textBytes > kMaxPlanProgramTextBytes) {
    return broken("plan.tokenizer.programs", "tokenizer",
                  "the programs have " + countOf(words, "word") + " and " +
                      str(textBytes) + " bytes of texts; at most " +
                      str(kMaxPlanProgramWords) + " words and " +
                      str(kMaxPlanProgramTextBytes) + " bytes are allowed");
  }
  for (uint32_t i = 0; i < count; ++i) {
    const plan::TemplateProgram &program = *programs->Get(i);
    AIR_RETURN_IF_ERROR(verifyStrings(program.texts(), "texts"));
    if (sizeOf(program.words()) == 0) {
      continue;
    }
    const Status status = jinja::Template::load(fromPlan(program)).status();
    if (!status.isOk()) {
      return broken("plan.tokenizer.programs", "program " + str(i),
                    status.message());
    }
  }
  return Status::ok();
}

} // namespace air::rules
