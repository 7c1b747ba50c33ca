// node bench/made-up-traces.mjs FOLDER [SEED]: writes made-up traces of two days in bins of 10 s, one file a kind of load, for
// "imgrec scale simulate". Another seed gives other levels, periods and bursts: change a policy with some, judge it with others.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const [folder, seed = '1'] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node bench/made-up-traces.mjs FOLDER [SEED]');
  process.exit(64);
}
const { poisson, seededRandom } = await import('../dist/src/scaling/simulate/random.js');

const binSeconds = 10;
const bins = (2 * 86_400) / binSeconds;
const random = seededRandom(Number(seed));
const between = (low, high) => low + random() * (high - low);
const exponential = (mean) => -mean * Math.log(1 - random());

/** Bursts of a minute or two, at moments that nothing announces. */
const bursts = () => {
  let next = exponential(2_400);
  let end = 0;
  let rate = 0;
  return (second) => {
    if (second >= next) {
      end = second + between(30, 150);
      rate = between(3, 15);
      next = end + exponential(2_400);
    }
    return second < end ? rate : 0.01;
  };
};

const periodic = () => {
  const period = between(600, 3_000);
  const length = between(60, 260);
  const rate = between(4, 12);
  return (second) => (second % period < length ? rate : 0.005);
};

const steady = () => {
  const rate = between(2, 8);
  return () => rate;
};

/** Up in an hour and a half, down in an hour and a half. */
const ramps = () => (second) => {
  const part = (second % 5_400) / 5_400;
  return Math.floor(second / 5_400) % 2 === 0 ? 10 * part : 10 * (1 - part);
};

const daily = () => (second) => {
  const hour = (second / 3_600) % 24;
  return 6 * Math.max(0, Math.sin(((hour - 7) / 12) * Math.PI)) * (1 + 0.3 * Math.sin(second / 900));
};

/** Another level, or none, after times that nothing announces. */
const regimes = () => {
  let next = 0;
  let rate = 0;
  return (second) => {
    if (second >= next) {
      rate = random() < 0.4 ? 0 : between(0, 12);
      next = second + exponential(1_500);
    }
    return rate;
  };
};

const pareto = (least, shape) => least / (1 - random()) ** (1 / shape);

/** A quiet site that somebody links to: ten times as much within a minute, half of it gone each quarter of an hour. */
const flash = () => {
  let next = exponential(14_400);
  let began = Number.NEGATIVE_INFINITY;
  return (second) => {
    if (second >= next) {
      began = second;
      next = second + 3_600 + exponential(14_400);
    }
    const since = second - began;
    return 1 + 10 * Math.min(1, since / 60) * 0.5 ** (Math.max(0, since) / 900);
  };
};

/** On and off, both with heavy tails: most pauses are short, a few last for hours. */
const onOff = () => {
  let isOn = false;
  let next = 0;
  let rate = 0;
  return (second) => {
    if (second >= next) {
      isOn = !isOn;
      rate = isOn ? between(2, 10) : 0;
      next = second + Math.min(14_400, isOn ? pareto(60, 1.4) : pareto(120, 1.1));
    }
    return rate;
  };
};

/** One image now and then. */
const rare = () => {
  const rate = between(0.5, 4) / 3_600;
  return () => rate;
};

/** Day and night, with a level that wanders by a third from one quarter of an hour to the next. */
const noisyDays = () => {
  let level = 1;
  return (second) => {
    if (second % 900 === 0) level = Math.exp(0.35 * (random() + random() + random() - 1.5) * 2);
    return level * 5 * (1 - Math.cos((second / 86_400) * 2 * Math.PI));
  };
};

const kinds = { bursts, periodic, steady, ramps, daily, regimes, flash, onOff, rare, noisyDays };
mkdirSync(folder, { recursive: true });
for (const [name, make] of Object.entries(kinds)) {
  const rateAt = make();
  const lines = Array.from(
    { length: bins },
    (_, bin) => `${bin * binSeconds},${poisson(binSeconds * Math.max(0, rateAt(bin * binSeconds)), random)}`,
  );
  writeFileSync(path.join(folder, `${name}-${seed}.csv`), `t_seconds,requests\n${lines.join('\n')}\n`);
}
