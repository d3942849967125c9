"""Keys as they stand in the comments of jobs: hashes, for which one needs the bridges' secret."""

import os
import pwd
import secrets
from pathlib import Path
from uuid import UUID

from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.metadata import JobMetadata
from tests.support.bridge_process import SERVICE_USER
from tests.support.samples import THING


class CommentKeys:
    """Of bridges that have `environment`. `folder` gets the file with their secret."""

    def __init__(self, folder: Path) -> None:
        path = folder / "digest-secret"
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
        user = pwd.getpwnam(SERVICE_USER)
        os.chown(path, user.pw_uid, user.pw_gid)
        self.environment = {"BRIDGE_DIGEST_SECRET_PATH": str(path)}
        self._hashes = IdentityHashes(path.read_bytes())

    def comment(self, key: str) -> str:
        """Of one more job of a request, as a bridge would submit it."""
        own_key = self.of(key)
        return JobMetadata("parse", UUID(THING), "r", own_key, "d", tag=self._hashes.new_tag(own_key, "d")).to_json()

    def of(self, key: str, caller: str | None = None) -> str:
        """What stands for a client's key."""
        return self._hashes.key_of(key, caller)
