// The server's API: one call, and the chunks of a stream. What goes wrong comes out as `Failed`, in the server's words.

export const base = new URL("v1/", document.baseURI).href.replace(/\/$/, "");

export class Failed extends Error {
  constructor(status, { message, type, code, param }, retryAfter) {
    super(message);
    this.status = status;
    this.param = param;
    this.details = [status || "", type, code, param && `param: ${param}`, retryAfter && `retry-after: ${retryAfter} s`]
      .filter(Boolean).join(" · ");
  }
}

export async function call(path, { key, body, signal } = {}) {
  const headers = {};
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  const response = await reached(
    fetch(base + path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal }),
  );
  if (response.ok) return response;
  const text = await reached(response.text());
  let error;
  try {
    ({ error } = JSON.parse(text));
  } catch {
    error = null;
  }
  throw new Failed(
    response.status,
    error?.message ? error : { message: text.slice(0, 500) || response.statusText || "The server gave no reason." },
    response.headers.get("retry-after"),
  );
}

export async function* chunks(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let rest = "";
    for (;;) {
      const { value, done } = await reached(reader.read());
      if (done) throw new Failed(0, { message: "The stream was cut before its end." });
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw new Failed(0, chunk.error);
        yield chunk;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function reached(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed(0, { message: `The server cannot be reached (${error.message}). Is it still running?` });
  }
}
