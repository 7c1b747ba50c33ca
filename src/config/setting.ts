import { Cron } from 'croner';
import { z } from 'zod';

/** Everything there is to say about one setting: flags, environment, file keys, help and documentation are derived from it. */
export interface Setting<T> {
  /** The name users see: `--max-pixels`, `IMGREC_MAX_PIXELS`, `"max-pixels"` in imgrec.json. */
  readonly name: string;
  readonly type: z.ZodType<T>;
  /** A value, or a function for defaults that depend on the machine. */
  readonly default: T | (() => T);
  /** What stands for the value in `--help`; absent for switches, which take none. */
  readonly placeholder?: string;
  readonly help: string;
}

export const setting = <T>(
  definition: Omit<Setting<T>, 'default'> & { readonly default: NoInfer<T> | (() => NoInfer<T>) },
): Setting<T> => definition;

const numeric = /^[+-]?\d+(\.\d+)?$/;

/** Environment and flags are text, imgrec.json has numbers: both are read, and nothing else is taken for a number. */
const numberFromText = (value: unknown): unknown =>
  typeof value === 'string' && numeric.test(value.trim()) ? Number(value) : value;

export const integer = (min: number, max: number): z.ZodType<number> =>
  z.preprocess(
    numberFromText,
    z
      .number({ error: 'must be a whole number' })
      .int({ error: 'must be a whole number' })
      .min(min, { error: `must be at least ${min}` })
      .max(max, { error: `must be at most ${max}` }),
  );

export const fraction: z.ZodType<number> = z.preprocess(
  numberFromText,
  z
    .number({ error: 'must be a number from 0 to 1' })
    .min(0, { error: 'must be at least 0' })
    .max(1, { error: 'must be at most 1' }),
);

export const positive: z.ZodType<number> = z.preprocess(
  numberFromText,
  z.number({ error: 'must be a number above 0' }).positive({ error: 'must be above 0' }),
);

export const optional = <T>(type: z.ZodType<T>): z.ZodType<T | undefined> => type.optional();

export const text: z.ZodType<string> = z.string({ error: 'must be text' });

/** `true`, `1`, `yes`, `on` and their opposites, as text or as JSON's booleans. */
export const flag: z.ZodType<boolean> = z.union([z.boolean(), z.stringbool()], {
  error: 'must be true or false',
});

export const choice = <const T extends readonly [string, ...string[]]>(values: T): z.ZodType<T[number]> =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

const withUnit = (units: Readonly<Record<string, number>>, unitless: string) => {
  const pattern = new RegExp(`^(\\d+(?:\\.\\d+)?)\\s*(${Object.keys(units).join('|')})?$`, 'i');
  return (value: unknown): unknown => {
    if (typeof value !== 'string') return value;
    const [, amount, unit] = pattern.exec(value.trim()) ?? [];
    if (amount === undefined) return value;
    const factor = units[(unit ?? unitless).toLowerCase()];
    return factor === undefined ? value : Number(amount) * factor;
  };
};

const secondsFromText = withUnit({ ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 }, 's');
const bytesFromText = withUnit(
  { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 },
  'b',
);

/** A length of time in seconds; text may carry a unit (`90`, `90s`, `1.5m`, `7d`). */
export const seconds = (min: number, max: number): z.ZodType<number> =>
  z.preprocess(
    secondsFromText,
    z
      .number({ error: 'must be a time such as 30, 30s, 5m or 7d' })
      .min(min, { error: `must be at least ${min} s` })
      .max(max, { error: `must be at most ${max} s` }),
  );

/** A size in bytes; text may carry a unit (`10MiB`, `500kB`). */
export const bytes = (min: number, max: number): z.ZodType<number> =>
  z.preprocess(
    bytesFromText,
    z
      .number({ error: 'must be a size such as 10MiB or 500000' })
      .int({ error: 'must be a whole number of bytes' })
      .min(min, { error: `must be at least ${min} bytes` })
      .max(max, { error: `must be at most ${max} bytes` }),
  );

const triplePattern = /^-?\d+(\.\d+)?(,-?\d+(\.\d+)?){2}$/;

/** Three numbers, one a colour channel; text has them between commas. */
export const triple: z.ZodType<readonly [number, number, number]> = z.preprocess(
  (value) =>
    typeof value === 'string' && triplePattern.test(value.trim()) ? value.split(',').map(Number) : value,
  z.tuple([z.number(), z.number(), z.number()], { error: 'must be three numbers such as 0.5,0.5,0.5' }),
);

/** Names between commas, or a JSON array of them; at least `least`. */
export const names = (pattern: RegExp, what: string, least = 0): z.ZodType<readonly string[]> =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((name) => name.trim()) : value),
    z
      .array(z.string().regex(pattern, { error: `must be ${what} between commas` }), {
        error: `must be ${what} between commas`,
      })
      .min(least, { error: `must be at least ${least} of ${what}` }),
  );

/** `0 8 * * 1-5 = 3`: five fields of cron, and what holds from that minute on. */
const scheduleEntry = /^\s*((?:[\d*,/A-Za-z-]+\s+){4}[\d*,/A-Za-z#-]+)\s*=\s*(\d+)\s*$/;

const scheduleError = 'must be entries such as "0 8 * * 1-5 = 3" between semicolons';

const isCron = (expression: string): boolean => {
  try {
    return new Cron(expression).nextRun() !== null;
  } catch {
    return false;
  }
};

/** Least workers from the minutes of cron expressions on. */
export const schedules: z.ZodType<readonly { readonly cron: string; readonly min: number }[]> = z.preprocess(
  (value) =>
    typeof value === 'string'
      ? value.split(';').map((entry) => {
          const [, cron, min] = scheduleEntry.exec(entry) ?? [];
          return { cron, min: Number(min) };
        })
      : value,
  z.array(
    z.object(
      {
        cron: z.string({ error: scheduleError }).refine(isCron, { error: scheduleError }),
        min: z.number({ error: scheduleError }).int().nonnegative(),
      },
      { error: scheduleError },
    ),
    { error: scheduleError },
  ),
);

const spanPattern = /^(.+?)\.\.(.+)$/;

/** Two lengths of time in seconds, the shorter one first; text is such as `60s..2m`, or one time for both. */
export const secondsSpan = (min: number, max: number): z.ZodType<readonly [number, number]> =>
  z.preprocess(
    (value) => {
      if (typeof value !== 'string') return value;
      const [, from = value, to = value] = spanPattern.exec(value) ?? [];
      return [from, to];
    },
    z
      .tuple([seconds(min, max), seconds(min, max)], { error: 'must be a span such as 60s..2m' })
      .refine(([from, to]) => from <= to, { error: 'must have the shorter time first' }),
  );

/** Numbers above 0, between commas. */
export const positives: z.ZodType<readonly number[]> = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',') : value),
  z.array(positive, { error: 'must be numbers between commas' }),
);
