"""The jury: it judges one mutant after the other, each in a process of its own.

One process imports everything and forks a child per mutant. The child transplants the change and runs the items of the
specs that come to it, likeliest first, up to the first finding. Whether the reference as it is passes what noticed is
asked then, so that nothing counts as killed by what fails anyway. Tests are the second line, for what no spec can see.
"""

from __future__ import annotations

import ast
import gc
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

import refops
from refops.parity.judging import trial as trials
from refops.parity.judging.chance import run_seed
from refops.parity.judging.item import Item
from refops.parity.proving.first_finding import finding_of
from refops.parity.proving.forking import SECONDS, Answer, BrokenError, Tell, forked
from refops.parity.proving.installing import put
from refops.parity.proving.mutants import PACKAGES, Mutant, mutated
from refops.parity.proving.rates import LIKELY
from refops.parity.proving.reach import Place, nearest
from refops.parity.proving.second_line import SecondLine
from refops.parity.running.conformance import Conformance, reference
from refops.parity.running.sharing import LATER
from refops.parity.specs import all_specs
from refops.parity.subject import Operator

ROOT = Path(refops.__file__).parent
LIKELY_OF, ALL_OF = 4, 2  # nearest specs asked what is likely to notice a mutant; nearest not asked briefly, asked all
FORMULAS, FARTHER = 8, 100  # specs asked about a mutant of a formula; items of specs farther away than these
WARM = ("LayerNorm", "functional.relu", "ReLU", "optim.SGD")
FIRST: tuple[str, ...] = (
    *LIKELY, "init", "exceptions", "laws", "primitives", "double_backward", "layout", "inputs", "seeded", "views",
    "meta", "forward_mode", "state", "keys", "signature",
)  # fmt: skip

Pair = tuple[Item, Operator]


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: killed by an item or by a test, or by nobody; and what was said, of which case."""

    mutant: Mutant
    by: str = ""
    case: str = ""
    said: str = ""

    @property
    def killed(self) -> bool:
        """Whether anything noticed."""
        return bool(self.by)


class Jury:
    """The specs' items, the tests in a folder, and who can notice what.

    Args:
        folder: the one that holds `tests/`.
        seconds: of computing that one item or test may take.
    """

    def __init__(self, folder: Path, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        one_thread()
        run_seed()  # drawn here, so that every child asks the same cases
        specs = all_specs()
        files = (p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))
        self.sources = {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in files}
        self.nearest: dict[Place, list[str]] = {p: [s.name for s in found] for p, found in nearest(specs).items()}
        self.items: dict[str, list[Pair]] = defaultdict(list)
        pairs = tuple((s, reference(s)) for s in specs)
        first = {s.family: (s, subject) for s, subject in reversed(pairs)}  # what waits is asked of one of a family
        later = Conformance(tuple(first.values()), checks=LATER).items()
        for item, subject in (*Conformance(pairs).items(), *later):
            self.items[item.spec.name].append((item, subject))
        self.tests = SecondLine(folder, seconds)
        self.sound: dict[tuple[str, str, str], bool] = {}  # by module, item and case: what it says without a change
        self.left_out: set[str] = set()
        self.settled: set[str] = set()
        self._warm()

    def _warm(self) -> None:
        """Have prepared what torch and hypothesis prepare at their first use: once here, and not in every child."""
        for name in WARM:
            for item, subject in self.items[name]:
                if item.dtype == "float32" and item.check.name in (*LIKELY, "compile", "meta", "forward_mode"):
                    finding_of(item, subject)
        gc.collect()
        gc.freeze()  # a collection in a child would copy all memory

    @property
    def failing(self) -> list[str]:
        """The items and tests that failed without any change, and so judged nobody."""
        return sorted(self.left_out | self.tests.failing)

    # -- who is asked --------------------------------------------------------------------------------------------

    def specs(self, mutant: Mutant) -> list[str]:
        """The specs that can notice a mutant, nearest first."""
        scope, found = mutant.scope, list[str]()
        while scope and not found:
            found = self.nearest.get((module_of(mutant), scope), [])
            scope = scope.rpartition(".")[0]
        if not found:  # a number of a module: whoever comes to any of its functions
            mine = (names for (module, _), names in self.nearest.items() if module == module_of(mutant))
            found = list(dict.fromkeys(n for names in mine for n in names))
        return found

    def asked(self, mutant: Mutant) -> list[Pair]:
        """The items that judge a mutant.

        First the likely ones of the nearest specs, likeliest first, and of the nearest that are not asked briefly, then
        all others of these. Of the specs farther away follow the checks that nobody in their family has been asked yet.
        """
        names = self.specs(mutant)
        whole = [name for name in names if not all(i.brief for i, _ in self.items[name] if i.check.name not in LATER)]
        whole = whole[:ALL_OF]
        if mutant.path.startswith("shapes/"):  # a formula is read by this check alone
            formulas = dict.fromkeys([*whole, *names[:FORMULAS]])
            return [p for name in formulas for p in self.items[name] if p[0].check.name == "shape"]
        near = dict.fromkeys([*names[:LIKELY_OF], *whole])
        found = [pair for name in near for pair in self._ordered(name, likely=True)]
        found += [pair for name in whole for pair in self._ordered(name, likely=False)]
        first: dict[tuple[str, str], Pair] = {}
        for pair in (*found, *(p for name in names for p in self.items[name] if p[0].dtype == "float32")):
            first.setdefault((pair[0].spec.family, pair[0].check.name), pair)
        said = {item.id for item, _ in found}
        return found + [pair for pair in first.values() if pair[0].id not in said][:FARTHER]

    def _ordered(self, name: str, likely: bool) -> list[Pair]:
        """A spec's likely items, likeliest first, or the others."""

        def rank(pair: Pair) -> tuple[bool, int]:
            return pair[0].dtype != "float32", FIRST.index(pair[0].check.name) if likely else 0

        return sorted((p for p in self.items[name] if _is_likely(p[0]) == likely), key=rank)

    # -- judging -------------------------------------------------------------------------------------------------

    def judge(self, mutant: Mutant) -> Outcome:
        """Have the specs judge a mutant, and if they notice nothing, the tests.

        Raises:
            BrokenError: if it cannot be judged, which says nothing of the mutant.
        """
        self._settle(mutant)
        outcome = self.by_items(mutant, self.asked(mutant))
        return outcome if outcome.killed else self.by_tests(mutant)

    def _settle(self, mutant: Mutant) -> None:
        """Put the module's code in its own place: what noticed a mutant is then asked of a transplant without a change.

        Raises:
            BrokenError: if that cannot be done.
        """
        if mutant.path in self.settled:
            return
        try:
            source = self.sources[mutant.path]
            if not put(module_of(mutant), ast.parse(source)):
                raise ValueError("it does not load")
        except Exception as error:
            raise BrokenError(f"{mutant.path} must stand a transplant of its own code, got {error!r}") from error
        self.settled.add(mutant.path)

    def by_items(self, mutant: Mutant, pairs: list[Pair]) -> Outcome:
        """Have items judge a mutant; those that the reference itself fails are left out.

        Raises:
            BrokenError: if it cannot be judged.
        """
        while True:
            asked = [p for p in pairs if p[0].id not in self.left_out]
            answer = forked(partial(self._work, mutant, asked), self.seconds)
            by, case, said = (answer.ended, "", answer.part) if answer.ended else answer.said
            item = next((p for p in asked if p[0].id == (answer.part or by)), None)
            if item is None or self._is_sound(mutant.path, item, case, answer.ended):
                return Outcome(mutant, by, case, said)
            self.left_out.add(item[0].id)

    def _work(self, mutant: Mutant, pairs: list[Pair], tell: Tell) -> tuple[str, str, str]:
        """In the child: make the change, and ask until something notices."""
        if not self.install(mutant):
            return "import", "", "the module no longer loads"
        for item, subject in pairs:
            tell(item.id)
            case, said = finding_of(item, subject)
            if said:
                return item.id, case, said
        return "", "", ""

    def _is_sound(self, path: str, pair: Pair, case: str, ended: str) -> bool:
        """Whether the reference as it is passes what noticed; asking also keeps the truth for the next mutant."""
        item, subject = pair
        if ended:  # it may end the reference too, and then had better not do so here
            return forked(lambda tell: finding_of(item, subject), self.seconds) == Answer(("", ""))
        if (path, item.id, case) not in self.sound:
            self.sound[path, item.id, case] = not finding_of(item, subject, case)[1]
        return self.sound[path, item.id, case]

    def by_tests(self, mutant: Mutant) -> Outcome:
        """Have the examples of the module and the tests that import it judge a mutant.

        Raises:
            BrokenError: if they cannot be run.
        """
        by, said = self.tests.judge(module_of(mutant), mutant.path, partial(self.install, mutant))
        return Outcome(mutant, by, "", said)

    def install(self, mutant: Mutant) -> bool:
        """Make this process run the mutant; whether its module loads at all."""
        return put(module_of(mutant), mutated(self.sources[mutant.path], mutant.number))


def _is_likely(item: Item) -> bool:
    return item.check.name in FIRST and item.dtype in ("float32", item.spec.dtypes[0])


def module_of(mutant: Mutant) -> str:
    """The name of the module a mutant is in."""
    return "refops." + mutant.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def one_thread() -> None:
    """Have this process and its children compute in one thread: a child that inherits a pool without its threads hangs.

    Native's answers at other thread counts, by which the kit tells luck, are then those in one thread.
    """
    torch.set_num_threads(1)
    trials.threaded = nullcontext  # type: ignore[assignment]
