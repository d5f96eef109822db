"""How streams are subscribed: the venue's words, and what bounds them."""

import orjson
import pytest

from mmfold.adapters.venues.binance.talk import MESSAGE_BYTES_MAX, TOPICS_PER_SUBSCRIBE, BinanceTalk
from mmfold.adapters.venues.port import Control, ControlKind, MalformedFrame, SocketTalk
from tests.adapters.venues.binance.words import depth

TALK: SocketTalk = BinanceTalk()


@pytest.mark.parametrize(("request_id", "number"), [("7", 7), ("sub0", 0), ("sub150", 150)])
def test_a_subscribe_has_a_number(request_id: str, number: int) -> None:
    message = orjson.loads(TALK.subscribe(["a@trade", "a@depth@100ms"], request_id))
    assert message == {"method": "SUBSCRIBE", "params": ["a@trade", "a@depth@100ms"], "id": number}


def test_the_longest_subscribe_is_taken_by_the_venue() -> None:
    topics = [f"{'x' * 32}{n}@depth@100ms" for n in range(TOPICS_PER_SUBSCRIBE)]
    assert len(TALK.subscribe(topics, "sub99999")) <= MESSAGE_BYTES_MAX
    assert TALK.topics_per_subscribe == TOPICS_PER_SUBSCRIBE and TALK.ping() is None


def test_data_is_no_talk() -> None:
    assert TALK.control(depth(5, 9, 4)) is None
    assert TALK.control(b'{"result":null,"id":3}') == Control(ControlKind.SUBSCRIBE, True, "3")
    with pytest.raises(MalformedFrame):
        TALK.control(b"nonsense")
