import type { Evidence } from "./evidence.ts";
import { thresholds, type Verdict } from "./rules.ts";
import type { Spent } from "./spent.ts";
import { partsOf, type Step, stepsOf } from "./steps.ts";

const WIDTH = 760;
const LEFT = 56;
const RIGHT = 16;
const PLOT_HEIGHT = 110;
const PANEL_HEIGHT = 170;
const STEPS_MOST = 180;
const LINE_LENGTH = 104;
const LINE_HEIGHT = 18;

/** Colours that can be told apart by people who see some of them alike, on white and on near black. */
const STYLE = `
svg { color-scheme: light dark; background: #fff; font: 13px system-ui, sans-serif; fill: #222; }
.redisMs, .engine { --c: #d1495b; } .queueMs { --c: #b7791f; } .ledgerMs { --c: #2b6cb0; } .metricsMs { --c: #6f7d1f; } .ownMs, .front { --c: #6b7280; } .back { --c: #2b6cb0; }
rect.part { fill: var(--c); } path.line { fill: none; stroke: var(--c); stroke-width: 2; } .waiting { fill: #6b7280; }
.axis { stroke: #9ca3af; } .threshold { stroke: #9ca3af; stroke-dasharray: 4 4; } .small { font-size: 11px; fill: #555; } .title { font-weight: 600; }
@media (prefers-color-scheme: dark) {
svg { background: #16181d; fill: #e5e7eb; } .small { fill: #a3a9b5; }
.redisMs, .engine { --c: #f08a97; } .queueMs { --c: #e3b55b; } .ledgerMs, .back { --c: #7db4ea; } .metricsMs { --c: #b9c65c; } .ownMs, .front { --c: #9aa1ad; } .waiting { fill: #9aa1ad; }
}`;

/** The report's chart: one SVG file that needs nothing else. */
export function chartOf(title: string, evidence: Evidence, verdict: Verdict): string {
  const steps = stepsOf(evidence.seconds, STEPS_MOST);
  const head = wrapped(`bound by: ${verdict.sentence}`);
  const top = 44 + head.length * LINE_HEIGHT;
  const panels = [
    columns("milliseconds of an answer", steps, ({ front }) => front),
    columns("milliseconds of a batch of messages", steps, ({ back }) => back),
    busy(steps),
    waiting(steps),
  ];
  const height = top + panels.length * PANEL_HEIGHT + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escaped(title)}</title>
<desc>${escaped(verdict.sentence)}</desc>
<style>${STYLE}</style>
<text x="${LEFT}" y="24" class="title">${escaped(title)}</text>
${head.map((line, index) => `<text x="${LEFT}" y="${44 + index * LINE_HEIGHT}">${escaped(line)}</text>`).join("\n")}
${panels.map((panel, index) => `<g transform="translate(0 ${top + index * PANEL_HEIGHT})">${panel}</g>`).join("\n")}
</svg>
`;
}

const plotWidth = WIDTH - LEFT - RIGHT;
const x = (index: number, count: number) => LEFT + (index / Math.max(1, count)) * plotWidth;
const y = (value: number, most: number) => 28 + PLOT_HEIGHT * (1 - (most > 0 ? Math.min(1, value / most) : 0));
const rounded = (value: number) => Math.round(value * 10) / 10;

/** A panel's heading, its two axes with their ends, and what is drawn in it. */
function panel(heading: string, steps: readonly Step[], most: number, drawn: string, legend = ""): string {
  const bottom = 28 + PLOT_HEIGHT;
  const last = steps.at(-1);
  const none = steps.length === 0 ? `<text x="${LEFT}" y="70" class="small">nothing was seen</text>` : "";
  return `<text x="${LEFT}" y="14">${escaped(heading)}</text>${legend}
<path class="axis" d="M${LEFT} 28V${bottom}H${WIDTH - RIGHT}" fill="none"/>
<text x="${LEFT - 6}" y="36" class="small" text-anchor="end">${rounded(most)}</text>
<text x="${LEFT - 6}" y="${bottom}" class="small" text-anchor="end">0</text>
<text x="${LEFT}" y="${bottom + 14}" class="small">${steps[0]?.second ?? 0} s</text>
<text x="${WIDTH - RIGHT}" y="${bottom + 14}" class="small" text-anchor="end">${last ? last.second + last.seconds : 0} s</text>
${drawn}${none}`;
}

function legendOf(entries: readonly { readonly key: string; readonly name: string }[]): string {
  return entries
    .map(({ key, name }, index) => {
      const from = WIDTH - RIGHT - (entries.length - index) * 88;
      return `<rect class="part ${key}" x="${from}" y="5" width="10" height="10"/><text x="${from + 14}" y="14" class="small">${name}</text>`;
    })
    .join("");
}

function columns(heading: string, steps: readonly Step[], of: (step: Step) => Spent): string {
  const shown = partsOf(steps.map(of));
  const each = steps.map((step) => {
    const spent = of(step);
    return shown.map(({ key }) => (spent.n > 0 ? spent[key] / spent.n : 0));
  });
  const most = Math.max(1, ...each.map((parts) => parts.reduce((sum, part) => sum + part, 0)));
  const width = Math.max(1, plotWidth / Math.max(1, steps.length) - 1);
  const drawn = each.flatMap((parts, index) => {
    let sum = 0;
    return parts.map((part, place) => {
      const from = sum;
      sum += part;
      if (part === 0) return "";
      const [upper, lower] = [y(sum, most), y(from, most)];
      return `<rect class="part ${shown[place]?.key}" x="${rounded(x(index, steps.length))}" y="${rounded(upper)}" width="${rounded(width)}" height="${rounded(lower - upper)}"/>`;
    });
  });
  return panel(heading, steps, most, drawn.join(""), legendOf(shown));
}

function busy(steps: readonly Step[]): string {
  const lines = [
    { key: "engine", name: "Redis engine", of: ({ engine }: Step) => engine },
    { key: "front", name: "answering", of: ({ front }: Step) => (front.n > 0 ? front.loop : undefined) },
    { key: "back", name: "consumers", of: ({ back }: Step) => (back.n > 0 ? back.loop : undefined) },
  ];
  const levels = [thresholds.engineBusy, thresholds.loopBusy];
  const drawn = [
    ...levels.map((level) => `<path class="threshold" d="M${LEFT} ${y(level, 1)}H${WIDTH - RIGHT}"/>`),
    ...lines.map(({ key, of }) => `<path class="line ${key}" d="${pathOf(steps, of)}"/>`),
  ];
  const heading = `busy: Redis engine (bound from ${levels[0]}), event loops (from ${levels[1]})`;
  return panel(heading, steps, 1, drawn.join(""), legendOf(lines));
}

function pathOf(steps: readonly Step[], of: (step: Step) => number | undefined): string {
  let isDown = false;
  return steps
    .map((step, index) => {
      const value = of(step);
      const command = isDown ? "L" : "M";
      isDown = value !== undefined;
      return value === undefined ? "" : `${command}${rounded(x(index + 0.5, steps.length))} ${rounded(y(value, 1))}`;
    })
    .join("");
}

function waiting(steps: readonly Step[]): string {
  const most = Math.max(1, ...steps.map((step) => step.waiting));
  const width = Math.max(1, plotWidth / Math.max(1, steps.length) - 1);
  const drawn = steps.map((step, index) => {
    const upper = y(step.waiting, most);
    const height = rounded(28 + PLOT_HEIGHT - upper);
    return `<rect class="waiting" x="${rounded(x(index, steps.length))}" y="${rounded(upper)}" width="${rounded(width)}" height="${height}"/>`;
  });
  return panel("messages waiting or in work", steps, most, drawn.join(""));
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + word.length < LINE_LENGTH) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
