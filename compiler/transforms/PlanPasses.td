//===- PlanPasses.td - from fused steps to a plan ----------*- tablegen -*-===//
//
// In the order in which they run. Each has one file and one lit test of its
// name.
//
//===----------------------------------------------------------------------===//
#ifndef AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_TD
#define AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_TD

include "mlir/Pass/PassBase.td"

def SelectKernels : Pass<"select-kernels", "::mlir::ModuleOp"> {
  let summary = "Lower fused steps to dispatches of kernels";
  let description = [{
    Replaces `plan.graph` by the tensors and buffers that kernels bind and by one
    `plan.program` for each class of batch sizes. Kernels, their grids and their
    layouts come from codegen/ for the target, which is noted on the module as
    `plan.target`. Later passes may assume that every dispatch names a kernel
    that the target has.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"host\"",
           "\"host\", a built-in profile's name, or a JSON file">,
    Option<"kvType", "kv-type", "std::string", "\"\"",
           "f16 or f32; f16 when empty">,
    Option<"activations", "activations", "std::string", "\"\"",
           "The least exact form that products may take their activations in: "
           "f32, i8x2 or i8 (of BF16 weights bfloat16); i8 when empty">,
    Option<"contextTokens", "context", "uint64_t", "0",
           "Tokens a sequence may hold; 0: the trained context, at most 4096">,
    Option<"slots", "slots", "uint64_t", "0",
           "Sequences that fit at full context; 0: 1">,
    Option<"maxTokens", "max-tokens", "uint64_t", "512",
           "Tokens of the largest batch">,
    Option<"maxOutputs", "max-outputs", "uint64_t", "64",
           "Rows of logits one batch may ask for">];
  let dependentDialects = ["::air::ir::plan::PlanDialect"];
}

def PlanMemory : Pass<"plan-memory", "::mlir::ModuleOp"> {
  let summary = "Place activation buffers in one arena by liveness";
  let description = [{
    Gives every `plan.buffer` its bytes for the largest batch and its offset, and
    `plan.limits` the arena's size. Buffers that never live at the same step
    share bytes.
  }];
}

def VerifyMemory : Pass<"verify-memory", "::mlir::ModuleOp"> {
  let summary = "Prove that no two live buffers overlap";
  let description = [{
    Computes uses and sizes again, by other code than plan-memory, and walks
    every program step by step.
  }];
}

def PackSegments : Pass<"pack-segments", "::mlir::ModuleOp"> {
  let summary = "Put tensors into segments in the order of first use";
  let description = [{
    One segment for each step that is the first to use some tensors, which lie in
    it in binding order, aligned for kernels. A tensor that several steps use
    lies with the first. Kernels follow the weights in a segment whose size
    compile-kernels fills in.
  }];
}

def ScheduleReads : Pass<"schedule-reads", "::mlir::ModuleOp"> {
  let summary = "List the order in which a pass first needs the segments";
  let description = [{
    One `plan.read` a segment of weights, before the step of the smallest program
    that is the first to bind one of its tensors.
  }];
}

def CompileKernels : Pass<"compile-kernels", "::mlir::ModuleOp"> {
  let summary = "Compile the kernels of all dispatches to one object";
  let description = [{
    The object itself goes to the driver; the module learns its size.
  }];
  let options = [Option<"threads", "threads", "unsigned", "1",
                        "Threads that compile; the object does not depend on it">];
}

def EstimateCost : Pass<"estimate-cost", "::mlir::ModuleOp"> {
  let summary = "Account for every byte of RAM and predict a decode pass";
  let description = [{
    Fails when the sum does not fit in the target's memory.
  }];
}

def VerifyPlan : Pass<"verify-plan", "::mlir::ModuleOp"> {
  let summary = "Check what the earlier passes decided, by other code";
  let description = [{
    Programs cover batches without gaps; every tensor is placed, apart from the
    others of its segment, and used; segments stand and are read in the order of
    first use; grids and resources are those of the kernels; every tensor, buffer
    and part of the cache has the dtype, layout and shape that the kernel which
    binds it was made for; entries are exactly the kernels that dispatches name.
  }];
}

#endif // AIRPACK_COMPILER_TRANSFORMS_PLANPASSES_TD
