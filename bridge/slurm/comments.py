"""By which texts the workers know the bridge's jobs, and why one runs again."""

import re

COMMENT_START = (
    '{"kind":'  # of every text that the bridge makes (`bridge.jobs.requests.metadata`), and cheap to look for
)


def own_text(text: str) -> str:
    """The bridge's part of a comment: plugins put words before or after it. Empty where there is none."""
    if not text:
        return ""
    begin = text.find(COMMENT_START)
    return "" if begin < 0 else text[begin : text.find("}", begin) + 1]  # there is no other brace in it


_NOTE = re.compile(r"attempt [0-9]+ of [0-9]+: [^\x00-\x1f]+")


def with_note(text: str, note: str) -> str:
    """The bridge's part of a comment, and behind it why the job runs again."""
    return f"{text} {note}"


def note_in(comment: str) -> str | None:
    """The note in a comment: `attempt 2 of 5: exit code 75 on n1`."""
    found = _NOTE.search(comment)
    return found[0] if found else None
