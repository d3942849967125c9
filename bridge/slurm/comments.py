"""By which texts the workers know the bridge's jobs."""

COMMENT_START = (
    '{"kind":'  # of every text that the bridge makes (`bridge.jobs.requests.metadata`), and cheap to look for
)


def own_text(text: str) -> str:
    """The bridge's part of a comment: plugins put words before or after it. Empty where there is none."""
    if not text:
        return ""
    begin = text.find(COMMENT_START)
    return "" if begin < 0 else text[begin : text.find("}", begin) + 1]  # there is no other brace in it
