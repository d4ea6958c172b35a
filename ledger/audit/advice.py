"""What a finding means and what to do about it: one table, by the finding's code.

A finding says what stands where and what should. This says the rest, in plain words: what it means, what may have
done it without anybody meaning harm, what somebody who does may have wanted, and what to do next.
"""

from dataclasses import dataclass

COPY = "Before anything else, copy the whole folder (or dump the database) as it is now: it is evidence."
RESTORE = "Restore from a backup that audits clean: `lotproof restore`. Never edit the database by hand."
COMPARE = (
    "Compare with what others hold: `lotproof log compare FILE` with a kept checkpoint, an auditor's export."
)
REBUILD = "Make it anew from the log, which is not affected: `lotproof rebuild`."


@dataclass(frozen=True, slots=True)
class Advice:
    """What to tell somebody who has never seen this finding."""

    means: str
    harmless: str
    harmful: str
    next: tuple[str, ...]


_DISK = "A failing disk or memory, or a crash on storage that says it has written what it has not."
_OLD_COPY = "An older copy of the database was put back."
_HAND = "Somebody with access to the database changed it by hand, past the triggers."
_WRITER = (
    "Only a process that holds the log's key can have written this: a changed or foreign program, or "
    "whoever has the key."
)
_NO_HARMLESS = "Hardly anything: this does not happen by accident."
_UPGRADE = "The program was upgraded, or put back to an older version."

ADVICE: dict[str, Advice] = {
    "entry_missing": Advice(
        "An entry that the log had is not there any more.",
        _DISK,
        "Somebody deleted what was recorded.",
        (COPY, COMPARE, RESTORE),
    ),
    "entry_extra": Advice(
        "A row stands among the entries where none can be.",
        _DISK,
        f"{_HAND} It belongs to no tree and is in no proof.",
        (COPY, "Find out who could write to the database.", RESTORE),
    ),
    "leaf_differs": Advice(
        "The words of an entry, and the hash that was published for them, do not belong together.",
        _DISK,
        "Somebody changed what was recorded, or its hash.",
        (
            COPY,
            "The stored tile says which of the two was changed: see what stands and what should.",
            COMPARE,
            RESTORE,
        ),
    ),
    "bad_entry": Advice(
        "The bytes of an entry are no entry: not of the one form that entries have.",
        f"{_DISK} Then the leaf differs too.",
        f"{_HAND} Where the leaf agrees: {_WRITER[0].lower()}{_WRITER[1:]}",
        (COPY, COMPARE, RESTORE),
    ),
    "unknown_kind": Advice(
        "An entry is of a kind that this program does not know. It could not be checked further.",
        "The program is older than the one that wrote it.",
        _WRITER,
        ("Audit with the newest version.", "If that does not know it either: treat it as a foreign writer."),
    ),
    "chain": Advice(
        "An entry does not follow on the one before it.",
        f"{_DISK} Then a neighbour is named too.",
        "Entries were exchanged, or some were taken out and others put in.",
        (COPY, COMPARE, RESTORE),
    ),
    "time": Advice(
        "An entry says that it was recorded before the one that precedes it.",
        "None that we know: the clock is checked before anything is recorded, and setting it is recorded too.",
        f"Somebody dated an entry back. {_WRITER}",
        (COPY, "Ask who had the log's key and the machine at that time.", COMPARE),
    ),
    "opening": Advice(
        "The first entry does not open this log.",
        "The folder's files come from two logs: a mixed-up restore.",
        "Another log was put in the place of this one.",
        (COPY, COMPARE, RESTORE),
    ),
    "opened_again": Advice(
        "A log was opened a second time, in its middle.",
        _NO_HARMLESS,
        _WRITER,
        (COPY, "Ask who had the log's key.", COMPARE),
    ),
    "not_bytes": Advice(
        "A column that holds bytes holds something else.",
        "A tool that exported and imported the database changed its types.",
        _HAND,
        (COPY, RESTORE),
    ),
    "unreadable": Advice(
        "The database cannot read the row or the table.",
        _DISK,
        "Somebody wrote into the database's file itself.",
        (COPY, "Look at the system's messages about the disk, and replace it before you restore.", RESTORE),
    ),
    "link": Advice(
        "An entry does not point at the last entry about the same subject, so a walk back would skip one.",
        _NO_HARMLESS,
        f"Somebody tried to hide an entry from whoever follows a subject. {_WRITER}",
        (COPY, "Ask who had the log's key.", COMPARE),
    ),
    "heads": Advice(
        "The table of the last entry about each subject is not what the entries make it.",
        _DISK,
        f"{_HAND} The next entry would have pointed to the wrong place.",
        ("Run `lotproof audit --derived`: it names the rows.", COPY, REBUILD),
    ),
    "status": Advice(
        "An entry states a recall status map that does not follow from the entries before it.",
        "A fault in the program. Keep the log and report it.",
        f"Somebody tried to hide a recall from proofs. {_WRITER}",
        (COPY, "Check the recalls published around this entry.", COMPARE),
    ),
    "file": Advice(
        "A file that an entry names is missing, or is not the file that was recorded.",
        "The folder of files was not restored with the database, a sync skipped it, or a disk fails.",
        "Somebody removed or exchanged evidence.",
        (COPY, "Put the file back from a backup: its name is its SHA-256, so the right one is recognised."),
    ),
    "tile_missing": Advice(
        "A stored piece of the tree is missing; proofs that need it cannot be made.",
        _DISK,
        _HAND,
        (COPY, RESTORE),
    ),
    "tile_differs": Advice(
        "A stored piece of the tree is not what the entries make it; proofs made from it will not verify.",
        _DISK,
        f"{_HAND} Nobody can be deceived with it, but proofs fail.",
        (COPY, RESTORE),
    ),
    "tile_extra": Advice(
        "A piece of a tree is stored that this log does not have.",
        "The end of the log is missing: then other findings say so.",
        _HAND,
        (COPY, COMPARE, RESTORE),
    ),
    "root_differs": Advice(
        "A checkpoint was signed for other entries than those that stand here: history was changed after it.",
        f"{_DISK} Then the changed entry is named too.",
        "History was rewritten, and the signed checkpoint gives it away.",
        (COPY, COMPARE, "Tell whoever relies on this log until the reason is known.", RESTORE),
    ),
    "checkpoint_missing": Advice(
        "A checkpoint that was published is not in the database.",
        _DISK,
        "Somebody removed it, so that a copy held elsewhere would look false.",
        (COPY, COMPARE, RESTORE),
    ),
    "checkpoint_extra": Advice(
        "A checkpoint speaks of more entries than there are: the end of the log is missing.",
        _OLD_COPY,
        "Somebody cut the end of the log.",
        (
            COPY,
            "Do not record anything.",
            RESTORE,
            "If the entries are gone for good: `lotproof log succeed`.",
        ),
    ),
    "bad_checkpoint": Advice(
        "A stored checkpoint is not signed as the log's keys of its time demand, or is not of this log.",
        f"{_DISK} Or the audit was given the key of another log.",
        "Somebody wrote a checkpoint without the key; after a rotation, perhaps with the old key alone.",
        (COPY, "See `lotproof keys list` for who had to sign at that size.", COMPARE, RESTORE),
    ),
    "last_leaf": Advice(
        "A checkpoint ends with an entry that does not state the recall status, as each must.",
        _NO_HARMLESS,
        "A checkpoint was moved, or made without the program.",
        (COPY, COMPARE, RESTORE),
    ),
    "unsealed": Advice(
        "Entries at the end stand under no checkpoint: nobody ever signed for them.",
        _NO_HARMLESS,
        f"{_HAND} Entries and their checkpoint are written in one piece.",
        (COPY, "Do not record anything.", RESTORE),
    ),
    "guard": Advice(
        "The guard, which remembers the last published checkpoint outside the database, does not agree with it.",
        "The guard or the database was restored without the other; the guard's file was lost.",
        "An older or another database was put in place, to undo what was published.",
        (
            COPY,
            RESTORE,
            "With the newest state back nothing more is to be done. When it is gone: `lotproof log succeed`.",
            "Where the guard itself is lost, or is another log's: `lotproof log resume`.",
        ),
    ),
    "key": Advice(
        "The key at hand is not this log's, and no signed statement leads from it to the one that signs now.",
        "The wrong key was given, or the log changed its key after that key was lost.",
        "The log was replaced by one with another key.",
        ("Get the key from somebody you trust, not from this machine.", "See `lotproof keys list`.", COMPARE),
    ),
    "key_change": Advice(
        "An entry changes the log's keys in a way that the keys before it do not allow.",
        "A fault in the program. Keep the log and report it.",
        f"Somebody tried to bring in a key of their own. {_WRITER}",
        (COPY, "Trust no checkpoint from there on.", "Follow the procedure for a compromised key.", COMPARE),
    ),
    "last_known": Advice(
        "The log went on under a new name from a checkpoint of the former one that its own entries contradict.",
        _NO_HARMLESS,
        f"History before the change of the name was rewritten, or another log's end was put in its place. {_WRITER}",
        (
            COPY,
            COMPARE,
            "Ask for checkpoints from before the new name, and who signed the entry: `lotproof keys list`.",
            "Tell whoever relies on this log until the reason is known.",
        ),
    ),
    "since": Advice(
        "The checkpoint that you kept is not one of this log.",
        _OLD_COPY,
        "History before that checkpoint was rewritten.",
        (COPY, "Keep your checkpoint: with the log's own it proves that two histories were signed.", RESTORE),
    ),
    "schema": Advice(
        "The database is not built as the program builds it.",
        f"{_UPGRADE} Or an administrator added an index or a table.",
        "A trigger that keeps the log's rows from being changed was removed, or one that changes rows was added.",
        (
            "Ask who administers the database.",
            COPY,
            "Run `lotproof audit --derived` to see whether anything was changed.",
        ),
    ),
    "privilege": Advice(
        "The role that the program runs as may do more to the log's tables than add rows.",
        "One role owns and runs; small installations choose that.",
        "Somebody gave the role rights, to change rows later.",
        (
            "See docs/operating.md, PostgreSQL: two roles.",
            "Set the rights anew, as the owner: `lotproof migrate`.",
        ),
    ),
    "revision": Advice(
        "The database was built by another version of the program.",
        _UPGRADE,
        _HAND,
        ("Audit with the version that runs here, or run `lotproof migrate` with the newest.",),
    ),
    "row_extra": Advice(
        "A row stands in a derived table that no entry of the log makes.",
        _DISK,
        f"{_HAND} Pages and answers showed it as if it had been recorded.",
        (COPY, "Find out what was shown to whom since.", REBUILD),
    ),
    "row_missing": Advice(
        "A row that the log makes is not in its derived table.",
        _DISK,
        f"{_HAND} Pages and answers left it out: look closely if it is of a recall or a batch.",
        (COPY, "Find out what was shown to whom since.", REBUILD),
    ),
    "derived": Advice(
        "A value in a derived table is not what the log makes it.",
        _DISK,
        f"{_HAND} Pages and answers showed the changed value.",
        (COPY, "Find out what was shown to whom since.", REBUILD),
    ),
    "rebuild_needed": Advice(
        "The table was made by another version of the program, so it was not compared.",
        _UPGRADE,
        "Somebody changed the version, so that the table would not be compared.",
        (REBUILD, "Then audit again."),
    ),
    "damaged": Advice(
        "The database itself says that a page, an index or a constraint of its own is not right.",
        _DISK,
        "Somebody wrote into the database's file itself.",
        (COPY, "Look at the system's messages about the disk.", RESTORE),
    ),
    "not_rebuilt": Advice(
        "A noun's tables could not be made again, because something they need is missing. They were not compared.",
        "What is missing is named by another finding, most often a file.",
        "The same.",
        ("Mend the other findings first, then audit again.",),
    ),
    "unit": Advice(
        "What an entry says about a set of units is not what their list says.",
        "The list's file is missing or damaged: then that is named too.",
        f"Serials were exchanged, or the set's root was made up. {_WRITER}",
        (COPY, "Compare with the factory's own list.", COMPARE),
    ),
    "recall": Advice(
        "What an entry says about a recall's scope or the status map is not what its files say.",
        "A scope's file is missing or damaged: then that is named too.",
        f"Units were taken out of a recall, or the map's root was made up. {_WRITER}",
        (COPY, "Check which units the recall names, and tell buyers if some were left out.", COMPARE),
    ),
    "approval": Advice(
        "The passkey's signature on an approval does not cover what was approved, or the passkey is somebody else's.",
        "None that we know of: a signature is verified before it is recorded.",
        f"Somebody's approval was made up. {_WRITER}",
        (COPY, "Ask the person whether they approved it, and look at what was done on it.", COMPARE),
    ),
    "vault": Advice(
        "A row of the vault does not open, or is there or missing against what the log says.",
        "The vault was restored without the log or with another master key; a disk fails.",
        "Personal data was exchanged, moved between persons, or put back after it was erased.",
        (
            COPY,
            "See docs/personal-data.md.",
            "Restore the vault from the newest backup; erasures are replayed.",
        ),
    ),
    "more": Advice(
        "There are more findings of this kind than are listed.",
        "The same as for those that are listed.",
        "The database was replaced or damaged as a whole.",
        ("Look at the first ones; a restore mends all.",),
    ),
}
