//===- CodecChoice.cpp - when coded weights make a pass faster ------------===//
#include "compiler/planner/CodecChoice.h"

namespace air::compiler {

bool codecPays(const CodecQuestion &question) {
  if (question.diskBandwidth == 0 || question.memoryBandwidth == 0 ||
      question.decodeRate == 0 || question.codedBytes == 0 ||
      question.ratio >= 1) {
    return false;
  }
  const auto coded = static_cast<double>(question.codedBytes);
  const double diskBytes = static_cast<double>(question.streamedBytes) -
                           coded * (1 - question.ratio);
  const double diskSeconds =
      diskBytes / static_cast<double>(question.diskBandwidth);
  const double computeSeconds = static_cast<double>(question.weightBytes) /
                                static_cast<double>(question.memoryBandwidth);
  const double idleSeconds = diskSeconds - computeSeconds;
  const double decodeSeconds = coded /
                               static_cast<double>(question.decodeRate) /
                               static_cast<double>(question.cores);
  return decodeSeconds <= idleSeconds;
}

} // namespace air::compiler
