// The only source file of AirMlirPch, the CMake target that precompiles
// MlirPch.h.
