// Requests to the bridge, with the caller's token. The token is kept for this tab alone, and sent in a header only:
// no cookie, so no other site can send a request in the caller's name.

const TOKEN = "tsm-bridge-token";
let isUnknown = () => {}; // called where the bridge does not know the caller
let ahead = 0; // milliseconds by which this machine's clock is ahead of the bridge's

export const token = () => sessionStorage.getItem(TOKEN);
export const keepToken = (text) => sessionStorage.setItem(TOKEN, text);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);
export const whenUnknown = (tell) => { isUnknown = tell; };

// The present moment, as the bridge's clock has it.
export const now = () => Date.now() - ahead;

// What the bridge answered where it did not do what it was asked (RFC 9457), or why there was no answer.
export class Problem extends Error {
  constructor(document, pause) {
    super(document.detail);
    Object.assign(this, document);
    this.pause = pause; // seconds
  }
}

// `path` is relative to the page. Resolves to the answer; rejects with a `Problem`.
export async function send(path, { method = "GET", body, headers = {}, signal } = {}) {
  const all = { ...headers };
  if (token()) all.Authorization = `Bearer ${token()}`;
  if (body) all["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method, signal, headers: all, body: body && JSON.stringify(body), cache: "no-store", credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ status: 0, title: "No answer", detail: "The bridge does not answer.", retryable: true }, 3);
  }
  noteTime(answer);
  if (answer.ok || answer.status === 304) return answer;
  if (answer.status === 401) isUnknown();
  throw new Problem(await problemOf(answer), Number(answer.headers.get("Retry-After")) || 3);
}

export const ask = async (path, options) => (await send(path, options)).json();

export const post = (path, body, headers) => ask(path, { method: "POST", body, headers });

function noteTime(answer) {
  const date = Date.parse(answer.headers.get("Date"));
  if (date) ahead = Math.abs(Date.now() - date) < 2000 ? 0 : Date.now() - date;
}

async function problemOf(answer) {
  try {
    const document = await answer.json();
    if (document.detail) return document;
  } catch { /* a proxy's own page */ }
  return { status: answer.status, title: "Error", detail: `The answer was ${answer.status}.`, retryable: answer.status >= 500 };
}

// 128 bits at random. (`crypto.randomUUID` is only there where the page came over TLS or from this machine.)
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
