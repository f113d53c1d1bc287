"""gguf_places.py: finds where a GGUF file stores its keys and tensors. The tools that edit models import it."""
import math
import struct

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def read_string(data, at):
    """Returns the string at `at` and the offset after it."""
    (size,) = struct.unpack_from("<Q", data, at)
    return bytes(data[at + 8 : at + 8 + size]), at + 8 + size


def after_value(data, at, kind):
    """Returns the offset after a value of type `kind` that starts at `at`."""
    if kind == 8:
        return read_string(data, at)[1]
    if kind != 9:
        return at + SIZES[kind]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    for _ in range(count):
        at = after_value(data, at, inner)
    return at


def places(data):
    """Returns the keys, the tensors, and the offset after the last tensor's record.

    keys[name] is (offset of the name's first byte, type, start and end of the value),
    tensors[name] is (type, offset in the tensor data, number of elements).
    """
    tensor_count, key_count = struct.unpack_from("<QQ", data, 8)
    at = 24
    keys = {}
    for _ in range(key_count):
        name_at = at + 8
        name, at = read_string(data, at)
        (kind,) = struct.unpack_from("<I", data, at)
        end = after_value(data, at + 4, kind)
        keys[name] = (name_at, kind, at + 4, end)
        at = end
    tensors = {}
    for _ in range(tensor_count):
        name, at = read_string(data, at)
        (dimensions,) = struct.unpack_from("<I", data, at)
        extents = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * dimensions)
        tensors[name] = (kind, offset, math.prod(extents))
        at += 4 + 8 * dimensions + 12
    return keys, tensors, at
