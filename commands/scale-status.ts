import { openCluster } from '../src/aws/cluster.ts';
import { connect } from '../src/aws/connection.ts';
import { openRegister } from '../src/scaling/open.ts';
import { renderStatus, scalerStatus } from '../src/scaling/status.ts';
import type { Command } from './command.ts';

export const scaleStatus: Command = {
  name: 'status',
  summary: 'Show who scales, what the fleet is and what waits, as of the last decision',
  settings: [],
  examples: [
    { does: 'on the local cloud', line: 'imgrec scale status --local' },
    { does: 'for a program', line: 'imgrec scale status --local --json' },
  ],
  run: async (settings, { workingFolder }) => {
    const cluster = await openCluster(connect(settings, workingFolder));
    const register = openRegister(cluster);
    try {
      const status = await scalerStatus(register);
      return {
        data: { schema: 'imgrec.scale.status/1', ...status },
        text: renderStatus(status),
      };
    } finally {
      register.close();
      cluster.close();
    }
  },
};
