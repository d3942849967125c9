// A form for each kind of jobs, made of what the service says of its requests (`openapi.json`).

import { html, useEffect, useRef, useState } from "./preact.js";
import { newKey, post } from "./api.js";
import { Choice, Fault, Heading } from "./parts.js";

const CHECKED = "\u2713"; // what the browser says of a box that is ticked

// Of each kind that can be submitted: `{ kind, path, does, schema }`.
export function forms(specification) {
  return Object.entries(specification.paths).filter(([path]) => path.endsWith("/run")).map(([path, { post: operation }]) => {
    const reference = operation.requestBody.content["application/json"].schema.$ref;
    const name = operation.operationId.replace("submit", "");
    return {
      kind: name.toLowerCase(), path: path.slice(1), does: operation.summary,
      schema: specification.components.schemas[reference.split("/").at(-1)],
    };
  });
}

export function Submit({ specification }) {
  const all = specification ? forms(specification) : [];
  const [kind, setKind] = useState(null);
  const form = all.find((one) => one.kind === kind) ?? all[0];
  return html`<${Heading} title="Submit a job" />
    ${form && html`
      <${Choice} label="Kind of job" value=${form.kind} choose=${setKind} options=${all.map((one) => [one.kind, one.kind])} />
      <p>${form.does}.</p>
      <${Form} key=${form.kind} ...${form} />`}`;
}

function Form({ path, schema }) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const key = useRef(newKey()); // of this request: sent twice, it still makes one job
  const element = useRef();
  const faults = Object.fromEntries((problem?.errors ?? []).map(({ field, message }) => [field, message]));
  useEffect(() => element.current.querySelector("[aria-invalid=true]")?.focus(), [problem]);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    const entries = [...new FormData(event.target)].map(([name, text]) => [name, text === CHECKED || text.trim()]).filter(([, value]) => value);
    try {
      const { job_id: jobId } = await post(path, Object.fromEntries(entries), { "Idempotency-Key": key.current });
      location.hash = `#/jobs/${jobId}`;
    } catch (fault) {
      setProblem(fault);
      setBusy(false);
    }
  };
  return html`<form ref=${element} class="panel fields" onSubmit=${submit} onInput=${() => { key.current = newKey(); }} method="post" novalidate>
    ${Object.entries(schema.properties).map(([name, rule]) => html`<${Field} key=${name} name=${name} rule=${given(rule)}
      isRequired=${schema.required.includes(name)} fault=${faults[name]} />`)}
    <${Fault} problem=${problem} />
    <div class="buttons"><button class="main" disabled=${isBusy}>${problem?.retryable ? "Send it again" : "Submit"}</button></div>
  </form>`;
}

// The rule of a value that is given; a field that may be left out has `null` beside it.
const given = (rule) => (rule.anyOf ? { ...rule.anyOf.find(({ type }) => type !== "null"), ...rule } : rule);

function Field({ name, rule, isRequired, fault }) {
  const common = {
    id: name, name, required: isRequired, "aria-invalid": String(Boolean(fault)), "aria-describedby": `${name}-help`,
    autocomplete: "off", spellcheck: false,
  };
  return html`<div class="field">
    <label for=${name}>${name}${!isRequired && html` <span class="dim">(may be left out)</span>`}</label>
    ${rule.type === "boolean" ? html`<input ...${common} type="checkbox" value=${CHECKED} />` : rule.enum
      ? html`<select ...${common}>${rule.enum.map((value) => html`<option>${value}</option>`)}</select>`
      : html`<input ...${common} type="text" maxlength=${rule.maxLength} placeholder=${rule.examples?.[0]} />`}
    <p class="help" id="${name}-help">${fault ? html`<strong class="bad">It ${fault}.</strong>` : rule.description}</p>
  </div>`;
}
