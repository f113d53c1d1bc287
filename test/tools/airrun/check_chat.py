#!/usr/bin/env python3
"""check_chat.py FAKE-PLAN-TOOL STORYTELLER WORKDIR: conversations on a terminal and in pipes.

The fake model answers "Hola!" after the token <s>, whatever was before; STORYTELLER is
a GGUF file whose answers take long.
"""
import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

TOOL, STORYTELLER, WORK = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve()
AIRPACK, AIRRUN = os.environ["AIRPACK"], os.environ["AIRRUN"]
shutil.rmtree(WORK, ignore_errors=True)
WORK.mkdir(parents=True)
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
ENVIRONMENT["TERM"] = "xterm"
PLAN, SMALL = WORK / "hola.air", WORK / "small.air"
subprocess.run([TOOL, PLAN, "Hola!", "900"], check=True)
subprocess.run([TOOL, SMALL, "Hola!", "30"], check=True)
TEMPLATE = WORK / "chat.jinja"
TEMPLATE.write_text("{% for m in messages %}{{ m.role[0] }}:{{ m.content }};{% endfor %}{{ bos_token }}")
HOLA = (PLAN, "--chat-template", TEMPLATE, "--temp", "0")


class Terminal:
    """airrun chat on a terminal; stdout is the same terminal, or a file."""

    def __init__(self, *command, stdout=None, **environment):
        self.control, terminal = pty.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_DFL)

        self.child = subprocess.Popen([AIRRUN, "chat", *map(str, command)], stdin=terminal, stdout=stdout or terminal,
                                      stderr=terminal, env={**ENVIRONMENT, **environment}, preexec_fn=own_terminal)
        os.close(terminal)
        self.shown = ""

    def until(self, text, seconds=120):
        """Reads until `text` appears; returns everything up to its end, which is then forgotten."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self.control], [], [], max(0, end - time.monotonic()))
            assert ready, (text, self.shown)
            try:
                self.shown += os.read(self.control, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError((text, self.shown)) from None
        before, self.shown = self.shown.split(text, 1)
        return before + text

    def prompt(self, text="> "):
        """Waits for the prompt, and then until libedit has turned off line editing by the kernel (ICANON)."""
        self.until(text)
        while termios.tcgetattr(self.control)[3] & termios.ICANON:
            time.sleep(0.01)

    def say(self, line, answer):
        """Types a line at the prompt and waits for `answer`."""
        self.prompt()
        os.write(self.control, line.encode() + b"\n")
        return self.until(answer)

    def type(self, keys):
        os.write(self.control, keys)

    def end(self, code=0):
        """Returns what is shown until the program has ended."""
        rest = self.shown
        while True:
            try:
                part = os.read(self.control, 65536).decode(errors="replace")
            except OSError:
                break
            if not part:
                break
            rest += part
        os.close(self.control)
        assert self.child.wait(60) == code, (self.child.returncode, rest)
        return rest


def saved(terminal, name="saved.json"):
    """Saves the conversation with /save, and returns the role and content of each message."""
    path = WORK / name
    path.unlink(missing_ok=True)
    terminal.say(f"/save {path}", "\n")
    for _ in range(1000):
        if path.exists():
            return [(m["role"], m["content"]) for m in json.loads(path.read_text())]
        time.sleep(0.01)
    raise AssertionError("nothing was saved")


def run(*command, text=b"", code=0, **environment):
    done = subprocess.run([AIRRUN, "chat", *map(str, command)], input=text, capture_output=True,
                          env={**ENVIRONMENT, **environment})
    assert done.returncode == code, done
    return done.stdout.decode(), done.stderr.decode()


# Without a terminal, one answer goes to stdout, and nothing else.
assert run(*HOLA, text=b"hi\n") == ("Hola!\n", "")
assert run(*HOLA, "-p", "hi") == ("Hola!\n", "")
out, errors = run(*HOLA, text=b"a\xff\xfeb")
assert out == "Hola!\n" and errors.startswith("note: ") and "U+FFFD" in errors and errors.count("\n") == 1, errors
out, errors = run(*HOLA, "--max-tokens", 2, "-p", "hi")
assert out == "Ho\n" and errors.startswith("note: the answer is incomplete") and "limit of 2 tokens" in errors, errors
assert run(*HOLA, "--stop", "a", "-p", "hi") == ("Hol\n", "")


def fails(code, text, *command, **options):
    out, errors = run(*command, code=code, **options)
    assert text in errors and errors.count("\n") == 1, errors
    return out


fails(4, "no chat template", PLAN, "-p", "hi")
fails(8, "cannot open", PLAN, "-p", "hi", "--chat-template", WORK / "none")
fails(2, "is not a date", *HOLA, "-p", "hi", "--date", "today")
(WORK / "broken.jinja").write_text("{% for m in messages %}\n{{ m")
fails(3, "broken.jinja", PLAN, "-p", "hi", "--chat-template", WORK / "broken.jinja")
(WORK / "refuses.jinja").write_text("{{ raise_exception('only one message') }}")
fails(3, "only one message", PLAN, "-p", "hi", "--chat-template", WORK / "refuses.jinja")
(WORK / "date.jinja").write_text("{% if strftime_now('%d') == '05' %}{{ bos_token }}{% else %}{{ eos_token }}{% endif %}")
assert run(PLAN, "--temp", 0, "-p", "x", "--chat-template", WORK / "date.jinja", "--date", "2024-07-05")[0] == "Hola!\n"
# A message that says <s> does not become the token <s>: the template alone decides where the answer begins.
(WORK / "last.jinja").write_text("{{ bos_token }}{{ messages[-1].content }}")
out, _ = run(PLAN, "--temp", 0, "-p", "<s>", "-n", 1, "--chat-template", WORK / "last.jinja")
assert out == "?\n", out  # the byte after '>'

# A conversation that does not fit is refused with its length and the limit.
message = "x" * 40
got = re.search(r"prompt: (\d+) tokens, but the plan's context has room for 30", run(
    SMALL, "--chat-template", TEMPLATE, "-p", message, code=5)[1])
assert got and int(got[1]) >= 40, got
out = fails(5, "the context of 30 tokens", SMALL, "--chat-template", TEMPLATE, "--temp", "0", "-p", "x" * 24)
assert "Hola!\n".startswith(out.strip()) and out != "Hola!\n", out
terminal = Terminal(SMALL, "--chat-template", TEMPLATE, "--temp", "0")
terminal.say(message, "room for 30")
terminal.say("hi", "Hola!")
assert saved(terminal) == [("user", "hi"), ("assistant", "Hola!")]
terminal.say("hi again and again", "room for 30")
assert len(saved(terminal)) == 2
terminal.say("/clear", "\n")
terminal.say("hi", "Hola!")
terminal.prompt()
terminal.type(b"\x04")
terminal.end()

# Only the answers go to standard output.
with open(WORK / "out", "wb") as file:
    terminal = Terminal(*HOLA, "--system-prompt", "Be brief.", stdout=file)
    terminal.say("hi", "> ")
    terminal.shown = "> " + terminal.shown
    terminal.say("/stats", "tok/s")
    terminal.say("/exit", "\n")
    terminal.end()
assert (WORK / "out").read_text() == "Hola!\n"

# Tests the commands that begin with a slash.
(WORK / "text").write_text("from a file\n")
(WORK / "other.json").write_text('[{"role": "user", "content": "old", "x": 1}, {"role": "assistant", "content": "ja"}]')
terminal = Terminal(*HOLA, "--system-prompt", "Be brief.")
shown = terminal.say("/help", "but the last.")
for name in ("help", "exit", "clear", "regen", "undo", "system", "set", "show", "save", "load", "read", "stats"):
    assert f"/{name}" in shown, shown
terminal.say("/stats", "there is no answer yet")
terminal.say("/regen", "no message to answer")
terminal.say("/undo", "no message to take back")
terminal.say("hi", "Hola!")
assert saved(terminal) == [("system", "Be brief."), ("user", "hi"), ("assistant", "Hola!")]
shown = terminal.say("/regen", "Hola!")
assert "loading" not in shown, shown  # everything has been read before
terminal.say(f"/read {WORK}/text", "Hola!")
assert saved(terminal)[3:] == [("user", "from a file\n"), ("assistant", "Hola!")]
with open(WORK / "huge", "wb") as file:
    file.truncate(13501)
# No token has more than 15 bytes of text, so at most 13500 bytes fit into the
# context of 900 tokens. A longer file is not even read.
terminal.say(f"/read {WORK}/huge", "has 13501 bytes, but the plan's context holds only 900 tokens of at most 15 bytes each")
terminal.say("/undo", "\n")
terminal.say("/system Be long.", "\n")
assert saved(terminal) == [("system", "Be long."), ("user", "hi"), ("assistant", "Hola!")]
terminal.say("/system", "\n")
assert saved(terminal) == [("user", "hi"), ("assistant", "Hola!")]
shown = terminal.say("/show", "assistant: Hola!")
assert "user: hi" in shown, shown
terminal.say(f"/load {WORK}/other.json", "\n")
assert saved(terminal) == [("user", "old"), ("assistant", "ja")]
assert json.loads((WORK / "saved.json").read_text())[0]["x"] == 1
with open(WORK / "huge", "wb") as file:
    file.truncate((16 << 20) + 1)
terminal.say(f"/load {WORK}/huge", "has 16777217 bytes, but JSON, a template or a grammar may have at most 16777216 bytes")
terminal.say(f"/load {WORK}/text", "it is not valid JSON: the error is at line 1, column 2")
terminal.say(f"/load {WORK}/none", "cannot open")
(WORK / "empty.json").write_text('[{"role": "user"}]')
terminal.say(f"/load {WORK}/empty.json", 'message 0 has neither "content"')
terminal.say("/save", "/save needs an argument")
terminal.say(f"/save {WORK}/none/x", "airrun: ")
terminal.say("/show me", "takes no argument")
terminal.say("/nonsense", "there is no command '/nonsense'")
assert saved(terminal) == [("user", "old"), ("assistant", "ja")]
assert "/regen" in terminal.say("/?", "but the last.")
terminal.say("/set n 3", "\n")
terminal.say("hi", "Hol")
terminal.until("limit of 3 tokens")
terminal.say("/set top-p 7", "is not a number from 0 to 1")
terminal.say("/set colour red", "there is no option 'colour'; /set lists those that can be changed")
terminal.say("/set --colour default", "there is no option '--colour'")
assert "max-tokens 3" in terminal.say("/set", "max-tokens 3")
terminal.say("/set --max-tokens default", "\n")
assert "max-tokens (default)" in terminal.say("/set", "max-tokens (default)")
# Options that contradict each other are refused at once, and change nothing.
terminal.say("/set top-k 5", "\n")
terminal.say("/set samplers temperature", "airrun: top-k")
assert "samplers (default)" in terminal.say("/set", "samplers (default)")
terminal.say("/set top-k default", "\n")
shown = terminal.say(f"/save {WORK}", "name a file")
terminal.prompt("\n> ")
terminal.shown = "> "
terminal.say("/clear", "\n")
assert saved(terminal) == []
terminal.say("/bye", "\n")
terminal.end()

# --load continues a conversation. The second turn computes only what follows
# the first message.
terminal = Terminal(*HOLA, "--load", WORK / "other.json")
terminal.say("hi", "Hola!")
before = re.search(r"prompt: (\d+) tokens, (\d+) of them new", terminal.say("/stats", "tok/s"))
assert int(before[1]) == int(before[2]), before[0]
terminal.say("ho", "Hola!")
after = re.search(r"prompt: (\d+) tokens, (\d+) of them new", terminal.say("/stats", "tok/s"))
# The first prompt ends with the token <s>, where the second has "a:", so one
# token cannot be reused.
assert int(after[1]) - int(after[2]) == int(before[1]) - 1, (before[0], after[0])
terminal.prompt()
terminal.type(b"\x04")
terminal.end()

# Tests editing, the history, and messages of several lines.
terminal = Terminal(*HOLA)
terminal.prompt()
terminal.type(b"xho\x7f\x7fi\x01\x1b[C\x7f\xc3\xa9\x05!\n")  # backspace, start, right, backspace, a letter, end
terminal.until("Hola!")
terminal.prompt()
terminal.type(b"  \n")  # a blank line is no message, and is not kept
terminal.prompt()
terminal.type(b"\x1b[A?\n")  # the line before
terminal.until("Hola!")
terminal.say('"""', "\n")
terminal.prompt(". ")
terminal.type(b"one\n")
terminal.prompt(". ")
terminal.type(b'two"""\n')
terminal.until("Hola!")
terminal.say("three\\", "\n")
terminal.prompt(". ")
terminal.type(b"four\n")
terminal.until("Hola!")
terminal.say(" /show", "Hola!")
users = [content for role, content in saved(terminal) if role == "user"]
assert users == ["\u00e9i!", "\u00e9i!?", "one\ntwo", "three\nfour", " /show"], users

# At the prompt, Ctrl-C drops what was typed or, if there is nothing, ends the
# program.
terminal.prompt()
terminal.type(b"never")
terminal.until("never")
terminal.type(b"\x03")
assert len([m for m in saved(terminal) if m[0] == "user"]) == 5
terminal.prompt()
# If text and Ctrl-C come at once, Ctrl-C only drops the text.
terminal.type(b"at once\x03")
assert len([m for m in saved(terminal) if m[0] == "user"]) == 5
terminal.prompt()
time.sleep(0.3)
terminal.type(b"\x03")
terminal.end(-signal.SIGINT)

# Reasoning is dimmed on a terminal, unless NO_COLOR forbids it, and never in a file.
(WORK / "think.jinja").write_text("<think>")
THINK = (PLAN, "--chat-template", WORK / "think.jinja", "--temp", "0", "-n", "3")
terminal = Terminal(*THINK)
assert "\x1b[2m?@A\x1b[0m" in terminal.say("hi", "limit of 3 tokens"), terminal.shown
terminal.say(f"/save {WORK}/think.json", "> ")
terminal.shown = "> " + terminal.shown
assert json.loads((WORK / "think.json").read_text())[1] == {
    "role": "assistant", "content": "", "reasoning_content": "?@A"}
terminal.say("/exit", "\n")
terminal.end()
terminal = Terminal(*THINK, NO_COLOR="1")
shown = terminal.say("hi", "limit of 3 tokens")
assert "<think>\r\n?@A" in shown and "\x1b[2m" not in shown, shown
terminal.say("/exit", "\n")
terminal.end()
assert run(*THINK, "-p", "hi")[0] == "<think>\n?@A\n"

(WORK / "tools.json").write_text('[{"type": "function", "function": {"name": "now"}}]')
# Each answer matches the grammar of the command line, or of /set. The grammar
# applies to the part of the answer that follows the reasoning.
assert run(*HOLA, "--grammar", 'root ::= "Home"', "-p", "hi") == ("Home\n", "")
(WORK / "seven.json").write_text('\ufeff{"const": 7}')
assert run(*HOLA, "--json-schema-file", WORK / "seven.json", text=b"hi") == ("7\n", "")
assert run(*HOLA, "--grammar", 'root ::= "lo"', "--grammar-trigger", "l", "-p", "hi") == ("Holo\n", "")
fails(2, "2 of --grammar, --grammar-file, --json-schema", *HOLA, "-p", "hi", "-j", "{}", "--grammar", 'root ::= "a"')
fails(3, "line 1, column 10: ", *HOLA, "-p", "hi", "--grammar", 'root ::= +')
fails(4, "the keyword 'multipleOf' is not supported", *HOLA, "-p", "hi", "-j", '{"multipleOf": 2}')
fails(2, "give either --tools or a grammar", *HOLA, "-p", "hi", "-j", "{}", "--tools", WORK / "tools.json")
terminal = Terminal(*HOLA, "--grammar", 'root ::= "Home"')
terminal.say("hi", "Home\r\n")
terminal.say("hi", "Home\r\n")
terminal.say("/set grammar root ::= +", "line 1, column 10")
terminal.say("hi", "Home\r\n")
terminal.say("/set grammar default", "\n")
terminal.say("hi", "Hola!\r\n")
terminal.say('/set json-schema {"const": 7}', "\n")
terminal.say("hi", "7\r\n")
# A new grammar replaces the previous one. When a grammar is removed, its
# triggers are removed, too.
terminal.say('/set grammar root ::= "lo"', "\n")
terminal.say("hi", "lo\r\n")
terminal.say("/set grammar-trigger l", "\n")
terminal.say("hi", "Holo\r\n")
terminal.say("/set grammar default", "\n")
terminal.say("hi", "Hola!\r\n")
terminal.say("/set grammar-trigger l", "without a grammar")
terminal.say("/exit", "\n")
terminal.end()
# After the line break with which the prompt ends, this model thinks "x" and answers "8".
subprocess.run([TOOL, WORK / "thought.air", "\nx</think>8", "900"], check=True)
(WORK / "thought.jinja").write_text("<think>\n\n")
THOUGHT = (WORK / "thought.air", "--chat-template", WORK / "thought.jinja", "--temp", "0", "-p", "hi")
assert run(*THOUGHT)[0] == "<think>\nx\n</think>\n\n8\n"
assert run(*THOUGHT, "-j", '{"const": 7}')[0] == "<think>\nx\n</think>\n\n7\n"

# No trigger counts within reasoning that the model begins by itself. Here the model writes "<think>x=".
subprocess.run([TOOL, WORK / "begins.air", "<think>x=", "900"], check=True)
(WORK / "begins.jinja").write_text("{% for m in messages %}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}"
                                   "</think>{% endif %}{{ m.content }}{% endfor %}{{ bos_token }}")
BEGINS = (WORK / "begins.air", "--chat-template", WORK / "begins.jinja", "--temp", "0", "-p", "hi", "-n", "10")
free = run(*BEGINS)[0]
assert free.startswith("<think>\nx="), free
assert run(*BEGINS, "--grammar", 'root ::= "x+1"', "--grammar-trigger", "x")[0] == free

# --file names a file with the message.
(WORK / "message").write_text("hi\n")
assert run(*HOLA, "-f", WORK / "message") == ("Hola!\n", "")
fails(2, "--prompt and --file are given", *HOLA, "-f", WORK / "message", "-p", "hi")
fails(8, "cannot open", *HOLA, "-f", WORK / "none")

# Tools reach the template, and /result answers the calls of the last answer.
(WORK / "tools.jinja").write_text("{% if tools %}{{ tools[0].function.name }};{% endif %}"
                                  "{% for m in messages %}{{ m.role }};{% endfor %}{{ bos_token }}")
call = {"type": "function", "id": "7", "function": {"name": "now", "arguments": {}}}
(WORK / "calls.json").write_text(json.dumps([
    {"role": "user", "content": "When?"}, {"role": "assistant", "content": "", "tool_calls": [call, call]}]))
TOOLS = (PLAN, "--chat-template", WORK / "tools.jinja", "--temp", "0", "--tools", WORK / "tools.json")
terminal = Terminal(*TOOLS, "--load", WORK / "calls.json")
terminal.say("/result noon", "results that the model still needs: 1)")
terminal.say("/result 12:00", "Hola!")
shown = terminal.say("/stats", "tok/s")
assert f"prompt: {len('now;user;assistant;tool;tool;') + 1} tokens" in shown, shown
terminal.say("/result again", "every tool call already has its result")
terminal.say("/regen", "Hola!")
terminal.say(f"/save {WORK}/results.json", "> ")
terminal.type(b"/exit\n")
terminal.end()
assert json.loads((WORK / "results.json").read_text())[2:] == [
    {"role": "tool", "content": "noon", "name": "now", "tool_call_id": "7"},
    {"role": "tool", "content": "12:00", "name": "now", "tool_call_id": "7"}, {"role": "assistant", "content": "Hola!"}]

# --tool-choice names a tool, or says whether tools are called at all.
for choice in ("required", "now"):
    out = run(*TOOLS, "--tool-choice", choice, "-n", 80, "-p", "hi")[0]
    assert out.startswith('<tool_call>{"name": "now", "arguments": {}}</tool_call>\n'), out
assert run(*TOOLS, "--tool-choice", "none", "-p", "hi")[0] == "Hola!\n"
fails(2, "--tool-choice: there is no tool 'never'; give auto, none, required, or one of now", *TOOLS, "--tool-choice",
      "never", "-p", "hi")
fails(2, "--tool-choice needs at least one tool, but there is none; name a file of tools with --tools", *HOLA, "--tool-choice", "auto", "-p", "hi")
schema = {"properties": {"at": {"format": "hostname"}}}
(WORK / "tools.json").write_text(json.dumps([{"function": {"name": "now", "parameters": schema}}]))
out, errors = run(*TOOLS, "-p", "hi")
assert out == "Hola!\n" and "tool 'now': the model may give the arguments any values" in errors, errors
(WORK / "tools.json").write_text('[{"function": {"name": "now", "parameters": {"type": 1}}}]')
fails(3, "tool 'now': the schema", *TOOLS, "-p", "hi")
(WORK / "tools.json").write_text("[{}]")
fails(3, "tool 0 is not an object with a \"name\"", *TOOLS, "-p", "hi")

# A failed write of a conversation does not end the chat, but the loss of standard output does.
with open("/dev/full", "w") as full:
    terminal = Terminal(*HOLA, stdout=full)
    terminal.say("/save /dev/full/no", "airrun: ")
    terminal.prompt()
    terminal.type(b"hi\n")
    assert "cannot write to standard output: No space left on device" in terminal.end(8)

# Ctrl-C stops an answer. The conversation keeps the part that was written.
STORY = WORK / "story.air"
subprocess.run([AIRPACK, STORYTELLER, "--target", "host", "-o", STORY], check=True, capture_output=True)
(WORK / "story.jinja").write_text("{{ bos_token }}{{ messages[-1].content }}")
terminal = Terminal(STORY, "--chat-template", WORK / "story.jinja", "--temp", "0")
terminal.say("Once upon a time", " lived")
terminal.type(b"\x03")
terminal.until("(stopped)")
conversation = saved(terminal)
assert [m[0] for m in conversation] == ["user", "assistant"] and conversation[1][1], conversation
terminal.say("/exit", "\n")
terminal.end()

# If stdout is a pipe, Ctrl-C ends the program once it has written its text.
child = subprocess.Popen([AIRRUN, "chat", STORY, "--chat-template", WORK / "story.jinja", "-p", "Once upon a time",
                          "--temp", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, env=ENVIRONMENT,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
first = child.stdout.read(1)
child.send_signal(signal.SIGINT)
rest, errors = child.communicate(timeout=120)
assert child.returncode == -signal.SIGINT and (first + rest).endswith(b"\n") and errors == b"", (rest[-20:], errors)
shutil.rmtree(WORK)
print("conversations on a terminal and in pipes")
