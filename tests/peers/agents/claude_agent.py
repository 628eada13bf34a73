"""Claude Agent SDK: ANTHROPIC_BASE_URL and the MCP server's url are the gate's."""

import asyncio
import os

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

MODEL_URL = os.environ.get("ANTHROPIC_BASE_URL", "http://127.0.0.1:4100/anthropic")
TOOLS_URL = os.environ.get("TOOLGATE_CALCULATOR_URL", "http://127.0.0.1:4100/calculator/mcp")


async def main():
    options = ClaudeAgentOptions(
        system_prompt="Calculate with your tools.",
        mcp_servers={"calculator": {"type": "http", "url": TOOLS_URL}},
        tools=[],  # none but those of the gate
        allowed_tools=["mcp__calculator__add"],
        env={"ANTHROPIC_BASE_URL": MODEL_URL},
    )
    async for message in query(prompt="What is 2 + 40?", options=options):
        if isinstance(message, ResultMessage):
            print(message.result)


asyncio.run(main())
