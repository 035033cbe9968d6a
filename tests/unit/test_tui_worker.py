"""The worker beside the screen: what one asker does wrong, the others don't feel."""

import threading
from typing import Any, cast

from uniobs.errors import NotOffered
from uniobs_tui.session import Session
from uniobs_tui.worker import Answer, Worker


class FakeSession:
    """A session that has nothing to say."""

    name, live, paused, moment, gone = "x", True, False, None, None
    looks = 0

    def look(self) -> None:
        self.looks += 1
        if self.looks == 1:
            raise ValueError("odd\nthing")

    def bounds(self) -> None:
        return None

    def close(self) -> None:
        pass


class Asker:
    def __init__(self, problem: Exception | None) -> None:
        self.problem = problem

    def ask(self, session: Session) -> str:
        if self.problem is not None:
            raise self.problem
        return "fine"


def test_a_bug_in_one_asker_is_a_line_and_the_others_go_on() -> None:
    answers: list[Answer] = []
    enough = threading.Event()
    session = FakeSession()
    askers = (Asker(NotOffered("no such thing")), Asker(KeyError("tid")), Asker(None))

    def deliver(what: Any) -> None:
        if isinstance(what, Answer):
            answers.append(what)
            if what.asker is askers[2] and session.looks > 2:
                enough.set()

    worker = Worker(cast(Session, session), deliver, interval=0.02)
    worker.watch(*askers)
    worker.start()
    assert enough.wait(10)
    worker.stop()
    by_asker = {id(answer.asker): answer for answer in answers}
    assert by_asker[id(askers[0])].error == "no such thing"
    assert by_asker[id(askers[1])].error == (
        "this is a bug in uniobs (KeyError: 'tid'); nothing of the guest was changed"
    )
    assert (by_asker[id(askers[2])].value, by_asker[id(askers[2])].error) == ("fine", None)
    assert any(answer.error and "ValueError" in answer.error for answer in answers)
