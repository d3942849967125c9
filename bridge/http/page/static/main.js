// The page: who calls, what is shown, and how old it is.

import { html, render, useCallback, useEffect, useState } from "./preact.js";
import { ask, forgetToken, whenUnknown } from "./api.js";
import { useLive, useNow, usePlace } from "./live.js";
import { JobView } from "./job.js";
import { Jobs } from "./jobs.js";
import { Overview } from "./overview.js";
import { Fault, Heading } from "./parts.js";
import { SignIn } from "./signin.js";
import { forms, Submit } from "./submit.js";
import { ThingView } from "./thing.js";
import { duration, moment } from "./words.js";

const HISTORY_SECONDS = 3;

function App() {
  const [caller, setCaller] = useState(null); // `{ name, scopes }`; null: not known yet; false: to be asked for a token
  const [problem, setProblem] = useState(null);
  const find = useCallback(async () => {
    try {
      setCaller(await ask("whoami"));
      setProblem(null);
    } catch (fault) {
      setProblem(fault);
      if (fault.retryable) setTimeout(find, fault.pause * 1000);
    }
  }, []);
  const leave = useCallback(() => {
    forgetToken();
    setProblem(null);
    setCaller(false);
  }, []);
  useEffect(() => {
    whenUnknown(leave);
    find();
  }, []);
  if (caller) return html`<${Signed} caller=${caller} leave=${leave} />`;
  return html`<${Frame}>
    ${caller === false ? html`<${SignIn} done=${setCaller} />`
      : problem && html`<${Heading} title=${problem.title} /><${Fault} problem=${problem} />
        ${problem.status === 403 && html`<button type="button" onClick=${leave}>Use another token</button>`}`}
  <//>`;
}

function Signed({ caller, leave }) {
  const { path: [view, id], query } = usePlace();
  const [span, setSpan] = useState("hour");
  const history = useLive(`history?span=${span}`, HISTORY_SECONDS);
  const { data: specification } = useLive("openapi.json", null);
  const kinds = specification ? forms(specification).map(({ kind }) => kind) : [];
  const maySubmit = caller.scopes.includes("submit");
  const shown = view === "jobs" && id ? html`<${JobView} key=${id} jobId=${id} caller=${caller} />`
    : view === "jobs" ? html`<${Jobs} query=${query} kinds=${kinds} />`
    : view === "things" && id ? html`<${ThingView} key=${id} uuid=${id} kinds=${kinds} />`
    : view === "submit" && maySubmit ? html`<${Submit} specification=${specification} />`
    : html`<${Overview} history=${history.data} caller=${caller} span=${span} setSpan=${setSpan} />`;
  const links = [["", "Overview"], ["jobs", "Jobs"], ...(maySubmit ? [["submit", "Submit"]] : [])];
  return html`<${Frame}
    nav=${html`<nav aria-label="Views">${links.map(([place, name]) => html`<a href="#/${place}" aria-current=${(view === place) ? "page" : null}>${name}</a>`)}</nav>`}
    aside=${html`<${Freshness} history=${history} />
      ${caller.name && html`<span class="caller">${caller.name}</span><button type="button" class="quiet" onClick=${leave}>Sign out</button>`}`}>
    <${Outage} history=${history} />
    ${shown}
  <//>`;
}

const Frame = ({ nav, aside, children }) => html`
  <a class="skip" href="#content" onClick=${(event) => { event.preventDefault(); document.querySelector("h1")?.focus(); }}>To the content</a>
  <header><div class="bar"><a class="brand" href="#/"><img src="page/icon.svg" alt="" width="24" height="24" />tsm-slurm-bridge</a>
    ${nav}<div class="aside">${aside}</div></div></header>
  <main id="content">${children}</main>
  <footer><a href="docs">Routes</a> for programs, and <code>tsm-bridge</code> for the command line.</footer>`;

const isAway = ({ data, problem }) => Boolean(problem) || (data && !data.current);

// How old the picture is.
function Freshness({ history }) {
  const present = useNow();
  if (!history.data) return null;
  const age = Math.max(0, Math.floor((present - new Date(history.data.as_of)) / 1000));
  return html`<span class="freshness ${isAway(history) ? "away" : "live"}" title="As Slurm's queue stood ${moment(history.data.as_of)}">
    ${isAway(history) ? "not live" : "live"}, ${duration(age)} old</span>`;
}

function Outage({ history }) {
  const { data, problem } = history;
  if (!isAway(history)) return null;
  const since = data && html` What you see is of ${moment(data.as_of)}.`;
  return html`<div class="outage" role="alert">
    ${!problem || problem.type?.endsWith("controller-unreachable")
      ? html`<strong>The Slurm controller does not answer.</strong>${since} Jobs that run go on; nothing can be submitted or
        cancelled until it answers.`
      : html`<strong>${problem.title}.</strong> ${problem.detail}${since}`}
  </div>`;
}

render(html`<${App} />`, document.body);
