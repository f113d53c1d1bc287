//===- JoinTogether.h - one form of weights for several targets -*- C++ -*-===//
//
// The plans that one command makes for several CPUs share their weights, in one
// file or by copies. Whether gate and up are one matrix
// (transforms/JoinMatrices.h) depends on the RAM of a target, so these weights,
// most of a model, would be stored twice if one target has less RAM than
// another. The choice is therefore made once for all of the targets.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_DRIVER_JOINTOGETHER_H
#define AIRPACK_COMPILER_DRIVER_JOINTOGETHER_H

#include "compiler/driver/Compiler.h"

#include <span>

namespace air::compiler {

/// Sets CompileOptions::joinsMatrices of all `options` to whether at least one
/// of the plans that are compiled with them would have gate and up as one
/// matrix. All `options` name the same model, vocabulary and pre-tokenizer, and
/// have `machine` set.
///
/// Reads the model, and compiles it for one target after another up to the pass
/// select-kernels, until a plan has such a matrix. Compiles no kernels. Leaves
/// out reference plans and targets with a GPU, on which joinsMatrices has no
/// effect. Does nothing with fewer than two options. A plan that cannot be made
/// has no influence; its error is reported when it is compiled.
void joinTogether(std::span<CompileOptions *const> options);

} // namespace air::compiler

#endif // AIRPACK_COMPILER_DRIVER_JOINTOGETHER_H
