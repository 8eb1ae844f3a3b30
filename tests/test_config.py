"""Settings: file, environment and flags, and an error that names the key for each thing that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config import ConfigError, Settings, load, masked, read_secret
from streamer.wire.events import Role


def write(folder: Path, text: str) -> Path:
    path = folder / "streamer.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load(None, {}, {})
    assert (settings.server.host, settings.server.port, settings.server.admin_port) == ("127.0.0.1", 8765, 9464)
    assert (settings.server.workers, settings.server.max_calls, settings.server.drain_s) == (1, 1000, 900)
    assert (settings.mqtt.url, settings.mqtt.version, settings.mqtt.base) == ("mqtt://127.0.0.1:1883", "5", "emotion")
    assert (settings.outbox.path, settings.outbox.max_rows, settings.outbox.max_age_s) == (
        "outbox.sqlite",
        1_000_000,
        604_800,
    )
    speech = settings.speech
    assert (speech.vad, speech.aggressiveness, speech.hangover_ms, speech.min_speech_ms) == ("webrtc", 2, 400, 250)
    assert (speech.max_utterance_ms, speech.pre_roll_ms) == (15_000, 200)
    assert (settings.emotion.model, settings.emotion.analyse) == ("telephone", (Role.CUSTOMER,))
    assert (settings.audio.stall_ms, settings.audio.idle_s) == (2000, 60)
    assert settings.dialects.twilio.roles == {"inbound": "customer", "outbound": "agent"}
    assert settings.node


def test_a_flag_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, '[server]\nport = 1\nadmin_port = 2\nmax_calls = 3\n[mqtt]\nurl = "mqtt://file:1"\n')
    environment = {"STREAMER_SERVER_PORT": "10", "STREAMER_SERVER_ADMIN_PORT": "20", "HOME": "/nowhere"}
    settings = load(path, environment, {"server.port": 100, "mqtt.url": None})
    assert (settings.server.port, settings.server.admin_port, settings.server.max_calls) == (100, 20, 3)
    assert settings.mqtt.url == "mqtt://file:1"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("STREAMER_NODE", "node-7", lambda s: s.node == "node-7"),
        ("STREAMER_MQTT_URL", "mqtts://broker:8883", lambda s: s.mqtt.url == "mqtts://broker:8883"),
        ("STREAMER_SPEECH_HANGOVER_MS", "300", lambda s: s.speech.hangover_ms == 300),
        ("STREAMER_SERVER_OPEN", "true", lambda s: s.server.open is True),
        ("STREAMER_AUDIO_IDLE_S", "1.5", lambda s: s.audio.idle_s == 1.5),
        ("STREAMER_MQTT_VERSION", "3.1.1", lambda s: s.mqtt.version == "3.1.1"),
        ("STREAMER_DIALECTS_TWILIO_LABELS", "queue, site", lambda s: s.dialects.twilio.labels == ("queue", "site")),
        (
            "STREAMER_DIALECTS_TWILIO_ROLES",
            '{inbound = "agent", outbound = "customer"}',
            lambda s: s.dialects.twilio.roles["inbound"] is Role.AGENT,
        ),
    ],
)
def test_every_kind_of_setting_can_come_from_the_environment(name, text, expected) -> None:
    assert expected(load(None, {name: text}, {}))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[server]\nprot = 1\n", "server.prot: unknown key; did you mean server.port?"),
        ("nodes = 1\n", "nodes: unknown key"),
        ("[server]\nport = 70000\n", "server.port"),
        ('[server]\nport = "x"\n', "server.port"),
        ("[speech]\naggressiveness = 4\n", "speech.aggressiveness"),
        ('[mqtt]\nversion = "4"\n', "mqtt.version"),
        ('[emotion]\nanalyse = ["boss"]\n', "emotion.analyse"),
        ("[server\n", "not valid TOML"),
        ("[server]\nworkers = 0\n", "server.workers"),
        ("[server]\nopen = true\nrequire_key = true\n", "server.require_key"),
        ('[[keys]]\nid = "a"\n', "'a' needs either secret or secret_file"),
        ('[[keys]]\nid = "a"\nsecret = "s"\n[[keys]]\nid = "a"\nsecret = "s"\n', "'a' stands twice"),
        ('[dialects.twilio.roles]\nboth = "customer"\n', "unknown track 'both'"),
        ('[[keys]]\nsecret = "s"\n', "id"),
        ('[[keys]]\nid = ""\nsecret = "s"\n', "keys: an id is empty"),
        ('[[keys]]\nid = "a"\nsecret = "s"\nsecret_file = "f"\n', "not both"),
        ('[[keys]]\nid = "a"\nsecret = "s"\nmax_calls = -1\n', "max_calls"),
        ('[[keys]]\nid = "a"\ncertificate = "pbx"\n', "server.tls_client_ca_file"),
        ('[server]\ntls_key_file = "k"\n', "server.tls_key_file: is of no use without server.tls_cert_file"),
        ('[server]\ntls_client_ca_file = "c"\n', "server.tls_client_ca_file: is of no use"),
        ("[dialects.audiosocket]\ntls = true\n", "dialects.audiosocket.tls: there is no TLS without"),
        ("[server]\nauth_failures_per_minute = -1\n", "server.auth_failures_per_minute"),
        ('[server]\norigins = ["*"]\n', "server.origins: '*' is no origin"),
        ('[server]\norigins = ["https://desk.example.com/"]\n', "without a slash at the end"),
        ('[server]\norigins = ["desk.example.com"]\n', "server.origins: 'desk.example.com'"),
        ('[server]\norigins = ["https://Desk.example.com"]\n', "in small letters"),
        ('[server]\norigins = ["null"]\n', "server.origins: 'null'"),
    ],
)
def test_what_cannot_be_is_one_error_that_names_it(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), {}, {})
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_variable_is_an_error_but_those_of_other_commands_are_not() -> None:
    with pytest.raises(ConfigError, match="STREAMER_SERVER_PROT"):
        load(None, {"STREAMER_SERVER_PROT": "1"}, {})
    load(None, {"EMOTION_STREAMER_KEY": "secret", "STREAMER_CONFIG": "x.toml"}, {})
    with pytest.raises(ConfigError, match="STREAMER_SERVER_PORT"):
        load(None, {"STREAMER_SERVER_PORT": "eight"}, {})


def test_a_missing_or_unreadable_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml", {}, {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {}, {})


@pytest.mark.parametrize("role", ["agent", "unknown"])
def test_a_worker_is_analysed_only_on_a_stated_ground(role: str) -> None:
    with pytest.raises(ConfigError, match="lawful_basis"):
        load(None, {}, {"emotion.analyse": ["customer", role]})
    settings = load(None, {"STREAMER_EMOTION_LAWFUL_BASIS": "works agreement 12"}, {"emotion.analyse": [role]})
    assert settings.emotion.analyse == (role,)


def test_a_table_that_is_no_table_is_said() -> None:
    with pytest.raises(ConfigError, match="server"):
        load(None, {}, {"server": 1, "server.port": 2})


def test_a_key_may_be_a_certificate_alone_and_a_page_may_have_a_port(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[server]\norigins = ["https://desk.example.com", "http://[::1]:8080"]\n'
        'tls_cert_file = "c"\ntls_client_ca_file = "c"\n'
        '[[keys]]\nid = "a"\ncertificate = "pbx"\nmax_calls = 3\n',
    )
    settings = load(path, {}, {})
    assert settings.server.origins == ("https://desk.example.com", "http://[::1]:8080")
    assert (settings.keys[0].certificate, settings.keys[0].max_calls) == ("pbx", 3)
    assert load(None, {"STREAMER_SERVER_ORIGINS": "https://a,https://b"}, {}).server.origins == (
        "https://a",
        "https://b",
    )


def test_secrets_are_masked_wherever_they_stand(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[mqtt]\nurl = "mqtt://user:hunter2@broker:1883"\n[dialects.twilio]\ntoken = "hunter2"\n'
        '[[keys]]\nid = "a"\nsecret = "hunter2"\n',
    )
    settings = load(path, {}, {})
    assert "hunter2" not in repr(masked(settings))
    assert masked(settings)["keys"][0]["id"] == "a"
    unsigned = '[dialects.audiohook]\nunsigned_keys = ["hunter2"]\n[[keys]]\nid = "hunter2"\nsecret = "x"\n'
    assert "hunter2" not in repr(masked(load(write(tmp_path, unsigned), {}, {})))
    assert masked(Settings())["mqtt"]["url"] == "mqtt://127.0.0.1:1883"


def test_a_secret_comes_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n", encoding="utf-8")
    assert read_secret("", str(file), "keys: a") == "s3cret"
    assert read_secret("inline", "", "keys: a") == "inline"
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is empty"):
        read_secret("", str(file), "keys: a")
    with pytest.raises(ConfigError, match="keys: a"):
        read_secret("", str(tmp_path / "none"), "keys: a")


def test_a_limit_for_a_tenant_that_nobody_has_is_a_mistake_that_is_named() -> None:
    key = {"id": "crm", "secret": "s", "tenant": "acme"}
    assert load(None, {}, {"keys": [key], "limits.calls_per_tenant": {"acme": 5, "default": 1}}).limits
    with pytest.raises(ConfigError, match=r"limits\.calls_per_tenant: .*'acmee'.*acme, default"):
        load(None, {}, {"keys": [key], "limits.calls_per_tenant": {"acmee": 5}})
    with pytest.raises(ConfigError, match=r"limits\.calls_per_tenant"):
        load(None, {}, {"limits.calls_per_tenant": {"default": 0}})
    assert load(None, {"STREAMER_LIMITS_CALLS_PER_TENANT": "{default = 7}"}, {}).limits.calls_per_tenant["default"] == 7
