import type { Moment } from './engine.ts';

/** A run in a few hundred points, for a plot. */
export interface History {
  readonly label: string;
  readonly points: readonly Point[];
}

/** Means over a span, and the most that waited in it. */
export interface Point {
  readonly second: number;
  readonly arrivingPerSecond: number;
  readonly backlog: number;
  readonly workers: number;
  readonly waitSeconds: number;
}

const points = 600;

/** Collects the moments of a run of this length. */
export const recordHistory = (label: string, seconds: number) => {
  const span = Math.max(1, Math.ceil(seconds / points));
  const collected: Point[] = [];
  let arrivals = 0;
  let backlog = 0;
  let workers = 0;
  let answered = 0;
  let waited = 0;
  return {
    watch: (moment: Moment) => {
      arrivals += moment.arrivals;
      backlog = Math.max(backlog, moment.visible);
      workers += moment.live;
      answered += moment.answered;
      waited += moment.waitedSeconds;
      if ((moment.second + 1) % span !== 0) return;
      collected.push({
        second: moment.second,
        arrivingPerSecond: arrivals / span,
        backlog,
        workers: workers / span,
        waitSeconds: answered > 0 ? waited / answered : 0,
      });
      arrivals = backlog = workers = answered = waited = 0;
    },
    history: (): History => ({ label, points: collected }),
  };
};
