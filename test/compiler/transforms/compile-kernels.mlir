// RUN: air-opt %s --split-input-file --compile-kernels --verify-diagnostics | FileCheck %s
// RUN: air-opt %s --split-input-file --compile-kernels=threads=2 --verify-diagnostics | FileCheck %s

// The executable gets one entry per kernel, in sorted order, and the segment
// gets the size of the object file.

// CHECK: plan.segment @kernels kernels codec none bytes {{[1-9][0-9]+$}}
// CHECK: plan.executable @cpu abi 1 entries ["add_k32", "add_k64"] in @kernels
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "bmi2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.buffer @x row 64
  plan.buffer @y row 64
  plan.segment @kernels kernels codec none bytes 0
  plan.executable @cpu abi 1 entries [] in @kernels
  plan.program @m1 tokens 1 to 16 {
    plan.step add "0" {
      plan.dispatch "add_k64" {op = "add", k = 64 : i64} (<read buffer @x>, <read_write buffer @y>)
      plan.dispatch "add_k32" {op = "add", k = 32 : i64} (<read buffer @x>, <read_write buffer @y>)
      plan.dispatch "add_k64" {op = "add", k = 64 : i64} (<read buffer @y>, <read_write buffer @x>)
    }
  }
}

// -----

// expected-error @+1 {{the module has no attribute plan.target}}
module {
}

// -----

// expected-error @+1 {{plan.target has no valid 'arch'}}
module attributes {plan.target = {cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// In these cases, a number in plan.target has the wrong type or is too large.

// expected-error @+1 {{plan.target has no valid 'cores'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : si64, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// expected-error @+1 {{plan.target has no valid 'memory_bytes'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i128, name = "t"}} {
}

// -----

// expected-error @+1 {{plan.target has no valid 'cores'}}
module attributes {plan.target = {arch = "x86_64", cores = 4294967296 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// The entries disk_beside and memory_beside are the bandwidths of disk and memory
// while both are read. They may be missing, but must be valid if they exist.

// expected-error @+1 {{plan.target has no valid 'memory_beside'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, disk_beside = 1 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_beside = 1 : i32, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// If plan.target has the entry `cpu`, with the rates of the CPU, this entry
// must be complete and its values must be valid.

// expected-error @+1 {{plan.target has no valid 'cpu'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, cpu = 1 : i64, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// expected-error @+1 {{plan.target has no valid 'cpu.tile_ns'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, cpu = {barrier_ns = 0 : i64, bf16_dot = 0 : i64, byte_dot = 1 : i64, byte_dot_mixed = 1 : i64, fma_f32 = 1 : i64, l1d_bytes = 0 : i64, l2_bytes = 0 : i64, l3_bytes = 0 : i64, planes_decode = 0 : i64, read_bandwidth = 0 : i64, streams = [], zstd_decode = 0 : i64}, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// The rates of tile registers may be left out, but must be valid otherwise.

// expected-error @+1 {{plan.target has no valid 'cpu.bf16_tile'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, cpu = {barrier_ns = 0 : i64, bf16_dot = 0 : i64, bf16_tile = 1 : i32, byte_dot = 1 : i64, byte_dot_mixed = 1 : i64, fma_f32 = 1 : i64, l1d_bytes = 0 : i64, l2_bytes = 0 : i64, l3_bytes = 0 : i64, planes_decode = 0 : i64, read_bandwidth = 0 : i64, streams = [], tile_ns = 0 : i64, zstd_decode = 0 : i64}, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// expected-error @+1 {{plan.target has no valid 'cpu.streams'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, cpu = {barrier_ns = 0 : i64, bf16_dot = 0 : i64, byte_dot = 1 : i64, byte_dot_mixed = 1 : i64, fma_f32 = 1 : i64, l1d_bytes = 0 : i64, l2_bytes = 0 : i64, l3_bytes = 0 : i64, planes_decode = 0 : i64, read_bandwidth = 0 : i64, streams = [1 : i64], tile_ns = 0 : i64, zstd_decode = 0 : i64}, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// expected-error @+1 {{plan.target has no valid 'cpu.streams.hint'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, cpu = {barrier_ns = 0 : i64, bf16_dot = 0 : i64, byte_dot = 1 : i64, byte_dot_mixed = 1 : i64, fma_f32 = 1 : i64, l1d_bytes = 0 : i64, l2_bytes = 0 : i64, l3_bytes = 0 : i64, planes_decode = 0 : i64, read_bandwidth = 0 : i64, streams = [{bandwidth = 1 : i64, distance_bytes = 0 : i64, hint = "t3", loads = "single"}], tile_ns = 0 : i64, zstd_decode = 0 : i64}, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}

// -----

// expected-error @+1 {{plan.target has no valid 'cpu.streams.distance_bytes'}}
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, cpu = {barrier_ns = 0 : i64, bf16_dot = 0 : i64, byte_dot = 1 : i64, byte_dot_mixed = 1 : i64, fma_f32 = 1 : i64, l1d_bytes = 0 : i64, l2_bytes = 0 : i64, l3_bytes = 0 : i64, planes_decode = 0 : i64, read_bandwidth = 0 : i64, streams = [{bandwidth = 1 : i64, distance_bytes = 1048577 : i64, hint = "t0", loads = "single"}], tile_ns = 0 : i64, zstd_decode = 0 : i64}, disk_bandwidth = 0 : i64, features = ["avx2", "f16c", "fma"], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
}
