/** `npm run faults`: breaks a cluster in many ways and judges what it did. scripts/faults.mjs builds and starts this. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { packageRoot } from '../../src/package.ts';
import { faultTests } from './cases/all.ts';
import { type Lab, openLab } from './lab.ts';
import { makePhotos, type Photo } from './photos.ts';
import { plantedBugs } from './planted.ts';
import { copyProduct, type Product } from './product.ts';
import { randomFrom } from './random.ts';
import { type Row, renderRow, renderTable } from './report.ts';
import type { FaultTest, Trial } from './trial.ts';

const usage = `usage: npm run faults -- [--only F1,F5] [--short] [--planted] [--minutes M] [--seed S] [--lanes N] [--json] [--product DIR] [--keep]
  --only     these tests only
  --short    small sizes, as in CI
  --planted  three known bugs, each of which the named test must catch
  --minutes  how long the soak (F20) may take
  --seed     of every choice; printed in each row
  --lanes    tests at a time
  --product  the folder of the build to test, instead of this one
  --keep     keep the folder with all logs`;

const exitUnmet = 4;
const exitUsage = 64;

const options = () => {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      short: { type: 'boolean', default: false },
      planted: { type: 'boolean', default: false },
      minutes: { type: 'string' },
      seed: { type: 'string', default: '1' },
      lanes: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      product: { type: 'string', default: packageRoot },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const only = values.only?.split(',').map((name) => name.trim().toUpperCase());
  const stray = only?.find((name) => !faultTests.some((test) => test.name === name));
  if (stray !== undefined)
    throw new Error(`there is no test ${stray}; there are ${faultTests.map(({ name }) => name).join(', ')}`);
  for (const name of ['seed', 'lanes', 'minutes'] as const)
    if (values[name] !== undefined && !/^\d+(\.\d+)?$/.test(values[name]))
      throw new Error(`--${name} ${values[name]} is no number`);
  return { ...values, only };
};

/** Everything that runs a test shares. */
interface Bench {
  readonly product: Product;
  readonly photos: readonly Photo[];
  readonly wholePhotos: readonly Photo[];
  readonly folder: string;
  readonly size: Trial['size'];
  readonly seed: number;
  readonly minutes: number | undefined;
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

const runTest = async (test: FaultTest, bench: Bench, name = test.name): Promise<Row> => {
  const folder = path.join(bench.folder, name);
  await mkdir(folder);
  const endings: (() => Promise<void> | void)[] = [];
  let labs = 0;
  const trial: Trial = {
    ...bench,
    folder,
    random: randomFrom(bench.seed),
    pick: (short, full) => (bench.size === 'short' ? short : full),
    lab: async (lab = {}): Promise<Lab> => {
      const opened = await openLab({
        product: bench.product,
        folder: path.join(folder, `lab-${++labs}`),
        visibilitySeconds: 10,
        ...lab,
      });
      endings.push(() => opened.close(bench.keep));
      return opened;
    },
    mutated: (edits) => copyProduct(bench.product, path.join(folder, 'mutated'), edits),
    atEnd: (act) => void endings.push(act),
    say: (line) => bench.say(`${name}: ${line}`),
  };
  const startedAtMs = performance.now();
  const rowOf = (verdict: Row['verdict'], finding: Row['finding'], why: readonly string[]): Row => ({
    test: name,
    title: test.title,
    seed: bench.seed,
    tookSeconds: (performance.now() - startedAtMs) / 1_000,
    verdict,
    finding,
    why,
  });
  try {
    const finding = await test.run(trial);
    if (finding.kind === 'skipped') return rowOf('skipped', finding, [finding.why]);
    const failed = finding.checks.filter(({ ok }) => !ok);
    return rowOf(
      failed.length === 0 ? 'pass' : 'fail',
      finding,
      failed.map(({ what, measured, must }) => `${what} is ${measured}, must be ${must}`),
    );
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return rowOf('fail', undefined, [`the test itself broke: ${text}`]);
  } finally {
    for (const end of endings.reverse())
      await Promise.resolve(end()).catch((error: unknown) => bench.say(`${name}: ${messageOf(error)}`));
  }
};

/** Each bug in a build of its own; the test that is to catch it must fail there. */
const runPlanted = async (bench: Bench): Promise<Row[]> => {
  const rows: Row[] = [];
  for (const bug of plantedBugs) {
    const test = faultTests.find(({ name }) => name === bug.caughtBy);
    if (test === undefined) throw new Error(`${bug.name} names no test`);
    const name = `${bug.caughtBy}-${bug.name}`;
    const product = await copyProduct(bench.product, path.join(bench.folder, `bug-${bug.name}`), bug.edits);
    const row = await runTest(test, { ...bench, product }, name);
    const caught =
      row.finding?.kind === 'judged' && row.verdict === 'fail' && row.why.some((why) => bug.by.test(why));
    rows.push({
      ...row,
      title: `planted bug: ${bug.title}`,
      verdict: caught ? 'pass' : 'fail',
      why: caught ? row.why.map((why) => `caught: ${why}`) : [`not caught by ${bug.caughtBy}`, ...row.why],
    });
    bench.say(renderRow(rows.at(-1) as Row));
  }
  return rows;
};

const runAll = async (tests: readonly FaultTest[], lanes: number, bench: Bench): Promise<Row[]> => {
  const rows: Row[] = [];
  const lane = async (waiting: FaultTest[]) => {
    for (let test = waiting.shift(); test !== undefined; test = waiting.shift()) {
      const row = await runTest(test, bench);
      rows.push(row);
      bench.say(renderRow(row));
    }
  };
  const beside = tests
    .filter(({ alone }) => !alone)
    .sort((a, b) => Number(b.long ?? false) - Number(a.long ?? false));
  await Promise.all(Array.from({ length: lanes }, () => lane(beside)));
  await lane(tests.filter(({ alone }) => alone));
  return rows.sort((a, b) => Number(a.test.slice(1)) - Number(b.test.slice(1)));
};

const run = async (): Promise<number> => {
  const chosen = options();
  if (chosen.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const folder = await mkdtemp(path.join(tmpdir(), 'imgrec-faults-'));
  try {
    const product = await copyProduct({ root: path.resolve(chosen.product) }, path.join(folder, 'product'));
    const photos = await makePhotos(product, path.join(folder, 'photos'));
    const bench: Bench = {
      product,
      photos: photos.small,
      wholePhotos: photos.whole,
      folder,
      size: chosen.short || chosen.planted ? 'short' : 'full',
      seed: Number(chosen.seed),
      minutes: chosen.minutes === undefined ? undefined : Number(chosen.minutes),
      keep: chosen.keep,
      say,
    };
    const { only } = chosen;
    const tests = faultTests.filter(({ name, nightly }) =>
      only ? only.includes(name) : !(nightly && bench.size === 'short'),
    );
    const rows = chosen.planted ? await runPlanted(bench) : await runAll(tests, Number(chosen.lanes), bench);
    process.stdout.write(
      chosen.json
        ? `${JSON.stringify({ schema: 'imgrec.faults/1', size: bench.size, rows })}\n`
        : `${renderTable(rows)}\n`,
    );
    return rows.some(({ verdict }) => verdict === 'fail') ? exitUnmet : 0;
  } finally {
    if (chosen.keep) say(`everything is kept in ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
};

run().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`error: ${messageOf(error)}\n${usage}\n`);
    process.exit(exitUsage);
  },
);
