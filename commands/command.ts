import type { SettingKey, Settings } from '../src/config/settings.ts';
import type { ExitCode } from '../src/errors.ts';
import type { Output, OutputStream } from '../src/output.ts';

/** What a command gets besides its settings. */
export interface CommandContext {
  /** Aborts at the first SIGINT, SIGTERM, or when the process that started this one has gone. */
  readonly signal: AbortSignal;
  readonly output: Output;
  /** Where a service's log goes. */
  readonly stderr: OutputStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Positional arguments, as typed. */
  readonly operands: readonly string[];
  readonly workingFolder: string;
  /** Asks the person at the terminal a question that is answered with yes or no; absent where there is no terminal. */
  readonly ask?: (question: string) => Promise<boolean>;
  readonly resolved: {
    readonly sources: Readonly<Record<SettingKey, string>>;
    readonly file: string | undefined;
    readonly values: Settings;
  };
  /**
   * Tells the user, and a supervisor if there is one, that the service now answers. With --json, `details` is the one object
   * that a service prints, under the schema of its command.
   */
  ready(text: string, details?: Readonly<Record<string, unknown>>): void;
  /** Tells a supervisor, if there is one, what this service has just done. */
  tell(text: string, details?: Readonly<Record<string, unknown>>): void;
}

/** What a command returns: `data` is printed with --json, `text` otherwise. */
export interface CommandResult {
  readonly data: { readonly schema: string } & Readonly<Record<string, unknown>>;
  readonly text: string;
  readonly exitCode?: ExitCode;
}

export interface Example {
  readonly does: string;
  readonly line: string;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** Called by programs only: not in the list of commands. */
  readonly hidden?: boolean;
  readonly description?: string;
  /** commander's notation, such as `<file...>`. */
  readonly operands?: string;
  readonly settings: readonly SettingKey[];
  /** Other names of flags, such as those of the course project: `--num_request` for `requests`. */
  readonly aliases?: Readonly<
    Partial<Record<SettingKey, { readonly flag: string; readonly convert?: (text: string) => string }>>
  >;
  readonly examples: readonly [Example, Example, ...Example[]];
  /** `imgrec <this> <name>`: a command can do something itself and have these too. */
  readonly subcommands?: readonly Command[];
  /** A service says when it is `ready` and returns nothing. */
  run(settings: Settings, context: CommandContext): Promise<CommandResult | undefined>;
}
