"""GET /api/openapi.json, drawn from the declared calls: it cannot promise what is not served."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.requests import Request
from starlette.responses import Response

from web.api.calls import Call
from web.api.shapes import ProblemAnswer
from web.authentication import OPEN_PATHS
from web.context import context_of
from web.encoding import JsonResponse
from web.parsing import NoBody

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"{(\w+)}")
_REFUSALS = {
    "401": "Not signed in.",
    "403": "Not allowed, or from another site.",
    "404": "There is nothing of that name.",
    "409": "Refused in the present state.",
    "408": "The body did not arrive in time.",
    "413": "The body is larger than 1 MiB.",
    "415": "The body is of another kind than the call takes, most of them JSON.",
    "421": "The deck is not known under that host name.",
    "422": "A name or value is wrong; the message names it.",
    "429": "Too many tries; see Retry-After.",
    "503": "Busy; see Retry-After.",
    "507": "The disk is full.",
}
_WITH_BODY = ("408", "409", "413", "415", "507")


def document(calls: Sequence[Call], version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of `calls`."""
    names, schemas = _schemas(calls)
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Daemondeck",
            "version": version,
            "description": "Daemons and their jobs. What changes is told by the socket /api/events.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {
                code: {"description": text, "content": _content({"$ref": names[ProblemAnswer]})}
                for code, text in _REFUSALS.items()
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


async def serve_document(request: Request) -> Response:
    return JsonResponse(await asyncio.to_thread(context_of(request.scope).document))


def _schemas(calls: Iterable[Call]) -> tuple[dict[type[BaseModel], str], dict[str, Any]]:
    # Answers as they are written, bodies as they are read: defaults make the difference.
    modes: dict[type[BaseModel], Literal["serialization", "validation"]] = {ProblemAnswer: "serialization"}
    for call in calls:
        for answer in (call.answer, *call.also.values()):
            if answer is not None:
                modes[answer] = "serialization"
        if call.body is not None and call.body is not NoBody:
            modes[call.body] = "validation"
    references, definitions = models_json_schema(list(modes.items()), ref_template=_REF)
    return {model: references[model, mode]["$ref"] for model, mode in modes.items()}, definitions.get("$defs", {})


def _operation(call: Call, names: dict[type[BaseModel], str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": call.summary,
        "operationId": call.handler.__name__,
        "x-role": call.role.value,
        **({"x-command": call.command} if call.command else {}),
        "parameters": [*_path_parameters(call), *_query_parameters(call), *call.headers],
        "responses": {**_refusals(call), **_other_answers(call, names), str(call.status): _answer(call, names)},
        **({"security": []} if call.path in OPEN_PATHS else {}),
    }
    if call.body is not None and call.body is not NoBody:
        required = any(field.is_required() for field in call.body.model_fields.values())
        operation["requestBody"] = {"required": required, "content": _content({"$ref": names[call.body]})}
    if call.takes:
        content = {kind: {"schema": schema} for kind, schema in call.takes.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(call: Call) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(call.path)
    ]


def _query_parameters(call: Call) -> list[dict[str, Any]]:
    schema = call.query.model_json_schema(ref_template=_REF)
    definitions = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _inlined(property, definitions)}
        for name, property in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Put the few enums of parameters where they are used."""
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return definitions[schema["$ref"].rpartition("/")[2]]
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _answer(call: Call, names: dict[type[BaseModel], str]) -> dict[str, Any]:
    if call.files:
        content = {kind: {"schema": schema} for kind, schema in call.files.items()}
        return {"description": call.summary, "content": content}
    if call.answer is None:
        return {"description": "Done." if call.status == 204 else call.summary}
    return {"description": call.summary, "content": _content({"$ref": names[call.answer]})}


def _other_answers(call: Call, names: dict[type[BaseModel], str]) -> dict[str, Any]:
    return {
        str(status): {"description": call.summary, "content": _content({"$ref": names[answer]})}
        for status, answer in call.also.items()
    }


def _refusals(call: Call) -> dict[str, Any]:
    codes = [code for code in _REFUSALS if call.body is not None or call.takes or code not in _WITH_BODY]
    return {code: {"$ref": f"#/components/responses/{code}"} for code in codes}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


CALL = Call("GET", "/api/openapi.json", serve_document, "This document.")
