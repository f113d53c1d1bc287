// RUN: air-opt %s --split-input-file --estimate-cost --verify-diagnostics | FileCheck %s

// The plan needs RAM for 1000 + 24 bytes of weights; 500 bytes of kernels; a KV
// cache of 3 slots x 2 pages (for 100 tokens) x 16384 bytes = 98304 bytes; an
// arena of 4096 bytes; and 64 bytes of scratch (the maximum over the
// dispatches) for each of 8 threads. A decode pass reads the weights of the
// program for one token. Reading 1000 + 24 bytes at 2 GB/s takes 512 ns.

// CHECK: plan.budget ram bytes 1000000
// CHECK-NEXT: plan.budget_item "weights" ram bytes 1024
// CHECK-NEXT: plan.budget_item "kv" ram bytes 98304
// CHECK-NEXT: plan.budget_item "activations" ram bytes 4096
// CHECK-NEXT: plan.budget_item "scratch" ram bytes 512
// CHECK-NEXT: plan.budget_item "kernels" ram bytes 500
// CHECK-NEXT: plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1024, bandwidth = 2000000000>] nanoseconds 512 limit "dram"
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 0 : i64, features = [], measured = true, memory_bandwidth = 2000000000 : i64, memory_bytes = 1000000 : i64, name = "t"}} {
  plan.kv F16 page_tokens 64 layers 1 kv_heads 2 head_dim 32 context 100 slots 3
  plan.limits tokens 16 outputs 1 arena 4096
  plan.buffer @x row 10
  plan.segment @a weights codec none tier ram executor cpu bytes 1000
  plan.segment @b weights codec none tier ram executor cpu bytes 24
  plan.segment @k kernels codec none tier ram executor cpu bytes 500
  plan.program @m1 tokens 1 to 1 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @x>) weight_bytes 1000 scratch 48
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @x>) weight_bytes 24
    }
  }
  plan.program @m2 tokens 2 to 16 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @x>) weight_bytes 5000 scratch 64
    }
  }
}

// -----

// If the bandwidth of the target is unknown, no time is predicted.

// CHECK: plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1000>] nanoseconds 0 limit ""
module attributes {plan.target = {arch = "x86_64", cores = 1 : i64, disk_bandwidth = 0 : i64, features = [], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.buffer @x row 10
  plan.program @m1 tokens 1 to 1 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @x>) weight_bytes 1000
    }
  }
}

// -----

// The target has 100000 bytes of RAM. The 1000 bytes of weights leave room for
// 3 pages of 16384 bytes for each of 2 slots, and a slot needs 4 pages.

// expected-error @+1 {{the plan needs 128.98 KiB of RAM (weights 1000 B, kv 128.00 KiB, activations 0 B, scratch 0 B, kernels 0 B), but target 'small' has 97.66 KiB; choose --slots 1 or less, or --ctx 192 or less}}
module attributes {plan.target = {arch = "x86_64", cores = 1 : i64, disk_bandwidth = 0 : i64, features = [], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 100000 : i64, name = "small"}} {
  plan.kv F16 page_tokens 64 layers 1 kv_heads 2 head_dim 32 context 256 slots 2
  plan.segment @a weights codec none tier ram executor cpu bytes 1000
}
