// What the official npm client does with a server: `SEATRIAL_URL=… GATEWAY_URL=… GATEWAY_KEY=… node --test npm_client.mjs`.
// Every reply is written to $REPLIES as a line of JSON, so that its caller can hold them against OpenAI's document.
import assert from 'node:assert/strict';
import { appendFile } from 'node:fs/promises';
import { after, test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const { SEATRIAL_URL, GATEWAY_URL, GATEWAY_KEY, REPLIES } = process.env;
const model = 'smollm2-135m';
const hello = [{ role: 'user', content: 'Say hello.' }];
const City = z.object({ name: z.string().max(20), is_large: z.boolean() });
const written = [];

async function recordingFetch(url, init) {
  const reply = await fetch(url, init);
  const { status } = reply;
  const about = { method: init.method, path: new URL(url).pathname, status, type: reply.headers.get('content-type') };
  written.push(
    reply.clone().text()
      .then((body) => appendFile(REPLIES, JSON.stringify({ ...about, body }) + '\n'))
      .catch((error) => assert.equal(error.name, 'AbortError')), // left in the middle
  );
  return reply;
}

const connect = (url, options = {}) =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, fetch: recordingFetch, ...options });
const all = async (things) => {
  const found = [];
  for await (const thing of things) found.push(thing);
  return found;
};
const client = connect(SEATRIAL_URL);
const gateway = (options) => connect(GATEWAY_URL, { apiKey: GATEWAY_KEY, ...options });
after(() => Promise.all(written));

test('a whole answer', async () => {
  const reply = await client.chat.completions.create({ model, messages: hello, max_tokens: 6, temperature: 0 });
  assert.equal(reply.choices[0].finish_reason, 'length');
  assert.equal(reply.choices[0].message.refusal, null);
  assert.equal(reply.usage.completion_tokens, 6);
  assert.match(reply._request_id, /^req_/);
});

test('a stream', async () => {
  const stream = await client.chat.completions.create({
    model, messages: hello, max_tokens: 6, temperature: 0, stream: true, stream_options: { include_usage: true },
  });
  const chunks = await all(stream);
  assert.ok(chunks.slice(0, -1).map((chunk) => chunk.choices[0].delta.content ?? '').join(''));
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, 6);
});

test('the streaming helper', async () => {
  const stream = client.chat.completions.stream({ model, messages: hello, max_tokens: 60, temperature: 0, stop: [',', '!'] });
  let said = '';
  stream.on('content', (delta) => { said += delta; });
  const final = await stream.finalChatCompletion();
  assert.equal(final.choices[0].message.content, said);
});

test('parse', async () => {
  const reply = await client.chat.completions.parse({
    model, messages: [{ role: 'user', content: 'Describe the city of Riga.' }],
    response_format: zodResponseFormat(City, 'city'), max_tokens: 80, temperature: 0,
  });
  assert.equal(typeof reply.choices[0].message.parsed.is_large, 'boolean');
});

test('a tool loop', async () => {
  const tools = [zodFunction({ name: 'weather', parameters: z.object({ city: z.string().max(20) }) })];
  const asked = { model, tools, parallel_tool_calls: false, max_tokens: 60, temperature: 0 };
  const messages = [{ role: 'user', content: 'What is the weather in Riga?' }];
  const stream = client.chat.completions.stream({ ...asked, messages, tool_choice: 'required' });
  const first = (await stream.finalChatCompletion()).choices[0];
  assert.equal(first.finish_reason, 'tool_calls');
  const [call] = first.message.tool_calls;
  assert.equal(typeof call.function.parsed_arguments.city, 'string');
  messages.push(first.message, { role: 'tool', tool_call_id: call.id, content: '{"degrees": 7}' });
  const last = await client.chat.completions.create({ ...asked, messages, tool_choice: 'none' });
  assert.ok(last.choices[0].message.content);
});

test('stored completions', async () => {
  const { completions } = client.chat;
  const asked = { model, messages: hello, max_tokens: 1, temperature: 0, store: true, metadata: { by: 'npm' } };
  const made = [await completions.create(asked), await completions.create(asked)];
  assert.deepEqual((await all(completions.list({ limit: 1, metadata: { by: 'npm' } }))).map((one) => one.id), made.map((one) => one.id));
  assert.equal((await completions.retrieve(made[1].id)).choices[0].message.content, made[1].choices[0].message.content);
  assert.deepEqual((await completions.update(made[0].id, { metadata: { by: 'hand' } })).metadata, { by: 'hand' });
  assert.deepEqual((await all(completions.messages.list(made[0].id))).map((one) => one.content), ['Say hello.']);
  for (const { id } of made) assert.equal((await completions.delete(id)).deleted, true);
  await assert.rejects(completions.retrieve(made[0].id), OpenAI.NotFoundError);
});

test('responses', async () => {
  const asked = { model, input: 'Say hello.', temperature: 0, max_output_tokens: 16 };
  const first = await client.responses.create(asked);
  assert.ok(first.output_text);
  const second = await client.responses.create({ ...asked, previous_response_id: first.id });
  assert.ok(second.usage.input_tokens > first.usage.input_tokens);
  assert.equal((await client.responses.retrieve(second.id)).previous_response_id, first.id);
  assert.ok((await client.responses.inputTokens.count({ model, input: 'Say hello.' })).input_tokens > 0);
  await client.responses.delete(first.id);
  await assert.rejects(client.responses.retrieve(first.id), OpenAI.NotFoundError);
});

test('the streaming helper of responses', async () => {
  const prompt = 'Describe the city of Riga.';
  const stream = client.responses.stream({
    model, input: prompt, text: { format: zodTextFormat(City, 'city') }, max_output_tokens: 80, temperature: 0,
  });
  const kinds = new Set();
  for await (const event of stream) kinds.add(event.type);
  const final = await stream.finalResponse();
  assert.equal(typeof final.output_parsed.is_large, 'boolean');
  assert.ok(kinds.has('response.output_text.delta') && kinds.has('response.completed'));
});

test('models, completions and embeddings', async () => {
  const names = (await all(client.models.list())).map((one) => one.id);
  assert.deepEqual(names, [model, 'gpt-5-mini']);
  assert.equal((await client.models.retrieve('gpt-5-mini')).id, 'gpt-5-mini');
  const text = await client.completions.create({ model, prompt: 'The capital of France is', max_tokens: 3, temperature: 0 });
  assert.match(text.choices[0].text, /Paris/);
  const embedded = await client.embeddings.create({ model, input: ['a boat', 'a ship'] });
  const numbers = await client.embeddings.create({ model, input: ['a boat', 'a ship'], encoding_format: 'float' });
  assert.equal(embedded.data[1].embedding.length, 576);
  embedded.data[1].embedding.forEach((x, at) => assert.ok(Math.abs(x - numbers.data[1].embedding[at]) < 1e-6));
});

test('errors by their class', async () => {
  const ask = (client, fields) => client.chat.completions.create({ model, messages: hello, max_tokens: 1, ...fields });
  await assert.rejects(ask(client, { model: 'gpt-1' }), (error) =>
    error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
  await assert.rejects(ask(client, { temperature: 'warm' }), (error) =>
    error instanceof OpenAI.BadRequestError && error.code === 'invalid_type' && error.param === 'temperature');
  await assert.rejects(ask(gateway({ apiKey: 'wrong' }), {}), OpenAI.AuthenticationError);
});

test('asking again when told to', async () => {
  const messages = [{ role: 'user', content: 'npm busy twice' }];
  const reply = await gateway({ maxRetries: 2 }).chat.completions.create({ model: 'stand-in', messages });
  assert.equal(reply.choices[0].message.content, 'At last.');
});

test('an upstream that fails', async () => {
  const messages = [{ role: 'user', content: 'npm broken' }];
  await assert.rejects(gateway().chat.completions.create({ model: 'stand-in', messages }), OpenAI.InternalServerError);
});

test('leaving in the middle', async () => {
  const stream = await client.chat.completions.create({ model, messages: hello, max_tokens: 4000, stream: true });
  for await (const _ of stream) break;
  stream.controller.abort();
});
