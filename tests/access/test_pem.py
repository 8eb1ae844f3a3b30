"""Files of certificates and keys: which one is wrong and why, and when a chain runs out."""

from __future__ import annotations

import calendar
import ssl
from pathlib import Path
from typing import NamedTuple

import pytest

from streamer.access.pem import PemError, PemFile, _not_after_s, client_context, expires_s, load_pair, trust
from tests.certificates import Pair, authority, locked, signed

DAY_S = 86_400


class Files(NamedTuple):
    """Certificates that all tests of this file share."""

    ca: Pair
    one: Pair
    other: Pair


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    ca = authority(folder, "ca")
    return Files(ca, signed(ca, folder, "one"), signed(ca, folder, "other"))


def pair(cert: Path, key: Path) -> tuple[PemFile, PemFile]:
    return PemFile("a.cert_file", str(cert)), PemFile("a.key_file", str(key))


def context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def refused(problem: pytest.ExceptionInfo[PemError]) -> str:
    said = str(problem.value)
    assert "\n" not in said
    return said


def test_a_pair_loads_from_two_files_or_from_one(files: Files, tmp_path: Path) -> None:
    load_pair(context(), *pair(*files.one))
    both = tmp_path / "both.pem"
    both.write_bytes(files.one.key.read_bytes() + files.one.cert.read_bytes())
    load_pair(context(), *pair(both, both))


def test_what_is_wrong_with_a_pair_is_said_with_the_key_and_the_file(files: Files, tmp_path: Path) -> None:
    text, broken, none = tmp_path / "text.pem", tmp_path / "broken.pem", tmp_path / "none.pem"
    text.write_text("hello\n", encoding="utf-8")
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="utf-8")
    cert, key = files.one
    for wrong, words in {
        (none, key): ("a.cert_file: cannot read", str(none), "No such file"),
        (tmp_path, key): ("a.cert_file: cannot read", "directory"),
        (text, key): ("a.cert_file:", str(text), "no certificate in PEM"),
        (cert, none): ("a.key_file: cannot read", str(none)),
        (cert, text): ("a.key_file:", "no private key in PEM"),
        (cert, files.other.key): ("a.key_file:", "is not that of the certificate"),
        (cert, locked(files.one, "hunter2")): ("a.key_file:", "encrypted"),
        (broken, key): ("a.cert_file, a.key_file:", str(broken), "cannot be used"),
    }.items():
        with pytest.raises(PemError) as problem:
            load_pair(context(), *pair(*wrong))
        said = refused(problem)
        assert [word for word in words if word not in said] == []


@pytest.mark.parametrize("use", [lambda file: trust(context(), file), client_context, expires_s])
def test_what_is_wrong_with_a_file_of_authorities_is_said(use, tmp_path: Path) -> None:
    text, broken = tmp_path / "text.pem", tmp_path / "broken.pem"
    text.write_text("hello\n", encoding="utf-8")
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="utf-8")
    for path, words in {
        tmp_path / "none.pem": "cannot read .*none.pem: No such file",
        text: "no certificate in PEM",
        broken: "cannot be read; it is damaged",
    }.items():
        with pytest.raises(PemError, match=f"^a.ca_file: .*{words}"):
            use(PemFile("a.ca_file", str(path)))


def test_an_authority_may_stand_among_remarks_in_any_script(files: Files, tmp_path: Path) -> None:
    remarked = tmp_path / "ca.pem"
    remarked.write_text("# Ausgestellt für Köln\n" + files.ca.cert.read_text(), encoding="utf-8")
    assert len(client_context(PemFile("a.ca_file", str(remarked))).get_ca_certs()) == 1


def test_a_client_checks_certificate_and_name_whatever_it_trusts(files: Files) -> None:
    for made in (client_context(None), client_context(PemFile("a.ca_file", str(files.ca.cert)))):
        assert made.verify_mode is ssl.CERT_REQUIRED
        assert made.check_hostname


@pytest.mark.parametrize("days", [1, 29, 400, 20_000, 100_000])
def test_the_end_is_that_which_openssl_says_in_both_ways_of_writing_it(days: int, tmp_path: Path) -> None:
    # Up to 2049 a certificate has two digits for the year, from 2050 on four (RFC 5280, section 4.1.2.5).
    pair = authority(tmp_path, "long", days=days)
    shown = context()
    shown.load_verify_locations(pair.cert)
    (said,) = shown.get_ca_certs()
    assert expires_s(PemFile("a", str(pair.cert))) == ssl.cert_time_to_seconds(str(said["notAfter"]))


def test_of_a_chain_the_first_to_run_out_counts(files: Files, tmp_path: Path) -> None:
    short = authority(tmp_path, "short", days=1)
    chain = tmp_path / "chain.pem"
    chain.write_bytes(files.one.cert.read_bytes() + short.cert.read_bytes() + files.ca.cert.read_bytes())
    alone = expires_s(PemFile("a", str(short.cert)))
    assert expires_s(PemFile("a", str(chain))) == alone
    assert alone < expires_s(PemFile("a", str(files.one.cert)))


def test_a_key_before_the_certificate_is_passed_over(files: Files, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(files.one.key.read_bytes() + files.one.cert.read_bytes())
    assert expires_s(PemFile("a", str(both))) == expires_s(PemFile("a", str(files.one.cert)))


@pytest.mark.parametrize(
    ("written", "year"), [("491231235959Z", 2049), ("501231235959Z", 1950), ("991231235959Z", 1999)]
)
def test_two_digits_of_a_year_are_of_the_century_that_the_standard_says(written: str, year: int) -> None:
    # openssl makes no such certificates any more; this is the outermost of one.
    times = b"\x17\x0d500101000000Z" + b"\x17\x0d" + written.encode()
    inside = b"\x02\x01\x01" + b"\x30\x00" + b"\x30\x00" + b"\x30" + bytes([len(times)]) + times
    tbs = b"\x30" + bytes([len(inside)]) + inside
    assert _not_after_s(b"\x30" + bytes([len(tbs)]) + tbs) == calendar.timegm((year, 12, 31, 23, 59, 59))
