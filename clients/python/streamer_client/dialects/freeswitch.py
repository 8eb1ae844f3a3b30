"""The platform's side of FreeSWITCH's mod_audio_fork: what the dialplan says stands in the address.

Reference: https://github.com/drachtio/drachtio-freeswitch-modules, mod_audio_fork. Sans-I/O; this file must never open
a socket or read a clock.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from streamer_client.dialects.raw import RATE_HZ, RawSpeaker, basic, bearer, one_or_two
from streamer_client.dialects.speaker import CallOptions, Speaker

PATH = "/freeswitch"
SUBPROTOCOL = "audio.drachtio.org"
NOTICE = '{"notice":true}'


def speakers(options: CallOptions) -> list[Speaker]:
    """Return the socket of one call. A key with a colon goes out as Basic, one without as Bearer.

    Raises
    ------
    OptionError
        More than two channels.
    """
    channels = one_or_two(options, "FreeSWITCH")
    said = {
        "call": options.call_id,
        "rate": str(RATE_HZ),
        "channels": str(len(channels)),
        "roles": ",".join(options.roles),
    }
    parts = urlsplit(options.url)
    query = "&".join(filter(None, (parts.query, urlencode(said, safe=","))))
    scheme = basic if ":" in (options.key or "") else bearer
    metadata = [NOTICE] if options.notice else []
    return [
        RawSpeaker(urlunsplit(parts._replace(query=query)), metadata, channels, scheme(options.key), (SUBPROTOCOL,))
    ]
