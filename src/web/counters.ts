/** Cumulative counts of one web process since its start. */
export interface Counters {
  accepted(): void;
  answered(): void;
  refused(): void;
  totals(): { readonly acceptedTotal: number; readonly answeredTotal: number; readonly refusedTotal: number };
}

export const createCounters = (): Counters => {
  let acceptedTotal = 0;
  let answeredTotal = 0;
  let refusedTotal = 0;
  return {
    accepted: () => {
      acceptedTotal++;
    },
    answered: () => {
      answeredTotal++;
    },
    refused: () => {
      refusedTotal++;
    },
    totals: () => ({ acceptedTotal, answeredTotal, refusedTotal }),
  };
};
