// Jobs as a table, and the search among them.

import { html, useEffect, useRef, useState } from "./preact.js";
import { useLive } from "./live.js";
import { Ago, Fault, Heading, State, Thing } from "./parts.js";
import { duration, GROUPS, isLost } from "./words.js";

const UUID = /^(urn:uuid:)?[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const JOB_ID = /^[0-9]+(_[0-9]+)?$/;
const PAGE_SIZE = 50;
const POLL_SECONDS = 3;

export function Jobs({ query, kinds }) {
  const [cursors, setCursors] = useState([]); // of the pages before this one
  const filter = Object.fromEntries(query);
  const page = useLive(listPath(filter, cursors.at(-1)), POLL_SECONDS);
  useEffect(() => setCursors([]), [query.toString()]);
  const search = (changes) => {
    const next = Object.entries({ ...filter, ...changes }).filter(([, value]) => value);
    location.hash = `#/jobs?${new URLSearchParams(next)}`;
  };
  const list = page.data;
  return html`
    <${Heading} title="Jobs" />
    <${Search} filter=${filter} kinds=${kinds} search=${search} />
    <div class=${page.isOld ? "fading" : ""} aria-busy=${String(page.isOld)}>
      <${JobTable} list=${page} caption="Jobs, the newest first" />
    </div>
    ${list?.missing && html`<p class="fault">Some may be missing: ${list.missing}</p>`}
    <nav class="buttons" aria-label="Pages">
      ${cursors.length > 0 && html`<button type="button" onClick=${() => setCursors(cursors.slice(0, -1))}>Newer</button>`}
      ${list?.next_cursor && html`<button type="button" onClick=${() => setCursors([...cursors, list.next_cursor])}>Older</button>`}
    </nav>`;
}

export function listPath({ state, ...filter }, cursor, limit = PAGE_SIZE) {
  const query = new URLSearchParams({ ...filter, limit });
  for (const word of GROUPS[state]?.states ?? (state ? [state] : [])) query.append("state", word);
  if (cursor) query.set("cursor", cursor);
  return `jobs?${query}`;
}

function Search({ filter, kinds, search }) {
  const text = filter.thing_uuid ?? filter.caller ?? "";
  const element = useRef();
  const shown = useRef("");
  useEffect(() => { // what has been typed since stays
    if (element.current.value === shown.current) element.current.value = text;
    shown.current = text;
  }, [text]);
  const find = (event) => {
    event.preventDefault();
    const wanted = element.current.value.trim();
    if (JOB_ID.test(wanted)) location.hash = `#/jobs/${wanted}`;
    else search({ thing_uuid: UUID.test(wanted) ? wanted : "", caller: UUID.test(wanted) ? "" : wanted });
  };
  const choose = (name) => (event) => search({ [name]: event.target.value });
  return html`<form class="search" role="search" onSubmit=${find} method="post">
    <div class="wide"><label for="text">Thing, job or caller</label>
      <input id="text" type="search" ref=${element} autocomplete="off" spellcheck=${false}
        placeholder="UUID of a thing, id of a job, or name of a caller" /></div>
    <div><label for="state">State</label><select id="state" value=${filter.state ?? ""} onChange=${choose("state")}>
      <option value="">any</option>
      ${Object.entries(GROUPS).map(([name, { label }]) => html`<option value=${name}>${label.toLowerCase()}</option>`)}
      <optgroup label="Slurm's own words">
        ${Object.values(GROUPS).flatMap(({ states }) => states).toSorted().map((word) => html`<option value=${word}>${word}</option>`)}
      </optgroup></select></div>
    <div><label for="kind">Kind</label><select id="kind" value=${filter.kind ?? ""} onChange=${choose("kind")}>
      <option value="">any</option>${kinds.map((kind) => html`<option value=${kind}>${kind}</option>`)}</select></div>
    <button class="main">Find</button>
    ${Object.values(filter).some(Boolean) && html`<a class="button" href="#/jobs">Show all</a>`}
  </form>`;
}

const COLUMNS = ["Job", "State", "Kind", "Thing", "Submitted", "Waited", "Ran", "Node", "Why"];

// `list`: what `useLive` has of a path of `GET /jobs`.
export function JobTable({ list, caption }) {
  const jobs = list.data?.jobs;
  if (!jobs) return html`<${Fault} problem=${list.problem} />${!list.problem && html`<p class="dim">Loading…</p>`}`;
  if (!jobs.length) return html`<p class="empty">No jobs.</p>`;
  const hasCallers = jobs.some((job) => job.caller);
  const columns = COLUMNS.toSpliced(4, 0, ...(hasCallers ? ["Caller"] : []));
  return html`<${Fault} problem=${list.problem} /><table class="jobs" role="table">
    <caption>${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map((name) => html`<th scope="col" role="columnheader">${name}</th>`)}</tr></thead>
    <tbody role="rowgroup">${jobs.map((job) => html`<tr role="row" key=${job.job_id} class=${isLost(job) ? "lost" : ""}>
      <th scope="row" role="rowheader"><a href=${`#/jobs/${job.job_id}`}>${job.job_id}</a></th>
      <td role="cell"><${State} job=${job} /></td>
      <td role="cell">${job.kind}</td>
      <td role="cell"><${Thing} uuid=${job.thing_uuid} /></td>
      ${hasCallers && html`<td role="cell" data-label="by">${job.caller}</td>`}
      <td role="cell"><${Ago} at=${job.submit_time} /></td>
      <td role="cell" data-label="waited" class="short">${duration(job.queue_seconds)}</td>
      <td role="cell" data-label="ran" class="short">${duration(job.run_seconds)}</td>
      <td role="cell" data-label="on" class="short">${job.nodes ?? "–"}</td>
      <td role="cell" class="why">${job.explanation}</td>
    </tr>`)}</tbody>
  </table>`;
}
