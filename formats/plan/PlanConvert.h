//===- PlanConvert.h - plan records <-> the structs of formats/ -*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_PLANCONVERT_H
#define AIRPACK_FORMATS_PLAN_PLANCONVERT_H

#include "formats/machine/MachineProfile.h"
#include "formats/model/SamplingDefaults.h"
#include "formats/model/TokenizerData.h"
#include "formats/plan/plan_generated.h"

#include <memory>

namespace air {

/// If the record of toPlan() passes the verifier, fromPlan() converts it back
/// to an equal value.
std::unique_ptr<plan::TokenizerT> toPlan(const TokenizerData &data);
TokenizerData fromPlan(const plan::Tokenizer &record);

/// Returns null when nothing is recommended.
std::unique_ptr<plan::SamplingT> toPlan(const SamplingDefaults &defaults);
/// A null record means that nothing is recommended.
SamplingDefaults fromPlan(const plan::Sampling *record);

std::unique_ptr<plan::MachineT> toPlan(const MachineProfile &profile);
MachineProfile fromPlan(const plan::Machine &record);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANCONVERT_H
