import type { History, Point } from './history.ts';
import type { Row } from './run.ts';

/** Colours that are told apart by colour-blind readers too (Okabe and Ito 2008). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#999999'];

const width = 960;
const panelHeight = 130;
const gap = 38;
const left = 64;
const right = 16;
const top = 44;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

interface Panel {
  readonly title: string;
  readonly value: (point: Point) => number;
  /** Arrivals are the same for all. */
  readonly firstOnly?: boolean;
}

const panels: readonly Panel[] = [
  { title: 'arrivals a second', value: ({ arrivingPerSecond }) => arrivingPerSecond, firstOnly: true },
  { title: 'messages waiting (most)', value: ({ backlog }) => backlog },
  { title: 'workers, with booting ones', value: ({ workers }) => workers },
  { title: 'arrival to answer, s (mean)', value: ({ waitSeconds }) => waitSeconds },
];

/** 1, 2 or 5 times a power of ten, not below the value. */
const roundedUp = (value: number): number => {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10);
};

const timeLabel = (seconds: number): string =>
  seconds >= 2 * 86_400 ? `${(seconds / 86_400).toFixed(1)} d` : `${(seconds / 3_600).toFixed(1)} h`;

const panel = (
  { title, value, firstOnly }: Panel,
  index: number,
  histories: readonly History[],
  lastSecond: number,
): string => {
  const shown = firstOnly === true ? histories.slice(0, 1) : histories;
  const most = roundedUp(Math.max(...shown.flatMap(({ points }) => points.map(value))));
  const y0 = top + index * (panelHeight + gap) + panelHeight;
  const x = (second: number) => (left + (second / lastSecond) * (width - left - right)).toFixed(1);
  const y = (amount: number) => (y0 - (amount / most) * panelHeight).toFixed(1);
  const lines = shown.map(({ points }, policy) => {
    const path = points.map((point) => `${x(point.second)},${y(value(point))}`).join(' ');
    const colour = firstOnly === true ? '#555' : colours[policy % colours.length];
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="1.2"/>`;
  });
  const scale = [0, 0.5, 1].map(
    (part) =>
      `<line x1="${left}" x2="${width - right}" y1="${y(part * most)}" y2="${y(part * most)}" stroke="#ddd"/>` +
      `<text x="${left - 6}" y="${Number(y(part * most)) + 4}" text-anchor="end">${part * most}</text>`,
  );
  const times = [0, 0.25, 0.5, 0.75, 1].map(
    (part) =>
      `<text x="${x(part * lastSecond)}" y="${y0 + 14}" text-anchor="middle">${timeLabel(part * lastSecond)}</text>`,
  );
  // The first policy is drawn last: on top.
  return [
    `<text x="${left}" y="${y0 - panelHeight - 6}">${title}</text>`,
    ...scale,
    ...times,
    ...lines.toReversed(),
  ].join('\n');
};

/** Arrivals, backlog, fleet and waits of all policies over one trace, as one SVG. */
export const plotSvg = (trace: string, histories: readonly History[]): string => {
  const lastSecond = Math.max(1, ...histories.map(({ points }) => points.at(-1)?.second ?? 1));
  const height = top + panels.length * (panelHeight + gap) + 30;
  const legend = histories.map(
    ({ label }, index) =>
      `<text x="${left + index * 120}" y="${height - 10}" fill="${colours[index % colours.length]}">${escaped(label)}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>Arrivals, backlog, workers and waits over ${escaped(trace)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="${left}" y="16" font-size="14">${escaped(trace)}</text>`,
    ...panels.map((each, index) => panel(each, index, histories, lastSecond)),
    ...legend,
    '</svg>',
  ].join('\n');
};

/** One page with a plot for each trace and the table below, that needs nothing else. */
export const plotPage = (plots: readonly string[], rows: readonly Row[]): string => {
  const columns = Object.keys(rows[0] ?? {}) as (keyof Row)[];
  const line = (cells: readonly unknown[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escaped(String(cell))}</${tag}>`).join('')}</tr>`;
  return [
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>imgrec scale simulate</title>',
    '<style>body{font-family:sans-serif;margin:2em;max-width:70em}svg{width:100%;margin-bottom:2em}td,th{padding:.2em .6em;text-align:right}td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}</style>',
    '<h1>imgrec scale simulate</h1>',
    ...plots,
    '<table>',
    line(columns, 'th'),
    ...rows.map((row) =>
      line(
        columns.map((column) => row[column]),
        'td',
      ),
    ),
    '</table></html>',
    '',
  ].join('\n');
};
