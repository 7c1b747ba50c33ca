/** The numbers behind one decision, as the journal keeps them. Rates are images a second. */
export interface Why {
  readonly policy: string;
  /** Workers counted: ready and booting, without hung and interrupted ones. */
  readonly from: number;
  readonly to: number;
  readonly ready: number;
  readonly booting: number;
  /** Messages visible, in flight and delayed. */
  readonly waiting: number;
  readonly arrivingPerSecond: number;
  /** What one worker does; 0 where a policy does not use it. */
  readonly workerPerSecond: number;
  readonly bootSeconds: number;
  /** Workers needed for what arrives, and on top of them for what waits. */
  readonly forRate: number;
  readonly forBacklog: number;
  /** Workers kept although idle, because they are likely to be needed again soon. */
  readonly kept: number;
  /** Boots given up as hung. */
  readonly hung: number;
  /** What overruled the arithmetic, if anything. */
  readonly rule:
    | 'none'
    | 'state-lost'
    | 'min'
    | 'schedule'
    | 'max'
    | 'refused'
    | 'phantom'
    | 'confirming'
    | 'work-waits';
}

/** 41.25 -> "41", 4.123 -> "4.1", 0.042 -> "0.04": as many digits as say something. */
const short = (value: number): string =>
  value >= 10 ? String(Math.round(value)) : String(Number(value.toPrecision(2)));

const overruled: Readonly<Record<Why['rule'], string>> = {
  none: '',
  'state-lost': 'nothing is remembered, so the fleet stays for a run',
  min: 'the minimum',
  schedule: "the schedule's minimum",
  max: 'the maximum',
  refused: 'launches were refused, so none is tried yet',
  phantom: 'the count of waiting messages has proved wrong, so it wakes nobody',
  confirming: 'one message is counted and no arrival known, so the count is read once more',
  'work-waits': 'work waits, so no worker is ended',
};

/** One sentence for a decision: "3 -> 7: 212 waiting, 9 a second arriving, …". */
export const sentence = (why: Why): string => {
  const facts = [`${why.waiting} waiting`, `${short(why.arrivingPerSecond)} a second arriving`];
  if (why.workerPerSecond > 0)
    facts.push(
      `a worker does ${short(why.workerPerSecond)} a second and boots in ${short(why.bootSeconds)} s`,
    );
  const reasons: string[] = [];
  if (why.forRate + why.forBacklog > 0 || why.to > 0)
    reasons.push(`${why.forRate} needed for the rate, ${why.forBacklog} for the backlog`);
  if (why.kept > 0) reasons.push(`${why.kept} kept idle`);
  if (why.hung > 0) reasons.push(`${why.hung} hung in boot`);
  if (why.rule !== 'none') reasons.push(overruled[why.rule]);
  return `${why.from} -> ${why.to}: ${[facts.join(', '), reasons.join(', ')].filter((part) => part !== '').join('; ')}`;
};
