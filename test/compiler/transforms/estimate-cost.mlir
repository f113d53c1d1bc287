// RUN: air-opt %s --split-input-file --estimate-cost | FileCheck %s

// A decode pass runs the program for one token. Its two dispatches read 1000 and
// 24 bytes of weights from memory, which takes 512 ns at 2 GB/s. In the second
// placement, the pass also reads 8192 bytes from the disk, which takes 8192 ns
// at 1 GB/s. The target does not say how much disk and memory slow down each
// other, so a fifth of the shorter time is added to the longer one. A verify pass
// of 4 tokens moves the same bytes, and the rate of its arithmetic is not known.

// CHECK: plan.placement resident [1000] ring 0 {
// CHECK-NEXT: plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1024, bandwidth = 2000000000>] nanoseconds 512 limit "dram"
// CHECK-NEXT: plan.prediction "verify" links [#plan.link<name = "dram", bytes_per_pass = 1024, bandwidth = 2000000000>] nanoseconds 512 limit "dram"
// CHECK: plan.placement resident [0] ring 4096 {
// CHECK: plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1024, bandwidth = 2000000000>, #plan.link<name = "disk", bytes_per_pass = 8192, bandwidth = 1000000000>] nanoseconds 8295 limit "disk"
// CHECK-NEXT: plan.prediction "verify" links [#plan.link<name = "dram", bytes_per_pass = 1024, bandwidth = 2000000000>, #plan.link<name = "disk", bytes_per_pass = 8192, bandwidth = 1000000000>] nanoseconds 8295 limit "disk"
module attributes {plan.target = {arch = "x86_64", cores = 8 : i64, disk_bandwidth = 1000000000 : i64, features = [], measured = true, memory_bandwidth = 2000000000 : i64, memory_bytes = 1000000 : i64, name = "t"}} {
  plan.buffer @x row 10
  plan.segment @a weights codec none bytes 1000
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
  plan.placement resident [1000] ring 0 {
  }
  plan.placement resident [0] ring 4096 {
    plan.stream @a at 0 bytes 4096 to 0 before 0 after -1
    plan.stream @a at 4096 bytes 4096 to 0 before 0 after -1
  }
}

// -----

// If the bandwidth of a link that is used is unknown, no time is predicted. No
// program runs batches of 4 tokens, so there is no prediction of a verify pass.

// CHECK-NOT: "verify"

// CHECK: plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1000>] nanoseconds 0 limit ""
// CHECK: plan.prediction "decode" links [#plan.link<name = "dram", bytes_per_pass = 1000>, #plan.link<name = "disk", bytes_per_pass = 4096, bandwidth = 1000>] nanoseconds 0 limit ""
module attributes {plan.target = {arch = "x86_64", cores = 1 : i64, disk_bandwidth = 1000 : i64, features = [], measured = false, memory_bandwidth = 0 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.buffer @x row 10
  plan.segment @a weights codec none bytes 1000
  plan.program @m1 tokens 1 to 1 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @x>) weight_bytes 1000
    }
  }
  plan.placement resident [1000] ring 0 {
  }
  plan.placement resident [0] ring 4096 {
    plan.stream @a at 0 bytes 4096 to 0 before 0 after -1
  }
}

// -----

// Disk and memory both have a bandwidth of 1 GB/s. While both are read, that of
// the disk falls to 0.5 GB/s and that of memory to 0.8 GB/s. Reading 1000 bytes
// from memory then takes 1250 ns, and 625 bytes are read from the disk in this
// time. The other 8192 - 625 bytes are read from the disk at 1 GB/s, so the pass
// takes 1250 + 8192 - 625 ns.

// CHECK: plan.prediction "decode" links [{{.*}}] nanoseconds 1000 limit "dram"
// CHECK: plan.prediction "decode" links [{{.*}}] nanoseconds 8817 limit "disk"
module attributes {plan.target = {arch = "x86_64", cores = 1 : i64, disk_bandwidth = 1000000000 : i64, disk_beside = 500000000 : i64, features = [], measured = true, memory_bandwidth = 1000000000 : i64, memory_beside = 800000000 : i64, memory_bytes = 0 : i64, name = "t"}} {
  plan.buffer @x row 10
  plan.segment @a weights codec none bytes 1000
  plan.program @m1 tokens 1 to 1 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @x>) weight_bytes 1000
    }
  }
  plan.placement resident [1000] ring 0 {
  }
  plan.placement resident [0] ring 4096 {
    plan.stream @a at 0 bytes 8192 to 0 before 0 after -1
  }
}
