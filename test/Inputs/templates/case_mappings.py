"""Prints what Python's str methods return for each assigned character.

A line has the hexadecimal code points of the character, and of its results of
upper(), lower(), title(), casefold() and swapcase(), and then whether isupper()
and islower() are true. JinjaTest compares with them.
"""
import unicodedata

# These have the property Other_Lowercase only since Unicode 15.1.
LATER = {0x10fc, 0xa7f2, 0xa7f3, 0xa7f4, 0xab69}


def main():
    for code in range(0x110000):
        c = chr(code)
        if unicodedata.category(c) in ("Cn", "Co", "Cs"):
            continue
        if code in LATER and not c.islower():
            continue
        texts = [c, c.upper(), c.lower(), c.title(), c.casefold(), c.swapcase()]
        words = [",".join(f"{ord(x):x}" for x in text) for text in texts]
        print(*words, int(c.isupper()), int(c.islower()))


if __name__ == "__main__":
    main()
