//===- ExplainText.h - an explanation as text and as JSON -------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRPACK_EXPLAINTEXT_H
#define AIRPACK_TOOLS_AIRPACK_EXPLAINTEXT_H

#include "compiler/planner/Explain.h"

#include <string>

namespace air {

/// The model and the machine that an explanation is about.
struct ExplainSubject {
  std::string modelName; ///< as in the file; may be empty
  std::string architecture;
  const compiler::ModelNeeds &needs;
  const MachineProfile &machine;
  /// Why airpack makes no plan for the machine's GPU; "" if it makes one, or if
  /// there is no GPU.
  std::string noPlan;
};

/// Why airpack makes no plan for this GPU, whatever the model is; "" if it
/// makes plans for it.
std::string noPlanFor(const GpuProfile &gpu);

/// Every line ends with a newline.
std::string explanationText(const ExplainSubject &subject,
                            const compiler::Explanation &explanation);

/// One JSON object. A number that is not known is null.
std::string explanationJson(const ExplainSubject &subject,
                            const compiler::Explanation &explanation);

} // namespace air

#endif // AIRPACK_TOOLS_AIRPACK_EXPLAINTEXT_H
