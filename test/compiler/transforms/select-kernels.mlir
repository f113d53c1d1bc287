// RUN: air-opt %s --split-input-file --select-kernels="target=aarch64-neon max-tokens=40 max-outputs=3" | FileCheck %s
// RUN: air-opt %s --split-input-file --select-kernels="target=aarch64-neon max-tokens=8 max-outputs=3 kv-type=f32 context=100 slots=2" | FileCheck %s --check-prefix=OPTIONS
// RUN: air-opt %s --split-input-file --select-kernels="target=x86-64-v4-vnni max-tokens=40 max-outputs=3" | FileCheck %s --check-prefix=BYTES
// RUN: air-opt %s --split-input-file --select-kernels="target=x86-64-v4-bf16 max-tokens=40 max-outputs=3" | FileCheck %s --check-prefix=PAIRS
// RUN: air-opt %s --split-input-file --select-kernels="target=x86-64-v4-bf16 max-tokens=40 max-outputs=3 activations=i8x2" | FileCheck %s --check-prefix=EXACT

// This is a dense layer with tied embeddings. The embedding table is one
// tensor, in a layout that both of its kernels read. q, k and v are joined into
// one matrix.

// CHECK: module attributes {plan.target = {arch = "aarch64"
// CHECK-SAME: name = "aarch64-neon"
// CHECK: plan.decision "context" = "2048" by model
// CHECK-NEXT: plan.decision "kv-type" = "f16" by default
// CHECK-NEXT: plan.decision "max-outputs" = "3" by default
// CHECK-NEXT: plan.decision "max-tokens" = "40" by default
// CHECK-NEXT: plan.decision "prefetch" = "m1 t1 9216; m2-8 t1 9216; m9+ t1" by solver
// CHECK-NEXT: plan.decision "slots" = "1" by default
// CHECK-NEXT: plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 2048 slots 1
// CHECK-NEXT: plan.limits tokens 40 outputs 3
// CHECK-DAG: plan.buffer @x row 128
// CHECK-DAG: plan.buffer @angles row 32
// q has 128 columns, and k and v have 64 each.
// CHECK-DAG: plan.buffer @qkv row 256
// CHECK-DAG: plan.buffer @h row 384
// CHECK-DAG: plan.buffer @attn_states row 272 most 1
// CHECK-DAG: plan.buffer @xo row 128 rows <outputs>
// CHECK-DAG: plan.buffer @logits row 512 rows <outputs> output
// CHECK-DAG: plan.tensor @inverse_frequencies inverse_frequencies [] rope <norm, dim = 32, base = 1.000000e+04> as F64 rows 1 x 16 bytes 128
// The embedding table has 512 rows of 4 blocks of 34 bytes.
// CHECK-DAG: plan.tensor @token_embd.weight copy {{.*}} as Q8_0 x16 512 x 128 bytes 69632
// CHECK-DAG: plan.tensor @blk.0.attn_norm.weight vector {{.*}} as F32 rows 1 x 128 bytes 512
// CHECK-DAG: plan.tensor @[[$QKV:"q\+k\+v"]] concat {{.*}} as Q8_0 x16 256 x 128 bytes 34816
// CHECK-NOT: plan.tensor @token_embd
// CHECK-NOT: plan.graph

// CHECK-LABEL: plan.program @m1 tokens 1 to 1
// CHECK: plan.step positions "positions"
// CHECK: op = "rope_angles"{{.*}} (<read tensor @inverse_frequencies>, <write buffer @angles>)
// CHECK: plan.step embed "embed"
// CHECK: op = "embed_rows"{{.*}} (<read tensor @token_embd.weight>, <write buffer @x>)
// CHECK: plan.step attn_in layer 0 "layer.0.attn_in"
// CHECK-NEXT: op = "rms_norm"{{.*}} (<read buffer @x>, <read tensor @blk.0.attn_norm.weight>, <write buffer @attn_normed>)
// CHECK-NEXT: n = 256 : i64, op = "matmul", y_stride = 256 : i64} (<read buffer @attn_normed>, <read tensor @[[$QKV]]>, <write buffer @qkv>)
// One page holds 1 layer x 2 heads x (K and V) x 32 elements x 64 tokens x 2
// bytes.
// CHECK-NEXT: kv_page_bytes = 16384 : i64, op = "rope_append", rope = "norm", rope_dim = 32 : i64} (<read_write buffer @qkv>, <read buffer @angles>, <write kv 0>)
// CHECK: plan.step attn layer 0 "layer.0.attn"
// A context of 2048 positions is divided into 2 ranges of 16 pages of 64
// positions. A row of @attn_states holds a state for each of the 2 ranges and 4
// heads. A state has 34 floats: 32 sums, the largest score and the sum of the
// weights.
// CHECK-NEXT: op = "attention", ranges = 2 : i64, {{.*}} (<read buffer @qkv>, <read kv 0>, <write buffer @attn_states>)
// CHECK-NEXT: op = "attention_merge", ranges = 2 : i64} (<read buffer @attn_states>, <write buffer @heads>)
// CHECK: plan.step attn_out layer 0 "layer.0.attn_out"
// CHECK-NEXT: accumulate = true{{.*}} (<read buffer @heads>, <read tensor @o>, <read_write buffer @x>)
// CHECK: plan.step ffn_in layer 0 "layer.0.ffn_in"
// CHECK-NEXT: op = "rms_norm"
// CHECK-NEXT: op = "glu_matmul"{{.*}} (<read buffer @ffn_normed>, <read tensor @g>, <read tensor @u>, <write buffer @h>)
// CHECK: plan.step ffn_out layer 0 "layer.0.ffn_out"
// CHECK-NEXT: accumulate = true{{.*}} (<read buffer @h>, <read tensor @d>, <read_write buffer @x>)
// CHECK: plan.step head "head"
// CHECK-NEXT: op = "rms_norm", rows_from = "outputs"} (<read buffer @x>, <read tensor @output_norm.weight>, <write buffer @xo>){{.*}} rows <outputs>
// CHECK-NEXT: op = "matmul", rows_from = "outputs", y_stride = 512 : i64} (<read buffer @xo>, <read tensor @token_embd.weight>, <write buffer @logits>){{.*}} rows <outputs>

// The programs for other batch sizes have the same steps. Only the kernels
// whose code depends on the number of tokens (m_class) differ.
// CHECK-LABEL: plan.program @"m2-8" tokens 2 to 8
// CHECK: m_class = "small", n = 256 : i64, op = "matmul"
// CHECK-NOT: m_class = "{{(small|large)}}", op = "rms_norm"
// CHECK-LABEL: plan.program @"m9+" tokens 9 to 40
// CHECK: m_class = "large", n = 256 : i64, op = "matmul"

// OPTIONS: plan.decision "context" = "100" by user
// OPTIONS: plan.decision "kv-type" = "f32" by user
// OPTIONS: plan.decision "slots" = "2" by user
// OPTIONS: plan.kv F32 page_tokens 64 caches 1 heads 2 head_dim 32 context 100 slots 2
// OPTIONS: kv_dtype = "F32"
// OPTIONS: plan.program @"m2-8" tokens 2 to 8
// OPTIONS-NOT: @"m9+"

// With byte dot products, each input of a Q8_0 matmul is packed once per
// activation format. Programs for one token use i8x2, in which every started
// section of 256 columns takes 160 words; those for several tokens use i8, in
// which 32 columns take 17 words.
// BYTES-DAG: plan.buffer @attn_normed row 128
// BYTES-DAG: plan.buffer @attn_normed.i8x2 row 160
// BYTES-DAG: plan.buffer @attn_normed.i8 row 68
// BYTES-DAG: plan.buffer @h.i8x2 row 320
// BYTES-DAG: plan.buffer @xo.i8x2 row 160 rows <outputs>
// BYTES-LABEL: plan.program @m1 tokens 1 to 1
// BYTES: plan.step attn_in
// BYTES-NEXT: op = "rms_norm"{{.*}} <write buffer @attn_normed>)
// BYTES-NEXT: {activation = "i8x2", k = 128 : i64, op = "pack_activations"} (<read buffer @attn_normed>, <write buffer @attn_normed.i8x2>)
// BYTES-NEXT: activation = "i8x2"{{.*}} op = "matmul", y_stride = 256 : i64} (<read buffer @attn_normed.i8x2>, <read tensor @{{.*}}>, <write buffer @qkv>){{.*}} arithmetic <int15>
// BYTES-NEXT: op = "rope_append"
// BYTES: plan.step ffn_in
// BYTES-NEXT: op = "rms_norm"
// BYTES-NEXT: op = "pack_activations"{{.*}} <write buffer @ffn_normed.i8x2>)
// BYTES-NEXT: activation = "i8x2"{{.*}} op = "glu_matmul"} (<read buffer @ffn_normed.i8x2>, <read tensor @g>, <read tensor @u>, <write buffer @h>)
// BYTES: plan.step head
// BYTES-NEXT: op = "rms_norm"
// BYTES-NEXT: {activation = "i8x2", k = 128 : i64, op = "pack_activations", rows_from = "outputs"} (<read buffer @xo>, <write buffer @xo.i8x2>){{.*}} rows <outputs>
// BYTES-NEXT: activation = "i8x2"{{.*}} (<read buffer @xo.i8x2>,
// BYTES-LABEL: plan.program @"m2-8" tokens 2 to 8
// BYTES: plan.step attn_in
// BYTES-NEXT: op = "rms_norm"
// BYTES-NEXT: {activation = "i8", k = 128 : i64, op = "pack_activations"} (<read buffer @attn_normed>, <write buffer @attn_normed.i8>)
// BYTES-NEXT: activation = "i8"{{.*}} m_class = "small", n = 256 : i64, op = "matmul"{{.*}} (<read buffer @attn_normed.i8>, {{.*}} arithmetic <int8>
// BYTES-LABEL: plan.program @"m9+" tokens 9 to 40
// BYTES: activation = "i8"{{.*}} m_class = "large", n = 256 : i64, op = "matmul"
module {
  plan.model <name = "tied", architecture = "llama", vocabulary = 512, width = 128, layers = 1, heads = 4, kv_heads = 2, head_dim = 32, ffn_width = 384, trained_context = 2048, parameters = 1>
  plan.graph @tied {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"token_embd.weight", Q8_0, 512x128> : tensor<?x128xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 norm <"blk.0.attn_norm.weight", F16, 128> epsilon 1.0e-05 q <"q", Q8_0, 128x128> k <"k", Q8_0, 64x128> v <"v", Q8_0, 64x128> rope <norm, dim = 32, base = 1.0e4> : tensor<?x128xf32> -> tensor<?x256xf32>
    %heads = plan.attn %qkv layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 scale 0.1767767 : tensor<?x256xf32> -> tensor<?x128xf32>
    %x1 = plan.attn_out %heads into %x0 layer 0 <"o", Q8_0, 128x128> : tensor<?x128xf32> -> tensor<?x128xf32>
    %h = plan.ffn_in %x1 layer 0 norm <"blk.0.ffn_norm.weight", F32, 128> epsilon 1.0e-05 gate <"g", Q8_0, 384x128> up <"u", Q8_0, 384x128> : tensor<?x128xf32> -> tensor<?x384xf32>
    %x2 = plan.ffn_out %h into %x1 layer 0 <"d", Q8_0, 128x384> : tensor<?x384xf32> -> tensor<?x128xf32>
    %logits = plan.head %x2 norm <"output_norm.weight", F32, 128> epsilon 1.0e-05 <"token_embd.weight", Q8_0, 512x128> : tensor<?x128xf32> -> tensor<?x512xf32>
    plan.return %logits : tensor<?x512xf32>
  }
}

// -----

// q, k and v have different dtypes, so there is one matmul per matrix, and
// their results lie side by side in the rows of qkv. For the same reason, gate
// is separate from up. No matmul reads the embedding table; its rows are only
// gathered, so it keeps the source's order.

// CHECK: plan.decision "context" = "4096" by default
// CHECK-DAG: plan.tensor @t copy {{.*}} as F16 rows 64 x 32
// CHECK-DAG: plan.tensor @qb vector
// CHECK-DAG: plan.tensor @head copy {{.*}} as F16 x16 64 x 32
// CHECK-LABEL: plan.program @m1
// CHECK: plan.step attn_in
// CHECK-NEXT: has_bias = true{{.*}} n = 32 : i64, op = "matmul", y_stride = 64 : i64} (<read buffer @x>, <read tensor @q>, <read tensor @qb>, <write buffer @qkv>){{.*}} overlap
// CHECK-NEXT: n = 16 : i64, op = "matmul", y_offset = 32 : i64, y_stride = 64 : i64} (<read buffer @x>, <read tensor @k>, <write buffer @qkv>){{.*}} overlap
// CHECK-NEXT: n = 16 : i64, op = "matmul", y_offset = 48 : i64, y_stride = 64 : i64} (<read buffer @x>, <read tensor @v>, <write buffer @qkv>)
// CHECK-NOT: overlap
// CHECK: qk_norm = true, rope = "neox", rope_dim = 16 : i64} (<read_write buffer @qkv>, <read buffer @angles>, <read tensor @qn>, <read tensor @kn>, <write kv 0>)
// CHECK: plan.step ffn_in
// CHECK-NEXT: (<read buffer @x>, <read tensor @g>, <write buffer @gate>){{.*}} overlap
// CHECK-NEXT: (<read buffer @x>, <read tensor @u>, <write buffer @up>)
// CHECK-NOT: overlap
// CHECK: op = "silu_mul"} (<read buffer @gate>, <read buffer @up>, <write buffer @h>)

// Only v uses byte dot products. Its input is quantised after the matmuls of q
// and k have been issued.
// BYTES: plan.step attn_in
// BYTES-NEXT: (<read buffer @x>, <read tensor @q>, <read tensor @qb>, <write buffer @qkv>){{.*}} overlap
// BYTES-NEXT: (<read buffer @x>, <read tensor @k>, <write buffer @qkv>){{.*}} overlap
// BYTES-NEXT: op = "pack_activations"} (<read buffer @x>, <write buffer @x.i8x2>)
// BYTES-NOT: overlap
// BYTES-NEXT: activation = "i8x2"{{.*}} y_offset = 48 : i64, y_stride = 64 : i64} (<read buffer @x.i8x2>, <read tensor @v>, <write buffer @qkv>)
// BYTES: plan.step attn layer 0
module {
  plan.model <name = "mixed", architecture = "qwen3", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 8192, parameters = 1>
  plan.graph @mixed {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 2 kv_heads 1 head_dim 16 q <"q", F16, 32x32> bias <"qb", F32, 32> k <"k", F16, 16x32> v <"v", Q8_0, 16x32> q_norm <"qn", F32, 16> k_norm <"kn", F32, 16> epsilon 0.5 rope <neox, dim = 16, base = 1.0e6> : tensor<?x32xf32> -> tensor<?x64xf32>
    %heads = plan.attn %qkv layer 0 cache 0 heads 2 kv_heads 1 head_dim 16 scale 0.25 : tensor<?x64xf32> -> tensor<?x32xf32>
    %x1 = plan.attn_out %heads into %x0 layer 0 <"o", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %h = plan.ffn_in %x1 layer 0 gate <"g", Q8_0, 48x32> up <"u", F16, 48x32> : tensor<?x32xf32> -> tensor<?x48xf32>
    %x2 = plan.ffn_out %h into %x1 layer 0 <"d", F16, 32x48> : tensor<?x48xf32> -> tensor<?x32xf32>
    %logits = plan.head %x2 norm <"n", F32, 32> epsilon 0.5 <"head", F16, 64x32> : tensor<?x32xf32> -> tensor<?x64xf32>
    plan.return %logits : tensor<?x64xf32>
  }
}

// -----

// Each step of one operation (norm, matmul, glu, add) becomes one dispatch.

// CHECK-LABEL: plan.program @m1
// CHECK: plan.step norm layer 0 "layer.0.norm"
// CHECK-NEXT: op = "rms_norm"} (<read buffer @x>, <read tensor @n>, <write buffer @normed>)
// CHECK: plan.step matmul layer 0 "layer.0.matmul"
// CHECK-NEXT: op = "matmul", y_stride = 32 : i64} (<read buffer @normed>, <read tensor @w>, <write buffer @product>)
// CHECK: plan.step glu layer 0 "layer.0.glu"
// CHECK-NEXT: op = "silu_mul"} (<read buffer @normed>, <read buffer @product>, <write buffer @glu>)
// CHECK: plan.step add layer 0 "layer.0.add"
// CHECK-NEXT: op = "add"} (<read buffer @glu>, <read_write buffer @x>)
// CHECK: plan.step head "head"
module {
  plan.model <name = "plain", architecture = "llama", vocabulary = 64, width = 32, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @plain {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %n = plan.norm %x0 layer 0 <"n", F32, 32> epsilon 0.5 : tensor<?x32xf32>
    %p = plan.matmul %n layer 0 <"w", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %g = plan.glu %n, %p layer 0 : tensor<?x32xf32>
    %x1 = plan.add %g into %x0 layer 0 : tensor<?x32xf32>
    %logits = plan.head %x1 norm <"o", F32, 32> epsilon 0.5 <"head", F16, 64x32> : tensor<?x32xf32> -> tensor<?x64xf32>
    plan.return %logits : tensor<?x64xf32>
  }
}

// -----

// The model has BF16 weights, and the target multiplies bfloat16. With few
// tokens, matmuls read float32. With many, each input is rounded to bfloat16
// once. A row then takes 16 words per block of 32 columns, and one word for its
// factor. Here, 48 columns take two blocks.

// PAIRS-LABEL: plan.model {{.*}}"of_bf16"
// PAIRS-DAG: plan.buffer @normed row 48
// PAIRS-DAG: plan.buffer @normed.bf16x32 row 33
// PAIRS: plan.program @m1 tokens 1 to 1
// PAIRS: plan.step matmul layer 0
// PAIRS-NEXT: {dtype = "BF16", k = 48 : i64, n = 48 : i64, op = "matmul", y_stride = 48 : i64} (<read buffer @normed>, <read tensor @w>, <write buffer @product>)
// PAIRS: plan.program @"m2-8" tokens 2 to 8
// PAIRS: plan.step matmul layer 0
// PAIRS-NEXT: m_class = "small"{{.*}} op = "matmul"{{.*}} (<read buffer @normed>, <read tensor @w>
// PAIRS: plan.program @"m9+" tokens 9 to 40
// PAIRS: plan.step matmul layer 0
// PAIRS-NEXT: {activation = "bf16x32", k = 48 : i64, op = "pack_activations"} (<read buffer @normed>, <write buffer @normed.bf16x32>)
// PAIRS-NEXT: activation = "bf16x32", dtype = "BF16"{{.*}} m_class = "large"{{.*}} (<read buffer @normed.bf16x32>, <read tensor @w>, <write buffer @product>){{.*}} arithmetic <bfloat16>
// PAIRS: plan.step head
// PAIRS: op = "pack_activations", rows_from = "outputs"} (<read buffer @xo>, <write buffer @xo.bf16x32>)

// bfloat16 has eight significant bits, fewer than activations=i8x2 demands.
// EXACT-LABEL: plan.model {{.*}}"of_bf16"
// EXACT-NOT: "bf16x32"
module {
  plan.model <name = "of_bf16", architecture = "llama", vocabulary = 64, width = 48, layers = 1, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @of_bf16 {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", BF16, 64x48> : tensor<?x48xf32>
    %n = plan.norm %x0 layer 0 <"n", F32, 48> epsilon 0.5 : tensor<?x48xf32>
    %p = plan.matmul %n layer 0 <"w", BF16, 48x48> : tensor<?x48xf32> -> tensor<?x48xf32>
    %x1 = plan.add %p into %x0 layer 0 : tensor<?x48xf32>
    %logits = plan.head %x1 norm <"o", F32, 48> epsilon 0.5 <"head", BF16, 64x48> : tensor<?x48xf32> -> tensor<?x64xf32>
    plan.return %logits : tensor<?x64xf32>
  }
}

// -----

// Layers share buffers. The second layer gets no buffers of its own, except one
// for its product, because the first layer's product has yet to be added.

// CHECK-LABEL: plan.model {{.*}}"in_turn"
// CHECK: plan.buffer @normed row 32
// CHECK-NOT: plan.buffer @normed_
// CHECK-LABEL: plan.program @m1
// CHECK: plan.step matmul layer 0
// CHECK-NEXT: (<read buffer @normed>, <read tensor @w>, <write buffer @product>)
// CHECK: plan.step norm layer 1
// CHECK-NEXT: (<read buffer @product>, <read tensor @{{[^>]*}}>, <write buffer @normed>)
// CHECK: plan.step matmul layer 1
// CHECK-NEXT: (<read buffer @normed>, <read tensor @w>, <write buffer @[[$SECOND:product_[0-9]+]]>)
// CHECK: plan.step add layer 1
// CHECK-NEXT: (<read buffer @[[$SECOND]]>, <read_write buffer @product>)
// After the sum, the second product is dead, so its buffer is free again.
// CHECK: plan.step matmul layer 2
// CHECK-NEXT: (<read buffer @product>, <read tensor @w>, <write buffer @[[$SECOND]]>)
module {
  plan.model <name = "in_turn", architecture = "llama", vocabulary = 64, width = 32, layers = 3, heads = 2, kv_heads = 1, head_dim = 16, ffn_width = 48, trained_context = 64, parameters = 1>
  plan.graph @in_turn {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", F16, 64x32> : tensor<?x32xf32>
    %n0 = plan.norm %x0 layer 0 <"n", F32, 32> epsilon 0.5 : tensor<?x32xf32>
    %p0 = plan.matmul %n0 layer 0 <"w", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %n1 = plan.norm %p0 layer 1 <"n", F32, 32> epsilon 0.5 : tensor<?x32xf32>
    %p1 = plan.matmul %n1 layer 1 <"w", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %s = plan.add %p1 into %p0 layer 1 : tensor<?x32xf32>
    %p2 = plan.matmul %s layer 2 <"w", F16, 32x32> : tensor<?x32xf32> -> tensor<?x32xf32>
    %logits = plan.head %p2 norm <"o", F32, 32> epsilon 0.5 <"head", F16, 64x32> : tensor<?x32xf32> -> tensor<?x64xf32>
    plan.return %logits : tensor<?x64xf32>
  }
}
