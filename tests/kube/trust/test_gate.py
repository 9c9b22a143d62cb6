"""A generation is reported when each target was read back with it for long enough, and never when it is not held."""

import itertools
import math
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from kube.trust.gate import Gate, Observed, Target, Verdict
from tests.kube.trust.made_roots import roots_of

OLD, BOTH, NEW = roots_of("old"), roots_of("old", "new", generation=2), roots_of("new", generation=3)
ROOTS = {1: OLD, 2: BOTH, 3: NEW}
WEBHOOK = Target(kind="webhook", name="w")
SHOP = Target(kind="configmap", namespace="shop", name="roots")
BANK = Target(kind="configmap", namespace="bank", name="roots")
TARGETS = st.sampled_from([WEBHOOK, SHOP, BANK])
PROPAGATION = {"webhook": 2.0, "configmap": 90.0}


@dataclass(frozen=True, kw_only=True)
class Entry:
    at: float
    roots: object
    version: str
    began: int


def observed(target, roots, *, version="1", began=0):
    return Observed(
        target=target,
        fingerprints=roots.fingerprints if roots else frozenset(),
        version=version if roots else "",
        propagation=PROPAGATION[target.kind],
        first_generation=began,
    )


def test_nothing_is_said_before_the_time_that_the_slowest_takes():
    gate = Gate(longest_gap=math.inf)
    both = [observed(WEBHOOK, OLD), observed(SHOP, OLD)]

    assert gate.look(OLD, both, 10.0) == Verdict(wait_until=100.0)
    assert gate.look(OLD, both, 99.9) == Verdict(wait_until=100.0)
    assert gate.look(OLD, both, 100.0) == Verdict(report=1)


def test_cluster_without_targets_holds_everything():
    assert Gate().look(OLD, [], 0.0) == Verdict(report=1)


def test_old_generation_is_said_until_the_new_one_is_held_everywhere_as_it_is_part_of_it():
    gate = held(OLD, SHOP, WEBHOOK)
    partly = [observed(WEBHOOK, BOTH), observed(SHOP, OLD)]
    fully = [observed(WEBHOOK, BOTH), observed(SHOP, BOTH)]

    assert gate.look(BOTH, partly, 1000.0) == Verdict(report=1, lagging=(SHOP,))
    assert gate.look(BOTH, fully, 1001.0) == Verdict(report=1, wait_until=1091.0)
    assert gate.look(BOTH, fully, 1091.0) == Verdict(report=2)


def test_generation_whose_root_is_gone_from_a_target_is_said_no_more():
    gate = held(BOTH, SHOP, WEBHOOK)

    assert gate.look(NEW, [observed(WEBHOOK, NEW), observed(SHOP, BOTH)], 1000.0) == Verdict(lagging=(SHOP,))
    assert gate.look(NEW, [observed(WEBHOOK, BOTH), observed(SHOP, BOTH)], 1001.0).report == 0


def test_generation_that_the_authority_has_forgotten_is_said_no_more():
    gate = held(BOTH, SHOP)

    assert gate.look(OLD, [observed(SHOP, BOTH)], 1000.0) == Verdict(lagging=(SHOP,))


def test_wiped_target_takes_the_generation_back_until_it_has_held_it_again_for_long_enough():
    gate = held(BOTH, SHOP)

    assert gate.look(BOTH, [observed(SHOP, None)], 1000.0) == Verdict(lagging=(SHOP,))
    assert gate.look(BOTH, [observed(SHOP, BOTH, version="3")], 1001.0) == Verdict(wait_until=1091.0)
    assert gate.look(BOTH, [observed(SHOP, BOTH, version="3")], 1091.0) == Verdict(report=2)


def test_change_between_two_looks_counts_though_the_contents_are_the_same():
    gate = held(BOTH, SHOP)

    assert gate.look(BOTH, [observed(SHOP, BOTH, version="9")], 1000.0) == Verdict(wait_until=1090.0)


def test_namespace_that_opts_in_holds_up_nobody_once_it_has_the_bundle():
    gate = held(BOTH, SHOP)
    shop = observed(SHOP, BOTH)

    assert gate.look(BOTH, [shop, observed(BANK, None)], 1000.0) == Verdict(lagging=(BANK,))
    assert gate.look(BOTH, [shop, observed(BANK, BOTH, began=2)], 1001.0) == Verdict(report=2)


def test_one_that_began_with_an_older_generation_is_waited_for():
    gate = held(BOTH, SHOP)

    assert gate.look(BOTH, [observed(SHOP, BOTH), observed(BANK, BOTH, began=1)], 1000.0).report == 0


def test_one_that_was_there_when_looking_began_or_lately_is_waited_for_whatever_it_says():
    at_start = Gate().look(BOTH, [observed(SHOP, BOTH, began=2)], 0.0)
    gate = held(BOTH, SHOP)
    gate.look(BOTH, [], 1000.0)
    gate.look(BOTH, [], 1050.0)
    soon = gate.look(BOTH, [observed(SHOP, BOTH, version="7", began=2)], 1060.0)

    assert at_start == Verdict(wait_until=90.0)
    assert soon == Verdict(wait_until=1150.0)


def test_one_that_has_gone_is_waited_for_no_more():
    gate = Gate(longest_gap=math.inf)
    gate.look(BOTH, [observed(SHOP, BOTH), observed(BANK, OLD)], 0.0)

    assert gate.look(BOTH, [observed(SHOP, BOTH)], 90.0) == Verdict(report=2)


def test_after_a_long_time_without_a_look_everything_begins_anew():
    gate = Gate(longest_gap=60.0)
    shop = observed(SHOP, BOTH)
    gate.look(BOTH, [shop], 0.0)
    gate.look(BOTH, [shop], 50.0)

    assert gate.look(BOTH, [shop], 90.0) == Verdict(report=2)
    assert gate.look(BOTH, [shop, observed(BANK, BOTH, began=2)], 151.0) == Verdict(wait_until=241.0)


def held(roots, *targets):
    gate = Gate(longest_gap=math.inf)
    for now in (0.0, 900.0):
        gate.look(roots, [observed(one, roots) for one in targets], now)
    return gate


class Interleavings(RuleBasedStateMachine):
    """Targets come, go and change while generations follow one another. What really happened is kept here, and judged by."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.generation, self.versions = 0.0, 1, itertools.count()
        self.gate = Gate()
        self.histories: dict[Target, list[Entry]] = {}
        self.present = {WEBHOOK, SHOP}
        self.reported = 0

    @initialize(
        webhook=st.sampled_from([OLD, None]),
        shop=st.sampled_from([OLD, NEW, None]),
        longest_gap=st.sampled_from([60.0, math.inf]),
    )
    def begin(self, webhook, shop, longest_gap):
        self.gate = Gate(longest_gap=longest_gap)
        self._write(WEBHOOK, webhook)
        self._write(SHOP, shop)

    @rule(one=TARGETS, roots=st.sampled_from([OLD, BOTH, NEW, None]))
    def somebody_writes(self, one, roots):
        if one in self.present:
            self._write(one, roots)

    @rule(one=st.sampled_from([SHOP, BANK]), made_at_once=st.booleans())
    def namespace_opts_in(self, one, made_at_once):
        if one not in self.present:
            self.present.add(one)
            self._write(one, ROOTS[self.generation] if made_at_once else None)

    @rule(one=st.sampled_from([SHOP, BANK]))
    def namespace_opts_out(self, one):
        if one in self.present:
            self.present.discard(one)
            self._write(one, None)

    @rule()
    def everything_is_brought_up_to_date(self):
        for target in self.present:
            if self.histories[target][-1].roots is not ROOTS[self.generation]:
                self._write(target, ROOTS[self.generation])

    @rule(generation=st.integers(1, 3))
    def authority_moves_on(self, generation):
        self.generation = max(self.generation, generation)

    @rule(seconds=st.sampled_from([0.5, 1.9, 2.0, 45.0, 90.0, 91.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule()
    def gate_is_asked(self):
        present_roots = ROOTS[self.generation]
        verdict = self.gate.look(present_roots, [self._observed(one) for one in self.present], self.now)
        lagging = {one for one in self.present if self.histories[one][-1].roots is not present_roots}

        assert set(verdict.lagging) == lagging
        if verdict.report:
            assert verdict.report in {self.generation, self.reported}
            self._verify_held(ROOTS[verdict.report], is_news=verdict.report != self.reported)
        assert verdict.report == self.generation or lagging or verdict.wait_until > self.now
        self.reported = verdict.report

    def _verify_held(self, roots, *, is_news):
        for target in self.present:
            since = self.now - PROPAGATION[target.kind] if is_news else self.now
            history = self.histories[target]
            before = [one for one in history if one.at <= since][-1:]
            after = [one for one in history if one.at > since]
            # before a target first came into being, nobody could read it
            if all(one.roots is None for one in history[: len(history) - len(after)]):
                before, after = [], [*itertools.dropwhile(lambda one: one.roots is None, after)]
            for one in (*before, *after):
                assert one.roots is not None, (target, history)
                assert roots.fingerprints <= one.roots.fingerprints, (target, history)

    def _write(self, target, roots):
        history = self.histories.setdefault(target, [])
        was_there = bool(history) and history[-1].roots is not None
        made_by_us = roots is ROOTS[self.generation]
        began = history[-1].began if was_there else self.generation if made_by_us else 0
        history.append(Entry(at=self.now, roots=roots, version=str(next(self.versions)), began=began if roots else 0))

    def _observed(self, target):
        last = self.histories[target][-1]
        return observed(target, last.roots, version=last.version, began=last.began)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=200, stateful_step_count=40)
