import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/package.ts';

/** Folders of other people's judges, where they are installed: `node scripts/peers.mjs install cfn-lint cdk-nag iam-simulate`. */
export const judges = {
  cfnLint: process.env['IMGREC_TEST_CFN_LINT'],
  cdkNag: process.env['IMGREC_TEST_CDK_NAG'],
  iamSimulate: process.env['IMGREC_TEST_IAM_SIMULATE'],
};

const missing = (variable: string): string =>
  process.env[variable] === undefined ? ` (${variable} names no folder)` : '';

/** For the titles of tests that need a judge: why they do not run, empty where it is installed. */
export const without = {
  cfnLint: missing('IMGREC_TEST_CFN_LINT'),
  cdkNag: missing('IMGREC_TEST_CDK_NAG'),
  iamSimulate: missing('IMGREC_TEST_IAM_SIMULATE'),
};

/** `AwsSolutions-S1 OpsBucket`: a rule and what it is about. */
export type Finding = string;

const run = promisify(execFile);

/** Runs `judge` with a folder that holds the template as template.json. */
const withTemplate = async <T>(template: unknown, judge: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(path.join(tmpdir(), 'imgrec-template-'));
  try {
    await writeFile(path.join(folder, 'template.json'), JSON.stringify(template));
    return await judge(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** What a program prints, whatever it thinks of it. */
const printed = async (file: string, args: readonly string[], cwd: string): Promise<string> => {
  try {
    const { stdout } = await run(file, [...args], { cwd, maxBuffer: 64 * 2 ** 20 });
    return stdout;
  } catch (error) {
    return (error as { readonly stdout?: string }).stdout ?? String(error);
  }
};

export const cfnLint = (folder: string, template: unknown): Promise<string> =>
  withTemplate(template, (at) => printed(path.join(folder, 'bin', 'cfn-lint'), ['template.json'], at));

interface CheckovReport {
  readonly results: { readonly failed_checks: readonly { check_id: string; resource: string }[] };
  readonly summary: { readonly passed: number };
}

export interface CheckovOutcome {
  readonly passed: number;
  readonly findings: readonly Finding[];
}

/** Without --skip-download checkov asks its vendor. */
export const checkov = async (folder: string, template: unknown): Promise<CheckovOutcome> => {
  const args = ['-f', 'template.json', '--framework', 'cloudformation', '--compact', '--quiet'];
  const report = await withTemplate(template, (at) =>
    printed(path.join(folder, 'bin', 'checkov'), [...args, '--skip-download', '-o', 'json'], at),
  );
  const { results, summary } = JSON.parse(report) as CheckovReport;
  return {
    passed: summary.passed,
    findings: results.failed_checks.map((each) => `${each.check_id} ${each.resource.split('.').pop()}`),
  };
};

interface NagReport {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
}

export const cdkNag = async (folder: string, template: unknown): Promise<readonly Finding[]> =>
  withTemplate(template, async (at) => {
    const script = path.join(packageRoot, 'test', 'provision', 'cdk-nag.cjs');
    await run(process.execPath, [script, folder], { cwd: at });
    const report = JSON.parse(
      await readFile(path.join(at, 'out', 'validation-report.json'), 'utf8'),
    ) as NagReport;
    return report.pluginReports.flatMap(({ violations }) =>
      violations.flatMap(({ ruleName, violatingConstructs }) =>
        violatingConstructs.map(({ constructPath }) => `${ruleName} ${constructPath.split('/').pop()}`),
      ),
    );
  });
