import { z } from 'zod';
import { connect } from '../src/aws/connection.ts';
import { clusterNames } from '../src/aws/names.ts';
import { createSsm } from '../src/aws/ssm.ts';
import { resolveSettings } from '../src/config/resolve.ts';
import { exitCodes, ImgrecError, usageError } from '../src/errors.ts';
import type { Command } from './command.ts';
import { worker } from './worker.ts';

const assignment = z.object({ v: z.literal(1), role: z.enum(['worker']), cluster: z.string() });

const parseJson = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
};

/** The launched machine's own start: user data says what it is, the cluster's settings parameter says how. */
export const instance: Command = {
  name: 'instance',
  hidden: true,
  summary: "Start what this machine's user data says (called by the launcher, not by people)",
  settings: [],
  examples: [
    {
      does: 'a worker, by hand, as the local cloud would launch it',
      line: `IMGREC_USER_DATA='{"v":1,"role":"worker","cluster":"imgrec"}' imgrec instance --local`,
    },
    {
      does: 'the same for a cluster of another name, saying more of what it does',
      line: `IMGREC_USER_DATA='{"v":1,"role":"worker","cluster":"demo"}' imgrec instance --local --verbose`,
    },
  ],
  run: async (settings, context) => {
    const { environment } = context;
    const parsed = assignment.safeParse(parseJson(environment['IMGREC_USER_DATA']));
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
      const file = z.record(z.string(), z.unknown()).safeParse(parseJson(stored));
      if (!file.success)
        throw new ImgrecError(`parameter ${settingsParameter} does not hold settings`, {
          hint: 'run "imgrec provision" to write it anew',
        });
      // Its own command line still says where to connect and how to print.
      const { local, state, region, json, quiet, verbose } = settings;
      const flags = { cluster, local, state, region, json, quiet, verbose };
      const resolved = resolveSettings({ flags, environment, file: file.data }, settingsParameter);
      return await worker.run(resolved.values, { ...context, resolved });
    } finally {
      ssm.close();
    }
  },
};
