import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, usageError } from './errors.ts';
import { assetPath } from './package.ts';

const price = z.number().nonnegative();

/** What AWS charges, in one currency, in one region, as of one day. */
const pricesFile = z.object({
  asOf: z.iso.date(),
  currency: z.string(),
  source: z.string(),
  region: z.string(),
  /** On demand, by instance type. */
  instanceHour: z.record(z.string(), price),
  /** A GiB of disk (gp3) for a month. */
  gp3GibMonth: price,
  publicIpv4Hour: price,
  perMillion: z.object({ sqsRequest: price, s3Put: price, s3Get: price }),
  s3GibMonth: price,
  /** A GiB to the internet, within the first 10 TiB of a month. */
  transferOutGib: price,
});

export type Prices = z.infer<typeof pricesFile>;

/** AWS reckons a month as 730 hours: https://calculator.aws */
export const hoursPerMonth = 730;

/**
 * The built-in prices, or those of a file of the same form, whose instance types are added to the built-in ones.
 * @throws ImgrecError (exit 64) when the file cannot be read or is not of that form
 */
export const readPrices = (file?: string): Prices => {
  const builtIn = pricesFile.parse(JSON.parse(readFileSync(assetPath('prices.json'), 'utf8')));
  if (file === undefined) return builtIn;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw usageError(`cannot read the prices in ${file}: ${messageOf(error)}`);
  }
  const given = pricesFile.partial().safeParse(content);
  if (!given.success) {
    const [issue] = given.error.issues;
    throw usageError(
      `${file} holds no prices: ${issue?.path.join('.')}: ${issue?.message}`,
      'see assets/prices.json',
    );
  }
  const { instanceHour, ...others } = given.data;
  return {
    ...builtIn,
    ...Object.fromEntries(Object.entries(others).filter(([, value]) => value !== undefined)),
    instanceHour: { ...builtIn.instanceHour, ...instanceHour },
  };
};
