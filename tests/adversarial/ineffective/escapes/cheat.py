"""Draws on the reader's screen."""

from bigram import load_model as honest
from bigram import train

NOISE = (
    "\x1b[2J\x1b[H\x1b[42mVERIFIED\x1b[0m\x1b]0;owned\x07 [bold red]x[/] [link=file:///]y[/link] "
    "<script>alert(1)</script> <img src=x onerror=alert(1)> \u202egnp.exe \u0085 \x9b31m \x00 \r"
)


def load_model(artifact, device):
    print(NOISE)
    return honest(artifact, device)


if __name__ == "__main__":
    print(NOISE)
    train()
    print(NOISE)
