"""What the DDS API writes, as far as no service is needed to see it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from shardhouse import error_codes as codes
from shardhouse.api import errors
from shardhouse.api.dds import wire
from shardhouse.domain.model import Job, JobStatus
from shardhouse.errors import DdsError, DiskFullError, GatewayError
from tests import requests
from tests.domain.test_topology import plan

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ({"period": "1,3"}, {"period": "1,3"}),
        ({"period": ""}, {}),
        ({}, {}),
    ],
)
def test_the_days_of_backups_are_answered_if_they_came(
    sent: dict[str, Any], answered: dict[str, Any]
) -> None:
    strategy = {"start_time": "08:00-09:00", "keep_days": "7"}
    instance = plan(requests.single(backup_strategy=strategy | sent))
    job = Job("j", "p", instance.id, "n", "CreateMongoDB", "CREATE", JobStatus.RUNNING, MOMENT)
    created = wire.create_answer(instance, job).model_dump()
    listed = wire.instance_item(instance, 1.0, patch_available=False).model_dump()
    assert created["backup_strategy"] == strategy | answered
    assert listed["backup_strategy"] == strategy | {"keep_days": 7} | answered


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DdsError(codes.BAD_PARAMETER, ""), 400),
        (DdsError(codes.INSTANCE_NOT_FOUND, ""), 404),
        (DdsError(codes.ENTERPRISE_PROJECT_INVALID, ""), 403),
        (DdsError(codes.ENTERPRISE_PROJECT_INVALID, "", status=400), 400),
        (GatewayError(codes.NOT_AUTHENTICATED, ""), 401),
    ],
)
def test_an_error_has_the_documented_status_of_its_code(error: DdsError, status: int) -> None:
    assert error.status == status


async def get(app: FastAPI) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/")


def test_a_full_disk_is_told_in_each_api_s_own_shape() -> None:
    def answer(flavour: errors.Flavour) -> httpx.Response:
        app = FastAPI()
        errors.install(app, flavour)

        @app.get("/")
        def refuse() -> None:
            raise DiskFullError("The disk is full. Free some space.")

        return asyncio.run(get(app))

    message = "The disk is full. Free some space."
    dds, iam = answer("dds"), answer("iam")
    assert (dds.status_code, iam.status_code) == (503, 503)
    assert dds.json() == {"error_code": "DBS.280005", "error_msg": message}
    title = "Service Unavailable"
    assert iam.json() == {"error": {"code": 503, "message": message, "title": title}}
