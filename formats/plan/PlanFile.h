//===- PlanFile.h - header, writer, reader, verifier of plans ---*- C++ -*-===//
//
// This header includes the headers with which a program reads, verifies, writes
// and prints a plan's file. Each of them describes its part.
// docs/plan-format.md describes the file byte by byte.
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
