#!/usr/bin/env python3
"""as_user.py [-u PROCESSES] [-s STACK_KIB] COMMAND...: runs the command as another user.

The user has no other process, because a limit on processes counts all processes of a
user. The command does not run as root, which is exempt from this limit. Tests that use
this script say `REQUIRES: other-user`.
"""
import os
import resource
import sys

# The user id depends on the process id, so that simultaneous tests run as
# different users.
USER = 60000 + os.getpid() % 5000
arguments = sys.argv[1:]
while arguments[0].startswith("-"):
    kind, value = arguments[0], int(arguments[1])
    if kind == "-u":
        resource.setrlimit(resource.RLIMIT_NPROC, (value, value))
    elif kind == "-s":
        resource.setrlimit(resource.RLIMIT_STACK, (value * 1024, value * 1024))
    else:
        sys.exit(f"unknown option {kind}")
    arguments = arguments[2:]
# The folder of the tests' cache belongs to the user who runs the tests.
os.environ["XDG_CACHE_HOME"] = "/nonexistent"
os.setgroups([])
os.setgid(USER)
os.setuid(USER)
os.execvp(arguments[0], arguments)
