"""Records to one verdict: kinds, the most telling example, what is accepted, who was judged too little, exit codes."""

from __future__ import annotations

import pytest

from refops.parity.record import Finding, Record
from refops.parity.running.kinds import Kind, kinds, rank
from refops.parity.running.rows import grade_of
from refops.parity.running.verdict import Verdict, exit_code, verdict, verdicts

MINE = "mine:FastNorm"


def record(check: str = "value", dtype: str = "float32", *findings: Finding, **fields: object) -> Record:
    grades = {f.grade for f in findings}
    outcome = "failed" if "wrong" in grades else "differs" if "differs" in grades else "passed"
    made = Record("LayerNorm", check, dtype, "cpu", MINE, outcome, cases=10, findings=list(findings))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def wrong(kind: str = "value", case: str = "built(2).on(real(4, 2))", **fields: object) -> Finding:
    return Finding(case, "output is over budget", kind=kind, **fields)  # type: ignore[arg-type]


def differs(kind: str = "accepts-int64", case: str = "built(2).on(real(4, 2))") -> Finding:
    return Finding(case, "int64 input is accepted, native refuses it", grade="differs", kind=kind)


def test_right_is_one_word_and_a_count() -> None:
    said = verdict([record(), record("shape")])
    assert (said.sentence, said.grade, said.passed, said.exit_code) == ("right: 2 checks passed", "right", True, 0)
    assert (said.name, said.spec) == ("mine:FastNorm as LayerNorm", "LayerNorm")


def test_a_cause_is_the_headline_and_differences_are_counted() -> None:
    records = [
        record("value", "float32", wrong(), cause="eps outside the root"),
        record("gradient", "float32", wrong("gradient"), cause="eps outside the root"),
        record("dtype", "float32", differs(), differs("promotes")),
        record("shape"),
    ]
    said = verdict(records)
    assert said.sentence == "wrong: eps outside the root · 2 differences · 1 check passed"
    assert (said.passed, said.exit_code) == (False, 1)
    assert [kind.name for kind in said.wrong] == ["value"]
    assert [kind.name for kind in said.follows] == ["gradient"], "wrong values have wrong gradients"
    assert said.tags == ("wrong", "differs")


def test_a_kind_is_one_line_however_many_cases_and_dtypes() -> None:
    dtypes = ("float64", "float32", "bfloat16", "float16")
    found = [
        record("dtype", d, *[differs(case=f"built(2).on(real({i}, 2)).but(dtype={d!r})") for i in (2, 3)])
        for d in dtypes
    ]
    (kind,) = verdict(found).differs
    assert str(kind) == "accepts-int64: int64 input is accepted, native refuses it (8 cases, 4 dtypes)"
    assert str(kinds(found[:1])[0]).endswith("(2 cases, float64)")
    assert verdict(found).sentence == "right · 1 difference · 0 checks passed"


def test_only_strict_and_references_fail_on_differences() -> None:
    mine = record("dtype", "float32", differs())
    assert verdict([mine]).exit_code == 0
    assert verdict([mine], strict=True).exit_code == 1
    assert verdict([mine], strict=True).sentence == "differs: accepts-int64 · 0 checks passed"
    reference = Record("LayerNorm", "dtype", "float32", "cpu", "refops LayerNorm", "differs", 3, findings=[differs()])
    assert [v.exit_code for v in verdicts([reference, mine])] == [1, 0]
    assert exit_code(verdicts([reference, mine])) == 1


def test_wrong_kinds_come_first_and_as_the_checks_stand() -> None:
    found = kinds(
        [
            record(
                "dtype", "float32", differs(), Finding("", "1.4 x native's error", grade="less accurate", kind="less")
            ),
            record("gradient", "float32", *[wrong("gradient", f"built({i}).on(real({i}))") for i in (2, 3)]),
            record("value", "float32", wrong()),
        ]
    )
    assert [(k.grade, k.name) for k in found] == [
        ("wrong", "value"), ("wrong", "gradient"), ("differs", "accepts-int64"), ("less accurate", "less"),
    ]  # fmt: skip


def test_the_example_is_the_smallest_case_whose_truth_means_something() -> None:
    zero = wrong(case="built(1).on(real(1, 1))", expected="0", script="a")
    infinite = wrong(case="built(2).on(real(2))", expected="-inf", script="b")
    row_of_one = wrong(case="built(1).on(real(3, 1))", expected="0.5", script="c")
    large = wrong(case="built(8).on(real(8, 8))", expected="1.5")
    small = wrong(case="built(3).on(real(2, 3))", expected="1.5")
    silent = wrong(case="built(2).on(real(1, 2))")
    ordered = sorted([zero, infinite, row_of_one, large, small, silent], key=rank)
    assert ordered == [small, large, row_of_one, silent, infinite, zero]
    (kind,) = verdict([record("value", "float32", zero, large, small)]).wrong
    assert kind.example == small
    assert (kind.script, kind.scripted) == ("a", "built(1).on(real(1, 1))")  # the only script there is
    (kind,) = verdict([record("value", "float32", zero)]).wrong
    assert (kind.example, kind.scripted) == (zero, "")  # better than none
    (kind,) = verdict([record("value", "float32", small, wrong(case=large.case, expected="1.5", script="d"))]).wrong
    assert kind.script == "d"


@pytest.mark.parametrize("case", ["", "not a case", "streams(3, kind='sparse')"])
def test_a_case_that_cannot_be_read_is_still_an_example(case: str) -> None:
    (kind,) = verdict([record("value", "float32", wrong(case=case))]).wrong
    assert kind.example is not None


def test_an_accepted_difference_is_listed_and_does_not_count() -> None:
    said = verdict([record("dtype", "float32", differs())], {"accepts-int64": "cast on purpose"}, strict=True)
    assert said.sentence == "right: 1 check passed"
    assert said.notes == [("accepted", "accepted: accepts-int64 — cast on purpose")]
    assert said.exit_code == 0
    assert [row.grade for row in said.rows] == ["accepted"]


def test_an_accepted_kind_that_no_longer_occurs_is_told() -> None:
    said = verdict([record()], {"accepts-int64": "cast on purpose"})
    assert said.unmet == ("accepts-int64",)
    assert said.notes == [("accepted", "accepted, but no longer met: accepts-int64")]
    assert said.passed


@pytest.mark.parametrize("name", ["value", "wrong:value"])
def test_an_accepted_wrong_is_told_aloud(name: str) -> None:
    said = verdict([record("value", "float32", wrong()), record("shape")], {name: "paper differs"})
    assert said.exit_code == 0
    assert said.grade == "accepted"
    assert said.sentence == "accepted, wrong: value · 2 checks passed"
    assert said.notes == [("wrong", "ACCEPTED, WRONG: value: output is over budget (1 case, float32) — paper differs")]


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_wrong_is_accepted_without_a_reason(reason: str) -> None:
    said = verdict([record("value", "float32", wrong())], {"wrong:value": reason})
    assert said.exit_code == 1
    assert "not accepted, no reason was given" in said.wrong[0].message
    assert said.unmet == ()
    difference = verdict([record("dtype", "float32", differs())], {"accepts-int64": reason}, strict=True)
    assert difference.exit_code == 0
    assert difference.notes[0][1].endswith("no reason was given")


def test_accepting_one_kind_accepts_no_other() -> None:
    said = verdict([record("value", "float32", wrong(), wrong("shared"))], {"wrong:value": "paper differs"})
    assert [kind.name for kind in said.wrong] == ["shared"]
    assert said.exit_code == 1
    assert verdict([record("value", "float32", wrong())], {"differs:value": "no"}).exit_code == 1


def test_cases_left_out_are_one_line_each_and_differences() -> None:
    said = verdict(
        [
            record("value", "float32", left_out={"not offered: weight": 3, "not offered: bias": 1}),
            record("gradient", "float32", left_out={"not offered: weight": 2}),
        ]
    )
    assert [str(kind) for kind in said.differs] == [
        "not offered: weight (5 cases left out)",
        "not offered: bias (1 case left out)",
    ]
    assert said.sentence == "right · 2 differences · 2 checks passed"
    accepted = verdict(said.records, {"not-offered-weight": "no affine", "not offered: bias": "no affine"})
    assert accepted.sentence == "right: 2 checks passed"


def test_an_argument_that_is_not_offered_is_told_once_with_what_it_costs() -> None:
    lacked = differs("not-offered-weight", "built(2).on(real(2))")
    said = verdict(
        [record("signature", "float32", lacked), record("value", "float32", left_out={"not offered: weight": 3})]
    )
    assert [str(kind) for kind in said.differs] == ["not offered: weight (3 cases left out)"]


def refusing(count: int, kind: str = "refuses-float16") -> list[Finding]:
    return [differs(kind, f"built(2).on(real({i}, 2))") for i in range(1, count + 1)]


@pytest.mark.parametrize(("refused", "code"), [(5, 0), (6, 1)])
def test_who_refused_more_than_half_was_not_judged(refused: int, code: int) -> None:
    said = verdict([record("value", "float32", *refusing(refused))])
    assert said.exit_code == code
    assert said.passed is (code == 0)
    assert ("too little was judged: 4 of 10 cases answered" in said.sentence) is (code == 1)


def test_cases_left_out_were_not_asked_and_are_told_where_they_are_most() -> None:
    said = verdict([record("value", "float32", left_out={"not offered: weight": 11})])
    assert said.sentence == "right · 1 difference · 11 of 21 cases left out · 1 check passed"
    assert (said.asked, said.answered, said.exit_code) == (10, 10, 0)
    accepted = verdict(said.records, {"not offered: weight": "no affine"})
    assert accepted.sentence == "right: 1 check passed"


def test_what_is_accepted_as_refused_was_not_asked() -> None:
    accepted = {"refuses-float16": "made for float32"}
    half = verdict([record("value", "float16", *refusing(10)), record()], accepted)
    assert (half.asked, half.answered, half.exit_code) == (10, 10, 0)
    none = verdict([record("value", "float16", *refusing(10))], accepted)
    assert none.too_little
    assert none.exit_code == 1
    declared = verdict([record("value", "float16", left_out={"declared as unsupported": 90})])
    assert (declared.asked, declared.exit_code, declared.differs) == (10, 0, ())


def test_wrong_and_judged_too_little_says_both() -> None:
    said = verdict([record("value", "float32", wrong(), *refusing(8))])
    assert said.sentence.startswith("wrong: value · too little was judged: 2 of 10 cases answered · 1 difference")


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("1.4 x native's error: rounds twice", ""),
        ("1.4 x native's error in bfloat16: rounds twice", ""),
        ("1.4 x native's error", "rounds twice"),
    ],
)
def test_less_accurate_names_dtype_and_cause_and_passes(message: str, cause: str) -> None:
    found = Finding("", message, grade="less accurate", kind="less-accurate-bfloat16")
    said = verdict([record("value", "bfloat16", found, cause=cause), record()], strict=True)
    assert said.sentence == "less accurate: 1.4 x native's error in bfloat16: rounds twice · 2 checks passed"
    assert (said.exit_code, said.notes) == (0, [])


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("hung: took longer than 60 s", "hung"),
        ("its process died: killed by a signal", "died"),
    ],
)
def test_who_hangs_or_dies_is_wrong(reason: str, kind: str) -> None:
    said = verdict([record(outcome="error", reason=reason)])
    assert said.sentence == f"wrong: {kind} · 0 checks passed"
    assert str(said.wrong[0]) == f"{kind}: {reason} (float32)"


def test_a_vacuous_check_fails() -> None:
    said = verdict([record(outcome="failed", reason="vacuous: a trivial answer would have passed every case")])
    assert said.sentence == "wrong: vacuous · 0 checks passed"


@pytest.mark.parametrize(
    "silent",
    [
        record(outcome="error", reason="NameError in a fixture"),
        record("value", "float32", Finding("c", "NameError in a fixture", kind="unjudged"), outcome="failed"),
    ],
)
def test_what_could_not_be_judged_accuses_nobody_and_passes_nobody(silent: Record) -> None:
    said = verdict([silent, record("shape")])
    assert said.wrong == ()
    assert said.exit_code == 1
    assert said.sentence == "not judged: LayerNorm-value-float32-cpu: NameError in a fixture · 1 check passed"
    assert grade_of(silent) == "not judged"


def test_nothing_ran() -> None:
    skipped = record(outcome="skipped", reason="native has no float16 here")
    assert verdict([]).exit_code == 5
    assert verdict([skipped]).exit_code == 5
    assert verdict([skipped]).sentence == "nothing ran: native has no float16 here"
    assert exit_code([verdict([skipped]), verdict([record()])]) == 0
    assert exit_code([]) == 5


def test_records_without_kinds_are_named_by_check_or_by_what_was_raised() -> None:
    said = verdict([record("gradient", "float32", wrong(""), Finding("c", "raised TypeError: no", grade="differs"))])
    assert [kind.name for kind in said.wrong] == ["gradient"]
    assert [kind.name for kind in said.differs] == ["raises"]


def test_a_row_shows_the_worst_that_is_not_accepted_for_each_dtype() -> None:
    records = [
        record("value", "float32", wrong(), differs()),
        record("value", "float16", differs()),
        record("value", "float64"),
        record("shape"),
    ]
    value, shape = verdict(records).rows
    assert value.dtypes == {"float32": "wrong", "float16": "differs", "float64": "right"}
    assert (value.grade, value.counted, shape.counted) == ("wrong", "2 of 30", "10")
    (value, _) = verdict(records, {"wrong:value": "known"}).rows
    assert value.dtypes["float32"] == "differs"
    assert (verdict(records).dtypes, verdict(records).passing) == (("float32", "float16", "float64"), 2)


def test_a_verdict_and_a_kind_can_be_made_by_hand() -> None:
    assert Verdict("a", "b").exit_code == 5
    assert str(Kind("differs", "strides", "are others", 0)) == "strides: are others"
