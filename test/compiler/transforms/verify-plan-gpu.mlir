// RUN: air-opt %s --select-kernels="target=rtx3060" --pack-segments --split-steps --plan-memory --verify-memory --schedule-reads > %t
// RUN: air-opt %t --place-weights="vram=2147483648" --estimate-cost --verify-plan | FileCheck %s

// Each kernel is an executable with its own segment. Rows of buffers are not
// padded: @x has 512 rows of 256 floats, and @logits 64 rows of 512.
// CHECK-DAG: plan.buffer @x row 256 device 1 at {{[0-9]+}} bytes 524288
// CHECK-DAG: plan.buffer @logits row 512 rows <outputs> output device 1 at {{[0-9]+}} bytes 131072
// CHECK: plan.buffer @counters row {{[0-9]+}} device 1 fixed zeroed at
// CHECK: plan.segment @kernel.attention_h4_kv2_of32_m1_{{.*}} kernels codec none bytes 0
// CHECK: plan.executable @attention_h4_kv2_of32_m1_{{.*}} device 1
// --vram gives 2 GiB, of which the driver takes 1 GiB. The KV cache has 32
// pages of 16 KiB, and one more for padding.
// CHECK: plan.placement resident [0, {{.*}}] ring 0 device [1, {{.*}}] {
// CHECK-NEXT: plan.budget vram bytes 1073741824
// CHECK-NEXT: plan.budget ram bytes 34359738368
// CHECK-NEXT: plan.budget_item "weights" vram bytes
// CHECK-NEXT: plan.budget_item "kv" vram bytes 540672
// CHECK-NEXT: plan.budget_item "activations" vram bytes
// CHECK-NEXT: plan.budget_item "batch" vram bytes 80704
// CHECK-NEXT: plan.budget_item "kernels" vram bytes 2490368
// CHECK-NEXT: plan.budget_item "process" ram bytes
// CHECK-NEXT: plan.budget_item "staging" ram bytes
// CHECK-NEXT: plan.prediction "decode" links [#plan.link<name = "vram", {{.*}} limit "vram"
// CHECK: plan.decision "vram" = "2147483648" by user

// --verify-plan reports a dispatch that differs from its kernel.
// RUN: sed 's/threads = 128/threads = 96/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=LAUNCH
// LAUNCH: dispatch 'attention_{{.*}}' does not match its kernel 'attention_{{.*}}'; both must have the same name, spec, rows and launch
// RUN: sed 's/threads = 128/threads = 128, dependent = true/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=LAUNCH
// RUN: sed 's/read batch block_tables/read batch positions/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=ARRAY
// ARRAY: dispatch 'matmul_{{.*}}': the binding of the operand block_tables does not have the kind, access, dtype, layout and size that the kernel requires
// RUN: sed 's/read_write batch token_ids/read batch token_ids/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=CHOICE
// CHOICE: dispatch 'draw_{{.*}}': the binding of the operand token_ids does not have the kind, access
// RUN: sed 's/read_write batch token_count/read batch token_count/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=DRAW
// DRAW: dispatch 'draw_{{.*}}': the binding of the operand token_count does not have the kind, access
// RUN: sed 's/read batch sequences/read_write batch sequences/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=WRITTEN
// WRITTEN: a kernel may not write the array sequences of the batch; it may write only token_ids, positions, rope_positions and token_count
// RUN: sed 's/write buffer @logits/write buffer @scales/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=SIZE
// SIZE: the binding of the operand y does not have the kind, access, dtype, layout and size
// RUN: sed 's/read_write buffer @counters/read_write buffer @partials/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=COUNTERS
// COUNTERS: the binding of the operand {{partials|counters}} does not have the kind
// RUN: sed 's/, <read_write buffer @counters>//' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=COUNT
// COUNT: has 9 bindings, but its kernel needs 10
// RUN: sed 's/weight_bytes [0-9]*/weight_bytes 5/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=BYTES
// BYTES: dispatch '{{.*}}' states that it reads 5 bytes of weights and does {{[0-9]+}} operations per token in {{.*}} arithmetic, but its kernel reads {{[0-9]+}} bytes and does {{[0-9]+}} operations per token in {{.*}} arithmetic
// RUN: sed 's/flops_per_row [0-9]*/flops_per_row 6/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=FLOPS
// FLOPS: dispatch 'matmul_{{.*}}' states that it reads {{[0-9]+}} bytes of weights and does 6 operations per token in float16 arithmetic, but its kernel reads
// RUN: sed 's/arithmetic <float16>/arithmetic <int8>/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=ARITHMETIC
// ARITHMETIC: in int8 arithmetic, but its kernel reads {{.*}} in float16 arithmetic

// RUN: sed 's/tokens 65 to 512 tiles 32/tokens 65 to 512 tiles 16/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=TILES
// TILES: dispatch 'prefill_attention_{{.*}}' takes tiles of up to 32 tokens, but its program divides batches into tiles of up to 16 tokens; the two numbers must be equal
// RUN: sed 's/\(write buffer @logits.*\)rows <outputs>/\1/' %t | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=ROWS
// ROWS: dispatch 'prefill_matmul_{{.*}}' does not match its kernel

// No other buffer may share the bytes of the counters.
// RUN: sed 's/\(zeroed at \)[0-9]*/\10/' %t | not air-opt --verify-memory 2>&1 | FileCheck %s --check-prefix=OVERLAP
// OVERLAP: overlap while step {{[0-9]+}} needs both

// A matrix of IQ4_NL has the layout and the size of one of Q4_0, so the
// verifier can tell only from its dtype that the kernel cannot read it.
// RUN: sed 's/"d", Q8_0/"d", Q4_0/' %s | air-opt --select-kernels="target=rtx3060" --pack-segments --split-steps --plan-memory --schedule-reads > %t.q4
// RUN: sed '/tensor @d /s/Q4_0/IQ4_NL/g' %t.q4 | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=DTYPE
// DTYPE: dispatch 'matmul_q4_0_{{.*}}': the binding of the operand weights does not have the kind, access, dtype, layout and size

// RUN: not air-opt %t --place-weights="vram=1073741824" 2>&1 | FileCheck %s --check-prefix=VRAM
// VRAM: of VRAM even if weights stay in RAM and are copied to the GPU in every pass (weights {{.*}}), but --vram gives 1.00 GiB, of which the driver takes 1.00 GiB

// This --vram leaves 5182 KiB besides the memory of the driver. Of these,
// 2432 KiB are reserved for kernels, so only a part of the weights can stay.
// RUN: air-opt %t --place-weights="vram=1079048192" --estimate-cost --verify-plan > %t.copied
// RUN: FileCheck %s --check-prefix=COPIED --input-file=%t.copied
// COPIED: plan.placement resident [{{.*}}] ring 0 device [{{.*}}0{{.*}}] device_ring {{[0-9]+}} {
// COPIED: plan.budget_item "ring" vram bytes
// COPIED: plan.budget_item "weights" ram bytes
// COPIED: plan.device_stream @{{.*}} at 0 bytes {{[0-9]+}} to 0 before {{[0-9]+}} after -
// COPIED: plan.prediction "decode" links [#plan.link<name = "vram", {{.*}}#plan.link<name = "pcie", {{.*}} limit "pcie"
// RUN: sed 's/\(device_stream .* after \).*/\10/' %t.copied | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=EARLY
// EARLY: placement 0: read {{[0-9]+}} may overwrite bytes that read {{[0-9]+}} has put into the ring for step {{[0-9]+}}; the overwriting read must not begin before that step has run
// RUN: sed 's/ device \[./ device [2/' %t.copied | not air-opt --verify-plan 2>&1 | FileCheck %s --check-prefix=DEVICE
// DEVICE: placement 0: segment '{{.*}}' is on device 2 and keeps {{[0-9]+}} of its {{[0-9]+}} bytes in RAM; it may be on device 1, the GPU, with 0 bytes in RAM; if it holds weights, it may also be on device 0, the CPU, with all of its bytes in RAM or none

// RAM is too small for all weights that passes copy to the GPU, so each pass
// reads some of them from the disk.
// RUN: air-opt %t --place-weights="vram=1079048192 ram=34100000" --estimate-cost --verify-plan > %t.read
// RUN: FileCheck %s --check-prefix=READ --input-file=%t.read
// READ: plan.placement resident [{{.*}}] ring 143360 device
// READ: plan.budget_item "weights" ram bytes 212992
// READ: plan.budget_item "ring" ram bytes 143360
// READ: plan.stream @head at 0 bytes 143360 to 0 before 6 after 5
// READ: plan.device_stream @
// READ: #plan.link<name = "disk", {{.*}} limit "disk"

module {
  plan.model <name = "gpu", architecture = "llama", vocabulary = 512, width = 256, layers = 1, heads = 4, kv_heads = 2, head_dim = 32, ffn_width = 384, trained_context = 2048, parameters = 1>
  plan.graph @gpu {
  ^bb0(%ids: tensor<?xi32>):
    %x0 = plan.embed %ids <"t", Q8_0, 512x256> : tensor<?x256xf32>
    %qkv = plan.attn_in %x0 layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 norm <"n", F32, 256> epsilon 1.0e-05 q <"q", Q8_0, 128x256> k <"k", Q8_0, 64x256> v <"v", Q8_0, 64x256> rope <norm, dim = 32, base = 1.0e4> : tensor<?x256xf32> -> tensor<?x256xf32>
    %heads = plan.attn %qkv layer 0 cache 0 heads 4 kv_heads 2 head_dim 32 scale 0.1767767 : tensor<?x256xf32> -> tensor<?x128xf32>
    %x1 = plan.attn_out %heads into %x0 layer 0 <"o", Q8_0, 256x128> : tensor<?x128xf32> -> tensor<?x256xf32>
    %h = plan.ffn_in %x1 layer 0 norm <"m", F32, 256> epsilon 1.0e-05 gate <"g", Q8_0, 384x256> up <"u", Q8_0, 384x256> : tensor<?x256xf32> -> tensor<?x384xf32>
    %x2 = plan.ffn_out %h into %x1 layer 0 <"d", Q8_0, 256x384> : tensor<?x384xf32> -> tensor<?x256xf32>
    %logits = plan.head %x2 norm <"r", F32, 256> epsilon 1.0e-05 <"w", Q8_0, 512x256> : tensor<?x256xf32> -> tensor<?x512xf32>
    plan.return %logits : tensor<?x512xf32>
  }
}
