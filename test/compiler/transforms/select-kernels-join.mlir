// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 ram=45000000" | FileCheck %s --check-prefixes=ALL,JOINED
// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 ram=75000000" | FileCheck %s --check-prefixes=ALL,APART
// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 ram=45000000 disk=false" | FileCheck %s --check-prefixes=ALL,APART
// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 ram=45000000 reference=true" | FileCheck %s --check-prefixes=ALL,APART
// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 pin=50" | FileCheck %s --check-prefixes=ALL,JOINED
// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 pin=100" | FileCheck %s --check-prefixes=ALL,APART
// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3" | FileCheck %s --check-prefixes=ALL,APART
// RUN: air-opt %s --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 ram=75000000 vocabulary-bytes=10000000" | FileCheck %s --check-prefixes=ALL,JOINED

// If passes may have to read weights from the disk although all of --ram is
// there, gate and up are one matrix of 512 columns. The weights take 35 MB: the
// table and the head 17 MB each. A plan for 75 MB keeps them in RAM, unless
// something else takes more than 40 MB. With half of 75 MB, passes read weights,
// but the matrices remain two.

// Layer 0 uses the matrices @g and @u. Layer 1 uses the same @u, but with
// another gate, which has another dtype than @u and is thus never joined.

// JOINED-DAG: plan.tensor @[[$GU:"g\+u"]] join [#llm.weight<"g", Q8_0, 512x256, scale "g.scale">, #llm.weight<"u", Q8_0, 512x256>] as Q8_0 x16 512 x 512 bytes 278528{{$}}
// JOINED-NOT: plan.tensor @g copy
// APART-DAG: plan.tensor @g copy
// ALL-DAG: plan.tensor @u copy

// ALL-LABEL: plan.program @m1 tokens 1 to 1
// ALL: plan.step ffn_in layer 0
// JOINED: plan.dispatch "glu_matmul_q8_0_x16_m1_n512_k256_rowscales_joined" {{.*}}has_row_scales = true, is_joined = true, {{.*}}n = 512 : i64{{.*}} <read tensor @[[$GU]]>, <read tensor @g.scale>, <read tensor @{{u_[0-9]+}}>, <write buffer @h>) {{.*}} weight_bytes 278528 flops_per_row 524288
// APART: plan.dispatch "glu_matmul_q8_0_x16_m1_n512_k256_rowscales" {{.*}} <read tensor @g>, <read tensor @u>, <read tensor @g.scale>, <read tensor @{{u_[0-9]+}}>, <write buffer @h>) {{.*}} weight_bytes 278528 flops_per_row 524288
// ALL: plan.step ffn_in layer 1
// ALL-NEXT: op = "rms_norm"
// ALL-NEXT: op = "matmul"{{.*}} <read tensor @v>
// ALL-NEXT: op = "matmul"{{.*}} <read tensor @u>
// ALL-NEXT: op = "silu_mul"
// ALL-LABEL: plan.program @"m2-8" tokens 2 to 8
// ALL: plan.step ffn_in layer 0
// JOINED: plan.dispatch "glu_matmul_q8_0_x16_m2{{.*}}_joined" {{.*}} <read tensor @[[$GU]]>
// APART: plan.dispatch "glu_matmul_q8_0_x16_m2{{.*}} <read tensor @g>, <read tensor @u>
module {
  plan.model <name = "join", architecture = "llama", vocabulary = 64000, width = 256, layers = 2, heads = 4, kv_heads = 1, head_dim = 64, ffn_width = 512, trained_context = 64, parameters = 1>
  plan.graph @join {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", Q8_0, 64000x256> : tensor<?x256xf32>
    %h0 = plan.ffn_in %x0 layer 0 norm <"m", F32, 256> epsilon 0.5 gate <"g", Q8_0, 512x256, scale "g.scale"> up <"u", Q8_0, 512x256> : tensor<?x256xf32> -> tensor<?x512xf32>
    %x1 = plan.ffn_out %h0 into %x0 layer 0 <"d", Q8_0, 256x512> : tensor<?x512xf32> -> tensor<?x256xf32>
    %h1 = plan.ffn_in %x1 layer 1 norm <"m", F32, 256> epsilon 0.5 gate <"v", F16, 512x256> up <"u", Q8_0, 512x256> : tensor<?x256xf32> -> tensor<?x512xf32>
    %x2 = plan.ffn_out %h1 into %x1 layer 1 <"d", Q8_0, 256x512> : tensor<?x512xf32> -> tensor<?x256xf32>
    %logits = plan.head %x2 norm <"f", F32, 256> epsilon 0.5 <"head", Q8_0, 64000x256> : tensor<?x256xf32> -> tensor<?x64000xf32>
    plan.return %logits : tensor<?x64000xf32>
  }
}
