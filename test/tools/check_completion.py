#!/usr/bin/env python3
"""check_completion.py airrun airpack: what bash completes, with the scripts NAME.bash in the current folder.

The folder holds story.air and the folder tomes.
"""
import subprocess
import sys

ASK = """
source ./$1.bash
complete -p $1 >/dev/null || exit 1
COMP_WORDS=("${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_$1
printf '%s\\n' "${COMPREPLY[@]}"
"""


def ask(*words):
    """The completions of the last word, sorted. bash divides words at '='."""
    done = subprocess.run(["bash", "--norc", "-u", "-c", ASK, "ask", words[0], *words], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done
    return sorted(done.stdout.split())


def expect(words, wanted):
    got = ask(*words.split(" "))
    assert got == wanted.split(), (words, got, wanted)


def includes(words, *wanted):
    got = ask(*words.split(" "))
    assert set(wanted) <= set(got), (words, got, wanted)
    return got


airrun, airpack = sys.argv[1:]
expect("airrun tok", "tokenize")
includes("airrun ", "bench", "cache", "tokenize", "story.air", "tomes")
expect("airrun sto", "story.air")
expect("airrun --max-t", "--max-tokens")
expect("airrun story.air --io ", "buffered pread uring")
expect("airrun story.air --io p", "pread")
expect("airrun story.air --io = b", "buffered")
expect("airrun story.air --io =", "buffered pread uring")
expect("airrun story.air --file st", "story.air")
expect("airrun story.air -f t", "tomes")
expect("airrun story.air --prompt s", "")
expect("airrun story.air -n 1", "")
expect("airrun tokenize --str", "--strings")
assert "--max-tokens" not in includes("airrun tokenize --", "--strings", "--help", "--version", "--completion")
expect("airrun --completion ", "bash fish zsh")
includes("airrun cache ", "list", "path", "rm")
expect("airrun cache l", "list")
expect("airrun cache --json ", "list path rm")
expect("airrun cache rm ", "")
expect("airrun cache rm st", "")
expect("airrun hel", "help")
expect("airrun help tok", "tokenize")
expect("airrun help tokenize ", "")
expect("airrun help st", "")
# The name of a command is completed only as the first word.
expect("airrun story.air tok", "")
expect("airpack story.air --kv-type ", "f16 f32")
expect("airpack insp", "inspect")
expect("airpack x.gguf -o sto", "story.air")
print("bash completes commands, options, values and files")
