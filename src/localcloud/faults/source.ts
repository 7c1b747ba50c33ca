import { readFileSync } from 'node:fs';
import { ImgrecError, messageOf } from '../../errors.ts';
import { defaultMix, type FaultPlan, readFaultPlan } from '../faults.ts';

/** Whether it is a number, for the default mix, and not a file. */
export const isFaultSeed = (fileOrSeed: string): boolean => /^\d{1,9}$/.test(fileOrSeed);

/** The plan that `--faults FILE|SEED` means. Throws an ImgrecError that names the file and what is wrong with it. */
export const loadFaultPlan = (fileOrSeed: string): FaultPlan => {
  if (isFaultSeed(fileOrSeed)) return defaultMix(Number(fileOrSeed));
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(fileOrSeed, 'utf8'));
  } catch (cause) {
    throw new ImgrecError(`the file of faults ${fileOrSeed} cannot be read: ${messageOf(cause)}`, {
      hint: 'name a JSON file, or a number for the default mix with that seed',
      cause,
    });
  }
  return readFaultPlan(value);
};
