// RUN: air-opt %s --split-input-file --verify-memory --verify-diagnostics

// This placement is valid, because @a and @b are never alive together.

module {
  plan.limits tokens 16 outputs 1 arena 1024
  plan.buffer @a row 16 at 0 bytes 1024
  plan.buffer @b row 16 at 0 bytes 1024
  plan.program @m1 tokens 1 to 16 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @a>, <read buffer @a>, <write buffer @a>)
    }
    plan.step glu "1" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @b>, <read buffer @b>, <write buffer @b>)
    }
  }
}

// -----

// expected-error @+1 {{buffers 'a' [0, 1024) and 'b' [960, 1984) overlap while step 1 needs both}}
module {
  plan.limits tokens 16 outputs 1 arena 1984
  plan.buffer @a row 16 at 0 bytes 1024
  plan.buffer @b row 16 at 960 bytes 1024
  plan.program @m1 tokens 1 to 16 {
    plan.step add "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @a>, <read buffer @a>, <write buffer @a>)
    }
    plan.step add "1" {
      plan.dispatch "k" {op = "add"} (<read buffer @a>, <read_write buffer @b>)
    }
  }
}

// -----

// Padding rows count too: 17 tokens are padded to 32 rows.

// expected-error @+1 {{buffer 'a' has 1088 bytes, but must hold 32 rows of 16 floats}}
module {
  plan.limits tokens 17 outputs 1 arena 2048
  plan.buffer @a row 16 at 0 bytes 1088
}

// -----

// The size of 2^62 rows of 16 bytes does not fit in 64 bits.

// expected-error @+1 {{buffer 'a' has 64 bytes, but must hold 4611686018427387904 rows of 4 floats}}
module {
  plan.limits tokens 4611686018427387904 outputs 1 arena 64
  plan.buffer @a row 4 at 0 bytes 64
}

// -----

// expected-error @+1 {{buffer 'a' of 1024 bytes at offset 64 ends outside the arena of 1024 bytes}}
module {
  plan.limits tokens 16 outputs 1 arena 1024
  plan.buffer @a row 16 at 64 bytes 1024
}

// -----

// expected-error @+1 {{buffer 'a' has not been placed in the arena}}
module {
  plan.limits tokens 16 outputs 1
  plan.buffer @a row 16
}

// -----

// An output keeps its bytes to the end of the program, although only the first
// step binds it.

// expected-error @+1 {{overlap while step 1 needs both}}
module {
  plan.limits tokens 16 outputs 1 arena 1024
  plan.buffer @a row 16 output at 0 bytes 1024
  plan.buffer @b row 16 at 0 bytes 1024
  plan.program @m1 tokens 1 to 16 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @a>, <read buffer @a>, <write buffer @a>)
    }
    plan.step glu "1" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @b>, <read buffer @b>, <write buffer @b>)
    }
  }
}

// -----

// Step 2 adds to the value that step 0 wrote to @h, so this value must outlive
// step 1.

// expected-error @+1 {{buffers 'h' [0, 1024) and 't' [0, 1024) overlap while step 1 needs both}}
module {
  plan.limits tokens 16 outputs 1 arena 2048
  plan.buffer @x row 16 at 1024 bytes 1024
  plan.buffer @h row 16 at 0 bytes 1024
  plan.buffer @t row 16 at 0 bytes 1024
  plan.program @m1 tokens 1 to 16 {
    plan.step glu "0" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @h>)
    }
    plan.step glu "1" {
      plan.dispatch "k" {op = "silu_mul"} (<read buffer @x>, <read buffer @x>, <write buffer @t>)
    }
    plan.step add "2" {
      plan.dispatch "k" {op = "add"} (<read buffer @x>, <read_write buffer @h>)
    }
  }
}

// -----

// Nothing is wrong: a buffer for one token has 16 rows, whatever the largest
// batch is.

module {
  plan.limits tokens 40 outputs 1 arena 4096
  plan.buffer @a row 16 most 1 at 0 bytes 1024
  plan.buffer @b row 16 at 1024 bytes 3072
  plan.program @m1 tokens 1 to 1 {
    plan.step add "0" {
      plan.dispatch "k" {op = "add"} (<read buffer @a>, <read_write buffer @b>)
    }
  }
}

// -----

// expected-error @+1 {{buffer 'a' has rows for at most 1 token, but a program for up to 40 tokens binds it}}
module {
  plan.limits tokens 40 outputs 1 arena 4096
  plan.buffer @a row 16 most 1 at 0 bytes 1024
  plan.buffer @b row 16 at 1024 bytes 3072
  plan.program @m1 tokens 1 to 40 {
    plan.step add "0" {
      plan.dispatch "k" {op = "add"} (<read buffer @a>, <read_write buffer @b>)
    }
  }
}
