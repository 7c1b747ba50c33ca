/** Times from arrival to answer, as a histogram: exact shares above 10 s and 60 s, percentiles to 0.5 %. */
export interface Waits {
  add(seconds: number, count?: number): void;
  /** Takes one back that was added: its worker was lost. */
  remove(seconds: number): void;
  total(): number;
  /** Of all times, in seconds. */
  sum(): number;
  /** Share above 10 s or 60 s, in percent. */
  overPercent(limit: 10 | 60): number;
  /** The smallest time that this share of the requests did not exceed. */
  quantile(share: number): number;
}

const linearStep = 0.02;
const linearBins = 1_000;
const ratio = Math.log(1.005);
const logBins = 3_000;

const binOf = (seconds: number): number =>
  seconds < linearStep * linearBins
    ? Math.floor(seconds / linearStep)
    : Math.min(
        linearBins + logBins - 1,
        linearBins + Math.floor(Math.log(seconds / (linearStep * linearBins)) / ratio),
      );

const middleOf = (bin: number): number =>
  bin < linearBins
    ? (bin + 0.5) * linearStep
    : linearStep * linearBins * Math.exp((bin - linearBins + 0.5) * ratio);

export const createWaits = (): Waits => {
  const bins = new Float64Array(linearBins + logBins);
  let total = 0;
  let sum = 0;
  const over = { 10: 0, 60: 0 };
  const add = (seconds: number, count = 1) => {
    const bin = binOf(Math.max(0, seconds));
    bins[bin] = (bins[bin] ?? 0) + count;
    total += count;
    sum += count * seconds;
    if (seconds > 10) over[10] += count;
    if (seconds > 60) over[60] += count;
  };
  return {
    add,
    remove: (seconds) => add(seconds, -1),
    total: () => total,
    sum: () => sum,
    overPercent: (limit) => (total > 0 ? (100 * over[limit]) / total : 0),
    quantile: (share) => {
      let seen = 0;
      for (const [bin, count] of bins.entries()) {
        seen += count;
        if (seen > share * total) return middleOf(bin);
      }
      return 0;
    },
  };
};
