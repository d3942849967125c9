"""20,000 submissions: does the memory of the web process or of a worker grow?

Usage, as root in the box: ./container/shell python -m bench.soak
"""

from pathlib import Path

from bench import peers
from bench.submit import fresh_slurm
from tests.support import load
from tests.support.bridge_process import children_of

SUBMISSIONS = 20_000
CLIENTS = 8
SECONDS_A_ROUND = 10


def main() -> None:
    """Measure and print."""
    with fresh_slurm() as (slurm, folder), peers.bridge(slurm, folder) as service:
        done = 0
        print("| submissions | web process MiB | workers MiB |\n|---|---|---|")
        while done < SUBMISSIONS:
            result = load.post(service.url, service.body, service.headers, clients=CLIENTS, seconds=SECONDS_A_ROUND)
            done += result.requests
            workers = " ".join(f"{proportional_mib(pid):.1f}" for pid in children_of(service.pid))
            print(f"| {done:,} | {proportional_mib(service.pid):.1f} | {workers} |", flush=True)


def proportional_mib(pid: int) -> float:
    """The memory of a process in MiB, shared pages divided by those who share them: Pss of proc(5)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
