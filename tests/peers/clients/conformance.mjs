// A client for the conformance suite's client scenarios, on the TypeScript SDK 2.x: it lists, calls
// every tool with arguments made from its schema (or those the scenario gives), reads, and answers
// what it is asked.
//
//   conformance.mjs URL    with the MCP_CONFORMANCE_* variables that the suite sets
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const url = new URL(process.argv[2]);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? '';
const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? '2025-11-25';
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}');
const LINGER_MS = 1500; // a stream that the server ended is reopened after its `retry`

const made = { string: 'a text', number: 2, integer: 2, boolean: true, array: [], object: {}, null: null };
const argumentsFor = schema =>
  Object.fromEntries(
    Object.entries(schema.properties ?? {})
      .filter(([name]) => (schema.required ?? Object.keys(schema.properties)).includes(name))
      .map(([name, one]) => [name, one.enum?.[0] ?? made[one.type] ?? null]),
  );
const quietly = async doing => {
  try {
    return await doing();
  } catch (error) {
    console.error(`${error.name}: ${error.message}`);
  }
};

const mode = version >= '2026' ? { pin: version } : 'legacy';
const capabilities = { elicitation: { form: { applyDefaults: true } }, sampling: {}, roots: {} };
const client = new Client({ name: 'peer', version: '1.0.0' }, { capabilities, versionNegotiation: { mode } });
client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: {} }));
client.setRequestHandler('sampling/createMessage', () => ({
  role: 'assistant',
  model: 'peer',
  content: { type: 'text', text: 'Paris' },
}));
client.setRequestHandler('roots/list', () => ({ roots: [] }));
await client.connect(new StreamableHTTPClientTransport(url));

const { tools } = (await quietly(() => client.listTools())) ?? { tools: [] };
const echo = scenario === 'json-schema-2020-12-preservation' && tools.find(tool => tool.inputSchema.properties?.schema);
const calls = echo
  ? [{ name: echo.name, arguments: { schema: tools.find(tool => tool !== echo).inputSchema } }]
  : context.toolCalls ?? tools.map(tool => ({ name: tool.name, arguments: argumentsFor(tool.inputSchema) }));
for (const call of calls) await quietly(() => client.callTool(call));
const { resources } = (await quietly(() => client.listResources())) ?? { resources: [] };
for (const { uri } of resources) await quietly(() => client.readResource({ uri }));
const { prompts } = (await quietly(() => client.listPrompts())) ?? { prompts: [] };
for (const { name } of prompts) await quietly(() => client.getPrompt({ name }));
if (scenario === 'sse-retry') await new Promise(resolve => setTimeout(resolve, LINGER_MS));
await quietly(() => client.close());
process.exit(0);
