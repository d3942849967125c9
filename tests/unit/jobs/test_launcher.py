"""The launcher keeps the secrets of a request out of what the extractor prints, and is not noticed otherwise."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from jobscripts.launch import LINE_MAX_BYTES, Filter

ROOT = Path(__file__).parents[3]
LAUNCHER = ROOT / "jobscripts" / "launch.py"
PASSWORD = "S3cr%40t/w0rd%22"  # as it is written in the URI
PLAIN = unquote(PASSWORD)
SIGNATURE = "aeeed9bbccd4d02ee5c0109b86d86835"
TARGET = f"postgresql://tsm:{PASSWORD.replace('/', '%2F')}@db.example:5432/tsm"
SOURCE = f"https://bucket:K3y%2Bmore@s3.example/b/file.csv?X-Amz-Date=20260101&X-Amz-Signature={SIGNATURE}"
MQTT = "mqtt-canary"
SECRETS = (PLAIN, "K3y+more", SIGNATURE, MQTT)


def filtered(text: str | bytes, target: str = TARGET, source: str = SOURCE) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return Filter(target, source, MQTT).feed(data, is_end=True).decode(errors="replace")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TARGET, id="uri"),
        pytest.param(SOURCE, id="source"),
        pytest.param(str(urlsplit(TARGET)), id="urlsplit"),
        pytest.param(str(urlsplit(SOURCE)), id="urlsplit-of-the-source"),
        pytest.param(
            f"Url(scheme='https', auth='bucket:K3y%2Bmore', query='X-Amz-Signature={SIGNATURE}')", id="urllib3"
        ),
        pytest.param(f"host=db.example user=tsm password='{PLAIN}'", id="libpq"),
        pytest.param(f"password={PLAIN} dbname=tsm", id="libpq-unquoted"),
        pytest.param(json.dumps({"uri": TARGET, "password": PLAIN}), id="json"),
        pytest.param(
            json.dumps({"uri": TARGET, "password": PLAIN}).replace("/", "\\/"), id="json-with-slashes-escaped"
        ),
        pytest.param(json.dumps(json.dumps(PLAIN)), id="json-in-json")
        if '"' not in PLAIN
        else pytest.param("", id="-"),
        pytest.param(repr({"password": PLAIN}), id="repr"),
        pytest.param(f"{quote(PLAIN)} {quote(PLAIN, safe='').lower()}", id="percent-encoded"),
        pytest.param(f"{PLAIN}{PLAIN} {MQTT}", id="twice"),
        pytest.param(f"uri = '{TARGET[:27]}'+30", id="cut-as-rich-does"),
        pytest.param(f"{TARGET[:27]}…", id="cut-with-an-ellipsis"),
        pytest.param(TARGET[:27], id="cut-at-the-end"),
        pytest.param(f"...{PLAIN[4:]}@db.example", id="cut-at-the-beginning"),
        pytest.param(f"Authorization: Bearer {SIGNATURE}", id="bearer"),
        pytest.param(b"\xff\x00" + PLAIN.encode() + b"\xfe", id="among-bytes"),
    ],
)
def test_no_print_of_a_secret_passes(text: str | bytes) -> None:
    shown = filtered(text)
    assert not [secret for secret in SECRETS for part in (secret, quote(secret, safe="")) if part in shown], shown
    assert PLAIN[:6] not in shown
    assert PLAIN[-6:] not in shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("8,759 observations stored\n", id="log"),
        pytest.param("10 %\r20 %\r100 %\r\n", id="progress-bar"),
        pytest.param("no end of line", id="unfinished"),
        pytest.param("", id="nothing"),
        pytest.param(f"X-Amz-Date {PLAIN[:5]} X-Amz", id="what-is-no-secret"),
    ],
)
def test_the_rest_passes_as_it_is(text: str) -> None:
    assert filtered(text) == text


def test_a_short_password_is_hidden_where_it_is_one_and_told_by_no_gap() -> None:
    text = "unexpected port 44037 at postgresql://tsm:p@db.example/x, password=p host=h password='p'"
    shown = filtered(text, "postgresql://tsm:p@db.example/tsm", "https://h/f")
    assert shown == "unexpected port 44037 at postgresql://tsm:***@db.example/x, password=*** host=h password='***'"


@pytest.mark.parametrize("name", ["token", "api_key", "AccessKeyId", "Sig", "client%5Fsecret"])
def test_a_value_in_a_query_is_hidden_though_it_is_short_where_its_name_says_that_it_is_secret(name: str) -> None:
    source = f"https://h/f?{name}=hunter2%2B&keyword=humidity&code=75&X-Amz-Date=20260101T000000Z"
    shown = filtered("hunter2%2B hunter2+ humidity 75 20260101T000000Z", source=source)
    assert shown == "*** *** humidity 75 20260101T000000Z"


PIECES = (TARGET, SOURCE, PLAIN, SIGNATURE, MQTT, "\n", "\r", "a", " ", TARGET[:25], "é", "\0" * 70_000)


@given(
    parts=st.lists(st.sampled_from(PIECES), max_size=12),
    sizes=st.lists(st.sampled_from((1, 2, 7, 40, 1000, 70_000)), min_size=1, max_size=8),
)
@effort(max_examples=300, deadline=None, derandomize=True)
def test_however_it_comes_in_pieces_it_is_the_same(parts: list[str], sizes: list[int]) -> None:
    data = "".join(parts).encode()
    stream, shown, position, turn = Filter(TARGET, SOURCE, MQTT), b"", 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)] * (1000 if len(data) > LINE_MAX_BYTES else 1)
        shown += stream.feed(data[position : position + size], is_end=False)
        position, turn = position + size, turn + 1
    shown += stream.feed(b"", is_end=True)
    text = shown.decode()
    assert not [secret for secret in SECRETS if secret in text]
    assert len(text.splitlines()) == len(data.decode().splitlines())


def run(program: str) -> "subprocess.CompletedProcess[bytes]":
    """The launcher with `program` as the extractor."""
    return subprocess.run(
        [sys.executable, "-", "parse", program],
        input=LAUNCHER.read_bytes(),
        env={"PATH": os.environ["PATH"], "TSM_TARGET": TARGET, "TSM_SOURCE": SOURCE, "MQTT_PASSWORD": MQTT},
        capture_output=True,
        timeout=60,
        check=False,
    )


def extractor(folder: Path, text: str) -> str:
    (folder / "main.py").write_text(text)
    return str(folder / "main.py")


@pytest.mark.parametrize(
    ("last", "status"),
    [
        pytest.param("", 0, id="well"),
        pytest.param("sys.exit(3)", 3, id="exit"),
        pytest.param("os._exit(4)", 4, id="exit-at-once"),
        pytest.param("raise ValueError", 1, id="exception"),
        pytest.param("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, id="signal"),
        pytest.param("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, id="killed"),
    ],
)
def test_it_ends_as_the_extractor_does(tmp_path: Path, last: str, status: int) -> None:
    prints = "print(sys.argv[2], flush=True)\nprint(sys.argv[3], file=sys.stderr, flush=True)"
    done = run(extractor(tmp_path, f"import os, signal, sys\n{prints}\n{last}\n"))
    assert done.returncode == status
    assert done.stdout.startswith(b"--target-uri=postgresql://tsm:***@db.example:5432/tsm")
    for output in (done.stdout, done.stderr):
        assert b"***" in output
        assert not [secret for secret in (PASSWORD, PLAIN, SIGNATURE) if secret.encode() in output]


def test_bytes_pass_unharmed(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3_000_000)  # noqa: S311
    (tmp_path / "data").write_bytes(data)
    program = f"import sys\nsys.stdout.buffer.write(open({str(tmp_path / 'data')!r}, 'rb').read())\n"
    assert run(extractor(tmp_path, program)).stdout == data


def test_the_beginning_of_a_line_is_shown_while_the_job_goes_on(tmp_path: Path) -> None:
    program = extractor(
        tmp_path, "import sys, time\nprint('10 %', end='', flush=True)\nsys.stdin.read()\ntime.sleep(3600)\n"
    )
    with subprocess.Popen(
        [sys.executable, str(LAUNCHER), "parse", program],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as job:
        assert job.stdout is not None
        assert os.read(job.stdout.fileno(), 100) == b"10 %"
        os.killpg(job.pid, signal.SIGTERM)  # as Slurm does
        assert job.wait(20) == -signal.SIGTERM


def test_a_process_that_is_left_over_holds_up_nothing(tmp_path: Path) -> None:
    program = "import subprocess\nprint('done', flush=True)\nsubprocess.Popen(['sleep', '60'])\n"
    with subprocess.Popen(
        [sys.executable, str(LAUNCHER), "parse", extractor(tmp_path, program)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as job:
        assert job.wait(30) == 0
        os.killpg(job.pid, signal.SIGKILL)


def test_a_full_disk_is_the_extractors_to_notice(tmp_path: Path) -> None:
    program = "for _ in range(100_000):\n    print('x' * 100)\n"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, str(LAUNCHER), "parse", extractor(tmp_path, program)],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode != 0
    assert b"BrokenPipeError" in done.stderr
