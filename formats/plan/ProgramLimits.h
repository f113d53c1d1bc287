//===- ProgramLimits.h - how large a plan's programs may be -----*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_PROGRAMLIMITS_H
#define AIRPACK_FORMATS_PLAN_PROGRAMLIMITS_H

#include "formats/text/jinja/ProgramCode.h"

namespace air {

/// The largest number of words of all programs of a plan's chat templates
/// together. Tables of a FlatBuffer can share lists, so a limit on each program
/// would not limit the time that a reader takes for all of them.
inline constexpr uint64_t kMaxPlanProgramWords = jinja::kMaxProgramWords;
/// The largest number of bytes of the texts of all programs, where each text
/// counts as its length plus 4. A reader copies the texts. Those of published
/// templates have less than 64 KiB.
inline constexpr uint64_t kMaxPlanProgramTextBytes = uint64_t{1} << 24;

/// The largest number of words of all compiled expressions of a plan together.
/// The expressions of published models have fewer than 50,000.
inline constexpr uint64_t kMaxPlanRegexWords = uint64_t{1} << 20;

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PROGRAMLIMITS_H
