"""Reading files: bytes become lines, lines rows, rows columns of times, numbers and texts.

`csv_parser` and `json_parser` put the steps together; `parser` is what a parser of one's own is derived from.
"""
