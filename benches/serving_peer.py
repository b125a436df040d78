"""What a status costs a FastAPI program that has it in a dictionary already."""

import json
import os

from fastapi import FastAPI, HTTPException

app = FastAPI()
job = json.loads(os.environ["JOB"])
jobs = {job["request_id"]: job}


@app.get("/jobs/{request_id}/status")
async def status(request_id: str):
    if request_id not in jobs:
        raise HTTPException(404, f"Request {request_id} not found")
    return jobs[request_id]
