// Small parts that several views are made of.

import { html, useEffect, useRef, useState } from "./preact.js";
import { useNow } from "./live.js";
import { duration, groupOf, isLost, moment, shortThing } from "./words.js";

export function State({ job }) {
  const group = isLost(job) ? "lost" : groupOf(job.state);
  return html`<span class="state ${group}">${isLost(job) ? "UNSEEN" : job.state.replaceAll("_", " ")}</span>`;
}

// "3 min ago"; the moment itself for those who point at it.
export function Ago({ at }) {
  const present = useNow();
  if (!at) return "–";
  const age = (present - new Date(at)) / 1000;
  return html`<time datetime=${at} title=${moment(at)}>${age < 1 ? "now" : `${duration(Math.floor(age))} ago`}</time>`;
}

// How long it has been, counting.
export function Since({ at }) {
  return duration(Math.floor((useNow() - new Date(at)) / 1000));
}

export const Thing = ({ uuid, isWhole }) =>
  html`<a class="mono" href="#/things/${uuid}" title=${uuid} aria-label="thing ${uuid}">${isWhole ? uuid : shortThing(uuid)}</a>`;

export const Fault = ({ problem }) =>
  problem && html`<p class="fault" role="alert"><strong>${problem.title ?? "Error"}.</strong> ${problem.detail ?? problem.message}
    ${(problem.errors ?? []).map(({ field, message }) => html` <b>${field}</b> ${message}.`)}</p>`;

// A page's heading. It gets the focus when the view is opened, so that screen readers begin there.
export function Heading({ children, title }) {
  const element = useRef();
  useEffect(() => {
    document.title = `${title} · tsm-slurm-bridge`;
    element.current.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [title]);
  return html`<h1 tabindex="-1" ref=${element}>${children ?? title}</h1>`;
}

// Asks before something is done. `act` does it: a promise; what it rejects with is shown.
export function Confirm({ title, yes, isDangerous, children, act, close }) {
  const element = useRef();
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => element.current.showModal(), []);
  const go = async () => {
    setBusy(true);
    try {
      await act();
      close();
    } catch (fault) {
      setProblem(fault);
      setBusy(false);
    }
  };
  return html`<dialog ref=${element} onClose=${close} aria-labelledby="question">
    <h2 id="question">${title}</h2>
    ${children}
    <${Fault} problem=${problem} />
    <div class="buttons">
      <button type="button" onClick=${close}>No, go back</button>
      ${yes && html`<button type="button" class=${isDangerous ? "danger" : "main"} disabled=${isBusy} onClick=${go}>${yes}</button>`}
    </div>
  </dialog>`;
}

// Two or more choices, one of which is taken.
export const Choice = ({ label, value, options, choose }) =>
  html`<div class="choice" role="group" aria-label=${label}>
    ${options.map(([name, text]) => html`<button type="button" aria-pressed=${String(name === value)} onClick=${() => choose(name)}>${text}</button>`)}
  </div>`;
