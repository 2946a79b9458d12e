import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { clock, number } from "../format.ts";
import { language } from "../language.ts";
import { t } from "../texts/shell.ts";
import { theme } from "../theme.ts";

export interface Line {
  readonly label: string;
  /** One value for each of the chart's times; null for a gap. */
  readonly values: readonly (number | null)[];
  /** Which of the page's chart colours, from 1. */
  readonly color: number;
}

export interface ChartProps {
  readonly title: string;
  /** Seconds since 1970. */
  readonly at: readonly number[];
  readonly lines: readonly Line[];
  readonly height?: number;
  /** Whether the lines are filled down to zero. */
  readonly filled?: boolean;
  /** Whether the last values stand beside the lines' names; not where they come later than they are shown for. */
  readonly latest?: boolean;
}

/** Steps between the lines of the ground: whole ones, since what is counted is whole. */
const STEPS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000].flatMap((power) => [power, 2 * power, 5 * power]);
/** Steps between times: whole seconds, as the clock below the chart shows them. */
const SECONDS = [1, 5, 15, 30, 60, 300, 900, 3_600];
/** The shortest time that a chart spans, so that its first values do not stand over a fraction of a second. */
const LEAST_SECONDS = 10;
/** Times that the table beside a chart shows. */
const ROWS = 10;

/** Lines over time. For those who do not see it, the same numbers stand in a table that anybody can open. */
export function Chart({ title, at, lines, height = 180, filled = false, latest: isLatestTold = true }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const isMissing = useSignal(false);
  const data = [at, ...lines.map(({ values }) => values)] as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;
  const colors = lines.map(({ color }) => color).join();
  const labels = lines.map(({ label }) => label).join("\n");

  // Made anew when its looks change; new numbers are only handed to it.
  useEffect(() => {
    let isGone = false;
    const element = box.current;
    if (!element) return undefined;
    const of = (name: string, alpha = 1) => colorOf(element, name, alpha);
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    const draw = ({ Plot }: typeof import("./plot.ts")) => {
      if (isGone) return;
      const axis = { stroke: of("--quiet"), grid: { stroke: of("--line"), width: 1 }, ticks: { show: false } };
      plot.current = new Plot(
        {
          width: element.clientWidth,
          height,
          legend: { show: false },
          cursor: { show: false },
          scales: {
            x: { range: spanOf },
            y: { range: (_, least, most) => [Math.min(0, least ?? 0), Math.max(1, (most ?? 1) * 1.05)] },
          },
          axes: [
            {
              ...axis,
              incrs: SECONDS,
              values: (_, times) => times.map((time) => clock(time * 1_000)),
              space: 90,
              size: 30,
            },
            { ...axis, values: (_, values) => values.map((value) => number(value)), size: 56, incrs: STEPS },
          ],
          series: [
            {},
            ...lines.map(({ label, color }) => ({
              label,
              stroke: of(`--chart-${color}`),
              width: 2,
              // A line of one time would not be seen.
              points: { show: (it: uPlot) => it.data[0].length === 1 },
              spanGaps: false,
              ...(filled ? { fill: of(`--chart-${color}`, 0.15) } : {}),
            })),
          ],
        },
        latest.current,
        element,
      );
      observer.observe(element);
    };
    import("./plot.ts").then(draw, () => {
      isMissing.value = true;
    });
    return () => {
      isGone = true;
      observer.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [colors, labels, height, filled, theme.value, language.value]);

  useEffect(() => {
    plot.current?.setData(data);
  });

  const now = lines.map(({ label, values }) => (isLatestTold ? `${label} ${shown(values.at(-1))}` : label)).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong>
        <ul class="legend">
          {lines.map(({ label, values, color }) => (
            <li key={label} style={`--color: var(--chart-${color})`}>
              {label} {isLatestTold && <b>{shown(values.at(-1))}</b>}
            </li>
          ))}
        </ul>
      </figcaption>
      <div ref={box} class="plot" role="img" aria-label={`${title}: ${now}`} style={`min-height: ${height}px`} />
      {isMissing.value && <p role="alert">{t("part-missing")}</p>}
      <details open={isMissing.value}>
        <summary>{t("as-table")}</summary>
        <Table at={at} lines={lines} title={title} />
      </details>
    </figure>
  );
}

/** From the first time to the last, or longer, back from the last. */
function spanOf(_: uPlot, first: number | null, last: number | null): [number, number] {
  const until = last ?? Date.now() / 1_000;
  return [Math.min(first ?? until, until - LEAST_SECONDS), until];
}

/** A colour of the style sheet as a canvas takes it: there `var()` and `light-dark()` mean nothing. */
function colorOf(element: HTMLElement, name: string, alpha: number): string {
  element.style.color = `var(${name})`;
  const { color } = getComputedStyle(element);
  element.style.color = "";
  return alpha === 1 ? color : color.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

const shown = (value: number | null | undefined) =>
  value === null || value === undefined ? "–" : number(value, value < 10 ? 1 : 0);

function Table({ at, lines, title }: Pick<ChartProps, "at" | "lines" | "title">) {
  const first = Math.max(0, at.length - ROWS);
  return (
    <table>
      <caption class="unseen">{title}</caption>
      <thead>
        <tr>
          <th scope="col">{t("time")}</th>
          {lines.map(({ label }) => (
            <th key={label} scope="col" class="number">
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {at.slice(first).map((time, i) => (
          <tr key={time}>
            <th scope="row">{clock(time * 1_000)}</th>
            {lines.map(({ label, values }) => (
              <td key={label} class="number">
                {shown(values[first + i])}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
