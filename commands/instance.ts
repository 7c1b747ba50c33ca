import { z } from 'zod';
import { connect } from '../src/aws/connection.ts';
import { clusterNames } from '../src/aws/names.ts';
import { createSsm } from '../src/aws/ssm.ts';
import { resolveSettings } from '../src/config/resolve.ts';
import { exitCodes, ImgrecError, usageError } from '../src/errors.ts';
import type { Command } from './command.ts';
import { worker } from './worker.ts';

const assignment = z.object({ v: z.literal(1), role: z.enum(['worker']), cluster: z.string() });

/** The launched machine's own start: user data says what it is, the cluster's settings parameter says how. */
export const instance: Command = {
  name: 'instance',
  summary: "Start what this machine's user data says (called by the launcher, not by people)",
  settings: [],
  examples: [
    { does: 'with the user data line in the environment', line: 'imgrec instance' },
    { does: 'more of what it does', line: 'imgrec instance --verbose' },
  ],
  run: async (settings, context) => {
    const line = process.env['IMGREC_USER_DATA'];
    const parsed = assignment.safeParse(line === undefined ? undefined : JSON.parse(line));
    if (!parsed.success)
      throw usageError(
        'IMGREC_USER_DATA does not say what this instance is',
        'it is set by whoever launches instances',
      );
    const { cluster } = parsed.data;
    const ssm = createSsm(connect({ ...settings, cluster }, context.workingFolder));
    try {
      const { settingsParameter } = clusterNames(cluster, '', '');
      const stored = await ssm.get(settingsParameter);
      if (stored === undefined)
        throw new ImgrecError(`parameter ${settingsParameter} does not exist`, {
          hint: 'run "imgrec provision" first',
          exitCode: exitCodes.cloud,
        });
      const resolved = resolveSettings(
        { flags: { cluster }, environment: process.env, file: JSON.parse(stored) as Record<string, unknown> },
        settingsParameter,
      );
      return await worker.run(resolved.values, { ...context, resolved });
    } finally {
      ssm.close();
    }
  },
};
