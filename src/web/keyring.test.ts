import { describe, expect, test } from 'vitest';
import { createSimClock } from '../../test/fixtures/sim-clock.ts';
import { openKeyring, rereadSeconds } from './keyring.ts';

const [old, fresh] = ['o'.repeat(16), 'f'.repeat(16)];

/** A keyring over a text that the test changes, and everything that it has logged. */
const open = async (text: string) => {
  const clock = createSimClock();
  const stop = new AbortController();
  const logged: string[] = [];
  const write = (...what: readonly unknown[]) => void logged.push(JSON.stringify(what));
  const log = { debug: write, info: write, warn: write, error: write };
  const kept = { text, fails: false };
  const read = async () => {
    if (kept.fails) throw new Error('nobody answers');
    return kept.text;
  };
  const keyring = await openKeyring({ name: 'keys', read }, { clock, log, signal: stop.signal });
  return { keyring, kept, logged, pass: () => clock.advance(rereadSeconds * 1_000), stop };
};

describe('the keyring', () => {
  test('lets a new key in beside the old one, and ends the old one, without a restart', async () => {
    const { keyring, kept, logged, pass, stop } = await open(`old:${old}`);
    const names = () => [old, fresh].map((key) => keyring.nameOf(key));
    expect(names()).toEqual(['old', undefined]);
    kept.text = `fresh:${fresh}\nold:${old}`;
    await pass();
    expect(names()).toEqual(['old', 'fresh']);
    kept.text = `fresh:${fresh}`;
    await pass();
    expect(names()).toEqual([undefined, 'fresh']);
    // The log names the keys, and shows none.
    expect(logged).toHaveLength(2);
    expect(logged.join()).toContain('fresh');
    expect(logged.join()).not.toMatch(/oooo|ffff/);
    stop.abort();
  });

  test.each([
    ['nobody answers', { fails: true }],
    ['somebody emptied it', { text: '' }],
    ['somebody wrote what is no key', { text: 'let everybody in' }],
  ])('goes on with the keys that it has when %s', async (_what, change) => {
    const { keyring, kept, logged, pass, stop } = await open(`old:${old}`);
    Object.assign(kept, change);
    await pass();
    expect(keyring.nameOf(old)).toBe('old');
    expect(logged).toEqual([expect.stringContaining('could not be read again')]);
    stop.abort();
  });

  test('does not open without a key', async () => {
    await expect(open('# none\n')).rejects.toMatchObject({ exitCode: 64, message: 'keys holds no API key' });
  });
});
