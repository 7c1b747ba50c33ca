import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveSettings } from '../../src/config/resolve.ts';
import { drainCommand, type Part, partsOf, readBootScript, unitOf } from '../../src/fleet/user-data.ts';
import { assetPath } from '../../src/package.ts';

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;
const parts: readonly Part[] = Object.values(partsOf).flat();
const template = assetPath('userdata', 'imgrec@.service');

const noShellcheck = has('shellcheck') ? '' : ' (there is no shellcheck)';
describe.skipIf(noShellcheck !== '')(`the boot script${noShellcheck}`, () => {
  it('is clean to shellcheck, style included', () => {
    const { status, stdout } = spawnSync(
      'shellcheck',
      ['--severity=style', assetPath('userdata', 'boot.sh')],
      {
        encoding: 'utf8',
      },
    );
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });
});

describe('what the boot script tells the units', () => {
  it("is, on a web instance, to listen for other machines: who may reach it is its security group's to say", () => {
    const [, lines = ''] = /"\$role" = web \]; then printf "([^"]+)"/.exec(readBootScript()) ?? [];
    const environment = Object.fromEntries(
      [...lines.matchAll(/([A-Z_]+)='([^']*)'/g)].map(([, k, v]) => [k, v]),
    );
    expect(resolveSettings({ flags: {}, environment, file: {} }).values).toMatchObject({
      host: '0.0.0.0',
      public: true,
    });
  });
});

const noSystemd = has('systemd-analyze') ? '' : ' (there is no systemd-analyze)';
describe.skipIf(noSystemd !== '')(`the units${noSystemd}`, () => {
  let root: string;
  const units = () => path.join(root, 'etc', 'systemd', 'system');
  const analyze = (...args: readonly string[]) =>
    spawnSync('systemd-analyze', [...args], { encoding: 'utf8', env: { ...process.env, SYSTEMD_PAGER: '' } });

  /** A root in which the units' programs and the targets they name exist, with the drop-ins that the boot script writes. */
  beforeAll(() => {
    root = mkdtempSync(path.join(tmpdir(), 'imgrec-units-'));
    const bin = path.join(root, 'opt', 'imgrec', 'current', 'node', 'bin');
    for (const folder of [bin, units(), path.join(units(), 'imgrec@.service.d')])
      mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(bin, 'node'), '');
    chmodSync(path.join(bin, 'node'), 0o755);
    copyFileSync(template, path.join(units(), 'imgrec@.service'));
    mkdirSync(path.join(units(), 'imgrec@worker.service.d'));
    const script = readBootScript();
    const dropIns = [...script.matchAll(/printf '(\[[^']+)'.*>\/etc\/systemd\/system\/(\S+\.conf)$/gm)];
    expect(dropIns).toHaveLength(2);
    for (const target of ['sysinit', 'basic', 'shutdown', 'network-online', 'multi-user'])
      writeFileSync(path.join(units(), `${target}.target`), '[Unit]\nDescription=as on every machine\n');
    for (const [, text = '', file = ''] of dropIns)
      writeFileSync(path.join(units(), file), text.replaceAll('\\n', '\n').replace('%s', '35'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  it.each(parts)('%s passes systemd-analyze verify', (part) => {
    const { stderr, status } = analyze(
      'verify',
      '--man=no',
      `--root=${root}`,
      path.join(units(), unitOf(part)),
    );
    expect(stderr.split('\n').filter((line) => line.includes('imgrec'))).toEqual([]);
    expect(status).toBe(0);
  });

  it('verify finds what is wrong with a unit', () => {
    const broken = path.join(units(), 'imgrec@broken.service');
    writeFileSync(broken, '[Service]\nExecStart=/nowhere\nSuccessActoin=poweroff\n');
    const { stderr } = analyze('verify', '--man=no', `--root=${root}`, broken);
    rmSync(broken);
    expect(stderr).toContain('SuccessActoin');
  });

  it.each(parts)('%s is exposed to at most 1.5 of 10 (systemd-analyze security)', (part) => {
    const { status, stdout } = analyze(
      ...['security', '--offline=true', `--root=${root}`, '--threshold=15', '--no-pager', unitOf(part)],
    );
    expect(status, stdout).toBe(0);
    expect(stdout).toMatch(/Overall exposure level for imgrec@\w+\.service: 1\.[0-5] OK/);
  });

  it('a worker that has drained powers its machine off, and stops within its grace and five seconds', () => {
    const read = (file: string) => readFileSync(path.join(units(), file), 'utf8');
    expect(read('imgrec@worker.service.d/poweroff.conf')).toBe('[Unit]\nSuccessAction=poweroff\n');
    expect(read('imgrec@.service.d/grace.conf')).toBe('[Service]\nTimeoutStopSec=35\n');
  });
});

describe('the unit', () => {
  const text = readFileSync(template, 'utf8');

  it.each([
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'Restart=on-failure',
    'User=imgrec',
    'CapabilityBoundingSet=',
  ])('says %s', (line) => {
    expect(text.split('\n')).toContain(line);
  });

  it('is what a drain document stops', () => {
    expect(drainCommand).toContain(unitOf('worker'));
    expect(path.basename(template)).toBe(unitOf('worker').replace('@worker', '@'));
  });
});
