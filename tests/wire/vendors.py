"""A short stream of every platform, from the vendors' documents; see each dialect's own test for what they mean.

Nothing here may come from a client of ours.
"""

from __future__ import annotations

from streamer_client.dialects.speaker import Message

from streamer.platforms import audiosocket

_SESSION = "9dfe6c92-6fd2-4b0c-8f6a-1d3a1f0a2b3c"
_OPEN = f"""{{"version":"2","type":"open","id":"{_SESSION}","seq":1,"serverseq":0,"position":"PT0S","parameters":{{
 "organizationId":"e9fc3a1e-0000-4000-8000-000000000001","conversationId":"2c2e3a1e-0000-4000-8000-000000000002",
 "participant":{{"id":"535f3a1e-0000-4000-8000-000000000003","ani":"+15555551234","aniName":"Ann","dnis":"+1800555"}},
 "media":[{{"type":"audio","format":"PCMU","channels":["external","internal"],"rate":8000}},
  {{"type":"audio","format":"PCMU","channels":["external"],"rate":8000}}]}}}}"""
_ASTERISK = (
    '{"event":"MEDIA_START","connection_id":"conn1","channel":"WebSocket/conn1/0x7f92","channel_id":"1795328709.0",'
    '"format":"ulaw","optimal_frame_size":160,"ptime":20,"channel_variables":{"call":"CA1","leg":"in"}}'
)

HEADERS: dict[str, dict[str, str]] = {
    "audiohook": {
        "audiohook-organization-id": "e9fc3a1e-0000-4000-8000-000000000001",
        "audiohook-session-id": _SESSION,
    }
}
"""Of the upgrade, in lower case, where the stream depends on them."""


def _hook(kind: str, seq: int, position: str, parameters: str = "{}") -> str:
    return (
        f'{{"version":"2","type":"{kind}","id":"{_SESSION}","seq":{seq},"serverseq":1,"position":"{position}",'
        f'"parameters":{parameters}}}'
    )


STREAMS: dict[str, list[Message]] = {
    "native": [
        (
            '{"type":"start","version":1,"call_id":"CA1","channels":[{"role":"customer"},{"role":"agent"}],'
            '"encoding":"pcm_s16le","sample_rate":8000,"labels":{},"events":true}'
        ),
        bytes(320),
        '{"type":"gap","duration_ms":40}',
        '{"type":"pause"}',
        '{"type":"resume"}',
        '{"type":"notice"}',
        bytes(640),
        '{"type":"withdraw"}',
        '{"type":"stop"}',
    ],
    "twilio": [
        '{"event":"connected","protocol":"Call","version":"1.0.0"}',
        (
            '{"event":"start","sequenceNumber":"1","streamSid":"MZ11","start":{"accountSid":"AC1","callSid":"CA1",'
            '"streamSid":"MZ11","tracks":["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-mulaw",'
            '"sampleRate":8000,"channels":1},"customParameters":{"agentId":"7"}}}'
        ),
        (
            '{"event":"media","sequenceNumber":"2","streamSid":"MZ11","media":{"track":"inbound","chunk":"1",'
            '"timestamp":"5","payload":"//79/w=="}}'
        ),
        (
            '{"event":"media","sequenceNumber":"3","streamSid":"MZ11","media":{"track":"outbound","chunk":"1",'
            '"timestamp":"5","payload":"//79/w=="}}'
        ),
        '{"event":"dtmf","sequenceNumber":"4","streamSid":"MZ11","dtmf":{"track":"inbound_track","digit":"1"}}',
        '{"event":"stop","sequenceNumber":"5","streamSid":"MZ11","stop":{"accountSid":"AC1","callSid":"CA1"}}',
    ],
    "signalwire": [
        '{"event":"connected","protocol":"Call","version":"0.2.0"}',
        (
            '{"event":"start","sequenceNumber":"1","start":{"streamSid":"7d56","accountSid":"b08d","callSid":"76ac",'
            '"tracks":["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-L16","sampleRate":16000,"channels":1}}}'
        ),
        (
            '{"event":"media","sequenceNumber":"2","media":{"track":"inbound","chunk":"1","timestamp":"0",'
            '"payload":"AAECAwQFBgc="}}'
        ),
        '{"event":"dtmf","sequenceNumber":"3","dtmf":{"track":"inbound_track","digit":"1","duration":80}}',
        '{"event":"stop","sequenceNumber":"4"}',
    ],
    "telnyx": [
        '{"event":"connected","version":"1.0.0"}',
        (
            '{"event":"start","sequence_number":"1","stream_id":"32DE-1","start":{"user_id":"3E6F",'
            '"call_control_id":"v3:abc","call_session_id":"ff55","from":"+13122010094","to":"+13122123456",'
            '"tags":["vip"],"client_state":"aGk=","media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1}}}'
        ),
        (
            '{"event":"media","sequence_number":"3","stream_id":"32DE-1","media":{"track":"inbound","chunk":"2",'
            '"timestamp":"20","payload":"//79/w=="}}'
        ),
        (
            '{"event":"media","sequence_number":"2","stream_id":"32DE-1","media":{"track":"inbound","chunk":"1",'
            '"timestamp":"0","payload":"//79/w=="}}'
        ),
        (
            '{"event":"dtmf","stream_id":"32DE-1","occurred_at":"2026-11-22T08:54:19Z","sequence_number":"5",'
            '"dtmf":{"digit":"1"}}'
        ),
        (
            '{"event":"stop","sequence_number":"6","stream_id":"32DE-1","stop":{"user_id":"3E6F",'
            '"call_control_id":"v3:abc"}}'
        ),
    ],
    "plivo": [
        (
            '{"event":"start","sequenceNumber":0,"start":{"callId":"7a1b","streamId":"st-1","accountId":"MA1",'
            '"tracks":["inbound","outbound"],"mediaFormat":{"encoding":"audio/x-l16","sampleRate":8000}},'
            '"extra_headers":"{\\"agent\\":\\"7\\"}"}'
        ),
        (
            '{"event":"media","sequenceNumber":1,"streamId":"st-1","media":{"track":"inbound","timestamp":"20","chunk":1,'
            '"payload":"AAECAwQFBgc="},"extra_headers":"{}"}'
        ),
        (
            '{"event":"dtmf","sequenceNumber":2,"streamId":"st-1","dtmf":{"track":"inbound","digit":"4",'
            '"timestamp":"1500"}}'
        ),
    ],
    "exotel": [
        '{"event":"connected"}',
        (
            '{"event":"start","sequence_number":"1","stream_sid":"MZx","start":{"stream_sid":"MZx","call_sid":"CAx",'
            '"account_sid":"ACx","from":"+919876543210","to":"+918047491899","custom_parameters":{"k":"v"},'
            '"media_format":{"encoding":"audio/x-raw","sample_rate":"8000","bit_rate":"16"}}}'
        ),
        (
            '{"event":"media","sequence_number":"3","stream_sid":"MZx","media":{"chunk":"2","timestamp":"200",'
            '"payload":"AAECAwQFBgc="}}'
        ),
        '{"event":"stop","sequence_number":"90","stream_sid":"MZx"}',
    ],
    "audiohook": [
        _OPEN,
        bytes(3200),
        _hook("ping", 2, "PT0.2S", '{"rtt":"PT0.0016S"}'),
        _hook("discarded", 3, "PT0.2S", '{"start":"PT0.2S","discarded":"PT0.5S"}'),
        _hook("paused", 4, "PT0.7S"),
        _hook("resumed", 5, "PT1.7S", '{"start":"PT0.7S","discarded":"PT1S"}'),
        bytes(1600),
        _hook("update", 6, "PT1.8S", '{"language":"en-GB"}'),
        _hook("close", 7, "PT1.8S", '{"reason":"end"}'),
    ],
    "vonage": [
        '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","call-id":"abc","agent-id":"7"}',
        bytes(640),
        '{"event":"websocket:dtmf","digit":"5","duration":260}',
        bytes(640),
    ],
    "jambonz": [
        (
            '{"sampleRate":8000,"mixType":"stereo","callSid":"6d11","direction":"inbound","from":"+1555","to":"+1800",'
            '"callId":"b1","sipStatus":200,"callStatus":"in-progress","accountSid":"f9c1","applicationSid":"0e0c",'
            '"friendlyName":"Ann"}'
        ),
        bytes(640),
        bytes(33),
        '{"event":"dtmf","dtmf":"1","duration":"1600"}',
        bytes(31),
        b"",
    ],
    "freeswitch": [
        '{"callSid":"6d11","sampleRate":16000,"mixType":"stereo"}',
        bytes(1280),
        bytes(7),
        bytes(9),
        b"",
    ],
    "asterisk": [
        bytes(160),
        _ASTERISK,
        bytes(160),
        bytes(22),
        '{"event":"DTMF_END","channel_id":"1795328709.0","digit":"7"}',
        "MEDIA_XOFF channel_id:1795328709.0",
        bytes(88),
    ],
    "audiocodes": [
        '{"type":"connection.validate"}',
        (
            '{"type":"session.initiate","conversationId":"4a5b","expectAudioMessages":true,"botName":"listen",'
            '"caller":"+1555","supportedMediaFormats":["raw/lpcm16","raw/lpcm16_8","raw/mulaw"]}'
        ),
        '{"type":"userStream.start","conversationId":"4a5b","participant":"caller"}',
        '{"type":"userStream.chunk","conversationId":"4a5b","participant":"caller","audioChunk":"AAECAwQFBgc="}',
        '{"type":"userStream.stop","conversationId":"4a5b","participant":"caller"}',
        '{"type":"activities","conversationId":"4a5b","activities":[{"type":"event","name":"dtmf","value":"1"}]}',
        '{"type":"session.end","conversationId":"4a5b","reason":"hangup"}',
    ],
    audiosocket.NAME: [
        b"\x01\x00\x10" + bytes(range(16)),
        b"\x10\x01\x40" + bytes(320),
        b"\x10\x00\x2c" + bytes(44),
        b"\x03\x00\x015",
        b"\x00\x00\x00",
    ],
}
"""By dialect; a platform without a last message ends by closing."""
