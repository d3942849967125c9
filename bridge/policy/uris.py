"""The rules for URIs in requests: their text, their scheme, and where they may lead. Pure.

A URI that breaks one raises a `ValueError` for the client that repeats nothing of the URI: it may hold secrets.
Programs that read URIs do not agree on the odd ones, so one that two of them could read differently is refused.

The extractor has the same rules: `extractor/uris.py` is a link to this file, so it imports only its neighbour.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from .hosts import HostRules, host_of

TARGET_MAX_BYTES = 2048
SOURCE_MAX_BYTES = 8192

# RFC 3986, appendix A: every character that may stand in a URI.
_URI_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]++|%[0-9A-Fa-f]{2})++")
_AFTER_AUTHORITY = re.compile(r"[/?#]")

# What may follow the `?` of a target, by database and option: a pattern of the value, as it is written. Drivers have
# options that lead to another server than the URI's, that name files, or even write to them (libpq's `sslkeylogfile`),
# and each release may add more: so these are the ones that are known to do none of it.
TARGET_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "postgresql": {  # https://www.postgresql.org/docs/current/libpq-connect.html, section 34.1.2
        "application_name": "[A-Za-z0-9._-]{1,63}",
        "channel_binding": "(?:disable|prefer|require)",
        "connect_timeout": "[0-9]{1,4}",
        "options": r"-c(?:%20|\+)?search_path(?:=|%3[Dd])(?:[A-Za-z0-9_$,]|%2[4Cc]){1,200}",
        "sslmode": "(?:disable|allow|prefer|require|verify-ca|verify-full)",
        "target_session_attrs": "(?:any|read-write|read-only|primary|standby|prefer-standby)",
    },
    "oracle": {"service_name": "[A-Za-z0-9._$-]{1,200}"},
}


@dataclass(frozen=True, slots=True)
class UriRules:
    """The operator's part of the rules: schemes in lower case, hosts, and the folders for URIs that name a file."""

    schemes: frozenset[str]
    hosts: HostRules
    folders: Sequence[Path] = ()


def is_uri_text(text: str) -> bool:
    """Whether each character of `text` may stand in a URI."""
    return _URI_TEXT.fullmatch(text) is not None


def is_sqlite(scheme: str) -> bool:
    """Whether URIs with `scheme` name an SQLite file, with whatever driver (`sqlite+pysqlite`)."""
    return scheme.partition("+")[0] == "sqlite"


def check_target(uri: str, rules: UriRules) -> str:
    """`uri`, if it may be a target. An `sqlite` URI names a file below one of the folders, the others a host."""
    scheme, rest = _split(uri, rules.schemes, TARGET_MAX_BYTES)
    authority, beyond = _split_authority(rest)
    if is_sqlite(scheme):
        _check_database_file(authority, beyond, rules.folders)
        return uri
    path, question_mark, query = beyond.partition("?")
    if "#" in beyond or "@" in beyond:  # SQLAlchemy and libpq look for a password and an option there
        raise ValueError("must percent-encode each @ and # after its host, and those of its password")
    if re.search(r"[()=]", unquote(path)):  # in them drivers find another server: Oracle's (HOST=…), libpq's host=…
        raise ValueError("must hold no parentheses and no = in its path")
    rules.hosts.check(host_of(authority))
    if question_mark:
        _check_options(query, TARGET_OPTIONS.get(scheme.partition("+")[0], {}))
    return uri


def check_source(uri: str, rules: UriRules) -> str:
    """`uri`, if it may be a source."""
    scheme, rest = _split(uri, rules.schemes, SOURCE_MAX_BYTES)
    authority, beyond = _split_authority(rest)
    if "#" in beyond:  # what follows is never sent: it would fetch the object whose name ends there
        raise ValueError("must percent-encode each # after its host")
    if scheme == "file":
        _check_source_file(authority, beyond, rules.folders)
    else:
        rules.hosts.check(host_of(authority))
    return uri


def _split(uri: str, schemes: frozenset[str], max_bytes: int) -> tuple[str, str]:
    """The scheme, in lower case, and what follows its `://`."""
    if len(uri) > max_bytes:
        raise ValueError(f"must have at most {max_bytes} bytes")
    if not is_uri_text(uri):
        raise ValueError("must be a URI (RFC 3986): percent-encode every character that may not stand in one")
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.lower() not in schemes:
        raise ValueError(f"must start with one of {', '.join(f'{scheme}://' for scheme in sorted(schemes))}")
    return scheme.lower(), rest


def _split_authority(rest: str) -> tuple[str, str]:
    """RFC 3986, section 3.2: the authority ends with the first `/`, `?` or `#`."""
    end = _AFTER_AUTHORITY.search(rest)
    return (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])


def _check_options(query: str, allowed: Mapping[str, str]) -> None:
    names = set()
    for option in query.split("&"):
        name, _, value = option.partition("=")
        if name not in allowed or name in names:
            raise ValueError(f"may have these options, each once: {', '.join(sorted(allowed)) or 'none'}")
        if not re.fullmatch(allowed[name], value):
            raise ValueError(f"has a value of `{name}` that is not taken here: see docs/clients.md")
        names.add(name)


def _check_database_file(authority: str, path_text: str, folders: Sequence[Path]) -> None:
    """The path after `sqlite:///`: SQLAlchemy takes it as it is written, so it has no percent-encoding."""
    if authority or not path_text.startswith("//") or re.search("[%?#@]", path_text) or path_text.endswith("/"):
        raise ValueError("must name its file by a full path, without options, %, # and @: sqlite:////folder/file")
    _check_below(PurePosixPath(path_text[1:]), folders, "targets")


def _check_source_file(authority: str, path_text: str, folders: Sequence[Path]) -> None:
    if authority.lower() not in ("", "localhost"):
        raise ValueError("must name no host: file:///folder/file")
    if "?" in path_text:
        raise ValueError("must percent-encode each ? of its path")
    _check_below(PurePosixPath(unquote(path_text)), folders, "sources")


def _check_below(path: PurePosixPath, folders: Sequence[Path], whose: str) -> None:
    if ".." in path.parts or "\0" in str(path) or not any(map(path.parent.is_relative_to, folders)):
        raise ValueError(f"names a file outside of the folders that are open to {whose}")
