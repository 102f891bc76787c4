"""Tables that come with the harness as TOML files beside these modules."""

from importlib import resources
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import InfrastructureError
from harness.safeio.parsing import parse_toml

Table = TypeVar("Table", bound=BaseModel)


def shipped(name: str, table: type[Table]) -> Table:
    """The table in a file.

    Raises:
        InfrastructureError: the file that came with the harness is damaged.
    """
    source = resources.files("harness.sandbox.docker") / name
    try:
        return table.model_validate(parse_toml(source.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise InfrastructureError(f"{name}: {error}", remedy="install the harness again") from error
