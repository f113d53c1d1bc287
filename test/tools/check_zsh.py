#!/usr/bin/env python3
"""check_zsh.py: what zsh completes, with the functions _airrun and _airpack in the current folder."""
import os
import pty
import select
import sys
import time


def ask(words, wanted, setup=b"fpath=($PWD $fpath); autoload -U compinit && compinit -u -D"):
    """Types `words` and a tab at a prompt of zsh after `setup`, and waits until it shows `wanted`."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ["TERM"] = "dumb"
        os.execvp("zsh", ["zsh", "-f"])
    shown = b""

    def until(text):
        nonlocal shown
        end = time.monotonic() + 120
        while text not in shown:
            ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
            if not ready:
                sys.exit(f"zsh shows {shown!r} for {words!r}, and not {text!r}")
            shown += os.read(terminal, 65536).replace(b"\x07", b"")
        shown = shown.split(text, 1)[1]

    os.write(terminal, setup + b"; PS1='re'ady\n")
    until(b"ready")
    os.write(terminal, words.encode() + b"\t")
    until(wanted)
    os.close(terminal)
    os.waitpid(child, 0)


ask("airrun tok", b"airrun tokenize")
ask("airrun cache l", b"airrun cache list")
ask("airrun --completion z", b"--completion zsh")
ask("airrun chat --sys", b"--system-prompt=")
ask("airpack insp", b"airpack inspect")
ask("airrun tok", b"airrun tokenize", b"autoload -U compinit && compinit -u -D; source ./_airrun")
print("zsh completes commands, options and values")
