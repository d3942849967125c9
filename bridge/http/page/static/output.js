// What a job prints, as it prints it.

import { html, useEffect, useLayoutEffect, useRef, useState } from "./preact.js";
import { send } from "./api.js";
import { Choice } from "./parts.js";
import { bytes } from "./words.js";

const FIRST_BYTES = 64 * 1024; // of a long output only the end is loaded
const KEPT_LENGTH = 512 * 1024; // characters
const PAUSE_SECONDS = 2;

export function Output({ jobId, isOver, run }) {
  const [stream, choose] = useState("stderr");
  return html`<section aria-labelledby="output">
    <div class="title"><h2 id="output">What it printed</h2>
      <${Choice} label="Which output" value=${stream} choose=${choose} options=${[["stderr", "standard error"], ["stdout", "standard output"]]} /></div>
    <${Text} key=${`${jobId} ${run} ${stream}`} path=${`jobs/${jobId}/${stream}`} isOver=${isOver} />
  </section>`;
}

function Text({ path, isOver }) {
  const { text, skipped, problem } = useOutput(path, isOver);
  const element = useRef();
  const followsEnd = useRef(true); // until its reader scrolls up
  useLayoutEffect(() => {
    if (followsEnd.current) element.current.scrollTop = element.current.scrollHeight;
  }, [text]);
  const onScroll = ({ target }) => {
    followsEnd.current = target.scrollTop + target.clientHeight >= target.scrollHeight - 8;
  };
  const note = problem ? problem.detail : !text ? (isOver ? "It printed nothing." : "It has printed nothing yet.") : null;
  return html`
    ${skipped > 0 && html`<p class="dim">The first ${bytes(skipped)} are left out here.</p>`}
    ${note && html`<p class="dim">${note}</p>`}
    <pre class="output" tabindex="0" role="log" aria-label="Output" ref=${element} onScroll=${onScroll} hidden=${!text}>${text}</pre>
    ${!isOver && html`<p class="dim following">Following</p>`}`;
}

// `{ text, skipped, problem }`: asked for piece by piece, by ranges of bytes, until the job is over.
function useOutput(path, isOver) {
  const [state, setState] = useState({ text: "", skipped: 0 });
  const read = useRef({ next: null, decoder: new TextDecoder() }); // the first byte that was not read yet
  useEffect(() => {
    const ending = new AbortController();
    let timer;
    let isAsking = false;
    const look = async () => {
      clearTimeout(timer);
      if (document.hidden || isAsking) return;
      isAsking = true;
      let wait = isOver ? null : PAUSE_SECONDS;
      try {
        await readMore(path, read.current, ending.signal, setState);
        setState((last) => (last.problem ? { ...last, problem: undefined } : last));
      } catch (problem) {
        if (ending.signal.aborted) return;
        setState((last) => ({ ...last, problem: problem.status === 404 && !isOver ? undefined : problem }));
        if (problem.retryable) wait = Math.max(PAUSE_SECONDS, problem.pause);
      } finally {
        isAsking = false;
      }
      if (wait !== null && !ending.signal.aborted) timer = setTimeout(look, wait * 1000);
    };
    document.addEventListener("visibilitychange", look);
    look();
    return () => {
      ending.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [path, isOver]);
  return state;
}

async function readMore(path, read, signal, setState) {
  const range = read.next === null ? `bytes=-${FIRST_BYTES}` : `bytes=${read.next}-`;
  let answer;
  try {
    answer = await send(path, { headers: { Range: range }, signal });
  } catch (problem) {
    if (problem.status === 416) return; // nothing more yet
    throw problem;
  }
  const data = await answer.arrayBuffer();
  const [, first, last] = /bytes (\d+)-(\d+)/.exec(answer.headers.get("Content-Range")) ?? [0, 0, data.byteLength - 1];
  const skipped = read.next === null ? Number(first) : 0;
  read.next = Number(last) + 1;
  const more = read.decoder.decode(data, { stream: true });
  setState((known) => {
    const text = known.text + more;
    const surplus = Math.max(0, text.length - KEPT_LENGTH);
    return { text: text.slice(surplus), skipped: known.skipped + skipped + surplus };
  });
}
