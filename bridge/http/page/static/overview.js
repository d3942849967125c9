// What one sees first: how many jobs wait and run, how they ended, and what happened over time.

import { html } from "./preact.js";
import { useLive } from "./live.js";
import { Plot } from "./charts.js";
import { Failures } from "./failures.js";
import { JobTable } from "./jobs.js";
import { Choice, Heading } from "./parts.js";
import { duration, moment, number } from "./words.js";

const SPANS = { 60: 3600, 600: 86400 }; // how far plots reach back, by the length of their periods; seconds

export function Overview({ history, caller, span, setSpan }) {
  const latest = useLive("jobs?limit=10", 3);
  return html`
    <${Heading} title="Overview" />
    ${history && html`<${Figures} history=${history} />`}
    <${Failures} caller=${caller} />
    ${history && html`<section aria-labelledby="over-time">
      <div class="title"><h2 id="over-time">Over time</h2>
        <${Choice} label="How far back" value=${span} choose=${setSpan} options=${[["hour", "last hour"], ["day", "last day"]]} /></div>
      <${Plots} history=${history} span=${SPANS[history.step_seconds]} />
      <p class="dim">Counted since ${moment(history.began_at)}, when the service was started.</p>
    </section>`}
    <section aria-labelledby="latest">
      <div class="title"><h2 id="latest">Latest jobs</h2><a href="#/jobs">All jobs</a></div>
      <${JobTable} list=${latest} caption="The ten latest jobs" />
    </section>`;
}

function Figures({ history }) {
  const { last_hour: hour, last_day: day } = history;
  const others = [["cancelled", day.cancelled], ["not seen to end", day.unseen]].filter(([, count]) => count);
  return html`<ul class="figures" aria-label="At a glance">
    <${Figure} group="waiting" label="Waiting" value=${history.waiting} more="now" />
    <${Figure} group="running" label="Running" value=${history.running} more="now" />
    <${Figure} group="well" label="Ended well" value=${hour.ended_well} more="in the last hour, ${number(day.ended_well)} in the last day" />
    <${Figure} group="failed" label="Failed" value=${hour.failed} isLoud=${hour.failed > 0}
      more="in the last hour, ${number(day.failed)} in the last day${others.map(([word, count]) => `; ${number(count)} ${word}`).join("")}" />
  </ul>`;
}

const Figure = ({ group, label, value, more, isLoud }) =>
  html`<li class="figure ${group} ${isLoud ? "loud" : ""}"><a href="#/jobs?state=${group}">
    <span class="label">${label}</span> <span class="value">${number(value)}</span> <span class="more">${more}</span></a></li>`;

function Plots({ history, span }) {
  const step = history.step_seconds * 1000;
  const until = Math.ceil(new Date(history.as_of) / step) * step; // the end of the present period
  const common = { periods: history.periods, span, stepSeconds: history.step_seconds, until };
  return html`<div class="plots">
    <${Plot} ...${common} title="In the queue" isStacked series=${[
      { name: "running", label: "Running", of: (period) => period.running },
      { name: "waiting", label: "Waiting", of: (period) => period.waiting },
    ]} />
    <${Plot} ...${common} title="Ended" isStacked series=${[
      { name: "well", label: "Well", of: (period) => period.ended_well },
      { name: "failed", label: "Failed", of: (period) => period.failed },
      { name: "cancelled", label: "Cancelled or unseen", of: (period) => period.cancelled + period.unseen },
    ]} />
    <${Plot} ...${common} title="How long jobs took, on average" say=${duration} series=${[
      { name: "waiting", label: "Waited", of: (period) => period.wait_seconds.mean },
      { name: "running", label: "Ran", of: (period) => period.run_seconds.mean },
    ]} />
  </div>`;
}
