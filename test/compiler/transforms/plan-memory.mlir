// RUN: air-opt %s --split-input-file --plan-memory | FileCheck %s
// RUN: air-opt %s --split-input-file --plan-memory --verify-memory | FileCheck %s

// 20 tokens are padded to 32 rows, and 3 outputs to 16 rows. The buffers are:
//   @x    32 x 10 floats = 1280 bytes, alive in all steps
//   @a    32 x 20 floats = 2560 bytes, alive in steps 0 and 1
//   @b    32 x  5 floats =  640 bytes, alive in steps 1 and 2
//   @c    32 x 20 floats = 2560 bytes, alive in steps 2 and 3
//   @out  16 x 10 floats =  640 bytes, alive from step 3 to the end
// Buffers are placed by descending size. @a gets offset 0, and so does @c,
// which is never alive together with @a. @x is alive together with both, so it
// gets offset 2560. @b is alive together with @a, @c and @x, so it gets offset
// 3840. @out is alive together with @c and @x, but not with @b, so it gets
// offset 3840 too.

// CHECK: plan.limits tokens 20 outputs 3 arena 4480
// CHECK: plan.buffer @x row 10 at 2560 bytes 1280
// CHECK: plan.buffer @a row 20 at 0 bytes 2560
// CHECK: plan.buffer @b row 5 at 3840 bytes 640
// CHECK: plan.buffer @c row 20 at 0 bytes 2560
// CHECK: plan.buffer @out row 10 rows <outputs> output at 3840 bytes 640
module {
  plan.limits tokens 20 outputs 3
  plan.buffer @x row 10
  plan.buffer @a row 20
  plan.buffer @b row 5
  plan.buffer @c row 20
  plan.buffer @out row 10 rows <outputs> output
  plan.program @m1 tokens 1 to 20 {
    plan.step add "0" {
      plan.dispatch "k" {op = "add"} (<read buffer @x>, <read_write buffer @a>)
    }
    plan.step add "1" {
      plan.dispatch "k" {op = "add"} (<read buffer @a>, <read_write buffer @b>)
    }
    plan.step add "2" {
      plan.dispatch "k" {op = "add"} (<read buffer @b>, <read_write buffer @c>)
    }
    plan.step add "3" {
      plan.dispatch "k" {op = "add"} (<read buffer @c>, <read_write buffer @x>)
      plan.dispatch "k" {op = "add"} (<read buffer @x>, <read_write buffer @out>)
    }
  }
}

// -----

// A buffer for at most one token has 16 rows, however large the largest batch
// is.

// CHECK: plan.buffer @states row 16 most 1 at {{[0-9]+}} bytes 1024
module {
  plan.limits tokens 40 outputs 1
  plan.buffer @x row 16
  plan.buffer @states row 16 most 1
  plan.program @m1 tokens 1 to 1 {
    plan.step add "0" {
      plan.dispatch "k" {op = "add"} (<read buffer @states>, <read_write buffer @x>)
    }
  }
}

// -----

// A buffer's memory is free between two of its values. @h holds one value in
// steps 0 and 1 and another in step 3. @t holds a value in step 2, at the same
// offset.

// CHECK: plan.limits tokens 16 outputs 1 arena 2048
// CHECK: plan.buffer @x row 16 at [[X:[0-9]+]] bytes 1024
// CHECK: plan.buffer @h row 16 at [[H:[0-9]+]] bytes 1024
// CHECK: plan.buffer @t row 16 at [[H]] bytes 1024
module {
  plan.limits tokens 16 outputs 1
  plan.buffer @x row 16
  plan.buffer @h row 16
  plan.buffer @t row 16
  plan.program @m1 tokens 1 to 16 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @h>)
    }
    plan.step add "1" {
      plan.dispatch "k" {op = "add"} (<read buffer @h>, <read_write buffer @x>)
    }
    plan.step glu "2" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @t>)
      plan.dispatch "k" {op = "add"} (<read buffer @t>, <read_write buffer @x>)
    }
    plan.step glu "3" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @h>)
      plan.dispatch "k" {op = "add"} (<read buffer @h>, <read_write buffer @x>)
    }
  }
}
