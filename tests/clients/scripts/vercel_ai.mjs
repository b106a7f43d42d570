// Vercel's AI SDK: its OpenAI provider speaks responses by default, the compatible one chats.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const { CLIENTS_URL: url, CLIENTS_MODEL: model } = process.env;
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const compatible = createOpenAICompatible({ name: "hotswapd", baseURL: `${url}/v1` });

for (const chosen of [openai(model), openai.chat(model), openai.completion(model), compatible(model)]) {
  // Nothing is stored here: earlier answers must come with the request, and not as references.
  const providerOptions = { openai: { store: false } };
  const common = { model: chosen, maxOutputTokens: 16, maxRetries: 0, providerOptions };
  const said = await generateText({ ...common, system: "Be brief.", prompt: "Say hello." });
  assert.ok(said.usage.outputTokens > 0);
  const messages = [{ role: "user", content: "Say hello." }, ...said.response.messages, { role: "user", content: "Again." }];
  if (chosen.provider !== "openai.completion") await generateText({ ...common, messages });
  let text = "";
  for await (const part of streamText({ ...common, prompt: "Say hello." }).textStream) text += part;
  assert.ok(text);
}
