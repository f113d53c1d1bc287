// RUN: air-opt %s --split-input-file --schedule-reads --verify-diagnostics | FileCheck %s

// Step 0 only gathers rows, from the segments @t and @b. Gathering does not
// count as a use of a segment. Step 1 needs @a. Step 2 needs @a again, and @b.
// No step reads the segment of the kernels.

// CHECK: plan.read @a before 1{{$}}
// CHECK-NEXT: plan.read @b before 2{{$}}
// CHECK-NOT: plan.read
module {
  plan.tensor @n vector [#llm.weight<"n", F32, 10>] as F32 rows 1 x 10 bytes 40 in @a at 0
  plan.tensor @m vector [#llm.weight<"m", F32, 10>] as F32 rows 1 x 10 bytes 40 in @b at 0
  plan.segment @a weights codec none bytes 40
  plan.segment @b weights codec none bytes 40
  plan.segment @k kernels codec none bytes 40
  plan.segment @t table codec none bytes 40
  plan.tensor @rows vector [#llm.weight<"t", F32, 10>] as F32 rows 1 x 10 bytes 40 in @t at 0
  plan.buffer @x row 10
  plan.program @m1 tokens 1 to 16 {
    plan.step embed "0" {
      plan.dispatch "k" {op = "embed_rows"} (<read tensor @rows>, <write buffer @x>)
      plan.dispatch "k" {op = "embed_rows"} (<read tensor @m>, <write buffer @x>)
    }
    plan.step norm "1" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @n>, <write buffer @x>)
    }
    plan.step norm "2" {
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @n>, <write buffer @x>)
      plan.dispatch "k" {op = "rms_norm"} (<read buffer @x>, <read tensor @m>, <write buffer @x>)
    }
  }
}

// -----

// expected-error @+1 {{no step reads segment 'a'}}
module {
  plan.segment @a weights codec none bytes 40
  plan.program @m1 tokens 1 to 16 {
  }
}
