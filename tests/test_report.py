"""Records to pages: the matrix, the HTML page, the Markdown summary, the terminal, and runs that were cut short."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from refops.parity.record import Finding, Record, write_records
from refops.parity.running.families import Heat, families, heat
from refops.parity.running.matrix import grouped, in_order, totals, worst
from refops.parity.running.pictures import plot, warmth
from refops.parity.running.report import Run, html, markdown, read_run, write
from refops.parity.running.terminal import Progress, conclude
from refops.parity.running.verdict import verdicts

SCRIPT = "import torch\nprint(1 < 2)"
RECORDS = (
    Record("Linear", "value", "float32", "cpu", cases=12, evidence=11, ulp_max=1.5, ratio_max=1.2, worst_case="b(2)"),
    Record("Linear", "value", "float64", "cpu", cases=12, evidence=12, ulp_max=0.5, ratio_max=0.9),
    Record("Linear", "gradient", "float16", "cpu", outcome="skipped", reason="native has no float16 here"),
    Record(
        "LayerNorm", "value", "float32", "cpu", subject="mine:<Norm>", outcome="failed", cases=3, evidence=3,
        ulp_max=900.0, ratio_max=float("inf"), worst_case="built(10).on(real(4, 10))",
        findings=[
            Finding("built(10, eps=0.1).on(real(4, 10))", "the larger case"),
            Finding("built(2).on(real(1, 2))", "eps | is outside", index="[0]", expected="1", got="<2>", script=SCRIPT),
        ],
    ),
    Record("optim.LAMB", "zebra", "float32", "cpu", outcome="error", reason="the process died with signal 11"),
)  # fmt: skip
ABOUT = {"torch": "2.13.0", "device": "cpu", "date": "2026-01-02"}
RUN = Run(RECORDS, ABOUT)


class Balanced(HTMLParser):
    """Collects tags that are not closed, and addresses of other files."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br", "link", "img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_checks_stand_in_the_kits_order_and_unknown_ones_last() -> None:
    assert in_order(["zebra", "gradient", "ant", "value"]) == ["value", "gradient", "ant", "zebra"]


def test_records_are_grouped_by_subject_and_a_dead_one_goes_to_its_owner() -> None:
    died = Record("LayerNorm", "compile", "float32", "cpu", outcome="error", reason="its process died")
    groups = grouped([*RECORDS, died])
    assert list(groups) == ["Linear", "mine:<Norm> as LayerNorm", "optim.LAMB"]
    assert died in groups["mine:<Norm> as LayerNorm"]
    other = Record("LayerNorm", "value", "float32", "cpu", subject="yours:Norm")
    assert list(grouped([RECORDS[3], other, died])) == [
        "LayerNorm",
        "mine:<Norm> as LayerNorm",
        "yours:Norm as LayerNorm",
    ]


def test_families_hold_the_verdicts_and_what_each_says_of_a_check() -> None:
    made = families(verdicts([*RECORDS, Record("Unheard", "value", "float32", "cpu")]))
    assert [(f.name, f.grade, f.checks) for f in made] == [
        ("linear", "right", 2), ("normalization", "wrong", 1), ("optim", "wrong", 1), ("other", "right", 1),
    ]  # fmt: skip
    linear = made[0]
    assert linear.columns == ["value", "gradient"]
    cell = linear.cell(linear.verdicts[0], "value")
    assert cell is not None
    assert (cell.grade, cell.cases, cell.counted) == ("right", 24, "24")
    assert linear.cell(linear.verdicts[0], "zebra") is None


def test_totals() -> None:
    assert str(totals(RECORDS)) == "5 checks of 3 specs on 27 cases: 1 failed, 1 error, 2 passed, 1 skipped"
    differing = Record("Linear", "dtype", "float32", "cpu", outcome="differs")
    assert str(totals([differing])) == "1 check of 1 spec on 0 cases: 1 differs, 0 passed"
    assert str(totals([differing] * 2)) == "2 checks of 1 spec on 0 cases: 2 differ, 0 passed"


def test_the_heat_map_keeps_the_largest_errors_of_each_dtype() -> None:
    dtypes, rows = heat(verdicts(RECORDS))
    assert dtypes == ["float64", "float32"]
    assert list(rows) == ["Linear", "mine:<Norm> as LayerNorm"]
    assert rows["Linear"]["float32"] == Heat(1.2, 1.5, "b(2)")
    assert rows["mine:<Norm> as LayerNorm"]["float32"] == Heat(float("inf"), 900.0, "built(10).on(real(4, 10))", True)
    unknown = Record("GELU", "value", "float64", "cpu", ulp_max=3.0, ratio_max=0.0)
    assert heat(verdicts([unknown]))[1]["GELU"]["float64"].ratio is None
    assert [r.ratio_max for r in worst(RECORDS)] == [float("inf"), 1.2, 0.9]


@pytest.mark.parametrize(("value", "where"), [(0.1, 0.0), (1.0, 0.0), (10.0, 0.5), (1e9, 1.0), (float("nan"), 1.0)])
def test_warmth_is_logarithmic_and_bounded(value: float, where: float) -> None:
    assert warmth(value, 1.0, 100.0) == pytest.approx(where)


SERIES = {"first": [3.0], "expected": [1.0, 2.0, 0.0], "got": [1.0, 2.5, float("nan")], "budget": [0.1, 0.1, 0.0]}


def test_a_plot_marks_what_is_over_budget() -> None:
    drawn = ElementTree.fromstring(plot(SERIES))
    assert [len(drawn.findall(f".//circle[@class='{c}']")) for c in ("expected", "got", "within", "over")] == [
        3,
        2,
        1,
        1,
    ]
    assert len(drawn.findall(".//path[@class='over cross']")) == 1  # a number was asked for and there is none
    assert "nan" not in plot(SERIES).replace("<title>nan</title>", "")
    assert [t.text for t in drawn.findall("text")][-4:] == ["3", "4", "5", "element"]
    assert "5 budgets" in plot(SERIES)


@pytest.mark.parametrize("series", [{}, {"expected": [1.0]}, {"expected": [1.0], "got": [1.0], "budget": []}])
def test_nothing_is_drawn_of_nothing(series: dict[str, list[float]]) -> None:
    assert plot(series) == ""


def test_an_error_is_drawn_however_many_budgets_it_has() -> None:
    for error in (0.0, 1e-30, 1e300, float("inf")):
        drawn = plot({"expected": [1.0], "got": [1.0 + error], "budget": [1e-12]})
        assert ElementTree.fromstring(drawn).get("class") == "plot"
        assert "inf" not in drawn.replace("<title>inf</title>", "")


def test_the_page_is_whole_and_needs_no_other_file() -> None:
    text = html(RUN)
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert parser.links == []
    for part in (
        "2.13.0",
        "mine:&lt;Norm&gt;",
        "signal 11",
        "print(1 &lt; 2)",
        "native has no float16 here",
        "2026-01-02",
    ):
        assert part in text
    assert "<Norm>" not in text


def test_the_page_can_be_filtered_by_family_name_grade_and_kind() -> None:
    text = html(RUN)
    assert 'data-tags="wrong" data-text="normalization mine:&lt;norm&gt; as layernorm wrong: value' in text
    assert 'data-grade="wrong" aria-pressed="false">✗ wrong 2</button>' in text
    assert 'addEventListener("input"' in text
    assert text.count('<details class="family') == 3


def test_the_page_of_one_subject_begins_with_its_verdict_and_has_its_plot() -> None:
    finding = Finding("built(2).on(real(3, 2))", "over budget", expected="1", kind="value", series=SERIES)
    differs = Finding("built(2).on(real(3, 2))", "is accepted", grade="differs", kind="accepts-int64")
    record = Record("LayerNorm", "value", "float32", "cpu", "mine:Norm", "failed", cases=4, findings=[finding, differs])
    text = html(Run((record,), accepted={"accepts-int64": "cast on purpose"}))
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "✗ wrong: value · 0 checks passed" in text
    assert "accepted: accepts-int64 — cast on purpose" in text
    assert '<svg class="plot"' in text
    assert "<nav" not in text


def test_the_page_of_an_empty_and_of_a_clean_run() -> None:
    assert "Nothing failed" in html(Run((RECORDS[0], Record("GELU", "value", "float32", "cpu"))))
    assert "✓ right: 2 checks passed" in html(Run(RECORDS[:2]))
    assert "0 checks" in html(Run(()))


def test_markdown_names_what_failed_with_its_script() -> None:
    text = markdown(RUN)
    assert "5 checks of 3 specs" in text
    assert "| value | 2 | 0 | **1** | 0 | 27 |" in text
    assert "- **mine:&lt;Norm&gt; as LayerNorm**: wrong: value · 0 checks passed" in text
    assert "```python\n" + SCRIPT in text
    assert "mine:<Norm>" not in text.replace("```", "")
    assert text.endswith("\n")
    assert "### Failing" not in markdown(Run(RECORDS[:2]))


def test_markdown_tells_differences_and_what_was_accepted() -> None:
    differs = [Finding("c", "is accepted", grade="differs", kind=kind) for kind in ("accepts-int64", "strides")]
    record = Record("GELU", "dtype", "float32", "cpu", "mine:Gelu", "differs", cases=3, findings=differs)
    text = markdown(Run((record,), accepted={"strides": "padded"}))
    assert text.startswith("## ✅")
    assert "**mine:Gelu as GELU**: right · 1 difference · 0 checks passed" in text
    assert "differs: accepts-int64: is accepted (1 case, float32)" in text
    assert "accepted: strides — padded" in text
    assert "### Failing" not in text
    assert markdown(Run((record,), strict=True)).startswith("## ❌")


def test_markdown_of_many_failures_stays_short() -> None:
    bad = [
        Record(f"S{i}", "value", "float32", "cpu", outcome="failed", findings=[Finding("c", "m")]) for i in range(500)
    ]
    text = markdown(Run(tuple(bad)))
    assert "and 480 more" in text
    assert "and 470 more" in text
    assert len(text) < 12_000


def test_a_finished_run_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    write_records(file, RECORDS, **ABOUT, workers=2)
    run = read_run(file)
    assert run.records == RECORDS
    assert run.about == {**ABOUT, "workers": "2"}
    write_records(file, RECORDS, **ABOUT, accepted={"wrong:value": "known"}, strict=True)
    assert read_run(file) == Run(RECORDS, ABOUT, {"wrong:value": "known"}, True)
    write(run, html_file=tmp_path / "a.html", markdown_file=tmp_path / "a.md")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (tmp_path / "a.md").read_text(encoding="utf-8").startswith("## ")


@pytest.mark.parametrize("header", ["", '{"torch": "2.13.0"}\n'])
@pytest.mark.parametrize("torn", ["", '{"spec": "Conv2d", "che'])
@pytest.mark.parametrize("count", [1, 4])
def test_an_interrupted_run_is_read_as_far_as_it_got(tmp_path: Path, header: str, torn: str, count: int) -> None:
    file = tmp_path / "run.json"
    file.write_text(header + "".join(r.to_json() + "\n" for r in RECORDS[:count]) + torn, encoding="utf-8")
    run = read_run(file)
    assert run.records == RECORDS[:count]
    assert ("torch" in run.about) is bool(header)
    assert html(run)


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", "null", "[1, 2]", "nonsense", '{"records": 3}', '{"spec": "Con'])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="records of a refops run"):
        read_run(file)


def shown(records: Sequence[Record], encoding: str = "utf-8", **options: Any) -> tuple[int, list[str]]:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    code = conclude(records, seconds=12.3, file=out, **options)
    out.flush()
    return code, [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]


def test_many_subjects_are_told_by_family_with_details_of_what_failed() -> None:
    code, lines = shown(RECORDS)
    assert code == 1
    text = "\n".join(lines)
    assert "WRONG value: eps | is outside (2 cases, float32)" in text
    assert "print(1 < 2)" in text
    assert "WRONG died: the process died with signal 11" in text
    assert "the larger case" not in text
    assert lines[0].split() == ["linear", "1", "spec", "2", "checks", "✓"]
    assert [line.split()[0] for line in lines[:5]] == ["linear", "normalization", "mine:<Norm>", "optim", "optim.LAMB"]
    assert lines[-1] == f"{totals(RECORDS)} in 12 s"


def test_one_subject_is_told_by_check_and_concluded_by_its_sentence() -> None:
    records = [
        RECORDS[3],
        Record("LayerNorm", "value", "float64", "cpu", "mine:<Norm>", cases=4),
        Record(
            "LayerNorm", "gradient", "float16", "cpu", "mine:<Norm>", "skipped", reason="native has no float16 here"
        ),
    ]
    code, lines = shown(records, left="not asked: jacobian; run with --level full")
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert code == 1
    assert lines[0] == "mine:<Norm> as LayerNorm"
    assert rows["check"] == ["check", "verdict", "cases", "float32", "float64", "float16"]
    assert rows["value"] == ["value", "✗", "wrong", "2", "of", "7", "✗", "✓"]
    assert "gradient skipped: native has no float16 here" in lines
    assert lines[-3:] == [
        "not asked: jacobian; run with --level full",
        "3 checks of 1 spec on 7 cases: 1 failed, 1 passed, 1 skipped in 12 s",
        "wrong: value · 1 check passed",
    ]


def test_a_terminal_without_unicode_gets_letters() -> None:
    _, lines = shown(RECORDS[:2], encoding="ascii")
    assert lines[3].split() == ["value", ".", "right", "24", ".", "."]


def test_differences_are_a_line_each_and_fail_only_when_strict() -> None:
    found = [Finding("c", "int64 is accepted", grade="differs", kind="accepts-int64", script=SCRIPT)]
    record = Record("GELU", "dtype", "float32", "cpu", "mine:Gelu", "differs", cases=3, findings=found)
    code, lines = shown([record])
    assert code == 0
    assert "differs: accepts-int64: int64 is accepted (1 case, float32)" in lines
    assert lines[-1] == "right · 1 difference · 0 checks passed"
    code, lines = shown([record], strict=True)
    assert code == 1
    assert "DIFFERS accepts-int64: int64 is accepted (1 case, float32)" in lines
    assert "    print(1 < 2)" in lines
    code, lines = shown([record], strict=True, accepted={"accepts-int64": "cast on purpose"})
    assert code == 0
    assert "accepted: accepts-int64 — cast on purpose" in lines


def test_the_terminal_shows_a_few_kinds_and_fewer_scripts() -> None:
    found = [Finding(f"c{i}", f"m{i}", kind=f"k{i:02}", script=f"script {i}") for i in range(12)]
    record = Record("GELU", "value", "float32", "cpu", "mine:Gelu", "failed", cases=12, findings=found)
    record.cause = "erf for tanh"
    _, lines = shown([record])
    assert sum(line.startswith("WRONG") for line in lines) == 10
    assert "... and 2 more kinds of finding for which it fails" in lines
    assert [line.strip() for line in lines if "script" in line] == ["script 0"]  # one cause, one script
    assert lines.count("  behaves like: erf for tanh") == 10
    assert lines[-1] == "wrong: erf for tanh · 0 checks passed"


def test_the_terminals_tables_fit_into_80_columns() -> None:
    dtypes = ("float64", "float32", "bfloat16", "float16")
    records = [Record("functional.cross_entropy", "double_backward", d, "cpu", cases=99_999) for d in dtypes]
    one, many = shown(records)[1], shown([*records, Record("GELU", "value", "float32", "cpu")])[1]
    assert max(map(len, one + many)) <= 80


def test_progress_counts() -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.start(len(RECORDS))
    for record in RECORDS:
        progress.update(record)
    progress.finish()
    assert progress.counts == "2 passed  2 wrong  1 skipped"
    assert out.getvalue().splitlines()[-1] == "5/5 checks  2 passed  2 wrong  1 skipped"
    Progress(out).finish()
    empty = Progress(out)
    empty.start(0)
    empty.finish()
