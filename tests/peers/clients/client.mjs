// The TypeScript MCP SDKs against an MCP server: prints what each step came to.
//
//   client.mjs sdk1 URL legacy [resume]                     @modelcontextprotocol/sdk 1.x
//   client.mjs client2 URL legacy|auto|2026-07-28 [resume]  @modelcontextprotocol/client 2.x
//
// The steps are those of mcp1.py and mcp2.py. Nothing printed may differ from run to run.
import { randomUUID } from 'node:crypto';

const [sdk, url, mode, resume] = process.argv.slice(2);
const STEP_LIMIT_MS = 20_000;
const BEGUN_MS = 500; // after which a slow call is taken to have begun
const steps = {};
const said = [];
const logged = [];

const answers = {
  'sampling/createMessage': params => ({
    role: 'assistant',
    model: 'peer',
    content: { type: 'text', text: `Paris, you asked ${params.messages[0].content.text}` },
  }),
  'elicitation/create': params => {
    const known = { username: 'ada', email: 'ada@example.com', name: 'ada', color: 'green', ok: true, context: 'none' };
    const wanted = Object.keys(params.requestedSchema.properties);
    return { action: 'accept', content: Object.fromEntries(wanted.map(key => [key, known[key]])) };
  },
  'roots/list': () => ({ roots: [{ uri: 'file:///home/ada' }] }),
};

async function open() {
  const identity = { name: 'peer', version: '1.0.0' };
  const capabilities = { sampling: {}, elicitation: {}, roots: {} };
  const answer = method => request => {
    if (method !== 'roots/list') said.push(request.params);
    return answers[method](request.params);
  };
  if (sdk === 'sdk1') {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
    const types = await import('@modelcontextprotocol/sdk/types.js');
    const client = new Client(identity, { capabilities });
    client.setRequestHandler(types.CreateMessageRequestSchema, answer('sampling/createMessage'));
    client.setRequestHandler(types.ElicitRequestSchema, answer('elicitation/create'));
    client.setRequestHandler(types.ListRootsRequestSchema, answer('roots/list'));
    client.setNotificationHandler(types.LoggingMessageNotificationSchema, one => void logged.push(one.params.data));
    await client.connect(new StreamableHTTPClientTransport(new URL(url)));
    return client;
  }
  const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
  const versionNegotiation = { mode: mode.startsWith('20') ? { pin: mode } : mode };
  const client = new Client(identity, { capabilities, versionNegotiation });
  for (const method of Object.keys(answers)) client.setRequestHandler(method, answer(method));
  client.setNotificationHandler('notifications/message', one => void logged.push(one.params.data));
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  return client;
}

async function step(name, doing) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('the step took too long')), STEP_LIMIT_MS);
  });
  try {
    steps[name] = await Promise.race([doing(), limit]);
  } catch (error) {
    steps[name] = { raised: error.constructor.name, code: error.code, message: error.message };
  } finally {
    clearTimeout(timer);
  }
}

const client = await open();
const modern = (client.getNegotiatedProtocolVersion?.() ?? '') >= '2026';
// The second argument of SDK 1.x's callTool is a schema, of 2.x's the options.
const call = (name, args = {}, options = {}) =>
  sdk === 'sdk1'
    ? client.callTool({ name, arguments: args }, undefined, options)
    : client.callTool({ name, arguments: args }, options);

await step('connect', async () => ({
  version: client.getNegotiatedProtocolVersion?.() ?? null,
  server: client.getServerVersion() ?? null,
  capabilities: client.getServerCapabilities() ?? null,
}));
await step('tools', async () => {
  const { tools } = await client.listTools();
  return { names: tools.map(tool => tool.name), add: tools.find(tool => tool.name === 'add') };
});
await step('add', () => call('add', { a: 2, b: 40 }));
for (const name of ['test_image_content', 'test_multiple_content_types', 'test_error_handling', 'no_such_tool']) {
  await step(name, () => call(name));
}
await step('progress', async () => {
  const progress = [];
  const result = await call('test_tool_with_progress', {}, { onprogress: one => progress.push([one.progress, one.total]) });
  return { progress, result };
});
await step('logging', async () => {
  const result = await call('test_tool_with_logging');
  return { logged: logged.slice(-3), result };
});
await step('cancel', async () => {
  const what = randomUUID();
  const stop = new AbortController();
  const begun = new Promise(resolve => {
    call('slow', { what }, { onprogress: resolve, signal: stop.signal }).catch(() => {});
    setTimeout(resolve, BEGUN_MS);
  });
  await begun;
  stop.abort('not needed any more');
  return call('was_cancelled', { what });
});
if (modern) {
  for (const name of ['elicitation', 'sampling', 'list_roots', 'multiple_inputs', 'multi_round']) {
    await step(`input ${name}`, () => call(`test_input_required_result_${name}`));
  }
  await step('input prompt', () => client.getPrompt({ name: 'test_input_required_result_prompt' }));
  await step('header', () => call('test_custom_header', { region: 'eu-west' }));
} else {
  await step('ping', () => client.ping());
  await step('sampling', () => call('test_sampling', { prompt: 'What is the capital of France?' }));
  await step('elicitation', () => call('test_elicitation', { message: 'Who are you?' }));
  await step('subscribe', () => client.subscribeResource({ uri: 'test://watched-resource' }));
  await step('log level', () => client.setLoggingLevel('warning'));
}
await step('resources', () => client.listResources());
await step('templates', () => client.listResourceTemplates());
for (const uri of ['test://static-text', 'test://static-binary', 'test://template/7/data', 'test://missing']) {
  await step(`read ${uri}`, () => client.readResource({ uri }));
}
await step('prompts', () => client.listPrompts());
const asked = { name: 'test_prompt_with_arguments', arguments: { arg1: 'one', arg2: 'two' } };
await step('prompt', () => client.getPrompt(asked));
const argument = { name: 'arg1', value: 'par' };
await step('complete', () => client.complete({ ref: { type: 'ref/prompt', name: asked.name }, argument }));
if (resume) {
  // The server hangs up in the middle; the SDK comes back with Last-Event-ID.
  await step('resume', () => call('test_reconnection'));
}
await step('refund of 10', () => call('refund', { order: 'o1', amount: 10 }));
await step('refund of 900', () => call('refund', { order: 'o2', amount: 900 }));
await step('secret', () => call('secret'));
await step('after a refusal', () => call('add', { a: 1, b: 1 }));
steps['asked by the server'] = said;
console.log(JSON.stringify(steps, null, 1));
await client.close();
process.exit(0); // a stream that the SDK reopens would keep the process alive
