"""The circuit breaker on a clock of its own."""

import asyncio

import pytest

from core.llm.breaker import BreakerOpen, CircuitBreaker
from shared.errors import ContextTooLong, ModelUnavailable


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(failures=2, cooldown_seconds=10, longest_seconds=25, clock=clock)


def state(breaker: CircuitBreaker) -> str:
    return breaker.state


def fail(breaker: CircuitBreaker) -> None:
    with pytest.raises(ModelUnavailable) as caught, breaker.attempt():
        raise ModelUnavailable()
    assert not isinstance(caught.value, BreakerOpen)


def succeed(breaker: CircuitBreaker) -> None:
    with breaker.attempt():
        pass


def test_opens_after_failures_in_a_row(breaker: CircuitBreaker) -> None:
    fail(breaker)
    succeed(breaker)
    fail(breaker)
    assert state(breaker) == "closed"
    fail(breaker)
    assert state(breaker) == "open"
    with pytest.raises(BreakerOpen), breaker.attempt():
        pytest.fail("an open breaker lets nobody in")


def test_one_probe_at_a_time_when_half_open(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    fail(breaker)
    clock.now += 10
    assert state(breaker) == "half_open"
    with breaker.attempt(), pytest.raises(BreakerOpen), breaker.attempt():
        pytest.fail("a second probe")
    assert state(breaker) == "closed"


def test_a_failed_probe_waits_twice_as_long_up_to_a_limit(
    breaker: CircuitBreaker, clock: Clock
) -> None:
    fail(breaker)
    fail(breaker)
    for wait in (10, 20, 25, 25):
        clock.now += wait - 0.1
        assert state(breaker) == "open"
        clock.now += 0.1
        fail(breaker)
    clock.now += 25
    succeed(breaker)
    fail(breaker)
    fail(breaker)
    clock.now += 10  # the first cooldown again
    assert state(breaker) == "half_open"


def test_a_cancelled_probe_leaves_room_for_the_next(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker)
    fail(breaker)
    clock.now += 10
    with pytest.raises(asyncio.CancelledError), breaker.attempt():
        raise asyncio.CancelledError
    assert state(breaker) == "half_open"
    succeed(breaker)
    assert state(breaker) == "closed"


def test_an_old_call_that_ends_late_is_no_probe(breaker: CircuitBreaker, clock: Clock) -> None:
    old = breaker.attempt()
    old.__enter__()
    fail(breaker)
    fail(breaker)
    clock.now += 10
    with breaker.attempt():
        error = ModelUnavailable()
        old.__exit__(ModelUnavailable, error, None)
        with pytest.raises(BreakerOpen), breaker.attempt():
            pytest.fail("the probe still runs")


def test_errors_that_are_not_the_hosts_fault_do_not_count(breaker: CircuitBreaker) -> None:
    for _ in range(5):
        with pytest.raises(ContextTooLong), breaker.attempt(counts=lambda _: False):
            raise ContextTooLong()
    assert state(breaker) == "closed"
