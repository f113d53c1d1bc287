#!/usr/bin/env python3
"""check_fingerprint.py PLAN NOTES: the header's target fingerprint is the digest in the notes.
check_fingerprint.py --machine PLAN.json PROFILE: the plan's machine record has the profile's fields.
"""
import json
import re
import sys


def lower(value):
    """Converts the name of an enumerator in a plan, such as TwoStreams, to its name in a profile, two_streams."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).lower() if isinstance(value, str) else value


if sys.argv[1] == "--machine":
    with open(sys.argv[2]) as file:
        machine = json.load(file)["machine"]
    with open(sys.argv[3]) as file:
        profile = json.load(file)
    cpu, wanted = machine["cpu"], profile["cpu"]
    assert machine["memory_bandwidth"] == profile["memory_bandwidth"], machine
    for key, value in wanted.items():
        if key != "streams":
            assert cpu[key] == value, (key, cpu[key], value)
    got = [{key: lower(value) for key, value in stream.items()} for stream in cpu["streams"]]
    assert got == wanted["streams"], got
else:
    with open(sys.argv[1], "rb") as file:
        fingerprint = file.read(80)[64:].hex()
    with open(sys.argv[2]) as file:
        notes = file.read()
    assert f"profile digest {fingerprint}\n" in notes, (fingerprint, notes)
