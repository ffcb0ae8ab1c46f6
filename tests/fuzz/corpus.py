"""A corpus is a file of text for each target (corpus.h says how it is written); libFuzzer wants a
folder with a file for each input."""

import hashlib
import os

BYTES_MAX = 20_000  # of one target's inputs as text, so that all of them stay below 300 KiB


def escape(data):
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in data)
    return "\\x23" + text[1:] if text.startswith("#") else text


def unescape(line):
    data = bytearray()
    at = 0
    while at < len(line):
        if line[at] == "\\":
            data.append(int(line[at + 2:at + 4], 16))
            at += 4
        else:
            data.append(ord(line[at]))
            at += 1
    return bytes(data)


def unpack(path, folder):
    with open(path, encoding="ascii") as file:
        inputs = [unescape(line.rstrip("\n")) for line in file if not line.startswith("#")]
    for data in inputs:
        with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), "wb") as file:
            file.write(data)


def pack(folder, path):
    """Adds the inputs of a folder to those of `path`, the shortest first, until BYTES_MAX."""
    with open(path, encoding="ascii") as file:
        lines = file.read().splitlines()
    known = set(lines)
    room = BYTES_MAX - sum(len(line) + 1 for line in lines)
    found = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            found.append(escape(file.read()))
    for line in sorted(set(found) - known, key=lambda line: (len(line), line)):
        if len(line) + 1 > room:
            break
        room -= len(line) + 1
        lines.append(line)
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
