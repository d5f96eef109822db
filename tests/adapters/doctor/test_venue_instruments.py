"""What the doctor says of a venue's instruments is what a session would meet at its start."""

import pytest

from mmfold.adapters.doctor import venue
from mmfold.adapters.doctor.check import Status
from mmfold.adapters.doctor.venue import check_instruments, parse_endpoint
from mmfold.adapters.venues.bybit.venue import BybitVenue
from mmfold.config.load import load_config
from mmfold.engine.manifest import Instrument, Manifest, UncountedInstrument
from mmfold.engine.state import make_state

PLAIN = Instrument(symbol="ETHUSDT", tick_size="0.1", lot_size="0.001")
COARSE = Instrument(symbol="BTCUSDT", tick_size="10000000", lot_size="0.001")


@pytest.mark.parametrize("has_config", [True, False])
def test_what_a_session_has_no_room_to_count_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, has_config: bool
) -> None:
    monkeypatch.setattr(venue, "list_instruments", lambda venue, endpoint, wanted, odd: [PLAIN, COARSE])
    with pytest.raises(UncountedInstrument) as refused:
        make_state(Manifest(run_id="t", instruments=(COARSE,), source="live"))
    config = load_config(None) if has_config else None
    endpoint = parse_endpoint("http://127.0.0.1:1")
    [told] = check_instruments(BybitVenue(), endpoint, ["BTCUSDT", "ETHUSDT"], config)
    assert (told.status, told.token) == (Status.FAIL, "uncounted:BTCUSDT")
    assert told.found == str(refused.value) and told.next == refused.value.hint and "\n" not in told.found
    assert [one.status for one in check_instruments(BybitVenue(), endpoint, ["ETHUSDT"], config)] == [Status.OK]
