"""`/v3/{project_id}/jobs`: what became of an operation."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from shardhouse.api.authentication import Caller, dds_caller
from shardhouse.api.dds import wire
from shardhouse.api.dds.state import Given
from shardhouse.domain import rules
from shardhouse.errors import DdsError
from shardhouse.store import jobs
from shardhouse.workflows import delete

router = APIRouter(prefix="/v3/{project_id}/jobs")


@router.get("")
def show_job(
    project_id: str,
    _caller: Annotated[Caller, Depends(dds_caller("dds:task:list"))],
    service: Given,
    id: str | None = None,
) -> JSONResponse:
    """One job. Jobs of an instance that is gone answer 400 DBS.200543, which the Huawei Terraform
    provider expects; the deleting job itself stays visible, so that a client can wait for it."""
    job_id = rules.text("id", id)
    with service.database.read() as connection:
        found = jobs.find(connection, project_id, job_id)
    if found is None:
        raise DdsError("DBS.280016", f"The job {job_id} does not exist.")
    job, instance_gone = found
    if instance_gone and job.action != delete.ACTION:
        raise DdsError("DBS.200543", f"The instance {job.instance_id} of this job was deleted.")
    return JSONResponse(wire.job_answer(job))
