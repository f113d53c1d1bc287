// The only source file of AirTestPch, the CMake target that precompiles
// TestPch.h.
