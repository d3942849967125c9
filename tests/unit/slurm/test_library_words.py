"""A plugin's words for the user, as libslurm's log has them."""

import os

import pytest

from bridge.slurm.errors import SLURM_ERROR
from bridge.slurm.messages import Failure
from bridge.slurm.worker.library_words import WORDS_MAX, LibraryWords, refusal


@pytest.mark.parametrize(
    ("written", "words"),
    [
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"python3: error: no project code\n", "no project code", id="prefix"),
        pytest.param(b"error: no project code\n", "no project code", id="no-program"),
        pytest.param(b"python3: error: one\npython3: error: two: 2\n", "one two: 2", id="lines"),
        pytest.param(b"python3: error: \x1b[31mred\x00\t!\n", "[31mred !", id="control-characters"),
        pytest.param(b"python3: error: caf\xe9\n", "caf\N{REPLACEMENT CHARACTER}", id="no-utf-8"),
        pytest.param(b"python3: error: " + b"x" * 5000, "x" * WORDS_MAX, id="long"),
    ],
)
def test_what_libslurm_says_is_kept_and_still_logged(
    capfd: pytest.CaptureFixture[str], written: bytes, words: str
) -> None:
    library = LibraryWords()
    for _ in range(2):
        with library:
            os.write(2, written)
        assert library.take() == words
        assert library.take() == ""
        assert capfd.readouterr().err == written.decode(errors="replace")


def test_a_call_that_fails_leaves_standard_error_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    library = LibraryWords()
    with pytest.raises(ZeroDivisionError), library:
        raise ZeroDivisionError
    os.write(2, b"later")
    assert (library.take(), capfd.readouterr().err) == ("", "later")


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        (SLURM_ERROR, "no project code", "no project code"),
        (SLURM_ERROR, "", "Unspecified error"),
        (2076, "no project code", "Unspecified error: no project code"),
        (2076, "", "Unspecified error"),
    ],
    ids=["said", "silent", "number-said", "number-silent"],
)
def test_a_plugins_words_say_more_than_slurms(code: int, words: str, message: str) -> None:
    assert refusal(code, "Unspecified error", words) == Failure(code, message)
