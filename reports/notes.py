"""Notes of policies as data and in words; must never show a part as if it were the whole."""

from typing import Any

import numpy as np

from mmfold.engine.limits import AUTHOR_SHIFT
from mmfold.engine.manifest import canonical_json
from mmfold.engine.policy.note import ToldNote, chains_of, notes_in, part_count, part_text, told_at
from mmfold.engine.policy.registry import author_name
from mmfold.engine.printable import printable


def note_document(told: ToldNote) -> dict[str, Any]:
    """Return a note by its author, with its topic and document; of one that is cut, or no policy's own, the text."""
    document: dict[str, Any] = {"author": author_name(told.policy_id), "seq": told.seq}
    note = told.read()
    if note is None:
        return document | {"text": told.text.decode("ascii", "backslashreplace")}
    return document | {"topic": note[0], "document": note[1]}


def said_text(document: dict[str, Any]) -> str:
    """Return a note's document as text: the topic, then what it says."""
    if "topic" not in document:
        return printable(document["text"])
    return f"{document['topic']} {printable(canonical_json(document['document']).decode())}"


def note_words(row: np.void, among: np.ndarray | None) -> str:
    """Return a note as a line: all of it where its parts are among some effects, else the one part."""
    among = row.reshape(1) if among is None else among
    for first, end in chains_of(among):
        told = told_at(among, first, end)
        if told.read() is not None and told.seq <= row["seq"] < told.seq + end - first:
            return f"by {author_name(told.policy_id)}: {said_text(note_document(told))}"
    author, byte_count = divmod(int(row["aux"]), 1 << AUTHOR_SHIFT)
    text = printable(part_text(row).decode("ascii", "backslashreplace"))
    return f"by {author_name(author)}, part {int(row['code']) + 1} of {part_count(byte_count)}: {text}"


def first_parts(effects: np.ndarray) -> np.ndarray:
    """Return effects without the parts of notes that follow a first one."""
    kept = np.ones(len(effects), bool)
    for first, end in chains_of(effects):
        kept[first + 1 : end] = effects["code"][first] != 0
    return effects[kept]


class LastNotes:
    """What each policy has last noted, by its id; takes the effects of a replay."""

    def __init__(self) -> None:
        self.by_author: dict[int, ToldNote] = {}

    def write(self, effect_rows: np.ndarray) -> None:
        """Take the effects of a piece of the journal."""
        self.by_author |= {told.policy_id: told for told in notes_in(effect_rows)}
