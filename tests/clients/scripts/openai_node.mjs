// OpenAI's client for Node: turns, streams, several answers, responses and models.
import assert from "node:assert/strict";
import OpenAI from "openai";

const { CLIENTS_URL: url, CLIENTS_MODEL: model } = process.env;
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
const messages = [{ role: "user", content: "Say hello." }];

const first = await client.chat.completions.create({ model, messages, max_tokens: 8, temperature: 0 });
messages.push(first.choices[0].message, { role: "user", content: "Again." });
const again = await client.chat.completions.create({ model, messages, max_tokens: 8, n: 2, temperature: 1 });
assert.equal(again.choices.length, 2);

let text = "";
const stream = await client.chat.completions.create({
  model, messages: messages.slice(0, 1), max_tokens: 8, temperature: 0, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
assert.equal(text, first.choices[0].message.content);
const runner = client.chat.completions.stream({ model, messages: messages.slice(0, 1), max_tokens: 8 });
assert.equal((await runner.finalChatCompletion()).choices[0].message.role, "assistant");

const answer = await client.responses.create({ model, input: "Say hello.", max_output_tokens: 16 });
assert.ok(answer.output_text);
const kinds = [];
for await (const event of await client.responses.create({ model, input: "Say hello.", max_output_tokens: 8, stream: true }))
  kinds.push(event.type);
assert.equal(kinds[0], "response.created");
assert.match(kinds.at(-1), /response\.(completed|incomplete)/);
assert.equal((await client.models.retrieve(model)).id, model);
await assert.rejects(client.embeddings.create({ model, input: "x" }), /this server generates text/);
