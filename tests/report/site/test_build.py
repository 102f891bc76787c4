"""A site: every page and link is there, and nothing that nobody accepted; hostile text is text."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from harness.errors import InfrastructureError, UsageError
from harness.ledger.chain import NOTHING_BEFORE
from harness.ledger.events import Retracted
from harness.report.site.build import MARK, Built, build_site
from harness.report.site.source import gather, read_audits
from harness.safeio.ownership import me
from tests.factories.playground import harness
from tests.factories.sites import Accepting, accepted_verdicts
from tests.judge.test_recipes import KNOWN, A, verified
from tests.ledger.boards import tried

MEANS = (1.25, 1.2, 1.22, 1.1)
ENTRIES = Path(__file__).parents[2] / "upstream_entries"


class Links(HTMLParser):
    """Where a page leads, its places, and what runs in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        told = dict(attrs)
        self.ids += [value for value in (told.get("id"),) if value]
        self.found += [value for value in (told.get("href"), told.get("src")) if value]
        assert not any(name.startswith("on") for name in told)


def links_of(page: Path) -> Links:
    found = Links()
    found.feed(page.read_text(encoding="utf-8"))
    return found


def built(made: Accepting, out: Path, **options: object) -> Built:
    fields = {"verdicts": [made.verdicts], "pictures": "none", "workers": 1, "tracks": [KNOWN]}
    return build_site(out, leaderboard=made.board, **{**fields, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Accepting:
    return accepted_verdicts(tmp_path_factory.mktemp("accepted"), MEANS)


@pytest.fixture(scope="module")
def site(made: Accepting, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("site")
    audits = place / "audits.json"
    assert harness("audit", ENTRIES, "--json", audits).code == 1
    out = place / "out"
    found = built(made, out, audits=[audits], pictures="records")
    assert found.problems == () and found.unknown == ()
    return out


def test_every_link_leads_to_a_page_or_a_place_of_the_site(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    reached = set()
    for page in pages:
        links = links_of(page)
        assert len(links.ids) == len(set(links.ids)), page
        for href in links.found:
            path, _, place = href.partition("#")
            if path.startswith("data:"):
                continue
            assert "//" not in path, href
            target = (page.parent / unquote(path)).resolve() if path else page
            assert target.is_file(), (page, href)
            reached.add(target)
            if place and target == page:
                assert place in links.ids, (page, href)
    assert {page.resolve() for page in pages} <= reached | {(site / "index.html").resolve()}


def test_the_start_says_who_holds_the_record_and_what_each_step_gained(site: Path) -> None:
    text = " ".join(re.sub(r"<[^>]*>", " ", (site / "index.html").read_text()).split())
    assert "1.100000 BPB by A. Author, verified on 2025-11-04: Entry 3" in text
    assert "0.100000 BPB better than the one before" in text
    assert "It fell 2 times, by 0.150000 BPB in all" in text
    assert "was a record" in text and "accepted" in text
    assert "<svg" in (site / "index.html").read_text()


def test_each_step_is_compared_with_the_one_before(site: Path) -> None:
    pages = sorted((site / "compare").glob("*.html"))
    assert len(pages) == 2
    for page in pages:
        assert "B is better than A by" in page.read_text()


def test_programs_get_the_same(site: Path, made: Accepting) -> None:
    index = json.loads((site / "data/index.json").read_text())
    entries = json.loads((site / "data/entries.json").read_text())
    assert index["entries"] == len(entries) == len(MEANS)
    assert index["records"][0]["mean_bpb"] == pytest.approx(1.1)
    assert [each["standing"] for each in entries] == [
        "record",
        "accepted",
        "was a record",
        "was a record",
    ]
    step = entries[0]["step"]
    assert step["gain_bpb"] == pytest.approx(0.1) and step["p"] < 0.01
    low, high = step["gain_99_bpb"]
    assert low < 0.1 < high
    for each in entries:
        kept = (site / each["verdict"]).read_bytes()
        assert kept in [path.read_bytes() for path in made.verdicts.iterdir()]
        assert (site / each["page"]).is_file()
    assert len(json.loads((site / "data/audits.json").read_text())) > 10


def test_audits_tell_their_findings(site: Path) -> None:
    text = (site / "audits/index.html").read_text()
    assert "denominator" in text and "read and not run" in text
    first = (site / "audits/00000.html").read_text()
    assert "Checks" in first and "What is claimed" in first


def test_the_same_input_makes_the_same_site(made: Accepting, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        built(made, tmp_path / name, workers=1 if name == "one" else 2)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append([(p.relative_to(tmp_path / name), p.read_bytes()) for p in files])
    assert contents[0] == contents[1]


def test_what_nobody_accepted_is_left_out_and_told(made: Accepting, tmp_path: Path) -> None:
    other = accepted_verdicts(tmp_path / "other", (1.0,), names=["Nobody accepted this"])
    found = built(made, tmp_path / "out", verdicts=[made.verdicts, other.verdicts])
    assert [path.name for path in found.unknown] == ["v0.json"]
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert b"Nobody accepted this" not in everything


def test_a_verdict_that_was_changed_is_not_the_accepted_one(
    made: Accepting, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()
    for path in made.verdicts.iterdir():
        (folder / path.name).write_text(path.read_text().replace("Entry 3", "Mine"))
    found = built(made, tmp_path / "out", verdicts=[folder])
    assert [path.name for path in found.unknown] == ["v3.json"]
    text = (tmp_path / "out/index.html").read_text()
    assert "Mine" not in text and "Entry 3" in text


def test_without_files_of_verdicts_the_leaderboard_is_enough(
    made: Accepting, tmp_path: Path
) -> None:
    found = built(made, tmp_path / "out", verdicts=[])
    assert found.problems == ()
    pages = sorted((tmp_path / "out/verdicts").glob("*.html"))
    assert len(pages) == len(MEANS)
    assert "file is not at hand" in pages[0].read_text()
    compared = sorted((tmp_path / "out/compare").glob("*.html"))
    assert len(compared) == 2 and "99 % interval" in compared[0].read_text()


def test_what_was_retracted_holds_no_record(made: Accepting, tmp_path: Path) -> None:
    best = made.events[-1]
    back = Accepting(tmp_path / "b", [*made.events])
    back.events.append(
        Retracted(
            before=NOTHING_BEFORE,
            at="2026-11-25T12:00:00+00:00",
            by="R. Referee",
            verdict_sha256=best.record.verdict_sha256,  # type: ignore[union-attr]
            why="it looked ahead",
        )
    )
    back.keep()
    built(back, tmp_path / "out", verdicts=[made.verdicts])
    entries = json.loads((tmp_path / "out/data/entries.json").read_text())
    assert [each["standing"] for each in entries][:2] == ["retracted", "accepted"]
    assert entries[0]["retracted"]["why"] == "it looked ahead"
    text = (tmp_path / "out/index.html").read_text()
    assert "1.200000 BPB by A. Author" in text


def test_tries_are_listed(made: Accepting, tmp_path: Path) -> None:
    also = Accepting(tmp_path / "t", [*made.events, tried(1), tried(2, account="@<b>")]).keep()
    built(also, tmp_path / "out", verdicts=[made.verdicts])
    text = (tmp_path / "out/tries.html").read_text()
    assert "Entry 2" in text and "@&lt;b&gt;" in text and "<b>" not in text


def test_a_run_directory_of_an_accepted_verdict_does(tmp_path: Path) -> None:
    run = verified(tmp_path / "runs/a", A)
    assert harness("judge", run, "--json", run / "verdict.json").code == 0
    from harness.judge.verdict_file import read_verdict

    accepted = Accepting(tmp_path / "x")
    accepted.accept(
        (run / "verdict.json").read_bytes(), read_verdict(run / "verdict.json").verdict, "v"
    )
    accepted.keep()
    found = built(accepted, tmp_path / "out", verdicts=[tmp_path / "runs"], pictures="all")
    assert found.unknown == () and found.problems == ()
    (page,) = (tmp_path / "out/verdicts").glob("*.html")
    assert "Drawn from a run directory" in page.read_text()


HOSTILE = (
    "</title><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u2066",
    "javascript:alert(1)//../../../etc",
    "W" * 200,
)


def test_names_of_strangers_are_text_everywhere(tmp_path: Path) -> None:
    means = [1.3 - 0.01 * place for place in range(len(HOSTILE))]
    made = accepted_verdicts(tmp_path / "h", means, names=HOSTILE, author="<b>&\u202e")
    built(made, tmp_path / "out", pictures="records")
    for page in (tmp_path / "out").rglob("*.html"):
        links = links_of(page)
        assert {"img", "iframe", "b"}.isdisjoint(links.tags)
        assert links.tags.count("script") <= 1
        text = page.read_text(encoding="utf-8")
        assert "\u202e" not in text and "\u2066" not in text and "49" not in links.ids
        assert not any("javascript:" in href for href in links.found)
    start = (tmp_path / "out/index.html").read_text()
    assert "&lt;script&gt;" in start and "{{ 7 * 7 }}" in start and "W" * 60 not in start


def test_an_empty_leaderboard_is_a_site_too(tmp_path: Path) -> None:
    empty = Accepting(tmp_path / "e").keep()
    found = built(empty, tmp_path / "out", verdicts=[])
    assert "No verdict has been accepted yet" in (tmp_path / "out/index.html").read_text()
    assert found.pages > 20


def test_only_a_site_is_replaced(made: Accepting, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        built(made, other)
    assert (other / "thesis.txt").read_text() == "mine"
    (tmp_path / "link").symlink_to(other)
    for out in (tmp_path / "link", other / "thesis.txt", tmp_path / "no" / "folder"):
        with pytest.raises(UsageError):
            built(made, out)
    built(made, tmp_path / "out")
    (tmp_path / "out/left.html").write_text("old")
    built(made, tmp_path / "out")
    assert not (tmp_path / "out/left.html").exists() and (tmp_path / "out" / MARK).exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "other", "out"]


def test_a_site_that_cannot_take_its_place_leaves_the_one_before(
    made: Accepting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real = tmp_path / "out", Path.rename
    built(made, out)
    (out / "kept.html").touch()

    def failing(path: Path, target: Path) -> Path:
        if ".new-" in path.name:
            raise OSError(5, "Input/output error")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(InfrastructureError, match="Input/output error"):
        built(made, out)
    assert (out / "kept.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_harness_left_is_put_back_or_removed(
    made: Accepting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, dead = tmp_path / "out", me().rpartition("-")[0] + "-1"
    built(made, out)
    out.rename(tmp_path / f".out.old-{dead}")
    (tmp_path / f".out.new-{dead}").mkdir()
    (tmp_path / f".out.new-{me()[:-1]}x").mkdir()  # of whom nobody knows whether he lives
    with pytest.raises(UsageError):
        built(made, out, verdicts=[tmp_path / "nowhere"])
    assert not out.exists(), "nothing is touched before the input is read"
    built(made, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".out.new-{me()[:-1]}x", "out"]
    out.rename(tmp_path / f".out.old-{dead}")
    monkeypatch.setattr("harness.report.site.build._Building.all", _no_disk)
    with pytest.raises(InfrastructureError):
        built(made, out)
    assert (out / MARK).exists(), "the site before is there again"


def _no_disk(_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"[[", b"\xff", b'{"folder": 1}'])
def test_audits_that_are_none_are_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.json"):
        read_audits(path)
    with pytest.raises(UsageError, match="missing"):
        read_audits(tmp_path / "missing")


def test_inputs_that_are_missing_are_refused(made: Accepting, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="missing"):
        gather(tmp_path / "missing")
    with pytest.raises(UsageError, match="nothing"):
        gather(made.board, [tmp_path / "nothing"])


def test_the_command_says_what_it_made(made: Accepting, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = harness(
        "site", out, "--leaderboard", made.board, "--verdicts", made.verdicts, "--pictures", "none"
    )
    assert done.code == 0 and "pages" in done.out and (out / "index.html").is_file()
    refused = harness("site", tmp_path, "--leaderboard", made.board)
    assert refused.code == 2 and "something else" in refused.err
