import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ImgrecError } from '../errors.ts';
import { partitionSettings, resolveSettings } from './resolve.ts';
import { environmentName, settingKeys, settings } from './settings.ts';

const none = { flags: {}, environment: {}, file: {} };

const refusal = (sources: Parameters<typeof resolveSettings>[0]): ImgrecError => {
  try {
    resolveSettings(sources);
  } catch (error) {
    if (error instanceof ImgrecError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('settings that another release wrote', () => {
  test('are told apart: those that are known here, and the names of the others', () => {
    expect(partitionSettings({ 'max-pixels': 5, 'from-the-future': true })).toEqual({
      known: { 'max-pixels': 5 },
      strange: ['from-the-future'],
    });
  });
});

describe('settings', () => {
  test('a flag wins over the environment, the environment over the file, the file over the default', () => {
    const all = { flags: { port: '1' }, environment: { IMGREC_PORT: '2' }, file: { port: 3 } };
    expect(resolveSettings(all)).toMatchObject({ values: { port: 1 }, sources: { port: 'flag' } });
    expect(resolveSettings({ ...all, flags: {} })).toMatchObject({
      values: { port: 2 },
      sources: { port: 'environment' },
    });
    expect(resolveSettings({ ...none, file: all.file })).toMatchObject({
      values: { port: 3 },
      sources: { port: 'file' },
    });
    expect(resolveSettings(none)).toMatchObject({ values: { port: 8081 }, sources: { port: 'default' } });
  });

  test.each([
    ['an unknown key of the file', { ...none, file: { prot: 1 } }, '"prot"'],
    ['an unknown variable', { ...none, environment: { IMGREC_PROT: '1' } }, 'IMGREC_PROT'],
    ['an empty variable', { ...none, environment: { IMGREC_PORT: '' } }, 'IMGREC_PORT is empty'],
    ['an empty flag', { ...none, flags: { cluster: '' } }, '--cluster is empty'],
    ['an empty value in the file', { ...none, file: { cluster: '' } }, '"cluster"'],
    [
      'a number out of range',
      { ...none, flags: { port: '65536' } },
      '--port must be at most 65535, not "65536"',
    ],
    ['text instead of a number', { ...none, flags: { port: '80a' } }, '--port must be a whole number'],
    ['hexadecimal', { ...none, flags: { port: '0x50' } }, '--port'],
    ['a fraction of a port', { ...none, flags: { port: '80.5' } }, '--port'],
    [
      'text for a switch',
      { ...none, environment: { IMGREC_LOCAL: 'maybe' } },
      'IMGREC_LOCAL must be true or false',
    ],
    [
      'a choice that is none',
      { ...none, flags: { reply: 'xml' } },
      '--reply must be one of label, stem:label, tuple, json',
    ],
    ['a cluster name with capitals', { ...none, flags: { cluster: 'Demo' } }, '--cluster must be'],
    ['a number for text', { ...none, file: { state: 7 } }, '"state"'],
    ['a time without meaning', { ...none, flags: { waitSeconds: 'soon' } }, '--wait must be a time'],
  ])('%s is refused by name, with exit code 64', (_what, sources, text) => {
    const error = refusal(sources);
    expect(error.exitCode).toBe(64);
    expect(error.message).toContain(text);
  });

  test.each([
    [{ waitSeconds: '90' }, 90],
    [{ waitSeconds: '1.5m' }, 90],
    [{ waitSeconds: '500ms' }, 0.5],
    [{ waitSeconds: '1h' }, 3_600],
  ])('times may carry units: %o', (flags, waitSeconds) => {
    expect(resolveSettings({ ...none, flags }).values.waitSeconds).toBe(waitSeconds);
  });

  test('sizes may carry units', () => {
    expect(resolveSettings({ ...none, flags: { maxImageBytes: '2MiB' } }).values.maxImageBytes).toBe(
      2_097_152,
    );
    expect(resolveSettings({ ...none, flags: { maxImageBytes: '500kB' } }).values.maxImageBytes).toBe(
      500_000,
    );
  });

  test('"false" switches off', () => {
    expect(resolveSettings({ ...none, environment: { IMGREC_LOCAL: 'false' } }).values.local).toBe(false);
    expect(resolveSettings({ ...none, environment: { IMGREC_LOCAL: '1' } }).values.local).toBe(true);
  });

  test('variables of the tests and of the launcher are not settings', () => {
    expect(() =>
      resolveSettings({ ...none, environment: { IMGREC_TEST_DATA: 'x', IMGREC_INSTANCE_ID: 'i' } }),
    ).not.toThrow();
  });

  test('no two settings share a name', () => {
    const names = settingKeys.map((key) => environmentName(settings[key].name));
    expect(new Set(names).size).toBe(names.length);
  });

  test('every default is a value that the setting itself accepts', () => {
    for (const key of settingKeys) {
      const { default: initial, type } = settings[key];
      expect(type.safeParse(typeof initial === 'function' ? initial() : initial).success, key).toBe(true);
    }
  });

  test('whatever text is given, it is either accepted or refused with exit code 64', () => {
    fc.assert(
      fc.property(fc.constantFrom(...settingKeys), fc.string(), (key, value) => {
        try {
          resolveSettings({ ...none, flags: { [key]: value } });
        } catch (error) {
          expect(error).toBeInstanceOf(ImgrecError);
          expect((error as ImgrecError).exitCode).toBe(64);
        }
      }),
    );
  });
});
