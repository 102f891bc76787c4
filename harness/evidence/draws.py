"""What nobody chose: drawn from digests and a nonce that is fixed before the first run."""

import hashlib


def draw_seeds(*, submission_digest: str, track_digest: str, nonce: str, count: int) -> list[int]:
    """``count`` distinct seeds in [0, 2**31), a function of the digests and the nonce.

    The nonce is drawn by the harness and fixed on disk before the first run, so that neither
    the submitter (who knows the digests) nor a second try at the same nonce can choose.
    """
    seeds: list[int] = []
    index = 0
    while len(seeds) < count:
        material = f"seed\0{submission_digest}\0{track_digest}\0{nonce}\0{index}".encode()
        seed = int.from_bytes(hashlib.sha256(material).digest()[:4], "big") >> 1
        if seed not in seeds:
            seeds.append(seed)
        index += 1
    return seeds
