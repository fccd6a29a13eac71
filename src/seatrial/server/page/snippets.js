// A request as code to paste: curl, Python and JavaScript. The key is named, never written out.

export const LANGUAGES = { curl, Python: python, JavaScript: javascript };

function curl({ base, body, asksForKey }) {
  const quoted = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  const lines = [`curl -N ${base}/chat/completions`, `-H 'Content-Type: application/json'`];
  if (asksForKey) lines.push(`-H "Authorization: Bearer $SEATRIAL_API_KEY"`);
  return [...lines, `-d '${quoted}'`].join(" \\\n  ");
}

function python({ base, body, asksForKey }) {
  const key = asksForKey ? 'os.environ["SEATRIAL_API_KEY"]' : '"none"';
  const { stream_options, ...rest } = body;
  const named = Object.entries(rest).map(([name, value]) => `    ${name}=${literal(value, 4)},\n`).join("");
  return `${asksForKey ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url=${JSON.stringify(base)}, api_key=${key})
stream = client.chat.completions.create(
${named})
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
`;
}

function javascript({ base, body, asksForKey }) {
  const { stream_options, ...rest } = body;
  const key = asksForKey ? "process.env.SEATRIAL_API_KEY" : '"none"';
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${JSON.stringify(base)}, apiKey: ${key} });
const stream = await client.chat.completions.create(${JSON.stringify(rest, null, 2)});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}
`;
}

// JSON's strings are Python's too, but for lone surrogates, which JSON.stringify writes as escapes that Python takes.
function literal(value, indent) {
  const inner = " ".repeat(indent + 4);
  const close = " ".repeat(indent);
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[\n${value.map((each) => `${inner}${literal(each, indent + 4)},\n`).join("")}${close}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each, indent)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}
