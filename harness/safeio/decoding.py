"""Text that people write: UTF-8, with or without the byte order mark that some editors add.

Every reader of such a file begins here, so that a mark means the same to all of them: that of UTF-8
is left out, that of another encoding is named.
"""

MARK = b"\xef\xbb\xbf"
# In this order: the mark of UTF-32 begins with that of UTF-16.
_OTHERS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


class NotUtf8Error(ValueError):
    """Bytes that are no UTF-8; the text is made to follow the file's name in a message.

    Attributes:
        line: where the first wrong byte is, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


def unmarked(content: bytes) -> bytes:
    """The same bytes without a byte order mark of UTF-8 before them."""
    return content.removeprefix(MARK)


def decoded(content: bytes) -> str:
    """The text of a file in UTF-8, without its byte order mark.

    Raises:
        NotUtf8Error: it is in another encoding, which is named where a mark tells it.
    """
    text = unmarked(content)
    for mark, encoding in _OTHERS:
        if content.startswith(mark):
            raise NotUtf8Error(
                f"begins with the byte order mark of {encoding}; save it as UTF-8", 1
            )
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start + len(content) - len(text)
        line = text.count(b"\n", 0, error.start) + 1
        raise NotUtf8Error(f"not UTF-8 at byte {at}; save it as UTF-8", line) from error
