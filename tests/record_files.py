"""Writes record files as their format is defined, with `struct` alone, to hold the reader of `facelib.data` against."""

import struct

MAGIC = b"\x0a\x23\xd7\xce"


def pack(label, content, key=0):
    """The data of an image record: a scalar label in the header, or a list of labels after it."""
    several = isinstance(label, list | tuple)
    head = struct.pack("<IfQQ", len(label) if several else 0, 0.0 if several else label, key, 0)
    return head + (struct.pack(f"<{len(label)}f", *label) if several else b"") + content


def record(data):
    """A record: split at every magic number on a multiple of four bytes, which itself is not written."""
    cuts = [place for place in range(0, len(data) - 3, 4) if data[place : place + 4] == MAGIC]
    starts, ends = [0, *(cut + 4 for cut in cuts)], [*cuts, len(data)]
    written = b""
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        flag = 0 if not cuts else 1 if number == 0 else 3 if number == len(cuts) else 2
        written += MAGIC + struct.pack("<I", flag << 29 | end - start)
        written += data[start:end] + b"\0" * (-(end - start) % 4)
    return written


def write_record_file(folder, keyed):
    """``train.rec`` and ``train.idx`` of a dict key -> data of a record."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "train.rec", "wb") as file, open(folder / "train.idx", "w") as index:
        for key, data in keyed.items():
            index.write(f"{key}\t{file.tell()}\n")
            file.write(record(data))
    return folder


def write_records(folder, people, several=False, classes=None):
    """A folder as InsightFace's: record 0, images from 1 on, then the range of each identity; and ``property``.

    Args:
        people: list over labels of lists of the content of images. several: each image has two labels.
    """
    keyed, ranges, key = {0: b""}, [], 1
    for label, images in enumerate(people):
        ranges.append((key, key + len(images)))
        for content in images:
            keyed[key] = pack([label, 1.0] if several else label, content, key)
            key += 1
    keyed[0] = pack([key, key + len(people)], b"")
    for number, each in enumerate(ranges):
        keyed[key + number] = pack(list(each), b"", key + number)
    write_record_file(folder, keyed)
    (folder / "property").write_text(f"{len(people) if classes is None else classes},112,112")
    return folder
