//===- PlanPasses.td - from fused steps to a plan ----------*- tablegen -*-===//
//
// The passes in the order in which they run. Each pass has a source file and a
// lit test that are named after it: select-kernels, for example, has
// SelectKernels.cpp and select-kernels.mlir.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_TD
#define AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_TD

include "mlir/Pass/PassBase.td"

def SelectKernels : Pass<"select-kernels", "::mlir::ModuleOp"> {
  let summary = "Lower fused steps to dispatches of kernels";
  let description = [{
    Replaces `plan.graph` with the tensors and buffers that kernels bind, and
    with one `plan.program` for each class of batch sizes. Kernels, their grids
    and their layouts come from codegen/ for the target, which is recorded on the
    module as `plan.target`. If the target has a GPU, all kernels are for the GPU
    (CudaLowering.h). But if `cpu-layers` is not 0, the kernels of this number of
    layers and of the embedding before them are for the CPU. Later passes may
    assume that codegen/ can generate the kernel of every dispatch.

    If the CPU computes all layers, and passes may have to read weights from the
    disk with all of the RAM that the plan is made for, gate and up of each layer
    become one matrix (JoinMatrices.h).
  }];
  let options = [
    Option<"target", "target", "std::string", "\"host\"",
           "The target: host, the name of a built-in profile, or the path of a "
           "JSON profile">,
    Option<"kvType", "kv-type", "std::string", "\"\"",
           "Number format of the KV cache: f16 or f32; f16 when empty">,
    Option<"activations", "activations", "std::string", "\"\"",
           "The least exact activation format that matmuls may use: f32, i8x2 "
           "or i8 (bfloat16 for BF16 weights); i8 when empty">,
    Option<"contextTokens", "context", "uint64_t", "0",
           "Context length in tokens; 0 means the trained context, but at most "
           "4096">,
    Option<"slots", "slots", "uint64_t", "0",
           "Number of sequences that the KV cache can hold at full context "
           "length; 0 means 1">,
    Option<"maxTokens", "max-tokens", "uint64_t", "512",
           "Number of tokens of the largest batch">,
    Option<"maxOutputs", "max-outputs", "uint64_t", "64",
           "Number of rows of logits that one batch may request">,
    Option<"cpuLayers", "cpu-layers", "uint64_t", "0",
           "Number of layers, from the first one on, that the CPU computes "
           "although the target has a GPU">,
    Option<"cpuLayersChosen", "cpu-layers-chosen", "bool", "false",
           "Whether that number was chosen by predictions, not by the user">,
    Option<"ram", "ram", "uint64_t", "0", "As in place-weights">,
    Option<"disk", "disk", "bool", "true", "As in place-weights">,
    Option<"pin", "pin", "int", "-1", "As in place-weights">,
    Option<"vocabularyBytes", "vocabulary-bytes", "uint64_t", "0",
           "As in place-weights">,
    Option<"reference", "reference", "bool", "false", "As in place-weights">,
    Option<"join", "join", "bool", "false",
           "Whether gate and up become one matrix even if the plan keeps all "
           "weights in RAM; no effect on a reference plan">];
  let dependentDialects = ["::air::ir::plan::PlanDialect"];
}

def PackSegments : Pass<"pack-segments", "::mlir::ModuleOp"> {
  let summary = "Put tensors into segments in the order of first use";
  let description = [{
    Each step that is the first to use some tensors gets a segment. The tensors
    are in the segment in binding order, but vectors before matrices, and aligned
    for kernels. If a dispatch binds two matrices and the second one is large, it
    begins at the start of a chunk. A tensor that several steps use is in the
    segment of the first, where steps of kind embed do not count: they only gather
    rows, so a tensor that no other step uses is in a table at the end. The
    executables follow the weights, each with a segment of its own: one with all
    kernels of the CPU, and one for each kernel of a GPU. compile-kernels sets the
    sizes of these segments.
  }];
}

def SplitSteps : Pass<"split-steps", "::mlir::ModuleOp"> {
  let summary = "Divide steps that read many weights into several steps";
  let description = [{
    A step must have all its weights in memory before it starts. A step whose
    matmuls read more than `part-bytes` bytes of weights becomes several
    consecutive steps of about equal size, in all programs. Each of these parts
    runs some of the row tiles; tensors, segments and kernels stay as they are.
    A dispatch that is not a matmul goes to the part in which the next matmul
    begins, or to the last part if no matmul follows. The parts are named
    "layer.3.ffn_in", "layer.3.ffn_in.1", and so on.
  }];
  let options = [Option<"partBytes", "part-bytes", "uint64_t", "4194304",
                        "The most bytes of weights that a step should read">];
}

def PlanMemory : Pass<"plan-memory", "::mlir::ModuleOp"> {
  let summary = "Place activation buffers in arenas by their lifetimes";
  let description = [{
    Sets the size and the offset of every `plan.buffer`, and the size of each
    device's arena in `plan.limits`. Buffers of a device whose lifetimes do not
    overlap may share bytes.
  }];
}

def VerifyMemory : Pass<"verify-memory", "::mlir::ModuleOp"> {
  let summary = "Prove that no two live buffers overlap";
  let description = [{
    Recomputes uses and sizes with code that is independent of plan-memory, and
    walks every program step by step.
  }];
}

def ScheduleReads : Pass<"schedule-reads", "::mlir::ModuleOp"> {
  let summary = "List the order in which a pass first needs the segments";
  let description = [{
    Adds one `plan.read` per segment of weights. The op names a step of the
    smallest program: the first step that binds a tensor of the segment and does
    more than gather rows of this tensor.
  }];
}

def CompileKernels : Pass<"compile-kernels", "::mlir::ModuleOp"> {
  let summary = "Compile the kernels of all dispatches";
  let description = [{
    The kernels of the CPU become one object, and each kernel of a GPU becomes a
    cubin, PTX, or both. The code itself is handed to the driver; the module
    records how many bytes are reserved for it (KernelBuild.h).
  }];
  let options = [
    Option<"threads", "threads", "unsigned", "1",
           "Number of threads that compile; the code does not depend on it">,
    Option<"ram", "ram", "uint64_t", "0", "As in place-weights">,
    Option<"disk", "disk", "bool", "true", "As in place-weights">,
    Option<"pin", "pin", "int", "-1", "As in place-weights">,
    Option<"vocabularyBytes", "vocabulary-bytes", "uint64_t", "0",
           "As in place-weights">,
    Option<"reference", "reference", "bool", "false", "As in place-weights">,
    Option<"codec", "codec", "std::string", "\"auto\"", "As in place-weights">,
    Option<"vram", "vram", "uint64_t", "0", "As in place-weights">];
}

def PlaceWeights : Pass<"place-weights", "::mlir::ModuleOp"> {
  let summary = "Divide the weights among VRAM, RAM and disk";
  let description = [{
    Adds one `plan.placement` for all of the RAM that the plan may use, and one
    each for 90, 75 and 50 % of this RAM, but leaves out placements that do not
    fit or that are equal to the one before. Each placement accounts for every
    byte of RAM. Weights that do not fit are read from the disk in every pass.
    Fails if anything else does not fit in all of the RAM, or if weights do not
    fit and may not be read from the disk. If the share of the weights that stays
    in RAM is given, there is only one placement.

    For a GPU, the placements are for all of the VRAM and the RAM that the plan
    may use, and for smaller sizes of both (planner/GpuAlternates.h). Weights
    that do not fit in VRAM are copied to the GPU in every pass. They stay in RAM
    or, if they do not fit there either, are first read from the disk.

    Also chooses the codec of each segment of weights.
  }];
  let options = [
    Option<"ram", "ram", "uint64_t", "0",
           "RAM in bytes that the plan may use; 0 means the target's memory">,
    Option<"disk", "disk", "bool", "true",
           "Whether weights may be read from the disk in every pass">,
    Option<"pin", "pin", "int", "-1",
           "Percentage of the weights that stays in RAM; -1 means as much as fits">,
    Option<"vocabularyBytes", "vocabulary-bytes", "uint64_t", "0",
           "Size in bytes of the vocabulary in the plan's metadata">,
    Option<"reference", "reference", "bool", "false",
           "Whether matrices are read from the model's files, which takes "
           "memory to read them into">,
    Option<"codec", "codec", "std::string", "\"auto\"",
           "How weights are stored: none, planes, zstd, or auto">,
    Option<"planesRatio", "planes-ratio", "double", "1.0",
           "Coded bytes divided by uncoded bytes of BF16 weights with the codec "
           "planes">,
    Option<"zstdRatio", "zstd-ratio", "double", "1.0",
           "Coded bytes divided by uncoded bytes of all other weights with the "
           "codec zstd">,
    Option<"vram", "vram", "uint64_t", "0",
           "Size in bytes of the memory of the target's GPU; 0 means that of the "
           "target">];
}

def EstimateCost : Pass<"estimate-cost", "::mlir::ModuleOp"> {
  let summary = "Predict a decode pass and a verify pass of each placement";
  let description = [{
    Adds the bytes that a pass moves over each link, the arithmetic of its matmuls,
    and the time that this takes at the target's rates. A verify pass has 4 tokens
    of one sequence. There is no prediction of it if no program runs such a pass.
  }];
}

def VerifyPlan : Pass<"verify-plan", "::mlir::ModuleOp"> {
  let summary = "Check the earlier passes' decisions with independent code";
  let description = [{
    Programs cover all batch sizes without gaps. Every tensor is used, and it is
    placed without overlapping the others of its segment. Segments are stored
    and read in the order of first use. The placements satisfy verifyWeights() of
    planner/Placement.h within their budgets. Grids and resources are those of the
    kernels. Every tensor, buffer and part of the cache has the dtype, layout and
    shape for which the kernel that binds it was generated. The entries are
    exactly the kernels that dispatches name.
  }];
}

#endif // AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_TD
