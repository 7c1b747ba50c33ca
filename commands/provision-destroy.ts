import { connect } from '../src/aws/connection.ts';
import { destroy, planDestroy } from '../src/provision/destroy.ts';
import { describeStep } from '../src/provision/diff.ts';
import { openProvisioner } from '../src/provision/provision.ts';
import { renderDone, renderPlan } from '../src/provision/render.ts';
import type { Command } from './command.ts';
import { confirm } from './provision-choices.ts';

export const destroyCommand: Command = {
  name: 'destroy',
  summary: 'Delete what "imgrec provision" made, and nothing else',
  description:
    "Show what would be deleted, ask, and do it. Only what carries this cluster's tags and the id of this installation is deleted; buckets with data in them need --delete-data.",
  settings: ['deleteData', 'graceSeconds', 'yes'],
  examples: [
    { does: 'on the local cloud', line: 'imgrec provision destroy --local --yes' },
    {
      does: 'with all images and results',
      line: 'imgrec provision destroy --local --delete-data --yes',
    },
  ],
  run: async (settings, context) => {
    const { output, workingFolder, signal } = context;
    const provisioner = await openProvisioner(connect(settings, workingFolder), {
      signal,
      say: output.info,
    });
    try {
      const { clouds, keepers } = provisioner;
      const plan = await planDestroy(clouds, keepers);
      const { cluster } = clouds.names;
      const { account, region } = clouds.place;
      if (plan.steps.length > 0) {
        output.info(renderPlan(plan.steps));
        // Refused before anything is asked.
        if (plan.holdingData.length === 0 || settings.deleteData)
          await confirm(`Delete these ${plan.steps.length} for good?`, settings, context);
      }
      const done = await destroy(provisioner, plan, {
        deleteData: settings.deleteData,
        graceSeconds: settings.graceSeconds,
        onDone: (step, seconds) => output.info(renderDone(step, seconds)),
      });
      const outcome = done.length === 0 ? 'nothing to delete' : `${done.length} deleted`;
      return {
        data: { schema: 'imgrec.destroy/1', cluster, account, region, steps: done.map(describeStep) },
        text: `cluster ${cluster} in account ${account}, ${region}: ${outcome}`,
      };
    } finally {
      provisioner.close();
    }
  },
};
