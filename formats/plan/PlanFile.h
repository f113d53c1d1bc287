//===- PlanFile.h - header, writer, reader, verifier of plans ---*- C++ -*-===//
//
// This header includes all headers of formats/plan that deal with the file;
// each of them describes its part. docs/plan-format.md describes the file byte
// by byte.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_FORMATS_PLAN_PLANFILE_H
#define AIRPACK_FORMATS_PLAN_PLANFILE_H

#include "formats/plan/PlanHeader.h"
#include "formats/plan/PlanJson.h"
#include "formats/plan/PlanReader.h"
#include "formats/plan/PlanVerifier.h"
#include "formats/plan/PlanWriter.h"

#endif // AIRPACK_FORMATS_PLAN_PLANFILE_H
