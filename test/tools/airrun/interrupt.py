#!/usr/bin/env python3
"""interrupt.py PLAN PROMPT: sends signals during an answer that would take minutes.

The line of the answer must be completed, standard error must report what was computed,
and the process must die by the signal, so that a shell sees 130 or 143. PROMPT is a
file whose tokens take seconds to process.
"""
import fcntl
import re
import signal
import struct
import subprocess
import sys
import termios
import time

PLAN, PROMPT = sys.argv[1:]


def start(*options, handler=signal.SIG_DFL):
    def reset():
        # The signals may be ignored in the process that runs this test, and a
        # child would inherit that.
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, handler)

    return subprocess.Popen(["airrun", PLAN, "--temp", "0", "--ignore-eos", *options],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=reset,
                            bufsize=0)  # communicate() would forget what read() has buffered


for which in (signal.SIGINT, signal.SIGTERM):
    child = start("--tokens", "1", "-n", "4000000", "--output-tokens")
    first = child.stdout.read(1)
    child.send_signal(which)
    rest, errors = child.communicate(timeout=60)
    errors = errors.decode()
    assert child.returncode == -which, (child.returncode, errors)
    text = (first + rest).decode()
    assert text.endswith("\n"), text[-20:]
    # The statistics must count the tokens that were written.
    count = text.count(",") + 1
    assert re.search(f"airrun: decode: {count} tokens?( in |;)", errors), (text[-20:], errors)
    assert "airrun: prompt: 1 token in" in errors, errors
    assert errors.endswith("; interrupted\n"), errors

# If a signal comes while the prompt is processed, the statistics count only the
# tokens of the passes that were completed, and no token is generated. The test
# increases the delay before the signal until the signal comes at such a time.
for delay in (0.1 * 1.5**i for i in range(12)):
    child = start("-f", PROMPT, "-n", "1")
    time.sleep(delay)
    child.send_signal(signal.SIGINT)
    text, errors = child.communicate(timeout=120)
    errors = errors.decode()
    partial = re.match(r"airrun: prompt: (\d+) of (\d+) tokens in [0-9.]+ s, [0-9.]+ tok/s\n"
                       r"airrun: decode: 0 tokens; interrupted\n$", errors)
    if partial:
        assert child.returncode == -signal.SIGINT, child.returncode
        assert int(partial[1]) < int(partial[2]), errors
        assert text == b"", text
        break
    assert errors == "" or "first token" in errors, errors
else:
    sys.exit("the prompt was never under way when the signal came")

# While airrun is blocked because it writes to a full pipe, the first signal has
# no visible effect. A second signal must end the process at once. The test
# waits until the pipe is full, because otherwise the first signal would end the
# process.
child = start("--tokens", "1", "-n", "4000000", "--output-tokens")
PIPE_BYTES = fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, 4096)
while struct.unpack("i", fcntl.ioctl(child.stdout, termios.FIONREAD, bytes(4)))[0] < PIPE_BYTES - 16:
    assert child.poll() is None
    time.sleep(0.01)
child.send_signal(signal.SIGINT)
time.sleep(0.3)
assert child.poll() is None, child.communicate()
child.send_signal(signal.SIGTERM)
assert child.wait(timeout=60) == -signal.SIGTERM
child.stdout.close()
assert child.stderr.read() == b""

# A background process of a script ignores SIGINT, and airrun must not change
# that.
child = start("--tokens", "1", "-n", "2000", handler=signal.SIG_IGN)
assert child.stdout.read(1) == b"a"
child.send_signal(signal.SIGINT)
_, errors = child.communicate(timeout=60)
assert child.returncode == 0, child.returncode
assert b"; the limit -n was reached\n" in errors, errors
