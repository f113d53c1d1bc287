//===- PlanJson.h - a plan's metadata for people and scripts ----*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_PLANJSON_H
#define AIRPACK_FORMATS_PLAN_PLANJSON_H

#include "formats/plan/plan_generated.h"

#include <string>

namespace air {

/// Returns the metadata as JSON, with a two-space indent, keys as in plan.fbs,
/// enum values by name, digests (and all other lists of 16 bytes) in
/// hexadecimal, and known dtypes and layouts by name. Lists of more than 64
/// numbers or digests, and tables StringList, are replaced by their count and
/// digest, {"count": N, "digest": "..."}. Bytes that are not UTF-8 appear as
/// U+FFFD. Fields that are absent in the plan are absent in the JSON. `plan`
/// must have passed the FlatBuffer verifier.
std::string planToJson(const plan::Plan &plan);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANJSON_H
