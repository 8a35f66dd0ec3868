"""Parse a JPEG file by its markers (ITU-T T.81, annex B): read its header, and find whether scans are missing."""

import re
import struct
from typing import NamedTuple

START, END = b"\xff\xd8", b"\xff\xd9"
MARKER = re.compile(rb"\xff+([\x02-\xcf\xd8-\xfe])")  # 0x01 and the restarts 0xd0 to 0xd7 stand alone inside a scan
FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}  # frame headers of the cosine transform
SCAN = 0xDA
EXTRA = 0xE1  # EXIF or XMP data: either can say which side is up


class Header(NamedTuple):
    """What stands before the first scan."""

    size: tuple[int, int]  # width and height in pixels
    components: bytes  # the number of each: one is grey, three are colours, four are inks
    extra: bool  # whether there are EXIF or XMP data
    end: int  # where the header ends, in bytes


def read_header(content: bytes) -> Header | None:
    """The header of a JPEG; None where no size is found."""
    size, components, extra, end = (0, 0), b"", False, 0
    for kind, segment, after in _segments(content, 0):
        if kind == SCAN:
            break
        if kind in FRAMES and len(segment) > 5:
            height, width = struct.unpack_from(">xHH", segment)
            size, components = (width, height), segment[6::3]
        extra |= kind == EXTRA
        end = after
    return Header(size, components, extra, end) if all(size) else None


def lacks_scans(content: bytes, header: Header) -> bool:
    """Whether a JPEG that decodes ends before all bits of all coefficients have come (B.2.2, B.2.3 and G.1.1.1)."""
    lacking = dict.fromkeys(header.components, 2**64 - 1)  # by component, a bit for each of its 64 coefficients
    for kind, segment, _ in _segments(content, header.end):
        if kind == SCAN:
            first, last, precision = segment[-3:]
            if precision & 15 == 0:  # the lowest bits
                for component in segment[1:-3:2]:
                    lacking[component] &= ~(2 ** (last + 1) - 2**first)
            if not any(lacking.values()):
                break
    return any(lacking.values())


def _segments(content, place):
    # kind, data and end of each segment up to the end marker; the coded pixels of a scan are passed over
    while (found := MARKER.search(content, place)) and (kind := found[1][0]) != END[1]:
        place = found.end()
        if kind != START[1]:
            start, place = place + 2, place + int.from_bytes(content[place : place + 2])
            yield kind, content[start:place], place
