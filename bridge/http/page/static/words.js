// How things are said: states, times and durations.

export const GROUPS = {
  waiting: { label: "Waiting", states: ["PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"] },
  running: {
    label: "Running",
    states: ["RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
      "EXPEDITING", "POWER_UP_NODE"],
  },
  well: { label: "Ended well", states: ["COMPLETED"] },
  failed: {
    label: "Failed",
    states: ["FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "PREEMPTED", "LAUNCH_FAILED",
      "RECONFIG_FAIL", "REVOKED"],
  },
  cancelled: { label: "Cancelled", states: ["CANCELLED"] },
};

const GROUP_OF = Object.fromEntries(Object.entries(GROUPS).flatMap(([name, { states }]) => states.map((state) => [state, name])));

export const groupOf = (state) => GROUP_OF[state] ?? "running";

// Left the queue, and its end was not seen: there will be no more news.
export const isLost = (job) => job.source === "memory" && !job.finished;
export const isOver = (job) => job.finished || isLost(job);

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

// 4000 -> "1 h 6 min"; the two largest units.
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [name, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count) parts.push(`${count} ${name}`);
    else if (parts.length) break;
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

export const seconds = (from, to) => (from && to ? Math.max(0, (new Date(to) - new Date(from)) / 1000) : null);

// The moment with its date; people's own time zone and manner.
export const moment = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const clock = (at) => new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

export const bytes = (count) =>
  count < 1024 ? `${count} B` : count < 1024 ** 2 ? `${Math.round(count / 1024)} KiB`
    : count < 1024 ** 3 ? `${(count / 1024 ** 2).toFixed(1)} MiB` : `${(count / 1024 ** 3).toFixed(1)} GiB`;

export const number = (count) => count.toLocaleString();

export const some = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

export const shortThing = (uuid) => `${uuid.slice(0, 8)}…`;
