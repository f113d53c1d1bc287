//===- PlanConvert.h - plan records <-> the structs of formats/ -*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_PLANCONVERT_H
#define AIRPACK_FORMATS_PLAN_PLANCONVERT_H

#include "formats/machine/MachineProfile.h"
#include "formats/model/SamplingDefaults.h"
#include "formats/model/TokenizerData.h"
#include "formats/plan/plan_generated.h"

#include <memory>

namespace air {

/// fromPlan() of a record that passed the verifier gives back an equal value.
std::unique_ptr<plan::TokenizerT> toPlan(const TokenizerData &data);
TokenizerData fromPlan(const plan::Tokenizer &record);

/// Null when nothing is recommended.
std::unique_ptr<plan::SamplingT> toPlan(const SamplingDefaults &defaults);
/// Null gives no recommendations.
SamplingDefaults fromPlan(const plan::Sampling *record);

std::unique_ptr<plan::MachineT> toPlan(const MachineProfile &profile);
MachineProfile fromPlan(const plan::Machine &record);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANCONVERT_H
