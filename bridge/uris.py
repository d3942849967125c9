"""The rules for URIs in requests: their text, their scheme, and where they may lead. Pure.

A URI that breaks one raises a `ValueError` for the client that repeats nothing of the URI: it may hold secrets.
Programs that read URIs do not agree on the odd ones, so one that two of them could read as two hosts is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qsl, unquote

from bridge.hosts import HostRules, host_of

TARGET_MAX_BYTES = 2048
SOURCE_MAX_BYTES = 8192

# RFC 3986, appendix A: every character that may stand in a URI.
_URI_TEXT = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]++|%[0-9A-Fa-f]{2})++")
_AFTER_AUTHORITY = re.compile(r"[/?#]")

# Options of database drivers that lead elsewhere than to the URI's host: libpq's, psycopg's, and python-oracledb's.
_HOST_OPTIONS = frozenset(
    {"host", "hostaddr", "service", "servicefile", "conninfo", "dsn", "https_proxy", "config_dir", "unix_sock"}
)


@dataclass(frozen=True, slots=True)
class UriRules:
    """The operator's part of the rules: schemes in lower case, hosts, and the folders of `file` URIs."""

    schemes: frozenset[str]
    hosts: HostRules
    folders: Sequence[Path] = ()


def check_target(uri: str, rules: UriRules) -> str:
    """`uri`, if it may be a target. An `sqlite` URI names a file and no host: its scheme alone says whether it may."""
    scheme, rest = _split(uri, rules.schemes, TARGET_MAX_BYTES)
    database = scheme.partition("+")[0]
    if database == "sqlite":
        return uri
    authority, beyond = _split_authority(rest)
    if "#" in beyond or "@" in beyond:  # SQLAlchemy and libpq look for a password and an option there
        raise ValueError("must percent-encode each @ and # after its host, and those of its password")
    if database == "oracle" and re.search(r"[()]", unquote(beyond)):  # they could end Oracle's own text for a place
        raise ValueError("must hold no parentheses after its host")
    rules.hosts.check(host_of(authority))
    _, _, query = beyond.partition("?")
    if query and (elsewhere := sorted(_option_names(query) & _HOST_OPTIONS)):
        raise ValueError(f"must name its host before the path: no {', no '.join(elsewhere)} after it")
    return uri


def check_source(uri: str, rules: UriRules) -> str:
    """`uri`, if it may be a source."""
    scheme, rest = _split(uri, rules.schemes, SOURCE_MAX_BYTES)
    authority, beyond = _split_authority(rest)
    if scheme == "file":
        _check_path(authority, beyond, rules.folders)
    else:
        rules.hosts.check(host_of(authority))
    return uri


def _split(uri: str, schemes: frozenset[str], max_bytes: int) -> tuple[str, str]:
    """The scheme, in lower case, and what follows its `://`."""
    if len(uri) > max_bytes:
        raise ValueError(f"must have at most {max_bytes} bytes")
    if not _URI_TEXT.fullmatch(uri):
        raise ValueError("must be a URI (RFC 3986): percent-encode every character that may not stand in one")
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme.lower() not in schemes:
        raise ValueError(f"must start with one of {', '.join(f'{scheme}://' for scheme in sorted(schemes))}")
    return scheme.lower(), rest


def _split_authority(rest: str) -> tuple[str, str]:
    """RFC 3986, section 3.2: the authority ends with the first `/`, `?` or `#`."""
    end = _AFTER_AUTHORITY.search(rest)
    return (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])


def _option_names(query: str) -> set[str]:
    return {name.lower() for name, _ in parse_qsl(query.replace(";", "&"), keep_blank_values=True)}


def _check_path(authority: str, path_text: str, folders: Sequence[Path]) -> None:
    if authority.lower() not in ("", "localhost"):
        raise ValueError("must name no host: file:///folder/file")
    if "?" in path_text or "#" in path_text:
        raise ValueError("must percent-encode each ? and # of its path")
    path = PurePosixPath(unquote(path_text))
    if ".." in path.parts or "\0" in str(path) or not any(path.is_relative_to(folder) for folder in folders):
        raise ValueError("names a file outside of the folders that are open to sources")
