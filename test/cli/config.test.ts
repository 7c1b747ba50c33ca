import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { settingKeys, settings } from '../../src/config/settings.ts';
import { invoke } from '../fixtures/invoke.ts';

interface ConfigReport {
  readonly schema: string;
  readonly file: string | null;
  readonly settings: Readonly<Record<string, { readonly value: unknown; readonly source: string }>>;
}

describe('imgrec config', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'imgrec-config-'));
    await writeFile(
      path.join(folder, 'imgrec.json'),
      JSON.stringify({ port: 1, wait: '2m', 'max-pixels': 5 }),
    );
    await writeFile(path.join(folder, 'other.json'), JSON.stringify({ port: 4, quiet: false }));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const report = async (argv: readonly string[] = [], environment: Record<string, string> = {}) => {
    const { exitCode, stdout, stderr } = await invoke(['config', '--json', ...argv], {
      workingFolder: folder,
      environment,
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    return JSON.parse(stdout) as ConfigReport;
  };

  it('knows every setting, and says of each where it came from: flag over environment over file over default', async () => {
    const {
      schema,
      file,
      settings: found,
    } = await report(['--wait', '7'], {
      IMGREC_PORT: '3',
      IMGREC_WAIT: '6',
      IMGREC_TEST_DATA: 'no setting',
    });
    expect({ schema, file }).toEqual({ schema: 'imgrec.config/1', file: path.join(folder, 'imgrec.json') });
    expect(Object.keys(found)).toEqual(settingKeys.map((key) => settings[key].name));
    expect(found).toMatchObject({
      wait: { value: 7, source: 'flag' },
      port: { value: 3, source: 'environment' },
      'max-pixels': { value: 5, source: 'file' },
      reply: { value: 'label', source: 'default' },
      model: { value: null, source: 'default' },
      json: { value: true, source: 'flag' },
    });
  });

  it('reads the file that --config or IMGREC_CONFIG names, and no other', async () => {
    expect((await report(['--config', 'other.json'])).settings).toMatchObject({
      port: { value: 4, source: 'file' },
      wait: { value: 300, source: 'default' },
    });
    expect((await report([], { IMGREC_CONFIG: 'other.json' })).settings['port']?.value).toBe(4);
  });

  it('prints the same as a table', async () => {
    const { exitCode, stdout, stderr } = await invoke(['config', '--wait', '7'], {
      workingFolder: folder,
      environment: { IMGREC_PORT: '3' },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/│ wait +│ 7 +│ flag +│/);
    expect(stdout).toMatch(/│ port +│ 3 +│ environment +│/);
    expect(stdout).toMatch(/│ max-pixels +│ 5 +│ file +│/);
    expect(stdout).toMatch(/│ reply +│ label +│ default +│/);
    for (const key of settingKeys) expect(stdout).toContain(`│ ${settings[key].name} `);
  });
});
