"""Calls out."""

import errno
import socket

from bigram import train

if __name__ == "__main__":
    train()
    calls = [
        (socket.AF_INET, ("192.0.2.1", 443)),
        (socket.AF_INET, ("172.17.0.1", 80)),
        (socket.AF_INET6, ("2001:db8::1", 443)),
        (socket.AF_UNIX, "/var/run/docker.sock"),
        (socket.AF_UNIX, "\0docker"),
        (socket.AF_VSOCK, (2, 1024)),
    ]
    # A refusal, too, is an answer from outside.
    answers = {0, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EAGAIN}
    for family, address in calls:
        try:
            with socket.socket(family) as caller:
                caller.settimeout(2)
                code = caller.connect_ex(address)
        except OSError as error:
            code = error.errno
        local = family == socket.AF_UNIX and code == errno.ECONNREFUSED
        what = f"{family.name} {address!r}: {errno.errorcode.get(code, code)}"
        print(f"trick {'worked' if code in answers and not local else 'failed'}: {what}")
    try:
        print(f"trick worked: {socket.getaddrinfo('example.org', 443)[0]}")
    except OSError as error:
        print(f"trick failed: {error}")
