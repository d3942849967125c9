// Jobs that ended badly, in groups, and running a group again.

import { html, useEffect, useState } from "./preact.js";
import { post } from "./api.js";
import { useLive } from "./live.js";
import { Ago, Confirm, Fault, Thing } from "./parts.js";
import { moment, number, some } from "./words.js";

const POLL_SECONDS = 10;
const LOOK_SECONDS = 2; // so long after a change the bridge has seen it
const SHOWN_MAX = 4; // groups, before one asks for all
const NAMED_MAX = 12; // ids and reasons in a preview

export function Failures({ caller }) {
  const { data, problem, again } = useLive("failures", POLL_SECONDS);
  const [asked, setAsked] = useState(null);
  const [done, setDone] = useState("");
  const [showsAll, setShowsAll] = useState(false);
  const tell = (text) => {
    setDone(text);
    setTimeout(again, LOOK_SECONDS * 1000);
  };
  return html`<section aria-labelledby="failures">
    <div class="title"><h2 id="failures">Jobs that ended badly</h2>
      ${data && html`<span class="dim">${some(data.count, "job")}; what ended before ${moment(data.complete_since)} may be missing</span>`}</div>
    <p role="status" class=${done ? "done" : ""}>${done}</p>
    <${Fault} problem=${problem} />
    ${data && (data.groups.length === 0 ? html`<p class="empty">None that the bridge remembers.</p>`
      : html`<ul class="groups">${data.groups.slice(0, showsAll ? undefined : SHOWN_MAX).map((group) => html`<${Group} key=${`${group.kind} ${group.cause}`} group=${group}
          mayRun=${caller.scopes.includes("submit")} ask=${() => setAsked(group)} />`)}</ul>`)}
    ${data?.groups.length > SHOWN_MAX && html`<div class="buttons"><button type="button" aria-expanded=${String(showsAll)}
      onClick=${() => setShowsAll(!showsAll)}>${showsAll ? "Show fewer" : `Show all ${data.groups.length} groups`}</button></div>`}
    ${asked && html`<${RunAgain} group=${asked} tell=${tell} close=${() => setAsked(null)} />`}
  </section>`;
}

const onNode = ({ node, count }) => `${node === null ? "never ran" : `on ${node}`}: ${number(count)}`;

function Group({ group, mayRun, ask }) {
  const { example } = group;
  return html`<li class="panel group ${group.cause === "cancelled" ? "cancelled" : ""}">
    <span class="count">${number(group.count)}</span>
    <div>
      <p class="cause"><b>${group.kind}</b> ${example.explanation}</p>
      <p class="dim">${group.nodes.slice(0, 4).map(onNode).join("; ")}${group.nodes.length > 4 && "; …"}.
        ${" "}${some(group.things_count, "thing")}. The last ended <${Ago} at=${group.last_end_time} />.</p>
      <details><summary>Which things, and an example</summary>
        <p><a href=${`#/jobs/${example.job_id}`}>Job ${example.job_id}</a>, the last of them, tells what it printed.</p>
        <ul class="things">${group.things.map(({ thing_uuid: uuid, count }) =>
          html`<li><${Thing} uuid=${uuid} /> ${number(count)}</li>`)}</ul>
      </details>
    </div>
    ${mayRun && (group.runnable > 0
      ? html`<button type="button" onClick=${ask}>Run again…</button>`
      : html`<span class="dim">Slurm has forgotten them</span>`)}
  </li>`;
}

function RunAgain({ group, tell, close }) {
  const [node, setNode] = useState("");
  const [pace, setPace] = useState("");
  const [preview, setPreview] = useState(null);
  const [problem, setProblem] = useState(null);
  const filter = node ? { ...group.filter, node } : group.filter;
  useEffect(() => {
    let isStale = false;
    setPreview(null);
    post("failures/retry", { filter, dry_run: true })
      .then((answer) => isStale || setPreview(answer), (fault) => isStale || setProblem(fault));
    return () => { isStale = true; };
  }, [node]);
  const run = async () => {
    const answer = await post("failures/retry", { filter, ...(pace ? { per_minute: Number(pace) } : {}) });
    tell(`${some(answer.count, "job waits", "jobs wait")} to run again, in two minutes at the earliest.${answer.refused.length ? ` ${answer.refused.length} do not: ${answer.refused[0].detail}` : ""}`
      + (answer.left ? ` ${answer.left} are left: run the group again.` : ""));
  };
  const nodes = group.nodes.filter((one) => one.node !== null);
  return html`<${Confirm} title="Run them again?" yes=${preview?.count > 0 && `Yes, run ${some(preview.count, "job")} again`} close=${close} act=${run}>
    <p><b>${group.kind}</b> ${group.example.explanation}</p>
    <div class="search">
      <div><label for="node">Which</label><select id="node" value=${node} onChange=${(event) => setNode(event.target.value)}>
        <option value="">all</option>${nodes.map((one) => html`<option value=${one.node}>on ${one.node}</option>`)}</select></div>
      <div><label for="pace">How many a minute</label>
        <input id="pace" type="number" min="1" max="10000" placeholder="all at once" value=${pace} onInput=${(event) => setPace(event.target.value)} /></div>
    </div>
    <${Fault} problem=${problem} />
    <div aria-live="polite">${preview ? html`<${Preview} ...${preview} />` : !problem && html`<p class="dim">Asking which…</p>`}</div>
  <//>`;
}

const Preview = ({ count, jobs, refused }) => html`
  <p>${some(count, "job")} would run again${count > 0 && `: ${named(jobs.map((job) => job.job_id))}`}. Each gets its id again and all
    that it had. Slurm lets it begin two minutes later at the earliest.</p>
  ${refused.length > 0 && html`<p>${some(refused.length, "job")} would not: ${named(refused.map(({ job_id: id, detail }) => `${id} (${detail})`))}</p>`}`;

const named = (names) => names.slice(0, NAMED_MAX).join(", ") + (names.length > NAMED_MAX ? " and others" : "");
