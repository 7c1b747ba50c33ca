import { connect } from '../src/aws/connection.ts';
import { type Change, provision as provisionCluster } from '../src/provision/provision.ts';
import { workerSettingsOf } from '../src/provision/worker-settings.ts';
import type { Command } from './command.ts';

const renderChange = ({ action, resource, aspects }: Change): string =>
  `${action === 'create' ? '+' : '~'} ${resource}${aspects.length > 0 ? `: ${aspects.join(', ')}` : ''}`;

export const provision: Command = {
  name: 'provision',
  summary: 'Create the queues and buckets of a cluster, or bring them back to what they should be',
  settings: ['retentionSeconds', 'visibilitySeconds'],
  examples: [
    { does: 'on the local cloud that "imgrec dev --only cloud" runs', line: 'imgrec provision --local' },
    { does: 'on AWS, under another name', line: 'imgrec provision --cluster demo --region eu-central-1' },
  ],
  run: async (settings, { output, workingFolder, resolved }) => {
    const report = await provisionCluster(
      connect(settings, workingFolder),
      {
        retentionSeconds: settings.retentionSeconds,
        visibilitySeconds: settings.visibilitySeconds,
        workerSettings: workerSettingsOf(resolved, workingFolder),
      },
      (change) => output.info(renderChange(change)),
    );
    const { changes, resources, cluster, account, region } = report;
    const outcome = changes.length === 0 ? 'nothing to change' : `${changes.length} changed`;
    return {
      data: { schema: 'imgrec.provision/1', ...report },
      text: `cluster ${cluster} in account ${account}, ${region}: ${resources.length} resources, ${outcome}`,
    };
  },
};
