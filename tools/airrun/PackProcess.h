//===- PackProcess.h - airpack as a child process ---------------*- C++ -*-===//
#ifndef AIRPACK_TOOLS_AIRRUN_PACKPROCESS_H
#define AIRPACK_TOOLS_AIRRUN_PACKPROCESS_H

#include "formats/support/Status.h"

#include <string>
#include <vector>

namespace air {

/// The path of the airpack program: the one in the folder of this program, or
/// else the first in PATH; "" if there is none.
std::string findAirpack();

/// Runs airpack with the arguments and --progress, and waits for its end. On a
/// terminal, a bar shows how far it has come. Notes go to standard error; what
/// airpack prints to standard output is dropped. If airpack fails, its code and
/// message are returned. If this process ends first, airpack is terminated.
Status runAirpack(const std::string &program,
                  const std::vector<std::string> &arguments);

} // namespace air

#endif // AIRPACK_TOOLS_AIRRUN_PACKPROCESS_H
