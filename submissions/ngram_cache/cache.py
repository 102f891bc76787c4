"""An n-gram cache: what followed the same few tokens, in the window and in what was observed.

For each order n a table maps the last n tokens to what followed them the last few times they were
observed. Where the model is asked, those followers and the ones in the window itself are counted,
and order by order the counts are mixed into the model's probabilities:

    p_n(v) = (count_n(v) + d_n kinds_n p_n-1(v)) / (sum of count_n + d_n kinds_n)

with p_0 the model's own and ``kinds_n`` the number of distinct followers: many kinds say that
these tokens tell little (Witten and Bell, 1991). Each p_n sums to one because p_n-1 does. The
concentrations ``d_n`` are fitted to the trained model on text that it was not trained on last.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Odd numbers of 62 bits, one for each place in a context; products wrap around.
_FACTORS = (
    0x1E3779B97F4A7C15,
    0x3F58476D1CE4E5B9,
    0x14D049BB133111EB,
    0x2545F4914F6CDD1D,
    0x369DEA0F31A53F85,
    0x2127599BF4325C37,
    0x1880355F21E6D165,
    0x3C6EF372FE94F82B,
)
LARGEST_ORDER = len(_FACTORS)
_TAG_BITS, _TOKEN_BITS = 15, 16


class NGramCache:
    """Tables of followers for the orders 1 to ``orders``; what is observed decides, nothing else.

    ``entries`` int32[N, 2^bits, depth]: tag and token of a follower, or -1. Several contexts may
    share a bucket; the tag tells them apart, but for one in 2^15. ``seen`` int32[N, 2^bits]: how
    many followers a bucket was given; the latest ``depth`` are kept.
    """

    def __init__(self, *, orders: int, bits: int, depth: int, device: torch.device) -> None:
        self.orders, self.bits, self.depth = orders, bits, depth
        shape = (orders, 1 << bits)
        self.entries = torch.full((*shape, depth), -1, dtype=torch.int32, device=device)
        self.seen = torch.zeros(shape, dtype=torch.int32, device=device)
        self.tail = torch.empty(0, dtype=torch.int64, device=device)

    def observe(self, tokens: Tensor) -> None:
        """Learn ``tokens: int64[M]``, which follow those observed before."""
        text = torch.cat((self.tail, tokens.to(self.tail.device)))
        new = len(text) - len(tokens)
        for order, hashes in enumerate(hashed(text[None], self.orders)):
            # The context that ends at i has order + 1 tokens and is followed by text[i + 1].
            first = max(order, new - 1)
            if first < len(text) - 1:
                self._insert(order, hashes[0, first:-1], text[first + 1 :])
        self.tail = text[-self.orders :]

    def _insert(self, order: int, hashes: Tensor, followers: Tensor) -> None:
        buckets, tags = self._places(hashes)
        values = (tags << _TOKEN_BITS | followers).int()
        # Rank of each among those of its bucket, in the order of the text.
        by_bucket = torch.argsort(buckets, stable=True)
        used, counts = torch.unique_consecutive(buckets[by_bucket], return_counts=True)
        begins = (counts.cumsum(0) - counts).repeat_interleave(counts)
        ranks = torch.arange(len(buckets), device=buckets.device) - begins
        # More than a bucket holds would be written to one place twice, in no certain order.
        kept = ranks >= counts.repeat_interleave(counts) - self.depth
        buckets = buckets[by_bucket]
        slots = (self.seen[order, buckets] + ranks) % self.depth
        self.entries[order, buckets[kept], slots[kept]] = values[by_bucket][kept]
        self.seen[order, used] += counts.int()

    def _places(self, hashes: Tensor) -> tuple[Tensor, Tensor]:
        return hashes & ((1 << self.bits) - 1), hashes >> (62 - _TAG_BITS)

    def counts(self, tokens: Tensor, first: int, vocabulary: int) -> Iterator[Tensor]:
        """For each order, what followed: ``float32[B, T - first, V]``, the lowest order first.

        Only tokens up to a position are looked at, so nothing of the future is counted.
        """
        rows, length = tokens.shape
        places = torch.arange(length, device=tokens.device)
        for order, hashes in enumerate(hashed(tokens, self.orders)):
            asked = hashes[:, first:]
            whole = places >= order  # has all its tokens within the window
            buckets, tags = self._places(asked)
            entries = self.entries[order, buckets].long()
            found = (entries >> _TOKEN_BITS == tags[..., None]) & whole[first:, None]
            counts = torch.zeros(rows, length - first, vocabulary, device=tokens.device)
            followers = (entries & ((1 << _TOKEN_BITS) - 1)) * found
            counts.scatter_add_(-1, followers, found.float())
            # The follower of the context at j is the token at j + 1, known from there on.
            earlier = (places[:-1] < places[first:, None]) & whole[:-1]
            same = (asked[..., None] == hashes[:, None, :-1]) & earlier
            followers = tokens[:, None, 1:].expand(same.shape)
            yield counts.scatter_add_(-1, followers, same.float())


def hashed(tokens: Tensor, orders: int) -> Iterator[Tensor]:
    """For n = 1 to ``orders``, a hash ``int64[B, T]`` of 62 bits of the last n tokens at each t.

    Where fewer than n tokens lie before, the hash means nothing.
    """
    total = torch.zeros_like(tokens)
    for order in range(orders):
        total = total + F.pad(tokens + 1, (order, 0))[:, : tokens.shape[1]] * _FACTORS[order]
        mixed = (total ^ (total >> 32)) * _FACTORS[-1]
        yield (mixed ^ (mixed >> 29)) & ((1 << 62) - 1)


def mix(probabilities: Tensor, counts: Iterator[Tensor], concentrations: Tensor) -> Tensor:
    """Probabilities ``[B, P, V]``, overwritten, and each order's counts as one distribution."""
    for count, concentration in zip(counts, concentrations, strict=True):
        total = count.sum(-1, keepdim=True)
        escape = concentration * count.count_nonzero(-1)[..., None]
        found = total > 0
        share = torch.where(found, 1 / (total + escape), 0)
        kept = torch.where(found, escape * share, 1)
        probabilities.mul_(kept).addcmul_(count, share)
    return probabilities


class CachedModel:
    """A model and a cache that is empty at first; what ``load_model`` returns.

    Its answers follow from the window and from what was observed: no call leaves anything behind.
    """

    def __init__(
        self,
        model: Callable[[Tensor, int], Tensor],
        cache: NGramCache,
        concentrations: Tensor,
    ) -> None:
        self.model, self.cache, self.concentrations = model, cache, concentrations

    def observe(self, tokens: Tensor) -> None:
        """Learn ``tokens: int64[M]``, all of which have been scored."""
        self.cache.observe(tokens)

    def __call__(self, tokens: Tensor, first: int = 0) -> Tensor:
        """Log-probabilities ``float32[B, T - first, V]``: logits that are normalized already."""
        own = self.model(tokens, first).float().softmax(-1)
        counts = self.cache.counts(tokens, first, own.shape[-1])
        mixed = mix(own, counts, self.concentrations)
        return mixed.clamp_min(torch.finfo(torch.float32).tiny).log()


@dataclass
class Calibration:
    """What fitting the concentrations needs of each target: few figures instead of V.

    ``own`` float32[K]: the model's probability of the target. ``hits``, ``totals`` and ``kinds``
    float32[N, K]: count of the target, of all followers, and of distinct ones, by order.
    """

    own: Tensor
    hits: Tensor
    totals: Tensor
    kinds: Tensor

    def loss(self, concentrations: Tensor) -> float:
        """Mean cost of a target in nats."""
        p = self.own.double()
        for hit, total, kind, d in zip(
            self.hits, self.totals, self.kinds, concentrations, strict=True
        ):
            escape = d * kind
            p = torch.where(total > 0, (hit + escape * p) / (total + escape).clamp_min(1e-9), p)
        return float(-p.log().mean())

    def fitted(self, concentrations: Tensor) -> Tensor:
        """Better concentrations ``float32[N]``, one at a time by ever smaller factors."""
        best, loss = concentrations.double(), self.loss(concentrations)
        for factor in (4.0, 2.0, 1.4, 1.2, 1.1):
            for _ in range(2):
                for order in range(len(best)):
                    for step in (factor, 1 / factor):
                        tried = best.clone()
                        tried[order] = (tried[order] * step).clamp(1e-3, 1e4)
                        if (found := self.loss(tried)) < loss:
                            best, loss = tried, found
        return best.float()


@torch.no_grad()
def calibrate(
    model: Callable[[Tensor, int], Tensor],
    cache: NGramCache,
    tokens: Tensor,
    *,
    length: int,
    segment: int,
    go_on: Callable[[], bool],
) -> Calibration | None:
    """Score ``tokens: int64[M]`` as the harness would, segment by segment, as long as allowed.

    Windows hold ``length`` tokens and score the second half of them. None when nothing was.
    """
    half = length - length // 2
    parts: list[Calibration] = []
    for begin in range(0, len(tokens) - 1, segment):
        if not go_on():
            break
        end = min(begin + segment, len(tokens) - 1)
        starts = torch.arange(max(begin + half - length, 0), end - length + 1, half)
        if len(starts):
            places = (starts[:, None] + torch.arange(length + 1)).to(tokens.device)
            windows = tokens[places]
            for group in windows.split(max(1, 65_536 // length)):
                parts.append(_measured(model, cache, group, length // 2))
        cache.observe(tokens[begin + 1 : end + 1])
    if not parts:
        return None
    return Calibration(
        *(torch.cat([getattr(part, name) for part in parts], dim=-1).cpu()
          for name in ("own", "hits", "totals", "kinds"))
    )  # fmt: skip


def _measured(
    model: Callable[[Tensor, int], Tensor], cache: NGramCache, windows: Tensor, first: int
) -> Calibration:
    shown, targets = windows[:, :-1], windows[:, first + 1 :, None]
    own = model(shown, first).float().softmax(-1)
    figures = [
        (
            count.gather(-1, targets).flatten(),
            count.sum(-1).flatten(),
            (count > 0).sum(-1).flatten(),
        )
        for count in cache.counts(shown, first, own.shape[-1])
    ]
    hits, totals, kinds = (torch.stack(column) for column in zip(*figures, strict=True))
    return Calibration(own.gather(-1, targets).flatten(), hits, totals, kinds.float())
