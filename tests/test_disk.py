"""The disk below a store: its room is asked for before a run, and whose disk it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus import disk, windows
from corpus.errors import NotEnoughSpace, StoreNotWritable
from corpus.runs import Outcome, RunLog
from corpus.store import Store
from corpus.types import Mode, Query
from ingest import outlook
from tests.conftest import Workbench, settings_for, tree

MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:30 / /mnt/nfs rw shared:1 master:2 - nfs4 server:/export rw,addr=10.0.0.1
31 30 254:1 / /mnt/nfs/local rw - xfs /dev/vdb rw
32 27 0:31 / /mnt/with\\040space rw - fuse.sshfs user@host: rw
33 27 0:32 / /mnt/nfs2 rw - ext4 /dev/vdc rw
34 27 254:2 / /mnt/over rw - ext4 /dev/vdd rw
35 27 0:33 / /mnt/over rw - cifs //server/share rw
nonsense
36 27 0:34 / /short
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/store", "ext4"),
        ("/", "ext4"),
        ("/mnt/nfs", "nfs4"),
        ("/mnt/nfs/a/store", "nfs4"),
        ("/mnt/nfs/local/store", "xfs"),
        ("/mnt/nfs2/store", "ext4"),  # a name that begins alike is another folder
        ("/mnt/nfsx", "ext4"),
        ("/mnt/with space/store", "fuse.sshfs"),
        ("/mnt/over/store", "cifs"),  # what was mounted last
    ],
)
def test_the_kind_of_the_file_system_is_that_of_the_nearest_mount(
    mounts: Path, path: str, kind: str
) -> None:
    assert disk.kind_of(Path(path), mounts) == kind


def test_a_link_counts_for_where_it_leads(tmp_path: Path) -> None:
    there = tmp_path.resolve() / "there"
    there.mkdir()
    (tmp_path / "link").symlink_to(there)
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"27 1 254:0 / / rw - ext4 /dev/vda rw\n28 27 0:9 / {there} rw - nfs a:/ rw\n"
    )

    assert disk.kind_of(tmp_path / "link" / "store", mounts) == "nfs"


def test_a_system_that_does_not_say_is_believed_to_be_local(tmp_path: Path) -> None:
    assert disk.kind_of(tmp_path, tmp_path / "absent") == ""
    assert not disk.is_network("")


def test_this_machine_says_of_what_kind_the_folder_of_a_test_is(tmp_path: Path) -> None:
    told = subprocess.run(
        ["stat", "-f", "-c", "%T", str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert disk.kind_of(tmp_path)[:3] == told[:3]


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "cifs", "smb3", "afs", "9p", "ceph", "lustre", "fuse", "fuse.sshfs",
     "fuse.s3fs", "fuse.glusterfs", "virtiofs", "gfs2"],
)  # fmt: skip
def test_network_file_systems(kind: str) -> None:
    assert disk.is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "fuseblk"])
def test_local_file_systems(kind: str) -> None:
    assert not disk.is_network(kind)


@pytest.fixture
def on_a_network(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """A store with a snapshot, on what the system says is NFS from now on."""
    bench.write("a.txt", "Apples are red.")
    bench.ingest()
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n"
        f"28 27 0:9 / {bench.store.path.resolve()} rw - nfs4 server:/ rw\n"
    )
    real = disk.kind_of
    monkeypatch.setattr(disk, "kind_of", lambda path, _: real(path, mounts))
    return bench


def test_a_store_on_a_network_is_read_and_not_written(on_a_network: Workbench) -> None:
    before = dict(tree(on_a_network.store.path))
    on_a_network.write("b.txt", "Bees hum.")

    with pytest.raises(StoreNotWritable, match=r"nfs4.*allow_network_store") as refused:
        on_a_network.ingest()

    assert "--store" in str(refused.value)
    assert dict(tree(on_a_network.store.path)) == before
    hits = on_a_network.store.open().search(Query("apples", None, 1, Mode.WORDS))
    assert [hit.chunk.document_id for hit in hits] == ["a.txt"]


def test_a_new_store_on_a_network_is_not_even_made(on_a_network: Workbench, tmp_path: Path) -> None:
    on_a_network.settings = settings_for(on_a_network.store.path / "below")
    on_a_network.store = Store(on_a_network.settings.store)

    with pytest.raises(StoreNotWritable):
        on_a_network.ingest()

    assert not on_a_network.store.path.exists()


def test_a_store_on_a_network_is_written_where_that_is_allowed(on_a_network: Workbench) -> None:
    on_a_network.settings = settings_for(
        on_a_network.store.path, RAG_INGEST__ALLOW_NETWORK_STORE="true"
    )
    on_a_network.write("b.txt", "Bees hum.")

    assert on_a_network.ingest().added == 1


# --- room --------------------------------------------------------------------------------------


def test_the_reserve_is_256_megabytes_or_5_percent_of_a_small_disk_or_what_was_chosen() -> None:
    assert disk.reserve(disk.Space(0, 10**12), None) == 256_000_000
    assert disk.reserve(disk.Space(0, 10**9), None) == 50_000_000
    assert disk.reserve(disk.Space(0, 10**12), 0) == 0
    assert disk.reserve(disk.Space(0, 10**9), 700.5) == 700_500_000


def test_the_room_of_a_folder_that_is_not_there_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    found = disk.space_of(tmp_path / "not" / "there")

    assert found.total == disk.space_of(tmp_path).total
    assert abs(found.free - shutil.disk_usage(tmp_path).free) < 100_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def notes(bench: Workbench, number: int, about: str) -> None:
    for count in range(number):
        words = " ".join(f"{about}{count}x{n}" for n in range(300))
        bench.write(f"{about}{count:03}.txt", f"Note {count}\n\n{words}.")


def on(bench: Workbench, disk_: Path, **environ: str) -> Workbench:
    bench.settings = settings_for(disk_ / "store", **environ)
    bench.store = Store(bench.settings.store)
    return bench


def test_a_run_that_the_disk_has_no_room_for_is_refused_before_it_writes(
    bench: Workbench, small: Path
) -> None:
    on(bench, small)
    notes(bench, 3, "small")
    first = bench.ingest().snapshot
    before = {name: data for name, data in tree(bench.store.path) if name != "runs.jsonl"}
    notes(bench, 2000, "large")

    with pytest.raises(NotEnoughSpace) as refused:
        bench.ingest()

    told = str(refused.value)
    assert " MB free" in told
    assert "may need" in told
    assert "ingest.reserve_mb" in told
    assert bench.encoder.embedded == []
    after = {name: data for name, data in tree(bench.store.path) if name != "runs.jsonl"}
    assert after == before
    assert bench.store.current_id() == first
    run = RunLog(bench.store.path).runs(being_written=False)[0]
    assert (run.outcome, run.detail) == (Outcome.FAILED, told)


def test_a_run_that_needs_no_room_goes_through_on_a_full_disk(
    bench: Workbench, small: Path
) -> None:
    """A full disk is no reason to call the corpus out of step."""
    on(bench, small)
    notes(bench, 3, "small")
    bench.ingest()
    with (small / "filler").open("wb") as file:
        file.write(bytes(disk.space_of(small).free - 10_000))

    assert bench.ingest().unchanged == 3


@pytest.mark.parametrize("number", [40, 120, 160, 250])
def test_what_is_let_through_fits(bench: Workbench, small: Path, number: int) -> None:
    """Where the estimate says that there is room, the run does not fill the disk."""
    on(bench, small, RAG_INGEST__RESERVE_MB="0")
    refused = 0
    for about in ("first", "second", "third", "fourth"):
        notes(bench, number, about)
        try:
            assert bench.ingest().failed == ()
        except NotEnoughSpace:
            refused += 1
    assert refused or number < 100, "the disk was never near to full: this shows nothing"


def test_the_estimate_reckons_with_as_many_windows_as_a_chunk_may_have() -> None:
    assert windows.layout(384).itemsize == outlook.WINDOWS * (384 + 2)
    assert outlook.WINDOWS == windows.MOST


def test_the_estimate_is_not_far_above_what_is_written(bench: Workbench) -> None:
    """A refusal must not come while there is plenty of room: at most 6 times too careful."""
    notes(bench, 150, "some")
    from corpus.roots import Root
    from ingest.outlook import room_for, work_of
    from ingest.plan import Plan
    from ingest.sources import walk

    sources = list(walk(Root(1, str(bench.folder)), max_bytes=10**9).sources)
    needed = room_for(work_of(Plan(added=sources), []), 64, 150, None)

    bench.ingest()

    written = sum(path.stat().st_size for path in bench.store.path.rglob("*") if path.is_file())
    assert written < needed < 6 * written
