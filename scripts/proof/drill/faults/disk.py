"""What happens to Postgres when its disk is full.

The write-ahead log is on a small disk of its own meanwhile. A replication slot of a standby that
never comes keeps Postgres from using its files again, so they fill the disk. Then Postgres ends,
and ends again at each start, until something else on the disk makes room.
"""

from proof.drill.faults import postgres
from proof.drill.faults.model import Fault, Scene
from stack import CommandError, StackError

DISK = "small-disk"
RESERVE_MEGABYTES = 32  # what is given up to make room: two files of the log

# Only what Postgres needs to start after a clean stop; what it had in stock waits.
MOVE_AWAY = """
set -eu
cd /var/lib/postgresql/data
[ ! -L pg_wal ] || exit 0
rm -rf /small-disk/pg_wal  # of the last time
mkdir /small-disk/pg_wal
cp -p "pg_wal/$(pg_controldata . | sed -n "s/^Latest checkpoint's REDO WAL file: *//p")" \
  /small-disk/pg_wal
mv pg_wal pg_wal.large
ln -s /small-disk/pg_wal pg_wal
"""
MOVE_BACK = """
set -eu
cd /var/lib/postgresql/data
[ -L pg_wal ] || exit 0
find /small-disk/pg_wal -maxdepth 1 -type f -exec cp -p {} pg_wal.large \\;
rm pg_wal
mv pg_wal.large pg_wal
"""

# Small records, so that no room for another one is left where the last file ends.
WRITE_A_LOT = """
SELECT count(pg_logical_emit_message(false, '', repeat('x', 512))) FROM generate_series(1, 200000)
"""


def move(scene: Scene, script: str) -> None:
    """Move the log while Postgres is stopped, and have the app find it again."""
    scene.stack.compose("stop", "postgres")
    scene.stack.execute(DISK, "sh", "-c", script)
    postgres.back(scene)
    scene.stack.wait_ready(scene.app)


def small_disk(scene: Scene) -> None:
    scene.stack.compose("up", "--detach", "--no-deps", DISK)
    move(scene, MOVE_AWAY)


def large_disk(scene: Scene) -> None:
    if scene.stack.containers(DISK):
        make_room(scene)
        move(scene, MOVE_BACK)
    scene.stack.compose("rm", "--stop", "--force", DISK)


def fill(scene: Scene) -> None:
    reserve = f"head -c {RESERVE_MEGABYTES}M /dev/zero > /small-disk/reserve"
    scene.stack.execute(DISK, "sh", "-c", reserve)
    scene.stack.sql("SELECT pg_create_physical_replication_slot('standby', true)")
    try:
        scene.stack.sql(WRITE_A_LOT)
    except CommandError:
        return
    raise StackError("the disk did not get full")


def make_room(scene: Scene) -> None:
    scene.stack.start(DISK)
    scene.stack.execute(DISK, "rm", "-f", "/small-disk/reserve")
    postgres.back(scene)
    scene.stack.sql(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_name = 'standby'"
    )
    scene.stack.sql("CHECKPOINT")


FAULTS = (
    Fault(
        "postgres-disk-full",
        "no room for Postgres's write-ahead log: it ends, and ends again at each start",
        "postgres",
        fill,
        make_room,
        prepare=small_disk,
        clean=large_disk,
    ),
)
