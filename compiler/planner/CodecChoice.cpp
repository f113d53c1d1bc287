//===- CodecChoice.cpp - when coded weights make a pass faster ------------===//
#include "compiler/planner/CodecChoice.h"

namespace air::compiler {

bool codecsPay(const CodecQuestion &question) {
  if (question.diskBandwidth == 0 || question.memoryBandwidth == 0 ||
      question.coded.empty()) {
    return false;
  }
  auto diskBytes = static_cast<double>(question.streamedBytes);
  // The time in which all cores together decode the coded weights of a pass.
  double decodeSeconds = 0;
  for (const CodedPart &part : question.coded) {
    if (part.decodeRate == 0 || part.bytes == 0 ||
        part.ratio > kWorthwhileRatio) {
      return false;
    }
    const auto bytes = static_cast<double>(part.bytes);
    diskBytes -= bytes * (1 - part.ratio);
    decodeSeconds += bytes / static_cast<double>(part.decodeRate) /
                     static_cast<double>(question.cores);
  }
  const double diskSeconds =
      diskBytes / static_cast<double>(question.diskBandwidth);
  const double computeSeconds = static_cast<double>(question.weightBytes) /
                                static_cast<double>(question.memoryBandwidth);
  return decodeSeconds <= diskSeconds - computeSeconds;
}

} // namespace air::compiler
