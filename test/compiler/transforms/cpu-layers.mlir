// The CPU computes the embedding and layer 0, and the GPU layer 1 and the head.
// RUN: air-opt %s --select-kernels="target=rtx3060 cpu-layers=1" --pack-segments --split-steps --plan-memory --verify-memory --schedule-reads > %t
// RUN: FileCheck %s --input-file=%t
// CHECK: plan.decision "activations" = "i8" by default
// CHECK: plan.decision "cpu-layers" = "1" by user
// CHECK-NEXT: plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 2048 slots 1
// CHECK-NEXT: plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 2048 slots 1 device 1
// CHECK-NEXT: plan.limits tokens 512 outputs 64 arena {{[0-9]+}} gpu_arena {{[0-9]+}}
// CHECK-DAG: plan.buffer @x row 256 at
// CHECK-DAG: plan.buffer @x_0 row 256 device 1 at
// CHECK-DAG: plan.tensor @"q+k+v" concat {{.*}} as Q8_0 x16 256 x 256
// CHECK-DAG: plan.tensor @"q1+k1+v1" concat {{.*}} as Q8_0 t16 256 x 256
// CHECK-LABEL: plan.program @m1 tokens 1 to 1
// CHECK: plan.step embed "embed"
// CHECK: plan.step attn_in layer 0 "layer.0.attn_in"
// CHECK: <write kv 0>
// CHECK: plan.step ffn_out layer 0 "layer.0.ffn_out"
// CHECK: plan.step positions "gpu.positions" copy @x to @x_0 {
// CHECK-NEXT: plan.dispatch "begin_angles_{{.*}} launch
// CHECK: plan.step attn_in layer 1 "layer.1.attn_in"
// CHECK: read batch block_tables
// CHECK: kv 1>
// CHECK: plan.step head "head"
// CHECK-LABEL: plan.program @"m65-512" tokens 65 to 512
// CHECK: plan.step ffn_out layer 0
// CHECK: plan.step positions "gpu.positions" copy @x to @x_0 {

// All segments of the CPU stay in RAM, and those of the GPU in VRAM.
// RUN: air-opt %t --place-weights --estimate-cost --verify-plan > %t.placed
// RUN: FileCheck %s --check-prefix=PLACED --input-file=%t.placed
// PLACED: plan.placement resident [{{[1-9][0-9]*}}, {{.*}}] ring 0 device [0, 0, {{.*}}1, 0] {
// PLACED: plan.budget_item "weights" ram bytes
// PLACED: plan.budget_item "kv" ram bytes 524288
// PLACED: plan.prediction "decode" links [#plan.link<name = "vram", {{.*}}#plan.link<name = "dram", {{.*}}#plan.link<name = "cpu",

// RUN: sed 's/ device \[0/ device [1/' %t.placed | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=ELSEWHERE
// ELSEWHERE: placement 0: segment 'positions' is on device 1 and keeps {{[0-9]+}} of its {{[0-9]+}} bytes in RAM, but kernels of the CPU use it, so all of it must be in RAM

// RUN: sed "s/<read kv 1>/<read kv 0>/" %t.placed | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=CACHE
// CACHE: the binding of the operand kv_cache does not have the kind

// RUN: not air-opt %s --select-kernels="target=rtx3060 cpu-layers=2" 2>&1 | FileCheck %s --check-prefix=MANY
// MANY: --cpu-layers is 2, but the model has 2 layers, at least one of which must be computed by the GPU; give a smaller number, or a target without a GPU
// RUN: not air-opt %s --select-kernels="target=x86-64-v3 cpu-layers=1" 2>&1 | FileCheck %s --check-prefix=NOGPU
// NOGPU: --cpu-layers is 1, but the target has no GPU, so the CPU computes all layers; leave the option out

// A step of the GPU may use only the residual stream of the CPU's layers.
// RUN: sed 's/into %x2 layer 1 <"o1"/into %x1 layer 1 <"o1"/' %s | not air-opt --select-kernels="target=rtx3060 cpu-layers=1" 2>&1 | FileCheck %s --check-prefix=CROSSING
// CROSSING: --cpu-layers: the GPU's layers, which begin with step 'layer.1.attn_in', use several results of the CPU's layers, but only the residual stream can be copied to the GPU; leave the option out

// RUN: not air-opt %t --place-weights="ram=1048576" 2>&1 | FileCheck %s --check-prefix=RAM
// RAM: the plan needs {{.*}} of RAM (process {{.*}}, transfer buffers {{.*}}, weights {{.*}}, KV cache 512.00 KiB, activations {{.*}}, scratch {{.*}}, kernels {{.*}}), but --ram gives 1.00 MiB; give a larger --ram, or a smaller --cpu-layers, or choose a target with more RAM

// If a tensor already has the name that a program would get, a number is added
// to the program's name.
// RUN: sed 's/<"t", /<"m1", /; s/<"d1", /<"m2-8", /' %s | air-opt --select-kernels="target=rtx3060 cpu-layers=1" --pack-segments | FileCheck %s --check-prefix=NAMES
// NAMES-DAG: plan.tensor @m1 copy
// NAMES-DAG: plan.tensor @"m2-8" copy
// NAMES-DAG: plan.program @m1_{{[0-9]+}} tokens 1 to 1
// NAMES-DAG: plan.program @"m2-8_{{[0-9]+}}" tokens 2 to 8

module {
  plan.model <name = "gpu", architecture = "llama", vocabulary = 512, width = 256, layers = 2, heads = 4, kv_heads = 2, head_dim = 32, ffn_width = 384, trained_context = 2048, parameters = 1>
  plan.graph @gpu {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", Q8_0, 512x256> : tensor<?x256xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 norm <"n", F32, 256> epsilon 1.0e-05 q <"q", Q8_0, 128x256> k <"k", Q8_0, 64x256> v <"v", Q8_0, 64x256> rope <norm, dim = 32, base = 1.0e4> : tensor<?x256xf32> -> tensor<?x256xf32>
    %heads = plan.attn %qkv layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 scale 0.1767767 : tensor<?x256xf32> -> tensor<?x128xf32>
    %x1 = plan.attn_out %heads into %x0 layer 0 <"o", Q8_0, 256x128> : tensor<?x128xf32> -> tensor<?x256xf32>
    %h = plan.ffn_in %x1 layer 0 norm <"m", F32, 256> epsilon 1.0e-05 gate <"g", Q8_0, 384x256> up <"u", Q8_0, 384x256> : tensor<?x256xf32> -> tensor<?x384xf32>
    %x2 = plan.ffn_out %h into %x1 layer 0 <"d", Q8_0, 256x384> : tensor<?x384xf32> -> tensor<?x256xf32>
    %qkv1 = plan.attn_in %x2 layer 1 cache 1 heads 4 kv_heads 2 head_dim 32 norm <"n1", F32, 256> epsilon 1.0e-05 q <"q1", Q8_0, 128x256> k <"k1", Q8_0, 64x256> v <"v1", Q8_0, 64x256> rope <norm, dim = 32, base = 1.0e4> : tensor<?x256xf32> -> tensor<?x256xf32>
    %heads1 = plan.attn %qkv1 layer 1 cache 1 heads 4 kv_heads 2 head_dim 32 scale 0.1767767 : tensor<?x256xf32> -> tensor<?x128xf32>
    %x3 = plan.attn_out %heads1 into %x2 layer 1 <"o1", Q8_0, 256x128> : tensor<?x128xf32> -> tensor<?x256xf32>
    %h1 = plan.ffn_in %x3 layer 1 norm <"n2", F32, 256> epsilon 1.0e-05 gate <"g1", Q8_0, 384x256> up <"u1", Q8_0, 384x256> : tensor<?x256xf32> -> tensor<?x384xf32>
    %x4 = plan.ffn_out %h1 into %x3 layer 1 <"d1", Q8_0, 256x384> : tensor<?x384xf32> -> tensor<?x256xf32>
    %logits = plan.head %x4 norm <"r", F32, 256> epsilon 1.0e-05 <"w", Q8_0, 512x256> : tensor<?x256xf32> -> tensor<?x512xf32>
    plan.return %logits : tensor<?x512xf32>
  }
}
