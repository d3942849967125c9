// Plots of what happened over time. Each is told as a table, too.

import { html, useState } from "./preact.js";
import { clock, number } from "./words.js";

const WIDTH = 600, HEIGHT = 120; // of the drawing's own coordinates; it is stretched to its place

// `periods` as of `GET /history`; `series`: `{ name, label, of }`, where `of` gives a period's value, or null.
// `isStacked`: values stand on one another as bars; otherwise each is a line. `say` puts a value in words.
export function Plot({ title, periods, series, span, until, stepSeconds, isStacked = false, say = number }) {
  const [pointed, setPointed] = useState(null);
  const from = until - span * 1000;
  const values = periods.map((period) => series.map(({ of }) => of(period)));
  const highest = (row) => (isStacked ? row.reduce((sum, value) => sum + value, 0) : Math.max(0, ...row));
  const top = niceTop(Math.max(1, ...values.map(highest)));
  const x = (at) => ((new Date(at) - from) / 1000 / span) * WIDTH;
  const step = (stepSeconds / span) * WIDTH;
  const place = { x, y: (value) => HEIGHT - (value / top) * HEIGHT, step };
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = from + ((event.clientX - box.left) / box.width) * span * 1000;
    setPointed(periods.find((period) => at >= new Date(period.at) && at < new Date(period.at).getTime() + stepSeconds * 1000));
  };
  const shown = pointed ?? periods.at(-1);
  return html`<figure class="plot">
    <figcaption><div class="title"><h3>${title}</h3><span class="dim">${shown ? (pointed ? clock(shown.at) : "now") : ""}</span></div>
      <ul class="legend" aria-label=${shown ? `at ${clock(shown.at)}` : "legend"}>
        ${series.map(({ name, label, of }) => html`<li><span class="key ${name}" aria-hidden="true"></span>${label}${" "}
          <b>${shown ? sayValue(of(shown), say) : "–"}</b></li>`)}
      </ul>
    </figcaption>
    <div class="drawing" onPointerMove=${point} onPointerLeave=${() => setPointed(null)}>
      <span class="top" aria-hidden="true">${say(top)}</span>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${inWords(title, series, values, say)}>
        <path class="grid" d="M0 0H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 ${HEIGHT}H${WIDTH}" />
        ${isStacked ? bars(periods, values, series, place) : lines(periods, values, series, place)}
        ${pointed && html`<rect class="pointed" x=${x(pointed.at)} y="0" width=${step} height=${HEIGHT} />`}
      </svg>
    </div>
    <div class="times" aria-hidden="true"><span>${clock(from)}</span><span>${clock(from + span * 500)}</span><span>${clock(until)}</span></div>
    <details><summary>As a table</summary><div class="scroll" tabindex="0" role="region" aria-label="${title}, as a table"><table>
      <thead><tr><th scope="col">From</th>${series.map(({ label }) => html`<th scope="col">${label}</th>`)}</tr></thead>
      <tbody>${periods.toReversed().map((period) => html`<tr key=${period.at}><th scope="row">${clock(period.at)}</th>
        ${series.map(({ of }) => html`<td>${sayValue(of(period), say)}</td>`)}</tr>`)}</tbody>
    </table></div></details>
  </figure>`;
}

const sayValue = (value, say) => (value === null ? "–" : say(value));

function bars(periods, values, series, { x, y, step }) {
  return periods.flatMap((period, index) => {
    let below = 0;
    return series.map(({ name }, which) => {
      const value = values[index][which];
      below += value;
      return value > 0 && html`<rect class="bar ${name}" x=${x(period.at) + step * 0.08} width=${step * 0.84}
        y=${y(below)} height=${y(below - value) - y(below)} />`;
    });
  });
}

// A line ends where a period has no value, or is missing.
function lines(periods, values, series, { x, y, step }) {
  return series.map(({ name }, which) => {
    let path = "";
    let end = null;
    periods.forEach((period, index) => {
      const value = values[index][which];
      if (value === null) return;
      const begin = x(period.at);
      path += `${end !== null && begin - end < 1 ? "L" : "M"}${begin.toFixed(1)} ${y(value).toFixed(1)}h${step.toFixed(1)}`;
      end = begin + step;
    });
    return html`<path class="line ${name}" d=${path} />`;
  });
}

// The next larger of 1, 2, 3, 4, 5, 6, 8, 10, 20, …
function niceTop(value) {
  const size = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * size).find((round) => round >= value);
}

function inWords(title, series, values, say) {
  const parts = series.map(({ label }, which) => {
    const known = values.map((row) => row[which]).filter((value) => value !== null);
    return known.length ? `${label.toLowerCase()}: at most ${say(Math.max(...known))}, last ${say(known.at(-1))}` : `${label.toLowerCase()}: none`;
  });
  return `${title}. ${parts.join("; ")}.`;
}
