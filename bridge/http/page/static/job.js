// One job: its life, why it stands as it does, what it used, what it printed, and what can be done about it.

import { html, useState } from "./preact.js";
import { post, send } from "./api.js";
import { useLive } from "./live.js";
import { Output } from "./output.js";
import { Ago, Confirm, Fault, Heading, Since, State, Thing } from "./parts.js";
import { bytes, duration, groupOf, isOver, moment, seconds } from "./words.js";

const POLL_SECONDS = 2;

export function JobView({ jobId, caller }) {
  const { data: job, problem, again } = useLive(`jobs/${jobId}`, POLL_SECONDS);
  if (!job) return html`<${Heading} title="Job ${jobId}" /><${Fault} problem=${problem} />`;
  return html`
    <div class="title"><${Heading} title="Job ${jobId}">Job ${jobId} <${State} job=${job} /><//>
      <${Actions} job=${job} caller=${caller} again=${again} /></div>
    <${Fault} problem=${problem} />
    <p class="lead ${groupOf(job.state)}">It ${job.explanation}.</p>
    <div class="columns">
      <section aria-labelledby="life"><h2 id="life">Its life</h2><${Life} job=${job} /></section>
      <section aria-labelledby="facts"><h2 id="facts">Facts</h2><${Facts} job=${job} /></section>
    </div>
    <${Output} jobId=${jobId} isOver=${isOver(job)} run=${job.restarts} />`;
}

function Actions({ job, caller, again }) {
  const [asked, setAsked] = useState(null);
  const close = () => setAsked(null);
  const act = (doIt) => async () => {
    await doIt();
    again();
  };
  return html`<div class="buttons">
    ${!isOver(job) && caller.scopes.includes("cancel") && html`<button type="button" class="danger" onClick=${() => setAsked("cancel")}>Cancel…</button>`}
    ${job.finished && caller.scopes.includes("submit") && html`<button type="button" onClick=${() => setAsked("retry")}>Run again…</button>`}
    ${asked === "cancel" && html`<${Confirm} title="Cancel job ${job.job_id}?" yes="Yes, cancel it" isDangerous close=${close}
      act=${act(() => send(`jobs/${job.job_id}`, { method: "DELETE" }))}>
      <p>It ${job.explanation}. What it has stored so far stays.</p><//>`}
    ${asked === "retry" && html`<${Confirm} title="Run job ${job.job_id} again?" yes="Yes, run it again" close=${close}
      act=${act(() => post(`jobs/${job.job_id}/retry`))}>
      <p>It gets its id again, and all that it had. Slurm lets it begin two minutes later at the earliest. What it printed
        is overwritten then.</p><//>`}
  </div>`;
}

function Life({ job }) {
  const runs = job.restarts > 0;
  const waited = job.start_time ? duration(job.queue_seconds ?? seconds(job.submit_time, job.start_time)) : null;
  const ran = duration(job.run_seconds ?? seconds(job.start_time, job.end_time));
  return html`<ol class="life">
    ${runs && html`<${Step} group="lost" name=${`Run before, ${job.restarts === 1 ? "once" : `${job.restarts} times`}`}
      gap="Slurm put it back into the queue; what follows is of its last run" />`}
    <${Step} group="waiting" name=${runs ? "Put back into the queue" : "Submitted"} at=${job.submit_time}
      gap=${job.start_time ? `waited ${waited}` : isOver(job) ? "never began" : html`has waited for <${Since} at=${job.submit_time} />`} />
    ${job.start_time && html`<${Step} group="running" name="Began on ${job.nodes}" at=${job.start_time}
      gap=${job.finished ? `ran ${ran}` : isOver(job) ? "its end was not seen" : html`has run for <${Since} at=${job.start_time} />`} />`}
    ${job.finished && html`<${Step} group=${groupOf(job.state)} name=${ending(job)} at=${job.end_time} />`}
  </ol>`;
}

const ENDINGS = { COMPLETED: "Ended well", CANCELLED: "Cancelled", FAILED: "Failed" };
const ending = ({ state }) => ENDINGS[state] ?? `Failed: ${state.replaceAll("_", " ").toLowerCase()}`;

const Step = ({ group, name, at, gap }) =>
  html`<li class=${group}><span class="what">${name}</span>${at && html` <span class="dim">${moment(at)}, <${Ago} at=${at} /></span>`}
    ${gap && html`<span class="gap">${gap}</span>`}</li>`;

const links = (ids) =>
  ids.length ? ids.map((id, place) => html`${place ? ", " : ""}<a href=${`#/jobs/${id}`}>job ${id}</a>`) : null;

function Facts({ job }) {
  const facts = [
    ["Kind", job.kind],
    ["Thing", html`<${Thing} uuid=${job.thing_uuid} isWhole />`],
    ["Caller", job.caller],
    ["Request", html`<span class="mono">${job.request_id}</span>`],
    ["Lane", job.array_job_id && job.lane],
    ["Array", job.array_job_id],
    ["After", links(job.after_job_ids)],
    ["Replaced by", links(job.replaced_by_job_id === null ? [] : [job.replaced_by_job_id])],
    ["Partition", job.partition],
    ["Node", job.nodes],
    ["Exit code", job.exit_code],
    ["Signal", job.signal],
    ["Slurm's reason", job.state_reason],
    ["CPU time", job.cpu_seconds && duration(job.cpu_seconds)],
    ["Memory at most", job.max_memory_bytes && bytes(job.max_memory_bytes)],
    ["Time limit", job.time_limit_seconds && duration(job.time_limit_seconds)],
    ["Told by", html`${job.source}, as of ${moment(job.as_of)}`],
  ];
  return html`<dl class="facts">${facts.filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
