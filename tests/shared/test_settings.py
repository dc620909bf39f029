"""Settings: read from the environment alone, typos refused, values never shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationError
from shared.settings import OTHER_NAMES, Settings, known_names, load_settings


def test_without_any_setting_the_defaults_serve_a_laptop() -> None:
    settings = load_settings()
    assert settings.database.url is None
    assert settings.ollama.host == "http://127.0.0.1:11434"
    assert settings.worker.lease_seconds < settings.worker.forgotten_seconds


def test_groups_are_nested_by_two_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRN_DATABASE__URL", "postgresql://cairn_app:hunter2@db/cairn")
    monkeypatch.setenv("CAIRN_DATABASE__POOL_SIZE", "3")
    monkeypatch.setenv("CAIRN_PUBLIC_BASE_URL", "https://bot.example/")
    settings = load_settings()
    assert settings.database.pool_size == 3
    assert settings.database.url is not None
    assert settings.database.url.get_secret_value() == "postgresql://cairn_app:hunter2@db/cairn"
    assert settings.public_base_url == "https://bot.example"


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE__URL", "DATABASE__DISPATCH_URL", "DATABASE__MIGRATE_URL", "REDIS__URL"):
        monkeypatch.setenv(f"CAIRN_{name}", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("CAIRN_SECRET_KEYS", "main:hunter2")
    settings = load_settings()
    assert "hunter2" not in repr(settings) + str(settings.model_dump()) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        ("CAIRN_DATABASE_URL", "CAIRN_DATABASE__URL"),
        ("CAIRN_DATABSE__URL", "CAIRN_DATABASE__URL"),
        ("CAIRN_OLLAMA__HOSTS", "CAIRN_OLLAMA__HOST"),
        ("CAIRN_SECRET_KEY", "CAIRN_SECRET_KEYS"),
        ("CAIRN_REDIS", "CAIRN_REDIS__URL"),
    ],
)
def test_a_typo_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, wrong: str, nearest: str
) -> None:
    monkeypatch.setenv(wrong, "hunter2")
    with pytest.raises(ConfigurationError, match=f"{wrong}; did you mean {nearest}") as caught:
        load_settings()
    assert "hunter2" not in caught.value.message
    assert caught.value.exit_code == 78


@given(ending=st.from_regex(r"[A-Z_]{1,40}", fullmatch=True))
def test_every_unknown_name_is_refused(ending: str) -> None:
    name = f"CAIRN_{ending}"
    if name in known_names():
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, "x")
        with pytest.raises(ConfigurationError, match="did you mean"):
            load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CAIRN_DATABASE__POOL_SIZE", "0"),
        ("CAIRN_DATABASE__POOL_SIZE", "many-hunter2"),
        ("CAIRN_WORKER__TURN_SECONDS", "-1"),
        ("CAIRN_OLLAMA__NUM_CTX", "hunter2"),
        ("CAIRN_WORKER__HEALTH_PORT", "hunter2"),
        ("CAIRN_TELEMETRY__LOG_JSON", "hunter2"),
    ],
)
def test_a_bad_value_is_one_plain_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert "\n" not in caught.value.message
    assert "hunter2" not in caught.value.message


def test_names_of_others_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAIRNS", "x")
    monkeypatch.setenv("DATABASE__URL", "x")
    assert load_settings().database.url is None


def test_what_is_read_before_settings_exist_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OTHER_NAMES:
        monkeypatch.setenv(name, "x")
    load_settings()


def test_every_setting_can_be_named() -> None:
    assert {"CAIRN_DATABASE__URL", "CAIRN_OLLAMA__CHAT_MODEL", "CAIRN_EXTRA_PATHS"} <= known_names()
    assert len(known_names()) > len(Settings.model_fields)
