"""What `bridge.policy.uris` asks of URIs, as patterns for JSON Schema (ECMA 262), as far as a pattern can say it.

None says which hosts the operator allows, which addresses may stand in brackets, how long a name may be, that an option
stands once only, nor what a path or query leads to.
Schemes are in lower case here: others are taken too, but clients should not send them (RFC 3986, section 3.1).
"""

from collections.abc import Iterable
from urllib.parse import quote

from bridge.policy.uris import TARGET_OPTIONS, UriRules, is_sqlite

_ENCODED = "%[0-9A-Fa-f]{2}"
_SOURCE_CHARACTER = rf"(?:[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=]|{_ENCODED})"  # RFC 3986, appendix A, without `#`
_PATH_CHARACTER = rf"(?:[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=]|{_ENCODED})"
_FILE_CHARACTER = r"[A-Za-z0-9\-._~:/\[\]!$&'()*+,;=]"
_FILE_END = r"[A-Za-z0-9\-._~:\[\]!$&'()*+,;=]"
# In the path of a target: no `@` nor `#`, and no parentheses nor `=`, percent-encoded or not.
_TARGET_CHARACTER = r"(?:[A-Za-z0-9\-._~:/\[\]!$&'*+,;]|%(?:[0-14-9A-Fa-f][0-9A-Fa-f]|2[0-7A-Fa-f]|3[0-9A-CE-Fa-ce-f]))"

# A host is a name, the last label of which is no number, or an address.
_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"(?:{_LABEL}\.)*[A-Za-z_](?:[A-Za-z0-9_-]{{0,61}}[A-Za-z0-9_])?\.?"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = rf"(?:{_NAME}|(?:{_OCTET}\.){{3}}{_OCTET}|\[[0-9A-Fa-f:.]+\])"
_USER = rf"(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|{_ENCODED})*@)?"
_PORT = "(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])?)?"
_AUTHORITY = f"{_USER}{_HOST}{_PORT}"


def target_pattern(rules: UriRules) -> str:
    """For targets."""
    return _whole(f"{_escaped(scheme)}://{_target_rest(scheme, rules)}" for scheme in sorted(rules.schemes))


def source_pattern(rules: UriRules) -> str:
    """For sources."""
    return _whole(f"{_escaped(scheme)}://{_source_rest(scheme, rules)}" for scheme in sorted(rules.schemes))


def _target_rest(scheme: str, rules: UriRules) -> str:
    if is_sqlite(scheme):
        return f"/(?:{_any_of(map(str, rules.folders))})/{_FILE_CHARACTER}*{_FILE_END}"
    options = [f"{name}={value}" for name, value in TARGET_OPTIONS.get(scheme.partition("+")[0], {}).items()]
    option = f"(?:{'|'.join(options)})"
    query = rf"(?:\?{option}(?:&{option})*)?" if options else ""
    return f"{_AUTHORITY}(?:/{_TARGET_CHARACTER}*)?{query}"


def _source_rest(scheme: str, rules: UriRules) -> str:
    if scheme == "file":
        folders = _any_of(quote(str(folder)) for folder in rules.folders)
        return f"(?:localhost)?(?:{folders})/{_PATH_CHARACTER}+"
    return f"{_AUTHORITY}(?:[/?]{_SOURCE_CHARACTER}*)?"


def _any_of(folders: Iterable[str]) -> str:
    return "|".join(map(_escaped, folders))


def _whole(alternatives: Iterable[str]) -> str:
    return f"^(?:{'|'.join(alternatives)})$"


def _escaped(text: str) -> str:
    return text.replace("+", r"\+").replace(".", r"\.")
