"""The service under the limits that `deploy/slurm-bridge.service` sets: `python -m tests.support.confined_service ...`.

There is no systemd in the box. What its unit asks the kernel for is asked for here in the same way: a filter for system
calls and address families (seccomp(2)), no memory that is both written to and executed, no new privileges, no cores.
"""

import ctypes
import os
import re
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

UNIT = Path(__file__).parents[2] / "deploy" / "slurm-bridge.service"

# linux/prctl.h, linux/seccomp.h, linux/filter.h
_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 16  # in struct seccomp_data
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000  # the latter with an errno
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
_EPERM, _EAFNOSUPPORT = 1, 97


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def settings_of(unit: Path) -> dict[str, list[str]]:
    """The words of each setting of a unit, those of a list that is given in several lines together."""
    settings: dict[str, list[str]] = {}
    for name, words in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        settings.setdefault(name, []).append(words)
    return settings


def confine() -> None:
    """Take the limits on. Raises `OSError` where the kernel has none of the kind."""
    settings = settings_of(UNIT)
    assert settings["NoNewPrivileges"] == settings["MemoryDenyWriteExecute"] == ["yes"]
    allowed, denied, allowed_again = settings["SystemCallFilter"]
    calls = _calls(*allowed.split()) - _calls(*denied.removeprefix("~").split()) | {*allowed_again.split()}
    (families,) = settings["RestrictAddressFamilies"]
    program = _filter(_numbers(calls), [_FAMILIES[family] for family in families.split()])
    os.umask(int(settings["UMask"][0], 8))
    resource.setrlimit(resource.RLIMIT_CORE, (int(settings["LimitCORE"][0]),) * 2)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_MDWE, _PR_MDWE_REFUSE_EXEC_GAIN)
    buffer = ctypes.create_string_buffer(program)
    instructions = _Program(len(program) // 8, ctypes.addressof(buffer))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(instructions))


def _calls(*groups: str) -> set[str]:
    """The system calls of systemd's groups, which name other groups."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", *groups], capture_output=True, text=True, check=True)
    words = {line.strip() for line in done.stdout.splitlines() if line.startswith("    ") and "#" not in line}
    nested = {word for word in words if word.startswith("@")}
    return (words - nested) | (_calls(*nested) if nested else set())


def _numbers(calls: set[str]) -> list[int]:
    header = Path(f"/usr/include/{os.uname().machine}-linux-gnu/asm/unistd_64.h").read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header)}
    return sorted(numbers[call] for call in calls & numbers.keys())


def _filter(numbers: list[int], families: list[int]) -> bytes:
    """cBPF, eight bytes an instruction."""
    (socket,) = _numbers({"socket"})

    def instructions() -> Iterator[bytes]:
        yield struct.pack("HBBI", _LOAD, 0, 0, _NUMBER_OFFSET)
        for number in numbers:
            if number != socket:
                yield struct.pack("HBBI", _JUMP_IF_EQUAL, 0, 1, number)
                yield struct.pack("HBBI", _RETURN, 0, 0, _ALLOW)
        yield struct.pack("HBBI", _JUMP_IF_EQUAL, 1, 0, socket)
        yield struct.pack("HBBI", _RETURN, 0, 0, _REFUSE | _EPERM)
        yield struct.pack("HBBI", _LOAD, 0, 0, _FIRST_ARGUMENT_OFFSET)
        for family in families:
            yield struct.pack("HBBI", _JUMP_IF_EQUAL, 0, 1, family)
            yield struct.pack("HBBI", _RETURN, 0, 0, _ALLOW)
        yield struct.pack("HBBI", _RETURN, 0, 0, _REFUSE | _EAFNOSUPPORT)

    return b"".join(instructions())


def _prctl(option: int, value: int, more: int = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(more), 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    confine()
    os.execv(sys.executable, [sys.executable, "-m", "bridge", *sys.argv[1:]])  # noqa: S606 - it becomes the service
