"""Data that was created with other secrets than those in .env is refused, with one sentence."""

from pathlib import Path

import pytest

from local_stack.made_with import refuse_other_secrets
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings


def settings(**values: str) -> Settings:
    """The defaults, whatever the developer's own settings are, and `values`."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(**defaults | values)


def test_the_same_secrets_are_accepted_again(tmp_path: Path) -> None:
    refuse_other_secrets(tmp_path, settings())
    refuse_other_secrets(tmp_path, settings(airflow_jwt_secret="signs only what is new"))


@pytest.mark.parametrize("name", ["pgpassword", "timescale_password", "airflow_fernet_key"])
def test_another_secret_is_named(tmp_path: Path, name: str) -> None:
    refuse_other_secrets(tmp_path, settings())
    with pytest.raises(StackError, match=f"another {name.upper()} than .env"):
        refuse_other_secrets(tmp_path, settings(**{name: "another"}))


def test_no_secret_is_written_down(tmp_path: Path) -> None:
    refuse_other_secrets(tmp_path, settings(pgpassword="very secret"))
    assert "very secret" not in (tmp_path / "data/made_with.json").read_text()
