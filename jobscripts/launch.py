"""Start the extractor with what the job's environment holds as its arguments, and keep secrets out of what it prints.

Read from standard input as `python - COMMAND PROGRAM`: it needs no file on the compute node, and `ps` shows only these
words. Python's standard library is all it uses; any Python 3 of an extractor's environment will do.

The extractor runs in a child process. This one reads its standard output and error from pipes, takes the request's
secrets out by their value, and ends as the child has ended.
"""

import os
import sys

if __name__ == "__main__":
    del sys.path[0]  # a program from standard input would look for modules in the working folder first

import json
import re
import runpy
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import NoReturn
from urllib.parse import quote, quote_plus, unquote

# The extractor's option for each variable of a request. Those with variables of their own (MQTT_*, VERBOSE) need none.
OPTIONS = {
    "TSM_PARSER": "--parser",
    "TSM_TARGET": "--target-uri",
    "TSM_SOURCE": "--source",
    "TSM_THING_UUID": "--device-id",
    "TSM_START": "--start",
    "TSM_END": "--end",
    "TSM_PROJECT_UUID": "--project-uuid",
    "TSM_QC_SETTINGS_NAME": "--qc-settings-name",
}
ITEM = "TSM_ITEM_"  # and the element's index: JSON, its variables
# A secret with fewer bytes stands in ordinary words, where what is missing would tell it: it is hidden where it is a
# password by what stands around it. Of a longer one a part is hidden, from as many bytes on, where the text was cut.
SHORT = 6
SURE = 24  # so many bytes of its beginning or end are hidden wherever they stand
VALUE = 20  # signatures and tokens in a source's query have so many bytes; a part of one is of no use
NAMED = re.compile(
    "(?:auth|code|key|pass|password|pwd|secret|sig|signature|token)(?:_?id)?$", re.IGNORECASE
)  # or a name
CUT_BEFORE = rb"(?:(?<![^\r\n])|(?<=\.\.\.)|(?<=\xe2\x80\xa6))"  # the last one is an ellipsis
CUT_AFTER = rb"(?=[\r\n'\"]|\.\.\.|\xe2\x80\xa6|\Z)"
READ_BYTES = 1 << 20
LINE_MAX_BYTES = 1 << 16  # of what has no end of line, as much is kept back at most
FLUSH_MILLISECONDS = 200  # after which the beginning of a line goes on its way
F_SETPIPE_SZ = 1031  # fcntl.h


def main() -> None:
    """Take the request out of the environment, where child processes would inherit it, and run the extractor."""
    _, command, program = sys.argv
    sys.path.insert(0, os.path.dirname(os.path.abspath(program)))  # noqa: PTH100, PTH120 - as `python PROGRAM` has it
    take_own_item()
    request = {variable: os.environ.pop(variable) for variable in OPTIONS if variable in os.environ}
    sys.argv = [program, command, *(f"{OPTIONS[variable]}={value}" for variable, value in request.items())]
    keep_secrets_in(request.get("TSM_TARGET", ""), request.get("TSM_SOURCE", ""), os.environ.get("MQTT_PASSWORD", ""))
    runpy.run_path(program, run_name="__main__")


def take_own_item() -> None:
    """Of an array's variables, one for each element, leave those that this one has in it, and none of the others'."""
    items = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(ITEM)}
    if items:
        os.environ.update(json.loads(items[ITEM + os.environ["SLURM_ARRAY_TASK_ID"]]))


def keep_secrets_in(target: str, source: str, mqtt_password: str) -> None:
    """Go on in a child process, whose standard output and error this one lets through without the secrets."""
    pipes = [os.pipe(), os.pipe()]
    child = os.fork()
    for output, (reading, writing) in enumerate(pipes, 1):
        if child == 0:
            os.dup2(writing, output)
            os.close(reading)
        os.close(writing)
    if child:
        filters = {reading: (Filter(target, source, mqtt_password), 1 + n) for n, (reading, _) in enumerate(pipes)}
        let_through(filters, child)


def let_through(filters: "dict[int, tuple[Filter, int]]", child: int) -> NoReturn:
    """Read from the descriptors that `filters` has, write what its filter leaves to the one beside it, and end."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU):
        signal.signal(number, signal.SIG_IGN)  # they are sent to the child, too, which may have more to say
    status = None
    ready = select.poll()
    for reading in filters:
        ready.register(reading, select.POLLIN)
    while filters:
        events = ready.poll(FLUSH_MILLISECONDS)
        for reading, _ in events or [(reading, 0) for reading in filters]:
            passing, output = filters[reading]
            data = os.read(reading, READ_BYTES) if events else b""
            try:
                write(output, passing.feed(data, is_end=not data))
            except OSError:  # a full disk: the child is to notice, as if it wrote there itself
                data, events = b"", [(reading, 0)]
            if events and not data:
                ready.unregister(reading)
                os.close(reading)
                del filters[reading]
        if not events:  # it may have ended, and left the pipes to a process that goes on
            ended, word = os.waitpid(child, os.WNOHANG)
            if ended:
                status = word
                break
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1] if status is None else status)
    if code < 0:
        with suppress(OSError):  # SIGKILL has no other
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def write(descriptor: int, data: bytes) -> None:
    """All of it."""
    while data:
        data = data[os.write(descriptor, data) :]


class Filter:
    """Takes the secrets of a target and a source, and others, out of a stream of bytes, line by line."""

    def __init__(self, target: str, source: str, *others: str) -> None:
        infos = [user_info(target), user_info(source)]
        hidden = secret_values(source.partition("?")[2])
        values = {form for value in hidden for form in spellings(value) if len(form) >= SHORT}
        passwords = {
            form for secret in (*map(quote, others), *(info[1] for info in infos)) for form in spellings(secret)
        }
        long = {form for form in passwords if len(form) >= SHORT}
        users = {b"/%b:" % form for user, _ in infos for form in spellings(user)}
        patterns = [*map(re.escape, sorted(long | values, key=len, reverse=True))]
        patterns += [b"(?<=%b)[^\\s@'\"<>]+" % re.escape(user) for user in users]
        patterns += [part for form in long for part in parts_of(form)]
        patterns += [place % re.escape(form) for form in passwords - long for place in SHORT_PLACES]
        self._pattern = re.compile(b"|".join(patterns))
        # What every match has in it: to look for them is fast, as long as they are few.
        self._anchors = {form[:VALUE] for form in values} | {form[:SHORT] for form in long} | users
        self._anchors |= {form[-SHORT:] for form in long}
        self._anchors |= {text % form for form in passwords - long for text in SHORT_ANCHORS}
        self._longest = max(map(len, passwords | values), default=0)
        self._held = b""

    def feed(self, data: bytes, *, is_end: bool) -> bytes:
        """What may go on its way of all that came in. `is_end`: nothing follows, or not for a while."""
        text = self._held + data
        stop = len(text) if is_end else max(text.rfind(b"\n"), text.rfind(b"\r")) + 1
        if len(text) - stop > LINE_MAX_BYTES:
            stop = self._between_secrets(text, len(text) - self._longest)
        self._held = text[stop:]
        return self._clean(text[:stop])

    def _between_secrets(self, text: bytes, stop: int) -> int:
        spans = (match.span() for match in self._pattern.finditer(text)) if self._hits(text) else ()
        return min((start for start, end in spans if start < stop < end), default=stop)

    def _hits(self, text: bytes) -> bool:
        return any(anchor in text for anchor in self._anchors)

    def _clean(self, text: bytes) -> bytes:
        if not self._hits(text):
            return text
        lines = text.splitlines(keepends=True)
        return b"".join(self._pattern.sub(b"***", line) if self._hits(line) else line for line in lines)


SHORT_ANCHORS = (b":%b@", b"password=%b", b"password='%b'")
SHORT_PLACES = (rb"(?<=:)%b(?=@)", rb"(?<=password=)%b(?![^\s])", rb"(?<=password=')%b(?=')")


def parts_of(form: bytes) -> Iterator[bytes]:
    """Patterns for parts of a secret: its beginning and its end."""
    if len(form) > SURE:
        yield re.escape(form[:SURE])
        yield re.escape(form[-SURE:])
    more = less = b""
    for byte in reversed(form[SHORT : SURE - 1]):
        more = b"(?:%b%b)?" % (re.escape(bytes([byte])), more)
    for byte in form[max(1, len(form) - SURE + 1) : -SHORT]:
        less = b"(?:%b%b)?" % (less, re.escape(bytes([byte])))
    yield re.escape(form[:SHORT]) + more + CUT_AFTER
    yield CUT_BEFORE + less + re.escape(form[-SHORT:])


def user_info(uri: str) -> tuple[str, str]:
    """The user and the password that it holds, as they are written."""
    authority = re.split("[/?#]", uri.partition("://")[2], maxsplit=1)[0]
    user, _, password = authority.rpartition("@")[0].partition(":")
    return user, password


def secret_values(query: str) -> "list[str]":
    """What may be secret in it, by its length or its name; all of it where nothing is."""
    values = [value for value in re.split("[&=]", query) if len(value) >= VALUE]
    pairs = (pair.partition("=") for pair in query.split("&"))
    values += [value for name, _, value in pairs if NAMED.search(name) and len(value) >= SHORT]
    return values or [query]


def spellings(text: str) -> set[bytes]:
    """How programs print it: percent-encoded or not, as JSON and Python quote it."""
    plain = unquote(text)
    forms = {
        text,
        plain,
        quote_plus(plain),
        *(quote(plain, safe=safe) for safe in ("", "/", " +", "!'()*", "!$&'()*+,;=:")),
    }
    forms |= {re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), form) for form in forms}
    forms |= {quoted[1:-1] for form in forms for quoted in (json.dumps(form), repr(form))}
    forms |= {form.replace("/", "\\/") for form in forms}
    return {form.encode(errors="surrogateescape") for form in forms if form}


if __name__ == "__main__":
    main()
