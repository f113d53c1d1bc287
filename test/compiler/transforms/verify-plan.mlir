// RUN: air-opt %s --split-input-file --verify-plan --verify-diagnostics

// Each case but the first breaks one rule, which its comment or its error
// states.

module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.limits tokens 16 outputs 1 arena 512
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32 in @first at 0
  plan.tensor @b vector [#llm.weight<"b", F32, 8>] as F32 rows 1 x 8 bytes 32 in @first at 64
  plan.buffer @x row 8 at 0 bytes 512
  plan.segment @first weights codec none bytes 96
  plan.segment @k kernels codec none bytes 1
  plan.executable @cpu abi 1 entries ["rms_norm_k8_eps3f000000"] in @k
  plan.read @first before 0
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "rms_norm_k8_eps3f000000" {op = "rms_norm", k = 8 : i64, epsilon = 0.5 : f32} (<read buffer @x>, <read tensor @a>, <write buffer @x>) per 1 weight_bytes 32 flops_per_row 32
      plan.dispatch "rms_norm_k8_eps3f000000" {op = "rms_norm", k = 8 : i64, epsilon = 0.5 : f32} (<read buffer @x>, <read tensor @b>, <write buffer @x>) per 1 weight_bytes 32 flops_per_row 32
    }
  }
}

// -----

// expected-error @+1 {{program 'm2' is for batches of 3 tokens or more; its smallest batch must have 2 tokens}}
module {
  plan.program @m1 tokens 1 to 1 {
  }
  plan.program @m2 tokens 3 to 16 {
  }
}

// -----

// expected-error @+1 {{programs end at 8 tokens, but batches may have up to 16}}
module {
  plan.limits tokens 16 outputs 1
  plan.program @m1 tokens 1 to 8 {
  }
}

// -----

// expected-error @+1 {{tensor 'a' has not been placed in a segment}}
module {
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32
}

// -----

// expected-error @+1 {{no dispatch uses tensor 'a'}}
module {
  plan.segment @first weights codec none bytes 96
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32 in @first at 0
}

// -----

// expected-error @+1 {{tensors 'a' and 'b' overlap in segment 'first' at offset 64}}
module {
  plan.segment @first weights codec none bytes 160
  plan.tensor @a vector [#llm.weight<"a", F32, 24>] as F32 rows 1 x 24 bytes 96 in @first at 0
  plan.tensor @b vector [#llm.weight<"b", F32, 8>] as F32 rows 1 x 8 bytes 32 in @first at 64
  plan.buffer @x row 32
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @b>, <write buffer @x>)
    }
  }
}

// -----

// expected-error @+1 {{segment 'late' of kind weights must come before the segments of kind kernels}}
module {
  plan.segment @k kernels codec none bytes 1
  plan.segment @late weights codec none bytes 96
}

// -----

// expected-error @+1 {{segment 'k' of kind kernels must come before the segments of kind table}}
module {
  plan.segment @t table codec none bytes 96
  plan.segment @k kernels codec none bytes 1
}

// -----

// Steps may only gather rows of a table, never read all of it.

// expected-error @+1 {{step '0' reads all of tensor 'a', which is in a segment of kind table; only embed steps may read such a segment}}
module {
  plan.segment @t table codec none bytes 96
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32 in @t at 0
  plan.buffer @x row 32
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
  }
}

// -----

// expected-error @+1 {{tensor 'a' is in a segment that holds neither weights nor a table}}
module {
  plan.segment @k kernels codec none bytes 96
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32 in @k at 0
  plan.buffer @x row 32
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
  }
}

// -----

// Weights must be read in the order of the file.

// expected-error @+1 {{read 0 loads segment 'second'; it must load the segment of weights with index 0}}
module {
  plan.segment @first weights codec none bytes 32
  plan.segment @second weights codec none bytes 32
  plan.read @second before 0
  plan.read @first before 1
}

// -----

// A segment must be read before its first use.

// expected-error @+1 {{step 0 needs segment 'first' before any read loads it}}
module {
  plan.segment @first weights codec none bytes 32
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32 in @first at 0
  plan.buffer @x row 32
  plan.read @first before 1
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
  }
}

// -----

// A placement must satisfy the rules of planner/Placement.h. Here the second
// read may begin while step 0 still uses the bytes of the first one.

// expected-error @+1 {{placement 1: read 1 may overwrite bytes that read 0 has put into the ring for step 0; the overwriting read must not begin before that step has run}}
module {
  plan.segment @first weights codec none bytes 8192
  plan.segment @second weights codec none bytes 4096
  plan.segment @k kernels codec none bytes 100
  plan.segment @t table codec none bytes 640
  plan.tensor @a vector [#llm.weight<"a", F32, 2048>] as F32 rows 1 x 2048 bytes 8192 in @first at 0
  plan.tensor @b vector [#llm.weight<"b", F32, 1024>] as F32 rows 1 x 1024 bytes 4096 in @second at 0
  plan.buffer @x row 32
  plan.read @first before 0
  plan.read @second before 1
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @b>, <write buffer @x>)
    }
  }
  plan.placement resident [8192, 4096, 100, 640] ring 0 {
    plan.budget_item "weights" ram bytes 16384
  }
  plan.placement resident [4096, 0, 100, 0] ring 4096 {
    plan.budget ram bytes 8192
    plan.budget_item "weights" ram bytes 4096
    plan.budget_item "ring" ram bytes 4096
    plan.stream @first at 4096 bytes 4096 to 0 before 0 after -1
    plan.stream @second at 0 bytes 4096 to 0 before 1 after -1
  }
}

// -----

// What the steps need is worked out from the row tiles of their dispatches:
// each of the two parts of this matmul reads 16 rows of 2 MiB, which fill the
// ring. The second part's rows are read too early, while the first part still
// uses its own rows.

// expected-error @+1 {{placement 0: read 1 may overwrite bytes that read 0 has put into the ring for step 0; the overwriting read must not begin before that step has run}}
module {
  plan.buffer @x row 524288
  plan.buffer @y row 32
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t copy [#llm.weight<"a", F32, 32x524288>] as F32 rows 32 x 524288 bytes 67108864 in @a at 0
  plan.segment @k kernels codec none bytes 500
  plan.read @a before 0
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "a" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 0 to 1 overlap
    }
    plan.step matmul "a.1" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 1 to 2
    }
  }
  plan.placement resident [0, 500] ring 33554432 {
    plan.budget_item "weights" ram bytes 33554432
    plan.budget_item "ring" ram bytes 33554432
    plan.stream @a at 0 bytes 33554432 to 0 before 0 after -1
    plan.stream @a at 33554432 bytes 33554432 to 0 before 1 after -1
  }
}

// -----

// The second part's rows are read too late.

// expected-error @+1 {{placement 0: read 1 begins after step 1 and ends before step 1; it must begin before it ends, must not begin before an earlier read in the list, and must end before step 1, the first that needs its bytes}}
module {
  plan.buffer @x row 524288
  plan.buffer @y row 32
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t copy [#llm.weight<"a", F32, 32x524288>] as F32 rows 32 x 524288 bytes 67108864 in @a at 0
  plan.segment @k kernels codec none bytes 500
  plan.read @a before 0
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "a" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 0 to 1 overlap
    }
    plan.step matmul "a.1" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 1 to 2
    }
  }
  plan.placement resident [0, 500] ring 33554432 {
    plan.budget_item "weights" ram bytes 33554432
    plan.budget_item "ring" ram bytes 33554432
    plan.stream @a at 0 bytes 33554432 to 0 before 0 after -1
    plan.stream @a at 33554432 bytes 33554432 to 0 before 1 after 1
  }
}

// -----

// The last rows that the first part needs are read too late: before the second
// part, but not before the first one.

// expected-error @+1 {{placement 0: read 1 begins after step 0 and ends before step 1; it must begin before it ends, must not begin before an earlier read in the list, and must end before step 0, the first that needs its bytes}}
module {
  plan.buffer @x row 524288
  plan.buffer @y row 32
  plan.segment @a weights codec none bytes 67108864
  plan.tensor @a.t copy [#llm.weight<"a", F32, 32x524288>] as F32 rows 32 x 524288 bytes 67108864 in @a at 0
  plan.segment @k kernels codec none bytes 500
  plan.read @a before 0
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "a" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 0 to 1 overlap
    }
    plan.step matmul "a.1" {
      plan.dispatch "k" {op = "matmul", n = 32 : i64, k = 524288 : i64} (<read buffer @x>, <read tensor @a.t>, <write buffer @y>) tiles 2 tile_rows 16 part 1 to 2
    }
  }
  plan.placement resident [0, 500] ring 33554432 {
    plan.budget_item "weights" ram bytes 33554432
    plan.budget_item "ring" ram bytes 33554432
    plan.stream @a at 0 bytes 29360128 to 0 before 0 after -1
    plan.stream @a at 29360128 bytes 33554432 to 29360128 before 1 after 0
    plan.stream @a at 62914560 bytes 4194304 to 29360128 before 1 after 0
  }
}

// -----

// The budget item "weights" states fewer bytes than stay in RAM.

// expected-error @+1 {{placement 0: the weights and the ring take 16384 bytes, but only 12288 bytes are left for them}}
module {
  plan.segment @first weights codec none bytes 8192
  plan.segment @second weights codec none bytes 4096
  plan.segment @k kernels codec none bytes 100
  plan.segment @t table codec none bytes 640
  plan.tensor @a vector [#llm.weight<"a", F32, 2048>] as F32 rows 1 x 2048 bytes 8192 in @first at 0
  plan.tensor @b vector [#llm.weight<"b", F32, 1024>] as F32 rows 1 x 1024 bytes 4096 in @second at 0
  plan.buffer @x row 32
  plan.read @first before 0
  plan.read @second before 1
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @b>, <write buffer @x>)
    }
  }
  plan.placement resident [8192, 4096, 100, 640] ring 0 {
    plan.budget_item "weights" ram bytes 12288
  }
}

// -----

// expected-error @+1 {{placement 0: the items of the budget take 16385 bytes, but the budget is 16384 bytes}}
module {
  plan.segment @first weights codec none bytes 8192
  plan.segment @second weights codec none bytes 4096
  plan.segment @k kernels codec none bytes 100
  plan.segment @t table codec none bytes 640
  plan.tensor @a vector [#llm.weight<"a", F32, 2048>] as F32 rows 1 x 2048 bytes 8192 in @first at 0
  plan.tensor @b vector [#llm.weight<"b", F32, 1024>] as F32 rows 1 x 1024 bytes 4096 in @second at 0
  plan.buffer @x row 32
  plan.read @first before 0
  plan.read @second before 1
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @b>, <write buffer @x>)
    }
  }
  plan.placement resident [8192, 4096, 100, 640] ring 0 {
    plan.budget ram bytes 16384
    plan.budget_item "weights" ram bytes 16384
    plan.budget_item "kv" ram bytes 1
  }
}

// -----

// expected-error @+1 {{placement 0: only 99 of the 100 bytes of kernels stay in RAM; all of them must stay there}}
module {
  plan.segment @first weights codec none bytes 8192
  plan.segment @second weights codec none bytes 4096
  plan.segment @k kernels codec none bytes 100
  plan.segment @t table codec none bytes 640
  plan.tensor @a vector [#llm.weight<"a", F32, 2048>] as F32 rows 1 x 2048 bytes 8192 in @first at 0
  plan.tensor @b vector [#llm.weight<"b", F32, 1024>] as F32 rows 1 x 1024 bytes 4096 in @second at 0
  plan.buffer @x row 32
  plan.read @first before 0
  plan.read @second before 1
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @b>, <write buffer @x>)
    }
  }
  plan.placement resident [8192, 4096, 99, 640] ring 0 {
    plan.budget_item "weights" ram bytes 16384
  }
}

// -----

// expected-error @+1 {{placement 0: segment 't' is streamed, but holds no weights}}
module {
  plan.segment @first weights codec none bytes 8192
  plan.segment @second weights codec none bytes 4096
  plan.segment @k kernels codec none bytes 100
  plan.segment @t table codec none bytes 640
  plan.tensor @a vector [#llm.weight<"a", F32, 2048>] as F32 rows 1 x 2048 bytes 8192 in @first at 0
  plan.tensor @b vector [#llm.weight<"b", F32, 1024>] as F32 rows 1 x 1024 bytes 4096 in @second at 0
  plan.buffer @x row 32
  plan.read @first before 0
  plan.read @second before 1
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @a>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k0" {op = "rms_norm"} (<read buffer @x>, <read tensor @b>, <write buffer @x>)
    }
  }
  plan.placement resident [8192, 4096, 100, 0] ring 4096 {
    plan.stream @t at 0 bytes 4096 to 0 before 0 after -1
  }
}

// -----

// A dispatch must have the grid of its kernel.

// expected-error @+1 {{dispatch 'add_k64' does not match its kernel 'add_k64' in name, grid or resources}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.buffer @x row 64
  plan.buffer @y row 64
  plan.program @m1 tokens 1 to 16 {
    plan.step add "0" {
      plan.dispatch "add_k64" {op = "add", k = 64 : i64} (<read buffer @x>, <read_write buffer @y>) tiles 1234
    }
  }
}

// -----

// A dispatch must have the arithmetic of its kernel.

// expected-error @+1 {{dispatch 'add_k64' does not match its kernel 'add_k64' in name, grid or resources}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.buffer @x row 64
  plan.buffer @y row 64
  plan.program @m1 tokens 1 to 16 {
    plan.step add "0" {
      plan.dispatch "add_k64" {op = "add", k = 64 : i64} (<read buffer @x>, <read_write buffer @y>) per 1 flops_per_row 64 arithmetic <int8>
    }
  }
}

// -----

// expected-error @+1 {{no executable contains kernel 'add_k64'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.buffer @x row 64
  plan.buffer @y row 64
  plan.program @m1 tokens 1 to 16 {
    plan.step add "0" {
      plan.dispatch "add_k64" {op = "add", k = 64 : i64} (<read buffer @x>, <read_write buffer @y>) per 1 flops_per_row 64
    }
  }
}

// -----

// expected-error @+1 {{the executable has 1 entry, but dispatches name 0 kernels}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.executable @cpu abi 1 entries ["spare"]
}

// -----

// A bound buffer or tensor must have the shape that the kernel reads.

// expected-error @+1 {{dispatch 'rms_norm_k8_eps3f000000' binds 'x' as x, but its dtype, layout or shape differs from what the kernel requires}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.segment @s weights codec none bytes 544
  plan.read @s before 0
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32 in @s at 0
  plan.buffer @x row 7
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "rms_norm_k8_eps3f000000" {op = "rms_norm", k = 8 : i64, epsilon = 0.5 : f32} (<read buffer @x>, <read tensor @a>, <write buffer @x>) per 1 weight_bytes 32 flops_per_row 32
    }
  }
}

// -----

// expected-error @+1 {{dispatch 'rms_norm_k8_eps3f000000' binds 'a' as weight, but its dtype, layout or shape differs from what the kernel requires}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.segment @s weights codec none bytes 544
  plan.read @s before 0
  plan.tensor @a vector [#llm.weight<"a", F32, 7>] as F32 rows 1 x 7 bytes 28 in @s at 0
  plan.buffer @x row 8
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "rms_norm_k8_eps3f000000" {op = "rms_norm", k = 8 : i64, epsilon = 0.5 : f32} (<read buffer @x>, <read tensor @a>, <write buffer @x>) per 1 weight_bytes 32 flops_per_row 32
    }
  }
}

// -----

// A kernel that reads one row per token must not be bound to a buffer with one
// row per output.

// expected-error @+1 {{dispatch 'rms_norm_k8_eps3f000000' binds 'x' as x, but its dtype, layout or shape differs from what the kernel requires}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.segment @s weights codec none bytes 544
  plan.read @s before 0
  plan.tensor @a vector [#llm.weight<"a", F32, 8>] as F32 rows 1 x 8 bytes 32 in @s at 0
  plan.buffer @x row 8 rows <outputs>
  plan.program @m1 tokens 1 to 16 {
    plan.step norm "0" {
      plan.dispatch "rms_norm_k8_eps3f000000" {op = "rms_norm", k = 8 : i64, epsilon = 0.5 : f32} (<read buffer @x>, <read tensor @a>, <write buffer @x>) per 1 weight_bytes 32 flops_per_row 32
    }
  }
}

// -----

// A bound tensor must have the layout that the kernel reads.

// expected-error @+1 {{dispatch 'matmul_f16_x16_m1_n16_k16_ys16' binds 'a' as w, but its dtype, layout or shape differs from what the kernel requires}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.segment @s weights codec none bytes 544
  plan.read @s before 0
  plan.tensor @a copy [#llm.weight<"a", F16, 16x16>] as F16 rows 16 x 16 bytes 512 in @s at 0
  plan.buffer @x row 16
  plan.buffer @y row 16
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "0" {
      plan.dispatch "matmul_f16_x16_m1_n16_k16_ys16" {op = "matmul", dtype = "F16", n = 16 : i64, k = 16 : i64, y_stride = 16 : i64} (<read buffer @x>, <read tensor @a>, <write buffer @y>) tile_rows 16 weight_bytes 512 flops_per_row 512 scratch 64
    }
  }
}

// -----

// The second part must begin where the first one ends.

// expected-error @+1 {{dispatch 'matmul_f16_x16_m1_n100_k16_ys100' must begin at row tile 0, or continue the previous dispatch if that one has not run all of its row tiles}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.segment @s weights codec none bytes 4096
  plan.read @s before 0
  plan.tensor @a copy [#llm.weight<"a", F16, 100x16>] as F16 x16 100 x 16 bytes 3584 in @s at 0
  plan.buffer @x row 16
  plan.buffer @y row 100
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "0" {
      plan.dispatch "matmul_f16_x16_m1_n100_k16_ys100" {op = "matmul", dtype = "F16", n = 100 : i64, k = 16 : i64, y_stride = 100 : i64} (<read buffer @x>, <read tensor @a>, <write buffer @y>) tiles 7 tile_rows 16 part 0 to 2 weight_bytes 1 flops_per_row 1 scratch 64 overlap
      plan.dispatch "matmul_f16_x16_m1_n100_k16_ys100" {op = "matmul", dtype = "F16", n = 100 : i64, k = 16 : i64, y_stride = 100 : i64} (<read buffer @x>, <read tensor @a>, <write buffer @y>) tiles 7 tile_rows 16 part 3 to 7 weight_bytes 1 flops_per_row 1 scratch 64
    }
  }
}

// -----

// The last row tiles must run, too.

// expected-error @+1 {{the last row tiles of dispatch 'matmul_f16_x16_m1_n100_k16_ys100' never run}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.segment @s weights codec none bytes 4096
  plan.read @s before 0
  plan.tensor @a copy [#llm.weight<"a", F16, 100x16>] as F16 x16 100 x 16 bytes 3584 in @s at 0
  plan.buffer @x row 16
  plan.buffer @y row 100
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "0" {
      plan.dispatch "matmul_f16_x16_m1_n100_k16_ys100" {op = "matmul", dtype = "F16", n = 100 : i64, k = 16 : i64, y_stride = 100 : i64} (<read buffer @x>, <read tensor @a>, <write buffer @y>) tiles 7 tile_rows 16 part 0 to 2 weight_bytes 1024 flops_per_row 1024 scratch 64 overlap
      plan.dispatch "matmul_f16_x16_m1_n100_k16_ys100" {op = "matmul", dtype = "F16", n = 100 : i64, k = 16 : i64, y_stride = 100 : i64} (<read buffer @x>, <read tensor @a>, <write buffer @y>) tiles 7 tile_rows 16 part 2 to 6 weight_bytes 2048 flops_per_row 2048 scratch 64
    }
  }
}

// -----

// The bytes that a part reads must match its row blocks, and its operations
// must match its rows. Tiles 2 to 6 have five row blocks, of which the last has
// 4 rows instead of 16.

// expected-error @+1 {{dispatch 'matmul_f16_x16_m1_n100_k16_ys100' does not match its kernel 'matmul_f16_x16_m1_n100_k16_ys100' in name, grid or resources}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.segment @s weights codec none bytes 4096
  plan.read @s before 0
  plan.tensor @a copy [#llm.weight<"a", F16, 100x16>] as F16 x16 100 x 16 bytes 3584 in @s at 0
  plan.buffer @x row 16
  plan.buffer @y row 100
  plan.program @m1 tokens 1 to 16 {
    plan.step matmul "0" {
      plan.dispatch "matmul_f16_x16_m1_n100_k16_ys100" {op = "matmul", dtype = "F16", n = 100 : i64, k = 16 : i64, y_stride = 100 : i64} (<read buffer @x>, <read tensor @a>, <write buffer @y>) tiles 7 tile_rows 16 part 0 to 2 weight_bytes 1024 flops_per_row 1024 scratch 64 overlap
      plan.dispatch "matmul_f16_x16_m1_n100_k16_ys100" {op = "matmul", dtype = "F16", n = 100 : i64, k = 16 : i64, y_stride = 100 : i64} (<read buffer @x>, <read tensor @a>, <write buffer @y>) tiles 7 tile_rows 16 part 2 to 7 weight_bytes 2560 flops_per_row 2560 scratch 64
    }
  }
}

// -----

// The cache of a KV binding must exist.

// expected-error @+1 {{dispatch 'attention_h1_kvh1_d8_page2048' binds '1' as kv, but its dtype, layout or shape differs from what the kernel requires}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 1 head_dim 8 context 64 slots 1
  plan.buffer @qkv row 24
  plan.buffer @out row 8
  plan.program @m1 tokens 1 to 16 {
    plan.step attn "0" {
      plan.dispatch "attention_h1_kvh1_d8_page2048" {op = "attention", heads = 1 : i64, kv_heads = 1 : i64, head_dim = 8 : i64, kv_page_bytes = 2048 : i64} (<read buffer @qkv>, <read kv 1>, <write buffer @out>) per 1 flops_per_row 2048 scratch 1280
    }
  }
}

// -----

// A kernel must take the block table of the group that holds its cache.

// expected-error @+1 {{dispatch 'attention_h1_kvh1_d8_page2048_cg1' binds '0' as kv, but its dtype, layout or shape differs from what the kernel requires}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 caches 1 heads 1 head_dim 8 context 64 slots 1
  plan.buffer @qkv row 24
  plan.buffer @out row 8
  plan.program @m1 tokens 1 to 16 {
    plan.step attn "0" {
      plan.dispatch "attention_h1_kvh1_d8_page2048_cg1" {cache_group = 1 : i64, op = "attention", heads = 1 : i64, kv_heads = 1 : i64, head_dim = 8 : i64, kv_page_bytes = 2048 : i64} (<read buffer @qkv>, <read kv 0>, <write buffer @out>) per 1 flops_per_row 2048 scratch 1280
    }
  }
}
