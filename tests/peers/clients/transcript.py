"""What the Python clients of this folder have in common: steps, and what each of them came to.

A client prints one JSON object, step -> outcome. Nothing in it may differ from run to run, so that
the transcript of a run through the gate can be compared with that of a direct one.
"""

import json
import sys

import anyio

STEP_LIMIT_SECONDS = 20
BEGUN_SECONDS = 0.5  # after which a slow call is taken to have begun


def plain(value):
    """Results of either SDK as the JSON that was on the wire."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return value


class Transcript:
    def __init__(self):
        self.steps = {}

    async def step(self, name, doing):
        """An error is an outcome as well: its type, code and message are part of the transcript."""
        try:
            with anyio.fail_after(STEP_LIMIT_SECONDS):
                self.steps[name] = plain(await doing())
        except Exception as error:
            data = getattr(error, "error", error)
            self.steps[name] = {"raised": type(error).__name__, "code": getattr(data, "code", None),
                                "message": str(getattr(data, "message", error))}

    def print(self):
        json.dump(self.steps, sys.stdout, indent=1, sort_keys=True)
        print()


def tools_listed(result):
    """Names in order, and one tool with everything said about it."""
    tools = plain(result)["tools"]
    return {"names": [tool["name"] for tool in tools], "add": next(tool for tool in tools if tool["name"] == "add")}
