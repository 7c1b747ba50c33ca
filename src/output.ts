import type { Writable } from 'node:stream';
import { ImgrecError, messageOf } from './errors.ts';

/** A stream to print on; `isTTY` decides about progress bars and nothing else. */
export type OutputStream = Pick<Writable, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };

export interface Progress {
  update(text: string): void;
  stop(): void;
}

/** What a command may print. Results go to stdout, all the rest to stderr. */
export interface Output {
  result(text: string): void;
  info(text: string): void;
  detail(text: string): void;
  warn(text: string): void;
  error(error: unknown): void;
  /** A live line on stderr, shown only on a terminal and not with --quiet or --json. */
  progress(text: string): Promise<Progress>;
}

export interface OutputOptions {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
  readonly color: boolean;
}

const line = (stream: OutputStream, text: string): void => {
  stream.write(text.endsWith('\n') ? text : `${text}\n`);
};

const noProgress: Progress = { update: () => {}, stop: () => {} };

export const createOutput = (options: OutputOptions): Output => {
  const { stdout, stderr } = options;
  return {
    result: (text) => line(stdout, text),
    info: (text) => {
      if (!options.quiet) line(stderr, text);
    },
    detail: (text) => {
      if (options.verbose && !options.quiet) line(stderr, text);
    },
    warn: (text) => line(stderr, `warning: ${text}`),
    error: (error) => {
      line(stderr, `error: ${messageOf(error)}`);
      if (error instanceof ImgrecError && error.hint !== undefined) line(stderr, `hint: ${error.hint}`);
      if (!options.verbose) {
        if (!(error instanceof ImgrecError)) line(stderr, 'hint: --verbose shows where this happened');
        return;
      }
      for (let cause = error; cause instanceof Error; cause = cause.cause) line(stderr, cause.stack ?? '');
    },
    progress: async (text) => {
      // A terminal that says it has no columns (script(1), some CI) makes a spinner redraw without end.
      if (!stderr.isTTY || stderr.columns === 0 || options.quiet || options.json) return noProgress;
      const { default: ora } = await import('ora');
      const spinner = ora({
        text,
        stream: stderr as NodeJS.WritableStream,
        discardStdin: false,
        ...(options.color ? {} : { color: false as const }),
      }).start();
      return {
        update: (next) => {
          spinner.text = next;
          // Not at the spinner's next turn: a short run would end before it.
          spinner.render();
        },
        stop: () => {
          spinner.stop();
        },
      };
    },
  };
};
