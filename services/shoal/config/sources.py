"""Sources of settings: `SHOAL_*` environment variables, and files for secrets.

A secret named `r2_secret_access_key` is read from the file that `SHOAL_R2_SECRET_ACCESS_KEY_FILE`
names, or from `$CREDENTIALS_DIRECTORY/r2_secret_access_key` (systemd's LoadCredential), never from
an environment variable: an environment is too easily inherited and printed.
"""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, PydanticBaseSettingsSource

from shoal.errors import OperatorError

ENV_PREFIX = "SHOAL_"


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting is a secret: it comes from a file and is never shown."""
    return "SecretStr" in str(field.annotation)


def env_variable(name: str, field: FieldInfo) -> str:
    """Return the environment variable that sets a field, or that names a secret's file."""
    return f"{ENV_PREFIX}{name.upper()}" + ("_FILE" if is_secret(field) else "")


class SecretFiles(PydanticBaseSettingsSource):
    """Reads every field of type SecretStr from its file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret's text, or None if there is no file for it."""
        if not is_secret(field):
            return None, field_name, False
        variable = env_variable(field_name, field)
        if file_name := os.environ.get(variable):
            return _read_secret(Path(file_name), f"{variable}={file_name}"), field_name, False
        if directory := os.environ.get("CREDENTIALS_DIRECTORY"):
            path = Path(directory) / field_name
            if path.exists():
                return _read_secret(path, str(path)), field_name, False
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets found, by field name."""
        values = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in values.items() if value is not None}


class Environment(EnvSettingsSource):
    """`SHOAL_*` variables, but never for a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the variable's value, or None for a secret."""
        if is_secret(field):
            return None, field_name, False
        return super().get_field_value(field, field_name)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return decoded JSON; other text stays as it is, to be reported with all other errors."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _read_secret(path: Path, label: str) -> str:
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise OperatorError(f"cannot read the secret file {label}: {error.strerror}") from error
    if not text:
        raise OperatorError(f"the secret file {label} is empty: write the secret into it")
    return text
