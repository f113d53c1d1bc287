// The only source file of AirLibraryPch, the CMake target that precompiles
// LibraryPch.h.
