"""ledger.settings: read from the environment, fixed by init, refused where they contradict."""

import json
import stat
from dataclasses import fields
from pathlib import Path

import pytest

from ledger.errors import LedgerError
from ledger.location import InvalidDatabaseUrl, Postgres
from ledger.settings import (
    DataFolderTooOpen,
    InvalidHost,
    InvalidLogEntries,
    InvalidOrigin,
    InvalidTrustedProxies,
    Settings,
    SettingsConflict,
    SettingsUnreadable,
)


def env(folder: Path, **variables: str) -> dict[str, str]:
    return {"LOTPROOF_DATA": str(folder)} | {
        f"LOTPROOF_{name.upper()}": value for name, value in variables.items()
    }


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_env({})
    assert settings.data == Path("var").absolute()
    assert settings.host == "localhost:8000"
    assert settings.origin == "localhost:8000/log"
    assert settings.log_entries == "token"
    assert settings.trusted_proxies == 0
    assert settings.master_key_file is None


def test_the_defaults_of_the_class_are_those_of_an_empty_environment(tmp_path: Path) -> None:
    assert Settings(data=tmp_path) == Settings.from_env(env(tmp_path))


def test_the_origin_follows_from_the_host_in_lower_case(tmp_path: Path) -> None:
    settings = Settings.from_env(env(tmp_path, host="Lots.Example:8443"))
    assert (settings.host, settings.origin) == ("lots.example:8443", "lots.example:8443/log")


def test_every_variable_is_read(tmp_path: Path) -> None:
    settings = Settings.from_env(
        env(
            tmp_path,
            host="lots.example",
            origin="other.example/log/2",
            log_entries="open",
            trusted_proxies="2",
            master_key_file="/secrets/master",
        )
    )
    assert settings == Settings(
        data=tmp_path,
        host="lots.example",
        origin="other.example/log/2",
        log_entries="open",
        trusted_proxies=2,
        master_key_file=Path("/secrets/master"),
    )


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    names = [field.name for field in fields(Settings) if field.name != "data"]
    assert Settings.from_env(env(tmp_path, **dict.fromkeys(names, ""))) == Settings(data=tmp_path)


def test_all_paths_lie_in_the_data_folder_and_differ(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    databases = [settings.ledger_db, settings.state_db, settings.vault_db]
    paths = [
        *(path for path in databases if isinstance(path, Path)),
        settings.settings_json,
        settings.guard,
        settings.keys,
        settings.files,
        settings.demo_json,
    ]
    assert len(set(paths)) == len(paths) == 8
    assert {path.parent for path in paths} == {tmp_path}


SECRET = "postgresql://runner:s3cr%40t@db.example:5433/lotproof?sslmode=require"


def test_a_database_address_puts_the_three_databases_into_three_schemas(tmp_path: Path) -> None:
    settings = Settings.from_env(env(tmp_path, database_url=SECRET))
    address = SECRET.replace("postgresql:", "postgresql+psycopg:")
    places = (settings.ledger_db, settings.state_db, settings.vault_db)
    assert places == tuple(Postgres(address, schema) for schema in ("ledger", "state", "vault"))
    assert str(settings.ledger_db) == "PostgreSQL lotproof at db.example"


def test_the_owner_has_an_address_of_its_own_or_the_runners(tmp_path: Path) -> None:
    owners = "postgresql+psycopg://owner@db.example/lotproof"
    both = Settings.from_env(env(tmp_path, database_url=SECRET, owner_url=owners))
    assert both.as_owner().ledger_db == Postgres(owners, "ledger")
    one = Settings.from_env(env(tmp_path, database_url=SECRET))
    assert one.as_owner() == one


def test_no_text_shows_the_password_of_a_database(tmp_path: Path) -> None:
    settings = Settings.from_env(env(tmp_path, database_url=SECRET, owner_url=SECRET))
    shown = f"{settings!r} {settings} {settings.ledger_db!r} {settings.ledger_db}"
    assert "s3cr" not in shown
    assert "runner" not in shown


@pytest.mark.parametrize("variable", ["database_url", "owner_url"])
@pytest.mark.parametrize(
    "value",
    [
        "mysql://runner:s3cr%40t@db.example/lotproof",
        "sqlite:///s3cr.db",
        "postgresql://runner:s3cr@db.example",
        "postgresql://runner:s3cr@db.example:99999/lotproof",
        "postgresql://runner:s3cr@db.example:port/lotproof",
        "s3cr",
    ],
)
def test_an_address_that_is_none_is_refused_by_name_and_not_shown(
    tmp_path: Path, variable: str, value: str
) -> None:
    with pytest.raises(InvalidDatabaseUrl) as refusal:
        Settings.from_env(env(tmp_path, **{variable: value}))
    assert f"LOTPROOF_{variable.upper()}" in str(refusal.value)
    assert "s3cr" not in f"{refusal.value} {refusal.value!r}"
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("host", "https://lots.example", InvalidHost),
        ("host", "lots.example/log", InvalidHost),
        ("host", "lots example", InvalidHost),
        ("host", "lots.example:99999", InvalidHost),
        ("host", "lots.example:0", InvalidHost),
        ("host", "lots.example\n", InvalidHost),
        ("host", ".example", InvalidHost),
        ("host", "löts.example", InvalidHost),
        ("origin", "lots.example/log 2", InvalidOrigin),
        ("origin", "lots.example+log", InvalidOrigin),
        ("origin", "https://lots.example/log", InvalidOrigin),
        ("origin", "lots.example/log\n", InvalidOrigin),
        ("origin", "l" * 256, InvalidOrigin),
        ("log_entries", "everyone", InvalidLogEntries),
        ("trusted_proxies", "-1", InvalidTrustedProxies),
        ("trusted_proxies", "10", InvalidTrustedProxies),
        ("trusted_proxies", "two", InvalidTrustedProxies),
        ("trusted_proxies", "²", InvalidTrustedProxies),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(
    tmp_path: Path, variable: str, value: str, error: type[LedgerError]
) -> None:
    with pytest.raises(error) as refusal:
        Settings.from_env(env(tmp_path, **{variable: value}))
    assert f"LOTPROOF_{variable.upper()}" in str(refusal.value)
    assert repr(value) in str(refusal.value)


@pytest.mark.parametrize(
    "host", ["lots.example", "localhost:8000", "127.0.0.1:80", "[::1]:8000", "a-b.example:65535"]
)
def test_hosts_with_and_without_a_port_are_accepted(tmp_path: Path, host: str) -> None:
    assert Settings.from_env(env(tmp_path, host=host)).host == host


def test_what_init_fixed_is_read_without_an_environment(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = Settings.from_env(env(data, host="lots.example", origin="lots.example/other", log_entries="open"))
    first.init()
    assert Settings.from_env(env(data)) == first


def test_init_writes_a_file_for_its_owner_alone_in_a_folder_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "deep" / "data")
    settings.init()
    assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.settings_json.stat().st_mode) == 0o600
    assert json.loads(settings.settings_json.read_text()) == {
        "host": "localhost:8000",
        "log_entries": "token",
        "origin": "localhost:8000/log",
    }


@pytest.mark.parametrize("variable", ["host", "origin"])
def test_an_environment_that_contradicts_init_is_refused_with_both_values(
    tmp_path: Path, variable: str
) -> None:
    data = tmp_path / "data"
    Settings.from_env(env(data, host="lots.example", origin="lots.example")).init()
    with pytest.raises(SettingsConflict, match=r"'other\.example'.*'lots\.example'"):
        Settings.from_env(env(data, **{variable: "other.example"}))


def test_the_same_values_again_are_no_conflict(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = Settings.from_env(env(data, host="lots.example"))
    settings.init()
    settings.init()
    assert Settings.from_env(env(data, host="LOTS.example", origin="lots.example/log")) == settings


def test_a_second_init_with_other_values_changes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Settings(data=data, host="lots.example", origin="lots.example/log").init()
    with pytest.raises(SettingsConflict):
        Settings(data=data).init()
    assert Settings.from_env(env(data)).host == "lots.example"


def test_who_may_read_entries_can_be_changed_after_init(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Settings(data=data).init()
    assert Settings.from_env(env(data, log_entries="open")).log_entries == "open"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        '{"host":"a","origin":"a","log_entries":"all"}',
        '{"host":"a b","origin":"a","log_entries":"open"}',
        '{"host":"a","origin":"a","log_entries":"open","port":1}',
    ],
)
def test_a_spoilt_settings_file_is_named_and_never_taken_for_a_new_installation(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "settings.json").write_text(content)
    with pytest.raises(SettingsUnreadable, match=r"settings\.json"):
        Settings.from_env(env(tmp_path))


def test_an_empty_data_folder_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    Settings(data=tmp_path).prepare()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_full_data_folder_open_to_others_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(DataFolderTooOpen, match="chmod 700"):
        Settings(data=tmp_path).prepare()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
