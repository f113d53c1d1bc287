#!/usr/bin/env python3
"""limited.py BYTES COMMAND...: runs the command with a limit on the size of files.

Only the soft limit is lowered, and only for COMMAND and its children.
"""
import os
import resource
import sys

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
os.execvp(sys.argv[2], sys.argv[2:])
