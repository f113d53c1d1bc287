// Gives the precompiled MLIR headers a target to belong to.
