"""The books against a plain model: what may be committed is the done prefix, never past a hole."""

from dataclasses import dataclass

from faust.types import TP
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bridge_app.runtime.books import Books

TPS = [TP("a", 0), TP("a", 1), TP("b", 0)]
tps = st.sampled_from(TPS)


@dataclass
class Message:
    """What an agent would see."""

    tp: TP
    offset: int
    acked: bool = False


class BooksMachine(RuleBasedStateMachine):
    """Deliver, finish in any order, commit with and without success, and give partitions away."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.delivered: dict[TP, list[Message]] = {tp: [] for tp in TPS}
        self.committed: dict[TP, int] = {}
        self.next_offset = dict.fromkeys(TPS, 0)

    @rule(tp=tps, step=st.integers(1, 5))
    def deliver(self, tp: TP, step: int) -> None:
        """Batches and compaction leave gaps between offsets."""
        offset = self.next_offset[tp] + step - 1
        self.next_offset[tp] = offset + 1
        message = Message(tp, offset)
        self.delivered[tp].append(message)
        self.books.deliver(message)

    @rule(tp=tps, index=st.integers(0, 50))
    def finish(self, tp: TP, index: int) -> None:
        if self.delivered[tp]:
            self.delivered[tp][index % len(self.delivered[tp])].acked = True

    @rule(succeeds=st.booleans())
    def commit(self, succeeds: bool) -> None:
        offsets = self.books.committable()
        if succeeds:
            self.books.confirm(offsets)
            self.committed |= offsets

    @rule()
    def seek(self) -> None:
        """Everything that is not committed is read again."""
        self.books.forget_delivered()
        for tp in TPS:
            self.delivered[tp] = []
            self.next_offset[tp] = self.committed.get(tp, 0)

    @rule(tp=tps)
    def revoke(self, tp: TP) -> None:
        self.books.forget([tp])
        self.delivered[tp] = []
        self.committed.pop(tp, None)

    @invariant()
    def committable_is_the_end_of_the_done_prefix(self) -> None:
        expected = {}
        for tp, messages in self.delivered.items():
            done = -1
            for message in messages:
                if not message.acked:
                    break
                done = message.offset + 1
            if done > self.committed.get(tp, -1):
                expected[tp] = done
        assert self.books.committable() == expected

    @invariant()
    def unfinished_counts_from_the_first_hole(self) -> None:
        for tp, messages in self.delivered.items():
            first = next((index for index, message in enumerate(messages) if not message.acked), len(messages))
            assert self.books.unfinished(tp) == len(messages) - first


TestBooks = BooksMachine.TestCase


def test_a_hole_at_the_head_holds_back_everything_behind_it() -> None:
    """Stock Faust lets a hole of one event at the head pass."""
    books = Books()
    messages = [Message(TPS[0], offset) for offset in range(3)]
    for message in messages:
        books.deliver(message)
    messages[1].acked = messages[2].acked = True

    assert books.committable() == {}
    messages[0].acked = True
    assert books.committable() == {TPS[0]: 3}


def test_a_commit_that_failed_is_offered_again() -> None:
    books = Books()
    books.deliver(Message(TPS[0], 7, acked=True))

    assert books.committable() == books.committable() == {TPS[0]: 8}
    books.confirm({TPS[0]: 8})
    assert books.committable() == {}
