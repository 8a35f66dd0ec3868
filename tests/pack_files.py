"""Writes packs as Python 2 wrote them, byte by byte from the definition of pickles (``pickletools``)."""

import struct


def python2_pack(images, answers):
    """A pickle of protocol 2, as cPickle writes two lists of strings and booleans."""
    parts, memo = [b"\x80\x02]q\x00("], 1
    for image in images:
        short = len(image) < 256
        parts += [b"U" + bytes([len(image)]) if short else b"T" + struct.pack("<i", len(image)), image]
        parts += [b"q" + bytes([memo]) if memo < 256 else b"r" + struct.pack("<I", memo)]
        memo += 1
    parts += [b"e]r" + struct.pack("<I", memo) + b"("]
    return b"".join(parts) + b"".join(b"\x88" if answer else b"\x89" for answer in answers) + b"e\x86."


def python2_text_pack(images, answers):
    """A pickle of protocol 0, which Python 2 writes where nothing else is asked for: lines of text."""
    content = b"((lp1\n"
    for number, image in enumerate(images, 2):
        escaped = b"".join(b"\\x%02x" % byte for byte in image)
        content += b"S'" + escaped + b"'\np%d\na" % number
    content += b"(lp%d\n" % (len(images) + 2)
    content += b"".join(b"I01\na" if answer else b"I00\na" for answer in answers)
    return content + b"tp0\n."
