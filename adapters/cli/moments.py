"""An event of a journal as a person names it: by its seq, or by a time."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mmfold.replay.span import Span

NS_DIGIT_COUNT = 19  # of a time in ns since 1970, from 2001 to 2262


def parse_moment(text: str | None, option: str) -> tuple[int | None, int | None]:
    """Return (seq, time in ns) of an option's SEQ or TIME: an ISO time, of UTC unless it says, or ns since 1970.

    Raises: click.BadParameter.
    """
    if text is None:
        return None, None
    from datetime import UTC, datetime

    if text.isdecimal():
        from mmfold.engine.limits import SEQ_MAX, TS_NS_MAX

        if int(text) <= SEQ_MAX:
            return int(text), None
        if len(text) != NS_DIGIT_COUNT or int(text) > TS_NS_MAX:
            raise click.BadParameter(
                f"{text} is beyond any seq, and a time in ns has {NS_DIGIT_COUNT} digits; or give 2024-08-08T23:54:17Z",
                param_hint=option,
            )
        moment = datetime.fromtimestamp(int(text) // 1_000_000_000, UTC)
        click.echo(f"{option.strip('-'):<9} {moment:%Y-%m-%dT%H:%M:%S}.{text[-9:]}Z, a time in ns", err=True)
        return None, int(text)

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither a seq nor a time such as 2024-08-08T23:54:17Z", param_hint=option
        ) from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
    return None, micros * 1_000


def parse_time(text: str | None, option: str) -> int | None:
    """Return the time in ns of an option's TIME, see `parse_moment`.

    Raises: click.BadParameter, also for a seq.
    """
    seq, ts_ns = parse_moment(text, option)
    if seq is not None:
        raise click.BadParameter(f"{text} is a seq: give a time such as 2024-08-08T23:54:17Z", param_hint=option)
    return ts_ns


def parse_span(first: str | None, last: str | None) -> "Span":
    """Return the span that --from and --until say.

    Raises: click.BadParameter.
    """
    from mmfold.replay.span import Span

    from_ns, until_ns = parse_time(first, "--from"), parse_time(last, "--until")
    if from_ns is not None and until_ns is not None and from_ns >= until_ns:
        raise click.BadParameter(f"{last} is not after --from {first}", param_hint="--until")
    return Span(from_ns, until_ns)
