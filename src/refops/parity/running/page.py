"""A run as one HTML page that needs no other file: verdicts by family, a filter, plots of what failed, a heat map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from refops.parity.record import Record
from refops.parity.running.families import Family, families, heat
from refops.parity.running.matrix import count, number, totals
from refops.parity.running.pictures import plot, warmth
from refops.parity.running.rows import SIGNS, gravest
from refops.parity.running.verdict import Verdict, verdicts

RATIOS, ULPS = (1.0, 1e4), (1.0, 1e6)  # where the heat map's colours begin and end


def page(
    records: Sequence[Record], about: Mapping[str, str], accepted: Mapping[str, str] | None = None, strict: bool = False
) -> str:
    """The page of a run.

    Args:
        records: all of the run.
        about: facts about it: versions, device, date.
        accepted: kinds to reasons, see `verdict`.
        strict: whether differences fail a foreign subject too.
    """
    found = verdicts(records, accepted, strict)
    dtypes, measured = heat(found)
    by_family = families(found)
    met = Counter(tag for v in found for tag in v.tags)
    single = found[0] if len(found) == 1 else None
    text: str = _environment().get_template("report.html.j2").render(
        about={key: value for key, value in about.items() if value != "false"},
        by_name={v.name: (v, _searched(family, v)) for family in by_family for v in family.verdicts},
        dtypes=dtypes,
        failing=[v.name for v in found if not v.passed and v.checks],
        families=by_family,
        heat=measured,
        overall=gravest(v.grade for v in found),
        ratios=RATIOS,
        single=single,
        skipped=[r for r in records if r.outcome == "skipped"],
        tally=[(grade, met[grade]) for grade in SIGNS if met[grade]],
        title=single.name if single else str(totals(records)),
        totals=totals(records),
        ulps=ULPS,
        verdicts=found,
    )  # fmt: skip
    return text


def _environment() -> Any:
    import jinja2
    from markupsafe import Markup

    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    made = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters["slug"] = _slug
    made.globals |= {
        "count": count,
        "grades": [_slug(grade) for grade in SIGNS],
        "number": number,
        "plot": lambda series: Markup(plot(series)),
        "signs": SIGNS,
        "warmth": warmth,
    }
    return made


def _slug(grade: str | None) -> str:
    return (grade or "").replace(" ", "-")


def _searched(family: Family, verdict: Verdict) -> str:
    """The words under which the filter finds a verdict."""
    kinds = (*verdict.wrong, *verdict.differs, *verdict.less_accurate, *verdict.accepted)
    words = [family.name, verdict.name, verdict.sentence, *(f"{k.name} {k.cause} {' '.join(k.checks)}" for k in kinds)]
    return " ".join(words).lower()
