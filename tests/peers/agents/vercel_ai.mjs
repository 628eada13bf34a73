// Vercel AI SDK: the model's base URL and the MCP server's url are the gate's.
import { createMCPClient } from '@ai-sdk/mcp';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, stepCountIs } from 'ai';

const MODEL_URL = process.env.OPENAI_BASE_URL ?? 'http://127.0.0.1:4100/openai';
const TOOLS_URL = process.env.TOOLGATE_CALCULATOR_URL ?? 'http://127.0.0.1:4100/calculator/mcp';

const openai = createOpenAI({ baseURL: MODEL_URL });
const calculator = await createMCPClient({ transport: { type: 'http', url: TOOLS_URL } });
const { text } = await generateText({
  model: openai('gpt-5'),
  tools: await calculator.tools(),
  stopWhen: stepCountIs(5),
  prompt: 'What is 2 + 40?',
});
console.log(text);
await calculator.close();
