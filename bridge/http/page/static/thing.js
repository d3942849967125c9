// One thing: its jobs, when data last came in well, and what waits.

import { html } from "./preact.js";
import { useLive } from "./live.js";
import { JobTable, listPath } from "./jobs.js";
import { Ago, Heading } from "./parts.js";
import { some } from "./words.js";

const LIMIT = 50;

export function ThingView({ uuid, kinds }) {
  const jobs = useLive(listPath({ thing_uuid: uuid }, null, LIMIT), 3);
  const waiting = useLive(listPath({ thing_uuid: uuid, state: "waiting" }, null, LIMIT), 5);
  const count = waiting.data?.jobs.length;
  return html`
    <${Heading} title="Thing ${uuid}">Thing <span class="mono">${uuid}</span><//>
    <dl class="facts wide">
      ${kinds.map((kind) => html`<${LastSuccess} key=${kind} uuid=${uuid} kind=${kind} />`)}
      <div><dt>Waiting</dt><dd>${count === undefined ? "…" : count === LIMIT ? `${count} jobs or more` : some(count, "job")}</dd></div>
    </dl>
    <section aria-labelledby="jobs"><div class="title"><h2 id="jobs">Its jobs</h2>
      <a href=${`#/jobs?thing_uuid=${uuid}`}>Search among them</a></div>
      <${JobTable} list=${jobs} caption="The latest jobs of this thing" />
    </section>`;
}

function LastSuccess({ uuid, kind }) {
  const { data } = useLive(listPath({ thing_uuid: uuid, kind, state: "well" }, null, 1), 10);
  const job = data?.jobs[0];
  return html`<div><dt>Last ${kind} that ended well</dt>
    <dd>${!data ? "…" : job ? html`<${Ago} at=${job.end_time} />, <a href=${`#/jobs/${job.job_id}`}>job ${job.job_id}</a>` : "none known"}</dd></div>`;
}
