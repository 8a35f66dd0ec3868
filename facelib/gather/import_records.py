"""Import training faces out of record files: the same images, byte for byte, in a folder for each identity."""

from pathlib import Path

from facelib.config import RECORD_FILES
from facelib.data.recordio import RecordsError
from facelib.data.records import Records, open_images
from facelib.folders import printable
from facelib.gather.intake import Entry, Source, Taken, take_in


def import_records(folder: Path, target: Path) -> Taken:
    """Write the images of the records in `folder` to ``target/<label>/<key>.jpeg``.

    Raises:
        RecordsError: there are none, or they cannot be used. IntakeError, UnwritableError: see `intake.take_in`.
    """
    folder = Path(folder)
    records = open_images(folder)
    if not isinstance(records, Records):
        raise RecordsError(f"{printable(folder)} holds no {RECORD_FILES[0]}: name the folder that does")
    files = tuple(folder / name for name in RECORD_FILES if (folder / name).exists())
    entries = (Entry(path, (records / path).read_bytes) for path in records.paths)
    return take_in(target, Source("records", folder, files), entries, len(records.paths))
