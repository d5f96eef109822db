"""An event of a journal as a person names it: by its seq, or by a time."""

import click

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
