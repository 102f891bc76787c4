"""Hostile bytes made from honest ones: flipped, cut, doubled, and fed what breaks parsers."""

import random

LARGEST_BYTES = 1 << 18

# Each has broken a parser somewhere: numbers beyond every type, depth, terminal and markup codes,
# bytes that are no UTF-8, names that are paths, dates and floats that are none.
_SPITE = (
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\r\n", b"\x1b[2J\x1b]0;x\x07"),
    *(b"-1", b"1e999", b"NaN", b"-Infinity", b"9" * 5000, b"0x10", b"1_0", b"-0.0", b"\xd9\xa3"),
    *(b"[" * 3000, b'{"a":' * 3000, b"a." * 2000, b"(" * 3000, b"#" * 500, b'"' * 333),
    *(b"../../etc/passwd", b"/dev/zero", b"\\", b"{}", b"null", b"true", b'""', b"'''", b"=", b","),
    *(b"[bold]", b"<script>", b"${HOME}", b"%s%n", b"{accelerators}", b"{0.__class__}"),
    *(text.encode() for text in ("\u202e", "\ufeff", "é", "e\u0301", "\U0001f600")),
)  # fmt: skip


def mutated(seed: bytes, chance: random.Random, *, others: tuple[bytes, ...]) -> bytes:
    """``seed`` after one to six random changes, at most ``LARGEST_BYTES`` long.

    Args:
        seed: a valid input.
        chance: the source of every decision, so that an input can be made again.
        others: further valid inputs, from which pieces are taken.
    """
    content = bytearray(seed)
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(content))
        end = min(len(content), start + int(chance.expovariate(1 / 40)) + 1)
        change = chance.randrange(8)
        if change == 0 and content:
            content[min(start, len(content) - 1)] ^= 1 << chance.randrange(8)
        elif change == 1:
            del content[start:end]
        elif change == 2:
            content[start:start] = content[start:end] * chance.choice((1, 2, 50, 2000))
        elif change == 3:
            content[start:end] = chance.choice(_SPITE)
        elif change == 4:
            content[start:start] = chance.choice(_SPITE)
        elif change == 5:
            del content[start:]
        elif change == 6:
            other = chance.choice(others)
            begin = chance.randint(0, len(other))
            content[start:end] = other[begin : begin + chance.randint(0, 200)]
        else:
            content[start:end] = chance.randbytes(end - start)
        del content[LARGEST_BYTES:]
    return bytes(content)
