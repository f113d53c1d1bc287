//===- PassFailure.h - passes a Status through diagnostics ------*- C++ -*-===//
//
// A pass that fails with a Status emits the message of the Status as an error
// on the op, and records the code of the Status on the module
// (`plan.error_code`), so that the driver returns this code instead of
// Internal.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PASSFAILURE_H
#define AIRPACK_COMPILER_TRANSFORMS_PASSFAILURE_H

#include "formats/support/Status.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"

namespace air::compiler {

inline constexpr llvm::StringLiteral kErrorCodeAttr = "plan.error_code";

/// Emits `status`, which must be an error, on `op`, records its code on the
/// module, and returns failure.
inline mlir::LogicalResult failWith(mlir::Operation *op, const Status &status) {
  mlir::Operation *module = op;
  while (module->getParentOp() != nullptr) {
    module = module->getParentOp();
  }
  module->setAttr(
      kErrorCodeAttr,
      mlir::IntegerAttr::get(mlir::IntegerType::get(op->getContext(), 64),
                             static_cast<int64_t>(status.exitCode())));
  return op->emitError(status.message());
}

/// Returns the code that a failed pass recorded, or Internal if none was
/// recorded.
inline ErrorCode failureCode(mlir::ModuleOp module) {
  auto code = module->getAttrOfType<mlir::IntegerAttr>(kErrorCodeAttr);
  return code ? static_cast<ErrorCode>(code.getInt()) : ErrorCode::Internal;
}

/// A pass that is implemented by a function `Status run()`. `Base` is the class
/// that TableGen generates.
template <typename Base> class StatusPass : public Base {
public:
  using Base::Base;

  void runOnOperation() final {
    if (Status status = run(); !status.isOk()) {
      (void)failWith(this->getOperation(), status);
      this->signalPassFailure();
    }
  }

private:
  virtual Status run() = 0;
};

} // namespace air::compiler

#endif // AIRPACK_COMPILER_TRANSFORMS_PASSFAILURE_H
