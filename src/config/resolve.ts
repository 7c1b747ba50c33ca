import { readFileSync } from 'node:fs';
import path from 'node:path';
import { usageError } from '../errors.ts';
import { environmentName, type SettingKey, type Settings, settingKeys, settings } from './settings.ts';

/** Where a value came from, in rising precedence. */
export type Source = 'default' | 'file' | 'environment' | 'flag';

export interface ResolvedSettings {
  readonly values: Settings;
  readonly sources: Readonly<Record<SettingKey, Source>>;
  /** The imgrec.json that was read, if there was one. */
  readonly file: string | undefined;
}

export interface SettingSources {
  /** By property name, as text or already typed. */
  readonly flags: Readonly<Partial<Record<SettingKey, unknown>>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** By user-visible name, as parsed from imgrec.json. */
  readonly file: Readonly<Record<string, unknown>>;
}

const keyByName = new Map<string, SettingKey>(settingKeys.map((key) => [settings[key].name, key]));
const keyByEnvironment = new Map<string, SettingKey>(
  settingKeys.map((key) => [environmentName(settings[key].name), key]),
);

/** `IMGREC_*` variables that are not settings: the launcher's, the tests' and the tool cache's. */
const otherVariables = /^IMGREC_(TEST_.+|CI_.+|TOOL_CACHE|CONFIG|INSTANCE_ID|USER_DATA)$/;

const describe = (value: unknown): string =>
  typeof value === 'string' ? `"${value}"` : JSON.stringify(value);

const parse = (key: SettingKey, value: unknown, shownAs: string): unknown => {
  if (value === '')
    throw usageError(`${shownAs} is empty`, `remove it, or give it a value: ${settings[key].help}`);
  const result = settings[key].type.safeParse(value);
  if (result.success) return result.data;
  const reason = result.error.issues[0]?.message ?? 'is not valid';
  throw usageError(`${shownAs} ${reason}, not ${describe(value)}`, settings[key].help);
};

/**
 * Merges the sources: flag > environment > file > default.
 * @throws ImgrecError (exit 64) naming the flag, variable or key that is unknown, empty or has a bad value.
 */
export const resolveSettings = (sources: SettingSources, file?: string): ResolvedSettings => {
  const values: Record<string, unknown> = {};
  const origin: Record<string, Source> = {};
  const put = (key: SettingKey, value: unknown, source: Source, shownAs: string) => {
    values[key] = parse(key, value, shownAs);
    origin[key] = source;
  };
  for (const key of settingKeys) {
    const initial = settings[key].default;
    values[key] = typeof initial === 'function' ? initial() : initial;
    origin[key] = 'default';
  }
  for (const [name, value] of Object.entries(sources.file)) {
    const key = keyByName.get(name);
    if (key === undefined)
      throw usageError(
        `unknown key "${name}" in ${file ?? 'imgrec.json'}`,
        'run "imgrec config" for the list',
      );
    put(key, value, 'file', `"${name}" in ${file ?? 'imgrec.json'}`);
  }
  for (const [name, value] of Object.entries(sources.environment)) {
    if (!name.startsWith('IMGREC_') || value === undefined || otherVariables.test(name)) continue;
    const key = keyByEnvironment.get(name);
    if (key === undefined)
      throw usageError(`unknown environment variable ${name}`, 'run "imgrec config" for the list');
    put(key, value, 'environment', name);
  }
  for (const [key, value] of Object.entries(sources.flags)) {
    if (value !== undefined) put(key as SettingKey, value, 'flag', `--${settings[key as SettingKey].name}`);
  }
  return {
    values: values as unknown as Settings,
    sources: origin as Readonly<Record<SettingKey, Source>>,
    file,
  };
};

/** The entries whose names are settings, and the other names. */
export const partitionSettings = (
  file: Readonly<Record<string, unknown>>,
): { readonly known: Readonly<Record<string, unknown>>; readonly strange: readonly string[] } => ({
  known: Object.fromEntries(Object.entries(file).filter(([name]) => keyByName.has(name))),
  strange: Object.keys(file).filter((name) => !keyByName.has(name)),
});

/**
 * Reads imgrec.json: the file named by `--config` or `IMGREC_CONFIG`, which must exist, else the one in the working folder if any.
 * @throws ImgrecError (exit 64) when it cannot be read or is not a JSON object.
 */
export const readSettingsFile = (
  named: string | undefined,
  folder: string,
): { readonly path: string; readonly content: Record<string, unknown> } | undefined => {
  const file = named === undefined ? path.join(folder, 'imgrec.json') : path.resolve(folder, named);
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (cause) {
    if (named === undefined && (cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw usageError(`cannot read ${file}: ${(cause as Error).message}`);
  }
  let content: unknown;
  try {
    content = JSON.parse(source);
  } catch (cause) {
    throw usageError(`${file} is not JSON: ${(cause as Error).message}`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw usageError(`${file} must hold one JSON object`);
  return { path: file, content: content as Record<string, unknown> };
};
