"""Ids that any of several processes can read, and no client can make."""

from threading import Thread

import pytest
from kits.fleet import MemoryPlace

from hotswapd.daemon.fleet.shared.secret import shared_secret
from hotswapd.daemon.serve.signed_answers import Once, SignedAnswers


@pytest.mark.parametrize("kind", ["chatcmpl-", "cmpl-", "resp_"])
@pytest.mark.parametrize("generation", [0, 7, 100_000])
def test_another_process_knows_which_generation_gave_an_answer(kind: str, generation: int) -> None:
    one, other = SignedAnswers(b"secret"), SignedAnswers(b"secret")
    number = f"{kind}{one.number(generation)}"
    assert other.take(number) == generation
    assert other.take(number) is None, "a second score counts"


def test_each_answer_has_its_own_id() -> None:
    made = SignedAnswers(b"secret")
    assert len({made.number(1) for _ in range(100)}) == 100


def test_what_nobody_here_has_made_is_not_known() -> None:
    made = SignedAnswers(b"secret")
    number = made.number(5)
    forged = bytearray.fromhex(number)
    forged[11] ^= 1  # the last byte of the generation
    for unknown in ("", "chatcmpl-", "chatcmpl-12", "resp_no hex", forged.hex(), number[:-2], number + "00"):
        assert made.take(unknown) is None
    assert SignedAnswers(b"another").take(number) is None
    assert made.take(number) == 5


def test_an_id_that_was_taken_stays_so_however_it_is_written() -> None:
    made = SignedAnswers(b"secret")
    number = made.number(5)
    assert made.take(f"chatcmpl-{number}") == 5
    assert made.take(f"cmpl-{number.upper()}") is None


def test_of_several_threads_one_is_first_and_old_names_are_forgotten() -> None:
    once, firsts = Once(kept=2), list[bool]()
    threads = [Thread(target=lambda: firsts.append(once.is_first("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(firsts) == 1
    assert once.is_first("b")
    assert once.is_first("c")
    assert once.is_first("a")


def test_all_processes_of_a_shared_place_have_one_secret() -> None:
    place = MemoryPlace()
    assert shared_secret(place) == shared_secret(place)
    assert shared_secret(place) != shared_secret(MemoryPlace())
    assert len(shared_secret(place)) >= 32
