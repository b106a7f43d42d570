"""The words of docs/api.md that are not made from the models."""

HEAD = """# The API for clients

What the server takes and gives, field by field: all fields of OpenAI's and of vLLM's, and what is done with each. The
tables are made from the models that read requests, and so is `/openapi.json`.

| path | |
| --- | --- |
| `POST /v1/chat/completions` | whole or streamed |
| `POST /v1/completions` | whole or streamed; texts or token ids, one or many |
| `POST /v1/responses` | whole, or streamed as OpenAI's events; nothing is stored |
| `POST /v1/feedback` | a score for an answer, while [a rollout](rollout.md) asks for it |
| `GET /v1/models`, `GET /v1/models/NAME` | the names that can be asked for; a name may have slashes |
| `POST /tokenize`, `POST /detokenize` | in vLLM's shapes |
| `GET /health`, `/health/live`, `/health/ready` | 200 or 503, without a key |
| `GET /openapi.json` | this page for programs, without a key |
| `POST /v1/embeddings` | 404: this server generates text |

**Names.** `serve.model_names` is what the base is called; without it, its Hub name or the last part of its path. The
first name comes first in `/v1/models`. `model.base` as written, its last part and `admission.base_models` are
answered too. `NAME@g7` is generation 7 while it is served, `NAME@canary` the one beside the live one. A
[channel](channels.md) is asked for by its own name in the place of the base's, and is in `/v1/models` too.

**Which generation answered** is in the header `X-Hotswapd-Generation` and in `system_fingerprint`, its channel in
`X-Hotswapd-Channel`. All answers of one request (`n`, or several prompts) come from one generation, and so does every
token of a stream, whatever goes live meanwhile.

**Sampling.** What a request leaves out is as the model's generation configuration says: `temperature`, `top_p`,
`top_k` and `min_p` if it has `do_sample`, else the likeliest token each time; and its `repetition_penalty`, whichever
way. A temperature below 1e-5 takes the likeliest token. Without `seed` each request draws afresh; with it, the same
tokens from the same generation.

**Messages.** Text only. Parts of a message are joined as lines; null is an empty text. What the server said can be
sent back as it came. A `developer` is the `system` to a template that does not know the word. The tokenizer's own
template decides which roles there are.

**Several prompts.** `n` times the number of prompts is at most 128. All prompts of a request together have at most
about four times as many token ids as `serve.context_tokens`: send a larger batch as several requests.

**Log-probabilities** are natural logarithms in the model's own distribution: before temperature, penalties and
biases. A token is shown as its text, and half of a character as U+FFFD; `bytes` has what it really is. A probability
of 0 is -9999.

**What is not known.** Null is as good as leaving a field out. A field that would change the answer and is not
supported is refused by name: with status 400, a sentence, a [code](codes.md), and the place in `param`, such as
`messages[3].content[0].type`.

## Clients

`make clients` runs these, unchanged and pinned, against the real daemon. What one of them does beyond plain text
needs tools or schemas, which this server does not have: it is refused by name.

| client | what it does here |
| --- | --- |
| openai for Python (2 and 3) and Node | all of it but tools, schemas, images, audio, embeddings and stored answers |
| langchain-openai, LlamaIndex, Pydantic AI, openai-agents | chats, streams, history, and responses where it has them; no tools, handoffs or typed output |
| litellm (SDK and proxy) | as a provider `openai` or `hosted_vllm` |
| instructor | in `Mode.MD_JSON` only: its other modes send tools or a schema |
| DSPy | its chat adapter; its JSON adapter sends a schema first, and falls back |
| Vercel AI | chats, completions and responses; for turns of responses set `providerOptions.openai.store` to false, or it sends references to answers that are not kept |
| inspect-ai, promptfoo | chats and responses |
| outlines, guidance | free text: what binds an answer to a grammar is refused |
| lm-eval | `local-completions` with all kinds of tasks; `local-chat-completions` has no log-probabilities by its own account |
| `vllm bench serve`, guidellm | both endpoints, with the base's tokenizer on their side |
"""  # noqa: E501 - rows of a table
