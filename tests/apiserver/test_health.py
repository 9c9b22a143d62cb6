"""Health endpoints: their texts to the letter, and that probes cannot load what they look at."""

import asyncio

import pytest

from apiserver.health import Health


class Instants:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Probe:
    """A check that counts how often it ran, fails when told to, and waits for a gate where it has one."""

    def __init__(self, *, failing=False, gate=None):
        self.failing = failing
        self.gate = gate
        self.runs = 0

    async def __call__(self):
        self.runs += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            raise RuntimeError("password of the database is wrong")


def health(*, live=None, ready=None, **others):
    return Health(live=live or {}, ready=ready or {}, monotonic=others.pop("monotonic", Instants()), **others)


async def test_all_is_well_is_ok():
    verdict = await health(ready={"log": Probe()}).ask("readyz")

    assert (verdict.healthy, verdict.text) == (True, "ok")


async def test_verbose_lists_the_checks():
    verdict = await health(live={"loop": Probe()}, ready={"log": Probe()}).ask("readyz", verbose=True)

    assert verdict.text == "[+]ping ok\n[+]loop ok\n[+]log ok\n[+]shutdown ok\nreadyz check passed\n"


async def test_a_failure_lists_the_checks_and_withholds_the_reason():
    verdict = await health(ready={"log": Probe(failing=True)}).ask("readyz")

    assert not verdict.healthy
    assert verdict.text == "[+]ping ok\n[-]log failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n"


async def test_what_makes_a_server_unready_does_not_make_it_dead():
    asked = health(ready={"log": Probe(failing=True)})

    assert (await asked.ask("livez")).text == "ok"
    assert (await asked.ask("healthz", verbose=True)).text == "[+]ping ok\nhealthz check passed\n"


async def test_an_excluded_check_is_not_run_and_listed_in_its_place():
    log = Probe(failing=True)
    verdict = await health(ready={"log": log}).ask("readyz", verbose=True, excluded=["log"])

    assert verdict.healthy
    assert log.runs == 0
    assert verdict.text == "[+]ping ok\n[+]log excluded: ok\n[+]shutdown ok\nreadyz check passed\n"


async def test_excluding_what_there_is_not_warns():
    verdict = await health().ask("livez", verbose=True, excluded=["x", "a"])

    assert verdict.text == (
        '[+]ping ok\nwarn: some health checks cannot be excluded: no matches for "a","x"\nlivez check passed\n'
    )


async def test_one_check_can_be_asked_for():
    asked = health(ready={"log": Probe(failing=True), "informer-sync": Probe()})

    assert (await asked.ask("readyz", "informer-sync")).text == "ok"
    assert (await asked.ask("readyz", "log")).text == "internal server error: reason withheld\n"


@pytest.mark.parametrize(("endpoint", "check"), [("livez", "log"), ("livez", "nothing"), ("health", "")])
async def test_there_is_nothing_where_there_is_no_check(endpoint, check):
    assert await health(ready={"log": Probe()}).ask(endpoint, check) is None


async def test_a_process_that_stops_is_unready_at_once_and_alive():
    asked = health()
    assert (await asked.ask("readyz")).healthy

    asked.stop()

    verdict = await asked.ask("readyz")
    assert verdict.text == "[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n"
    assert (await asked.ask("livez")).healthy


async def test_a_finding_is_good_for_a_second():
    now, log = Instants(), Probe()
    asked = health(ready={"log": log}, monotonic=now)
    for _ in range(5):
        await asked.ask("readyz")
    assert log.runs == 1

    now.now += 1.0
    log.failing = True

    assert not (await asked.ask("readyz")).healthy
    assert log.runs == 2


async def test_many_probes_at_once_share_one_run():
    gate = asyncio.Event()
    log = Probe(gate=gate)
    asked = health(ready={"log": log})
    probes = [asyncio.create_task(asked.ask("readyz")) for _ in range(50)]
    await asyncio.sleep(0)
    gate.set()

    assert all(verdict.healthy for verdict in await asyncio.gather(*probes))
    assert log.runs == 1


async def test_a_check_that_hangs_fails_and_is_not_started_again():
    now, gate = Instants(), asyncio.Event()
    log = Probe(gate=gate)
    asked = health(ready={"log": log}, monotonic=now, patience=0.2)
    for _ in range(3):
        assert not (await asked.ask("readyz")).healthy
        now.now += 2
    assert log.runs == 1

    gate.set()
    await asyncio.sleep(0.01)

    assert (await asked.ask("readyz")).healthy


async def test_a_probe_that_gives_up_does_not_end_the_run_of_others():
    gate = asyncio.Event()
    asked = health(ready={"log": Probe(gate=gate)})
    impatient, patient = (asyncio.create_task(asked.ask("readyz")) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.gather(impatient, return_exceptions=True)
    gate.set()

    assert (await patient).healthy


async def test_the_reason_is_logged_when_a_check_begins_to_fail_and_when_it_recovers(logs):
    now, log = Instants(), Probe(failing=True)
    asked = health(ready={"log": log}, monotonic=now)
    for failing in (True, True, False, False):
        log.failing = failing
        await asked.ask("readyz")
        now.now += 2

    told = [(line["event"], line.get("error")) for line in logs if line["event"].startswith("health check")]
    assert told == [
        ("health check fails", "password of the database is wrong"),
        ("health check holds again", None),
    ]
