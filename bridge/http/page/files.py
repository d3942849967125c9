"""The files of the page, read once at the start."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Self

from bridge.http.documents.long_text import LongText

INDEX = "index.html"
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page; `tag` is for its `ETag`."""

    media_type: str
    text: LongText
    tag: str

    @classmethod
    def of(cls, file: Traversable) -> Self:
        """The file; its ending tells what it is."""
        data = file.read_bytes()
        media_type = MEDIA_TYPES[file.name[file.name.rindex(".") :]]
        return cls(media_type, LongText(data), hashlib.blake2b(data, digest_size=12).hexdigest())


def page_files() -> dict[str, PageFile]:
    """All of them by name; `INDEX` is the page itself."""
    folder = files("bridge.http.page") / "static"
    return {file.name: PageFile.of(file) for file in folder.iterdir()}
