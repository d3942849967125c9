"""The bridge's own tokens, made as an operator makes them."""

import os
import subprocess
import sys

from bridge.auth.token_file import TokenFile
from bridge.core.scopes import Scope
from tests.support.bridge_process import ROOT


def create_token(file: TokenFile, name: str, *scopes: Scope, expires: str = "1d") -> str:
    """A new token with these scopes."""
    options = [word for scope in scopes for word in ("--scope", scope.value)]
    return token_command("create", "--name", name, "--expires", expires, *options, file=file).strip()


def token_command(*arguments: str, file: TokenFile) -> str:
    """What `tsm-bridge token` prints, as root."""
    command = [sys.executable, "-m", "bridge", "token", *arguments, "--token-file", str(file.path)]
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True, check=True).stdout
