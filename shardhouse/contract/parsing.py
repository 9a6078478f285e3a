"""From what came to a body or query of the contract, or to the API's error for the first field that
breaks a rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from shardhouse import error_codes as codes
from shardhouse.contract.call import Wire
from shardhouse.errors import DdsError, bad_parameter

W = TypeVar("W", bound=Wire)
#: Stands for the field's path in a rule's message until the path is known.
_FIELD = "\0"
_TYPE = "rule"


@dataclass(frozen=True)
class Rule:
    """Metadata of a field: its value is what `check(field, value)` makes of what came. `check` is
    one of `domain.rules`, which raises the API's error. `choices` are the words that it takes,
    where these are few."""

    check: Callable[[str, object], Any]
    choices: tuple[str, ...] = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core)
        if self.choices:
            nothing = [None] if "anyOf" in schema else []
            schema["enum"] = [*self.choices, *nothing]
        return schema

    def _checked(self, value: object) -> Any:
        try:
            return self.check(_FIELD, value)
        except DdsError as error:
            raise PydanticCustomError(
                _TYPE, "{message}", {"message": error.message, "code": error.code}
            ) from None


def parse(model: type[W], content: Mapping[str, Any]) -> W:
    """A body or a query string as its model. Raises DdsError 400 for the first field that breaks a
    rule."""
    try:
        return model.model_validate(without_nulls(content))
    except ValidationError as error:
        raise _refusal(model, error) from None


def without_nulls(value: Any) -> Any:
    """JSON without the keys whose value is `null`: clients send every field they know."""
    if isinstance(value, Mapping):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def _refusal(model: type[BaseModel], error: ValidationError) -> DdsError:
    first = error.errors(include_url=False)[0]
    path = _path(first["loc"])
    if first["type"] == _TYPE:
        context = first["ctx"]
        code = codes.CATALOGUE[context["code"]]
        return DdsError(code, context["message"].replace(_FIELD, path))
    if first["type"] == "missing":
        rule = _rule(model, first["loc"])
        if rule is not None:
            try:
                rule.check(path, None)
            except DdsError as refusal:
                return refusal
        return bad_parameter(path, "it is required")
    return bad_parameter(path, first["msg"])


def _path(location: tuple[int | str, ...]) -> str:
    """`volume.size`, `flavor[0].num`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location]
    return "".join(parts).removeprefix(".") or "body"


def _rule(model: type[BaseModel], location: tuple[int | str, ...]) -> Rule | None:
    """The rule of the field at a place in a model, or in the models of its fields."""
    found: type[BaseModel] | None = model
    rule = None
    for part in location:
        if isinstance(part, int) or found is None:
            continue
        field = found.model_fields[part]
        rule = next((one for one in field.metadata if isinstance(one, Rule)), None)
        found = _model(field.annotation)
    return rule


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model a field holds, or a list of which it holds."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
