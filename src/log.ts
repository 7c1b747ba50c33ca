import { type Logger, pino } from 'pino';
import type { OutputStream } from './output.ts';

/** Structured log lines (JSON, one a line): names with line breaks in them cannot forge a line. */
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** A log on stderr: services keep stdout for results. */
export const createLog = (options: {
  readonly stderr: OutputStream;
  readonly quiet: boolean;
  readonly verbose: boolean;
}): Log =>
  pino(
    {
      level: options.verbose ? 'debug' : options.quiet ? 'error' : 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    { write: (line: string) => void options.stderr.write(line) },
  );
