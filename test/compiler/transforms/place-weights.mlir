// RUN: air-opt %s --split-input-file --place-weights="vocabulary-bytes=1024" --verify-diagnostics | FileCheck %s
// RUN: not air-opt %s --split-input-file --place-weights="vocabulary-bytes=1024 ram=150000000 disk=false" 2>/dev/null | FileCheck %s --check-prefix=RAM
// RUN: not air-opt %s --split-input-file --place-weights="vocabulary-bytes=1024 ram=150000000 disk=false" 2>&1 >/dev/null | FileCheck %s --check-prefix=NODISK
// RUN: not air-opt %s --split-input-file --place-weights="vocabulary-bytes=1024 reference=true" 2>/dev/null | FileCheck %s --check-prefix=REFERENCE

// RUN: air-opt %s --split-input-file --place-weights="vocabulary-bytes=1024 ram=260000000 pin=75" 2>/dev/null | FileCheck %s --check-prefix=PIN

// The plan needs RAM for 1000 + 24 bytes of weights and an embedding table of
// 400 bytes, all of which take a page each; a KV cache of 3 slots x 2 pages
// (for 100 tokens) x 16384 bytes = 98304 bytes; an arena of 4096 bytes; 64
// bytes of scratch (the maximum over the dispatches) for each of 8 threads; 500
// bytes of kernels; and, for the process, 16 MiB and 4 x 1024 bytes for the
// vocabulary. Half of the machine's 40 MiB would be enough, so there is one
// placement.

// CHECK: plan.placement resident [1000, 24, 500, 400] ring 0 {
// CHECK-NEXT: plan.budget ram bytes 41943040
// CHECK-NEXT: plan.budget_item "weights" ram bytes 12288
// CHECK-NEXT: plan.budget_item "kv" ram bytes 98304
// CHECK-NEXT: plan.budget_item "activations" ram bytes 4096
// CHECK-NEXT: plan.budget_item "scratch" ram bytes 512
// CHECK-NEXT: plan.budget_item "kernels" ram bytes 500
// CHECK-NEXT: plan.budget_item "process" ram bytes 16781312
// CHECK-NEXT: }
// CHECK-NEXT: plan.decision "ram" = "41943040" by default
// CHECK-NOT: plan.decision

// A reference plan also needs memory for eight reads of 1 MiB.

// REFERENCE: plan.budget_item "process" ram bytes 16781312
// REFERENCE-NEXT: plan.budget_item "staging" ram bytes 8388608

// With --ram and without a disk, everything must fit in what --ram gives.

// RAM: plan.placement resident [1000, 24, 500, 400] ring 0 {
// RAM-NEXT: plan.budget ram bytes 150000000
// RAM: plan.decision "ram" = "150000000" by user
// RAM-NEXT: plan.decision "disk" = "0" by user
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = [], measured = true, memory_bandwidth = 0 : i64, memory_bytes = 41943040 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 100 slots 3
  plan.limits tokens 16 outputs 1 arena 4096
  plan.buffer @x row 10
  plan.segment @a weights codec none bytes 1000
  plan.tensor @a.t vector [#llm.weight<"a", F32, 250>] as F32 rows 1 x 250 bytes 1000 in @a at 0
  plan.segment @b weights codec none bytes 24
  plan.tensor @b.t vector [#llm.weight<"b", F32, 6>] as F32 rows 1 x 6 bytes 24 in @b at 0
  plan.segment @k kernels codec none bytes 500
  plan.segment @embed table codec none bytes 400
  plan.tensor @embed.t vector [#llm.weight<"embed", F32, 100>] as F32 rows 1 x 100 bytes 400 in @embed at 0
  plan.program @m1 tokens 1 to 16 {
    plan.step embed "0" {
      plan.dispatch "k" {op = "embed_rows"} (<read tensor @embed.t>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @a.t>, <write buffer @x>) scratch 64
    }
    plan.step norm "2" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @b.t>, <write buffer @x>)
    }
  }
}

// -----

// The four large segments have 64 MiB each, but only 192 MiB of the RAM are
// left for all of them: the rest is taken by the other items and by the page
// that holds the small segment @n. Half of each large segment stays in RAM, 128
// MiB in all. Each of the other halves is read in 8 pieces of 4 MiB, through a
// ring that has room for two halves, 64 MiB (see
// test/compiler/planner/PlacementTest.cpp). The rows of the table are gathered
// from the file. Three more placements take 90, 75 and 50 % of the RAM.

// CHECK: plan.placement resident [1000, 33554432, 33554432, 33554432, 33554432, 500, 0] ring 67108864 {{{$}}
// CHECK-NEXT: plan.budget ram bytes 218215412
// CHECK-NEXT: plan.budget_item "weights" ram bytes 134221824
// CHECK-NEXT: plan.budget_item "ring" ram bytes 67108864
// CHECK-NEXT: plan.budget_item "kv" ram bytes 98304
// CHECK-NEXT: plan.budget_item "activations" ram bytes 4096
// CHECK-NEXT: plan.budget_item "scratch" ram bytes 512
// CHECK-NEXT: plan.budget_item "kernels" ram bytes 500
// CHECK-NEXT: plan.budget_item "process" ram bytes 16781312
// CHECK-NEXT: plan.stream @a at 33554432 bytes 4194304 to 0 before 2 after -2
// CHECK-NEXT: plan.stream @a at 37748736 bytes 4194304 to 4194304 before 2 after -2
// CHECK: plan.stream @b at 33554432 bytes 4194304 to 33554432 before 3 after -1
// CHECK: plan.stream @c at 33554432 bytes 4194304 to 0 before 4 after 2
// CHECK: plan.stream @d at 62914560 bytes 4194304 to 62914560 before 5 after 3
// CHECK-NEXT: }
// CHECK: plan.placement {{.*}} {{{$}}
// CHECK-NEXT: plan.budget ram bytes 196393860
// CHECK: plan.placement {{.*}} {{{$}}
// CHECK-NEXT: plan.budget ram bytes 163661550
// CHECK: plan.placement {{.*}} {{{$}}
// CHECK-NEXT: plan.budget ram bytes 109107700
// CHECK-NOT: plan.placement
// CHECK: plan.decision "ram" = "218215412" by default

// With --pin 75, there is only one placement, even if a larger one would fit.
// The ring holds the 16 MiB that a step needs and 16 MiB more.

// PIN: plan.placement resident [1000, 50331648, 50331648, 50331648, 50331648, 500, 0] ring 33554432 {{{$}}
// PIN-NEXT: plan.budget ram bytes 260000000
// PIN-NOT: plan.placement
// PIN: plan.decision "ram" = "260000000" by user
// PIN-NEXT: plan.decision "pin" = "75" by user

// NODISK: error: the plan needs 272.12 MiB of RAM (weights 256.01 MiB, KV cache 96.00 KiB, activations 4.00 KiB, scratch 512 B, kernels 500 B, process 16.00 MiB), but --ram gives 143.05 MiB; leave out --disk 0 to allow every pass to read weights from the disk
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = [], measured = true, memory_bandwidth = 0 : i64, memory_bytes = 218215412 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 100 slots 3
  plan.limits tokens 16 outputs 1 arena 4096
  plan.buffer @x row 10
  plan.segment @n weights codec none bytes 1000
  plan.tensor @n.t vector [#llm.weight<"n", F32, 250>] as F32 rows 1 x 250 bytes 1000 in @n at 0
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t vector [#llm.weight<"a", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @a at 0
  plan.segment @b weights codec none bytes 67108864
  plan.tensor @b.t vector [#llm.weight<"b", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @b at 0
  plan.segment @c weights codec none bytes 67108864
  plan.tensor @c.t vector [#llm.weight<"c", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @c at 0
  plan.segment @d weights codec none bytes 67108864
  plan.tensor @d.t vector [#llm.weight<"d", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @d at 0
  plan.segment @k kernels codec none bytes 500
  plan.segment @embed table codec none bytes 400
  plan.tensor @embed.t vector [#llm.weight<"embed", F32, 100>] as F32 rows 1 x 100 bytes 400 in @embed at 0
  plan.program @m1 tokens 1 to 16 {
    plan.step embed "0" {
      plan.dispatch "k" {op = "embed_rows"} (<read tensor @embed.t>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @n.t>, <write buffer @x>) scratch 64
    }
    plan.step norm "2" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @a.t>, <write buffer @x>)
    }
    plan.step norm "3" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @b.t>, <write buffer @x>)
    }
    plan.step norm "4" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @c.t>, <write buffer @x>)
    }
    plan.step norm "5" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @d.t>, <write buffer @x>)
    }
  }
}

// -----

// Step 1 needs the first 16 rows of @a.t, and step 2 the other 16. A row has 2
// MiB, and a read 4 MiB. About 43.9 MiB are left for the ring, so it holds the
// 32 MiB of step 1 and two reads of step 2. The third read of step 2 and those
// after it overwrite bytes of step 1.

// CHECK: plan.placement resident [0, 500] ring 46026752 {{{$}}
// CHECK: plan.stream @a at 0 bytes 4194304 to 0 before 1 after -1
// CHECK: plan.stream @a at 29360128 bytes 4194304 to 29360128 before 1 after -1
// CHECK-NEXT: plan.stream @a at 33554432 bytes 4194304 to 33554432 before 2 after -1
// CHECK-NEXT: plan.stream @a at 37748736 bytes 4194304 to 37748736 before 2 after -1
// CHECK-NEXT: plan.stream @a at 41943040 bytes 4194304 to 41943040 before 2 after 1
// CHECK-NEXT: plan.stream @a at 46137344 bytes 4194304 to 110592 before 2 after 1
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = [], measured = true, memory_bandwidth = 0 : i64, memory_bytes = 62914560 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 100 slots 3
  plan.limits tokens 16 outputs 1 arena 4096
  plan.buffer @x row 524288
  plan.buffer @y row 32
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t copy [#llm.weight<"a", F32, 32x524288>] as F32 rows 32 x 524288 bytes 67108864 in @a at 0
  plan.segment @k kernels codec none bytes 500
  plan.program @m1 tokens 1 to 16 {
    plan.step positions "0" {
      plan.dispatch "k" {op = "add"} (<read buffer @y>, <read_write buffer @x>) scratch 64
    }
    plan.step matmul "a" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 0 to 1 overlap
    }
    plan.step matmul "a.1" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 1 to 2
    }
  }
}

// -----

// The ring must hold the largest step, and one read of 4 MiB.

// expected-error @+1 {{the plan needs 84.11 MiB of RAM even if weights are read from the disk in every pass (weights 68.00 MiB, KV cache 96.00 KiB, activations 4.00 KiB, scratch 512 B, kernels 500 B, process 16.00 MiB), but target 'small' has 70.00 MiB; the plan would not fit even without a KV cache, so choose a smaller quantisation of the model or provide more RAM}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = [], measured = true, memory_bandwidth = 0 : i64, memory_bytes = 73400320 : i64, name = "small"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 2 head_dim 32 context 100 slots 3
  plan.limits tokens 16 outputs 1 arena 4096
  plan.buffer @x row 10
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t vector [#llm.weight<"a", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @a at 0
  plan.segment @b weights codec none bytes 67108864
  plan.tensor @b.t vector [#llm.weight<"b", F32, 16777216>] as F32 rows 1 x 16777216 bytes 67108864 in @b at 0
  plan.segment @k kernels codec none bytes 500
  plan.segment @embed table codec none bytes 400
  plan.tensor @embed.t vector [#llm.weight<"embed", F32, 100>] as F32 rows 1 x 100 bytes 400 in @embed at 0
  plan.program @m1 tokens 1 to 16 {
    plan.step embed "0" {
      plan.dispatch "k" {op = "embed_rows"} (<read tensor @embed.t>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @a.t>, <write buffer @x>) scratch 64
    }
    plan.step norm "2" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @b.t>, <write buffer @x>)
    }
  }
}
