//===- PlanConvert.h - plan records <-> the structs of formats/ -*- C++ -*-===//
#ifndef AIRPACK_FORMATS_PLAN_PLANCONVERT_H
#define AIRPACK_FORMATS_PLAN_PLANCONVERT_H

#include "formats/machine/MachineProfile.h"
#include "formats/model/SamplingDefaults.h"
#include "formats/model/TokenizerData.h"
#include "formats/plan/plan_generated.h"

#include <memory>

namespace air {

/// Besides converting `data`, parses the chat templates, and compiles the
/// expressions of the pre-tokenizer or of the pipeline. The record has no
/// program for a template that cannot be parsed or for which the limits of a
/// plan leave no room. It has no compiled expressions if any of them cannot be
/// compiled or if they are too large together.
std::unique_ptr<plan::TokenizerT> toPlan(const TokenizerData &data);
/// Converts a record that has passed the verifier. From a record that toPlan()
/// made, returns a value that differs from toPlan()'s `data` only in that
/// `notes` is empty, `hasTemplate` is false, and `templatePrograms` and
/// `splitters` have what toPlan() parsed and compiled.
TokenizerData fromPlan(const plan::Tokenizer &record);
/// Converts the program of a chat template. The caller must have checked the
/// end offsets in `record.texts`. `record.words` need not be a valid program.
jinja::ProgramCode fromPlan(const plan::TemplateProgram &record);

/// Returns null if `defaults` recommends nothing.
std::unique_ptr<plan::SamplingT> toPlan(const SamplingDefaults &defaults);
/// Returns settings that recommend nothing if `record` is null.
SamplingDefaults fromPlan(const plan::Sampling *record);

/// The GPU of `profile`, if any, must be one for which plans can be made. The
/// record of the GPU lacks its rate of arithmetic, and has an arena_bytes of 0.
std::unique_ptr<plan::MachineT> toPlan(const MachineProfile &profile);
MachineProfile fromPlan(const plan::Machine &record);

} // namespace air

#endif // AIRPACK_FORMATS_PLAN_PLANCONVERT_H
