/** The exit codes of every imgrec command. They are part of the interface: scripts and cron depend on them. */
export const exitCodes = {
  done: 0,
  failed: 1,
  /** A plan has changes: only with `--detailed-exitcode`, as Terraform does. */
  changes: 2,
  /** The cloud refused or could not be reached. */
  cloud: 3,
  /** A threshold or check was not met. */
  unmet: 4,
  /** The measurement itself is not valid. */
  invalid: 5,
  /** Wrong use or settings (EX_USAGE of sysexits.h). */
  usage: 64,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export interface ErrorDetails {
  /** What the user can do next, as one sentence or command. */
  readonly hint?: string;
  readonly exitCode?: ExitCode;
  readonly cause?: unknown;
}

/**
 * An error whose message is meant for the user. One handler at the edge prints `error: …` and `hint: …`.
 * Anything else that reaches that handler is a defect, or a machine in trouble: --verbose shows its stack.
 */
export class ImgrecError extends Error {
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ImgrecError';
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? exitCodes.failed;
  }
}

/** Wrong use or settings: exit code 64. */
export const usageError = (message: string, hint?: string): ImgrecError =>
  new ImgrecError(message, { exitCode: exitCodes.usage, ...(hint === undefined ? {} : { hint }) });

/** The text of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
