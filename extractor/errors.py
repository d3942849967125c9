"""The one error that the command line turns into one clear line."""


class ExtractorError(Exception):
    """Something the caller can put right; its text is one line that says what. The command ends with exit code 1."""
