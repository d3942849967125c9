// Hooks that keep what is shown up to date. Nothing is asked for while nobody looks at the page.

import { useCallback, useEffect, useRef, useState } from "./preact.js";
import { now, send } from "./api.js";

const COST_SHARE = 20; // an answer that took long is asked for again after this many times as long

// What `path` answers, asked for again every `seconds`, `null`: once. Returns `{ data, problem, again }`: the newest
// answer there is, why a newer one could not be had, and a function that asks at once.
// `path` is null where nothing is to be asked for.
export function useLive(path, seconds) {
  const [state, setState] = useState({ path: null });
  const wake = useRef(() => {});
  useEffect(() => {
    if (!path) return undefined;
    const ending = new AbortController();
    const known = { tag: null };
    let timer;
    let isAsking = false;
    const look = async () => {
      clearTimeout(timer);
      if (document.hidden || isAsking) return;
      isAsking = true;
      const begun = performance.now();
      let pause = seconds;
      try {
        const answer = await send(path, { signal: ending.signal, headers: known.tag ? { "If-None-Match": known.tag } : {} });
        if (answer.status !== 304) {
          known.tag = answer.headers.get("ETag");
          const data = await answer.json();
          setState({ path, data });
        } else setState((last) => (last.problem ? { path, data: last.data } : last));
      } catch (problem) {
        if (ending.signal.aborted) return;
        setState((last) => ({ path, data: last.path === path ? last.data : undefined, problem }));
        pause = problem.retryable ? Math.max(seconds ?? 0, problem.pause) : null;
      } finally {
        isAsking = false;
      }
      if (pause !== null && !ending.signal.aborted)
        timer = setTimeout(look, Math.max(pause * 1000, COST_SHARE * (performance.now() - begun)));
    };
    const onVisible = () => document.hidden ? clearTimeout(timer) : look();
    document.addEventListener("visibilitychange", onVisible);
    wake.current = look;
    look();
    return () => {
      ending.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [path, seconds]);
  const again = useCallback(() => wake.current(), []);
  return { ...state, isOld: state.path !== path, again };
}

// The present moment by the bridge's clock, once a second.
export function useNow() {
  const [moment, setMoment] = useState(now());
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setMoment(now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return moment;
}

// What stands behind the `#`: `{ path: ["jobs", "17"], query: URLSearchParams }`.
export function usePlace() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const onChange = () => setHash(location.hash);
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  return { path: path.split("/"), query: new URLSearchParams(query) };
}
