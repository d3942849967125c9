"""Load on an HTTP address, by wrk: it costs far less CPU than what it measures."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# wrk prints its figures rounded; this tells them in full. Latencies are in microseconds.
_REPORT = """
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\nREPORT {"requests":%d,"seconds":%f,"failed":%d,"p50":%f,"p99":%f}\\n',
    summary.requests, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


TIMEOUT_SECONDS = 60  # slurmrestd takes ten for a long list


class LoadError(Exception):
    """A figure that means nothing: wrk failed, or some of its requests did."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of clients, each sending its next request when it has the answer to the last, experienced."""

    requests: int
    seconds: float
    p50_milliseconds: float
    p99_milliseconds: float

    @property
    def per_second(self) -> float:
        """Requests answered in a second."""
        return self.requests / self.seconds


def post(url: str, body: object, headers: Mapping[str, str], *, clients: int, seconds: int) -> Load:
    """POST `body` as JSON to `url` from `clients` connections for `seconds`.

    Raises `LoadError` where an answer was not 2xx, or wrk failed.
    """
    lines = [f"wrk.method = 'POST'\nwrk.body = {json.dumps(json.dumps(body))}"]
    return _run(url, [*lines, *_headers({**headers, "Content-Type": "application/json"})], clients, seconds)


def get(url: str, paths: Sequence[str], headers: Mapping[str, str], *, clients: int, seconds: int) -> Load:
    """GET the `paths` below `url` by turns, and otherwise as `post`."""
    turns = f"""
local paths, turn = {{{", ".join(json.dumps(path) for path in paths)}}}, 0
function request()
  turn = turn % #paths + 1
  return wrk.format('GET', paths[turn])
end"""
    return _run(url, [*_headers(headers), turns], clients, seconds)


def _headers(headers: Mapping[str, str]) -> list[str]:
    return [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]


def _run(url: str, lua: Sequence[str], clients: int, seconds: int) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        script.write_text("\n".join([*lua, _REPORT]))
        options = ["--threads=1", f"--connections={clients}", f"--duration={seconds}s", f"--timeout={TIMEOUT_SECONDS}s"]
        done = subprocess.run(
            ["wrk", *options, f"--script={script}", url],
            capture_output=True,
            text=True,
            check=False,
        )
    reports = [line.removeprefix("REPORT ") for line in done.stdout.splitlines() if line.startswith("REPORT ")]
    if not reports:
        raise LoadError(f"wrk: {done.stdout}{done.stderr}")
    report = json.loads(reports[0])
    if report["failed"] or not report["requests"]:
        raise LoadError(f"{report['failed']} requests of {report['requests']} to {url} failed")
    return Load(report["requests"], report["seconds"], report["p50"], report["p99"])
