#!/usr/bin/env python3
"""limited.py BYTES COMMAND...: runs the command where no file may be larger.

Only the soft limit is lowered, and only for what COMMAND starts.
"""
import os
import resource
import sys

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), hard))
os.execvp(sys.argv[2], sys.argv[2:])
