// RUN: air-opt %s --split-input-file --select-kernels="target=rtx3060" --verify-diagnostics | FileCheck %s
// RUN: air-opt %s --split-input-file --select-kernels="target=h100" --verify-diagnostics | FileCheck %s --check-prefix=HOPPER

// Everything runs on the GPU. Matrices among q, k and v with the same dtype
// share a matmul. The token table is stored by rows for the embedding, and in
// tiles for the head. One dispatch does the embedding and the angles.

// CHECK: plan.target = {{.*}} gpu = {arch = "sm_86"{{.*}} multiprocessors = 28 : i64, name = "rtx3060"
// CHECK: plan.decision "activations" = "f16" by default
// CHECK: plan.decision "max-outputs" = "64" by default
// CHECK-NEXT: plan.decision "max-tokens" = "512" by default
// CHECK: plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 2048 slots 1 device 1
// CHECK-NEXT: plan.limits tokens 512 outputs 64
// CHECK-DAG: plan.buffer @x row 256 device 1
// CHECK-DAG: plan.buffer @qkv row 256 device 1
// CHECK-DAG: plan.buffer @kv row 64 device 1
// CHECK-DAG: plan.buffer @logits row 512 rows <outputs> output device 1
// CHECK-DAG: plan.buffer @operands row {{[0-9]+}} device 1 fixed
// CHECK-DAG: plan.buffer @scales row 512 device 1 fixed
// CHECK-DAG: plan.buffer @counters row {{[0-9]+}} device 1 fixed zeroed
// CHECK-DAG: plan.buffer @partials row {{[0-9]+}} device 1 fixed
// By rows, the table takes 512 x 144 bytes. In layout t16, a row takes 148
// bytes, and a tile of 16 rows 2368 bytes; the table has 32 tiles.
// CHECK-DAG: plan.tensor @token_embd.weight copy {{.*}} as Q4_K rows 512 x 256 bytes 73728
// CHECK-DAG: plan.tensor @token_embd.weight_{{[0-9]+}} copy {{.*}} as Q4_K t16 512 x 256 bytes 75776
// CHECK-DAG: plan.tensor @"q+k" concat {{.*}} as Q4_K t16 192 x 256 bytes 28416
// CHECK-DAG: plan.tensor @v copy {{.*}} as Q6_K t16 64 x 256 bytes 13440
// CHECK-DAG: plan.tensor @"g+u" interleave {{.*}} as Q4_K t16 768 x 256 bytes 113664
// CHECK-NOT: plan.graph

// CHECK-LABEL: plan.program @m1 tokens 1 to 1
// CHECK-NEXT: plan.step embed "embed"
// CHECK-NEXT: plan.dispatch "begin_q4_k{{.*}}" {{.*}} op = "begin_step", rope_dim = 32 : i64, vocabulary = 512 : i64} (<read batch token_ids>, <read tensor @token_embd.weight>, <write buffer @x>, <read batch rope_positions>, <read tensor @inverse_frequencies>, <write buffer @angles>) weight_bytes 144 launch <grid_x = 1, grid_y = 1, threads = 256
// CHECK: plan.step attn_in layer 0 "layer.0.attn_in"
// CHECK-NEXT: key_heads = 2 : i64, {{.*}} output = "heads", page_bytes = 16384 : i64, query_heads = 4 : i64, rope = "norm", rope_dim = 32 : i64, rows = 192 : i64, {{.*}} table_pages = 32 : i64{{.*}} (<read tensor @"q+k">, <read buffer @x>, <write buffer @qkv>, <write buffer @partials>, <read_write buffer @counters>, <read tensor @n>, <read buffer @angles>, <read batch positions>, <read batch block_tables>, <write kv 0>) weight_bytes 28416 flops_per_row 98304 arithmetic <float16> launch
// CHECK-NEXT: dtype = "Q6_K", {{.*}} rows = 64 : i64, {{.*}} value_heads = 2 : i64{{.*}} (<read tensor @v>, <read buffer @x>, <write buffer @kv>
// CHECK: plan.step attn layer 0 "layer.0.attn"
// CHECK-NEXT: op = "decode_attention", {{.*}} query_stride = 192 : i64{{.*}} (<read buffer @qkv>, <read batch positions>, <read batch block_tables>, <read kv 0>, <write buffer @heads>, <write buffer @partials>, <read_write buffer @counters>)
// CHECK: plan.step attn_out
// CHECK-NEXT: output = "add"{{.*}} (<read tensor @o>, <read buffer @heads>, <read_write buffer @x>,
// CHECK: plan.step ffn_in
// CHECK-NEXT: output = "silu_glu", rows = 384 : i64{{.*}} (<read tensor @"g+u">, <read buffer @x>, <write buffer @h>,
// CHECK: plan.step ffn_out
// CHECK: plan.step head
// CHECK-NEXT: input = "rms_norm"{{.*}} (<read tensor @token_embd.weight_{{[0-9]+}}>, <read buffer @x>, <write buffer @logits>,
// CHECK-NEXT: plan.dispatch "draw_n512_m1_sm_86_b1_w16_next" {{.*}}advance = true, choice = "draw", op = "choose_token", vocabulary = 512 : i64, warps = 16 : i64} (<read buffer @logits>, <read_write batch token_ids>, <write buffer @partials>, <read_write buffer @counters>, <read_write batch token_count>, <read_write batch positions>, <read_write batch rope_positions>){{.*}} launch <grid_x = 1, grid_y = 1, threads = 512
// CHECK-LABEL: plan.program @"m2-8" tokens 2 to 8
// CHECK: op = "begin_step"{{.*}} tokens = 8 : i64
// CHECK-NOT: dependent

// Batches of 9 to 64 tokens have a program of their own. A tile has 64 queries.
// Two query heads share a KV head, so each token has two of these queries, and
// a tile has 32 tokens.
// CHECK-LABEL: plan.program @"m9-64" tokens 9 to 64 tiles 32
// CHECK: max_tokens = 64 : i64, op = "prefill_input"
// CHECK-LABEL: plan.program @"m65-512" tokens 65 to 512 tiles 32
// CHECK: count_in_memory = true, op = "begin_step"{{.*}} tokens = 512 : i64{{.*}} (<read batch token_ids>, {{.*}} <read batch token_count>)
// The weights of v have a different dtype from those of q and k, so the input
// is converted twice, once for each dtype.
// CHECK: plan.step attn_in layer 0 "layer.0.attn_in"
// CHECK-NEXT: {columns = 256 : i64, {{.*}}input = "rms_norm", max_tokens = 512 : i64, op = "prefill_input"} (<read buffer @x>, <write buffer @operands>, <write buffer @scales>, <read batch token_count>, <read tensor @n>)
// CHECK-NEXT: op = "prefill_matmul", {{.*}}rows = 192 : i64{{.*}} (<read tensor @"q+k">, <read buffer @operands>, <read buffer @scales>, <write buffer @qkv>, <read batch token_count>) weight_bytes 28416 flops_per_row 98304 arithmetic <float16> launch
// CHECK-NEXT: key_heads = 2 : i64, {{.*}} op = "prefill_heads", {{.*}} (<read_write buffer @qkv>, <read batch token_count>, <read batch sequences>, <read buffer @angles>, <read batch positions>, <read batch block_tables>, <write kv 0>)
// CHECK-NEXT: dtype = "Q6_K", {{.*}} op = "prefill_input"
// CHECK-NEXT: dtype = "Q6_K", {{.*}} op = "prefill_matmul"{{.*}} <write buffer @kv>
// CHECK-NEXT: op = "prefill_heads", {{.*}} value_heads = 2 : i64{{.*}} (<read_write buffer @kv>
// CHECK: plan.step attn layer 0 "layer.0.attn"
// CHECK-NEXT: {{.*}}max_tiles = 512 : i64, op = "prefill_attention"{{.*}} tile_tokens = 32 : i64} (<read buffer @qkv>, <read batch positions>, <read batch block_tables>, <read kv 0>, <write buffer @heads>, <read batch tile_count>, <read batch tiles>)
// CHECK: plan.step ffn_in
// CHECK: op = "prefill_matmul", output = "silu_glu", {{.*}}rows = 384 : i64
// The head computes only the requested rows.
// CHECK: plan.step head
// CHECK-NEXT: max_tokens = 64 : i64, op = "prefill_input", outputs = true} (<read buffer @x>, <write buffer @operands>, <write buffer @scales>, <read batch output_count>, <read tensor @r>, <read batch output_rows>) rows <outputs>
// CHECK-NEXT: op = "prefill_matmul", outputs = true{{.*}} <write buffer @logits>, <read batch output_count>) rows <outputs> weight_bytes 75776
// The host chooses the first tokens of answers.
// CHECK-NOT: choose_token
// CHECK-NOT: wgmma

// A kernel of this GPU may start before the previous one has ended.
// HOPPER: arch = "sm_90a"
// HOPPER: dependent_launch = true, op = "begin_step"{{.*}} launch <{{.*}}dependent = true>
// HOPPER: fetch = "bulk"
// HOPPER-LABEL: plan.program @"m65-512"
// HOPPER: dependent_launch = true, {{.*}} op = "prefill_input", wgmma = true}
// HOPPER: op = "prefill_matmul", {{.*}} wgmma = true}
module {
  plan.model <name = "tied", architecture = "llama", vocabulary = 512, width = 256, layers = 1, heads = 4, kv_heads = 2, head_dim = 32, ffn_width = 384, trained_context = 2048, parameters = 1>
  plan.graph @tied {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"token_embd.weight", Q4_K, 512x256> : tensor<?x256xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 norm <"n", F32, 256> epsilon 1.0e-05 q <"q", Q4_K, 128x256> k <"k", Q4_K, 64x256> v <"v", Q6_K, 64x256> rope <norm, dim = 32, base = 1.0e4> : tensor<?x256xf32> -> tensor<?x256xf32>
    %heads = plan.attn %qkv layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 scale 0.1767767 : tensor<?x256xf32> -> tensor<?x128xf32>
    %x1 = plan.attn_out %heads into %x0 layer 0 <"o", Q8_0, 256x128> : tensor<?x128xf32> -> tensor<?x256xf32>
    %h = plan.ffn_in %x1 layer 0 norm <"m", F32, 256> epsilon 1.0e-05 gate <"g", Q4_K, 384x256> up <"u", Q4_K, 384x256> : tensor<?x256xf32> -> tensor<?x384xf32>
    %x2 = plan.ffn_out %h into %x1 layer 0 <"d", Q8_0, 256x384> : tensor<?x384xf32> -> tensor<?x256xf32>
    %logits = plan.head %x2 norm <"r", F32, 256> epsilon 1.0e-05 <"token_embd.weight", Q4_K, 512x256> : tensor<?x256xf32> -> tensor<?x512xf32>
    plan.return %logits : tensor<?x512xf32>
  }
}

// -----

// gate and up have different dtypes, so there is one matmul per matrix instead
// of one for both. The scale of up is stored once per row. On Hopper, F32 is
// multiplied without wgmma, and NVFP4 with it.
// CHECK-LABEL: plan.model <name = "types"
// CHECK-DAG: plan.tensor @u.scale row_scales {{.*}} as F32 rows 1 x 48 bytes 192
// CHECK: plan.step ffn_in layer 0
// CHECK-NEXT: dtype = "F32", {{.*}} op = "decode_matmul", {{.*}} (<read tensor @g>, <read buffer @x>, <write buffer @h>,
// CHECK-NEXT: dtype = "NVFP4", {{.*}} has_row_scales = true, {{.*}} output = "silu_up", {{.*}} (<read tensor @u>, <read buffer @x>, <read_write buffer @h>, {{.*}} <read tensor @u.scale>)
// CHECK: plan.step head
// CHECK-NEXT: dtype = "F64", {{.*}} op = "decode_matmul"
// CHECK-LABEL: plan.program @"m65-512"
// CHECK: plan.step ffn_in layer 0
// CHECK-NEXT: dtype = "F32", {{.*}} op = "prefill_input"
// CHECK-NEXT: dtype = "F32", {{.*}} op = "prefill_matmul"
// CHECK-NEXT: dtype = "NVFP4", {{.*}} op = "prefill_input"
// CHECK-NEXT: dtype = "NVFP4", has_row_scales = true, {{.*}} op = "prefill_matmul", output = "silu_up"
// HOPPER-LABEL: plan.model <name = "types"
// HOPPER-LABEL: plan.program @"m65-512"
// HOPPER: plan.step ffn_in layer 0
// HOPPER-NEXT: dtype = "F32", {{.*}} op = "prefill_input"}
// HOPPER-NEXT: dtype = "F32", {{.*}} op = "prefill_matmul"{{.*}} : i64} (
// HOPPER-NEXT: dtype = "NVFP4", {{.*}} op = "prefill_input", wgmma = true}
module {
  plan.model <name = "types", architecture = "llama", vocabulary = 64, width = 64, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @types {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F64, 64x64> : tensor<?x64xf32>
    %h = plan.ffn_in %x0 layer 0 gate <"g", F32, 48x64> up <"u", NVFP4, 48x64, scale "u.scale"> : tensor<?x64xf32> -> tensor<?x48xf32>
    %x1 = plan.ffn_out %h into %x0 layer 0 <"d", F16, 64x48> : tensor<?x48xf32> -> tensor<?x64xf32>
    %logits = plan.head %x1 norm <"r", F32, 64> epsilon 1.0e-05 <"h", F64, 64x64> : tensor<?x64xf32> -> tensor<?x64xf32>
    plan.return %logits : tensor<?x64xf32>
  }
}

// -----

// expected-error @+1 {{step norm: no kernel for GPUs computes 'plan.norm' as a separate step; choose a target without a GPU}}
module {
  plan.model <name = "m", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @m {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %n = plan.norm %x0 <"n", F32, 32> epsilon 1.0e-05 : tensor<?x32xf32>
    plan.return %n : tensor<?x32xf32>
  }
}
