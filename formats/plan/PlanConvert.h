//===- PlanConvert.h - plan records <-> the structs of formats/ -*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_PLANCONVERT_H
#define AIRPACK_FORMATS_PLAN_PLANCONVERT_H

#include "formats/machine/MachineProfile.h"
#include "formats/model/SamplingDefaults.h"
#include "formats/model/TokenizerData.h"
#include "formats/plan/plan_generated.h"

#include <memory>

namespace air {

/// If the record that toPlan() returns passes the verifier, fromPlan() converts
/// it back to an equal value, except that TokenizerData::notes are lost, and
/// the programs of the templates and the compiled expressions are added.
/// toPlan() parses the templates and compiles the expressions of the
/// pre-tokenizer. If one of them cannot be used or is too large, the plan has
/// no program for it.
std::unique_ptr<plan::TokenizerT> toPlan(const TokenizerData &data);
TokenizerData fromPlan(const plan::Tokenizer &record);
/// The words and texts of a program. Its list of texts must be well-formed, but
/// the program need not be.
jinja::ProgramCode fromPlan(const plan::TemplateProgram &record);

/// Returns null if `defaults` recommends nothing.
std::unique_ptr<plan::SamplingT> toPlan(const SamplingDefaults &defaults);
/// If `record` is null, the model recommends nothing.
SamplingDefaults fromPlan(const plan::Sampling *record);

/// The GPU of `profile`, if any, must be one for which plans can be made. The
/// record of the GPU lacks its rate of arithmetic, and has an arena_bytes of 0.
std::unique_ptr<plan::MachineT> toPlan(const MachineProfile &profile);
MachineProfile fromPlan(const plan::Machine &record);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANCONVERT_H
