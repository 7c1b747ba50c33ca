import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Assignment, readBootScript, renderUserData } from './user-data.ts';

const script = readBootScript();
const artifact = 'a'.repeat(64);
const worker: Assignment = { v: 1, role: 'worker', cluster: 'demo', artifact };
const render = (given: Assignment, graceSeconds = 30) => renderUserData(script, given, { graceSeconds });

describe('user data', () => {
  test('is a shell script whose second line says, for machines, what the instance is', () => {
    const [first, second] = render(worker).split('\n');
    expect(first).toBe('#!/bin/bash');
    expect(second).toBe(`# imgrec {"v":1,"role":"worker","cluster":"demo","artifact":"${artifact}"}`);
  });

  test('names no artifact where the image has the software', () => {
    const rendered = render({ v: 1, role: 'worker', cluster: 'demo' });
    expect(rendered.split('\n')[1]).toBe('# imgrec {"v":1,"role":"worker","cluster":"demo"}');
    expect(rendered).toContain("\nartifact=''\n");
  });

  test('fills in every value, and gives the units the grace and five seconds', () => {
    const rendered = render(worker, 29.5);
    expect(rendered).not.toMatch(/@[A-Z_]+@/);
    expect(rendered).toContain("\nstop_seconds='35'\n");
    expect(rendered).toContain(`\nartifact='${artifact}'\n`);
  });

  test('stays below the 16 KB that EC2 takes, and says so when it does not', () => {
    expect(Buffer.byteLength(render({ ...worker, cluster: 'a'.repeat(20) }))).toBeLessThan(16_384);
    const long = `${script}${'#'.repeat(16_384)}`;
    expect(() => renderUserData(long, worker, { graceSeconds: 30 })).toThrow('EC2 takes 16384');
  });

  test.each([
    ['a cluster', { cluster: "x'; reboot; '" }],
    ['a cluster', { cluster: 'Demo' }],
    ['a cluster', { cluster: 'demo\n' }],
    ['an artifact', { artifact: '$(reboot)' }],
    ['an artifact', { artifact: '../etc/passwd' }],
    ['a role', { role: 'root' }],
  ])('refuses %s that a shell could take for more: %j', (_what, change) => {
    expect(() => render({ ...worker, ...(change as object) })).toThrow();
  });

  test('whatever is accepted is one harmless word of the script, and nothing else is accepted', () => {
    const hostile = fc.constantFrom(
      "'",
      '"',
      '`',
      '$',
      '(',
      ';',
      '\n',
      '\0',
      ' ',
      '@',
      '\\',
      '&',
      'a',
      '-',
      '0',
    );
    const harmless = fc.stringMatching(/^[a-z][a-z0-9-]{0,15}$/);
    const touched = fc
      .tuple(harmless, fc.nat(16), hostile)
      .map(([name, at, character]) => name.slice(0, at) + character + name.slice(at));
    const mixed = fc.array(hostile, { maxLength: 20 }).map((characters) => characters.join(''));
    fc.assert(
      fc.property(fc.oneof(harmless, touched, mixed), (cluster) => {
        if (/^[a-z][a-z0-9-]{0,19}$/.test(cluster))
          expect(render({ ...worker, cluster })).toContain(`\ncluster='${cluster}'\n`);
        else expect(() => render({ ...worker, cluster })).toThrow();
      }),
    );
  });

  test('bash can read it', () => {
    for (const role of ['worker', 'web', 'image'] as const) {
      const { status, stderr } = spawnSync('bash', ['-n'], {
        input: render({ ...worker, role }),
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      expect(status).toBe(0);
    }
  });

  test('holds nothing that looks like a credential', () => {
    expect(render(worker)).not.toMatch(/AKIA|ASIA|aws_secret|BEGIN .*PRIVATE/i);
  });
});
