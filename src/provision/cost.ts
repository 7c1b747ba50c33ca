import { hoursPerMonth, type Prices } from '../prices.ts';
import type { MachineChoices } from './machines.ts';

/** One line of what a month costs. */
export interface CostLine {
  readonly item: string;
  /** With the fewest workers, and with the most. */
  readonly least: number;
  readonly most: number;
}

export interface MonthlyCost {
  readonly lines: readonly CostLine[];
  readonly least: number;
  readonly most: number;
  readonly currency: string;
  readonly asOf: string;
  readonly region: string;
  /** Instance types without a price: what they cost is not in the sums. */
  readonly unknown: readonly string[];
}

/**
 * What the machines of a cluster cost in a month if they run all the time: instances, their disks, and public IPv4 addresses,
 * one an instance (a web instance's is its Elastic IP) unless subnets without public addresses were chosen. Requests and storage
 * depend on the load and are not in it. Pure.
 */
export const monthlyCost = (
  choices: Pick<MachineChoices, 'instanceTypes' | 'webInstanceType' | 'webInstances' | 'volumeGib'>,
  workers: { readonly least: number; readonly most: number },
  hasPublicAddresses: boolean,
  prices: Prices,
): MonthlyCost => {
  const [workerType] = choices.instanceTypes;
  const hours = (perHour: number | undefined): number => (perHour ?? 0) * hoursPerMonth;
  const line = (item: string, each: number, least: number, most: number): CostLine => ({
    item,
    least: each * least,
    most: each * most,
  });
  const web = choices.webInstances;
  const addressed = (count: number): number => (hasPublicAddresses ? count : 0);
  const lines = [
    line(
      `${web} web, ${choices.webInstanceType}`,
      hours(prices.instanceHour[choices.webInstanceType]),
      web,
      web,
    ),
    line(
      `${workers.least} to ${workers.most} workers, ${workerType}`,
      hours(prices.instanceHour[workerType]),
      workers.least,
      workers.most,
    ),
    line(
      `disks, ${choices.volumeGib} GiB each`,
      prices.gp3GibMonth * choices.volumeGib,
      web + workers.least,
      web + workers.most,
    ),
    line(
      'public IPv4 addresses',
      hours(prices.publicIpv4Hour),
      addressed(web + workers.least),
      addressed(web + workers.most),
    ),
  ];
  const sum = (of: 'least' | 'most') => lines.reduce((total, each) => total + each[of], 0);
  const types = [...(web > 0 ? [choices.webInstanceType] : []), workerType];
  return {
    lines,
    least: sum('least'),
    most: sum('most'),
    currency: prices.currency,
    asOf: prices.asOf,
    region: prices.region,
    unknown: types.filter((type) => prices.instanceHour[type] === undefined),
  };
};
