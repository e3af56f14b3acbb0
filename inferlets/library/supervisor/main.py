"""Supervisor: tasks run in child inferlets; what fails or hangs is ended and started again."""

from __future__ import annotations

from typing import Any

from inferlet import ChildFailed, gather, runtime, session, timeout


async def attempt(program: str, task: dict, seconds: float) -> Any:
    """The result of one child, which never outlives its time."""
    child = runtime.launch(program, task)
    try:
        async with timeout(seconds):
            return await child.join()
    finally:
        child.cancel()


async def supervised(number: int, input: dict) -> dict:
    problems: list[str] = []
    for _ in range(input["attempts"]):
        try:
            result = await attempt(input["program"], input["tasks"][number], input["seconds"])
        except ChildFailed as error:
            problems.append(error.message)
        except TimeoutError:
            problems.append(f"not done after {input['seconds']:g} s")
        else:
            return {"result": result, "problems": problems}
        session.send({"task": number, "problem": problems[-1]})
    return {"result": None, "problems": problems}


async def main(input: dict) -> dict:
    numbers = iter(range(len(input["tasks"])))
    reports: dict[int, dict] = {}

    async def place() -> None:
        """One of the places where a child can run; takes the next task when it is free."""
        for number in numbers:
            reports[number] = await supervised(number, input)

    await gather(*[place() for _ in range(input["at_once"])])
    done = [reports[number] for number in range(len(reports))]
    return {
        "results": [report["result"] for report in done],
        "problems": [report["problems"] for report in done],
    }
