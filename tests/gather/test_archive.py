"""Archives are read member by member, and refused by the name of what does not belong there."""

import gzip
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outside import member, tar_bytes

from facelib.gather import archive
from facelib.gather.archive import ArchiveError, read_members

FILES = {"lfw/Bo/Bo_0001.jpg": b"one", "lfw/Bo/Bo_0002.jpg": b"two" * 20_000, "lfw/list.txt": b""}


def read(folder, content):
    (folder / "a.tgz").write_bytes(content)
    return {found.path: found.read() for found in read_members(folder / "a.tgz")}


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("zipped", [False, True])
def test_all_files_with_their_content(tmp_path, format, zipped):
    members = [member(name, content) for name, content in FILES.items()]
    found = read(tmp_path, tar_bytes(member("lfw", kind=tarfile.DIRTYPE), *members, format=format, zipped=zipped))
    assert found == FILES


def test_names_beyond_a_header(tmp_path):
    name = f"lfw/{'Bo' * 60}/Zoë.jpg"
    for format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        assert read(tmp_path, tar_bytes(member(name, b"x"), format=format)) == {name: b"x"}


def test_a_folder_that_was_unpacked(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert {found.path: found.read() for found in read_members(tmp_path)} == FILES


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (member("lfw/x", kind=tarfile.SYMTYPE, linkname="/etc/passwd"), "'lfw/x' is a link"),
        (member("lfw/x", kind=tarfile.LNKTYPE, linkname="lfw/y"), "'lfw/x' is a link"),
        (member("lfw/x", kind=tarfile.CHRTYPE), "'lfw/x' is a device"),
        (member("lfw/x", kind=tarfile.BLKTYPE), "'lfw/x' is a device"),
        (member("lfw/x", kind=tarfile.FIFOTYPE), "'lfw/x' is a device"),
        (member("lfw/x", kind=b"Z"), "'lfw/x' is of no known kind"),
        (member("../x"), "'../x' leads out of the archive"),
        (member("lfw/../../x"), "'lfw/../../x' leads out of the archive"),
        (member("/etc/x"), "'/etc/x' leads out of the archive"),
        (member("lfw//x"), "'lfw//x' leads out of the archive, or to no place"),
        (member("lfw\\..\\x"), "leads out of the archive"),
        (member("lfw/..", kind=tarfile.DIRTYPE), "'lfw/..' leads out of the archive"),
        (member("lfw/\x1b[31m/../x"), "'lfw/\\\\x1b[31m/../x' leads out"),
    ],
)
def test_what_does_not_belong_in_an_archive_is_named(tmp_path, bad, complaint):
    with pytest.raises(ArchiveError) as error:
        read(tmp_path, tar_bytes(member("lfw/Bo/Bo_0001.jpg", b"one"), bad))
    assert str(error.value).startswith(f"{tmp_path}/a.tgz: ") and complaint in str(error.value)


def test_the_folder_that_an_archive_is_made_in_can_be_its_first_member(tmp_path):
    members = [member("./", kind=tarfile.DIRTYPE), member("./lfw/x", b"1")]
    assert [*read(tmp_path, tar_bytes(*members)).values()] == [b"1"]


def test_too_many_members_too_large_ones_and_too_much_in_all(tmp_path, monkeypatch):
    content = tar_bytes(*[member(f"{number}", bytes(1000)) for number in range(5)])
    assert len(read(tmp_path, content)) == 5
    for limit, complaint in (
        ("MEMBERS_LIMIT", "more than 3 members"),
        ("MEMBER_LIMIT", "'0' has 1,000 bytes: at most 3"),
        ("TOTAL_LIMIT", "up to '0' there are 1,000 bytes: at most 3"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(archive, limit, 3)
            with pytest.raises(ArchiveError, match=complaint):
                read(tmp_path, content)


def header(size, kind, name=b"x"):
    """A header that claims `size`, with nothing behind it."""
    info = tarfile.TarInfo(name.decode())
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGLINK])
def test_a_header_takes_no_more_memory_than_a_header_needs(tmp_path, kind):
    with pytest.raises(ArchiveError, match="a header of 1,000,000,000,"):
        read(tmp_path, gzip.compress(header(10**12 - 511, kind) + bytes(5000)))


def test_a_map_of_holes_takes_no_more_memory_than_a_header_needs(tmp_path):
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": "1"}
    holes = member("x", b"4000000\n" + b"0\n" * 600_000, pax_headers=headers)
    with pytest.raises(ArchiveError, match="a header of 1,049,"):
        read(tmp_path, tar_bytes(holes, format=tarfile.PAX_FORMAT))
    old = bytearray(header(0, tarfile.GNUTYPE_SPARSE))
    old[482:483] = b"\1"  # there are more
    old[148:156] = b"%06o\0 " % sum(old[:148] + b" " * 8 + old[156:])
    more = (b"%011o\0" % 1 * 42)[:504] + b"\1".ljust(8, b"\0")
    with pytest.raises(ArchiveError, match="a header of 1,049,"):
        read(tmp_path, gzip.compress(bytes(old) + more * 9000))


def test_many_folders_are_no_large_header(tmp_path):
    folders = [member(f"lfw/{number}", kind=tarfile.DIRTYPE) for number in range(2500)]
    assert read(tmp_path, tar_bytes(*folders, member("lfw/x", b"1"))) == {"lfw/x": b"1"}


def test_a_member_that_claims_more_than_there_is_is_refused_before_it_is_passed_over(tmp_path):
    with pytest.raises(ArchiveError, match="'x' has 9,000,000,000,000 bytes: at most 10,000,000"):
        read(tmp_path, gzip.compress(header(9 * 10**12, tarfile.REGTYPE) + bytes(5000)))


@pytest.mark.parametrize("keep", [1, 100, 200, -1, -9, -40])
def test_an_archive_that_is_cut_off_is_refused(tmp_path, keep):
    content = tar_bytes(*[member(name, content) for name, content in FILES.items()])
    with pytest.raises(ArchiveError, match="a.tgz: damaged, or no tar archive: "):
        read(tmp_path, content[:keep])


def test_a_changed_byte_is_found_by_the_checksum(tmp_path):
    content = bytearray(gzip.compress(tar_bytes(member("x", bytes(9999)), zipped=False), 0))
    content[5000] ^= 1
    with pytest.raises(ArchiveError, match="damaged, or no tar archive: CRC check failed"):
        read(tmp_path, bytes(content))


def test_what_is_no_archive_is_told(tmp_path):
    with pytest.raises(ArchiveError, match="there is no such file"):
        [*read_members(tmp_path / "nowhere")]
    with pytest.raises(ArchiveError, match="is a zip archive, which is not read: unpack it, and name the folder"):
        read(tmp_path, b"PK\3\4 and so on")
    for content in (b"", b"no archive", b"\x1f\x8b\x08 nor this"):
        with pytest.raises(ArchiveError, match="damaged, or no tar archive"):
            read(tmp_path, content)


SOUND = tar_bytes(*[member(name, content[:500]) for name, content in FILES.items()], zipped=False)


@given(st.lists(st.tuples(st.integers(0, 2600), st.binary(min_size=1, max_size=8)), max_size=4), st.integers(0, 4000))
def test_whatever_an_archive_holds_it_is_read_or_refused(tmp_path_factory, changes, length):
    content = bytearray(SOUND)
    for place, new in changes:
        content[place : place + len(new)] = new
    path = tmp_path_factory.getbasetemp() / "whatever.tar"
    path.write_bytes(content[: length or None])
    try:
        found = [(each.path, each.read()) for each in read_members(path)]
    except ArchiveError as error:
        assert str(error).startswith(str(path))
    else:
        assert len(found) <= 3
