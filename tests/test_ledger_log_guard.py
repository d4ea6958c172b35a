"""The guard: one of two slots is always whole, and what it holds only grows."""

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.log.checkpoint import Checkpoint
from ledger.log.guard import SLOT_BYTES, Guard, GuardDamaged, Guarded, GuardMissing, GuardMoved
from ledger.log.note import Signer, sign_note

NAME = "example.com/log"
SIGNER = Signer.generate(NAME, random_bytes=bytes)


def note_of(size: int, root: bytes = bytes(32), signer: Signer = SIGNER) -> str:
    return sign_note(Checkpoint(signer.name, size, root).format(), signer)


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    made = Guard(tmp_path / "guard")
    made.create()
    return made


def advance(guard: Guard, size: int) -> Guarded:
    return guard.swap(guard.read(), note_of(size))


def test_a_new_guard_is_empty_and_private(guard: Guard) -> None:
    assert guard.read() == Guarded(0, None)
    assert guard.read().size == 0
    assert guard.path.stat().st_mode & 0o777 == 0o600
    assert guard.path.stat().st_size == 2 * SLOT_BYTES


def test_a_guard_is_never_made_over_another(guard: Guard) -> None:
    advance(guard, 3)
    with pytest.raises(FileExistsError):
        guard.create()
    assert guard.read().size == 3


def test_it_holds_what_was_swapped_in_last(guard: Guard) -> None:
    for sequence, size in enumerate((1, 2, 2, 9, 10_000), start=1):
        advance(guard, size)
        held = guard.read()
        assert held == Guarded(sequence, note_of(size))
        assert held.checkpoint == Checkpoint(NAME, size, bytes(32))
        assert guard.path.stat().st_size == 2 * SLOT_BYTES


def test_it_is_never_lowered(guard: Guard) -> None:
    held = advance(guard, 9)
    with pytest.raises(GuardMoved) as refused:
        guard.swap(held, note_of(8))
    assert refused.value.facts == {"size": 9, "wanted": 8}
    assert guard.read() == held


def test_a_swap_that_expects_something_else_changes_nothing(guard: Guard) -> None:
    before = guard.read()
    held = advance(guard, 9)
    for expected in (before, Guarded(held.sequence, note_of(8)), Guarded(held.sequence + 1, held.note)):
        with pytest.raises(GuardMoved):
            guard.swap(expected, note_of(10))
    assert guard.read() == held


def torn(old: bytes, new: bytes, place: int) -> bytes:
    """The file of which only the first `place` bytes of the slot written last reached the disk."""
    changed = [
        start
        for start in (0, SLOT_BYTES)
        if old[start : start + SLOT_BYTES] != new[start : start + SLOT_BYTES]
    ]
    assert len(changed) == 1, "a swap writes one slot"
    cut = changed[0] + place
    return old[: changed[0]] + new[changed[0] : cut] + old[cut:]


@pytest.mark.parametrize(
    "sizes", [(5,), (5, 6), (5, 6, 7), (*range(5, 14),), (*range(5, 15),), (*range(5, 105),)]
)
def test_a_swap_cut_short_anywhere_leaves_the_old_or_the_new(guard: Guard, sizes: tuple[int, ...]) -> None:
    for size in sizes:
        advance(guard, size)
    old, before = guard.path.read_bytes(), guard.read()
    after = advance(guard, sizes[-1] + 1)
    new = guard.path.read_bytes()
    seen = set()
    # Every byte of the text, and then in steps: a disk tears at sectors, a kernel at pages, and we at will.
    for place in (*range(500), *range(512, SLOT_BYTES + 1, 64)):
        guard.path.write_bytes(torn(old, new, place))
        held = guard.read()
        assert held in (before, after), place
        seen.add(held)
    assert seen == {before, after}


def test_after_a_torn_write_the_guard_goes_on(guard: Guard) -> None:
    for size in (5, 6):
        advance(guard, size)
    old = guard.path.read_bytes()
    advance(guard, 7)
    guard.path.write_bytes(torn(old, guard.path.read_bytes(), 100))
    assert guard.read().size == 6
    assert advance(guard, 8).size == 8
    assert guard.read() == Guarded(3, note_of(8))


@given(bit=st.integers(0, 8 * 2 * SLOT_BYTES - 1))
def test_a_flipped_bit_never_makes_it_hold_what_it_never_held(
    tmp_path_factory: pytest.TempPathFactory, bit: int
) -> None:
    guard = Guard(tmp_path_factory.mktemp("guard") / "guard")
    guard.create()
    held = [advance(guard, size) for size in (8, 9)]
    place, shift = divmod(bit, 8)
    changed = bytearray(guard.path.read_bytes())
    changed[place] ^= 1 << shift
    guard.path.write_bytes(bytes(changed))
    assert guard.read() in held


def test_no_flipped_bit_of_the_text_goes_unseen(guard: Guard) -> None:
    held = [advance(guard, size) for size in (8, 9)]
    whole = guard.path.read_bytes()
    for newest, start in ((held[0], SLOT_BYTES), (held[1], 0)):
        alone = bytearray(whole)
        alone[SLOT_BYTES - start : 2 * SLOT_BYTES - start] = bytes(SLOT_BYTES)
        guard.path.write_bytes(bytes(alone))
        assert guard.read() == newest
        for bit in range(8 * 400):
            flipped = bytearray(alone)
            flipped[start + bit // 8] ^= 1 << bit % 8
            guard.path.write_bytes(bytes(flipped))
            with pytest.raises(GuardDamaged):
                guard.read()


def test_with_both_slots_damaged_it_says_so(guard: Guard) -> None:
    advance(guard, 5)
    advance(guard, 6)
    whole = bytearray(guard.path.read_bytes())
    whole[40] ^= 1
    whole[SLOT_BYTES + 40] ^= 1
    guard.path.write_bytes(bytes(whole))
    with pytest.raises(GuardDamaged):
        guard.read()
    with pytest.raises(GuardDamaged):
        guard.swap(Guarded(2, note_of(6)), note_of(7))


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 2 * SLOT_BYTES, b"lotproof-guard/1\n", b"\xff" * SLOT_BYTES]
)
def test_a_file_that_is_no_guard_is_damaged(guard: Guard, content: bytes) -> None:
    guard.path.write_bytes(content)
    with pytest.raises(GuardDamaged):
        guard.read()


def test_a_guard_that_is_not_there_is_missing(tmp_path: Path) -> None:
    guard = Guard(tmp_path / "guard")
    with pytest.raises(GuardMissing):
        guard.read()
    with pytest.raises(GuardMissing):
        guard.swap(Guarded(0, None), note_of(1))
    assert not guard.path.exists()


def test_a_link_in_its_place_is_not_followed(guard: Guard, tmp_path: Path) -> None:
    held = guard.read()
    guard.path.rename(tmp_path / "elsewhere")
    guard.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        guard.swap(held, note_of(1))
    with pytest.raises(FileExistsError):
        guard.create()


def test_the_longest_note_fits_a_slot_and_a_longer_one_leaves_the_other_slot_alone(tmp_path: Path) -> None:
    longest = Signer.generate("x" * 255, random_bytes=bytes)
    guard = Guard(tmp_path / "guard")
    guard.create()
    for size in (2**62, 2**62 + 1, 2**62 + 2):
        note = note_of(size, signer=longest)
        guard.swap(guard.read(), note)
        assert guard.read().note == note
    held = guard.read()
    endless = Signer.generate("x" * 5_000, random_bytes=bytes)
    with pytest.raises(ValueError, match="slot"):
        guard.swap(held, note_of(2**62 + 3, signer=endless))
    assert guard.read() == held
    assert guard.path.stat().st_size == 2 * SLOT_BYTES


def _swap_often(path: str, times: int, report: Callable[[int], None]) -> None:
    guard, won = Guard(Path(path)), 0
    for _ in range(times):
        held = guard.read()
        try:
            guard.swap(held, note_of(held.size + 1))
            won += 1
        except GuardMoved:
            pass
    report(won)


def _swap_in_process(path: str, times: int, queue: "multiprocessing.Queue[int]") -> None:
    _swap_often(path, times, queue.put)


def test_of_two_processes_that_swap_at_once_only_one_wins_each_time(guard: Guard) -> None:
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[int] = context.Queue()
    processes = [
        context.Process(target=_swap_in_process, args=(str(guard.path), 150, queue)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    won = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    # Each swap that was not refused moved it by exactly one: none was lost, none counted twice.
    assert guard.read().size == guard.read().sequence == sum(won)
    assert sum(won) >= 150
