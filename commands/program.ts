import { Command as Commander, CommanderError, Option } from 'commander';
import { readSettingsFile, resolveSettings } from '../src/config/resolve.ts';
import { type SettingKey, settings } from '../src/config/settings.ts';
import { type ExitCode, exitCodes, ImgrecError, messageOf, usageError } from '../src/errors.ts';
import { collectOften } from '../src/heap.ts';
import { createOutput, type OutputStream } from '../src/output.ts';
import { version } from '../src/package.ts';
import type { Command } from './command.ts';

/** One module a verb, loaded only when that verb runs: a worker must not wait for the load generator's imports. */
const verbs = {
  provision: async () => (await import('./provision.ts')).provision,
  serve: async () => (await import('./serve.ts')).serve,
  worker: async () => (await import('./worker.ts')).worker,
  scale: async () => {
    // Before the SDK is loaded: what loading it takes is the most that a scaler ever has.
    collectOften();
    return (await import('./scale.ts')).scale;
  },
  bench: async () => (await import('./bench.ts')).bench,
  dev: async () => (await import('./dev.ts')).dev,
  classify: async () => (await import('./classify.ts')).classify,
  config: async () => (await import('./config.ts')).config,
  instance: async () => (await import('./instance.ts')).instance,
} satisfies Record<string, () => Promise<Command>>;

/** Settings that every command has. */
const everywhere = [
  'cluster',
  'local',
  'state',
  'region',
  'json',
  'quiet',
  'verbose',
] as const satisfies SettingKey[];

export interface Invocation {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly workingFolder: string;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly signal: AbortSignal;
  /** Absent where there is nobody to ask. */
  readonly ask?: (question: string) => Promise<boolean>;
  /** Where a supervisor that started this process hears that it is ready, or why it failed. */
  readonly notify?: (message: Readonly<Record<string, unknown>>) => void;
}

const settingOption = (key: SettingKey): Option => {
  const { name, placeholder, help, default: initial } = settings[key];
  const shown =
    typeof initial === 'function' ||
    [undefined, false].includes(initial as undefined) ||
    String(initial) === ''
      ? ''
      : ` (default: ${initial})`;
  const option = new Option(placeholder ? `--${name} <${placeholder}>` : `--${name}`, `${help}${shown}`);
  option.attributeName = () => key;
  return option;
};

const repeated = (flag: string): string => `${flag} is given twice`;

const describeExamples = (command: Command): string =>
  [
    '',
    'Examples:',
    ...command.examples.flatMap((example) => [`  # ${example.does}`, `  $ ${example.line}`]),
  ].join('\n');

/** Adds a command and its subcommands to `program`. */
const define = (
  program: Commander,
  command: Command,
  act: (command: Command, flags: Record<string, unknown>, operands: string[]) => Promise<void>,
) => {
  const sub = program.command(command.operands ? `${command.name} ${command.operands}` : command.name, {
    hidden: command.hidden ?? false,
  });
  sub.summary(command.summary).description(command.description ?? command.summary);
  for (const key of command.settings) sub.addOption(settingOption(key));
  for (const [key, alias] of Object.entries(command.aliases ?? {})) {
    const { name, placeholder } = settings[key as SettingKey];
    if (placeholder === undefined) {
      // A switch has no value to parse.
      sub.addOption(new Option(alias.flag, `same as --${name}`));
      sub.on(`option:${alias.flag.replace('--', '')}`, () => sub.setOptionValueWithSource(key, true, 'cli'));
      continue;
    }
    sub.addOption(
      new Option(`${alias.flag} <${placeholder}>`, `same as --${name}`).argParser((value: string) => {
        const flags = sub.opts();
        if (flags[key] !== undefined) throw usageError(repeated(`--${name} (or ${alias.flag})`));
        sub.setOptionValueWithSource(key, alias.convert ? alias.convert(value) : value, 'cli');
        return value;
      }),
    );
  }
  for (const key of everywhere) sub.addOption(settingOption(key));
  sub.addOption(
    new Option(
      '--config <FILE>',
      'settings file (default: imgrec.json in the working folder, if there is one)',
    ),
  );
  sub.addHelpText('after', describeExamples(command));
  // What is typed before a subcommand's name holds for it as well, and what follows is its own.
  sub.enablePositionalOptions();
  sub.action(async () => act(command, sub.optsWithGlobals(), sub.args));
  for (const nested of command.subcommands ?? []) define(sub, nested, act);
};

/**
 * Runs one imgrec command line and returns its exit code; prints only on the given streams.
 * The commands' only entry point: `bin/imgrec.ts` and the tests call it.
 */
export const run = async (invocation: Invocation): Promise<ExitCode> => {
  const { argv, environment, stdout, stderr, signal } = invocation;
  const asked = (name: string) => argv.includes(`--${name}`);
  let output = createOutput({
    stdout,
    stderr,
    quiet: asked('quiet'),
    verbose: asked('verbose'),
    json: asked('json'),
    color: false,
  });
  let exitCode: ExitCode = exitCodes.done;

  const program = new Commander('imgrec')
    .description('Operate an elastic image-recognition cluster on AWS, or on this machine')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => stdout.write(text), writeErr: (text) => stderr.write(text) })
    .showHelpAfterError('(add --help for usage)')
    .helpCommand(false);
  program.addHelpText('after', '\nTry it on this machine: imgrec bench --dev');

  const asksFor = argv.find((argument) => !argument.startsWith('-'));
  const wanted = Object.entries(verbs).filter(
    ([name]) => !Object.hasOwn(verbs, asksFor ?? '') || name === asksFor,
  );
  for (const [, load] of wanted) {
    define(program, await load(), async (command, flags, operands) => {
      const { config: configFlag, ...given } = flags;
      const known = Object.fromEntries(Object.entries(given).filter(([key]) => Object.hasOwn(settings, key)));
      const named = (configFlag as string | undefined) ?? environment['IMGREC_CONFIG'];
      if (named === '')
        throw usageError(`${configFlag === undefined ? 'IMGREC_CONFIG' : '--config'} is empty`);
      const file = readSettingsFile(named, invocation.workingFolder);
      const resolved = resolveSettings({ flags: known, environment, file: file?.content ?? {} }, file?.path);
      const { json, quiet, verbose } = resolved.values;
      output = createOutput({
        stdout,
        stderr,
        quiet,
        verbose,
        json,
        color: (environment['NO_COLOR'] ?? '') === '',
      });
      const result = await command.run(resolved.values, {
        signal,
        output,
        stderr,
        environment,
        operands,
        workingFolder: invocation.workingFolder,
        ...(invocation.ask ? { ask: invocation.ask } : {}),
        resolved,
        ready: (text, details = {}) => {
          output.info(text);
          if (json) output.result(JSON.stringify({ schema: `imgrec.${command.name}/1`, ...details }));
          invocation.notify?.({ type: 'ready', ...details });
        },
        tell: (text, details = {}) => invocation.notify?.({ type: 'told', text, ...details }),
      });
      if (result === undefined) return;
      output.result(json ? JSON.stringify(result.data) : result.text);
      exitCode = result.exitCode ?? exitCodes.done;
    });
  }

  try {
    // Asked for help on a command that is none, commander would print the general help and be content.
    if (asksFor !== undefined && !Object.hasOwn(verbs, asksFor))
      throw usageError(`unknown command '${asksFor}'`, 'run "imgrec --help" for the list');
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    output.error(error);
    // The supervisor shows this instead of the log that stderr goes to.
    const hint = error instanceof ImgrecError && error.hint !== undefined ? { hint: error.hint } : {};
    invocation.notify?.({ type: 'failed', message: messageOf(error), ...hint });
    return error instanceof ImgrecError ? error.exitCode : exitCodes.failed;
  }
};
